//! Training on one's own log.

use std::ops::ControlFlow;

use memrl::{Algo, Code, LogQuery, TrainRequest};

use super::{World, exploring, on};

fn request(algo: Algo) -> TrainRequest {
    TrainRequest {
        algo,
        ..TrainRequest::default()
    }
}

#[test]
fn what_helped_is_learned_from_success_alone() {
    let mut world = World::new(exploring(), 11);
    let before = world.tasks(700, "t");
    let report = world
        .bed
        .memory
        .train(&request(Algo::Credit), &mut on)
        .unwrap();
    assert_eq!(report.policy, "credit@1");
    assert!(
        report.counts.decisions > 300 && report.kept > 150,
        "{report:?}"
    );
    let top: Vec<&str> = report
        .importance
        .iter()
        .take(5)
        .map(|(n, _)| n.as_str())
        .collect();
    assert!(
        top.iter()
            .any(|n| n.starts_with("type_") || n.contains("token")),
        "{top:?}"
    );
    // Whoever asks for it by name gets what helps nearly always.
    let shown = (0..100)
        .filter(|i| world.task(&format!("after{i}"), Some("credit")))
        .count() as f64
        / 100.0;
    assert!(shown > before + 0.2, "{before} → {shown}");
}

#[test]
fn who_wants_the_budget_filled_gets_the_same_order_without_a_stop() {
    let mut world = World::new(exploring(), 11);
    world.tasks(400, "t");
    let memory = &world.bed.memory;
    let own = memory.train(&request(Algo::Bc), &mut on).unwrap();
    let request = TrainRequest {
        fill_budget: true,
        ..request(Algo::Bc)
    };
    let filled = memory.train(&request, &mut on).unwrap();
    assert!(own.stop.is_some(), "{own:?}");
    let diff = memory.policy_diff("bc@1", "bc@2", 5).unwrap();
    assert_eq!(diff.stop, (own.stop, None), "what differs is said");
    assert_eq!(filled.stop, None);
    assert_eq!(own.importance, filled.importance);
}

#[test]
fn the_same_log_and_seed_give_the_same_policy_and_a_new_version() {
    let mut world = World::new(exploring(), 12);
    world.tasks(150, "t");
    let memory = &world.bed.memory;
    let a = memory.train(&request(Algo::Credit), &mut on).unwrap();
    let b = memory.train(&request(Algo::Credit), &mut on).unwrap();
    assert_eq!(
        (a.policy.as_str(), b.policy.as_str()),
        ("credit@1", "credit@2")
    );
    assert_eq!((a.metrics, a.importance), (b.metrics, b.importance));
    let diff = memory.policy_diff("credit@1", "credit@2", 100).unwrap();
    assert!(diff.decisions == 100 && diff.same_slate > 0.999_999 && diff.weights.is_empty());
}

#[test]
fn a_stopped_training_goes_on_as_if_it_had_not_been_stopped() {
    let mut world = World::new(exploring(), 13);
    world.tasks(150, "t");
    let memory = &world.bed.memory;
    let whole = memory.train(&request(Algo::Bc), &mut on).unwrap();
    let mut told = 0;
    let stopped = memory
        .train(&request(Algo::Bc), &mut |_| {
            told += 1;
            if told > 4 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap_err();
    assert_eq!(stopped.code(), Code::Stopped);
    let resume = TrainRequest {
        resume: true,
        ..request(Algo::Bc)
    };
    let resumed = memory.train(&resume, &mut on).unwrap();
    assert!(resumed.resumed);
    assert_eq!(
        (whole.metrics, whole.importance),
        (resumed.metrics, resumed.importance)
    );
    let diff = memory.policy_diff("bc@1", "bc@2", 50).unwrap();
    assert!(diff.weights.is_empty(), "{diff:?}");
}

#[test]
fn every_trainer_learns_from_the_log() {
    let mut world = World::new(exploring(), 14);
    world.tasks(300, "t");
    for algo in Algo::ALL {
        let mut request = request(algo);
        let mut config = algo.config();
        config.epochs = config.epochs.min(5);
        request.config = Some(config);
        let report = world.bed.memory.train(&request, &mut on).unwrap();
        assert_eq!(report.policy, format!("{}@1", algo.as_str()));
        assert_eq!(report.learned_from[0].0, "similarity@1");
        world.task(&format!("uses {}", algo.as_str()), Some(algo.as_str()));
    }
}

#[test]
fn a_part_of_the_log_can_be_chosen() {
    let mut world = World::new(exploring(), 15);
    world.tasks(100, "t");
    let mut wanted = request(Algo::Credit);
    wanted.log = LogQuery {
        limit: Some(60),
        ..LogQuery::default()
    };
    let report = world.bed.memory.train(&wanted, &mut on).unwrap();
    assert_eq!(report.read + report.kept, 60);
}

#[test]
fn of_two_trainings_of_one_name_at_once_the_second_is_refused_and_the_first_ends_well() {
    let mut world = World::new(exploring(), 11);
    world.tasks(300, "t");
    let memory = &world.bed.memory;
    let mut second = None;
    let first = memory.train(&request(Algo::Bc), &mut |_| {
        second.get_or_insert_with(|| memory.train(&request(Algo::Bc), &mut on));
        ControlFlow::Continue(())
    });
    let refused = second.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::Conflict);
    assert!(refused.to_string().contains("a training of bc is running"));
    assert!(refused.hint().contains("--name"), "{}", refused.hint());
    assert_eq!(first.unwrap().policy, "bc@1");
    let after = memory.train(&request(Algo::Bc), &mut on).unwrap();
    assert_eq!(after.policy, "bc@2", "the lock is given up");
}

#[test]
fn a_rule_has_no_file_and_a_shadow_says_how_it_is_given_up() {
    let mut world = World::new(exploring(), 11);
    world.tasks(200, "t");
    let memory = &world.bed.memory;
    let refused = memory.policy_export("similarity").unwrap_err();
    let words = "is built in and has no file";
    assert!(refused.to_string().contains(words), "{refused}");
    memory.train(&request(Algo::Bc), &mut on).unwrap();
    memory.policy_shadow(Some("bc")).unwrap();
    let refused = memory.policy_delete("bc").unwrap_err();
    assert_eq!(refused.code(), Code::Conflict);
    let words = "memrl policy shadow --off";
    assert!(refused.to_string().contains(words), "{refused}");
    assert!(!refused.hint().contains("the cell"), "{}", refused.hint());
}
