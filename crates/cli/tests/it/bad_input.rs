//! Everything that can be wrong with what comes in: a clear error, the right exit code, and what
//! was stored before stays.

use crate::support::Home;

/// Arguments, exit code, and what standard error has to say.
type Bad<'a> = (&'a [&'a str], i32, &'a str);

fn refused(home: &Home, table: &[Bad<'_>]) {
    for (args, code, says) in table {
        let run = home.run(args);
        assert_eq!(run.code, Some(*code), "memrl {args:?}\n{}", run.whole());
        assert!(run.err.starts_with("error: "), "memrl {args:?}\n{}", run.whole());
        assert!(run.err.contains("\n\nhint: "), "memrl {args:?}\n{}", run.whole());
        assert!(run.err.contains(says), "memrl {args:?}: no {says:?}\n{}", run.whole());
        assert!(run.out.is_empty(), "memrl {args:?}\n{}", run.whole());
    }
}

#[test]
fn values_that_make_no_sense_are_refused_with_a_hint() {
    let home = Home::new();
    let [coffee, ..] = home.with_three();
    home.ok(&["recall", "coffee"]);
    let before = home.json(&["stats"]);
    refused(
        &home,
        &[
            (&["add", "--confidence", "NaN", "x"], 2, "finite"),
            (&["add", "--confidence", "inf", "x"], 2, "finite"),
            (&["add", "--confidence", "-1", "x"], 2, "[0, 1]"),
            (&["add", "--confidence", "1.5", "x"], 2, "[0, 1]"),
            (&["add", "--criticality", "NaN", "x"], 2, "finite"),
            (&["add", ""], 2, "empty"),
            (&["add", "  \t\n "], 2, "empty"),
            (&["add", "--type", "rumour", "x"], 2, "document_reference"),
            (&["add", "--sensitivity", "secret", "x"], 2, "restricted"),
            (&["add", "--origin", "mars", "x"], 2, "import"),
            (&["add", "--status", "deleted", "x"], 2, "deleted"),
            (&["add", "--scope", "user", "x"], 2, "key=value"),
            (&["add", "--scope", "=ann", "x"], 2, "key=value"),
            (&["add", "--valid-from", "2026-01-02", "--valid-until", "2026-01-01", "x"], 2, "before"),
            (&["add", "--valid-from", "2026-13-01", "x"], 2, "RFC 3339"),
            (&["add", "--payload", "{\"a\": NaN}", "x"], 2, "payload"),
            (&["add", "--payload", "\"\\ud800\"", "x"], 2, "payload"),
            (&["add", "--position", "4294967296", "--source", "s", "x"], 2, "4294967296"),
            (&["recall", "q", "--budget", "0"], 2, "budget"),
            (&["recall", "q", "--budget", "-1"], 2, "whole number"),
            (&["recall", "q", "--budget", "9223372036854775808"], 2, "budget"),
            (&["recall", "q", "--budget", "99999999999999999999999"], 2, "whole number"),
            (&["recall", "q", "--limit", "0"], 2, "limit"),
            (&["recall", "q", "--limit", "1000000000"], 2, "limit"),
            (&["recall", "q", "--policy", "magic"], 4, "magic"),
            (&["recall", "q", "--clearance", "all"], 2, "restricted"),
            (&["list", "--limit", "0"], 2, "limit"),
            (&["list", "--limit", "1000000000"], 2, "limit"),
            (&["list", "--limit", "5000000000"], 2, "limit"),
            (&["list", "--cursor", "nonsense"], 2, "cursor"),
            (&["get", "00000000-0000-4000-8000-000000000000"], 4, "no cell"),
            (&["get", "no-id"], 2, "no-id"),
            (&["get", ""], 2, ""),
            (&["update", &coffee, "--content", ""], 2, "empty"),
            (&["update", &coffee, "--confidence", "NaN"], 2, "finite"),
            (&["update", &coffee, "--content", "x", "--expected-version", "7"], 5, "version"),
            (&["supersede", &coffee, ""], 2, "empty"),
            (&["release", &coffee], 5, "active"),
            (&["forget", "00000000"], 4, "no cell"),
            (&["purge", &coffee], 2, "confirmation"),
            (&["feedback", "00000000-0000-4000-8000-000000000000"], 4, "no decision"),
            (&["feedback", "no-id"], 2, "no-id"),
            (&["feedback", "last", "--success", "NaN"], 2, "finite"),
            (&["feedback", "last", "--success", "-0.5"], 2, "[0, 1]"),
            (&["feedback", "last", "--tokens", "-1"], 2, "negative"),
            (&["feedback", "last", "--tokens", "99999999999999999999"], 2, "99999999999999999999"),
            (&["feedback", "last", "--latency-ms", "-5"], 2, "negative"),
            (&["feedback", "last", "--metric", "cost=inf"], 2, "finite"),
            (&["feedback", "last", "--metric", "cost"], 2, "name=number"),
            (&["feedback", "last", "--useful", &format!("{coffee}=2")], 2, "[0, 1]"),
            (&["feedback", "last", "--useful", "00000000-0000-4000-8000-000000000000=1"], 2, "candidate"),
            (&["why", "00000000-0000-4000-8000-000000000000"], 4, "no decision"),
            (&["reward", "recompute", "--spec", "/no/such.toml"], 6, "/no/such.toml"),
            (&["import", "/no/such.jsonl"], 6, "/no/such.jsonl"),
            (&["config", "set", "explore.epsilon", "NaN"], 2, "explore.epsilon"),
            (&["config", "set", "recall.pool", "0"], 2, "recall.pool"),
            (&["config", "get", "nothing"], 2, "nothing"),
            (&["serve", "--port", "65536"], 2, "65536"),
            (&["serve", "--host", "no such host", "--port", "0"], 6, "no such host"),
        ],
    );
    assert_eq!(home.json(&["stats"])["cells_by_status"], before["cells_by_status"]);
    assert_eq!(home.json(&["stats"])["decisions"], before["decisions"]);
    assert_eq!(home.json(&["stats"])["outcomes"], before["outcomes"]);
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
    let run = home.fed(&["add", "--batch", "-"], "{\"content\": \"x\", \"confidence\": 1e999}");
    assert_eq!(run.code, Some(2), "{}", run.err);
    assert!(home.ok(&["list"]).is_empty());
}

#[test]
fn a_null_in_a_scope_is_refused() {
    let home = Home::new();
    let run = home.fed(&["add", "--batch", "-"], "{\"content\": \"x\", \"scope\": {\"user\": null}}");
    assert_eq!(run.code, Some(2), "{}", run.err);
    assert!(run.err.contains("null"), "{}", run.err);
}

#[cfg(unix)]
#[test]
fn arguments_that_are_no_text_are_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let home = Home::new();
    for args in [&[&b"add"[..], b"caf\xe9"][..], &[b"caf\xe9"], &[b"get", b"\xff\xfe"]] {
        let output = home
            .command(&[])
            .args(args.iter().map(|a| OsStr::from_bytes(a)))
            .output()
            .expect("memrl runs");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(err.starts_with("error: ") && err.contains("hint: "), "{err}");
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
