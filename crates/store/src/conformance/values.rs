//! Evidence, values and the small things kept with a store.

use memrl_types::Timestamp;
use memrl_types::time::MICROS_PER_DAY;

use super::Check;
use super::fixtures::{cell, cell_id, insert, outcome_id};
use crate::{CellPrior, CellValue, Evidence, Seq, Store, StoreError};

pub(super) const CHECKS: &[Check] = &[
    (
        "repeated_evidence_changes_nothing",
        repeated_evidence_changes_nothing,
    ),
    (
        "the_order_of_evidence_does_not_matter",
        the_order_of_evidence_does_not_matter,
    ),
    (
        "replaced_evidence_leaves_nothing_of_what_it_replaces",
        replaced_evidence_leaves_nothing_of_what_it_replaces,
    ),
    (
        "another_decay_recomputes_the_sums",
        another_decay_recomputes_the_sums,
    ),
    (
        "evidence_outside_its_range_is_refused",
        evidence_outside_its_range_is_refused,
    ),
    (
        "priors_are_those_of_the_last_propagation",
        priors_are_those_of_the_last_propagation,
    ),
    (
        "the_prior_of_a_cell_goes_with_it",
        the_prior_of_a_cell_goes_with_it,
    ),
    ("the_first_of_two_salts_stays", the_first_of_two_salts_stays),
];

fn seqs(store: &dyn Store) -> [Seq; 2] {
    let done = store
        .insert(&[insert(cell(1, "x")), insert(cell(2, "y"))])
        .unwrap();
    [done[0].seq, done[1].seq]
}

fn piece(seq: Seq, n: u64, mass: f64, y: f64, day: i64) -> Evidence {
    Evidence {
        outcome: outcome_id(n),
        seq,
        mass,
        y,
        at: Timestamp(day * MICROS_PER_DAY),
    }
}

fn close(found: &CellValue, successes: f64, mass: f64, observations: u64, day: i64) {
    assert!((found.successes - successes).abs() < 1e-12, "{found:?}");
    assert!((found.mass - mass).abs() < 1e-12, "{found:?}");
    assert_eq!(found.observations, observations);
    assert_eq!(found.ref_time, Timestamp(day * MICROS_PER_DAY));
}

fn repeated_evidence_changes_nothing(store: &dyn Store) {
    let [a, b] = seqs(store);
    let pieces = [
        piece(a, 1, 0.5, 1.0, 0),
        piece(a, 2, 1.0, 0.25, 10),
        piece(b, 1, 1.0, 0.0, 0),
    ];
    store.add_evidence(&pieces, 0.9).unwrap();
    let decay = 0.9_f64.powi(10);
    let values = store.values(&[b, a, 99]).unwrap();
    close(&values[1], 0.5 * decay + 0.25, 0.5 * decay + 1.0, 2, 10);
    close(&values[0], 0.0, 1.0, 1, 0);
    store.add_evidence(&pieces, 0.9).unwrap();
    assert_eq!(store.values(&[b, a]).unwrap(), values);
    assert_eq!(store.all_values().unwrap(), [values[1], values[0]]);
    // A corrected piece takes the place of the first.
    store
        .add_evidence(&[piece(a, 1, 0.5, 0.0, 0)], 0.9)
        .unwrap();
    close(
        &store.values(&[a]).unwrap()[0],
        0.25,
        0.5 * decay + 1.0,
        2,
        10,
    );
    let newest_first = store.evidence_of(a).unwrap();
    assert_eq!(newest_first, [pieces[1], piece(a, 1, 0.5, 0.0, 0)]);
}

fn the_order_of_evidence_does_not_matter(store: &dyn Store) {
    let [a, b] = seqs(store);
    for (n, day) in [0, 3, 8, 21].into_iter().enumerate() {
        store
            .add_evidence(&[piece(a, n as u64, 0.5, 1.0, day)], 0.99)
            .unwrap();
    }
    for (n, day) in [8, 21, 0, 3].into_iter().enumerate() {
        store
            .add_evidence(&[piece(b, n as u64, 0.5, 1.0, day)], 0.99)
            .unwrap();
    }
    let expected: f64 = [21, 18, 13, 0]
        .map(|age| 0.5 * 0.99_f64.powi(age))
        .iter()
        .sum();
    for value in store.values(&[a, b]).unwrap() {
        close(&value, expected, expected, 4, 21);
    }
}

fn replaced_evidence_leaves_nothing_of_what_it_replaces(store: &dyn Store) {
    let [a, b] = seqs(store);
    let c = store.insert(&[insert(cell(3, "z"))]).unwrap()[0].seq;
    let [one, two, unheard] = [1, 2, 9].map(outcome_id);
    let first = [
        piece(a, 1, 0.5, 1.0, 0),
        piece(b, 1, 0.5, 1.0, 0),
        piece(b, 2, 1.0, 0.0, 1),
    ];
    assert_eq!(
        store.replace_evidence(&[], &first, 1.0).unwrap().len(),
        2,
        "without outcomes it is added"
    );
    let before = store.all_values().unwrap();
    // Nothing new is no change.
    let same = store.replace_evidence(&[one, one], &first[..2], 1.0);
    assert_eq!(same.unwrap(), []);
    assert_eq!(store.all_values().unwrap(), before);
    // `a` and `b` lose what outcome 1 gave, `c` gains; outcome 2 is not named and stays.
    let gain = [piece(c, 1, 0.25, 1.0, 0)];
    let changed = store.replace_evidence(&[one, unheard], &gain, 1.0).unwrap();
    assert_eq!(changed[..2], before[..]);
    assert_eq!((changed[2].seq, changed[2].observations), (c, 0));
    assert!(store.evidence_of(a).unwrap().is_empty());
    assert_eq!(store.evidence_of(b).unwrap(), first[2..]);
    let values = store.all_values().unwrap();
    assert_eq!(values.len(), 2, "what has no evidence has no sum");
    close(&values[0], 0.0, 1.0, 1, 1);
    close(&values[1], 0.25, 0.25, 1, 0);
    // Refused as a whole: what was to be replaced is still there.
    let broken = [piece(a, 2, 1.5, 1.0, 0)];
    assert!(matches!(
        store.replace_evidence(&[two], &broken, 1.0),
        Err(StoreError::InvalidInput(_))
    ));
    assert_eq!(store.all_values().unwrap(), values);
    // With another decay, too, all sums are those of the pieces that are there.
    store
        .replace_evidence(&[two], &[piece(a, 2, 1.0, 1.0, 2)], 0.5)
        .unwrap();
    assert!(store.values(&[b]).unwrap().is_empty());
    store
        .add_evidence(&[piece(a, 3, 1.0, 1.0, 0)], 0.5)
        .unwrap();
    close(&store.values(&[a]).unwrap()[0], 1.25, 1.25, 2, 2);
}

fn another_decay_recomputes_the_sums(store: &dyn Store) {
    let [a, b] = seqs(store);
    store
        .add_evidence(&[piece(a, 1, 1.0, 1.0, 0), piece(a, 2, 1.0, 0.0, 2)], 0.5)
        .unwrap();
    close(&store.values(&[a]).unwrap()[0], 0.25, 1.25, 2, 2);
    store
        .add_evidence(&[piece(b, 1, 1.0, 1.0, 0), piece(a, 3, 1.0, 0.0, 2)], 1.0)
        .unwrap();
    let values = store.values(&[a, b]).unwrap();
    close(&values[0], 1.0, 3.0, 3, 2);
    close(&values[1], 1.0, 1.0, 1, 0);
}

fn evidence_outside_its_range_is_refused(store: &dyn Store) {
    let [a, _] = seqs(store);
    let fine = piece(a, 1, 1.0, 1.0, 0);
    for (broken, keep) in [
        (Evidence { mass: 1.1, ..fine }, 0.99),
        (Evidence { y: -0.1, ..fine }, 0.99),
        (
            Evidence {
                y: f64::NAN,
                ..fine
            },
            0.99,
        ),
        (fine, 0.0),
        (fine, 1.5),
    ] {
        let refused = store.add_evidence(&[fine, broken], keep);
        assert!(matches!(refused, Err(StoreError::InvalidInput(_))));
    }
    assert!(store.all_values().unwrap().is_empty());
}

fn prior(seq: Seq, mean: f64, mass: f64) -> CellPrior {
    CellPrior {
        seq,
        mean,
        mass,
        at: Timestamp(7),
    }
}

fn priors_are_those_of_the_last_propagation(store: &dyn Store) {
    let [a, b] = seqs(store);
    assert_eq!(store.all_priors().unwrap(), []);
    let first = [prior(b, 1.0 / 3.0, 9.9), prior(a, 0.0, 9.0)];
    store.put_priors(&first).unwrap();
    assert_eq!(store.all_priors().unwrap(), [first[1], first[0]]);
    assert_eq!(store.priors(&[b, 99, a]).unwrap(), first);
    // What a later propagation does not name has no prior any more.
    let second = [prior(a, 1.0, f64::MIN_POSITIVE)];
    store.put_priors(&second).unwrap();
    assert_eq!(store.all_priors().unwrap(), second);
    let broken = [
        (-0.1, 9.0),
        (1.1, 9.0),
        (f64::NAN, 9.0),
        (0.5, 0.0),
        (0.5, f64::INFINITY),
        (0.5, f64::NAN),
    ];
    for (mean, mass) in broken {
        let refused = store.put_priors(&[prior(b, 0.5, 9.0), prior(a, mean, mass)]);
        assert!(matches!(refused, Err(StoreError::InvalidInput(_))));
    }
    assert_eq!(store.all_priors().unwrap(), second);
    // Evidence and priors leave each other alone.
    store
        .add_evidence(&[piece(a, 1, 1.0, 1.0, 0)], 0.99)
        .unwrap();
    assert_eq!(store.priors(&[a]).unwrap(), second);
    store.put_priors(&[]).unwrap();
    assert_eq!(store.all_priors().unwrap(), []);
}

fn the_prior_of_a_cell_goes_with_it(store: &dyn Store) {
    let [a, b] = seqs(store);
    let c = store.insert(&[insert(cell(3, "z"))]).unwrap()[0].seq;
    let all = [prior(a, 0.4, 9.0), prior(b, 0.5, 9.0), prior(c, 0.6, 9.0)];
    store.put_priors(&all).unwrap();
    store.forget(cell_id(1), Timestamp(8), &[]).unwrap();
    assert_eq!(store.all_priors().unwrap(), all[1..]);
    store.purge(&[cell_id(2)]).unwrap();
    assert_eq!(store.all_priors().unwrap(), all[2..]);
    // A propagation that began before they went does not bring them back.
    store.put_priors(&all).unwrap();
    assert_eq!(store.all_priors().unwrap(), all[2..]);
}

fn the_first_of_two_salts_stays(store: &dyn Store) {
    assert_eq!(store.meta("salt").unwrap(), None);
    assert_eq!(store.meta_or_insert("salt", &[1]).unwrap(), [1]);
    assert_eq!(store.meta_or_insert("salt", &[2]).unwrap(), [1]);
    store.set_meta("salt", &[3]).unwrap();
    assert_eq!(store.meta("salt").unwrap(), Some(vec![3]));
}
