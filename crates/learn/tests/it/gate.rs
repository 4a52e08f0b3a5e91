//! The gate promotes what is better, and hardly ever what is not, however often it is looked at.

use memrl_learn::gate::{
    Arrival, Bet, Role, StopReason, Trial, TrialConfig, TrialError, Verdict, WhyRefused, spread,
};
use memrl_learn::ope::intervals::student_t_lower;
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// What the two arms are like.
#[derive(Clone, Copy)]
struct Arms {
    /// Success of control and policy.
    success: [f64; 2],
    unsafe_actions: [f64; 2],
    stale: [f64; 2],
    missing: [f64; 2],
    p: f64,
}

const EQUAL: Arms = Arms {
    success: [0.5, 0.5],
    unsafe_actions: [0.0, 0.0],
    stale: [0.0, 0.0],
    missing: [0.0, 0.0],
    p: 0.5,
};

fn arrival(arms: &Arms, rng: &mut ChaCha8Rng) -> Arrival {
    let treated = rng.random_bool(arms.p);
    let arm = usize::from(treated);
    let reported = !rng.random_bool(arms.missing[arm]);
    let success = rng.random_bool(arms.success[arm]);
    Arrival {
        treated,
        p: arms.p,
        reward: reported.then_some(f64::from(u8::from(success))),
        unsafe_action: reported && rng.random_bool(arms.unsafe_actions[arm]),
        stale: reported && rng.random_bool(arms.stale[arm]),
    }
}

/// Looks after every trajectory until the trial ends; answers the verdict and the number of trajectories.
fn run(arms: &Arms, config: TrialConfig, n: u64, seed: u64) -> (Verdict, u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut trial = Trial::new(config).unwrap();
    for i in 1..=n {
        let verdict = trial.update(&arrival(arms, &mut rng)).unwrap();
        if !matches!(verdict, Verdict::Continue { .. }) {
            return (verdict, i);
        }
    }
    (trial.verdict(), n)
}

/// Only the reward can be in the way of a promotion.
fn reward_only() -> TrialConfig {
    TrialConfig {
        unsafe_margin: 1.0,
        stale_margin: 1.0,
        ..TrialConfig::default()
    }
}

fn share(n: u64, of: impl Fn(u64) -> bool) -> f64 {
    (0..n).filter(|seed| of(*seed)).count() as f64 / n as f64
}

#[test]
fn equal_policies_are_promoted_at_most_as_often_as_delta_however_often_one_looks() {
    for p in [0.5, 0.2] {
        let arms = Arms { p, ..EQUAL };
        let ends = |seed| run(&arms, reward_only(), 2_000, seed).0;
        let promoted = share(400, |s| ends(s) == Verdict::Promote);
        let stopped = share(400, |s| matches!(ends(s), Verdict::Stop { .. }));
        assert!(promoted <= 0.05 && stopped <= 0.05, "{promoted} {stopped}");
    }
}

/// Ten decisions share the outcome of their trajectory. Our arrivals are trajectories; were each decision one, equal policies would be
/// promoted many times as often as δ, and a t-test looked at now and then would do so too.
#[test]
fn ten_decisions_are_one_arrival() {
    let (mut per_decision, mut per_trajectory, mut peeked_t) = (0, 0, 0);
    let runs = 200;
    for seed in 0..runs {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut naive = Trial::new(reward_only()).unwrap();
        let mut ours = Trial::new(reward_only()).unwrap();
        let (mut by_decision, mut by_trajectory) = (false, false);
        let (mut xs, mut by_t) = (Vec::new(), false);
        for i in 1..=400 {
            let a = arrival(&EQUAL, &mut rng);
            by_trajectory |= ours.update(&a).unwrap() == Verdict::Promote;
            for _ in 0..10 {
                by_decision |= naive.update(&a).unwrap() == Verdict::Promote;
            }
            let sign = if a.treated { 2.0 } else { -2.0 };
            xs.push(sign * (a.reward.unwrap() - 0.5));
            by_t |= i % 20 == 0 && i >= 40 && student_t_lower(&xs, 0.05).unwrap() > 0.0;
        }
        per_decision += u32::from(by_decision);
        per_trajectory += u32::from(by_trajectory);
        peeked_t += u32::from(by_t);
    }
    assert!(per_trajectory <= 10, "{per_trajectory} of {runs}");
    assert!(per_decision >= 60, "{per_decision} of {runs}");
    assert!(peeked_t >= 20, "{peeked_t} of {runs}");
}

#[test]
fn a_policy_that_is_better_is_promoted_soon() {
    let better = Arms {
        success: [0.5, 0.65],
        unsafe_actions: [0.005, 0.005],
        stale: [0.02, 0.02],
        ..EQUAL
    };
    let ends: Vec<_> = (0..60)
        .map(|seed| run(&better, TrialConfig::default(), 4_000, seed))
        .collect();
    let promoted = ends.iter().filter(|(v, _)| *v == Verdict::Promote);
    let mut after: Vec<u64> = promoted.map(|(_, n)| *n).collect();
    after.sort_unstable();
    assert!(after.len() >= 54, "{} of 60", after.len());
    assert!(after[after.len() / 2] < 1_800, "{after:?}");
}

#[test]
fn a_policy_that_is_worse_is_stopped_soon() {
    let worse = Arms {
        success: [0.6, 0.45],
        ..EQUAL
    };
    let why = StopReason::Worse;
    let stopped = share(60, |s| {
        let (verdict, n) = run(&worse, TrialConfig::default(), 2_000, s);
        verdict == Verdict::Stop { why } && n < 1_500
    });
    assert!(stopped >= 0.95, "{stopped}");
}

#[test]
fn unsafe_outcomes_veto_a_policy_however_much_better_it_is() {
    let unsafe_one = Arms {
        success: [0.4, 0.6],
        unsafe_actions: [0.01, 0.06],
        ..EQUAL
    };
    let why = StopReason::Unsafe;
    let ends = |s| run(&unsafe_one, TrialConfig::default(), 4_000, s).0;
    assert!(share(60, |s| ends(s) == Verdict::Stop { why }) >= 0.95);
    assert!(share(60, |s| ends(s) == Verdict::Promote) <= 0.05);
}

#[test]
fn stale_outcomes_beyond_the_margin_stop_a_policy() {
    let stale = Arms {
        success: [0.5, 0.5],
        stale: [0.05, 0.25],
        ..EQUAL
    };
    let why = StopReason::Stale;
    let ends = |s| run(&stale, TrialConfig::default(), 2_000, s).0;
    assert!(share(40, |s| ends(s) == Verdict::Stop { why }) >= 0.9);
}

#[test]
fn shuffled_rewards_let_nothing_through() {
    let better = Arms {
        success: [0.4, 0.7],
        ..EQUAL
    };
    let promoted = share(200, |seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut all: Vec<_> = (0..1_000).map(|_| arrival(&better, &mut rng)).collect();
        let mut rewards: Vec<_> = all.iter().map(|a| a.reward).collect();
        rewards.shuffle(&mut rng);
        let mut trial = Trial::new(reward_only()).unwrap();
        all.iter_mut().zip(rewards).any(|(a, reward)| {
            a.reward = reward;
            trial.update(a).unwrap() == Verdict::Promote
        })
    });
    assert!(promoted <= 0.05, "{promoted}");
}

#[test]
fn arms_that_report_differently_are_not_compared() {
    // Failures of the policy are not reported, so it looks better than it is.
    let hidden = Arms {
        missing: [0.1, 0.35],
        ..EQUAL
    };
    let why = WhyRefused::ReportingDiffers;
    let ends = |s| run(&hidden, TrialConfig::default(), 2_000, s).0;
    assert!(share(60, |s| ends(s) == Verdict::Refused { why }) >= 0.95);
    let alike = Arms {
        missing: [0.3, 0.3],
        ..EQUAL
    };
    let ends = |s| run(&alike, TrialConfig::default(), 1_000, s).0;
    assert!(share(200, |s| ends(s) == Verdict::Refused { why }) <= 0.05);
    let silent = Arms {
        missing: [0.9, 0.9],
        ..EQUAL
    };
    let why = WhyRefused::MostlyMissing;
    assert_eq!(
        run(&silent, TrialConfig::default(), 500, 1).0,
        Verdict::Refused { why }
    );
}

/// After a promotion 5 % of the trajectories stay with the former incumbent.
#[test]
fn a_promoted_policy_that_turns_out_worse_is_rolled_back() {
    let config = TrialConfig {
        role: Role::Watch,
        ..TrialConfig::default()
    };
    let watch = |success, seed| {
        let arms = Arms {
            success,
            p: 0.95,
            ..EQUAL
        };
        run(&arms, config, 4_000, seed).0
    };
    let stop = |v| {
        matches!(
            v,
            Verdict::Stop {
                why: StopReason::Worse
            }
        )
    };
    assert!(share(60, |s| stop(watch([0.7, 0.4], s))) >= 0.9);
    assert!(share(200, |s| stop(watch([0.5, 0.5], s))) <= 0.05);
    // Watching never promotes.
    assert!(share(60, |s| watch([0.3, 0.8], s) == Verdict::Promote) == 0.0);
}

#[test]
fn the_number_of_trajectories_still_needed_is_about_right() {
    let better = Arms {
        success: [0.5, 0.7],
        ..EQUAL
    };
    let config = reward_only();
    let mut ratios: Vec<f64> = (0..40)
        .filter_map(|seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut trial = Trial::new(config).unwrap();
            let mut said = None;
            for i in 1..=3_000_u32 {
                match trial.update(&arrival(&better, &mut rng)).unwrap() {
                    Verdict::Promote => return said.map(|(n, at)| f64::from(i - at) / n),
                    Verdict::Continue { about: Some(n) } if i == 80 => said = Some((n as f64, i)),
                    _ => {}
                }
            }
            None
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    assert!(
        ratios.len() > 15 && (0.3..3.0).contains(&median),
        "{ratios:?}"
    );
}

#[test]
fn a_trial_that_is_stored_and_read_goes_on_as_if_nothing_had_happened() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let arms = Arms {
        success: [0.5, 0.6],
        missing: [0.1, 0.1],
        ..EQUAL
    };
    let mut straight = Trial::new(TrialConfig::default()).unwrap();
    let mut stored = straight.clone();
    for _ in 0..300 {
        let a = arrival(&arms, &mut rng);
        straight.update(&a).unwrap();
        stored.update(&a).unwrap();
        stored = serde_json::from_str(&serde_json::to_string(&stored).unwrap()).unwrap();
    }
    let (a, b) = (straight.summary(), stored.summary());
    assert_eq!(a.policy, b.policy);
    assert!((a.e_better / b.e_better - 1.0).abs() < 1e-9);
    assert_eq!(a.verdict, b.verdict);
    assert!(!a.verdict.sentence().is_empty());
}

#[test]
fn numbers_out_of_their_range_are_refused() {
    let mut trial = Trial::new(TrialConfig::default()).unwrap();
    let good = Arrival {
        treated: true,
        p: 0.5,
        reward: Some(1.0),
        unsafe_action: false,
        stale: false,
    };
    for bad in [
        Arrival { p: 0.0, ..good },
        Arrival { p: 1.0, ..good },
        Arrival {
            reward: Some(f64::NAN),
            ..good
        },
        Arrival {
            reward: Some(-0.1),
            ..good
        },
    ] {
        let TrialError::OutOfRange { .. } = trial.update(&bad).unwrap_err() else {
            panic!("{bad:?}")
        };
    }
    assert_eq!(trial, Trial::new(TrialConfig::default()).unwrap());
    for delta in [0.0, 1.0, f64::NAN] {
        let config = TrialConfig {
            delta,
            ..TrialConfig::default()
        };
        assert!(Trial::new(config).is_err());
    }
}

#[test]
fn delta_is_spread_over_all_policies_that_are_ever_tried() {
    let sum: f64 = (1..100_000).map(|k| spread(0.05, k)).sum();
    assert!(sum <= 0.05 && sum > 0.0499, "{sum}");
    assert!((spread(0.05, 1) - 0.030_396_355).abs() < 1e-8);
}

/// The wealth of a bet against a true claim has a mean of at most 1, at every time.
#[test]
fn wealth_against_a_true_claim_does_not_grow() {
    let runs = 4_000;
    let mut mean = [0.0; 3];
    for seed in 0..runs {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut bet = Bet::default();
        for i in 1..=100 {
            // Mean 0, skewed.
            let x = if rng.random_bool(0.1) { 4.5 } else { -0.5 };
            bet.push(x, 0.5);
            if let Some(at) = [10, 30, 100].iter().position(|t| *t == i) {
                mean[at] += bet.log_wealth().exp() / f64::from(runs as u32);
            }
        }
    }
    assert!(mean.iter().all(|m| *m < 1.1 && *m > 0.5), "{mean:?}");
}

/// The numbers of `docs/evaluation.md`.
#[test]
fn safety_is_shown_after_as_many_trajectories_as_the_page_says() {
    for (p, about) in [(0.5, 430.0), (0.2, 990.0)] {
        let mut lengths: Vec<u64> = (0..30)
            .map(|seed| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let mut trial = Trial::new(TrialConfig::default()).unwrap();
                let arms = Arms { p, ..EQUAL };
                let shown = |trial: &Trial| trial.summary().e_safe >= 20.0;
                (1..3_000)
                    .find(|_| {
                        trial.update(&arrival(&arms, &mut rng)).unwrap();
                        shown(&trial)
                    })
                    .unwrap()
            })
            .collect();
        lengths.sort_unstable();
        let median = lengths[15] as f64;
        assert!((median / about - 1.0).abs() < 0.05, "{p}: {median}");
    }
}
