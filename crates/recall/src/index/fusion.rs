//! How lexical and dense scores become one order.
//!
//! Knows numbers only.

/// The formula that combines the scores of a candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Fusion {
    /// BM25 alone.
    Lexical,
    /// Cosine alone; −1 for a document without a vector.
    Dense,
    /// Reciprocal rank fusion: Σ 1 / (k + rank), rank from 1 (Cormack et al. 2009).
    Rrf {
        /// The damping constant, > 0.
        k: f32,
    },
    /// α · bm25 + (1 − α) · cosine, each min-max normalised over the candidates (Bruch et al. 2023).
    Convex {
        /// Weight of the lexical score, in [0, 1].
        alpha: f32,
    },
    /// Weighted sum of the z-scores over the candidates: what the words and what the vectors say
    /// about the document itself, about its window, and about the best document of its source.
    /// Each of the query's hints that holds adds [`Params::hint`].
    ZSum {
        /// Weights of bm25, dense, `bm25_window`, `dense_window`, and the source's best bm25 and
        /// dense, in that order.
        weights: [f32; 6],
    },
}

/// Parameters of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// The formula.
    pub fusion: Fusion,
    /// Weight of a neighbour at distance 1 in the window scores, ≥ 0.
    pub near: f32,
    /// Weight of a neighbour at distance 2, ≥ 0.
    pub far: f32,
    /// What a hint that holds adds to a z-sum, in standard deviations.
    pub hint: f32,
}

impl Default for Params {
    /// No weight at all: the six scores count alike, and so do the five members of a window. A yes
    /// or no that splits the candidates in halves has the z-scores ±1; a hint counts twice that,
    /// as much as both scores of one range, whatever share it splits off, so that a rare yes
    /// cannot outweigh everything else.
    ///
    /// No optimiser fitted anything here, but data had its say: that a hint counts twice was
    /// chosen, and the window of five, the best of a source and z-scores were kept, with five
    /// `LoCoMo` conversations in sight (`docs/benchmarks.md` lists every such choice). Better
    /// weights are for a learned policy to find.
    fn default() -> Self {
        Self {
            fusion: Fusion::ZSum { weights: [1.0; 6] },
            near: 1.0,
            far: 1.0,
            hint: 4.0,
        }
    }
}

/// Scores of a candidate before fusion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scores {
    pub bm25: f32,
    /// None without a vector.
    pub dense: Option<f32>,
    pub bm25_window: f32,
    pub dense_window: f32,
    /// Best bm25 and dense of the candidates of its source, its own when it has none.
    pub bm25_source: f32,
    pub dense_source: f32,
    /// How many of the query's hints hold.
    pub hints: f32,
}

/// What fusion makes of a list of candidates, in its order.
#[derive(Debug)]
pub(super) struct Fused {
    pub totals: Vec<f32>,
    pub bm25_rank: Vec<u32>,
    pub dense_rank: Vec<u32>,
}

/// Fuses the scores of candidates that come in the order of ties. Ranks and normalisation are
/// those of the admitted ones, so that a masked candidate changes nobody else's score.
pub(super) fn fuse(scores: &[Scores], admitted: &[bool], params: &Params) -> Fused {
    let bm25 = column(scores, |s| s.bm25);
    let dense = column(scores, |s| s.dense.unwrap_or(0.0));
    let bm25_rank = ranks(scores, admitted, |s| Some(s.bm25).filter(|&b| b > 0.0));
    let dense_rank = ranks(scores, admitted, |s| s.dense);
    let weighted = |columns: &[(f64, Vec<f64>)]| {
        let sum = |i: usize| columns.iter().map(|(w, c)| w * c[i]).sum::<f64>() as f32;
        (0..scores.len()).map(sum).collect::<Vec<f32>>()
    };
    let totals = match params.fusion {
        Fusion::Lexical => scores.iter().map(|s| s.bm25).collect(),
        Fusion::Dense => scores.iter().map(|s| s.dense.unwrap_or(-1.0)).collect(),
        Fusion::Rrf { k } => {
            let part = |rank: u32| match rank {
                u32::MAX => 0.0,
                r => 1.0 / (f64::from(k.max(0.0)) + f64::from(r) + 1.0),
            };
            let both = bm25_rank.iter().zip(&dense_rank);
            both.map(|(&b, &d)| (part(b) + part(d)) as f32).collect()
        }
        Fusion::Convex { alpha } => {
            let alpha = f64::from(alpha);
            weighted(&[
                (alpha, unit_interval(bm25, admitted)),
                (1.0 - alpha, unit_interval(dense, admitted)),
            ])
        }
        Fusion::ZSum { weights } => {
            let [b, d, bw, dw, bs, ds] = weights.map(f64::from);
            let z = |f: fn(&Scores) -> f32| z_scores(column(scores, f), admitted);
            weighted(&[
                (b, z_scores(bm25, admitted)),
                (d, z_scores(dense, admitted)),
                (bw, z(|s| s.bm25_window)),
                (dw, z(|s| s.dense_window)),
                (bs, z(|s| s.bm25_source)),
                (ds, z(|s| s.dense_source)),
                (f64::from(params.hint), column(scores, |s| s.hints)),
            ])
        }
    };
    Fused {
        totals,
        bm25_rank,
        dense_rank,
    }
}

fn column(scores: &[Scores], f: impl Fn(&Scores) -> f32) -> Vec<f64> {
    scores.iter().map(|s| f64::from(f(s))).collect()
}

/// The values of the admitted ones.
fn kept<'a>(xs: &'a [f64], admitted: &'a [bool]) -> impl Iterator<Item = f64> + 'a {
    xs.iter()
        .zip(admitted)
        .filter(|&(_, &a)| a)
        .map(|(&x, _)| x)
}

/// How many admitted candidates stand before each; `u32::MAX` without a score.
fn ranks(scores: &[Scores], admitted: &[bool], score: impl Fn(&Scores) -> Option<f32>) -> Vec<u32> {
    let mut order: Vec<(usize, f32)> = scores
        .iter()
        .enumerate()
        .filter_map(|(i, s)| Some((i, score(s)?)))
        .collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut out = vec![u32::MAX; scores.len()];
    let mut before = 0;
    for (i, _) in order {
        out[i] = before;
        before += u32::from(admitted[i]);
    }
    out
}

/// Min-max normalisation; 0 for the admitted ones when they are all equal.
fn unit_interval(mut xs: Vec<f64>, admitted: &[bool]) -> Vec<f64> {
    let low = kept(&xs, admitted).fold(f64::INFINITY, f64::min);
    let high = kept(&xs, admitted).fold(f64::NEG_INFINITY, f64::max);
    let width = if high > low { high - low } else { 1.0 };
    let low = if low.is_finite() { low } else { 0.0 };
    for x in &mut xs {
        *x = (*x - low) / width;
    }
    xs
}

/// (x − mean) / standard deviation; 0 for the admitted ones when they are all equal.
fn z_scores(mut xs: Vec<f64>, admitted: &[bool]) -> Vec<f64> {
    let n = kept(&xs, admitted).count().max(1) as f64;
    let mean = kept(&xs, admitted).sum::<f64>() / n;
    let variance = kept(&xs, admitted).map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    // Equal numbers leave a variance of rounding errors, which must not be blown up.
    let deviation = if variance > 1e-12 {
        variance.sqrt()
    } else {
        1.0
    };
    for x in &mut xs {
        *x = (*x - mean) / deviation;
    }
    xs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(fusion: Fusion) -> Params {
        Params {
            fusion,
            ..Params::default()
        }
    }

    fn scores(bm25: f32, dense: Option<f32>) -> Scores {
        Scores {
            bm25,
            dense,
            bm25_window: bm25 / 2.0,
            dense_window: dense.unwrap_or(0.0) / 2.0,
            bm25_source: bm25,
            dense_source: dense.unwrap_or(0.0),
            hints: 0.0,
        }
    }

    #[test]
    fn reciprocal_ranks_are_those_of_the_formula() {
        let list = [
            scores(3.0, Some(0.1)),
            scores(0.0, Some(0.9)),
            scores(1.0, None),
        ];
        let got = fuse(&list, &[true; 3], &with(Fusion::Rrf { k: 60.0 }));
        assert_eq!(got.bm25_rank, [0, u32::MAX, 1]);
        assert_eq!(got.dense_rank, [1, 0, u32::MAX]);
        let expected = [1.0 / 61.0 + 1.0 / 62.0, 1.0 / 61.0, 1.0 / 62.0f64];
        for (g, e) in got.totals.iter().zip(expected) {
            assert!((f64::from(*g) - e).abs() < 1e-7);
        }
    }

    #[test]
    fn convex_and_z_sums_are_those_of_the_formula() {
        let list = [
            scores(4.0, Some(0.2)),
            scores(2.0, Some(0.6)),
            scores(0.0, Some(0.4)),
        ];
        let got = fuse(&list, &[true; 3], &with(Fusion::Convex { alpha: 0.6 }));
        for (g, e) in got.totals.iter().zip([0.6, 0.3 + 0.4, 0.2]) {
            assert!((g - e).abs() < 1e-6, "{g} {e}");
        }
        // Mean 2, standard deviation √(8/3).
        let weights = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let got = fuse(&list, &[true; 3], &with(Fusion::ZSum { weights }));
        let z = 2.0 / (8.0f32 / 3.0).sqrt();
        for (g, e) in got.totals.iter().zip([z, 0.0, -z]) {
            assert!((g - e).abs() < 1e-6, "{g} {e}");
        }
    }

    #[test]
    fn a_hint_adds_the_same_however_few_it_holds_for() {
        let mut list = vec![scores(1.0, Some(0.5)); 100];
        list[7].hints = 1.0;
        let got = fuse(&list, &[true; 100], &Params::default());
        for (i, total) in got.totals.iter().enumerate() {
            let expected = if i == 7 { Params::default().hint } else { 0.0 };
            assert!((total - expected).abs() < 1e-6, "{i} {total}");
        }
    }

    proptest! {
        #[test]
        fn masked_candidates_change_no_other_score_and_no_rank(
            rows in prop::collection::vec((0.0f32..9.0, prop::option::of(-1.0f32..1.0), any::<bool>()), 0..30),
        ) {
            let all: Vec<Scores> = rows.iter().map(|r| scores(r.0, r.1)).collect();
            let admitted: Vec<bool> = rows.iter().map(|r| r.2).collect();
            let kept: Vec<usize> = (0..all.len()).filter(|&i| admitted[i]).collect();
            let without: Vec<Scores> = kept.iter().map(|&i| all[i]).collect();
            for fusion in [Fusion::Rrf { k: 60.0 }, Fusion::Convex { alpha: 0.6 }, Params::default().fusion] {
                let a = fuse(&all, &admitted, &with(fusion));
                let b = fuse(&without, &vec![true; without.len()], &with(fusion));
                for (j, &i) in kept.iter().enumerate() {
                    prop_assert_eq!(a.totals[i].to_bits(), b.totals[j].to_bits());
                    prop_assert_eq!((a.bm25_rank[i], a.dense_rank[i]), (b.bm25_rank[j], b.dense_rank[j]));
                }
                prop_assert!(a.totals.iter().all(|t| t.is_finite()));
            }
        }
    }
}
