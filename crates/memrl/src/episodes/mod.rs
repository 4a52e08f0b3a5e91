//! Experience: what agents did, captured as episodes, judged, and valued.

mod api;

pub use api::*;
