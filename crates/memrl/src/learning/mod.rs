//! The learning loop: log → train → evaluate → promote → watch → roll back.
//!
//! Ties the store's log to the learners of `memrl-learn`, which read plain numbers. Time and
//! randomness are the engine's.

mod check;
mod evaluate;
mod impact;
mod lifecycle;
mod lineup;
mod log;
mod registry;
mod replay;
mod reward_check;
mod shadow;
mod state;
mod target;
mod train;
mod trajectories;
mod watch;

pub use check::{CheckReport, Standing};
pub use evaluate::{EvaluateReport, EvaluateRequest, LogSays};
pub use impact::{ImpactAnswer, ImpactOf, ImpactRequest, TrialView};
pub use lifecycle::Step;
pub(crate) use lineup::Lineup;
pub use log::LogQuery;
pub use registry::{PolicyDiff, PolicyRow, PolicyView};
pub(crate) use replay::Would;
pub use replay::{ReplayReport, ReplayRequest, ReplayedDecision};
pub use reward_check::{RewardCheckReport, RewardCheckRequest};
pub use shadow::ShadowRow;
pub use state::{Canary, CellTrial, Control, Roles};
pub(crate) use train::TRAINING;
pub use train::{Algo, TrainReport, TrainRequest};
