//! What the weights are divided by when several policies wrote the log.
//!
//! With logging policies k, nₖ rounds of each and ρₖ = nₖ / n
//! (Agarwal, Basu, Schnabel & Joachims 2017, "Effective evaluation using logged bandit feedback from multiple
//! loggers", sections 3–5):
//!
//! ```text
//! naive     wᵢ = π / μ of the own logger        every logger must cover π
//! balanced  wᵢ = π / Σₖ ρₖ μₖ                  all together must; never more variance than naive IPS
//! weighted  naive, logger k counting λₖ ∝ nₖ / Varₖ(term)    least variance when loggers are very different
//! ```
//!
//! The variances of the weighted form are estimated. A logger that has not yet shown the rare thing on which its value
//! hangs looks precise and is wrong, so the form needs many rounds of every logger.
//!
//! The default, `Logged`, divides by the probability in the log, which for a mixture of arms *is* the balanced form with the
//! shares by design in place of the counted ones: unbiased also when an arm happened to act rarely.

use serde::{Deserialize, Serialize};

use super::{OpeError, Round, Term, Weighting, doubly_robust, weighting};
use crate::ope::round::ratio;

/// What weights are divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denominator {
    /// The probability that the log has for what was done ([`Round::logging`]).
    #[default]
    Logged,
    /// The probability under the policy that did it.
    Naive,
    /// The probability under the average of the policies, by their number of rounds.
    Balanced,
    /// As naive, policies with less variance counting more.
    Weighted,
}

impl Denominator {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Logged, Self::Naive, Self::Balanced, Self::Weighted];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logged => "logged",
            Self::Naive => "naive",
            Self::Balanced => "balanced",
            Self::Weighted => "weighted",
        }
    }
}

/// The weight of each round, and by how much its term counts (1 but for [`Denominator::Weighted`]).
pub(super) fn weights(
    rounds: &[Round],
    denominator: Denominator,
    weighting: Weighting,
) -> Result<(Vec<f64>, Vec<f64>), OpeError> {
    let ones = vec![1.0; rounds.len()];
    if denominator == Denominator::Logged {
        return Ok((rounds.iter().map(Round::weight).collect(), ones));
    }
    check(rounds)?;
    let counts = counts(rounds);
    if denominator == Denominator::Balanced {
        let n = rounds.len() as f64;
        let log_rho: Vec<f64> = counts.iter().map(|c| (c / n).ln()).collect();
        let w = |r: &Round| ratio(r.target, log_mean(&r.loggers, &log_rho));
        return Ok((rounds.iter().map(w).collect(), ones));
    }
    let naive: Vec<f64> = rounds
        .iter()
        .map(|r| ratio(r.target, r.loggers[r.logger]))
        .collect();
    if denominator == Denominator::Naive {
        return Ok((naive, ones));
    }
    let terms = match weighting {
        Weighting::Ips { .. } | Weighting::Snips => {
            weighting::terms(rounds, &naive, Weighting::Ips { clip: None })
        }
        other => doubly_robust::terms(rounds, &naive, other),
    };
    let shares = shares(rounds, &terms, &counts);
    let share = |r: &Round| shares[r.logger];
    Ok((naive, rounds.iter().map(share).collect()))
}

/// Rounds of each logger.
fn counts(rounds: &[Round]) -> Vec<f64> {
    let mut counts = vec![0.0; rounds[0].loggers.len()];
    for r in rounds {
        counts[r.logger] += 1.0;
    }
    counts
}

/// ln Σₖ ρₖ μₖ.
fn log_mean(log_p: &[f64], log_rho: &[f64]) -> f64 {
    let terms = || log_p.iter().zip(log_rho).map(|(p, rho)| p + rho);
    let top = terms().fold(f64::NEG_INFINITY, f64::max);
    top + terms().map(|t| (t - top).exp()).sum::<f64>().ln()
}

/// How much a term of each logger counts: n λₖ / nₖ with λₖ ∝ nₖ / Varₖ, so that the mean over all rounds is
/// Σₖ λₖ Vₖ. A logger of whose terms the variance cannot be told (fewer than two, or all the same) gets the largest
/// finite precision of the others, or all count alike.
fn shares(rounds: &[Round], terms: &[Term], counts: &[f64]) -> Vec<f64> {
    let k = counts.len();
    let (mut mean, mut squares) = (vec![0.0; k], vec![0.0; k]);
    for (r, t) in rounds.iter().zip(terms) {
        mean[r.logger] += t.num / counts[r.logger];
    }
    for (r, t) in rounds.iter().zip(terms) {
        squares[r.logger] += (t.num - mean[r.logger]).powi(2);
    }
    let precision = |k: usize| (counts[k] - 1.0) / squares[k];
    let known = |k: &usize| counts[*k] >= 2.0 && squares[*k] > 0.0;
    let best = (0..k).filter(known).map(precision).fold(0.0, f64::max);
    let precision = |k: usize| match (known(&k), best > 0.0) {
        (true, _) => precision(k),
        (false, true) => best,
        (false, false) => 1.0,
    };
    let total: f64 = (0..k).map(|k| counts[k] * precision(k)).sum();
    let n = rounds.len() as f64;
    (0..k).map(|k| n * precision(k) / total).collect()
}

/// The densities of all loggers must be there, and the own one above zero.
fn check(rounds: &[Round]) -> Result<(), OpeError> {
    let k = rounds[0].loggers.len();
    for (round, r) in rounds.iter().enumerate() {
        let what = if k == 0 || r.loggers.len() != k {
            "the probability under each logging policy is needed"
        } else if r.loggers.iter().any(|p| p.is_nan() || *p > 1e-6) {
            "the probability under a logging policy is unknown"
        } else if !r.loggers.get(r.logger).is_some_and(|p| p.is_finite()) {
            "the policy that logged it could not have done it"
        } else {
            continue;
        };
        return Err(OpeError::BadRound { round, what });
    }
    Ok(())
}
