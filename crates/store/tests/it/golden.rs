//! Files of every released schema version are opened, migrated and read.

use std::fs;
use std::path::Path;

use memrl_store::conformance::fixtures::{
    NOW, cell, cell_id, decision, decision_id, event, full_cell, insert, outcome, outcome_id,
};
use memrl_store::{
    CellFilter, CellPrior, Changed, EventFilter, InsertCell, SqliteStore, Store, StoreError,
};
use memrl_types::{Cell, CellStatus};
use tempfile::TempDir;

/// Made by `examples/golden.rs` when that schema version was current.
const SPECIMENS: [&str; 2] = ["v1.db", "v2.db"];

#[test]
fn files_of_every_schema_version_are_read() {
    for name in SPECIMENS {
        let dir = TempDir::new().unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data")
            .join(name);
        fs::copy(from, dir.path().join("memrl.db")).unwrap();
        let store = SqliteStore::open(dir.path()).unwrap();
        assert_eq!(store.integrity().unwrap(), [""; 0], "{name}");
        assert_eq!(
            store.stats().unwrap().schema_version,
            SPECIMENS.len() as i64
        );
        check(&store);
        // What was there before is kept, and can be gone back to.
        let copy = format!("backups/before-schema-{}.db", SPECIMENS.len());
        let copy = dir.path().join(copy);
        assert_eq!(copy.exists(), Some(&name) != SPECIMENS.last(), "{name}");
        if copy.exists() {
            let back = TempDir::new().unwrap();
            fs::copy(copy, back.path().join("memrl.db")).unwrap();
            check(&SqliteStore::open(back.path()).unwrap());
        }
    }
}

#[test]
fn the_priors_of_the_second_version_are_read() {
    let dir = TempDir::new().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    fs::copy(data.join("v2.db"), dir.path().join("memrl.db")).unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let seq = store.get(cell_id(2)).unwrap().seq;
    let prior = CellPrior {
        seq,
        mean: 1.0 / 3.0,
        mass: 9.9,
        at: NOW,
    };
    assert_eq!(store.all_priors().unwrap(), [prior]);
}

fn check(store: &SqliteStore) {
    let first = store.get(cell_id(1)).unwrap();
    assert_eq!(first.superseded_by, Some(cell_id(5)));
    let expected = Cell {
        status: CellStatus::Superseded,
        version: 2,
        access_count: 1,
        last_retrieved_at: Some(NOW),
        ..cell(1, "Ann drinks tea")
    };
    assert_eq!(first.cell, expected);
    let history = store.history(cell_id(1)).unwrap();
    assert_eq!(history[0].cell, cell(1, "Ann drinks tea"));
    assert_eq!(store.get(cell_id(2)).unwrap().cell, full_cell(2));
    assert_eq!(store.get(cell_id(3)).unwrap().cell.content, "[deleted]");
    assert!(store.find(cell_id(4)).unwrap().is_none());
    assert_eq!(
        store
            .list(&CellFilter::default(), None, 9)
            .unwrap()
            .rows
            .len(),
        4
    );
    let changes = store.changes_since(0, 99, "m1").unwrap();
    let vectors = changes
        .iter()
        .filter(|c| matches!(&c.what, Changed::Upsert { vector: Some(v), .. } if *v == [1; 64]));
    assert_eq!((changes.len(), vectors.count()), (5, 1));

    let rows = store.trajectory("session").unwrap();
    assert_eq!(rows[0].decision, decision(1, "session", &[1, 2, 4]));
    assert_eq!((rows[0].next, rows[0].outcomes), (Some(decision_id(2)), 1));
    assert_eq!(
        store.outcomes_of(decision_id(1)).unwrap()[0].outcome,
        outcome(1)
    );
    assert_eq!(
        store
            .rewards_of(decision_id(1), Some("memcell_v1@1"))
            .unwrap()[0]
            .value
            .to_bits(),
        0.5_f64.to_bits()
    );
    let value = store.values(&[first.seq]).unwrap()[0];
    assert_eq!(
        (value.successes.to_bits(), value.observations),
        (0.5_f64.to_bits(), 1)
    );
    assert_eq!(
        store.events(&EventFilter::default(), 9, 0).unwrap(),
        [event(1, memrl_types::EventKind::WriteCell, &[1], Some(1))]
    );
    assert_eq!(store.meta("salt").unwrap(), Some(vec![1, 2, 3]));

    let shown = store.shown_in("session").unwrap();
    assert_eq!(shown, [cell_id(1)]);
    assert_eq!(store.last_shown(cell_id(1)).unwrap(), Some(decision_id(2)));

    // And it goes on from there.
    let keyed = |content| InsertCell {
        idempotency_key: Some("first".into()),
        ..insert(cell(9, content))
    };
    assert_eq!(
        store.insert(&[keyed("Ann drinks tea")]).unwrap()[0].cell_id,
        cell_id(1)
    );
    assert!(matches!(
        store.insert(&[keyed("x")]),
        Err(StoreError::IdempotencyMismatch(_))
    ));
    let retry = store
        .append_outcome(outcome_id(2), decision_id(1), NOW, &outcome(1), &[])
        .unwrap();
    assert_eq!(retry.outcome_id, outcome_id(1));
    let new = store.insert(&[insert(cell(10, "new"))]).unwrap()[0];
    assert!(new.created && new.seq > 5);
}
