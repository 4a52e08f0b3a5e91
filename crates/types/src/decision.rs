//! A recorded decision: what could have been done, what was done, and with which probability.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{CellId, DecisionId, DecisionPoint, ExploreMode, Mode, Scope, Timestamp};

/// One policy's share of the traffic, and what it did in this decision's mixture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// `incumbent`, `canary`, `control` (the former incumbent, after a promotion) or `none`.
    pub name: String,
    /// The policy that acts in this arm, with its version: `similarity@1`.
    pub policy: String,
    /// Share of trajectories assigned to the arm; shares sum to one.
    pub share: f64,
}

/// One component of the mixture that the slate was drawn from. The joint propensity is the sum
/// over components of `weight · probability`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Component {
    /// The arm it belongs to.
    pub arm: String,
    /// How the component draws.
    pub mode: ExploreMode,
    /// Probability that a trajectory meets this component.
    pub weight: f64,
    /// Natural logarithm of the probability of the slate shown, given the component; `None` when
    /// the component can never produce it (the logarithm of zero, which JSON cannot hold).
    pub log_probability: Option<f64>,
}

/// The exact probability of what was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Propensity {
    /// Natural logarithm of the joint probability of the ordered slate under the whole mixture.
    pub log_joint: f64,
    /// The mixture.
    pub components: Vec<Component>,
    /// Hold-out probability of a soft cell of the greedy slate.
    pub epsilon: f64,
    /// The salt that hold-outs and arms are hashed with.
    pub salt: u64,
    /// Seed of the generator that drew the slate.
    pub seed: u64,
}

/// One candidate of a decision. Its index in [`Decision::items`] is its rank before the policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The candidate cell.
    pub cell_id: CellId,
    /// The cell's version when the decision was made.
    pub version: u32,
    /// Its features, in the order of the decision's feature schema; empty when masked.
    pub features: Vec<f32>,
    /// The policy's score.
    pub score: f64,
    /// Tokens it would cost.
    pub tokens: u32,
    /// Whether it was shown.
    pub selected: bool,
    /// Its place in the slate, from 0, when shown.
    pub position: Option<u32>,
    /// How it was shown, or `suppress`.
    pub mode: Mode,
    /// Why.
    pub reason: String,
    /// Marginal probability of being shown, where it has an exact form.
    pub p_include: Option<f64>,
    /// Probability at its draw given the prefix, for slates drawn one by one.
    pub p_step: Option<f64>,
    /// Whether exploration had to leave it alone.
    pub critical: bool,
    /// Whether the sticky hold-out withheld it from the slate the policy wanted.
    pub held_out: bool,
}

/// One recorded decision. Append-only: a reward that arrives later does not change it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The identifier (memcell-rl's `transition_id`).
    pub decision_id: DecisionId,
    /// memcell-rl's second identifier of the same decision.
    pub query_id: DecisionId,
    /// Where it was made.
    pub point: DecisionPoint,
    /// The trajectory it belongs to: a session or task of the caller's, else the decision itself.
    pub trajectory_id: String,
    /// Its place in the trajectory, from 0.
    pub step: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// The query (kept apart from the log, so that it can be erased).
    pub query: String,
    /// The caller's name for the kind of task.
    pub task_type: String,
    /// The asked scope.
    pub scope: Scope,
    /// Token budget.
    pub budget_tokens: u64,
    /// Upper bound on the number of candidates.
    pub k: u64,
    /// The policy that acted, with its version: `similarity@1`.
    pub policy: String,
    /// The arms in force.
    pub arms: Vec<Arm>,
    /// The arm that this trajectory was assigned to.
    pub arm: String,
    /// What produced the slate.
    pub explore_mode: ExploreMode,
    /// Probability of what was done.
    pub propensity: Propensity,
    /// Version of the feature schema of the items.
    pub feature_schema: String,
    /// The candidates, best first.
    pub items: Vec<Item>,
    /// Everything else that the decision used: embedder, counter, clearance, sizes, timings.
    pub state: Value,
    /// Tokens of what was shown.
    pub tokens_used: u32,
    /// Time spent, in microseconds.
    pub latency_us: u64,
    /// The rendered context block, when one was made (kept apart from the log).
    pub context: Option<String>,
}

impl Decision {
    /// The items shown, in the order in which they were shown.
    pub fn slate(&self) -> Vec<&Item> {
        let mut slate: Vec<_> = self.items.iter().filter(|i| i.selected).collect();
        slate.sort_by_key(|i| i.position);
        slate
    }
}

/// One entry of the event log. Carries ids and numbers, never content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The identifier.
    pub event_id: crate::EventId,
    /// When it happened.
    pub timestamp: Timestamp,
    /// What happened.
    pub event_type: crate::EventKind,
    /// The cells concerned.
    pub cell_ids: Vec<CellId>,
    /// The decision or retrieval concerned (memcell-rl's `query_id`).
    pub query_id: Option<DecisionId>,
    /// Details.
    pub payload: Value,
}
