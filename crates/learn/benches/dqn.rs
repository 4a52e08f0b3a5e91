//! Time of training `dqn`, and a table of Q for comparison with other programs.
//!
//! - `cargo bench -p memrl-learn --bench dqn -- [decisions [candidates [passes]]]`: trains on drawn logs (100,000
//!   decisions of 50
//!   candidates with 49 features, 20 passes) and prints seconds and gradient steps.
//! - `cargo bench -p memrl-learn --bench dqn -- table ALPHA`: prints Q of the table problem of
//!   `scripts/dqn_agreement.py` as JSON.

use std::{ops::ControlFlow, time::Instant};

use memrl_learn::{
    Context,
    data::{Dataset, Logged, LoggedItem, Schema, Signals},
    net::{Adam, Net},
    train::{
        Hooks, TrainConfig,
        dqn::{self, DqnConfig, Learner, Transition},
    },
};
use memrl_types::{CellId, DecisionId, ExploreMode, Propensity, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const FEATURES: usize = 49;

fn main() {
    // Cargo adds `--bench`.
    let args: Vec<String> = std::env::args().filter(|a| a != "--bench").collect();
    if args.get(1).is_some_and(|a| a == "table") {
        let alpha = args.get(2).and_then(|a| a.parse().ok()).unwrap_or(0.0);
        println!("{:?}", table(alpha));
        return;
    }
    let number =
        |at: usize, default: usize| args.get(at).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (decisions, candidates, passes) = (number(1, 100_000), number(2, 50), number(3, 20));
    let data = log(decisions, candidates);
    let config = DqnConfig {
        train: TrainConfig {
            epochs: passes as u32,
            ..DqnConfig::default().train
        },
        ..DqnConfig::default()
    };
    let mut hooks = Hooks {
        progress: &mut |_| ControlFlow::Continue(()),
        checkpoint: &mut |_| (),
        resume: None,
    };
    let start = Instant::now();
    let learned = dqn::train(&data, &config, &mut hooks).expect("the log is good");
    println!(
        "{decisions} decisions of {candidates} candidates, {passes} passes, {} hidden units: {:.1} s, {} gradient steps of {}",
        config.train.hidden,
        start.elapsed().as_secs_f64(),
        learned.trained.metrics["steps"],
        config.train.batch,
    );
}

/// Slates of random cells up to the budget; success where the features of one are large.
fn log(decisions: usize, candidates: usize) -> Dataset {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let made = (0..decisions).map(|i| {
        let features: Vec<f32> = (0..candidates * FEATURES).map(|_| rng.random()).collect();
        let items: Vec<LoggedItem> = (0..candidates)
            .map(|_| LoggedItem {
                cell: CellId::from_random(rng.random()),
                score: 0.0,
                cost: rng.random_range(20..80),
                masked: false,
                critical: false,
                held_out: false,
                p_include: None,
                label: None,
            })
            .collect();
        let mut left = 256;
        let fits = |k: &u32| {
            let cost = items[*k as usize].cost;
            let fits = cost <= left;
            left -= if fits { cost } else { 0 };
            fits
        };
        let slate: Vec<u32> = (0..candidates as u32).filter(fits).collect();
        let best = slate.iter().map(|k| features[*k as usize * FEATURES]);
        let good = f64::from(best.fold(0.0, f32::max)) > rng.random_range(0.5..1.0);
        let reward = f64::from(u8::from(good));
        Logged {
            id: DecisionId::from_random(rng.random()),
            trajectory: (i / 5) as u32,
            step: (i % 5) as u32,
            at: Timestamp(i as i64),
            policy: 0,
            arm: "incumbent".to_owned(),
            mode: ExploreMode::PlackettLuce,
            propensity: Propensity {
                log_joint: -3.0,
                components: Vec::new(),
                epsilon: 0.0,
                salt: 0,
                seed: 0,
            },
            temperature: 1.0,
            context: Context::with_budget(256),
            items,
            features,
            slate,
            signals: Signals::default(),
            reward: Some(reward),
        }
    });
    let decisions_: Vec<_> = made.collect();
    Dataset {
        schema: Schema {
            name: "bench-v1".to_owned(),
            hash: "0".repeat(16),
            features: (0..FEATURES).map(|k| format!("x{k}")).collect(),
        },
        trajectories: (0..decisions.div_ceil(5))
            .map(|i| format!("t{i}"))
            .collect(),
        policies: vec!["similarity@1".to_owned()],
        decisions: decisions_,
    }
}

const STATES: usize = 6;
const ACTIONS: usize = 3;

/// The rows of a state's options, one input per pair.
fn rows(s: usize) -> Vec<f32> {
    let mut rows = vec![
        0.0;
        if s < STATES {
            ACTIONS * STATES * ACTIONS
        } else {
            0
        }
    ];
    for (a, row) in rows.chunks_exact_mut(STATES * ACTIONS).enumerate() {
        row[s * ACTIONS + a] = 1.0;
    }
    rows
}

/// Q of the table, learned from each pair (s, a) 1 + (s + a) % 3 times: the reward is ((3 s + 5 a) % 7) / 7 − 0.3,
/// the next state
/// s + 1 + a % 2, and from 6 on it is over.
fn table(alpha: f64) -> Vec<Vec<f32>> {
    let pairs = (0..STATES).flat_map(|s| (0..ACTIONS).map(move |a| (s, a)));
    let transitions: Vec<Transition> = pairs
        .flat_map(|(s, a)| {
            let made = Transition {
                options: rows(s),
                taken: a,
                reward: ((3 * s + 5 * a) % 7) as f32 / 7.0 - 0.3,
                next: rows(s + 1 + a % 2),
            };
            vec![made; 1 + (s + a) % 3]
        })
        .collect();
    let mut learner = Learner::new(Net::linear(STATES * ACTIONS), alpha);
    let mut adam = Adam::new(learner.net.params.len());
    for step in 0..8000 {
        let (_, grad) = learner.loss(&transitions);
        let rate = 0.02 * (1.0 - step as f32 / 8000.0) + 1e-4;
        adam.step(&mut learner.net.params, &grad, rate, 0.0);
        if step % 50 == 0 {
            learner.sync();
        }
    }
    (0..STATES).map(|s| learner.net.scores(&rows(s))).collect()
}
