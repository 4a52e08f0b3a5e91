//! Replays: history again, bit for bit.

use std::ops::ControlFlow;

use memrl::{LogQuery, ReplayRequest};

use super::{World, exploring};

fn replay(world: &World, policy: Option<&str>) -> (memrl::ReplayReport, Vec<bool>) {
    let mut same = Vec::new();
    let request = ReplayRequest {
        policy: policy.map(str::to_owned),
        log: LogQuery::default(),
    };
    let report = world
        .bed
        .memory
        .replay(&request, &mut |d| {
            same.push(d.same);
            ControlFlow::Continue(())
        })
        .unwrap();
    (report, same)
}

#[test]
fn the_policies_of_the_log_come_to_the_same_slates_again_bit_for_bit() {
    let mut config = exploring();
    config.explore.none_share = 0.1;
    config.explore.canary_share = 0.2;
    config.explore.canary_policy = "utility".into();
    let mut world = World::new(config, 1);
    world.tasks(120, "t");
    for policy in ["utility", "baseline_v0", "none"] {
        for i in 0..20 {
            world.task(&format!("{policy}{i}"), Some(policy));
        }
    }
    let (report, same) = replay(&world, None);
    assert_eq!((report.decisions, report.same), (180, 180), "{same:?}");
    assert_eq!((report.foreign, report.unknown), (0, 0));
}

#[test]
fn another_policy_changes_some_decisions_and_the_replay_names_them() {
    let mut world = World::new(exploring(), 2);
    world.tasks(60, "t");
    let (report, same) = replay(&world, Some("none"));
    assert_eq!(report.policy.as_deref(), Some("none@1"));
    assert!(report.same < 60 && report.removed > 0.5, "{report:?}");
    assert_eq!(same.iter().filter(|s| **s).count() as u64, report.same);
}
