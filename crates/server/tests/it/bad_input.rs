//! The issue's table of bad input: each gets the right status, a code and a hint, and what is
//! stored stays.

use std::io::Write;

use memrl::Config;
use serde_json::{Value, json};

use crate::support::{Answer, Server};

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    let body = answer.expect(status);
    assert_eq!(body["code"], code, "{body}");
    assert!(!body["hint"].as_str().unwrap().is_empty());
    assert!(!body["detail"].is_null());
}

/// A body for each route that searches, with one field replaced.
fn asks(field: &str, text: &str) -> [(&'static str, String); 3] {
    let body = |fields: &[(&str, &str)]| {
        let fields: Vec<String> = fields
            .iter()
            .filter(|(name, _)| *name != field)
            .map(|(n, v)| format!("\"{n}\": {v}"))
            .chain([format!("\"{field}\": {text}")])
            .collect();
        format!("{{{}}}", fields.join(", "))
    };
    let scope = ("scope", "{\"u\": \"1\"}");
    [
        ("/v1/cells/retrieve", body(&[("query", "\"x\""), scope])),
        ("/v1/cells/decide", body(&[("query", "\"x\""), scope])),
        ("/v1/recall", body(&[("query", "\"x\""), scope])),
    ]
}

#[test]
fn numbers_that_are_none_are_refused_everywhere() {
    let s = Server::start();
    for number in ["NaN", "Infinity", "-Infinity", "1e999"] {
        for (path, body) in [
            (
                "/v1/cells/write",
                format!(
                    "{{\"type\": \"fact\", \"scope\": {{}}, \"content\": \"x\", \"policy_features\": {{\"criticality\": {number}}}}}"
                ),
            ),
            (
                "/v1/cells",
                format!(
                    "{{\"type\": \"fact\", \"scope\": {{}}, \"content\": \"x\", \"confidence\": {number}}}"
                ),
            ),
            (
                "/v1/feedback",
                format!("{{\"decision_id\": \"last\", \"metrics\": {{\"m\": {number}}}}}"),
            ),
        ] {
            refused(&s.post_text(path, &body), 422, "malformed_json");
        }
    }
    // As a text it is a number to memcell-rl.
    let body = json!({"type": "fact", "scope": {}, "content": "x", "policy_features": {"staleness": "nan"}});
    refused(&s.post("/v1/cells/write", &body), 422, "not_finite");
    let body = json!({"type": "fact", "scope": {}, "content": "x", "confidence": "inf"});
    refused(&s.post("/v1/cells/write", &body), 422, "not_finite");
}

#[test]
fn lone_surrogates_and_broken_utf8_are_refused() {
    let s = Server::start();
    for path in ["/v1/cells/write", "/v1/cells"] {
        let body = r#"{"type": "fact", "scope": {}, "content": "\ud800"}"#;
        refused(&s.post_text(path, body), 422, "malformed_json");
        let json = [("content-type", "application/json")];
        let body = b"{\"type\": \"fact\", \"scope\": {}, \"content\": \"\xff\"}";
        refused(&s.send("POST", path, &json, body), 422, "malformed_json");
    }
}

#[test]
fn a_cell_of_ten_megabytes_is_too_large() {
    let s = Server::start();
    let body = json!({"type": "fact", "scope": {"u": "1"}, "content": "x".repeat(10 << 20)});
    for path in ["/v1/cells/write", "/v1/cells"] {
        refused(&s.post(path, &body), 413, "content_too_large");
    }
}

#[test]
fn a_body_beyond_the_limit_is_refused_declared_or_not() {
    let s = Server::with(|o| o.max_body_bytes = 1000);
    let body = json!({"type": "fact", "scope": {}, "content": "x".repeat(2000)}).to_string();
    refused(
        &s.post_text("/v1/cells/write", &body),
        413,
        "body_too_large",
    );
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let head = "POST /v1/cells HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
        content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut stream = s.connect();
    write!(stream, "{head}{chunked}").unwrap();
    refused(
        &crate::support::read_answer(&mut stream),
        413,
        "body_too_large",
    );
    assert_eq!(s.get("/health").status, 200);
}

#[test]
fn empty_content_is_refused_by_native_writes() {
    let s = Server::start();
    for content in ["", " \n\t"] {
        let body = json!({"type": "fact", "scope": {"u": "1"}, "content": content});
        refused(&s.post("/v1/cells", &body), 422, "empty_content");
    }
}

#[test]
fn unknown_names_and_fields_are_refused() {
    let s = Server::start();
    let with = |field: &str, value: Value| {
        let mut body = json!({"type": "fact", "scope": {"u": "1"}, "content": "x"});
        body[field] = value;
        body
    };
    for (field, value) in [
        ("type", json!("rumour")),
        ("status", json!("gone")),
        ("sensitivity", json!("x")),
    ] {
        for path in ["/v1/cells", "/v1/cells/write"] {
            refused(
                &s.post(path, &with(field, value.clone())),
                422,
                "invalid_input",
            );
        }
    }
    let a = s.post("/v1/cells", &with("sensitivty", json!("high")));
    refused(&a, 422, "invalid_input");
    assert_eq!(a.json()["field"], "sensitivty");
    refused(
        &s.post("/v1/cells", &with("imported", json!(null))),
        422,
        "invalid_input",
    );
    refused(
        &s.post("/v1/cells", &with("status", json!("deleted"))),
        422,
        "invalid_input",
    );
    let a = s.post("/v1/cells", &with("confidence", json!("high")));
    assert!(
        a.expect(422)["detail"]
            .as_str()
            .unwrap()
            .starts_with("confidence: ")
    );
}

#[test]
fn counts_and_budgets_out_of_range_are_refused() {
    let s = Server::start();
    for k in [
        "0",
        "-1",
        "1000000000",
        "10001",
        "9223372036854775808",
        "1e30",
    ] {
        let [retrieve, decide, _] = asks("k", k);
        for (path, body) in [retrieve, decide] {
            refused(&s.post_text(path, &body), 422, "invalid_input");
        }
        let [.., (path, body)] = asks("limit", k);
        refused(&s.post_text(path, &body), 422, "invalid_input");
    }
    for budget in [
        "0",
        "-5",
        "9223372036854775808",
        "18446744073709551616",
        "1000000001",
    ] {
        let [_, decide, recall] = asks("budget_tokens", budget);
        for (path, body) in [decide, recall] {
            refused(&s.post_text(path, &body), 422, "invalid_input");
        }
    }
    s.post("/v1/recall", &json!({"query": "x", "scope": {"u": "1"}}))
        .expect(200);
    for (field, value) in [
        ("tokens_used", json!(-1)),
        ("latency_ms", json!(-1)),
        ("success", json!(2)),
    ] {
        let mut body = json!({"decision_id": "last"});
        body[field] = value;
        refused(&s.post("/v1/feedback", &body), 422, "invalid_input");
    }
}

#[test]
fn scopes_that_would_read_everybodys_cells_are_refused() {
    let s = Server::start();
    let recall = |scope: Value| s.post("/v1/recall", &json!({"query": "x", "scope": scope}));
    refused(&recall(json!({})), 422, "empty_scope");
    refused(&recall(json!("global")), 422, "empty_scope");
    refused(
        &s.post("/v1/recall", &json!({"query": "x"})),
        422,
        "empty_scope",
    );
    refused(&recall(json!({"user": null})), 422, "null_scope");
    s.post("/v1/recall", &json!({"query": "x", "all_scopes": true}))
        .expect(200);
    let write = json!({"type": "fact", "scope": {"user": null}, "content": "x"});
    refused(&s.post("/v1/cells", &write), 422, "null_scope");
    // One person's machine: memcell-rl's behaviour stays.
    for path in ["/v1/cells/retrieve", "/v1/cells/decide"] {
        s.post(path, &json!({"query": "x", "scope": {}}))
            .expect(200);
    }
}

#[test]
fn ids_that_are_none_or_do_not_exist_are_told_apart() {
    let s = Server::start();
    let none = "00000000-0000-4000-8000-000000000000";
    for path in ["history", "supersede", "quarantine", "release", "purge"] {
        let send = |id: &str| {
            let method = if path == "history" { "GET" } else { "POST" };
            let body: &[u8] = if path == "supersede" {
                b"{\"content\": \"x\"}"
            } else {
                b"{}"
            };
            s.send(
                method,
                &format!("/v1/cells/{id}/{path}"),
                &[("content-type", "application/json")],
                body,
            )
        };
        refused(&send(none), 404, "cell_not_found");
        refused(&send("not-an-id"), 422, "invalid_id");
    }
    refused(
        &s.get(&format!("/v1/decisions/{none}/why")),
        404,
        "decision_not_found",
    );
    refused(&s.get("/v1/decisions/xyz"), 422, "invalid_id");
    refused(&s.get("/v1/decisions/last"), 404, "decision_not_found");
    refused(
        &s.post("/v1/feedback", &json!({"decision_id": none})),
        404,
        "decision_not_found",
    );
    refused(
        &s.post("/v1/feedback", &json!({"success": true})),
        422,
        "invalid_input",
    );
}

#[test]
fn bodies_of_another_kind_are_refused() {
    let s = Server::start();
    for text in [
        "{",
        "",
        "nul",
        "[}",
        "{\"query\": \"x\",}",
        &"[".repeat(10_000),
    ] {
        if !text.is_empty() {
            refused(&s.post_text("/v1/recall", text), 422, "malformed_json");
        }
    }
    refused(&s.post_text("/v1/recall", "[]"), 422, "invalid_input");
    refused(&s.post_text("/v1/recall", ""), 422, "invalid_input");
    let text = s.send(
        "POST",
        "/v1/recall",
        &[("content-type", "text/plain")],
        b"{\"query\": \"x\"}",
    );
    refused(&text, 415, "unsupported_media_type");
}

#[test]
fn nothing_stored_is_lost_by_bad_input() {
    let s = Server::start();
    let cell = s
        .post(
            "/v1/cells",
            &json!({"type": "fact", "scope": {"u": "1"}, "content": "kept"}),
        )
        .expect(201);
    let path = format!("/v1/cells/{}", cell["cell"]["cell_id"].as_str().unwrap());
    for body in [
        json!({"content": ""}),
        json!({"confidence": 7}),
        json!({"scope": {"u": null}}),
        json!([]),
    ] {
        assert_eq!(s.patch(&path, &body).status, 422);
    }
    assert_eq!(s.get(&path).expect(200), cell["cell"]);
}

#[test]
fn a_server_without_time_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = memrl::Options::new(dir.path());
    options.config = Some(Config::default());
    let memory = std::sync::Arc::new(memrl::Memory::open_with(options).unwrap());
    let mut serve = memrl_server::ServeOptions::of(&Config::default(), None);
    serve.timeout_ms = 0;
    let err = memrl_server::serve_until(memory, serve, |_| {}, async {}).unwrap_err();
    assert_eq!(err.code(), memrl::Code::InvalidConfig);
}
