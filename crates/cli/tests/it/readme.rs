//! Everything in the README runs, and prints what it says.

use crate::support::Home;

const README: &str = include_str!("../../../../README.md");

/// The lines of all fenced blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in README.lines() {
        if let Some(fence) = line.strip_prefix("```") {
            inside = !inside && fence == language;
        } else if inside {
            lines.push(line);
        }
    }
    lines
}

/// Words as a shell splits them: blanks outside double quotes, comments dropped.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => break,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

#[test]
fn every_command_of_the_readme_runs() {
    let home = Home::new();
    let mut ran = 0;
    for line in blocks("console") {
        let words = words(line);
        let args: Vec<&str> = words.iter().map(String::as_str).collect();
        match args.as_slice() {
            ["memrl", args @ ..] => {
                let run = home.run_here(args);
                assert_eq!(run.code, Some(0), "{line}\n{}", run.whole());
                if args[0] == "recall" {
                    promised_block(&run.out);
                }
                ran += 1;
            }
            ["cargo", "run", "--release", "--", args @ ..] => {
                let run = home.run_here(args);
                assert_eq!(run.code, Some(0), "{line}\n{}", run.whole());
                assert!(run.out.contains("similarity@1"), "{}", run.out);
                ran += 1;
            }
            // This test is run by it.
            ["scripts/check"] => {
                let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
                assert!(script.join("../../scripts/check").is_file());
            }
            ["cargo", "install", "--path", path] => {
                let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
                assert!(root.join(path).join("Cargo.toml").is_file(), "{path}");
            }
            other => panic!("the README has a command that no test runs: {other:?}"),
        }
    }
    assert!(ran >= 6, "{ran}");
}

/// What takes a log of its own: here it runs, or refuses for want of data or of the policy.
#[test]
fn every_command_that_needs_a_log_is_one_and_says_what_is_missing() {
    let home = Home::new();
    let mut ran = 0;
    for line in blocks("sh") {
        let words = words(line);
        let args: Vec<&str> = words.iter().map(String::as_str).collect();
        let ["memrl", args @ ..] = args.as_slice() else {
            panic!("the README has a command that no test runs: {line}");
        };
        let run = home.run_here(args);
        assert!(
            matches!(run.code, Some(0 | 4 | 5)),
            "{line}\n{}",
            run.whole()
        );
        ran += 1;
    }
    assert!(ran >= 5, "{ran}");
}

/// The block that the README shows, whatever the ids are.
fn promised_block(printed: &str) {
    let without_ids = |text: &str| -> Vec<String> {
        text.lines()
            .map(|l| match (l.find("[m:"), l.find("] ")) {
                (Some(start), Some(end)) => format!("{}[m:]{}", &l[..start], &l[end + 1..]),
                _ => l.to_owned(),
            })
            .collect()
    };
    let shown = blocks("text").join("\n");
    assert_eq!(without_ids(printed.trim_end()), without_ids(&shown));
}

#[test]
fn every_link_of_the_readme_leads_somewhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut links = 0;
    for part in README.split("](").skip(1) {
        let target = part.split(')').next().unwrap();
        if !target.starts_with("http") {
            assert!(root.join(target).exists(), "{target}");
            links += 1;
        }
    }
    assert!(links > 5);
}
