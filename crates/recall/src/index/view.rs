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

impl Place {
    /// What neighbours are looked up by.
    pub fn key(&self) -> (u64, u32) {
        (self.source, self.position)
    }
}

/// The key of the source of a record: neighbours share source *and* scope, so that equal names in
/// other people's scopes do not meet. None without a source.
pub(super) fn source_key(attrs: &Attrs) -> Option<u64> {
    let mixed = attrs.source.rotate_left(32) ^ attrs.scope.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (attrs.source != 0).then_some(mixed)
}

/// Most records at one place that are looked at.
pub(super) const PER_PLACE: usize = 8;

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
    /// And the index in it of each record; out of range without a source.
    Sorted {
        places: &'a [Place],
        place_of: &'a [u32],
    },
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
            places: Places::Sorted {
                places: &[],
                place_of: &[],
            },
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

    /// Calls `f` with the live records at a place, the last inserted first, at most
    /// [`PER_PLACE`]. A record of this view that is `near` spares the search for the place.
    pub fn newest_at(&self, place: (u64, u32), near: Option<u32>, f: impl FnMut(u32)) {
        match self.places {
            Places::Sorted { places, place_of } => {
                let near = near.and_then(|doc| place_of.get(doc as usize));
                let from = match near {
                    Some(&at) => lower_bound(places, at as usize, place),
                    None => places.partition_point(|p| p.key() < place),
                };
                let here = &places[from..];
                let here = &here[..run_length(here, place)];
                let live = here.iter().rev().map(|p| p.doc);
                let live = live.filter(|&d| (d as usize) < self.len() && self.is_live(d));
                live.take(PER_PLACE).for_each(f);
            }
            Places::Map(map) => {
                let docs = map.get(&place).map_or(&[][..], Vec::as_slice);
                docs.iter().rev().copied().take(PER_PLACE).for_each(f);
            }
        }
    }
}

/// The first index whose key is not below `place`, searched from `near` outwards, because
/// neighbours are nearly always next to each other.
fn lower_bound(places: &[Place], near: usize, place: (u64, u32)) -> usize {
    let below = |p: &Place| p.key() < place;
    let near = near.min(places.len());
    let mut step = 1;
    if places.get(near).is_some_and(below) {
        while places.get(near + step).is_some_and(below) {
            step *= 2;
        }
        let end = (near + step).min(places.len());
        near + places[near..end].partition_point(below)
    } else {
        while step <= near && !below(&places[near - step]) {
            step *= 2;
        }
        let start = near.saturating_sub(step);
        start + places[start..near].partition_point(below)
    }
}

/// How many of the first places are this one.
fn run_length(places: &[Place], place: (u64, u32)) -> usize {
    let mut end = 1;
    while places.get(end - 1).is_some_and(|p| p.key() == place) && end <= places.len() {
        end *= 2;
    }
    let end = end.min(places.len());
    places[..end].partition_point(|p| p.key() == place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_are_found_from_anywhere(
            positions in prop::collection::vec(0u32..12, 0..60),
            near in 0usize..70,
            position in 0u32..13,
        ) {
            let mut positions = positions;
            positions.sort_unstable();
            let place = |&position| Place { source: 3, position, doc: 0 };
            let places: Vec<_> = positions.iter().map(place).collect();
            let from = lower_bound(&places, near, (3, position));
            prop_assert_eq!(from, positions.iter().filter(|&&p| p < position).count());
            let here = positions.iter().filter(|&&p| p == position).count();
            prop_assert_eq!(run_length(&places[from..], (3, position)), here);
        }
    }
}
