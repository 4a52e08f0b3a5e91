//! `memrl train`: what was learned is said, and kept.

use crate::support::regex_of;
use crate::words;

use super::{TASKS, told, with_log};

#[test]
fn training_says_what_was_learned_on_what_and_what_matters() {
    let home = with_log(TASKS);
    let run = home.run(&["train", "--algo", "credit", "--name", "mine"]);
    assert_eq!(run.code, Some(0), "{}", run.whole());
    words!(home, told(&run));
    let shown = home.json(&["policy", "show", "mine"]);
    let first = shown["card"]["importance"][0][0].as_str().expect("a name");
    let listed = run.out.split("What matters").nth(1).expect("a list");
    let line = listed.lines().nth(1).expect("a feature");
    assert!(line.trim().starts_with(first), "{first}: {listed}");
    assert!(run.err.contains("memrl evaluate mine@1"), "{}", run.err);
}

#[test]
fn the_report_counts_every_decision_once() {
    let home = with_log(TASKS);
    let report = home.json(&["train", "--algo", "credit", "--keep", "0.25", "--seed", "3"]);
    let n = |path: &str| {
        report
            .pointer(path)
            .and_then(serde_json::Value::as_u64)
            .expect(path)
    };
    // Each of these was kept apart once, crosswise.
    assert_eq!(n("/counts/validation"), n("/counts/decisions"), "{report}");
    let learned = n("/counts/decisions") + n("/counts/skipped");
    assert_eq!(
        learned + n("/kept") + n("/foreign"),
        TASKS as u64,
        "{report}"
    );
    assert!(n("/kept") > 90 && n("/kept") < 210, "{report}");
    assert_eq!(report["policy"], "credit@1");
    assert_eq!(report["resumed"], false);
}

#[test]
fn every_trainer_learns_from_the_same_log() {
    let home = with_log(TASKS);
    for algo in ["bc", "credit", "ips_pg", "dqn", "thompson"] {
        let report = home.json(&["train", "--algo", algo, "--epochs", "3"]);
        assert_eq!(report["policy"], format!("{algo}@1"));
        assert_eq!(report["algo"], algo);
        assert!(home.ok(&["policy", "show", algo]).contains("learned from"));
    }
    let again = home.json(&["train", "--algo", "bc", "--epochs", "2"]);
    assert_eq!(again["policy"], "bc@2", "the next version of the same name");
}

#[test]
fn settings_of_the_trainer_end_up_in_the_card() {
    let home = with_log(TASKS);
    let args = [
        "train",
        "--algo",
        "credit",
        "--epochs",
        "2",
        "--hidden",
        "4",
        "--learning-rate",
        "0.01",
        "--seed",
        "9",
    ];
    home.ok(&args);
    let card = home.json(&["policy", "show", "credit"]);
    assert_eq!(card["hidden"], 4);
    let config = &card["card"]["config"];
    assert_eq!(config["epochs"], 2, "{config}");
    assert_eq!(config["seed"], 9, "{config}");
}

#[test]
fn the_share_kept_apart_can_be_chosen() {
    let home = with_log(TASKS);
    home.ok(&[
        "train",
        "--algo",
        "bc",
        "--epochs",
        "2",
        "--validation",
        "0.4",
    ]);
    let card = home.json(&["policy", "show", "bc"])["card"].clone();
    assert_eq!(card["config"]["validation"], 0.4, "{card}");
    let apart = card["counts"]["validation"].as_f64().expect("a number");
    let learned = card["counts"]["decisions"].as_f64().expect("a number");
    assert!((apart / (apart + learned) - 0.4).abs() < 0.1, "{card}");
}

#[test]
fn where_there_is_nothing_to_resume_it_is_said_and_training_starts() {
    let home = with_log(TASKS);
    let args = ["train", "--algo", "bc", "--name", "mine", "--epochs", "2"];
    let run = home.run(&[&args[..], &["--resume", "--quiet"]].concat());
    assert_eq!(run.code, Some(0), "{}", run.whole());
    assert_eq!(
        run.err.trim(),
        "warning: nothing to resume for mine; training from the start"
    );
    assert!(!home.run(&args).err.contains("resume"));
    let report = home.json(&[&args[..], &["--resume"]].concat());
    assert_eq!(report["resumed"], false, "{report}");
}

#[test]
fn a_training_that_found_nothing_better_than_the_search_says_so() {
    let home = with_log(TASKS);
    // Steps so small that no pass changes anything: none is better than the start.
    let still = [
        "train",
        "--algo",
        "credit",
        "--name",
        "still",
        "--learning-rate",
        "1e-30",
    ];
    let words = "nothing better than the order of the search was found";
    let run = home.run(&still);
    assert_eq!(run.code, Some(0), "{}", run.whole());
    assert!(run.out.contains(words), "{}", run.out);
    assert!(home.ok(&["policy", "show", "still"]).contains(words));
    let report = home.json(&still);
    assert_eq!(report["kept_order"], true, "{report}");
    let note = report["note"].as_str().expect("a note");
    assert!(note.contains(words), "{note}");
    let report = home.json(&["train", "--algo", "credit"]);
    assert_eq!(report["kept_order"], false, "{report}");
    assert!(!home.ok(&["policy", "show", "credit"]).contains(words));
}

#[test]
fn the_same_seed_learns_the_same_policy() {
    let home = with_log(TASKS);
    let card = |name: &str| {
        home.ok(&["train", "--algo", "credit", "--name", name, "--epochs", "4"]);
        let view = home.json(&["policy", "show", name]);
        (view["weights"].clone(), view["card"]["metrics"].clone())
    };
    assert_eq!(card("one"), card("two"));
}
