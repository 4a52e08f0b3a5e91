//! What tools print: test counts, classes of errors, commits, pull requests.
//!
//! Knows the words of well-known programs; no client and no transcript.

use memrl_types::TestCounts;

use super::words;

/// The text without ANSI escapes.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            if chars.next_if_eq(&'[').is_some() {
                let _ = chars.by_ref().find(char::is_ascii_alphabetic);
            }
        } else if c != '\0' {
            out.push(c);
        }
    }
    out
}

/// Adds numbers up and remembers whether there were any.
#[derive(Default)]
struct Sum {
    counts: TestCounts,
    any: bool,
}

impl Sum {
    fn add(&mut self, passed: u32, failed: u32, skipped: u32) {
        self.any = true;
        self.counts.passed = self.counts.passed.saturating_add(passed);
        self.counts.failed = self.counts.failed.saturating_add(failed);
        self.counts.skipped = self.counts.skipped.saturating_add(skipped);
    }

    fn get(self) -> Option<TestCounts> {
        self.any.then_some(self.counts)
    }
}

/// What a test run counted; `None` when it says nothing. Knows cargo test, nextest, pytest,
/// unittest, jest, vitest, mocha, node, go test, rspec, `PHPUnit`, Maven, Gradle and .NET.
pub(super) fn test_counts(output: &str) -> Option<TestCounts> {
    let formats: [fn(&str) -> Option<TestCounts>; 8] =
        [cargo, pytest, unittest, javascript, mocha, go, node, others];
    formats.iter().find_map(|f| f(output))
}

/// The number before a word, as in `3 failed`.
fn before(line: &str, names: &[&str]) -> Option<u32> {
    let mut last: Option<u32> = None;
    for token in line
        .split(|c: char| c.is_whitespace() || ",;:|().".contains(c))
        .filter(|t| !t.is_empty())
    {
        if names.contains(&token) && last.is_some() {
            return last;
        }
        last = token.parse().ok();
    }
    None
}

/// The number after a label, as in `Failures: 3`.
fn after(line: &str, label: &str) -> Option<u32> {
    let (_, rest) = line.split_once(label)?;
    let rest = rest.trim_start_matches([':', '=', ' ']);
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

fn cargo(output: &str) -> Option<TestCounts> {
    let mut sum = Sum::default();
    for line in output.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("test result: ") {
            let passed = before(rest, &["passed"]);
            if let (Some(passed), Some(failed)) = (passed, before(rest, &["failed"])) {
                sum.add(passed, failed, before(rest, &["ignored"]).unwrap_or(0));
            }
        } else if line.starts_with("Summary [")
            && let Some((_, rest)) = line.split_once("run: ")
            && let Some(passed) = before(rest, &["passed"])
        {
            let timed_out = before(rest, &["timed"]).unwrap_or(0);
            sum.add(
                passed,
                before(rest, &["failed"]).unwrap_or(0) + timed_out,
                before(rest, &["skipped"]).unwrap_or(0),
            );
        }
    }
    sum.get()
}

fn pytest(output: &str) -> Option<TestCounts> {
    let line = output
        .lines()
        .rev()
        .map(|l| l.trim().trim_matches('=').trim())
        .find(|l| {
            let words = ["passed", "failed", "error", "errors", "skipped"];
            l.starts_with(|c: char| c.is_ascii_digit())
                && l.contains(" in ")
                && l.ends_with(['s', ')'])
                && before(l, &words).is_some()
        })?;
    let get = |names: &[&str]| before(line, names).unwrap_or(0);
    Some(TestCounts {
        passed: get(&["passed"]).saturating_add(get(&["xpassed"])),
        failed: get(&["failed"]).saturating_add(get(&["error", "errors"])),
        skipped: get(&["skipped"]).saturating_add(get(&["xfailed"])),
    })
}

fn unittest(output: &str) -> Option<TestCounts> {
    let mut lines = output
        .lines()
        .rev()
        .map(str::trim)
        .filter(|l| !l.is_empty());
    let verdict =
        lines.find(|l| *l == "OK" || l.starts_with("OK (") || l.starts_with("FAILED ("))?;
    let ran = lines.find(|l| l.starts_with("Ran ") && l.contains(" test"))?;
    let ran = after(ran, "Ran ")?;
    let failed = after(verdict, "failures=")
        .unwrap_or(0)
        .saturating_add(after(verdict, "errors=").unwrap_or(0));
    let skipped = after(verdict, "skipped=").unwrap_or(0);
    Some(TestCounts {
        passed: ran.saturating_sub(failed).saturating_sub(skipped),
        failed,
        skipped,
    })
}

/// jest and vitest: `Tests:  1 failed, 10 passed, 11 total`, `Tests  1 failed | 10 passed (11)`.
fn javascript(output: &str) -> Option<TestCounts> {
    let mut sum = Sum::default();
    for line in output.lines().map(str::trim) {
        let Some(rest) = line.strip_prefix("Tests") else {
            continue;
        };
        let rest = rest.trim_start_matches(':');
        let passed = before(rest, &["passed"]);
        let failed = before(rest, &["failed"]);
        if rest.starts_with(' ') && (passed.is_some() || failed.is_some()) {
            sum.add(
                passed.unwrap_or(0),
                failed.unwrap_or(0),
                before(rest, &["skipped"])
                    .unwrap_or(0)
                    .saturating_add(before(rest, &["todo"]).unwrap_or(0)),
            );
        }
    }
    sum.get()
}

fn mocha(output: &str) -> Option<TestCounts> {
    let number = |word: &str| {
        output.lines().map(str::trim).find_map(|l| {
            let (n, rest) = l.split_once(' ')?;
            let rest = rest.strip_prefix(word)?;
            (rest.is_empty() || rest.starts_with(" (")).then(|| n.parse::<u32>().ok())?
        })
    };
    let passed = number("passing")?;
    Some(TestCounts {
        passed,
        failed: number("failing").unwrap_or(0),
        skipped: number("pending").unwrap_or(0),
    })
}

/// With `-v` tests are counted, otherwise packages and the tests that failed.
fn go(output: &str) -> Option<TestCounts> {
    let count = |prefix: &str| {
        output
            .lines()
            .filter(|l| l.trim_start().starts_with(prefix))
            .count() as u32
    };
    let package = |prefix: &str| {
        output
            .lines()
            .filter(|l| l.starts_with(prefix) && l.contains('\t'))
            .count() as u32
    };
    let (ok, bad) = (package("ok  \t"), package("FAIL\t"));
    let (pass, fail) = (count("--- PASS: "), count("--- FAIL: "));
    if ok + bad + pass + fail == 0 {
        return None;
    }
    Some(TestCounts {
        passed: if pass > 0 { pass } else { ok },
        failed: fail.max(bad),
        skipped: count("--- SKIP: "),
    })
}

/// node: `# pass 5`, or with a sign of information before it.
fn node(output: &str) -> Option<TestCounts> {
    let number = |word: &str| {
        output.lines().rev().map(str::trim).find_map(|l| {
            l.strip_prefix("# ")
                .or_else(|| l.strip_prefix("ℹ "))?
                .strip_prefix(word)?
                .trim()
                .parse::<u32>()
                .ok()
        })
    };
    Some(TestCounts {
        passed: number("pass ")?,
        failed: number("fail ")?,
        skipped: number("skipped ").unwrap_or(0),
    })
}

/// rspec, `PHPUnit`, Maven, Gradle, .NET.
fn others(output: &str) -> Option<TestCounts> {
    output.lines().rev().map(str::trim).find_map(|line| {
        if let (Some(all), Some(failed)) = (
            before(line, &["examples", "example", "tests", "test"]),
            before(line, &["failures", "failure"]),
        ) {
            let skipped = before(line, &["pending", "skipped"]).unwrap_or(0);
            return Some(TestCounts {
                passed: all.saturating_sub(failed).saturating_sub(skipped),
                failed,
                skipped,
            });
        }
        if let Some(all) = after(line, "Tests run:")
            .or_else(|| after(line, "Tests:").filter(|_| line.contains("Assertions:")))
        {
            let get = |label| after(line, label).unwrap_or(0);
            let failed = get("Failures:").saturating_add(get("Errors:"));
            return Some(TestCounts {
                passed: all.saturating_sub(failed).saturating_sub(get("Skipped:")),
                failed,
                skipped: get("Skipped:"),
            });
        }
        if let Some(all) = line
            .strip_prefix("OK (")
            .and_then(|r| before(r, &["tests", "test"]))
        {
            return Some(TestCounts {
                passed: all,
                ..TestCounts::default()
            });
        }
        if let (Some(all), Some(failed)) = (
            before(line, &["tests"]).filter(|_| line.contains("completed")),
            before(line, &["failed"]),
        ) {
            let skipped = before(line, &["skipped"]).unwrap_or(0);
            return Some(TestCounts {
                passed: all.saturating_sub(failed).saturating_sub(skipped),
                failed,
                skipped,
            });
        }
        let (failed, passed) = (after(line, "Failed:")?, after(line, "Passed:")?);
        Some(TestCounts {
            passed,
            failed,
            skipped: after(line, "Skipped:").unwrap_or(0),
        })
    })
}

/// The commit that `git commit` says it made: `[main 1a2b3c4] message`.
pub(super) fn commit_sha(output: &str) -> Option<String> {
    output.lines().rev().find_map(|line| {
        let (inside, _) = line.trim().strip_prefix('[')?.split_once(']')?;
        let (branch, sha) = inside.rsplit_once(' ')?;
        let hex = sha
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (!branch.is_empty() && hex && (7..=40).contains(&sha.len())).then(|| sha.to_owned())
    })
}

/// The number of the pull request whose address was printed.
pub(super) fn pull_request(output: &str) -> Option<u64> {
    output.split_whitespace().rev().find_map(|word| {
        if !word.starts_with("https://") {
            return None;
        }
        let (_, rest) = word
            .split_once("/pull/")
            .or_else(|| word.split_once("/merge_requests/"))?;
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        rest[..digits].parse().ok()
    })
}

/// The exit code in what a client writes around an output.
pub(super) fn exit_code(output: &str) -> Option<i64> {
    let head = words::cut(output, 400);
    head.lines().take(4).find_map(|line| {
        let line = line.trim();
        let rest = line
            .strip_prefix("Exit code ")
            .or_else(|| line.strip_prefix("Exit code: "))
            .or_else(|| line.strip_prefix("Process exited with code "))
            .or_else(|| line.strip_prefix("exit code: "))?;
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '-')
            .unwrap_or(rest.len());
        rest[..end].parse().ok()
    })
}

/// Whether a build says that it failed, though the exit code of a pipe hides it.
pub(super) fn build_failed(output: &str) -> bool {
    output.lines().any(|l| {
        l.starts_with("error[E")
            || l.starts_with("error: could not compile")
            || l.starts_with("error: test failed")
    })
}

/// Class and message of an error: the class of the language or system where it says one, the
/// fallback otherwise.
pub(super) fn classify(output: &str, fallback: &str) -> (String, String) {
    let text = output
        .replace("<tool_use_error>", "")
        .replace("</tool_use_error>", "");
    let status = |l: &str| exit_code(l).is_some() || l.starts_with("Wall time") || l == "Output:";
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !status(l))
        .collect();
    let compiler = lines
        .iter()
        .enumerate()
        .find_map(|(at, l)| Some((compiler(l)?, at)));
    let exception = || {
        lines
            .iter()
            .enumerate()
            .rev()
            .find_map(|(at, l)| Some((exception(l)?, at)))
    };
    let system = || {
        lines
            .iter()
            .enumerate()
            .find_map(|(at, l)| Some((system(l)?.to_owned(), at)))
    };
    if let Some((class, at)) = compiler.or_else(exception).or_else(system) {
        let message = lines[at].strip_prefix("E   ").map_or(lines[at], str::trim);
        return (
            class.clone(),
            words::line(&with_details(message, &class, &lines[at + 1..]), 300),
        );
    }
    let said = |l: &&&str| {
        let words = words::words(words::cut(l, 400));
        let names = ["error", "fatal", "failed", "failure", "cannot", "fail"];
        words.iter().any(|w| names.contains(&w.as_str())) && !l.contains("0 failed")
    };
    // Commands say at the end what was wrong, tools at the beginning.
    let command = exit_code(output).is_some();
    let message = lines
        .iter()
        .find(said)
        .or(if command { lines.last() } else { lines.first() })
        .map_or(output.trim(), |l| l);
    (fallback.to_owned(), words::line(message, 300))
}

/// The message with the lines behind it that belong to it: what a panic says, where an error is.
fn with_details(message: &str, class: &str, behind: &[&str]) -> String {
    let mut text = message.to_owned();
    if class == "panic" {
        for line in behind
            .iter()
            .take(3)
            .take_while(|l| !l.starts_with("note: ") && !l.starts_with("test "))
        {
            text.push(' ');
            text.push_str(line);
        }
    } else if let Some(place) = behind
        .first()
        .filter(|l| class.starts_with("rustc") && l.starts_with("-->"))
    {
        text.push(' ');
        text.push_str(place);
    }
    text
}

/// Errors of compilers that have codes: `error[E0308]: …`, `error TS2345: …`, `error C2065: …`.
fn compiler(line: &str) -> Option<String> {
    if let Some((code, _)) = line.strip_prefix("error[").and_then(|r| r.split_once(']'))
        && code.len() <= 8
        && code.starts_with('E')
    {
        return Some(format!("rustc {code}"));
    }
    let (_, rest) = line.split_once("error ")?;
    let code = rest.split(':').next()?;
    let digits = code
        .strip_prefix("TS")
        .or_else(|| code.strip_prefix("CS"))
        .or_else(|| code.strip_prefix('C'))?;
    (digits.len() >= 4 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| {
        let tool = if code.starts_with("TS") {
            "tsc"
        } else {
            "compiler"
        };
        format!("{tool} {code}")
    })
}

/// Exceptions and panics: `TypeError: …`, `java.lang.IllegalStateException: …`, `panicked at …`.
fn exception(line: &str) -> Option<String> {
    if line.contains("panicked at") || line.starts_with("panic: ") {
        return Some("panic".to_owned());
    }
    let line = line.strip_prefix("E   ").map_or(line, str::trim);
    let line = line.strip_prefix("Uncaught ").unwrap_or(line);
    let name = line.split([':', ' ']).next()?;
    let class = name.rsplit('.').next()?;
    let known = class.ends_with("Error") || class.ends_with("Exception");
    let word = class.len() <= 60
        && class.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == '.');
    (known && word && line.len() > name.len() && class != "Error").then(|| class.to_owned())
}

/// Errors of the system, in any program's words.
fn system(line: &str) -> Option<&'static str> {
    let line = words::cut(line, 400).to_lowercase();
    [
        ("command not found", "command not found"),
        ("no such file or directory", "file not found"),
        ("enoent", "file not found"),
        ("file does not exist", "file not found"),
        ("permission denied", "permission denied"),
        ("eacces", "permission denied"),
        ("connection refused", "connection refused"),
        ("econnrefused", "connection refused"),
        ("timed out", "timeout"),
        ("out of memory", "out of memory"),
        ("no space left on device", "disk full"),
        ("merge conflict", "merge conflict"),
    ]
    .iter()
    .find(|(words, _)| line.contains(words))
    .map(|(_, class)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_counts_are_read_from_what_runners_print() {
        let c = |passed, failed, skipped| {
            Some(TestCounts {
                passed,
                failed,
                skipped,
            })
        };
        let cases = [
            (
                "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\ntest result: ok. 3 passed; 0 failed; 0 ignored; 0 measured",
                c(15, 2, 1),
            ),
            (
                "     Summary [   0.512s] 10 tests run: 9 passed (1 slow), 1 failed, 2 skipped",
                c(9, 1, 2),
            ),
            (
                "===== 3 failed, 10 passed, 2 skipped, 1 error in 0.12s =====",
                c(10, 4, 2),
            ),
            ("10 passed in 1.02s (0:00:01)", c(10, 0, 0)),
            (
                "Ran 5 tests in 0.001s\n\nFAILED (failures=1, errors=2)",
                c(2, 3, 0),
            ),
            (
                "Tests:       1 failed, 2 skipped, 10 passed, 13 total\nTime: 1 s",
                c(10, 1, 2),
            ),
            (
                " Test Files  1 failed (1)\n      Tests  1 failed | 10 passed (11)",
                c(10, 1, 0),
            ),
            (
                "  10 passing (20ms)\n  2 pending\n  1 failing\n",
                c(10, 1, 2),
            ),
            (
                "ok  \texample.com/a\t0.1s\nFAIL\texample.com/b\t0.2s\n--- FAIL: TestX (0.0s)\nFAIL",
                c(1, 1, 0),
            ),
            (
                "--- PASS: TestA (0.0s)\n--- PASS: TestB (0.0s)\nok  \tx\t0.1s",
                c(2, 0, 0),
            ),
            ("# tests 6\n# pass 5\n# fail 1\n# skipped 0", c(5, 1, 0)),
            ("10 examples, 1 failure, 2 pending", c(7, 1, 2)),
            (
                "[INFO] Tests run: 10, Failures: 1, Errors: 1, Skipped: 1",
                c(7, 2, 1),
            ),
            ("OK (10 tests, 20 assertions)", c(10, 0, 0)),
            (
                "Failed!  - Failed:     1, Passed:    10, Skipped:     2, Total: 13",
                c(10, 1, 2),
            ),
            ("3 tests completed, 1 failed", c(2, 1, 0)),
            ("nothing was run", None),
            ("I decided that 3 passed by", None),
        ];
        for (output, expected) in cases {
            assert_eq!(test_counts(output), expected, "{output}");
        }
    }

    #[test]
    fn errors_have_the_class_that_their_language_gives_them() {
        let cases = [
            (
                "Exit code 101\n   Compiling a\nerror[E0308]: mismatched types\n --> src/a.rs:1:2",
                "rustc E0308",
                "error[E0308]: mismatched types --> src/a.rs:1:2",
            ),
            (
                "Traceback (most recent call last):\n  File \"a.py\"\nTypeError: 'int' object is not callable",
                "TypeError",
                "TypeError: 'int' object is not callable",
            ),
            (
                "a.ts(1,2): error TS2345: Argument",
                "tsc TS2345",
                "a.ts(1,2): error TS2345: Argument",
            ),
            (
                "Exit code 127\nbash: foo: command not found",
                "command not found",
                "bash: foo: command not found",
            ),
            (
                "<tool_use_error>String to replace not found in file.</tool_use_error>",
                "Edit",
                "String to replace not found in file.",
            ),
            (
                "thread 'main' panicked at src/a.rs:1:2:\nboom",
                "panic",
                "thread 'main' panicked at src/a.rs:1:2: boom",
            ),
            (
                "Exit code 1\nsomething\nfatal: not a git repository",
                "Edit",
                "fatal: not a git repository",
            ),
            ("", "Edit", ""),
        ];
        for (output, class, message) in cases {
            assert_eq!(
                classify(output, "Edit"),
                (class.to_owned(), message.to_owned()),
                "{output}"
            );
        }
    }

    #[test]
    fn commits_and_pull_requests_are_found() {
        assert_eq!(
            commit_sha("[main 1a2b3c4] Fix [x 1234567]\n 1 file changed"),
            Some("1a2b3c4".into())
        );
        assert_eq!(
            commit_sha("[main (root-commit) abcdef0] Fix"),
            Some("abcdef0".into())
        );
        assert_eq!(
            commit_sha("[detached HEAD abcdef0] Fix"),
            Some("abcdef0".into())
        );
        assert_eq!(commit_sha("nothing to commit"), None);
        assert_eq!(
            pull_request("Creating…\nhttps://example.org/o/r/pull/42\n"),
            Some(42)
        );
        assert_eq!(pull_request("see https://example.org/o/r/issues/42"), None);
        assert_eq!(
            exit_code("Exit code: 1\nWall time: 0.1 seconds\nOutput:\nx"),
            Some(1)
        );
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m"), "red");
    }
}
