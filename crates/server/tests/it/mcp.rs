//! The Model Context Protocol over HTTP.

use serde_json::{Value, json};

use crate::support::{Answer, Server};

const TOKEN: &str = "0123456789abcdef0123";
const STATELESS: &str = "2026-07-28";

/// Posts a message with these headers.
fn post(s: &Server, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut all = vec![
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    all.extend(headers);
    s.send("POST", "/mcp", &all, body.to_string().as_bytes())
}

fn request(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
}

fn call(s: &Server, headers: &[(&str, &str)], tool: &str, arguments: &Value) -> Value {
    let body = request("tools/call", &json!({"name": tool, "arguments": arguments}));
    let answer = post(s, headers, &body).expect(200);
    assert_eq!(answer["id"], 7);
    answer["result"].clone()
}

fn episode(summary: &str, project: &str) -> Value {
    json!({"summary": summary, "task_type": "debug", "outcome": "success", "project": project})
}

/// A request that speaks for itself, and the headers that repeat what it says.
fn stateless(method: &str, mut params: Value) -> (Vec<(&str, &str)>, Value) {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let headers = vec![("mcp-protocol-version", STATELESS), ("mcp-method", method)];
    (headers, request(method, &params))
}

#[test]
fn only_who_may_talk_to_the_server_may_talk_to_its_tools() {
    let s = Server::start();
    let ping = request("ping", &json!({}));
    for (headers, status) in [
        (&[][..], 200),
        (&[("origin", "http://localhost:3000")], 200),
        (&[("origin", "https://evil.example")], 403),
        (&[("origin", "null")], 403),
        (&[("host", "evil.example")], 403),
        (
            &[("host", "evil.example"), ("origin", "http://evil.example")],
            403,
        ),
    ] {
        assert_eq!(post(&s, headers, &ping).status, status, "{headers:?}");
    }
    let closed = Server::with(|o| o.token = Some(TOKEN.into()));
    assert_eq!(
        post(&closed, &[], &ping).expect(401)["code"],
        "unauthorized"
    );
    let right = format!("Bearer {TOKEN}");
    let wrong = format!("Bearer {TOKEN}x");
    assert_eq!(
        post(&closed, &[("authorization", &wrong)], &ping).status,
        401
    );
    let answer = post(&closed, &[("authorization", &right)], &ping).expect(200);
    assert_eq!(answer, json!({"jsonrpc": "2.0", "id": 7, "result": {}}));
}

#[test]
fn there_is_one_way_in() {
    let s = Server::start();
    for method in ["GET", "DELETE", "PUT"] {
        let a = s.send(method, "/mcp", &[("accept", "text/event-stream")], b"");
        assert_eq!(
            (a.status, a.headers["allow"].as_str()),
            (405, "POST"),
            "{method}"
        );
    }
    let text = [("content-type", "text/plain")];
    let ping = request("ping", &json!({})).to_string();
    let a = s.send("POST", "/mcp", &text, ping.as_bytes());
    assert_eq!(a.expect(415)["code"], "unsupported_media_type");
}

#[test]
fn a_session_is_only_a_name_for_its_trajectory() {
    let s = Server::start();
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let asked = json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let a = post(&s, &[], &request("initialize", &asked));
        let session = a.headers["mcp-session-id"].clone();
        assert_eq!(a.expect(200)["result"]["protocolVersion"], revision);
        let headers = [
            ("mcp-session-id", session.as_str()),
            ("mcp-protocol-version", revision),
        ];
        let done = post(
            &s,
            &headers,
            &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        );
        assert_eq!((done.status, done.body.len()), (202, 0));
        let summary = format!("Found the leak in the parser, {revision}");
        call(&s, &headers, "memrl_capture", &episode(&summary, "parser"));
        let found = call(
            &s,
            &headers,
            "memrl_retrieve",
            &json!({"query": "leak in the parser"}),
        );
        let structured = &found["structuredContent"];
        assert_eq!(structured.is_object(), revision >= "2025-06-18", "{found}");
        if structured.is_object() {
            let decision = structured["decision_id"].as_str().expect("a decision");
            let why = s.memory.why(decision).expect("it is logged");
            assert_eq!(why.decision.trajectory_id, session);
        }
    }
    let odd = post(
        &s,
        &[("mcp-session-id", "a b")],
        &request("ping", &json!({})),
    );
    assert_eq!(odd.expect(400)["error"]["code"], -32600);
}

#[test]
fn nothing_is_kept_between_requests_that_speak_for_themselves() {
    let s = Server::start();
    let (headers, body) = stateless("server/discover", json!({}));
    let found = post(&s, &headers, &body).expect(200);
    assert_eq!(found["result"]["supportedVersions"][0], STATELESS);
    let (mut headers, body) = stateless(
        "tools/call",
        json!({"name": "memrl_capture", "arguments": episode("Опробовал кэш", "кэш")}),
    );
    headers.push(("mcp-name", "memrl_capture"));
    let done = post(&s, &headers, &body).expect(200);
    assert_eq!(done["result"]["resultType"], "complete");
    let id = done["result"]["structuredContent"]["id"]
        .as_str()
        .expect("an id");
    let uri = format!("memrl://episode/{id}");
    let (mut headers, body) = stateless("resources/read", json!({"uri": uri}));
    // As any text may be written in a header.
    let wrapped = format!("=?base64?{}?=", base64(&uri));
    headers.push(("mcp-name", &wrapped));
    let read = post(&s, &headers, &body).expect(200);
    assert_eq!(read["result"]["contents"][0]["uri"], uri);
    assert_eq!(read["result"]["cacheScope"], "private");
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in text.as_bytes().chunks(3) {
        let part = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = part(0) << 16 | part(1) << 8 | part(2);
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= group.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    out
}

#[test]
fn headers_that_contradict_the_body_are_refused() {
    let s = Server::start();
    let refused = |headers: &[(&str, &str)], body: &Value| {
        let answer = post(&s, headers, body).expect(400);
        assert_eq!(answer["id"], 7, "{answer}");
        answer["error"]["code"].as_i64()
    };
    let (_, list) = stateless("tools/list", json!({}));
    let version = ("mcp-protocol-version", STATELESS);
    assert_eq!(refused(&[], &list), Some(-32020));
    assert_eq!(refused(&[version], &list), Some(-32020));
    assert_eq!(
        refused(&[version, ("mcp-method", "tools/call")], &list),
        Some(-32020)
    );
    assert_eq!(
        refused(
            &[
                ("mcp-protocol-version", "2025-06-18"),
                ("mcp-method", "tools/list")
            ],
            &list
        ),
        Some(-32020)
    );
    let (headers, called) = stateless("tools/call", json!({"name": "memrl_stats"}));
    assert_eq!(refused(&headers, &called), Some(-32020));
    let mut other = headers.clone();
    other.push(("mcp-name", "memrl_review"));
    assert_eq!(refused(&other, &called), Some(-32020));
    // A header that claims the stateless revision for a body that does not.
    assert_eq!(
        refused(&[version], &request("tools/list", &json!({}))),
        Some(-32602)
    );
    assert_eq!(
        refused(
            &[("mcp-protocol-version", "1999-01-01")],
            &request("ping", &json!({}))
        ),
        Some(-32022)
    );
}

#[test]
fn errors_have_the_status_of_their_revision() {
    let s = Server::start();
    let old = post(&s, &[], &request("no/such", &json!({})));
    assert_eq!(old.expect(200)["error"]["code"], -32601);
    let (headers, body) = stateless("no/such", json!({}));
    assert_eq!(
        post(&s, &headers, &body).expect(404)["error"]["code"],
        -32601
    );
    let (mut headers, body) = stateless("tools/call", json!({"name": "rm"}));
    headers.push(("mcp-name", "rm"));
    assert_eq!(
        post(&s, &headers, &body).expect(400)["error"]["code"],
        -32602
    );
    for (body, code) in [
        ("{", -32700),
        ("[]", -32600),
        ("7", -32600),
        ("{}", -32600),
        ("", -32700),
    ] {
        let a = s.post_text("/mcp", body).expect(400);
        assert_eq!(
            (a["error"]["code"].as_i64(), &a["id"]),
            (Some(code), &Value::Null),
            "{body}"
        );
    }
}

#[test]
fn batches_are_answered_where_the_revision_has_them() {
    let s = Server::start();
    let ping = request("ping", &json!({}));
    let note = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    for headers in [&[][..], &[("mcp-protocol-version", "2025-03-26")]] {
        let both = post(&s, headers, &json!([ping, note])).expect(200);
        assert_eq!(both, json!([{"jsonrpc": "2.0", "id": 7, "result": {}}]));
        assert_eq!(post(&s, headers, &json!([note])).status, 202);
    }
    for revision in ["2025-06-18", "2025-11-25", STATELESS] {
        let a = post(&s, &[("mcp-protocol-version", revision)], &json!([ping]));
        assert_eq!(a.expect(400)["error"]["code"], -32600, "{revision}");
    }
}

#[test]
fn a_call_without_a_project_is_about_all_of_them_and_a_capture_needs_one() {
    let s = Server::start();
    let revision = [("mcp-protocol-version", "2025-11-25")];
    let refused = call(
        &s,
        &revision,
        "memrl_capture",
        &json!({"summary": "x", "task_type": "docs", "outcome": "failure"}),
    );
    assert_eq!(refused["isError"], true);
    assert!(
        refused["content"][0]["text"]
            .as_str()
            .is_some_and(|t| t.contains("project: is required")),
        "{refused}"
    );
    for project in ["north", "south"] {
        let summary = format!("Measured the latency of the gateway in the {project}");
        let done = call(&s, &revision, "memrl_capture", &episode(&summary, project));
        assert_eq!(done["structuredContent"]["project"], project, "{done}");
    }
    let stats =
        |arguments| call(&s, &revision, "memrl_stats", &arguments)["structuredContent"].clone();
    assert_eq!(stats(json!({}))["episodes"], 2);
    assert_eq!(stats(json!({}))["project"], Value::Null);
    assert_eq!(stats(json!({"project": "south"}))["episodes"], 1);
    let found = call(
        &s,
        &revision,
        "memrl_retrieve",
        &json!({"query": "latency of the gateway"}),
    );
    assert_eq!(
        found["structuredContent"]["hits"].as_array().map(Vec::len),
        Some(2)
    );
    let status = call(&s, &revision, "memrl_status", &json!({}));
    assert_eq!(status["structuredContent"]["episodes"], 2, "{status}");
    let list = post(&s, &revision, &request("resources/list", &json!({}))).expect(200);
    assert_eq!(
        list["result"]["resources"].as_array().map(Vec::len),
        Some(2)
    );
}
