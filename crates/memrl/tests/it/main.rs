//! Promises of the engine, kept on a real store, index and embedder.

mod cells;
mod compatibility;
mod consider;
mod episodes;
mod foreign;
mod learning;
mod log;
mod recall;
mod research;
mod research_rewards;
mod support;
