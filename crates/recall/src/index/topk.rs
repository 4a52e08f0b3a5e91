//! The best k of many, by score descending and `seq` ascending.
//!
//! The order is total, so the result depends neither on the order of offers nor on how they were
//! split over threads.

use std::{cmp::Ordering, collections::BinaryHeap};

/// An offer: the heap's greatest element is the worst one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scored<S, T> {
    pub score: S,
    pub seq: i64,
    pub item: T,
}

/// Numbers with a total order.
pub(super) trait Score: Copy + PartialEq {
    fn order(&self, other: &Self) -> Ordering;
}

impl Score for f32 {
    fn order(&self, other: &Self) -> Ordering {
        self.total_cmp(other)
    }
}

impl Score for f64 {
    fn order(&self, other: &Self) -> Ordering {
        self.total_cmp(other)
    }
}

impl Score for i64 {
    fn order(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }
}

impl<S: Score, T: PartialEq> Eq for Scored<S, T> {}

impl<S: Score, T: PartialEq> Ord for Scored<S, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = other.score.order(&self.score);
        by_score.then(self.seq.cmp(&other.seq))
    }
}

impl<S: Score, T: PartialEq> PartialOrd for Scored<S, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Keeps the best k offers.
#[derive(Debug)]
pub(super) struct TopK<S, T> {
    k: usize,
    heap: BinaryHeap<Scored<S, T>>,
}

impl<S: Score, T: PartialEq> TopK<S, T> {
    pub fn new(k: usize) -> Self {
        Self {
            k,
            heap: BinaryHeap::new(),
        }
    }

    /// Whether an offer would be kept.
    #[inline]
    pub fn wants(&self, score: S, seq: i64) -> bool {
        self.heap.len() < self.k
            || self
                .heap
                .peek()
                .is_some_and(|worst| match score.order(&worst.score) {
                    Ordering::Less => false,
                    Ordering::Greater => true,
                    Ordering::Equal => seq < worst.seq,
                })
    }

    pub fn push(&mut self, score: S, seq: i64, item: T) {
        if self.wants(score, seq) {
            self.heap.push(Scored { score, seq, item });
            if self.heap.len() > self.k {
                self.heap.pop();
            }
        }
    }

    /// The lowest score that is still kept, once k are; below it nothing is.
    #[inline]
    pub fn floor(&self) -> Option<S> {
        (self.heap.len() >= self.k).then(|| self.heap.peek().map(|w| w.score))?
    }

    /// Best first.
    pub fn into_sorted(self) -> Vec<Scored<S, T>> {
        self.heap.into_sorted_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_best_are_kept_in_order_whatever_the_order_of_offers(
            scores in prop::collection::vec(0u8..6, 0..60),
            k in 0usize..12,
            turn in 0usize..60,
        ) {
            let mut offers: Vec<(f32, i64)> =
                scores.iter().enumerate().map(|(i, &s)| (f32::from(s), i as i64)).collect();
            let at = turn % offers.len().max(1);
            offers.rotate_left(at);
            let mut best = TopK::new(k);
            for &(score, seq) in &offers {
                best.push(score, seq, seq);
            }
            offers.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            offers.truncate(k);
            let got: Vec<(f32, i64)> = best.into_sorted().iter().map(|s| (s.score, s.item)).collect();
            prop_assert_eq!(got, offers);
        }
    }
}
