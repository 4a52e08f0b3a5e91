//! Hooks: what the real binary does with what coding agents say to it.

use std::collections::HashSet;
use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Home, Run};
use crate::sweep::{conversation, transcript, until};

mod trouble;

/// Two sessions, as Claude Code names them.
const ONE: &str = "3f0c6a52-8f1e-4c0b-9d55-0a1b2c3d4e5f";
const TWO: &str = "11111111-8f1e-4c0b-9d55-0a1b2c3d4e5f";

/// What all hooks are told, with more.
pub fn said(home: &Home, session: &str, more: Value) -> Value {
    let shop = home.file("shop");
    std::fs::create_dir_all(&shop).expect("a directory");
    let mut said = json!({
        "session_id": session,
        "transcript_path": transcript(home, session),
        "cwd": shop,
        "permission_mode": "default",
        "scratchpad_dir": "/nowhere",
    });
    let fields = said.as_object_mut().expect("an object");
    if let Value::Object(more) = more {
        fields.extend(more);
    }
    said
}

pub fn hook(home: &Home, event: &str, said: &Value) -> Run {
    let run = home.fed(&["hook", event], said.to_string());
    assert_eq!(run.code, Some(0), "{event} {said}\n{}", run.whole());
    assert_eq!(run.err, "", "{event} {said}");
    run
}

/// The context that a hook puts in; `None` when it says nothing.
fn context(run: &Run, event: &str) -> Option<String> {
    if run.out.is_empty() {
        return None;
    }
    let answer = run.json();
    let inner = answer["hookSpecificOutput"]
        .as_object()
        .expect("the documented shape");
    assert_eq!(answer.as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(inner.len(), 2);
    assert_eq!(inner["hookEventName"], event);
    let block = inner["additionalContext"]
        .as_str()
        .expect("a text")
        .to_owned();
    assert!(
        !block.is_empty() && block.len() < 8192,
        "{} bytes",
        block.len()
    );
    Some(block)
}

fn ask(home: &Home, session: &str, prompt: &str) -> Option<String> {
    let said = said(
        home,
        session,
        json!({"hook_event_name": "UserPromptSubmit", "prompt": prompt}),
    );
    context(&hook(home, "prompt", &said), "UserPromptSubmit")
}

fn start(home: &Home, session: &str) -> Option<String> {
    let said = said(
        home,
        session,
        json!({"hook_event_name": "SessionStart", "source": "startup", "model": "m"}),
    );
    context(&hook(home, "session-start", &said), "SessionStart")
}

fn log(home: &Home) -> String {
    std::fs::read_to_string(home.path().join("hooks.log")).unwrap_or_default()
}

pub fn queued(home: &Home) -> Vec<Value> {
    let dir = home.path().join("queue");
    let Ok(found) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let paths = found.map(|f| f.expect("an entry").path());
    let notes = paths.filter(|p| p.extension().is_some_and(|e| e == "json"));
    notes
        // A sweep may take one away meanwhile.
        .filter_map(|p| std::fs::read(p).ok())
        .map(|bytes| serde_json::from_slice(&bytes).expect("a note is JSON"))
        .collect()
}

/// The id of the project that the sessions work in.
pub fn project(home: &Home) -> String {
    let shop = home.file("shop");
    std::fs::create_dir_all(&shop).expect("a directory");
    let on = home.json(&["on", "--project", shop.to_str().expect("UTF-8")]);
    on["project"]["id"].as_str().expect("an id").to_owned()
}

/// A memory of this project with something to say about coffee machines.
fn with_memories(home: &Home) {
    let scope = format!("project={}", project(home));
    for n in 0..12 {
        let text = format!("The coffee machine number {n} in the kitchen needs water filter F{n}.");
        home.ok(&["add", "--scope", &scope, &text]);
    }
}

/// The memories that a block shows.
fn shown(block: &str) -> Vec<&str> {
    let lines = block.lines().filter_map(|l| l.strip_prefix("- [m:"));
    lines.filter_map(|l| l.split(']').next()).collect()
}

#[test]
fn a_session_is_remembered_and_the_next_one_recalls_it() {
    let home = Home::new();
    assert_eq!(start(&home, ONE), None, "nothing is known yet");
    assert_eq!(
        ask(
            &home,
            ONE,
            "Users are logged out after five minutes, fix it"
        ),
        None
    );
    conversation(
        &home,
        ONE,
        "Users are logged out after five minutes, fix the session expiry",
    );
    hook(
        &home,
        "stop",
        &said(
            &home,
            ONE,
            json!({"hook_event_name": "Stop", "stop_hook_active": false, "last_assistant_message": "Done."}),
        ),
    );
    hook(
        &home,
        "session-end",
        &said(
            &home,
            ONE,
            json!({"hook_event_name": "SessionEnd", "reason": "prompt_input_exit"}),
        ),
    );
    let notes = queued(&home);
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0]["ended"], true);
    assert_eq!(notes[0]["client"], "claude-code");
    assert!(
        !home.path().join("memrl.db").exists(),
        "hooks of a first session need no database"
    );

    // The next session's start does the rest, in the background.
    start(&home, TWO);
    until("the first session is captured", || {
        queued(&home).iter().all(|n| n["session_id"] == TWO)
    });
    let block = ask(&home, TWO, "users are logged out too early again").expect("something to say");
    assert!(block.contains("session expiry"), "{block}");
    assert_eq!(
        ask(&home, TWO, "users are logged out too early again"),
        None,
        "it was told"
    );
    assert_eq!(log(&home), "");
}

#[test]
fn a_session_that_was_cut_off_is_found_by_the_next_one() {
    let home = Home::new();
    start(&home, ONE);
    conversation(&home, ONE, "Make the parser accept ISO weeks");
    // No stop, no end: the terminal was closed.
    start(&home, TWO);
    until("it is captured", || {
        home.run(&["list"]).out.contains("ISO weeks")
    });
}

#[test]
fn nothing_is_told_twice_in_a_session() {
    let home = Home::new();
    with_memories(&home);
    let mut seen = HashSet::new();
    let mut told = 0;
    let mut hear = |block: Option<String>| {
        let block = block.unwrap_or_default();
        for id in shown(&block) {
            assert!(seen.insert(id.to_owned()), "{id} again: {block}");
            told += 1;
        }
    };
    hear(start(&home, ONE));
    for _ in 0..6 {
        hear(ask(
            &home,
            ONE,
            "Which water filter does the coffee machine need?",
        ));
    }
    assert!(told > 3, "{told}");
    // To another session it is new.
    let block = ask(
        &home,
        TWO,
        "Which water filter does the coffee machine need?",
    );
    assert!(!shown(&block.expect("something")).is_empty());
}

#[test]
fn a_block_stays_below_its_limit_whatever_is_remembered() {
    let home = Home::new();
    let scope = format!("project={}", project(&home));
    home.ok(&["config", "set", "sessions.budget_tokens", "100000"]);
    for n in 0..40 {
        let text = format!(
            "Кофемашина номер {n}: {}",
            "фильтр воды 🦀 咖啡机 ".repeat(60)
        );
        home.ok(&["add", "--scope", &scope, "--type", "procedure", &text]);
    }
    let block = ask(&home, ONE, "Кофемашина: фильтр воды").expect("something");
    assert!(block.len() > 1000, "{} bytes", block.len());
    for session in [TWO, "three"] {
        start(&home, session);
    }
}

#[test]
fn prompts_in_any_script_are_understood_or_passed_over_in_silence() {
    let home = Home::new();
    with_memories(&home);
    for prompt in [
        "п".repeat(80).as_str(),
        &"я ".repeat(20_000),
        "🦀🦀🦀 👩‍👩‍👧‍👦",
        "修复登录错误，用户五分钟后被登出",
        "\u{0}\u{7}\u{1b}[2J",
        "\u{202e}txet desrever",
        "'; drop table cells; --",
        "\" AND NEAR( * ^",
    ] {
        ask(&home, ONE, prompt);
    }
    // What JavaScript makes of half an emoji.
    let raw = said(&home, ONE, json!({"prompt": "coffee machine PLACE"})).to_string();
    let run = home.fed(
        &["hook", "prompt"],
        raw.replace("PLACE", "\\ud83e water filter \\udd80"),
    );
    assert_eq!(run.code, Some(0));
    assert!(
        context(&run, "UserPromptSubmit").is_some(),
        "{}",
        run.whole()
    );
    // Bytes that are no UTF-8.
    let mut bytes = raw.into_bytes();
    let at = bytes
        .windows(5)
        .position(|w| w == b"PLACE")
        .expect("it is there");
    bytes[at] = 0xff;
    let run = home.fed(&["hook", "prompt"], &bytes);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    assert_eq!(log(&home), "");
}

#[test]
fn commands_and_empty_prompts_ask_for_nothing() {
    let home = Home::new();
    with_memories(&home);
    for prompt in [
        "",
        "   ",
        "/clear",
        "/compact keep the coffee machine",
        "/memrl:status",
    ] {
        assert_eq!(ask(&home, ONE, prompt), None, "{prompt:?}");
    }
    let said = said(&home, ONE, json!({"hook_event_name": "UserPromptSubmit"}));
    assert_eq!(
        context(&hook(&home, "prompt", &said), "UserPromptSubmit"),
        None
    );
    assert_eq!(home.json(&["stats"])["decisions"], 0, "nothing was decided");
}

#[test]
fn memory_that_is_switched_off_says_and_notes_nothing() {
    let home = Home::new();
    with_memories(&home);
    let shop = home.file("shop");
    let shop = shop.to_str().expect("UTF-8");
    let silent = |session: &str| {
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
                session,
                json!({"prompt": "coffee machine water filter", "hook_event_name": "PostToolUseFailure"}),
            );
            assert_eq!(hook(&home, event, &said).out, "", "{event}");
        }
        assert!(queued(&home).is_empty());
    };
    let off = home.run(&["off", "--project", shop]);
    assert_eq!(off.code, Some(0), "{}", off.whole());
    assert!(off.err.contains("memrl on --project"), "{}", off.whole());
    silent(ONE);
    home.ok(&["on", "--project", shop]);
    home.ok(&["off", "--session", ONE]);
    silent(ONE);
    assert!(
        ask(&home, TWO, "coffee machine water filter").is_some(),
        "another session"
    );
    home.ok(&["on", "--session", ONE]);
    home.ok(&["config", "set", "sessions.enabled", "false"]);
    silent(ONE);
    home.ok(&["config", "set", "sessions.enabled", "true"]);
    for (value, off) in [("1", true), ("true", true), ("0", false), ("", false)] {
        let mut command = home.command(&["hook", "prompt"]);
        let mut child = command
            .env("MEMRL_OFF", value)
            .stdin(Stdio::piped())
            .spawn()
            .expect("memrl runs");
        let said = said(
            &home,
            &format!("session {value}"),
            json!({"prompt": "coffee machine water filter"}),
        );
        child
            .stdin
            .take()
            .expect("a standard input")
            .write_all(said.to_string().as_bytes())
            .expect("it is read");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.stdout.is_empty(), off, "MEMRL_OFF={value}");
    }
}

#[test]
fn off_here_is_off_for_the_whole_repository() {
    let home = Home::new();
    with_memories(&home);
    let inner = home.file("shop/src/deep");
    std::fs::create_dir_all(&inner).expect("a directory");
    std::fs::create_dir_all(home.file("shop/.git")).expect("a directory");
    let mut command = home.command(&["off"]);
    let run = Run::of(command.current_dir(&inner).output().expect("memrl runs"));
    assert_eq!(run.code, Some(0), "{}", run.whole());
    assert_eq!(ask(&home, ONE, "coffee machine water filter"), None);
    let mut command = home.command(&["on"]);
    let run = Run::of(
        command
            .current_dir(home.file("shop"))
            .output()
            .expect("memrl runs"),
    );
    assert!(
        run.out.starts_with("Memory is on for shop"),
        "{}",
        run.whole()
    );
}

#[test]
fn failed_tools_and_citations_are_heard() {
    let home = Home::new();
    with_memories(&home);
    let block = ask(
        &home,
        ONE,
        "Which water filter does the coffee machine need?",
    )
    .expect("something");
    let cited = shown(&block)[0].to_owned();
    let failure = |call: &str| json!({"hook_event_name": "PostToolUseFailure", "tool_name": "Bash", "tool_use_id": call, "error": "secret message", "is_interrupt": false});
    for call in ["t1", "t2", "t2"] {
        assert_eq!(
            hook(&home, "tool", &said(&home, ONE, failure(call))).out,
            ""
        );
    }
    let fine = json!({"hook_event_name": "PostToolUse", "tool_name": "Bash", "tool_use_id": "t3", "tool_response": {"stdout": "error: none"}});
    assert_eq!(hook(&home, "tool", &said(&home, ONE, fine)).out, "");
    let answer = format!("Filter F3, see [m:{cited}].");
    let stop = json!({"hook_event_name": "Stop", "last_assistant_message": answer});
    assert_eq!(hook(&home, "stop", &said(&home, ONE, stop)).out, "");
    let why = home.json(&["why", "last"]).to_string();
    // Two calls failed; one of them was told of twice.
    assert!(why.contains("\"tool_failures.Bash\":2.0"), "{why}");
    assert!(why.contains("\"cited\":[\""), "{why}");
    assert!(!why.contains("secret message"), "{why}");
    // A session that was never told anything has nothing to learn, and that is fine.
    assert_eq!(
        hook(&home, "tool", &said(&home, TWO, failure("t9"))).out,
        ""
    );
    assert_eq!(log(&home), "");
}

#[test]
fn codex_is_answered_as_it_asks() {
    let home = Home::new();
    with_memories(&home);
    let told = |event: &str, more: Value| {
        let said = said(&home, ONE, more).to_string();
        let run = home.fed(&["hook", event, "--client", "codex"], said);
        assert_eq!(
            (run.code, run.err.as_str()),
            (Some(0), ""),
            "{}",
            run.whole()
        );
        run
    };
    let run = told(
        "session-start",
        json!({"hook_event_name": "SessionStart", "source": "startup", "model": "gpt-6", "permission_mode": "default"}),
    );
    assert!(context(&run, "SessionStart").is_some());
    let asked = json!({"hook_event_name": "UserPromptSubmit", "session_id": TWO, "turn_id": "1", "prompt": "coffee machine water filter"});
    assert!(context(&told("prompt", asked), "UserPromptSubmit").is_some());
    assert_eq!(
        told(
            "stop",
            json!({"hook_event_name": "Stop", "last_assistant_message": null})
        )
        .out,
        ""
    );
    let notes = queued(&home);
    assert_eq!((notes.len(), &notes[0]["client"]), (1, &json!("codex")));
    // A session without a file has nothing to capture.
    told("stop", json!({"session_id": TWO, "transcript_path": null}));
    assert_eq!(queued(&home).len(), 1);
}

#[test]
fn cursor_is_told_at_the_start_only_and_in_its_own_words() {
    let home = Home::new();
    with_memories(&home);
    let shop = home.file("shop");
    let cursor = |more: Value| {
        let mut said = json!({"conversation_id": "c-1", "generation_id": "g", "cursor_version": "2.4.1", "workspace_roots": [&shop], "transcript_path": "/chats/1.jsonl"});
        let fields = said.as_object_mut().expect("an object");
        if let Value::Object(more) = more {
            fields.extend(more);
        }
        said.to_string()
    };
    // By its own hooks, and by those that it takes over from Claude Code's settings.
    for args in [
        &["hook", "session-start", "--client", "cursor"][..],
        &["hook", "session-start"],
    ] {
        let session = json!({"conversation_id": format!("c-{}", args.len()), "hook_event_name": "sessionStart"});
        let run = home.fed(args, cursor(session));
        assert_eq!(run.code, Some(0));
        let answer = run.json();
        assert_eq!(answer.as_object().map(serde_json::Map::len), Some(1));
        let block = answer["additional_context"].as_str().expect("a text");
        assert!(!shown(block).is_empty(), "{block}");
    }
    let decided = home.json(&["stats"])["decisions"].clone();
    let run = home.fed(
        &["hook", "prompt"],
        cursor(json!({"prompt": "coffee machine water filter"})),
    );
    assert_eq!((run.code, run.out.as_str()), (Some(0), ""));
    assert_eq!(
        home.json(&["stats"])["decisions"],
        decided,
        "what is not shown is not decided"
    );
    let run = home.fed(
        &["hook", "stop", "--client", "cursor"],
        cursor(json!({"text": "Done."})),
    );
    assert_eq!((run.code, run.out.as_str()), (Some(0), ""));
    assert!(queued(&home).is_empty(), "its chats are not read");
}

#[test]
fn only_sessions_that_have_ended_are_said_to_wait() {
    let home = Home::new();
    let project = project(&home);
    with_memories(&home);
    conversation(&home, ONE, "Fix the login loop");
    start(&home, ONE);
    assert_eq!(queued(&home).len(), 1);
    let status = || home.json(&["status", "--project", &project]);
    let open = status();
    assert_eq!(open["queued"], 0, "{open}");
    assert!(!open.to_string().contains("memrl sweep"), "{open}");
    let end = json!({"hook_event_name": "SessionEnd", "reason": "other"});
    hook(&home, "session-end", &said(&home, ONE, end));
    let ended = status();
    assert_eq!(ended["queued"], 1, "{ended}");
    let waits = "1 session waits to be captured";
    assert!(ended.to_string().contains(waits), "{ended}");
}
