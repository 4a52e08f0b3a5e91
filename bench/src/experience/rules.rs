//! What learning is compared with: orders of the episodes that a search has found.
//!
//! Knows similarities, counts and places; no engine.

/// z of a 95 % interval, as `MemRL` has it.
const Z: f64 = 1.96;

/// How often an episode was shown and called helpful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Times shown.
    pub shown: u32,
    /// Times called helpful, at most `shown`.
    pub helpful: u32,
}

/// `MemRL`'s utility: the lower end of Wilson's interval for helpful/shown, ½ for an episode that was
/// never shown (its `calculate_score`).
pub fn wilson(counts: Counts) -> f64 {
    if counts.shown == 0 {
        return 0.5;
    }
    let n = f64::from(counts.shown);
    let p = f64::from(counts.helpful.min(counts.shown)) / n;
    let z2 = Z * Z;
    let centre = p + z2 / (2.0 * n);
    let spread = Z * ((p * (1.0 - p) + z2 / (4.0 * n)) / n).sqrt();
    (centre - spread) / (1.0 + z2 / n)
}

/// `MemRL`'s score: `(1 − weight) · similarity + weight · utility`; its own weight is 0.7.
pub fn memrl_score(similarity: f64, counts: Counts, weight: f64) -> f64 {
    (1.0 - weight) * similarity + weight * wilson(counts)
}

/// The places of these scores, the highest first; ties keep their order.
pub fn by_score(scores: &[f64]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..scores.len()).collect();
    places.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wilson_has_the_values_that_memrl_has() {
        // From the description of MemRL's code: helpful, shown, utility.
        for (helpful, shown, utility) in [
            (0, 0, 0.5),
            (0, 1, 0.0),
            (1, 1, 0.2065),
            (2, 2, 0.342),
            (3, 3, 0.4385),
            (4, 4, 0.510),
            (5, 5, 0.566),
            (10, 10, 0.722),
            (1, 2, 0.0945),
            (5, 10, 0.237),
        ] {
            let got = wilson(Counts { shown, helpful });
            assert!((got - utility).abs() < 6e-4, "{helpful}/{shown}: {got}");
        }
    }

    #[test]
    fn memrl_puts_what_was_never_tried_above_three_successes_of_three() {
        let known = Counts {
            shown: 3,
            helpful: 3,
        };
        assert!(memrl_score(0.8, Counts::default(), 0.7) > memrl_score(0.8, known, 0.7));
    }

    proptest! {
        #[test]
        fn orders_are_orders(scores in proptest::collection::vec(-1.0..1.0f64, 0..20)) {
            let places = by_score(&scores);
            prop_assert_eq!(places.len(), scores.len());
            for pair in places.windows(2) {
                let (a, b) = (scores[pair[0]], scores[pair[1]]);
                prop_assert!(a > b || (a.total_cmp(&b).is_eq() && pair[0] < pair[1]));
            }
        }
    }
}
