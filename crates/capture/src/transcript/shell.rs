//! Shell commands as agents write them: which programs they run, which files they surely read,
//! whether they test, commit or take back.
//!
//! Not a shell: what is not certain is left out. Knows no client and no transcript.

mod split;

pub(super) use split::split;

/// One simple command: its words without quotes, and whether what it prints goes into a pipe.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Simple {
    /// The words.
    pub words: Vec<String>,
    /// Whether a redirection writes to a file.
    pub writes: bool,
    /// Whether it reads what another one prints.
    pub piped: bool,
    /// Whether a word holds a variable, a substitution or a pattern.
    pub dynamic: bool,
}

/// Words before the program proper.
#[rustfmt::skip]
const WRAPPERS: &[&str] = &[
    "sudo", "time", "nice", "nohup", "exec", "command", "then", "do", "else", "if", "while", "!",
    "{", "xargs", "stdbuf", "npx", "bunx", "pnpx",
];
/// Wrappers of two words.
#[rustfmt::skip]
const RUNNERS: &[(&str, &str)] = &[
    ("uv", "run"),
    ("poetry", "run"),
    ("pipenv", "run"),
    ("pdm", "run"),
    ("hatch", "run"),
    ("bundle", "exec"),
    ("pnpm", "exec"),
    ("npm", "exec"),
    ("yarn", "dlx"),
    ("pnpm", "dlx"),
];
/// Programs that say little about what was done.
#[rustfmt::skip]
const NOISE: &[&str] = &[
    "cd", "echo", "printf", "true", "false", "export", "set", "unset", "source", ".", "test", "[",
    "[[", "exit", "return", "pwd", "sleep", "wait", "read", "for", "done", "fi", "case", "esac",
    "local", "pushd", "popd", "}", "in", "break", "continue", "shift", "trap", "eval",
];
/// Programs whose first argument says what they do.
#[rustfmt::skip]
const WITH_VERB: &[&str] = &[
    "cargo", "npm", "pnpm", "yarn", "bun", "deno", "go", "dotnet", "mvn", "gradle", "gradlew",
    "make", "just", "uv", "pip", "pip3", "poetry", "docker", "kubectl", "terraform", "mix",
    "swift", "flutter", "rustup", "brew", "apt", "apt-get", "gh", "glab",
];

impl Simple {
    /// The words from the program on: without assignments and wrappers, `python -m x` as `x`.
    fn program_words(&self) -> &[String] {
        let mut words = self.words.as_slice();
        loop {
            let [first, rest @ ..] = words else {
                return words;
            };
            let second = rest.first().map_or("", String::as_str);
            let assignment = first.split_once('=').is_some_and(|(name, _)| {
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            });
            let env = first == "env" && second.contains('=');
            let runner = RUNNERS.iter().any(|(a, b)| first == a && second == *b);
            let module = base(first).starts_with("python") && second == "-m";
            words = if assignment || env || WRAPPERS.contains(&first.as_str()) {
                rest
            } else if first == "timeout" {
                let options = rest.iter().take_while(|w| w.starts_with('-')).count();
                rest.get(options + 1..).unwrap_or_default()
            } else if runner || module {
                &rest[1..]
            } else {
                return words;
            };
        }
    }

    /// The program, with its verb where that says what it does: `cargo test`, `git`. `None` for
    /// shell words that say nothing.
    pub(super) fn program(&self) -> Option<String> {
        let [first, rest @ ..] = self.program_words() else {
            return None;
        };
        let name = base(first);
        let plain = |w: &str| {
            let mut chars = w.chars();
            chars.next().is_some_and(char::is_alphanumeric)
                && w.len() <= 40
                && chars.all(|c| c.is_alphanumeric() || "-_:.+".contains(c))
        };
        if NOISE.contains(&name) || !plain(name) {
            return None;
        }
        let verb = WITH_VERB
            .contains(&name)
            .then(|| rest.iter().find(|w| !w.starts_with(['-', '+'])))
            .flatten()
            .filter(|w| plain(w));
        Some(match verb {
            Some(verb) => format!("{name} {verb}"),
            None => name.to_owned(),
        })
    }

    /// Whether it only cuts what another one prints.
    pub(super) fn is_filter(&self) -> bool {
        let name = self.program_words().first().map_or("", |w| base(w));
        self.piped
            && [
                "head", "tail", "cat", "tee", "less", "grep", "rg", "sed", "wc",
            ]
            .contains(&name)
    }

    /// Whether it runs tests.
    pub(super) fn tests(&self) -> bool {
        let [first, rest @ ..] = self.program_words() else {
            return false;
        };
        let name = base(first);
        if [
            "pytest",
            "py.test",
            "jest",
            "vitest",
            "mocha",
            "ava",
            "tox",
            "nox",
            "rspec",
            "phpunit",
            "ctest",
            "unittest",
            "karma",
            "playwright",
            "cypress",
            "busted",
            "bats",
        ]
        .contains(&name)
        {
            return true;
        }
        if ["node", "deno"].contains(&name) && rest.iter().any(|w| w == "--test" || w == "test") {
            return true;
        }
        let verb_says = WITH_VERB.contains(&name)
            && rest.iter().any(|w| {
                let mut parts = w.split(['-', ':', '_', '.']);
                ["t", "nextest"].contains(&w.as_str())
                    || parts.any(|p| ["test", "tests", "check", "verify"].contains(&p))
            });
        let script_says = name
            .split(['-', '_', '.'])
            .any(|p| ["test", "tests", "runtests"].contains(&p))
            && name != "test";
        // `cargo check` checks types, not behaviour.
        (verb_says && !(name == "cargo" && rest.iter().any(|w| w == "check"))) || script_says
    }

    /// `git VERB ARGUMENTS…`, without the options before the verb.
    fn git(&self) -> Option<(&str, &[String])> {
        let [first, rest @ ..] = self.program_words() else {
            return None;
        };
        if base(first) != "git" {
            return None;
        }
        let mut rest = rest;
        while let [option, after @ ..] = rest {
            if option == "-C" || option == "-c" {
                rest = after.get(1..).unwrap_or_default();
            } else if option.starts_with('-') {
                rest = after;
            } else {
                return Some((option, after));
            }
        }
        None
    }

    /// Whether it takes changes back.
    pub(super) fn reverts(&self) -> bool {
        let Some((verb, args)) = self.git() else {
            return false;
        };
        let has = |word: &str| args.iter().any(|a| a == word);
        match verb {
            "revert" => !has("--abort") && !has("--continue"),
            "checkout" => has("--") || args.last().is_some_and(|a| a == "."),
            "restore" => !has("--staged") || has("--worktree"),
            "reset" => has("--hard"),
            _ => false,
        }
    }

    /// Whether it commits.
    pub(super) fn commits(&self) -> bool {
        self.git()
            .is_some_and(|(verb, _)| ["commit", "merge", "cherry-pick"].contains(&verb))
    }

    /// Whether it opens a pull request.
    pub(super) fn opens_pull_request(&self) -> bool {
        let words: Vec<&str> = self
            .program_words()
            .iter()
            .take(3)
            .map(String::as_str)
            .collect();
        matches!(
            words[..],
            ["gh", "pr", "create"] | ["glab", "mr", "create"] | ["hub", "pull-request", ..]
        )
    }

    /// The files that it surely prints.
    pub(super) fn reads(&self) -> Vec<&str> {
        if self.dynamic || self.writes || self.piped {
            return Vec::new();
        }
        let [first, args @ ..] = self.words.as_slice() else {
            return Vec::new();
        };
        let plain = |args: &[String]| {
            args.iter()
                .all(|a| !a.starts_with('-') || a == "-n" || a == "-A" || a == "-b")
        };
        let files: &[String] = match base(first) {
            "cat" | "nl" | "bat" | "less" | "more" if plain(args) => args,
            "head" | "tail" => match args {
                [n, count, rest @ ..]
                    if (n == "-n" || n == "-c")
                        && count
                            .trim_start_matches(['+', '-'])
                            .bytes()
                            .all(|b| b.is_ascii_digit()) =>
                {
                    rest
                }
                [n, rest @ ..]
                    if n.starts_with('-')
                        && n.trim_start_matches("-n")
                            .trim_start_matches('-')
                            .bytes()
                            .all(|b| b.is_ascii_digit()) =>
                {
                    rest
                }
                all => all,
            },
            "sed" => match args {
                [n, script, rest @ ..]
                    if n == "-n"
                        && script.ends_with('p')
                        && script
                            .bytes()
                            .all(|b| b.is_ascii_digit() || b",p;$".contains(&b)) =>
                {
                    rest
                }
                _ => &[],
            },
            _ => &[],
        };
        if matches!(base(first), "head" | "tail" | "sed")
            && files.iter().any(|f| f.starts_with('-'))
        {
            return Vec::new();
        }
        files
            .iter()
            .map(String::as_str)
            .filter(|f| !f.starts_with('-') && is_path(f))
            .collect()
    }

    /// The directory it goes to, when it is `cd`.
    pub(super) fn goes_to(&self) -> Option<&str> {
        match self.words.as_slice() {
            [cd, to] if cd == "cd" || cd == "pushd" => Some(to),
            [cd, ..] if cd == "cd" || cd == "pushd" || cd == "popd" => Some(""),
            _ => None,
        }
    }
}

/// Whether a word looks like the path of a file.
fn is_path(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= 400
        && !word.starts_with("/dev/")
        && !word.starts_with("/proc/")
        && !word.contains(['\n', '\0', '=', ':'])
}

/// The last part of a path.
pub(super) fn base(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// The same command in one spelling: what was done, without where and how its output was cut.
pub(super) fn canonical(command: &str) -> String {
    let mut parts = Vec::new();
    for simple in split(command) {
        let name = simple.program_words().first().map_or("", |w| base(w));
        let filter = simple.is_filter();
        if !filter
            && !["cd", "echo", "true", "set", "export", "pwd"].contains(&name)
            && !name.is_empty()
        {
            parts.push(simple.program_words().join(" "));
        }
    }
    if parts.is_empty() {
        command.split_whitespace().collect::<Vec<_>>().join(" ")
    } else {
        parts.join(" ; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(command: &str) -> Vec<String> {
        split(command).iter().filter_map(Simple::program).collect()
    }

    #[test]
    fn programs_are_named_by_what_they_do() {
        let cases: [(&str, &[&str]); 9] = [
            (
                "cd /p && RUST_LOG=debug cargo +nightly test -p x 2>&1 | tail -20",
                &["cargo test", "tail"],
            ),
            ("git -C /p commit -m \"fix: a; b && c | d\"", &["git"]),
            (
                "timeout 60 python3 -m pytest -q tests/a.py::test_b",
                &["pytest"],
            ),
            ("npx vitest run; npm run test:unit", &["vitest", "npm run"]),
            (
                "cat > a.py <<'EOF'\nrm -rf everything\nEOF\npython a.py",
                &["cat", "python"],
            ),
            (
                "gh pr create --title \"x\" --body \"$(cat <<'EOF'\nbody; git revert\nEOF\n)\"",
                &["gh pr"],
            ),
            ("for f in *.rs; do wc -l $f; done", &["wc"]),
            ("# only a remark\n", &[]),
            ("echo 'незакрыто", &[]),
        ];
        for (command, expected) in cases {
            assert_eq!(programs(command), expected, "{command}");
        }
    }

    #[test]
    fn files_count_as_read_only_when_that_is_certain() {
        let reads = |c: &str| {
            split(c)
                .iter()
                .flat_map(|s| s.reads().into_iter().map(str::to_owned).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            reads("cat src/a.rs \"my file.md\""),
            ["src/a.rs", "my file.md"]
        );
        assert_eq!(reads("sed -n '1,20p' src/b.rs | grep x"), ["src/b.rs"]);
        assert_eq!(
            reads("head -n 5 a.txt; head -20 b.txt; tail c.txt"),
            ["a.txt", "b.txt", "c.txt"]
        );
        for nothing in [
            "cat *.rs",
            "cat $F",
            "cat > a.txt",
            "sed -i 's/a/b/p' a.rs",
            "ls src",
            "grep x a.rs | head -5",
            "sed 's/a/b/' f",
            "cat <<EOF\nx\nEOF",
        ] {
            assert!(reads(nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn signs_in_commands_are_read_from_words() {
        let any = |c: &str, f: fn(&Simple) -> bool| split(c).iter().any(f);
        for c in [
            "cargo test",
            "cargo nextest run",
            "uv run pytest -x",
            "npm test",
            "yarn run test:ci",
            "go test ./...",
            "make test",
            "./gradlew test",
            "scripts/run-tests.sh",
        ] {
            assert!(any(c, Simple::tests), "{c}");
        }
        for c in [
            "cargo check",
            "cargo build",
            "cat tests/a.rs",
            "git log --grep test",
            "test -f a",
            "echo cargo test",
            "ls tests",
            "grep -r test src",
        ] {
            assert!(!any(c, Simple::tests), "{c}");
        }
        for c in [
            "git revert HEAD",
            "git checkout -- a.rs",
            "git checkout .",
            "git reset --hard HEAD~1",
            "git restore a.rs",
        ] {
            assert!(any(c, Simple::reverts), "{c}");
        }
        for c in [
            "git checkout main",
            "git reset HEAD a",
            "git restore --staged a",
            "git log -- revert",
            "echo git revert",
        ] {
            assert!(!any(c, Simple::reverts), "{c}");
        }
        assert!(any("git add -A && git commit -qm 'x'", Simple::commits));
        assert!(!any("git log --grep commit", Simple::commits));
    }

    #[test]
    fn the_same_command_is_recognised_whatever_is_cut_from_its_output() {
        let same = canonical("cargo test -p a");
        for c in [
            "cd /p && cargo test -p a 2>&1 | tail -30",
            "cargo  test -p a",
            "time cargo test -p a | grep FAILED",
        ] {
            assert_eq!(canonical(c), same, "{c}");
        }
        assert_ne!(canonical("cargo test -p b"), same);
    }
}
