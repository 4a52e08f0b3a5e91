//! Writing and reading cells.

use memrl_types::{CellStatus, CellType, EventKind, Scope, Sensitivity, SourcePosition, Timestamp};

use super::Check;
use super::fixtures::{NOW, cell, cell_id, event, full_cell, hash, insert, vector};
use crate::{CellFilter, Cursor, EventFilter, InsertCell, Order, Store, StoreError, UpdateCell};

pub(super) const CHECKS: &[Check] = &[
    ("what_is_written_is_read", what_is_written_is_read),
    ("a_batch_is_all_or_nothing", a_batch_is_all_or_nothing),
    ("equal_content_is_stored_once", equal_content_is_stored_once),
    (
        "equal_content_with_another_meaning_is_stored_again",
        equal_content_with_another_meaning_is_stored_again,
    ),
    (
        "a_repeated_write_is_the_first_write",
        a_repeated_write_is_the_first_write,
    ),
    (
        "a_prefix_finds_one_cell_or_says_why_not",
        a_prefix_finds_one_cell_or_says_why_not,
    ),
    (
        "a_listing_shows_what_was_asked_for",
        a_listing_shows_what_was_asked_for,
    ),
    (
        "pages_neither_repeat_nor_skip",
        pages_neither_repeat_nor_skip,
    ),
    (
        "a_null_in_a_scope_matches_nothing_absent",
        a_null_in_a_scope_matches_nothing_absent,
    ),
    ("an_update_keeps_what_was", an_update_keeps_what_was),
    ("a_stale_update_is_refused", a_stale_update_is_refused),
    ("a_successor_takes_over_once", a_successor_takes_over_once),
    (
        "a_successor_of_what_changed_meanwhile_is_refused",
        a_successor_of_what_changed_meanwhile_is_refused,
    ),
    (
        "statuses_change_only_where_allowed",
        statuses_change_only_where_allowed,
    ),
    (
        "counters_count_without_a_new_version",
        counters_count_without_a_new_version,
    ),
    (
        "numbers_that_are_none_are_refused",
        numbers_that_are_none_are_refused,
    ),
];

fn what_is_written_is_read(store: &dyn Store) {
    for (n, written) in [(1, cell(1, "plain")), (2, full_cell(2))] {
        let done = store.insert(&[insert(written.clone())]).unwrap();
        assert!(done[0].created);
        assert_eq!(done[0].cell_id, cell_id(n));
        let row = store.get(cell_id(n)).unwrap();
        assert_eq!(row.cell, written);
        assert_eq!(row.seq, done[0].seq);
        assert_eq!(row.content_hash, hash(&written.content));
        assert_eq!(store.rows(&[row.seq]).unwrap(), [row]);
    }
    let known = store.seqs(&[cell_id(2), cell_id(9), cell_id(1)]).unwrap();
    assert!(known[0] > known[2] && known[1].is_none());
    let (first, second) = (known[2].unwrap(), known[0].unwrap());
    let both: Vec<_> = store
        .rows(&[second, 999, first])
        .unwrap()
        .into_iter()
        .map(|r| r.cell.cell_id)
        .collect();
    assert_eq!(both, [cell_id(2), cell_id(1)]);
    assert!(store.find(cell_id(9)).unwrap().is_none());
}

fn a_batch_is_all_or_nothing(store: &dyn Store) {
    store.insert(&[insert(cell(1, "one"))]).unwrap();
    // With a name that the store has not seen before.
    let two = || InsertCell {
        vector: Some(vector(1)),
        ..insert(cell(2, "two"))
    };
    let before = store.change_seq().unwrap();
    let batch = [two(), insert(cell(1, "again"))];
    assert!(matches!(
        store.insert(&batch),
        Err(StoreError::DuplicateId(_))
    ));
    assert!(store.find(cell_id(2)).unwrap().is_none());
    assert_eq!(store.change_seq().unwrap(), before);
    // What the failed batch left in caches must not spoil the next one.
    store.insert(&[two()]).unwrap();
    assert_eq!(store.stats().unwrap().vectors, [("m1".into(), 1)]);
    assert_eq!(store.get(cell_id(2)).unwrap().cell.content, "two");
}

fn equal_content_is_stored_once(store: &dyn Store) {
    let dedup = |n, kind, scope: Scope| InsertCell {
        dedup: true,
        ..insert(memrl_types::Cell {
            kind,
            tier: kind.tier(),
            scope,
            ..cell(n, "tea")
        })
    };
    let ann = || Scope::of("user", "ann");
    let done = store
        .insert(&[
            dedup(1, CellType::Fact, ann()),
            dedup(2, CellType::Fact, ann()),
            dedup(3, CellType::Preference, ann()),
            dedup(4, CellType::Fact, Scope::of("user", "bob")),
            insert(cell(5, "tea")),
        ])
        .unwrap();
    let created: Vec<_> = done.iter().map(|d| d.created).collect();
    assert_eq!(created, [true, false, true, true, true]);
    assert_eq!((done[1].seq, done[1].cell_id), (done[0].seq, cell_id(1)));
    // A forgotten or superseded cell is no twin.
    store.forget(cell_id(1), NOW, &[]).unwrap();
    store
        .supersede(cell_id(5), None, &insert(cell(6, "coffee")), NOW, &[])
        .unwrap();
    let again = store.insert(&[dedup(7, CellType::Fact, ann())]).unwrap();
    assert!(again[0].created);
    // Nor is one in doubt.
    for (n, doubt) in [
        (8, CellStatus::Quarantined),
        (9, CellStatus::Contradicted),
        (10, CellStatus::Expired),
    ] {
        store.set_status(cell_id(n - 1), doubt, NOW, &[]).unwrap();
        let again = store.insert(&[dedup(n, CellType::Fact, ann())]).unwrap();
        assert!(again[0].created, "{doubt}");
    }
    let again = store.insert(&[dedup(11, CellType::Fact, ann())]).unwrap();
    assert_eq!((again[0].cell_id, again[0].created), (cell_id(10), false));
}

fn equal_content_with_another_meaning_is_stored_again(store: &dyn Store) {
    let plain = cell(1, "tea");
    let said = |n, change: fn(&mut memrl_types::Cell)| {
        let mut cell = cell(n, "tea");
        change(&mut cell);
        InsertCell {
            dedup: true,
            ..insert(cell)
        }
    };
    let changes: [fn(&mut memrl_types::Cell); 7] = [
        |c| c.sensitivity = Sensitivity::Restricted,
        |c| c.valid_from = Some(Timestamp(5)),
        |c| c.valid_until = Some(Timestamp(5)),
        |c| c.valid_until = Some(Timestamp(6)),
        |c| c.speaker = Some("Ann".into()),
        |c| c.speaker = Some("ann".into()),
        |c| c.contradicted_by = vec![cell_id(99).to_string()],
    ];
    store.insert(&[insert(plain)]).unwrap();
    for (n, change) in (2..).zip(changes) {
        let new = store.insert(&[said(n, change)]).unwrap()[0];
        assert_eq!((new.cell_id, new.created), (cell_id(n), true));
    }
    // Each of them has a twin of its own, except the contradicted one.
    for (n, change) in (2..).zip(changes) {
        let again = store.insert(&[said(n + 100, change)]).unwrap()[0];
        let expected = if n == 8 { (n + 100, true) } else { (n, false) };
        assert_eq!(
            (again.cell_id, again.created),
            (cell_id(expected.0), expected.1)
        );
    }
    let again = store.insert(&[said(200, |_| {})]).unwrap()[0];
    assert_eq!((again.cell_id, again.created), (cell_id(1), false));
}

fn a_repeated_write_is_the_first_write(store: &dyn Store) {
    let keyed = |n, content: &str| InsertCell {
        idempotency_key: Some("k".into()),
        ..insert(cell(n, content))
    };
    let first = store.insert(&[keyed(1, "tea")]).unwrap()[0];
    let second = store.insert(&[keyed(2, "tea")]).unwrap()[0];
    assert_eq!((second.cell_id, second.created), (first.cell_id, false));
    let other = store.insert(&[keyed(3, "coffee")]);
    assert!(matches!(other, Err(StoreError::IdempotencyMismatch(_))));
    // Also across a supersede that was acknowledged but not heard.
    let keyed_successor = |n| InsertCell {
        idempotency_key: Some("s".into()),
        ..insert(cell(n, "green tea"))
    };
    let first = store
        .supersede(cell_id(1), None, &keyed_successor(4), NOW, &[])
        .unwrap();
    let again = store
        .supersede(cell_id(1), None, &keyed_successor(5), NOW, &[])
        .unwrap();
    assert_eq!((again.cell_id, again.created), (first.cell_id, false));
}

fn a_prefix_finds_one_cell_or_says_why_not(store: &dyn Store) {
    store
        .insert(&[insert(cell(1, "one")), insert(cell(2, "two"))])
        .unwrap();
    let full = cell_id(1).to_string();
    for prefix in [
        &full[..8],
        &full[..7],
        &full[..13],
        &full,
        &full.to_uppercase(),
    ] {
        assert_eq!(
            store.get_by_prefix(prefix).unwrap().cell.cell_id,
            cell_id(1),
            "{prefix}"
        );
    }
    for nonsense in ["", "abc", "xyz!", &format!("{full}0"), "ééééé"] {
        let refused = store.get_by_prefix(nonsense);
        assert!(
            matches!(refused, Err(StoreError::InvalidId(_))),
            "{nonsense}"
        );
    }
    assert!(matches!(
        store.get_by_prefix("0000000"),
        Err(StoreError::CellNotFound(_))
    ));
    let mut twin = *cell_id(1).bytes();
    twin[15] ^= 1;
    let twin = memrl_types::Cell {
        cell_id: memrl_types::CellId::from_bytes(twin),
        ..cell(3, "three")
    };
    store.insert(&[insert(twin)]).unwrap();
    assert!(matches!(
        store.get_by_prefix(&full[..8]),
        Err(StoreError::AmbiguousId(_))
    ));
    assert_eq!(store.get_by_prefix(&full).unwrap().cell.content, "one");
}

fn ids(store: &dyn Store, filter: &CellFilter) -> Vec<memrl_types::CellId> {
    let page = store.list(filter, None, 100).unwrap();
    assert!(page.next.is_none());
    page.rows.into_iter().map(|r| r.cell.cell_id).collect()
}

fn a_listing_shows_what_was_asked_for(store: &dyn Store) {
    let mut wide = cell(1, "Übergang to TEA");
    wide.scope.0.insert("project".into(), "x".into());
    wide.created_at = Timestamp(100);
    let mut secret = cell(2, "coffee");
    secret.sensitivity = Sensitivity::Restricted;
    secret.kind = CellType::Constraint;
    secret.tier = secret.kind.tier();
    secret.created_at = Timestamp(200);
    let mut other = cell(3, "tea");
    other.scope = Scope::of("user", "bob");
    other.status = CellStatus::Expired;
    other.source = Some(SourcePosition {
        source: "s".into(),
        position: 1,
    });
    other.created_at = Timestamp(300);
    store
        .insert(&[insert(wide), insert(secret), insert(other)])
        .unwrap();
    let all = CellFilter::default();
    let (a, b, c) = (cell_id(1), cell_id(2), cell_id(3));
    assert_eq!(ids(store, &all), [c, b, a]);
    let oldest = CellFilter {
        order: Order::Oldest,
        ..all.clone()
    };
    assert_eq!(ids(store, &oldest), [a, b, c]);
    let scope = |scope| CellFilter {
        scope: Some(scope),
        ..all.clone()
    };
    assert_eq!(ids(store, &scope(Scope::of("user", "ann"))), [b, a]);
    let mut both = Scope::of("user", "ann");
    both.0.insert("project".into(), "x".into());
    assert_eq!(ids(store, &scope(both)), [a]);
    assert_eq!(ids(store, &scope(Scope::default())), [c, b, a]);
    assert!(ids(store, &scope(Scope::of("user", "ANN"))).is_empty());
    let types = CellFilter {
        types: vec![CellType::Fact],
        ..all.clone()
    };
    assert_eq!(ids(store, &types), [c, a]);
    let statuses = CellFilter {
        statuses: vec![CellStatus::Expired],
        ..all.clone()
    };
    assert_eq!(ids(store, &statuses), [c]);
    let open = CellFilter {
        max_sensitivity: Some(Sensitivity::High),
        ..all.clone()
    };
    assert_eq!(ids(store, &open), [c, a]);
    let text = |text: &str| CellFilter {
        text: Some(text.into()),
        ..all.clone()
    };
    assert_eq!(ids(store, &text("tea")), [c, a]);
    assert_eq!(ids(store, &text("übergang")), [a]);
    assert!(ids(store, &text("%")).is_empty());
    let source = CellFilter {
        source: Some("s".into()),
        ..all.clone()
    };
    assert_eq!(ids(store, &source), [c]);
    let during = CellFilter {
        created_from: Some(Timestamp(200)),
        created_before: Some(Timestamp(300)),
        ..all
    };
    assert_eq!(ids(store, &during), [b]);
}

fn pages_neither_repeat_nor_skip(store: &dyn Store) {
    let cells: Vec<_> = (0..10).map(|n| insert(cell(n, "x"))).collect();
    store.insert(&cells).unwrap();
    for order in [Order::Newest, Order::Oldest] {
        let filter = CellFilter {
            order,
            ..CellFilter::default()
        };
        let (mut seen, mut after) = (Vec::new(), None::<Cursor>);
        loop {
            let page = store.list(&filter, after, 3).unwrap();
            seen.extend(page.rows.iter().map(|r| r.seq));
            after = page.next;
            if after.is_none() {
                break;
            }
            // Another writer in between.
            store
                .insert(&[insert(cell(
                    100 + seen.len() as u64 + 1000 * order as u64,
                    "y",
                ))])
                .unwrap();
        }
        let mut sorted = seen.clone();
        sorted.sort_unstable();
        if order == Order::Newest {
            sorted.reverse();
        }
        sorted.dedup();
        assert_eq!(seen, sorted);
        assert!(seen.len() >= 10);
    }
    assert!(
        store
            .list(&CellFilter::default(), None, 0)
            .unwrap()
            .rows
            .is_empty()
    );
}

fn a_null_in_a_scope_matches_nothing_absent(store: &dyn Store) {
    let scoped = |n, json: serde_json::Value| {
        insert(memrl_types::Cell {
            scope: serde_json::from_value(json).unwrap(),
            ..cell(n, "x")
        })
    };
    store
        .insert(&[
            scoped(1, serde_json::json!({"project": "x"})),
            scoped(2, serde_json::json!({"user": null})),
            scoped(3, serde_json::json!({"user": "ann"})),
        ])
        .unwrap();
    let asked = CellFilter {
        scope: serde_json::from_value(serde_json::json!({"user": null})).unwrap(),
        ..CellFilter::default()
    };
    // `Some` of a JSON null would be `None`: make sure that a scope is asked for.
    assert!(asked.scope.is_some());
    assert_eq!(ids(store, &asked), [cell_id(2)]);
    let raw = CellFilter {
        null_matches_absent: true,
        ..asked
    };
    assert_eq!(ids(store, &raw), [cell_id(2), cell_id(1)]);
}

fn an_update_keeps_what_was(store: &dyn Store) {
    let first = cell(1, "tea");
    store
        .insert(&[InsertCell {
            vector: Some(vector(1)),
            ..insert(first.clone())
        }])
        .unwrap();
    let mut second = full_cell(1);
    second.content = "coffee".into();
    second.updated_at = Timestamp(NOW.0 + 5);
    let row = store
        .update(
            &UpdateCell {
                cell: second.clone(),
                expected_version: 1,
                content_hash: hash("coffee"),
                vector: None,
            },
            &[],
        )
        .unwrap();
    // Kept from the stored cell: id, version (plus one), status, creation, counters.
    let expected = memrl_types::Cell {
        version: 2,
        status: CellStatus::Active,
        created_at: NOW,
        access_count: 0,
        last_retrieved_at: None,
        ..second
    };
    assert_eq!(row.cell, expected);
    let history = store.history(cell_id(1)).unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!((history[0].version, &history[0].cell), (1, &first));
    assert_eq!((history[1].version, &history[1].cell), (2, &expected));
    assert_eq!(
        (history[0].since, history[1].since),
        (NOW, Timestamp(NOW.0 + 5))
    );
    // The vector was of the old text.
    assert_eq!(store.vectors_missing("m1", 0, 9).unwrap().len(), 1);
}

fn a_stale_update_is_refused(store: &dyn Store) {
    store.insert(&[insert(cell(1, "tea"))]).unwrap();
    let change = |expected_version| UpdateCell {
        cell: cell(1, "coffee"),
        expected_version,
        content_hash: hash("coffee"),
        vector: None,
    };
    store.update(&change(1), &[]).unwrap();
    let stale = store.update(&change(1), &[]);
    assert!(matches!(
        stale,
        Err(StoreError::Conflict {
            expected: 1,
            found: 2,
            ..
        })
    ));
    store.forget(cell_id(1), NOW, &[]).unwrap();
    assert!(matches!(
        store.update(&change(3), &[]),
        Err(StoreError::NotLive { .. })
    ));
    let unknown = UpdateCell {
        cell: cell(9, "x"),
        ..change(1)
    };
    assert!(matches!(
        store.update(&unknown, &[]),
        Err(StoreError::CellNotFound(_))
    ));
}

fn a_successor_takes_over_once(store: &dyn Store) {
    let first = store.insert(&[insert(cell(1, "tea"))]).unwrap()[0];
    let later = Timestamp(NOW.0 + 9);
    let second = store
        .supersede(cell_id(1), None, &insert(cell(2, "coffee")), later, &[])
        .unwrap();
    assert!(second.created && second.seq > first.seq);
    let old = store.get(cell_id(1)).unwrap();
    assert_eq!(old.superseded_by, Some(cell_id(2)));
    assert_eq!(
        (old.cell.status, old.cell.version, old.cell.updated_at),
        (CellStatus::Superseded, 2, later)
    );
    assert_eq!(old.cell.content, "tea");
    let new = store.get(cell_id(2)).unwrap().cell;
    assert_eq!(new.supersedes, [cell_id(1).to_string()]);
    match store.supersede(cell_id(1), None, &insert(cell(3, "water")), later, &[]) {
        Err(StoreError::AlreadySuperseded { by, .. }) => assert_eq!(by, cell_id(2)),
        other => panic!("{other:?}"),
    }
    assert!(store.find(cell_id(3)).unwrap().is_none());
    store.forget(cell_id(2), later, &[]).unwrap();
    let deleted = store.supersede(cell_id(2), None, &insert(cell(3, "water")), later, &[]);
    assert!(matches!(deleted, Err(StoreError::NotLive { .. })));
    let unknown = store.supersede(cell_id(9), None, &insert(cell(3, "water")), later, &[]);
    assert!(matches!(unknown, Err(StoreError::CellNotFound(_))));
}

fn a_successor_of_what_changed_meanwhile_is_refused(store: &dyn Store) {
    store.insert(&[insert(cell(1, "tea"))]).unwrap();
    let replace = |expected, n| {
        let told = [event(n, EventKind::SupersedeCell, &[1, n], None)];
        store.supersede(
            cell_id(1),
            Some(expected),
            &insert(cell(n, "coffee")),
            NOW,
            &told,
        )
    };
    store
        .set_status(cell_id(1), CellStatus::Quarantined, NOW, &[])
        .unwrap();
    assert!(matches!(
        replace(1, 2),
        Err(StoreError::Conflict {
            expected: 1,
            found: 2,
            ..
        })
    ));
    assert!(store.find(cell_id(2)).unwrap().is_none());
    let old = store.get(cell_id(1)).unwrap();
    assert_eq!(
        (old.cell.status, old.cell.version, old.superseded_by),
        (CellStatus::Quarantined, 2, None)
    );
    assert!(replace(2, 3).unwrap().created);
    // Who comes late is told who won, whatever version it saw.
    for expected in [1, 2, 3] {
        match replace(expected, 4) {
            Err(StoreError::AlreadySuperseded { by, .. }) => assert_eq!(by, cell_id(3)),
            other => panic!("{other:?}"),
        }
    }
    let told = store.events(&EventFilter::default(), 9, 0).unwrap();
    assert_eq!(told.len(), 1);
}

fn statuses_change_only_where_allowed(store: &dyn Store) {
    use CellStatus::{Active, Contradicted, Deleted, Expired, Quarantined, Superseded};
    let mut n = 0;
    for &from in CellStatus::ALL {
        for &to in CellStatus::ALL {
            n += 1;
            let start = memrl_types::Cell {
                status: from,
                ..cell(n, "x")
            };
            store.insert(&[insert(start)]).unwrap();
            let open = [Active, Contradicted, Expired, Quarantined];
            match store.set_status(cell_id(n), to, Timestamp(NOW.0 + 1), &[]) {
                Ok(row) if from == to => assert_eq!(row.cell.version, 1),
                Ok(row) => {
                    assert!(open.contains(&from) && open.contains(&to));
                    assert_eq!((row.cell.status, row.cell.version), (to, 2));
                    assert_eq!(store.history(cell_id(n)).unwrap()[0].cell.status, from);
                }
                Err(StoreError::WrongStatus { .. }) => {
                    assert!([Deleted, Superseded].iter().any(|s| *s == from || *s == to));
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

fn counters_count_without_a_new_version(store: &dyn Store) {
    let seq = store.insert(&[insert(cell(1, "x"))]).unwrap()[0].seq;
    let before = store.change_seq().unwrap();
    store.touch(&[seq, 999, seq], Timestamp(50)).unwrap();
    store.touch(&[seq], Timestamp(40)).unwrap();
    let row = store.get(cell_id(1)).unwrap().cell;
    assert_eq!(
        (row.access_count, row.last_retrieved_at),
        (3, Some(Timestamp(50)))
    );
    assert_eq!((row.version, row.updated_at), (1, NOW));
    assert_eq!(store.change_seq().unwrap(), before);
}

fn numbers_that_are_none_are_refused(store: &dyn Store) {
    for bad in [f64::NAN, f64::INFINITY] {
        let mut broken = cell(1, "x");
        broken.confidence = bad;
        assert!(matches!(
            store.insert(&[insert(broken)]),
            Err(StoreError::InvalidInput(_))
        ));
    }
    assert!(store.find(cell_id(1)).unwrap().is_none());
}
