//! What goes into the index: documents and the fixed-size facts about them.
//!
//! Knows no text analysis, no files and no scores.

use bytemuck::{Pod, Zeroable};

use super::QVec;

/// Fixed-size facts about a document that filters and policies need without touching the database.
///
/// Codes and flags belong to the caller; the index only stores them, except for `seq`, `source`,
/// `position`, `created_at` and the numbers that memcell-rl's score is made of.
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Attrs {
    /// Row number: the key of the document, its insertion order, and the last tie-breaker.
    pub seq: i64,
    /// The caller's identifier.
    pub id: [u8; 16],
    /// Creation time, in the caller's unit.
    pub created_at: i64,
    /// Time of the last change.
    pub updated_at: i64,
    /// Time that the document is about; `i64::MIN`: none.
    pub occurred_at: i64,
    /// Start of validity; `i64::MIN`: none.
    pub valid_from: i64,
    /// End of validity; `i64::MAX`: none.
    pub valid_until: i64,
    /// Confidence.
    pub confidence: f64,
    /// Policy feature `criticality`.
    pub criticality: f64,
    /// Policy feature `compressibility`.
    pub compressibility: f64,
    /// Policy feature `staleness`.
    pub staleness: f64,
    /// Policy feature `future_utility_estimate`.
    pub future_utility: f64,
    /// Hash of the name of the source; 0: none. Documents of one source and one scope are
    /// neighbours when their positions differ by 1 or 2.
    pub source: u64,
    /// Hash of the canonical scope.
    pub scope: u64,
    /// Bit 0: contradicted by something; the other bits are the caller's.
    pub flags: u32,
    /// Length in tokens.
    pub tokens: u32,
    /// Version of the document.
    pub version: u32,
    /// Place inside the source.
    pub position: u32,
    /// Type code.
    pub kind: u8,
    /// Status code.
    pub status: u8,
    /// Sensitivity code.
    pub sensitivity: u8,
    /// Origin code.
    pub origin: u8,
    /// Free for the caller; keeps the record a multiple of eight bytes without hidden padding.
    pub extra: u32,
}

impl Default for Attrs {
    /// All zero, with no times of occurrence and no limits of validity.
    fn default() -> Self {
        Self {
            occurred_at: i64::MIN,
            valid_from: i64::MIN,
            valid_until: i64::MAX,
            ..Self::zeroed()
        }
    }
}

impl Attrs {
    /// Replaces numbers that are not finite by 0, so that no score can become NaN.
    #[must_use]
    pub fn sanitised(mut self) -> Self {
        for x in [
            &mut self.confidence,
            &mut self.criticality,
            &mut self.compressibility,
            &mut self.staleness,
            &mut self.future_utility,
        ] {
            if !x.is_finite() {
                *x = 0.0;
            }
        }
        self
    }
}

/// The key of the pseudo scope pairs that say which words the name of a document's source has (see
/// [`super::source_words`]): the caller adds one per word, and the search looks up the query's words among them. No
/// scope of a caller's can have it: scope keys are JSON text and this one starts with NUL.
pub const SOURCE_WORD: &str = "\0source";

/// One pair of a scope: a key and the canonical JSON text of its value.
pub type Pair = (String, String);

/// A document to be indexed.
#[derive(Debug, Clone)]
pub struct Doc<'a> {
    /// The facts; `attrs.seq` is the key.
    pub attrs: Attrs,
    /// The text, with everything that should be found by (speaker, title ...).
    pub text: &'a str,
    /// All pairs of the document's scope.
    pub scope_pairs: Vec<Pair>,
    /// The vector of the index's model; none while it has not been computed.
    pub vector: Option<&'a QVec>,
}
