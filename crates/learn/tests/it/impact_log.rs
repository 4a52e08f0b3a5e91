//! Impact from a log that the real randomisation made: exposures, the arm without memory, trials.

use memrl_learn::data::{Logged, LoggedItem, Signals};
use memrl_learn::explore::{Trial, holdout};
use memrl_learn::impact::memory::{MemoryBuilder, MemoryReport};
use memrl_learn::impact::trial::{TrialConfig, TrialTest, TrialVerdict};
use memrl_learn::impact::{ExposureBuilder, Exposures, ImpactConfig, ImpactError, Metric};
use memrl_learn::policy::Similarity;
use memrl_learn::{Candidate, Context, ExploreConfig, Policies, decide};
use memrl_types::{DecisionId, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{cell_id, constraint, fact};

/// Four soft cells and a critical one, all wanted.
fn candidates() -> Vec<Candidate> {
    vec![
        fact(0, 0.9, 2),
        fact(1, 0.8, 2),
        constraint(2, 0.9, 1),
        fact(3, 0.7, 2),
        fact(4, 0.6, 2),
    ]
}

/// A decision as it is logged.
fn logged(
    trajectory: u32,
    step: u32,
    candidates: &[Candidate],
    config: &ExploreConfig,
    signals: Signals,
) -> Logged {
    let policies = Policies {
        incumbent: &Similarity,
        canary: None,
        control: None,
    };
    let ctx = Context::with_budget(20);
    let name = format!("t{trajectory}");
    let seed = u64::from(trajectory) * 100 + u64::from(step);
    let choice = decide(&ctx, candidates, policies, config, &name, seed).unwrap();
    Logged {
        id: DecisionId::from_random([step as u8; 16]),
        trajectory,
        step,
        at: Timestamp::default(),
        policy: 0,
        arm: choice.arm.clone(),
        mode: choice.explore_mode,
        propensity: choice.propensity.clone(),
        temperature: config.temperature,
        context: ctx,
        items: (candidates.iter().zip(&choice.items))
            .map(|(c, item)| LoggedItem {
                cell: c.cell_id,
                score: item.score,
                cost: c.cost,
                masked: c.mask.is_some(),
                critical: item.critical,
                held_out: item.held_out,
                p_include: item.p_include,
                label: None,
            })
            .collect(),
        features: Vec::new(),
        slate: choice.slate.iter().map(|&i| i as u32).collect(),
        signals,
        reward: None,
    }
}

fn success(y: f64) -> Signals {
    Signals {
        success: Some(y),
        ..Signals::default()
    }
}

fn build<'a>(log: impl IntoIterator<Item = &'a Logged>, trials: &[Trial]) -> Exposures {
    let mut builder = ExposureBuilder::new(Metric::Success, trials);
    for decision in log {
        builder.push(decision);
    }
    builder.finish()
}

#[test]
fn a_unit_is_a_trajectory_and_a_soft_cell_with_the_coin_that_was_tossed() {
    let config = ExploreConfig {
        epsilon: 0.2,
        none_share: 0.2,
        salt: 3,
        ..ExploreConfig::default()
    };
    let mut log = Vec::new();
    for t in 0..300 {
        for step in 0..3 {
            log.push(logged(
                t,
                step,
                &candidates(),
                &config,
                success(f64::from(step) / 2.0),
            ));
        }
    }
    let made = build(&log, &[]);
    let with = 300 - made.counts.without_memory / 3;
    assert_eq!(made.counts.decisions, 900);
    assert_eq!(made.counts.trajectories, 300);
    assert_eq!(
        (
            made.counts.unexplained,
            made.counts.not_randomised,
            made.counts.drawn
        ),
        (0, 0, 0)
    );
    // Four soft cells each, once per trajectory; the critical one has no coin.
    assert_eq!(made.counts.units, 4 * with);
    for unit in &made.units {
        assert_ne!(unit.cell, cell_id(2));
        // Given the arm: the share of the arm without memory is no part of it.
        assert_eq!(unit.p_shown, 0.8);
        let name = format!("t{}", unit.trajectory);
        assert_eq!(unit.shown, !holdout::is_withheld(0.2, 3, &name, unit.cell));
        // The mean of 0, ½ and 1.
        assert_eq!(unit.y, Some(0.5));
    }
}

#[test]
fn the_outcome_is_what_was_reported_from_the_first_decision_that_wanted_the_cell() {
    let config = ExploreConfig {
        epsilon: 0.1,
        ..ExploreConfig::default()
    };
    let mut log = Vec::new();
    for t in 0..50 {
        let early: Vec<_> = candidates()
            .into_iter()
            .filter(|c| c.cell_id != cell_id(4))
            .collect();
        log.push(logged(t, 0, &early, &config, success(0.0)));
        log.push(logged(t, 1, &candidates(), &config, success(1.0)));
        log.push(logged(t, 2, &candidates(), &config, Signals::default()));
    }
    let made = build(&log, &[]);
    for unit in &made.units {
        let expected = if unit.cell == cell_id(4) { 1.0 } else { 0.5 };
        assert_eq!(unit.y, Some(expected));
    }
    assert_eq!(
        made.units.iter().filter(|u| u.cell == cell_id(4)).count(),
        50
    );
    // Sums for tokens, any for stale; nothing reported is not nothing spent.
    assert_eq!(Metric::Tokens.fold([3.0, 4.0].into_iter()), Some(7.0));
    assert_eq!(Metric::Stale.fold([0.0, 1.0, 0.0].into_iter()), Some(1.0));
    assert_eq!(Metric::Tokens.fold(std::iter::empty()), None);
}

#[test]
fn cells_that_were_shown_for_certain_first_have_no_coin_later() {
    let on = ExploreConfig {
        epsilon: 0.3,
        ..ExploreConfig::default()
    };
    let mut log = Vec::new();
    for t in 0..20 {
        log.push(logged(
            t,
            0,
            &candidates()[..2],
            &ExploreConfig::off(),
            success(1.0),
        ));
        log.push(logged(t, 1, &candidates(), &on, success(1.0)));
    }
    let made = build(&log, &[]);
    assert_eq!(made.counts.not_randomised, 20);
    assert!(
        made.units
            .iter()
            .all(|u| u.cell == cell_id(3) || u.cell == cell_id(4))
    );
    assert_eq!(made.units.len(), 40);
    // Drawn slates have no hold-outs.
    let drawn = ExploreConfig {
        sampled_share: 1.0,
        ..on
    };
    let log: Vec<_> = (0..20)
        .map(|t| logged(t, 0, &candidates(), &drawn, success(1.0)))
        .collect();
    let made = build(&log, &[]);
    assert_eq!((made.counts.drawn, made.units.len()), (20, 0));
}

#[test]
fn the_log_itself_tells_whether_a_trial_was_in_force() {
    let trial = Trial {
        cell: cell_id(1),
        p: 0.4,
    };
    let before = ExploreConfig {
        epsilon: 0.1,
        ..ExploreConfig::default()
    };
    let during = ExploreConfig {
        trial: Some(trial),
        ..before
    };
    let log: Vec<_> = (0..400)
        .map(|t| {
            let config = if t < 200 { &before } else { &during };
            logged(t, 0, &candidates(), config, success(1.0))
        })
        .collect();
    let other = Trial { p: 0.3, ..trial };
    let made = build(&log, &[other, trial]);
    assert_eq!(made.counts.unexplained, 0);
    for unit in &made.units {
        let on_trial = unit.cell == cell_id(1) && unit.trajectory >= 200;
        assert_eq!(unit.on_trial, on_trial);
        assert_eq!(unit.p_shown, if on_trial { 0.6 } else { 0.9 });
    }
    // A trial that nobody names is not guessed at.
    let blind = build(&log, &[]);
    assert_eq!(blind.counts.unexplained, 200);
    assert!(blind.units.iter().all(|u| u.trajectory < 200));
    // Nor is a probability that was tampered with believed.
    let mut forged = log[0].clone();
    for component in &mut forged.propensity.components {
        component.log_probability = component.log_probability.map(|p| p - 0.1);
    }
    assert_eq!(build([&forged], &[trial]).counts.unexplained, 1);
}

/// Trajectories of one decision with and without memory; without, success is rarer by `effect`, and tokens are fewer.
fn arms(trajectories: u32, none_share: f64, effect: f64, seed: u64) -> Vec<Logged> {
    let config = ExploreConfig {
        none_share,
        salt: seed,
        ..ExploreConfig::default()
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..trajectories)
        .map(|t| {
            let mut decision = logged(t, 0, &candidates(), &config, Signals::default());
            let without = decision.arm == "none";
            let p = if without { 0.6 - effect } else { 0.6 };
            decision.signals = Signals {
                success: Some(f64::from(u8::from(rng.random_bool(p)))),
                tokens: Some(if without { 100.0 } else { 150.0 } + rng.random_range(-20.0..20.0)),
                ..Signals::default()
            };
            decision
        })
        .collect()
}

fn memory(log: &[Logged]) -> Result<MemoryReport, ImpactError> {
    let mut builder = MemoryBuilder::default();
    for decision in log {
        builder.push(decision);
    }
    builder.finish(&ImpactConfig::default())
}

#[test]
fn the_arm_without_memory_tells_what_memory_is_worth() {
    let mut covered = 0;
    for seed in 0..60 {
        let report = memory(&arms(400, 0.2, 0.25, seed)).unwrap();
        assert_eq!(report.with + report.without, 400);
        let names: Vec<_> = report.effects.iter().map(|e| e.metric.as_str()).collect();
        assert_eq!(names, ["success", "tokens"]);
        let success = report.effects[0].effect.unwrap();
        covered += i32::from(success.low <= 0.25 && 0.25 <= success.high);
        let tokens = report.effects[1].effect.unwrap();
        assert!(
            (tokens.effect - 50.0).abs() < 8.0 && tokens.low > 0.0,
            "{tokens:?}"
        );
    }
    assert!((52..=60).contains(&covered), "{covered} of 60");
}

#[test]
fn an_arm_in_which_all_fared_the_same_is_not_certain() {
    // Nine of 486 with memory came to harm, and nobody of 48 without: chance alone does that in four of ten logs.
    let mut log = arms(534, 0.1, 0.0, 3);
    let mut with = 0;
    for decision in &mut log {
        let harmed = decision.arm != "none" && decision.step == 0 && {
            with += 1;
            with <= 9
        };
        decision.signals.unsafe_action = Some(harmed);
    }
    let report = memory(&log).unwrap();
    let harm = (report.effects.iter())
        .find(|e| e.metric == Metric::Unsafe)
        .unwrap();
    assert!(harm.mean_without == 0.0 && harm.mean_with > 0.0, "{harm:?}");
    let effect = harm.effect.unwrap();
    assert!(effect.low < 0.0 && effect.high > 0.03, "{effect:?}");
    // All succeeded in both arms: no difference was seen, and one is not ruled out.
    for decision in &mut log {
        decision.signals.success = Some(1.0);
    }
    let success = memory(&log).unwrap().effects[0].effect.unwrap();
    assert!(success.effect.abs() < 1e-12, "{success:?}");
    assert!(success.low < -0.01 && success.high > 0.01, "{success:?}");
}

#[test]
fn without_both_arms_it_says_what_to_switch_on() {
    for share in [0.0, 1.0] {
        let refused = memory(&arms(20, share, 0.0, 1)).unwrap_err();
        assert!(matches!(refused, ImpactError::NoControl { .. }));
        assert!(
            refused.to_string().contains("explore.none_share"),
            "{refused}"
        );
    }
}

#[test]
fn outcomes_that_one_arm_does_not_report_are_noticed() {
    let mut log = arms(600, 0.3, 0.0, 5);
    for decision in log
        .iter_mut()
        .filter(|d| d.arm == "none" && d.trajectory % 3 == 0)
    {
        decision.signals.success = None;
    }
    let report = memory(&log).unwrap();
    assert!(report.effects[0].reporting_p < 1e-6);
    assert_eq!(report.effects[1].reporting_p, 1.0);
}

/// How trials end whose cell has this effect, and after how many units.
fn ends(effect: f64, p: f64, config: TrialConfig, trials: u64) -> Vec<(TrialVerdict, u64, bool)> {
    (0..trials)
        .map(|seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut test = TrialTest::new(Metric::Success, config).unwrap();
            let mut covered = true;
            while test.report().verdict == TrialVerdict::Running {
                let shown = !rng.random_bool(p);
                let chance = if shown {
                    0.5 + effect / 2.0
                } else {
                    0.5 - effect / 2.0
                };
                test.push(shown, 1.0 - p, f64::from(u8::from(rng.random_bool(chance))))
                    .unwrap();
                let report = test.report();
                covered &= report.low <= effect && effect <= report.high;
            }
            let report = test.report();
            (report.verdict, report.shown + report.withheld, covered)
        })
        .collect()
}

#[test]
fn a_trial_stops_by_itself_and_is_seldom_wrong_however_often_it_is_looked_at() {
    let config = TrialConfig::default();
    let share = |ends: &[(TrialVerdict, u64, bool)], verdict| {
        ends.iter().filter(|(v, ..)| *v == verdict).count() as f64 / ends.len() as f64
    };
    let helps = ends(0.3, 0.4, config, 40);
    assert!(share(&helps, TrialVerdict::Helps) >= 0.95, "{helps:?}");
    let harms = ends(-0.3, 0.4, config, 40);
    assert!(share(&harms, TrialVerdict::Harms) >= 0.95);
    let idle = ends(
        0.0,
        0.5,
        TrialConfig {
            most: 4_000,
            ..config
        },
        40,
    );
    let wrong = share(&idle, TrialVerdict::Helps) + share(&idle, TrialVerdict::Harms);
    assert!(wrong <= 0.1, "{wrong}");
    assert!(share(&idle, TrialVerdict::TooSmall) >= 0.8, "{idle:?}");
    // The confidence sequence holds at all times at once.
    let all = helps.iter().chain(&harms).chain(&idle);
    let missed = all.filter(|(.., covered)| !covered).count();
    assert!(missed <= 6, "{missed} of 120");
    // It ends in the end.
    let short = TrialConfig { most: 10, ..config };
    assert!(
        ends(0.0, 0.5, short, 5)
            .iter()
            .all(|e| (e.0, e.1) == (TrialVerdict::Undecided, 10))
    );
}

#[test]
fn a_trial_of_a_metric_where_less_is_better_turns_the_verdict_round() {
    let mut test = TrialTest::new(Metric::Stale, TrialConfig::default()).unwrap();
    for i in 0..400 {
        // Stale whenever it is shown.
        let shown = i % 2 == 0;
        test.push(shown, 0.5, f64::from(u8::from(shown))).unwrap();
    }
    let report = test.report();
    assert_eq!(report.verdict, TrialVerdict::Harms);
    assert!(report.low > 0.0 && report.e_raises > 40.0 && report.shown + report.withheld < 400);
    assert!(TrialTest::new(Metric::Tokens, TrialConfig::default()).is_err());
    let mut test = TrialTest::new(Metric::Success, TrialConfig::default()).unwrap();
    assert!(test.push(true, 1.0, 0.5).is_err() && test.push(true, 0.5, f64::NAN).is_err());
}

#[test]
fn a_trial_counts_the_units_that_were_on_trial() {
    let trial = Trial {
        cell: cell_id(1),
        p: 0.5,
    };
    let config = ExploreConfig {
        trial: Some(trial),
        ..ExploreConfig::default()
    };
    let log: Vec<_> = (0..400)
        .map(|t| {
            let config = if t < 100 {
                ExploreConfig::default()
            } else {
                config
            };
            let mut decision = logged(t, 0, &candidates(), &config, Signals::default());
            let shown = decision.slate.contains(&1);
            decision.signals = success(f64::from(u8::from(shown)));
            decision
        })
        .collect();
    let report = TrialTest::run(
        &build(&log, &[trial]),
        trial.cell,
        0,
        TrialConfig::default(),
    )
    .unwrap();
    assert_eq!(report.verdict, TrialVerdict::Helps);
    assert!(report.shown + report.withheld < 100, "{report:?}");
    assert_eq!(report.effect, Some(1.0));
}
