//! What can be told from signs: the kind of work, tags, and how it ended.

use memrl_types::{Episode, EpisodeStatus, TaskType};

/// The kind of work that a prompt asks for.
pub fn task_type_of(prompt: &str) -> TaskType {
    let _ = prompt;
    TaskType::Unknown
}

/// Tags for a task, from its words and the files that it touched; sorted, each once.
pub fn tags_of(episode: &Episode) -> Vec<String> {
    let _ = episode;
    Vec::new()
}

/// The verdict on a session, from the signs in it.
pub fn status_of(episode: &Episode) -> EpisodeStatus {
    let _ = episode;
    EpisodeStatus::Partial
}

/// Success in [0, 1] as guessed from the signs; `None` when there is no sign at all.
pub fn implied_success(episode: &Episode) -> Option<f64> {
    let _ = episode;
    None
}
