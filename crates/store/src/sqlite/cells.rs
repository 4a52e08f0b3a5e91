//! Reading cells.

use memrl_types::{Cell, CellId, Link, LinkKind, PolicyFeatures, Scope, SourcePosition, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::de::DeserializeOwned;

use super::names::Names;
use crate::rows::{CellRow, Seq, Version};
use crate::{Result, StoreError};

/// What every statement that reads cells selects, in the order that [`read`] expects.
pub(super) const COLUMNS: &str = "c.seq, i.cell_id, c.kind, c.status, c.sensitivity, c.origin, \
    c.scope, c.version, c.confidence, c.tokens, c.created_at, c.updated_at, c.valid_from, \
    c.valid_until, c.occurred_at, s.cell_id, c.links, c.source, c.position, c.speaker, \
    c.features, c.content_hash, c.source_refs, c.supersedes, c.contradicted_by, c.content, \
    c.payload, a.count, a.last_at";
/// Number of [`COLUMNS`]: further columns of a statement start here.
pub(super) const WIDTH: usize = 29;
/// Where [`COLUMNS`] come from.
pub(super) const SOURCE: &str = "cells c JOIN cell_ids i ON i.seq = c.seq \
    LEFT JOIN cell_access a ON a.seq = c.seq LEFT JOIN cell_ids s ON s.seq = c.superseded_by";

/// The cell in the current row of a statement.
pub(super) fn read(conn: &Connection, names: &Names, row: &Row<'_>) -> Result<CellRow> {
    let seq = row.get(0)?;
    let cell_id = CellId::from_bytes(row.get(1)?);
    let scope: Scope = names.scope(conn, row.get(6)?)?.as_ref().clone();
    let kind: memrl_types::CellType = name(row, 2, memrl_types::CellType::from_code)?;
    let links = if row.get::<_, u32>(16)? == 0 {
        Vec::new()
    } else {
        links(conn, seq)?
    };
    let source = match (row.get(17)?, row.get(18)?) {
        (Some(source), Some(position)) => Some(SourcePosition { source, position }),
        _ => None,
    };
    let cell = Cell {
        cell_id,
        kind,
        tier: kind.tier(),
        scope,
        content: row.get(25)?,
        status: name(row, 3, memrl_types::CellStatus::from_code)?,
        confidence: row.get(8)?,
        sensitivity: name(row, 4, memrl_types::Sensitivity::from_code)?,
        origin: name(row, 5, memrl_types::Origin::from_code)?,
        source_refs: list(row, 22)?,
        valid_from: row.get::<_, Option<i64>>(12)?.map(Timestamp),
        valid_until: row.get::<_, Option<i64>>(13)?.map(Timestamp),
        supersedes: list(row, 23)?,
        contradicted_by: list(row, 24)?,
        access_count: row.get::<_, Option<i64>>(27)?.unwrap_or(0) as u64,
        last_retrieved_at: row.get::<_, Option<i64>>(28)?.map(Timestamp),
        version: row.get(7)?,
        created_at: Timestamp(row.get(10)?),
        updated_at: Timestamp(row.get(11)?),
        policy_features: features(row, 20)?,
        source,
        speaker: row.get(19)?,
        occurred_at: row.get::<_, Option<i64>>(14)?.map(Timestamp),
        payload: text(row, 26)?.map(from_json).transpose()?,
        links,
        tokens: row.get(9)?,
    };
    Ok(CellRow {
        seq,
        cell,
        superseded_by: row.get::<_, Option<[u8; 16]>>(15)?.map(CellId::from_bytes),
        content_hash: row.get(21)?,
    })
}

/// A small code of a vocabulary.
pub(super) fn name<T>(row: &Row<'_>, at: usize, from_code: fn(u8) -> Option<T>) -> Result<T> {
    let code: u8 = row.get(at)?;
    from_code(code).ok_or_else(|| StoreError::Corrupt(format!("code {code} has no name")))
}

fn text<'r>(row: &'r Row<'_>, at: usize) -> Result<Option<&'r str>> {
    row.get_ref(at)?
        .as_str_or_null()
        .map_err(|e| StoreError::Corrupt(e.to_string()))
}

fn list(row: &Row<'_>, at: usize) -> Result<Vec<String>> {
    text(row, at)?.map_or(Ok(Vec::new()), from_json)
}

/// JSON that this store wrote.
pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt(e.to_string()))
}

fn features(row: &Row<'_>, at: usize) -> Result<Option<PolicyFeatures>> {
    let Some(bytes) = row.get::<_, Option<[u8; 32]>>(at)? else {
        return Ok(None);
    };
    let number = |i: usize| {
        let mut raw = [0; 8];
        raw.copy_from_slice(&bytes[8 * i..8 * (i + 1)]);
        f64::from_le_bytes(raw)
    };
    Ok(Some(PolicyFeatures {
        criticality: number(0),
        compressibility: number(1),
        staleness: number(2),
        future_utility_estimate: number(3),
    }))
}

/// The stored form of [`PolicyFeatures`].
pub(super) fn features_bytes(f: PolicyFeatures) -> [u8; 32] {
    let numbers = [
        f.criticality,
        f.compressibility,
        f.staleness,
        f.future_utility_estimate,
    ];
    let mut bytes = [0; 32];
    for (slot, number) in bytes.chunks_exact_mut(8).zip(numbers) {
        slot.copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

fn links(conn: &Connection, seq: Seq) -> Result<Vec<Link>> {
    let mut found = Vec::new();
    let mut statement = conn
        .prepare_cached("SELECT kind, target FROM cell_links WHERE cell = ?1 ORDER BY ordinal")?;
    let mut rows = statement.query([seq])?;
    while let Some(row) = rows.next()? {
        found.push(Link {
            kind: name(row, 0, link_kind)?,
            target: row.get(1)?,
        });
    }
    Ok(found)
}

/// The stored code of a link kind.
pub(super) const fn link_code(kind: LinkKind) -> u8 {
    match kind {
        LinkKind::DerivedFrom => 0,
        LinkKind::Decision => 1,
        LinkKind::Source => 2,
        LinkKind::Similar => 3,
    }
}

fn link_kind(code: u8) -> Option<LinkKind> {
    [
        LinkKind::DerivedFrom,
        LinkKind::Decision,
        LinkKind::Source,
        LinkKind::Similar,
    ]
    .into_iter()
    .find(|k| link_code(*k) == code)
}

/// The cell with this row number.
pub(super) fn by_seq(conn: &Connection, names: &Names, seq: Seq) -> Result<Option<CellRow>> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM {SOURCE} WHERE c.seq = ?1"))?;
    let mut rows = statement.query([seq])?;
    rows.next()?.map(|row| read(conn, names, row)).transpose()
}

/// The cells with these row numbers, in this order.
pub(super) fn rows(conn: &Connection, names: &Names, seqs: &[Seq]) -> Result<Vec<CellRow>> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM {SOURCE} WHERE c.seq = ?1"))?;
    let mut found = Vec::with_capacity(seqs.len());
    for seq in seqs {
        let mut rows = statement.query([seq])?;
        if let Some(row) = rows.next()? {
            found.push(read(conn, names, row)?);
        }
    }
    Ok(found)
}

/// The row number of a cell id; also of one that was purged.
pub(super) fn seq_of(conn: &Connection, id: CellId) -> Result<Option<Seq>> {
    Ok(conn
        .prepare_cached("SELECT seq FROM cell_ids WHERE cell_id = ?1")?
        .query_row([id.bytes()], |r| r.get(0))
        .optional()?)
}

/// The cell with this id.
pub(super) fn get(conn: &Connection, names: &Names, id: CellId) -> Result<CellRow> {
    let seq = seq_of(conn, id)?;
    let row = seq.map_or(Ok(None), |seq| by_seq(conn, names, seq))?;
    row.ok_or_else(|| StoreError::CellNotFound(id.to_string()))
}

/// Fewer digits than this fit too many cells to be meant.
const SHORTEST_PREFIX: usize = 4;

/// The one cell whose id starts like this.
pub(super) fn get_by_prefix(conn: &Connection, names: &Names, prefix: &str) -> Result<CellRow> {
    let digits: Vec<u8> = prefix
        .chars()
        .filter(|c| *c != '-')
        .map(|c| c.to_digit(16).map(|d| d as u8))
        .collect::<Option<_>>()
        .filter(|d: &Vec<u8>| (SHORTEST_PREFIX..=32).contains(&d.len()))
        .ok_or_else(|| StoreError::InvalidId(prefix.to_owned()))?;
    let padded = |pad: u8| {
        let mut bytes = [pad * 16 + pad; 16];
        for (i, digit) in digits.iter().enumerate() {
            let byte = &mut bytes[i / 2];
            *byte = if i % 2 == 0 {
                digit * 16 + (*byte & 15)
            } else {
                (*byte & 0xf0) + digit
            };
        }
        bytes
    };
    let mut statement = conn.prepare_cached(
        "SELECT i.seq FROM cell_ids i JOIN cells c ON c.seq = i.seq \
         WHERE i.cell_id BETWEEN ?1 AND ?2 LIMIT 2",
    )?;
    let found = statement
        .query_map((padded(0), padded(15)), |r| r.get::<_, Seq>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    match found[..] {
        [] => Err(StoreError::CellNotFound(prefix.to_owned())),
        [seq] => {
            by_seq(conn, names, seq)?.ok_or_else(|| StoreError::CellNotFound(prefix.to_owned()))
        }
        _ => Err(StoreError::AmbiguousId(prefix.to_owned())),
    }
}

/// All states of a cell.
pub(super) fn history(conn: &Connection, names: &Names, id: CellId) -> Result<Vec<Version>> {
    let current = get(conn, names, id)?;
    let mut states = Vec::new();
    let mut statement = conn.prepare_cached(
        "SELECT version, since, snapshot FROM cell_versions WHERE cell = ?1 ORDER BY version",
    )?;
    let mut rows = statement.query([current.seq])?;
    while let Some(row) = rows.next()? {
        states.push(Version {
            version: row.get(0)?,
            since: Timestamp(row.get(1)?),
            cell: text(row, 2)?.map_or_else(
                || Err(StoreError::Corrupt("an empty version".to_owned())),
                from_json,
            )?,
        });
    }
    states.push(Version {
        version: current.cell.version,
        since: current.cell.updated_at,
        cell: current.cell,
    });
    Ok(states)
}
