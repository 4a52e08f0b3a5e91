//! Following the cells: change numbers, and the vectors that change with them.

use rusqlite::{Connection, OptionalExtension, Transaction, params_from_iter};

use super::cells::{self, COLUMNS, SOURCE, WIDTH};
use super::list::Conditions;
use super::names::{self, Interner, Names};
use crate::Result;
use crate::rows::{CellRow, CellVector, Change, Changed, Seq, Vector};
use memrl_types::{CellStatus, CellType};

/// Gives a cell the next change number. Numbers rise in the order of commits, because only one
/// transaction writes at a time.
pub(super) fn record(tx: &Transaction<'_>, seq: Seq) -> Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO changes (seq) VALUES (?1)")?
        .execute([seq])?;
    Ok(())
}

/// Whether there is, or ever was, a cell with this row number.
pub(super) fn has_changed(conn: &Connection, seq: Seq) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT 1 FROM changes WHERE seq = ?1")?
        .exists([seq])?)
}

/// The last change number.
pub(super) fn change_seq(conn: &Connection) -> Result<i64> {
    Ok(conn
        .prepare_cached("SELECT coalesce(max(change_seq), 0) FROM changes")?
        .query_row([], |r| r.get(0))?)
}

/// See [`crate::Store::changes_since`].
pub(super) fn since(
    conn: &Connection,
    names: &Names,
    after: i64,
    limit: usize,
    model: &str,
) -> Result<Vec<Change>> {
    // A model without a number has no vectors.
    let model = names::find(conn, model)?.unwrap_or(0);
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS}, v.bytes, h.change_seq, h.seq FROM changes h \
         LEFT JOIN cells c ON c.seq = h.seq LEFT JOIN cell_ids i ON i.seq = c.seq \
         LEFT JOIN cell_access a ON a.seq = c.seq LEFT JOIN cell_ids s ON s.seq = c.superseded_by \
         LEFT JOIN cell_vectors v ON v.cell = h.seq AND v.model = ?3 \
         WHERE h.change_seq > ?1 ORDER BY h.change_seq LIMIT ?2"
    ))?;
    let mut rows = statement.query((after, limit as i64, model))?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = row.get(WIDTH + 2)?;
        let status: Option<u8> = row.get(3)?;
        let what = match status {
            Some(status) if status != CellStatus::Deleted.code() => Changed::Upsert {
                row: Box::new(cells::read(conn, names, row)?),
                vector: row.get(WIDTH)?,
            },
            _ => Changed::Removed { seq },
        };
        changes.push(Change {
            change_seq: row.get(WIDTH + 1)?,
            what,
        });
    }
    Ok(changes)
}

/// See [`crate::Store::vectors_missing`].
pub(super) fn vectors_missing(
    conn: &Connection,
    names: &Names,
    model: &str,
    after: Seq,
    limit: usize,
) -> Result<Vec<CellRow>> {
    let model = names::find(conn, model)?.unwrap_or(0);
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM {SOURCE} WHERE c.seq > ?1 AND c.status <> ?4 AND NOT EXISTS \
         (SELECT 1 FROM cell_vectors v WHERE v.cell = c.seq AND v.model = ?3) \
         ORDER BY c.seq LIMIT ?2"
    ))?;
    let mut rows = statement.query((after, limit as i64, model, CellStatus::Deleted.code()))?;
    let mut missing = Vec::new();
    while let Some(row) = rows.next()? {
        missing.push(cells::read(conn, names, row)?);
    }
    Ok(missing)
}

/// See [`crate::Store::vectors_of`].
pub(super) fn vectors_of(
    conn: &Connection,
    model: &str,
    types: &[CellType],
    statuses: &[CellStatus],
) -> Result<Vec<CellVector>> {
    let Some(model) = names::find(conn, model)? else {
        return Ok(Vec::new());
    };
    let mut conditions = Conditions::default();
    conditions.add("v.model = ?", [model]);
    conditions.add("c.status <> ?", [i64::from(CellStatus::Deleted.code())]);
    conditions.one_of("c.kind", types.iter().map(|t| t.code()));
    conditions.one_of("c.status", statuses.iter().map(|s| s.code()));
    let mut statement = conn.prepare_cached(&format!(
        "SELECT c.seq, c.kind, v.bytes FROM cells c JOIN cell_vectors v ON v.cell = c.seq {} \
         ORDER BY c.seq",
        conditions.sql()
    ))?;
    let mut rows = statement.query(params_from_iter(conditions.bound))?;
    let mut vectors = Vec::new();
    while let Some(row) = rows.next()? {
        vectors.push(CellVector {
            seq: row.get(0)?,
            kind: cells::name(row, 1, CellType::from_code)?,
            bytes: row.get(2)?,
        });
    }
    Ok(vectors)
}

/// Stores the vector of a cell, instead of the one it has by the same model.
pub(super) fn write_vector(
    tx: &Transaction<'_>,
    names: &mut Interner,
    seq: Seq,
    vector: &Vector,
) -> Result<()> {
    let model = names.id(tx, &vector.model)?;
    tx.prepare_cached(
        "INSERT OR REPLACE INTO cell_vectors (cell, model, bytes) VALUES (?1, ?2, ?3)",
    )?
    .execute((seq, model, &vector.bytes))?;
    Ok(())
}

/// See [`crate::Store::put_vectors`].
pub(super) fn put_vectors(
    tx: &Transaction<'_>,
    names: &mut Interner,
    vectors: &[(Seq, u32, Vector)],
) -> Result<usize> {
    let mut kept = 0;
    for (seq, version, vector) in vectors {
        let current: Option<(u32, u8)> = tx
            .prepare_cached("SELECT version, status FROM cells WHERE seq = ?1")?
            .query_row([seq], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()?;
        let fits = current.is_some_and(|(current, status)| {
            current == *version && status != CellStatus::Deleted.code()
        });
        if fits {
            write_vector(tx, names, *seq, vector)?;
            record(tx, *seq)?;
            kept += 1;
        }
    }
    Ok(kept)
}
