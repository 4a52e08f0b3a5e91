//! Greedy selection under the token budget.
//!
//! It may not know how the order came about, nor anything random.

use crate::{Candidate, Context, Ranking};

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

/// What is left of a token budget and of the number of items. Never overflows, whatever the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    tokens: Option<u64>,
    items: usize,
}

impl Room {
    /// The room for items: the budget net of the overhead, and the most items; nothing fits, not even an item of no
    /// cost, when the overhead alone is too much.
    pub fn of(ctx: &Context) -> Self {
        Self {
            tokens: ctx.budget_tokens.checked_sub(ctx.overhead_tokens),
            items: ctx.max_items,
        }
    }

    /// Whether an item of this cost fits.
    pub fn fits(self, cost: u32) -> bool {
        self.items > 0 && self.tokens.is_some_and(|left| u64::from(cost) <= left)
    }

    /// Takes an item of this cost if it fits, and says whether it did. A critical one needs room
    /// for its tokens only: rules are not counted among what helps.
    pub fn take(&mut self, cost: u32, critical: bool) -> bool {
        if self.items == 0 && !critical {
            return false;
        }
        match self.tokens.and_then(|left| left.checked_sub(cost.into())) {
            Some(left) => {
                self.tokens = Some(left);
                self.items -= usize::from(!critical);
                true
            }
            None => false,
        }
    }
}

/// The tokens that a slate takes, overhead included; 0 for an empty one.
pub fn tokens_of(ctx: &Context, candidates: &[Candidate], slate: &[usize]) -> u64 {
    if slate.is_empty() {
        return 0;
    }
    slate
        .iter()
        .map(|&i| u64::from(candidates[i].cost))
        .fold(ctx.overhead_tokens, u64::saturating_add)
}

/// Takes what fits in the order of the ranking, critical constraints first; what does not fit is
/// skipped, and smaller later items still may (memcell-rl's rule).
pub fn greedy(ctx: &Context, candidates: &[Candidate], ranking: &Ranking) -> Selection {
    let mut room = Room::of(ctx);
    let (slate, over_budget): (Vec<_>, Vec<_>) = ranking
        .shown()
        .iter()
        .map(|s| s.index)
        .partition(|&i| room.take(candidates[i].cost, candidates[i].is_critical()));
    let critical = |i: &usize| candidates[*i].is_critical();
    Selection {
        constraints_left_out: over_budget.iter().copied().filter(critical).collect(),
        tokens_used: tokens_of(ctx, candidates, &slate),
        slate,
        over_budget,
    }
}
