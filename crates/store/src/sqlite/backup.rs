//! Copies of the whole database in one file.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::{open, purge};
use crate::{Result, StoreError};

/// Copies the database behind `from` to a new file, checks the copy and writes it to the disk.
/// A copy holds no remains of what was purged, even while the purge is pending.
/// One snapshot; writers are not held up. An existing file is refused.
pub(super) fn copy(from: &Connection, to: &Path) -> Result<()> {
    if to.exists() {
        return Err(StoreError::io(
            to,
            std::io::Error::from(std::io::ErrorKind::AlreadyExists),
        ));
    }
    let draft = open::with_suffix(to, &format!(".{}", open::DRAFT));
    open::remove_if_there(&draft)?;
    drop(open::create_private(&draft, true)?);
    let copied = fill(from, &draft);
    if copied.is_err() {
        // The error that matters is the one of the copy.
        let _ = fs::remove_file(&draft);
    }
    copied?;
    open::sync(&draft)?;
    fs::rename(&draft, to).map_err(|e| StoreError::io(to, e))?;
    match to.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => open::sync_dir(dir),
        _ => Ok(()),
    }
}

fn fill(from: &Connection, draft: &Path) -> Result<()> {
    let mut copy = Connection::open(draft)?;
    let done = Backup::new(from, &mut copy)?.step(-1)?;
    if done != StepResult::Done {
        return Err(StoreError::Busy);
    }
    // A copy is one file, without a log beside it.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    purge::cleanse_copy(&copy)?;
    let verdict: String = copy.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
    if verdict != "ok" {
        return Err(StoreError::Corrupt(verdict));
    }
    copy.close().map_err(|(_, e)| e)?;
    Ok(())
}
