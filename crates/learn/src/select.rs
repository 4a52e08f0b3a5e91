//! Greedy selection under the token budget.

use crate::{Candidate, Context, Scored};

/// A greedy selection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Indices of the candidates shown, in order.
    pub slate: Vec<usize>,
    /// Indices of the candidates that did not fit, in order of priority.
    pub over_budget: Vec<usize>,
    /// Those of them that are critical.
    pub constraints_left_out: Vec<usize>,
    /// Tokens taken, overhead included; 0 when nothing is shown.
    pub tokens_used: u64,
}

/// Takes what fits, critical constraints first, in the order of the policy; what does not fit is
/// skipped and smaller later items still may (memcell-rl's rule).
pub fn greedy(ctx: &Context, candidates: &[Candidate], order: &[Scored]) -> Selection {
    let _ = (ctx, candidates, order);
    unimplemented!()
}
