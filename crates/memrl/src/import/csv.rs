//! CSV with a header: a column per field of a cell; structured fields as JSON.

use std::path::Path;

use serde_json::{Map, Value};

use super::{Record, jsonl};
use crate::{Error, Result};

/// Columns that hold numbers.
const NUMBERS: [&str; 5] = [
    "confidence",
    "criticality",
    "compressibility",
    "staleness",
    "future_utility_estimate",
];
/// Columns that hold lists: JSON, or texts separated by `;`.
const LISTS: [&str; 3] = ["source_refs", "supersedes", "contradicted_by"];
/// Columns that hold JSON.
const JSON: [&str; 3] = ["payload", "policy_features", "links"];
/// Columns that make up the policy features.
const FEATURES: [&str; 4] = [
    "criticality",
    "compressibility",
    "staleness",
    "future_utility_estimate",
];
/// Columns that follow from others.
const IGNORED: [&str; 2] = ["tier", "tokens"];
/// Columns that hold whole numbers.
const COUNTS: [&str; 2] = ["version", "access_count"];

/// Reads a file row by row.
pub(super) fn read(path: &Path, take: &mut dyn FnMut(Record) -> Result<()>) -> Result<()> {
    let mut reader = ::csv::ReaderBuilder::new()
        .flexible(true)
        .from_path(path)
        .map_err(|e| Error::format(path.display(), e.to_string()))?;
    let header = reader
        .headers()
        .map_err(|e| Error::format(path.display(), e.to_string()))?
        .iter()
        .map(|h| h.trim().trim_start_matches('\u{feff}').to_ascii_lowercase())
        .collect::<Vec<_>>();
    if !header.iter().any(|h| h == "content") {
        return Err(Error::format(
            path.display(),
            "the header has no column `content`",
        ));
    }
    for row in reader.records() {
        match row {
            Ok(row) => {
                let at = row.position().map_or(0, ::csv::Position::line);
                take((at, cell(&header, &row).and_then(jsonl::cell_from_json)))?;
            }
            Err(e) => {
                let at = e.position().map_or(0, ::csv::Position::line);
                take((at, Err(e.to_string())))?;
            }
        }
    }
    Ok(())
}

fn cell(
    header: &[String],
    row: &::csv::StringRecord,
) -> std::result::Result<Map<String, Value>, String> {
    let mut map = Map::new();
    let mut features = Map::new();
    for (name, text) in header.iter().zip(row.iter()) {
        let name = name.as_str();
        if IGNORED.contains(&name) || (text.trim().is_empty() && name != "content") {
            continue;
        }
        let value = if NUMBERS.contains(&name) {
            let number: f64 = text
                .trim()
                .parse()
                .map_err(|_| format!("{name}: {text:?} is not a number"))?;
            serde_json::Number::from_f64(number)
                .map(Value::Number)
                .ok_or_else(|| format!("{name}: {text:?} is not finite"))?
        } else if COUNTS.contains(&name) {
            let count = text.trim().parse::<u64>();
            Value::from(count.map_err(|_| format!("{name}: {text:?} is no whole number"))?)
        } else if JSON.contains(&name) {
            serde_json::from_str(text).map_err(|e| format!("{name}: {e}"))?
        } else if LISTS.contains(&name) {
            serde_json::from_str(text)
                .unwrap_or_else(|_| text.split(';').map(|s| Value::from(s.trim())).collect())
        } else {
            Value::from(text)
        };
        if FEATURES.contains(&name) {
            features.insert(name.to_owned(), value);
        } else {
            map.insert(name.to_owned(), value);
        }
    }
    if !features.is_empty() {
        map.insert("policy_features".into(), Value::Object(features));
    }
    Ok(map)
}
