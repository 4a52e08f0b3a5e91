//! `memrl reward check`: what a spec rewards on this log.

use crate::support::regex_of;
use crate::words;

use super::{TASKS, told, with_log};

#[test]
fn a_reward_is_told_apart_into_what_drives_it() {
    let home = with_log(TASKS);
    let run = home.run(&[
        "reward",
        "check",
        "--spec",
        "bounded_v1",
        "--against",
        "memcell_v1",
    ]);
    assert_eq!(run.code, Some(0), "{}", run.whole());
    words!(home, told(&run));
}

#[test]
fn the_spec_of_training_and_evaluation_is_the_one_that_is_checked() {
    let home = with_log(30);
    let run = home.run(&["reward", "check"]);
    assert!(run.out.starts_with("bounded_v1: "), "{}", run.whole());
    assert!(
        run.out.contains("--spec NAME checks another one"),
        "{}",
        run.out
    );
    let named = home.ok(&["reward", "check", "memcell_v1"]);
    assert!(named.starts_with("memcell_v1: "), "{named}");
    assert!(!named.contains("checks another one"), "{named}");
}

#[test]
fn memcells_latency_term_is_seen_to_swamp_success() {
    let home = with_log(TASKS);
    let report = home.json(&["reward", "check", "--spec", "memcell_v1"]);
    let terms = report["check"]["terms"].as_array().expect("terms");
    let share = |signal: &str| {
        let term = terms.iter().find(|t| t["signal"] == signal);
        term.expect(signal)["variance_share"]
            .as_f64()
            .expect("a share")
    };
    assert!(share("latency") > 0.5, "{report}");
    assert!(share("latency") > share("success"), "{report}");
    assert!(
        !report["check"]["warnings"]
            .as_array()
            .expect("warnings")
            .is_empty()
    );
}

#[test]
fn without_outcomes_there_is_nothing_to_check() {
    let home = with_log(0);
    let run = home.run(&["reward", "check"]);
    assert_eq!(run.code, Some(5), "{}", run.whole());
    assert_eq!(
        home.run(&["reward", "check", "--spec", "nobody"]).code,
        Some(4)
    );
}
