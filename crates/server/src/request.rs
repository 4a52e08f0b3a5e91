//! A request as handlers see it, and the two ways of reading its body.

use std::cell::RefCell;

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use memrl::Code;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::lax::{Fault, Fields, MAX_SAFE, NOT_AN_OBJECT};

/// A request, read to its end.
pub(crate) struct Req {
    /// The value in the path, where the route has one.
    pub(crate) id: String,
    /// The query, values as texts; of repeated names the last one counts.
    pub(crate) query: Map<String, Value>,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
}

impl Req {
    /// Splits a query string.
    pub(crate) fn parse_query(text: &str) -> Map<String, Value> {
        form_urlencoded::parse(text.as_bytes())
            .map(|(k, v)| (k.into_owned(), Value::String(v.into_owned())))
            .collect()
    }

    /// Reads the query as memcell-rl does: unknown names are ignored, every fault is listed.
    pub(crate) fn memcell_query<T>(
        &self,
        read: impl FnOnce(&Fields<'_>) -> T,
    ) -> Result<T, Failure> {
        let faults = RefCell::new(Vec::new());
        let out = read(&Fields::new("query", &self.query, &faults));
        let faults = faults.into_inner();
        if faults.is_empty() {
            Ok(out)
        } else {
            Err(Failure::faults(&faults))
        }
    }

    /// Reads the query of a native route: a misspelt name must not change the meaning silently.
    pub(crate) fn native_query<T>(
        &self,
        known: &[&str],
        read: impl FnOnce(&Fields<'_>) -> T,
    ) -> Result<T, Failure> {
        if let Some(name) = self.query.keys().find(|k| !known.contains(&k.as_str())) {
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            return Err(Failure::new(
                Code::InvalidInput,
                format!("{name:?} is not a parameter of this route; it takes: {known}"),
            ));
        }
        let faults = RefCell::new(Vec::new());
        let out = read(&Fields::new("query", &self.query, &faults));
        let faults = faults.into_inner();
        if faults.is_empty() {
            Ok(out)
        } else {
            Err(Failure::sentence(&faults))
        }
    }

    /// Whether the body says that it is JSON; `None` when it says nothing.
    pub(crate) fn says_json(&self) -> Option<bool> {
        let value = self.headers.get(header::CONTENT_TYPE)?;
        let essence = value
            .to_str()
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        let essence = essence.to_ascii_lowercase();
        Some(
            essence == "application/json"
                || (essence.starts_with("application/") && essence.ends_with("+json")),
        )
    }

    /// Reads the body as memcell-rl does.
    pub(crate) fn memcell_body<T>(
        &self,
        read: impl FnOnce(&Fields<'_>) -> T,
    ) -> Result<T, Failure> {
        let fault = |kind, msg, input: &Value| {
            Failure::faults(&[Fault::at(vec!["body".into()], kind, msg, input)])
        };
        if self.body.is_empty() {
            return Err(fault("missing", "Field required", &Value::Null));
        }
        if self.says_json() != Some(true) {
            let input = Value::from(String::from_utf8_lossy(&self.body));
            return Err(fault("model_attributes_type", NOT_AN_OBJECT, &input)
                .hint("send a JSON object with `Content-Type: application/json`"));
        }
        let value: Value = serde_json::from_slice(&self.body).map_err(|e| {
            let at = vec!["body".into(), char_offset(&self.body, &e).into()];
            Failure::faults(&[
                Fault::at(at, "json_invalid", "JSON decode error", &json!({}))
                    .ctx(json!({"error": e.to_string()})),
            ])
        })?;
        let Value::Object(map) = &value else {
            return Err(fault("model_attributes_type", NOT_AN_OBJECT, &value));
        };
        let faults = RefCell::new(Vec::new());
        let out = read(&Fields::new("body", map, &faults));
        let faults = faults.into_inner();
        if faults.is_empty() {
            Ok(out)
        } else {
            Err(Failure::faults(&faults))
        }
    }

    /// The body of a native route as an object with known keys. An absent body is an empty
    /// object; a body that says it is something else than JSON is refused.
    pub(crate) fn native_object(&self, schema: &str) -> Result<Map<String, Value>, Failure> {
        if self.says_json() == Some(false) {
            return Err(Failure::new(
                Code::UnsupportedMediaType,
                "the body is not JSON",
            ));
        }
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        let value: Value = serde_json::from_slice(&self.body)
            .map_err(|e| Failure::new(Code::MalformedJson, format!("the body is not JSON: {e}")))?;
        let Value::Object(map) = value else {
            return Err(Failure::new(
                Code::InvalidInput,
                "the body must be a JSON object",
            ));
        };
        check_keys(&map, schema, "")?;
        Ok(map)
    }

    /// The body of a native route as a type.
    pub(crate) fn native_body<T: DeserializeOwned>(&self, schema: &str) -> Result<T, Failure> {
        typed(self.native_object(schema)?, "")
    }
}

/// Refuses keys that the schema does not have: a misspelt one must not be lost silently.
pub(crate) fn check_keys(
    map: &Map<String, Value>,
    schema: &str,
    prefix: &str,
) -> Result<(), Failure> {
    let known = crate::openapi::keys_of(schema);
    match map.keys().find(|k| !known.contains(&k.as_str())) {
        None => Ok(()),
        Some(key) => Err(Failure::new(
            Code::InvalidInput,
            format!(
                "{prefix}{key}: is not a field of {schema}; it has: {}",
                known.join(", ")
            ),
        )
        .with("field", format!("{prefix}{key}"))),
    }
}

/// An object as a type; the failure names the field.
pub(crate) fn typed<T: DeserializeOwned>(
    mut map: Map<String, Value>,
    prefix: &str,
) -> Result<T, Failure> {
    if let Some(Value::String(text)) = map.get("scope") {
        let scope = memrl::scope_of_text(text);
        map.insert("scope".into(), scope);
    }
    // 267.0 is a whole number in JSON.
    for (_, value) in map.iter_mut().filter(|(name, _)| *name != "payload") {
        if let Some(x) = value.as_f64().filter(|_| value.is_f64())
            && x.fract() == 0.0
            && x.abs() <= MAX_SAFE as f64
        {
            *value = Value::from(x as i64);
        }
    }
    serde_path_to_error::deserialize(Value::Object(map)).map_err(|e| {
        let path = match e.path().to_string() {
            path if path == "." => prefix.trim_end_matches('.').to_owned(),
            path => format!("{prefix}{path}"),
        };
        let message = if path.is_empty() {
            e.inner().to_string()
        } else {
            format!("{path}: {}", e.inner())
        };
        Failure::new(Code::InvalidInput, message).with("field", path)
    })
}

/// Where in the body JSON went wrong, in characters as memcell-rl counts them.
fn char_offset(body: &[u8], error: &serde_json::Error) -> usize {
    let mut start = 0;
    for _ in 1..error.line() {
        match body[start..].iter().position(|b| *b == b'\n') {
            Some(i) => start += i + 1,
            None => break,
        }
    }
    let end = (start + error.column().saturating_sub(1)).min(body.len());
    String::from_utf8_lossy(&body[..end]).chars().count()
}
