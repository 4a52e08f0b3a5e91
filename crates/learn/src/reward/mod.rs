//! Reward specs: versioned functions from an outcome to a number.
//!
//! Outcomes are stored raw, so any spec can re-score the whole log. It may not know decisions,
//! policies or files: a spec is TOML text.

pub mod attribution;
pub mod check;
mod parse;
mod spec;

use memrl_types::{CellId, Outcome};

pub use parse::RewardSpecError;
pub use spec::{Missing, RewardSpec, Signal, Term, Transform};

/// The names of the built-in specs.
pub const BUILT_IN: [&str; 2] = ["memcell_v1", "bounded_v1"];

/// A reward and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Reward {
    /// The number.
    pub value: f64,
    /// The contribution of each term, in the order of the spec.
    pub terms: Vec<TermValue>,
}

/// The contribution of one term.
#[derive(Debug, Clone, PartialEq)]
pub struct TermValue {
    /// The signal, e.g. `success` or `metrics.cost`.
    pub signal: String,
    /// The signal as reported; `None` when it was not and the missing-value rule was used.
    pub raw: Option<f64>,
    /// What it adds to the reward, before clipping and rounding.
    pub contribution: f64,
}

/// Why an outcome has no reward under a spec (yet).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// A signal without which the reward is not defined was not reported.
    #[error("the reward {spec} is not defined before {signal:?} is reported")]
    Undefined {
        /// The spec.
        spec: String,
        /// The missing signal.
        signal: String,
    },
    /// The signals are so large, or not numbers, that the sum is not finite.
    #[error("the reward {spec} of this outcome is not a finite number")]
    NotFinite {
        /// The spec.
        spec: String,
    },
}

/// What a reward of a single cell is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CellRewardSource {
    /// Somebody judged the cell.
    Verdict,
    /// The answer cited it.
    Citation,
}

/// The reward of a single cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellReward {
    /// The cell.
    pub cell_id: CellId,
    /// In [0, 1]: the verdict's usefulness (0 when it was stale), or 1 when cited.
    pub value: f64,
    /// What it is known from.
    pub source: CellRewardSource,
}

/// Rewards of single cells, where they are known: one per cell with a verdict (the last counts),
/// then one per cited cell without a verdict.
pub fn cell_rewards(outcome: &Outcome) -> Vec<CellReward> {
    let mut known: Vec<CellReward> = Vec::new();
    for v in &outcome.verdicts {
        known.retain(|k| k.cell_id != v.cell_id);
        known.push(CellReward {
            cell_id: v.cell_id,
            value: crate::value::usefulness(v),
            source: CellRewardSource::Verdict,
        });
    }
    for &cell_id in &outcome.cited {
        if known.iter().all(|k| k.cell_id != cell_id) {
            known.push(CellReward {
                cell_id,
                value: 1.0,
                source: CellRewardSource::Citation,
            });
        }
    }
    known
}
