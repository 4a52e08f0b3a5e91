//! Exports for the programs of researchers, on a small log whose coins are known.

mod npz;
mod plain;

use std::collections::{BTreeMap, BTreeSet};

use memrl::{
    CellType, Clearance, Config, DatasetQuery, Decision, ExploreMode, NewCell, Outcome,
    RecallRequest, ResearchFile, ResearchFormat, ResearchReport, Sensitivity,
};
use serde_json::Value;

use self::npz::{arrays, floats, ids, ints};
use self::plain::{few, plain};
use crate::support::{Bed, ann, ask, bed_with, fact, quiet};

const FORMATS: [ResearchFormat; 8] = [
    ResearchFormat::VwCb,
    ResearchFormat::VwDsjson,
    ResearchFormat::Obp,
    ResearchFormat::D3rlpy,
    ResearchFormat::TrlPrompt,
    ResearchFormat::TrlSft,
    ResearchFormat::TrlDpo,
    ResearchFormat::TrlKto,
];
const EPSILON: f64 = 0.25;

/// Half of the trajectories are drawn, a quarter of the cells is held out of the others.
pub fn exploring() -> Config {
    let mut config = quiet();
    config.explore.epsilon = EPSILON;
    config.explore.sampled_share = 0.5;
    config.explore.temperature = 0.5;
    config
}

fn rule() -> NewCell {
    let mut rule = NewCell::new(CellType::Constraint, ann(), "Never serve Ann peanuts.");
    rule.sensitivity = Sensitivity::High;
    rule.policy_features = Some(memrl::PolicyFeatures {
        criticality: 0.9,
        ..memrl::PolicyFeatures::default()
    });
    rule
}

fn succeeded(x: f64) -> Outcome {
    Outcome {
        success: Some(x),
        ..Outcome::default()
    }
}

/// Three facts and a rule; in each of `n` trajectories the same question three times, the second time
/// with success, the third without an outcome; one recall of no session.
fn log(n: usize) -> Bed {
    let b = bed_with(exploring());
    for text in [
        "Ann drinks coffee in Lisbon.",
        "Ann's coffee has no sugar.",
        "Ann plays the cello.",
    ] {
        b.memory.write(fact(text)).unwrap();
    }
    b.memory.write(rule()).unwrap();
    for t in 0..n {
        for (step, success) in [Some(0.0), Some(1.0), None].into_iter().enumerate() {
            let request = RecallRequest {
                trajectory: Some(format!("session-{t}")),
                task_type: "serving".into(),
                clearance: Some(Clearance::ALL),
                ..ask("how does Ann take her coffee?")
            };
            let id = b.memory.recall(&request).unwrap().decision_id;
            if let Some(success) = success {
                b.memory.feedback(id, &succeeded(success)).unwrap();
            }
            assert_eq!(
                b.memory.decision(&id.to_string()).unwrap().step,
                step as u32
            );
        }
    }
    let id = b.memory.recall(&ask("cello")).unwrap().decision_id;
    b.memory.feedback(id, &succeeded(1.0)).unwrap();
    b
}

pub fn export(b: &Bed, format: ResearchFormat, query: &DatasetQuery) -> Vec<ResearchReport> {
    let dir = b.dir.path().join("research");
    b.memory
        .export_research(&dir, format, query, Clearance::ALL, &mut |_| {})
        .unwrap()
}

pub fn all(b: &Bed, format: ResearchFormat) -> Vec<ResearchReport> {
    export(b, format, &DatasetQuery::default())
}

fn text(report: &ResearchReport) -> String {
    std::fs::read_to_string(&report.path).unwrap()
}

pub fn records(report: &ResearchReport) -> Vec<Value> {
    let read = |l: &str| serde_json::from_str(l).expect("JSON");
    text(report).lines().map(read).collect()
}

fn decisions(b: &Bed) -> BTreeMap<String, Decision> {
    let query = memrl::DecisionQuery {
        limit: Some(1000),
        ..memrl::DecisionQuery::default()
    };
    let page = b.memory.decisions(&query).unwrap();
    let by_id = |d: Decision| (d.decision_id.to_string(), d);
    page.items.into_iter().map(by_id).collect()
}

#[test]
fn vw_text_has_one_labelled_action_per_example_and_costs_are_negative_rewards() {
    let b = log(4);
    let reports = all(&b, ResearchFormat::VwCb);
    for report in &reports {
        let text = text(report);
        let examples: Vec<_> = text.split_terminator("\n\n").collect();
        assert_eq!(examples.len() as u64, report.rows, "{:?}", report.path);
        assert!(report.rows > 0);
        for example in examples {
            let labels: Vec<_> = example.lines().filter(|l| l.starts_with("0:")).collect();
            assert_eq!(labels.len(), 1, "{example}");
        }
    }
    insta::assert_snapshot!("vw_first_draw", plain(&few(&text(&reports[0]))));
    insta::assert_snapshot!("vw_holdout", plain(&few(&text(&reports[1]))));
}

#[test]
fn the_probability_of_a_first_draw_is_the_logged_one() {
    let b = log(12);
    let decisions = decisions(&b);
    let report = &all(&b, ResearchFormat::VwDsjson)[0];
    let lines = records(report);
    assert!(lines.len() >= 4);
    for line in lines {
        let d = &decisions[line["EventId"].as_str().unwrap()];
        assert_eq!(d.explore_mode, ExploreMode::PlackettLuce);
        let slate = d.slate();
        let first = slate.iter().find(|i| i.p_step.is_some());
        let actions = line["c"]["_multi"].as_array().unwrap();
        let at = line["_labelIndex"].as_u64().unwrap() as usize;
        assert_eq!(line["_label_Action"], at + 1);
        let p = line["_label_probability"].as_f64().unwrap();
        match first {
            Some(first) => {
                assert!((p - first.p_step.unwrap()).abs() < 1e-12);
                assert!(actions[at].get("memory").is_some());
            }
            None => assert!(actions[at].get("stop").is_some()),
        }
        // The rule is placed with certainty: it is no action. STOP is one.
        assert_eq!(actions.len(), 3 + 1);
    }
}

#[test]
fn every_hold_out_coin_is_exported_once_with_its_probability() {
    let b = log(12);
    let decisions = decisions(&b);
    let report = &all(&b, ResearchFormat::Obp)[1];
    let arrays = arrays(&report.path);
    let (actions, p) = (ints(&arrays["action"].2), floats(&arrays["pscore"].2));
    let (by, of) = (ids(&arrays["decision_id"].2), ids(&arrays["memory_id"].2));
    let mut coins = BTreeSet::new();
    for k in 0..actions.len() {
        let d = &decisions[&by[k]];
        assert_eq!(d.explore_mode, ExploreMode::Holdout);
        let item = d
            .items
            .iter()
            .find(|i| i.cell_id.to_string() == of[k])
            .unwrap();
        assert!(!item.critical);
        assert_eq!(actions[k] == 1, item.selected);
        let expected = if item.selected {
            1.0 - EPSILON
        } else {
            EPSILON
        };
        assert!((p[k] - expected).abs() < 1e-12);
        let coin = (d.trajectory_id.clone(), item.cell_id);
        assert!(coins.insert(coin), "a coin is tossed once");
    }
    assert!(actions.contains(&0) && actions.contains(&1));
    let later =
        "the hold-out coin of every cell was tossed by an earlier decision of its trajectory";
    assert!(report.left_out[later] > 0, "{report:?}");
}

#[test]
fn a_trajectory_that_begins_before_the_export_is_left_out() {
    let b = log(12);
    let query = DatasetQuery {
        offset: 1,
        ..DatasetQuery::default()
    };
    let whole = &all(&b, ResearchFormat::VwCb)[1];
    let part = &export(&b, ResearchFormat::VwCb, &query)[1];
    assert!(part.rows <= whole.rows);
    let reason = "its trajectory begins before what is exported";
    let expected = decisions(&b)
        .values()
        .any(|d| d.trajectory_id == "session-0" && d.explore_mode == ExploreMode::Holdout);
    assert_eq!(part.left_out.contains_key(reason), expected, "{part:?}");
    assert!(!whole.left_out.contains_key(reason));
}

#[test]
fn the_slates_of_vw_have_a_probability_per_slot() {
    let b = log(12);
    let decisions = decisions(&b);
    let report = &all(&b, ResearchFormat::VwDsjson)[2];
    let lines = records(report);
    assert!(!lines.is_empty());
    for line in &lines {
        let d = &decisions[line["EventId"].as_str().unwrap()];
        let steps: Vec<f64> = d.slate().iter().filter_map(|i| i.p_step).collect();
        let outcomes = line["_outcomes"].as_array().unwrap();
        assert_eq!(outcomes.len(), steps.len());
        assert_eq!(line["c"]["_slots"].as_array().unwrap().len(), steps.len());
        let mut taken = Vec::new();
        for (outcome, step) in outcomes.iter().zip(steps) {
            assert!((outcome["_p"][0].as_f64().unwrap() - step).abs() < 1e-12);
            let action = outcome["_a"][0].as_u64().unwrap();
            assert!(!taken.contains(&action), "no memory is in two slots");
            taken.push(action);
        }
    }
    insta::assert_snapshot!(plain(&skeleton(&lines[0])));
}

/// The keys of a record, its features left out.
fn skeleton(line: &Value) -> String {
    let mut line = line.clone();
    if let Some(actions) = line["c"]["_multi"].as_array_mut() {
        for action in actions.iter_mut().filter_map(|a| a.get_mut("memory")) {
            *action = serde_json::json!({"score": action["score"]});
        }
    }
    serde_json::to_string_pretty(&line).unwrap()
}

#[test]
fn the_json_of_vw_names_the_action_taken_and_its_probability() {
    let b = log(4);
    let reports = all(&b, ResearchFormat::VwDsjson);
    insta::assert_snapshot!(
        "vw_first_draw_dsjson",
        plain(&skeleton(&records(&reports[0])[0]))
    );
    insta::assert_snapshot!(
        "vw_holdout_dsjson",
        plain(&skeleton(&records(&reports[1])[0]))
    );
}

#[test]
fn slate_feedback_has_the_joint_probability_and_the_reward_once() {
    let b = log(12);
    let decisions = decisions(&b);
    let report = &all(&b, ResearchFormat::Obp)[0];
    let arrays = arrays(&report.path);
    let by = ids(&arrays["decision_id"].2);
    let column = |name: &str| floats(&arrays[name].2);
    let (joint, reward, cascade) = (column("pscore"), column("reward"), column("pscore_cascade"));
    let component = column("pscore_component");
    let position = ints(&arrays["position"].2);
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    let mut drawn = 0;
    for k in 0..by.len() {
        let d = &decisions[&by[k]];
        let shown = d.slate();
        assert!((joint[k] - d.propensity.log_joint.exp()).abs() < 1e-12);
        let item = shown[position[k] as usize];
        assert_eq!(
            ints(&arrays["action"].2)[k] as usize,
            d.items.iter().position(|i| i == item).unwrap()
        );
        *sums.entry(&by[k]).or_default() += reward[k];
        let is_drawn = d.explore_mode == ExploreMode::PlackettLuce;
        assert_eq!(cascade[k].is_nan(), !is_drawn);
        if is_drawn && position[k] as usize + 1 == shown.len() {
            assert!(
                (cascade[k] - component[k]).abs() < 1e-9,
                "the whole slate, with its STOP"
            );
            drawn += 1;
        }
    }
    assert!(drawn > 0);
    // Once per slate: the sum over positions is one of the two rewards that were given.
    let mut rewards: Vec<f64> = sums.into_values().collect();
    rewards.sort_by(f64::total_cmp);
    rewards.dedup();
    assert_eq!(rewards.len(), 2, "{rewards:?}");
    let shapes: Vec<_> = arrays
        .iter()
        .map(|(n, (d, s, _))| format!("{n} {d} {}", s.len()))
        .collect();
    insta::assert_snapshot!(shapes.join("\n"));
}

#[test]
fn every_episode_of_d3rlpy_ends_with_a_stop_that_carries_the_reward() {
    let b = log(6);
    let report = &all(&b, ResearchFormat::D3rlpy)[0];
    let arrays = arrays(&report.path);
    let rows = report.rows as usize;
    let width = arrays["actions"].1[1];
    assert_eq!(arrays["observations"].1, [rows, 3 + 2 * (width - 1)]);
    let action = |k: usize, i: usize| {
        let at = 4 * (k * width + i);
        f32::from_le_bytes(arrays["actions"].2[at..at + 4].try_into().unwrap())
    };
    let rewards: Vec<f32> = arrays["rewards"]
        .2
        .chunks(4)
        .map(|c| f32::from_le_bytes(c.try_into().unwrap()))
        .collect();
    let terminals = &arrays["terminals"].2;
    for k in 0..rows {
        let stops = action(k, width - 1) > 0.5;
        assert_eq!(stops, terminals[k] == 1);
        assert!(stops || rewards[k] == 0.0);
    }
    let ends: u64 = terminals.iter().map(|t| u64::from(*t)).sum();
    assert_eq!(ends, report.decisions);
    assert_eq!(
        report.left_out["no outcome that the reward is defined for"],
        6
    );
}

#[test]
fn trl_records_have_the_published_columns() {
    let b = log(4);
    let keys = |r: &Value| r.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for (format, columns) in [
        (ResearchFormat::TrlPrompt, &["prompt"][..]),
        (ResearchFormat::TrlSft, &["prompt", "completion"]),
        (ResearchFormat::TrlDpo, &["prompt", "chosen", "rejected"]),
        (ResearchFormat::TrlKto, &["prompt", "completion", "label"]),
    ] {
        let report = &all(&b, format)[0];
        let records = records(report);
        assert_eq!(records.len() as u64, report.rows, "{format:?}");
        assert!(!records.is_empty(), "{report:?}");
        for r in &records {
            for column in columns {
                assert!(r.get(column).is_some(), "{format:?} {column}");
            }
            assert_eq!(r["prompt"][0]["role"], "user");
            for column in ["completion", "chosen", "rejected"] {
                if let Some(said) = r.get(column) {
                    assert_eq!(said[0]["role"], "assistant");
                    assert_eq!(said.as_array().unwrap().len(), 1);
                }
            }
            assert!(r.get("label").is_none_or(Value::is_boolean));
            assert_eq!(keys(r), keys(&records[0]), "one schema");
        }
        let shown = serde_json::to_string_pretty(&records[0]).unwrap();
        insta::assert_snapshot!(format!("{format:?}"), plain(&shown));
    }
}

#[test]
fn what_is_chosen_had_the_better_reward_in_the_same_state() {
    let b = log(12);
    let decisions = decisions(&b);
    let records = records(&all(&b, ResearchFormat::TrlDpo)[0]);
    assert!(!records.is_empty());
    for r in records {
        assert!(r["chosen_reward"].as_f64() > r["rejected_reward"].as_f64());
        assert_ne!(r["chosen"], r["rejected"]);
        let by = |key: &str| &decisions[r[key].as_str().unwrap()];
        let (chosen, rejected) = (by("chosen_decision_id"), by("rejected_decision_id"));
        assert_eq!(chosen.trajectory_id, rejected.trajectory_id);
        assert_eq!(chosen.query, rejected.query);
    }
}

#[test]
fn without_two_slates_for_one_state_there_are_no_pairs_and_the_report_says_why() {
    let b = log(0);
    let report = &all(&b, ResearchFormat::TrlDpo)[0];
    assert_eq!((report.rows, text(report).as_str()), (0, ""));
    let why = report.left_out.keys().next().unwrap();
    assert!(why.contains("another slate"), "{why}");
}

#[test]
fn labels_follow_the_median_of_the_kind_of_task() {
    let b = log(4);
    let report = &all(&b, ResearchFormat::TrlKto)[0];
    let records = records(report);
    for r in &records {
        assert_eq!(
            r["label"].as_bool().unwrap(),
            r["reward"].as_f64().unwrap() > 0.8,
            "{r}"
        );
    }
    // The only decision of its kind cannot be better than others.
    assert_eq!(
        report.left_out["all rewards of its kind of task are equal"],
        1
    );
    let good = records.iter().filter(|r| r["label"] == true).count() as u64;
    assert_eq!(all(&b, ResearchFormat::TrlSft)[0].rows, good);
}

#[test]
fn forgotten_purged_and_too_private_texts_are_not_exported() {
    let b = log(3);
    let secret = "Ann's coffee has no sugar.";
    let has = |clearance: Clearance, words: &str| {
        let mut out = Vec::new();
        b.memory
            .export_research_file(
                ResearchFile::TrlKto,
                &mut out,
                &DatasetQuery::default(),
                clearance,
            )
            .unwrap();
        String::from_utf8(out).unwrap().contains(words)
    };
    assert!(has(Clearance::ALL, secret) && has(Clearance::ALL, "peanuts"));
    assert!(!has(Clearance::default(), "peanuts"), "above the clearance");
    let cells = b.memory.list(&memrl::ListRequest::default()).unwrap().items;
    let id = cells.iter().find(|c| c.content == secret).unwrap().cell_id;
    b.memory.forget(&id.to_string(), "").unwrap();
    assert!(!has(Clearance::ALL, secret));
}

#[test]
fn secrets_in_texts_are_cut_out() {
    let b = log(0);
    b.memory
        .write(fact(
            "The cello token is ghp_0123456789abcdefghijABCDEFGHIJ012345.",
        ))
        .unwrap();
    for success in [0.0, 1.0] {
        let id = b.memory.recall(&ask("cello token")).unwrap().decision_id;
        b.memory.feedback(id, &succeeded(success)).unwrap();
    }
    let written = text(&all(&b, ResearchFormat::TrlPrompt)[0]);
    assert!(written.contains("cello token") && !written.contains("ghp_0123456789"));
}

#[test]
fn an_empty_log_makes_empty_files_that_can_be_read() {
    let b = bed_with(quiet());
    for format in FORMATS {
        for report in all(&b, format) {
            assert_eq!((report.rows, report.decisions), (0, 0));
            assert!(report.left_out.is_empty());
            if report.path.extension().is_some_and(|e| e == "npz") {
                assert!(
                    arrays(&report.path)
                        .values()
                        .all(|(_, shape, data)| shape[0] == 0 && data.is_empty())
                );
            }
        }
    }
}

#[test]
fn a_stream_has_the_bytes_of_the_file_and_no_part_is_left() {
    let b = log(3);
    for format in [
        ResearchFormat::VwCb,
        ResearchFormat::Obp,
        ResearchFormat::TrlKto,
    ] {
        for (file, report) in format.files().iter().zip(all(&b, format)) {
            let mut out = Vec::new();
            let query = DatasetQuery::default();
            b.memory
                .export_research_file(*file, &mut out, &query, Clearance::ALL)
                .unwrap();
            assert_eq!(out, std::fs::read(&report.path).unwrap());
        }
    }
    let left = std::fs::read_dir(b.dir.path().join("research")).unwrap();
    assert!(
        left.flatten()
            .all(|f| !f.file_name().to_string_lossy().ends_with(".part"))
    );
}

/// Vowpal Wabbit, Open Bandit Pipeline, d3rlpy, datasets and TRL themselves, by the snippets of the page.
#[test]
fn the_real_libraries_read_what_is_exported_by_the_snippets_of_the_page() {
    let Some(python) = std::env::var_os("MEMRL_TEST_PYTHON") else {
        eprintln!("skipped: MEMRL_TEST_PYTHON names no Python with vowpalwabbit, obp, d3rlpy, trl");
        return;
    };
    let b = log(12);
    let dir = b.dir.path().join("log");
    let mut reported = BTreeMap::new();
    for format in FORMATS {
        let query = DatasetQuery::default();
        let written = b
            .memory
            .export_research(&dir, format, &query, Clearance::ALL, &mut |_| {});
        for report in written.unwrap() {
            assert!(report.rows > 0, "{report:?}");
            let name = report
                .path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .into_owned();
            reported.insert(name, (report.rows, report.decisions));
        }
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let run = |args: &[&std::ffi::OsStr]| {
        let output = std::process::Command::new(&python)
            .args(args)
            .current_dir(b.dir.path())
            .env("HOME", b.dir.path())
            .env("HF_HUB_OFFLINE", "1")
            .output()
            .expect("Python runs");
        assert!(
            output.status.success(),
            "{args:?}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let said = run(&[
        root.join("../../scripts/to_d3rlpy.py").as_os_str(),
        "log/d3rlpy.npz".as_ref(),
        "log/d3rlpy.h5".as_ref(),
    ]);
    assert_eq!(
        said.trim(),
        format!("{} episodes", reported["d3rlpy.npz"].1)
    );
    let said = run(&[
        root.join("tests/loaders/research.py").as_os_str(),
        root.join("../../docs/dataset.md").as_os_str(),
        serde_json::to_string(&reported).unwrap().as_ref(),
    ]);
    let seen: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&seen["vw"], &seen["obp"], &seen["trl"]),
        (&5.into(), &2.into(), &4.into())
    );
    assert_eq!(seen["d3rlpy"], reported["d3rlpy.npz"].1);
}

#[test]
fn the_page_describes_every_file_and_every_reason_to_leave_a_decision_out() {
    let page = include_str!("../../../../docs/dataset.md");
    for file in ResearchFile::ALL {
        assert!(
            page.contains(&format!("`{}`", file.name())),
            "{}",
            file.name()
        );
    }
    let b = log(12);
    let query = DatasetQuery {
        offset: 1,
        ..DatasetQuery::default()
    };
    for format in FORMATS {
        for report in all(&b, format)
            .into_iter()
            .chain(export(&b, format, &query))
        {
            for reason in report.left_out.keys() {
                assert!(page.contains(&format!("| {reason} |")), "{reason}");
            }
        }
    }
}
