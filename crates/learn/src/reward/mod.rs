//! Reward specs: versioned functions from an outcome to a number.

use memrl_types::{CellId, Outcome};

/// A versioned function from an outcome to a number.
#[derive(Debug, Clone, PartialEq)]
pub struct RewardSpec {
    id: String,
    version: u32,
}

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
    /// What it adds to the reward.
    pub contribution: f64,
}

/// An outcome that lacks a signal without which the reward is not defined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the reward {spec} is not defined before {signal:?} is reported")]
pub struct Undefined {
    /// The spec.
    pub spec: String,
    /// The missing signal.
    pub signal: String,
}

/// Why a reward spec is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RewardSpecError {
    /// Not TOML, an unknown key, a wrong type; the message names line and field.
    #[error("{0}")]
    Toml(String),
    /// A field has a value that makes no sense.
    #[error("{field}: {why}")]
    Field {
        /// Where it is, e.g. `terms[2].weight`.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// No such built-in spec.
    #[error("there is no reward spec {0:?}; built in are: memcell_v1, bounded_v1")]
    Unknown(String),
}

impl RewardSpec {
    /// Reads a spec from TOML.
    pub fn parse(text: &str) -> Result<Self, RewardSpecError> {
        let _ = text;
        unimplemented!()
    }

    /// The built-in spec of this name: `memcell_v1` or `bounded_v1`.
    pub fn built_in(name: &str) -> Result<Self, RewardSpecError> {
        let _ = name;
        unimplemented!()
    }

    /// Its name and version: `memcell_v1`.
    pub fn name(&self) -> String {
        format!("{}_v{}", self.id, self.version)
    }

    /// The reward of an outcome (of all its reports, added up).
    pub fn score(&self, outcome: &Outcome) -> Result<Reward, Undefined> {
        let _ = outcome;
        unimplemented!()
    }

    /// The interval that every reward provably lies in, when there is one.
    pub fn bounds(&self) -> Option<(f64, f64)> {
        unimplemented!()
    }

    /// Whether every reward provably lies in [0, 1].
    pub fn bounded(&self) -> bool {
        self.bounds()
            .is_some_and(|(low, high)| low >= 0.0 && high <= 1.0)
    }
}

/// Rewards of single cells, where they are known: a verdict's usefulness (0 when the cell was
/// stale), or 1 for a cited cell without a verdict.
pub fn cell_rewards(outcome: &Outcome) -> Vec<(CellId, f64)> {
    let _ = outcome;
    unimplemented!()
}
