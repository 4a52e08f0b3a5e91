//! The numbers that are published, as plain functions of a ranking and its gold evidence.
//!
//! Rankings and evidence are slices of turn indices without repetition. Pure: randomness is
//! handed in.

use rand::Rng;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Serialize};

/// Share of the gold evidence among the first `k`, in [0, 1]. Gold must not be empty.
pub fn evidence_recall(ranked: &[usize], gold: &[usize], k: usize) -> f64 {
    found(&ranked[..k.min(ranked.len())], gold) as f64 / gold.len() as f64
}

/// 1 if any gold evidence is among the first `k`, else 0.
pub fn hit(ranked: &[usize], gold: &[usize], k: usize) -> f64 {
    f64::from(ranked.iter().take(k).any(|r| gold.contains(r)))
}

/// Normalised discounted cumulative gain at `k` with gains 0 and 1 (Järvelin & Kekäläinen 2002,
/// discount 1/log2(rank + 1)), in [0, 1]. The ideal has all gold first. Gold must not be empty.
pub fn ndcg(ranked: &[usize], gold: &[usize], k: usize) -> f64 {
    let discount = |i: usize| 1.0 / ((i + 2) as f64).log2();
    let gain: f64 = ranked
        .iter()
        .take(k)
        .enumerate()
        .filter(|(_, r)| gold.contains(r))
        .map(|(i, _)| discount(i))
        .sum();
    let ideal: f64 = (0..k.min(gold.len())).map(discount).sum();
    if ideal > 0.0 { gain / ideal } else { 0.0 }
}

/// What a budget buys: the items taken greedily in rank order. One that does not fit is skipped
/// and smaller later ones may still be taken. `cost` is in the unit of `budget` (tokens).
pub fn within_budget(ranked: &[usize], budget: u32, cost: impl Fn(usize) -> u32) -> Vec<usize> {
    let mut left = budget;
    ranked
        .iter()
        .copied()
        .filter(|&item| match left.checked_sub(cost(item)) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        })
        .collect()
}

/// 1 if all gold evidence is among what was taken, else 0: the question can be answered.
pub fn all_evidence(taken: &[usize], gold: &[usize]) -> f64 {
    f64::from(found(taken, gold) == gold.len())
}

fn found(taken: &[usize], gold: &[usize]) -> usize {
    gold.iter().filter(|g| taken.contains(g)).count()
}

/// The `p`-th percentile (0 to 100) with linear interpolation between neighbours, as numpy's
/// default; `None` of nothing. The order of `values` does not matter.
pub fn percentile(values: &[f64], p: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    percentile_of_sorted(&sorted, p)
}

/// [`percentile`] of values that already ascend.
pub fn percentile_of_sorted(sorted: &[f64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = p.clamp(0.0, 100.0) / 100.0 * last as f64;
    let low = place.floor() as usize;
    let (a, b) = (sorted[low], sorted[(low + 1).min(last)]);
    Some(a + (b - a) * (place - low as f64))
}

/// The arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// A 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// The percentile bootstrap (Efron 1979) of the mean: values are drawn with replacement
/// `resamples` times. `None` with fewer than two values, which have no spread.
pub fn bootstrap_mean<R: Rng>(values: &[f64], resamples: usize, rng: &mut R) -> Option<Interval> {
    if values.len() < 2 {
        return None;
    }
    interval(resamples, || {
        let sum: f64 = (0..values.len()).filter_map(|_| values.choose(rng)).sum();
        sum / values.len() as f64
    })
}

/// As [`bootstrap_mean`] for the mean over all values, but whole groups (conversations) are drawn
/// with replacement: questions about one conversation are not independent. `None` with fewer
/// than two groups that have values.
pub fn bootstrap_mean_of_groups<R: Rng>(
    groups: &[Vec<f64>],
    resamples: usize,
    rng: &mut R,
) -> Option<Interval> {
    let sums: Vec<(f64, usize)> = groups
        .iter()
        .filter(|g| !g.is_empty())
        .map(|g| (g.iter().sum(), g.len()))
        .collect();
    if sums.len() < 2 {
        return None;
    }
    interval(resamples, || {
        let (mut sum, mut count) = (0.0, 0);
        for _ in 0..sums.len() {
            if let Some((s, n)) = sums.choose(rng) {
                sum += s;
                count += n;
            }
        }
        sum / count as f64
    })
}

fn interval(resamples: usize, mut draw: impl FnMut() -> f64) -> Option<Interval> {
    let mut means: Vec<f64> = (0..resamples).map(|_| draw()).collect();
    means.sort_unstable_by(f64::total_cmp);
    Some(Interval {
        low: percentile_of_sorted(&means, 2.5)?,
        high: percentile_of_sorted(&means, 97.5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn recall_is_fractional() {
        let ranked = [4, 7, 1, 9, 3];
        near(evidence_recall(&ranked, &[7, 3, 8], 1), 0.0);
        near(evidence_recall(&ranked, &[7, 3, 8], 2), 1.0 / 3.0);
        near(evidence_recall(&ranked, &[7, 3, 8], 5), 2.0 / 3.0);
        near(evidence_recall(&ranked, &[7, 3, 8], 50), 2.0 / 3.0);
        near(hit(&ranked, &[7, 3, 8], 1), 0.0);
        near(hit(&ranked, &[7, 3, 8], 2), 1.0);
    }

    #[test]
    fn ndcg_has_the_values_computed_by_hand() {
        // Gold at ranks 2 and 5 of three: (1/log2 3 + 1/log2 6) / (1 + 1/log2 3 + 1/log2 4).
        near(
            ndcg(&[4, 7, 1, 9, 3], &[7, 3, 8], 5),
            0.477_623_703_503_217_9,
        );
        near(ndcg(&[7, 3, 8], &[7, 3, 8], 10), 1.0);
        near(ndcg(&[7, 1], &[7, 3, 8], 1), 1.0);
        near(ndcg(&[], &[7], 10), 0.0);
        near(ndcg(&[7], &[7], 0), 0.0);
    }

    #[test]
    fn what_does_not_fit_is_skipped_and_smaller_items_follow() {
        let cost = |i: usize| [60, 50, 30, 10, 1][i];
        assert_eq!(within_budget(&[0, 1, 2, 3, 4], 100, cost), [0, 2, 3]);
        assert_eq!(within_budget(&[1, 0, 2, 3, 4], 91, cost), [1, 2, 3, 4]);
        assert!(within_budget(&[0], 59, cost).is_empty());
        near(all_evidence(&[0, 2, 3], &[2, 0]), 1.0);
        near(all_evidence(&[0, 2, 3], &[2, 1]), 0.0);
    }

    #[test]
    fn percentiles_interpolate_like_numpy() {
        let values = [15.0, 20.0, 35.0, 40.0, 50.0];
        near(percentile(&values, 40.0).unwrap(), 29.0);
        near(percentile(&values, 50.0).unwrap(), 35.0);
        near(percentile(&values, 95.0).unwrap(), 48.0);
        near(percentile(&[2.0, 1.0], 50.0).unwrap(), 1.5);
        assert_eq!(percentile(&[], 50.0), None);
    }

    #[test]
    fn the_interval_of_a_coin_has_the_width_of_theory() {
        // 400 values, half of them 1: the standard error is 0.025, so ±1.96 of it.
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let i = bootstrap_mean(&values, 4000, &mut ChaCha8Rng::seed_from_u64(7)).unwrap();
        assert!((i.low - 0.451).abs() < 0.004, "{i:?}");
        assert!((i.high - 0.549).abs() < 0.004, "{i:?}");
    }

    #[test]
    fn groups_that_differ_widen_the_interval() {
        // All of the spread is between the groups; by question it would look certain.
        let groups = [
            vec![1.0; 100],
            vec![0.0; 100],
            vec![1.0; 100],
            vec![0.0; 100],
        ];
        let all: Vec<f64> = groups.iter().flatten().copied().collect();
        let rng = &mut ChaCha8Rng::seed_from_u64(7);
        let by_group = bootstrap_mean_of_groups(&groups, 4000, rng).unwrap();
        let by_value = bootstrap_mean(&all, 4000, rng).unwrap();
        near(by_group.low, 0.0);
        near(by_group.high, 1.0);
        assert!(by_value.low > 0.4);
        assert_eq!(bootstrap_mean_of_groups(&groups[..1], 100, rng), None);
        assert_eq!(bootstrap_mean(&[1.0], 100, rng), None);
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let values = [0.1, 0.9, 0.4, 0.7];
        let run = |seed| bootstrap_mean(&values, 500, &mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
    }

    proptest! {
        #[test]
        fn every_measure_lies_between_0_and_1_and_grows_with_k(
            ranked in Just((0..30usize).collect::<Vec<_>>()).prop_shuffle(),
            gold in proptest::collection::btree_set(0..40usize, 1..6),
            k in 0..29usize,
        ) {
            let gold: Vec<usize> = gold.into_iter().collect();
            let (r, next) = (evidence_recall(&ranked, &gold, k), evidence_recall(&ranked, &gold, k + 1));
            prop_assert!((0.0..=1.0).contains(&r) && r <= next);
            prop_assert!((0.0..=1.0 + 1e-12).contains(&ndcg(&ranked, &gold, k)));
            prop_assert_eq!(hit(&ranked, &gold, k) > 0.0, r > 0.0);
        }

        #[test]
        fn a_budget_is_never_exceeded(costs in proptest::collection::vec(0..80u32, 1..20), budget in 0..300u32) {
            let ranked: Vec<usize> = (0..costs.len()).collect();
            let taken = within_budget(&ranked, budget, |i| costs[i]);
            let sum: u32 = taken.iter().map(|&i| costs[i]).sum();
            prop_assert!(sum <= budget);
            // Whatever was left out would not have fitted at the end either.
            for i in ranked.iter().filter(|i| !taken.contains(i)) {
                prop_assert!(sum + costs[*i] > budget);
            }
        }
    }
}
