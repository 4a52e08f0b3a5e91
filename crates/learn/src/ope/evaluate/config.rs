//! Settings of a report.

use serde::{Deserialize, Serialize};

use crate::ope::intervals::Bootstrap;

/// Settings of a report. All of them must be chosen before the log is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluateConfig {
    /// The least and the largest reward that the spec can give; `None`: it is not bounded, which is refused.
    pub bounds: Option<(f64, f64)>,
    /// Level of the intervals, in (0, 1).
    pub level: f64,
    /// Probability of a wrong "better", in (0, 1). For the k-th policy that is judged on the same log take
    /// [`crate::gate::spread`].
    pub delta: f64,
    /// λ: the largest weight in the bounds that are valid for every n.
    pub clip: f64,
    /// The weight that Switch-DR no longer counts beyond, and that DR-os halves (its λ is the square).
    pub lambda: f64,
    /// Fewest trajectories with an outcome.
    pub min_trajectories: usize,
    /// Least effective number of trajectories.
    pub min_n_eff: f64,
    /// Least share of what the policy would do that the log must be able to show.
    pub min_coverage: f64,
    /// Largest share of trajectories without an outcome.
    pub max_missing: f64,
    /// Difference between the shares of missing outcomes of two arms that matters, where it is also significant.
    pub reporting_margin: f64,
    /// By how much the policy may have more unsafe outcomes than what it is compared with.
    pub unsafe_margin: f64,
    /// The bootstrap.
    pub bootstrap: Bootstrap,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            bounds: None,
            level: 0.95,
            delta: 0.05,
            clip: 10.0,
            lambda: 10.0,
            min_trajectories: 50,
            min_n_eff: 100.0,
            min_coverage: 0.8,
            max_missing: 0.5,
            reporting_margin: 0.02,
            unsafe_margin: 0.0,
            bootstrap: Bootstrap::default(),
        }
    }
}

impl EvaluateConfig {
    /// The defaults for rewards within these bounds ([`crate::RewardSpec::bounds`]).
    pub fn new(bounds: Option<(f64, f64)>) -> Self {
        Self {
            bounds,
            ..Self::default()
        }
    }
}
