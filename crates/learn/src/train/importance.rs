//! Permutation importance: how much worse the loss gets when one feature is shuffled among all candidates.
//!
//! ```text
//! importance(f) = loss(data with column f permuted) − loss(data)
//! ```
//!
//! Breiman, "Random Forests", Machine Learning 45 (2001), section 10. Measured on what was kept apart, so that a feature
//! which was only memorised counts as nothing. Features that say the same share their importance among them: each
//! alone can be shuffled at little cost.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::loops::{Model, Objective, mean_loss};

/// Examples that are looked at; more would not change the order.
const ENOUGH: usize = 2_000;

/// An objective whose features can be shuffled.
pub(super) trait Shuffle: Objective + Sized {
    /// Only these examples, with features of their own.
    fn subset(&self, examples: &[u32]) -> Self;
    /// The features of all candidates (raw or standardised: shuffling is the same), in pieces of whole rows.
    fn pieces(&mut self) -> Vec<&mut [f32]>;
}

/// The importance of each feature, the largest first; those that never vary have 0. Each example is judged by the
/// model of its fold; where nothing was kept apart (`fold_models` is empty) by `model`.
pub(super) fn permutation(
    objective: &impl Shuffle,
    model: &Model,
    fold_models: &[Model],
    fold: &[Option<usize>],
    names: &[String],
    seed: u64,
) -> Vec<(String, f64)> {
    let groups: Vec<(&Model, Vec<u32>)> = if fold_models.is_empty() {
        let all = (0..objective.examples() as u32).collect();
        vec![(model, thin(all, ENOUGH))]
    } else {
        let of = |k: usize| (0..objective.examples()).filter(move |i| fold[*i] == Some(k));
        let each = ENOUGH.div_ceil(fold_models.len());
        (fold_models.iter().enumerate())
            .map(|(k, m)| (m, thin(of(k).map(|i| i as u32).collect(), each)))
            .filter(|(_, examples)| !examples.is_empty())
            .collect()
    };
    let mut totals = vec![0.0; names.len()];
    let mut examples = 0.0;
    for (model, group) in groups {
        let n = group.len() as f64;
        examples += n;
        let mut data = objective.subset(&group);
        let all: Vec<u32> = (0..group.len() as u32).collect();
        let before = mean_loss(&data, model, &all);
        for (feature, total) in totals.iter_mut().enumerate() {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(feature as u64);
            let column = read(&mut data, feature, names.len());
            if column.windows(2).all(|w| w[0].total_cmp(&w[1]).is_eq()) {
                continue;
            }
            let mut mixed = column.clone();
            for k in (1..mixed.len()).rev() {
                mixed.swap(k, rng.random_range(0..=k));
            }
            write(&mut data, feature, names.len(), &mixed);
            *total += n * (mean_loss(&data, model, &all) - before);
            write(&mut data, feature, names.len(), &column);
        }
    }
    let mut named: Vec<(String, f64)> = (names.iter().cloned())
        .zip(totals.iter().map(|t| t / f64::max(examples, 1.0)))
        .collect();
    // Stable: equal ones stay in the order of the schema.
    named.sort_by(|a, b| b.1.total_cmp(&a.1));
    named
}

/// At most `most` of them, evenly spaced.
fn thin(all: Vec<u32>, most: usize) -> Vec<u32> {
    if all.len() <= most {
        return all;
    }
    (0..most).map(|k| all[k * all.len() / most]).collect()
}

/// One column of the features.
fn read(data: &mut impl Shuffle, feature: usize, width: usize) -> Vec<f32> {
    let pieces = data.pieces();
    let of = |p: &&mut [f32]| {
        let column: Vec<f32> = p.chunks_exact(width).map(|row| row[feature]).collect();
        column
    };
    pieces.iter().flat_map(of).collect()
}

/// Puts one column back.
fn write(data: &mut impl Shuffle, feature: usize, width: usize, column: &[f32]) {
    let mut next = column.iter();
    for piece in data.pieces() {
        for (row, x) in piece.chunks_exact_mut(width).zip(&mut next) {
            row[feature] = *x;
        }
    }
}
