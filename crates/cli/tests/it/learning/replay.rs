//! `memrl replay`: history repeats itself, and under another policy it does not.

use crate::support::regex_of;
use crate::words;

use super::{TASKS, told, with_log};

#[test]
fn history_repeats_to_the_last_bit() {
    let home = with_log(TASKS);
    let run = home.run(&["replay"]);
    words!(home, told(&run));
    let report = home.json(&["replay", "--limit", "50"]);
    assert_eq!(report["decisions"], 50);
    assert_eq!(report["same"], 50);
    assert_eq!(report["items"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_log_that_was_tampered_with_does_not_repeat() {
    let home = with_log(30);
    let db = rusqlite::Connection::open(home.path().join("memrl.db")).expect("a database");
    let columns: Vec<String> = db
        .prepare("SELECT name FROM pragma_table_info('decisions')")
        .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
        .expect("columns");
    assert!(columns.iter().any(|c| c == "log_joint"), "{columns:?}");
    db.execute("UPDATE decisions SET log_joint = log_joint - 0.5", [])
        .expect("an update");
    drop(db);
    let run = home.run(&["replay"]);
    assert_eq!(run.code, Some(1), "{}", run.whole());
    assert!(run.out.contains("came out otherwise"), "{}", run.out);
}

#[test]
fn another_policy_shows_what_leaves_and_what_comes() {
    let home = with_log(TASKS);
    home.ok(&["train", "--algo", "credit", "--name", "mine"]);
    let run = home.run(&["replay", "--policy", "mine", "--limit", "40"]);
    assert_eq!(run.code, Some(0), "{}", run.whole());
    assert!(run.out.contains("  + m:"), "{}", run.out);
    assert!(run.out.contains("under mine@1"), "{}", run.out);
    let report = home.json(&["replay", "--policy", "mine", "--limit", "40", "--all"]);
    assert_eq!(report["items"].as_array().map(Vec::len), Some(40));
    let same = report["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|d| d["same"] == true)
        .count();
    assert_eq!(report["same"], same);
    let none = home.json(&["replay", "--policy", "none", "--limit", "40"]);
    assert_eq!(none["added"], 0.0, "the control arm adds nothing");
}

#[test]
fn only_the_part_that_is_asked_for_is_replayed() {
    let home = with_log(40);
    let n = |args: &[&str]| home.json(&[&["replay"][..], args].concat())["decisions"].clone();
    assert_eq!(n(&[]), 40);
    assert_eq!(n(&["--from", "2026-11-01T13:00:00Z"]), 20);
    assert_eq!(n(&["--to", "2026-11-01T13:00:00Z"]), 20);
    let nothing = home.run(&["replay", "--from", "2027-01-01"]);
    assert_eq!(nothing.code, Some(5), "{}", nothing.whole());
    assert!(nothing.err.contains("nothing to replay"), "{}", nothing.err);
}
