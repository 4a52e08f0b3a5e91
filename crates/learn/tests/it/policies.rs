//! What the native policies promise.

use memrl_learn::{
    Candidate, Context, RecallPolicy, Scored, ValuePrior,
    policy::{PolicyError, Similarity, Utility, built_in, by_name},
};
use memrl_types::{CellType, Mode};
use proptest::prelude::*;

use crate::support::{constraint, fact, problem};

#[test]
fn policies_are_found_by_name_and_version() {
    for policy in built_in() {
        assert_eq!(by_name(policy.id()).unwrap().label(), policy.label());
        assert_eq!(by_name(&policy.label()).unwrap().id(), policy.id());
    }
    let error = by_name("clever").err().unwrap();
    assert!(matches!(error, PolicyError::Unknown { .. }));
    assert!(
        error
            .to_string()
            .contains("baseline_v0, similarity, utility, none")
    );
    for asked in [
        "similarity@2",
        "similarity@",
        "similarity@01",
        "similarity@x",
    ] {
        assert!(
            matches!(by_name(asked), Err(PolicyError::Version { have: 1, .. })),
            "{asked}"
        );
    }
}

#[test]
fn similarity_keeps_the_order_of_the_search_behind_the_constraints() {
    let mut episode = fact(3, 0.4, 1);
    episode.kind = CellType::Episode;
    let candidates = [
        fact(0, 0.5, 1),
        fact(1, 0.7, 1),
        fact(2, 0.5, 1),
        episode,
        constraint(4, 0.8, 1),
        constraint(5, 0.9, 1),
        constraint(6, 0.69, 1),
        fact(7, f64::NAN, 1),
    ];
    let order = Similarity.order(&Context::with_budget(9), &candidates);
    let indices: Vec<_> = order.iter().map(|s| s.index).collect();
    assert_eq!(indices, [5, 4, 1, 0, 2, 3, 6, 7]);
    assert_eq!(order[0].mode, Mode::Constraint);
    assert_eq!(order[5].mode, Mode::Background);
    assert_eq!(
        order[6].mode,
        Mode::Context,
        "a constraint of low criticality is context"
    );
}

/// A candidate of this kind with `wins` successes and nothing else.
fn with_successes(kind: CellType, prior: &ValuePrior, wins: f64) -> Candidate {
    let mut c = fact(1, 0.5, 1);
    c.kind = kind;
    c.value = prior.estimate(kind, wins, wins);
    c
}

proptest! {
    #[test]
    fn an_untried_cell_never_outranks_one_of_its_kind_with_only_successes(
        code in 0_u8..11, mean in 0.0..=1.0_f64, wins in 0.0..1e4_f64,
        weight in 0.0..5.0_f64, caution in 0.0..5.0_f64,
    ) {
        let kind = CellType::from_code(code).unwrap();
        let prior = ValuePrior { means: [mean; 11], ..ValuePrior::default() };
        let utility = Utility { weight, caution, ..Utility::default() };
        let untried = with_successes(kind, &prior, 0.0);
        let proven = with_successes(kind, &prior, wins);
        prop_assert!(utility.value_term(&untried).abs() < 1e-12);
        prop_assert!(utility.value_term(&proven) >= utility.value_term(&untried) - 1e-12);
        // And more successes never rank lower.
        let more = with_successes(kind, &prior, wins + 1.0);
        prop_assert!(utility.value_term(&more) >= utility.value_term(&proven) - 1e-12);
    }

    #[test]
    fn one_failure_ranks_below_untried(mean in 0.1..=1.0_f64) {
        let prior = ValuePrior { means: [mean; 11], ..ValuePrior::default() };
        let mut failed = with_successes(CellType::Fact, &prior, 0.0);
        failed.value = prior.estimate(CellType::Fact, 0.0, 1.0);
        prop_assert!(Utility::default().value_term(&failed) < 0.0);
    }

    #[test]
    fn every_policy_names_every_candidate_once(seed in any::<u64>(), n in 0_u64..40) {
        let (ctx, candidates) = problem(seed, n);
        for policy in built_in() {
            let order = policy.order(&ctx, &candidates);
            let mut indices: Vec<_> = order.iter().map(|s| s.index).collect();
            indices.sort_unstable();
            prop_assert_eq!(indices, (0..candidates.len()).collect::<Vec<_>>());
            let refused = order.iter().position(|s| s.mode == Mode::Suppress);
            let refused = &order[refused.unwrap_or(order.len())..];
            prop_assert!(refused.iter().all(|s| s.mode == Mode::Suppress));
            prop_assert!(refused.is_sorted_by_key(|s| s.index));
            let soft = order.iter().filter(|s| {
                s.mode != Mode::Suppress && !candidates[s.index].is_critical()
            });
            prop_assert!(soft.map(|s| -s.logit).is_sorted(), "{}", policy.id());
            // Without its reasons it is the same.
            let plain = |order: Vec<Scored>| -> Vec<_> {
                let rest = |s: Scored| (s.index, s.score.to_bits(), s.logit.to_bits(), s.mode);
                order.into_iter().map(rest).collect()
            };
            prop_assert_eq!(plain(policy.order_tersely(&ctx, &candidates)), plain(order));
        }
    }
}
