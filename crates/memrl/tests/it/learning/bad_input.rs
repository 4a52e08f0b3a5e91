//! What the learning loop says to logs and files that it cannot use.

use std::ops::ControlFlow;

use memrl::{Code, EvaluateRequest, Outcome, TrainRequest};

use super::{World, exploring, on};
use crate::support::quiet;

fn evaluate(world: &World, policy: &str) -> memrl::Error {
    let request = EvaluateRequest {
        policy: policy.to_owned(),
        ..EvaluateRequest::default()
    };
    let memory = &world.bed.memory;
    memory
        .evaluate(&request, &mut |_| ControlFlow::Continue(()))
        .unwrap_err()
}

#[test]
fn an_evaluation_stops_while_its_reward_model_is_fitted() {
    let mut world = World::new(exploring(), 30);
    world.tasks(60, "t");
    let request = EvaluateRequest {
        policy: "utility".to_owned(),
        ..EvaluateRequest::default()
    };
    let mut told = Vec::new();
    let stopped = world.bed.memory.evaluate(&request, &mut |read| {
        told.push(read);
        ControlFlow::Break(())
    });
    assert_eq!(stopped.unwrap_err().code(), Code::Stopped);
    assert_eq!(told, [0], "nothing was judged before");
}

#[test]
fn an_empty_log_and_one_of_three_rows_say_what_is_missing() {
    let mut world = World::new(exploring(), 31);
    for _ in 0..2 {
        let refused = world
            .bed
            .memory
            .train(&TrainRequest::default(), &mut on)
            .unwrap_err();
        assert_eq!(refused.code(), Code::TooLittleData, "{refused}");
        assert_eq!(evaluate(&world, "utility").code(), Code::TooLittleData);
        world.tasks(3, "t");
    }
}

#[test]
fn a_log_of_one_action_only_cannot_speak_for_another_policy() {
    let mut world = World::new(quiet(), 32);
    world.tasks(120, "t");
    let refused = evaluate(&world, "utility");
    assert_eq!(refused.code(), Code::TooLittleData);
    assert!(refused.to_string().contains("sampled_share"), "{refused}");
    // A refusal says nothing of the policy, so it does not make the next verdict harder.
    assert!(world.bed.memory.roles().unwrap().judged.is_empty());
}

#[test]
fn nearly_all_outcomes_missing_is_said_and_not_glossed_over() {
    let mut world = World::new(exploring(), 33);
    world.silent = 0.9;
    world.tasks(300, "t");
    let refused = evaluate(&world, "utility");
    assert_eq!(refused.code(), Code::TooLittleData);
    assert!(refused.to_string().contains("no outcome"), "{refused}");
    let report = world.bed.memory.train(&TrainRequest::default(), &mut on);
    match report {
        Ok(report) => assert!(report.without_outcome > 100, "{report:?}"),
        Err(e) => assert_eq!(e.code(), Code::TooLittleData, "{e}"),
    }
}

#[test]
fn a_reward_that_is_no_number_never_enters_the_log() {
    let mut world = World::new(exploring(), 34);
    world.tasks(1, "t");
    let last = world.bed.memory.decision_id("last").unwrap();
    let outcome = Outcome {
        success: Some(f64::NAN),
        ..Outcome::default()
    };
    let refused = world.bed.memory.feedback(last, &outcome).unwrap_err();
    assert_eq!(refused.code(), Code::NotFinite);
}

#[test]
fn a_policy_is_not_judged_on_what_it_was_trained_on() {
    let mut world = World::new(exploring(), 35);
    world.tasks(200, "t");
    let everything = TrainRequest {
        keep: 0.0,
        ..TrainRequest::default()
    };
    world.bed.memory.train(&everything, &mut on).unwrap();
    let refused = evaluate(&world, "credit");
    assert_eq!(refused.code(), Code::TooLittleData);
    assert!(refused.to_string().contains("used to train"), "{refused}");
}

#[test]
fn a_policy_trained_during_its_own_trial_is_not_promoted_by_it() {
    let mut world = World::new(exploring(), 36);
    let before = world.bed.clock_now();
    world.tasks(200, "t");
    let memory = &world.bed.memory;
    memory.train(&TrainRequest::default(), &mut on).unwrap();
    // The trial began before what the policy was trained on.
    world.bed.clock.set(before);
    memory
        .policy_canary("credit", Some(0.5), true, Some("test"))
        .unwrap();
    let refused = memory.policy_promote("credit", None).unwrap_err();
    assert_eq!(refused.code(), Code::NotProven, "{refused}");
    assert!(refused.to_string().contains("its own trial"), "{refused}");
}

#[test]
fn a_damaged_promoted_policy_or_damaged_roles_keep_nobody_from_remembering() {
    use memrl::store::Store as _;

    let mut world = World::new(exploring(), 38);
    world.tasks(120, "t");
    let memory = &world.bed.memory;
    memory.train(&TrainRequest::default(), &mut on).unwrap();
    memory.policy_promote("credit", Some("test")).unwrap();
    let store = memrl::store::SqliteStore::open(world.bed.dir.path()).unwrap();
    store.set_meta("policy/credit@1", b"garbage").unwrap();
    // Another process: this one has read the policy already.
    let other = crate::support::open(world.bed.dir.path(), &world.bed.clock, exploring(), 8);
    let recall = || {
        let request = memrl::RecallRequest::new("billing trouble", crate::support::ann());
        other.recall(&request).unwrap()
    };
    let answer = recall();
    assert_eq!(answer.policy, "similarity@1");
    let warned = answer.warnings.iter().any(|w| w.contains("credit@1"));
    assert!(warned, "{:?}", answer.warnings);
    store.set_meta("policy_roles", b"garbage").unwrap();
    assert_eq!(recall().policy, "similarity@1");
    other.maintain().unwrap();
}

#[test]
fn a_number_of_a_version_is_never_used_again() {
    let mut world = World::new(exploring(), 39);
    world.tasks(120, "t");
    let memory = &world.bed.memory;
    memory.train(&TrainRequest::default(), &mut on).unwrap();
    assert_eq!(memory.policy_delete("credit").unwrap(), "credit@1");
    let again = memory.train(&TrainRequest::default(), &mut on).unwrap();
    assert_eq!(again.policy, "credit@2");
    assert_eq!(
        memory.policy_view("credit@1").unwrap_err().code(),
        Code::PolicyNotFound
    );
}

#[test]
fn a_part_of_the_log_that_one_policy_made_is_no_ground_for_a_comparison() {
    let mut world = World::new(exploring(), 40);
    world.tasks(60, "t");
    let mut request = EvaluateRequest {
        policy: "utility".to_owned(),
        ..EvaluateRequest::default()
    };
    request.log.policy = Some("similarity@1".to_owned());
    let refused = world
        .bed
        .memory
        .evaluate(&request, &mut |_| ControlFlow::Continue(()))
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidInput);
}

#[test]
fn damaged_foreign_and_newer_policy_files_are_refused() {
    let mut world = World::new(exploring(), 37);
    world.tasks(120, "t");
    let memory = &world.bed.memory;
    memory.train(&TrainRequest::default(), &mut on).unwrap();
    let bytes = memory.policy_export("credit").unwrap();
    assert_eq!(
        memory.policy_import(&bytes, Some("copy")).unwrap(),
        "copy@1"
    );
    for cut in [0, 7, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        let refused = memory.policy_import(&bytes[..cut], None).unwrap_err();
        assert_eq!(refused.code(), Code::BadPolicyFile, "{cut}: {refused}");
    }
    let newer = String::from_utf8_lossy(&bytes).contains("format_version");
    assert!(newer);
    let at = bytes
        .windows(16)
        .position(|w| w == b"format_version\\\"")
        .unwrap();
    let mut newer = bytes.clone();
    let digit = (at..newer.len())
        .find(|&i| newer[i].is_ascii_digit())
        .unwrap();
    newer[digit] = b'9';
    let refused = memory.policy_import(&newer, None).unwrap_err();
    assert_eq!(refused.code(), Code::BadPolicyFile);
    assert!(refused.to_string().contains("update memrl"), "{refused}");
    for name in ["", "similarity", "Big", "a b", &"x".repeat(65)] {
        let refused = memory.policy_import(&bytes, Some(name)).unwrap_err();
        assert_eq!(refused.code(), Code::InvalidInput, "{name}");
    }
}
