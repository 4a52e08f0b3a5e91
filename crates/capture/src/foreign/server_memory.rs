//! The knowledge graph of the MCP reference server `memory`: JSON Lines of entities and
//! relations, or one object with both as lists.

use memrl_types::CellType;
use serde_json::Value;

use super::{ForeignError, Record, Records, without_mark};

const NAME: &str = "the MCP memory server";

/// Reads a graph. Each observation about an entity is a record of its own (`Name (type): text`),
/// and so is each relation (`A works at B`): what is added to the graph later adds records and
/// changes none. Lines that are neither are rejected, by their number.
pub fn parse_server_memory(text: &str, source: &str) -> Result<Records, ForeignError> {
    let text = without_mark(text);
    let mut out = Records::default();
    if let Ok(Value::Object(whole)) = serde_json::from_str::<Value>(text)
        && (whole.contains_key("entities") || whole.contains_key("relations"))
    {
        let list = |name: &str| {
            whole
                .get(name)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
        };
        let entries = list("entities").map(|e| ("entity", e));
        let entries = entries.chain(list("relations").map(|r| ("relation", r)));
        for (n, (kind, entry)) in entries.enumerate() {
            read(kind, entry, n as u64 + 1, source, &mut out);
        }
        return Ok(out);
    }
    let mut known = false;
    for (n, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let at = n as u64 + 1;
        match serde_json::from_str::<Value>(line) {
            Ok(entry) => {
                let kind = entry
                    .get("type")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                known |= matches!(kind, "entity" | "relation");
                read(kind, &entry, at, source, &mut out);
            }
            Err(e) => out.rejected.push((at, format!("not JSON: {e}"))),
        }
    }
    if known || (out.rejected.is_empty() && out.records.is_empty()) {
        Ok(out)
    } else {
        Err(ForeignError::NotMemories(NAME))
    }
}

fn read(kind: &str, entry: &Value, at: u64, source: &str, out: &mut Records) {
    let field = |name: &str| {
        let text = entry.get(name).and_then(Value::as_str)?.trim();
        (!text.is_empty()).then_some(text)
    };
    let mut add = |key: String, text: String| {
        out.add(Record {
            key: format!("server-memory:{key}"),
            kind: CellType::Fact,
            text,
            source: source.to_owned(),
            tags: Vec::new(),
            when: None,
        });
    };
    match kind {
        "entity" => {
            let Some(name) = field("name") else {
                out.rejected.push((at, "an entity without a name".into()));
                return;
            };
            let whom = match field("entityType") {
                Some(what) => format!("{name} ({what})"),
                None => name.to_owned(),
            };
            let observations: Vec<&str> = entry
                .get("observations")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|o| {
                    o.as_str()
                        .or_else(|| o.get("content").and_then(Value::as_str))
                })
                .map(str::trim)
                .filter(|o| !o.is_empty())
                .collect();
            if observations.is_empty() {
                add(name.to_owned(), whom);
                return;
            }
            for observation in observations {
                let print = blake3::hash(observation.as_bytes()).to_hex();
                let key = format!("{name}#{}", print.get(..16).unwrap_or_default());
                add(key, format!("{whom}: {observation}"));
            }
        }
        "relation" => match (field("from"), field("relationType"), field("to")) {
            (Some(from), Some(how), Some(to)) => {
                let key = format!("{from}>{how}>{to}");
                add(key, format!("{from} {} {to}", how.replace('_', " ")));
            }
            _ => out
                .rejected
                .push((at, "a relation without both ends and a type".into())),
        },
        _ => out
            .rejected
            .push((at, "neither an entity nor a relation".into())),
    }
}
