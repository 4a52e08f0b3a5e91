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
use crate::out::Out;

/// The directory that the command runs in.
pub fn here() -> Result<PathBuf> {
    std::env::current_dir().map_err(|e| Failure::io(Path::new("."), e))
}

/// The project that an option names; that of this directory when there is none.
pub fn project(memory: &Memory, named: Option<&str>) -> Result<Project> {
    Ok(memory.project(named, &here()?)?)
}

/// Says so when nothing is remembered of the project that an option names: it may be misspelt.
pub fn note_unknown(
    memory: &Memory,
    named: Option<&str>,
    project: Option<&Project>,
    out: &mut Out,
) -> Result<()> {
    if let (Some(name), Some(project)) = (named, project)
        && project.root.is_none()
        && !out.is_json()
        && !memory.knows(project)?
    {
        let name = crate::text::one_line(name);
        out.note(&format!("no memories of a project called {name} yet"));
    }
    Ok(())
}

/// The project that an option names, if it does.
pub fn named_project(memory: &Memory, named: Option<&str>) -> Result<Option<Project>> {
    named.map(|name| project(memory, Some(name))).transpose()
}
