//! The contest of policies, at a size that a test can wait for, and logs of it.

use memrl::learn::policy::Similarity;
use memrl_bench::run::{PoliciesOptions, bench_policies};
use memrl_bench::work::log::{Feedback, LogOptions, log};
use memrl_bench::work::{Simulated, World, params};
use memrl_types::ExploreMode;

fn tiny() -> PoliciesOptions {
    PoliciesOptions {
        scenes: 16,
        seeds: vec![1, 2],
        budgets: vec![256, 512],
        trainers: vec!["rules".to_owned()],
        ..PoliciesOptions::default()
    }
}

#[test]
fn the_contest_has_every_workload_policy_and_budget_and_ends_at_the_ceilings() {
    let mut told = Vec::new();
    let all = bench_policies(&tiny(), &mut |p| told.push(p)).unwrap();
    let last = told.last().unwrap();
    assert!(last.done == last.total && last.total == 8);
    // Each run is told of before it is done: nobody waits for minutes without a word.
    let first = told
        .iter()
        .find(|p| p.stage == last.stage && !p.note.is_empty());
    let first = first.unwrap();
    assert_eq!(
        (first.done, first.note.as_str()),
        (0, "run 1 of 8: coding, seed 1")
    );
    let third = told.iter().position(|p| p.note.starts_with("run 3 of 8: "));
    assert_eq!(told[third.unwrap()].done, 2);
    assert_eq!(all.report.tables.len(), 5);
    for p in params::all() {
        let title = format!("tested on {}, trained on others", p.name);
        let table = all.report.tables.iter().find(|t| t.title == title).unwrap();
        for budget in ["256 tokens", "512 tokens"] {
            let reward = |row: &str| table.get(row, "reward (bounded_v1)", budget).unwrap().value;
            let (oracle, bayes) = (reward("oracle"), reward("Bayes-optimal"));
            assert!(oracle >= bayes, "{}", p.name);
            for row in &table.rows {
                assert!(oracle >= reward(&row.label), "{}: {}", p.name, row.label);
                let tokens = table.get(&row.label, "tokens", budget).unwrap().value;
                assert!(tokens <= budget[..3].parse().unwrap());
            }
            for rule in ["none", "baseline_v0", "similarity", "utility, tuned weight"] {
                assert!(bayes > reward(rule), "{}: {rule}", p.name);
            }
        }
    }
    let way = all.report.tables.last().unwrap();
    let bayes = way.get("Bayes-optimal", "coding", "256 tokens").unwrap();
    assert!((bayes.value - 1.0).abs() < 1e-9);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let one = bench_policies(&tiny(), &mut |_| {}).unwrap();
    let options = PoliciesOptions {
        threads: 3,
        ..tiny()
    };
    assert_eq!(
        one.runs,
        bench_policies(&options, &mut |_| {}).unwrap().runs
    );
}

#[test]
fn unknown_workloads_and_trainers_are_refused_by_name() {
    for (workloads, trainers, named) in [
        (vec!["cooking".to_owned()], vec![], "coding, support"),
        (vec![], vec!["magic".to_owned()], "magic"),
    ] {
        let options = PoliciesOptions {
            workloads,
            trainers,
            ..tiny()
        };
        let said = bench_policies(&options, &mut |_| {})
            .unwrap_err()
            .to_string();
        assert!(said.contains(named), "{said}");
    }
}

fn logged(feedback: Feedback) -> memrl::learn::data::Dataset {
    let world = Simulated::new(&memrl_bench::work::support::PARAMS, 2, 150);
    let scenes: Vec<_> = world.scenes().iter().collect();
    let options = LogOptions {
        feedback,
        ..LogOptions::default()
    };
    log(&world, &scenes, &Similarity, &options).unwrap()
}

#[test]
fn a_log_is_complete_shares_outcomes_and_has_exact_propensities() {
    let data = logged(Feedback::Citations);
    assert_eq!(data.decisions.len(), 150);
    let width = data.schema.width();
    let mut drawn = 0;
    for d in &data.decisions {
        assert_eq!(d.features.len(), d.items.len() * width);
        assert!(d.propensity.log_joint.is_finite() && d.propensity.log_joint <= 0.0);
        assert!(d.reward.is_some_and(|r| (0.0..=1.0).contains(&r)));
        drawn += usize::from(d.mode == ExploreMode::PlackettLuce);
        let same = data
            .decisions
            .iter()
            .filter(|o| o.trajectory == d.trajectory);
        for other in same {
            assert_eq!(other.signals.success, d.signals.success);
            assert_eq!(other.context.budget_tokens, d.context.budget_tokens);
        }
        // Only what was shown is labelled.
        for (i, item) in d.items.iter().enumerate() {
            assert!(item.label.is_none() || d.shown().contains(&i));
        }
    }
    assert!((45..105).contains(&drawn), "{drawn}");
}

/// What is drawn agrees with what is published: success in the log is as frequent as its slates make it.
#[test]
fn logged_outcomes_have_the_expected_reward_of_the_logging_policy() {
    let world = Simulated::new(&memrl_bench::work::coding::PARAMS, 3, 2000);
    let scenes: Vec<_> = world.scenes().iter().collect();
    let options = LogOptions {
        budgets: Vec::new(),
        ..LogOptions::default()
    };
    let data = log(&world, &scenes, &Similarity, &options).unwrap();
    let (mut said, mut expected) = (0.0, 0.0);
    for (d, scene) in data.decisions.iter().zip(world.scenes()) {
        said += d.signals.success.unwrap() / 2000.0;
        expected += world.expected(scene, &d.shown()).success / 2000.0;
    }
    // Trajectories of four decisions: about five hundred coins.
    assert!((said - expected).abs() < 0.08, "{said} {expected}");
}

#[test]
fn citations_are_as_exact_as_asked() {
    let count = |feedback| {
        let (mut ones, mut all) = (0.0, 0.0);
        for d in logged(feedback).decisions {
            for label in d.items.iter().filter_map(|i| i.label) {
                ones += f64::from(label);
                all += 1.0;
            }
        }
        (ones, all)
    };
    assert_eq!(count(Feedback::Success), (0.0, 0.0));
    assert_eq!(count(Feedback::Shuffled), (0.0, 0.0));
    let (exact, noisy, gold) = (
        count(Feedback::Citations),
        count(Feedback::Noisy),
        count(Feedback::Gold),
    );
    assert!(exact.0 > 100.0 && noisy.0 > 100.0);
    // The truth is known of everything, also of what was not shown.
    assert!(gold.1 > 2.0 * exact.1 && gold.0 > exact.0);
}

#[test]
fn shuffled_outcomes_are_those_of_other_trajectories() {
    let (plain, shuffled) = (logged(Feedback::Success), logged(Feedback::Shuffled));
    let sum = |data: &memrl::learn::data::Dataset| {
        let mut by_trajectory = std::collections::BTreeMap::new();
        for d in &data.decisions {
            by_trajectory.insert(d.trajectory, d.signals.success.unwrap());
        }
        (by_trajectory.values().sum::<f64>(), by_trajectory)
    };
    let ((a, of_a), (b, of_b)) = (sum(&plain), sum(&shuffled));
    assert!((a - b).abs() < 1e-9);
    assert_ne!(of_a, of_b);
}

/// Every trainer makes a policy of a small log; nobody beats the oracle, and the budget holds.
#[test]
fn every_trainer_makes_a_policy_that_keeps_the_budget() {
    let options = PoliciesOptions {
        scenes: 60,
        seeds: vec![1],
        budgets: vec![256],
        workloads: vec!["support".to_owned()],
        trainers: Vec::new(),
        ..PoliciesOptions::default()
    };
    let all = bench_policies(&options, &mut |_| {}).unwrap();
    assert_eq!(all.failed, Vec::<String>::new());
    let table = &all.report.tables[0];
    let reward = |row: &str| {
        table
            .get(row, "reward (bounded_v1)", "256 tokens")
            .unwrap()
            .value
    };
    for learner in memrl_bench::run::policies::learners::LEARNERS {
        let tokens = table
            .get(learner.name, "tokens", "256 tokens")
            .unwrap()
            .value;
        assert!(tokens <= 256.0, "{}", learner.name);
        assert!(reward(learner.name) <= reward("oracle"), "{}", learner.name);
    }
    // With labels of everything even a small log says more than the search does.
    assert!(reward("supervised") > reward("similarity"));
}
