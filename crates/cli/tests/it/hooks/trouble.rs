//! Hooks in trouble: whatever goes wrong, nobody's session notices.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{ONE, ask, hook, log, queued, said, with_memories};
use crate::support::{Home, files};
use crate::sweep::conversation;

#[test]
fn whatever_comes_in_a_hook_exits_with_zero_and_says_nothing() {
    let home = Home::new();
    with_memories(&home);
    let long = format!(
        "{{\"session_id\":\"s\",\"prompt\":\"{}\"}}",
        "secret ".repeat(7_500_000)
    );
    let deep = format!("{{\"session_id\":\"s\",\"x\":{}", "[".repeat(200_000));
    let secret = "{\"session_id\": 7, \"prompt\": \"secret\"}";
    let inputs: [(&str, &str); 9] = [
        ("", "empty"),
        ("  \n", "empty"),
        ("secret", "not JSON"),
        ("{\"session_id\":\"s\",\"prompt\":\"secret", "not JSON"),
        ("[\"secret\"]", "not a JSON object"),
        ("{}", "no session_id"),
        (secret, "no session_id"),
        (&deep, "not JSON"),
        (&long, "too long"),
    ];
    for event in [
        "session-start",
        "prompt",
        "tool",
        "stop",
        "pre-compact",
        "session-end",
    ] {
        for (input, why) in inputs {
            // Once is enough for what takes long.
            if input.len() > 1_000_000 && event != "prompt" {
                continue;
            }
            let run = home.fed(&["hook", event], input);
            assert_eq!(
                (run.code, run.out.as_str(), run.err.as_str()),
                (Some(0), "", ""),
                "{event} {why}"
            );
            let log = log(&home);
            let last = log.lines().last().unwrap_or_default();
            assert!(
                last.contains(event) && last.contains(why),
                "{event} {why}: {last}"
            );
        }
    }
    assert!(!log(&home).contains("secret"));
    // No standard input at all, and nobody who would close it.
    assert_eq!(home.run(&["hook", "prompt"]).code, Some(0));
    let mut child = home
        .command(&["hook", "session-end"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("memrl runs");
    let mut held = child.stdin.take().expect("a standard input");
    held.write_all(b"{\"session_id\": ").expect("it is read");
    let output = child.wait_with_output().expect("it ends by itself");
    drop(held);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_command_line_that_nobody_knows_blocks_no_prompt() {
    let home = Home::new();
    for args in [
        &["hook"][..],
        &["hook", "no-such-event"],
        &["hook", "prompt", "--no-such-option"],
        &["hook", "prompt", "--client", "no-such-program"],
        &["hook", "prompt", "more", "words"],
        &["--color", "purple", "hook", "prompt"],
    ] {
        let run = home.fed(args, said(&home, ONE, json!({"prompt": "x"})).to_string());
        assert_eq!(
            (run.code, run.out.as_str()),
            (Some(0), ""),
            "{args:?}\n{}",
            run.whole()
        );
    }
    // Usage errors of other commands stay errors.
    assert_eq!(home.run(&["list", "--no-such-option"]).code, Some(2));
}

#[test]
fn a_memory_that_cannot_be_used_is_passed_over_in_silence() {
    let all = |home: &Home| {
        for event in [
            "session-start",
            "prompt",
            "tool",
            "stop",
            "pre-compact",
            "session-end",
        ] {
            let said = said(
                home,
                ONE,
                json!({"prompt": "coffee", "hook_event_name": "PostToolUseFailure", "last_assistant_message": "[m:12345678]"}),
            );
            let run = hook(home, event, &said);
            assert_eq!(run.out, "", "{event}");
        }
    };
    // A file where the directory should be.
    let home = Home::new();
    std::fs::write(home.path(), "a file").expect("a file is written");
    all(&home);
    // A directory that takes nothing.
    let home = Home::new();
    with_memories(&home);
    for event in ["session-start", "prompt", "stop", "session-end"] {
        let said = said(&home, ONE, json!({"prompt": "coffee"})).to_string();
        let run = home.fed(&["--data-dir", "/proc/memrl", "hook", event], said);
        assert_eq!(
            (run.code, run.out.as_str(), run.err.as_str()),
            (Some(0), "", ""),
            "{event}"
        );
    }
    // A database of another program, one of a newer version, and settings that make no sense.
    let home = Home::new();
    std::fs::create_dir_all(home.path()).expect("a directory");
    std::fs::write(home.path().join("memrl.db"), "a poem ".repeat(1000))
        .expect("a file is written");
    all(&home);
    assert!(
        log(&home).contains("prompt: corrupt_database"),
        "{}",
        log(&home)
    );
    let home = Home::new();
    with_memories(&home);
    database(&home)
        .execute_batch("PRAGMA user_version = 999")
        .expect("it is set");
    all(&home);
    assert!(
        log(&home).contains("prompt: newer_database"),
        "{}",
        log(&home)
    );
    let home = Home::new();
    with_memories(&home);
    std::fs::write(
        home.path().join("config.toml"),
        "[recall]\npool = \"many\"\n",
    )
    .expect("it is written");
    all(&home);
    assert!(
        log(&home).contains("prompt: invalid_config"),
        "{}",
        log(&home)
    );
}

#[test]
fn a_database_that_somebody_holds_keeps_nobody_waiting() {
    let home = Home::new();
    with_memories(&home);
    let holder = database(&home);
    holder
        .execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; PRAGMA user_version = 999",
        )
        .expect("it is locked");
    // Half of what a command would wait.
    let patience = Duration::from_secs(5);
    let asked = json!({"prompt": "Which water filter?", "last_assistant_message": "[m:12345678]"});
    let asked = said(&home, ONE, asked).to_string();
    for args in [
        &["session-start"][..],
        &["prompt"],
        &["stop", "--client", "codex"],
        &["pre-compact"],
        &["session-end"],
    ] {
        let since = Instant::now();
        let run = home.fed(&[&["hook"], args].concat(), &asked);
        assert_eq!((run.code, run.out.as_str()), (Some(0), ""), "{args:?}");
        assert!(
            since.elapsed() < patience,
            "{args:?}: {:?}",
            since.elapsed()
        );
    }
    assert!(
        log(&home).contains("prompt: took too long"),
        "{}",
        log(&home)
    );
    assert_eq!(
        queued(&home).len(),
        2,
        "the session is noted all the same, for both programs"
    );
    holder.execute_batch("ROLLBACK").expect("it is released");
    drop(holder);
    assert!(
        ask(
            &home,
            ONE,
            "Which water filter does the coffee machine need?"
        )
        .is_some()
    );
}

#[test]
fn the_log_stays_small_and_private() {
    let home = Home::new();
    home.ok(&["init"]);
    let file = home.path().join("hooks.log");
    std::fs::write(&file, "an old line\n".repeat(20_000)).expect("it is written");
    for _ in 0..3 {
        assert_eq!(home.fed(&["hook", "prompt"], "{").code, Some(0));
    }
    assert_eq!(log(&home).lines().count(), 3);
    assert!(home.path().join("hooks.log.1").exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn notes_and_markers_hold_no_content() {
    let home = Home::new();
    with_memories(&home);
    conversation(&home, ONE, "the secret phrase");
    for event in [
        "session-start",
        "prompt",
        "tool",
        "stop",
        "pre-compact",
        "session-end",
    ] {
        let said = said(
            &home,
            ONE,
            json!({"prompt": "the secret phrase", "last_assistant_message": "the secret phrase m:", "error": "the secret phrase", "hook_event_name": "PostToolUseFailure"}),
        );
        hook(&home, event, &said);
    }
    for file in files(&home.path()) {
        let name = file.display().to_string();
        let written_by_hooks = ["queue", "off", "hooks.log"]
            .iter()
            .any(|d| name.contains(d));
        let text = std::fs::read(&file).expect("a file is read");
        let text = String::from_utf8_lossy(&text);
        assert!(
            !(written_by_hooks && text.contains("secret phrase")),
            "{name}"
        );
    }
}

/// The database, opened by somebody else.
fn database(home: &Home) -> rusqlite::Connection {
    rusqlite::Connection::open(home.path().join("memrl.db")).expect("the database is opened")
}
