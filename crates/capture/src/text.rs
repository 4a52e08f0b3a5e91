//! The text of an episode: what people, models and the search read.
//!
//! There are no labels in it: a word that is in every episode would be found by every prompt that
//! has it. Marks say what a line is:
//!
//! | line | what it is |
//! |---|---|
//! | first | what was wanted, and `(bugfix ✓ 2/3→11/11 1a2b3c4 #17)`: kind, verdict (`✓`, `~`, `✗`), tests that passed of those that ran, commit, pull request |
//! | `↩ …` | what the user corrected |
//! | `⇒ …` | what the agent said at the end |
//! | `• …` | an insight |
//! | `… → …` | an error and what helped against it; `→ ?`: nothing did |
//! | `+ …` | what the user asked for later |
//! | last | files that were changed (and those that were only read), `#tags` |
//!
//! Everything counts characters. The same episode gives the same text, always.

use std::fmt::Write;

use memrl_types::{Episode, EpisodeStatus, TaskType, TestCounts, Trouble};

use crate::transcript::words::{cut, first_sentences, line, telling, words};
use crate::transcript::writes_or_reads;

/// Longest rest of a prompt behind its intent.
const LONGEST_REST: usize = 400;
/// Longest solution.
const LONGEST_SOLUTION: usize = 450;
/// Longest correction, and longest later prompt.
const LONGEST_LATER: usize = 150;
/// Most errors, corrections and files of one kind that are named.
const MOST_ERRORS: usize = 6;
const MOST_CORRECTIONS: usize = 4;
const MOST_FILES: usize = 12;

/// The content of the cell: one short paragraph per part, at most `max_chars` characters. The
/// parts stand in the order of their worth, so that what is cut is worth least: intent and
/// verdict, corrections, solution, learnings, errors and what resolved them, the rest of the
/// prompt, later prompts, files, tags.
pub fn content_of(episode: &Episode, max_chars: usize) -> String {
    let wanted = &episode.intent;
    let mut parts = vec![format!("{} {}", intent(episode), verdict(episode))];
    // The latest are what counted in the end.
    let first = wanted.corrections.len().saturating_sub(MOST_CORRECTIONS);
    parts.extend(marked("↩", &wanted.corrections[first..], LONGEST_LATER));
    let solution = std::slice::from_ref(&episode.solution);
    parts.extend(marked("⇒", solution, LONGEST_SOLUTION));
    parts.extend(marked("•", &episode.learnings, 500));
    let troubles = &episode.context.errors_encountered;
    // A tool that was used wrongly says nothing about the task.
    let telling = || troubles.iter().filter(|t| !writes_or_reads(&t.error_type));
    let resolved = telling().filter(|t| t.resolved);
    let open = telling().filter(|t| !t.resolved);
    parts.extend(resolved.chain(open).take(MOST_ERRORS).map(trouble));
    parts.push(rest_of_prompt(episode));
    let begun = intent(episode);
    let first = usize::from(
        wanted
            .later
            .first()
            .is_some_and(|l| line(l, 1_000) == begun),
    );
    parts.extend(marked("+", &wanted.later[first..], LONGEST_LATER));
    let context = &episode.context;
    let changed = list(&context.files_modified, &[]);
    let read = list(&context.files_read, &context.files_modified);
    parts.push(match (changed.as_str(), read.as_str()) {
        (files, "") | ("", files) => files.to_owned(),
        (changed, read) => format!("{changed} ({read})"),
    });
    parts.push(new_tags(&wanted.domain, &parts));
    join(&parts, max_chars)
}

/// Lines behind a mark.
fn marked<'t>(mark: &'t str, texts: &'t [String], max: usize) -> impl Iterator<Item = String> + 't {
    texts
        .iter()
        .map(move |text| line(text, max))
        .filter(|text| !text.is_empty())
        .map(move |text| format!("{mark} {text}"))
}

/// The tags that are not among the words of the other parts.
fn new_tags(tags: &[String], parts: &[String]) -> String {
    let said: Vec<String> = parts.iter().flat_map(|p| words(p)).collect();
    let mut out = String::new();
    for tag in tags.iter().take(MOST_FILES).map(|t| line(t, 60)) {
        let known = |word: &String| said.iter().any(|s| alike(s, word));
        if !tag.is_empty() && !words(&tag).iter().all(known) {
            let gap = if out.is_empty() { "" } else { " " };
            let _ = write!(out, "{gap}#{tag}");
        }
    }
    out
}

/// Whether two words differ in their endings at most: `tests` and `testing`.
fn alike(one: &str, other: &str) -> bool {
    let (a, b) = (one.chars().count(), other.chars().count());
    let common = one
        .chars()
        .zip(other.chars())
        .take_while(|(x, y)| x == y)
        .count();
    one == other || a.abs_diff(b) <= 3 && common >= 4 && common + 2 >= a.min(b)
}

/// The parts that are not empty, each once, on lines of their own, up to a length.
fn join(parts: &[String], max_chars: usize) -> String {
    let mut text = String::new();
    let mut left = max_chars;
    let mut seen: Vec<&str> = Vec::new();
    for part in parts.iter().map(|p| p.trim()).filter(|p| !p.is_empty()) {
        if seen.contains(&part) {
            continue;
        }
        seen.push(part);
        let gap = usize::from(!text.is_empty());
        let length = part.chars().count();
        // A few characters of a part say nothing; of the first one they are all there is.
        if length + gap > left && gap > 0 && left < 40 {
            break;
        }
        if gap > 0 {
            text.push('\n');
            left -= 1;
        }
        text.push_str(&line(part, left));
        if length > left {
            break;
        }
        left -= length;
    }
    text
}

fn intent(episode: &Episode) -> String {
    let intent = &episode.intent;
    if intent.extracted_intent.trim().is_empty() {
        first_sentences(&intent.raw_prompt, 300)
    } else {
        line(&intent.extracted_intent, 1_000)
    }
}

/// What the prompt says behind the sentences that became the intent.
fn rest_of_prompt(episode: &Episode) -> String {
    // `hi` tells nothing.
    if telling(&episode.intent.raw_prompt) == 0 {
        return String::new();
    }
    let raw = line(&episode.intent.raw_prompt, LONGEST_REST + 300);
    let intent = intent(episode);
    let whole = raw.strip_prefix(intent.trim_end_matches('…'));
    line(whole.unwrap_or(&raw).trim(), LONGEST_REST)
}

/// Kind, verdict, tests, commit and pull request.
fn verdict(episode: &Episode) -> String {
    let ended = &episode.outcome;
    let mut text = match episode.intent.task_type {
        TaskType::Unknown => String::from("("),
        kind => format!("({kind} "),
    };
    text.push_str(match ended.status {
        EpisodeStatus::Success => "✓",
        EpisodeStatus::Partial => "~",
        EpisodeStatus::Failure => "✗",
    });
    match (ended.tests_before, ended.tests_after) {
        (Some(before), Some(after)) if before != after => {
            let _ = write!(text, " {}→{}", tests(before), tests(after));
        }
        (_, Some(counts)) | (Some(counts), None) => {
            let _ = write!(text, " {}", tests(counts));
        }
        (None, None) => {}
    }
    if let Some(sha) = &ended.commit_sha {
        let _ = write!(text, " {}", cut(sha, 12));
    }
    if let Some(number) = ended.pr_number {
        let _ = write!(text, " #{number}");
    }
    text.push(')');
    text
}

/// How many passed of those that ran.
fn tests(counts: TestCounts) -> String {
    let ran = counts.passed.saturating_add(counts.failed);
    format!("{}/{ran}", counts.passed)
}

fn trouble(trouble: &Trouble) -> String {
    let message = line(&trouble.message, 200);
    let class = line(&trouble.error_type, 60);
    // A tool or a program says nothing; `TypeError: x` names its class itself.
    let telling = class.ends_with("Error")
        || class.ends_with("Exception")
        || class.contains(|c: char| c.is_ascii_digit());
    let what = if !telling || message.contains(class.trim_start_matches("rustc ")) {
        message
    } else {
        format!("{class}: {message}")
    };
    if what.is_empty() {
        return what;
    }
    match &trouble.resolution {
        Some(how) if trouble.resolved => format!("{what} → {}", line(how, 300)),
        _ if trouble.resolved => format!("{what} → ✓"),
        _ => format!("{what} → ?"),
    }
}

/// Paths, each once.
fn list(items: &[String], except: &[String]) -> String {
    let mut named: Vec<&str> = Vec::new();
    for item in items.iter().filter(|i| !except.contains(i)) {
        if !item.trim().is_empty() && !named.contains(&item.as_str()) {
            named.push(item);
        }
    }
    let more = named.len().saturating_sub(MOST_FILES);
    let paths: Vec<String> = named[..named.len() - more]
        .iter()
        .map(|i| line(i, 120))
        .collect();
    let mut text = paths.join(", ");
    if more > 0 {
        let _ = write!(text, " +{more}");
    }
    text
}
