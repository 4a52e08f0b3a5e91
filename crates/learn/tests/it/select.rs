//! Greedy selection under the budget.

use memrl_learn::{Candidate, Context, Ranking, RecallPolicy, policy::Similarity, select::greedy};
use proptest::prelude::*;

use crate::support::{constraint, fact, problem};

fn ranking(ctx: &Context, candidates: &[Candidate]) -> Ranking {
    Ranking::new(candidates, Similarity.order(ctx, candidates))
}

#[test]
fn what_does_not_fit_is_skipped_and_smaller_items_still_fit() {
    let candidates = [fact(0, 0.9, 6), fact(1, 0.8, 6), fact(2, 0.7, 4)];
    let mut ctx = Context::with_budget(10);
    let order = ranking(&ctx, &candidates);
    let taken = greedy(&ctx, &candidates, &order);
    assert_eq!((taken.slate, taken.over_budget), (vec![0, 2], vec![1]));
    assert_eq!(taken.tokens_used, 10);
    ctx.overhead_tokens = 1;
    assert_eq!(greedy(&ctx, &candidates, &order).slate, [0]);
    ctx.overhead_tokens = 11;
    let none = greedy(&ctx, &candidates, &order);
    assert_eq!((none.slate.len(), none.tokens_used), (0, 0));
}

#[test]
fn the_largest_budget_does_not_overflow() {
    let candidates = [fact(0, 0.9, u32::MAX), fact(1, 0.8, u32::MAX)];
    let mut ctx = Context::with_budget(u64::MAX);
    let order = ranking(&ctx, &candidates);
    let taken = greedy(&ctx, &candidates, &order);
    assert_eq!(taken.slate, [0, 1]);
    assert_eq!(taken.tokens_used, 2 * u64::from(u32::MAX));
    ctx.overhead_tokens = u64::MAX;
    assert!(greedy(&ctx, &candidates, &order).slate.is_empty());
}

#[test]
fn critical_items_come_first() {
    let candidates = [fact(0, 0.99, 5), constraint(1, 0.7, 5)];
    let ctx = Context::with_budget(5);
    let order = ranking(&ctx, &candidates);
    assert_eq!(greedy(&ctx, &candidates, &order).slate, [1]);
}

proptest! {
    #[test]
    fn the_budget_is_kept_and_nothing_that_fits_is_left(seed in any::<u64>(), n in 0_u64..40) {
        let (mut ctx, candidates) = problem(seed, n);
        ctx.budget_tokens *= 3;
        let order = ranking(&ctx, &candidates);
        let taken = greedy(&ctx, &candidates, &order);
        prop_assert!(taken.tokens_used <= ctx.budget_tokens);
        let left = ctx.budget_tokens - taken.tokens_used.max(ctx.overhead_tokens.min(ctx.budget_tokens));
        if ctx.overhead_tokens <= ctx.budget_tokens {
            prop_assert!(taken.over_budget.iter().all(|&i| u64::from(candidates[i].cost) > left));
        }
        let shown = taken.slate.len() + taken.over_budget.len();
        prop_assert_eq!(shown, candidates.iter().filter(|c| c.mask.is_none()).count());
    }
}
