//! How much to show, from a log.

use std::ops::ControlFlow;

use memrl_learn::Context;
use memrl_learn::data::{Dataset, Logged, LoggedItem, Schema, Signals};
use memrl_learn::train::credit::{self, Credit};
use memrl_learn::train::stop::{NEED, fit};
use memrl_learn::train::{Hooks, TrainConfig};
use memrl_types::{CellId, DecisionId, ExploreMode, Propensity, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The scores of the ten candidates: two stand out.
fn features() -> Vec<f32> {
    let of = |i: u8| f32::from(i) * 0.1 + if i >= 8 { 4.0 } else { 0.0 };
    (0..10).map(of).collect()
}

/// A log of slates of ten candidates, shown at random: the best two make success likelier by
/// 0.2 each, each of the others changes the reward by `other`.
fn log(trajectories: u32, other: f64, seed: u64) -> Dataset {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let decision = |trajectory: u32, rng: &mut ChaCha8Rng| {
        let slate: Vec<u32> = (0..10).filter(|_| rng.random_bool(0.5)).collect();
        let helpers = slate.iter().filter(|i| **i >= 8).count() as f64;
        let success = f64::from(u8::from(rng.random_bool(0.3 + 0.2 * helpers)));
        Logged {
            id: DecisionId::from_random(rng.random()),
            trajectory,
            step: 0,
            at: Timestamp(0),
            policy: 0,
            arm: "incumbent".into(),
            mode: ExploreMode::PlackettLuce,
            propensity: Propensity {
                log_joint: 0.5f64.ln() * 10.0,
                components: Vec::new(),
                epsilon: 0.0,
                salt: 0,
                seed: 0,
            },
            temperature: 1.0,
            context: Context::with_budget(1000),
            items: (0..10)
                .map(|_| LoggedItem {
                    cell: CellId::from_random(rng.random()),
                    score: 0.0,
                    cost: 1,
                    masked: false,
                    critical: false,
                    held_out: false,
                    p_include: Some(0.5),
                    label: None,
                })
                .collect(),
            features: features(),
            signals: Signals {
                success: Some(success),
                ..Signals::default()
            },
            reward: Some(0.4 + 0.4 * success + other * (slate.len() as f64 - helpers)),
            slate,
        }
    };
    Dataset {
        schema: Schema {
            name: "one".into(),
            hash: "0".repeat(16),
            features: vec!["score".into()],
        },
        trajectories: (0..trajectories).map(|t| format!("t{t}")).collect(),
        policies: vec!["random@1".into()],
        decisions: (0..trajectories).map(|t| decision(t, &mut rng)).collect(),
    }
}

fn train(data: &Dataset, validation: f64) -> Credit {
    let mut hooks = Hooks {
        progress: &mut |_| ControlFlow::Continue(()),
        checkpoint: &mut |_| {},
        resume: None,
    };
    let config = TrainConfig {
        validation,
        ..credit::config()
    };
    credit::train_model(data, &config, &mut hooks).unwrap()
}

/// The number of candidates that a policy shows.
fn shows(credit: &Credit) -> usize {
    let logits = credit.model.logits(&features());
    let stop = credit.trained.stop.map_or(f64::NEG_INFINITY, f64::from);
    logits.iter().filter(|l| **l >= stop).count()
}

#[test]
fn what_costs_more_than_it_brings_is_left_out() {
    for seed in 0..5 {
        let data = log(600, -0.03, seed);
        let credit = train(&data, 0.2);
        let stop = fit(&data, &credit).unwrap().unwrap();
        assert_eq!(stop.logit, credit.trained.stop, "it is what training sets");
        assert!((2..=3).contains(&shows(&credit)), "seed {seed}: {stop:?}");
        // The eight others cost 0.03 each. P(success) rises a little with each of them, wrongly, and m takes that back.
        assert!((-0.05..-0.025).contains(&stop.per_cell), "{stop:?}");
        assert!((0.15..0.35).contains(&stop.gain), "{stop:?}");
        assert!((stop.per_success - 0.4).abs() < 0.02, "{stop:?}");
        let metrics = &credit.trained.metrics;
        assert!((metrics["stop_gain"] - stop.gain).abs() < 1e-12);
    }
}

#[test]
fn where_everything_helps_the_budget_is_filled() {
    for seed in 0..5 {
        let credit = train(&log(600, 0.03, seed), 0.2);
        assert_eq!(credit.trained.stop, None, "seed {seed}");
        assert!(credit.trained.metrics["reward_per_cell"] > 0.0);
    }
}

#[test]
fn too_few_trajectories_say_nothing() {
    let few = log(NEED as u32 - 1, -0.03, 1);
    assert_eq!(fit(&few, &train(&few, 0.2)).unwrap(), None);
    let mut silent = log(100, -0.03, 1);
    for d in &mut silent.decisions {
        d.reward = None;
    }
    let credit = train(&silent, 0.2);
    assert_eq!(fit(&silent, &credit).unwrap(), None);
    assert_eq!(credit.trained.stop, None);
}

#[test]
fn what_a_model_has_seen_says_nothing_about_how_much_to_show() {
    let data = log(200, -0.03, 1);
    assert_eq!(fit(&data, &train(&data, 0.0)).unwrap(), None);
}
