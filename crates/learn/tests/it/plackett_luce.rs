//! The distribution over slates: sums, samples, formulas, gradients.

use memrl_learn::{
    Candidate, Context, Ranking, RecallPolicy,
    explore::PlackettLuce,
    policy::{Similarity, by_name},
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::support::{all_slates, chi_square, close, constraint, fact, problem};

fn slates(ctx: &Context, candidates: &[Candidate], stop: f64, temperature: f64) -> PlackettLuce {
    let order = Similarity.order(ctx, candidates);
    PlackettLuce::new(
        ctx,
        candidates,
        &Ranking::new(candidates, order),
        stop,
        temperature,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn probabilities_of_all_slates_sum_to_one(
        seed in any::<u64>(), n in 0_u64..6, log_t in -2.0..1.0_f64, stop in -1.0..2.0_f64,
    ) {
        let (ctx, candidates) = problem(seed, n);
        for name in ["similarity", "utility", "baseline_v0", "none"] {
            let policy = by_name(name).unwrap();
            let order = policy.order(&ctx, &candidates);
            let pl = PlackettLuce::new(&ctx, &candidates, &Ranking::new(&candidates, order), stop, 10_f64.powf(log_t));
            let total: f64 =
                all_slates(n as usize).iter().map(|s| pl.log_probability(s).exp()).sum();
            prop_assert!(close(total, 1.0, 1e-12), "{name}: {total}");
        }
    }

    #[test]
    fn a_sampled_slate_has_the_logged_probability(seed in any::<u64>(), n in 0_u64..40) {
        let (mut ctx, candidates) = problem(seed, n);
        ctx.budget_tokens *= 4;
        let pl = slates(&ctx, &candidates, 0.3, 0.2);
        let (slate, steps) = pl.sample(&mut ChaCha8Rng::seed_from_u64(seed));
        prop_assert_eq!(pl.steps(&slate), Some(steps.clone()));
        prop_assert!(steps.total().is_finite() && steps.total() <= 1e-12);
        prop_assert_eq!(slate.len(), steps.items.len() + pl.placed().len());
        let cost: u64 = slate.iter().map(|&i| u64::from(candidates[i].cost)).sum();
        prop_assert!(slate.is_empty() || cost + ctx.overhead_tokens <= ctx.budget_tokens);
        prop_assert!(slate.iter().all(|&i| candidates[i].mask.is_none()));
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences(seed in any::<u64>(), n in 1_u64..7) {
        let (ctx, candidates) = problem(seed, n);
        let (temperature, stop, h) = (0.5, 0.2, 1e-5);
        let pl = slates(&ctx, &candidates, stop, temperature);
        let (slate, _) = pl.sample(&mut ChaCha8Rng::seed_from_u64(seed));
        let (gradient, by_stop) = pl.gradient(&slate, candidates.len()).unwrap();
        let order = Similarity.order(&ctx, &candidates);
        let log_p = |moved: usize, by: f64, stop: f64| {
            let mut order = order.clone();
            for s in order.iter_mut().filter(|s| s.index == moved) {
                s.logit += by;
            }
            PlackettLuce::new(&ctx, &candidates, &Ranking::new(&candidates, order), stop, temperature).log_probability(&slate)
        };
        for (i, g) in gradient.iter().enumerate() {
            let numeric = (log_p(i, h, stop) - log_p(i, -h, stop)) / (2.0 * h);
            prop_assert!((g - numeric).abs() < 1e-6, "{i}: {g} {numeric}");
        }
        let numeric = (log_p(0, 0.0, stop + h) - log_p(0, 0.0, stop - h)) / (2.0 * h);
        prop_assert!((by_stop - numeric).abs() < 1e-6);
    }
}

#[test]
fn the_formula_is_that_of_the_documentation() {
    let candidates = [fact(0, 0.5, 2), fact(1, 0.2, 3), fact(2, 0.4, 2)];
    let pl = slates(&Context::with_budget(4), &candidates, 0.1, 0.2);
    let w = |x: f64| (x / 0.2).exp();
    // First all three fit; after the second cell (cost 3) nothing fits and STOP is certain.
    let all = w(0.5) + w(0.2) + w(0.4) + w(0.1);
    assert!(close(pl.log_probability(&[1]), (w(0.2) / all).ln(), 1e-14));
    // After the first (cost 2) only the third fits, or STOP.
    let two = w(0.5) / all * (w(0.4) / (w(0.4) + w(0.1)));
    assert!(close(pl.log_probability(&[0, 2]), two.ln(), 1e-14));
    let one = w(0.5) / all * (w(0.1) / (w(0.4) + w(0.1)));
    assert!(close(pl.log_probability(&[0]), one.ln(), 1e-14));
    assert_eq!(
        pl.log_probability(&[0, 1]),
        f64::NEG_INFINITY,
        "over the budget"
    );
    assert_eq!(
        pl.log_probability(&[0, 0]),
        f64::NEG_INFINITY,
        "without replacement"
    );
    assert_eq!(
        pl.log_probability(&[7]),
        f64::NEG_INFINITY,
        "no such candidate"
    );
}

#[test]
fn critical_cells_are_placed_first_with_certainty() {
    let mut masked = fact(4, 5.0, 1);
    masked.mask = Some(memrl_types::Mask::Expired);
    let candidates = [
        fact(0, 0.9, 1),
        constraint(1, 0.8, 2),
        constraint(2, 0.9, 2),
        constraint(3, 0.7, 50),
        masked,
    ];
    let pl = slates(&Context::with_budget(6), &candidates, 0.0, 0.1);
    assert_eq!(pl.placed(), [2, 1]);
    assert_eq!(pl.unplaced(), [3]);
    assert_eq!(pl.log_probability(&[0]), f64::NEG_INFINITY);
    assert_eq!(pl.log_probability(&[1, 2]), f64::NEG_INFINITY);
    for seed in 0..200 {
        let (slate, _) = pl.sample(&mut ChaCha8Rng::seed_from_u64(seed));
        assert!(slate == [2, 1] || slate == [2, 1, 0], "{slate:?}");
    }
}

#[test]
fn extreme_logits_neither_overflow_nor_divide_by_zero() {
    for (a, b, stop) in [
        (1e300, -1e300, 0.0),
        (f64::INFINITY, f64::NEG_INFINITY, f64::NAN),
        (f64::NAN, f64::NAN, f64::INFINITY),
        (700.0, 700.0, -700.0),
    ] {
        let candidates = [fact(0, 0.0, 1), fact(1, 0.0, 1)];
        let ctx = Context::with_budget(u64::MAX);
        let mut order = Similarity.order(&ctx, &candidates);
        order[0].logit = a;
        order[1].logit = b;
        let pl = PlackettLuce::new(
            &ctx,
            &candidates,
            &Ranking::new(&candidates, order),
            stop,
            0.001,
        );
        let total: f64 = all_slates(2)
            .iter()
            .map(|s| pl.log_probability(s).exp())
            .sum();
        assert!(close(total, 1.0, 1e-9), "{total}");
        let (slate, steps) = pl.sample(&mut ChaCha8Rng::seed_from_u64(1));
        assert!(steps.total() > -1.0, "{slate:?} {steps:?}");
    }
}

#[test]
fn samples_have_the_stated_frequencies() {
    let candidates = [
        fact(0, 0.5, 2),
        fact(1, 0.3, 3),
        fact(2, 0.4, 2),
        constraint(3, 0.9, 1),
        fact(4, 0.1, 1),
    ];
    let ctx = Context::with_budget(6);
    let pl = slates(&ctx, &candidates, 0.1, 0.2);
    let all = all_slates(5);
    let mut counts = vec![0.0; all.len()];
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for _ in 0..40_000 {
        let (slate, _) = pl.sample(&mut rng);
        counts[all.iter().position(|s| *s == slate).unwrap()] += 1.0;
    }
    let expected = |pl: &PlackettLuce| -> Vec<f64> {
        all.iter().map(|s| pl.log_probability(s).exp()).collect()
    };
    let (statistic, limit) = chi_square(&counts, &expected(&pl));
    assert!(statistic < limit, "χ² {statistic} of {limit}");
    // The test has teeth: a temperature 5 % off, or a STOP 0.02 off, is noticed.
    for (stop, temperature) in [(0.1, 0.21), (0.12, 0.2)] {
        let wrong = slates(&ctx, &candidates, stop, temperature);
        let (statistic, limit) = chi_square(&counts, &expected(&wrong));
        assert!(
            statistic > limit,
            "χ² {statistic} of {limit} at {stop} {temperature}"
        );
    }
}
