//! The text of an episode: what people, models and the search read.

use memrl_types::Episode;

/// The content of the cell: one short paragraph per part, at most `max_chars` characters.
pub fn content_of(episode: &Episode, max_chars: usize) -> String {
    episode
        .intent
        .extracted_intent
        .chars()
        .take(max_chars)
        .collect()
}
