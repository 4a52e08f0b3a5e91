//! One way to read records, wherever they are: the mapped base or the delta in memory.
//!
//! Everything is bounds-checked at use, because the bytes of a mapped file are foreign.

use super::{Attrs, delta::List, hash::IdMap};

/// A growing set of small numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits {
    words: Vec<u64>,
    members: Vec<u32>,
}

impl Bits {
    pub fn contains(&self, i: u32) -> bool {
        self.words
            .get(i as usize / 64)
            .is_some_and(|w| w >> (i % 64) & 1 == 1)
    }

    /// Whether it was not there before.
    pub fn insert(&mut self, i: u32) -> bool {
        if self.contains(i) {
            return false;
        }
        let word = i as usize / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (i % 64);
        self.members.push(i);
        true
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }
}

/// The records that hold a term, ascending, and how often each does (at most 255).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Postings<'a> {
    pub docs: &'a [u32],
    pub counts: &'a [u8],
}

/// A record's place inside its source; sorted by (source, position, record).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct Place {
    pub source: u64,
    pub position: u32,
    pub doc: u32,
}

/// Where the terms of a view are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Terms<'a> {
    /// Sorted hashes; the postings of the i-th are `starts[i]..starts[i + 1]`.
    Sorted {
        hashes: &'a [u64],
        starts: &'a [u64],
        docs: &'a [u32],
        counts: &'a [u8],
    },
    Map(&'a IdMap<u64, List>),
}

/// Where the places of a view are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Places<'a> {
    Sorted(&'a [Place]),
    Map(&'a IdMap<(u64, u32), Vec<u32>>),
}

/// Columns of a set of records, all of the same length, with the terms that point into them.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub seqs: &'a [i64],
    pub attrs: &'a [Attrs],
    /// Number of indexed terms of each text.
    pub lengths: &'a [u32],
    /// Number of different words, as memcell-rl counts them.
    pub words: &'a [u32],
    /// memcell-rl's score of a record without a common word.
    pub statics: &'a [f64],
    /// Scale of each vector; 0: none.
    pub scales: &'a [f32],
    /// `dim` codes per record.
    pub codes: &'a [i8],
    pub dim: usize,
    pub terms: Terms<'a>,
    pub places: Places<'a>,
    /// Records by age, newest first; empty when not kept.
    pub recency: &'a [u32],
    pub dead: &'a Bits,
}

impl<'a> View<'a> {
    /// A view without records.
    pub fn empty(dim: usize, dead: &'a Bits) -> Self {
        Self {
            seqs: &[],
            attrs: &[],
            lengths: &[],
            words: &[],
            statics: &[],
            scales: &[],
            codes: &[],
            dim,
            terms: Terms::Sorted {
                hashes: &[],
                starts: &[],
                docs: &[],
                counts: &[],
            },
            places: Places::Sorted(&[]),
            recency: &[],
            dead,
        }
    }

    pub fn len(&self) -> usize {
        self.seqs.len()
    }

    pub fn is_live(&self, doc: u32) -> bool {
        !self.dead.contains(doc)
    }

    pub fn postings(&self, hash: u64) -> Postings<'a> {
        match self.terms {
            Terms::Sorted {
                hashes,
                starts,
                docs,
                counts,
            } => hashes
                .binary_search(&hash)
                .ok()
                .and_then(|i| {
                    let range = *starts.get(i)? as usize..*starts.get(i + 1)? as usize;
                    Some(Postings {
                        docs: docs.get(range.clone())?,
                        counts: counts.get(range)?,
                    })
                })
                .unwrap_or_default(),
            Terms::Map(map) => map
                .get(&hash)
                .map_or_else(Postings::default, |list| Postings {
                    docs: &list.docs,
                    counts: &list.counts,
                }),
        }
    }

    /// How many live records a list names.
    pub fn live_count(&self, list: Postings<'_>) -> usize {
        let dead = self.dead.len();
        let gone = if dead == 0 || list.docs.is_empty() {
            0
        } else if dead * 16 < list.docs.len() {
            let held = |d: &&u32| list.docs.binary_search(d).is_ok();
            self.dead.members.iter().filter(held).count()
        } else {
            list.docs.iter().filter(|&&d| self.dead.contains(d)).count()
        };
        list.docs.len() - gone
    }

    /// The codes of a record; none without a vector.
    pub fn codes_of(&self, doc: u32) -> Option<(f32, &'a [i8])> {
        let doc = doc as usize;
        let scale = *self.scales.get(doc)?;
        let codes = self.codes.get(doc * self.dim..(doc + 1) * self.dim)?;
        (scale > 0.0).then_some((scale, codes))
    }

    /// Calls `f` with position and record of each live record of the source at these positions.
    pub fn at_places(
        &self,
        source: u64,
        positions: std::ops::RangeInclusive<u32>,
        mut f: impl FnMut(u32, u32),
    ) {
        match self.places {
            Places::Sorted(places) => {
                let first = (source, *positions.start());
                let from = places.partition_point(|p| (p.source, p.position) < first);
                places[from..]
                    .iter()
                    .take_while(|p| p.source == source && p.position <= *positions.end())
                    .filter(|p| (p.doc as usize) < self.len() && self.is_live(p.doc))
                    .for_each(|p| f(p.position, p.doc));
            }
            Places::Map(map) => {
                for position in positions {
                    let docs = map.get(&(source, position)).map_or(&[][..], Vec::as_slice);
                    let live = docs.iter().filter(|&&d| self.is_live(d));
                    live.for_each(|&d| f(position, d));
                }
            }
        }
    }
}
