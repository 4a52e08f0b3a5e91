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
        control: None,
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

/// A policy that breaks every rule of the contract: it names cells that do not exist and others
/// twice, forgets the first, wants to show all others as `mode` in reverse, and has no scores.
struct Hostile(Mode);

impl RecallPolicy for Hostile {
    fn id(&self) -> &'static str {
        "hostile"
    }

    fn version(&self) -> u32 {
        1
    }

    fn order(&self, _ctx: &Context, candidates: &[Candidate]) -> Vec<Scored> {
        let one = |index| Scored {
            index,
            score: f64::NAN,
            logit: f64::NAN,
            mode: self.0,
            reason: "because".into(),
        };
        let mut order = vec![one(usize::MAX)];
        order.extend((1..candidates.len()).rev().map(one));
        order.extend((1..candidates.len()).map(one));
        order
    }
}

#[test]
fn hard_rules_win_over_any_policy() {
    let mut candidates = vec![fact(0, 0.5, 1), fact(1, 0.5, 1), constraint(2, 0.9, 1)];
    for mask in [
        Mask::Deleted,
        Mask::Expired,
        Mask::Superseded,
        Mask::Contradicted,
        Mask::NotYetValid,
        Mask::AlreadyInContext,
    ] {
        let mut c = constraint(candidates.len() as u64, 0.9, 1);
        c.mask = Some(mask);
        candidates.push(c);
    }
    // What is gone is gone, masked or not.
    for status in [CellStatus::Deleted, CellStatus::Superseded] {
        let mut c = constraint(candidates.len() as u64, 0.9, 1);
        c.status = status;
        candidates.push(c);
    }
    let mut doubted = constraint(11, 0.9, 1);
    doubted.status = CellStatus::Quarantined;
    candidates.push(doubted);
    for mode in [
        Mode::Context,
        Mode::Constraint,
        Mode::Background,
        Mode::Suppress,
    ] {
        for (sampled_share, seed) in (0..20).flat_map(|s| [(0.0, s), (1.0, s)]) {
            let hostile = Policies {
                incumbent: &Hostile(mode),
                canary: None,
                control: None,
            };
            let config = ExploreConfig {
                sampled_share,
                ..ExploreConfig::default()
            };
            let ctx = Context::with_budget(100);
            let choice = decide(&ctx, &candidates, hostile, &config, "t", seed).unwrap();
            let items = &choice.items;
            assert_eq!(choice.slate[0], 2, "the critical constraint comes first");
            assert_eq!(items[2].mode, Mode::Constraint);
            assert!(choice.slate.iter().all(|&i| [1, 2, 11].contains(&i)));
            assert!(!items[11].selected || items[11].mode == Mode::Reverify);
            assert_eq!(items[0].reason, "not_ranked");
            for (item, c) in items.iter().zip(&candidates) {
                assert!(item.score.is_finite());
                if let Some(mask) = c.mask {
                    assert_eq!(
                        (item.mode, item.reason.as_str()),
                        (Mode::Suppress, mask.as_str())
                    );
                    assert_eq!(item.p_include, Some(0.0));
                }
            }
            if mode == Mode::Suppress {
                assert!(
                    choice.left_out.is_sorted(),
                    "refused in the order of the candidates"
                );
            }
            assert_eq!(items[9].reason, "deleted");
            assert_eq!(items[10].reason, "superseded");
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
            control: None,
        };
        let ctx = Context::with_budget(10);
        let choice = decide(&ctx, &[c], both, &ExploreConfig::default(), "t", 0).unwrap();
        assert_eq!(choice.items[0].mode, Mode::Reverify, "{name}");
    }
}
