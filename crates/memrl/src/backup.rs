//! Backup and restore of a data directory.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::memory::presence;
use crate::{Code, Error, Memory, Options, Result};

/// What a backup wrote.
#[derive(Debug, Clone, Serialize)]
pub struct BackupReport {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// What a restore did.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreReport {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Where the former database went, if there was one.
    pub former: Option<PathBuf>,
    /// Cells in the restored memory.
    pub cells: u64,
    /// Decisions in its log.
    pub decisions: u64,
}

/// The database file of a data directory.
const DATABASE: &str = "memrl.db";

impl Memory {
    /// Copies the whole memory (cells and log) into one file, while others go on writing.
    /// An existing file is refused. A purge does not reach copies outside the data directory.
    pub fn backup(&self, path: &Path) -> Result<BackupReport> {
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
        }
        self.store.backup_to(path)?;
        let bytes = std::fs::metadata(path)
            .map_err(|e| Error::io(path, e))?
            .len();
        Ok(BackupReport {
            path: path.to_owned(),
            bytes,
        })
    }
}

/// Puts a backup into a data directory. The backup is opened and checked in a directory of its
/// own first; a database that is there already is set aside, not overwritten, and needs `force`.
pub fn restore(backup: &Path, data_dir: &Path, force: bool) -> Result<RestoreReport> {
    let target = data_dir.join(DATABASE);
    if target.exists() && !force {
        return Err(Error::invalid(
            Code::NotConfirmed,
            "data directory",
            format!("{} has a memory already", data_dir.display()),
        ));
    }
    std::fs::create_dir_all(data_dir).map_err(|e| Error::io(data_dir, e))?;
    // Whoever has the memory open would go on writing into the file that is set aside.
    let alone = presence(data_dir, true)?;
    let staging = data_dir.join("restore.part");
    if staging.exists() {
        std::fs::remove_dir_all(&staging).map_err(|e| Error::io(&staging, e))?;
    }
    std::fs::create_dir_all(&staging).map_err(|e| Error::io(&staging, e))?;
    let staged = staging.join(DATABASE);
    std::fs::copy(backup, &staged).map_err(|e| Error::io(backup, e))?;
    let checked = check(&staging);
    let (cells, decisions) = match checked {
        Ok(counts) => counts,
        Err(e) => {
            std::fs::remove_dir_all(&staging).map_err(|e| Error::io(&staging, e))?;
            return Err(e);
        }
    };
    File::open(&staged)
        .and_then(|f| f.sync_all())
        .map_err(|e| Error::io(&staged, e))?;
    // The index belongs to the former database: it goes first, and is made anew.
    let index = data_dir.join("index.bin");
    if index.exists() {
        std::fs::remove_file(&index).map_err(|e| Error::io(&index, e))?;
    }
    let former = set_aside(data_dir)?;
    std::fs::rename(&staged, &target).map_err(|e| Error::io(&target, e))?;
    std::fs::remove_dir_all(&staging).map_err(|e| Error::io(&staging, e))?;
    drop(alone);
    Ok(RestoreReport {
        data_dir: data_dir.to_owned(),
        former,
        cells,
        decisions,
    })
}

/// Opens a staged copy and looks for damage.
fn check(dir: &Path) -> Result<(u64, u64)> {
    let memory = Memory::open_with(Options {
        config: Some(crate::Config::default()),
        ..Options::new(dir)
    })?;
    let faults = memory.store.integrity()?;
    if let Some(first) = faults.first() {
        return Err(memrl_store::StoreError::Corrupt(first.clone()).into());
    }
    let stats = memory.store.stats()?;
    memory.store.maintain()?;
    Ok((
        stats.cells_by_status.iter().map(|(_, n)| n).sum(),
        stats.decisions,
    ))
}

/// Moves a database and its side files out of the way; side files also without a database, which
/// a restore that was cut off may have left, and which do not fit the next one.
fn set_aside(data_dir: &Path) -> Result<Option<PathBuf>> {
    let parts = ["", "-wal", "-shm"];
    let part = |suffix: &str| data_dir.join(format!("{DATABASE}{suffix}"));
    if parts.iter().all(|suffix| !part(suffix).exists()) {
        return Ok(None);
    }
    let taken = |n: u32| data_dir.join(format!("memrl.db.before-restore-{n}"));
    let mut n = 1;
    while taken(n).exists() {
        n += 1;
    }
    for suffix in parts {
        let from = part(suffix);
        if from.exists() {
            let to = PathBuf::from(format!("{}{suffix}", taken(n).display()));
            std::fs::rename(&from, &to).map_err(|e| Error::io(&from, e))?;
        }
    }
    Ok(Some(taken(n)))
}
