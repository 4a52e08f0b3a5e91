//! How many tests passed, from what the programs that run them print.
//!
//! Knows their words; no client and no transcript.

use memrl_types::TestCounts;

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
}
