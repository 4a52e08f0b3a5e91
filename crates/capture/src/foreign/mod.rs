//! Memories of other programs, read into neutral records, and episodes written back in the layout
//! of `MemRL` and Tempera.
//!
//! Pure: takes the text of a file and the name it is known by, opens nothing, stores nothing.
//! Every record has a key that is the same each time the same file is read, so that reading it
//! twice changes nothing. No text leaves this module with a secret in it, nor with blocks of our
//! own.

mod config;
mod markdown;
mod memrl;
mod server_memory;

use std::collections::HashSet;

use memrl_types::{CellType, Timestamp};

pub use config::{OldSetting, is_old_setting, old_settings};
pub use markdown::{MAX_SECTION, parse_markdown};
pub use memrl::{MemrlEpisode, MemrlRetrieval, MemrlUtility, parse_memrl, to_memrl_json};
pub use server_memory::parse_server_memory;

/// One memory of another program.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Record {
    /// What it is known by: the same each time, whatever else is in the file.
    pub key: String,
    /// What it seems to be: a fact, unless it says otherwise.
    pub kind: CellType,
    /// What it says; complete in itself, redacted.
    pub text: String,
    /// The file that it came from, as the caller named it.
    pub source: String,
    /// Tags that the file gives.
    pub tags: Vec<String>,
    /// The day or time that the file names.
    pub when: Option<Timestamp>,
}

/// What was read from a file.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Records {
    /// The records, each key once.
    pub records: Vec<Record>,
    /// Secrets that were cut out.
    pub redacted: usize,
    /// Lines (from 1) or entries that could not be read, and why.
    pub rejected: Vec<(u64, String)>,
    /// The keys, to keep each once.
    keys: HashSet<String>,
}

impl Records {
    /// Adds a record unless its key is there or nothing is left of its text.
    fn add(&mut self, mut record: Record) {
        let own = crate::strip_own(&record.text);
        let (clean, cut) = crate::redact(&own);
        let text = clean.trim().to_owned();
        if text.is_empty() || !self.keys.insert(record.key.clone()) {
            return;
        }
        self.redacted += cut;
        record.text = text;
        for tag in &mut record.tags {
            let (clean, cut) = crate::redact(tag);
            self.redacted += cut;
            *tag = clean.into_owned();
        }
        self.records.push(record);
    }
}

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignError {
    /// It is not the JSON that it should be.
    #[error("not an episode: {0}")]
    NotAnEpisode(#[source] serde_json::Error),
    /// The episode has no id, so that reading it twice would make two.
    #[error("the episode has no id")]
    NoId,
    /// The settings are not TOML.
    #[error("not a settings file: {0}")]
    NotSettings(String),
    /// Nothing in it is of the format.
    #[error("this is not a memory file of {0}")]
    NotMemories(&'static str),
}

/// A text without the mark that some editors put before it.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}
