//! Counting cells by something that they say.

use std::collections::{BTreeMap, HashMap};

use memrl_types::CellStatus;
use rusqlite::types::{Value as Bound, ValueRef};
use rusqlite::{Connection, params_from_iter};
use serde_json::Value;

use super::{cells, list};
use crate::rows::CellFilter;
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
    if filter.text.is_some() {
        let message = "counts of several places read no texts, and cannot look for one";
        return Err(StoreError::InvalidInput(message.to_owned()));
    }
    let Some(first) = paths.first() else {
        return Err(StoreError::InvalidInput("no place to count by".to_owned()));
    };
    let mut conditions = list::conditions(filter);
    // The first place comes once more: with several, SQLite answers with an array.
    for path in paths.iter().rev().chain([first]) {
        conditions.bound.insert(0, Bound::Text(json_path(path)?));
    }
    let places = vec!["?"; paths.len() + 1].join(", ");
    let mut statement = conn.prepare_cached(&format!(
        "SELECT json_extract(c.payload, {places}) FROM cells c {}",
        conditions.sql()
    ))?;
    let mut counts: HashMap<Option<String>, u64> = HashMap::new();
    let mut rows = statement.query(params_from_iter(conditions.bound))?;
    while let Some(row) = rows.next()? {
        *counts.entry(row.get(0)?).or_default() += 1;
    }
    let mut all = Vec::with_capacity(counts.len());
    for (text, n) in sorted(counts) {
        let values = match text {
            Some(text) => cells::from_json::<Vec<Value>>(&text)?,
            None => vec![Value::Null; paths.len() + 1],
        };
        all.push((values.into_iter().skip(1).collect(), n));
    }
    Ok(all)
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
