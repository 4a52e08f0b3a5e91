//! Transcripts of coding agents.

use std::io::BufRead;

use memrl_types::Episode;

/// The program that wrote a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Client {
    /// Claude Code: one JSON object per line, `type` user or assistant.
    ClaudeCode,
    /// Codex: rollout files, `{timestamp, type, payload}` per line.
    Codex,
    /// Plain text with `Human:` / `User:` / `Assistant:` turns.
    Text,
}

/// How a transcript is read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// The directory of the project: paths below it are made relative. From the transcript when
    /// empty.
    pub root: String,
    /// The client; recognised by the first lines when `None`.
    pub client: Option<Client>,
}

/// Why a transcript could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The input could not be read.
    #[error("the transcript could not be read: {0}")]
    Io(#[from] std::io::Error),
    /// Nothing in it is a message of a known client.
    #[error("this is not a transcript of a known client")]
    NotATranscript,
}

/// Reads on where `before.session.offset` says (the input must be positioned there by the caller)
/// and answers the whole episode. With `None` reads from the start.
pub fn read_on(
    input: &mut dyn BufRead,
    before: Option<Episode>,
    options: &ReadOptions,
) -> Result<Episode, CaptureError> {
    let _ = (input, options);
    before.ok_or(CaptureError::NotATranscript)
}
