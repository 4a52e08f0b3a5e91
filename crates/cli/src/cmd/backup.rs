//! `memrl backup` and `memrl restore`.

use std::path::PathBuf;

use memrl::{Clock, SystemClock};

use crate::args::{Global, Restore};
use crate::cmd::cells::memories;
use crate::fail::Result;
use crate::out::Out;
use crate::{session, text};

/// The directory of backups in a data directory: those that a purge reaches.
const BACKUPS: &str = "backups";

/// Copies the whole memory into one file.
pub fn backup(global: &Global, file: Option<PathBuf>, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let file = file.unwrap_or_else(|| {
        let now = SystemClock.now().to_string().replace(':', "-");
        memory.dir().join(BACKUPS).join(format!("{now}.db"))
    });
    let report = memory.backup(&file)?;
    if out.is_json() {
        out.json(&report)?;
        return Ok(0);
    }
    out.line(&report.path.display().to_string())?;
    out.note(&format!("Backed up {}", text::bytes(report.bytes)));
    Ok(0)
}

/// Puts a backup in place.
pub fn restore(global: &Global, args: &Restore, out: &mut Out) -> Result<u8> {
    let dir = session::data_dir(global)?;
    let report = match memrl::restore(&args.file, &dir, args.force) {
        Err(e) if e.code() == memrl::Code::NotConfirmed => {
            return Err(crate::fail::Failure::hinted(
                e.code(),
                e.to_string(),
                "add --force: the memory that is there is set aside, not overwritten",
            ));
        }
        other => other.map_err(crate::fail::Failure::of_file)?,
    };
    if out.is_json() {
        out.json(&report)?;
        return Ok(0);
    }
    out.line(&format!(
        "Restored {} and {}",
        memories(report.cells as usize),
        text::count(report.decisions, "decision")
    ))?;
    if let Some(former) = &report.former {
        out.note(&format!(
            "The former memory is kept as {}",
            former.display()
        ));
    }
    Ok(0)
}
