//! Reading what a model answers: JSON, but perhaps in a code fence, after some words, with fields
//! of other types. What cannot be read is as if it had not been said.

use memrl_types::{EpisodeStatus, TaskType};
use serde_json::{Map, Value};

/// Most entries of a list that are kept.
const MAX_ENTRIES: usize = 20;
/// Longest text that is kept, in characters.
const MAX_TEXT: usize = 500;
/// Longest tag, in characters.
const MAX_TAG: usize = 40;
/// Places where an object is looked for, so that an answer of braces costs no more than another.
const MAX_TRIES: usize = 32;

/// What a model says about a session. All of it is optional.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Extracted {
    /// One or two sentences.
    pub summary: Option<String>,
    /// The kind of work; `None` when it named none that is known.
    pub task_type: Option<TaskType>,
    /// How it ended; likewise.
    pub outcome: Option<EpisodeStatus>,
    /// Tags, lower case.
    pub tags: Vec<String>,
    /// Errors and what helped.
    pub errors_resolved: Vec<Resolved>,
    /// Insights worth more than this one task.
    pub key_learnings: Vec<String>,
}

/// An error and what helped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The error.
    pub error: String,
    /// What helped.
    pub resolution: String,
}

/// The object in a model's answer; `None` when there is none with a field that is asked for.
pub fn parse(answer: &str) -> Option<Extracted> {
    // Models that think aloud do so before their answer.
    let answer = answer.rsplit("</think>").next().unwrap_or(answer);
    answer
        .match_indices('{')
        .take(MAX_TRIES)
        .filter_map(|(at, _)| {
            let mut values = serde_json::Deserializer::from_str(&answer[at..]).into_iter::<Value>();
            match values.next() {
                Some(Ok(Value::Object(fields))) => Some(fields),
                _ => None,
            }
        })
        .find_map(|fields| read(&fields))
}

fn read(fields: &Map<String, Value>) -> Option<Extracted> {
    const KNOWN: [&str; 6] = [
        "summary",
        "task_type",
        "outcome",
        "tags",
        "errors_resolved",
        "key_learnings",
    ];
    if !KNOWN.iter().any(|name| fields.contains_key(*name)) {
        return None;
    }
    let name = |field: &str| fields.get(field).and_then(Value::as_str);
    let mut tags: Vec<String> = strings(fields.get("tags"))
        .map(|tag| tag.to_lowercase())
        .filter(|tag| tag.chars().count() <= MAX_TAG)
        .collect();
    tags.sort();
    tags.dedup();
    Some(Extracted {
        summary: name("summary").and_then(text),
        task_type: name("task_type")
            .and_then(TaskType::from_name)
            .filter(|kind| *kind != TaskType::Unknown),
        outcome: name("outcome").and_then(EpisodeStatus::from_name),
        tags,
        errors_resolved: list(fields.get("errors_resolved"))
            .filter_map(|entry| {
                Some(Resolved {
                    error: entry.get("error").and_then(Value::as_str).and_then(text)?,
                    resolution: entry
                        .get("resolution")
                        .and_then(Value::as_str)
                        .and_then(text)?,
                })
            })
            .take(MAX_ENTRIES)
            .collect(),
        key_learnings: strings(fields.get("key_learnings")).collect(),
    })
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

/// The strings of a list; a lone string is a list of one.
fn strings(value: Option<&Value>) -> impl Iterator<Item = String> {
    let lone = value.and_then(Value::as_str);
    list(value)
        .filter_map(Value::as_str)
        .chain(lone)
        .filter_map(text)
        .take(MAX_ENTRIES)
}

/// A text as it is kept: trimmed and bounded; nothing when it is blank.
fn text(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.chars().take(MAX_TEXT).collect())
}
