//! What a summary needs of many cells, in one pass and without their texts.

use memrl_types::{CellType, DecisionPoint, Timestamp};
use rusqlite::types::Value as Bound;
use rusqlite::{Connection, params_from_iter};

use super::list;
use crate::rows::{CellFilter, CellPrior, CellValue, Outline, Shown};
use crate::{Result, StoreError};

/// See [`crate::Store::outline`].
pub(super) fn of(conn: &Connection, filter: &CellFilter) -> Result<Vec<Outline>> {
    let mut conditions = list::conditions(filter);
    if filter.text.is_some() {
        return Err(StoreError::InvalidInput(
            "an outline reads no texts, and cannot look for one".to_owned(),
        ));
    }
    let sorted = conditions.page("c.seq", filter.order, None);
    let recall = Bound::Integer(i64::from(DecisionPoint::Recall.code()));
    conditions.bound.insert(0, recall);
    let mut statement = conn.prepare_cached(&format!(
        "SELECT c.seq, c.kind, coalesce(c.occurred_at, c.created_at), \
         v.s, v.n, v.count, v.ref_time, p.mean, p.mass, p.at, g.decisions, g.last_at \
         FROM cells c LEFT JOIN cell_values v ON v.cell = c.seq LEFT JOIN cell_priors p ON p.cell = c.seq \
         LEFT JOIN (SELECT i.cell AS cell, count(DISTINCT i.decision) AS decisions, \
                    max(d.created_at) AS last_at \
                    FROM decision_items i JOIN decisions d ON d.seq = i.decision \
                    WHERE i.selected = 1 AND d.point = ?1 GROUP BY i.cell) g ON g.cell = c.seq \
         {} ORDER BY c.seq {sorted}",
        conditions.sql()
    ))?;
    let mut found = statement.query(params_from_iter(conditions.bound))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let seq = row.get(0)?;
        let code: u8 = row.get(1)?;
        let kind = CellType::from_code(code)
            .ok_or_else(|| StoreError::Corrupt(format!("cell type {code}")))?;
        let value = match row.get::<_, Option<f64>>(3)? {
            Some(successes) => Some(CellValue {
                seq,
                successes,
                mass: row.get(4)?,
                observations: row.get::<_, i64>(5)? as u64,
                ref_time: Timestamp(row.get(6)?),
            }),
            None => None,
        };
        let prior = match row.get::<_, Option<f64>>(7)? {
            Some(mean) => Some(CellPrior {
                seq,
                mean,
                mass: row.get(8)?,
                at: Timestamp(row.get(9)?),
            }),
            None => None,
        };
        rows.push(Outline {
            seq,
            kind,
            at: Timestamp(row.get(2)?),
            value,
            prior,
            shown: Shown {
                seq,
                decisions: row.get::<_, Option<i64>>(10)?.unwrap_or(0) as u64,
                last_at: row.get::<_, Option<i64>>(11)?.map(Timestamp),
            },
        });
    }
    Ok(rows)
}
