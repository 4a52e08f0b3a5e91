//! Rewards: what reward specs made of the outcomes. Can be computed again from the log.

use std::collections::HashSet;

use memrl_types::DecisionId;
use rusqlite::{Connection, Transaction};

use super::names::{self, Interner};
use super::{cells, edit, log};
use crate::rows::{Reward, Seq};
use crate::{Result, StoreError};

/// Stands for "the whole decision" in the key of a row; no cell has this number.
const WHOLE: Seq = 0;

/// See [`crate::Store::put_rewards`].
pub(super) fn put(tx: &Transaction<'_>, names: &mut Interner, rewards: &[Reward]) -> Result<()> {
    let mut clear = tx.prepare_cached("DELETE FROM rewards WHERE decision = ?1 AND spec = ?2")?;
    let mut insert = tx.prepare_cached(
        "INSERT OR REPLACE INTO rewards (decision, spec, cell, value, terms) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut cleared = HashSet::new();
    for r in rewards {
        if !r.value.is_finite() {
            return Err(StoreError::InvalidInput(format!(
                "the reward of decision {} is not finite",
                r.decision
            )));
        }
        let decision =
            log::seq_of(tx, r.decision)?.ok_or(StoreError::DecisionNotFound(r.decision))?;
        let spec = names.id(tx, &r.spec)?;
        if cleared.insert((decision, spec)) {
            clear.execute((decision, spec))?;
        }
        insert.execute((
            decision,
            spec,
            r.cell.unwrap_or(WHOLE),
            r.value,
            edit::to_json("terms", &r.terms)?,
        ))?;
    }
    Ok(())
}

/// See [`crate::Store::rewards_of`].
pub(super) fn of(
    conn: &Connection,
    decision: DecisionId,
    spec: Option<&str>,
) -> Result<Vec<Reward>> {
    let seq = log::seq_of(conn, decision)?.ok_or(StoreError::DecisionNotFound(decision))?;
    let spec = match spec {
        // Unknown names have number 0, which no row has.
        Some(spec) => Some(names::find(conn, spec)?.unwrap_or(0)),
        None => None,
    };
    let mut statement = conn.prepare_cached(
        "SELECT d.decision_id, s.text, r.cell, r.value, r.terms FROM rewards r \
         JOIN decisions d ON d.seq = r.decision JOIN strings s ON s.id = r.spec \
         WHERE r.decision = ?1 AND (?2 IS NULL OR r.spec = ?2) ORDER BY r.spec, r.cell",
    )?;
    let mut rows = statement.query((seq, spec))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let terms: String = row.get(4)?;
        found.push(Reward {
            decision: DecisionId::from_bytes(row.get(0)?),
            spec: row.get(1)?,
            cell: Some(row.get(2)?).filter(|c| *c != WHOLE),
            value: row.get(3)?,
            terms: cells::from_json(&terms)?,
        });
    }
    Ok(found)
}
