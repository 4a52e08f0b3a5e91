//! The simulated agent with the real engine, at a size that a test can wait for.

use memrl::config::ValueConfig;
use memrl_bench::experience::Assumptions;
use memrl_bench::experience::world::World;
use memrl_bench::run::experience::{Arm, SeedRun, TaskResult, run_arm};
use memrl_bench::run::{ExperienceOptions, bench_experience};

/// Two projects with five families each, which come back often.
fn small() -> Assumptions {
    Assumptions {
        projects: 2,
        families: 10,
        tasks: 150,
        days: 30.0,
        ..Assumptions::default()
    }
}

fn run(arm: &Arm, seed: u64, a: &Assumptions) -> Vec<TaskResult> {
    run_arm(arm, &World::new(seed, a), a, seed, None).unwrap().0
}

fn mean(runs: &[&SeedRun], f: impl Fn(&SeedRun) -> f64) -> f64 {
    runs.iter().map(|r| f(r)).sum::<f64>() / runs.len() as f64
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let a = Assumptions {
        tasks: 40,
        ..small()
    };
    let arm = Arm::learning(ValueConfig::default());
    assert_eq!(run(&arm, 1, &a), run(&arm, 1, &a));
    assert_ne!(run(&arm, 1, &a), run(&arm, 2, &a));
}

#[test]
fn without_memory_success_is_the_base_and_nobody_is_misled() {
    let a = small();
    for result in run(&Arm::NoMemory, 1, &a) {
        assert!((result.probability - a.base).abs() < 1e-12);
        assert!(!result.working_shown && !result.misled);
    }
}
