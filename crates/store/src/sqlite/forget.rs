//! Forgetting softly: the row stays, the content goes.

use memrl_types::{Cell, CellId, CellStatus, Timestamp};
use rusqlite::Transaction;

use super::names::Names;
use super::{cells, edit, priors, texts};
use crate::Result;
use crate::rows::CellRow;

/// What is left of a content.
pub(super) const DELETED: &str = "[deleted]";

/// See [`crate::Store::forget`].
pub(super) fn forget(
    tx: &Transaction<'_>,
    names: &Names,
    id: CellId,
    now: Timestamp,
) -> Result<CellRow> {
    let row = cells::get(tx, names, id)?;
    if row.cell.status == CellStatus::Deleted {
        return Ok(row);
    }
    edit::change_status(tx, &row, CellStatus::Deleted, now)?;
    tx.prepare_cached(
        "UPDATE cells SET content = ?2, content_hash = zeroblob(32), payload = NULL, \
         speaker = NULL, source_refs = NULL WHERE seq = ?1",
    )?
    .execute((row.seq, DELETED))?;
    tx.prepare_cached("DELETE FROM cell_vectors WHERE cell = ?1")?
        .execute([row.seq])?;
    priors::remove(tx, row.seq)?;
    for version in cells::history(tx, names, id)? {
        let redacted = edit::to_json("cell", &redact(version.cell))?;
        tx.prepare_cached(
            "UPDATE cell_versions SET snapshot = ?3 WHERE cell = ?1 AND version = ?2",
        )?
        .execute((row.seq, version.version, redacted))?;
    }
    texts::erase_contexts(tx, row.seq)?;
    cells::get(tx, names, id)
}

fn redact(cell: Cell) -> Cell {
    Cell {
        content: DELETED.to_owned(),
        payload: None,
        speaker: None,
        source_refs: Vec::new(),
        ..cell
    }
}
