//! The worked example of `docs/policies.md`, and what a decision never does.

use memrl_learn::{
    Candidate, Context, ExploreConfig, Policies, RecallPolicy, Scored, decide, policy::Similarity,
};
use memrl_types::{CellStatus, Mask, Mode};

use crate::support::{close, constraint, fact};

/// The candidates of the worked example.
fn example() -> (Context, Vec<Candidate>) {
    let candidates = vec![
        fact(0, 0.9, 40),
        fact(1, 0.8, 70),
        fact(2, 0.6, 30),
        constraint(3, 0.9, 20),
    ];
    let mut ctx = Context::with_budget(120);
    ctx.overhead_tokens = 10;
    (ctx, candidates)
}

fn policies() -> Policies<'static> {
    Policies {
        incumbent: &Similarity,
        canary: None,
    }
}

#[test]
fn the_worked_example_of_the_documentation_holds() {
    let (ctx, candidates) = example();
    let config = ExploreConfig {
        epsilon: 0.02,
        sampled_share: 0.25,
        temperature: 0.1,
        none_share: 0.1,
        ..ExploreConfig::default()
    };
    let greedy = decide(&ctx, &candidates, policies(), &ExploreConfig::off(), "t", 0).unwrap();
    assert_eq!(greedy.slate, [3, 0, 2]);
    assert_eq!(greedy.tokens_used, 100);
    assert_eq!(greedy.items[1].reason, "budget_exceeded");
    // Some trajectory of the incumbent without draws and without hold-outs.
    let choice = (0..100)
        .map(|t| decide(&ctx, &candidates, policies(), &config, &format!("t{t}"), 0).unwrap())
        .find(|c| c.slate == [3, 0, 2] && c.explore_mode == memrl_types::ExploreMode::Holdout)
        .unwrap();
    let parts = &choice.propensity.components;
    let p: Vec<_> = parts
        .iter()
        .map(|c| (c.arm.as_str(), c.weight, c.log_probability.map(f64::exp)))
        .collect();
    assert_eq!((p[0].0, p[1].0, p[2].0), ("incumbent", "incumbent", "none"));
    assert!(
        close(p[0].1, 0.225, 1e-12) && close(p[1].1, 0.675, 1e-12) && close(p[2].1, 0.1, 1e-12)
    );
    // Drawn: the constraint is placed, 90 tokens are left. First draw: weights e^9, e^8, e^6, e^0;
    // second: cell 1 (70) no longer fits, so e^6 against e^0; then 20 are left: STOP is certain.
    let e = f64::exp;
    let drawn = e(9.0) / (e(9.0) + e(8.0) + e(6.0) + 1.0) * (e(6.0) / (e(6.0) + 1.0));
    assert!(close(p[0].2.unwrap(), drawn, 1e-12));
    assert!(close(drawn, 0.7036, 1e-4), "{drawn}");
    assert!(close(p[1].2.unwrap(), 0.98 * 0.98, 1e-12));
    assert_eq!(p[2].2, None, "the control arm never shows it");
    let joint = 0.225 * drawn + 0.675 * 0.9604;
    assert!(close(choice.propensity.log_joint, joint.ln(), 1e-12));
    assert!(close(joint, 0.8066, 1e-4), "{joint}");
    // The constraint is certain in every component; the facts may be drawn.
    let p_include: Vec<_> = choice.items.iter().map(|i| i.p_include).collect();
    assert!(close(p_include[3].unwrap(), 1.0, 1e-12));
    assert_eq!(p_include[..3], [None; 3]);
}

#[test]
fn drawn_slates_carry_the_probability_of_each_draw() {
    let (ctx, candidates) = example();
    let config = ExploreConfig {
        sampled_share: 1.0,
        ..ExploreConfig::off()
    };
    for seed in 0..50 {
        let choice = decide(&ctx, &candidates, policies(), &config, "t", seed).unwrap();
        assert_eq!(choice.items[3].p_step, None, "placed, not drawn");
        let steps: f64 = choice.items.iter().filter_map(|i| i.p_step).product();
        let p = steps * choice.p_stop.unwrap();
        assert!(close(p.ln(), choice.propensity.log_joint, 1e-12));
        let drawn = choice.slate.len() - 1;
        assert_eq!(
            choice.items.iter().filter(|i| i.p_step.is_some()).count(),
            drawn
        );
        for &i in &choice.left_out {
            let room = 120 - choice.tokens_used;
            let fits = u64::from(candidates[i].cost) <= room;
            let reason = if fits { "not_drawn" } else { "budget_exceeded" };
            assert_eq!(choice.items[i].reason, reason);
        }
    }
}

#[test]
fn constraints_that_exceed_the_budget_are_listed() {
    let candidates = [
        constraint(0, 0.8, 60),
        constraint(1, 0.9, 70),
        fact(2, 0.9, 10),
    ];
    let ctx = Context::with_budget(100);
    let choice = decide(&ctx, &candidates, policies(), &ExploreConfig::off(), "t", 0).unwrap();
    assert_eq!(choice.slate, [1, 2], "what still fits is shown");
    assert!(choice.constraints_exceed_budget());
    assert_eq!(choice.constraints_left_out, [0]);
}

/// A policy that breaks every rule of the contract.
struct Hostile;

impl RecallPolicy for Hostile {
    fn id(&self) -> &'static str {
        "hostile"
    }

    fn version(&self) -> u32 {
        1
    }

    fn order(&self, _ctx: &Context, candidates: &[Candidate]) -> Vec<Scored> {
        let one = |index, mode| Scored {
            index,
            score: f64::NAN,
            logit: f64::NAN,
            mode,
            reason: "because".into(),
        };
        // Masked cells first, twice, a cell that does not exist, and one cell not at all.
        let mut order = vec![one(usize::MAX, Mode::Context)];
        order.extend((1..candidates.len()).map(|i| one(i, Mode::Constraint)));
        order.extend((1..candidates.len()).map(|i| one(i, Mode::Context)));
        order
    }
}

#[test]
fn hard_rules_win_over_any_policy() {
    let mut candidates = vec![fact(0, 0.5, 1)];
    for (n, mask) in [
        Mask::Deleted,
        Mask::Expired,
        Mask::Superseded,
        Mask::Contradicted,
        Mask::NotYetValid,
        Mask::AlreadyInContext,
    ]
    .into_iter()
    .enumerate()
    {
        let mut c = constraint(n as u64 + 1, 0.9, 1);
        c.mask = Some(mask);
        candidates.push(c);
    }
    candidates.push(fact(7, 0.1, 1));
    let hostile = Policies {
        incumbent: &Hostile,
        canary: None,
    };
    for sampled_share in [0.0, 1.0] {
        for seed in 0..20 {
            let config = ExploreConfig {
                sampled_share,
                ..ExploreConfig::default()
            };
            let ctx = Context::with_budget(100);
            let choice = decide(&ctx, &candidates, hostile, &config, "t", seed).unwrap();
            assert!(choice.slate.iter().all(|&i| i == 7), "{:?}", choice.slate);
            assert_eq!(choice.items[0].reason, "not_ranked");
            for (item, c) in choice.items.iter().zip(&candidates) {
                assert!(item.score.is_finite());
                if let Some(mask) = c.mask {
                    assert_eq!(
                        (item.mode, item.reason.as_str()),
                        (Mode::Suppress, mask.as_str())
                    );
                    assert_eq!(item.p_include, Some(0.0));
                }
            }
        }
    }
}

#[test]
fn quarantined_cells_are_shown_only_for_checking() {
    for name in ["baseline_v0", "similarity", "utility", "none"] {
        let policy = memrl_learn::policy::by_name(name).unwrap();
        let mut c = constraint(0, 0.9, 1);
        c.status = CellStatus::Quarantined;
        let both = Policies {
            incumbent: policy.as_ref(),
            canary: None,
        };
        let ctx = Context::with_budget(10);
        let choice = decide(&ctx, &[c], both, &ExploreConfig::default(), "t", 0).unwrap();
        assert_eq!(choice.items[0].mode, Mode::Reverify, "{name}");
    }
}
