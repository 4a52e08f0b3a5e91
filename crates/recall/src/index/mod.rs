//! The index: postings, vectors and search over them.
//!
//! An [`Index`] is an immutable **base** (a file that is mapped into memory) plus an in-memory
//! **delta** of everything that changed since. It is a cache of the database and can be rebuilt at
//! any time. Where a document lives never changes an answer: the statistics are those of all live
//! documents, and every sum is made in the same order.
//!
//! **Architecture Invariant:** knows documents, scopes as opaque pairs, and the caller's verdicts;
//! no database, no policy, no clock.

mod doc;
mod error;
mod fusion;
mod query;
mod simd;
mod vector;

use std::path::Path;

pub use doc::{Attrs, Doc, Pair};
pub use error::IndexError;
pub use fusion::{Fusion, Params};
pub use query::{Hit, Judge, MAX_MASKED, MemcellQuery, Query, Verdict};
pub use vector::{MAX_DIM, QVec};

/// Sizes of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Live documents.
    pub docs: usize,
    /// Live documents that have a vector.
    pub vectors: usize,
    /// Records in the base file, dead ones included.
    pub base: usize,
    /// Records in memory, dead ones included.
    pub delta: usize,
    /// Dead records: replaced or removed.
    pub dead: usize,
    /// Sum of the lengths of all live documents, in indexed terms.
    pub terms: u64,
}

/// Postings and vectors of a set of documents. See the module's documentation.
#[derive(Debug)]
pub struct Index {
    model: String,
    dim: usize,
    salt: u64,
    upto: i64,
}

impl Index {
    /// An index without documents.
    ///
    /// `model` and `dim` name the embedder whose vectors it holds (`dim` ≤ [`MAX_DIM`], the name ≤
    /// 255 bytes); `salt` keys the hashes of terms, so that two files cannot be compared and no
    /// word list made in advance fits.
    pub fn empty(model: &str, dim: usize, salt: u64) -> Result<Self, IndexError> {
        if model.len() > 255 || dim > MAX_DIM {
            return Err(IndexError::Limit("model name or dimension too long"));
        }
        Ok(Self { model: model.to_owned(), dim, salt, upto: 0 })
    }

    /// Maps a file that [`Self::write_snapshot`] wrote. The time does not depend on the number of documents.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let _ = path;
        unimplemented!()
    }

    /// The embedder's id.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Components of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The key of the hashes of terms.
    pub fn salt(&self) -> u64 {
        self.salt
    }

    /// Number of the last change of the database that the index contains.
    pub fn upto(&self) -> i64 {
        self.upto
    }

    /// Records that changes up to this number are contained.
    pub fn set_upto(&mut self, change: i64) {
        self.upto = change;
    }

    /// Adds a document or replaces the one of the same `seq`.
    pub fn upsert(&mut self, doc: &Doc<'_>) -> Result<(), IndexError> {
        let _ = doc;
        unimplemented!()
    }

    /// Removes a document; whether it was there.
    pub fn remove(&mut self, seq: i64) -> bool {
        let _ = seq;
        unimplemented!()
    }

    /// The facts of a live document.
    pub fn attrs(&self, seq: i64) -> Option<Attrs> {
        let _ = seq;
        unimplemented!()
    }

    /// The vector of a live document; none when it has no vector.
    pub fn vector(&self, seq: i64) -> Option<QVec> {
        let _ = seq;
        unimplemented!()
    }

    /// Number of live documents.
    pub fn len(&self) -> usize {
        unimplemented!()
    }

    /// Whether there are no live documents.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Records in memory and dead records of the base: what a new snapshot would fold in.
    pub fn delta_len(&self) -> usize {
        unimplemented!()
    }

    /// Sizes.
    pub fn stats(&self) -> Stats {
        unimplemented!()
    }

    /// Writes base and delta as one new file: a temporary file beside it, synced, then renamed.
    /// Several processes may do this at once; the last one wins. The index itself is unchanged;
    /// open the file to get rid of the delta.
    pub fn write_snapshot(&self, path: &Path) -> Result<(), IndexError> {
        let _ = path;
        unimplemented!()
    }

    /// Reads the whole file behind the index once and compares its checksums.
    pub fn verify(&self) -> Result<(), IndexError> {
        unimplemented!()
    }

    /// Hybrid search. Hits are sorted by `fused` descending, ties by `seq` ascending; at most
    /// `pool` admitted ones, and at most [`MAX_MASKED`] masked ones that would have ranked among them.
    pub fn search(&self, query: &Query<'_>) -> Result<Vec<Hit>, IndexError> {
        let _ = query;
        unimplemented!()
    }

    /// The k best documents by memcell-rl's score, with the score: word-set Jaccard
    /// + 0.5·confidence + 0.5·criticality + 0.3·future utility − 0.5·staleness, over all documents
    /// in scope, ties in insertion order (`seq`).
    pub fn memcell(&self, query: &MemcellQuery<'_>) -> Vec<(Attrs, f64)> {
        let _ = query;
        unimplemented!()
    }
}
