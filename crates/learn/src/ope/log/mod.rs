//! From logged decisions to one [`Round`](super::Round) per trajectory.
//!
//! - [`logging`]: the probability of everything that was done in a trajectory, under the mixture that did it;
//! - [`draws`]: the same under a policy that is given by logits, and slates drawn from it;
//! - [`replay`]: both of them over a log that is read once, decision by decision.
//!
//! What is kept is a few numbers per trajectory, never a candidate: a log need not fit into memory. Nothing here may know
//! how a policy comes to its logits, or where the log is.

pub mod draws;
pub mod logging;
pub mod replay;

pub use draws::{Draw, Scores, Target};
pub use replay::{Evidence, LogError, Model, Replay, ReplayConfig, Unit};
