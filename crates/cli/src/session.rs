//! Opening the memory that a command works on.

use std::path::{Path, PathBuf};

use memrl::config::{self, Resolved};
use memrl::{Code, Memory, Options, Scope};

use crate::args::Global;
use crate::fail::{Failure, Result};
use crate::out::Out;

/// The database file of a data directory.
pub const DATABASE: &str = "memrl.db";

/// Where the memory is: the option, the environment variable, else `~/.memrl`.
pub fn data_dir(global: &Global) -> Result<PathBuf> {
    let named = global.data_dir.clone();
    let named = named.or_else(|| std::env::var_os("MEMRL_DATA_DIR").map(PathBuf::from));
    let dir = match named {
        Some(dir) if dir.as_os_str().is_empty() => {
            return Err(Failure::hinted(
                Code::InvalidInput,
                "the data directory has no name",
                "give --data-dir a directory, or unset MEMRL_DATA_DIR",
            ));
        }
        Some(dir) => dir,
        None => {
            let home = std::env::home_dir().filter(|h| !h.as_os_str().is_empty());
            home.ok_or_else(|| {
                Failure::hinted(
                    Code::InvalidInput,
                    "there is no home directory",
                    "say where the memory is with --data-dir",
                )
            })?
            .join(".memrl")
        }
    };
    Ok(dir)
}

/// The settings in force, with the layers they came from; says which keys of the file are unknown.
pub fn settings(dir: &Path, flags: &[(&str, String)], out: &mut Out) -> Result<Resolved> {
    let resolved = config::resolve(dir, &|name| std::env::var(name).ok(), flags)?;
    // The folder can be that of MemRL, whose settings stay where they are.
    let old = |key: &&String| memrl::capturing::foreign::is_old_setting(key);
    for key in resolved.unknown.iter().filter(|key| !old(key)) {
        let file = resolved.file.display();
        out.warn(&format!(
            "{key} in {file} is not a setting; `memrl config` lists them"
        ));
    }
    Ok(resolved)
}

/// Opens the memory, creating it when there is none.
pub fn open(global: &Global, flags: &[(&str, String)], out: &mut Out) -> Result<Memory> {
    let dir = data_dir(global)?;
    let resolved = settings(&dir, flags, out)?;
    let fresh = !dir.join(DATABASE).exists();
    let memory = Memory::open_with(Options {
        config: Some(resolved.config),
        ..Options::new(&dir)
    })?;
    if fresh {
        out.note(&format!(
            "Created a memory in {}",
            out.talk.hint(&dir.display().to_string())
        ));
    }
    Ok(memory)
}

/// Opens the memory for a rehearsal: where there is none, an empty one that is gone with the
/// directory that is answered.
pub fn open_to_look(global: &Global, out: &mut Out) -> Result<(Memory, Option<tempfile::TempDir>)> {
    let dir = data_dir(global)?;
    if dir.join(DATABASE).exists() {
        return Ok((open(global, &[], out)?, None));
    }
    let config = settings(&dir, &[], out)?.config;
    let empty = tempfile::tempdir().map_err(|e| Failure::io(&std::env::temp_dir(), e))?;
    let memory = Memory::open_with(Options {
        config: Some(config),
        ..Options::new(empty.path())
    })?;
    Ok((memory, Some(empty)))
}

/// Upkeep at the end of a command that wrote. What was written is safe already, so a failure here
/// is said and is no failure of the command.
pub fn maintain(memory: &Memory, out: &mut Out) {
    if let Err(e) = memory.maintain() {
        out.warn(&format!("the write is stored, upkeep failed: {e}"));
    }
}

/// The scope of repeated `--scope k=v`.
pub fn scope(pairs: &[(String, String)]) -> Scope {
    Scope(
        pairs
            .iter()
            .map(|(k, v)| (k.clone(), v.as_str().into()))
            .collect(),
    )
}
