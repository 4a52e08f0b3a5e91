//! How much to show, from a log.

use memrl_learn::Context;
use memrl_learn::data::{Dataset, Logged, LoggedItem, Schema, Signals};
use memrl_learn::train::stop::{NEED, fit};
use memrl_types::{CellId, DecisionId, ExploreMode, Propensity, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A log of slates of ten candidates with logits 0 to 9 (the feature), shown at random; cells below `harmful` cost 0.02 of reward each,
/// the others gain 0.02.
fn log(trajectories: u32, harmful: f32, seed: u64) -> Dataset {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let decision = |trajectory: u32, rng: &mut ChaCha8Rng| {
        let slate: Vec<u32> = (0..10).filter(|_| rng.random_bool(0.5)).collect();
        let worth = |i: &u32| if (*i as f32) < harmful { -0.02 } else { 0.02 };
        let mean = 0.5 + slate.iter().map(worth).sum::<f64>();
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
            features: (0..10u8).map(f32::from).collect(),
            slate,
            signals: Signals::default(),
            reward: Some(f64::from(u8::from(rng.random_bool(mean)))),
        }
    };
    Dataset {
        schema: Schema {
            name: "one".into(),
            hash: "0".repeat(16),
            features: vec!["logit".into()],
        },
        trajectories: (0..trajectories).map(|t| format!("t{t}")).collect(),
        policies: vec!["random@1".into()],
        decisions: (0..trajectories).map(|t| decision(t, &mut rng)).collect(),
    }
}

fn logits(d: &Logged) -> Vec<f64> {
    d.features.iter().map(|x| f64::from(*x)).collect()
}

#[test]
fn what_does_harm_is_left_out_and_what_helps_is_not() {
    let mut near = 0;
    for seed in 0..5 {
        let stop = fit(&log(20_000, 4.0, seed), &logits).unwrap().unwrap();
        let at = stop.logit.unwrap();
        // The four harmful ones cost 0.02 each and are shown half of the time.
        assert!((3.0..=5.0).contains(&at), "seed {seed}: {stop:?}");
        assert!((stop.gain - 0.04).abs() < 4.0 * stop.sd, "{stop:?}");
        near += u32::from((at - 4.0).abs() < 0.5);
    }
    assert!(near >= 3, "{near} of 5 found the very place");
}

#[test]
fn where_everything_helps_the_budget_is_filled() {
    for seed in 0..5 {
        let stop = fit(&log(20_000, 0.0, seed), &logits).unwrap().unwrap();
        assert_eq!(
            (stop.logit, stop.gain),
            (None, 0.0),
            "seed {seed}: {stop:?}"
        );
    }
}

#[test]
fn too_few_trajectories_say_nothing() {
    let few = log(NEED as u32 - 1, 4.0, 1);
    assert_eq!(fit(&few, &logits).unwrap(), None);
    let mut silent = log(100, 4.0, 1);
    for d in &mut silent.decisions {
        d.reward = None;
    }
    assert_eq!(fit(&silent, &logits).unwrap(), None);
}
