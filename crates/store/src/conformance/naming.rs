//! Decisions that are named without their whole id.

use memrl_types::{Decision, DecisionId, DecisionPoint};

use super::Check;
use super::fixtures::{cell, decision, decision_id, insert};
use crate::{NewDecision, Store, StoreError};

pub(super) const CHECKS: &[Check] = &[
    (
        "a_prefix_finds_the_decisions_that_start_so",
        a_prefix_finds_the_decisions_that_start_so,
    ),
    (
        "the_last_that_showed_something_is_of_the_asked_trajectory",
        the_last_that_showed_something_is_of_the_asked_trajectory,
    ),
];

fn log(store: &dyn Store, decision: &Decision) {
    let new = NewDecision {
        decision,
        seqs: &[],
    };
    store.append_decision(&new, &[]).unwrap();
}

fn a_prefix_finds_the_decisions_that_start_so(store: &dyn Store) {
    for n in [1, 2] {
        log(store, &decision(n, "t", &[]));
    }
    let full = decision_id(1).to_string();
    for prefix in [
        &full[..4],
        &full[..7],
        &full[..13],
        &full,
        &full.to_uppercase(),
    ] {
        let found = store.decisions_by_prefix(prefix).unwrap();
        assert_eq!(found, [decision_id(1)], "{prefix}");
    }
    for nonsense in ["", "abc", "+123", "xyz!", &format!("{full}0"), "ééééé"] {
        let refused = store.decisions_by_prefix(nonsense);
        assert!(
            matches!(refused, Err(StoreError::InvalidId(_))),
            "{nonsense}"
        );
    }
    assert_eq!(store.decisions_by_prefix("0000000").unwrap(), []);
    let mut twin = *decision_id(1).bytes();
    twin[15] ^= 1;
    let twin = Decision {
        decision_id: DecisionId::from_bytes(twin),
        ..decision(3, "t", &[])
    };
    log(store, &twin);
    assert_eq!(store.decisions_by_prefix(&full[..8]).unwrap().len(), 2);
    assert_eq!(store.decisions_by_prefix(&full).unwrap(), [decision_id(1)]);
}

fn the_last_that_showed_something_is_of_the_asked_trajectory(store: &dyn Store) {
    store.insert(&[insert(cell(1, "x"))]).unwrap();
    assert_eq!(store.newest(None, true).unwrap(), None);
    log(store, &decision(1, "a", &[1]));
    log(store, &decision(2, "b", &[1]));
    log(store, &decision(3, "a", &[]));
    let last = |trajectory| store.newest(trajectory, true).unwrap();
    assert_eq!(last(Some("a")), Some(decision_id(1)));
    assert_eq!(last(Some("b")), Some(decision_id(2)));
    assert_eq!(last(Some("c")), None);
    // Where every decision belongs to a session, the newest of all.
    assert_eq!(last(None), Some(decision_id(2)));
    // One that is its own trajectory comes before those of sessions.
    log(store, &decision(4, &decision_id(4).to_string(), &[1]));
    log(store, &decision(5, "b", &[1]));
    log(store, &decision(6, &decision_id(6).to_string(), &[]));
    assert_eq!(last(None), Some(decision_id(4)));
    assert_eq!(last(Some("b")), Some(decision_id(5)));
    // A prune shows nobody anything.
    let prune = Decision {
        point: DecisionPoint::Retain,
        ..decision(7, &decision_id(7).to_string(), &[1])
    };
    log(store, &prune);
    assert_eq!(last(None), Some(decision_id(4)));
}
