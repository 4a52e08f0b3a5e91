//! The `OpenAPI` 3.1 document, made from the table of routes and the schemas.

use std::sync::LazyLock;

use bytes::Bytes;
use memrl::Code;
use serde_json::{Map, Value, json};

use crate::lax::MAX_SAFE;
use crate::route::{Answer, Param, Route, routes};

/// Components of the document, written by hand: what each field means, its unit and range.
const SCHEMAS: [&str; 3] = [
    include_str!("schemas.json"),
    include_str!("schemas_episodes.json"),
    include_str!("schemas_learning.json"),
];

static PARSED: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    // A document that is no JSON is a fault of ours that the first test finds.
    SCHEMAS
        .iter()
        .flat_map(|text| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default())
        .collect()
});

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in routes() {
        let item = paths.entry(route.path).or_insert_with(|| json!({}));
        item[route.method.to_ascii_lowercase()] = operation(route);
    }
    let mut schemas = PARSED.clone();
    schemas.insert("ErrorCode".into(), error_codes());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "memrl",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A local-first memory engine for LLM agents. The routes of section \
                `memcell` take and give what memcell-rl's do; all others are memrl's own. Times \
                are UTC, written with `Z`. Every failure is `{detail, code, hint}`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server."}],
        "tags": [
            {"name": "memcell", "description": "memcell-rl's routes."},
            {"name": "cells", "description": "Cells: write, read, change, forget."},
            {"name": "decisions", "description": "Recall, feedback, and the log of decisions."},
            {"name": "episodes", "description": "What agents did: capture, retrieve, judge, prune."},
            {"name": "learning", "description": "Training, evaluation, policies and their roles, impact."},
            {"name": "operation", "description": "Rewards, numbers, health."},
            {"name": "export", "description": "The log and the cells as JSON Lines, and the log as other programs read it."},
            {"name": "mcp", "description": "The Model Context Protocol."},
            {"name": "server", "description": "The server about itself."},
        ],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {
                "type": "http", "scheme": "bearer",
                "description": "Asked for unless the server is bound to loopback without one.",
            }},
        },
    })
}

/// The document as it is sent.
pub(crate) fn text() -> Bytes {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| document().to_string().into());
    TEXT.clone()
}

/// The fields that an object of this schema may have.
pub(crate) fn keys_of(schema: &str) -> Vec<&'static str> {
    PARSED
        .get(schema)
        .and_then(|s| s["properties"].as_object())
        .map(|p| p.keys().map(String::as_str).collect())
        .unwrap_or_default()
}

fn reference(schema: &str) -> Value {
    if schema == "Anything" {
        return json!({});
    }
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = route
        .query
        .iter()
        .map(|p| query_param(p, route.required.contains(&p.name)))
        .collect();
    if let Some(name) = route.path_param() {
        let schema = match name {
            "cell_id" => "CellRef",
            "job" => "JobRef",
            "policy" => "PolicyRef",
            _ => "DecisionRef",
        };
        parameters.insert(
            0,
            json!({
                "name": name, "in": "path", "required": true,
                "description": PARSED[schema]["description"], "schema": reference(schema),
            }),
        );
    }
    if route.path == "/v1/cells" && route.method == "POST" {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "A second write with the same key returns the first cell.",
            "schema": {"type": "string", "maxLength": 255},
        }));
    }
    let mut responses = Map::new();
    for (status, about, answer) in route.answers {
        responses.insert(status.to_string(), success(about, *answer));
    }
    for status in failures(route) {
        responses.insert(status.to_string(), failure(route, status));
    }
    let id = format!("{}{}", route.method.to_ascii_lowercase(), route.path)
        .replace(['/', '.'], "_")
        .replace(['{', '}'], "");
    let mut operation = json!({
        "tags": [route.tag],
        "summary": route.about,
        "operationId": id.trim_end_matches('_'),
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = route.body {
        let optional = is_optional(body);
        let content: Map<String, Value> = route
            .media
            .iter()
            .map(|media| ((*media).to_owned(), json!({"schema": reference(body)})))
            .collect();
        operation["requestBody"] = json!({
            "required": !optional,
            "content": content,
        });
    }
    if route.open {
        operation["security"] = json!([]);
    }
    operation
}

/// A body none of whose fields is required may be left out on native routes.
fn is_optional(schema: &str) -> bool {
    PARSED
        .get(schema)
        .filter(|s| s["type"] == "object")
        .is_some_and(|s| s.get("required").is_none() && s.get("x-memcell").is_none())
}

fn query_param(param: &Param, required: bool) -> Value {
    let schema = match param.kind {
        "string" => json!({"type": "string"}),
        "cursor" => json!({"type": "string", "pattern": "^[0-9]{1,18}$"}),
        "integer" => json!({"type": "integer", "minimum": 0, "maximum": MAX_SAFE}),
        "count" => json!({"type": "integer", "minimum": 1, "maximum": MAX_SAFE}),
        "page" => json!({"type": "integer", "minimum": 1, "maximum": 1000}),
        "boolean" => json!({"type": "boolean"}),
        "time" => json!({"type": "string", "format": "date-time"}),
        list if list.ends_with("[]") => {
            json!({"type": "array", "items": reference(list.trim_end_matches("[]"))})
        }
        schema => reference(schema),
    };
    // Lists are written `a,b`.
    json!({
        "name": param.name, "in": "query", "required": required, "explode": false,
        "description": param.about, "schema": schema,
    })
}

fn success(about: &str, answer: Answer) -> Value {
    let content = |media: &str, schema: Value| json!({media: {"schema": schema}});
    match answer {
        Answer::Json(schema) => {
            json!({"description": about, "content": content("application/json", reference(schema))})
        }
        Answer::JsonList(schema) => json!({
            "description": about,
            "content":
                content("application/json", json!({"type": "array", "items": reference(schema)})),
        }),
        Answer::Text(media) => {
            json!({"description": about, "content": content(media, json!({"type": "string"}))})
        }
        Answer::Redirect => json!({
            "description": about,
            "headers": {"Location": {"description": "Where to.", "schema": {"type": "string"}}},
        }),
    }
}

/// The failures that a route can answer, in order.
pub(crate) fn failures(route: &Route) -> Vec<u16> {
    let mut all = vec![400, 403, 405, 500, 503, 504];
    if !route.open {
        all.push(401);
    }
    if route.body.is_some() {
        all.extend([413, 422, 507]);
        if route.tag != "memcell" {
            all.push(415);
        }
    }
    if !route.query.is_empty() {
        all.push(422);
    }
    if route.path_param().is_some() {
        all.extend([404, 409, 422]);
    }
    all.extend(route.failures);
    all.sort_unstable();
    all.dedup();
    all
}

fn failure(route: &Route, status: u16) -> Value {
    if status == 400 {
        // The one failure below this crate: what cannot be read as HTTP has no route yet.
        return json!({"description": "The request is not HTTP that can be read; no body."});
    }
    let codes: Vec<&str> = Code::ALL
        .iter()
        .map(|c| c.info())
        .filter(|i| i.status == status)
        .map(|i| i.code)
        .collect();
    let schema = if status == 422 && route.tag == "memcell" {
        "ValidationError"
    } else {
        "Error"
    };
    json!({
        "description": format!("{}: {}.", reason(status), codes.join(", ")),
        "content": {"application/json": {"schema": reference(schema)}},
    })
}

fn reason(status: u16) -> &'static str {
    axum::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|s| s.canonical_reason())
        .unwrap_or("Failure")
}

fn error_codes() -> Value {
    let codes: Vec<&str> = Code::ALL.iter().map(|c| c.info().code).collect();
    json!({"type": "string", "enum": codes, "description": "Stable; made for programs."})
}
