//! Experience: what agents did, captured as episodes, judged, and valued.

mod api;
pub mod queue;
pub mod switch;

pub use api::*;
