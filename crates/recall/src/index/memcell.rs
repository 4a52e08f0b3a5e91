//! memcell-rl's scoring, to the letter: word-set Jaccard plus fixed weights of the facts.
//!
//! All arithmetic is in 64-bit floats and in Python's order, so that equal scores there are equal
//! scores here.

use super::{Attrs, MemcellQuery, Verdict, eligible, hash::TermHash, topk::TopK, view::View};

/// `jaccard + 0.5·confidence + 0.5·criticality + 0.3·future utility − 0.5·staleness`.
pub(super) fn score(jaccard: f64, attrs: &Attrs) -> f64 {
    jaccard + 0.5 * attrs.confidence + 0.5 * attrs.criticality + 0.3 * attrs.future_utility
        - 0.5 * attrs.staleness
}

/// Hashes of `set(text.lower().split())`.
pub(super) fn word_set(text: &str, hash: TermHash) -> Vec<u64> {
    // Python also splits at the four information separators, which Unicode calls no white space.
    let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    let lower = text.to_lowercase();
    let words = lower.split(is_space).filter(|w| !w.is_empty());
    let mut out: Vec<u64> = words.map(|w| hash.word(w)).collect();
    out.sort_unstable();
    out.dedup();
    out
}

/// The k best of all records in scope; see [`super::Index::memcell`].
pub(super) fn search(
    views: &[View<'_>],
    query: &MemcellQuery<'_>,
    hash: TermHash,
) -> Vec<(Attrs, f64)> {
    let words = word_set(query.text, hash);
    let mut best = TopK::new(query.k);
    for view in views {
        let set = eligible::like_memcell(view, query.scope, hash);
        let mut common = vec![0u32; set.slots()];
        for &word in &words {
            set.meet(view.postings(word).docs, |slot, _| common[slot] += 1);
        }
        for (slot, &both) in common.iter().enumerate() {
            let doc = set.doc(slot);
            let Some(record) = Record::get(view, doc) else {
                continue;
            };
            let score = record.score(both, words.len());
            if best.wants(score, record.seq)
                && view.is_live(doc)
                && (query.judge)(record.attrs) == Verdict::Admit
            {
                best.push(score, record.seq, *record.attrs);
            }
        }
    }
    let sorted = best.into_sorted().into_iter();
    sorted.map(|s| (s.item, s.score)).collect()
}

/// The columns that the score reads.
struct Record<'a> {
    seq: i64,
    fixed: f64,
    words: u32,
    attrs: &'a Attrs,
}

impl<'a> Record<'a> {
    fn get(view: &View<'a>, doc: u32) -> Option<Self> {
        let doc = doc as usize;
        Some(Self {
            seq: *view.seqs.get(doc)?,
            fixed: *view.statics.get(doc)?,
            words: *view.words.get(doc)?,
            attrs: view.attrs.get(doc)?,
        })
    }

    /// Reads the facts themselves only for records with a common word.
    fn score(&self, both: u32, query_words: usize) -> f64 {
        if both == 0 {
            return self.fixed;
        }
        let either = query_words as f64 + f64::from(self.words) - f64::from(both);
        score(f64::from(both) / either, self.attrs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_and_counted_as_python_does() {
        let hash = TermHash::new(7);
        let words = |t| word_set(t, hash);
        assert_eq!(words("The the THE").len(), 1);
        assert_eq!(words("balance? balance").len(), 2);
        // Python: len(set("a\x1cb\x85c\u00a0d\u200be".lower().split())) == 4
        assert_eq!(words("a\u{1c}b\u{85}c\u{a0}d\u{200b}e").len(), 4);
        // Python: "ΟΔΟΣ".lower() == "οδος" with a final sigma
        assert_eq!(words("ΟΔΟΣ"), words("οδο\u{3c2}"));
    }
}
