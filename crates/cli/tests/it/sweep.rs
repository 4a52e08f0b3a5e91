//! Sweeps: sessions that wait are captured once, whoever sweeps and whatever happens meanwhile.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::hooks::{hook, project, queued, said};
use crate::support::{Home, files};

/// Where Claude Code would keep the transcript of a session.
pub fn transcript(home: &Home, session: &str) -> PathBuf {
    let dir = home.file(".claude/projects/-shop");
    std::fs::create_dir_all(&dir).expect("a directory");
    dir.join(format!("{session}.jsonl"))
}

pub fn line(home: &Home, session: &str, second: u32, kind: &str, content: &Value) -> String {
    let line = json!({
        "type": kind, "uuid": format!("u{second}"), "parentUuid": null, "isSidechain": false,
        "sessionId": session, "cwd": home.file("shop"), "version": "2.1.230", "gitBranch": "main",
        "timestamp": format!("2026-08-10T12:{:02}:{:02}.000Z", second / 60, second % 60),
        "message": {"id": format!("msg_{second}"), "role": kind, "content": content, "usage": {"input_tokens": 10, "output_tokens": 5}},
    });
    format!("{line}\n")
}

pub fn append(home: &Home, session: &str, text: &str) {
    let file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(transcript(home, session));
    file.expect("a file")
        .write_all(text.as_bytes())
        .expect("it is written");
}

/// A small session, as Claude Code writes it.
pub fn conversation(home: &Home, session: &str, prompt: &str) {
    std::fs::create_dir_all(home.file("shop")).expect("a directory");
    let edit = json!([{"type": "tool_use", "id": "toolu_1", "name": "Edit", "input": {"file_path": home.file("shop/src/session.rs"), "old_string": "5", "new_string": "50"}}]);
    let result = json!([{"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok", "is_error": false}]);
    let lines = [
        line(home, session, 0, "user", &json!(prompt)),
        line(home, session, 1, "assistant", &edit),
        line(home, session, 2, "user", &result),
        line(
            home,
            session,
            3,
            "assistant",
            &json!([{"type": "text", "text": "Done."}]),
        ),
    ];
    append(home, session, &lines.concat());
}

/// Waits for something that another process brings about.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(
            since.elapsed() < Duration::from_mins(1),
            "{what}: it never came"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn session(n: usize) -> String {
    format!("{n:08x}-0000-4000-8000-0123456789ab")
}

/// A session that has ended and waits.
fn ended(home: &Home, session: &str, prompt: &str) {
    conversation(home, session, prompt);
    hook(
        home,
        "session-end",
        &said(home, session, json!({"reason": "other"})),
    );
}

/// A session that goes on.
fn open(home: &Home, session: &str, prompt: &str) {
    conversation(home, session, prompt);
    hook(
        home,
        "stop",
        &said(home, session, json!({"last_assistant_message": "Done."})),
    );
}

fn sweep(home: &Home) -> Value {
    home.json(&["sweep"])
}

fn count(report: &Value, what: &str) -> usize {
    report[what].as_array().expect("a list").len()
}

fn episodes(home: &Home) -> Vec<String> {
    let list = home.ok(&["list", "--type", "episode", "--limit", "100", "--json"]);
    let list: Value = serde_json::from_str(&list).expect("JSON");
    let items = list["items"].as_array().expect("a list");
    items.iter().map(ToString::to_string).collect()
}

#[test]
fn two_sweeps_at_once_capture_every_session_once() {
    let home = Home::new();
    for n in 0..12 {
        ended(
            &home,
            &session(n),
            &format!("Task number {n}: sort the shelf of kind {n}"),
        );
    }
    let reports: Vec<Value> = std::thread::scope(|scope| {
        let home = &home;
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(move || sweep(home))).collect();
        runs.into_iter()
            .map(|r| r.join().expect("a sweep ends"))
            .collect()
    });
    let captured: usize = reports.iter().map(|r| count(r, "captured")).sum();
    assert_eq!(captured, 12, "{reports:?}");
    assert!(
        reports.iter().all(|r| count(r, "failed") == 0),
        "{reports:?}"
    );
    assert_eq!(episodes(&home).len(), 12);
    assert!(queued(&home).is_empty());
}

#[test]
fn a_sweep_that_finds_another_one_lets_it_work_or_waits() {
    let home = Home::new();
    ended(&home, &session(1), "Sort the shelf");
    home.ok(&["init"]);
    let lock = std::fs::File::create(home.path().join("sweep.lock")).expect("a file");
    lock.lock().expect("a lock");
    let run = home.run(&["sweep"]);
    assert_eq!(
        (run.code, run.out.trim_end()),
        (Some(0), "Another sweep is running")
    );
    assert_eq!(sweep(&home)["running_elsewhere"], true);
    let waiting = home
        .command(&["sweep", "--wait", "--json"])
        .spawn()
        .expect("memrl runs");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(queued(&home).len(), 1);
    drop(lock);
    let output = waiting.wait_with_output().expect("it ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(count(&report, "captured"), 1, "{report}");
}

#[test]
fn a_sweep_that_is_killed_loses_nothing() {
    let home = Home::new();
    home.ok(&["init"]);
    for n in 0..10 {
        ended(
            &home,
            &session(n),
            &format!("Task number {n}: sort the shelf of kind {n}"),
        );
    }
    for delay in [1, 20, 40, 60, 80, 110] {
        let mut child = home.command(&["sweep"]).spawn().expect("memrl runs");
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().expect("it is killed");
        child.wait().expect("it ends");
    }
    let report = sweep(&home);
    assert_eq!(count(&report, "failed"), 0, "{report}");
    let found = episodes(&home);
    assert_eq!(found.len(), 10);
    for n in 0..10 {
        let name = format!("Task number {n}:");
        assert_eq!(
            found.iter().filter(|e| e.contains(&name)).count(),
            1,
            "{name}"
        );
    }
    assert!(queued(&home).is_empty());
}

#[test]
fn a_session_that_goes_on_is_read_on() {
    let home = Home::new();
    let id = session(7);
    open(&home, &id, "Sort the shelf");
    let report = sweep(&home);
    assert_eq!(report["captured"][0]["action"], "created", "{report}");
    assert_eq!(report["open"], 1);
    let size = std::fs::metadata(transcript(&home, &id))
        .expect("it is there")
        .len();
    assert_eq!(queued(&home)[0]["read"], size);
    let report = sweep(&home);
    assert_eq!(
        (count(&report, "captured"), &report["unchanged"]),
        (0, &json!(1)),
        "{report}"
    );

    append(
        &home,
        &id,
        &line(&home, &id, 9, "user", &json!("Now paint it blue as well")),
    );
    append(
        &home,
        &id,
        &line(
            &home,
            &id,
            10,
            "assistant",
            &json!([{"type": "text", "text": "Painted."}]),
        ),
    );
    hook(
        &home,
        "session-end",
        &said(&home, &id, json!({"reason": "logout"})),
    );
    let report = sweep(&home);
    assert_eq!(report["captured"][0]["action"], "updated", "{report}");
    assert_eq!(episodes(&home).len(), 1);
    assert!(queued(&home).is_empty());
    // It is resumed, and goes on.
    append(
        &home,
        &id,
        &line(&home, &id, 20, "user", &json!("And oil the hinges")),
    );
    open(&home, &id, "One more thing");
    assert_eq!(sweep(&home)["captured"][0]["action"], "updated");
    assert_eq!(episodes(&home).len(), 1);
}

/// Makes all notes and transcripts as old as this.
fn age(home: &Home, days: u64) {
    let then = SystemTime::now() - Duration::from_secs(days * 86_400);
    for file in files(&home.path().join("queue")) {
        let text = std::fs::read_to_string(&file).expect("a note is read");
        let mut note: Value = serde_json::from_str(&text).expect("a note is JSON");
        note["at"] = "2020-01-01T00:00:00Z".into();
        std::fs::write(&file, note.to_string()).expect("it is written");
        let transcript = PathBuf::from(note["transcript_path"].as_str().expect("a path"));
        if let Ok(open) = std::fs::File::options().append(true).open(transcript) {
            open.set_modified(then).expect("its time is set");
        }
    }
}

#[test]
fn a_session_that_was_cut_off_is_captured_and_then_let_go() {
    let home = Home::new();
    open(&home, &session(1), "Sort the shelf");
    open(&home, &session(2), "Paint the fence");
    sweep(&home);
    append(
        &home,
        &session(1),
        &line(&home, &session(1), 9, "user", &json!("Now oil it")),
    );
    assert_eq!(queued(&home).len(), 2);
    age(&home, 2);
    let report = sweep(&home);
    assert_eq!(
        (count(&report, "captured"), &report["open"]),
        (1, &json!(0)),
        "{report}"
    );
    assert!(queued(&home).is_empty());
    assert!(
        episodes(&home)
            .iter()
            .any(|e| e.contains("Paint the fence"))
    );
}

#[test]
fn a_transcript_that_is_gone_is_let_go_with_a_word() {
    let home = Home::new();
    // It has begun, and written nothing yet.
    hook(
        &home,
        "session-start",
        &said(&home, &session(1), json!({"source": "startup"})),
    );
    ended(&home, &session(2), "Sort the shelf");
    std::fs::remove_file(transcript(&home, &session(2))).expect("it is removed");
    let run = home.run(&["sweep"]);
    assert_eq!(run.code, Some(0));
    assert_eq!(run.out, "Captured 0 sessions, 1 still open, 1 dropped\n");
    assert!(
        run.err.contains("its transcript is gone"),
        "{}",
        run.whole()
    );
    age(&home, 2);
    assert_eq!(count(&sweep(&home), "dropped"), 1);
    assert!(queued(&home).is_empty());
}

#[test]
fn a_session_in_which_nothing_was_asked_is_no_failure() {
    let home = Home::new();
    append(
        &home,
        &session(1),
        "{\"type\":\"summary\",\"summary\":\"x\",\"leafUuid\":\"u\"}\n",
    );
    hook(
        &home,
        "session-end",
        &said(&home, &session(1), json!({"reason": "logout"})),
    );
    let report = sweep(&home);
    assert_eq!(
        (count(&report, "dropped"), count(&report, "failed")),
        (1, 0),
        "{report}"
    );
    assert!(queued(&home).is_empty());
}

#[test]
fn what_cannot_be_read_is_tried_five_times_and_set_aside() {
    let home = Home::new();
    std::fs::write(
        transcript(&home, &session(1)),
        [0u8, 159, 146, 150].repeat(100),
    )
    .expect("it is written");
    hook(
        &home,
        "session-end",
        &said(&home, &session(1), json!({"reason": "logout"})),
    );
    ended(&home, &session(2), "Sort the shelf");
    for attempt in 1..=5 {
        let report = sweep(&home);
        assert_eq!(report["failed"][0]["attempts"], attempt, "{report}");
        assert_eq!(report["failed"][0]["gave_up"], attempt == 5);
        // The others do not suffer.
        assert_eq!(count(&report, "captured"), usize::from(attempt == 1));
    }
    assert!(queued(&home).is_empty());
    let aside = files(&home.path().join("queue/failed"));
    assert_eq!(aside.len(), 1);
    let note: Value =
        serde_json::from_slice(&std::fs::read(&aside[0]).expect("it is read")).expect("JSON");
    assert_eq!(note["attempts"], 5);
    assert!(!note["error"].as_str().expect("a reason").is_empty());
    assert_eq!(count(&sweep(&home), "failed"), 0);
}

#[test]
fn what_is_switched_off_is_not_captured() {
    let home = Home::new();
    ended(&home, &session(1), "Sort the shelf");
    home.ok(&["config", "set", "sessions.capture", "false"]);
    let report = sweep(&home);
    assert_eq!(
        (&report["capture_is_off"], &report["open"]),
        (&json!(true), &json!(1))
    );
    home.ok(&["config", "set", "sessions.capture", "true"]);
    project(&home);
    home.ok(&[
        "off",
        "--project",
        home.file("shop").to_str().expect("UTF-8"),
    ]);
    let report = sweep(&home);
    assert_eq!(count(&report, "dropped"), 1, "{report}");
    assert!(episodes(&home).is_empty());
}
