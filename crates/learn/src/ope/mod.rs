//! Off-policy evaluation: what a policy would have earned, from the log of another one.
//!
//! 1. [`Round`]s say of each trajectory what it earned, and how probable it was under the log and under the policy in
//!    question;
//! 2. [`estimators`] turn rounds into a value, one contract for all;
//! 3. [`intervals`] say how sure it is.
//!
//! The unit everywhere is the **trajectory**: its decisions share an outcome and a coin, so they are not
//! independent, and an interval over decisions would be too narrow (`docs/evaluation.md` shows by how much).
//! Nothing here may know texts, files, clocks, or how a policy scores.

pub mod estimators;
pub mod intervals;
pub mod log;
mod round;

pub use estimators::{Denominator, Estimate, Estimator, OpeError, Term, Weighting, estimate};
pub use intervals::{Interval, Method};
pub use log::{Draw, Evidence, LogError, Replay, ReplayConfig, Scores, Target, Unit};
pub use round::Round;
