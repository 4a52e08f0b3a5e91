//! What was shown, and when, without reading what was not.

use std::collections::HashSet;

use memrl_types::{CellId, DecisionId, DecisionPoint, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use super::cells;
use crate::Result;
use crate::rows::{Seq, Shown};

/// See [`crate::Store::shown_in`].
pub(super) fn shown_in(conn: &Connection, trajectory: &str) -> Result<Vec<CellId>> {
    let mut statement = conn.prepare_cached(
        "SELECT c.cell_id FROM trajectories t JOIN decisions d ON d.trajectory = t.id \
         CROSS JOIN decision_items i ON i.decision = d.seq AND i.selected = 1 \
         JOIN cell_ids c ON c.seq = i.cell \
         WHERE t.name = ?1 AND d.point = ?2 ORDER BY d.step, i.position",
    )?;
    let mut rows = statement.query((trajectory, DecisionPoint::Recall.code()))?;
    let (mut seen, mut shown) = (HashSet::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let id = CellId::from_bytes(row.get(0)?);
        if seen.insert(id) {
            shown.push(id);
        }
    }
    Ok(shown)
}

/// See [`crate::Store::last_shown`].
pub(super) fn last(conn: &Connection, cell: CellId) -> Result<Option<DecisionId>> {
    let Some(seq) = cells::seq_of(conn, cell)? else {
        return Ok(None);
    };
    Ok(conn
        .prepare_cached(
            "SELECT d.decision_id FROM decision_items i JOIN decisions d ON d.seq = i.decision \
             WHERE i.cell = ?1 AND i.selected = 1 AND d.point = ?2 \
             ORDER BY i.decision DESC LIMIT 1",
        )?
        .query_row((seq, DecisionPoint::Recall.code()), |r| {
            r.get(0).map(DecisionId::from_bytes)
        })
        .optional()?)
}

/// See [`crate::Store::shown_counts`].
pub(super) fn counts(conn: &Connection, seqs: &[Seq]) -> Result<Vec<Shown>> {
    let mut statement = conn.prepare_cached(
        "SELECT count(DISTINCT i.decision), max(d.created_at) \
         FROM decision_items i JOIN decisions d ON d.seq = i.decision \
         WHERE i.cell = ?1 AND i.selected = 1 AND d.point = ?2",
    )?;
    let mut found = Vec::with_capacity(seqs.len());
    for &seq in seqs {
        let shown = statement.query_row((seq, DecisionPoint::Recall.code()), |r| {
            Ok(Shown {
                seq,
                decisions: r.get::<_, i64>(0)? as u64,
                last_at: r.get::<_, Option<i64>>(1)?.map(Timestamp),
            })
        })?;
        found.push(shown);
    }
    Ok(found)
}
