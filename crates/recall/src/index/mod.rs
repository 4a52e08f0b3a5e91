//! The index: postings, vectors and search over them.
//!
//! An [`Index`] is an immutable **base** (a file that is mapped into memory) plus an in-memory
//! **delta** of everything that changed since. It is a cache of the database and can be rebuilt at
//! any time. Where a document lives never changes an answer: the statistics are those of all live
//! documents, and every sum is made in the same order.
//!
//! **Architecture Invariant:** knows documents, scopes as opaque pairs, and the caller's verdicts;
//! no database, no policy, no clock.

mod analyzer;
mod base;
mod delta;
mod dense;
mod doc;
mod eligible;
mod error;
mod fusion;
mod hash;
mod lexical;
mod matches;
mod memcell;
mod neighbours;
mod query;
mod search;
mod simd;
mod snapshot;
mod stop;
mod topk;
mod vector;
mod view;
mod window;

use std::path::{Path, PathBuf};

use analyzer::Analyzer;
use base::{Base, Header};
use delta::Delta;
use hash::TermHash;
use view::{Bits, View};

pub use analyzer::source_words;
pub use doc::{Attrs, Doc, Pair, SOURCE_WORD};
pub use error::IndexError;
pub use fusion::{Fusion, Params};
pub use neighbours::nearest_neighbours;
pub use query::{Hint, Hit, Judge, MAX_MASKED, MemcellQuery, Near, Query, Shares, Verdict};
pub use search::ECHO;
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
///
/// Searching takes `&self` and may happen from many threads at once.
pub struct Index {
    model: String,
    dim: usize,
    salt: u64,
    upto: i64,
    base: Option<(PathBuf, Base)>,
    /// Records of the base that were replaced or removed since.
    base_dead: Bits,
    delta: Delta,
    docs: usize,
    vectors: usize,
    total_length: u64,
    analyzer: Analyzer,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Index");
        out.field("model", &self.model).field("dim", &self.dim);
        out.field("upto", &self.upto).field("stats", &self.stats());
        out.finish_non_exhaustive()
    }
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
        Ok(Self {
            model: model.to_owned(),
            dim,
            salt,
            upto: 0,
            base: None,
            base_dead: Bits::default(),
            delta: Delta::default(),
            docs: 0,
            vectors: 0,
            total_length: 0,
            analyzer: Analyzer::new(),
        })
    }

    /// Maps a file that [`Self::write_snapshot`] wrote. The time does not depend on the number of
    /// documents. A file that is cut off, foreign or of another release is an error.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let base = Base::open(path)?;
        let header = &base.header;
        let mut index = Self::empty(
            base.model().unwrap_or_default(),
            header.dim as usize,
            header.salt,
        )?;
        index.upto = header.upto;
        index.docs = header.docs as usize;
        index.vectors = header.vectors as usize;
        index.total_length = header.total_length;
        index.base = Some((path.to_owned(), base));
        Ok(index)
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

    /// Adds a document or replaces the one of the same `seq`. On an error nothing has changed.
    pub fn upsert(&mut self, doc: &Doc<'_>) -> Result<(), IndexError> {
        if let Some(v) = doc.vector
            && v.codes.len() != self.dim
        {
            return Err(IndexError::Dim {
                found: v.codes.len(),
                expected: self.dim,
            });
        }
        let base = self.base.as_ref().map_or(0, |(_, b)| b.len());
        if base + self.delta.len() >= 1 << 31 {
            return Err(IndexError::Limit("more than 2³¹ records in one index"));
        }
        self.remove(doc.attrs.seq);
        self.delta.push(doc, self.hash(), &self.analyzer, self.dim);
        self.count(1, self.delta.len() as u32 - 1, true);
        Ok(())
    }

    /// Removes a document; whether it was there.
    pub fn remove(&mut self, seq: i64) -> bool {
        let Some((view, doc)) = self.find(seq) else {
            return false;
        };
        self.count(view, doc, false);
        if view == 0 {
            self.base_dead.insert(doc);
        } else {
            self.delta.remove(seq);
            self.delta.compact_if_sparse(self.dim);
        }
        true
    }

    /// The facts of a live document.
    pub fn attrs(&self, seq: i64) -> Option<Attrs> {
        let (view, doc) = self.find(seq)?;
        self.views()[view].attrs.get(doc as usize).copied()
    }

    /// The vector of a live document; none when it has no vector.
    pub fn vector(&self, seq: i64) -> Option<QVec> {
        let (view, doc) = self.find(seq)?;
        let (scale, codes) = self.views()[view].codes_of(doc)?;
        Some(QVec {
            scale,
            codes: codes.to_vec(),
        })
    }

    /// Number of live documents.
    pub fn len(&self) -> usize {
        self.docs
    }

    /// Whether there are no live documents.
    pub fn is_empty(&self) -> bool {
        self.docs == 0
    }

    /// Records in memory and dead records of the base: what a new snapshot would fold in.
    pub fn delta_len(&self) -> usize {
        self.delta.len() + self.base_dead.len()
    }

    /// Sizes.
    pub fn stats(&self) -> Stats {
        Stats {
            docs: self.docs,
            vectors: self.vectors,
            base: self.base.as_ref().map_or(0, |(_, b)| b.len()),
            delta: self.delta.len(),
            dead: self.base_dead.len() + self.delta.dead.len(),
            terms: self.total_length,
        }
    }

    /// Writes base and delta as one new file: a temporary file beside it, synced, then renamed.
    /// Several processes may do this at once; they wait for each other, and the last one wins. The
    /// index itself is unchanged; open the file to get rid of the delta. Nothing of replaced or
    /// removed documents is in the new file.
    pub fn write_snapshot(&self, path: &Path) -> Result<(), IndexError> {
        let header = Header::new(&self.model, self.dim, self.salt, self.upto);
        snapshot::write(path, &header, &self.views()).map_err(|source| IndexError::Io {
            path: path.to_owned(),
            source,
        })
    }

    /// Reads the whole file behind the index once and compares its checksums.
    pub fn verify(&self) -> Result<(), IndexError> {
        match &self.base {
            Some((path, base)) if !base.verify() => Err(IndexError::Corrupt {
                path: path.clone(),
                reason: "a section does not match its checksum",
            }),
            _ => Ok(()),
        }
    }

    /// Hybrid search. Hits are sorted by `fused` descending, ties by `seq` ascending; at most
    /// `pool` admitted ones, and at most [`MAX_MASKED`] masked ones that would have ranked among
    /// them. Without words and without a vector: the newest first by `created_at`, with `fused`
    /// falling evenly from 1.
    pub fn search(&self, query: &Query<'_>) -> Result<Vec<Hit>, IndexError> {
        let statistics = (self.docs, self.total_length);
        search::search(&self.views(), query, self.dim, statistics, self.hash())
    }

    /// The k best documents by memcell-rl's score, with the score: word-set Jaccard plus
    /// 0.5·confidence + 0.5·criticality + 0.3·`future_utility` − 0.5·staleness, over all documents
    /// in scope, ties in insertion order (`seq`).
    pub fn memcell(&self, query: &MemcellQuery<'_>) -> Vec<(Attrs, f64)> {
        memcell::search(&self.views(), query, self.hash())
    }

    fn hash(&self) -> TermHash {
        TermHash::new(self.salt)
    }

    /// Base and delta, in this order; an index without a base has an empty one.
    fn views(&self) -> [View<'_>; 2] {
        let delta = self.delta.view(self.dim);
        match &self.base {
            Some((_, base)) => [base.view(&self.base_dead), delta],
            None => [View::empty(self.dim, &self.base_dead), delta],
        }
    }

    /// View and record of a live document.
    fn find(&self, seq: i64) -> Option<(usize, u32)> {
        if let Some(&slot) = self.delta.by_seq.get(&seq) {
            return Some((1, slot));
        }
        let doc = self.views()[0].seqs.binary_search(&seq).ok()? as u32;
        (!self.base_dead.contains(doc)).then_some((0, doc))
    }

    /// Adds a record to the statistics or takes it out.
    fn count(&mut self, view: usize, doc: u32, add: bool) {
        let view = &self.views()[view];
        let length = u64::from(view.lengths.get(doc as usize).copied().unwrap_or(0));
        let vector = usize::from(view.codes_of(doc).is_some());
        // Saturating: the totals of a foreign file may not match its records.
        if add {
            self.docs += 1;
            self.vectors += vector;
            self.total_length = self.total_length.saturating_add(length);
        } else {
            self.docs = self.docs.saturating_sub(1);
            self.vectors = self.vectors.saturating_sub(vector);
            self.total_length = self.total_length.saturating_sub(length);
        }
    }
}
