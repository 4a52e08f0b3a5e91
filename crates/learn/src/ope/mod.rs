//! Off-policy evaluation: what a policy would have earned, from the log of another one.
//!
//! 1. [`log`] makes one [`Round`] of each trajectory: its reward, the probability that the log gave to what
//!    was done, and the probability that the policy in question gives to it;
//! 2. [`estimators`] turn rounds into a value, one contract for all;
//! 3. [`intervals`] say how sure it is;
//! 4. [`evaluate()`] does all three and ends in a verdict of one sentence, or in a refusal that says what to log.
//!
//! The unit everywhere is the **trajectory**: its decisions share an outcome and a coin, so they are not
//! independent, and an interval over decisions would be too narrow (`docs/evaluation.md` shows by how much).
//! Nothing here may know texts, files, clocks, or how a policy scores.

pub mod estimators;
pub mod evaluate;
pub mod intervals;
pub mod log;
mod round;

pub use estimators::{Denominator, Estimate, Estimator, OpeError, Term, Weighting, estimate};
pub use evaluate::{EvaluateConfig, Refusal, Report, Verdict, evaluate};
pub use intervals::{Interval, Method};
pub use log::{Draw, Evidence, LogError, Replay, ReplayConfig, Scores, Target, Unit};
pub use round::Round;
