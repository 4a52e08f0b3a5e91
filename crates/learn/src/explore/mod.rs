//! Randomisation of recall decisions, each with its exact probability.
//!
//! It may not know where candidates come from or what their scores mean. Masked candidates and
//! critical cells are never randomised, and nothing is repaired after it was drawn, so every
//! propensity is exact.

pub mod arms;
mod choice;
mod coin;
mod config;
pub mod holdout;
mod mixture;
pub mod plackett_luce;

pub use arms::ArmName;
pub use choice::{BUDGET_EXCEEDED, Choice, HELD_OUT, ItemChoice, NOT_DRAWN, decide};
pub use config::{ConfigError, ExploreConfig};
pub use holdout::Trial;
pub use mixture::{Mixture, Policies, log_joint};
pub use plackett_luce::PlackettLuce;
