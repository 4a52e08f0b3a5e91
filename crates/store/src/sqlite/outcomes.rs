//! Outcomes: stored as they arrive.

use memrl_types::{DecisionId, Outcome, OutcomeId, Timestamp};
use rusqlite::{Connection, Transaction};

use super::{cells, edit, log, texts};
use crate::rows::{OutcomeRow, Recorded};
use crate::{Result, StoreError};

/// Numbers that JSON cannot hold would not come back.
pub(super) fn check(outcome: &Outcome) -> Result<()> {
    let finite = outcome.success.is_none_or(f64::is_finite)
        && outcome.implied_success.is_none_or(f64::is_finite)
        && outcome.verdicts.iter().all(|v| v.useful.is_finite())
        && outcome.metrics.values().all(|m| m.is_finite());
    if finite {
        Ok(())
    } else {
        Err(StoreError::InvalidInput(
            "the outcome has a number that is not finite".to_owned(),
        ))
    }
}

/// See [`crate::Store::append_outcome`].
pub(super) fn append(
    tx: &Transaction<'_>,
    id: OutcomeId,
    decision: DecisionId,
    at: Timestamp,
    outcome: &Outcome,
) -> Result<Recorded> {
    let seq = log::seq_of(tx, decision)?.ok_or(StoreError::DecisionNotFound(decision))?;
    let decision_id = DecisionId::from_bytes(
        tx.prepare_cached("SELECT decision_id FROM decisions WHERE seq = ?1")?
            .query_row([seq], |r| r.get(0))?,
    );
    // The correction is text: it is kept where it can be erased.
    let mut bare = outcome.clone();
    let correction = bare.user_correction.take();
    let body = edit::to_json("outcome", &bare)?;
    let newest = newest_of(tx, seq, &outcome.source)?;
    if let Some((same, _, _)) = newest.filter(|(_, b, c)| *b == body && *c == correction) {
        return Ok(Recorded {
            outcome_id: same,
            decision_id,
            created: false,
        });
    }
    let taken = tx
        .prepare_cached("SELECT 1 FROM outcomes WHERE outcome_id = ?1")?
        .exists([id.bytes()])?;
    if taken {
        return Err(StoreError::DuplicateId(format!("outcome {id}")));
    }
    let correction = match &correction {
        Some(text) => Some(texts::put(tx, text)?),
        None => None,
    };
    tx.prepare_cached(
        "INSERT INTO outcomes (outcome_id, decision, at, correction, body) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((id.bytes(), seq, at.0, correction, body))?;
    Ok(Recorded {
        outcome_id: id,
        decision_id,
        created: true,
    })
}

/// The newest report of a source about a decision: id, body and correction.
fn newest_of(
    conn: &Connection,
    decision: i64,
    source: &str,
) -> Result<Option<(OutcomeId, String, Option<String>)>> {
    let mut statement = conn.prepare_cached(
        "SELECT o.outcome_id, o.body, t.body FROM outcomes o \
         LEFT JOIN texts t ON t.id = o.correction WHERE o.decision = ?1 ORDER BY o.seq DESC",
    )?;
    let mut rows = statement.query([decision])?;
    while let Some(row) = rows.next()? {
        let body: String = row.get(1)?;
        if cells::from_json::<Outcome>(&body)?.source == source {
            let id = OutcomeId::from_bytes(row.get(0)?);
            return Ok(Some((id, body, row.get(2)?)));
        }
    }
    Ok(None)
}

/// See [`crate::Store::outcomes_of`].
pub(super) fn of(conn: &Connection, decision: DecisionId) -> Result<Vec<OutcomeRow>> {
    let seq = log::seq_of(conn, decision)?.ok_or(StoreError::DecisionNotFound(decision))?;
    of_row(conn, seq)
}

/// The same, of a decision's row number.
pub(super) fn of_row(conn: &Connection, seq: i64) -> Result<Vec<OutcomeRow>> {
    let mut found = Vec::new();
    let mut statement = conn.prepare_cached(
        "SELECT o.outcome_id, d.decision_id, o.at, o.body, t.body FROM outcomes o \
         JOIN decisions d ON d.seq = o.decision LEFT JOIN texts t ON t.id = o.correction \
         WHERE o.decision = ?1 ORDER BY o.seq",
    )?;
    let mut rows = statement.query([seq])?;
    while let Some(row) = rows.next()? {
        let body: String = row.get(3)?;
        found.push(OutcomeRow {
            outcome_id: OutcomeId::from_bytes(row.get(0)?),
            decision_id: DecisionId::from_bytes(row.get(1)?),
            at: Timestamp(row.get(2)?),
            outcome: Outcome {
                user_correction: row.get(4)?,
                ..cells::from_json(&body)?
            },
        });
    }
    Ok(found)
}
