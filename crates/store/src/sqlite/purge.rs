//! Purging: after it no byte of the content is left in the files of the store.
//!
//! Three steps: the rows, in one transaction; the files (`VACUUM`, truncating checkpoint); the
//! store's own backups. That the second step is due is noted in the first, so that it happens
//! even if the process dies in between.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use memrl_types::{Cell, CellId};
use rusqlite::{Connection, Transaction};

use super::names::Names;
use super::texts::{Traces, erase_contexts};
use super::{
    Durability, SqliteStore, backup, cells, changes, events, forget, header, open, upkeep,
};
use crate::rows::{PurgeReport, Seq};
use crate::{Result, StoreError};

/// Set while bytes of purged content may be left in the files.
const PENDING: &str = "store.purge_pending";

/// How long the files wait for readers before the purge is reported as pending.
const PATIENCE: Duration = Duration::from_secs(1);

impl SqliteStore {
    /// See [`crate::Store::purge`].
    pub(super) fn purge_cells(&self, ids: &[CellId]) -> Result<PurgeReport> {
        let mut report = self.write(Durability::Disk, |tx, _| remove_rows(tx, &self.names, ids))?;
        if report.cells.is_empty() {
            return Ok(report);
        }
        report.pending = !self.finish_purge()?;
        report.backups_deleted = self.replace_backups()?;
        Ok(report)
    }

    /// Rewrites the files without what was deleted; whether nothing is left.
    pub(super) fn finish_purge(&self) -> Result<bool> {
        let writers = self.writers()?;
        let clean = scrub(&writers.full)?;
        if clean {
            writers
                .full
                .execute("DELETE FROM meta WHERE key = ?1", [PENDING])?;
        }
        Ok(clean)
    }

    /// Deletes the copies of the database in the data directory and its backup folder, which hold
    /// the content, and makes a new backup instead.
    fn replace_backups(&self) -> Result<u64> {
        let mut deleted = 0;
        for folder in [&self.dir, &self.dir.join(open::BACKUPS)] {
            deleted += delete_copies(folder, &self.path)?;
        }
        if deleted > 0 {
            let folder = open::backups(&self.dir)?;
            let upkeep = self.upkeep()?;
            let number = changes::change_seq(&upkeep)?;
            backup::copy(&upkeep, &folder.join(format!("after-purge-{number}.db")))?;
        }
        Ok(deleted)
    }
}

/// Whether files have still to be rewritten.
pub(super) fn is_pending(conn: &Connection) -> Result<bool> {
    Ok(upkeep::meta(conn, PENDING)?.is_some())
}

fn scrub(conn: &Connection) -> Result<bool> {
    match conn.execute_batch("VACUUM").map_err(StoreError::from) {
        // No room for a second copy: `secure_delete` has overwritten the rows where they were,
        // but only a rewritten file is sure not to hold an older copy of a page.
        Err(StoreError::Busy | StoreError::DiskFull) => {
            upkeep::checkpoint(conn, "PASSIVE")?;
            return Ok(false);
        }
        other => other?,
    }
    conn.busy_timeout(PATIENCE)?;
    let truncated = upkeep::checkpoint(conn, "TRUNCATE");
    conn.busy_timeout(open::BUSY_TIMEOUT)?;
    truncated
}

fn remove_rows(tx: &Transaction<'_>, names: &Names, ids: &[CellId]) -> Result<PurgeReport> {
    let doomed = with_descendants(tx, ids)?;
    let mut report = PurgeReport::default();
    let mut traces = Traces::default();
    for &(seq, id) in &doomed {
        for version in cells::history(tx, names, id)? {
            for_each_text(&version.cell, &mut |text| traces.add(text));
        }
        report.log_texts_erased += erase_contexts(tx, seq)?;
        report.cells.push(id);
        report.seqs.push(seq);
    }
    if doomed.is_empty() {
        return Ok(report);
    }
    for &(seq, id) in &doomed {
        delete(tx, seq, id)?;
    }
    spare_living(tx, names, &mut traces)?;
    report.log_texts_erased += traces.erase(tx)?;
    report.log_texts_erased += events::redact(tx, &traces)?;
    tx.execute(
        "DELETE FROM scopes WHERE NOT EXISTS (SELECT 1 FROM cells WHERE scope = scopes.id) \
         AND id NOT IN (SELECT scope FROM decisions)",
        [],
    )?;
    upkeep::set_meta(tx, PENDING, &[1])?;
    Ok(report)
}

/// The stored cells among these, and every cell derived from them.
fn with_descendants(tx: &Transaction<'_>, ids: &[CellId]) -> Result<Vec<(Seq, CellId)>> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<CellId> = ids.to_vec();
    let mut found = Vec::new();
    while let Some(id) = open.pop() {
        let Some(seq) = cells::seq_of(tx, id)? else {
            continue;
        };
        let stored = tx
            .prepare_cached("SELECT 1 FROM cells WHERE seq = ?1")?
            .exists([seq])?;
        if !stored || !seen.insert(seq) {
            continue;
        }
        found.push((seq, id));
        let mut statement = tx.prepare_cached(
            "SELECT i.cell_id FROM cell_links l JOIN cell_ids i ON i.seq = l.cell \
             WHERE l.target = ?1 AND l.kind = ?2",
        )?;
        let derived = cells::link_code(memrl_types::LinkKind::DerivedFrom);
        let children = statement.query_map((id.to_string(), derived), |r| {
            r.get(0).map(CellId::from_bytes)
        })?;
        for child in children {
            open.push(child?);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Every text of a cell that somebody wrote.
fn for_each_text(cell: &Cell, see: &mut dyn FnMut(&str)) {
    if cell.content != forget::DELETED {
        see(&cell.content);
    }
    if let Some(speaker) = &cell.speaker {
        see(speaker);
    }
    for reference in &cell.source_refs {
        see(reference);
    }
    if let Some(payload) = &cell.payload {
        for_each_string(payload, see);
    }
}

fn for_each_string(value: &serde_json::Value, see: &mut dyn FnMut(&str)) {
    use serde_json::Value;
    match value {
        Value::String(text) => see(text),
        Value::Array(items) => items.iter().for_each(|v| for_each_string(v, see)),
        Value::Object(map) => map.values().for_each(|v| for_each_string(v, see)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Takes the words of the remaining cells out of the search.
fn spare_living(tx: &Transaction<'_>, names: &Names, traces: &mut Traces) -> Result<()> {
    let mut statement =
        tx.prepare_cached(&format!("SELECT {} FROM {}", cells::COLUMNS, cells::SOURCE))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let living = cells::read(tx, names, row)?;
        for_each_text(&living.cell, &mut |text| traces.spare(text));
    }
    Ok(())
}

/// Versions, vectors, counters, idempotency keys and own links go with the row.
fn delete(tx: &Transaction<'_>, seq: Seq, id: CellId) -> Result<()> {
    tx.prepare_cached(
        "UPDATE cells SET links = links - \
         (SELECT count(*) FROM cell_links l WHERE l.cell = cells.seq AND l.target = ?1) \
         WHERE seq IN (SELECT cell FROM cell_links WHERE target = ?1)",
    )?
    .execute([id.to_string()])?;
    for sql in [
        "DELETE FROM cell_values WHERE cell = ?1",
        "DELETE FROM evidence WHERE cell = ?1",
        "DELETE FROM cells WHERE seq = ?1",
    ] {
        tx.prepare_cached(sql)?.execute([seq])?;
    }
    tx.prepare_cached("DELETE FROM cell_links WHERE target = ?1")?
        .execute([id.to_string()])?;
    changes::record(tx, seq)
}

/// Deletes every database of ours in the folder, except the one in use; other files are left
/// alone.
fn delete_copies(folder: &Path, in_use: &Path) -> Result<u64> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(StoreError::io(folder, e)),
    };
    let mut deleted = 0;
    for entry in entries {
        let path = entry.map_err(|e| StoreError::io(folder, e))?.path();
        if path == in_use || !path.is_file() {
            continue;
        }
        let ours = matches!(
            header::of_unused(&path),
            Ok(_) | Err(StoreError::NewerDatabase { .. })
        );
        if ours {
            for suffix in ["-journal", "-wal", "-shm"] {
                open::remove_if_there(&open::with_suffix(&path, suffix))?;
            }
            deleted += u64::from(open::remove_if_there(&path)?);
        }
    }
    Ok(deleted)
}
