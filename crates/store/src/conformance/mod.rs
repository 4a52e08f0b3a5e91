//! What every [`Store`] has to do, as checks that any implementation can be run against.
//!
//! A check panics when a promise is broken; that is all it says. Ids and times are made from
//! counters, so a run is the same every time.

mod cells;
mod concurrency;
mod counting;
pub mod fixtures;
mod following;
mod log;
mod naming;
mod removal;
mod values;

use crate::Store;

/// One promise: its name, and what checks it on a new and empty store.
pub type Check = (&'static str, fn(&dyn Store));

/// All promises.
pub fn checks() -> impl Iterator<Item = Check> {
    [
        cells::CHECKS,
        following::CHECKS,
        removal::CHECKS,
        log::CHECKS,
        naming::CHECKS,
        values::CHECKS,
        counting::CHECKS,
        concurrency::CHECKS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Runs every check, each on a store of its own.
///
/// # Panics
/// When a promise is broken; its name is printed before.
pub fn run(make: impl Fn() -> Box<dyn Store>) {
    for (name, check) in checks() {
        println!("promise: {name}");
        check(make().as_ref());
    }
}
