//! The propensity of a decision is that of the whole mixture, exactly.

use std::collections::HashMap;

use memrl_learn::{
    Candidate, Context, ExploreConfig, Policies, decide,
    explore::{ConfigError, Mixture, Trial, arms, holdout},
    policy::{NoMemory, Similarity, Utility},
};
use memrl_types::{ExploreMode, Mode};
use proptest::prelude::*;

use crate::support::{all_slates, cell_id, chi_square, close, constraint, fact, problem};

const UTILITY: Utility = Utility {
    weight: 2.0,
    caution: 0.25,
    prior_mass: 9.0,
};

fn policies() -> Policies<'static> {
    Policies {
        incumbent: &Similarity,
        canary: Some(&UTILITY),
        control: Some(&NoMemory),
    }
}

fn config() -> impl Strategy<Value = ExploreConfig> {
    let share = || prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0];
    (
        prop_oneof![Just(0.0), 0.0..=0.5],
        share(),
        0.0..=0.4,
        prop_oneof![Just(0.0), 0.0..=0.2],
        0.0..=0.4,
        0.05..2.0,
        any::<u64>(),
        proptest::option::of((0_u64..6, prop_oneof![Just(0.0), 0.0..=0.5])),
    )
        .prop_map(
            |(
                epsilon,
                sampled_share,
                canary_share,
                control_share,
                none_share,
                temperature,
                salt,
                trial,
            )| ExploreConfig {
                epsilon,
                sampled_share,
                temperature,
                canary_share,
                control_share,
                none_share,
                salt,
                trial: trial.map(|(n, p)| Trial {
                    cell: cell_id(n),
                    p,
                }),
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn propensities_of_all_slates_sum_to_one(
        seed in any::<u64>(), n in 0_u64..6, config in config(),
    ) {
        let (ctx, candidates) = problem(seed, n);
        let mixture = Mixture::new(&ctx, &candidates, policies(), &config).unwrap();
        let total: f64 =
            all_slates(n as usize).iter().map(|s| mixture.log_probability(s).exp()).sum();
        prop_assert!(close(total, 1.0, 1e-12), "{total}");
        let weights: f64 = mixture.components(&[]).iter().map(|c| c.weight).sum();
        prop_assert!(close(weights, 1.0, 1e-12));
        let shares: f64 = mixture.arms().iter().map(|a| a.share).sum();
        prop_assert!(close(shares, 1.0, 1e-12));
    }

    #[test]
    fn the_logged_propensity_is_that_of_the_slate_shown(
        seed in any::<u64>(), n in 0_u64..30, config in config(), trajectory in ".{0,8}",
    ) {
        let (mut ctx, candidates) = problem(seed, n);
        ctx.budget_tokens *= 3;
        let choice = decide(&ctx, &candidates, policies(), &config, &trajectory, seed).unwrap();
        let mixture = Mixture::new(&ctx, &candidates, policies(), &config).unwrap();
        prop_assert_eq!(choice.propensity.log_joint, mixture.log_probability(&choice.slate));
        prop_assert!(choice.propensity.log_joint.is_finite());
        // The component that acted is among those that can produce the slate.
        let acted = choice.propensity.components.iter()
            .find(|c| c.arm == choice.arm && c.mode == choice.explore_mode).unwrap();
        prop_assert!(acted.weight > 0.0 && acted.log_probability.is_some());
        // Every candidate is accounted for exactly once.
        let mut seen: Vec<_> = choice.slate.iter().chain(&choice.left_out).copied().collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..candidates.len()).collect::<Vec<_>>());
        for (i, item) in choice.items.iter().enumerate() {
            prop_assert_eq!(item.selected, choice.slate.contains(&i));
            prop_assert_eq!(item.selected, item.mode != Mode::Suppress);
            prop_assert_eq!(item.position.map(|p| choice.slate[p as usize]), item.selected.then_some(i));
            prop_assert!(!item.reason.is_empty() && item.score.is_finite());
            prop_assert!(!(item.held_out && (item.selected || item.critical)));
            prop_assert!(!(item.selected && candidates[i].mask.is_some()));
        }
        let again = decide(&ctx, &candidates, policies(), &config, &trajectory, seed).unwrap();
        prop_assert_eq!(choice, again);
    }

    #[test]
    fn p_include_is_the_sum_over_the_slates_that_show_the_cell(
        seed in any::<u64>(), n in 0_u64..6, config in config(), none_drawn in any::<bool>(),
    ) {
        let mut config = config;
        if none_drawn {
            config.sampled_share = 0.0;
        }
        let (ctx, candidates) = problem(seed, n);
        let choice = decide(&ctx, &candidates, policies(), &config, "t", 0).unwrap();
        let mixture = Mixture::new(&ctx, &candidates, policies(), &config).unwrap();
        for (i, item) in choice.items.iter().enumerate() {
            let sum: f64 = all_slates(n as usize).iter().filter(|s| s.contains(&i))
                .map(|s| mixture.log_probability(s).exp()).sum();
            if none_drawn {
                prop_assert!(item.p_include.is_some());
            }
            if let Some(p) = item.p_include {
                prop_assert!(close(p, sum, 1e-12), "{p} {sum}");
            }
        }
    }

    #[test]
    fn without_randomisation_every_propensity_is_exactly_one(seed in any::<u64>(), n in 0_u64..30) {
        let (ctx, candidates) = problem(seed, n);
        let choice = decide(&ctx, &candidates, policies(), &ExploreConfig::off(), "t", seed).unwrap();
        prop_assert!(choice.propensity.log_joint.to_bits() == 0.0_f64.to_bits());
        prop_assert_eq!(choice.explore_mode, ExploreMode::Greedy);
        prop_assert!(choice.items.iter().all(|i| i.p_include == Some(f64::from(u8::from(i.selected)))));
    }

    #[test]
    fn constraints_are_never_explored_away(
        seed in any::<u64>(), n in 0_u64..12, config in config(), trajectory in ".{0,8}",
    ) {
        let (ctx, candidates) = problem(seed, n);
        let choice = decide(&ctx, &candidates, policies(), &config, &trajectory, seed).unwrap();
        let mut left: Vec<_> = choice.constraints_left_out.clone();
        left.sort_unstable();
        let missing: Vec<_> = (0..candidates.len())
            .filter(|&i| candidates[i].is_critical() && candidates[i].mask.is_none())
            .filter(|&i| !choice.items[i].selected).collect();
        prop_assert_eq!(&left, &missing);
        for i in missing {
            prop_assert_eq!(choice.items[i].reason.as_str(), "budget_exceeded");
        }
    }
}

/// The small problem of the frequency tests: one constraint, four facts, room for most of them.
fn small() -> (Context, Vec<Candidate>) {
    let mut candidates = vec![
        fact(0, 0.5, 2),
        fact(1, 0.3, 3),
        fact(2, 0.45, 2),
        constraint(3, 0.9, 1),
        fact(4, 0.2, 1),
    ];
    candidates[1].value.mean = 0.9;
    (Context::with_budget(7), candidates)
}

#[test]
fn slates_come_as_often_as_their_propensity_says() {
    let (ctx, candidates) = small();
    let config = ExploreConfig {
        epsilon: 0.15,
        sampled_share: 0.4,
        temperature: 0.2,
        canary_share: 0.3,
        control_share: 0.1,
        none_share: 0.1,
        salt: 5,
        trial: Some(Trial {
            cell: cell_id(2),
            p: 0.4,
        }),
    };
    let mut counts: HashMap<Vec<usize>, f64> = HashMap::new();
    for t in 0..40_000_u64 {
        let trajectory = format!("t{t}");
        let choice = decide(&ctx, &candidates, policies(), &config, &trajectory, t).unwrap();
        *counts.entry(choice.slate).or_default() += 1.0;
    }
    let all = all_slates(candidates.len());
    let seen: Vec<f64> = all
        .iter()
        .map(|s| counts.get(s).copied().unwrap_or(0.0))
        .collect();
    let expected = |config: &ExploreConfig| -> Vec<f64> {
        let mixture = Mixture::new(&ctx, &candidates, policies(), config).unwrap();
        all.iter()
            .map(|s| mixture.log_probability(s).exp())
            .collect()
    };
    let (statistic, limit) = chi_square(&seen, &expected(&config));
    assert!(statistic < limit, "χ² {statistic} of {limit}");
    // The test has teeth: each of these small lies about the mixture is noticed.
    for wrong in [
        ExploreConfig {
            epsilon: 0.17,
            ..config
        },
        ExploreConfig {
            sampled_share: 0.43,
            ..config
        },
        ExploreConfig {
            temperature: 0.23,
            ..config
        },
        ExploreConfig {
            canary_share: 0.33,
            ..config
        },
        ExploreConfig {
            none_share: 0.12,
            ..config
        },
        ExploreConfig {
            control_share: 0.13,
            ..config
        },
        ExploreConfig {
            trial: None,
            ..config
        },
        ExploreConfig {
            trial: config.trial.map(|t| Trial { p: 0.44, ..t }),
            ..config
        },
    ] {
        let (statistic, limit) = chi_square(&seen, &expected(&wrong));
        assert!(statistic > limit, "χ² {statistic} of {limit} for {wrong:?}");
    }
}

#[test]
fn hold_outs_are_sticky_independent_and_as_frequent_as_stated() {
    let epsilon = 0.1;
    let mut counts = [0.0; 4];
    for t in 0..40_000 {
        let trajectory = format!("t{t}");
        let out = |n| holdout::is_withheld(epsilon, 9, &trajectory, cell_id(n));
        assert_eq!(out(0), out(0));
        counts[usize::from(out(0)) * 2 + usize::from(out(1))] += 1.0;
    }
    let (statistic, limit) = chi_square(&counts, &[0.81, 0.09, 0.09, 0.01]);
    assert!(statistic < limit, "χ² {statistic} of {limit}: {counts:?}");
    let (statistic, limit) = chi_square(&counts, &[0.792, 0.099, 0.099, 0.01]);
    assert!(statistic > limit, "χ² {statistic} of {limit}");
}

#[test]
fn a_trial_changes_the_probability_of_its_own_cell_and_of_no_other() {
    // The soft cells are 0, 1, 2 and 4; 3 is critical, so a trial of it withholds nothing.
    let (ctx, candidates) = small();
    let plain = ExploreConfig {
        epsilon: 0.1,
        ..ExploreConfig::default()
    };
    let at = |cell| ExploreConfig {
        trial: Some(Trial {
            cell: cell_id(cell),
            p: 0.4,
        }),
        ..plain
    };
    let (mut withheld, mut both) = (0.0, 0.0);
    let n = 20_000;
    for t in 0..n {
        let trajectory = format!("t{t}");
        let run = |config: &ExploreConfig| {
            decide(&ctx, &candidates, policies(), config, &trajectory, 0).unwrap()
        };
        let (with, without) = (run(&at(0)), run(&plain));
        assert_eq!(run(&at(3)).slate, without.slate);
        assert_eq!(with.items[0].p_include, Some(0.6));
        for i in 1..candidates.len() {
            assert_eq!(with.items[i].held_out, without.items[i].held_out);
            assert_eq!(with.items[i].p_include, without.items[i].p_include);
        }
        // The logged probability has the trial's factor in the place of the ordinary one.
        let factor =
            |item: &memrl_learn::ItemChoice, p: f64| if item.held_out { p } else { 1.0 - p };
        let moved = factor(&with.items[0], 0.4).ln() - factor(&without.items[0], 0.1).ln();
        let difference = with.propensity.log_joint - without.propensity.log_joint;
        assert!(close(difference, moved, 1e-12));
        withheld += f64::from(u8::from(with.items[0].held_out));
        both += f64::from(u8::from(
            with.items[0].held_out && without.items[0].held_out,
        ));
    }
    // Four standard deviations; its coin is independent of the ordinary one.
    assert!((withheld / f64::from(n) - 0.4).abs() < 0.014, "{withheld}");
    assert!((both / f64::from(n) - 0.04).abs() < 0.006, "{both}");
}

#[test]
fn a_trial_withholds_where_nothing_else_is_withheld() {
    let (ctx, candidates) = small();
    let config = ExploreConfig {
        trial: Some(Trial {
            cell: cell_id(2),
            p: 0.5,
        }),
        ..ExploreConfig::off()
    };
    let mut held = 0;
    for t in 0..200 {
        let choice = decide(&ctx, &candidates, policies(), &config, &format!("t{t}"), 0).unwrap();
        assert_eq!(choice.explore_mode, ExploreMode::Holdout);
        assert!(close(choice.propensity.log_joint, 0.5_f64.ln(), 1e-14));
        assert!(
            choice
                .items
                .iter()
                .enumerate()
                .all(|(i, item)| i == 2 || !item.held_out)
        );
        held += i32::from(choice.items[2].held_out);
    }
    assert!((60..140).contains(&held), "{held}");
}

#[test]
fn freed_space_is_not_refilled() {
    // Room for two of three; whichever is withheld, the third is not shown.
    let candidates = [fact(0, 0.9, 2), fact(1, 0.8, 2), fact(2, 0.7, 2)];
    let config = ExploreConfig {
        epsilon: 0.5,
        ..ExploreConfig::default()
    };
    let mut withheld = 0;
    for t in 0..100 {
        let ctx = Context::with_budget(4);
        let choice = decide(&ctx, &candidates, policies(), &config, &format!("t{t}"), 0).unwrap();
        assert!(!choice.items[2].selected);
        assert_eq!(choice.items[2].reason, "budget_exceeded");
        assert_eq!(choice.items[2].p_include, Some(0.0));
        assert_eq!(choice.items[0].p_include, Some(0.5));
        for item in &choice.items[..2] {
            assert_eq!(item.selected, !item.held_out);
            assert_eq!(item.reason == "held_out", item.held_out);
            withheld += i32::from(item.held_out);
        }
        assert!(close(choice.propensity.log_joint, 0.25_f64.ln(), 1e-14));
    }
    assert!((60..140).contains(&withheld), "{withheld}");
}

#[test]
fn the_same_trajectory_stays_in_its_arm_and_keeps_its_hold_outs() {
    let (ctx, candidates) = small();
    let config = ExploreConfig {
        epsilon: 0.3,
        canary_share: 0.3,
        none_share: 0.3,
        ..ExploreConfig::default()
    };
    let mut arms_seen = std::collections::BTreeSet::new();
    for t in 0..60 {
        let trajectory = format!("t{t}");
        let first = decide(&ctx, &candidates, policies(), &config, &trajectory, 1).unwrap();
        let mut fewer = candidates.clone();
        fewer.remove(0);
        let later = decide(&ctx, &fewer, policies(), &config, &trajectory, 2).unwrap();
        assert_eq!(first.arm, later.arm);
        for i in 1..candidates.len() {
            let (a, b) = (&first.items[i], &later.items[i - 1]);
            let wanted_by_both = (a.selected || a.held_out) && (b.selected || b.held_out);
            assert!(!wanted_by_both || a.held_out == b.held_out);
        }
        arms_seen.insert(first.arm);
    }
    assert_eq!(arms_seen.len(), 3);
}

#[test]
fn the_control_arm_shows_critical_constraints_and_nothing_else() {
    let (ctx, candidates) = small();
    let config = ExploreConfig {
        none_share: 1.0,
        ..ExploreConfig::default()
    };
    let choice = decide(&ctx, &candidates, policies(), &config, "t", 0).unwrap();
    assert_eq!(choice.slate, [3]);
    assert_eq!(
        (choice.arm.as_str(), choice.policy.as_str()),
        ("none", "none@1")
    );
    assert_eq!(choice.explore_mode, ExploreMode::None);
    assert_eq!(choice.items[0].reason, "control_arm");
    assert!(choice.propensity.log_joint == 0.0);
}

#[test]
fn a_growing_share_takes_from_the_incumbent_only() {
    let at = |canary_share, none_share, t: &str| {
        let config = ExploreConfig {
            canary_share,
            none_share,
            ..ExploreConfig::default()
        };
        arms::assign(&config, t)
    };
    for t in 0..500 {
        let t = format!("t{t}");
        let before = at(0.05, 0.05, &t);
        let after = at(0.5, 0.2, &t);
        assert!(before == after || before == arms::ArmName::Incumbent);
        let watched = |control_share| {
            let config = ExploreConfig {
                canary_share: 0.2,
                control_share,
                none_share: 0.1,
                ..ExploreConfig::default()
            };
            arms::assign(&config, &t)
        };
        assert!(watched(0.05) == watched(0.3) || watched(0.05) == arms::ArmName::Incumbent);
    }
}

#[test]
fn wrong_configurations_are_refused() {
    let ok = ExploreConfig::default();
    assert_eq!(ok.validate(false, false), Ok(()));
    for wrong in [
        ExploreConfig {
            epsilon: 0.51,
            ..ok
        },
        ExploreConfig {
            epsilon: -0.1,
            ..ok
        },
        ExploreConfig {
            epsilon: f64::NAN,
            ..ok
        },
        ExploreConfig {
            sampled_share: 1.1,
            ..ok
        },
        ExploreConfig {
            temperature: 0.0,
            ..ok
        },
        ExploreConfig {
            temperature: f64::INFINITY,
            ..ok
        },
        ExploreConfig {
            canary_share: -0.1,
            ..ok
        },
        ExploreConfig {
            none_share: 2.0,
            ..ok
        },
        ExploreConfig {
            trial: Some(Trial {
                cell: cell_id(0),
                p: 0.6,
            }),
            ..ok
        },
    ] {
        assert!(
            matches!(
                wrong.validate(true, false),
                Err(ConfigError::OutOfRange { .. })
            ),
            "{wrong:?}"
        );
    }
    let too_much = ExploreConfig {
        canary_share: 0.6,
        none_share: 0.6,
        ..ok
    };
    assert!(matches!(
        too_much.validate(true, false),
        Err(ConfigError::SharesExceedOne { .. })
    ));
    let no_canary = ExploreConfig {
        canary_share: 0.1,
        ..ok
    };
    assert!(matches!(
        no_canary.validate(false, false),
        Err(ConfigError::NoCanary { .. })
    ));
    assert_eq!(no_canary.validate(true, false), Ok(()));
}
