//! Transcripts of Claude Code.

use memrl_capture::{ReadOptions, content_of, implied_success, read_on};
use memrl_types::{EpisodeStatus, TaskType, TestCounts};
use serde_json::{Value, json};

use crate::support::{assert_golden, fixture, read};

#[test]
fn a_whole_session_becomes_the_episode_that_a_person_would_write() {
    assert_golden(
        &read(&fixture("claude.jsonl")).unwrap(),
        "claude.expected.json",
    );
}

#[test]
fn what_the_session_was_is_readable_in_a_few_lines() {
    let episode = read(&fixture("claude.jsonl")).unwrap();
    let text = content_of(&episode, 4_000);
    let expected = String::from_utf8(fixture("claude.expected.txt")).unwrap();
    assert_eq!(text, expected.trim_end());
    let success = implied_success(&episode).unwrap();
    assert!(success > 0.9, "{success}");
}

#[test]
fn what_is_not_of_the_conversation_leaves_no_trace() {
    let episode = read(&fixture("claude.jsonl")).unwrap();
    let text = serde_json::to_string(&episode).unwrap();
    for never in [
        "secret.txt",
        "deadbeef",
        "cccccccc",
        "bbbbbbbb",
        "99999999",
        "politely",
        "UTC",
        "quantum",
        "memrl_retrieve",
    ] {
        assert!(!text.contains(never), "{never} is in the episode");
    }
    let session = episode.session.unwrap();
    assert_eq!(session.cited, ["1a2b3c4d"]);
    assert_eq!(session.decisions.len(), 2, "one injected, one retrieved");
    assert_eq!(session.counts.unknown_lines, 2);
}

fn lines(rows: &[Value]) -> Vec<u8> {
    rows.iter()
        .flat_map(|r| format!("{r}\n").into_bytes())
        .collect()
}

fn user(content: &Value) -> Value {
    json!({"type": "user", "sessionId": "s", "cwd": "/p", "timestamp": "2026-01-02T03:04:05Z", "message": {"role": "user", "content": content}})
}

fn call(id: &str, name: &str, input: &Value) -> Value {
    json!({"type": "assistant", "message": {"id": format!("m{id}"), "content": [{"type": "tool_use", "id": id, "name": name, "input": input}]}})
}

fn result(id: &str, content: &str, is_error: bool) -> Value {
    user(
        &json!([{"type": "tool_result", "tool_use_id": id, "content": content, "is_error": is_error}]),
    )
}

#[test]
fn an_error_is_resolved_only_by_the_same_action() {
    let mut rows = vec![
        user(&json!("fix it")),
        call("1", "Bash", &json!({"command": "make all"})),
        result("1", "Exit code 2\nmake: *** [all] Error 2", true),
        call("2", "Bash", &json!({"command": "make docs"})),
        result("2", "fixed, resolved, success", false),
    ];
    let open = read(&lines(&rows)).unwrap();
    assert!(!open.context.errors_encountered[0].resolved);
    rows.extend([
        call("3", "Write", &json!({"file_path": "/p/Makefile"})),
        result("3", "ok", false),
        call(
            "4",
            "Bash",
            &json!({"command": "cd /p && make all 2>&1 | tail -3"}),
        ),
        result("4", "done", false),
    ]);
    let settled = read(&lines(&rows)).unwrap();
    let trouble = &settled.context.errors_encountered[0];
    assert!(trouble.resolved);
    assert_eq!(trouble.error_type, "make all");
    assert_eq!(trouble.resolution.as_deref(), Some("Makefile"));
    assert_eq!(settled.context.files_modified, ["Makefile"]);
}

#[test]
fn a_pipe_does_not_hide_that_tests_failed_and_zero_failed_is_no_failure() {
    let run = |output: &str| {
        read(&lines(&[
            user(&json!("Run the tests")),
            call("1", "Bash", &json!({"command": "cargo test | tail"})),
            result("1", output, false),
        ]))
        .unwrap()
    };
    let red = run("test result: FAILED. 4 passed; 1 failed; 0 ignored");
    assert_eq!(red.outcome.status, EpisodeStatus::Failure);
    assert_eq!(red.context.errors_encountered.len(), 1);
    let green = run("error handling works\ntest result: ok. 5 passed; 0 failed; 0 ignored");
    assert_eq!(green.outcome.status, EpisodeStatus::Success);
    assert_eq!(
        green.outcome.tests_after,
        Some(TestCounts {
            passed: 5,
            failed: 0,
            skipped: 0
        })
    );
    assert!(green.context.errors_encountered.is_empty());
}

#[test]
fn lists_stay_bounded_whatever_happens() {
    let mut rows = vec![user(&json!("go"))];
    for i in 0..400 {
        let id = i.to_string();
        rows.push(call(
            &id,
            "Read",
            &json!({"file_path": format!("/p/src/f{i}.rs")}),
        ));
        rows.push(result(&id, "x", false));
        let id = format!("e{i}");
        rows.push(call(&id, "Bash", &json!({"command": format!("tool{i} x")})));
        rows.push(result(&id, &format!("Exit code 1\nerror number {i}"), true));
    }
    let episode = read(&lines(&rows)).unwrap();
    assert_eq!(episode.context.files_read.len(), 200);
    assert_eq!(episode.context.errors_encountered.len(), 50);
    let session = episode.session.unwrap();
    assert_eq!(session.counts.tool_calls, 800);
    assert_eq!(session.counts.tool_failures, 400);
    assert!(session.reading.open.len() <= 50 && session.reading.answers.len() <= 4);
}

#[test]
fn the_root_of_the_caller_goes_before_the_one_of_the_transcript() {
    let rows = lines(&[
        user(&json!("go")),
        call("1", "Read", &json!({"file_path": "/p/sub/src/a.rs"})),
        result("1", "x", false),
    ]);
    let options = ReadOptions {
        root: "/p/sub".into(),
        finished: true,
        ..ReadOptions::default()
    };
    let episode = read_on(&mut &*rows, None, &options).unwrap();
    assert_eq!(episode.context.files_read, ["src/a.rs"]);
    assert_eq!(episode.project, "sub");
    assert_eq!(episode.intent.task_type, TaskType::Unknown);
}

fn said(text: &str) -> Value {
    json!({"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}})
}

#[test]
fn several_tasks_and_what_came_of_them_are_in_the_episode() {
    let green = "test result: ok. 5 passed; 0 failed; 0 ignored";
    let timer = "The rotation runs from `logrotate.timer` now, a systemd timer [m:1a2b3c4d].";
    let mut rows = vec![
        user(&json!("Fix the login loop")),
        call("1", "Bash", &json!({"command": "cargo test"})),
        result("1", green, false),
        call("2", "Bash", &json!({"command": "git commit -am x"})),
        result("2", "[main 1a2b3c4] x", false),
        said("The login loop came from a stale cookie; it is cleared on logout now."),
        user(&json!("Perfect, thank you!")),
        said("You're welcome! Tell me when there is anything else to do."),
    ];
    let thanked = read(&lines(&rows)).unwrap();
    assert_eq!(thanked.outcome.status, EpisodeStatus::Success);
    assert!(
        thanked.solution.starts_with("The login loop came"),
        "{}",
        thanked.solution
    );
    assert!(thanked.intent.later.is_empty() && thanked.intent.corrections.is_empty());
    rows.extend([
        user(&json!(
            "Great. Now rotate the server logs weekly. Keep four of them."
        )),
        said("I set up a cron job for the rotation of the logs every week."),
        user(&json!(
            "No, don't use cron for the rotation, use a systemd timer instead"
        )),
    ]);
    let corrected = read(&lines(&rows)).unwrap();
    assert_eq!(corrected.outcome.status, EpisodeStatus::Failure);
    rows.extend([
        call("3", "Write", &json!({"file_path": "/p/logrotate.timer"})),
        result("3", "ok", false),
        said(timer),
        said("Done."),
    ]);
    let done = read(&lines(&rows)).unwrap();
    assert_eq!(done.outcome.status, EpisodeStatus::Partial);
    assert_eq!(done.solution, timer.replace(" [m:1a2b3c4d]", ""));
    assert_eq!(
        done.intent.corrections,
        ["No, don't use cron for the rotation, use a systemd timer instead"]
    );
    assert_eq!(done.intent.later.len(), 1, "{:?}", done.intent.later);
    assert!(done.intent.later[0].contains("rotate the server logs weekly"));
    let text = content_of(&done, 1_200);
    for part in [
        "Fix the login loop",
        "don't use cron",
        "logrotate.timer",
        "server logs",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn of_many_later_prompts_the_first_and_the_latest_are_kept() {
    let mut rows = vec![user(&json!("begin the work"))];
    for i in 0..40 {
        rows.push(said("ok"));
        rows.push(user(&json!(format!("build the module number{i}"))));
    }
    let later = read(&lines(&rows)).unwrap().intent.later;
    assert_eq!(later.len(), 12);
    assert!(later[3].ends_with("number3") && later[4].ends_with("number32"));
    assert!(later[11].ends_with("number39"));
}

#[test]
fn what_the_user_said_when_refusing_a_tool_is_a_correction() {
    let refusal = "The user doesn't want to proceed with this tool use. To tell you how to \
                   proceed, the user said:\nuse a systemd timer";
    let rows = lines(&[
        user(&json!("rotate the logs")),
        call("1", "Bash", &json!({"command": "crontab -e"})),
        result("1", refusal, true),
    ]);
    let episode = read(&rows).unwrap();
    assert_eq!(episode.intent.corrections, ["use a systemd timer"]);
    assert_eq!(episode.session.unwrap().counts.corrections, 1);
}
