//! Sticky hold-outs: a soft cell of the greedy slate is dropped from whole trajectories.
//!
//! The freed space is not refilled, so cells are dropped independently and
//! `P(shown) = 1 − ε` exactly for every soft cell of the slate. Impact is estimated from this.
//!
//! A [`Trial`] withholds one cell more often, to learn about that one sooner: its probability takes
//! the place of ε for this cell, and of nothing else.

use memrl_types::CellId;
use serde::{Deserialize, Serialize};

use super::coin;

/// A focused trial of one cell: it is withheld with probability `p` in place of ε from the
/// trajectories that want it.
///
/// The coin has a domain of its own, `memrl/trial/v1`, so whether a cell is withheld during a trial says
/// nothing about, and is independent of, whether it was withheld from the same trajectory before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The cell. Nothing happens while it is critical: critical cells are never withheld.
    pub cell: CellId,
    /// Probability that it is withheld from a trajectory, in [0, 0.5].
    pub p: f64,
}

impl Trial {
    /// Whether the cell on trial is withheld from `trajectory`: `coin("memrl/trial/v1", cell) < p`.
    pub fn withholds(&self, salt: u64, trajectory: &str) -> bool {
        coin::toss("memrl/trial/v1", salt, trajectory, Some(self.cell)) < self.p
    }
}

/// Whether `cell` is withheld from `trajectory`: `coin("memrl/holdout/v1", cell) < ε`. The same in
/// every process and at every step of the trajectory; a larger ε withholds a superset.
pub fn is_withheld(epsilon: f64, salt: u64, trajectory: &str, cell: CellId) -> bool {
    coin::toss("memrl/holdout/v1", salt, trajectory, Some(cell)) < epsilon
}

/// Natural logarithm of the probability that hold-outs turn `greedy` into `slate`, for one
/// decision: `(1 − ε)^kept · ε^dropped` over the soft cells; `None` when they cannot (another
/// cell, another order, a cell dropped that is not soft). `on_trial` is the index of the soft cell
/// on trial and its probability, which takes the place of ε: a factor `1 − p` when it is kept, `p` when
/// it is dropped.
pub fn log_probability(
    greedy: &[usize],
    is_soft: impl Fn(usize) -> bool,
    epsilon: f64,
    on_trial: Option<(usize, f64)>,
    slate: &[usize],
) -> Option<f64> {
    let mut shown = slate.iter().copied().peekable();
    let (mut kept, mut dropped) = (0_u32, 0_u32);
    let mut trial = 0.0;
    for &cell in greedy {
        let is_shown = shown.next_if_eq(&cell).is_some();
        if let Some((_, p)) = on_trial.filter(|(i, _)| *i == cell) {
            if !is_shown && p <= 0.0 {
                return None;
            }
            trial = if is_shown { (-p).ln_1p() } else { p.ln() };
        } else if is_shown {
            kept += u32::from(is_soft(cell));
        } else if is_soft(cell) {
            dropped += 1;
        } else {
            return None;
        }
    }
    if shown.next().is_some() || (dropped > 0 && epsilon <= 0.0) {
        return None;
    }
    // 0 · ln 0 must not become NaN.
    let log = |n: u32, log_p: f64| if n == 0 { 0.0 } else { f64::from(n) * log_p };
    Some(log(kept, (-epsilon).ln_1p()) + log(dropped, epsilon.ln()) + trial)
}
