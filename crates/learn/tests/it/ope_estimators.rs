//! Estimators: numbers from other implementations, and what must hold of any of them.

use memrl_learn::ope::estimators::{Slot, SlottedSlate, iips, pseudo_inverse, rips, sips};
use memrl_learn::ope::{Denominator, Estimate, Estimator, OpeError, Round, Weighting, estimate};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::close;

/// Five rounds with three actions, as in the golden values of OBP 0.5.7.
fn golden() -> Vec<Round> {
    let pi_e = [
        [0.2, 0.5, 0.3],
        [0.1, 0.8, 0.1],
        [0.3, 0.3, 0.4],
        [0.6, 0.2, 0.2],
        [0.1, 0.7, 0.2],
    ];
    let q_hat = [
        [0.6, 0.4, 0.5],
        [0.3, 0.2, 0.4],
        [0.5, 0.5, 0.7],
        [0.2, 0.3, 0.3],
        [0.4, 0.6, 0.5],
    ];
    let action = [0, 1, 2, 0, 1];
    let reward = [1.0, 0.0, 1.0, 0.0, 1.0];
    let pscore = [0.5, 0.25, 0.25, 0.5, 0.2];
    (0..5)
        .map(|i| {
            let v = pi_e[i].iter().zip(q_hat[i]).map(|(p, q)| p * q).sum();
            Round::new(reward[i], pi_e[i][action[i]], pscore[i]).with_model(q_hat[i][action[i]], v)
        })
        .collect()
}

fn all() -> [Weighting; 7] {
    [
        Weighting::Ips { clip: None },
        Weighting::Ips { clip: Some(2.0) },
        Weighting::Snips,
        Weighting::Dm,
        Weighting::Dr,
        Weighting::SwitchDr { lambda: 2.0 },
        Weighting::DrOs { lambda: 2.0 },
    ]
}

fn of(rounds: &[Round], weighting: Weighting) -> Estimate {
    estimate(rounds, weighting.into()).unwrap()
}

#[test]
fn estimates_are_those_of_the_open_bandit_pipeline() {
    let rounds = golden();
    for (weighting, value) in [
        (Weighting::Ips { clip: None }, 1.1),
        (Weighting::Snips, 0.555_555_555_555_555_6),
        (Weighting::Dm, 0.416),
        (Weighting::Dr, 0.648),
        (Weighting::SwitchDr { lambda: 2.0 }, 0.496),
        (Weighting::DrOs { lambda: 2.0 }, 0.478_211_128_977_634_85),
        // By hand: (0.4 + 0 + 1.6 + 0 + min(3.5, 2)) / 5.
        (Weighting::Ips { clip: Some(2.0) }, 0.8),
    ] {
        let made = of(&rounds, weighting);
        assert!(close(made.value, value, 1e-14), "{weighting:?} {made:?}");
    }
    // Weights 0.4, 3.2, 1.6, 1.2, 3.5.
    let made = of(&rounds, Weighting::Snips);
    assert!(close(made.n_eff, 9.9 * 9.9 / 26.65, 1e-12));
    assert!(close(made.max_weight, 3.5, 1e-12));
    assert_eq!((made.n, made.coverage), (5, 1.0));
}

#[test]
fn estimates_of_slates_are_those_of_the_open_bandit_pipeline_and_of_vw() {
    let slot = |reward, marginal, prefix| Slot {
        reward,
        marginal,
        prefix,
    };
    let slates = [
        SlottedSlate {
            joint: (0.25, 0.5),
            slots: vec![
                slot(1.0, (0.5, 0.8), (0.5, 0.8)),
                slot(0.0, (0.5, 0.6), (0.25, 0.5)),
            ],
        },
        SlottedSlate {
            joint: (0.1, 0.05),
            slots: vec![
                slot(0.0, (0.2, 0.1), (0.2, 0.1)),
                slot(1.0, (0.5, 0.5), (0.1, 0.05)),
            ],
        },
    ];
    assert!(close(sips(&slates).unwrap().value, 1.25, 1e-14));
    assert!(close(iips(&slates).unwrap().value, 1.3, 1e-14));
    assert!(close(rips(&slates).unwrap().value, 1.05, 1e-14));
    // The pseudo-inverse golden values have rewards 1 and 0.5 of the whole slate.
    let mut vw = slates;
    vw[1].slots[1].reward = 0.5;
    assert!(close(pseudo_inverse(&vw).unwrap().value, 1.025, 1e-14));
}

/// With every outcome enumerated, weighted by its probability, the mean of an unbiased estimator is the value.
#[test]
fn ips_and_dr_are_unbiased_and_the_balanced_form_as_well() {
    let log = [[0.7_f64, 0.2, 0.1], [0.1, 0.3, 0.6]];
    let target = [0.25, 0.45, 0.3];
    let (reward, q) = ([0.2, 0.9, 0.5], [0.6, 0.1, 0.7]);
    let value: f64 = target.iter().zip(reward).map(|(p, r)| p * r).sum();
    let v: f64 = target.iter().zip(q).map(|(p, q)| p * q).sum();
    let round = |logger: usize, a: usize| Round {
        loggers: log.iter().map(|p| p[a].ln()).collect(),
        logger,
        ..Round::new(reward[a], target[a], log[logger][a]).with_model(q[a], v)
    };
    for weighting in [
        Weighting::Ips { clip: None },
        Weighting::Dr,
        Weighting::DrOs {
            lambda: f64::INFINITY,
        },
    ] {
        for denominator in [
            Denominator::Logged,
            Denominator::Naive,
            Denominator::Balanced,
        ] {
            let mut mean = 0.0;
            for (a, b) in (0..3).flat_map(|a| (0..3).map(move |b| (a, b))) {
                let rounds = [round(0, a), round(1, b)];
                let estimator = Estimator {
                    weighting,
                    denominator,
                };
                mean += log[0][a] * log[1][b] * estimate(&rounds, estimator).unwrap().value;
            }
            assert!(close(mean, value, 1e-12), "{weighting:?} {denominator:?}");
        }
    }
}

/// Two loggers, one of which hardly ever does what the target does: the balanced form never varies more than the
/// naive one (Agarwal et al. 2017, theorem 4.2), and the weighted one less too when there are many rounds.
#[test]
fn balanced_and_weighted_forms_vary_less_than_the_naive_one() {
    let log = [[0.9_f64, 0.1], [0.3, 0.7]];
    let target = [0.2, 0.8];
    let mut errors = [0.0; 3];
    for seed in 0..300 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let rounds: Vec<_> = (0..1_000)
            .map(|i| {
                let logger = i % 2;
                let a = usize::from(rng.random_bool(log[logger][1]));
                let reward = f64::from(u8::from(rng.random_bool([0.3, 0.6][a])));
                Round {
                    loggers: log.iter().map(|p| p[a].ln()).collect(),
                    logger,
                    ..Round::new(reward, target[a], log[logger][a])
                }
            })
            .collect();
        let forms = [
            Denominator::Balanced,
            Denominator::Weighted,
            Denominator::Naive,
        ];
        for (error, denominator) in errors.iter_mut().zip(forms) {
            let weighting = Weighting::Ips { clip: None };
            let estimator = Estimator {
                weighting,
                denominator,
            };
            *error += (estimate(&rounds, estimator).unwrap().value - 0.54).powi(2) / 300.0;
        }
    }
    let [balanced, weighted, naive] = errors.map(f64::sqrt);
    assert!(
        balanced < 0.7 * naive && weighted < 0.7 * naive,
        "{balanced} {weighted} {naive}"
    );
}

#[test]
fn numbers_that_cannot_be_used_are_refused_by_name() {
    let ips = Weighting::Ips { clip: None };
    assert_eq!(estimate(&[], ips.into()), Err(OpeError::Empty));
    let good = Round::new(1.0, 0.5, 0.5);
    for (bad, word) in [
        (Round::new(f64::NAN, 0.5, 0.5), "reward"),
        (Round::new(1.0, 0.5, 0.0), "zero"),
        (Round::new(1.0, f64::NAN, 0.5), "evaluated"),
        (good.clone().with_model(f64::NAN, 0.0), "model"),
    ] {
        let error = estimate(&[good.clone(), bad], ips.into()).unwrap_err();
        assert!(matches!(error, OpeError::BadRound { round: 1, .. }));
        assert!(error.to_string().contains(word), "{error}");
    }
    let unknown = Estimator {
        weighting: ips,
        denominator: Denominator::Balanced,
    };
    assert!(estimate(std::slice::from_ref(&good), unknown).is_err());
    let nothing = [Round::new(1.0, 0.0, 0.5)];
    let error = estimate(&nothing, Weighting::Snips.into()).unwrap_err();
    assert_eq!(error, OpeError::NoOverlap);
    for bad in [
        Weighting::Ips { clip: Some(0.0) },
        Weighting::SwitchDr { lambda: f64::NAN },
        Weighting::DrOs { lambda: -1.0 },
    ] {
        let error = estimate(std::slice::from_ref(&good), bad.into()).unwrap_err();
        assert!(matches!(error, OpeError::BadParameter { .. }));
    }
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let round = (0.0..1.0, 0.0..1.0, 0.01..1.0, 0.0..1.0, 0.0..1.0);
    let made = round.prop_map(|(r, e, b, q, v): (f64, f64, f64, f64, f64)| {
        Round::new(r, e, b).with_model(q, v)
    });
    prop::collection::vec(made, 1..40)
}

proptest! {
    #[test]
    fn the_mean_of_the_linear_terms_is_the_estimate(rounds in rounds()) {
        for weighting in all() {
            let made = of(&rounds, weighting);
            let mean = made.linear().iter().sum::<f64>() / made.n as f64;
            prop_assert!(close(mean, made.value, 1e-9));
            prop_assert!(made.n_eff <= made.n as f64 + 1e-9);
        }
    }

    #[test]
    fn snips_stays_among_the_rewards_and_moves_with_a_constant(rounds in rounds()) {
        let made = of(&rounds, Weighting::Snips).value;
        prop_assert!((0.0..=1.0).contains(&made));
        let mut moved = rounds;
        for r in &mut moved {
            r.reward += 3.0;
        }
        prop_assert!(close(of(&moved, Weighting::Snips).value, made + 3.0, 1e-9));
    }

    #[test]
    fn shrinkage_goes_from_the_model_to_doubly_robust(rounds in rounds()) {
        let value = |w| of(&rounds, w).value;
        let os = |lambda| value(Weighting::DrOs { lambda });
        let switched = value(Weighting::SwitchDr { lambda: 1e9 });
        prop_assert_eq!(os(0.0), value(Weighting::Dm));
        prop_assert!(close(os(1e12), value(Weighting::Dr), 1e-6));
        prop_assert_eq!(switched, value(Weighting::Dr));
    }

    #[test]
    fn a_policy_like_the_log_is_worth_what_the_log_earned(rounds in rounds()) {
        let same: Vec<_> = rounds
            .into_iter()
            .map(|r| Round { target: r.logging, ..r })
            .collect();
        let mean = same.iter().map(|r| r.reward).sum::<f64>() / same.len() as f64;
        for w in [Weighting::Ips { clip: None }, Weighting::Snips] {
            prop_assert!(close(of(&same, w).value, mean, 1e-12));
        }
    }
}
