//! Many threads at once.

use std::sync::Barrier;
use std::thread;

use memrl_types::Timestamp;

use super::Check;
use super::fixtures::{NOW, cell, cell_id, decision, hash, insert};
use crate::{InsertCell, NewDecision, Store, StoreError, UpdateCell};

pub(super) const CHECKS: &[Check] = &[
    ("counters_do_not_lose_updates", counters_do_not_lose_updates),
    (
        "one_of_n_concurrent_supersedes_wins",
        one_of_n_concurrent_supersedes_wins,
    ),
    (
        "one_of_n_concurrent_updates_wins",
        one_of_n_concurrent_updates_wins,
    ),
    (
        "equal_content_of_many_writers_is_stored_once",
        equal_content_of_many_writers_is_stored_once,
    ),
    (
        "concurrent_steps_get_numbers_of_their_own",
        concurrent_steps_get_numbers_of_their_own,
    ),
    ("read_your_writes", read_your_writes),
];

/// Runs `work` in this many threads, which start together.
fn together<T: Send>(threads: u64, work: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let (start, work) = (Barrier::new(threads as usize), &work);
    thread::scope(|scope| {
        let start = &start;
        let running: Vec<_> = (0..threads)
            .map(|n| {
                scope.spawn(move || {
                    start.wait();
                    work(n)
                })
            })
            .collect();
        running.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

fn counters_do_not_lose_updates(store: &dyn Store) {
    let seq = store.insert(&[insert(cell(1, "x"))]).unwrap()[0].seq;
    together(8, |n| {
        for i in 0..20 {
            store.touch(&[seq], Timestamp((20 * n + i) as i64)).unwrap();
        }
    });
    let touched = store.get(cell_id(1)).unwrap().cell;
    assert_eq!(
        (touched.access_count, touched.last_retrieved_at),
        (160, Some(Timestamp(159)))
    );
}

fn one_of_n_concurrent_supersedes_wins(store: &dyn Store) {
    store.insert(&[insert(cell(1, "x"))]).unwrap();
    let answers = together(8, |n| {
        store.supersede(cell_id(1), Some(1), &insert(cell(10 + n, "new")), NOW, &[])
    });
    let winners: Vec<_> = answers.iter().flatten().map(|i| i.cell_id).collect();
    assert_eq!(winners.len(), 1);
    for answer in answers {
        match answer {
            Ok(_) => {}
            Err(StoreError::AlreadySuperseded { by, .. }) => assert_eq!(by, winners[0]),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(
        store.get(cell_id(1)).unwrap().superseded_by,
        Some(winners[0])
    );
    assert_eq!(
        store
            .list(&crate::CellFilter::default(), None, 99)
            .unwrap()
            .rows
            .len(),
        2
    );
}

fn one_of_n_concurrent_updates_wins(store: &dyn Store) {
    store.insert(&[insert(cell(1, "x"))]).unwrap();
    let answers = together(8, |n| {
        let content = format!("by {n}");
        store.update(
            &UpdateCell {
                content_hash: hash(&content),
                cell: cell(1, &content),
                expected_version: 1,
                vector: None,
            },
            &[],
        )
    });
    assert_eq!(answers.iter().flatten().count(), 1);
    let winner = answers.iter().flatten().next().unwrap();
    assert_eq!(store.get(cell_id(1)).unwrap(), *winner);
    assert!(
        answers
            .iter()
            .filter_map(|a| a.as_ref().err())
            .all(|e| matches!(e, StoreError::Conflict { .. }))
    );
}

fn equal_content_of_many_writers_is_stored_once(store: &dyn Store) {
    let done = together(8, |n| {
        let new = InsertCell {
            dedup: true,
            ..insert(cell(n, "same"))
        };
        store.insert(&[new]).unwrap()[0]
    });
    assert_eq!(done.iter().filter(|d| d.created).count(), 1);
    assert!(done.iter().all(|d| d.seq == done[0].seq));
}

fn concurrent_steps_get_numbers_of_their_own(store: &dyn Store) {
    let mut steps: Vec<_> = together(8, |n| {
        (0..5)
            .map(|i| {
                let decision = decision(n * 10 + i, "t", &[n, i]);
                store
                    .append_decision(
                        &NewDecision {
                            decision: &decision,
                            seqs: &[],
                        },
                        &[],
                    )
                    .unwrap()
                    .step
            })
            .collect::<Vec<_>>()
    })
    .concat();
    steps.sort_unstable();
    assert_eq!(steps, (0..40).collect::<Vec<_>>());
    assert_eq!(store.trajectory("t").unwrap().len(), 40);
}

fn read_your_writes(store: &dyn Store) {
    together(4, |n| {
        for i in 0..25 {
            let number = n * 100 + i;
            let seq = store.insert(&[insert(cell(number, "x"))]).unwrap()[0].seq;
            assert_eq!(store.get(cell_id(number)).unwrap().seq, seq);
            let change = store.change_seq().unwrap();
            assert!(change > 0);
            store.touch(&[seq], NOW).unwrap();
            assert_eq!(store.rows(&[seq]).unwrap()[0].cell.access_count, 1);
        }
    });
    assert!(store.change_seq().unwrap() >= 100);
}
