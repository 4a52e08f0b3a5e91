//! What a person reads: the whole output of every command.

use crate::support::{Home, regex_of};
use crate::words;

#[test]
fn init_says_where_and_how_to_turn_the_hold_out_off() {
    let home = Home::new();
    let run = home
        .command(&["init"])
        .env_remove("MEMRL_EPSILON")
        .output()
        .expect("memrl runs");
    let text = format!(
        "{}---\n{}",
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr)
    );
    words!(home, text);
    words!(home, home.run(&["init"]).whole());
}

#[test]
fn add_answers_with_the_id_and_knows_what_is_there() {
    let home = Home::new();
    let args = [
        "add",
        "--type",
        "fact",
        "--scope",
        "user=ann",
        "Ann moved to Lisbon.",
    ];
    let first = home.run(&args);
    let second = home.run(&args);
    assert_eq!(first.out, second.out);
    words!(home, format!("{}\n{}", first.whole(), second.whole()));
}

#[test]
fn add_takes_text_from_stdin_and_files_of_many() {
    let home = Home::new();
    let from_stdin = home.fed(&["add", "--type", "episode", "-"], "two\nlines\n");
    assert_eq!(
        home.json(&["get", from_stdin.out.trim()])["content"],
        "two\nlines"
    );
    let file = home.write(
        "many.jsonl",
        "{\"content\": \"one\"}\n\n{\"type\": \"preference\", \"content\": \"two\", \"scope\": {\"user\": \"bob\"}}\n",
    );
    let file = file.to_str().expect("a UTF-8 path");
    let run = home.run(&["add", "--batch", file, "--scope", "user=ann"]);
    words!(home, run.whole());
    assert_eq!(home.ok(&["list", "--scope", "user=ann"]).lines().count(), 2);
    let bad = home.write(
        "bad.jsonl",
        "{\"content\": \"three\"}\n{\"content\": NaN}\n",
    );
    let bad = home.run(&["add", "--batch", bad.to_str().expect("a UTF-8 path")]);
    words!(home, bad.whole());
    assert!(!home.ok(&["list"]).contains("three"));
}

#[test]
fn every_field_of_a_memory_can_be_given_and_read() {
    let home = Home::new();
    let id = home.ok(&[
        "add",
        "--type",
        "fact",
        "--scope",
        "user=ann",
        "--scope",
        "project=web",
        "--confidence",
        "0.8",
        "--sensitivity",
        "medium",
        "--origin",
        "tool",
        "--valid-from",
        "2026-01-01T00:00:00+05:00",
        "--valid-until",
        "2099-01-01",
        "--occurred-at",
        "2025-06-01",
        "--speaker",
        "CI",
        "--source",
        "build-7",
        "--position",
        "3",
        "--source-ref",
        "log:12",
        "--key",
        "k1",
        "--criticality",
        "0.2",
        "--staleness",
        "-0.5",
        "--payload",
        "{\"exit\": 0}",
        "The build takes 4 minutes.",
    ]);
    words!(home, home.run(&["get", &id[..8]]).whole());
}

#[test]
fn list_is_a_table_and_pages() {
    let home = Home::new();
    home.with_three();
    words!(home, home.run(&["list"]).whole());
    words!(home, home.run(&["list", "--limit", "2"]).whole());
    words!(
        home,
        home.run(&["list", "--contains", "LISBON", "--type", "fact", "-q"])
            .whole()
    );
    words!(home, home.run(&["list", "--scope", "user=nobody"]).whole());
}

#[test]
fn update_supersede_forget_and_history() {
    let home = Home::new();
    let [coffee, lisbon, _] = home.with_three();
    let mut all = String::new();
    let mut step = |args: &[&str]| {
        let run = home.run(args);
        all += &["$ memrl ", &args.join(" "), "\n", &run.whole(), "\n"].concat();
    };
    step(&[
        "update",
        &lisbon,
        "--content",
        "I moved to Porto in 2024.",
        "--expected-version",
        "1",
    ]);
    step(&[
        "update",
        &lisbon,
        "--content",
        "never",
        "--expected-version",
        "1",
    ]);
    step(&["update", &lisbon]);
    step(&["supersede", &coffee, "Ann drinks tea now."]);
    step(&["supersede", &coffee, "Ann drinks water now."]);
    step(&["quarantine", &lisbon, "--reason", "she may have moved on"]);
    step(&["release", &lisbon]);
    step(&["forget", &lisbon, "--reason", "asked to"]);
    step(&["history", &lisbon]);
    step(&["get", &coffee, "--history"]);
    words!(home, all);
}

#[test]
fn recall_prints_the_block_alone_on_stdout() {
    let home = Home::new();
    home.with_three();
    words!(
        home,
        home.run(&[
            "recall",
            "How does Ann take her coffee?",
            "--scope",
            "user=ann",
            "--budget",
            "200"
        ])
        .whole()
    );
    words!(
        home,
        home.run(&[
            "recall",
            "coffee",
            "--limit",
            "1",
            "--show-all",
            "--policy",
            "baseline_v0"
        ])
        .whole()
    );
    words!(
        home,
        home.run(&["recall", "coffee", "--scope", "user=nobody"])
            .whole()
    );
}

#[test]
fn feedback_why_and_rewards_tell_one_story() {
    let home = Home::new();
    let [coffee, ..] = home.with_three();
    home.ok(&[
        "recall",
        "How does Ann take her coffee?",
        "--trajectory",
        "morning",
    ]);
    let before = home.run(&["why"]);
    let told = home.run(&[
        "feedback",
        "last",
        "--success",
        "true",
        "--tokens",
        "812",
        "--latency-ms",
        "900",
        "--useful",
        &format!("{}=1", &coffee[..8]),
        "--cited",
        &coffee,
        "--metric",
        "cost=0.4",
        "--source",
        "user",
    ]);
    let against = home.run(&["feedback", "last", "--success", "0", "--stale"]);
    let after = home.run(&["why", "last", "--all"]);
    let scored = home.run(&["reward", "recompute", "--spec", "bounded_v1"]);
    words!(
        home,
        [before, told, against, after, scored]
            .map(|r| r.whole())
            .join("\n")
    );
}

#[test]
fn reward_specs_can_be_read() {
    let home = Home::new();
    words!(home, home.run(&["reward", "list"]).whole());
    words!(home, home.run(&["reward", "show", "memcell_v1"]).whole());
    words!(home, home.run(&["reward", "show", "kindness"]).whole());
}

#[test]
fn export_and_import_say_what_they_did() {
    let home = Home::new();
    home.with_three();
    home.ok(&["recall", "coffee"]);
    let log = home.file("log");
    let cells = home.file("cells.jsonl");
    let (log, cells) = (log.to_str().expect("UTF-8"), cells.to_str().expect("UTF-8"));
    words!(
        home,
        home.run(&["export", "--format", "parquet", "--out", log])
            .whole()
    );
    words!(
        home,
        home.run(&["export", "--cells", "--out", cells]).whole()
    );
    let other = Home::new();
    words!(other, other.run(&["import", cells, "--dry-run"]).whole());
    words!(other, other.run(&["import", cells]).whole());
    words!(other, other.run(&["import", cells]).whole());
    let half = home.write("half.jsonl", "{\"content\": \"good\", \"type\": \"fact\"}\n{\"content\": \"\", \"type\": \"fact\"}\nnonsense\n");
    let half = other.run(&["import", half.to_str().expect("UTF-8")]);
    words!(other, half.whole());
}

#[test]
fn exports_for_other_programs_say_what_was_left_out_and_why() {
    let home = Home::new();
    home.with_three();
    for success in ["0", "1"] {
        home.ok(&["recall", "coffee"]);
        home.ok(&["feedback", "last", "--success", success]);
    }
    home.ok(&["recall", "tea"]);
    let log = home.file("log");
    let log = log.to_str().expect("UTF-8");
    for format in ["vw-cb", "obp", "d3rlpy", "trl-dpo", "trl-kto"] {
        words!(
            home,
            home.run(&["export", "--format", format, "--out", log])
                .whole()
        );
    }
    words!(
        home,
        home.run(&["export", "--format", "trl-sft", "--no-text", "--out", log])
            .whole()
    );
}

#[test]
fn stats_doctor_and_config() {
    let home = Home::new();
    home.with_three();
    home.ok(&["recall", "coffee"]);
    words!(home, home.run(&["stats"]).whole());
    words!(home, home.run(&["doctor"]).whole());
    words!(
        home,
        home.run(&["config", "get", "recall.budget_tokens"]).whole()
    );
    words!(
        home,
        home.run(&["config", "set", "recall.budget_tokens", "500"])
            .whole()
    );
    words!(
        home,
        home.run(&["config", "set", "explore.epsilon", "0.01"])
            .whole()
    );
    words!(
        home,
        home.run(&["config", "set", "explore.epsilon", "7"]).whole()
    );
    words!(home, home.run(&["config", "set", "colour", "blue"]).whole());
    words!(home, home.run(&["config", "path"]).whole());
    words!(home, home.run(&["config"]).whole());
}

#[test]
fn backup_and_restore() {
    let home = Home::new();
    home.with_three();
    let backup = home.run(&["backup"]);
    words!(home, backup.whole());
    home.ok(&["add", "Written after the backup."]);
    let file = backup.out.trim();
    words!(home, home.run(&["restore", file]).whole());
    words!(home, home.run(&["restore", file, "--force"]).whole());
    let listed = home.ok(&["list"]);
    assert!(
        listed.contains("coffee") && !listed.contains("after the backup"),
        "{listed}"
    );
    let elsewhere = Home::new();
    assert_eq!(elsewhere.run(&["restore", file]).code, Some(0));
    assert!(elsewhere.ok(&["list"]).contains("coffee"));
}

#[test]
fn purge_asks_first() {
    let home = Home::new();
    let [coffee, ..] = home.with_three();
    words!(home, home.run(&["purge", &coffee]).whole());
    words!(home, home.run(&["purge", &coffee, "--yes"]).whole());
    words!(home, home.run(&["get", &coffee]).whole());
}

#[test]
fn usage_errors_have_a_hint() {
    let home = Home::new();
    for args in [
        &["frobnicate"][..],
        &["add"],
        &["add", "--type", "rumour", "text"],
        &["recall", "q", "--budget", "many"],
        &["feedback", "last", "--success", "maybe"],
        &["list", "--scope", "user"],
        &["list", "--from", "soon"],
    ] {
        let run = home.run(args);
        assert_eq!(run.code, Some(2), "{args:?}");
        words!(home, format!("$ memrl {}\n{}", args.join(" "), run.whole()));
    }
    assert!(!home.path().exists(), "a usage error leaves nothing behind");
}

#[test]
fn colour_is_only_where_it_is_asked_for() {
    let home = Home::new();
    home.with_three();
    assert!(!home.ok(&["stats"]).contains('\x1b'));
    assert!(home.ok(&["stats", "--color", "always"]).contains('\x1b'));
    let failure = home.run(&["get", "00000000", "--color", "always"]);
    assert!(failure.err.contains("\x1b[1;31merror:"), "{}", failure.err);
}
