//! Episodes over HTTP: captured, retrieved, judged, pruned, and what bad input does to them.

mod ask;
mod capture;
mod transcript;
mod values;

use memrl_server::ServeOptions;
use serde_json::{Value, json};

use crate::support::{Answer, Server};

pub const NDJSON: [(&str, &str); 1] = [("content-type", "application/x-ndjson")];

#[track_caller]
pub fn refused(answer: &Answer, status: u16, code: &str) {
    let body = answer.expect(status);
    assert_eq!(body["code"], code, "{body}");
    assert!(!body["hint"].as_str().unwrap().is_empty());
}

pub fn id(of: &Value) -> String {
    of["cell"]["cell_id"].as_str().unwrap().to_owned()
}

/// An episode of the project `shop`; its id.
pub fn told(s: &Server, summary: &str) -> String {
    let body = json!({
        "project": "shop",
        "summary": summary,
        "outcome": "success",
        "task_type": "bugfix",
        "tags": ["auth"],
    });
    id(&s.post("/v1/episodes", &body).expect(201))
}

pub fn retrieve(s: &Server, query: &str) -> Value {
    let body = json!({"query": query, "project": "shop", "explore": false});
    s.post("/v1/retrieve", &body).expect(200)
}

/// Bound to all addresses, where nothing said does not mean everything.
pub fn shared(options: &mut ServeOptions) {
    options.host = "0.0.0.0".into();
    options.token = Some("0123456789abcdef".into());
}

pub fn with_token(s: &Server, method: &str, path: &str, body: &Value) -> Answer {
    let headers = [
        ("authorization", "Bearer 0123456789abcdef"),
        ("content-type", "application/json"),
    ];
    s.send(method, path, &headers, body.to_string().as_bytes())
}
