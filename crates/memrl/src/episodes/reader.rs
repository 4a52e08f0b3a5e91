//! Capturing a transcript that was sent instead of lying in a file here: always whole, from its
//! first line.
//!
//! It names directories of the machine that it was written on; none of them is looked at here.

use std::io::BufRead;
use std::path::Path;

use memrl_capture::{CaptureError, Client, ReadOptions, read_on};

use super::capture::session_key;
use crate::{
    CaptureAction, CaptureRequest, Captured, CellStatus, Code, Episode, Error, Memory, Origin,
    Project, Result,
};

/// Longest name of a session, in bytes.
const MAX_SESSION: usize = 256;

/// What is said about a transcript by whoever sends it.
#[derive(Debug, Clone)]
pub struct SentTranscript {
    /// The project that the session belongs to.
    pub project: Project,
    /// The client's id of the session, 1 to 256 bytes: what identifies the episode when the
    /// transcript is sent again. As the transcript says when `None`.
    pub session: Option<String>,
    /// `claude-code`, `codex` or `text`; recognised by the first lines when `None`.
    pub client: Option<String>,
    /// Whether a last line without a line break is whole.
    pub finished: bool,
}

impl Memory {
    /// Captures the session in a transcript that is read from its first line. Sent again when the
    /// session went on, it makes a new version of the same episode; a shorter part of what was
    /// captured before changes nothing.
    pub fn capture_reader(
        &self,
        input: &mut dyn BufRead,
        sent: &SentTranscript,
    ) -> Result<Captured> {
        let options = ReadOptions {
            client: client_of(sent)?,
            finished: sent.finished,
            ..ReadOptions::default()
        };
        let mut episode = read_on(input, None, &options).map_err(|e| match e {
            CaptureError::Io(e) => Error::io(Path::new("transcript"), e),
            e => Error::invalid(Code::NotATranscript, "transcript", e.to_string()),
        })?;
        if let (Some(name), Some(session)) = (session_of(sent)?, &mut episode.session) {
            name.clone_into(&mut session.id);
        }
        if let Some(longer) = self.longer_before(&mut episode)? {
            return Ok(longer);
        }
        self.capture(CaptureRequest {
            trajectory: episode.session.as_ref().map(|s| s.id.clone()),
            episode,
            project: sent.project.clone(),
            origin: Origin::Agent,
            decisions: Vec::new(),
        })
    }

    /// What was captured of this session before, when that is more than this. Otherwise the
    /// episode takes over what no transcript says: what people or a model wrote about its task.
    fn longer_before(&self, episode: &mut Episode) -> Result<Option<Captured>> {
        let Some(key) = session_key(episode) else {
            return Ok(None);
        };
        let Some(row) = self.session_row(&key)? else {
            return Ok(None);
        };
        let payload = row.cell.payload.clone().unwrap_or_default();
        let Ok(before) = serde_json::from_value::<Episode>(payload) else {
            return Ok(None);
        };
        let (Some(old), Some(new)) = (&before.session, &episode.session) else {
            return Ok(None);
        };
        let same = old.head == new.head && old.parser == new.parser;
        if row.cell.status == CellStatus::Deleted || !same {
            return Ok(None);
        }
        if old.offset > new.offset {
            let message = format!(
                "{} bytes of this session were captured before, these are {}",
                old.offset, new.offset
            );
            return Ok(Some(Captured {
                action: CaptureAction::Unchanged,
                cell: row.cell,
                similar: Vec::new(),
                redacted: 0,
                credited: Vec::new(),
                warnings: vec![message],
            }));
        }
        if before.intent.raw_prompt == episode.intent.raw_prompt {
            episode.intent.extracted_intent = before.intent.extracted_intent;
            episode.intent.task_type = before.intent.task_type;
        }
        if episode.learnings.is_empty() {
            episode.learnings = before.learnings;
        }
        Ok(None)
    }
}

fn client_of(sent: &SentTranscript) -> Result<Option<Client>> {
    let Some(name) = sent.client.as_deref() else {
        return Ok(None);
    };
    Client::from_name(name).map(Some).ok_or_else(|| {
        let message = format!("{name:?} is none of claude-code, codex and text");
        Error::invalid(Code::InvalidInput, "client", message)
    })
}

fn session_of(sent: &SentTranscript) -> Result<Option<&str>> {
    let Some(name) = sent.session.as_deref() else {
        return Ok(None);
    };
    let name = name.trim();
    if name.is_empty() || name.len() > MAX_SESSION || name.contains(char::is_control) {
        let message = format!("must have 1 to {MAX_SESSION} bytes and no control characters");
        return Err(Error::invalid(Code::InvalidInput, "session", message));
    }
    Ok(Some(name))
}
