//! Eligibility traces: the share of an outcome that goes to what led to it.
//!
//! Three things lead to an outcome without being part of the slate that it is about: earlier
//! decisions of the same task, the cells that a shown cell was made from, and earlier tasks of the
//! same project. Each gets *evidence*, whose mass shrinks by γλ with every step away from the
//! outcome, as in TD(λ) (Sutton and Barto, ch. 12). Evidence, unlike a sum of temporal differences, cannot
//! leave [0, 1], and because it is keyed by outcome and cell, giving it again changes nothing.
//!
//! It may not know stores, payloads or the clock.

use std::collections::{BTreeMap, BTreeSet};

use memrl_types::{CellId, Timestamp};

use crate::value::{Evidence, Signal};

/// How far credit reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceConfig {
    /// γ, in [0, 1]: `MemRL`'s discount factor.
    pub gamma: f64,
    /// λ, in [0, 1]: how much of the credit is passed on at each step.
    pub lambda: f64,
    /// Steps after which nothing is passed on. `0.63⁸ = 0.025`.
    pub max_distance: u32,
}

/// The time between two tasks, in days, in which the second is taken to build on the first: an
/// hour.
pub const WINDOW_DAYS: f64 = 1.0 / 24.0;

impl Default for TraceConfig {
    fn default() -> Self {
        Self {
            gamma: crate::graph::DISCOUNT,
            lambda: 0.7,
            max_distance: 8,
        }
    }
}

impl TraceConfig {
    /// The share that is left after this many steps: `(γλ)^distance`, and 0 beyond the reach.
    pub fn share(&self, distance: u32) -> f64 {
        if distance > self.max_distance {
            return 0.0;
        }
        let step = self.gamma.clamp(0.0, 1.0) * self.lambda.clamp(0.0, 1.0);
        step.powf(f64::from(distance))
    }
}

/// The evidence of one outcome for every cell that it says something about.
///
/// - `primary` is the evidence about the slate of the decision ([`crate::value::credit_signal`]).
/// - `earlier` are the slates of earlier decisions of the trajectory, each with the number of steps
///   that it lies before (1 is the one just before). Each gets one unit of mass times the trust of
///   `signal` times `(γλ)^steps`, shared equally by its cells; nothing when the success is unknown.
/// - `parents` answers the cells that a cell was made from. Each ancestor of a credited cell gets
///   that cell's evidence times `(γλ)^distance`, by the shortest way; a cycle ends by itself.
///
/// Each cell has one piece: that of the largest mass. At equal mass the primary one counts, then
/// the worse news. So a cell with a verdict keeps it, and no mass is above 1.
pub fn spread(
    primary: &BTreeMap<CellId, Evidence>,
    earlier: &[(u32, Vec<CellId>)],
    parents: &dyn Fn(CellId) -> Vec<CellId>,
    signal: Option<Signal>,
    at: Timestamp,
    config: &TraceConfig,
) -> BTreeMap<CellId, Evidence> {
    let mut all = primary.clone();
    let mut family = Family::new(parents);
    // Cells with the same evidence are walked from together.
    let mut groups: Vec<(Evidence, u32, BTreeSet<CellId>)> = Vec::new();
    for (cell, piece) in primary {
        match groups.iter_mut().find(|(known, ..)| known == piece) {
            Some((_, _, cells)) => {
                cells.insert(*cell);
            }
            None => groups.push((*piece, 0, BTreeSet::from([*cell]))),
        }
    }
    if let Some(signal) = signal.filter(|s| s.y.is_finite()) {
        for (steps, slate) in earlier {
            let cells: BTreeSet<CellId> = slate.iter().copied().collect();
            let share = signal.trust.clamp(0.0, 1.0) / cells.len().max(1) as f64;
            let piece = Evidence {
                mass: share * config.share(*steps),
                y: signal.y.clamp(0.0, 1.0),
                at,
            };
            for cell in &cells {
                offer(&mut all, primary, *cell, piece);
            }
            groups.push((piece, *steps, cells));
        }
    }
    for (piece, steps, cells) in groups {
        let reach = config.max_distance.saturating_sub(steps);
        family.walk(cells, reach, &mut |distance, ancestor| {
            let mass = piece.mass * config.share(distance);
            offer(&mut all, primary, ancestor, Evidence { mass, ..piece });
        });
    }
    all
}

/// Keeps the piece if it is the better one for its cell.
fn offer(
    all: &mut BTreeMap<CellId, Evidence>,
    primary: &BTreeMap<CellId, Evidence>,
    cell: CellId,
    piece: Evidence,
) {
    if piece.mass <= 0.0 {
        return;
    }
    let better = match all.get(&cell) {
        None => true,
        Some(kept) if piece.mass > kept.mass => true,
        Some(kept) if piece.mass < kept.mass => false,
        Some(kept) => primary.get(&cell) != Some(kept) && piece.y < kept.y,
    };
    if better {
        all.insert(cell, piece);
    }
}

/// Who was made from whom, each asked for once.
struct Family<'a> {
    ask: &'a dyn Fn(CellId) -> Vec<CellId>,
    known: BTreeMap<CellId, Vec<CellId>>,
}

impl<'a> Family<'a> {
    fn new(ask: &'a dyn Fn(CellId) -> Vec<CellId>) -> Self {
        Self {
            ask,
            known: BTreeMap::new(),
        }
    }

    /// Shows every proper ancestor of these cells within `reach` steps once, with its distance.
    fn walk(&mut self, from: BTreeSet<CellId>, reach: u32, see: &mut dyn FnMut(u32, CellId)) {
        let mut seen = from.clone();
        let mut ring = from;
        for distance in 1..=reach {
            let mut next = BTreeSet::new();
            for cell in &ring {
                let ask = self.ask;
                let parents = self.known.entry(*cell).or_insert_with(|| ask(*cell));
                next.extend(parents.iter().filter(|p| !seen.contains(p)).copied());
            }
            if next.is_empty() {
                return;
            }
            for ancestor in &next {
                see(distance, *ancestor);
            }
            seen.extend(next.iter().copied());
            ring = next;
        }
    }
}

/// One task of a project, as far as the order of tasks goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// The cell of type `episode` that records it.
    pub cell: CellId,
    /// When the work began.
    pub start: Timestamp,
    /// When it ended, not before it began.
    pub end: Timestamp,
    /// Whether it went well.
    pub success: bool,
}

/// Evidence that one task gives about an earlier one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temporal {
    /// The success that the credit comes from: the evidence is keyed by it and `credited`.
    pub success: CellId,
    /// The earlier episode.
    pub credited: CellId,
    /// What it gets.
    pub evidence: Evidence,
}

/// Credit for what came just before a success, in one project.
///
/// Each success credits the tasks that ended no more than `window_days` before it began: the d-th
/// last of them gets `(γλ)^d` of mass with y = 1, dated when the success ended. Tasks that
/// overlap with it get nothing. The order of the tasks in the list does not matter. Failures give
/// no evidence about what came before them: most of what precedes a failure was not its cause.
pub fn temporal(tasks: &[Task], window_days: f64, config: &TraceConfig) -> Vec<Temporal> {
    let mut by_end: Vec<Task> = tasks.to_vec();
    by_end.sort_unstable_by_key(|t| (t.end, t.start, t.cell));
    by_end.dedup();
    let mut credits = Vec::new();
    for success in by_end.iter().filter(|t| t.success) {
        // Of two that nobody knows more of than one and the same instant, neither is before the
        // other.
        let precedes =
            |t: &Task| t.end < success.start || (t.end == success.start && t.start < t.end);
        let before = by_end.partition_point(precedes);
        let recent = by_end[..before]
            .iter()
            .rev()
            .take_while(|t| success.start.days_since(t.end) <= window_days)
            .filter(|t| t.cell != success.cell);
        for (task, distance) in recent.zip(1..=config.max_distance) {
            credits.push(Temporal {
                success: success.cell,
                credited: task.cell,
                evidence: Evidence {
                    mass: config.share(distance),
                    y: 1.0,
                    at: success.end,
                },
            });
        }
    }
    credits.sort_unstable_by_key(|c| (c.success, c.credited));
    credits
}
