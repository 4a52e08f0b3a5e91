//! Which records a query may see at all: scopes as intersections of lists.

use std::borrow::Cow;

use super::{Pair, hash::TermHash, view::View};

/// A set of records of one view. Its members are numbered by *slots*: the record itself when all
/// are members, the place in the list otherwise, so that work and memory follow its size.
#[derive(Debug, Clone)]
pub(super) enum Set<'a> {
    /// All of so many records.
    All(usize),
    /// Ascending.
    Some(Cow<'a, [u32]>),
}

impl Set<'_> {
    pub fn slots(&self) -> usize {
        match self {
            Self::All(n) => *n,
            Self::Some(docs) => docs.len(),
        }
    }

    pub fn doc(&self, slot: usize) -> u32 {
        match self {
            Self::All(_) => slot as u32,
            Self::Some(docs) => docs[slot],
        }
    }

    pub fn slot(&self, doc: u32) -> Option<usize> {
        match self {
            Self::All(n) => Some(doc as usize).filter(|d| d < n),
            Self::Some(docs) => docs.binary_search(&doc).ok(),
        }
    }

    /// Calls `f(slot, index in list)` for each member that the ascending `list` names.
    pub fn meet(&self, list: &[u32], mut f: impl FnMut(usize, usize)) {
        match self {
            Self::All(n) => {
                for (i, &doc) in list.iter().enumerate() {
                    if (doc as usize) < *n {
                        f(doc as usize, i);
                    }
                }
            }
            Self::Some(docs) => meet_sorted(docs, list, f),
        }
    }
}

/// Calls `f(i, j)` for each common element `a[i] == b[j]` of two ascending lists, in time
/// proportional to the shorter one (times a logarithm).
fn meet_sorted(a: &[u32], b: &[u32], mut f: impl FnMut(usize, usize)) {
    if a.len() > b.len() {
        gallop(b, a, |i, j| f(j, i));
    } else {
        gallop(a, b, f);
    }
}

/// [`meet_sorted`] for a short `a`.
fn gallop(a: &[u32], b: &[u32], mut f: impl FnMut(usize, usize)) {
    let mut from = 0;
    for (i, &x) in a.iter().enumerate() {
        // The next place is near when the lists are of similar density.
        let mut step = 1;
        while from + step < b.len() && b[from + step] < x {
            step *= 2;
        }
        let end = (from + step + 1).min(b.len());
        from += b[from..end].partition_point(|&y| y < x);
        if from == b.len() {
            return;
        }
        if b[from] == x {
            f(i, from);
        }
    }
}

/// The records of a view whose scope has all `pairs`; none: all.
pub(super) fn with_pairs<'a>(view: &View<'a>, pairs: &[Pair], hash: TermHash) -> Set<'a> {
    let lists = pairs
        .iter()
        .map(|(k, v)| view.postings(hash.pair(k, v)).docs);
    intersection(lists.collect(), view.len())
}

fn intersection(mut lists: Vec<&[u32]>, records: usize) -> Set<'_> {
    // Shortest first: the work is bounded by the rarest pair.
    lists.sort_by_key(|list| list.len());
    let Some((first, others)) = lists.split_first() else {
        return Set::All(records);
    };
    // A foreign file may name records that do not exist; the lists are ascending.
    let valid = first.partition_point(|&d| (d as usize) < records);
    let mut docs = Cow::Borrowed(&first[..valid]);
    for other in others {
        let mut common = Vec::new();
        meet_sorted(&docs, other, |i, _| common.push(docs[i]));
        docs = Cow::Owned(common);
    }
    Set::Some(docs)
}

/// As [`with_pairs`] by memcell-rl's rule: a value of `null` also matches a record without the key.
pub(super) fn like_memcell<'a>(view: &View<'a>, pairs: &[Pair], hash: TermHash) -> Set<'a> {
    let (nulls, plain): (Vec<&Pair>, Vec<&Pair>) = pairs.iter().partition(|(_, v)| v == "null");
    let lists = plain
        .iter()
        .map(|(k, v)| view.postings(hash.pair(k, v)).docs);
    let mut set = intersection(lists.collect(), view.len());
    for (key, null) in nulls {
        let holders = view.postings(hash.key(key)).docs;
        let with_null = view.postings(hash.pair(key, null)).docs;
        let kept = (0..set.slots()).map(|slot| set.doc(slot)).filter(|doc| {
            holders.binary_search(doc).is_err() || with_null.binary_search(doc).is_ok()
        });
        set = Set::Some(Cow::Owned(kept.collect()));
    }
    set
}

/// The widening scopes of a query in one view.
#[derive(Debug)]
pub(super) struct Levels<'a> {
    levels: Vec<Set<'a>>,
    /// Members of any level.
    pub union: Set<'a>,
}

impl<'a> Levels<'a> {
    pub fn new(view: &View<'a>, levels: &[Vec<Pair>], hash: TermHash) -> Self {
        let levels: Vec<_> = levels.iter().map(|l| with_pairs(view, l, hash)).collect();
        let union = match &levels[..] {
            [only] => only.clone(),
            _ if levels.iter().any(|l| matches!(l, Set::All(_))) => Set::All(view.len()),
            _ => {
                let members = levels.iter().flat_map(|l| (0..l.slots()).map(|s| l.doc(s)));
                let mut docs: Vec<u32> = members.collect();
                docs.sort_unstable();
                docs.dedup();
                Set::Some(Cow::Owned(docs))
            }
        };
        Self { levels, union }
    }

    /// The first level that a record belongs to.
    pub fn level(&self, doc: u32) -> u8 {
        let first = self.levels.iter().position(|l| l.slot(doc).is_some());
        first.map_or(u8::MAX, |l| u8::try_from(l).unwrap_or(u8::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn common_elements_are_found_once_and_in_order(
            a in prop::collection::btree_set(0u32..300, 0..80),
            b in prop::collection::btree_set(0u32..300, 0..300),
        ) {
            let (a, b): (Vec<_>, Vec<_>) = (a.into_iter().collect(), b.into_iter().collect());
            let mut found = Vec::new();
            meet_sorted(&a, &b, |i, j| {
                assert_eq!(a[i], b[j]);
                found.push(a[i]);
            });
            let expected: Vec<_> = a.iter().copied().filter(|x| b.contains(x)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
