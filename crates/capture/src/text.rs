//! The text of an episode: what people, models and the search read.
//!
//! Everything counts characters. The same episode gives the same text, always.

use std::fmt::Write;

use memrl_types::{Episode, TaskType, TestCounts, Trouble};

use crate::transcript::words::{cut, first_sentences, line};

/// Longest rest of a prompt behind its intent.
const LONGEST_REST: usize = 400;
/// Most errors and most files of one kind that are named.
const MOST_ERRORS: usize = 6;
const MOST_FILES: usize = 12;

/// The content of the cell: one short paragraph per part, at most `max_chars` characters. The
/// parts stand in the order of their worth, so that what is cut is worth least: intent, kind and
/// outcome, learnings, errors and what resolved them, files, tags, tools.
pub fn content_of(episode: &Episode, max_chars: usize) -> String {
    let mut parts = vec![intent(episode)];
    parts.push(rest_of_prompt(episode));
    parts.push(outcome(episode));
    parts.extend(
        episode
            .learnings
            .iter()
            .map(|l| line(l, 500))
            .filter(|l| !l.is_empty())
            .map(|l| format!("Learned: {l}")),
    );
    let troubles = &episode.context.errors_encountered;
    let resolved = troubles.iter().filter(|t| t.resolved);
    let open = troubles.iter().filter(|t| !t.resolved);
    parts.extend(resolved.chain(open).take(MOST_ERRORS).map(trouble));
    let context = &episode.context;
    parts.push(list("Modified", &context.files_modified, &[]));
    parts.push(list("Read", &context.files_read, &context.files_modified));
    parts.push(list("Tags", &episode.intent.domain, &[]));
    parts.push(list("Tools", &context.tools_invoked, &[]));
    join(&parts, max_chars)
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
    let raw = line(&episode.intent.raw_prompt, LONGEST_REST + 300);
    let intent = intent(episode);
    let whole = raw.strip_prefix(intent.trim_end_matches('…'));
    line(whole.unwrap_or(&raw).trim(), LONGEST_REST)
}

fn outcome(episode: &Episode) -> String {
    let ended = &episode.outcome;
    let mut text = match episode.intent.task_type {
        TaskType::Unknown => format!("Outcome: {}.", ended.status),
        kind => format!("Outcome of this {kind}: {}.", ended.status),
    };
    match (ended.tests_before, ended.tests_after) {
        (Some(before), Some(after)) if before != after => {
            let _ = write!(
                text,
                " Tests: {} before, {} after.",
                tests(before),
                tests(after)
            );
        }
        (_, Some(counts)) | (Some(counts), None) => {
            let _ = write!(text, " Tests: {}.", tests(counts));
        }
        (None, None) => {}
    }
    if let Some(sha) = &ended.commit_sha {
        let _ = write!(text, " Commit {}.", cut(sha, 12));
    }
    if let Some(number) = ended.pr_number {
        let _ = write!(text, " Pull request {number}.");
    }
    text
}

fn tests(counts: TestCounts) -> String {
    let mut text = format!("{} passed", counts.passed);
    if counts.failed > 0 {
        let _ = write!(text, ", {} failed", counts.failed);
    }
    if counts.skipped > 0 {
        let _ = write!(text, ", {} skipped", counts.skipped);
    }
    text
}

fn trouble(trouble: &Trouble) -> String {
    let message = line(&trouble.message, 200);
    let class = line(&trouble.error_type, 60);
    // `TypeError: x` names its class itself.
    let what = if class.is_empty() || message.contains(class.trim_start_matches("rustc ")) {
        message
    } else {
        format!("{class}: {message}")
    };
    match &trouble.resolution {
        Some(how) if trouble.resolved => format!("Error resolved: {what} — {}", line(how, 300)),
        _ if trouble.resolved => format!("Error resolved: {what}"),
        _ => format!("Error not resolved: {what}"),
    }
}

fn list(label: &str, items: &[String], except: &[String]) -> String {
    let mut named: Vec<&str> = Vec::new();
    for item in items.iter().filter(|i| !except.contains(i)) {
        if !item.trim().is_empty() && !named.contains(&item.as_str()) {
            named.push(item);
        }
    }
    if named.is_empty() {
        return String::new();
    }
    let more = named.len().saturating_sub(MOST_FILES);
    let mut text = format!(
        "{label}: {}",
        named[..named.len() - more]
            .iter()
            .map(|i| line(i, 120))
            .collect::<Vec<_>>()
            .join(", ")
    );
    if more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}
