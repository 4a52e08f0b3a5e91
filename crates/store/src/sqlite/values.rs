//! Evidence about cells, and its decayed sums.
//!
//! A piece of evidence of mass m and age t days weighs m·keepᵗ. Because this is exponential, the
//! sum over all pieces at one time gives the sum at any other time by one multiplication.

use std::collections::{BTreeSet, HashSet};

use memrl_types::{OutcomeId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use super::upkeep;
use crate::rows::{CellValue, Evidence, Seq};
use crate::{Result, StoreError};

/// Where the share kept per day is remembered that the sums were made with.
const KEEP: &str = "store.evidence_keep";

/// Refuses what would spoil the sums.
pub(super) fn check(evidence: &[Evidence], keep: f64) -> Result<()> {
    let unit = 0.0..=1.0;
    let fine = keep > 0.0
        && unit.contains(&keep)
        && evidence
            .iter()
            .all(|e| unit.contains(&e.mass) && unit.contains(&e.y));
    if fine {
        Ok(())
    } else {
        Err(StoreError::InvalidInput(
            "mass and y of evidence lie in [0, 1], the share kept per day in (0, 1]".to_owned(),
        ))
    }
}

/// See [`crate::Store::add_evidence`].
pub(super) fn add(tx: &Transaction<'_>, evidence: &[Evidence], keep: f64) -> Result<()> {
    let stored = upkeep::meta(tx, KEEP)?;
    let same_keep = stored.as_deref() == Some(&keep.to_le_bytes());
    let mut to_sum: HashSet<Seq> = HashSet::new();
    if !same_keep {
        upkeep::set_meta(tx, KEEP, &keep.to_le_bytes())?;
        to_sum.extend(all(tx)?.iter().map(|v| v.seq));
    }
    for e in evidence {
        let before: Option<(f64, f64, i64)> = tx
            .prepare_cached("SELECT mass, y, at FROM evidence WHERE cell = ?1 AND outcome = ?2")?
            .query_row((e.seq, e.outcome.bytes()), |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?))
            })
            .optional()?;
        if before == Some((e.mass, e.y, e.at.0)) {
            continue;
        }
        tx.prepare_cached(
            "INSERT OR REPLACE INTO evidence (cell, outcome, mass, y, at) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((e.seq, e.outcome.bytes(), e.mass, e.y, e.at.0))?;
        if before.is_some() {
            to_sum.insert(e.seq);
        } else if !to_sum.contains(&e.seq) {
            let sum = one(tx, e.seq)?;
            write(tx, &plus(sum, e, keep))?;
        }
    }
    for seq in to_sum {
        sum_again(tx, seq, keep)?;
    }
    Ok(())
}

/// See [`crate::Store::replace_evidence`].
pub(super) fn replace(
    tx: &Transaction<'_>,
    outcomes: &[OutcomeId],
    evidence: &[Evidence],
    keep: f64,
) -> Result<Vec<CellValue>> {
    let given: HashSet<(OutcomeId, Seq)> = evidence.iter().map(|e| (e.outcome, e.seq)).collect();
    let mut taken_back = BTreeSet::new();
    for outcome in outcomes.iter().collect::<BTreeSet<_>>() {
        let cells: Vec<Seq> = tx
            .prepare_cached("SELECT cell FROM evidence WHERE outcome = ?1")?
            .query_map([outcome.bytes()], |r| r.get(0))?
            .collect::<Result<_, _>>()?;
        let gone = cells.into_iter().map(|cell| (*outcome, cell));
        taken_back.extend(gone.filter(|piece| !given.contains(piece)));
    }
    let mut changed: BTreeSet<Seq> = taken_back.iter().map(|(_, cell)| *cell).collect();
    for e in evidence {
        let same = tx
            .prepare_cached(
                "SELECT 1 FROM evidence WHERE cell = ?1 AND outcome = ?2 \
                 AND mass = ?3 AND y = ?4 AND at = ?5",
            )?
            .exists((e.seq, e.outcome.bytes(), e.mass, e.y, e.at.0))?;
        if !same {
            changed.insert(e.seq);
        }
    }
    let mut before = Vec::with_capacity(changed.len());
    for seq in changed {
        before.push(one(tx, seq)?.unwrap_or(CellValue {
            seq,
            successes: 0.0,
            mass: 0.0,
            observations: 0,
            ref_time: Timestamp(0),
        }));
    }
    for (outcome, cell) in &taken_back {
        tx.prepare_cached("DELETE FROM evidence WHERE cell = ?1 AND outcome = ?2")?
            .execute((cell, outcome.bytes()))?;
    }
    add(tx, evidence, keep)?;
    for (_, cell) in &taken_back {
        sum_again(tx, *cell, keep)?;
    }
    Ok(before)
}

/// Makes the sum of a cell anew from its pieces.
fn sum_again(tx: &Transaction<'_>, seq: Seq, keep: f64) -> Result<()> {
    let mut sum = None;
    for e in evidence_of(tx, seq)?.iter().rev() {
        sum = Some(plus(sum, e, keep));
    }
    if let Some(sum) = sum {
        return write(tx, &sum);
    }
    tx.prepare_cached("DELETE FROM cell_values WHERE cell = ?1")?
        .execute([seq])?;
    Ok(())
}

/// A sum with one more piece, at the time of the newest one.
fn plus(sum: Option<CellValue>, e: &Evidence, keep: f64) -> CellValue {
    let sum = sum.unwrap_or(CellValue {
        seq: e.seq,
        successes: 0.0,
        mass: 0.0,
        observations: 0,
        ref_time: e.at,
    });
    let ref_time = sum.ref_time.max(e.at);
    let old = keep.powf(ref_time.days_since(sum.ref_time));
    let new = keep.powf(ref_time.days_since(e.at)) * e.mass;
    CellValue {
        seq: e.seq,
        successes: sum.successes * old + new * e.y,
        mass: sum.mass * old + new,
        observations: sum.observations + 1,
        ref_time,
    }
}

fn write(tx: &Transaction<'_>, v: &CellValue) -> Result<()> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO cell_values (cell, s, n, count, ref_time) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((
        v.seq,
        v.successes,
        v.mass,
        v.observations as i64,
        v.ref_time.0,
    ))?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<CellValue> {
    Ok(CellValue {
        seq: row.get(0)?,
        successes: row.get(1)?,
        mass: row.get(2)?,
        observations: row.get::<_, i64>(3)? as u64,
        ref_time: Timestamp(row.get(4)?),
    })
}

fn one(conn: &Connection, seq: Seq) -> Result<Option<CellValue>> {
    Ok(conn
        .prepare_cached("SELECT cell, s, n, count, ref_time FROM cell_values WHERE cell = ?1")?
        .query_row([seq], read)
        .optional()?)
}

/// See [`crate::Store::values`].
pub(super) fn of(conn: &Connection, seqs: &[Seq]) -> Result<Vec<CellValue>> {
    seqs.iter()
        .filter_map(|seq| one(conn, *seq).transpose())
        .collect()
}

/// See [`crate::Store::all_values`].
pub(super) fn all(conn: &Connection) -> Result<Vec<CellValue>> {
    let mut statement =
        conn.prepare_cached("SELECT cell, s, n, count, ref_time FROM cell_values ORDER BY cell")?;
    let values = statement.query_map([], read)?;
    Ok(values.collect::<Result<_, _>>()?)
}

/// See [`crate::Store::evidence_of`].
pub(super) fn evidence_of(conn: &Connection, seq: Seq) -> Result<Vec<Evidence>> {
    let mut statement = conn.prepare_cached(
        "SELECT outcome, mass, y, at FROM evidence WHERE cell = ?1 ORDER BY at DESC, outcome",
    )?;
    let pieces = statement.query_map([seq], |r| {
        Ok(Evidence {
            outcome: OutcomeId::from_bytes(r.get(0)?),
            seq,
            mass: r.get(1)?,
            y: r.get(2)?,
            at: Timestamp(r.get(3)?),
        })
    })?;
    Ok(pieces.collect::<Result<_, _>>()?)
}
