//! Edits of TOML settings: comments, order and spacing stay.

use serde_json::Value as Json;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::{Entry, NAME};

/// The table of MCP servers.
const SERVERS: &str = "mcp_servers";
/// The variable of an entry that says where the memory is.
const DATA_DIR: &str = "MEMRL_DATA_DIR";

fn open(text: &str) -> Result<DocumentMut, String> {
    text.parse::<DocumentMut>()
        .map_err(|e| e.to_string().trim_end().to_owned())
}

/// Our server as it stands in the text.
pub fn server(text: &str) -> Result<Option<Entry>, String> {
    let document = open(text)?;
    let entry = document
        .get(SERVERS)
        .and_then(Item::as_table_like)
        .and_then(|servers| servers.get(NAME))
        .and_then(Item::as_table_like);
    Ok(entry.map(|entry| {
        let known = entry
            .iter()
            .filter_map(|(k, v)| Some((k.to_owned(), json(v)?)));
        known.collect()
    }))
}

/// Puts our server in. Settings that the user gave to it stay.
pub fn put_server(text: &str, entry: &Entry) -> Result<String, String> {
    let mut document = open(text)?;
    let servers = document.entry(SERVERS).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let servers = servers.as_table_like_mut();
    let servers = servers.ok_or_else(|| format!("`{SERVERS}` is not a table"))?;
    if let Some(present) = servers.get_mut(NAME).and_then(Item::as_table_like_mut) {
        merge(present, entry);
    } else {
        let mut table = Table::new();
        merge(&mut table, entry);
        servers.insert(NAME, Item::Table(table));
    }
    Ok(document.to_string())
}

/// Makes an entry start what it should, and leaves the rest of it alone.
fn merge(present: &mut dyn TableLike, entry: &Entry) {
    for (key, wanted) in entry.iter().filter(|(key, _)| *key != "env") {
        if present.get(key).and_then(json).as_ref() != Some(wanted) {
            present.insert(key, Item::Value(toml(wanted)));
        }
    }
    let wanted = entry.get("env").and_then(|env| env.get(DATA_DIR));
    if let Some(wanted) = wanted {
        if present.get("env").and_then(Item::as_table_like).is_none() {
            present.insert("env", Item::Value(InlineTable::new().into()));
        }
        let env = present.get_mut("env").and_then(Item::as_table_like_mut);
        if let Some(env) = env
            && env.get(DATA_DIR).and_then(json).as_ref() != Some(wanted)
        {
            env.insert(DATA_DIR, Item::Value(toml(wanted)));
        }
        return;
    }
    let env = present.get_mut("env").and_then(Item::as_table_like_mut);
    if let Some(env) = env
        && env.remove(DATA_DIR).is_some()
        && env.is_empty()
    {
        present.remove("env");
    }
}

/// Takes our server out.
pub fn take_server(text: &str, origin: Option<&str>) -> Result<String, String> {
    let mut document = open(text)?;
    let servers = document.get_mut(SERVERS).and_then(Item::as_table_like_mut);
    let Some(servers) = servers else {
        return Ok(text.to_owned());
    };
    if servers.remove(NAME).is_none() {
        return Ok(text.to_owned());
    }
    let had = origin.and_then(|o| open(o).ok());
    let had = had.is_some_and(|o| o.contains_key(SERVERS));
    if servers.is_empty() && !had {
        document.remove(SERVERS);
    }
    Ok(document.to_string())
}

/// Texts, lists and tables of them: what an entry of ours is made of.
fn toml(value: &Json) -> Value {
    match value {
        Json::Array(items) => Value::Array(items.iter().map(toml).collect::<Array>()),
        Json::Object(map) => {
            let pairs = map.iter().map(|(k, v)| (k.as_str(), toml(v)));
            Value::InlineTable(pairs.collect())
        }
        Json::String(text) => text.as_str().into(),
        Json::Bool(b) => (*b).into(),
        Json::Number(n) => n.as_i64().unwrap_or_default().into(),
        Json::Null => "".into(),
    }
}

/// The same the other way round; `None` for what an entry of ours does not have.
fn json(item: &Item) -> Option<Json> {
    if let Some(text) = item.as_str() {
        return Some(text.into());
    }
    if let Some(b) = item.as_bool() {
        return Some(b.into());
    }
    if let Some(n) = item.as_integer() {
        return Some(n.into());
    }
    if let Some(items) = item.as_array() {
        let items = items.iter().map(|v| json(&Item::Value(v.clone())));
        return items.collect::<Option<Vec<_>>>().map(Json::Array);
    }
    let table = item.as_table_like()?;
    let pairs = table.iter().map(|(k, v)| Some((k.to_owned(), json(v)?)));
    pairs.collect::<Option<Entry>>().map(Json::Object)
}
