//! Checks a tool's arguments against its input schema.
//!
//! The schemas of [`super::tools`] are what clients see and what is enforced, so that the two
//! cannot differ. They use a small part of JSON Schema: `type`, `enum`, `minimum`, `items`,
//! `properties`, `required`, `additionalProperties: false`.

use serde_json::{Map, Value};

/// Checks an object of arguments; every fault is named with its field, the first one first.
///
/// `null` stands for an optional argument that was left out, and is removed.
pub(crate) fn arguments(
    schema: &Value,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<String>> {
    let mut kept = given.clone();
    kept.retain(|name, v| !v.is_null() || is_required(schema, name));
    let mut faults = Vec::new();
    object(schema, &kept, "", &mut faults);
    if faults.is_empty() {
        Ok(kept)
    } else {
        Err(faults)
    }
}

fn is_required(schema: &Value, name: &str) -> bool {
    let required = schema["required"].as_array();
    required.is_some_and(|all| all.iter().any(|r| r == name))
}

fn object(schema: &Value, given: &Map<String, Value>, at: &str, faults: &mut Vec<String>) {
    let known = schema["properties"].as_object();
    let names = || known.into_iter().flat_map(Map::keys);
    for name in names().filter(|n| is_required(schema, n) && !given.contains_key(*n)) {
        faults.push(format!("{at}{name}: is required"));
    }
    for (name, value) in given {
        if let Some(field) = known.and_then(|k| k.get(name)) {
            check(field, value, &format!("{at}{name}"), faults);
            continue;
        }
        let known: Vec<&str> = names().map(String::as_str).collect();
        let shown: String = name.chars().take(60).collect();
        faults.push(format!(
            "{at}{shown}: is not an argument; there are: {}",
            known.join(", ")
        ));
    }
}

fn check(schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let wrong = |wanted: &str| format!("{at}: must be {wanted}, not {}", shown(value));
    match schema["type"].as_str().unwrap_or_default() {
        "string" => match (value.as_str(), schema["enum"].as_array()) {
            (Some(text), Some(allowed)) if !allowed.iter().any(|a| a == text) => {
                let names: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
                faults.push(wrong(&format!("one of {}", names.join(", "))));
            }
            (Some(_), _) => {}
            (None, _) => faults.push(wrong("a string")),
        },
        "boolean" if !value.is_boolean() => faults.push(wrong("true or false")),
        "integer" => {
            let least = schema["minimum"].as_f64().unwrap_or(f64::MIN);
            // Beyond 2^53 every number is whole.
            if !value.as_f64().is_some_and(|x| x.fract() == 0.0) {
                faults.push(wrong("a whole number"));
            } else if value.as_f64().is_some_and(|x| x < least) {
                faults.push(wrong(&format!("at least {least}")));
            }
        }
        "array" => match value.as_array() {
            Some(items) => {
                for (i, item) in items.iter().enumerate() {
                    check(&schema["items"], item, &format!("{at}[{i}]"), faults);
                }
            }
            None => faults.push(wrong("an array")),
        },
        "object" => match value.as_object() {
            Some(fields) => object(schema, fields, &format!("{at}."), faults),
            None => faults.push(wrong("an object")),
        },
        _ => {}
    }
}

/// A value as an error message shows it: short, and on one line.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 {
        text
    } else {
        text.chars().take(40).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mcp::tools;

    fn faults(tool: &str, given: &Value) -> Vec<String> {
        let tool = tools::named(tool).expect("a tool");
        let given = given.as_object().expect("an object");
        arguments(&tool.input, given).err().unwrap_or_default()
    }

    #[test]
    fn a_fault_names_its_field_and_what_would_be_right() {
        for (given, expected) in [
            (
                json!({"limit": "3"}),
                r#"limit: must be a whole number, not "3""#,
            ),
            (json!({"limit": 0}), "limit: must be at least 1, not 0"),
            (json!({"limit": -5}), "limit: must be at least 1, not -5"),
            (
                json!({"limit": 2.5}),
                "limit: must be a whole number, not 2.5",
            ),
            (json!({"query": 7}), "query: must be a string, not 7"),
            (
                json!({"all": "yes"}),
                r#"all: must be true or false, not "yes""#,
            ),
            (
                json!({"types": "fact"}),
                r#"types: must be an array, not "fact""#,
            ),
            (
                json!({"lmit": 3}),
                "lmit: is not an argument; there are: query, limit, project, all, id, types",
            ),
        ] {
            assert_eq!(faults("memrl_retrieve", &given), [expected]);
        }
        let capture =
            json!({"summary": null, "task_type": "chore", "errors_resolved": [{"error": 1}]});
        let all = faults("memrl_capture", &capture);
        assert!(all.contains(&"outcome: is required".to_owned()), "{all:?}");
        assert!(
            all.contains(&"summary: must be a string, not null".to_owned()),
            "{all:?}"
        );
        assert!(
            all.contains(&"errors_resolved[0].resolution: is required".to_owned()),
            "{all:?}"
        );
        assert!(
            all.contains(&"errors_resolved[0].error: must be a string, not 1".to_owned()),
            "{all:?}"
        );
        assert!(
            all.iter()
                .any(|f| f.starts_with("task_type: must be one of bugfix, ")),
            "{all:?}"
        );
    }

    #[test]
    fn huge_numbers_and_nulls_are_no_faults() {
        for given in [
            json!({"limit": 100_000_000_000_000_000_u64}),
            json!({"limit": 1e300}),
            json!({"limit": 3.0}),
            json!({"query": null, "limit": null}),
        ] {
            assert_eq!(
                faults("memrl_retrieve", &given),
                Vec::<String>::new(),
                "{given}"
            );
        }
    }
}
