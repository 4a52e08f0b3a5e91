//! Reductions: what of a slate decision is one action with an exactly known probability.
//!
//! Everything here is a function of one logged decision (the hold-outs: of the decisions of its
//! trajectory so far). No text, no file, no format. A probability that does not agree with the
//! logged one of the whole slate is never given out: the decision is left out instead.

use std::collections::{HashMap, HashSet};

use memrl_learn::explore::{BUDGET_EXCEEDED, HELD_OUT, NOT_DRAWN};
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
const TOLERANCE: f64 = 1e-6;

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
    open: HashMap<String, Wanted>,
}

#[derive(Debug, Default)]
struct Wanted {
    steps: u32,
    cells: HashSet<CellId>,
}

impl Holdouts {
    /// The tosses that this decision is the first to see.
    pub(super) fn tosses(&mut self, row: &DecisionRow) -> Result<Vec<Toss>, Reason> {
        let d = &row.decision;
        let mut wanted = self.open.remove(&d.trajectory_id).unwrap_or_default();
        // A gap (a filter, or a start in the middle) may hide an earlier toss of any cell.
        let whole = wanted.steps == d.step;
        let answer = if !whole {
            Err(BEGINS_EARLIER)
        } else if d.point == DecisionPoint::Recall && d.explore_mode == ExploreMode::Holdout {
            tosses(d, &mut wanted.cells)
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

/// The probability with which each soft cell of a hold-out decision is withheld: ε, but for the one
/// on trial. `None` when that does not multiply to the logged probability of the slate.
pub(super) fn withheld(d: &Decision) -> Option<impl Fn(&Item) -> f64> {
    let epsilon = d.propensity.epsilon;
    let trial = d.state.get("trial").and_then(|t| {
        let cell: CellId = t.get("cell")?.as_str()?.parse().ok()?;
        Some((cell, t.get("p")?.as_f64()?))
    });
    let p = move |item: &Item| match trial {
        Some((cell, p)) if cell == item.cell_id => p,
        _ => epsilon,
    };
    let sum: f64 = soft(d)
        .map(|(_, i)| if i.selected { 1.0 - p(i) } else { p(i) })
        .map(f64::ln)
        .sum();
    ((sum - component(d)?).abs() <= TOLERANCE).then_some(p)
}

/// The soft cells of the slate that the acting policy wanted.
fn soft(d: &Decision) -> impl Iterator<Item = (usize, &Item)> {
    d.items
        .iter()
        .enumerate()
        .filter(|(_, i)| !i.critical && (i.selected || i.held_out))
}

fn tosses(d: &Decision, cells: &mut HashSet<CellId>) -> Result<Vec<Toss>, Reason> {
    let new: Vec<_> = soft(d).filter(|(_, i)| cells.insert(i.cell_id)).collect();
    let p = withheld(d).ok_or(INCONSISTENT)?;
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
            p: if i.selected { 1.0 - p(i) } else { p(i) },
        })
        // Probability 0 or 1 is no experiment.
        .filter(|t| t.p > 0.0 && t.p < 1.0)
        .collect();
    if tosses.is_empty() {
        return Err(NO_CHOICE);
    }
    Ok(tosses)
}
