//! Trainers: from logged decisions to a network that scores candidates. One readable file each.
//!
//! | trainer | learns from | source |
//! |---|---|---|
//! | `bc` | the slates that were shown | maximum likelihood |
//! | `supervised` | labels of all candidates: the skyline | listwise softmax cross entropy |
//! | `credit` | success of whole slates, labels of single cells where known | attribution with a null item |
//! | `ips_pg` | rewards and propensities | off-policy policy gradient, doubly robust |
//! | `dqn` | transitions, pick by pick | double Q-learning with a conservative penalty |
//! | `thompson` | one outcome after the other | Bayesian linear regression |
//! | `grpo` | rollouts in an environment | group-relative policy gradient |
//!
//! All are deterministic given a seed, report progress, can be stopped at any step, and continue from a
//! [`Checkpoint`] exactly as if they had not been stopped. They may not know files, clocks or where a log is kept.

pub mod bc;
mod check;
mod checkpoint;
mod common;
pub mod credit;
pub mod dqn;
mod draws;
pub mod grpo;
mod importance;
pub mod ips_pg;
mod loops;
mod prepare;
pub mod split;
pub mod stop;
pub mod supervised;
pub mod thompson;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::data::Schema;
use crate::net::{Net, Standard};

pub use checkpoint::NotACheckpoint;
pub use draws::Draws;

/// Settings that trainers share. What each does with them is in its own documentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Seed of everything random: initial weights, order of the data, draws.
    pub seed: u64,
    /// Passes over the data, at least 1. Some trainers make more in small logs; their documentation says so.
    pub epochs: u32,
    /// Decisions per step, at least 1.
    pub batch: usize,
    /// Step size, above 0.
    pub learning_rate: f32,
    /// Weight decay per unit of step size, at least 0.
    pub decay: f32,
    /// Units of the hidden layer; 0: a linear model, whose weights can be read.
    pub hidden: usize,
    /// Share of the trajectories kept apart to judge the training, in [0, 0.5].
    pub validation: f64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            epochs: 20,
            batch: 64,
            learning_rate: 3e-3,
            decay: 1e-2,
            hidden: 0,
            validation: 0.2,
        }
    }
}

impl TrainConfig {
    /// Refuses settings that no training can be run with, before any data is read: those that are out of the ranges above.
    pub fn validate(&self) -> Result<(), TrainError> {
        check::config(self)
    }
}

/// How far a training is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub total: u64,
    /// Loss on what was trained on since the last report.
    pub loss: f64,
    /// Loss on what was kept apart, when it was measured.
    pub validation: Option<f64>,
}

/// The whole state of a training between two passes over the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The trainer.
    pub algo: String,
    /// Fingerprint of configuration, schema and data: another one's checkpoint is refused.
    pub fingerprint: String,
    /// Passes done.
    pub epoch: u32,
    /// Named vectors: parameters, moments of the optimiser, whatever the trainer keeps.
    pub vectors: BTreeMap<String, Vec<f32>>,
    /// Named numbers.
    pub numbers: BTreeMap<String, f64>,
}

/// What a training tells, and asks, while it runs.
pub struct Hooks<'a> {
    /// Told after every few steps; `Break` stops the training with [`TrainError::Stopped`].
    pub progress: &'a mut dyn FnMut(&Progress) -> ControlFlow<()>,
    /// Given the state after every pass over the data.
    pub checkpoint: &'a mut dyn FnMut(&Checkpoint),
    /// Where to go on.
    pub resume: Option<Checkpoint>,
}

/// What a training made.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The trainer, e.g. `credit`.
    pub algo: String,
    /// The schema of the features it reads.
    pub schema: Schema,
    /// How features are standardised.
    pub standard: Standard,
    /// The network.
    pub net: Net,
    /// The logit of STOP; `None`: the policy fills the budget.
    pub stop: Option<f32>,
    /// Decisions and trajectories it learned from, and those kept apart.
    pub counts: Counts,
    /// Named results, e.g. `loss`, `validation_loss`, `validation_auc`.
    pub metrics: BTreeMap<String, f64>,
    /// Features by how much worse the loss on the kept-apart data gets when one is shuffled, the most important first
    /// (permutation importance: Breiman 2001, section 10).
    pub importance: Vec<(String, f64)>,
}

impl Trained {
    /// The logits of logged features: `n × schema.width()` numbers row by row give `n` logits.
    pub fn logits(&self, rows: &[f32]) -> Vec<f64> {
        crate::net::logits(&self.standard, &self.net, rows)
    }
}

/// How much a training saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Decisions learned from.
    pub decisions: u64,
    /// Their trajectories.
    pub trajectories: u64,
    /// Decisions kept apart.
    pub validation: u64,
    /// Decisions left out: no outcome, no candidates, nothing to learn.
    pub skipped: u64,
}

/// Why nothing was trained.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Too few decisions that say anything.
    #[error(
        "{have} decisions say something that {algo} can learn from; it needs at least {need}{why}"
    )]
    TooFew {
        /// The trainer.
        algo: String,
        /// How many there are.
        have: u64,
        /// How many it takes.
        need: u64,
        /// What the others lack, from `; ` on; may be empty.
        why: String,
    },
    /// Every outcome is the same: there is nothing to tell apart.
    #[error("all {n} outcomes are {value}: nothing can be learned from that")]
    NoVariation {
        /// How many.
        n: u64,
        /// The one value.
        value: f64,
    },
    /// A number in the data is not finite, or out of its range.
    #[error("decision {decision}: {what}")]
    BadNumber {
        /// The decision.
        decision: String,
        /// What is wrong with it.
        what: String,
    },
    /// A setting is out of its range.
    #[error("{field} is {value}; it must be {wanted}")]
    BadConfig {
        /// The setting.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// The checkpoint is of another training.
    #[error("the checkpoint is of another training: {what}")]
    ForeignCheckpoint {
        /// What differs.
        what: String,
    },
    /// The loss is no longer a number.
    #[error("the loss is no longer finite after {steps} steps; try a smaller learning rate")]
    Diverged {
        /// Steps done.
        steps: u64,
    },
    /// It was asked to stop.
    #[error("stopped after {steps} steps")]
    Stopped {
        /// Steps done.
        steps: u64,
    },
}
