//! The learning loop: log → train → evaluate → promote → watch → roll back.
//!
//! Ties the store's log to the learners of `memrl-learn`, which read plain numbers. Time and
//! randomness are the engine's.

mod lineup;
mod state;

pub(crate) use lineup::Lineup;
pub use state::{Canary, CellTrial, Control, Roles};
