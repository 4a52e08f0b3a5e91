//! The priors of single cells, as the last propagation made them.

use memrl_types::{CellStatus, Timestamp};
use rusqlite::{Connection, Row, Transaction};

use crate::rows::{CellPrior, Seq};
use crate::{Result, StoreError};

/// Refuses what is no prior.
pub(super) fn check(priors: &[CellPrior]) -> Result<()> {
    let fine = |p: &CellPrior| (0.0..=1.0).contains(&p.mean) && p.mass.is_finite() && p.mass > 0.0;
    if priors.iter().all(fine) {
        Ok(())
    } else {
        Err(StoreError::InvalidInput(
            "the mean of a prior lies in [0, 1], its mass is above 0".to_owned(),
        ))
    }
}

/// See [`crate::Store::put_priors`].
pub(super) fn put(tx: &Transaction<'_>, priors: &[CellPrior]) -> Result<()> {
    tx.execute("DELETE FROM cell_priors", [])?;
    // A cell may have gone since the caller read it.
    let mut insert = tx.prepare_cached(
        "INSERT OR REPLACE INTO cell_priors (cell, mean, mass, at) \
         SELECT seq, ?2, ?3, ?4 FROM cells WHERE seq = ?1 AND status <> ?5",
    )?;
    for p in priors {
        insert.execute((p.seq, p.mean, p.mass, p.at.0, CellStatus::Deleted.code()))?;
    }
    Ok(())
}

/// Removes the prior of a cell.
pub(super) fn remove(tx: &Transaction<'_>, seq: Seq) -> Result<()> {
    tx.prepare_cached("DELETE FROM cell_priors WHERE cell = ?1")?
        .execute([seq])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<CellPrior> {
    Ok(CellPrior {
        seq: row.get(0)?,
        mean: row.get(1)?,
        mass: row.get(2)?,
        at: Timestamp(row.get(3)?),
    })
}

/// See [`crate::Store::priors`].
pub(super) fn of(conn: &Connection, seqs: &[Seq]) -> Result<Vec<CellPrior>> {
    let mut statement =
        conn.prepare_cached("SELECT cell, mean, mass, at FROM cell_priors WHERE cell = ?1")?;
    let mut found = Vec::new();
    for seq in seqs {
        for prior in statement.query_map([seq], read)? {
            found.push(prior?);
        }
    }
    Ok(found)
}

/// See [`crate::Store::all_priors`].
pub(super) fn all(conn: &Connection) -> Result<Vec<CellPrior>> {
    let mut statement =
        conn.prepare_cached("SELECT cell, mean, mass, at FROM cell_priors ORDER BY cell")?;
    let priors = statement.query_map([], read)?;
    Ok(priors.collect::<Result<_, _>>()?)
}
