//! Experience: what agents did, captured as episodes, judged, and valued.

mod api;
mod capture;
mod extract;
mod project;
mod propagate;
mod prune;
pub mod queue;
mod reader;
mod retrieve;
mod review;
mod session;
mod signals;
mod status;
mod sweep;
pub mod switch;
mod transcript;

pub use api::*;
pub(crate) use capture::live_episodes;
pub use reader::SentTranscript;
pub use retrieve::outward;
pub use sweep::{Dropped, SweepFailure, SweepReport, Swept};
