//! The demo corpus: three conversations of our own making, in `LoCoMo`'s format, part of the
//! binary, so that the first benchmark needs no download.
//!
//! It is for a first look and for tests. It is small (intervals are wide), and since it ships with
//! the project, nothing may be tuned on it and then claimed from it.

use crate::dataset::Conversation;
use crate::locomo;
use crate::read::LoadError;

/// The file, as shipped.
pub const DEMO_JSON: &str = include_str!("../corpus/demo.json");

/// The conversations of the demo corpus.
pub fn demo() -> Result<Vec<Conversation>, LoadError> {
    locomo::parse(DEMO_JSON, "corpus/demo.json", locomo::Options::default())
}
