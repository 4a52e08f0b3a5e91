//! How lexical and dense scores become one order.
//!
//! Knows numbers only.

/// The formula that combines the scores of a candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Fusion {
    /// BM25 alone.
    Lexical,
    /// Cosine alone.
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
    /// Weighted sum of the z-scores of bm25, dense, `bm25_window` and `dense_window` over the
    /// candidates.
    ZSum {
        /// Weights in that order.
        weights: [f32; 4],
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
}

impl Default for Params {
    fn default() -> Self {
        Self {
            fusion: Fusion::ZSum {
                weights: [1.0; 4],
            },
            near: 0.5,
            far: 0.25,
        }
    }
}
