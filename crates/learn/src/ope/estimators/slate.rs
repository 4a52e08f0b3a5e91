//! Estimators over the slots of a slate, for logs that have a reward per slot (a citation, a verdict on one cell).
//!
//! A reward of the whole slate has no parts, so of these only [`sips`] and [`pseudo_inverse`] can be asked about it.
//!
//! ```text
//! SIPS  V = mean  w(slate) Σₗ rₗ                    w of the joint probability
//! IIPS  V = mean  Σₗ wₗ rₗ                         wₗ of the marginal of slot l; Li et al. 2018
//! RIPS  V = mean  Σₗ w₁..ₗ rₗ                     w₁..ₗ of the first l slots; McInerney et al. 2020, eq. 7
//! PI    V = mean  r (1 − L + Σₗ wₗ)                 Swaminathan et al. 2017, example 4 (product logging)
//! ```
//!
//! IIPS assumes that the reward of a slot depends on that slot only, RIPS that it does not depend on later ones, PI that
//! the reward of the slate is a sum over slots. SIPS assumes nothing and varies most.

use super::{Estimate, OpeError, Term};

/// One slot of a slate. Probabilities are plain, in (0, 1] under the log and [0, 1] under the evaluated policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slot {
    /// Reward of this slot.
    pub reward: f64,
    /// Marginal probability of what the slot shows: (log, evaluated policy).
    pub marginal: (f64, f64),
    /// Probability of the slate up to this slot: (log, evaluated policy).
    pub prefix: (f64, f64),
}

/// A slate with a reward per slot.
#[derive(Debug, Clone, PartialEq)]
pub struct SlottedSlate {
    /// Probability of the whole slate: (log, evaluated policy).
    pub joint: (f64, f64),
    /// The slots, in order.
    pub slots: Vec<Slot>,
}

impl SlottedSlate {
    /// The reward of the slate: the sum over its slots.
    fn reward(&self) -> f64 {
        self.slots.iter().map(|s| s.reward).sum()
    }
}

/// π / μ.
fn weight((logged, evaluated): (f64, f64)) -> f64 {
    evaluated / logged
}

/// Inverse propensity scoring of the whole slate.
pub fn sips(slates: &[SlottedSlate]) -> Result<Estimate, OpeError> {
    of(slates, |s| {
        let w = weight(s.joint);
        (w * s.reward(), w)
    })
}

/// Inverse propensity scoring slot by slot: unbiased when a slot's reward depends on that slot only.
pub fn iips(slates: &[SlottedSlate]) -> Result<Estimate, OpeError> {
    of(slates, |s| {
        let terms = s.slots.iter().map(|l| weight(l.marginal) * l.reward);
        let largest = s.slots.iter().map(|l| weight(l.marginal));
        (terms.sum(), largest.fold(0.0, f64::max))
    })
}

/// Reward-interaction inverse propensity scoring: unbiased when a slot's reward does not depend on later slots.
pub fn rips(slates: &[SlottedSlate]) -> Result<Estimate, OpeError> {
    of(slates, |s| {
        let terms = s.slots.iter().map(|l| weight(l.prefix) * l.reward);
        let last = s.slots.last().map_or(1.0, |l| weight(l.prefix));
        (terms.sum(), last)
    })
}

/// The pseudo-inverse estimator for slots that were drawn independently of each other: unbiased when the reward of a slate is a
/// sum over its slots. Its weights can be negative, so `n_eff` is that of their size.
pub fn pseudo_inverse(slates: &[SlottedSlate]) -> Result<Estimate, OpeError> {
    of(slates, |s| {
        let sum: f64 = s.slots.iter().map(|l| weight(l.marginal)).sum();
        let w = 1.0 - s.slots.len() as f64 + sum;
        (w * s.reward(), w)
    })
}

/// The mean of the terms; `term` answers the term and the weight of a slate.
fn of(
    slates: &[SlottedSlate],
    term: impl Fn(&SlottedSlate) -> (f64, f64),
) -> Result<Estimate, OpeError> {
    if slates.is_empty() {
        return Err(OpeError::Empty);
    }
    let n = slates.len();
    let (mut terms, mut sum, mut squares, mut max) = (Vec::with_capacity(n), 0.0, 0.0, 0.0_f64);
    for (round, slate) in slates.iter().enumerate() {
        let (num, w) = term(slate);
        if !(num.is_finite() && w.is_finite()) {
            let what = "a logged probability is zero, or a reward is not a finite number";
            return Err(OpeError::BadRound { round, what });
        }
        terms.push(Term { num, den: 1.0 });
        sum += w;
        squares += w * w;
        max = max.max(w);
    }
    Ok(Estimate {
        value: terms.iter().map(|t| t.num).sum::<f64>() / n as f64,
        terms,
        n,
        n_eff: if squares > 0.0 {
            sum * sum / squares
        } else {
            0.0
        },
        coverage: (sum / n as f64).clamp(0.0, 1.0),
        max_weight: max,
    })
}
