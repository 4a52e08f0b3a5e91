//! What a model said, added to an episode.

use memrl_types::{Episode, Trouble};

use super::{Extracted, Resolved};
use crate::redact::redact_episode;

/// Most learnings that an episode keeps.
const MAX_LEARNINGS: usize = 20;

/// Adds what a model said; how many secrets were cut out of the result.
///
/// Nothing that the parser found is lost: lists only grow, a resolution that is known stays, and
/// the summary replaces the guessed intent only (which moves to the prompt when there is none).
/// A verdict of tests outweighs the model's.
pub fn apply(episode: &mut Episode, said: Extracted) -> usize {
    if let Some(summary) = said.summary {
        let guessed = std::mem::replace(&mut episode.intent.extracted_intent, summary);
        if episode.intent.raw_prompt.trim().is_empty() {
            episode.intent.raw_prompt = guessed;
        }
    }
    if let Some(kind) = said.task_type {
        episode.intent.task_type = kind;
    }
    if let Some(outcome) = said.outcome
        && episode.outcome.tests_after.is_none()
    {
        episode.outcome.status = outcome;
    }
    let tags = &mut episode.intent.domain;
    for tag in said.tags {
        if !tags.iter().any(|t| t.eq_ignore_ascii_case(&tag)) {
            tags.push(tag);
        }
    }
    tags.sort();
    for resolved in said.errors_resolved {
        resolve(&mut episode.context.errors_encountered, resolved);
    }
    for learning in said.key_learnings {
        let known = |l: &String| plain(l) == plain(&learning);
        if episode.learnings.len() < MAX_LEARNINGS && !episode.learnings.iter().any(known) {
            episode.learnings.push(learning);
        }
    }
    redact_episode(episode)
}

/// Notes what helped against an error: on the error that it is about, or as a new one.
fn resolve(troubles: &mut Vec<Trouble>, Resolved { error, resolution }: Resolved) {
    let wanted = plain(&error);
    let same = |t: &&mut Trouble| {
        let have = plain(&t.message);
        have == wanted
            || (have.len().min(wanted.len()) >= 8
                && (have.contains(&wanted) || wanted.contains(&have)))
    };
    match troubles.iter_mut().find(same) {
        Some(trouble) => {
            trouble.resolved = true;
            trouble.resolution.get_or_insert(resolution);
        }
        None => troubles.push(Trouble {
            error_type: "reported".into(),
            message: error,
            resolved: true,
            resolution: Some(resolution),
        }),
    }
}

/// A text as it is compared: lower case, blanks as one.
fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}
