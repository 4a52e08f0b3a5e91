//! What was shown, what cells say in their payloads, which scopes there are, all vectors at once.

use memrl_types::{
    Cell, CellStatus, CellType, Decision, DecisionPoint, Outcome, OutcomeId, Scope, Timestamp,
};
use serde_json::json;

use super::Check;
use super::fixtures::{
    NOW, cell, cell_id, decision, decision_id, insert, item, outcome_id, vector,
};
use crate::{
    CellFilter, CellPrior, CellVector, DecisionCounts, Evidence, InsertCell, NewDecision, Order,
    PayloadRow, Shown, Store, StoreError, Vector,
};

pub(super) const CHECKS: &[Check] = &[
    (
        "what_a_trajectory_has_shown_is_named_once",
        what_a_trajectory_has_shown_is_named_once,
    ),
    (
        "what_was_held_out_or_stored_was_not_shown",
        what_was_held_out_or_stored_was_not_shown,
    ),
    (
        "an_outline_says_what_single_questions_say",
        an_outline_says_what_single_questions_say,
    ),
    (
        "payloads_are_counted_by_what_they_say",
        payloads_are_counted_by_what_they_say,
    ),
    (
        "several_places_of_payloads_are_counted_together",
        several_places_of_payloads_are_counted_together,
    ),
    (
        "scopes_are_counted_by_their_values",
        scopes_are_counted_by_their_values,
    ),
    (
        "decisions_are_counted_by_what_became_of_them",
        decisions_are_counted_by_what_became_of_them,
    ),
    (
        "payloads_are_read_in_some_places",
        payloads_are_read_in_some_places,
    ),
    (
        "vectors_come_all_at_once_without_deleted_cells",
        vectors_come_all_at_once_without_deleted_cells,
    ),
];

fn log(store: &dyn Store, decision: &Decision) {
    let new = NewDecision {
        decision,
        seqs: &[],
    };
    store.append_decision(&new, &[]).unwrap();
}

/// A decision of a trajectory that showed these cells, in this order, and not cell 9.
fn showing(n: u64, trajectory: &str, cells: &[u64]) -> Decision {
    let mut items = vec![item(9, None)];
    items.extend((0..).zip(cells).map(|(i, c)| item(*c, Some(i))));
    Decision {
        items,
        ..decision(n, trajectory, &[])
    }
}

fn what_a_trajectory_has_shown_is_named_once(store: &dyn Store) {
    let cells: Vec<InsertCell> = (1..=5).map(|n| insert(cell(n, &format!("c{n}")))).collect();
    let done = store.insert(&cells).unwrap();
    assert_eq!(store.shown_in("t").unwrap(), []);
    assert_eq!(store.last_shown(cell_id(1)).unwrap(), None);
    for (n, trajectory, cells) in [
        (1, "t", &[3, 1][..]),
        (2, "u", &[4]),
        (3, "t", &[2, 3]),
        (4, "t", &[]),
        (5, "t", &[1]),
    ] {
        log(store, &showing(n, trajectory, cells));
    }
    let shown = [3, 1, 2].map(cell_id);
    assert_eq!(store.shown_in("t").unwrap(), shown);
    assert_eq!(store.shown_in("u").unwrap(), [cell_id(4)]);
    assert_eq!(store.shown_in("unheard of").unwrap(), []);
    for (cell, by) in [(3, Some(3)), (1, Some(5)), (5, None), (9, None), (77, None)] {
        let last = store.last_shown(cell_id(cell)).unwrap();
        assert_eq!(last, by.map(decision_id), "{cell}");
    }
    let seqs: Vec<_> = [3, 5, 4].iter().map(|n| done[n - 1].seq).collect();
    let count = |seq, decisions, n: Option<i64>| Shown {
        seq,
        decisions,
        last_at: n.map(|n| Timestamp(NOW.0 + n)),
    };
    let counts = [
        count(seqs[0], 2, Some(3)),
        count(seqs[1], 0, None),
        count(seqs[2], 1, Some(2)),
    ];
    assert_eq!(store.shown_counts(&seqs).unwrap(), counts);
    // A cell that is gone was still shown.
    store.purge(&[cell_id(3)]).unwrap();
    assert_eq!(store.shown_in("t").unwrap(), shown);
    assert_eq!(store.shown_counts(&seqs).unwrap(), counts);
}

fn what_was_held_out_or_stored_was_not_shown(store: &dyn Store) {
    let done = store.insert(&[insert(cell(1, "x"))]).unwrap();
    let mut held_out = showing(1, "t", &[]);
    held_out.items.push(memrl_types::Item {
        held_out: true,
        ..item(1, None)
    });
    log(store, &held_out);
    let stored = Decision {
        point: DecisionPoint::Store,
        ..showing(2, "t", &[1])
    };
    log(store, &stored);
    assert_eq!(store.shown_in("t").unwrap(), []);
    assert_eq!(store.last_shown(cell_id(1)).unwrap(), None);
    assert_eq!(store.shown_counts(&[done[0].seq]).unwrap()[0].decisions, 0);
}

fn an_outline_says_what_single_questions_say(store: &dyn Store) {
    let cells: Vec<InsertCell> = (1..=4).map(|n| insert(cell(n, &format!("c{n}")))).collect();
    let seqs: Vec<_> = store
        .insert(&cells)
        .unwrap()
        .iter()
        .map(|i| i.seq)
        .collect();
    log(store, &showing(1, "t", &[2, 3]));
    log(store, &showing(2, "t", &[3]));
    let evidence = Evidence {
        outcome: OutcomeId::from_bytes([7; 16]),
        seq: seqs[2],
        mass: 1.0,
        y: 1.0,
        at: NOW,
    };
    store.add_evidence(&[evidence], 0.99).unwrap();
    let prior = CellPrior {
        seq: seqs[0],
        mean: 0.6,
        mass: 9.5,
        at: NOW,
    };
    store.put_priors(&[prior]).unwrap();
    store.forget(cell_id(4), NOW, &[]).unwrap();
    let active = CellFilter {
        statuses: vec![CellStatus::Active],
        ..CellFilter::default()
    };
    let outlines = store.outline(&active).unwrap();
    let found: Vec<_> = outlines.iter().map(|o| o.seq).collect();
    assert_eq!(found, [seqs[2], seqs[1], seqs[0]], "the newest first");
    let shown: Vec<Shown> = outlines.iter().map(|o| o.shown).collect();
    assert_eq!(shown, store.shown_counts(&found).unwrap());
    let values: Vec<_> = outlines.iter().filter_map(|o| o.value).collect();
    assert_eq!(values, store.values(&found).unwrap());
    let priors: Vec<_> = outlines.iter().filter_map(|o| o.prior).collect();
    assert_eq!(priors, [prior]);
    let by_text = CellFilter {
        text: Some("c1".into()),
        ..CellFilter::default()
    };
    let refused = store.outline(&by_text);
    assert!(matches!(refused, Err(StoreError::InvalidInput(_))));
}

fn with_payload(n: u64, payload: serde_json::Value) -> Cell {
    Cell {
        kind: CellType::Episode,
        tier: CellType::Episode.tier(),
        payload: Some(payload),
        ..cell(n, &format!("episode {n}"))
    }
}

fn payloads_are_counted_by_what_they_say(store: &dyn Store) {
    let ended = |status: &str| json!({"outcome": {"status": status}, "n": 1});
    let cells = [
        insert(with_payload(1, ended("success"))),
        insert(with_payload(2, ended("failure"))),
        insert(with_payload(3, ended("success"))),
        insert(with_payload(4, json!({"outcome": {"status": null}}))),
        insert(with_payload(5, json!({"outcome": "odd", "n": 2.5}))),
        insert(with_payload(
            6,
            json!({"n": true, "a b'c": {"$": [1, "x"]}}),
        )),
        insert(cell(7, "no payload")),
    ];
    store.insert(&cells).unwrap();
    let all = CellFilter::default();
    let count = |filter: &CellFilter, path: &str| -> Vec<(Option<String>, u64)> {
        store.count_by_payload(filter, path).unwrap()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        count(&all, "outcome.status"),
        [(None, 4), (some("success"), 2), (some("failure"), 1)]
    );
    assert_eq!(
        count(&all, "n"),
        [
            (some("1"), 3),
            (None, 2),
            (some("2.5"), 1),
            (some("true"), 1)
        ]
    );
    assert_eq!(count(&all, "a b'c.$"), [(None, 6), (some("[1,\"x\"]"), 1)]);
    let episodes = CellFilter {
        types: vec![CellType::Episode],
        text: Some("EPISODE 1".to_owned()),
        ..CellFilter::default()
    };
    assert_eq!(count(&episodes, "outcome.status"), [(some("success"), 1)]);
    store.forget(cell_id(1), NOW, &[]).unwrap();
    let live = CellFilter {
        statuses: vec![CellStatus::Active],
        scope: Some(Scope::of("user", "ann")),
        types: vec![CellType::Episode],
        ..CellFilter::default()
    };
    assert_eq!(
        count(&live, "outcome.status"),
        [(None, 3), (some("failure"), 1), (some("success"), 1)]
    );
    for path in ["", "a..b", "a\"b", ".", "a\\b", "a\0b"] {
        let refused = store.count_by_payload(&all, path);
        assert!(
            matches!(refused, Err(StoreError::InvalidInput(_))),
            "{path:?}"
        );
    }
}

fn several_places_of_payloads_are_counted_together(store: &dyn Store) {
    let said = |n: u64, payload: serde_json::Value| {
        insert(Cell {
            payload: Some(payload),
            ..cell(n, &format!("c{n}"))
        })
    };
    let cells = [
        said(
            1,
            json!({"status": "success", "tags": ["a", "b"], "n": true}),
        ),
        said(
            2,
            json!({"status": "success", "tags": ["a", "b"], "n": true}),
        ),
        said(3, json!({"status": "success", "tags": ["b"], "n": 1})),
        said(4, json!({"status": null, "n": "1"})),
        insert(cell(5, "no payload")),
    ];
    store.insert(&cells).unwrap();
    let all = CellFilter::default();
    let counted = store
        .count_by_payloads(&all, &["status", "tags", "n"])
        .unwrap();
    assert_eq!(
        counted[0],
        (vec![json!("success"), json!(["a", "b"]), json!(true)], 2)
    );
    let rest = [
        vec![json!("success"), json!(["b"]), json!(1)],
        vec![json!(null), json!(null), json!("1")],
        vec![json!(null), json!(null), json!(null)],
    ];
    assert_eq!(counted.len(), 4);
    for values in rest {
        assert!(counted.contains(&(values.clone(), 1)), "{values:?}");
    }
    let one = store.count_by_payloads(&all, &["status"]).unwrap();
    assert_eq!(one[0], (vec![json!("success")], 3));
    let worded = CellFilter {
        text: Some("c".to_owned()),
        ..CellFilter::default()
    };
    for refused in [
        store.count_by_payloads(&all, &[]),
        store.count_by_payloads(&all, &["a..b"]),
        store.count_by_payloads(&worded, &["status"]),
    ] {
        assert!(matches!(refused, Err(StoreError::InvalidInput(_))));
    }
}

fn scopes_are_counted_by_their_values(store: &dyn Store) {
    assert_eq!(store.scope_values("project").unwrap(), []);
    let scoped = |n: u64, scope: serde_json::Value| {
        insert(Cell {
            scope: serde_json::from_value(scope).unwrap_or_default(),
            ..cell(n, &format!("c{n}"))
        })
    };
    let cells = [
        scoped(1, json!({"project": "shop", "user": "ann"})),
        scoped(2, json!({"project": "shop"})),
        scoped(3, json!({"project": "“z”", "user": "bob"})),
        scoped(4, json!({"project": 7})),
        scoped(5, json!({"user": "ann"})),
        scoped(6, json!({"project": "gone"})),
        scoped(7, json!({"project": "gone"})),
    ];
    store.insert(&cells).unwrap();
    store.forget(cell_id(6), NOW, &[]).unwrap();
    let newer = scoped(8, json!({"project": "shop"}));
    store.supersede(cell_id(7), None, &newer, NOW, &[]).unwrap();
    let values = |key: &str| store.scope_values(key).unwrap();
    let expected = [("shop", 3), ("7", 1), ("“z”", 1)].map(|(v, n)| (v.to_owned(), n));
    assert_eq!(values("project"), expected);
    let expected = [("ann", 2), ("bob", 1)].map(|(v, n)| (v.to_owned(), n));
    assert_eq!(values("user"), expected);
    assert_eq!(values("nobody"), []);
}

fn decisions_are_counted_by_what_became_of_them(store: &dyn Store) {
    let none = DecisionCounts::default();
    assert_eq!(store.count_decisions(None, None).unwrap(), none);
    let ann = Scope::of("user", "ann");
    let bob = Scope::of("user", "bob");
    let mut more = bob.clone();
    more.0.insert("project".to_owned(), json!("shop"));
    for (n, point, scope, cells) in [
        (1, DecisionPoint::Recall, &ann, &[1, 2][..]),
        (2, DecisionPoint::Recall, &ann, &[]),
        (3, DecisionPoint::Recall, &bob, &[1]),
        (4, DecisionPoint::Recall, &more, &[2, 3]),
        (5, DecisionPoint::Store, &ann, &[1]),
    ] {
        let decision = Decision {
            point,
            scope: scope.clone(),
            ..showing(n, "t", cells)
        };
        log(store, &decision);
    }
    // A report twice, one about a decision that showed nothing, one of another point.
    for (n, about) in [(1, 1), (2, 1), (3, 2), (4, 4), (5, 5)] {
        let report = Outcome {
            success: Some(1.0),
            source: n.to_string(),
            ..Outcome::default()
        };
        store
            .append_outcome(outcome_id(n), decision_id(about), NOW, &report, &[])
            .unwrap();
    }
    let recall = Some(DecisionPoint::Recall);
    for (point, scope, made, shown, reported) in [
        (None, None, 5, 4, 3),
        (recall, None, 4, 3, 2),
        (recall, Some(&ann), 2, 1, 1),
        (recall, Some(&bob), 2, 2, 1),
        (recall, Some(&more), 1, 1, 1),
        (Some(DecisionPoint::Store), Some(&bob), 0, 0, 0),
        (recall, Some(&Scope::of("user", "carl")), 0, 0, 0),
        (recall, Some(&Scope::default()), 4, 3, 2),
    ] {
        let counts = DecisionCounts {
            made,
            shown,
            reported,
        };
        let found = store.count_decisions(point, scope).unwrap();
        assert_eq!(found, counts, "{point:?} {scope:?}");
    }
}

fn payloads_are_read_in_some_places(store: &dyn Store) {
    let mut first = with_payload(1, json!({"a": {"b": "x"}, "n": 7, "other": "long"}));
    first.occurred_at = Some(Timestamp(-5));
    let second = with_payload(2, json!({"a": [1], "n": null}));
    let put = [
        insert(first.clone()),
        insert(second.clone()),
        insert(cell(3, "none")),
    ];
    store.insert(&put).unwrap();
    store
        .set_status(cell_id(2), CellStatus::Expired, NOW, &[])
        .unwrap();
    let oldest_first = CellFilter {
        order: Order::Oldest,
        ..CellFilter::default()
    };
    let read = |filter: &CellFilter, paths: &[&str]| store.payload_values(filter, paths);
    let row = |n: u64, status, of: &Cell, values: [serde_json::Value; 2]| PayloadRow {
        cell_id: cell_id(n),
        status,
        scope: of.scope.clone(),
        occurred_at: of.occurred_at,
        values: values.into(),
    };
    let nothing = json!(null);
    let expected = [
        row(1, CellStatus::Active, &first, [json!("x"), json!(7)]),
        row(
            2,
            CellStatus::Expired,
            &second,
            [nothing.clone(), nothing.clone()],
        ),
        row(
            3,
            CellStatus::Active,
            &cell(3, ""),
            [nothing.clone(), nothing],
        ),
    ];
    assert_eq!(read(&oldest_first, &["a.b", "n"]).unwrap(), expected);
    let only = CellFilter {
        statuses: vec![CellStatus::Expired],
        ..CellFilter::default()
    };
    assert_eq!(read(&only, &["a"]).unwrap()[0].values, [json!([1])]);
    let by_text = CellFilter {
        text: Some("x".to_owned()),
        ..CellFilter::default()
    };
    for refused in [
        read(&only, &[]),
        read(&only, &["a\"b"]),
        read(&by_text, &["a"]),
    ] {
        assert!(matches!(refused, Err(StoreError::InvalidInput(_))));
    }
}

fn vectors_come_all_at_once_without_deleted_cells(store: &dyn Store) {
    let mut other = insert(cell(3, "c"));
    other.vector = Some(Vector {
        model: "m2".to_owned(),
        bytes: vec![9],
    });
    let mut episode = insert(with_payload(4, json!({})));
    episode.vector = Some(vector(4));
    let with = |n: u64| InsertCell {
        vector: Some(vector(n as u8)),
        ..insert(cell(n, &format!("c{n}")))
    };
    let cells = [
        with(1),
        insert(cell(2, "b")),
        other,
        episode,
        with(5),
        with(6),
    ];
    let seqs: Vec<_> = store
        .insert(&cells)
        .unwrap()
        .iter()
        .map(|d| d.seq)
        .collect();
    store.forget(cell_id(5), NOW, &[]).unwrap();
    let newer = insert(cell(7, "newer"));
    store.supersede(cell_id(6), None, &newer, NOW, &[]).unwrap();
    let one = |i: usize, kind, fill: u8| CellVector {
        seq: seqs[i],
        kind,
        bytes: vector(fill).bytes,
    };
    let (fact, episode) = (one(0, CellType::Fact, 1), one(3, CellType::Episode, 4));
    let old = one(5, CellType::Fact, 6);
    assert_eq!(
        store.vectors_of("m1", &[], &[]).unwrap(),
        [fact.clone(), episode.clone(), old.clone()]
    );
    assert_eq!(
        store.vectors_of("m1", &[CellType::Episode], &[]).unwrap(),
        [episode]
    );
    let facts = store
        .vectors_of("m1", &[CellType::Fact, CellType::Procedure], &[])
        .unwrap();
    assert_eq!(facts, [fact, old]);
    assert_eq!(store.vectors_of("m2", &[], &[]).unwrap()[0].bytes, [9]);
    assert_eq!(store.vectors_of("m3", &[], &[]).unwrap(), []);
    let of_status = |statuses: &[CellStatus]| {
        let found = store.vectors_of("m1", &[CellType::Fact], statuses).unwrap();
        found.iter().map(|v| v.seq).collect::<Vec<_>>()
    };
    assert_eq!(of_status(&[CellStatus::Active]), [seqs[0]]);
    assert_eq!(
        of_status(&[CellStatus::Superseded, CellStatus::Active]),
        [seqs[0], seqs[5]]
    );
    assert!(of_status(&[CellStatus::Deleted]).is_empty());
}
