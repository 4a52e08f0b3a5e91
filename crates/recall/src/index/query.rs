//! What is asked of the index and what it answers.
//!
//! Knows neither how documents are stored nor how they are found.

use super::{Attrs, Pair, Params};

/// What the caller's rules say about a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A candidate.
    Admit,
    /// Found but not to be used, for the caller's reason code: reported without taking a place.
    Mask(u8),
    /// As if it were not there (filters, clearance): it influences no score of another document
    /// except through the statistics of the collection.
    Exclude,
}

/// The caller's rules: called only for documents that are about to enter a candidate list.
pub type Judge<'a> = &'a (dyn Fn(&Attrs) -> Verdict + Sync);

/// Something that speaks for a document and that only the caller knows, e.g. that the query names
/// its speaker. Asked for every candidate.
pub type Hint<'a> = &'a (dyn Fn(&Attrs) -> bool + Sync);

/// A hybrid query.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// What is looked for. With no words and no vector, the newest documents are returned.
    pub text: &'a str,
    /// Embedding of the text by the index's model, of any length (it is normalised); none or all
    /// zeros: lexical only.
    pub vector: Option<&'a [f32]>,
    /// Widening scopes. A document belongs to the first level whose pairs it all has; an empty
    /// level is everything; with no level at all nothing is found.
    pub levels: &'a [Vec<Pair>],
    /// Most admitted hits to return (at least 1).
    pub pool: usize,
    /// The caller's rules.
    pub judge: Judge<'a>,
    /// What else speaks for a document; counts in a z-sum only.
    pub hints: &'a [Hint<'a>],
    /// How scores are combined.
    pub params: Params,
}

/// Most masked hits that are reported.
pub const MAX_MASKED: usize = 32;

/// What a document has of the words that the query asks for (stop words left out): each the share of their
/// inverse document frequencies, in [0, 1], however often and in how long a text a word stands.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Shares {
    /// In its text.
    pub text: f32,
    /// The same of the words that look like names: capitals inside the sentence, digits, identifiers.
    pub names: f32,
    /// In its text or that of its neighbours.
    pub window: f32,
    /// In its text or that of any admitted hit of its source.
    pub source: f32,
    /// In the name of its source.
    pub source_name: f32,
}

/// What stands right before or behind a document in its source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// Its BM25 as a share of what the query asks for, like [`Hit::coverage`].
    pub coverage: f32,
    /// Cosine with the query; 0 without a vector.
    pub dense: f32,
    /// The caller's flags.
    pub flags: u32,
}

/// A document that was found, with every score that led to its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The facts of the document.
    pub attrs: Attrs,
    /// Which of the query's levels it belongs to.
    pub level: u8,
    /// Reason code when the caller's rules masked it.
    pub mask: Option<u8>,
    /// BM25 of the text, ≥ 0.
    pub bm25: f32,
    /// `bm25` as a share of what a document could reach that had every word of the query, also
    /// those that no document has, in [0, 1): comparable between queries.
    pub coverage: f32,
    /// Cosine with the query, in [−1, 1]; 0 without a vector.
    pub dense: f32,
    /// Σ w·bm25 / √Σ w² over the document (w = 1) and its neighbours: a document without neighbours
    /// keeps its own score, and is on a par with those that have some.
    pub bm25_window: f32,
    /// Cosine of the query with the weighted sum of the vectors of document and neighbours.
    pub dense_window: f32,
    /// 0-based place by `bm25` among the admitted candidates; `u32::MAX` without a common word.
    pub bm25_rank: u32,
    /// 0-based place by `dense` among the admitted candidates; `u32::MAX` without a vector.
    pub dense_rank: u32,
    /// Best `bm25` of the candidates of its source, its own without a source.
    pub bm25_source: f32,
    /// Best `dense` of the candidates of its source, its own without a source.
    pub dense_source: f32,
    /// What it has of the words of the query.
    pub shares: Shares,
    /// What stands right before it in its source.
    pub before: Option<Near>,
    /// What stands right behind it in its source.
    pub after: Option<Near>,
    /// Cosine with the sum of the vectors of the [`super::ECHO`] best admitted hits but itself: what goes with what was
    /// found, though the query does not say so. 0 without a vector.
    pub echo: f32,
    /// What the hits are sorted by, descending; comparable only within one answer.
    pub fused: f32,
}

/// A query by memcell-rl's rules.
#[derive(Clone, Copy)]
pub struct MemcellQuery<'a> {
    /// The query text.
    pub text: &'a str,
    /// Pairs that a document must have; empty: all documents. A value of `null` also matches a
    /// document that lacks the key, as in memcell-rl.
    pub scope: &'a [Pair],
    /// The caller's rules; only [`Verdict::Admit`] counts.
    pub judge: Judge<'a>,
    /// Most documents to return.
    pub k: usize,
}
