//! From what an agent did to what is worth remembering of it: transcripts of coding agents are
//! read into [`memrl_types::Episode`]s, secrets are cut out, and the outcome is judged from signs.
//!
//! **Architecture Invariant:** this crate knows transcripts and text. No store, no policy, no
//! clock; it reads from what it is handed and opens no file. Only [`extract`] may talk to a
//! network, and only when its caller asks.

pub mod extract;
pub mod foreign;
pub mod redact;
pub mod transcript;

mod own;
mod signs;
mod text;
mod texts;

pub use own::{citations, decision_ids, strip_episode, strip_own};
pub use redact::{redact, redact_diff, redact_episode};
pub use signs::{implied_success, is_empty_talk, status_of, tags_of, task_type_of};
pub use text::content_of;
pub use transcript::{CaptureError, Client, PARSER, ReadOptions, head_of, read_on, resumes};
