//! What a program reads.

use serde_json::Value;

use crate::support::Home;

/// Runs with `--json`; the document has these keys at its top.
fn has(home: &Home, args: &[&str], keys: &[&str]) -> Value {
    let value = home.json(args);
    for key in keys {
        assert!(value.get(key).is_some(), "memrl {args:?}: no {key} in {value}");
    }
    value
}

#[test]
fn every_command_speaks_json() {
    let home = Home::new();
    has(&home, &["init"], &["data_dir", "created", "embedder", "holdout"]);
    let [coffee, lisbon, push] = home.with_three();
    let added = has(&home, &["add", "A fourth."], &["cell", "created"]);
    let fourth = added["cell"]["cell_id"].as_str().expect("an id").to_owned();
    let batch = home.write("b.jsonl", "{\"content\": \"fifth\"}\n");
    has(&home, &["add", "--batch", batch.to_str().expect("UTF-8")], &["created", "duplicates", "cells"]);
    has(&home, &["get", &coffee], &["cell_id", "type", "scope", "content", "status"]);
    has(&home, &["history", &coffee], &["items"]);
    let page = has(&home, &["list", "--limit", "2"], &["items", "next_cursor"]);
    let cursor = page["next_cursor"].as_str().expect("a cursor").to_owned();
    assert_eq!(has(&home, &["list", "--cursor", &cursor], &["items"])["items"].as_array().map(Vec::len), Some(3));
    has(&home, &["update", &lisbon, "--confidence", "0.5"], &["version"]);
    has(&home, &["supersede", &coffee, "Ann drinks tea."], &["old_cell", "new_cell"]);
    has(&home, &["quarantine", &lisbon], &["items"]);
    has(&home, &["release", &lisbon], &["items"]);
    let recall = has(
        &home,
        &["recall", "tea", "--scope", "user=ann"],
        &["decision_id", "context", "selected", "suppressed", "propensity", "tokens_used", "latency_us"],
    );
    let decision = recall["decision_id"].as_str().expect("an id");
    has(&home, &["feedback", decision, "--success", "1"], &["outcome_id", "merged", "rewards", "values"]);
    let why = has(&home, &["why", decision], &["decision", "items", "outcome", "rewards"]);
    assert_eq!(why["decision"]["query"], "tea");
    has(&home, &["reward", "list"], &["items", "used"]);
    has(&home, &["reward", "show", "bounded_v1"], &["spec", "terms", "bounds"]);
    has(&home, &["reward", "recompute", "--spec", "memcell_v1"], &["spec", "scored"]);
    let log = home.file("log");
    has(&home, &["export", "--out", log.to_str().expect("UTF-8")], &["files", "decisions"]);
    let cells = home.file("cells.jsonl");
    let cells = cells.to_str().expect("UTF-8");
    has(&home, &["export", "--cells", "--out", cells], &["files", "cells"]);
    has(&home, &["import", cells], &["read", "created", "duplicates", "rejected"]);
    has(&home, &["stats"], &["cells_by_status", "decisions", "embedder"]);
    has(&home, &["doctor"], &["health", "checks"]);
    has(&home, &["doctor", "--report"], &["memrl", "checks", "decisions"]);
    let backup = has(&home, &["backup"], &["path", "bytes"]);
    has(
        &home,
        &["restore", backup["path"].as_str().expect("a path"), "--force"],
        &["data_dir", "former", "cells", "decisions"],
    );
    has(&home, &["config"], &["items", "file"]);
    has(&home, &["config", "get", "recall.pool"], &["key", "value", "source"]);
    has(&home, &["config", "set", "recall.pool", "100"], &["key", "value", "file"]);
    has(&home, &["config", "path"], &["path", "exists"]);
    has(&home, &["completions", "bash"], &["shell", "script"]);
    has(&home, &["man"], &["page"]);
    has(&home, &["forget", &push], &["items"]);
    has(&home, &["purge", &fourth, "--yes"], &["cells", "pending"]);
}

#[test]
fn errors_are_json_too() {
    let home = Home::new();
    for (args, code, exit) in [
        (&["get", "00000000-0000-4000-8000-000000000000", "--json"][..], "cell_not_found", 4),
        (&["--json", "get", "zzz"], "invalid_id", 2),
        (&["--json", "nonsense"], "invalid_input", 2),
        (&["why", "last", "--json"], "decision_not_found", 4),
        (&["recall", "q", "--policy", "magic", "--json"], "policy_not_found", 4),
        (&["reward", "show", "kindness", "--json"], "reward_spec_not_found", 4),
    ] {
        let run = home.run(args);
        assert_eq!(run.code, Some(exit), "{args:?}\n{}", run.whole());
        let error = run.error();
        assert_eq!(error["code"], code, "{args:?}");
        assert!(!error["message"].as_str().unwrap_or_default().is_empty());
        assert!(!error["hint"].as_str().unwrap_or_default().is_empty());
        assert!(run.out.is_empty());
    }
}

#[test]
fn exported_cells_come_back_as_they_were() {
    let home = Home::new();
    home.with_three();
    let exported = home.ok(&["export", "--cells", "--out", "-"]);
    assert_eq!(exported.lines().count(), 3);
    let file = home.write("cells.jsonl", &exported);
    let other = Home::new();
    other.ok(&["import", file.to_str().expect("UTF-8")]);
    let sorted = |text: &str| {
        let mut contents: Vec<String> = text
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).expect("JSON"))
            .map(|v| format!("{} {} {} {}", v["cell_id"], v["type"], v["scope"], v["content"]))
            .collect();
        contents.sort();
        contents
    };
    assert_eq!(sorted(&other.ok(&["export", "--cells", "--out", "-"])), sorted(&exported));
}

#[test]
fn a_closed_pipe_ends_quietly() {
    use std::io::Read;
    let home = Home::new();
    let lines: String = (0..20_000)
        .map(|i| format!("{{\"content\": \"memory number {i} of a long list\"}}\n"))
        .collect();
    let file = home.write("many.jsonl", lines);
    home.ok(&["add", "--batch", file.to_str().expect("UTF-8"), "-q"]);
    let mut child = home.command(&["export", "--cells", "--out", "-"]).spawn().expect("memrl runs");
    let mut start = [0; 10];
    child.stdout.take().expect("stdout").read_exact(&mut start).expect("some output");
    // The reading end is closed here.
    let ended = child.wait_with_output().expect("memrl ends");
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}
