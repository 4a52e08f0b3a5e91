//! Forgetting and purging, as far as they can be seen through the trait. Whether bytes are left
//! in files is for each store to test.

use memrl_types::{CellStatus, Link, LinkKind, Outcome, Timestamp};
use serde_json::json;

use super::Check;
use super::fixtures::{
    NOW, cell, cell_id, decision, decision_id, event, hash, insert, outcome_id, vector,
};
use crate::{
    DecisionFilter, EventFilter, Evidence, INDEX_STALE, InsertCell, NewDecision, Store, StoreError,
    UpdateCell,
};

pub(super) const CHECKS: &[Check] = &[
    ("forgotten_means_gone", forgotten_means_gone),
    ("purged_means_gone", purged_means_gone),
    (
        "what_was_made_from_it_goes_with_it",
        what_was_made_from_it_goes_with_it,
    ),
    (
        "a_purge_spares_what_others_said",
        a_purge_spares_what_others_said,
    ),
    (
        "a_purge_of_what_was_forgotten_erases_no_more",
        a_purge_of_what_was_forgotten_erases_no_more,
    ),
    ("a_purge_looks_into_events", a_purge_looks_into_events),
    (
        "what_is_gone_or_changed_is_not_logged_as_shown",
        what_is_gone_or_changed_is_not_logged_as_shown,
    ),
    (
        "a_purged_id_can_be_written_again",
        a_purged_id_can_be_written_again,
    ),
];

fn log(store: &dyn Store, decision: &memrl_types::Decision) {
    store
        .append_decision(
            &NewDecision {
                decision,
                seqs: &[],
            },
            &[],
        )
        .unwrap();
}

fn forgotten_means_gone(store: &dyn Store) {
    let mut secret = cell(1, "the quaxtown deal");
    secret.payload = Some(json!({"plan": "quaxtown"}));
    secret.speaker = Some("quaxtown mayor".into());
    secret.source_refs = vec!["quaxtown.txt".into()];
    store
        .insert(&[InsertCell {
            vector: Some(vector(1)),
            ..insert(secret.clone())
        }])
        .unwrap();
    secret.content = "the new quaxtown deal".into();
    let hash = hash(&secret.content);
    let change = UpdateCell {
        cell: secret,
        expected_version: 1,
        content_hash: hash,
        vector: None,
    };
    store.update(&change, &[]).unwrap();
    let mut logged = decision(1, "t", &[1]);
    logged.items[0].version = 2;
    log(store, &logged);
    let later = Timestamp(NOW.0 + 7);
    let row = store.forget(cell_id(1), later, &[]).unwrap();
    assert_eq!(row.cell.status, CellStatus::Deleted);
    assert_eq!(row.cell.content, "[deleted]");
    assert_eq!((row.cell.version, row.cell.updated_at), (3, later));
    let history = store.history(cell_id(1)).unwrap();
    assert_eq!(
        history.iter().map(|v| v.version).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let left = format!("{history:?}{row:?}");
    assert!(!left.contains("quaxtown"), "{left}");
    let logged = store.decision(decision_id(1)).unwrap();
    assert_eq!(logged.decision.context, None);
    assert!(logged.erased);
    // Again: nothing changes.
    assert_eq!(store.forget(cell_id(1), Timestamp(0), &[]).unwrap(), row);
}

fn purged_means_gone(store: &dyn Store) {
    let keyed = InsertCell {
        idempotency_key: Some("key".into()),
        dedup: true,
        vector: Some(vector(1)),
        ..insert(cell(1, "the quaxtown deal"))
    };
    let mut pointing = cell(2, "something else");
    pointing.links = vec![
        Link {
            kind: LinkKind::Source,
            target: cell_id(1).to_string(),
        },
        Link {
            kind: LinkKind::Source,
            target: "message 1".into(),
        },
    ];
    let done = store.insert(&[keyed.clone(), insert(pointing)]).unwrap();
    let mut asked = decision(1, "t", &[2, 1]);
    asked.query = "what about Quaxtown?".into();
    log(store, &asked);
    log(store, &decision(2, "t", &[1, 2]));
    log(store, &decision(3, "t", &[2]));
    let report = Outcome {
        user_correction: Some("not the quaxtowns!".into()),
        success: Some(0.0),
        ..Outcome::default()
    };
    store
        .append_outcome(outcome_id(1), decision_id(3), NOW, &report, &[])
        .unwrap();
    let seq = done[0].seq;
    let piece = Evidence {
        outcome: outcome_id(1),
        seq,
        mass: 1.0,
        y: 0.0,
        at: NOW,
    };
    store.add_evidence(&[piece], 0.99).unwrap();
    store
        .append_events(&[event(1, memrl_types::EventKind::WriteCell, &[1], None)])
        .unwrap();

    let purged = store.purge(&[cell_id(1), cell_id(77)]).unwrap();
    assert_eq!((purged.cells, purged.seqs), (vec![cell_id(1)], vec![seq]));
    assert_eq!(store.meta(INDEX_STALE).unwrap(), Some(b"1".to_vec()));
    // Query of 1, context of 2, correction about 3.
    assert_eq!(purged.log_texts_erased, 3);
    assert!(!purged.pending);
    assert!(store.find(cell_id(1)).unwrap().is_none());
    assert!(store.history(cell_id(1)).is_err());
    assert!(store.rows(&[seq]).unwrap().is_empty());
    assert!(store.values(&[seq]).unwrap().is_empty());
    assert_eq!(store.get(cell_id(2)).unwrap().cell.links.len(), 1);
    // The log keeps its rows and bare ids.
    let first = store.decision(decision_id(1)).unwrap();
    assert_eq!((first.decision.query.as_str(), first.erased), ("", true));
    assert_eq!(first.decision.context, asked.context);
    assert_eq!(first.decision.items[1].cell_id, cell_id(1));
    let second = store.decision(decision_id(2)).unwrap();
    assert_eq!(
        (second.decision.query.as_str(), second.decision.context),
        ("question 2", None)
    );
    assert!(!store.decision(decision_id(3)).unwrap().erased);
    let outcome = &store.outcomes_of(decision_id(3)).unwrap()[0].outcome;
    assert_eq!(
        (outcome.success, &outcome.user_correction),
        (Some(0.0), &None)
    );
    assert_eq!(
        store.events(&EventFilter::default(), 9, 0).unwrap()[0].cell_ids,
        [cell_id(1)]
    );
    assert_eq!(store.integrity().unwrap(), [""; 0]);
    // Key and content are free again.
    let again = store
        .insert(&[InsertCell {
            cell: cell(3, "the quaxtown deal"),
            ..keyed
        }])
        .unwrap();
    assert!(again[0].created && again[0].seq > done[1].seq);
}

fn what_was_made_from_it_goes_with_it(store: &dyn Store) {
    let derived = |n, from| {
        let mut c = cell(n, "summary");
        c.links = vec![Link {
            kind: LinkKind::DerivedFrom,
            target: cell_id(from).to_string(),
        }];
        insert(c)
    };
    // 1 → 2 → 3 → 2 (a circle must not matter); 4 stands alone.
    let mut two = derived(2, 1);
    two.cell.links.push(Link {
        kind: LinkKind::DerivedFrom,
        target: cell_id(3).to_string(),
    });
    store
        .insert(&[
            insert(cell(1, "x")),
            two,
            derived(3, 2),
            insert(cell(4, "y")),
        ])
        .unwrap();
    let gone = store.purge(&[cell_id(1)]).unwrap().cells;
    assert_eq!(gone, [cell_id(1), cell_id(2), cell_id(3)]);
    assert_eq!(store.get(cell_id(4)).unwrap().cell.content, "y");
}

fn a_purge_spares_what_others_said(store: &dyn Store) {
    store
        .insert(&[
            insert(cell(1, "Ann likes green tea")),
            insert(cell(2, "green tea likes Ann")),
        ])
        .unwrap();
    let mut asked = decision(1, "t", &[2]);
    asked.query = "does ann like tea?".into();
    asked.context = Some("green tea likes Ann".into());
    log(store, &asked);
    assert_eq!(store.purge(&[cell_id(1)]).unwrap().log_texts_erased, 0);
    let kept = store.decision(decision_id(1)).unwrap();
    assert_eq!(
        (kept.decision.query, kept.decision.context),
        (asked.query, asked.context)
    );
    // Now nobody else says so.
    assert_eq!(store.purge(&[cell_id(2)]).unwrap().log_texts_erased, 2);
    // Nothing left to purge is no error, and no work for the index.
    store.set_meta(INDEX_STALE, b"0").unwrap();
    assert!(
        store
            .purge(&[cell_id(1), cell_id(2)])
            .unwrap()
            .cells
            .is_empty()
    );
    assert_eq!(store.meta(INDEX_STALE).unwrap(), Some(b"0".to_vec()));
}

fn a_purge_looks_into_events(store: &dyn Store) {
    store
        .insert(&[insert(cell(1, "quaxtown")), insert(cell(2, "harmless"))])
        .unwrap();
    let mut told = event(1, memrl_types::EventKind::RetrieveCells, &[1], None);
    told.payload =
        json!({"query": "to Quaxtown", "k": 8, "more": ["harmless", {"why": "quaxtown!"}]});
    let other = event(2, memrl_types::EventKind::WriteCell, &[2], None);
    store.append_events(&[told.clone(), other.clone()]).unwrap();
    assert_eq!(store.purge(&[cell_id(1)]).unwrap().log_texts_erased, 1);
    told.payload = json!({"query": "[erased]", "k": 8, "more": ["harmless", {"why": "[erased]"}]});
    assert_eq!(
        store.events(&EventFilter::default(), 9, 0).unwrap(),
        [other, told]
    );
}

fn what_is_gone_or_changed_is_not_logged_as_shown(store: &dyn Store) {
    let cells: Vec<_> = (1..=5).map(|n| insert(cell(n, "quaxtown"))).collect();
    let seqs: Vec<_> = store
        .insert(&cells)
        .unwrap()
        .iter()
        .map(|d| d.seq)
        .collect();
    // Decided, and then before the decision is logged:
    store.purge(&[cell_id(1)]).unwrap();
    store.forget(cell_id(2), NOW, &[]).unwrap();
    let change = UpdateCell {
        cell: cell(3, "the new quaxtown"),
        expected_version: 1,
        content_hash: hash("the new quaxtown"),
        vector: None,
    };
    store.update(&change, &[]).unwrap();
    store
        .set_status(cell_id(4), CellStatus::Quarantined, NOW, &[])
        .unwrap();
    let told = [event(9, memrl_types::EventKind::DecideCells, &[], Some(1))];
    for (n, now) in [(1, 0), (2, 0), (3, 2), (4, 2)] {
        let mut stale = decision(n, "t", &[n, 5]);
        stale.context = Some("quaxtown".into());
        for seqs in [vec![], vec![seqs[n as usize - 1], seqs[4]]] {
            let new = NewDecision {
                decision: &stale,
                seqs: &seqs,
            };
            match store.append_decision(&new, &told) {
                Err(StoreError::Conflict {
                    id,
                    expected,
                    found,
                }) => assert_eq!((id, expected, found), (cell_id(n), 1, now)),
                other => panic!("{other:?}"),
            }
        }
        assert!(store.decision(decision_id(n)).is_err());
    }
    // A deleted cell has no content to show, whatever its version.
    let mut deleted = decision(6, "t", &[2]);
    deleted.items[0].version = 2;
    let new = NewDecision {
        decision: &deleted,
        seqs: &[],
    };
    assert!(matches!(
        store.append_decision(&new, &[]),
        Err(StoreError::Conflict { found: 0, .. })
    ));
    assert!(
        store
            .events(&EventFilter::default(), 9, 0)
            .unwrap()
            .is_empty()
    );
    // What was considered and not shown may have changed; the refused ones took no step.
    let fine = decision(7, "t", &[5, 1, 2, 3, 4]);
    let seqs = [seqs[4], seqs[0], seqs[1], seqs[2], seqs[3]];
    for (number, seqs) in [(7, &seqs[..]), (8, &[])] {
        let decision = memrl_types::Decision {
            decision_id: decision_id(number),
            ..fine.clone()
        };
        let new = NewDecision {
            decision: &decision,
            seqs,
        };
        let step = store.append_decision(&new, &[]).unwrap().step;
        assert_eq!(u64::from(step), number - 7);
    }
}

fn a_purge_of_what_was_forgotten_erases_no_more(store: &dyn Store) {
    store.insert(&[insert(cell(1, "quaxtown"))]).unwrap();
    store.forget(cell_id(1), NOW, &[]).unwrap();
    let mut asked = decision(1, "t", &[2]);
    asked.query = "what was deleted?".into();
    log(store, &asked);
    let report = store.purge(&[cell_id(1)]).unwrap();
    assert_eq!((report.cells.len(), report.log_texts_erased), (1, 0));
}

fn a_purged_id_can_be_written_again(store: &dyn Store) {
    store.insert(&[insert(cell(1, "x"))]).unwrap();
    log(store, &decision(1, "t", &[1]));
    store.purge(&[cell_id(1)]).unwrap();
    assert!(store.insert(&[insert(cell(1, "y"))]).unwrap()[0].created);
    assert_eq!(store.history(cell_id(1)).unwrap().len(), 1);
    let shown = DecisionFilter {
        shown: Some(cell_id(1)),
        ..DecisionFilter::default()
    };
    assert_eq!(store.decisions(&shown, None, 9).unwrap().rows.len(), 1);
}
