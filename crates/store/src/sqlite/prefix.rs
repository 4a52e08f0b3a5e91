//! Naming a decision without its whole id: by its first digits, or as the last that showed
//! something.

use memrl_types::{DecisionId, DecisionPoint};
use rusqlite::{Connection, OptionalExtension};

use crate::{Result, StoreError};

/// Fewest digits that name a decision.
const SHORTEST: usize = 4;

/// See [`crate::Store::decisions_by_prefix`].
pub(super) fn decisions(conn: &Connection, prefix: &str) -> Result<Vec<DecisionId>> {
    let digits: String = prefix.chars().filter(|c| *c != '-').collect();
    let whole = |pad: char| {
        let padded: String = digits
            .chars()
            .chain(std::iter::repeat(pad))
            .take(32)
            .collect();
        u128::from_str_radix(&padded, 16).map(u128::to_be_bytes)
    };
    // A sign is a number's, never an id's.
    let fits =
        digits.chars().all(|c| c.is_ascii_hexdigit()) && (SHORTEST..=32).contains(&digits.len());
    let (true, Ok(first), Ok(last)) = (fits, whole('0'), whole('f')) else {
        return Err(StoreError::InvalidId(prefix.to_owned()));
    };
    let mut statement = conn.prepare_cached(
        "SELECT decision_id FROM decisions WHERE decision_id BETWEEN ?1 AND ?2 \
         ORDER BY decision_id LIMIT 2",
    )?;
    let found = statement.query_map((first, last), |r| r.get(0).map(DecisionId::from_bytes))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// See [`crate::Store::newest`].
pub(super) fn newest(
    conn: &Connection,
    trajectory: Option<&str>,
    showing: bool,
) -> Result<Option<DecisionId>> {
    const OF: &str = "SELECT d.decision_id FROM decisions d \
         JOIN trajectories t ON t.id = d.trajectory WHERE d.point = ?1";
    const SHOWING: &str = "AND EXISTS \
         (SELECT 1 FROM decision_items i WHERE i.decision = d.seq AND i.selected = 1)";
    const ALONE: &str = "AND replace(t.name, '-', '') = lower(hex(d.decision_id))";
    let of = if showing {
        format!("{OF} {SHOWING}")
    } else {
        OF.to_owned()
    };
    let recall = DecisionPoint::Recall.code();
    let id = |r: &rusqlite::Row<'_>| r.get(0).map(DecisionId::from_bytes);
    if let Some(trajectory) = trajectory {
        // The plus keeps to the index of the trajectory's steps.
        let sql = format!("{of} AND t.name = ?2 ORDER BY +d.seq DESC LIMIT 1");
        let mut statement = conn.prepare_cached(&sql)?;
        return Ok(statement.query_row((recall, trajectory), id).optional()?);
    }
    for of in [format!("{of} {ALONE}"), of] {
        let sql = format!("{of} ORDER BY d.seq DESC LIMIT 1");
        let mut statement = conn.prepare_cached(&sql)?;
        if let Some(found) = statement.query_row([recall], id).optional()? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
