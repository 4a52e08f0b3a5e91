//! Everything that can be wrong with what comes in: a clear error, the right exit code, and what
//! was stored before stays.

use crate::support::Home;

/// Runs lines of `exit | what standard error says | arguments`; `''` is an empty argument.
pub fn refused(home: &Home, table: &str) {
    for line in table.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let fields: Vec<&str> = line.splitn(3, " | ").collect();
        let [exit, says, args] = fields[..] else {
            panic!("{line}")
        };
        let args: Vec<&str> = args
            .split_whitespace()
            .map(|a| if a == "''" { "" } else { a })
            .collect();
        let run = home.run(&args);
        assert_eq!(
            run.code.map(|c| c.to_string()).as_deref(),
            Some(exit),
            "{line}\n{}",
            run.whole()
        );
        assert!(run.err.starts_with("error: "), "{line}\n{}", run.whole());
        assert!(run.err.contains("\n\nhint: "), "{line}\n{}", run.whole());
        assert!(run.err.contains(says), "{line}\n{}", run.whole());
        assert!(run.out.is_empty(), "{line}\n{}", run.whole());
    }
}

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

#[test]
fn memories_that_make_no_sense_are_refused_with_a_hint() {
    let home = Home::new();
    home.ok(&["init"]);
    refused(
        &home,
        r#"
        2 | finite | add --confidence NaN x
        2 | finite | add --confidence inf x
        2 | [0, 1] | add --confidence -1 x
        2 | [0, 1] | add --confidence 1.5 x
        2 | finite | add --criticality NaN x
        2 | empty | add ''
        2 | document_reference | add --type rumour x
        2 | restricted | add --sensitivity secret x
        2 | import | add --origin mars x
        2 | deleted | add --status deleted x
        2 | key=value | add --scope user x
        2 | key=value | add --scope =ann x
        2 | before | add --valid-from 2026-01-02 --valid-until 2026-01-01 x
        2 | RFC 3339 | add --valid-from 2026-13-01 x
        2 | payload | add --payload {"a":NaN} x
        2 | payload | add --payload "\ud800" x
        2 | 4294967296 | add --source s --position 4294967296 x
        "#,
    );
    assert_eq!(home.run(&["add", " \t\n "]).code, Some(2));
    assert!(home.ok(&["list"]).is_empty(), "nothing of it was stored");
}

#[test]
fn what_is_not_there_or_not_possible_is_refused_with_a_hint() {
    let home = Home::new();
    let [coffee, gone, _] = home.with_three();
    home.ok(&["supersede", &gone, "I moved to Porto."]);
    let table = r"
        2 | limit | list --limit 0
        2 | limit | list --limit 1000000000
        2 | limit | list --limit 5000000000
        2 | cursor | list --cursor nonsense
        4 | no cell | get NOBODY
        2 | no-id | get no-id
        2 | hint | get ''
        2 | empty | update COFFEE --content ''
        2 | finite | update COFFEE --confidence NaN
        5 | version | update COFFEE --content x --expected-version 7
        2 | empty | supersede COFFEE ''
        5 | superseded | quarantine GONE
        5 | superseded | supersede GONE again
        4 | no cell | forget 00000000
        2 | confirmation | purge COFFEE
        4 | /no/such.jsonl | import /no/such.jsonl
        2 | explore.epsilon | config set explore.epsilon NaN
        2 | recall.pool | config set recall.pool 0
        2 | nothing | config get nothing
        2 | 65536 | serve --port 65536
        6 | 192.0.2.1 | serve --host 192.0.2.1 --port 0
    ";
    let before = home.ok(&["list"]);
    let table = table
        .replace("COFFEE", &coffee)
        .replace("GONE", &gone)
        .replace("NOBODY", NOBODY);
    refused(&home, &table);
    assert_eq!(home.ok(&["list"]), before, "nothing was changed");
}

#[test]
fn questions_and_outcomes_that_make_no_sense_are_refused_with_a_hint() {
    let home = Home::new();
    let [coffee, ..] = home.with_three();
    home.ok(&["recall", "coffee"]);
    let table = r"
        2 | budget | recall q --budget 0
        2 | whole number | recall q --budget -1
        2 | budget | recall q --budget 9223372036854775808
        2 | whole number | recall q --budget 99999999999999999999999
        2 | limit | recall q --limit 0
        2 | limit | recall q --limit 1000000000
        4 | magic | recall q --policy magic
        2 | restricted | recall q --clearance all
        4 | no decision | feedback NOBODY
        2 | no-id | feedback no-id
        2 | finite | feedback last --success NaN
        2 | [0, 1] | feedback last --success -0.5
        2 | negative | feedback last --tokens -1
        2 | 99999999999999999999 | feedback last --tokens 99999999999999999999
        2 | negative | feedback last --latency-ms -5
        2 | finite | feedback last --metric cost=inf
        2 | name=number | feedback last --metric cost
        2 | [0, 1] | feedback last --useful COFFEE=2
        2 | candidate | feedback last --useful NOBODY=1
        4 | no decision | why NOBODY
        4 | /no/such.toml | reward recompute --spec /no/such.toml
    ";
    let before = home.json(&["stats"]);
    refused(
        &home,
        &table.replace("COFFEE", &coffee).replace("NOBODY", NOBODY),
    );
    let after = home.json(&["stats"]);
    for count in ["cells_by_status", "decisions", "outcomes"] {
        assert_eq!(after[count], before[count], "{count}");
    }
}

#[test]
fn large_and_broken_input_is_refused() {
    let home = Home::new();
    let ten_megabytes = "x".repeat(10 << 20);
    let run = home.fed(&["add", "-"], &ten_megabytes);
    assert_eq!(run.code, Some(2), "{}", run.err);
    assert!(run.err.contains("limits.max_content_bytes"), "{}", run.err);
    let run = home.fed(&["add", "-"], b"caf\xe9");
    assert_eq!(run.code, Some(2), "{}", run.err);
    assert!(run.err.contains("UTF-8"), "{}", run.err);
    let run = home.fed(&["recall", "-"], &ten_megabytes);
    assert_eq!(run.code, Some(2), "{}", run.err);
    let run = home.fed(&["add", "--batch", "-"], "{\"content\": \"\\ud800\"}");
    assert_eq!(run.code, Some(2), "{}", run.err);
    assert!(run.err.contains("line 1"), "{}", run.err);
    let run = home.fed(
        &["add", "--batch", "-"],
        "{\"content\": \"x\", \"confidence\": 1e999}",
    );
    assert_eq!(run.code, Some(2), "{}", run.err);
    assert!(home.ok(&["list"]).is_empty());
}

#[test]
fn a_null_in_a_scope_is_refused() {
    let home = Home::new();
    let run = home.fed(
        &["add", "--batch", "-"],
        "{\"content\": \"x\", \"scope\": {\"user\": null}}",
    );
    assert_eq!(run.code, Some(2), "{}", run.err);
    assert!(run.err.contains("null"), "{}", run.err);
}

#[cfg(unix)]
#[test]
fn arguments_that_are_no_text_are_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let home = Home::new();
    for args in [
        &[&b"add"[..], b"caf\xe9"][..],
        &[b"caf\xe9"],
        &[b"get", b"\xff\xfe"],
    ] {
        let output = home
            .command(&[])
            .args(args.iter().map(|a| OsStr::from_bytes(a)))
            .output()
            .expect("memrl runs");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(
            err.starts_with("error: ") && err.contains("hint: "),
            "{err}"
        );
    }
}

#[test]
fn numbers_below_zero_are_values_not_options() {
    let home = Home::new();
    let id = home.ok(&["add", "--staleness", "-0.25", "-5"]);
    let cell = home.json(&["get", &id]);
    assert_eq!(cell["content"], "-5");
    assert_eq!(cell["policy_features"]["staleness"], -0.25);
}

#[test]
fn foreign_text_cannot_leave_its_line() {
    let home = Home::new();
    home.ok(&["add", "first\nsecond\r\n\x1b[31mred"]);
    let listed = home.ok(&["list"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(!listed.contains('\x1b'), "{listed:?}");
}

#[cfg(not(feature = "remote"))]
#[test]
fn a_build_that_cannot_download_says_so() {
    refused(&Home::new(), "7 | made without the feature `remote` | pull");
}
