//! Following changes and vectors.

use memrl_types::{CellStatus, Timestamp};

use super::Check;
use super::fixtures::{NOW, cell, cell_id, hash, insert, vector};
use crate::{Change, Changed, InsertCell, Store, UpdateCell, Vector};

pub(super) const CHECKS: &[Check] = &[
    (
        "a_cache_catches_up_with_every_change",
        a_cache_catches_up_with_every_change,
    ),
    ("changes_come_in_steps", changes_come_in_steps),
    ("vectors_follow_their_text", vectors_follow_their_text),
];

fn upserted(change: &Change) -> (i64, Option<Vec<u8>>) {
    match &change.what {
        Changed::Upsert { row, vector } => (row.seq, vector.clone()),
        Changed::Removed { seq } => panic!("cell {seq} is gone"),
    }
}

fn a_cache_catches_up_with_every_change(store: &dyn Store) {
    assert_eq!(store.change_seq().unwrap(), 0);
    assert!(store.changes_since(0, 10, "m1").unwrap().is_empty());
    let done = store
        .insert(&[
            InsertCell {
                vector: Some(vector(1)),
                ..insert(cell(1, "one"))
            },
            insert(cell(2, "two")),
            insert(cell(3, "three")),
        ])
        .unwrap();
    let [one, two, three] = [done[0].seq, done[1].seq, done[2].seq];
    let all = store.changes_since(0, 10, "m1").unwrap();
    assert_eq!(upserted(&all[0]), (one, Some(vec![1; 64])));
    assert_eq!(upserted(&all[1]), (two, None));
    assert_eq!(all[2].change_seq, store.change_seq().unwrap());
    assert_eq!(
        upserted(&store.changes_since(0, 1, "other").unwrap()[0]),
        (one, None)
    );

    let mut seen = store.change_seq().unwrap();
    let mut news = || {
        let changes = store.changes_since(seen, 10, "m1").unwrap();
        assert_eq!(
            store.change_seq().unwrap(),
            changes.last().map_or(seen, |c| c.change_seq)
        );
        seen = store.change_seq().unwrap();
        changes
    };
    assert!(news().is_empty());
    let change = UpdateCell {
        cell: cell(2, "two!"),
        expected_version: 1,
        content_hash: hash("two!"),
        vector: Some(vector(2)),
    };
    store.update(&change, &[]).unwrap();
    let changes = news();
    assert_eq!(
        (changes.len(), upserted(&changes[0])),
        (1, (two, Some(vec![2; 64])))
    );
    let four = store
        .supersede(cell_id(2), None, &insert(cell(4, "four")), NOW, &[])
        .unwrap()
        .seq;
    let mut touched: Vec<_> = news().iter().map(|c| upserted(c).0).collect();
    touched.sort_unstable();
    assert_eq!(touched, [two, four]);
    store
        .set_status(cell_id(1), CellStatus::Quarantined, NOW, &[])
        .unwrap();
    assert_eq!(upserted(&news()[0]).0, one);
    store.put_vectors(&[(three, 1, vector(3))]).unwrap();
    assert_eq!(upserted(&news()[0]), (three, Some(vec![3; 64])));
    store.forget(cell_id(3), NOW, &[]).unwrap();
    assert_eq!(news()[0].what, Changed::Removed { seq: three });
    store.purge(&[cell_id(1)]).unwrap();
    assert_eq!(news()[0].what, Changed::Removed { seq: one });
    // A new cache learns of the dead as well, which is harmless, and of each living once.
    let fresh = store.changes_since(0, 100, "m1").unwrap();
    let living = fresh
        .iter()
        .filter(|c| matches!(c.what, Changed::Upsert { .. }))
        .count();
    assert_eq!((living, fresh.len()), (2, 4));
}

fn changes_come_in_steps(store: &dyn Store) {
    let cells: Vec<_> = (0..25).map(|n| insert(cell(n, "x"))).collect();
    store.insert(&cells).unwrap();
    let (mut after, mut sizes, mut seqs) = (0, Vec::new(), Vec::new());
    loop {
        let step = store.changes_since(after, 10, "m1").unwrap();
        sizes.push(step.len());
        seqs.extend(step.iter().map(|c| upserted(c).0));
        match step.last() {
            Some(last) => after = last.change_seq,
            None => break,
        }
    }
    assert_eq!(sizes, [10, 10, 5, 0]);
    seqs.dedup();
    assert_eq!(seqs.len(), 25);
}

fn vectors_follow_their_text(store: &dyn Store) {
    let cells: Vec<_> = (1..=4).map(|n| insert(cell(n, "x"))).collect();
    let seqs: Vec<_> = store
        .insert(&cells)
        .unwrap()
        .iter()
        .map(|d| d.seq)
        .collect();
    store.forget(cell_id(4), NOW, &[]).unwrap();
    let missing = |after| {
        let rows = store.vectors_missing("m1", after, 2).unwrap();
        rows.iter().map(|r| r.seq).collect::<Vec<_>>()
    };
    assert_eq!(missing(0), seqs[..2]);
    assert_eq!(missing(seqs[1]), [seqs[2]]);
    let change = UpdateCell {
        cell: cell(2, "y"),
        expected_version: 1,
        content_hash: hash("y"),
        vector: None,
    };
    store.update(&change, &[]).unwrap();
    // Of cell 2 the vector comes too late, cell 4 is forgotten, 999 never was.
    let offered: Vec<_> = [seqs[0], seqs[1], seqs[3], 999]
        .map(|s| (s, 1, vector(9)))
        .into();
    assert_eq!(store.put_vectors(&offered).unwrap(), 1);
    assert_eq!(missing(0), [seqs[1], seqs[2]]);
    // One vector per model; a new one replaces the old one.
    let other = Vector {
        model: "m2".into(),
        bytes: vec![5],
    };
    store
        .put_vectors(&[(seqs[0], 1, other), (seqs[0], 1, vector(8))])
        .unwrap();
    let found = |model: &str| {
        let changes = store.changes_since(0, 99, model).unwrap();
        changes
            .iter()
            .filter(|c| matches!(&c.what, Changed::Upsert { vector: Some(v), .. } if !v.is_empty()))
            .count()
    };
    assert_eq!((found("m1"), found("m2"), found("m3")), (1, 1, 0));
    // A change that leaves the text alone leaves the vector, too.
    let row = store.get(cell_id(1)).unwrap();
    let same_text = UpdateCell {
        cell: memrl_types::Cell {
            confidence: 0.5,
            updated_at: Timestamp(NOW.0 + 1),
            ..row.cell
        },
        expected_version: 1,
        content_hash: row.content_hash,
        vector: None,
    };
    store.update(&same_text, &[]).unwrap();
    assert_eq!(found("m1"), 1);
    assert_eq!(
        store.stats().unwrap().vectors,
        [("m1".into(), 1), ("m2".into(), 1)]
    );
}
