//! Eligibility traces.

use std::collections::{BTreeMap, BTreeSet};

use memrl_learn::trace::{Task, TraceConfig, WINDOW_DAYS, spread, temporal};
use memrl_learn::value::{Evidence, IMPLIED_TRUST, Ledger, credit, credit_signal};
use memrl_learn::{Signal, ValuePrior, value::DECAY_RATE};
use memrl_types::{CellId, CellType, Outcome, OutcomeId, Timestamp, Verdict};
use proptest::prelude::*;

use crate::support::{cell_id, close};

const HOUR: i64 = 3_600_000_000;
const AT: Timestamp = Timestamp(5);

fn orphan(_: CellId) -> Vec<CellId> {
    Vec::new()
}

/// Evidence by the numbers of cells: mass and y.
fn read(all: &BTreeMap<CellId, Evidence>) -> Vec<(u64, f64, f64)> {
    (0..40)
        .filter_map(|n| all.get(&cell_id(n)).map(|e| (n, e.mass, e.y)))
        .collect()
}

fn same(found: &BTreeMap<CellId, Evidence>, expected: &[(u64, f64, f64)]) {
    let found = read(found);
    let fine = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(f, e)| f.0 == e.0 && close(f.1, e.1, 1e-12) && close(f.2, e.2, 1e-12));
    assert!(fine, "{found:?} is not {expected:?}");
}

fn ids(cells: &[u64]) -> Vec<CellId> {
    cells.iter().map(|c| cell_id(*c)).collect()
}

#[test]
fn earlier_decisions_share_a_smaller_unit() {
    let primary = credit(&Outcome::default(), &ids(&[0, 1]), Some(1.0), AT);
    let earlier = [(1, ids(&[2, 3, 3])), (2, ids(&[4, 0])), (9, ids(&[5]))];
    let config = TraceConfig::default();
    let all = spread(
        &primary,
        &earlier,
        &orphan,
        Some(Signal::said(1.0)),
        AT,
        &config,
    );
    // Two steps back: 0.63² / 2 = 0.198; cell 0 keeps its half of the decision itself.
    let second = 0.63_f64.powi(2) / 2.0;
    same(
        &all,
        &[
            (0, 0.5, 1.0),
            (1, 0.5, 1.0),
            (2, 0.315, 1.0),
            (3, 0.315, 1.0),
            (4, second, 1.0),
        ],
    );
    // A guess is worth half; without a success nobody earlier is credited.
    let guessed = spread(
        &BTreeMap::new(),
        &earlier,
        &orphan,
        Some(Signal::implied(0.0)),
        AT,
        &config,
    );
    assert!(close(
        guessed[&cell_id(2)].mass,
        0.315 * IMPLIED_TRUST,
        1e-12
    ));
    assert!(close(guessed[&cell_id(2)].y, 0.0, 1e-12));
    assert!(spread(&BTreeMap::new(), &earlier, &orphan, None, AT, &config).is_empty());
}

#[test]
fn what_a_cell_was_made_from_shares_its_credit() {
    // 0 was made from 1 and 2; both from 3; 3 from 4; 4 from 0 again: a cycle ends.
    let parents = |cell: CellId| {
        let of: &[u64] = match (0..5).find(|n| cell_id(*n) == cell) {
            Some(0) => &[1, 2],
            Some(1 | 2) => &[3],
            Some(3) => &[4],
            Some(4) => &[0],
            _ => &[],
        };
        ids(of)
    };
    let primary = BTreeMap::from([(
        cell_id(0),
        Evidence {
            mass: 1.0,
            y: 0.25,
            at: AT,
        },
    )]);
    let config = TraceConfig::default();
    let all = spread(&primary, &[], &parents, None, AT, &config);
    let step = 0.63_f64;
    same(
        &all,
        &[
            (0, 1.0, 0.25),
            (1, step, 0.25),
            (2, step, 0.25),
            (3, step.powi(2), 0.25),
            (4, step.powi(3), 0.25),
        ],
    );
    let short = TraceConfig {
        max_distance: 1,
        ..config
    };
    assert_eq!(spread(&primary, &[], &parents, None, AT, &short).len(), 3);
    // An ancestor of an earlier cell is as far as both ways together.
    let earlier = [(2, ids(&[3]))];
    let all = spread(
        &BTreeMap::new(),
        &earlier,
        &parents,
        Some(Signal::said(1.0)),
        AT,
        &config,
    );
    assert!(close(all[&cell_id(4)].mass, step.powi(3), 1e-12));
    let all = spread(
        &BTreeMap::new(),
        &earlier,
        &parents,
        Some(Signal::said(1.0)),
        AT,
        &TraceConfig {
            max_distance: 2,
            ..config
        },
    );
    same(&all, &[(3, step.powi(2), 1.0)]);
}

#[test]
fn a_verdict_is_never_overruled() {
    let outcome = Outcome {
        verdicts: vec![Verdict {
            cell_id: cell_id(1),
            useful: 0.9,
            stale: false,
        }],
        ..Outcome::default()
    };
    let primary = credit(&outcome, &ids(&[0, 1]), Some(0.0), AT);
    // Nothing is lost on the way, so what comes over traces weighs as much as a verdict.
    let lossless = TraceConfig {
        gamma: 1.0,
        lambda: 1.0,
        max_distance: 5,
    };
    let parents = |cell| {
        if cell == cell_id(0) {
            ids(&[1])
        } else {
            Vec::new()
        }
    };
    let earlier = [(1, ids(&[1]))];
    let all = spread(
        &primary,
        &earlier,
        &parents,
        Some(Signal::said(0.0)),
        AT,
        &lossless,
    );
    assert!(close(all[&cell_id(1)].y, 0.9, 1e-12) && close(all[&cell_id(1)].mass, 1.0, 1e-12));
}

#[test]
fn no_feedback_is_not_negative_feedback() {
    let nothing = credit_signal(
        &Outcome::default(),
        &ids(&[0, 1]),
        Signal::of(&Outcome::default()),
        AT,
    );
    assert!(nothing.is_empty());
    let earlier = [(1, ids(&[2]))];
    let all = spread(
        &nothing,
        &earlier,
        &orphan,
        None,
        AT,
        &TraceConfig::default(),
    );
    assert!(all.is_empty());
    let mut ledger = Ledger::default();
    ledger.put(OutcomeId::from_bytes([1; 16]), &all);
    assert!(ledger.accumulate(DECAY_RATE).is_empty());
}

#[test]
fn what_somebody_said_comes_before_what_was_guessed() {
    let both = Outcome {
        success: Some(1.0),
        implied_success: Some(0.0),
        ..Outcome::default()
    };
    assert_eq!(Signal::of(&both), Some(Signal::said(1.0)));
    let guessed = Outcome {
        success: None,
        ..both
    };
    assert_eq!(Signal::of(&guessed), Some(Signal::implied(0.0)));
    let judged = Outcome {
        verdicts: vec![Verdict {
            cell_id: cell_id(0),
            useful: 1.0,
            stale: false,
        }],
        ..guessed
    };
    let pieces = credit_signal(&judged, &ids(&[0, 1]), Signal::of(&judged), AT);
    // The verdict is somebody's word and weighs whole; the share of the guess is half.
    same(&pieces, &[(0, 1.0, 1.0), (1, 0.25, 0.0)]);
    // Two guesses move a value as far as one word.
    let prior = ValuePrior::default();
    let one = prior.estimate(CellType::Fact, 1.0, 1.0).mean;
    let two = prior
        .estimate(CellType::Fact, 2.0 * IMPLIED_TRUST, 2.0 * IMPLIED_TRUST)
        .mean;
    assert!(close(one, two, 1e-12));
}

fn task(n: u64, start: i64, end: i64, success: bool) -> Task {
    Task {
        cell: cell_id(n),
        start: Timestamp(start),
        end: Timestamp(end),
        success,
    }
}

#[test]
fn a_success_credits_what_ended_within_the_hour_before_it() {
    let tasks = [
        task(0, 0, 1, true),
        task(1, 2, HOUR, false),
        task(2, HOUR / 2, HOUR + 10, true),
        // Begins within an hour of the ends of 1 and 2, and more than an hour after that of 0.
        task(3, 2 * HOUR, 3 * HOUR, true),
        // Overlaps with 3: neither credits the other.
        task(4, 2 * HOUR + 5, 2 * HOUR + 6, true),
        task(5, 9 * HOUR, 9 * HOUR + 1, true),
    ];
    let found: Vec<(u64, u64, f64)> = temporal(&tasks, WINDOW_DAYS, &TraceConfig::default())
        .iter()
        .map(|c| {
            let number = |id| (0..6).find(|n| cell_id(*n) == id).unwrap();
            assert!(close(c.evidence.y, 1.0, 1e-12));
            let end = tasks[number(c.success) as usize].end;
            assert_eq!(c.evidence.at, end);
            (number(c.success), number(c.credited), c.evidence.mass)
        })
        .collect();
    let mut expected = vec![
        (2, 0, 0.63),
        (3, 2, 0.63),
        (3, 1, 0.63 * 0.63),
        (4, 2, 0.63),
    ];
    expected.sort_by_key(|e| (cell_id(e.0), cell_id(e.1)));
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (f, e) in found.iter().zip(&expected) {
        assert!(
            (f.0, f.1) == (e.0, e.1) && close(f.2, e.2, 1e-12),
            "{found:?}"
        );
    }
}

fn evidence() -> impl Strategy<Value = Evidence> {
    (0.0..=1.0_f64, 0.0..=1.0_f64).prop_map(|(mass, y)| Evidence { mass, y, at: AT })
}

proptest! {
    #[test]
    fn no_trace_is_heavier_than_its_source_and_all_is_bounded(
        primary in prop::collection::btree_map(0_u64..12, evidence(), 0..6),
        earlier in prop::collection::vec((1_u32..12, prop::collection::vec(0_u64..16, 0..5)), 0..4),
        links in prop::collection::btree_set((0_u64..16, 0_u64..16), 0..30),
        gamma in 0.0..=1.0_f64, lambda in 0.0..=1.0_f64, y in 0.0..=1.0_f64,
    ) {
        let primary: BTreeMap<CellId, Evidence> =
            primary.into_iter().map(|(c, e)| (cell_id(c), e)).collect();
        let earlier: Vec<(u32, Vec<CellId>)> =
            earlier.iter().map(|(d, cells)| (*d, ids(cells))).collect();
        let parents = |cell: CellId| {
            links.iter().filter(|(c, _)| cell_id(*c) == cell).map(|(_, p)| cell_id(*p)).collect()
        };
        let config = TraceConfig { gamma, lambda, max_distance: 8 };
        let signal = Some(Signal::said(y));
        let all = spread(&primary, &earlier, &parents, signal, AT, &config);
        prop_assert!(all.values().all(|e| (0.0..=1.0).contains(&e.mass)));
        prop_assert!(all.values().all(|e| (0.0..=1.0).contains(&e.y)));
        // The evidence about the slate is never made smaller.
        for (cell, piece) in &primary {
            prop_assert!(all[cell].mass >= piece.mass);
            prop_assert!(all[cell].mass > piece.mass || all[cell] == *piece);
        }
        // The order in which decisions and parents are named does not matter.
        let mut other = earlier.clone();
        other.reverse();
        for (_, slate) in &mut other {
            slate.reverse();
        }
        let reversed = |cell: CellId| -> Vec<CellId> {
            let mut all: Vec<CellId> = parents(cell);
            all.reverse();
            all
        };
        prop_assert_eq!(&spread(&primary, &other, &reversed, signal, AT, &config), &all);
        // Repeating it changes nothing in the ledger.
        let mut once = Ledger::default();
        once.put(OutcomeId::from_bytes([1; 16]), &all);
        let mut twice = once.clone();
        twice.put(OutcomeId::from_bytes([1; 16]), &all);
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn temporal_credit_is_bounded_and_depends_on_no_order(
        spans in prop::collection::vec((0..20 * HOUR, 0..2 * HOUR, any::<bool>()), 0..25),
        turn in 0_usize..25,
    ) {
        let tasks: Vec<Task> = (0..)
            .zip(&spans)
            .map(|(n, (start, length, ok))| task(n, *start, start + length, *ok))
            .collect();
        let config = TraceConfig::default();
        let credits = temporal(&tasks, WINDOW_DAYS, &config);
        let mut turned = tasks.clone();
        turned.rotate_left(turn.min(tasks.len()));
        prop_assert_eq!(&temporal(&turned, WINDOW_DAYS, &config), &credits);
        let keys: BTreeSet<_> = credits.iter().map(|c| (c.success, c.credited)).collect();
        prop_assert_eq!(keys.len(), credits.len(), "one piece for each key");
        let of = |cell| tasks.iter().find(|t| t.cell == cell).unwrap();
        for c in &credits {
            let (success, earlier) = (of(c.success), of(c.credited));
            prop_assert!(success.success && earlier.end <= success.start);
            prop_assert!(success.start.0 - earlier.end.0 <= HOUR);
            prop_assert!(c.evidence.mass > 0.0 && c.evidence.mass <= 0.63 + 1e-12);
        }
        let most = config.max_distance as usize;
        for t in &tasks {
            prop_assert!(credits.iter().filter(|c| c.success == t.cell).count() <= most);
        }
    }
}
