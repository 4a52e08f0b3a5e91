//! Outcomes, rewards, values, data set, export.

use memrl::{Code, DatasetQuery, DecisionId, ExportFormat, Outcome, RecallRequest, Verdict};

use crate::support::{Bed, ask, bed, fact};

fn decided(b: &Bed) -> memrl::Recall {
    b.memory.write(fact("Ann lives in Lisbon.")).unwrap();
    b.memory.write(fact("Ann plays the cello.")).unwrap();
    b.memory.recall(&ask("where does Ann live?")).unwrap()
}

fn success(value: f64) -> Outcome {
    Outcome {
        success: Some(value),
        ..Outcome::default()
    }
}

#[test]
fn partial_outcomes_add_up_and_the_reward_follows() {
    let b = bed();
    let id = decided(&b).decision_id;
    b.memory.feedback(id, &success(1.0)).unwrap();
    let costs = Outcome {
        tokens_used: Some(320),
        latency_ms: Some(450),
        ..Outcome::default()
    };
    let r = b.memory.feedback(id, &costs).unwrap();
    assert_eq!(r.merged.reports, 2);
    let memcell = r.rewards.iter().find(|r| r.spec == "memcell_v1").unwrap();
    assert!((memcell.value - 0.518).abs() < 1e-12, "{}", memcell.value);
    let bounded = r.rewards.iter().find(|r| r.spec == "bounded_v1").unwrap();
    assert!((0.0..=1.0).contains(&bounded.value));
}

#[test]
fn the_same_report_twice_is_one_report() {
    let b = bed();
    let id = decided(&b).decision_id;
    let first = b.memory.feedback(id, &success(1.0)).unwrap();
    let second = b.memory.feedback(id, &success(1.0)).unwrap();
    assert!(!first.repeated && second.repeated);
    assert_eq!(first.outcome_id, second.outcome_id);
    assert!(second.values.is_empty(), "no evidence is counted twice");
}

#[test]
fn a_later_citation_takes_back_what_the_first_guess_credited() {
    let b = bed();
    let r = decided(&b);
    let ids: Vec<_> = r.selected.iter().map(|s| s.cell.cell_id).collect();
    let shared = b.memory.feedback(r.decision_id, &success(1.0)).unwrap();
    assert_eq!(shared.values.len(), 2, "nothing is known about who helped");
    let cited = Outcome {
        cited: vec![ids[0]],
        ..Outcome::default()
    };
    let cited = b.memory.feedback(r.decision_id, &cited).unwrap();
    let after = |id| cited.values.iter().find(|(c, ..)| *c == id).unwrap().2;
    assert!(after(ids[0]) > 0.5);
    assert!((after(ids[1]) - 0.5).abs() < 1e-12, "back to what it was");
}

#[test]
fn a_contradiction_is_reported_and_a_revision_counts() {
    let b = bed();
    let id = decided(&b).decision_id;
    b.memory.feedback(id, &success(1.0)).unwrap();
    let against = b.memory.feedback(id, &success(0.0)).unwrap();
    assert_eq!(against.merged.conflicts.len(), 1);
    assert_eq!(against.merged.outcome.success, Some(1.0));
    let revised = Outcome {
        revise: true,
        source: "user".into(),
        ..success(0.0)
    };
    let revised = b.memory.feedback(id, &revised).unwrap();
    assert_eq!(revised.merged.outcome.success, Some(0.0));
    let (_, before, after) = revised.values[0];
    assert!(before > 0.5 && after < 0.5, "{before} {after}");
}

#[test]
fn bad_reports_are_refused_with_a_code() {
    let b = bed();
    let id = decided(&b).decision_id;
    let stranger = Verdict {
        cell_id: memrl::CellId::from_random([9; 16]),
        useful: 1.0,
        stale: false,
    };
    let metric = [("cost".to_owned(), f64::INFINITY)].into_iter().collect();
    for (outcome, code) in [
        (success(f64::NAN), Code::NotFinite),
        (success(1.5), Code::InvalidInput),
        (
            Outcome {
                tokens_used: Some(-1),
                ..Outcome::default()
            },
            Code::InvalidInput,
        ),
        (
            Outcome {
                verdicts: vec![stranger],
                ..Outcome::default()
            },
            Code::InvalidInput,
        ),
        (
            Outcome {
                cited: vec![stranger.cell_id],
                ..Outcome::default()
            },
            Code::InvalidInput,
        ),
        (
            Outcome {
                metrics: metric,
                ..Outcome::default()
            },
            Code::NotFinite,
        ),
    ] {
        assert_eq!(b.memory.feedback(id, &outcome).unwrap_err().code(), code);
    }
    let unknown = DecisionId::from_random([1; 16]);
    assert_eq!(
        b.memory
            .feedback(unknown, &success(1.0))
            .unwrap_err()
            .code(),
        Code::DecisionNotFound
    );
}

#[test]
fn why_tells_the_whole_story() {
    let b = bed();
    let recall = decided(&b);
    b.memory
        .feedback(recall.decision_id, &success(1.0))
        .unwrap();
    let why = b.memory.why("last").unwrap();
    assert_eq!(why.decision.decision_id, recall.decision_id);
    assert_eq!(why.decision.query, "where does Ann live?");
    assert_eq!(
        why.decision.context.as_deref(),
        Some(recall.context.as_str())
    );
    assert_eq!(
        why.items[0].content.as_deref(),
        Some("Ann lives in Lisbon.")
    );
    assert!(
        why.items[0]
            .named_features
            .iter()
            .any(|(name, _)| *name == "bm25")
    );
    assert_eq!(why.rewards.len(), 2);
    assert!((why.propensity - 1.0).abs() < 1e-12);
}

#[test]
fn recomputed_rewards_are_those_of_the_first_time() {
    let b = bed();
    let id = decided(&b).decision_id;
    let first = b.memory.feedback(id, &success(1.0)).unwrap();
    let report = b
        .memory
        .recompute_rewards("bounded_v1", &mut |_| {})
        .unwrap();
    assert_eq!((report.completed, report.scored), (1, 1));
    let before = first
        .rewards
        .iter()
        .find(|r| r.spec == "bounded_v1")
        .unwrap()
        .value;
    assert!((report.mean.unwrap() - before).abs() < 1e-12);
    let err = b
        .memory
        .recompute_rewards("no_such_v1", &mut |_| {})
        .unwrap_err();
    assert_eq!(err.code(), Code::RewardSpecNotFound);
}

#[test]
fn transitions_have_memcells_shape_and_our_propensity() {
    let b = bed();
    let first = decided(&b);
    let second = b
        .memory
        .recall(&RecallRequest {
            trajectory: Some("t".into()),
            ..ask("the cello")
        })
        .unwrap();
    b.memory.feedback(first.decision_id, &success(1.0)).unwrap();
    let all = b.memory.transitions(&DatasetQuery::default()).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].transition_id, second.decision_id);
    assert!(all[0].reward.is_none() && all[0].next_state.is_none());
    let done = &all[1];
    assert_eq!(done.reward.as_ref().unwrap()["reward_value"], 1.0);
    assert_eq!(done.reward.as_ref().unwrap()["task_success"], true);
    assert_eq!(done.action["policy_id"], "similarity");
    assert_eq!(done.action["propensity"], 1.0);
    assert_eq!(done.state["query"], "where does Ann live?");
    let completed = DatasetQuery {
        completed: Some(true),
        ..DatasetQuery::default()
    };
    assert_eq!(b.memory.transitions(&completed).unwrap().len(), 1);
    let skipped = DatasetQuery {
        offset: 1,
        limit: Some(5),
        ..DatasetQuery::default()
    };
    assert_eq!(b.memory.transitions(&skipped).unwrap().len(), 1);
}

#[test]
fn the_event_of_a_decision_names_the_cells_it_showed() {
    let b = bed();
    let recall = decided(&b);
    let query = memrl::EventQuery {
        event_type: Some(memrl::EventKind::DecideCells),
        ..memrl::EventQuery::default()
    };
    let events = b.memory.events(&query).unwrap();
    assert_eq!(events.len(), 1);
    let shown: Vec<_> = recall.selected.iter().map(|s| s.cell.cell_id).collect();
    assert_eq!(events[0].cell_ids, shown);
    assert_eq!(events[0].payload["selected_count"], shown.len());
    assert_eq!(
        events[0].payload["transition_id"],
        recall.decision_id.to_string()
    );
}

#[test]
fn the_three_tables_join() {
    let b = bed();
    let recall = decided(&b);
    let outcome = Outcome {
        cited: vec![recall.selected[0].cell.cell_id],
        source: "tests".into(),
        ..success(1.0)
    };
    b.memory.feedback(recall.decision_id, &outcome).unwrap();
    let dir = b.dir.path().join("export");
    let query = DatasetQuery::default();
    let report = b
        .memory
        .export_log(&dir, ExportFormat::Jsonl, &query, true, &mut |_| {})
        .unwrap();
    let read = |name: &str| -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(dir.join(name)).unwrap();
        text.lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    };
    let decisions = read("decisions.jsonl");
    let items = read("decision_items.jsonl");
    let rewards = read("rewards.jsonl");
    assert_eq!(report.decision_items, items.len() as u64);
    let id = recall.decision_id.to_string();
    assert!(
        decisions
            .iter()
            .chain(&items)
            .chain(&rewards)
            .all(|r| r["decision_id"] == id.as_str())
    );
    assert_eq!(decisions[0]["query"], "where does Ann live?");
    assert_eq!(
        items.iter().filter(|i| i["selected"] == true).count(),
        recall.selected.len()
    );
    let components: Vec<_> = rewards
        .iter()
        .map(|r| r["component"].as_str().unwrap())
        .collect();
    for expected in ["success", "cited", "reward:memcell_v1", "reward:bounded_v1"] {
        assert!(components.contains(&expected), "{components:?}");
    }
    let report = b
        .memory
        .export_log(&dir, ExportFormat::Parquet, &query, false, &mut |_| {})
        .unwrap();
    assert!(
        report
            .files
            .iter()
            .all(|f| f.metadata().unwrap().len() > 100)
    );
}

#[test]
fn pyarrow_reads_the_parquet_files() {
    let Some(python) = std::env::var_os("MEMRL_TEST_PYTHON") else {
        eprintln!("skipped: MEMRL_TEST_PYTHON names no Python with pyarrow");
        return;
    };
    let b = bed();
    let recall = decided(&b);
    b.memory
        .feedback(recall.decision_id, &success(1.0))
        .unwrap();
    let dir = b.dir.path().join("export");
    b.memory
        .export_log(
            &dir,
            ExportFormat::Parquet,
            &DatasetQuery::default(),
            true,
            &mut |_| {},
        )
        .unwrap();
    let script = r"
import sys, pyarrow.parquet as pq
d, i, r = (pq.read_table(f'{sys.argv[1]}/{t}.parquet') for t in ('decisions', 'decision_items', 'rewards'))
assert d.num_rows == 1 and i.num_rows == 2 and r.num_rows == 3, (d.num_rows, i.num_rows, r.num_rows)
row = d.to_pylist()[0]
assert row['query'] == 'where does Ann live?' and row['pscore'] == 1.0, row
assert str(d.schema.field('ts_us').type) == 'timestamp[us, tz=UTC]', d.schema
items = i.to_pylist()
assert all(len(x['features']) > 10 for x in items), items
assert {x['decision_id'] for x in items} == {row['decision_id']}
assert items[0]['selected'] is True and items[0]['position'] == 0
print('ok')
";
    let out = std::process::Command::new(python)
        .args(["-c", script])
        .arg(&dir)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

#[test]
fn concurrent_reports_all_count() {
    let b = bed();
    let id = decided(&b).decision_id;
    std::thread::scope(|s| {
        for i in 0..8 {
            let memory = &b.memory;
            s.spawn(move || {
                let outcome = Outcome {
                    tokens_used: Some(100),
                    success: (i == 0).then_some(1.0),
                    metrics: [(format!("m{i}"), 1.0)].into_iter().collect(),
                    ..Outcome::default()
                };
                memory.feedback(id, &outcome).unwrap();
            });
        }
    });
    let why = b.memory.why(&id.to_string()).unwrap();
    assert_eq!(why.outcome.unwrap().outcome.tokens_used, Some(800));
    let stored = why.rewards.iter().find(|r| r.spec == "memcell_v1").unwrap();
    assert!((stored.value - 0.92).abs() < 1e-12, "{}", stored.value);
}
