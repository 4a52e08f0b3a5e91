//! Intervals cover as often as they say, and trajectories are the unit that makes them.

use memrl_learn::ope::intervals::{
    Bootstrap, betting, betting_lower, bootstrap, empirical_bernstein, quantile, student_t,
    student_t_lower,
};
use memrl_learn::ope::{Estimate, Interval, Method, Round, Weighting, estimate};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A log of five actions, logged and evaluated with different probabilities, of known value; weights are at most 4.
struct World {
    logging: [f64; 5],
    target: [f64; 5],
    reward: [f64; 5],
}

const WORLD: World = World {
    logging: [0.4, 0.3, 0.1, 0.1, 0.1],
    target: [0.1, 0.2, 0.2, 0.1, 0.4],
    reward: [0.3, 0.4, 0.7, 0.5, 0.8],
};

impl World {
    fn value(&self) -> f64 {
        self.target
            .iter()
            .zip(self.reward)
            .map(|(p, r)| p * r)
            .sum()
    }

    fn log(&self, n: usize, rng: &mut ChaCha8Rng) -> Vec<Round> {
        (0..n)
            .map(|_| {
                let mut u: f64 = rng.random();
                let hit = self.logging.iter().position(|p| {
                    u -= p;
                    u < 0.0
                });
                let a = hit.unwrap_or(4);
                let r = f64::from(u8::from(rng.random_bool(self.reward[a])));
                // A model that is wrong by a tenth everywhere.
                let q = |a: usize| self.reward[a] - 0.1;
                let v = (0..5).map(|a| self.target[a] * q(a)).sum();
                Round::new(r, self.target[a], self.logging[a]).with_model(q(a), v)
            })
            .collect()
    }
}

/// How often an interval covers the true value, over `runs` logs of `n` units.
fn coverage(
    n: usize,
    runs: u64,
    weighting: Weighting,
    interval: impl Fn(&Estimate) -> Interval,
) -> f64 {
    let covered = (0..runs).filter(|seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(*seed);
        let rounds = WORLD.log(n, &mut rng);
        let made = estimate(&rounds, weighting.into()).unwrap();
        interval(&made).covers(WORLD.value())
    });
    covered.count() as f64 / runs as f64
}

/// 95 % ± 2 %: with 2,000 runs the standard error is 0.5 %.
#[test]
fn student_t_covers_its_level_where_the_effective_number_is_in_the_hundreds() {
    for weighting in [
        Weighting::Ips { clip: None },
        Weighting::Snips,
        Weighting::Dr,
    ] {
        let c = coverage(500, 2_000, weighting, |e| {
            assert!(e.n_eff >= 200.0, "{}", e.n_eff);
            student_t(&e.linear(), 0.95).unwrap()
        });
        assert!((0.93..=0.97).contains(&c), "{weighting:?} {c}");
    }
}

#[test]
fn the_bootstrap_covers_its_level_where_the_effective_number_is_in_the_hundreds() {
    for weighting in [Weighting::Snips, Weighting::Dr] {
        let settings = Bootstrap {
            replicates: 300,
            seed: 5,
        };
        let c = coverage(500, 1_000, weighting, |e| {
            bootstrap(&e.terms, 0.95, settings).unwrap()
        });
        assert!((0.93..=0.97).contains(&c), "{weighting:?} {c}");
    }
}

#[test]
fn grouped_units_give_the_same_bootstrap_as_single_ones() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let rounds = WORLD.log(20_000, &mut rng);
    let made = estimate(&rounds, Weighting::Snips.into()).unwrap();
    let b = bootstrap(&made.terms, 0.95, Bootstrap::default()).unwrap();
    let t = student_t(&made.linear(), 0.95).unwrap();
    let width = |i: &Interval| i.high - i.low;
    assert!((width(&b) / width(&t) - 1.0).abs() < 0.1, "{b:?} {t:?}");
}

#[test]
fn valid_bounds_cover_at_every_size() {
    for n in [10, 100, 1_000] {
        for method in [Method::EmpiricalBernstein, Method::Betting] {
            let c = coverage(n, 500, Weighting::Ips { clip: None }, |e| {
                let xs = e.linear();
                match method {
                    Method::Betting => betting(&xs, (0.0, 4.0), 0.95),
                    _ => empirical_bernstein(&xs, (0.0, 4.0), 0.95),
                }
            });
            assert!(c >= 0.95, "{method:?} at {n}: {c}");
        }
    }
}

/// Looked at after every one of 1,000 units, the betting bound is above the mean in at most 5 % of the runs; Student's
/// t, looked at like that, in far more.
#[test]
fn the_betting_bound_holds_however_often_it_is_looked_at() {
    let (mut betting_fails, mut t_fails) = (0, 0);
    for seed in 0..200 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let xs: Vec<f64> = (0..600)
            .map(|_| f64::from(u8::from(rng.random_bool(0.5))))
            .collect();
        // The bound after t units is that of the running maximum, so the last one tells of all.
        betting_fails += u32::from(betting_lower(&xs, (0.0, 1.0), 0.05) > 0.5);
        let looks = (20..=xs.len()).step_by(10);
        let wrong = |t: usize| student_t_lower(&xs[..t], 0.05).unwrap() > 0.5;
        t_fails += u32::from(looks.into_iter().any(wrong));
    }
    assert!(betting_fails <= 10, "{betting_fails} of 200");
    assert!(t_fails >= 40, "{t_fails} of 200");
}

#[test]
fn the_betting_bound_never_gets_worse_as_data_are_added() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let xs: Vec<f64> = (0..300).map(|_| rng.random_range(0.2..1.0)).collect();
    let bounds: Vec<f64> = (1..=300)
        .map(|t| betting_lower(&xs[..t], (0.0, 1.0), 0.05))
        .collect();
    assert!(bounds.windows(2).all(|w| w[1] >= w[0] - 1e-9));
    assert!(bounds[299] > 0.5 && bounds[299] < 0.6, "{}", bounds[299]);
}

#[test]
fn a_number_outside_the_bounds_makes_an_interval_of_everything() {
    let xs = [0.5, 0.6, 1.2, 0.4];
    for interval in [
        betting(&xs, (0.0, 1.0), 0.95),
        empirical_bernstein(&xs, (0.0, 1.0), 0.95),
    ] {
        assert_eq!((interval.low, interval.high), (0.0, 1.0));
    }
}

/// Ten decisions share an outcome and a slate-drawing coin: a test over decisions takes them for ten outcomes. Two policies that are equally good
/// are told apart by it in about three runs of ten; the intervals over trajectories in one of twenty.
#[test]
fn decisions_of_a_trajectory_are_no_independent_units() {
    let runs: u64 = 1_000;
    let (mut naive, mut ours) = (0.0, 0.0);
    for seed in 0..runs {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut per_decision, mut per_trajectory) = (Vec::new(), Vec::new());
        for _ in 0..200 {
            // x = (w − 1) r with w of the arm, which the trajectory is in with probability ½.
            let w = if rng.random_bool(0.5) { 2.0 } else { 0.0 };
            let r = f64::from(u8::from(rng.random_bool(0.5)));
            let x = (w - 1.0) * r;
            per_trajectory.push(x);
            per_decision.extend([x; 10]);
        }
        let promoted = |xs: &[f64]| student_t_lower(xs, 0.05).unwrap() > 0.0;
        naive += f64::from(u8::from(promoted(&per_decision)));
        ours += f64::from(u8::from(promoted(&per_trajectory)));
    }
    let (naive, ours) = (naive / runs as f64, ours / runs as f64);
    assert!((0.25..0.36).contains(&naive), "{naive}");
    assert!((0.03..0.07).contains(&ours), "{ours}");
}

/// Quantiles of R 4: qt(c(.95, .975, .995, .975, .975), c(1, 4, 10, 30, 1000)), qnorm(c(.975, .001)).
#[test]
fn quantiles_are_those_of_the_tables() {
    for (p, df, t) in [
        (0.95, 1.0, 6.313_751_514_675_04),
        (0.975, 4.0, 2.776_445_105_197_79),
        (0.995, 10.0, 3.169_272_667_175_84),
        (0.975, 30.0, 2.042_272_456_301_24),
        (0.975, 1000.0, 1.962_339_080_826_41),
        (0.025, 4.0, -2.776_445_105_197_79),
    ] {
        let made = quantile::student_t(p, df);
        assert!((made - t).abs() < 1e-8, "{p} {df}: {made}");
    }
    assert!((quantile::normal(0.975) - 1.959_963_984_540_05).abs() < 1e-8);
    assert!((quantile::normal(0.001) + 3.090_232_306_167_81).abs() < 1e-8);
}
