//! What a program reads.

use serde_json::Value;

use crate::support::{Home, many};

/// Runs each line with `--json`; the document has the keys before the colon at its top.
fn speaks(home: &Home, lines: &str) {
    for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (keys, args) = line.split_once(": ").expect("keys and arguments");
        let args: Vec<&str> = args.split_whitespace().collect();
        let value = home.json(&args);
        for key in keys.split_whitespace() {
            assert!(
                value.get(key).is_some(),
                "memrl {args:?}: no {key} in {value}"
            );
        }
    }
}

#[test]
fn every_command_on_memories_speaks_json() {
    let home = Home::new();
    let [coffee, lisbon, push] = home.with_three();
    let batch = home.write("b.jsonl", "{\"content\": \"fourth\"}\n");
    let lines = "
        cell created: add fifth
        created duplicates cells: add --batch BATCH
        cell_id type scope content status: get COFFEE
        items: history COFFEE
        items next_cursor: list --limit 2
        version: update LISBON --confidence 0.5
        old_cell new_cell: supersede COFFEE tea
        items: quarantine LISBON
        items: release LISBON
        items: forget PUSH
        cells pending: purge PUSH --yes";
    let lines = lines
        .replace("BATCH", &batch.display().to_string())
        .replace("COFFEE", &coffee)
        .replace("LISBON", &lisbon)
        .replace("PUSH", &push);
    speaks(&home, &lines);
}

#[test]
fn pages_follow_each_other() {
    let home = Home::new();
    home.with_three();
    let first = home.json(&["list", "--limit", "2"]);
    let cursor = first["next_cursor"].as_str().expect("a cursor");
    let second = home.json(&["list", "--limit", "2", "--cursor", cursor]);
    assert_eq!(first["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(second["items"].as_array().map(Vec::len), Some(1));
    assert!(second["next_cursor"].is_null());
}

#[test]
fn every_command_on_decisions_speaks_json() {
    let home = Home::new();
    home.with_three();
    let lines = "
        decision_id context selected suppressed propensity tokens_used latency_us: recall tea
        outcome_id decision_id merged rewards values: feedback last --success 1
        decision items outcome rewards propensity: why last
        items used: reward list
        spec terms bounds: reward show bounded_v1
        spec scored mean: reward recompute --spec memcell_v1
        files decisions decision_items rewards: export --out LOG
        files: export --format vw-dsjson --out LOG
        files cells: export --cells --out LOG/cells.jsonl
        read created duplicates rejected: import LOG/cells.jsonl";
    speaks(
        &home,
        &lines.replace("LOG", &home.file("log").display().to_string()),
    );
    assert_eq!(home.json(&["why"])["decision"]["query"], "tea");
}

#[test]
fn every_command_on_the_whole_speaks_json() {
    let home = Home::new();
    let lines = "
        data_dir created embedder holdout: init
        path bytes: backup BACKUP
        data_dir former cells decisions: restore BACKUP --force
        cells_by_status decisions embedder by_policy: stats
        health checks: doctor --repair
        memrl system checks settings_changed: doctor --report
        items file: config
        key value file: config set recall.pool 100
        key value source: config get recall.pool
        path exists: config path
        shell script: completions bash
        page: man
        policies examples log: demo --policy similarity --dir DEMO
        benchmark machine tables: bench recall --policy similarity --budget 256
        benchmark machine tables runs failed: bench policies --trainer rules --scenes 12 --seeds 2 --budget 256
        files decisions items: bench dataset --out OPEN --scenes 12
        benchmark machine tables: bench policies --trainer bc --train OPEN/coding/train --test OPEN/support/test";
    let lines = lines
        .replace("OPEN", &home.file("open").display().to_string())
        .replace("BACKUP", &home.file("backup.db").display().to_string())
        .replace("DEMO", &home.file("demo").display().to_string());
    speaks(&home, &lines);
}

#[test]
fn errors_are_json_too() {
    let home = Home::new();
    for (args, code, exit) in [
        (
            &["get", "00000000-0000-4000-8000-000000000000", "--json"][..],
            "cell_not_found",
            4,
        ),
        (&["--json", "get", "zzz"], "invalid_id", 2),
        (&["--json", "nonsense"], "invalid_input", 2),
        (&["why", "last", "--json"], "decision_not_found", 4),
        (
            &["recall", "q", "--policy", "magic", "--json"],
            "policy_not_found",
            4,
        ),
        (
            &["reward", "show", "kindness", "--json"],
            "reward_spec_not_found",
            4,
        ),
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
            .map(|v| {
                format!(
                    "{} {} {} {}",
                    v["cell_id"], v["type"], v["scope"], v["content"]
                )
            })
            .collect();
        contents.sort();
        contents
    };
    assert_eq!(
        sorted(&other.ok(&["export", "--cells", "--out", "-"])),
        sorted(&exported)
    );
}

#[test]
fn a_closed_pipe_ends_quietly() {
    use std::io::Read;
    let home = Home::new();
    let file = home.write("many.jsonl", many(2000));
    home.ok(&["add", "--batch", file.to_str().expect("UTF-8"), "-q"]);
    let mut child = home
        .command(&["export", "--cells", "--out", "-"])
        .spawn()
        .expect("memrl runs");
    let mut start = [0; 10];
    child
        .stdout
        .take()
        .expect("stdout")
        .read_exact(&mut start)
        .expect("some output");
    // The reading end is closed here.
    let ended = child.wait_with_output().expect("memrl ends");
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}
