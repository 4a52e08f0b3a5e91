//! The promises of the store, one test each.

mod conformance;
mod durability;
mod evidence;
mod golden;
mod model;
mod processes;
mod purge;
mod refusals;
mod upkeep;
