//! Double Q-learning over the picks of a slate.

use std::ops::ControlFlow;

use memrl_learn::{
    data::Dataset,
    net::Net,
    train::{
        Checkpoint, Hooks, Progress, TrainConfig, TrainError,
        dqn::{self, DqnConfig, Learned, Learner, Transition},
    },
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::slates::World;

const STATES: usize = 6;
const ACTIONS: usize = 3;

/// Where an action leads; the sixth state and what is beyond is the end.
fn next(s: usize, a: usize) -> usize {
    s + 1 + a % 2
}

/// The reward of an action.
fn reward(s: usize, a: usize) -> f64 {
    ((3 * s + 5 * a) % 7) as f64 / 7.0 - 0.3
}

/// Q of the whole table, from the end backwards (value iteration on an acyclic problem ends after one sweep).
fn value_iteration() -> Vec<[f64; ACTIONS]> {
    let mut q = vec![[0.0; ACTIONS]; STATES];
    for s in (0..STATES).rev() {
        for a in 0..ACTIONS {
            let to = next(s, a);
            let best = if to < STATES {
                q[to].iter().copied().fold(f64::NEG_INFINITY, f64::max)
            } else {
                0.0
            };
            q[s][a] = reward(s, a) + best;
        }
    }
    q
}

/// The rows of a state's options: one input per pair of state and action, so that a linear network is a table.
fn rows(s: usize) -> Vec<f32> {
    let mut rows = Vec::new();
    if s < STATES {
        for a in 0..ACTIONS {
            let mut row = [0.0; STATES * ACTIONS];
            row[s * ACTIONS + a] = 1.0;
            rows.extend(row);
        }
    }
    rows
}

/// Each pair as often as `times` says.
fn table(times: impl Fn(usize, usize) -> usize) -> Vec<Transition> {
    let pairs = (0..STATES).flat_map(|s| (0..ACTIONS).map(move |a| (s, a)));
    let each = pairs.flat_map(|(s, a)| {
        let made = Transition {
            options: rows(s),
            taken: a,
            reward: reward(s, a) as f32,
            next: rows(next(s, a)),
        };
        vec![made; times(s, a)]
    });
    each.collect()
}

/// Q of the table after training on these transitions.
fn learned_table(seed: u64, alpha: f64, transitions: &[Transition]) -> Vec<f32> {
    let mut net = Net::linear(STATES * ACTIONS);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for p in &mut net.params {
        *p = rng.random_range(-0.5..0.5);
    }
    let mut learner = Learner::new(net, alpha);
    let mut adam = memrl_learn::net::Adam::new(learner.net.params.len());
    for step in 0..2500u32 {
        let (_, grad) = learner.loss(transitions);
        let rate = 0.02 * (1.0 - f64::from(step) / 2500.0) as f32 + 1e-4;
        adam.step(&mut learner.net.params, &grad, rate, 0.0);
        if step % 50 == 0 {
            learner.sync();
        }
    }
    (0..STATES)
        .flat_map(|s| learner.net.scores(&rows(s)))
        .collect()
}

#[test]
fn on_a_table_it_finds_what_value_iteration_finds() {
    let truth = value_iteration();
    for seed in 0..5 {
        let q = learned_table(seed, 0.0, &table(|_, _| 1));
        for (s, row) in truth.iter().enumerate() {
            for (a, wanted) in row.iter().enumerate() {
                let got = f64::from(q[s * ACTIONS + a]);
                assert!(
                    (got - wanted).abs() < 5e-3,
                    "seed {seed}, Q({s}, {a}): {got}, not {wanted}"
                );
            }
        }
    }
}

/// Where the conservative loss is least: p(a) (Q − y) + α (softmax Q − p)(a) = 0 in each state, p the share of the log.
#[test]
fn the_conservative_table_is_where_its_own_equation_says() {
    let alpha = 0.3;
    let times = |s: usize, a: usize| 1 + (s + a) % 3;
    let q = learned_table(1, alpha, &table(times));
    for s in 0..STATES {
        let of = &q[s * ACTIONS..(s + 1) * ACTIONS];
        let sum: f64 = of.iter().map(|q| f64::from(*q).exp()).sum();
        let all: usize = (0..ACTIONS).map(|a| times(s, a)).sum();
        for (a, q_a) in of.iter().enumerate() {
            let to = next(s, a);
            let best = if to < STATES {
                q[to * ACTIONS..(to + 1) * ACTIONS]
                    .iter()
                    .copied()
                    .fold(f32::NEG_INFINITY, f32::max)
            } else {
                0.0
            };
            let y = reward(s, a) + f64::from(best);
            let p = times(s, a) as f64 / all as f64;
            let softmax = f64::from(*q_a).exp() / sum;
            let slope = p * (f64::from(*q_a) - y) + alpha * (softmax - p);
            assert!(slope.abs() < 5e-3, "({s}, {a}): {slope}");
        }
    }
}

/// What was never tried looks best to plain Q-learning where the network says so, and not to the conservative one.
#[test]
fn what_was_never_tried_is_not_believed() {
    let never = table(|_, a| usize::from(a != 2));
    let tried = |q: &[f32], s: usize| f32::max(q[s * ACTIONS], q[s * ACTIONS + 1]);
    let held = learned_table(2, 0.5, &never);
    for s in 0..STATES {
        assert!(held[s * ACTIONS + 2] < tried(&held, s), "{s}: {held:?}");
    }
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut numbers = |n: usize, scale: f32| -> Vec<f32> {
        (0..n).map(|_| rng.random_range(-scale..scale)).collect()
    };
    let batch: Vec<Transition> = (0..5)
        .map(|i| Transition {
            options: numbers(4 * (2 + i), 1.0),
            taken: i % 2,
            reward: 0.3 * i as f32,
            next: numbers(4 * (i % 3), 1.0),
        })
        .collect();
    for (hidden, alpha) in [(0, 0.0), (0, 0.7), (3, 0.7)] {
        let mut net = Net::new(4, hidden, 1);
        let noise = numbers(net.params.len(), 0.5);
        for (p, by) in net.params.iter_mut().zip(noise) {
            *p += by;
        }
        let mut learner = Learner::new(net.clone(), alpha);
        // Q⁻ stays where it is while Q moves.
        learner.target.params.iter_mut().for_each(|p| *p *= 0.8);
        let (_, grad) = learner.loss(&batch);
        for (k, g) in grad.iter().enumerate() {
            let mut loss = [0.0; 2];
            for (loss, by) in loss.iter_mut().zip([1e-3, -1e-3]) {
                learner.net.params[k] = net.params[k] + by;
                *loss = learner.loss(&batch).0;
            }
            learner.net.params[k] = net.params[k];
            let slope = (loss[0] - loss[1]) / 2e-3;
            assert!(
                (slope - f64::from(*g)).abs() < 2e-3 * f64::max(1.0, slope.abs()),
                "hidden {hidden}, α {alpha}, {k}: {slope} {g}"
            );
        }
    }
}

fn config(seed: u64) -> DqnConfig {
    DqnConfig {
        train: TrainConfig {
            seed,
            epochs: 15,
            hidden: 8,
            learning_rate: 0.01,
            decay: 0.0,
            ..TrainConfig::default()
        },
        ..DqnConfig::default()
    }
}

fn run(
    data: &Dataset,
    config: &DqnConfig,
    resume: Option<Checkpoint>,
    stop_at: u64,
) -> (Result<Learned, TrainError>, Vec<Checkpoint>) {
    let mut states = Vec::new();
    let mut hooks = Hooks {
        progress: &mut |p: &Progress| {
            if p.step >= stop_at {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        },
        checkpoint: &mut |c| states.push(c.clone()),
        resume,
    };
    let done = dqn::train(data, config, &mut hooks);
    (done, states)
}

#[test]
fn pick_by_pick_it_beats_the_logging_policy() {
    let world = World::default();
    let logged = world.value_of_log();
    for seed in 0..5 {
        let data = world.log(200 + seed, 2000);
        let got = run(&data, &config(seed), None, u64::MAX).0.unwrap();
        let value = world.value_of(|d| got.policy.slate(d).unwrap());
        assert!(value > logged + 0.05, "seed {seed}: {value} after {logged}");
        let m = &got.trained.metrics;
        assert!(m["td"] < 0.6 && m["validation_loss"].is_finite(), "{m:?}");
        assert_eq!(got.trained.importance.len(), 3);
        assert_eq!(
            got.trained.counts.decisions + got.trained.counts.validation,
            2000
        );
    }
}

#[test]
fn what_is_deployed_is_q_at_the_empty_slate() {
    let world = World::default();
    let data = world.log(1, 300);
    let got = run(&data, &config(1), None, u64::MAX).0.unwrap();
    let (trained, policy) = (&got.trained, &got.policy);
    assert_eq!(trained.net.inputs(), 3);
    let d = &data.decisions[7];
    let mut rows = Vec::new();
    trained.standard.apply(&d.features, &mut rows);
    let scores = trained.net.scores(&rows);
    for (row, score) in rows.chunks_exact(3).zip(scores) {
        // Features, no STOP, all room, no picks, no mean of picks.
        let input = [row, &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]].concat();
        assert!((policy.net.scores(&input)[0] - score).abs() < 1e-5);
    }
    let stop = [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    assert!((policy.net.scores(&stop)[0] - trained.stop.unwrap()).abs() < 1e-5);
}

#[test]
fn dear_tokens_make_it_stop() {
    let world = World::default();
    let data = world.log(3, 1000);
    let shown = |token_price: f64| {
        let config = DqnConfig {
            token_price,
            ..config(3)
        };
        let got = run(&data, &config, None, u64::MAX).0.unwrap();
        let slates = data.decisions[..200].iter();
        slates
            .map(|d| got.policy.slate(d).unwrap().len())
            .sum::<usize>()
    };
    // A cell of 40 tokens costs 2, more than all there is to win.
    let (free, dear) = (shown(0.0), shown(50.0));
    assert!(free > 200 && dear < 10, "{free} {dear}");
}

#[test]
fn a_training_that_was_stopped_goes_on_to_the_same_end() {
    let data = World::default().log(1, 200);
    let config = config(5);
    let (whole, states) = run(&data, &config, None, u64::MAX);
    assert_eq!(states.len(), 15);
    let (stopped, states) = run(&data, &config, None, 17);
    assert!(
        matches!(stopped, Err(TrainError::Stopped { .. })),
        "{stopped:?}"
    );
    let from = Checkpoint::from_bytes(&states.last().unwrap().to_bytes()).unwrap();
    let rest = run(&data, &config, Some(from.clone()), u64::MAX).0;
    assert_eq!(rest.unwrap(), whole.unwrap());
    let other = DqnConfig {
        alpha: 0.2,
        ..config.clone()
    };
    let refused = run(&data, &other, Some(from.clone()), u64::MAX).0;
    assert!(matches!(refused, Err(TrainError::ForeignCheckpoint { .. })));
    let mut cut = from;
    cut.vectors.remove("target");
    let refused = run(&data, &config, Some(cut), u64::MAX).0;
    assert!(matches!(refused, Err(TrainError::ForeignCheckpoint { .. })));
}

#[test]
fn bad_logs_and_settings_are_refused() {
    let world = World::default();
    let refused = |change: &dyn Fn(&mut Dataset), config: &DqnConfig| {
        let mut data = world.log(1, 60);
        change(&mut data);
        run(&data, config, None, u64::MAX).0.unwrap_err()
    };
    let good = config(1);
    let nan = refused(&|d| d.decisions[2].reward = Some(f64::NAN), &good);
    assert!(matches!(nan, TrainError::BadNumber { .. }), "{nan}");
    let mute = refused(
        &|d| d.decisions[5..].iter_mut().for_each(|d| d.reward = None),
        &good,
    );
    assert!(mute.to_string().contains("55 have no outcome"), "{mute}");
    let same = refused(
        &|d| d.decisions.iter_mut().for_each(|d| d.reward = Some(0.0)),
        &good,
    );
    assert!(
        matches!(same, TrainError::NoVariation { n: 60, .. }),
        "{same}"
    );
    for bad in [
        DqnConfig {
            alpha: -1.0,
            ..good.clone()
        },
        DqnConfig {
            syncs: 0,
            ..good.clone()
        },
        DqnConfig {
            token_price: f64::NAN,
            ..good.clone()
        },
    ] {
        let bad = refused(&|_| (), &bad);
        assert!(matches!(bad, TrainError::BadConfig { .. }), "{bad}");
    }
}
