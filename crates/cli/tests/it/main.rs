//! The real binary, from outside.

mod bad_input;
mod documentation;
mod experience;
mod formats;
mod hooks;
mod learning;
mod mcp;
mod processes;
#[cfg(all(feature = "remote", feature = "bert"))]
mod pull;
mod purge;
mod readme;
mod setup;
mod storage;
mod support;
mod sweep;
mod words;
