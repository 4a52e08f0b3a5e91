//! Numbers, checks and upkeep.

use std::fs;
use std::path::Path;
use std::time::Duration;

use memrl_types::{CellStatus, CellType};
use rusqlite::{Connection, OptionalExtension};

use super::{SqliteStore, cells, open, purge, schema};
use crate::rows::{Maintained, Stats};
use crate::{Result, StoreError};

/// See [`crate::Store::meta`].
pub(super) fn meta(conn: &Connection, key: &str) -> Result<Option<Vec<u8>>> {
    Ok(conn
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |r| r.get(0))
        .optional()?)
}

/// See [`crate::Store::set_meta`].
pub(super) fn set_meta(conn: &Connection, key: &str, value: &[u8]) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute((key, value))?;
    Ok(())
}

/// See [`crate::Store::stats`]; without the sizes of files.
pub(super) fn stats(conn: &Connection) -> Result<Stats> {
    let count = |table: &str| -> Result<u64> {
        let sql = format!("SELECT count(*) FROM {table}");
        Ok(conn.query_row(&sql, [], |r| r.get::<_, i64>(0))? as u64)
    };
    let mut vectors = Vec::new();
    let mut statement = conn.prepare(
        "SELECT s.text, count(*) FROM cell_vectors v JOIN strings s ON s.id = v.model \
         GROUP BY s.text ORDER BY s.text",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        vectors.push((row.get(0)?, row.get::<_, i64>(1)? as u64));
    }
    Ok(Stats {
        schema_version: schema::version(conn)?,
        cells_by_status: grouped(
            conn,
            "SELECT status, count(*) FROM cells GROUP BY status ORDER BY status",
            CellStatus::from_code,
        )?,
        cells_by_type: grouped(
            conn,
            &format!(
                "SELECT kind, count(*) FROM cells WHERE status <> {} GROUP BY kind ORDER BY kind",
                CellStatus::Deleted.code()
            ),
            CellType::from_code,
        )?,
        vectors,
        decisions: count("decisions")?,
        decision_items: count("decision_items")?,
        outcomes: count("outcomes")?,
        events: count("events")?,
        database_bytes: 0,
        wal_bytes: 0,
    })
}

fn grouped<T>(
    conn: &Connection,
    sql: &str,
    from_code: fn(u8) -> Option<T>,
) -> Result<Vec<(T, u64)>> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut counts = Vec::new();
    while let Some(row) = rows.next()? {
        counts.push((
            cells::name(row, 0, from_code)?,
            row.get::<_, i64>(1)? as u64,
        ));
    }
    Ok(counts)
}

/// Adds the sizes of the files.
pub(super) fn with_sizes(stats: Stats, path: &Path) -> Stats {
    Stats {
        database_bytes: size(path),
        wal_bytes: wal_size(path),
        ..stats
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |m| m.len())
}

fn wal_size(path: &Path) -> u64 {
    size(&open::with_suffix(path, "-wal"))
}

/// See [`crate::Store::integrity`].
pub(super) fn integrity(conn: &Connection) -> Result<Vec<String>> {
    match faults(conn) {
        Err(StoreError::Corrupt(fault)) => Ok(vec![fault]),
        other => other,
    }
}

/// References that the schema does not check on each insert, and what to say about one.
const REFERENCES: [(&str, &str); 5] = [
    (
        "decision_items i LEFT JOIN cell_ids c ON c.seq = i.cell WHERE c.seq IS NULL",
        "logged candidates name an unknown cell",
    ),
    (
        "decision_items i LEFT JOIN strings s ON s.id = i.reason \
         WHERE s.id IS NULL AND typeof(i.reason) = 'integer'",
        "logged candidates name an unknown reason",
    ),
    (
        "decision_items i LEFT JOIN decisions d ON d.seq = i.decision WHERE d.seq IS NULL",
        "logged candidates belong to no decision",
    ),
    (
        "decision_components i LEFT JOIN strings s ON s.id = i.arm WHERE s.id IS NULL",
        "logged mixtures name an unknown arm",
    ),
    (
        "rewards r LEFT JOIN cell_ids c ON c.seq = r.cell WHERE r.cell <> 0 AND c.seq IS NULL",
        "rewards name an unknown cell",
    ),
];

fn faults(conn: &Connection) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut statement = conn.prepare("PRAGMA quick_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let line: String = row.get(0)?;
        if line != "ok" {
            faults.push(line);
        }
    }
    let mut statement = conn.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        faults.push(format!("a row of {table} names a missing row of {parent}"));
    }
    for (broken, fault) in REFERENCES {
        let sql = format!("SELECT count(*) FROM {broken}");
        let n: i64 = conn.query_row(&sql, [], |r| r.get(0))?;
        if n > 0 {
            faults.push(format!("{n} {fault}"));
        }
    }
    Ok(faults)
}

impl SqliteStore {
    /// See [`crate::Store::maintain`].
    pub(super) fn upkeep_now(&self) -> Result<Maintained> {
        let wal_bytes = wal_size(&self.path);
        let upkeep = self.upkeep()?;
        if purge::is_pending(&upkeep)? {
            drop(upkeep);
            let done = self.finish_purge(&mut 0)?;
            return Ok(Maintained {
                wal_bytes,
                checkpointed: done,
                purge_pending: !done,
            });
        }
        let mut checkpointed = false;
        if wal_bytes >= open::WAL_LIMIT {
            checkpointed = checkpoint(&upkeep, "PASSIVE")?;
            // The log starts over by itself once it is written back, unless there is always a
            // reader; then wait for a gap, but for no longer than a blink.
            if wal_bytes >= 8 * open::WAL_LIMIT {
                upkeep.busy_timeout(Duration::from_millis(100))?;
                let truncated = checkpoint(&upkeep, "TRUNCATE");
                upkeep.busy_timeout(open::BUSY_TIMEOUT)?;
                checkpointed = truncated?;
            }
        }
        Ok(Maintained {
            wal_bytes,
            checkpointed,
            purge_pending: false,
        })
    }
}

/// Writes a log back that got out of hand, when a store is opened.
pub(super) fn shorten_log(conn: &Connection, path: &Path) -> Result<()> {
    if wal_size(path) >= 4 * open::WAL_LIMIT {
        checkpoint(conn, "PASSIVE")?;
    }
    Ok(())
}

/// Writes the log back; whether all of it could be.
pub(super) fn checkpoint(conn: &Connection, mode: &str) -> Result<bool> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let (busy, pages, written): (i64, i64, i64) =
        conn.query_row(&sql, [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    Ok(busy == 0 && pages == written)
}
