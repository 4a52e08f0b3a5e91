//! The structured part of an episode: what one task or session of an agent was about, what it
//! touched and how it ended.
//!
//! It is the `payload` of a cell of type `episode`; the cell's `content` is the text made of it
//! that people, models and the search read. Field names follow the episode files of `MemRL` and
//! Tempera, so that those can be read and written without a table of translations.

use serde::{Deserialize, Serialize};

use crate::{Reading, Timestamp};

/// The version of this layout that is written.
pub const EPISODE_SCHEMA: u32 = 1;

/// What one task or session was. Everything is optional: a file of another program may lack any
/// of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Episode {
    /// Version of the layout; 0 when the writer said none.
    pub schema: u32,
    /// The name of the project as people say it.
    pub project: String,
    /// When the work began, by the transcript's own clock.
    pub timestamp_start: Option<Timestamp>,
    /// When it ended.
    pub timestamp_end: Option<Timestamp>,
    /// What was wanted.
    pub intent: Intent,
    /// What was touched.
    pub context: Touched,
    /// How it ended.
    pub outcome: Ended,
    /// What the agent said at the end: what was done, and how. Empty when it said nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub solution: String,
    /// Insights worth more than this one task.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub learnings: Vec<String>,
    /// The change as a patch, when asked for; redacted like everything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// The session that it was read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
}

/// What was wanted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Intent {
    /// The first thing that the user asked for, in their words.
    pub raw_prompt: String,
    /// One or two sentences about the task.
    pub extracted_intent: String,
    /// The kind of work.
    pub task_type: TaskType,
    /// Tags.
    pub domain: Vec<String>,
    /// Later prompts of the user that correct or refuse what was done, in their words, shortened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<String>,
    /// What the user asked for later: the first sentences of their other prompts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<String>,
}

/// What was touched. Paths are relative to the project where they lie in it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Touched {
    /// Files that were read, in order of first reading, each once.
    pub files_read: Vec<String>,
    /// Files that were written or edited.
    pub files_modified: Vec<String>,
    /// Tools that were used, each once.
    pub tools_invoked: Vec<String>,
    /// What went wrong on the way.
    pub errors_encountered: Vec<Trouble>,
}

/// An error, and what became of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Trouble {
    /// Where it came from: the tool, or a class of error.
    pub error_type: String,
    /// The message, shortened.
    pub message: String,
    /// Whether the same action went well later.
    pub resolved: bool,
    /// What helped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<String>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ended {
    /// The verdict on the whole.
    pub status: EpisodeStatus,
    /// The first test run of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tests_before: Option<TestCounts>,
    /// The last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tests_after: Option<TestCounts>,
    /// The commit that came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_sha: Option<String>,
    /// The pull request that came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pr_number: Option<u64>,
}

/// Results of a test run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TestCounts {
    /// Passed.
    pub passed: u32,
    /// Failed.
    pub failed: u32,
    /// Skipped.
    pub skipped: u32,
}

/// The session that an episode was read from, and how far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// The program: `claude-code`, `codex`, `text`.
    pub client: String,
    /// Its id of the session.
    pub id: String,
    /// Version of the parser that read it.
    pub parser: u32,
    /// Bytes of the transcript that were read: reading goes on here.
    pub offset: u64,
    /// Hash of the first line, to notice that a file was replaced.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub head: String,
    /// Numbers about the session.
    pub counts: SessionCounts,
    /// Tool calls whose results had not come yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<PendingCall>,
    /// Decisions of ours whose answers are in the transcript, as written there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<String>,
    /// Cells that the agent's answers cite (`[m:1a2b3c4d]`), by their short ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cited: Vec<String>,
    /// What the parser must know to read on.
    pub reading: Reading,
}

/// Numbers about a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionCounts {
    /// Prompts of the user.
    pub prompts: u32,
    /// Answers of the model.
    pub answers: u32,
    /// Calls of tools.
    pub tool_calls: u32,
    /// Calls that failed.
    pub tool_failures: u32,
    /// Prompts that correct or refuse what was done.
    pub corrections: u32,
    /// Changes that were taken back (`git revert`, `git checkout --`, `git reset --hard`).
    pub reverts: u32,
    /// Times that the user interrupted.
    pub interruptions: u32,
    /// Input and output tokens, as the client counted them.
    pub tokens: u64,
    /// Lines that no parser knew.
    pub unknown_lines: u32,
    /// Secrets that were cut out of prompts, answers and messages while it was read.
    #[serde(skip_serializing_if = "is_zero")]
    pub redacted: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// A tool call that waits for its result.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PendingCall {
    /// The client's id of the call.
    pub id: String,
    /// The tool.
    pub tool: String,
    /// What the call was about: a command or a path, shortened and redacted.
    pub subject: String,
    /// Hash of the whole action, redacted, by which the same one is recognised later.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub action: String,
}

macro_rules! lenient {
    ($(#[$meta:meta])* $name:ident, $default:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The one with this name, whatever its letter case; `None` for any other name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.as_str().eq_ignore_ascii_case(name.trim()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.pad(self.as_str()) }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_str(self.as_str()) }
        }

        impl<'de> Deserialize<'de> for $name {
            /// Names of other versions read as the default.
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = Option::<std::borrow::Cow<'de, str>>::deserialize(d)?;
                Ok(text.and_then(|t| Self::from_name(&t)).unwrap_or(Self::$default))
            }
        }
    };
}

lenient! {
    /// The kind of work.
    TaskType, Unknown {
        /// Something was broken.
        Bugfix = "bugfix",
        /// Something new.
        Feature = "feature",
        /// The same in better shape.
        Refactor = "refactor",
        /// Tests.
        Test = "test",
        /// Documentation.
        Docs = "docs",
        /// Finding out.
        Research = "research",
        /// Finding out what is broken.
        Debug = "debug",
        /// Installation, configuration.
        Setup = "setup",
        /// Nobody said.
        #[default]
        Unknown = "unknown",
    }
}

lenient! {
    /// The verdict on a task.
    EpisodeStatus, Partial {
        /// It was done.
        Success = "success",
        /// Some of it was, or nobody knows.
        #[default]
        Partial = "partial",
        /// It was not.
        Failure = "failure",
    }
}

impl EpisodeStatus {
    /// As a success in [0, 1]: 1, ½ or 0.
    pub const fn success(self) -> f64 {
        match self {
            Self::Success => 1.0,
            Self::Partial => 0.5,
            Self::Failure => 0.0,
        }
    }
}

impl TestCounts {
    /// Whether something ran and nothing failed.
    pub const fn green(self) -> bool {
        self.passed > 0 && self.failed == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_file_of_memrl_reads_as_it_is() {
        let text = r#"{"id":"0f3c2b1a-1111-4222-8333-444455556666","timestamp_start":"2026-01-02T03:04:05Z",
            "timestamp_end":"2026-01-02T04:04:05Z","project":"shop","intent":{"raw_prompt":"Почини вход",
            "extracted_intent":"fix login","task_type":"bugfix","domain":["auth"]},"context":{"files_read":["a.rs"],
            "files_modified":[],"tools_invoked":["cargo"],"errors_encountered":[{"error_type":"unknown","message":"E0308",
            "resolved":true,"resolution":null}]},"outcome":{"status":"success","tests_after":null,"commit_sha":"abcd1234"},
            "utility":{"score":null,"retrieval_count":2,"helpful_count":1}}"#;
        let episode: Episode = serde_json::from_str(text).unwrap();
        assert_eq!(episode.intent.task_type, TaskType::Bugfix);
        assert_eq!(episode.outcome.status, EpisodeStatus::Success);
        assert_eq!(episode.context.errors_encountered[0].message, "E0308");
        let back: Episode =
            serde_json::from_str(&serde_json::to_string(&episode).unwrap()).unwrap();
        assert_eq!(back, episode);
    }

    #[test]
    fn unknown_names_are_the_default() {
        let intent: Intent = serde_json::from_str(r#"{"task_type":"chore"}"#).unwrap();
        assert_eq!(intent.task_type, TaskType::Unknown);
        assert_eq!(TaskType::from_name(" BugFix "), Some(TaskType::Bugfix));
    }
}
