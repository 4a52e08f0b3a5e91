//! Online Bayesian regression, and acting on draws from it.

use std::ops::ControlFlow;

use memrl_learn::train::{
    Checkpoint, Hooks, Progress, TrainError,
    thompson::{self, Believed, Posterior, PosteriorError, ThompsonConfig, mixture_log_p},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{slates::World, support::close};

fn run(
    data: &memrl_learn::data::Dataset,
    config: &ThompsonConfig,
    resume: Option<Checkpoint>,
    stop_at: u64,
) -> (Result<Believed, TrainError>, Vec<Checkpoint>) {
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
    let done = thompson::train(data, config, &mut hooks);
    (done, states)
}

#[test]
fn the_posterior_mean_is_the_ridge_solution() {
    // Two inputs, by hand: A = I + Σ z zᵀ = [[3, 1], [1, 3]], b = (4, 2), A⁻¹ b = (10, 2) / 8.
    let mut p = Posterior::new(2, 1.0, 1.0);
    p.observe(&[1.0, 1.0], 2.0).unwrap();
    p.observe(&[1.0, 0.0], 2.0).unwrap();
    p.observe(&[0.0, 1.0], 0.0).unwrap();
    let mean = p.mean().unwrap();
    assert!(
        close(mean[0], 1.25, 1e-12) && close(mean[1], 0.25, 1e-12),
        "{mean:?}"
    );
    // zᵀ A⁻¹ z for z = (1, 0): 3 / 8.
    assert!(close(p.variance(&[1.0, 0.0]).unwrap(), 0.375, 1e-12));
}

#[test]
fn draws_have_the_mean_and_the_covariance_of_the_posterior() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut p = Posterior::new(3, 0.5, 1.0);
    for _ in 0..10 {
        let z: Vec<f64> = (0..3).map(|_| rng.random_range(-1.0..1.0)).collect();
        p.observe(&z, rng.random()).unwrap();
    }
    let mean = p.mean().unwrap();
    let v = 0.7;
    let draws = p.ensemble(40_000, v, 5).unwrap();
    for z in [[1.0, 0.0, 0.0], [0.3, -1.0, 2.0]] {
        let dots: Vec<f64> = draws
            .iter()
            .map(|b| b.iter().zip(z).map(|(b, z)| b * z).sum())
            .collect();
        let n = dots.len() as f64;
        let at: f64 = dots.iter().sum::<f64>() / n;
        let var = dots.iter().map(|d| (d - at).powi(2)).sum::<f64>() / n;
        let wanted: f64 = mean.iter().zip(z).map(|(m, z)| m * z).sum();
        let spread = v * v * p.variance(&z).unwrap();
        assert!(
            (at - wanted).abs() < 5.0 * (spread / n).sqrt(),
            "{at} {wanted}"
        );
        // The standard error of a variance is √(2/n) of it.
        assert!(
            (var / spread - 1.0).abs() < 5.0 * (2.0 / n).sqrt(),
            "{var} {spread}"
        );
    }
    assert_eq!(p.draw(v, 5).unwrap(), draws[0], "equal seeds, equal draws");
    assert_eq!(
        p.draw(0.0, 9).unwrap(),
        mean,
        "without spread there is only the mean"
    );
}

#[test]
fn what_is_forgotten_leaves_the_prior_and_nothing_else() {
    let mut p = Posterior::new(2, 1.0, 0.9);
    for _ in 0..200 {
        p.observe(&[1.0, 0.0], 1.0).unwrap();
    }
    let before = p.mean().unwrap()[0];
    for _ in 0..400 {
        p.observe(&[0.0, 1.0], -1.0).unwrap();
    }
    let mean = p.mean().unwrap();
    // Σ γᵏ = 10 observations' worth: 10 / (10 + 1); of the old ones 0.9⁴⁰⁰ is left.
    assert!(close(before, 10.0 / 11.0, 1e-6), "{before}");
    assert!(
        mean[0].abs() < 1e-9 && close(mean[1], -10.0 / 11.0, 1e-6),
        "{mean:?}"
    );
    assert!(close(p.variance(&[1.0, 0.0]).unwrap(), 1.0, 1e-6));
}

#[test]
fn bad_observations_are_refused_and_change_nothing() {
    let mut p = Posterior::new(2, 1.0, 1.0);
    p.observe(&[1.0, 2.0], 1.0).unwrap();
    let before = p.clone();
    for (z, y) in [
        (vec![1.0], 0.0),
        (vec![1.0, f64::NAN], 0.0),
        (vec![1.0, 1e200], 0.0),
        (vec![1.0, 1.0], f64::INFINITY),
    ] {
        let refused = p.observe(&z, y);
        assert!(matches!(
            refused,
            Err(PosteriorError::BadObservation { .. })
        ));
        assert_eq!(p, before);
    }
    // Inputs so large that nothing of the prior is left in doubles: said, not guessed.
    let mut p = Posterior::new(2, 1e-30, 1.0);
    p.observe(&[1e9, 1e9], 1.0).unwrap();
    assert!(matches!(
        p.mean(),
        Err(PosteriorError::NotPositive { row: 1 })
    ));
}

/// The propensity of a slate under an ensemble is the exact mean over its members: it agrees with how often it is chosen.
#[test]
fn the_propensity_under_an_ensemble_is_the_share_of_its_members() {
    assert_eq!(mixture_log_p(&[]), f64::NEG_INFINITY);
    assert_eq!(mixture_log_p(&[f64::NEG_INFINITY; 3]), f64::NEG_INFINITY);
    let half = mixture_log_p(&[0.0, f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY]);
    assert!(close(half, 0.5f64.ln(), 1e-12));
    let mut p = Posterior::new(3, 1.0, 1.0);
    p.observe(&[1.0, 0.0, 0.0], 0.4).unwrap();
    let members = p.ensemble(8, 0.5, 3).unwrap();
    let best = |b: &Vec<f64>| (0..3).max_by(|&i, &j| b[i].total_cmp(&b[j])).unwrap();
    let mut sum = 0.0;
    for arm in 0..3 {
        let log_p: Vec<f64> = members
            .iter()
            .map(|b| {
                if best(b) == arm {
                    0.0
                } else {
                    f64::NEG_INFINITY
                }
            })
            .collect();
        let count = members.iter().filter(|b| best(b) == arm).count();
        assert!(close(
            mixture_log_p(&log_p).exp(),
            count as f64 / 8.0,
            1e-12
        ));
        sum += mixture_log_p(&log_p).exp();
    }
    assert!(close(sum, 1.0, 1e-12));
}

/// Ten arms with known means, 2,000 rounds: what each way of acting loses against the best arm.
fn regret(seed: u64, act: impl Fn(&Posterior, &mut ChaCha8Rng) -> usize) -> f64 {
    let means = [0.5, 0.52, 0.48, 0.3, 0.45, 0.7, 0.4, 0.2, 0.55, 0.35];
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut p = Posterior::new(10, 1.0, 1.0);
    let mut lost = 0.0;
    for _ in 0..2000 {
        let arm = act(&p, &mut rng);
        let mut z = [0.0; 10];
        z[arm] = 1.0;
        let y = f64::from(u8::from(rng.random_bool(means[arm])));
        p.observe(&z, y).unwrap();
        lost += 0.7 - means[arm];
    }
    lost
}

fn best(of: &[f64]) -> usize {
    (0..of.len())
        .reduce(|a, b| if of[b] > of[a] { b } else { a })
        .unwrap()
}

#[test]
fn it_loses_less_than_greed_and_than_chance() {
    let (mut thompson, mut greedy, mut uniform) = (0.0, 0.0, 0.0);
    for seed in 0..8 {
        let t = regret(seed, |p, rng| best(&p.draw(0.5, rng.random()).unwrap()));
        let u = regret(seed, |_, rng| rng.random_range(0..10));
        assert!(t < 0.5 * u, "seed {seed}: {t} {u}");
        thompson += t;
        uniform += u;
        greedy += regret(seed, |p, _| best(&p.mean().unwrap()));
    }
    assert!(thompson < 0.6 * greedy, "{thompson} {greedy} {uniform}");
    assert!(thompson < 0.3 * uniform, "{thompson} {greedy} {uniform}");
}

#[test]
fn from_a_log_it_learns_what_helps() {
    let world = World::default();
    let logged = world.value_of_log();
    for seed in 0..5 {
        let data = world.log(seed, 3000);
        let got = run(&data, &ThompsonConfig::default(), None, u64::MAX)
            .0
            .unwrap();
        let value = world.value(&got.trained);
        assert!(value > logged + 0.05, "seed {seed}: {value} after {logged}");
        assert_eq!(got.trained.importance[0].0, "signal", "seed {seed}");
        let m = &got.trained.metrics;
        assert!(
            m["loss"] < m["baseline"] && m["validation_loss"] < m["baseline"],
            "{m:?}"
        );
        assert!((0.2..0.6).contains(&got.noise), "{m:?}");
    }
}

#[test]
fn a_pass_that_was_stopped_goes_on_to_the_same_end() {
    let data = World::default().log(4, 6000);
    let config = ThompsonConfig {
        keep: 0.999,
        ..ThompsonConfig::default()
    };
    let (whole, states) = run(&data, &config, None, u64::MAX);
    assert_eq!(states.len(), 2);
    let (stopped, states) = run(&data, &config, None, 4500);
    assert!(
        matches!(stopped, Err(TrainError::Stopped { .. })),
        "{:?}",
        stopped.is_ok()
    );
    let stored = states.last().unwrap().to_bytes();
    let from = Checkpoint::from_bytes(&stored).unwrap();
    let rest = run(&data, &config, Some(from.clone()), u64::MAX).0;
    assert_eq!(rest.unwrap(), whole.unwrap());
    let other = ThompsonConfig::default();
    let refused = run(&data, &other, Some(from), u64::MAX).0;
    assert!(matches!(refused, Err(TrainError::ForeignCheckpoint { .. })));
}

#[test]
fn bad_logs_and_settings_are_refused() {
    let world = World::default();
    let mut data = world.log(1, 100);
    data.decisions[5].reward = Some(f64::NAN);
    let refused = run(&data, &ThompsonConfig::default(), None, u64::MAX).0;
    assert!(matches!(refused, Err(TrainError::BadNumber { .. })));
    let mut data = world.log(1, 100);
    data.decisions.iter_mut().for_each(|d| d.reward = None);
    let refused = run(&data, &ThompsonConfig::default(), None, u64::MAX)
        .0
        .unwrap_err();
    assert!(
        refused.to_string().contains("100 have no outcome"),
        "{refused}"
    );
    let data = world.log(1, 100);
    for config in [
        ThompsonConfig {
            ridge: 0.0,
            ..ThompsonConfig::default()
        },
        ThompsonConfig {
            keep: f64::NAN,
            ..ThompsonConfig::default()
        },
    ] {
        let refused = run(&data, &config, None, u64::MAX).0;
        assert!(matches!(refused, Err(TrainError::BadConfig { .. })));
    }
}
