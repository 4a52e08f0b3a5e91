//! Reductions: what of a slate decision is one action with an exactly known probability.
//!
//! Everything here is a function of one logged decision (the hold-outs: of the decisions of its
//! trajectory so far). No text, no file, no format. A probability that does not agree with the
//! logged one of the whole slate is never given out: the decision is left out instead.

use std::collections::{HashMap, HashSet};

use memrl_learn::explore::{BUDGET_EXCEEDED, HELD_OUT, NOT_DRAWN, Trial};
use memrl_store::DecisionRow;

use crate::{CellId, Decision, DecisionPoint, ExploreMode, Item, Mode};

/// Why a decision is left out; one line for the report.
pub(super) type Reason = &'static str;

pub(super) const NOT_RECALL: Reason = "not a recall decision";
pub(super) const NO_REWARD: Reason = "no outcome that the reward is defined for";
pub(super) const NO_PROPENSITY: Reason = "no usable propensity";
pub(super) const OTHER_SCHEMA: Reason = "features of another schema";
pub(super) const NOT_DRAWN_SLATE: Reason = "its slate was not drawn item by item";
pub(super) const NO_CHOICE: Reason = "there was nothing to choose between";
pub(super) const INCONSISTENT: Reason = "its probabilities do not agree with each other";
pub(super) const NOT_HOLDOUT: Reason = "no hold-out was in force";
pub(super) const USED_BEFORE: Reason =
    "the hold-out coin of every cell was tossed by an earlier decision of its trajectory";
pub(super) const BEGINS_EARLIER: Reason = "its trajectory begins before what is exported";

/// Largest error of a sum of logged logarithms that still counts as agreement.
const TOLERANCE: f64 = 1e-9;

/// Whether a candidate could have been shown by some policy: no hard rule masked it.
pub(super) fn is_open(item: &Item) -> bool {
    !item.features.is_empty()
}

/// Whether the acting policy itself refused a candidate that the hard rules admit.
fn is_refused(item: &Item) -> bool {
    item.mode == Mode::Suppress
        && ![HELD_OUT, BUDGET_EXCEEDED, NOT_DRAWN].contains(&item.reason.as_str())
}

/// A recall decision whose joint propensity is a probability that a float can hold.
pub(super) fn recall(row: &DecisionRow) -> Result<&Decision, Reason> {
    let d = &row.decision;
    if d.point != DecisionPoint::Recall {
        return Err(NOT_RECALL);
    }
    let log = d.propensity.log_joint;
    // exp underflows below −745; a rounding error above certainty is no probability of more than 1.
    if !log.is_finite() || log > TOLERANCE || log.exp() <= 0.0 {
        return Err(NO_PROPENSITY);
    }
    Ok(d)
}

/// Natural logarithm of P(slate | the component that acted), as logged.
pub(super) fn component(d: &Decision) -> Option<f64> {
    d.propensity
        .components
        .iter()
        .find(|c| c.arm == d.arm && c.mode == d.explore_mode)
        .and_then(|c| c.log_probability)
        .filter(|p| p.is_finite() && *p <= TOLERANCE)
}

/// A slate that was drawn item by item from a Plackett–Luce distribution.
#[derive(Debug, PartialEq)]
pub(super) struct Drawn {
    /// The candidates that could be the first draw, by index; STOP is a further action.
    pub(super) actions: Vec<usize>,
    /// The drawn candidates by index, in order, each with its probability given the draws before it.
    pub(super) picks: Vec<(usize, f64)>,
    /// Probability of the STOP that ended the slate, given all draws; 1 where nothing fitted.
    pub(super) p_stop: f64,
    /// How many items were placed before the first draw, with certainty.
    pub(super) placed: usize,
}

/// Takes a drawn slate apart: `ln P(slate | component) = Σ ln p_step + ln p_stop`.
pub(super) fn drawn(d: &Decision) -> Result<Drawn, Reason> {
    if d.explore_mode != ExploreMode::PlackettLuce {
        return Err(NOT_DRAWN_SLATE);
    }
    let whole = component(d).ok_or(NO_PROPENSITY)?;
    let mut picks = Vec::new();
    let (mut placed, mut taken) = (0, 0_u64);
    for (index, item) in slate(d) {
        match item.p_step {
            Some(p) if p > 0.0 && p <= 1.0 => picks.push((index, p)),
            Some(_) => return Err(NO_PROPENSITY),
            None if picks.is_empty() => {
                placed += 1;
                taken += u64::from(item.tokens);
            }
            None => return Err(INCONSISTENT),
        }
    }
    let log_stop = whole - picks.iter().map(|(_, p)| p.ln()).sum::<f64>();
    if log_stop > TOLERANCE {
        return Err(INCONSISTENT);
    }
    // The room of the first draw: the budget, net of headings and of what was placed.
    let overhead = d
        .state
        .get("overhead_tokens")
        .and_then(serde_json::Value::as_u64);
    let room = d
        .budget_tokens
        .checked_sub(overhead.ok_or(INCONSISTENT)?)
        .and_then(|left| left.checked_sub(taken));
    let fits = |item: &Item| room.is_some_and(|room| u64::from(item.tokens) <= room);
    let actions: Vec<usize> = (0..d.items.len())
        .filter(|&i| {
            let item = &d.items[i];
            is_open(item) && !item.critical && !is_refused(item) && fits(item)
        })
        .collect();
    if actions.is_empty() {
        return Err(NO_CHOICE);
    }
    if picks.iter().any(|(i, _)| !actions.contains(i)) {
        return Err(INCONSISTENT);
    }
    Ok(Drawn {
        actions,
        picks,
        p_stop: log_stop.min(0.0).exp(),
        placed,
    })
}

/// The shown items with their indices, in the order in which they were shown.
pub(super) fn slate(d: &Decision) -> Vec<(usize, &Item)> {
    let mut slate: Vec<_> = d
        .items
        .iter()
        .enumerate()
        .filter(|(_, i)| i.selected)
        .collect();
    slate.sort_by_key(|(_, i)| i.position);
    slate
}

/// One toss of the hold-out coin: shown or withheld.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Toss {
    /// Index of the candidate.
    pub(super) index: usize,
    /// Whether it was shown.
    pub(super) shown: bool,
    /// Probability of what happened: 1 − ε or ε.
    pub(super) p: f64,
}

/// Finds the tosses of hold-out coins. A coin belongs to a (trajectory, cell) and stays as it fell,
/// so only the first decision that wanted the cell is an experiment; decisions are shown in the order
/// of their logging. Keeps what was wanted for trajectories that go on, and nothing of others.
#[derive(Debug, Default)]
pub(super) struct Holdouts {
    /// Trials that were ever run.
    trials: Vec<Trial>,
    open: HashMap<String, Wanted>,
}

#[derive(Debug, Default)]
struct Wanted {
    steps: u32,
    cells: HashSet<CellId>,
}

impl Holdouts {
    /// Before the first decision; `trials` are all that were ever run.
    pub(super) fn new(trials: &[Trial]) -> Self {
        Self {
            trials: trials.to_vec(),
            open: HashMap::new(),
        }
    }

    /// The tosses that this decision is the first to see.
    pub(super) fn tosses(&mut self, row: &DecisionRow) -> Result<Vec<Toss>, Reason> {
        let d = &row.decision;
        let mut wanted = self.open.remove(&d.trajectory_id).unwrap_or_default();
        // A gap (a filter, or a start in the middle) may hide an earlier toss of any cell.
        let whole = wanted.steps == d.step;
        let answer = if !whole {
            Err(BEGINS_EARLIER)
        } else if d.point == DecisionPoint::Recall && d.explore_mode == ExploreMode::Holdout {
            tosses(d, &self.trials, &mut wanted.cells)
        } else {
            Err(NOT_HOLDOUT)
        };
        wanted.steps += u32::from(whole);
        if row.next.is_some() {
            self.open.insert(d.trajectory_id.clone(), wanted);
        }
        answer
    }
}

/// The coins of a hold-out decision: ε for every soft cell, but for the one on trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Coins {
    epsilon: f64,
    trial: Option<Trial>,
}

impl Coins {
    /// The coins whose probabilities multiply to the logged one of the slate: without a trial, else with the one trial
    /// of those that were ever run that explains it. `None` when none does, or several do.
    pub(super) fn of(d: &Decision, trials: &[Trial]) -> Option<Self> {
        if d.explore_mode != ExploreMode::Holdout {
            return None;
        }
        let logged = component(d)?;
        let epsilon = d.propensity.epsilon;
        let explains = |trial: Option<Trial>| {
            let coins = Self { epsilon, trial };
            let sum: f64 = soft(d).map(|(_, i)| coins.p(i).ln()).sum();
            ((sum - logged).abs() <= TOLERANCE * (1.0 + logged.abs())).then_some(coins)
        };
        if let Some(plain) = explains(None) {
            return Some(plain);
        }
        let wanted = |t: &&Trial| soft(d).any(|(_, i)| i.cell_id == t.cell);
        let mut found = trials
            .iter()
            .filter(wanted)
            .filter_map(|t| explains(Some(*t)));
        let only = found.next()?;
        // The same trial twice is no doubt about it.
        found.all(|other| other == only).then_some(only)
    }

    /// The probability that a soft cell is withheld.
    pub(super) fn withheld(self, item: &Item) -> f64 {
        match self.trial {
            Some(trial) if trial.cell == item.cell_id => trial.p,
            _ => self.epsilon,
        }
    }

    /// The probability of what happened to a soft cell.
    fn p(self, item: &Item) -> f64 {
        if item.selected {
            1.0 - self.withheld(item)
        } else {
            self.withheld(item)
        }
    }
}

/// The soft cells of the slate that the acting policy wanted.
fn soft(d: &Decision) -> impl Iterator<Item = (usize, &Item)> {
    d.items
        .iter()
        .enumerate()
        .filter(|(_, i)| !i.critical && (i.selected || i.held_out))
}

fn tosses(
    d: &Decision,
    trials: &[Trial],
    cells: &mut HashSet<CellId>,
) -> Result<Vec<Toss>, Reason> {
    let new: Vec<_> = soft(d).filter(|(_, i)| cells.insert(i.cell_id)).collect();
    let coins = Coins::of(d, trials).ok_or(INCONSISTENT)?;
    if soft(d).next().is_none() {
        return Err(NO_CHOICE);
    }
    if new.is_empty() {
        return Err(USED_BEFORE);
    }
    let tosses: Vec<_> = new
        .into_iter()
        .filter(|(_, i)| is_open(i))
        .map(|(index, i)| Toss {
            index,
            shown: i.selected,
            p: coins.p(i),
        })
        // Probability 0 or 1 is no experiment.
        .filter(|t| t.p > 0.0 && t.p < 1.0)
        .collect();
    if tosses.is_empty() {
        return Err(NO_CHOICE);
    }
    Ok(tosses)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{Component, DecisionId, Propensity, Scope, Timestamp};

    fn cell(n: u8) -> CellId {
        CellId::from_random([n; 16])
    }

    /// A candidate that was wanted, and shown or withheld.
    pub(in super::super) fn item(n: u8, selected: bool) -> Item {
        Item {
            cell_id: cell(n),
            version: 1,
            features: vec![1.0],
            score: 0.0,
            tokens: 10,
            selected,
            position: selected.then_some(u32::from(n)),
            mode: if selected {
                Mode::Context
            } else {
                Mode::Suppress
            },
            reason: if selected { "" } else { HELD_OUT }.into(),
            p_include: None,
            p_step: None,
            critical: false,
            held_out: !selected,
        }
    }

    /// A decision with hold-outs of 0.1, in which the slate had this probability.
    pub(in super::super) fn decided(step: u32, items: Vec<Item>, p: f64) -> Decision {
        Decision {
            decision_id: DecisionId::from_random([1; 16]),
            query_id: DecisionId::from_random([2; 16]),
            point: DecisionPoint::Recall,
            trajectory_id: "t".into(),
            step,
            created_at: Timestamp(0),
            query: String::new(),
            task_type: String::new(),
            scope: Scope::default(),
            budget_tokens: 100,
            k: 10,
            policy: "similarity@1".into(),
            arms: Vec::new(),
            arm: "incumbent".into(),
            explore_mode: ExploreMode::Holdout,
            propensity: Propensity {
                log_joint: p.ln(),
                components: vec![Component {
                    arm: "incumbent".into(),
                    mode: ExploreMode::Holdout,
                    weight: 1.0,
                    log_probability: Some(p.ln()),
                }],
                epsilon: 0.1,
                salt: 0,
                seed: 0,
            },
            feature_schema: String::new(),
            items,
            state: serde_json::json!({"overhead_tokens": 5}),
            tokens_used: 0,
            latency_us: 0,
            context: None,
        }
    }

    pub(in super::super) fn row(decision: Decision, ends: bool) -> DecisionRow {
        DecisionRow {
            seq: 0,
            seqs: Vec::new(),
            next: (!ends).then(|| DecisionId::from_random([3; 16])),
            outcomes: 0,
            reports: Vec::new(),
            raw_state: None,
            erased: false,
            decision,
        }
    }

    #[test]
    fn a_cell_on_trial_has_the_probability_of_its_trial_or_none_at_all() {
        let d = decided(0, vec![item(1, true), item(2, false)], 0.9 * 0.3);
        let trial = |n, p| Trial { cell: cell(n), p };
        assert_eq!(Coins::of(&d, &[]), None, "ε does not explain it");
        assert_eq!(Coins::of(&d, &[trial(2, 0.4), trial(3, 0.3)]), None);
        let coins = Coins::of(&d, &[trial(2, 0.4), trial(2, 0.3)]).unwrap();
        assert!((coins.p(&d.items[0]) - 0.9).abs() < 1e-12);
        assert!((coins.p(&d.items[1]) - 0.3).abs() < 1e-12);
        let both = decided(0, vec![item(1, true), item(2, true)], 0.9 * 0.7);
        let doubt = [trial(1, 0.3), trial(2, 0.3)];
        assert_eq!(
            Coins::of(&both, &doubt),
            None,
            "either may have been on trial"
        );
    }

    #[test]
    fn a_coin_is_an_experiment_once_and_is_forgotten_with_its_trajectory() {
        let mut holdouts = Holdouts::new(&[]);
        let first = decided(0, vec![item(1, true)], 0.9);
        let tossed = holdouts.tosses(&row(first, false)).unwrap();
        assert_eq!((tossed.len(), tossed[0].shown), (1, true));
        let second = decided(1, vec![item(1, true), item(2, false)], 0.9 * 0.1);
        let tossed = holdouts.tosses(&row(second, false)).unwrap();
        assert_eq!(tossed.len(), 1, "only the new one");
        assert!(!tossed[0].shown && (tossed[0].p - 0.1).abs() < 1e-12);
        let third = decided(2, vec![item(1, true)], 0.9);
        assert_eq!(holdouts.tosses(&row(third, true)), Err(USED_BEFORE));
        assert!(holdouts.open.is_empty());
    }

    #[test]
    fn probabilities_that_do_not_agree_are_never_given_out() {
        let mut d = decided(0, vec![item(1, true)], 0.5);
        assert_eq!(
            Holdouts::default().tosses(&row(d.clone(), true)),
            Err(INCONSISTENT)
        );
        d.explore_mode = ExploreMode::PlackettLuce;
        d.propensity.components[0].mode = ExploreMode::PlackettLuce;
        d.items[0].p_step = Some(0.4);
        assert_eq!(
            drawn(&d),
            Err(INCONSISTENT),
            "the slate is more probable than its draw"
        );
        d.items[0].p_step = Some(0.8);
        let whole = drawn(&d).unwrap();
        assert!((whole.p_stop - 0.625).abs() < 1e-12);
        d.state = serde_json::json!({});
        assert_eq!(drawn(&d), Err(INCONSISTENT), "the room is not known");
        d.propensity.log_joint = f64::NEG_INFINITY;
        assert_eq!(recall(&row(d, true)).err(), Some(NO_PROPENSITY));
    }

    #[test]
    fn the_first_draw_is_among_what_fitted_and_was_not_refused() {
        let mut d = decided(0, vec![item(1, true), item(2, true), item(3, false)], 0.3);
        d.explore_mode = ExploreMode::PlackettLuce;
        d.propensity.components[0].mode = ExploreMode::PlackettLuce;
        d.items[0].critical = true;
        d.items[1].p_step = Some(0.5);
        d.items[2].reason = NOT_DRAWN.into();
        let seen = drawn(&d).unwrap();
        assert_eq!((seen.placed, &seen.actions), (1, &vec![1, 2]));
        d.items[2].tokens = 86;
        assert_eq!(drawn(&d).unwrap().actions, [1], "100 − 5 − 10 leave 85");
        d.items[2].tokens = 10;
        d.items[2].reason = "low_value".into();
        assert_eq!(drawn(&d).unwrap().actions, [1], "the policy refused it");
        d.items[2].reason = NOT_DRAWN.into();
        d.items[2].features.clear();
        assert_eq!(drawn(&d).unwrap().actions, [1], "a rule masked it");
    }
}
