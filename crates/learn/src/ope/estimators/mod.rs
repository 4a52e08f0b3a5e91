//! Estimators of the value of a policy from the log of another one, behind one contract.
//!
//! | estimator | term of a unit, w = π / μ | family |
//! |---|---|---|
//! | IPS | min(w, λ) r | [`weighting`] |
//! | SNIPS | w r / mean(w) | [`weighting`] |
//! | DM | v | [`doubly_robust`] |
//! | DR | v + w (r − q̂) | [`doubly_robust`] |
//! | Switch-DR | v + 1\[w ≤ λ\] w (r − q̂) | [`doubly_robust`] |
//! | DR-os | v + λ w / (w² + λ) (r − q̂) | [`doubly_robust`] |
//!
//! Each can be computed with any of the denominators of [`loggers`]. Estimators over the slots of slates are in
//! [`slate`]: they need a reward per slot, which a reward of a whole slate does not give.

pub mod doubly_robust;
pub mod loggers;
pub mod slate;
pub mod weighting;

use serde::{Deserialize, Serialize};

use super::Round;
pub use loggers::Denominator;
pub use slate::{Slot, SlottedSlate, iips, pseudo_inverse, rips, sips};

/// How the reward of a unit is weighted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// Inverse propensity scoring; weights above the bound count as the bound.
    Ips {
        /// λ: the largest weight, above 0; `None`: not clipped, and unbiased.
        clip: Option<f64>,
    },
    /// Self-normalised inverse propensity scoring.
    Snips,
    /// The reward model alone.
    Dm,
    /// Doubly robust.
    Dr,
    /// Doubly robust, the reward model alone where the weight is above λ.
    SwitchDr {
        /// λ, at least 0.
        lambda: f64,
    },
    /// Doubly robust with optimistic shrinkage of the weights.
    DrOs {
        /// λ, at least 0: 0 is DM, ∞ is DR.
        lambda: f64,
    },
}

impl Weighting {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ips { clip: None } => "ips",
            Self::Ips { clip: Some(_) } => "ips_clipped",
            Self::Snips => "snips",
            Self::Dm => "dm",
            Self::Dr => "dr",
            Self::SwitchDr { .. } => "switch_dr",
            Self::DrOs { .. } => "dr_os",
        }
    }

    /// Whether it needs a reward model.
    pub const fn needs_model(self) -> bool {
        !matches!(self, Self::Ips { .. } | Self::Snips)
    }
}

/// An estimator: a weighting, and what the weights are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimator {
    /// The weighting.
    pub weighting: Weighting,
    /// The denominator.
    #[serde(default)]
    pub denominator: Denominator,
}

impl From<Weighting> for Estimator {
    fn from(weighting: Weighting) -> Self {
        let denominator = Denominator::Logged;
        Self {
            weighting,
            denominator,
        }
    }
}

/// What one unit adds: the estimate is Σ `num` / Σ `den`, and `den` is 1 in all but SNIPS.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// The unit's part of the numerator.
    pub num: f64,
    /// The unit's part of the denominator.
    pub den: f64,
}

/// An estimate, and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// One term per unit, in the order of the rounds.
    pub terms: Vec<Term>,
    /// Number of units.
    pub n: usize,
    /// Effective number of units, (Σ w)² / Σ w² (Kish 1965): how many units drawn from the evaluated policy itself
    /// the weighted ones are worth, at most. 0 when all weights are 0.
    pub n_eff: f64,
    /// Share of what the evaluated policy would do that the log could have shown, estimated by the mean weight and cut
    /// at 1: Eμ\[w\] = Σ over {a: μ(a) > 0} of π(a).
    pub coverage: f64,
    /// The largest weight.
    pub max_weight: f64,
}

impl Estimate {
    /// The terms as numbers whose mean is the estimate: the terms themselves, and where there is a denominator the
    /// linearisation V + (numᵢ − V denᵢ) / mean(den) (the influence function of a ratio; Owen 2013, section 2.7).
    pub fn linear(&self) -> Vec<f64> {
        let mean = self.terms.iter().map(|t| t.den).sum::<f64>() / self.n as f64;
        let v = self.value;
        let linear = |t: &Term| v + (t.num - v * t.den) / mean;
        self.terms.iter().map(linear).collect()
    }
}

/// Why there is no estimate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpeError {
    /// There are no rounds.
    #[error("there are no rounds to estimate from")]
    Empty,
    /// A number is not one that can be used.
    #[error("round {round}: {what}")]
    BadRound {
        /// Which one.
        round: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A parameter is out of its range.
    #[error("{field} is {value}; it must be {wanted}")]
    BadParameter {
        /// Which one.
        field: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        wanted: &'static str,
    },
    /// Every weight is 0: nothing that was logged is anything that the evaluated policy would do.
    #[error("the log shows nothing that the evaluated policy would do: every weight is 0")]
    NoOverlap,
}

/// Estimates the value of a policy.
///
/// All numbers of the rounds must be finite but `target`, which may be −∞; `logging` must be above −∞ for something
/// that was done. The reward model must have been fitted on other trajectories.
pub fn estimate(rounds: &[Round], estimator: Estimator) -> Result<Estimate, OpeError> {
    check(rounds, estimator.weighting)?;
    let (weights, shares) = loggers::weights(rounds, estimator.denominator, estimator.weighting)?;
    let mut terms: Vec<Term> = match estimator.weighting {
        Weighting::Ips { .. } | Weighting::Snips => {
            weighting::terms(rounds, &weights, estimator.weighting)
        }
        _ => doubly_robust::terms(rounds, &weights, estimator.weighting),
    };
    for (term, share) in terms.iter_mut().zip(&shares) {
        term.num *= share;
        term.den *= share;
    }
    let (sum, squares) = weights
        .iter()
        .fold((0.0, 0.0), |(s, q), w| (s + w, q + w * w));
    let den: f64 = terms.iter().map(|t| t.den).sum();
    if den <= 0.0 {
        return Err(OpeError::NoOverlap);
    }
    let n = rounds.len();
    Ok(Estimate {
        value: terms.iter().map(|t| t.num).sum::<f64>() / den,
        terms,
        n,
        n_eff: if squares > 0.0 {
            sum * sum / squares
        } else {
            0.0
        },
        coverage: (sum / n as f64).min(1.0),
        max_weight: weights.iter().copied().fold(0.0, f64::max),
    })
}

/// Refuses numbers that no estimator can use.
fn check(rounds: &[Round], weighting: Weighting) -> Result<(), OpeError> {
    if rounds.is_empty() {
        return Err(OpeError::Empty);
    }
    let (field, value, wanted) = match weighting {
        Weighting::Ips { clip: Some(c) } => ("clip", c, "above 0"),
        Weighting::SwitchDr { lambda } | Weighting::DrOs { lambda } => {
            ("lambda", lambda, "at least 0")
        }
        _ => ("lambda", 1.0, "at least 0"),
    };
    if value.is_nan() || value < 0.0 || (value == 0.0 && wanted == "above 0") {
        return Err(OpeError::BadParameter {
            field,
            value,
            wanted,
        });
    }
    for (round, r) in rounds.iter().enumerate() {
        let what = if !r.reward.is_finite() {
            "the reward is not a finite number"
        } else if r.target.is_nan() || r.target > 1e-6 {
            "the probability under the evaluated policy is not one"
        } else if !r.logging.is_finite() || r.logging > 1e-6 {
            "the logged probability is zero, or not a probability"
        } else if !(r.q.is_finite() && r.v.is_finite()) {
            "the reward model says a number that is not finite"
        } else {
            continue;
        };
        return Err(OpeError::BadRound { round, what });
    }
    Ok(())
}
