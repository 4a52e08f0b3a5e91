//! The demo and the recall benchmark on the shipped corpus.

use memrl::{Config, DecisionQuery, Memory, Options};
use memrl_bench::recall::{BUDGET_RECALL, RECALL, SUCCESS};
use memrl_bench::run::{
    DemoOptions, DemoReport, Progress, RecallOptions, RunError, bench_recall, demo, recall,
};

fn run(dir: &std::path::Path) -> DemoReport {
    let options = DemoOptions {
        budget_tokens: 256,
        ..DemoOptions::new(dir)
    };
    demo(&options, &mut |_| ()).unwrap()
}

#[test]
fn the_demo_logs_every_decision_with_its_outcome() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("demo");
    let mut stages: Vec<Progress> = Vec::new();
    let report = demo(&DemoOptions::new(&place), &mut |p| stages.push(p)).unwrap();
    assert!(stages.iter().all(|p| p.done <= p.total));
    assert!(stages.last().is_some_and(|p| p.done == p.total));
    assert_eq!(report.policies.len(), 4);
    let questions = report.policies[0].questions as u64;
    assert_eq!(report.decisions, 4 * questions);
    assert!(report.log.is_file());

    let memory = Memory::open_with(Options {
        config: Some(Config::default()),
        ..Options::new(&place)
    })
    .unwrap();
    let stats = memory.stats().unwrap();
    assert_eq!(
        (stats.decisions, stats.completed),
        (4 * questions, 4 * questions)
    );
    // The log says what the report says.
    for policy in &report.policies {
        let logged = stats
            .by_policy
            .iter()
            .find(|p| p.policy.split('@').next() == policy.policy.split('@').next())
            .unwrap();
        let success = logged.mean_success.unwrap();
        assert!((success - policy.success.value).abs() < 1e-9, "{logged:?}");
        assert!(policy.tokens <= 512.0);
    }
    for example in &report.examples {
        let why = memory.why(&example.decision).unwrap();
        assert_eq!(why.decision.query, example.question);
        let succeeded = why.outcome.unwrap().outcome.success;
        match example.kind.as_str() {
            "success" => assert_eq!(succeeded, Some(1.0)),
            "failure" => assert_eq!(succeeded, Some(0.0)),
            "hold-out" => assert!(why.items.iter().any(|i| i.item.held_out)),
            _ => {}
        }
    }
    assert_eq!(report.examples.len(), 3);
    let page = memory.decisions(&DecisionQuery::default()).unwrap();
    assert!(page.items.iter().all(|d| d.propensity.log_joint <= 0.0));
}

#[test]
fn any_memory_beats_none_and_the_same_seed_gives_the_same_demo() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("demo");
    let first = run(&place);
    let first_log = log(&place);
    let [similarity, utility, _, none] = first.policies.as_slice() else {
        panic!("four policies");
    };
    assert!(none.success.value < similarity.success.by_question.unwrap().low);
    assert!(none.success.value < utility.success.by_question.unwrap().low);
    assert!(none.evidence_recall.value.abs() < f64::EPSILON);
    // The directory of an earlier demo is replaced.
    let second = run(&place);
    let shown = |r: &DemoReport| {
        r.policies
            .iter()
            .map(|p| (p.success, p.evidence_recall, p.tokens.to_bits()))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(&first), shown(&second));
    assert_eq!(first.decisions, second.decisions);
    assert_eq!(first_log.len() as u64, first.decisions);
    let second_log = log(&place);
    let differs = first_log.iter().zip(&second_log).position(|(a, b)| a != b);
    assert_eq!(differs, None);
}

/// Everything that the log of a demo says of its decisions, except how long they took.
fn log(place: &std::path::Path) -> Vec<String> {
    let memory = Memory::open_with(Options {
        config: Some(Config::default()),
        ..Options::new(place)
    })
    .unwrap();
    let mut said = Vec::new();
    let mut query = DecisionQuery::default();
    loop {
        let page = memory.decisions(&query).unwrap();
        for mut d in page.items {
            d.latency_us = 0;
            let why = memory.why(&d.decision_id.to_string()).unwrap();
            said.push(format!("{d:?} {:?} {:?}", why.outcome, why.rewards));
        }
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            return said;
        }
    }
}

#[test]
fn a_directory_that_is_no_demo_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("diary.txt");
    std::fs::write(&file, "mine").unwrap();
    let refused = demo(&DemoOptions::new(dir.path()), &mut |_| ()).unwrap_err();
    assert!(matches!(refused, RunError::NotADemo(_)), "{refused}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "mine");
}

#[test]
fn the_recall_benchmark_has_every_table_and_decides_as_the_search_ranks() {
    let report = bench_recall(
        &RecallOptions {
            policies: vec!["similarity".to_owned(), "baseline_v0".to_owned()],
            ..RecallOptions::default()
        },
        &mut |_| (),
    )
    .unwrap();
    let table = |part: &str| {
        report
            .tables
            .iter()
            .find(|t| t.title.contains(part))
            .unwrap_or_else(|| panic!("no table {part}"))
    };
    let value =
        |part: &str, measure: &str, at: &str| table(part).get("all", measure, at).unwrap().value;
    for fusion in ["lexical", "dense", "rrf", "convex", "z-sum", "recall"] {
        let part = format!(", {fusion}:");
        assert!(value(&part, RECALL, "@1") <= value(&part, RECALL, "@50"));
    }
    for policy in ["similarity", "baseline_v0"] {
        for measure in [SUCCESS, BUDGET_RECALL] {
            let at = |budget| value(&format!(", {policy}"), measure, budget);
            assert!(
                at("256") <= at("512") && at("512") <= at("1024"),
                "{policy}"
            );
        }
        assert!(value(&format!(", {policy}"), SUCCESS, "512") > 0.0);
    }
    // No randomness and no learning: the decision is the order of the search, cut by the budget.
    for budget in ["256", "512", "1024"] {
        let decided = value(", similarity", SUCCESS, budget);
        let searched = value(", recall:", SUCCESS, budget);
        assert!((decided - searched).abs() < 0.04, "{decided} {searched}");
    }
    assert!(
        table("Candidate pool")
            .get("recall", "all evidence among the first", "@200")
            .is_some()
    );
    assert_eq!(recall::summaries(&report).len(), 8);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let options = memrl_bench::run::ScaleOptions {
        sizes: vec![3],
        ..memrl_bench::run::ScaleOptions::new("/no/such/memrl")
    };
    let error = memrl_bench::run::bench_scale(&options, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("/no/such/memrl"), "{error}");
}
