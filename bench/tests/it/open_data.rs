//! The open data set: complete, the same each time, and its probabilities and truth those of the code.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use memrl_bench::run::policies::{OpenDataOptions, bench_dataset};
use serde_json::Value;

fn write(dir: &Path) -> Vec<std::path::PathBuf> {
    let options = OpenDataOptions {
        out: dir.to_owned(),
        scenes: 20,
        seed: 5,
    };
    let written = bench_dataset(&options, &mut |_| {}).unwrap();
    assert_eq!(written.decisions, 80);
    written.files
}

fn rows(path: &Path) -> Vec<Value> {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    text.lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

#[test]
fn the_same_command_writes_the_same_bytes_and_nothing_is_overwritten() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (x, y) = (write(a.path()), write(b.path()));
    assert_eq!(x.len(), 4 * 2 * 4 + 3);
    for (x, y) in x.iter().zip(&y) {
        assert_eq!(
            std::fs::read(x).unwrap(),
            std::fs::read(y).unwrap(),
            "{}",
            x.display()
        );
    }
    let again = OpenDataOptions {
        out: a.path().to_owned(),
        scenes: 20,
        seed: 5,
    };
    let refused = bench_dataset(&again, &mut |_| {}).unwrap_err().to_string();
    assert!(refused.contains("not empty"), "{refused}");
}

#[test]
fn every_decision_has_its_items_rewards_truth_and_a_probability_that_adds_up() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let mut trajectories: BTreeMap<String, &str> = BTreeMap::new();
    for workload in ["coding", "support", "assistant", "research"] {
        for part in ["train", "test"] {
            let at = |name: &str| {
                dir.path()
                    .join(workload)
                    .join(part)
                    .join(format!("{name}.jsonl.gz"))
            };
            let (items, truth) = (rows(&at("decision_items")), rows(&at("truth")));
            let rewards = rows(&at("rewards"));
            for (d, t) in rows(&at("decisions")).iter().zip(&truth) {
                let id = &d["decision_id"];
                let mine: Vec<&Value> = items.iter().filter(|i| i["decision_id"] == *id).collect();
                assert_eq!(mine.len() as u64, d["n_candidates"].as_u64().unwrap());
                assert_eq!(t["decision_id"], *id);
                assert_eq!(t["states"].as_array().unwrap().len(), mine.len());
                let joint: f64 = (d["components"].as_array().unwrap().iter())
                    .filter_map(|c| {
                        Some(c["weight"].as_f64()? * c["log_probability"].as_f64()?.exp())
                    })
                    .sum();
                assert!((joint - d["pscore"].as_f64().unwrap()).abs() < 1e-9);
                let shown = mine.iter().filter(|i| i["selected"] == true);
                let tokens: u64 = shown.map(|i| i["tokens"].as_u64().unwrap()).sum();
                assert!(tokens <= d["budget_tokens"].as_u64().unwrap());
                let said = |name: &str| {
                    let of = rewards.iter().filter(|r| r["decision_id"] == *id);
                    of.filter(|r| r["component"] == name).count()
                };
                assert_eq!((said("success"), said("reward:bounded_v1")), (1, 1));
                // A trajectory is of one part only.
                let name = d["trajectory_id"].as_str().unwrap().to_owned();
                assert_eq!(*trajectories.entry(name).or_insert(part), part);
            }
        }
    }
    let readme = std::fs::read_to_string(dir.path().join("README.md")).unwrap();
    assert!(readme.contains("80 decisions") && readme.contains("--scenes 20 --seed 5"));
}

#[test]
fn logs_of_files_are_read_back_and_policies_are_judged_on_others() {
    use memrl_bench::run::policies::files::read_all;
    use memrl_bench::run::policies::{FilesOptions, bench_files};

    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let at = |workload: &str, part: &str| dir.path().join(workload).join(part);
    let data = read_all(&[at("coding", "train"), at("support", "train")]).unwrap();
    let written = |workload: &str| rows(&at(workload, "train").join("decisions.jsonl.gz"));
    let both: Vec<Value> = written("coding")
        .into_iter()
        .chain(written("support"))
        .collect();
    assert_eq!(data.decisions.len(), both.len());
    for (d, row) in data.decisions.iter().zip(&both) {
        assert_eq!(d.id.to_string(), row["decision_id"]);
        let log_pscore = row["log_pscore"].as_f64().unwrap();
        assert!((d.propensity.log_joint - log_pscore).abs() < 1e-12);
        assert_eq!(d.features.len(), d.items.len() * data.schema.width());
        assert!(d.reward.is_some() && d.signals.success.is_some());
        assert_eq!(d.slate.len() as u64, row["n_selected"].as_u64().unwrap());
    }
    let options = FilesOptions {
        train: vec![at("coding", "train")],
        test: vec![at("support", "test")],
        trainers: vec!["bc".to_owned()],
        seed: 1,
        command: String::new(),
    };
    // So small a log says nothing, and that is said of every policy.
    let report = bench_files(&options, &mut |_| {}).unwrap();
    let table = &report.tables[0];
    assert!(table.rows.len() >= 4 && table.notes.len() >= table.rows.len());
    assert!(
        table
            .rows
            .iter()
            .all(|r| r.values.iter().all(Option::is_none))
    );

    let same = FilesOptions {
        test: vec![at("coding", "train")],
        ..options.clone()
    };
    let refused = bench_files(&same, &mut |_| {}).unwrap_err().to_string();
    assert!(refused.contains("is in --train and in --test"), "{refused}");

    std::fs::write(at("coding", "test").join("decisions.jsonl"), "{}\n").unwrap();
    let broken = FilesOptions {
        test: vec![at("coding", "test")],
        ..options
    };
    let refused = bench_files(&broken, &mut |_| {}).unwrap_err().to_string();
    assert!(refused.contains("decisions.jsonl, line 1"), "{refused}");
}
