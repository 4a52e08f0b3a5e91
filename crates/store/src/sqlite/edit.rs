//! Writing cells. Every function runs inside the caller's transaction.

use memrl_types::{Cell, CellId, CellStatus, Timestamp};
use rusqlite::{OptionalExtension, Transaction, params};
use serde::Serialize;

use super::names::{Interner, Names, scope_id};
use super::{cells, changes};
use crate::rows::{CellRow, InsertCell, Inserted, Seq, UpdateCell};
use crate::{Result, StoreError};

/// Inserts one cell, unless its key or its content is there already.
pub(super) fn insert(
    tx: &Transaction<'_>,
    names: &mut Interner,
    new: &InsertCell,
) -> Result<Inserted> {
    check(&new.cell)?;
    if let Some(found) = by_key(tx, new)? {
        return Ok(found);
    }
    if new.dedup
        && let Some(found) = twin(tx, new)?
    {
        remember_key(tx, new, found.seq)?;
        return Ok(found);
    }
    let seq = write_new(tx, names, new)?;
    remember_key(tx, new, seq)?;
    Ok(Inserted {
        seq,
        cell_id: new.cell.cell_id,
        created: true,
    })
}

/// SQLite stores NaN as null; such a number must not come back as something else.
fn check(cell: &Cell) -> Result<()> {
    let f = cell.features();
    let numbers = [
        cell.confidence,
        f.criticality,
        f.compressibility,
        f.staleness,
        f.future_utility_estimate,
    ];
    if numbers.iter().all(|n| n.is_finite()) {
        Ok(())
    } else {
        Err(StoreError::InvalidInput(format!(
            "cell {} has a number that is not finite",
            cell.cell_id
        )))
    }
}

/// What an idempotency key stands for: hash, type and scope. The hash is keyed, the rest is no
/// content.
fn fingerprint(new: &InsertCell) -> Vec<u8> {
    let mut bytes = new.content_hash.to_vec();
    bytes.push(new.cell.kind.code());
    bytes.extend_from_slice(new.cell.scope.canonical().as_bytes());
    bytes
}

fn by_key(tx: &Transaction<'_>, new: &InsertCell) -> Result<Option<Inserted>> {
    let Some(key) = &new.idempotency_key else {
        return Ok(None);
    };
    let found: Option<(Seq, [u8; 16], Vec<u8>)> = tx
        .prepare_cached(
            "SELECT k.cell, i.cell_id, k.fingerprint FROM idempotency k \
             JOIN cell_ids i ON i.seq = k.cell WHERE k.key = ?1",
        )?
        .query_row([key], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
        .optional()?;
    match found {
        None => Ok(None),
        Some((seq, id, stored)) if stored == fingerprint(new) => Ok(Some(Inserted {
            seq,
            cell_id: CellId::from_bytes(id),
            created: false,
        })),
        Some(_) => Err(StoreError::IdempotencyMismatch(key.clone())),
    }
}

fn remember_key(tx: &Transaction<'_>, new: &InsertCell, seq: Seq) -> Result<()> {
    if let Some(key) = &new.idempotency_key {
        tx.prepare_cached("INSERT INTO idempotency (key, cell, fingerprint) VALUES (?1, ?2, ?3)")?
            .execute((key, seq, fingerprint(new)))?;
    }
    Ok(())
}

/// The active cell that the new one would only repeat. One with another sensitivity, validity or
/// speaker says something else, and one that is in doubt does not say it on its own.
///
/// By hash: left to itself, SQLite goes through all cells of the scope, for each one written.
fn twin(tx: &Transaction<'_>, new: &InsertCell) -> Result<Option<Inserted>> {
    let cell = &new.cell;
    if !cell.contradicted_by.is_empty() {
        return Ok(None);
    }
    Ok(tx
        .prepare_cached(
            "SELECT c.seq, i.cell_id FROM cells c INDEXED BY cells_by_hash \
             JOIN cell_ids i ON i.seq = c.seq JOIN scopes s ON s.id = c.scope \
             WHERE c.content_hash = ?1 AND c.kind = ?2 AND s.canonical = ?3 \
             AND c.status = ?4 AND c.sensitivity = ?5 AND c.valid_from IS ?6 \
             AND c.valid_until IS ?7 AND c.speaker IS ?8 AND c.contradicted_by IS NULL \
             ORDER BY c.seq LIMIT 1",
        )?
        .query_row(
            params![
                new.content_hash,
                cell.kind.code(),
                cell.scope.canonical(),
                CellStatus::Active.code(),
                cell.sensitivity.code(),
                cell.valid_from.map(|t| t.0),
                cell.valid_until.map(|t| t.0),
                cell.speaker,
            ],
            |r| {
                Ok(Inserted {
                    seq: r.get(0)?,
                    cell_id: CellId::from_bytes(r.get(1)?),
                    created: false,
                })
            },
        )
        .optional()?)
}

/// The row number of an id, which gets one if need be (the log may have named it before).
pub(super) fn intern_id(tx: &Transaction<'_>, id: CellId) -> Result<Seq> {
    if let Some(seq) = cells::seq_of(tx, id)? {
        return Ok(seq);
    }
    tx.prepare_cached("INSERT INTO cell_ids (cell_id) VALUES (?1)")?
        .execute([id.bytes()])?;
    Ok(tx.last_insert_rowid())
}

fn write_new(tx: &Transaction<'_>, names: &mut Interner, new: &InsertCell) -> Result<Seq> {
    let cell = &new.cell;
    let seq = intern_id(tx, cell.cell_id)?;
    let stored = tx
        .prepare_cached("SELECT 1 FROM cells WHERE seq = ?1")?
        .exists([seq])?;
    if stored {
        return Err(StoreError::DuplicateId(format!("cell {}", cell.cell_id)));
    }
    tx.prepare_cached(
        "INSERT INTO cells (seq, status, version, created_at, links, kind, sensitivity, origin, \
         scope, confidence, tokens, updated_at, valid_from, valid_until, occurred_at, source, \
         position, speaker, features, content_hash, source_refs, supersedes, contradicted_by, \
         content, payload) VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 0, ?5, 0.0, 0, 0, NULL, NULL, NULL, \
         NULL, NULL, NULL, NULL, x'', NULL, NULL, NULL, '', NULL)",
    )?
    .execute(params![
        seq,
        cell.status.code(),
        cell.version,
        cell.created_at.0,
        scope_id(tx, &cell.scope)?,
    ])?;
    write_state(tx, seq, cell, &new.content_hash)?;
    if cell.access_count > 0 || cell.last_retrieved_at.is_some() {
        tx.prepare_cached("INSERT INTO cell_access (seq, count, last_at) VALUES (?1, ?2, ?3)")?
            .execute((
                seq,
                cell.access_count as i64,
                cell.last_retrieved_at.map(|t| t.0),
            ))?;
    }
    if let Some(vector) = &new.vector {
        changes::write_vector(tx, names, seq, vector)?;
    }
    changes::record(tx, seq)?;
    Ok(seq)
}

/// Writes everything of a cell that an update can change.
fn write_state(tx: &Transaction<'_>, seq: Seq, cell: &Cell, content_hash: &[u8; 32]) -> Result<()> {
    let source = cell.source.as_ref();
    let some_list = |list: &Vec<String>| {
        (!list.is_empty())
            .then(|| to_json("list", list))
            .transpose()
    };
    tx.prepare_cached(
        "UPDATE cells SET kind = ?2, sensitivity = ?3, origin = ?4, scope = ?5, confidence = ?6, \
         tokens = ?7, updated_at = ?8, valid_from = ?9, valid_until = ?10, occurred_at = ?11, \
         source = ?12, position = ?13, speaker = ?14, features = ?15, content_hash = ?16, \
         source_refs = ?17, supersedes = ?18, contradicted_by = ?19, content = ?20, \
         payload = ?21, links = ?22 WHERE seq = ?1",
    )?
    .execute(params![
        seq,
        cell.kind.code(),
        cell.sensitivity.code(),
        cell.origin.code(),
        scope_id(tx, &cell.scope)?,
        cell.confidence,
        cell.tokens,
        cell.updated_at.0,
        cell.valid_from.map(|t| t.0),
        cell.valid_until.map(|t| t.0),
        cell.occurred_at.map(|t| t.0),
        source.map(|s| &s.source),
        source.map(|s| s.position),
        cell.speaker,
        cell.policy_features.map(cells::features_bytes),
        content_hash,
        some_list(&cell.source_refs)?,
        some_list(&cell.supersedes)?,
        some_list(&cell.contradicted_by)?,
        cell.content,
        cell.payload
            .as_ref()
            .map(|p| to_json("payload", p))
            .transpose()?,
        cell.links.len() as i64,
    ])?;
    let mut link = tx.prepare_cached(
        "INSERT INTO cell_links (cell, ordinal, kind, target) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (i, l) in cell.links.iter().enumerate() {
        link.execute((seq, i as i64, cells::link_code(l.kind), &l.target))?;
    }
    Ok(())
}

/// A value as JSON text.
pub(super) fn to_json<T: Serialize>(what: &str, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| StoreError::InvalidInput(format!("{what}: {e}")))
}

/// Keeps the present state of a cell as a version.
fn keep_version(tx: &Transaction<'_>, row: &CellRow) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO cell_versions (cell, version, since, snapshot) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute((
        row.seq,
        row.cell.version,
        row.cell.updated_at.0,
        to_json("cell", &row.cell)?,
    ))?;
    Ok(())
}

/// See [`crate::Store::update`].
pub(super) fn update(
    tx: &Transaction<'_>,
    interner: &mut Interner,
    names: &Names,
    change: &UpdateCell,
) -> Result<CellRow> {
    check(&change.cell)?;
    let id = change.cell.cell_id;
    let old = cells::get(tx, names, id)?;
    live(&old)?;
    same_version(&old, change.expected_version)?;
    keep_version(tx, &old)?;
    tx.prepare_cached("DELETE FROM cell_links WHERE cell = ?1")?
        .execute([old.seq])?;
    write_state(tx, old.seq, &change.cell, &change.content_hash)?;
    tx.prepare_cached("UPDATE cells SET version = ?2 WHERE seq = ?1")?
        .execute((old.seq, old.cell.version + 1))?;
    if change.vector.is_some() || old.cell.indexed_text() != change.cell.indexed_text() {
        tx.prepare_cached("DELETE FROM cell_vectors WHERE cell = ?1")?
            .execute([old.seq])?;
    }
    if let Some(vector) = &change.vector {
        changes::write_vector(tx, interner, old.seq, vector)?;
    }
    changes::record(tx, old.seq)?;
    cells::get(tx, names, id)
}

/// Deleted and superseded cells do not change any more.
fn live(row: &CellRow) -> Result<()> {
    match row.cell.status {
        status @ (CellStatus::Deleted | CellStatus::Superseded) => Err(StoreError::NotLive {
            id: row.cell.cell_id,
            status,
        }),
        _ => Ok(()),
    }
}

/// What the caller saw must still be what is there.
fn same_version(row: &CellRow, expected: u32) -> Result<()> {
    if row.cell.version == expected {
        return Ok(());
    }
    Err(StoreError::Conflict {
        id: row.cell.cell_id,
        expected,
        found: row.cell.version,
    })
}

/// See [`crate::Store::supersede`].
pub(super) fn supersede(
    tx: &Transaction<'_>,
    interner: &mut Interner,
    names: &Names,
    (old, expected_version): (CellId, Option<u32>),
    new: &InsertCell,
    now: Timestamp,
) -> Result<Inserted> {
    // A retry of a supersede that was acknowledged finds the cell superseded, by itself.
    if let Some(found) = by_key(tx, new)? {
        return Ok(found);
    }
    let row = cells::get(tx, names, old)?;
    if row.cell.status == CellStatus::Superseded {
        return Err(StoreError::AlreadySuperseded {
            id: old,
            by: row.superseded_by.unwrap_or(old),
        });
    }
    live(&row)?;
    same_version(&row, expected_version.unwrap_or(row.cell.version))?;
    let mut successor = InsertCell {
        dedup: false,
        ..new.clone()
    };
    let reference = old.to_string();
    if !successor.cell.supersedes.contains(&reference) {
        successor.cell.supersedes.push(reference);
    }
    let inserted = insert(tx, interner, &successor)?;
    change_status(tx, &row, CellStatus::Superseded, now)?;
    tx.prepare_cached("UPDATE cells SET superseded_by = ?2 WHERE seq = ?1")?
        .execute((row.seq, inserted.seq))?;
    Ok(inserted)
}

/// Whether [`crate::Store::set_status`] leads there from here.
pub(crate) const fn may_become(from: CellStatus, to: CellStatus) -> bool {
    const fn open(status: CellStatus) -> bool {
        matches!(
            status,
            CellStatus::Active
                | CellStatus::Quarantined
                | CellStatus::Contradicted
                | CellStatus::Expired
        )
    }
    open(from) && open(to)
}

/// See [`crate::Store::set_status`].
pub(super) fn set_status(
    tx: &Transaction<'_>,
    names: &Names,
    id: CellId,
    to: CellStatus,
    now: Timestamp,
) -> Result<CellRow> {
    let row = cells::get(tx, names, id)?;
    let from = row.cell.status;
    if from == to {
        return Ok(row);
    }
    if !may_become(from, to) {
        return Err(StoreError::WrongStatus { id, from, to });
    }
    change_status(tx, &row, to, now)?;
    cells::get(tx, names, id)
}

/// Keeps the present state as a version and changes the status.
pub(super) fn change_status(
    tx: &Transaction<'_>,
    row: &CellRow,
    to: CellStatus,
    now: Timestamp,
) -> Result<()> {
    keep_version(tx, row)?;
    tx.prepare_cached(
        "UPDATE cells SET status = ?2, version = ?3, updated_at = ?4 WHERE seq = ?1",
    )?
    .execute((row.seq, to.code(), row.cell.version + 1, now.0))?;
    changes::record(tx, row.seq)
}

/// See [`crate::Store::touch`].
pub(super) fn touch(tx: &Transaction<'_>, seqs: &[Seq], now: Timestamp) -> Result<()> {
    let mut count = tx.prepare_cached(
        "INSERT INTO cell_access (seq, count, last_at) SELECT seq, 1, ?2 FROM cells \
         WHERE seq = ?1 ON CONFLICT (seq) DO UPDATE SET count = count + 1, \
         last_at = max(coalesce(last_at, ?2), ?2)",
    )?;
    for seq in seqs {
        count.execute((seq, now.0))?;
    }
    Ok(())
}
