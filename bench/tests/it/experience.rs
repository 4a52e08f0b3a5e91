//! The simulated agent with the real engine, at a size that a test can wait for.

use memrl::config::ValueConfig;
use memrl_bench::experience::Assumptions;
use memrl_bench::experience::world::World;
use memrl_bench::run::experience::{Arm, TaskResult, run_arm};
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

/// Mean probability of success after what was shown: the success without the luck of the task.
fn expected(results: &[TaskResult]) -> f64 {
    results.iter().map(|r| r.probability).sum::<f64>() / results.len() as f64
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

/// Five worlds: in some the effect is nil, so a single one would prove little. The
/// margins are about half of what these five have (0.030 and 0.019).
#[test]
fn experience_raises_success_against_learning_off() {
    let a = small();
    let (mut whole, mut second_half) = (0.0, 0.0);
    let seeds = 1..=5;
    for seed in seeds.clone() {
        let on = run(&Arm::learning(ValueConfig::default()), seed, &a);
        let off = run(&Arm::Off, seed, &a);
        let half = on.len() / 2;
        let gain = expected(&on) - expected(&off);
        assert!(gain > -0.02, "seed {seed} loses {gain}");
        whole += gain / seeds.clone().count() as f64;
        second_half +=
            (expected(&on[half..]) - expected(&off[half..])) / seeds.clone().count() as f64;
    }
    assert!(whole > 0.015, "{whole}");
    assert!(second_half > 0.01, "{second_half}");
}

#[test]
fn the_report_has_every_arm_and_every_seed() {
    let options = ExperienceOptions {
        assumptions: Assumptions {
            tasks: 10,
            ..small()
        },
        seeds: vec![1, 2],
        ..ExperienceOptions::default()
    };
    let mut last = None;
    let all = bench_experience(&options, &mut |p| last = Some(p)).unwrap();
    assert!(last.is_some_and(|p| p.done == p.total));
    let arms = Arm::all(&options.values);
    assert_eq!(all.runs.len(), 2 * arms.len());
    for arm in &arms {
        let shown = all.report.tables[0].get(&arm.label(), "success", "all tasks");
        let of_arm: Vec<f64> = all
            .runs
            .iter()
            .filter(|r| r.arm == arm.label())
            .map(|r| r.success)
            .collect();
        let mean = of_arm.iter().sum::<f64>() / 2.0;
        assert!((shown.unwrap().value - mean).abs() < 1e-12, "{arm:?}");
    }
    let off = Arm::Off.label();
    assert_eq!(
        all.report.tables[1].get(&off, "difference", "all tasks"),
        None
    );
    let json = serde_json::to_value(&all).unwrap();
    assert_eq!(json["benchmark"], "experience");
    assert_eq!(json["runs"].as_array().unwrap().len(), all.runs.len());
}
