//! What tools print: classes of errors, commits, pull requests, exit codes.
//!
//! Knows the words of well-known programs; no client and no transcript.

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
