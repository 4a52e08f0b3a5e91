//! The report on a policy: what it would have earned, how sure that is, whether it is safe, and one sentence.
//!
//! It is the *filter* before a trial, not the proof: the proof is a randomised trial with a concurrent control ([`crate::gate`]).
//!
//! **Better** means that a bound which is valid for every n says so. With rewards scaled to [0, 1], w the weight of the policy and w₀
//! that of the incumbent (or 1, when compared with the log itself), and a clip λ that was chosen beforehand:
//!
//! ```text
//! x = (min(w, λ) − w₀) r  in [−1/share₀, λ]        E[x] ≤ V − V₀      as r ≥ 0 and min(w, λ) ≤ w
//! y = (min(w, λ) − w₀)(1 − r)                      E[y] ≤ V₀ − V      the same for the loss 1 − r
//! ```
//!
//! so a lower bound of the mean of x above 0 shows that the policy is better, and one of y that it is worse, also where the log
//! could not have shown all that the policy would do. w₀ ≤ 1/share₀ is known beforehand, because the mixture contains the incumbent
//! with that share. The same two steps make the valid intervals of the value itself.

mod config;
mod numbers;
mod refusal;
mod report;

pub use config::EvaluateConfig;
pub use refusal::Refusal;
pub use report::{ArmReport, Difference, Line, Rate, Report, Reporting, Value, Verdict};

use super::log::{Evidence, Unit};

/// Judges a policy by a replayed log, or says what to log.
pub fn evaluate(evidence: &Evidence, config: &EvaluateConfig) -> Result<Report, Refusal> {
    let (low, high) = refusal::check(evidence, config)?;
    let units: Vec<&Unit> = evidence.units.iter().filter(|u| u.reported).collect();
    numbers::report(evidence, &units, config, (low, high))
}
