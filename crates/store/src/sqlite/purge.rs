//! Purging: after it no byte of the content is left in the files of the store.
//!
//! Steps: the rows, in one transaction; the copies in the data directory; the files (`VACUUM`,
//! truncating checkpoint); a new backup in the place of the copies. What is due is noted in the
//! first step and crossed off when it is done, so that all of it happens even if the process
//! dies in between.

use std::collections::BTreeSet;
use std::time::Duration;

use memrl_types::{Cell, CellId};
use rusqlite::{Connection, Transaction, params};

use super::names::Names;
use super::texts::{Traces, erase_contexts};
use super::{
    Durability, SqliteStore, backup, cells, changes, copies, events, forget, header, open, upkeep,
};
use crate::rows::{PurgeReport, Seq};
use crate::{INDEX_STALE, Result, StoreError};

/// Set while bytes of purged content may be left in the files; see [`Note`].
const PENDING: &str = "store.purge_pending";

/// Copies of the database may hold the content.
const COPIES: u8 = 1;
/// Copies were deleted, and a new one has to take their place.
const BACKUP: u8 = 2;
/// Pages of the database may hold the content.
const REWRITE: u8 = 4;

/// What of a purge is still due, as bits; that the log has to be truncated goes without saying.
/// With the number of the purge's last change, so that nobody crosses off the purge of another
/// process, which came in between.
struct Note(Vec<u8>);

impl Note {
    fn read(conn: &Connection) -> Result<Option<Self>> {
        Ok(upkeep::meta(conn, PENDING)?.map(Self))
    }

    /// Adds a purge to what is due.
    fn write(tx: &Transaction<'_>) -> Result<()> {
        let former = Self::read(tx)?;
        let mut note = vec![COPIES | REWRITE];
        if former.is_some_and(|f| f.due(BACKUP)) {
            note[0] |= BACKUP;
        }
        note.extend(changes::change_seq(tx)?.to_le_bytes());
        upkeep::set_meta(tx, PENDING, &note)
    }

    /// A note without a number says nothing but that there was a purge.
    fn bits(&self) -> u8 {
        match self.0[..] {
            [bits, _, ..] => bits,
            _ => COPIES | REWRITE,
        }
    }

    fn due(&self, what: u8) -> bool {
        self.bits() & what != 0
    }

    /// Replaces the bits; false if the stored note is another one by now.
    fn set(&mut self, conn: &Connection, bits: u8) -> Result<bool> {
        let mut next = self.0.clone();
        next.resize(next.len().max(9), 0);
        next[0] = bits;
        let done = conn.execute(
            "UPDATE meta SET value = ?3 WHERE key = ?1 AND value = ?2",
            params![PENDING, self.0, next],
        )?;
        self.0 = next;
        Ok(done == 1)
    }

    /// Removes the note; false if the stored note is another one by now.
    fn clear(self, conn: &Connection) -> Result<bool> {
        let done = conn.execute(
            "DELETE FROM meta WHERE key = ?1 AND value = ?2",
            params![PENDING, self.0],
        )?;
        Ok(done == 1)
    }
}

/// How long the files wait for readers before the purge is reported as pending.
const PATIENCE: Duration = Duration::from_secs(1);

impl SqliteStore {
    /// See [`crate::Store::purge`].
    pub(super) fn purge_cells(&self, ids: &[CellId]) -> Result<PurgeReport> {
        let mut report = self.write(Durability::Disk, |tx, _| remove_rows(tx, &self.names, ids))?;
        if report.cells.is_empty() {
            return Ok(report);
        }
        report.pending = !self.finish_purge(&mut report.backups_deleted)?;
        Ok(report)
    }

    /// Does what is still due; whether nothing is left. Adds to `deleted` the copies that were
    /// deleted.
    pub(super) fn finish_purge(&self, deleted: &mut u64) -> Result<bool> {
        let writers = self.writers()?;
        let conn = &writers.full;
        // One process at a time: each would delete the new backup of the other.
        let _held = open::lock(&self.dir)?;
        let Some(mut note) = Note::read(conn)? else {
            return Ok(true);
        };
        if note.due(COPIES) {
            let found = copies::find(&self.dir, &self.path)?;
            // Noted before the first is deleted: who dies then still owes a backup.
            if !found.whole.is_empty() && !note.set(conn, note.bits() | BACKUP)? {
                return Ok(false);
            }
            *deleted += found.delete(&self.dir)?;
            if !note.set(conn, note.bits() & !COPIES)? {
                return Ok(false);
            }
        }
        if note.due(REWRITE) && !(rewrite(conn)? && note.set(conn, note.bits() & !REWRITE)?) {
            return Ok(false);
        }
        let truncated = truncate(conn)?;
        if note.due(BACKUP) {
            self.new_backup(conn)?;
            if !note.set(conn, note.bits() & !BACKUP)? {
                return Ok(false);
            }
        }
        Ok(truncated && note.clear(conn)?)
    }

    /// Makes the backup that replaces the deleted ones, unless it was made just before a crash.
    fn new_backup(&self, conn: &Connection) -> Result<()> {
        let number = changes::change_seq(conn)?;
        let path = open::backups(&self.dir)?.join(format!("after-purge-{number}.db"));
        if path.is_file() && header::kind_of_unused(&path) == header::Kind::Ours {
            return Ok(());
        }
        backup::copy(conn, &path)
    }
}

/// Whether files have still to be rewritten.
pub(super) fn is_pending(conn: &Connection) -> Result<bool> {
    Ok(Note::read(conn)?.is_some())
}

/// Removes from a copy what a purge that is pending has left in it, and the note: the purge is
/// no business of whoever restores the copy.
pub(super) fn cleanse_copy(copy: &Connection) -> Result<()> {
    let Some(note) = Note::read(copy)? else {
        return Ok(());
    };
    let dirty = note.due(REWRITE);
    note.clear(copy)?;
    if dirty {
        copy.execute_batch("VACUUM")?;
    }
    Ok(())
}

/// Writes the database anew without what was deleted; false if there was no chance to.
fn rewrite(conn: &Connection) -> Result<bool> {
    match conn.execute_batch("VACUUM").map_err(StoreError::from) {
        // No room for a second copy: `secure_delete` has overwritten the rows where they were,
        // but only a rewritten file is sure not to hold an older copy of a page.
        Err(StoreError::Busy | StoreError::DiskFull) => {
            upkeep::checkpoint(conn, "PASSIVE")?;
            Ok(false)
        }
        other => other.map(|()| true),
    }
}

/// Empties the log; false if a reader held on to it.
fn truncate(conn: &Connection) -> Result<bool> {
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
    upkeep::set_meta(tx, INDEX_STALE, b"1")?;
    Note::write(tx)?;
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
        "DELETE FROM cell_priors WHERE cell = ?1",
        "DELETE FROM cells WHERE seq = ?1",
    ] {
        tx.prepare_cached(sql)?.execute([seq])?;
    }
    tx.prepare_cached("DELETE FROM cell_links WHERE target = ?1")?
        .execute([id.to_string()])?;
    changes::record(tx, seq)
}
