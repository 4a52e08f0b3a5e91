//! BM25 over the postings.
//!
//! tf · idf with k₁ = 0.9, b = 0.4 (Anserini's defaults) and idf = ln(1 + (N − df + ½)/(df + ½))
//! (Lucene's form, never negative). N, df and the average length are those of all live documents,
//! whichever view they are in; the terms of a document are added in the order of the query.

use super::{
    analyzer::{Analyzer, Side},
    doc::SOURCE_WORD,
    eligible::Set,
    hash::{IdMap, TermHash},
    view::View,
};

const K1: f32 = 0.9;
const B: f32 = 0.4;

/// Most bytes of a query that are read: more would be a document, not a question.
const MAX_QUERY_BYTES: usize = 64 * 1024;
/// Most different terms that are scored; of more, the rarest.
const MAX_TERMS: usize = 64;

/// A term of the query.
#[derive(Debug, Clone, Copy)]
struct QueryTerm {
    hash: u64,
    /// Inverse document frequency times the number of times it was asked for.
    weight: f32,
}

/// A query, ready to score.
#[derive(Debug)]
pub(super) struct Bm25 {
    terms: Vec<QueryTerm>,
    /// Norm of a document of length 0, and what each of its terms adds.
    norm: (f32, f32),
    /// The score that no document can reach: every term of the query, also those that no document
    /// has, without end.
    ideal: f32,
    /// Every term of the query, also those that no document has; at most 64.
    asked: Vec<Asked>,
}

/// A term that the query asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Its hash in texts.
    pub stem: u64,
    /// Its hash in names of sources.
    pub in_source: u64,
    /// Inverse document frequency, no more than that of a term that one document has.
    pub idf: f32,
    /// Whether it looks like a name.
    pub name: bool,
}

impl Bm25 {
    pub fn new(
        text: &str,
        views: &[View<'_>],
        (docs, total_length): (usize, u64),
        hash: TermHash,
    ) -> Self {
        let docs = docs.max(1) as f64;
        let mut found: Vec<(usize, QueryTerm, usize)> = Vec::new();
        let mut ideal = 0.0;
        let mut asked = Vec::new();
        for (term, count, name, in_source) in query_terms(text, hash) {
            let df: usize = views.iter().map(|v| v.live_count(v.postings(term))).sum();
            let rest = (docs - df as f64).max(0.0);
            let idf = (1.0 + (rest + 0.5) / (df as f64 + 0.5)).ln();
            let weight = (idf * f64::from(count)) as f32;
            // A word that no document has asks for no more than the rarest one that some has: in a
            // small collection it would outweigh all others.
            let once = (1.0 + (docs - 1.0 + 0.5) / 1.5).ln();
            ideal += (idf.min(once) * f64::from(count)) as f32;
            asked.push(Asked {
                stem: term,
                in_source,
                idf: idf.min(once) as f32,
                name,
            });
            if df > 0 {
                found.push((found.len(), QueryTerm { hash: term, weight }, df));
            }
        }
        if found.len() > MAX_TERMS {
            found.sort_by_key(|&(place, _, df)| (df, place));
            found.truncate(MAX_TERMS);
            found.sort_by_key(|&(place, ..)| place);
        }
        if asked.len() > MAX_TERMS {
            asked.sort_by(|a, b| b.idf.total_cmp(&a.idf));
            asked.truncate(MAX_TERMS);
        }
        let average = (total_length as f64 / docs).max(1.0) as f32;
        Self {
            terms: found.into_iter().map(|(_, term, _)| term).collect(),
            norm: (K1 * (1.0 - B), K1 * B / average),
            ideal,
            asked,
        }
    }

    /// What the query asks for; the number of a term is its bit in a set of matches.
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// How much of what the query asks for a document with this score has, in [0, 1).
    pub fn coverage(&self, score: f32) -> f32 {
        if self.ideal > 0.0 {
            (score / self.ideal).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// The score of each slot of `set`; 0 without a common term. Dead records are scored, too.
    pub fn scores(&self, view: &View<'_>, set: &Set<'_>) -> Vec<f32> {
        if self.terms.is_empty() {
            return Vec::new();
        }
        let mut scores = vec![0.0; set.slots()];
        for term in &self.terms {
            let list = view.postings(term.hash);
            set.meet(list.docs, |slot, i| {
                let doc = list.docs[i] as usize;
                let tf = f32::from(list.counts[i]);
                let length = view.lengths.get(doc).copied().unwrap_or(0) as f32;
                scores[slot] += term.weight * (tf / (tf + (self.norm.0 + self.norm.1 * length)));
            });
        }
        scores
    }
}

/// Whether a text has any word at all.
pub(super) fn has_words(text: &str) -> bool {
    let mut any = false;
    Analyzer::new().terms(clip(text), Side::Query, |_| {
        any = true;
        false
    });
    any
}

/// Distinct terms with their counts, whether they look like names, and their hashes in names of
/// sources, in order of first occurrence; without stop words, unless there is nothing else.
fn query_terms(text: &str, hash: TermHash) -> Vec<(u64, u32, bool, u64)> {
    let mut all = Vec::new();
    Analyzer::new().terms(clip(text), Side::Query, |t| {
        let in_source = hash.pair(SOURCE_WORD, t.text);
        all.push((hash.stem(t.text), t.stop, t.name, in_source));
        true
    });
    if all.iter().any(|&(_, stop, ..)| !stop) {
        all.retain(|&(_, stop, ..)| !stop);
    }
    let mut places: IdMap<u64, usize> = IdMap::default();
    let mut out: Vec<(u64, u32, bool, u64)> = Vec::new();
    for (term, _, name, in_source) in all {
        let place = *places.entry(term).or_insert(out.len());
        match out.get_mut(place) {
            Some((_, count, is_name, _)) => {
                *count += 1;
                *is_name |= name;
            }
            None => out.push((term, 1, name, in_source)),
        }
    }
    out
}

fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_QUERY_BYTES)]
}
