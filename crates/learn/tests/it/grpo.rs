//! Training in an environment.

use std::ops::ControlFlow;

use memrl_learn::{
    data::Schema,
    net::{Net, Standard},
    train::{
        Checkpoint, Hooks, Progress, TrainConfig, TrainError, Trained,
        grpo::{self, Credit, Env, GrpoConfig, Obs, Outcome, Start, Taken, Variant},
    },
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A bandit: four options with two features; the reward is 1 with a probability that only the second one tells.
struct Bandit {
    rng: ChaCha8Rng,
    rows: Vec<f32>,
}

impl Bandit {
    fn p(x: f32) -> f64 {
        0.1 + 0.8 * f64::from(x)
    }

    /// The expected reward of the best option of a task.
    fn best(&mut self, task: u64) -> f64 {
        let rows = self.reset(task, 0).rows;
        let p = rows.chunks_exact(2).map(|r| Self::p(r[1]));
        p.fold(0.0, f64::max)
    }
}

impl Env for Bandit {
    fn width(&self) -> usize {
        2
    }

    fn reset(&mut self, task: u64, seed: u64) -> Obs {
        let mut of_task = ChaCha8Rng::seed_from_u64(task);
        self.rows = (0..8).map(|_| of_task.random()).collect();
        self.rng = ChaCha8Rng::seed_from_u64(seed);
        Obs {
            rows: self.rows.clone(),
            legal: vec![true; 4],
        }
    }

    fn step(&mut self, option: usize) -> Outcome {
        let won = self.rng.random_bool(Self::p(self.rows[2 * option + 1]));
        Outcome {
            reward: f64::from(u8::from(won)),
            next: None,
        }
    }
}

/// A corridor: from 0, go right to 5 within ten steps; the only reward is at the end. Left of 0 is not legal, and a
/// third option, `give up`, ends it.
struct Corridor {
    at: u32,
    steps: u32,
}

impl Corridor {
    fn obs(&self) -> Obs {
        let x = self.at as f32 / 5.0;
        Obs {
            rows: vec![1.0, 0.0, 0.0, x, 0.0, 1.0, 0.0, x, 0.0, 0.0, 1.0, x],
            legal: vec![self.at > 0, true, true],
        }
    }
}

impl Env for Corridor {
    fn width(&self) -> usize {
        4
    }

    fn reset(&mut self, _task: u64, _seed: u64) -> Obs {
        (self.at, self.steps) = (0, 0);
        self.obs()
    }

    fn step(&mut self, option: usize) -> Outcome {
        match option {
            0 => {
                assert!(self.at > 0, "an option that is not legal was taken");
                self.at -= 1;
            }
            1 => self.at += 1,
            _ => {
                let (reward, next) = (0.05, None);
                return Outcome { reward, next };
            }
        }
        self.steps += 1;
        let won = self.at == 5;
        Outcome {
            reward: f64::from(u8::from(won)),
            next: (!won && self.steps < 10).then(|| self.obs()),
        }
    }
}

fn start(width: usize) -> Start {
    Start {
        schema: Schema {
            name: "test-v1".into(),
            hash: "0".repeat(16),
            features: (0..width).map(|i| format!("x{i}")).collect(),
        },
        standard: Standard::identity(width),
        net: Net::linear(width),
    }
}

fn config(seed: u64) -> GrpoConfig {
    GrpoConfig {
        train: TrainConfig {
            seed,
            epochs: 25,
            batch: 8,
            learning_rate: 0.1,
            decay: 0.0,
            ..TrainConfig::default()
        },
        max_steps: 10,
        ..GrpoConfig::default()
    }
}

fn run(
    env: &mut dyn Env,
    tasks: &[u64],
    config: &GrpoConfig,
    resume: Option<Checkpoint>,
    progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> (Result<Trained, TrainError>, Vec<Checkpoint>) {
    let mut states = Vec::new();
    let start = start(env.width());
    let mut hooks = Hooks {
        progress,
        checkpoint: &mut |c| states.push(c.clone()),
        resume,
    };
    let done = grpo::train(env, tasks, start, config, &mut hooks);
    (done, states)
}

fn bandit() -> Bandit {
    Bandit {
        rng: ChaCha8Rng::seed_from_u64(0),
        rows: Vec::new(),
    }
}

#[test]
fn it_learns_a_bandit_to_within_a_tenth_of_the_best() {
    let tasks: Vec<u64> = (0..48).collect();
    for seed in 0..6 {
        let mut env = bandit();
        let best = tasks.iter().map(|t| env.best(*t)).sum::<f64>() / 48.0;
        let trained = run(&mut env, &tasks, &config(seed), None, &mut |_| {
            ControlFlow::Continue(())
        });
        let trained = trained.0.unwrap();
        // Tasks that it was not trained on.
        let (mut got, mut could) = (0.0, 0.0);
        for task in 1000..1200 {
            let rows = env.reset(task, 0).rows;
            let scores = trained.net.scores(&rows);
            let a = (0..4)
                .max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
                .unwrap();
            got += Bandit::p(rows[2 * a + 1]);
            could += env.best(task);
        }
        assert!(got > 0.97 * could, "seed {seed}: {got} of {could}");
        assert!(
            trained.metrics["reward"] > 0.85 * best,
            "seed {seed}: {:?}",
            trained.metrics
        );
        assert!(trained.metrics["reward_first"] < trained.metrics["reward"]);
        assert_eq!(trained.importance[0].0, "x1", "seed {seed}");
    }
}

#[test]
fn it_learns_to_walk_a_corridor_with_one_reward_at_its_end() {
    for (variant, credit) in [
        (Variant::Dr, Credit::Episode),
        (Variant::Grpo, Credit::Episode),
        (Variant::Dr, Credit::Step),
    ] {
        for seed in 0..5 {
            let mut env = Corridor { at: 0, steps: 0 };
            let config = GrpoConfig {
                variant,
                credit,
                group: 16,
                ..config(seed)
            };
            let tasks: Vec<u64> = (0..16).collect();
            let trained = run(&mut env, &tasks, &config, None, &mut |_| {
                ControlFlow::Continue(())
            });
            let reward = trained.0.unwrap().metrics["reward"];
            assert!(reward > 0.9, "{variant:?} {credit:?} seed {seed}: {reward}");
        }
    }
}

#[test]
fn advantages_are_those_of_the_papers() {
    let rollout = |rewards: &[f64]| -> Vec<Taken> {
        let step = |r: &f64| Taken {
            rows: vec![],
            legal: vec![],
            option: 0,
            log_old: 0.0,
            log_reference: 0.0,
            reward: *r,
            advantage: f64::NAN,
        };
        rewards.iter().map(step).collect()
    };
    let of = |variant, credit| {
        let mut group = vec![rollout(&[1.0, 2.0]), rollout(&[0.0]), rollout(&[2.0, 4.0])];
        grpo::advantages(&mut group, variant, credit);
        let flat: Vec<f64> = group.iter().flatten().map(|s| s.advantage).collect();
        flat
    };
    // Returns 3, 0, 6: mean 3, spread √6.
    assert_eq!(of(Variant::Dr, Credit::Episode), [0.0, 0.0, -3.0, 3.0, 3.0]);
    let scaled = of(Variant::Grpo, Credit::Episode);
    assert!((scaled[4] - 3.0 / (6f64.sqrt() + 1e-6)).abs() < 1e-12);
    // At the second step only two rollouts are left, with 2 and 4 to come.
    assert_eq!(of(Variant::Dr, Credit::Step), [0.0, -1.0, -3.0, 3.0, 1.0]);
    // A group of equals teaches nothing.
    let mut group = vec![rollout(&[1.0]), rollout(&[1.0])];
    grpo::advantages(&mut group, Variant::Grpo, Credit::Episode);
    assert!(group.iter().flatten().all(|s| s.advantage == 0.0));
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut net = Net::new(3, 4, 1);
    for p in &mut net.params {
        *p += rng.random_range(-0.3..0.3);
    }
    let rollouts: Vec<Vec<Taken>> = (0..6)
        .map(|i| {
            let step = |_| Taken {
                rows: (0..12).map(|_| rng.random_range(-1.0..1.0)).collect(),
                legal: vec![true, i % 2 == 0, true, true],
                option: [0, 2, 3][rng.random_range(0..3)],
                log_old: rng.random_range(-2.0..-0.8),
                log_reference: rng.random_range(-2.0..-0.8),
                reward: 0.0,
                advantage: rng.random_range(-1.0..1.0),
            };
            (0..=i % 3).map(step).collect()
        })
        .collect();
    for (variant, clip, kl) in [
        (Variant::Dr, 0.2, 0.0),
        (Variant::Grpo, 0.9, 0.5),
        (Variant::Dr, 0.5, 2.0),
    ] {
        let config = GrpoConfig {
            variant,
            clip,
            kl,
            temperature: 0.7,
            ..GrpoConfig::default()
        };
        let mut grad = vec![0.0; net.params.len()];
        let seen = grpo::update(&net, &rollouts, &config, &mut grad);
        assert!(seen.kl > 0.0 && (0.0..=1.0).contains(&seen.clipped));
        for (k, g) in grad.iter().enumerate() {
            let mut loss = [0.0; 2];
            for (loss, by) in loss.iter_mut().zip([1e-3, -1e-3]) {
                let mut moved = net.clone();
                moved.params[k] += by;
                let mut unused = vec![0.0; net.params.len()];
                *loss = grpo::update(&moved, &rollouts, &config, &mut unused).loss;
            }
            let slope = (loss[0] - loss[1]) / 2e-3;
            assert!(
                (slope - f64::from(*g)).abs() < 2e-3 * f64::max(1.0, slope.abs()),
                "{variant:?} {k}: {slope} {g}"
            );
        }
    }
}

#[test]
fn a_strong_pull_keeps_it_near_the_reference() {
    let tasks: Vec<u64> = (0..32).collect();
    let kl = |kl| {
        let config = GrpoConfig { kl, ..config(1) };
        let done = run(&mut bandit(), &tasks, &config, None, &mut |_| {
            ControlFlow::Continue(())
        });
        done.0.unwrap().metrics["kl"]
    };
    let (free, held) = (kl(0.0), kl(3.0));
    assert!(held < 0.1 * free, "{held} {free}");
}

#[test]
fn a_training_that_was_stopped_goes_on_to_the_same_end() {
    let tasks: Vec<u64> = (0..20).collect();
    let config = config(9);
    let mut goes_on = |_: &Progress| ControlFlow::Continue(());
    let (whole, states) = run(&mut bandit(), &tasks, &config, None, &mut goes_on);
    let whole = whole.unwrap();
    assert_eq!(states.len(), 25);
    let mut stop_at = |p: &Progress| {
        if p.step >= 40 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let (stopped, states) = run(&mut bandit(), &tasks, &config, None, &mut stop_at);
    assert!(
        matches!(stopped, Err(TrainError::Stopped { steps: 40 })),
        "{stopped:?}"
    );
    // Through its stored form.
    let stored = states.last().unwrap().to_bytes();
    let from = Checkpoint::from_bytes(&stored).unwrap();
    let (rest, _) = run(
        &mut bandit(),
        &tasks,
        &config,
        Some(from.clone()),
        &mut goes_on,
    );
    assert_eq!(rest.unwrap(), whole);
    let other = GrpoConfig {
        clip: 0.3,
        ..config
    };
    let refused = run(&mut bandit(), &tasks, &other, Some(from), &mut goes_on).0;
    assert!(matches!(refused, Err(TrainError::ForeignCheckpoint { .. })));
}

#[test]
fn bad_environments_and_settings_are_refused() {
    struct Bad(Obs, f64);
    impl Env for Bad {
        fn width(&self) -> usize {
            1
        }
        fn reset(&mut self, _: u64, _: u64) -> Obs {
            self.0.clone()
        }
        fn step(&mut self, _: usize) -> Outcome {
            Outcome {
                reward: self.1,
                next: None,
            }
        }
    }
    let obs = |rows: &[f32], legal: &[bool]| Obs {
        rows: rows.to_vec(),
        legal: legal.to_vec(),
    };
    let mut goes_on = |_: &Progress| ControlFlow::Continue(());
    for (env, says) in [
        (Bad(obs(&[1.0], &[false]), 0.0), "no option is legal"),
        (Bad(obs(&[1.0], &[true, true]), 0.0), "2 options, but 1"),
        (Bad(obs(&[f32::NAN], &[true]), 0.0), "not a number"),
        (
            Bad(obs(&[1.0], &[true]), f64::NAN),
            "reward of step 0 is NaN",
        ),
    ] {
        let mut env = env;
        let refused = run(&mut env, &[7], &config(1), None, &mut goes_on).0;
        let text = refused.unwrap_err().to_string();
        assert!(text.contains(says) && text.contains("task 7"), "{text}");
    }
    let mut env = Bad(obs(&[1.0], &[true]), 0.0);
    for bad in [
        GrpoConfig {
            group: 1,
            ..config(1)
        },
        GrpoConfig {
            clip: 1.0,
            ..config(1)
        },
        GrpoConfig {
            kl: f64::NAN,
            ..config(1)
        },
        GrpoConfig {
            temperature: 0.0,
            ..config(1)
        },
    ] {
        let refused = run(&mut env, &[7], &bad, None, &mut goes_on).0;
        assert!(
            matches!(refused, Err(TrainError::BadConfig { .. })),
            "{refused:?}"
        );
    }
    let refused = run(&mut env, &[], &config(1), None, &mut goes_on).0;
    assert!(matches!(refused, Err(TrainError::TooFew { .. })));
}
