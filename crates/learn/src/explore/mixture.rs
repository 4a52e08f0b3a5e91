//! The whole decision: arm, slate, and the exact probability of both under the mixture.

use memrl_types::{Arm, ExploreMode, Mode, Propensity};

use super::{ConfigError, ExploreConfig};
use crate::{Candidate, Context, RecallPolicy};

/// The policies in force.
#[derive(Clone, Copy)]
pub struct Policies<'a> {
    /// The policy in charge.
    pub incumbent: &'a dyn RecallPolicy,
    /// The policy on trial, if any.
    pub canary: Option<&'a dyn RecallPolicy>,
}

/// What was decided about one candidate; the fields are those of [`memrl_types::Item`].
#[derive(Debug, Clone, PartialEq)]
pub struct ItemChoice {
    /// The acting policy's score.
    pub score: f64,
    /// Whether it is shown.
    pub selected: bool,
    /// Its place in the slate, from 0, when shown.
    pub position: Option<u32>,
    /// How it is shown, or [`Mode::Suppress`].
    pub mode: Mode,
    /// Why.
    pub reason: String,
    /// Marginal probability of being shown under the whole mixture; `None` when a component of
    /// it draws slates.
    pub p_include: Option<f64>,
    /// Probability at its draw, when the slate was drawn and the item was not placed first.
    pub p_step: Option<f64>,
    /// Whether exploration had to leave it alone.
    pub critical: bool,
    /// Whether the hold-out withheld it from the slate that the policy wanted.
    pub held_out: bool,
}

/// A recall decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// One per candidate, in their order.
    pub items: Vec<ItemChoice>,
    /// Indices of the candidates shown, in the order in which they are shown.
    pub slate: Vec<usize>,
    /// Indices of all others: refused by a rule, in the order of the candidates; then held out,
    /// not drawn or over the budget, in order of priority (memcell-rl's order).
    pub left_out: Vec<usize>,
    /// The critical ones among those over the budget.
    pub constraints_left_out: Vec<usize>,
    /// The acting policy: `similarity@1`.
    pub policy: String,
    /// The arms in force, by falling share of responsibility: incumbent, canary, none.
    pub arms: Vec<Arm>,
    /// The name of the arm that the trajectory is in.
    pub arm: String,
    /// What produced the slate.
    pub explore_mode: ExploreMode,
    /// The probability of the slate under the whole mixture.
    pub propensity: Propensity,
    /// Probability of the STOP that ended a drawn slate; `None` when nothing was drawn.
    pub p_stop: Option<f64>,
    /// Tokens taken, overhead included; 0 when nothing is shown.
    pub tokens_used: u64,
}

impl Choice {
    /// Whether critical constraints alone did not fit the budget.
    pub fn constraints_exceed_budget(&self) -> bool {
        !self.constraints_left_out.is_empty()
    }
}

/// Decides what to show to one request of `trajectory`. `seed` is used only when slates are drawn.
pub fn decide(
    ctx: &Context,
    candidates: &[Candidate],
    policies: Policies<'_>,
    config: &ExploreConfig,
    trajectory: &str,
    seed: u64,
) -> Result<Choice, ConfigError> {
    let _ = (ctx, candidates, policies, config, trajectory, seed);
    unimplemented!()
}
