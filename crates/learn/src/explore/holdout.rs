//! Sticky hold-outs: a soft cell of the greedy slate is dropped from whole trajectories.
//!
//! The freed space is not refilled, so cells are dropped independently and
//! `P(shown) = 1 − ε` exactly for every soft cell of the slate. Impact is estimated from this.

use memrl_types::CellId;

use super::coin;

/// Whether `cell` is withheld from `trajectory`: `coin("memrl/holdout/v1", cell) < ε`. The same in
/// every process and at every step of the trajectory; a larger ε withholds a superset.
pub fn is_withheld(epsilon: f64, salt: u64, trajectory: &str, cell: CellId) -> bool {
    coin::toss("memrl/holdout/v1", salt, trajectory, Some(cell)) < epsilon
}

/// Natural logarithm of the probability that hold-outs turn `greedy` into `slate`, for one
/// decision: `(1 − ε)^kept · ε^dropped` over the soft cells; `None` when they cannot (another
/// cell, another order, a cell dropped that is not soft).
pub fn log_probability(
    greedy: &[usize],
    is_soft: impl Fn(usize) -> bool,
    epsilon: f64,
    slate: &[usize],
) -> Option<f64> {
    let mut shown = slate.iter().copied().peekable();
    let (mut kept, mut dropped) = (0_u32, 0_u32);
    for &cell in greedy {
        if shown.next_if_eq(&cell).is_some() {
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
    Some(log(kept, (-epsilon).ln_1p()) + log(dropped, epsilon.ln()))
}
