//! Randomisation of recall decisions, each with its exact probability.

mod config;
mod mixture;

pub use config::{ConfigError, ExploreConfig};
pub use mixture::{Choice, ItemChoice, Policies, decide};
