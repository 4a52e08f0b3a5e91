//! JSON Lines: one cell per line, in our field names or memcell-rl's.

use std::io::BufRead;
use std::path::Path;

use serde_json::{Map, Value};

use super::Record;
use crate::{CellId, Error, NewCell, Result};

/// Reads a file line by line. Empty lines are skipped; a bad line is a record with a reason.
pub(super) fn read(path: &Path, take: &mut dyn FnMut(Record) -> Result<()>) -> Result<()> {
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
    let mut reader = std::io::BufReader::new(file);
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        if reader
            .read_until(b'\n', &mut line)
            .map_err(|e| Error::io(path, e))?
            == 0
        {
            return Ok(());
        }
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let record = serde_json::from_slice::<Value>(line.trim_ascii())
            .map_err(|e| format!("not JSON: {e}"))
            .and_then(|v| match v {
                Value::Object(map) => cell_from_json(map),
                _ => Err("expected a JSON object".into()),
            });
        take((number, record))?;
    }
}

/// A cell from an object. Besides the fields of a native write it understands `cell_type` and
/// `kind` for `type`, a scope given as text, and the id and creation time of an exported cell. The
/// error names what is wrong, for people.
pub fn cell_from_json(mut map: Map<String, Value>) -> std::result::Result<NewCell, String> {
    for alias in ["cell_type", "kind"] {
        if let Some(value) = map.remove(alias) {
            map.entry("type").or_insert(value);
        }
    }
    if let Some(Value::String(text)) = map.get("scope") {
        let scope = scope_of_text(text);
        map.insert("scope".into(), scope);
    }
    // Nulls say the same as an absent field in memcell-rl's exports.
    map.retain(|_, v| !v.is_null());
    let id = map.remove("cell_id").or_else(|| map.remove("id"));
    map.remove("imported");
    let mut former = Map::new();
    for name in [
        "created_at",
        "updated_at",
        "version",
        "access_count",
        "last_retrieved_at",
    ] {
        if let Some(value) = map.remove(name) {
            former.insert(name.into(), value);
        }
    }
    let mut cell: NewCell =
        serde_json::from_value(Value::Object(map)).map_err(|e| e.to_string())?;
    if let Some(Value::String(id)) = id {
        id.parse::<CellId>()
            .map_err(|_| format!("cell_id {id:?} is not a UUID"))?;
        former.insert("cell_id".into(), id.into());
        former.entry("version").or_insert(1.into());
        former.entry("access_count").or_insert(0.into());
        let imported = serde_json::from_value(Value::Object(former)).map_err(|e| e.to_string())?;
        cell.imported = Some(imported);
    }
    Ok(cell)
}

/// `global` and the empty text are the global scope, `k=v,k2=v2` its pairs, JSON is itself, and
/// any other text is the value of the key `scope`.
pub fn scope_of_text(text: &str) -> Value {
    let text = text.trim();
    if text.is_empty() || text == "global" {
        return Value::Object(Map::new());
    }
    if let Ok(value @ Value::Object(_)) = serde_json::from_str(text) {
        return value;
    }
    let pairs: Option<Map<String, Value>> = text
        .split([',', ';'])
        .map(|p| {
            let (k, v) = p.split_once('=')?;
            (!k.trim().is_empty()).then(|| (k.trim().to_owned(), Value::from(v.trim())))
        })
        .collect();
    Value::Object(
        pairs.unwrap_or_else(|| std::iter::once(("scope".to_owned(), Value::from(text))).collect()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CellType;

    fn cell(value: Value) -> std::result::Result<NewCell, String> {
        match value {
            Value::Object(map) => cell_from_json(map),
            _ => unreachable!("tests pass objects"),
        }
    }

    #[test]
    fn memcell_cells_keep_id_and_time() {
        let c = cell(serde_json::json!({
            "cell_id": "7a2f2b0e-9a4e-4b7e-8f7c-2f5d6f0f9c11", "type": "fact", "scope": {"u": "1"},
            "content": "x", "created_at": "2026-11-20T11:38:35.236869", "access_count": 3,
            "valid_from": null, "policy_features": null
        }))
        .unwrap();
        assert_eq!(c.kind, CellType::Fact);
        let kept = c.imported.unwrap();
        assert_eq!(kept.cell_id.short(), "7a2f2b0e");
        assert_eq!(
            kept.created_at.unwrap().to_string(),
            "2026-11-20T11:38:35.236869Z"
        );
        assert_eq!(kept.access_count, 3);
    }

    #[test]
    fn scopes_may_be_written_as_text() {
        assert_eq!(scope_of_text("global"), serde_json::json!({}));
        assert_eq!(
            scope_of_text("a=1;b=2"),
            serde_json::json!({"a": "1", "b": "2"})
        );
        assert_eq!(scope_of_text("{\"a\":1}"), serde_json::json!({"a": 1}));
        assert_eq!(
            scope_of_text("team x"),
            serde_json::json!({"scope": "team x"})
        );
    }

    #[test]
    fn a_bad_record_says_what_is_wrong() {
        assert!(
            cell(serde_json::json!({"type": "rumour", "content": "x"}))
                .unwrap_err()
                .contains("rumour")
        );
        assert!(
            cell(serde_json::json!({"type": "fact"}))
                .unwrap_err()
                .contains("content")
        );
    }
}
