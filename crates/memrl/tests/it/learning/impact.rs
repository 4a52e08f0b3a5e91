//! "Did this memory help?", asked of a log whose truth is known.

use memrl::learn::impact::Metric;
use memrl::learn::impact::trial::TrialVerdict;
use memrl::{Code, Config, ImpactAnswer, ImpactOf, ImpactRequest};

use super::World;

fn holding_out(epsilon: f64, none_share: f64) -> Config {
    let mut config = Config::default();
    config.explore.epsilon = epsilon;
    config.explore.none_share = none_share;
    config
}

fn ask(of: ImpactOf) -> ImpactRequest {
    ImpactRequest {
        of,
        ..ImpactRequest::default()
    }
}

#[test]
fn showing_what_helps_has_an_effect_and_showing_the_rest_has_none() {
    let mut world = World::new(holding_out(0.3, 0.0), 3);
    world.most = 4;
    world.tasks(400, "t");
    let answer = world.bed.memory.impact(&ask(ImpactOf::Type)).unwrap();
    let ImpactAnswer::Group { groups, counts, .. } = answer else {
        panic!("asked for groups");
    };
    assert_eq!(counts.trajectories, 400);
    let of = |name: &str| groups.iter().find(|g| g.name == name).unwrap();
    let effect = |name: &str| of(name).effect.unwrap();
    // 0.9 with the procedure, 0.2 without; the freed space is not refilled.
    let helps = effect("procedure");
    assert!(helps.low > 0.3 && helps.high < 1.1, "{helps:?}");
    let rest = effect("fact");
    assert!(rest.low < 0.02 && rest.high > -0.02, "{rest:?}");
}

#[test]
fn memory_at_all_is_compared_with_the_arm_that_has_none() {
    let mut world = World::new(holding_out(0.0, 0.4), 4);
    world.most = 4;
    let refused = world.bed.memory.impact(&ask(ImpactOf::Memory)).unwrap_err();
    assert_eq!(refused.code(), Code::TooLittleData);
    world.tasks(400, "t");
    let ImpactAnswer::Memory { report } = world.bed.memory.impact(&ask(ImpactOf::Memory)).unwrap()
    else {
        panic!("asked for memory");
    };
    assert_eq!(report.with + report.without, 400);
    let success = report.effects.iter().find(|e| e.metric == Metric::Success);
    let effect = success.unwrap().effect.unwrap();
    assert!(effect.low > 0.0, "{effect:?}");
}

#[test]
fn without_anything_withheld_the_answer_says_what_to_switch_on() {
    let mut world = World::new(holding_out(0.0, 0.0), 5);
    world.tasks(20, "t");
    let refused = world.bed.memory.impact(&ask(ImpactOf::Cell)).unwrap_err();
    assert_eq!(refused.code(), Code::TooLittleData);
    assert!(refused.to_string().contains("explore.epsilon"), "{refused}");
}

#[test]
fn a_trial_whose_outcomes_never_come_ends_all_the_same() {
    let mut world = World::new(holding_out(0.02, 0.0), 6);
    world.most = 4;
    world.silent = 1.0;
    let cell = world.helpful[0].to_string();
    let memory = &world.bed.memory;
    memory.trial_start(&cell, Some(0.5), Some(20)).unwrap();
    // About one task in twelve wants it.
    world.tasks(400, "silent");
    let view = world.bed.memory.trial_check().unwrap().unwrap();
    assert_eq!(
        (view.over, view.report.verdict),
        (false, TrialVerdict::Running),
        "an outcome may come within a day"
    );
    world.bed.clock.advance_days(1.1);
    let view = world.bed.memory.trial_check().unwrap().unwrap();
    assert_eq!(
        (view.over, view.report.verdict),
        (true, TrialVerdict::Undecided)
    );
    assert_eq!((view.report.shown, view.report.withheld), (0, 0));
    assert_eq!(view.report.silent, 20);
    assert!(
        view.summary.contains("20 without an outcome"),
        "{}",
        view.summary
    );
    assert!(world.bed.memory.trial_check().unwrap().is_none());
}

#[test]
fn a_trial_of_one_cell_ends_by_itself_when_it_knows() {
    let mut world = World::new(holding_out(0.02, 0.0), 6);
    world.most = 4;
    world.tasks(5, "before");
    let cell = world.helpful[0].to_string();
    let started = world
        .bed
        .memory
        .trial_start(&cell, Some(0.5), Some(2_000))
        .unwrap();
    assert!(!started.over);
    let again = world.bed.memory.trial_start(&cell, None, None).unwrap_err();
    assert_eq!(again.code(), Code::Conflict);
    let mut end = None;
    for round in 0..40 {
        world.tasks(60, &format!("r{round}-"));
        let view = world.bed.memory.trial_check().unwrap().unwrap();
        if view.over {
            end = Some(view);
            break;
        }
    }
    let end = end.unwrap();
    assert_eq!(end.report.verdict, TrialVerdict::Helps, "{}", end.summary);
    assert!(world.bed.memory.trial_check().unwrap().is_none());
    // The probabilities of that time are still explained: no decision is left out of other questions.
    let answer = world.bed.memory.impact(&ask(ImpactOf::All)).unwrap();
    let ImpactAnswer::Group { counts, .. } = answer else {
        panic!("asked for a group");
    };
    assert_eq!(counts.unexplained, 0);
}
