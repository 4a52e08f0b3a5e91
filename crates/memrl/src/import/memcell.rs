//! The `SQLite` file of a memcell-rl server: table `memory_cells`, structured columns as JSON
//! text, times as naive UTC.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Value};

use super::{Record, jsonl};
use crate::{Error, Result};

/// Columns that hold JSON text.
const JSON: [&str; 5] = [
    "scope",
    "source_refs",
    "supersedes",
    "contradicted_by",
    "policy_features",
];
/// Columns that hold names, which some versions store in upper case.
const NAMES: [&str; 3] = ["type", "status", "sensitivity"];
/// Reads every cell in the order of its creation. Opens the file read-only.
pub(super) fn read(path: &Path, take: &mut dyn FnMut(Record) -> Result<()>) -> Result<()> {
    let failed = |e: rusqlite::Error| Error::format(path.display(), e.to_string());
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    let mut statement = db
        .prepare("SELECT * FROM memory_cells ORDER BY created_at, rowid")
        .map_err(|_| Error::format(path.display(), "has no table `memory_cells` of memcell-rl"))?;
    let columns: Vec<String> = statement
        .column_names()
        .into_iter()
        .map(ToOwned::to_owned)
        .collect();
    let mut rows = statement.query([]).map_err(failed)?;
    let mut number = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        number += 1;
        let mut map = Map::new();
        let mut bad = None;
        for (i, name) in columns.iter().enumerate() {
            let value = row.get_ref(i).map_err(failed)?;
            match column(name, value) {
                Ok(Some(value)) => {
                    map.insert(name.clone(), value);
                }
                Ok(None) => {}
                Err(reason) => bad = Some(reason),
            }
        }
        // A forgotten cell has no content left that could be imported.
        if map.get("status").and_then(Value::as_str) == Some("deleted") {
            continue;
        }
        take((number, bad.map_or_else(|| jsonl::cell_from_json(map), Err)))?;
    }
    Ok(())
}

fn column(name: &str, value: ValueRef<'_>) -> std::result::Result<Option<Value>, String> {
    Ok(Some(match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Integer(i) => Value::from(i),
        ValueRef::Real(x) => Value::from(x),
        ValueRef::Blob(_) => return Err(format!("column {name} holds bytes")),
        ValueRef::Text(bytes) => {
            let text = std::str::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8"))?;
            if JSON.contains(&name) {
                serde_json::from_str(text).map_err(|e| format!("{name}: {e}"))?
            } else if NAMES.contains(&name) {
                let bare = text.rsplit('.').next().unwrap_or(text);
                Value::from(bare.to_ascii_lowercase())
            } else {
                Value::from(text)
            }
        }
    }))
}
