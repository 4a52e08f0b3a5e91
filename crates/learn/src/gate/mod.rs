//! The gate: a randomised trial of a policy against a concurrent control, judged by betting, however often it is looked at.
//!
//! [`eprocess`] holds the bets, [`trial`] what they are about. Nothing here may know clocks, stores, or what a policy is: it is told of one
//! trajectory after the other, in the order in which they were closed, with the arm, its probability, and the outcome.

pub mod eprocess;
pub mod trial;

pub use eprocess::{Bet, Contrast};
pub use trial::{
    ArmSummary, Arrival, Role, StopReason, Summary, Trial, TrialConfig, TrialError, Verdict,
    WhyRefused,
};

/// The part of δ for the k-th policy (from 1) that is tried on the same traffic: 6 δ / (π² k²). The parts of all
/// k add up to δ, so however many policies are tried, one after the other, a wrong promotion *ever* has probability at most δ.
pub fn spread(delta: f64, k: u64) -> f64 {
    let k = k.max(1) as f64;
    6.0 * delta / (std::f64::consts::PI * k).powi(2)
}
