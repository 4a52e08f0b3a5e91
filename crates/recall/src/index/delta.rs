//! The records that changed since the base was written, in memory.
//!
//! Records are only appended; a replaced or removed one is marked dead and keeps its number, so
//! that every list of records stays ascending. Once most are dead, the rest is moved together.

use super::{
    Attrs, Doc,
    analyzer::{Analyzer, Side},
    hash::{IdMap, TermHash},
    memcell,
    view::{Bits, Places, Terms, View, source_key},
};

/// The records that hold one term, ascending, and how often each does.
#[derive(Debug, Clone, Default)]
pub(super) struct List {
    pub docs: Vec<u32>,
    pub counts: Vec<u8>,
}

/// Dead records from which on it is worth moving the live ones together.
const COMPACT_FROM: usize = 1024;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Delta {
    pub attrs: Vec<Attrs>,
    seqs: Vec<i64>,
    lengths: Vec<u32>,
    words: Vec<u32>,
    statics: Vec<f64>,
    scales: Vec<f32>,
    codes: Vec<i8>,
    pub terms: IdMap<u64, List>,
    /// Live records by place, in the order of `seq`.
    places: IdMap<(u64, u32), Vec<u32>>,
    pub by_seq: IdMap<i64, u32>,
    pub dead: Bits,
}

/// What a document is made of, once analysed.
struct Analysed {
    length: u32,
    words: u32,
    /// Hash and count of each term, sorted by hash.
    terms: Vec<(u64, u8)>,
}

impl Delta {
    pub fn len(&self) -> usize {
        self.seqs.len()
    }

    pub fn view(&self, dim: usize) -> View<'_> {
        View {
            seqs: &self.seqs,
            attrs: &self.attrs,
            lengths: &self.lengths,
            words: &self.words,
            statics: &self.statics,
            scales: &self.scales,
            codes: &self.codes,
            dim,
            terms: Terms::Map(&self.terms),
            places: Places::Map(&self.places),
            recency: &[],
            dead: &self.dead,
        }
    }

    /// Appends a record. The caller has removed an older one of the same `seq` and checked the
    /// length of the vector.
    pub fn push(&mut self, doc: &Doc<'_>, hash: TermHash, analyzer: &Analyzer, dim: usize) {
        let slot = self.len() as u32;
        let analysed = analyse(doc, hash, analyzer);
        let attrs = doc.attrs.sanitised();
        for (term, count) in analysed.terms {
            let list = self.terms.entry(term).or_default();
            list.docs.push(slot);
            list.counts.push(count);
        }
        let vector = doc.vector.filter(|v| v.scale.is_finite() && v.scale > 0.0);
        match vector {
            Some(v) => self.codes.extend_from_slice(&v.codes),
            None => self.codes.resize(self.codes.len() + dim, 0),
        }
        self.push_columns(
            attrs,
            (analysed.length, analysed.words),
            vector.map_or(0.0, |v| v.scale),
        );
    }

    fn push_columns(&mut self, attrs: Attrs, (length, words): (u32, u32), scale: f32) {
        let slot = self.len() as u32;
        self.seqs.push(attrs.seq);
        self.lengths.push(length);
        self.words.push(words);
        self.statics.push(memcell::score(0.0, &attrs));
        self.scales.push(scale);
        self.by_seq.insert(attrs.seq, slot);
        if let Some(source) = source_key(&attrs) {
            let here = self.places.entry((source, attrs.position)).or_default();
            let at = here.partition_point(|&d| self.seqs[d as usize] < attrs.seq);
            here.insert(at, slot);
        }
        self.attrs.push(attrs);
    }

    /// Marks the record of `seq` dead; returns its number.
    pub fn remove(&mut self, seq: i64) -> Option<u32> {
        let slot = self.by_seq.remove(&seq)?;
        self.dead.insert(slot);
        let attrs = &self.attrs[slot as usize];
        let place = source_key(attrs).map(|source| (source, attrs.position));
        if let Some(place) = place
            && let Some(here) = self.places.get_mut(&place)
        {
            let at = here.partition_point(|&d| self.seqs[d as usize] < seq);
            here.remove(at);
            if here.is_empty() {
                self.places.remove(&place);
            }
        }
        Some(slot)
    }

    /// Moves the live records together when most are dead. Costs what appending them costs,
    /// without the analysis; happens once per that many removals.
    pub fn compact_if_sparse(&mut self, dim: usize) {
        if self.dead.len() < COMPACT_FROM || self.dead.len() * 2 < self.len() {
            return;
        }
        let old = std::mem::take(self);
        let mut moved = vec![u32::MAX; old.len()];
        for slot in (0..old.len()).filter(|&s| !old.dead.contains(s as u32)) {
            moved[slot] = self.len() as u32;
            self.codes
                .extend_from_slice(&old.codes[slot * dim..(slot + 1) * dim]);
            let counts = (old.lengths[slot], old.words[slot]);
            self.push_columns(old.attrs[slot], counts, old.scales[slot]);
        }
        for (term, list) in old.terms {
            let live = list.docs.iter().zip(&list.counts);
            let live = live.filter(|&(&d, _)| moved[d as usize] != u32::MAX);
            let (docs, counts): (Vec<_>, Vec<_>) =
                live.map(|(&d, &c)| (moved[d as usize], c)).unzip();
            if !docs.is_empty() {
                self.terms.insert(term, List { docs, counts });
            }
        }
    }
}

fn analyse(doc: &Doc<'_>, hash: TermHash, analyzer: &Analyzer) -> Analysed {
    let mut terms = Vec::new();
    analyzer.terms(doc.text, Side::Document, |t| {
        terms.push(hash.stem(t.text));
        true
    });
    let length = u32::try_from(terms.len()).unwrap_or(u32::MAX);
    let words = memcell::word_set(doc.text, hash);
    let word_count = words.len() as u32;
    terms.extend(words);
    for (key, value) in &doc.scope_pairs {
        terms.push(hash.pair(key, value));
        terms.push(hash.key(key));
    }
    terms.sort_unstable();
    let counted = terms.chunk_by(|a, b| a == b);
    Analysed {
        length,
        words: word_count,
        terms: counted
            .map(|run| (run[0], u8::try_from(run.len()).unwrap_or(u8::MAX)))
            .collect(),
    }
}
