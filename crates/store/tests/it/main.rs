//! The promises of the store, one test each.

mod conformance;
mod durability;
mod golden;
mod model;
mod processes;
mod purge;
mod refusals;
mod upkeep;
