//! One unit of evaluation. It may not know what the action was, only its probabilities.

use serde::{Deserialize, Serialize};

/// One independent unit: a trajectory, whose action is everything that was done in it.
///
/// Probabilities are natural logarithms; −∞ is the logarithm of zero.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Round {
    /// r: what was earned.
    pub reward: f64,
    /// ln π(a | x): of what was done, under the policy that is evaluated.
    pub target: f64,
    /// ln μ(a | x): of what was done, under whatever logged it (the whole mixture).
    pub logging: f64,
    /// q̂(x, a): the reward that a model expects of what was done. 0 without a model.
    pub q: f64,
    /// v(x) = Σₐ π(a | x) q̂(x, a): the reward that the model expects of the evaluated policy. 0 without one.
    pub v: f64,
    /// Which of several logging policies did it.
    pub logger: usize,
    /// ln μₖ(a | x) of each logging policy k; empty when only `logging` is known.
    pub loggers: Vec<f64>,
}

impl Round {
    /// A round by plain probabilities, without a reward model.
    pub fn new(reward: f64, target: f64, logging: f64) -> Self {
        Self {
            reward,
            target: target.ln(),
            logging: logging.ln(),
            ..Self::default()
        }
    }

    /// The same with what a reward model says: q̂ of what was done, and its mean under the evaluated policy.
    #[must_use]
    pub fn with_model(mut self, q: f64, v: f64) -> Self {
        (self.q, self.v) = (q, v);
        self
    }

    /// w = π / μ of what was done.
    pub fn weight(&self) -> f64 {
        ratio(self.target, self.logging)
    }
}

/// exp(target − logging), 0 where the target is impossible.
pub(super) fn ratio(target: f64, logging: f64) -> f64 {
    if target == f64::NEG_INFINITY {
        0.0
    } else {
        (target - logging).exp()
    }
}
