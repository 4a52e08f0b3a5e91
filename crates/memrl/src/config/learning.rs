//! Settings of learned values, and of the sessions of coding agents that they are learned from.

use serde::{Deserialize, Serialize};

/// Settings of learned values (`docs/learning.md`); names are those of `MemRL` where it has one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ValueConfig {
    /// Share of its mass that evidence loses per day.
    pub decay_rate: f64,
    /// γ: what a neighbour's, an ancestor's or an earlier decision's evidence is worth.
    pub discount_factor: f64,
    /// Weight of the first whole observation against the prior: 1 / (1 + prior mass).
    pub learning_rate: f64,
    /// Least similarity of neighbours.
    pub propagation_threshold: f64,
    /// Most neighbours of a cell.
    pub neighbours: u32,
    /// λ of the eligibility traces.
    pub trace_decay: f64,
    /// w: weight of the learned value against similarity in the policy `utility`, in [0, 1).
    pub utility_weight: f64,
}

impl Default for ValueConfig {
    fn default() -> Self {
        Self {
            decay_rate: memrl_learn::value::DECAY_RATE,
            discount_factor: 0.9,
            learning_rate: 0.1,
            propagation_threshold: 0.5,
            neighbours: 10,
            trace_decay: 0.7,
            utility_weight: 0.7,
        }
    }
}

impl ValueConfig {
    /// Mass of the prior, `1 / learning_rate − 1`.
    pub fn prior_mass(&self) -> f64 {
        memrl_learn::value::prior_mass(self.learning_rate)
    }

    /// The weight as odds, `w / (1 − w)`: ordering by `similarity + odds · value` is ordering by
    /// `(1 − w) · similarity + w · value`.
    pub fn utility_odds(&self) -> f64 {
        self.utility_weight / (1.0 - self.utility_weight)
    }

    /// How far credit reaches.
    pub fn trace(&self) -> memrl_learn::TraceConfig {
        memrl_learn::TraceConfig {
            gamma: self.discount_factor,
            lambda: self.trace_decay,
            ..memrl_learn::TraceConfig::default()
        }
    }

    /// The prior of values under these settings.
    pub fn prior(&self) -> memrl_learn::ValuePrior {
        memrl_learn::ValuePrior {
            mass: self.prior_mass(),
            decay_rate: self.decay_rate,
            ..memrl_learn::ValuePrior::default()
        }
    }
}

/// Settings for coding agents: what hooks, the MCP server and `memrl retrieve` do.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent switch"
)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionConfig {
    /// Whether hooks inject and capture at all.
    pub enabled: bool,
    /// The policy of recalls for sessions.
    pub policy: String,
    /// Token budget of an injected block.
    pub budget_tokens: u64,
    /// Episodes shown when nobody says how many.
    pub limit: u64,
    /// Whether hooks look into other projects when this one has too little.
    pub widen: bool,
    /// Whether sessions are captured when they end.
    pub capture: bool,
    /// Whether the working tree's diff is stored with an episode.
    pub capture_diff: bool,
    /// Whether a language model reads captured sessions. Sends their (redacted) text to it.
    pub extract_intent: bool,
    /// `shared`: worktrees of a repository are one project; `isolated`: each is its own.
    pub worktrees: Worktrees,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            policy: "utility".into(),
            budget_tokens: 1500,
            limit: 3,
            widen: false,
            capture: true,
            capture_diff: false,
            extract_intent: false,
            worktrees: Worktrees::default(),
        }
    }
}

/// What worktrees of one repository have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Worktrees {
    /// One memory for all of them.
    #[default]
    Shared,
    /// Each has its own.
    Isolated,
}
