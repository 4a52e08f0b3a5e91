//! A training that is stopped or killed goes on where it was, and ends where it would have.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Home, Run};

use super::{TASKS, with_log};

/// Long enough to be interrupted, short enough for a test.
const LONG: [&str; 6] = ["train", "--algo", "credit", "--epochs", "400", "--hidden=8"];

/// Every file that a training leaves for later.
fn checkpoint(home: &Home) -> PathBuf {
    home.path().join("training").join("credit.checkpoint")
}

/// Starts a training and sends it a signal once it has left a checkpoint.
fn interrupted_by(home: &Home, signal: &str) -> Run {
    let child = home.command(&LONG).spawn().expect("memrl runs");
    let deadline = Instant::now() + Duration::from_mins(2);
    while !checkpoint(home).exists() {
        assert!(Instant::now() < deadline, "no checkpoint was written");
        std::thread::sleep(Duration::from_millis(2));
    }
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(sent.success());
    Run::of(child.wait_with_output().expect("memrl ends"))
}

/// What was learned, without the time when.
fn learned(home: &Home) -> serde_json::Value {
    let mut view = home.json(&["policy", "show", "credit"]);
    view["row"]["created_at"].take();
    view["card"]["created_at"].take();
    view
}

/// What a training that nobody interrupts learns.
fn undisturbed() -> serde_json::Value {
    let home = with_log(TASKS);
    home.ok(&LONG);
    learned(&home)
}

#[test]
fn a_killed_training_resumes_to_the_very_same_policy() {
    let home = with_log(TASKS);
    let killed = interrupted_by(&home, "-KILL");
    assert_eq!(killed.code, None, "{}", killed.whole());
    assert_eq!(
        home.run(&["policy", "show", "credit"]).code,
        Some(4),
        "nothing half done is kept"
    );
    let report = home.json(&[&LONG[..], &["--resume"]].concat());
    assert_eq!(report["resumed"], true, "{report}");
    assert!(
        !checkpoint(&home).exists(),
        "what is done needs no checkpoint"
    );
    assert_eq!(learned(&home), undisturbed());
}

#[test]
fn ctrl_c_stops_a_training_cleanly_and_says_how_to_go_on() {
    let home = with_log(TASKS);
    let stopped = interrupted_by(&home, "-INT");
    assert_eq!(stopped.code, Some(1), "{}", stopped.whole());
    assert!(
        stopped.err.starts_with("error: stopped after"),
        "{}",
        stopped.err
    );
    assert!(stopped.err.contains("--resume"), "{}", stopped.err);
    assert!(checkpoint(&home).exists());
    let other = home.run(&["train", "--algo", "credit", "--epochs", "3", "--resume"]);
    assert_eq!(
        other.code,
        Some(5),
        "another training's checkpoint: {}",
        other.whole()
    );
    assert_eq!(
        home.json(&[&LONG[..], &["--resume"]].concat())["resumed"],
        true
    );
}
