//! Where the reading of a transcript stands: all that a parser must know to read on later as if it
//! had never stopped. Nobody else reads meaning into it.

use serde::{Deserialize, Serialize};

/// The state of a parser between two pieces of one transcript. Bounded: it does not grow with the
/// length of the session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reading {
    /// The directory that paths are relative to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub root: String,
    /// When the signs were seen last.
    pub seen: LastSeen,
    /// The latest answers whose tokens were counted, so that none is counted twice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<CountedAnswer>,
    /// Hash of the latest prompt, redacted, while nothing has followed it: some clients write it twice.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub prompt: String,
    /// Errors that the same action may still resolve.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<OpenTrouble>,
    /// Plain text: the beginning of the answer that is being read, redacted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub answer: String,
    /// Plain text: whose turn it is, as far as it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
}

/// The step at which each sign was seen last; 0 = never. A step is a prompt, an answer or a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LastSeen {
    /// Steps so far.
    pub step: u32,
    /// A prompt of the user.
    pub prompt: u32,
    /// A prompt that corrects or refuses.
    pub correction: u32,
    /// A prompt that approves.
    pub approval: u32,
    /// The result of any tool.
    pub action: u32,
    /// A result that was an error.
    pub failure: u32,
    /// A test run that said how many passed.
    pub tests: u32,
    /// A test run that did not get as far as that.
    pub broken: u32,
    /// A commit.
    pub commit: u32,
    /// A change that was taken back.
    pub revert: u32,
}

/// An answer whose tokens were counted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CountedAnswer {
    /// The client's id of the answer.
    pub id: String,
    /// Tokens counted for it so far.
    pub tokens: u64,
}

/// An error that the same action may still resolve.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenTrouble {
    /// Its place in `errors_encountered`.
    pub trouble: u32,
    /// Hash of the action that failed, redacted.
    pub action: String,
    /// Places in `files_modified` of what was edited since.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edited: Vec<u32>,
    /// What the agent said first after it, shortened.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub said: String,
}

/// A turn in a plain text, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Turn {
    /// Whether it is the user's.
    pub user: bool,
    /// Which prompt it is, from 1; 0 while nothing of the user's is in it, the largest number when
    /// nothing more of it is wanted.
    pub number: u32,
    /// Whether prompts are marked by `>` in this text.
    pub quoted: bool,
    /// What must be known of the line before: the element that is still open, or an empty line.
    pub text: String,
    /// Whether a private key began on an earlier line and has not ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub key: bool,
}
