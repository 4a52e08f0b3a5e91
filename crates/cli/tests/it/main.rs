//! The real binary, from outside.

mod bad_input;
mod documentation;
mod formats;
mod processes;
#[cfg(all(feature = "remote", feature = "bert"))]
mod pull;
mod purge;
mod readme;
mod storage;
mod support;
mod words;
