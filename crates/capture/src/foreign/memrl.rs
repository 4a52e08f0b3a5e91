//! Episode files of `MemRL` 0.1 and Tempera 0.2 and later: one JSON object per file,
//! `episodes/YYYY-MM-DD/session-<id8>.json`. All versions share the same fields; older files lack
//! `retrieval_history`, newer ones add some, of which those that say something are read.

use memrl_types::{Episode, TestCounts, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{ForeignError, without_mark};
use crate::redact_episode;

/// An episode file as it was read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MemrlEpisode {
    /// Its id there, a UUID as a rule: the key that keeps it from being imported twice.
    pub id: String,
    /// What it says, redacted.
    pub episode: Episode,
    /// How useful it was there.
    pub utility: MemrlUtility,
    /// When it was retrieved there.
    pub retrievals: Vec<MemrlRetrieval>,
    /// What groups it with others of one session there, if anything.
    pub session_id: Option<String>,
    /// Ids of the episodes that it names as related, with how.
    pub related: Vec<(String, String)>,
    /// Secrets that were cut out.
    pub redacted: usize,
}

/// How useful an episode was.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MemrlUtility {
    /// Their learned score in [0, 1], if one was ever written.
    pub score: Option<f32>,
    /// How often it was retrieved.
    pub retrieval_count: u32,
    /// How often it was said to have helped; may be more than the retrievals.
    pub helpful_count: u32,
}

/// One retrieval of an episode.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MemrlRetrieval {
    /// When.
    pub timestamp: Option<Timestamp>,
    /// In which project.
    pub project: String,
    /// What for: the query.
    pub task_description: String,
    /// Whether it was said to have helped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was_helpful: Option<bool>,
}

#[derive(Deserialize)]
struct Rest {
    #[serde(default)]
    id: String,
    #[serde(default)]
    utility: MemrlUtility,
    #[serde(default)]
    retrieval_history: Vec<MemrlRetrieval>,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    related_episodes: Vec<Related>,
    #[serde(default)]
    alternatives_considered: Vec<Alternative>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Related {
    id: String,
    relationship: String,
}

/// An approach that was ruled out; newer versions keep them.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Alternative {
    approach: String,
    why_not: String,
    would_revisit_if: Option<String>,
}

impl Alternative {
    fn as_learning(&self) -> Option<String> {
        if self.approach.trim().is_empty() {
            return None;
        }
        let mut out = format!("Not taken: {}", self.approach.trim());
        if !self.why_not.trim().is_empty() {
            out = format!("{out}, because {}", self.why_not.trim());
        }
        if let Some(when) = self
            .would_revisit_if
            .as_deref()
            .filter(|w| !w.trim().is_empty())
        {
            out = format!("{out}; worth another look if {}", when.trim());
        }
        Some(out)
    }
}

/// Reads an episode file of any version. Approaches that were ruled out become learnings.
pub fn parse_memrl(text: &str) -> Result<MemrlEpisode, ForeignError> {
    let text = without_mark(text);
    // An object, and nothing that could be read as one.
    let fields: Map<String, Value> =
        serde_json::from_str(text).map_err(ForeignError::NotAnEpisode)?;
    let fields = Value::Object(fields);
    let rest = Rest::deserialize(&fields).map_err(ForeignError::NotAnEpisode)?;
    let mut episode = Episode::deserialize(&fields).map_err(ForeignError::NotAnEpisode)?;
    let id = rest.id.trim();
    if id.is_empty() {
        return Err(ForeignError::NoId);
    }
    episode.learnings.extend(
        rest.alternatives_considered
            .iter()
            .filter_map(Alternative::as_learning),
    );
    let mut redacted = redact_episode(&mut episode);
    let mut retrievals = rest.retrieval_history;
    for retrieval in &mut retrievals {
        for text in [&mut retrieval.project, &mut retrieval.task_description] {
            let (clean, cut) = crate::redact(text);
            if cut > 0 {
                *text = clean.into_owned();
                redacted += cut;
            }
        }
    }
    let mut utility = rest.utility;
    utility.score = utility.score.filter(|score| score.is_finite());
    Ok(MemrlEpisode {
        id: id.to_owned(),
        episode,
        utility,
        retrievals,
        session_id: rest.session_id.filter(|id| !id.trim().is_empty()),
        related: rest
            .related_episodes
            .into_iter()
            .filter(|r| !r.id.trim().is_empty())
            .map(|r| (r.id, r.relationship))
            .collect(),
        redacted,
    })
}

/// The file of an episode as those programs write and read it: their fields, all of them, in
/// their order. `written` stands in where the episode says neither when it began nor when it
/// ended. What they have no field for (learnings, the solution, later prompts, the patch, the
/// session) is left out.
pub fn to_memrl_json(
    episode: &Episode,
    id: &str,
    utility: &MemrlUtility,
    retrievals: &[MemrlRetrieval],
    written: Timestamp,
) -> Value {
    let begun = episode.timestamp_start.or(episode.timestamp_end);
    let ended = episode.timestamp_end.or(episode.timestamp_start);
    let tests = |counts: Option<TestCounts>| {
        counts.map(|t| json!({"passed": t.passed, "failed": t.failed, "skipped": t.skipped}))
    };
    let errors: Vec<Value> = episode
        .context
        .errors_encountered
        .iter()
        .map(|t| {
            json!({
                "error_type": t.error_type,
                "message": t.message,
                "resolved": t.resolved,
                "resolution": t.resolution,
            })
        })
        .collect();
    let history: Vec<Value> = retrievals
        .iter()
        .map(|r| {
            json!({
                "timestamp": r.timestamp.unwrap_or(written),
                "project": r.project,
                "task_description": r.task_description,
                "was_helpful": r.was_helpful,
            })
        })
        .collect();
    json!({
        "id": id,
        "timestamp_start": begun.unwrap_or(written),
        "timestamp_end": ended.unwrap_or(written),
        "project": episode.project,
        "intent": {
            "raw_prompt": episode.intent.raw_prompt,
            "extracted_intent": episode.intent.extracted_intent,
            "task_type": episode.intent.task_type,
            "domain": episode.intent.domain,
        },
        "context": {
            "files_read": episode.context.files_read,
            "files_modified": episode.context.files_modified,
            "tools_invoked": episode.context.tools_invoked,
            "errors_encountered": errors,
        },
        "outcome": {
            "status": episode.outcome.status,
            "tests_before": tests(episode.outcome.tests_before),
            "tests_after": tests(episode.outcome.tests_after),
            "commit_sha": episode.outcome.commit_sha,
            // They keep 32 bits.
            "pr_number": episode.outcome.pr_number.and_then(|n| u32::try_from(n).ok()),
        },
        "utility": {
            "score": utility.score.filter(|s| s.is_finite()),
            "retrieval_count": utility.retrieval_count,
            "helpful_count": utility.helpful_count,
        },
        "retrieval_history": history,
    })
}
