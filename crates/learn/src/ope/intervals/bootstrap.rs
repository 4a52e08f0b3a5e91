//! The bootstrap over units: Efron 1979; percentile interval as in Efron & Tibshirani 1993, chapter 13.
//!
//! Whole trajectories are drawn with replacement (a cluster bootstrap: Davison & Hinkley 1997, section 3.8), and the ratio
//! Σ num / Σ den is computed anew from each draw, so that it is right for SNIPS too.
//!
//! Above 2,000 units they are first put into 2,000 groups at random, and groups are drawn: sums of independent units are
//! independent units too, and the cost no longer grows with the log.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Interval, Method};
use crate::ope::estimators::Term;

/// Most units that are drawn one by one.
const GROUPS: usize = 2_000;

/// Settings of the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Bootstrap {
    /// Number of draws, at least 100.
    pub replicates: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            replicates: 1_000,
            seed: 1,
        }
    }
}

/// The interval for Σ num / Σ den over independent units; `None` for fewer than two units.
pub fn bootstrap(terms: &[Term], level: f64, settings: Bootstrap) -> Option<Interval> {
    if terms.len() < 2 {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let groups = group(terms, &mut rng);
    let n = groups.len();
    let mut values: Vec<f64> = (0..settings.replicates.max(100))
        .filter_map(|_| {
            let (mut num, mut den) = (0.0, 0.0);
            for _ in 0..n {
                let t = groups[rng.random_range(0..n)];
                num += t.num;
                den += t.den;
            }
            // A draw in which nothing has a weight says nothing.
            (den > 0.0).then(|| num / den)
        })
        .collect();
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    Some(Interval {
        method: Method::Bootstrap,
        low: at(&values, tail),
        high: at(&values, 1.0 - tail),
        level,
    })
}

/// The units, or sums of units where there are many. Groups differ by at most one unit in size.
fn group(terms: &[Term], rng: &mut ChaCha8Rng) -> Vec<Term> {
    if terms.len() <= GROUPS {
        return terms.to_vec();
    }
    let mut order: Vec<usize> = (0..terms.len()).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, rng.random_range(0..=i));
    }
    let zero = Term { num: 0.0, den: 0.0 };
    let mut groups = vec![zero; GROUPS];
    for (place, &i) in order.iter().enumerate() {
        let group = &mut groups[place % GROUPS];
        group.num += terms[i].num;
        group.den += terms[i].den;
    }
    groups
}

/// The quantile of sorted values, between the two nearest.
fn at(sorted: &[f64], p: f64) -> f64 {
    let place = p * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}
