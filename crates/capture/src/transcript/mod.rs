//! Transcripts of coding agents, read line by line and in any number of pieces.
//!
//! Each client has a module that knows its file format and nothing else; all of them tell the
//! same `story`, which makes the episode.
//!
//! **Architecture Invariant:** memory does not grow with the length of a transcript, and all that
//! is remembered between two pieces is in [`memrl_types::Session`].

mod action;
mod claude;
mod codex;
mod counts;
mod json;
mod lines;
mod outputs;
mod plain;
mod shell;
mod story;
mod talk;
pub(crate) mod words;

use std::io::BufRead;

use memrl_types::Episode;

use story::Story;

/// The version of the parser. Raised when the same transcript gives another episode.
pub const PARSER: u32 = 2;
/// So many bytes of the first line make the hash of the head.
const HEAD: usize = 4_096;

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

impl Client {
    /// The name in [`memrl_types::Session::client`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Text => "text",
        }
    }

    /// The client with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::ClaudeCode, Self::Codex, Self::Text]
            .into_iter()
            .find(|c| c.as_str() == name)
    }

    /// The client that writes lines like this one. `first`: nothing was before it in the file.
    fn recognise(line: &[u8], first: bool) -> Option<Self> {
        if plain::is_line(&String::from_utf8_lossy(line), first) {
            return Some(Self::Text);
        }
        if line.trim_ascii_start().first() != Some(&b'{') {
            return None;
        }
        let mut found = None;
        json::with_line(line, |text| {
            found = if codex::is_line(text) {
                Some(Self::Codex)
            } else {
                claude::is_line(text).then_some(Self::ClaudeCode)
            };
            found.is_some()
        });
        found
    }
}

/// How a transcript is read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// The directory of the project: paths below it are made relative. From the transcript when
    /// empty.
    pub root: String,
    /// The client; recognised by the first lines when `None`.
    pub client: Option<Client>,
    /// Whether nobody writes to the transcript any more: a last line without a line break is then
    /// read as well. Otherwise it is left for the next reading.
    pub finished: bool,
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
/// and answers the whole episode. With `None`, or an episode without a session, reads from the
/// start.
///
/// Reading in pieces gives the same episode as reading at once, wherever the pieces end: only
/// complete lines are consumed, and `session.offset` is behind the last one. The verdict is judged
/// anew each time; an intent and a kind of work that somebody else put there stay.
pub fn read_on(
    input: &mut dyn BufRead,
    before: Option<Episode>,
    options: &ReadOptions,
) -> Result<Episode, CaptureError> {
    let mut story = Story::new(before, options);
    let mut client = options
        .client
        .or_else(|| Client::from_name(&story.session.client));
    let mut line = Vec::new();
    loop {
        let (bytes, whole) = match lines::next(input, &mut line)? {
            lines::Next::Line(bytes) => (bytes, true),
            lines::Next::TooLong(bytes) => (bytes, false),
            lines::Next::Partial(bytes) if options.finished => {
                (bytes, bytes <= lines::LONGEST_LINE as u64)
            }
            lines::Next::Partial(_) | lines::Next::End => break,
        };
        let first = story.session.offset == 0;
        if first {
            story.session.head = head_of(&line);
        }
        story.session.offset += bytes;
        if whole && line.trim_ascii().is_empty() && client != Some(Client::Text) {
            continue;
        }
        if whole && client.is_none() {
            client = Client::recognise(&line, first);
        }
        let known = whole
            && match client {
                Some(Client::ClaudeCode) => {
                    json::with_line(&line, |text| claude::tell(text, &mut story))
                }
                Some(Client::Codex) => json::with_line(&line, |text| codex::tell(text, &mut story)),
                Some(Client::Text) => plain::tell(&String::from_utf8_lossy(&line), &mut story),
                None => false,
            };
        if !known {
            story.unknown_line();
        }
    }
    let client = client.ok_or(CaptureError::NotATranscript)?;
    client.as_str().clone_into(&mut story.session.client);
    Ok(story.end())
}

/// Hash of the beginning of a transcript, by which a file that was replaced is noticed: of its
/// first line, or of the first 4 KiB of a longer one. Bytes behind the first line break do not
/// matter.
pub fn head_of(first_line: &[u8]) -> String {
    let end = first_line
        .iter()
        .take(HEAD)
        .position(|b| *b == b'\n')
        .unwrap_or(first_line.len().min(HEAD));
    let line = &first_line[..end];
    hash(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Whether a file that begins with `first_line` and has `len` bytes is the one that `before` was
/// read from, so that reading may go on at `before.session.offset`. Otherwise it must be read from
/// the start, without `before`.
pub fn resumes(before: &Episode, first_line: &[u8], len: u64) -> bool {
    before.session.as_ref().is_some_and(|s| {
        s.parser == PARSER && s.offset > 0 && s.offset <= len && s.head == head_of(first_line)
    })
}

/// Whether this is the name of a tool that reads, searches or writes files.
pub(crate) fn writes_or_reads(tool: &str) -> bool {
    use action::Kind;
    matches!(Kind::of(tool), Kind::Read | Kind::Search | Kind::Edit)
}

/// FNV-1a with 64 bits, in hexadecimal. Tells apart; protects against nobody.
fn hash(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{hash:016x}")
}
