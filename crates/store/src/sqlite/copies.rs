//! Copies of the database beside it, whole or broken off. Knows files by their first bytes and
//! their names, not what is in them; never opens a file of the database that is in use, because
//! on Unix closing such a handle drops the locks that this process holds on it.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::header::{self, Kind};
use super::open;
use crate::{Result, StoreError};

/// Where a restore checks a backup before it is moved into place.
const STAGING: &str = "restore.part";
/// What SQLite puts beside a database.
const SIDE_FILES: [&str; 3] = ["-journal", "-wal", "-shm"];

/// What was found in a data directory and its backup folder. Other files are left alone.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// Complete databases of ours.
    pub(super) whole: Vec<PathBuf>,
    /// What an interrupted backup, migration or restore has left, without its side files' suffix.
    broken: Vec<PathBuf>,
    /// The folder of an interrupted restore.
    staging: Option<PathBuf>,
}

/// Looks for copies of the database `in_use`.
pub(super) fn find(dir: &Path, in_use: &Path) -> Result<Copies> {
    let mut found = Copies::default();
    for folder in [dir.to_owned(), dir.join(open::BACKUPS)] {
        for path in files(&folder)? {
            let kept = std::iter::once("").chain(SIDE_FILES);
            if kept
                .map(|s| open::with_suffix(in_use, s))
                .any(|p| p == path)
            {
                continue;
            }
            let draft = path.extension().is_some_and(|e| e == open::DRAFT);
            match header::kind_of_unused(&path) {
                Kind::Ours if !draft => found.whole.push(path),
                Kind::Ours | Kind::Unreadable if draft => found.broken.push(path),
                _ => found.broken.extend(orphan_of(&path)),
            }
        }
    }
    found.broken.sort_unstable();
    found.broken.dedup();
    let staging = dir.join(STAGING);
    found.staging = fs::symlink_metadata(&staging)
        .is_ok_and(|m| m.is_dir())
        .then_some(staging);
    Ok(found)
}

impl Copies {
    /// Deletes them, so that a loss of power does not bring them back; how many were whole.
    pub(super) fn delete(self, dir: &Path) -> Result<u64> {
        let mut deleted = 0;
        for path in &self.whole {
            deleted += u64::from(delete_with_side_files(path)?);
        }
        for path in &self.broken {
            delete_with_side_files(path)?;
        }
        if let Some(staging) = self.staging {
            fs::remove_dir_all(&staging).map_err(|e| StoreError::io(&staging, e))?;
        }
        let backups = dir.join(open::BACKUPS);
        if backups.is_dir() {
            open::sync_dir(&backups)?;
        }
        open::sync_dir(dir)?;
        Ok(deleted)
    }
}

/// The side files go first: after a crash in between the rest is still found.
fn delete_with_side_files(path: &Path) -> Result<bool> {
    for suffix in SIDE_FILES {
        open::remove_if_there(&open::with_suffix(path, suffix))?;
    }
    open::remove_if_there(path)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(StoreError::io(folder, e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| StoreError::io(folder, e))?.path();
        if path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

/// The database that a journal or log belongs to, if that database is gone or was never finished.
fn orphan_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let (base, starts): (_, &[&[u8]]) = if let Some(base) = name.strip_suffix("-journal") {
        // Zeros, until SQLite has written the pages after its header to the disk.
        let magic: &[u8] = &[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
        (base, &[magic, &[0; 8]])
    } else {
        let base = name.strip_suffix("-wal")?;
        (
            base,
            &[&[0x37, 0x7f, 0x06, 0x82], &[0x37, 0x7f, 0x06, 0x83]],
        )
    };
    let base = path.with_file_name(base);
    if base.exists() && header::kind_of_unused(&base) != Kind::Unreadable {
        return None;
    }
    let mut start = Vec::new();
    File::open(path)
        .and_then(|f| f.take(8).read_to_end(&mut start))
        .ok()?;
    starts.iter().any(|s| start.starts_with(s)).then_some(base)
}
