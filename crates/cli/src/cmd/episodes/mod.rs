//! Commands on experience: episodes, their values and their projects.

mod capture;
mod judge;
mod list;
mod prune;
mod retrieve;
mod show;
mod status;
mod upkeep;
mod words;

pub use capture::capture;
pub use judge::{judge, verdict};
pub use list::{list, wanted};
pub use prune::prune;
pub use retrieve::retrieve;
pub use show::show;
pub use status::{in_short, stats, status};
pub use upkeep::{index, propagate, review};

use std::path::{Path, PathBuf};

use memrl::{Memory, Project};

use crate::fail::{Failure, Result};

/// The directory that the command runs in.
pub fn here() -> Result<PathBuf> {
    std::env::current_dir().map_err(|e| Failure::io(Path::new("."), e))
}

/// The project that an option names; that of this directory when there is none.
pub fn project(memory: &Memory, named: Option<&str>) -> Result<Project> {
    Ok(memory.project(named, &here()?)?)
}

/// The project that an option names, if it does.
pub fn named_project(memory: &Memory, named: Option<&str>) -> Result<Option<Project>> {
    named.map(|name| project(memory, Some(name))).transpose()
}
