//! Counting cells by something that they say, and decisions by what became of them.

use std::collections::{BTreeMap, HashMap};

use memrl_types::{CellId, CellStatus, DecisionPoint, Scope, Timestamp};
use rusqlite::types::{Value as Bound, ValueRef};
use rusqlite::{Connection, params_from_iter};
use serde_json::Value;

use super::names::Names;
use super::{cells, list};
use crate::rows::{CellFilter, DecisionCounts, PayloadRow};
use crate::{Result, StoreError};

/// A path in JSON, as SQLite writes it: every key in quotes, so that no letter of it has a meaning.
pub(super) fn json_path(path: &str) -> Result<String> {
    let mut out = String::from("$");
    for key in path.split('.') {
        // A quoted key ends at the next quote: there is no escape.
        if key.is_empty() || key.contains(['"', '\\', '\0']) {
            return Err(StoreError::InvalidInput(format!(
                "{path:?} is no path of keys with dots between"
            )));
        }
        out.extend([".\"", key, "\""]);
    }
    Ok(out)
}

/// See [`crate::Store::count_by_payload`].
pub(super) fn by_payload(
    conn: &Connection,
    filter: &CellFilter,
    path: &str,
) -> Result<Vec<(Option<String>, u64)>> {
    let mut conditions = list::conditions(filter);
    conditions.bound.insert(0, Bound::Text(json_path(path)?));
    let wanted = filter.text.as_ref().map(|t| t.to_lowercase());
    let content = if wanted.is_some() {
        "c.content"
    } else {
        "NULL"
    };
    let mut statement = conn.prepare_cached(&format!(
        "SELECT CASE json_type(c.payload, ?1) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' \
         ELSE json_extract(c.payload, ?1) END, {content} FROM cells c {}",
        conditions.sql()
    ))?;
    let mut counts: HashMap<Option<String>, u64> = HashMap::new();
    let mut rows = statement.query(params_from_iter(conditions.bound))?;
    while let Some(row) = rows.next()? {
        if let Some(wanted) = &wanted {
            let content: String = row.get(1)?;
            if !content.to_lowercase().contains(wanted) {
                continue;
            }
        }
        let value = match row.get_ref(0)? {
            ValueRef::Null | ValueRef::Blob(_) => None,
            ValueRef::Integer(i) => Some(i.to_string()),
            ValueRef::Real(x) => Some(x.to_string()),
            ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        };
        *counts.entry(value).or_default() += 1;
    }
    Ok(sorted(counts))
}

/// See [`crate::Store::count_by_payloads`].
pub(super) fn by_payloads(
    conn: &Connection,
    filter: &CellFilter,
    paths: &[&str],
) -> Result<Vec<(Vec<Value>, u64)>> {
    let (conditions, places) = at_places(filter, paths)?;
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {places} FROM cells c {}",
        conditions.sql()
    ))?;
    let mut counts: HashMap<Option<String>, u64> = HashMap::new();
    let mut rows = statement.query(params_from_iter(conditions.bound))?;
    while let Some(row) = rows.next()? {
        *counts.entry(row.get(0)?).or_default() += 1;
    }
    let mut all = Vec::with_capacity(counts.len());
    for (text, n) in sorted(counts) {
        all.push((values_of(text, paths.len())?, n));
    }
    Ok(all)
}

/// See [`crate::Store::payload_values`].
pub(super) fn payload_values(
    conn: &Connection,
    names: &Names,
    filter: &CellFilter,
    paths: &[&str],
) -> Result<Vec<PayloadRow>> {
    let (mut conditions, places) = at_places(filter, paths)?;
    let sorted = conditions.page("c.seq", filter.order, None);
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {places}, i.cell_id, c.status, c.scope, c.occurred_at \
         FROM cells c JOIN cell_ids i ON i.seq = c.seq {} ORDER BY c.seq {sorted}",
        conditions.sql()
    ))?;
    let mut rows = statement.query(params_from_iter(conditions.bound))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(PayloadRow {
            cell_id: CellId::from_bytes(row.get(1)?),
            status: cells::name(row, 2, CellStatus::from_code)?,
            scope: names.scope(conn, row.get(3)?)?.as_ref().clone(),
            occurred_at: row.get::<_, Option<i64>>(4)?.map(Timestamp),
            values: values_of(row.get(0)?, paths.len())?,
        });
    }
    Ok(found)
}

/// What a filter asks of a cell `c`, and the column that has the values at these places, as
/// [`values_of`] reads them. Its parameters come first.
fn at_places(filter: &CellFilter, paths: &[&str]) -> Result<(list::Conditions, String)> {
    if filter.text.is_some() {
        let message = "what payloads say is read without texts, and cannot look for one";
        return Err(StoreError::InvalidInput(message.to_owned()));
    }
    let Some(first) = paths.first() else {
        return Err(StoreError::InvalidInput(
            "no place of the payloads is named".to_owned(),
        ));
    };
    let mut conditions = list::conditions(filter);
    // The first place comes once more: with several, SQLite answers with an array.
    for path in paths.iter().rev().chain([first]) {
        conditions.bound.insert(0, Bound::Text(json_path(path)?));
    }
    let places = vec!["?"; paths.len() + 1].join(", ");
    Ok((conditions, format!("json_extract(c.payload, {places})")))
}

/// The values in a column of [`at_places`]; of a cell without a payload all are null.
fn values_of(column: Option<String>, places: usize) -> Result<Vec<Value>> {
    let Some(text) = column else {
        return Ok(vec![Value::Null; places]);
    };
    let values = cells::from_json::<Vec<Value>>(&text)?;
    Ok(values.into_iter().skip(1).collect())
}

/// See [`crate::Store::count_decisions`].
pub(super) fn decisions(
    conn: &Connection,
    point: Option<DecisionPoint>,
    scope: Option<&Scope>,
) -> Result<DecisionCounts> {
    let mut conditions = list::Conditions::default();
    conditions.one_of("d.point", point.iter().map(|p| p.code()));
    for (key, value) in scope.iter().flat_map(|s| &s.0) {
        let (term, bound) = list::scope_has("d.scope", key, value, false);
        conditions.add(term, bound);
    }
    let mut statement = conn.prepare_cached(&format!(
        "SELECT count(*), total(shown), \
         total(shown AND EXISTS (SELECT 1 FROM outcomes o WHERE o.decision = m.seq)) FROM \
         (SELECT d.seq AS seq, EXISTS (SELECT 1 FROM decision_items i \
          WHERE i.decision = d.seq AND i.selected = 1) AS shown FROM decisions d {}) m",
        conditions.sql()
    ))?;
    Ok(
        statement.query_row(params_from_iter(conditions.bound), |r| {
            Ok(DecisionCounts {
                made: r.get::<_, i64>(0)? as u64,
                shown: r.get::<_, f64>(1)? as u64,
                reported: r.get::<_, f64>(2)? as u64,
            })
        })?,
    )
}

/// See [`crate::Store::scope_values`].
pub(super) fn scope_values(conn: &Connection, key: &str) -> Result<Vec<(String, u64)>> {
    let mut statement = conn.prepare_cached(
        "SELECT p.value, count(*) FROM scope_pairs p JOIN cells c ON c.scope = p.scope \
         WHERE p.key = ?1 AND c.status NOT IN (?2, ?3) GROUP BY p.value",
    )?;
    let gone = (CellStatus::Deleted.code(), CellStatus::Superseded.code());
    let mut rows = statement.query((key, gone.0, gone.1))?;
    let mut counts: HashMap<String, u64> = HashMap::new();
    while let Some(row) = rows.next()? {
        let pair: String = row.get(0)?;
        // As `names::pair_value` writes it: an object of one key.
        let value = cells::from_json::<BTreeMap<String, Value>>(&pair)?
            .into_values()
            .next();
        let text = match value {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => continue,
        };
        *counts.entry(text).or_default() += row.get::<_, i64>(1)? as u64;
    }
    Ok(sorted(counts))
}

/// The most frequent first; among equals in the order of the values.
fn sorted<T: Ord>(counts: HashMap<T, u64>) -> Vec<(T, u64)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}
