//! Answers against the schemas of the document.

use serde_json::Value;

/// Holds an answer against its schema in the document: types, required fields, values of vocabularies, and that no object with listed
/// fields has others.
#[track_caller]
pub fn conforms(value: &Value, schema: &str) {
    let document = memrl_server::openapi();
    let schemas = &document["components"]["schemas"];
    if let Err(why) = check(value, &schemas[schema], schemas) {
        panic!("{schema}: {why}");
    }
}

fn check(value: &Value, schema: &Value, schemas: &Value) -> Result<(), String> {
    if let Some(Value::String(reference)) = schema.get("$ref") {
        let name = reference.rsplit('/').next().unwrap();
        return check(value, &schemas[name], schemas).map_err(|e| format!("{name}: {e}"));
    }
    if let Some(Value::Array(choices)) = schema.get("anyOf") {
        let why: Vec<String> = choices
            .iter()
            .filter_map(|s| check(value, s, schemas).err())
            .collect();
        if why.len() == choices.len() {
            return Err(why.join(" | "));
        }
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        check(value, part, schemas).or_else(|e| match part.get("$ref") {
            // Fields of the other parts.
            Some(_) if e.contains("is not listed") => Ok(()),
            _ => Err(e),
        })?;
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = |t: &Value| t == kind || (t == "number" && kind == "integer");
    let typed = match &schema["type"] {
        Value::Array(types) => types.iter().any(fits),
        Value::Null => true,
        one => fits(one),
    };
    if !typed {
        return Err(format!("{value} is no {}", schema["type"]));
    }
    if let Some(Value::Array(all)) = schema.get("enum")
        && !all.contains(value)
    {
        return Err(format!("{value} is none of {all:?}"));
    }
    for item in value.as_array().into_iter().flatten() {
        if let Some(items) = schema.get("items") {
            check(item, items, schemas)?;
        }
    }
    let Some(object) = value.as_object() else {
        return Ok(());
    };
    for name in schema["required"].as_array().into_iter().flatten() {
        if !object.contains_key(name.as_str().unwrap()) {
            return Err(format!("{name} is missing"));
        }
    }
    for (name, inner) in object {
        match (
            schema["properties"].get(name),
            schema.get("additionalProperties"),
        ) {
            (Some(s), _) => check(inner, s, schemas).map_err(|e| format!("{name}: {e}"))?,
            (None, Some(s)) if s.is_object() => check(inner, s, schemas)?,
            (None, _) if schema.get("properties").is_some() => {
                return Err(format!("{name} is not listed"));
            }
            _ => {}
        }
    }
    Ok(())
}
