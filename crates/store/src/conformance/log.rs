//! The log of decisions, outcomes, rewards and events.

use std::ops::ControlFlow;

use memrl_types::{Decision, DecisionPoint, EventKind, Outcome, Timestamp};
use serde_json::json;

use super::Check;
use super::fixtures::{
    NOW, cell, cell_id, decision, decision_id, event, event_id, insert, item, outcome, outcome_id,
    query_id,
};
use crate::{
    Cursor, DecisionFilter, DecisionRow, EventFilter, NewDecision, Order, Reward, Store, StoreError,
};

pub(super) const CHECKS: &[Check] = &[
    (
        "a_decision_reads_back_bit_for_bit",
        a_decision_reads_back_bit_for_bit,
    ),
    (
        "steps_of_a_trajectory_are_numbered",
        steps_of_a_trajectory_are_numbered,
    ),
    (
        "decisions_are_found_by_what_they_were",
        decisions_are_found_by_what_they_were,
    ),
    (
        "decision_pages_neither_repeat_nor_skip",
        decision_pages_neither_repeat_nor_skip,
    ),
    (
        "an_export_shows_all_and_can_be_stopped",
        an_export_shows_all_and_can_be_stopped,
    ),
    (
        "what_cannot_be_logged_is_refused",
        what_cannot_be_logged_is_refused,
    ),
    (
        "an_outcome_sent_twice_counts_once",
        an_outcome_sent_twice_counts_once,
    ),
    (
        "who_changes_a_verdict_back_is_heard",
        who_changes_a_verdict_back_is_heard,
    ),
    (
        "rewards_replace_those_of_the_same_spec",
        rewards_replace_those_of_the_same_spec,
    ),
    ("events_are_read_newest_first", events_are_read_newest_first),
];

fn log(store: &dyn Store, decision: &Decision) -> crate::Appended {
    store
        .append_decision(
            &NewDecision {
                decision,
                seqs: &[],
            },
            &[],
        )
        .unwrap()
}

fn a_decision_reads_back_bit_for_bit(store: &dyn Store) {
    let done = store
        .insert(&[insert(cell(1, "x")), insert(cell(2, "y"))])
        .unwrap();
    let mut written = decision(1, "t", &[2, 1, 50]);
    // A candidate without features, one with every flag, one that is no stored cell.
    written.items[1].features = Vec::new();
    written.items[1].score = f64::NEG_INFINITY;
    written.items[2] = memrl_types::Item {
        critical: true,
        held_out: true,
        p_step: Some(1e-300),
        p_include: None,
        version: u32::MAX,
        tokens: u32::MAX,
        ..item(50, Some(1))
    };
    let appended = log(store, &written);
    let row = store.decision(decision_id(1)).unwrap();
    assert_eq!(row.decision, written);
    assert_eq!(
        (row.seq, row.next, row.outcomes, row.erased),
        (appended.seq, None, 0, false)
    );
    assert_eq!(row.seqs[..2], [done[1].seq, done[0].seq]);
    assert_eq!(store.decision(query_id(1)).unwrap(), row);
    // With row numbers given, the same comes back.
    let mut second = decision(2, "t", &[1, 2]);
    second.context = None;
    second.query = String::new();
    let seqs = [done[0].seq, done[1].seq];
    store
        .append_decision(
            &NewDecision {
                decision: &second,
                seqs: &seqs,
            },
            &[],
        )
        .unwrap();
    second.step = 1;
    let row = store.decision(decision_id(2)).unwrap();
    assert_eq!((&row.decision, row.erased), (&second, false));
    assert_eq!(row.seqs, seqs);
    assert!(matches!(
        store.decision(decision_id(9)),
        Err(StoreError::DecisionNotFound(_))
    ));
}

fn steps_of_a_trajectory_are_numbered(store: &dyn Store) {
    let steps: Vec<_> = [(1, "a"), (2, "b"), (3, "a"), (4, "a")]
        .map(|(n, t)| log(store, &decision(n, t, &[1])).step)
        .into();
    assert_eq!(steps, [0, 0, 1, 2]);
    let a = store.trajectory("a").unwrap();
    let chain: Vec<_> = a
        .iter()
        .map(|r| (r.decision.decision_id, r.decision.step, r.next))
        .collect();
    let id = decision_id;
    assert_eq!(
        chain,
        [
            (id(1), 0, Some(id(3))),
            (id(3), 1, Some(id(4))),
            (id(4), 2, None)
        ]
    );
    assert!(store.trajectory("c").unwrap().is_empty());
}

fn ids(rows: &[DecisionRow]) -> Vec<memrl_types::DecisionId> {
    rows.iter().map(|r| r.decision.decision_id).collect()
}

fn decisions_are_found_by_what_they_were(store: &dyn Store) {
    log(store, &decision(1, "a", &[1, 2]));
    let mut second = decision(2, "b", &[2, 1]);
    second.policy = "utility@3".into();
    second.point = DecisionPoint::Store;
    log(store, &second);
    log(store, &decision(3, "b", &[3]));
    let done = Outcome {
        success: Some(1.0),
        ..Outcome::default()
    };
    store
        .append_outcome(outcome_id(1), decision_id(2), NOW, &done, &[])
        .unwrap();
    let all = DecisionFilter::default();
    let found = |filter: &DecisionFilter| ids(&store.decisions(filter, None, 9).unwrap().rows);
    let [one, two, three] = [1, 2, 3].map(decision_id);
    assert_eq!(found(&all), [three, two, one]);
    assert_eq!(
        found(&DecisionFilter {
            order: Order::Oldest,
            ..all.clone()
        }),
        [one, two, three]
    );
    assert_eq!(
        found(&DecisionFilter {
            policy: Some("utility@3".into()),
            ..all.clone()
        }),
        [two]
    );
    assert!(
        found(&DecisionFilter {
            policy: Some("utility@4".into()),
            ..all.clone()
        })
        .is_empty()
    );
    assert_eq!(
        found(&DecisionFilter {
            trajectory: Some("b".into()),
            ..all.clone()
        }),
        [three, two]
    );
    assert_eq!(
        found(&DecisionFilter {
            completed: Some(true),
            ..all.clone()
        }),
        [two]
    );
    assert_eq!(
        found(&DecisionFilter {
            completed: Some(false),
            ..all.clone()
        }),
        [three, one]
    );
    assert_eq!(
        found(&DecisionFilter {
            point: Some(DecisionPoint::Store),
            ..all.clone()
        }),
        [two]
    );
    assert_eq!(
        found(&DecisionFilter {
            shown: Some(cell_id(1)),
            ..all.clone()
        }),
        [one]
    );
    assert!(
        found(&DecisionFilter {
            shown: Some(cell_id(9)),
            ..all.clone()
        })
        .is_empty()
    );
    let at = |n: i64| Some(Timestamp(NOW.0 + n));
    assert_eq!(
        found(&DecisionFilter {
            from: at(2),
            before: at(3),
            ..all.clone()
        }),
        [two]
    );
    let bare = DecisionFilter {
        items: false,
        texts: false,
        ..all
    };
    for row in store.decisions(&bare, None, 9).unwrap().rows {
        assert!(row.decision.items.is_empty() && row.seqs.is_empty());
        assert!(row.decision.query.is_empty() && row.decision.context.is_none());
        assert!(!row.erased);
        assert_eq!(row.outcomes, u32::from(row.decision.decision_id == two));
    }
}

fn decision_pages_neither_repeat_nor_skip(store: &dyn Store) {
    for n in 0..7 {
        log(store, &decision(n, "t", &[n]));
    }
    let (mut seen, mut after) = (Vec::new(), None::<Cursor>);
    loop {
        let page = store
            .decisions(&DecisionFilter::default(), after, 3)
            .unwrap();
        seen.extend(ids(&page.rows));
        after = page.next;
        if after.is_none() {
            break;
        }
        log(store, &decision(100 + seen.len() as u64, "t", &[1]));
    }
    let expected: Vec<_> = (0..7).rev().map(decision_id).collect();
    assert_eq!(seen, expected);
}

fn an_export_shows_all_and_can_be_stopped(store: &dyn Store) {
    for n in 0..10 {
        log(store, &decision(n, &format!("t{}", n % 3), &[n, n + 1]));
    }
    let oldest = DecisionFilter {
        order: Order::Oldest,
        ..DecisionFilter::default()
    };
    let mut seen = Vec::new();
    store
        .for_each_decision(&oldest, &mut |row| {
            seen.push(row);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(seen.len(), 10);
    for row in &seen {
        assert_eq!(*row, store.decision(row.decision.decision_id).unwrap());
    }
    let mut count = 0;
    store
        .for_each_decision(&oldest, &mut |_| {
            count += 1;
            if count == 4 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
    assert_eq!(count, 4);
    // Stopping early leaves nothing open that a write would trip over.
    log(store, &decision(50, "t0", &[1]));
}

fn what_cannot_be_logged_is_refused(store: &dyn Store) {
    log(store, &decision(1, "t", &[1]));
    let twice = store.append_decision(
        &NewDecision {
            decision: &decision(1, "t", &[1]),
            seqs: &[],
        },
        &[],
    );
    assert!(matches!(twice, Err(StoreError::DuplicateId(_))));
    let mut broken = decision(2, "t", &[1]);
    broken.items[0].score = f64::NAN;
    let nan = store.append_decision(
        &NewDecision {
            decision: &broken,
            seqs: &[],
        },
        &[],
    );
    assert!(matches!(nan, Err(StoreError::InvalidInput(_))));
    let uneven = NewDecision {
        decision: &decision(2, "t", &[1]),
        seqs: &[1, 2],
    };
    assert!(matches!(
        store.append_decision(&uneven, &[]),
        Err(StoreError::InvalidInput(_))
    ));
    // The refused ones took no step.
    assert_eq!(log(store, &decision(2, "t", &[1])).step, 1);
}

/// A caller that gets no answer sends its report again: that is one report. A caller that has
/// said something else meanwhile and says the first thing again means it.
fn who_changes_a_verdict_back_is_heard(store: &dyn Store) {
    log(store, &decision(1, "t", &[1]));
    let report = |success: f64, source: &str| Outcome {
        success: Some(success),
        source: source.to_owned(),
        ..Outcome::default()
    };
    let said = [
        (1, report(1.0, "a"), true),
        (2, report(1.0, "a"), false),
        (3, report(0.0, "b"), true),
        (4, report(0.0, "a"), true),
        (5, report(1.0, "a"), true),
        (6, report(1.0, "a"), false),
        // Another source has said something meanwhile; this one has not.
        (7, report(0.0, "b"), false),
        (8, report(0.0, "tool call 7"), true),
        (9, report(0.0, ""), true),
        (10, report(0.0, ""), false),
    ];
    for (n, report, new) in &said {
        let done = store
            .append_outcome(outcome_id(*n), decision_id(1), NOW, report, &[])
            .unwrap();
        assert_eq!(done.created, *new, "{n}");
    }
    let retry = |report: &Outcome| {
        let done = store.append_outcome(outcome_id(99), decision_id(1), NOW, report, &[]);
        done.unwrap().outcome_id
    };
    assert_eq!(
        retry(&said[5].1),
        outcome_id(5),
        "the newest, not the first"
    );
    assert_eq!(store.outcomes_of(decision_id(1)).unwrap().len(), 6);
    let broken = Outcome {
        implied_success: Some(f64::NAN),
        ..Outcome::default()
    };
    let refused = store.append_outcome(outcome_id(98), decision_id(1), NOW, &broken, &[]);
    assert!(matches!(refused, Err(StoreError::InvalidInput(_))));
}

fn an_outcome_sent_twice_counts_once(store: &dyn Store) {
    log(store, &decision(1, "t", &[1]));
    log(store, &decision(2, "t", &[1]));
    let report = outcome(1);
    let record =
        |n, d, at, o: &Outcome| store.append_outcome(outcome_id(n), d, Timestamp(at), o, &[]);
    let first = record(1, decision_id(1), 10, &report).unwrap();
    assert_eq!((first.outcome_id, first.created), (outcome_id(1), true));
    let retry = record(2, query_id(1), 20, &report).unwrap();
    assert_eq!((retry.outcome_id, retry.created), (outcome_id(1), false));
    assert_eq!(retry.decision_id, decision_id(1));
    // About another decision, or with another correction, it is another report.
    assert!(record(3, decision_id(2), 30, &report).unwrap().created);
    let corrected = Outcome {
        user_correction: None,
        ..report.clone()
    };
    assert!(record(4, decision_id(1), 40, &corrected).unwrap().created);
    let reports = store.outcomes_of(decision_id(1)).unwrap();
    let stored: Vec<_> = reports
        .iter()
        .map(|r| (r.outcome_id, r.at, &r.outcome))
        .collect();
    assert_eq!(
        stored,
        [
            (outcome_id(1), Timestamp(10), &report),
            (outcome_id(4), Timestamp(40), &corrected)
        ]
    );
    assert_eq!(store.decision(decision_id(1)).unwrap().outcomes, 2);
    let taken = record(1, decision_id(2), 50, &corrected);
    assert!(matches!(taken, Err(StoreError::DuplicateId(_))));
    let unknown = record(5, decision_id(9), 50, &report);
    assert!(matches!(unknown, Err(StoreError::DecisionNotFound(_))));
    let nan = Outcome {
        success: Some(f64::NAN),
        ..Outcome::default()
    };
    assert!(matches!(
        record(6, decision_id(1), 60, &nan),
        Err(StoreError::InvalidInput(_))
    ));
}

fn rewards_replace_those_of_the_same_spec(store: &dyn Store) {
    let seq = store.insert(&[insert(cell(1, "x"))]).unwrap()[0].seq;
    log(store, &decision(1, "t", &[1]));
    log(store, &decision(2, "t", &[1]));
    let reward = |d, spec: &str, cell, value| Reward {
        decision: decision_id(d),
        spec: spec.into(),
        cell,
        value,
        terms: json!({"success": value}),
    };
    let old = [
        reward(1, "a@1", None, 0.1 + 0.2),
        reward(1, "a@1", Some(seq), 0.5),
    ];
    let other = [reward(1, "a@2", None, -1.0), reward(2, "a@1", None, 2.0)];
    store.put_rewards(&old).unwrap();
    store.put_rewards(&other).unwrap();
    assert_eq!(store.rewards_of(decision_id(1), Some("a@1")).unwrap(), old);
    let new = [reward(1, "a@1", None, 7.0)];
    store.put_rewards(&new).unwrap();
    assert_eq!(store.rewards_of(decision_id(1), Some("a@1")).unwrap(), new);
    let all = store.rewards_of(query_id(1), None).unwrap();
    assert_eq!(all, [new[0].clone(), other[0].clone()]);
    assert!(
        store
            .rewards_of(decision_id(1), Some("b@1"))
            .unwrap()
            .is_empty()
    );
    assert!(matches!(
        store.put_rewards(&[reward(1, "a@1", None, 8.0), reward(9, "a@1", None, 8.0)]),
        Err(StoreError::DecisionNotFound(_))
    ));
    assert!(
        store
            .put_rewards(&[reward(1, "a@1", None, f64::NAN)])
            .is_err()
    );
    assert_eq!(store.rewards_of(decision_id(1), Some("a@1")).unwrap(), new);
}

fn events_are_read_newest_first(store: &dyn Store) {
    let written = [
        event(3, EventKind::WriteCell, &[1, 2, 1], None),
        event(1, EventKind::DecideCells, &[2], Some(7)),
        event(2, EventKind::ForgetCell, &[], None),
    ];
    store.append_events(&written).unwrap();
    let all = EventFilter::default();
    let read = store.events(&all, 9, 0).unwrap();
    assert_eq!(
        read,
        [written[0].clone(), written[2].clone(), written[1].clone()]
    );
    let found = |filter: &EventFilter, limit, offset| {
        let events = store.events(filter, limit, offset).unwrap();
        events.into_iter().map(|e| e.event_id).collect::<Vec<_>>()
    };
    assert_eq!(found(&all, 1, 1), [event_id(2)]);
    assert!(found(&all, 9, 3).is_empty());
    let of_cell = EventFilter {
        cell: Some(cell_id(2)),
        ..all.clone()
    };
    assert_eq!(found(&of_cell, 9, 0), [event_id(3), event_id(1)]);
    let kinds = vec![EventKind::ForgetCell, EventKind::DecideCells];
    assert_eq!(
        found(
            &EventFilter {
                kinds,
                ..all.clone()
            },
            9,
            0
        ),
        [event_id(2), event_id(1)]
    );
    let of_decision = EventFilter {
        decision: Some(decision_id(7)),
        ..all.clone()
    };
    assert_eq!(found(&of_decision, 9, 0), [event_id(1)]);
    let late = EventFilter {
        from: Some(Timestamp(NOW.0 + 2)),
        ..all
    };
    assert_eq!(found(&late, 9, 0), [event_id(3), event_id(2)]);
    let twice = store.append_events(&[
        event(4, EventKind::WriteCell, &[], None),
        written[0].clone(),
    ]);
    assert!(matches!(twice, Err(StoreError::DuplicateId(_))));
    assert_eq!(store.stats().unwrap().events, 3);
}
