//! Events.

use memrl_types::{CellId, DecisionId, Event, EventId, EventKind, Timestamp};
use rusqlite::{Connection, Transaction, params_from_iter};
use serde_json::Value;

use super::list::Conditions;
use super::texts::Traces;
use super::{cells, edit};
use crate::rows::EventFilter;
use crate::{Result, StoreError};

/// See [`crate::Store::append_events`].
pub(super) fn append(tx: &Transaction<'_>, events: &[Event]) -> Result<()> {
    for e in events {
        let known = tx
            .prepare_cached("SELECT 1 FROM events WHERE event_id = ?1")?
            .exists([e.event_id.bytes()])?;
        if known {
            return Err(StoreError::DuplicateId(format!("event {}", e.event_id)));
        }
        tx.prepare_cached(
            "INSERT INTO events (event_id, at, kind, query_id, payload) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            e.event_id.bytes(),
            e.timestamp.0,
            e.event_type.code(),
            e.query_id.as_ref().map(DecisionId::bytes),
            edit::to_json("payload", &e.payload)?,
        ))?;
        let seq = tx.last_insert_rowid();
        let mut cell = tx
            .prepare_cached("INSERT INTO event_cells (event, ordinal, cell) VALUES (?1, ?2, ?3)")?;
        for (i, id) in e.cell_ids.iter().enumerate() {
            cell.execute((seq, i as i64, edit::intern_id(tx, *id)?))?;
        }
    }
    Ok(())
}

/// What is left of a text in a payload.
const ERASED: &str = "[erased]";

/// Erases texts with traces of a purged content from the payloads; returns how many payloads
/// there were.
pub(super) fn redact(tx: &Transaction<'_>, traces: &Traces) -> Result<u64> {
    let mut redacted = Vec::new();
    let mut statement = tx.prepare_cached("SELECT seq, payload FROM events")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let payload: String = row.get(1)?;
        let mut payload: Value = cells::from_json(&payload)?;
        if redact_value(&mut payload, traces) {
            redacted.push((row.get::<_, i64>(0)?, payload));
        }
    }
    let mut update = tx.prepare_cached("UPDATE events SET payload = ?2 WHERE seq = ?1")?;
    for (seq, payload) in &redacted {
        update.execute((seq, edit::to_json("payload", payload)?))?;
    }
    Ok(redacted.len() as u64)
}

fn redact_value(value: &mut Value, traces: &Traces) -> bool {
    let mut any = false;
    match value {
        Value::String(text) if traces.are_in(text) => {
            ERASED.clone_into(text);
            any = true;
        }
        Value::Array(items) => {
            for item in items {
                any |= redact_value(item, traces);
            }
        }
        Value::Object(map) => {
            for item in map.values_mut() {
                any |= redact_value(item, traces);
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    any
}

/// See [`crate::Store::events`].
pub(super) fn list(
    conn: &Connection,
    filter: &EventFilter,
    limit: usize,
    offset: usize,
) -> Result<Vec<Event>> {
    let mut conditions = Conditions::default();
    conditions.one_of("e.kind", filter.kinds.iter().map(|k| k.code()));
    conditions.during("e.at", filter.from, filter.before);
    if let Some(cell) = filter.cell {
        let cell = cells::seq_of(conn, cell)?.unwrap_or(0);
        conditions.add(
            "(e.seq IN (SELECT event FROM event_cells WHERE cell = ?) OR \
             (e.kind = ? AND e.query_id IN (SELECT d.query_id FROM decisions d \
             JOIN decision_items i ON i.decision = d.seq WHERE i.cell = ? AND i.selected = 1)))",
            [cell, i64::from(EventKind::DecideCells.code()), cell],
        );
    }
    if let Some(decision) = filter.decision {
        conditions.add("e.query_id = ?", [decision.bytes().to_vec()]);
    }
    let page = conditions.sql();
    conditions.bound.push((limit as i64).into());
    conditions.bound.push((offset as i64).into());
    let mut statement = conn.prepare_cached(&format!(
        "SELECT e.seq, e.event_id, e.at, e.kind, e.query_id, e.payload FROM events e {page} \
         ORDER BY e.at DESC, e.seq DESC LIMIT ? OFFSET ?"
    ))?;
    let mut rows = statement.query(params_from_iter(conditions.bound))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let payload: String = row.get(5)?;
        events.push(Event {
            event_id: EventId::from_bytes(row.get(1)?),
            timestamp: Timestamp(row.get(2)?),
            event_type: cells::name(row, 3, EventKind::from_code)?,
            cell_ids: cells_of(conn, row.get(0)?, row.get(4)?)?,
            query_id: row
                .get::<_, Option<[u8; 16]>>(4)?
                .map(DecisionId::from_bytes),
            payload: cells::from_json(&payload)?,
        });
    }
    Ok(events)
}

/// The cells that an event names: its own, or, when it has none, those that its decision showed.
/// A decision's event repeats nothing of its decision: a row and an index entry per cell shown
/// were a large part of what a recall cost.
fn cells_of(conn: &Connection, event: i64, decision: Option<[u8; 16]>) -> Result<Vec<CellId>> {
    let mut statement = conn.prepare_cached(
        "SELECT i.cell_id FROM event_cells e JOIN cell_ids i ON i.seq = e.cell \
         WHERE e.event = ?1 ORDER BY e.ordinal",
    )?;
    let ids = statement.query_map([event], |r| r.get(0).map(CellId::from_bytes))?;
    let ids: Vec<CellId> = ids.collect::<Result<_, _>>()?;
    let Some(decision) = decision.filter(|_| ids.is_empty()) else {
        return Ok(ids);
    };
    let mut statement = conn.prepare_cached(
        "SELECT c.cell_id FROM events e \
         JOIN decisions d ON d.query_id = ?2 \
         JOIN decision_items i ON i.decision = d.seq AND i.selected = 1 \
         JOIN cell_ids c ON c.seq = i.cell \
         WHERE e.seq = ?1 AND e.kind = ?3 ORDER BY i.position",
    )?;
    let shown = statement.query_map((event, decision, EventKind::DecideCells.code()), |r| {
        r.get(0).map(CellId::from_bytes)
    })?;
    Ok(shown.collect::<Result<_, _>>()?)
}
