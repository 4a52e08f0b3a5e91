//! Edits of JSON settings, with or without comments: spacing, order and comments stay.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstArray, CstInputValue, CstNode, CstObject, CstRootNode};
use serde_json::Value;

use super::command::is_ours;
use super::{Entry, Hooks, NAME};

/// The key of hooks in every program's file.
const HOOKS: &str = "hooks";
/// The variable of an entry that says where the memory is.
const DATA_DIR: &str = "MEMRL_DATA_DIR";

/// Comments and trailing commas, which editors allow; nothing else that JSON does not have.
const LENIENT: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: false,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// A document that is an object; an empty text is an empty one.
fn open(text: &str) -> Result<(CstRootNode, CstObject), String> {
    let text = if text.trim().is_empty() { "{}\n" } else { text };
    let root = CstRootNode::parse(text, &LENIENT).map_err(|e| e.to_string())?;
    let object = root.object_value();
    let object = object.ok_or_else(|| "is not a JSON object".to_owned())?;
    Ok((root, object))
}

fn value_of(text: &str) -> Option<Value> {
    open(text).ok()?.0.to_serde_value()
}

/// Whether the text before our first change had something at this place.
fn had(origin: Option<&str>, pointer: &str) -> bool {
    let value = origin.and_then(value_of);
    value.is_some_and(|v| v.pointer(pointer).is_some())
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(b) => CstInputValue::Bool(*b),
        Value::Number(n) => CstInputValue::Number(n.to_string()),
        Value::String(s) => CstInputValue::String(s.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(map) => object_input(map),
    }
}

fn object_input(map: &Entry) -> CstInputValue {
    CstInputValue::Object(map.iter().map(|(k, v)| (k.clone(), input(v))).collect())
}

/// Our server as it stands in the text.
pub fn server(text: &str, key: &str) -> Result<Option<Entry>, String> {
    let (_, object) = open(text)?;
    let entry = object
        .object_value(key)
        .and_then(|servers| servers.get(NAME))
        .and_then(|entry| entry.object_value())
        .and_then(|entry| entry.to_serde_value());
    Ok(match entry {
        Some(Value::Object(map)) => Some(map),
        _ => None,
    })
}

/// Puts our server in. Settings that the user gave to it stay.
pub fn put_server(text: &str, key: &str, entry: &Entry) -> Result<String, String> {
    let (root, object) = open(text)?;
    let servers = object.object_value_or_create(key);
    let servers = servers.ok_or_else(|| format!("`{key}` is not an object"))?;
    match servers.get(NAME) {
        None => {
            servers.append(NAME, object_input(entry));
        }
        Some(present) => match present.object_value() {
            Some(present) => merge(&present, entry),
            None => present.set_value(object_input(entry)),
        },
    }
    Ok(root.to_string())
}

/// Makes an entry start what it should, and leaves the rest of it alone.
fn merge(present: &CstObject, entry: &Entry) {
    for (key, wanted) in entry.iter().filter(|(key, _)| *key != "env") {
        match present.get(key) {
            Some(prop)
                if prop.value().and_then(|v| v.to_serde_value()).as_ref() == Some(wanted) => {}
            Some(prop) => prop.set_value(input(wanted)),
            // Every program takes a command without a type to be one on stdio.
            None if key == "type" => {}
            None => {
                present.append(key, input(wanted));
            }
        }
    }
    let wanted = entry.get("env").and_then(|env| env.get(DATA_DIR));
    let env = present.object_value("env");
    let now = env.as_ref().and_then(|env| env.get(DATA_DIR));
    match (wanted, now) {
        (Some(wanted), Some(prop)) => {
            if prop.value().and_then(|v| v.to_serde_value()).as_ref() != Some(wanted) {
                prop.set_value(input(wanted));
            }
        }
        (Some(wanted), None) => {
            present
                .object_value_or_set("env")
                .append(DATA_DIR, input(wanted));
        }
        (None, Some(prop)) => {
            prop.remove();
            if let Some(env) = present.get("env")
                && env
                    .object_value()
                    .is_some_and(|e| e.properties().is_empty())
            {
                env.remove();
            }
        }
        (None, None) => {}
    }
}

/// Takes our server out.
pub fn take_server(text: &str, key: &str, origin: Option<&str>) -> Result<String, String> {
    let (root, object) = open(text)?;
    let Some(list) = object.get(key) else {
        return Ok(text.to_owned());
    };
    let Some(servers) = list.object_value() else {
        return Ok(text.to_owned());
    };
    let Some(entry) = servers.get(NAME) else {
        return Ok(text.to_owned());
    };
    entry.remove();
    if servers.properties().is_empty() && !had(origin, &format!("/{key}")) {
        list.remove();
    }
    Ok(root.to_string())
}

/// Our entries, by event, as they stand in the text.
pub fn hooks(text: &str, hooks: &Hooks) -> Result<Vec<(String, Value)>, String> {
    let (_, object) = open(text)?;
    let mut found = Vec::new();
    let Some(events) = object.object_value(HOOKS) else {
        return Ok(found);
    };
    for event in events.properties() {
        let (Some(name), Some(list)) = (event.decoded_name(), event.array_value()) else {
            continue;
        };
        for element in list.elements() {
            if ours_in(&element, hooks.grouped).is_empty() {
                continue;
            }
            if let Some(value) = element.to_serde_value() {
                found.push((name.clone(), value));
            }
        }
    }
    Ok(found)
}

/// Puts our hooks in, and takes out those of ours that are not wanted.
pub fn put_hooks(text: &str, hooks: &Hooks) -> Result<String, String> {
    let (root, object) = open(text)?;
    if let Some(version) = hooks.version
        && object.get("version").is_none()
    {
        object.append("version", CstInputValue::Number(version.to_string()));
    }
    let events = object.object_value_or_create(HOOKS);
    let events = events.ok_or_else(|| format!("`{HOOKS}` is not an object"))?;
    for event in events.properties() {
        let name = event.decoded_name().unwrap_or_default();
        if hooks.wanted.iter().all(|(wanted, _)| *wanted != name)
            && let Some(list) = event.array_value()
            && take_from(&list, hooks.grouped) > 0
            && list.elements().is_empty()
        {
            event.remove();
        }
    }
    for (name, wanted) in &hooks.wanted {
        let list = events.array_value_or_create(name);
        let list = list.ok_or_else(|| format!("`{HOOKS}.{name}` is not a list"))?;
        let mut with_ours = list.elements();
        with_ours.retain(|e| !ours_in(e, hooks.grouped).is_empty());
        if with_ours.len() == 1 && with_ours[0].to_serde_value().as_ref() == Some(wanted) {
            continue;
        }
        take_from(&list, hooks.grouped);
        list.append(input(wanted));
    }
    Ok(root.to_string())
}

/// Takes our hooks out.
pub fn take_hooks(text: &str, hooks: &Hooks, origin: Option<&str>) -> Result<String, String> {
    let (root, object) = open(text)?;
    let Some(all) = object.get(HOOKS) else {
        return Ok(text.to_owned());
    };
    let Some(events) = all.object_value() else {
        return Ok(text.to_owned());
    };
    let mut taken = 0;
    for event in events.properties() {
        let Some(list) = event.array_value() else {
            continue;
        };
        let here = take_from(&list, hooks.grouped);
        taken += here;
        let name = event.decoded_name().unwrap_or_default();
        if here > 0 && list.elements().is_empty() && !had(origin, &format!("/{HOOKS}/{name}")) {
            event.remove();
        }
    }
    if taken == 0 {
        return Ok(text.to_owned());
    }
    if events.properties().is_empty() && !had(origin, &format!("/{HOOKS}")) {
        all.remove();
    }
    Ok(root.to_string())
}

/// Whether a document is an object with nothing in it but a version.
pub fn is_bare(text: &str) -> bool {
    // A comment is somebody's.
    let comment = text.contains("//") || text.contains("/*");
    let value = value_of(text);
    let empty = |v: &Value| match v {
        Value::Object(map) => map
            .iter()
            .all(|(k, v)| k == "version" || v.as_object().is_some_and(serde_json::Map::is_empty)),
        _ => false,
    };
    !comment && value.is_some_and(|v| empty(&v))
}

/// Our handlers in an element of an event's list.
fn ours_in(element: &CstNode, grouped: bool) -> Vec<CstNode> {
    let ours = |handler: &CstNode| {
        let command = handler
            .as_object()
            .and_then(|h| h.get("command"))
            .and_then(|c| c.value())
            .and_then(|c| c.to_serde_value());
        command.is_some_and(|c| c.as_str().is_some_and(is_ours))
    };
    if !grouped {
        return Some(element.clone()).filter(ours).into_iter().collect();
    }
    let handlers = element.as_object().and_then(|g| g.array_value(HOOKS));
    let mut handlers = handlers.map(|h| h.elements()).unwrap_or_default();
    handlers.retain(ours);
    handlers
}

/// Takes our handlers out of an event's list, with groups that are empty then; how many.
fn take_from(list: &CstArray, grouped: bool) -> usize {
    let mut taken = 0;
    for element in list.elements() {
        let ours = ours_in(&element, grouped);
        if ours.is_empty() {
            continue;
        }
        taken += ours.len();
        if !grouped {
            element.remove();
            continue;
        }
        let group = element.as_object().and_then(|g| g.array_value(HOOKS));
        let whole = group.is_some_and(|g| g.elements().len() == ours.len());
        if whole {
            element.remove();
        } else {
            for handler in ours {
                handler.remove();
            }
        }
    }
    taken
}
