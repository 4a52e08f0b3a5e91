//! Which of the query's words a candidate has, wherever they are: in its text, beside it, in its
//! source, in the name of its source.
//!
//! A set of words is 64 bits: bit i is the i-th term that the query asks for. Knows no scores.

use super::{
    hash::IdMap,
    lexical::{Asked, Bm25},
    query::Shares,
    search::{Candidate, Search},
    view::{Postings, source_key},
    window,
};

/// What each candidate has of the words of the query.
pub(super) fn shares(
    search: &Search<'_, '_>,
    terms: &Bm25,
    candidates: &[Candidate],
) -> Vec<Shares> {
    let asked = terms.asked();
    // The postings once per view and term, not once per candidate.
    let in_text = lists(search, asked, |t| t.stem);
    let in_name = lists(search, asked, |t| t.in_source);
    let words = |lists: &[Vec<Postings<'_>>], (view, doc): (u8, u32)| {
        let has = |list: &Postings<'_>| list.docs.binary_search(&doc).is_ok();
        let lists = lists[usize::from(view)].iter().enumerate();
        lists.fold(0u64, |set, (i, list)| set | u64::from(has(list)) << i)
    };
    let own: Vec<u64> = candidates.iter().map(|c| words(&in_text, c.at)).collect();
    let key = |c: &Candidate| source_key(search.attrs(c.at)?);
    let mut of_source: IdMap<u64, u64> = IdMap::default();
    for (c, set) in candidates.iter().zip(&own) {
        if let (Some(source), None) = (key(c), c.mask) {
            *of_source.entry(source).or_default() |= set;
        }
    }
    candidates
        .iter()
        .zip(own)
        .map(|(c, own)| {
            let mut window = own;
            for (_, n) in window::neighbours(search, c.at).into_iter().flatten() {
                window |= words(&in_text, n.at);
            }
            let source = own | key(c).and_then(|s| of_source.get(&s).copied()).unwrap_or(0);
            Shares {
                text: share(asked, own, false),
                names: share(asked, own, true),
                window: share(asked, window, false),
                source: share(asked, source, false),
                source_name: share(asked, words(&in_name, c.at), false),
            }
        })
        .collect()
}

/// The postings of each term, by view and term.
fn lists<'a>(
    search: &Search<'a, '_>,
    asked: &[Asked],
    of: fn(&Asked) -> u64,
) -> Vec<Vec<Postings<'a>>> {
    let mut out = Vec::with_capacity(search.views.len());
    for view in search.views {
        out.push(asked.iter().map(|t| view.postings(of(t))).collect());
    }
    out
}

/// Σ idf of the terms in `set` / Σ idf of all that are asked for (only those that look like names
/// when `names`); 0 when there are none.
fn share(asked: &[Asked], set: u64, names: bool) -> f32 {
    let (mut has, mut all) = (0.0, 0.0);
    for (i, t) in asked.iter().enumerate().filter(|(_, t)| t.name || !names) {
        all += t.idf;
        if set >> i & 1 == 1 {
            has += t.idf;
        }
    }
    if all > 0.0 { has / all } else { 0.0 }
}
