//! The decision log as plain numbers: what trainers, estimators and replays read.
//!
//! It may not know where a log is kept, nor any text. One [`Logged`] decision is complete in itself, so
//! that a log can also be streamed.

use memrl_types::{CellId, DecisionId, ExploreMode, Propensity, Timestamp};

use crate::Context;

/// A feature schema, by name: logged features and trained weights are read by position, so both
/// say which one they mean.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Schema {
    /// Its name and version, e.g. `recall-v2`.
    pub name: String,
    /// Its fingerprint, 16 hexadecimal digits.
    pub hash: String,
    /// The names of its features, in their order.
    pub features: Vec<String>,
}

impl Schema {
    /// Number of features of a candidate.
    pub fn width(&self) -> usize {
        self.features.len()
    }
}

/// A log of decisions at one point, under one feature schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The schema of the features.
    pub schema: Schema,
    /// The names of the trajectories; [`Logged::trajectory`] is an index.
    pub trajectories: Vec<String>,
    /// The labels of the policies (`similarity@1`); [`Logged::policy`] is an index.
    pub policies: Vec<String>,
    /// The decisions, in the order of their logging.
    pub decisions: Vec<Logged>,
}

/// One logged decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// The decision.
    pub id: DecisionId,
    /// Index of its trajectory.
    pub trajectory: u32,
    /// Its place in the trajectory, from 0.
    pub step: u32,
    /// When it was made.
    pub at: Timestamp,
    /// Index of the policy that acted.
    pub policy: u32,
    /// The arm that the trajectory was in: `incumbent`, `canary`, `control` or `none`.
    pub arm: String,
    /// What produced the slate.
    pub mode: ExploreMode,
    /// Probability of the slate, with the mixture that it was drawn from.
    pub propensity: Propensity,
    /// Temperature of drawn slates in that mixture.
    pub temperature: f64,
    /// Budget, overhead, most items, sizes.
    pub context: Context,
    /// The candidates, in their order before the policy.
    pub items: Vec<LoggedItem>,
    /// Their features, row by row: `items.len() × schema.width()` numbers; zeros for masked ones.
    pub features: Vec<f32>,
    /// Indices of the shown candidates, in the order in which they were shown.
    pub slate: Vec<u32>,
    /// What was reported.
    pub signals: Signals,
    /// The reward under the spec that the data set was read with; `None` before an outcome that
    /// defines it.
    pub reward: Option<f64>,
}

/// One candidate of a logged decision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoggedItem {
    /// The cell.
    pub cell: CellId,
    /// The score that the acting policy gave it.
    pub score: f64,
    /// Tokens that showing it takes from the budget.
    pub cost: u32,
    /// Whether a hard rule forbade it.
    pub masked: bool,
    /// Whether exploration had to leave it alone.
    pub critical: bool,
    /// Whether the sticky hold-out withheld it from the slate that the policy wanted.
    pub held_out: bool,
    /// Marginal probability of being shown, where it has an exact form.
    pub p_include: Option<f64>,
    /// What is known of it alone, in [0, 1]: a verdict or a citation (1). Cells that were shown beside a cited one, and not
    /// cited, have 0.
    pub label: Option<f32>,
}

/// The raw signals of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Signals {
    /// Success of the task, in [0, 1].
    pub success: Option<f64>,
    /// An unsafe action happened.
    pub unsafe_action: Option<bool>,
    /// An outdated memory misled the agent.
    pub stale: Option<bool>,
    /// Tokens spent on the task.
    pub tokens: Option<f64>,
    /// Time spent on the task, in milliseconds.
    pub latency_ms: Option<f64>,
}

impl Logged {
    /// The features of a candidate. `width` is that of the schema.
    pub fn row(&self, index: usize, width: usize) -> &[f32] {
        &self.features[index * width..(index + 1) * width]
    }

    /// The slate as indices.
    pub fn shown(&self) -> Vec<usize> {
        self.slate.iter().map(|&i| i as usize).collect()
    }
}
