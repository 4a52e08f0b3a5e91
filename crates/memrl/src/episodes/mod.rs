//! Experience: what agents did, captured as episodes, judged, and valued.

mod api;
mod capture;
mod project;
mod prune;
pub mod queue;
mod retrieve;
mod session;
mod signals;
mod status;
pub mod switch;

pub use api::*;
