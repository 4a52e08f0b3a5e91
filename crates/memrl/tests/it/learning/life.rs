//! A policy's way into service and out of it.

use std::ops::ControlFlow;

use memrl::{Algo, Code, EvaluateRequest, EventKind, EventQuery, TrainRequest};

use super::{World, exploring, on};

fn evaluate(world: &World, policy: &str) -> memrl::Result<memrl::EvaluateReport> {
    let request = EvaluateRequest {
        policy: policy.to_owned(),
        ..EvaluateRequest::default()
    };
    let memory = &world.bed.memory;
    memory.evaluate(&request, &mut |_| ControlFlow::Continue(()))
}

fn actions(world: &World) -> Vec<String> {
    let query = EventQuery {
        event_type: Some(EventKind::PolicyAction),
        ..EventQuery::default()
    };
    let events = world.bed.memory.events(&query).unwrap();
    let name = |e: &memrl::Event| e.payload["action"].as_str().unwrap().to_owned();
    let mut actions: Vec<String> = events.iter().map(name).collect();
    actions.reverse();
    actions
}

#[test]
fn log_train_evaluate_try_promote_and_every_step_is_an_event() {
    let mut config = exploring();
    config.explore.temperature = 2.0;
    config.explore.sampled_share = 0.9;
    let mut world = World::new(config, 21);
    // One of four: few enough actions that a log of this size has seen what another policy would do.
    (world.most, world.pool) = (1, 4);
    world.tasks(900, "t");
    let request = TrainRequest {
        algo: Algo::Credit,
        keep: 0.6,
        ..TrainRequest::default()
    };
    world.bed.memory.train(&request, &mut on).unwrap();
    let report = evaluate(&world, "credit").unwrap();
    assert!(report.trained_on > 250 && report.model > 0, "{report:?}");
    assert!(
        report.report.difference.estimate.value > 0.1,
        "{}",
        report.report.sentence
    );
    // Without the proof of a trial nobody is promoted.
    let refused = world.bed.memory.policy_promote("credit", None).unwrap_err();
    assert_eq!(refused.code(), Code::NotProven);
    let step = world
        .bed
        .memory
        .policy_canary("credit", Some(0.5), false, None)
        .unwrap();
    assert_eq!(step.roles.canary.unwrap().policy, "credit@1");
    let mut promoted = false;
    for round in 0..60 {
        world.tasks(50, &format!("r{round}-"));
        // Looked at often: that changes nothing about what it takes.
        let look = world.bed.memory.policy_check().unwrap();
        if look.done.iter().any(|s| s.action == "promote") {
            promoted = true;
            break;
        }
    }
    assert!(promoted, "{:?}", world.bed.memory.policy_check().unwrap());
    let roles = world.bed.memory.roles().unwrap();
    assert_eq!(roles.incumbent.as_deref(), Some("credit@1"));
    assert!((roles.control.as_ref().unwrap().share - 0.05).abs() < 1e-12);
    assert!(roles.canary.is_none());
    let shown = world.tasks(200, "after");
    assert!(shown > 0.6, "{shown}");
    let step = world
        .bed
        .memory
        .policy_rollback("because a test says so")
        .unwrap();
    assert_eq!((step.roles.incumbent, step.roles.control), (None, None));
    assert_eq!(actions(&world), ["train", "canary", "promote", "rollback"]);
}

/// The policy in charge, evaluated on its own log: every estimator says what the log earned, and there is no difference.
#[test]
fn the_policy_that_logged_is_worth_what_the_log_earned() {
    let mut world = World::new(exploring(), 26);
    world.tasks(600, "t");
    let report = evaluate(&world, "similarity").unwrap();
    assert!(report.model > 0, "{report:?}");
    let r = &report.report;
    assert!((r.coverage - 1.0).abs() < 1e-6 && (r.max_weight - 1.0).abs() < 1e-6);
    for line in r.estimates.iter().filter(|l| l.denominator == "logged") {
        let exact = line.estimator.contains("ips");
        let within = if exact { 1e-6 } else { 0.02 };
        let off = (line.value - r.log.value).abs();
        assert!(off < within, "{} is off by {off}", line.estimator);
    }
    let d = &r.difference;
    assert!(d.estimate.value.abs() < 1e-6 && !d.disagree, "{d:?}");
    assert!(d.doubly_robust.unwrap().value.abs() < 0.02, "{d:?}");
    assert_eq!(r.verdict.name(), "not_shown", "{}", r.sentence);
}

#[test]
fn a_promotion_without_proof_takes_a_reason_that_is_logged() {
    let world = World::new(exploring(), 22);
    let memory = &world.bed.memory;
    let refused = memory.policy_promote("utility", None).unwrap_err();
    assert_eq!(refused.code(), Code::NotProven);
    let step = memory
        .policy_promote("utility", Some("an experiment"))
        .unwrap();
    assert_eq!(step.roles.incumbent.as_deref(), Some("utility@2"));
    let query = EventQuery {
        event_type: Some(EventKind::PolicyAction),
        ..EventQuery::default()
    };
    let events = memory.events(&query).unwrap();
    assert_eq!(events[0].payload["forced"], "an experiment");
}

#[test]
fn a_promoted_policy_that_is_worse_is_rolled_back_by_itself() {
    let mut world = World::new(exploring(), 23);
    // Nothing but critical cells: much worse.
    world
        .bed
        .memory
        .policy_promote("none", Some("to see it fail"))
        .unwrap();
    let mut back = false;
    for round in 0..120 {
        world.tasks(50, &format!("r{round}-"));
        let look = world.bed.memory.policy_check().unwrap();
        if look.done.iter().any(|s| s.action == "rollback") {
            back = true;
            break;
        }
    }
    assert!(back);
    assert_eq!(world.bed.memory.roles().unwrap().incumbent, None);
}

#[test]
fn a_shadow_says_what_it_would_have_shown_and_shows_nothing() {
    let mut world = World::new(exploring(), 24);
    world.bed.memory.policy_shadow(Some("none")).unwrap();
    let shown = world.tasks(40, "t");
    assert!(shown > 0.1);
    let last = world.bed.memory.decision_id("last").unwrap();
    let why = world.bed.memory.why(&last.to_string()).unwrap();
    let shadow = &why.decision.state["shadow"];
    assert_eq!(shadow["policy"], "none@1");
    assert_eq!(shadow["slate"].as_array().unwrap().len(), 0);
    world.bed.memory.policy_shadow(None).unwrap();
    assert!(world.bed.memory.policy_shadow(None).is_err());
}

#[test]
fn a_policy_in_use_cannot_be_deleted() {
    let mut world = World::new(exploring(), 25);
    world.tasks(120, "t");
    let memory = &world.bed.memory;
    memory.train(&TrainRequest::default(), &mut on).unwrap();
    memory.policy_promote("credit", Some("test")).unwrap();
    assert_eq!(
        memory.policy_delete("credit").unwrap_err().code(),
        Code::Conflict
    );
    memory.policy_rollback("test").unwrap();
    assert_eq!(memory.policy_delete("credit").unwrap(), "credit@1");
    assert_eq!(
        memory.policy_view("credit").unwrap_err().code(),
        Code::PolicyNotFound
    );
}

#[test]
fn a_trial_begins_anew_when_its_opponent_changes() {
    let world = World::new(exploring(), 26);
    let memory = &world.bed.memory;
    memory.policy_promote("none", Some("test")).unwrap();
    memory
        .policy_canary("utility", Some(0.2), false, Some("test"))
        .unwrap();
    let began = memory.roles().unwrap().canary.unwrap().since;
    world.bed.clock.advance_days(1.0);
    memory.policy_rollback("test").unwrap();
    assert!(memory.roles().unwrap().canary.unwrap().since > began);
}

#[test]
fn a_watch_can_be_ended() {
    let world = World::new(exploring(), 27);
    let memory = &world.bed.memory;
    memory.policy_promote("utility", Some("test")).unwrap();
    let step = memory.policy_stop("long enough").unwrap();
    assert_eq!(step.action, "stop_watch");
    assert_eq!(step.roles.incumbent.as_deref(), Some("utility@2"));
    assert!(step.roles.control.is_none());
    assert_eq!(
        memory.policy_stop("again").unwrap_err().code(),
        Code::Conflict
    );
}

#[test]
fn with_shuffled_outcomes_nothing_gets_through() {
    // Success is a coin: no policy is better than any other.
    let (mut through, mut answered) = (0, 0);
    for seed in 0..3 {
        let mut config = exploring();
        config.explore.temperature = 2.0;
        config.explore.sampled_share = 0.9;
        let mut world = World::new(config, 100 + seed);
        world.deaf = true;
        (world.most, world.pool) = (1, 4);
        world.tasks(400, "t");
        let request = TrainRequest {
            keep: 0.6,
            ..TrainRequest::default()
        };
        world.bed.memory.train(&request, &mut on).unwrap();
        if let Ok(report) = evaluate(&world, "credit") {
            answered += 1;
            let better = report.report.verdict == memrl::learn::ope::evaluate::Verdict::Better;
            through += usize::from(better);
        }
    }
    assert!(answered > 0);
    assert_eq!(through, 0);
}
