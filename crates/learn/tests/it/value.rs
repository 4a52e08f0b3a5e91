//! Values of cells.

use std::collections::BTreeMap;

use memrl_learn::{
    Accumulator, ValuePrior,
    value::{DECAY_RATE, Evidence, Ledger, credit},
};
use memrl_types::{CellType, Outcome, OutcomeId, Timestamp, Verdict};
use proptest::prelude::*;

use crate::support::{cell_id, close};

const DAY: i64 = 86_400_000_000;

fn piece() -> impl Strategy<Value = Evidence> {
    (0.0..=1.0_f64, 0.0..=1.0_f64, -400 * DAY..400 * DAY).prop_map(|(mass, y, at)| Evidence {
        mass,
        y,
        at: Timestamp(at),
    })
}

fn accumulate(pieces: &[Evidence]) -> Accumulator {
    let mut sums = Accumulator::default();
    for p in pieces {
        sums.add(*p, DECAY_RATE);
    }
    sums
}

/// The definition: each piece with its own age.
fn by_definition(pieces: &[Evidence], now: Timestamp) -> (f64, f64) {
    pieces.iter().fold((0.0, 0.0), |(s, n), p| {
        let mass = p.mass * 0.99_f64.powf((now.0 - p.at.0) as f64 / DAY as f64);
        (s + mass * p.y, n + mass)
    })
}

proptest! {
    #[test]
    fn the_accumulator_is_the_sum_of_the_pieces_in_any_order(
        pieces in prop::collection::vec(piece(), 0..30), later in 0..1000 * DAY, turn in 0_usize..30,
    ) {
        let latest = pieces.iter().map(|p| p.at.0).max().unwrap_or(0);
        let now = Timestamp(latest + later);
        let (s, n) = by_definition(&pieces, now);
        let sums = accumulate(&pieces).at(now, DECAY_RATE);
        prop_assert!(close(sums.good, s, 1e-10) && close(sums.mass, n, 1e-10));
        let mut other = pieces.clone();
        other.reverse();
        other.rotate_left(turn.min(pieces.len()));
        let other = accumulate(&other).at(now, DECAY_RATE);
        prop_assert!(close(sums.good, other.good, 1e-10) && close(sums.mass, other.mass, 1e-10));
        // Stored at one time and read at another, it is still the same.
        let middle = accumulate(&pieces).at(Timestamp(latest + later / 2), DECAY_RATE);
        prop_assert!(close(middle.at(now, DECAY_RATE).mass, n, 1e-10));
    }

    #[test]
    fn values_stay_in_range_and_drift_to_the_prior(
        pieces in prop::collection::vec(piece(), 0..30), mean in 0.0..=1.0_f64, days in 0..4000_i64,
    ) {
        let prior = ValuePrior { means: [mean; 11], ..ValuePrior::default() };
        let sums = accumulate(&pieces);
        let at = |days: i64| {
            prior.value(CellType::Fact, &sums, Timestamp(sums.reference.0 + days * DAY))
        };
        let v = at(days);
        prop_assert!((0.0..=1.0).contains(&v.mean) && (0.0..=0.5).contains(&v.sd) && v.mass >= 0.0);
        let later = at(days + 30);
        prop_assert!((later.mean - mean).abs() <= (v.mean - mean).abs() + 1e-12);
        prop_assert!(later.mass <= v.mass);
        // A day changes little: values do not jump.
        prop_assert!((at(days + 1).mean - v.mean).abs() <= 0.01);
    }

    #[test]
    fn feedback_is_monotone(pieces in prop::collection::vec(piece(), 0..20), more in piece()) {
        let prior = ValuePrior::default();
        let now = Timestamp(1000 * DAY);
        let value = |y| {
            let mut all = pieces.clone();
            all.push(Evidence { y, ..more });
            prior.value(CellType::Fact, &accumulate(&all), now).mean
        };
        let without = prior.value(CellType::Fact, &accumulate(&pieces), now).mean;
        prop_assert!(value(0.0) <= without + 1e-12 && without <= value(1.0) + 1e-12);
        prop_assert!(value(0.3) <= value(0.7) + 1e-12);
    }

    #[test]
    fn credit_is_conserved(
        n in 1_u64..12, cited in prop::collection::btree_set(0_u64..14, 0..6),
        judged in prop::collection::btree_set(0_u64..14, 0..6), y in 0.0..=1.0_f64,
    ) {
        let slate: Vec<_> = (0..n).map(cell_id).collect();
        let outcome = Outcome {
            cited: cited.iter().map(|&c| cell_id(c)).collect(),
            verdicts: judged.iter()
                .map(|&c| Verdict { cell_id: cell_id(c), useful: 0.25, stale: false }).collect(),
            ..Outcome::default()
        };
        let evidence = credit(&outcome, &slate, Some(y), Timestamp(0));
        prop_assert!(evidence.keys().all(|c| slate.contains(c)));
        prop_assert!(evidence.values().all(|e| (0.0..=1.0).contains(&e.mass)));
        let shared: f64 = evidence.iter()
            .filter(|(c, _)| outcome.verdicts.iter().all(|v| v.cell_id != **c))
            .map(|(_, e)| e.mass).sum();
        prop_assert!(shared <= 1.0 + 1e-12);
        let judged_shown = judged.iter().filter(|&&c| c < n).count();
        if judged_shown == 0 && (cited.is_empty() || cited.iter().any(|&c| c < n)) {
            prop_assert!(close(shared, 1.0, 1e-12));
        }
    }
}

#[test]
fn one_success_moves_a_value_by_the_learning_rate() {
    let mut sums = Accumulator::default();
    let at = Timestamp(5 * DAY);
    sums.add(
        Evidence {
            mass: 1.0,
            y: 1.0,
            at,
        },
        DECAY_RATE,
    );
    let v = ValuePrior::default().value(CellType::Fact, &sums, at);
    // 0.5 + 0.1 · (1 − 0.5); Beta(5.5, 4.5) has variance 0.55 · 0.45 / 11.
    assert!(close(v.mean, 0.55, 1e-12));
    assert!(close(v.sd, 0.15, 1e-12));
    let later = ValuePrior::default().value(CellType::Fact, &sums, at.plus_days(1.0));
    assert!(close(later.mass, 0.99, 1e-12));
}

#[test]
fn verdicts_come_before_citations_and_citations_before_shares() {
    let slate: Vec<_> = (0..4).map(cell_id).collect();
    let at = Timestamp(7);
    let share = credit(&Outcome::default(), &slate, Some(1.0), at);
    assert_eq!(share.len(), 4);
    assert!(
        share
            .values()
            .all(|e| close(e.mass, 0.25, 1e-12) && close(e.y, 1.0, 1e-12))
    );
    let mut o = Outcome {
        cited: vec![cell_id(1), cell_id(1), cell_id(9)],
        ..Outcome::default()
    };
    let cited = credit(&o, &slate, Some(0.0), at);
    assert_eq!(
        cited,
        BTreeMap::from([(
            cell_id(1),
            Evidence {
                mass: 1.0,
                y: 0.0,
                at
            }
        )])
    );
    o.verdicts = vec![Verdict {
        cell_id: cell_id(2),
        useful: 0.9,
        stale: true,
    }];
    let judged = credit(&o, &slate, Some(1.0), at);
    assert_eq!(
        judged[&cell_id(2)],
        Evidence {
            mass: 1.0,
            y: 0.0,
            at
        }
    );
    assert_eq!(
        judged[&cell_id(1)],
        Evidence {
            mass: 1.0,
            y: 1.0,
            at
        }
    );
    assert_eq!(judged.len(), 2);
    // Without a known success only the verdict counts.
    assert_eq!(credit(&o, &slate, None, at).len(), 1);
    assert!(credit(&Outcome::default(), &[], Some(1.0), at).is_empty());
}

#[test]
fn repeating_an_outcome_changes_nothing_and_a_revision_replaces_it() {
    let slate = [cell_id(0), cell_id(1)];
    let at = Timestamp(0);
    let id = |n| OutcomeId::from_bytes([n; 16]);
    let good = credit(&Outcome::default(), &slate, Some(1.0), at);
    let bad = credit(
        &Outcome {
            cited: vec![cell_id(1)],
            ..Outcome::default()
        },
        &slate,
        Some(0.0),
        at,
    );
    let mut once = Ledger::default();
    once.put(id(1), &good);
    let mut twice = once.clone();
    twice.put(id(1), &good);
    assert_eq!(once, twice);
    let (mut ab, mut ba) = (Ledger::default(), Ledger::default());
    ab.put(id(1), &good);
    ab.put(id(2), &bad);
    ba.put(id(2), &bad);
    ba.put(id(1), &good);
    assert_eq!(ab.accumulate(DECAY_RATE), ba.accumulate(DECAY_RATE));
    once.put(id(1), &bad);
    let sums = once.accumulate(DECAY_RATE);
    assert_eq!(
        sums.len(),
        1,
        "the revised outcome no longer credits the other cell"
    );
    assert!(close(sums[&cell_id(1)].good, 0.0, 1e-12));
}
