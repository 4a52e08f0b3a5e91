//! What runs inside other programs' sessions.

mod events;

pub use events::{Client, hooks_of};
