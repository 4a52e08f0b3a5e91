//! memcell-rl's routes against its specification: paths, bodies, defaults, statuses, shapes.

use serde_json::{Value, json};

use crate::support::{Answer, Server};

pub fn write(server: &Server, body: &Value) -> String {
    server.post("/v1/cells/write", body).expect(200)["cell_id"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The fault at a place.
#[track_caller]
pub fn fault(answer: &Answer, loc: &Value) -> Value {
    let body = answer.expect(422);
    assert!(
        body["code"].is_string() && body["hint"].is_string(),
        "{body}"
    );
    body["detail"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["loc"] == *loc)
        .unwrap_or_else(|| panic!("no fault at {loc}: {body}"))
        .clone()
}

/// The client of memcell-rl's examples: health, two writes, decide, feedback, dataset.
#[test]
fn the_example_agent_of_memcell_works() {
    let s = Server::start();
    assert_eq!(s.get("/health").expect(200), json!({"status": "ok"}));
    let rule = write(
        &s,
        &json!({
            "type": "constraint", "scope": {"user_id": "u1", "project": "fraud"},
            "content": "Never flag an account before reading its transactions.",
            "confidence": 0.99, "sensitivity": "restricted",
            "policy_features": {"criticality": 0.9, "future_utility_estimate": 0.8}
        }),
    );
    let liking = write(
        &s,
        &json!({
            "type": "preference", "scope": {"user_id": "u1", "project": "fraud"},
            "content": "Prefers short summaries.", "confidence": 0.9
        }),
    );
    let decision = s
        .post(
            "/v1/cells/decide",
            &json!({
                "query": "should I flag this account?", "scope": {"user_id": "u1"},
                "task_type": "fraud_review", "budget_tokens": 800, "k": 10
            }),
        )
        .expect(200);
    let selected = decision["selected_cells"].as_array().unwrap();
    assert_eq!(selected[0]["cell_id"], rule.as_str());
    assert_eq!(selected[0]["mode"], "constraint");
    assert_eq!(
        selected[0]["reason"],
        "high criticality constraint (criticality=0.90)"
    );
    assert_eq!(selected[1]["cell_id"], liking.as_str());
    assert_eq!(selected[1]["mode"], "context");
    assert!(
        selected[1]["reason"]
            .as_str()
            .unwrap()
            .starts_with("active preference cell (score=")
    );
    assert_eq!(selected[1]["content"], "Prefers short summaries.");
    assert!(
        decision["context"]
            .as_str()
            .unwrap()
            .contains("Never flag an account")
    );
    assert!((decision["propensity"].as_f64().unwrap() - 1.0).abs() < 1e-12);
    assert_eq!(
        decision["policy"],
        json!({"policy_id": "baseline_v0", "policy_type": "rule_based", "confidence": 0.75})
    );
    let cell = s.get(&format!("/v1/cells/{rule}")).expect(200);
    assert_eq!(cell["sensitivity"], "restricted");
    assert_eq!(cell["access_count"], 0);
    let reward = s
        .post(
            "/v1/cells/feedback",
            &json!({
                "query_id": decision["query_id"], "transition_id": decision["transition_id"],
                "task_success": true, "tokens_used": 320, "latency_ms": 450
            }),
        )
        .expect(200);
    assert_eq!(reward["reward_value"], 0.518);
    assert_eq!(reward["transition_id"], decision["transition_id"]);
    assert!(reward["completed_at"].as_str().unwrap().ends_with('Z'));
    let dataset = s.get("/v1/rl/dataset").expect(200);
    let entry = &dataset[0];
    assert_eq!(entry["transition_id"], decision["transition_id"]);
    assert_eq!(entry["reward"]["reward_value"], 0.518);
    assert_eq!(entry["reward"]["task_success"], true);
    assert_eq!(entry["next_state"]["feedback_received"], true);
    assert_eq!(entry["state"]["budget_tokens"], 800);
    let candidate = &entry["state"]["candidate_cells"][0];
    for key in [
        "cell_id",
        "type",
        "status",
        "confidence",
        "sensitivity",
        "retrieval_score",
    ] {
        assert!(!candidate[key].is_null(), "{key}: {candidate}");
    }
    assert_eq!(entry["action"]["policy_id"], "baseline_v0");
}

#[test]
fn a_write_has_the_documented_defaults() {
    let s = Server::start();
    let cell = s
        .post(
            "/v1/cells/write",
            &json!({"type": "fact", "scope": {}, "content": ""}),
        )
        .expect(200);
    for (key, value) in [
        ("status", json!("active")),
        ("confidence", json!(1.0)),
        ("sensitivity", json!("low")),
        ("source_refs", json!([])),
        ("valid_from", json!(null)),
        ("valid_until", json!(null)),
        ("supersedes", json!([])),
        ("contradicted_by", json!([])),
        ("access_count", json!(0)),
        ("last_retrieved_at", json!(null)),
        ("version", json!(1)),
        ("policy_features", json!(null)),
        ("content", json!("")),
        ("scope", json!({})),
    ] {
        assert_eq!(cell[key], value, "{key}");
    }
    assert_eq!(cell["created_at"], cell["updated_at"]);
    assert!(cell["created_at"].as_str().unwrap().ends_with('Z'));
    let features = s
        .post(
            "/v1/cells/write",
            &json!({"type": "fact", "scope": {}, "content": "", "policy_features": {"criticality": "0.5", "x": 1}}),
        )
        .expect(200);
    assert_eq!(
        features["policy_features"],
        json!({"criticality": 0.5, "compressibility": 0.5, "staleness": 0.0, "future_utility_estimate": 0.0})
    );
}

#[test]
fn duplicates_are_kept_as_memcell_keeps_them() {
    let s = Server::start();
    let body = json!({"type": "fact", "scope": {"u": "1"}, "content": "twice"});
    assert_ne!(write(&s, &body), write(&s, &body));
}

#[test]
fn lax_values_are_taken_and_times_converted() {
    let s = Server::start();
    let cell = s
        .post(
            "/v1/cells/write",
            &json!({
                "type": "fact", "scope": {}, "content": "x", "confidence": "0.5",
                "valid_from": "2026-01-01T00:00:00+05:00", "valid_until": 4_102_444_800_i64,
                "unknown": "ignored"
            }),
        )
        .expect(200);
    assert_eq!(cell["confidence"], 0.5);
    assert_eq!(cell["valid_from"], "2025-12-31T19:00:00Z");
    assert_eq!(cell["valid_until"], "2100-01-01T00:00:00Z");
    let d = s
        .post(
            "/v1/cells/decide",
            &json!({"query": "x", "scope": {}, "budget_tokens": "100", "k": 3.0}),
        )
        .expect(200);
    let r = s
        .post(
            "/v1/cells/feedback",
            &json!({"query_id": "?", "transition_id": d["transition_id"], "task_success": "yes", "latency_ms": 450.0}),
        )
        .expect(200);
    assert_eq!(r["reward_value"], 0.55);
}

#[test]
fn every_fault_of_a_body_is_listed_as_pydantic_lists_it() {
    let s = Server::start();
    let a = s.post(
        "/v1/cells/write",
        &json!({"type": "rumour", "scope": 5, "confidence": 1.5, "source_refs": "x", "sensitivity": 1}),
    );
    let f = fault(&a, &json!(["body", "type"]));
    assert_eq!(f["type"], "enum");
    assert_eq!(f["input"], "rumour");
    assert_eq!(
        f["msg"],
        "Input should be 'profile', 'preference', 'constraint', 'fact', 'episode', 'task_state', \
         'project_state', 'procedure', 'tool_memory', 'reflection' or 'document_reference'"
    );
    assert_eq!(fault(&a, &json!(["body", "scope"]))["type"], "dict_type");
    let f = fault(&a, &json!(["body", "confidence"]));
    assert_eq!(
        (&f["type"], &f["ctx"]),
        (&json!("less_than_equal"), &json!({"le": 1.0}))
    );
    assert_eq!(f["msg"], "Input should be less than or equal to 1");
    assert_eq!(
        fault(&a, &json!(["body", "source_refs"]))["type"],
        "list_type"
    );
    assert_eq!(fault(&a, &json!(["body", "sensitivity"]))["type"], "enum");
    let f = fault(&a, &json!(["body", "content"]));
    assert_eq!(
        (&f["type"], &f["msg"]),
        (&json!("missing"), &json!("Field required"))
    );
    assert_eq!(f["input"]["type"], "rumour");
    assert_eq!(a.json()["detail"].as_array().unwrap().len(), 6);

    let a = s.post(
        "/v1/cells/retrieve",
        &json!({"query": "x", "scope": {}, "k": 0}),
    );
    assert_eq!(
        fault(&a, &json!(["body", "k"]))["type"],
        "greater_than_equal"
    );
    let a = s.post(
        "/v1/cells/retrieve",
        &json!({"query": "x", "scope": {}, "k": "many"}),
    );
    assert_eq!(fault(&a, &json!(["body", "k"]))["type"], "int_parsing");
    let a = s.post(
        "/v1/cells/retrieve",
        &json!({"query": "x", "scope": {}, "k": 1.5}),
    );
    assert_eq!(fault(&a, &json!(["body", "k"]))["type"], "int_from_float");
    let a = s.post(
        "/v1/cells/retrieve",
        &json!({"query": "x", "scope": {}, "types": ["fact", "x"]}),
    );
    assert_eq!(fault(&a, &json!(["body", "types", 1]))["type"], "enum");
    let a = s.get("/v1/events?limit=0&offset=-1");
    assert_eq!(
        fault(&a, &json!(["query", "limit"]))["type"],
        "greater_than_equal"
    );
    assert_eq!(
        fault(&a, &json!(["query", "offset"]))["type"],
        "greater_than_equal"
    );
    let a = s.get("/v1/rl/transitions?limit=1001");
    assert_eq!(
        fault(&a, &json!(["query", "limit"]))["ctx"],
        json!({"le": 1000})
    );
}

#[test]
fn bodies_that_are_no_json_objects_are_faults() {
    let s = Server::start();
    let a = s.post_text("/v1/cells/forget", "{\"cell_id\": }");
    let f = fault(&a, &json!(["body", 12]));
    assert_eq!(
        (&f["type"], &f["msg"]),
        (&json!("json_invalid"), &json!("JSON decode error"))
    );
    assert_eq!(a.json()["code"], "malformed_json");
    let a = s.post_text("/v1/cells/forget", "[1]");
    assert_eq!(fault(&a, &json!(["body"]))["type"], "model_attributes_type");
    let a = s.post_text("/v1/cells/forget", "");
    assert_eq!(fault(&a, &json!(["body"]))["type"], "missing");
    let body = b"{\"cell_id\": \"x\"}";
    for headers in [&[][..], &[("content-type", "text/plain")][..]] {
        let a = s.send("POST", "/v1/cells/forget", headers, body);
        let f = fault(&a, &json!(["body"]));
        assert_eq!(f["type"], "model_attributes_type");
        assert_eq!(f["input"], "{\"cell_id\": \"x\"}");
    }
    for media in ["application/json; charset=utf-8", "application/vnd.x+json"] {
        let a = s.send("POST", "/v1/cells/forget", &[("content-type", media)], body);
        assert_eq!(a.status, 404, "{media}");
    }
}

#[test]
fn what_does_not_exist_is_404_by_memcells_names() {
    let s = Server::start();
    let none = "00000000-0000-4000-8000-000000000000";
    for (answer, detail) in [
        (s.get(&format!("/v1/cells/{none}")), "Cell not found"),
        (s.get("/v1/cells/write"), "Cell not found"),
        (s.get("/v1/cells/decide"), "Cell not found"),
        (s.get("/v1/cells/nonsense"), "Cell not found"),
        (
            s.post("/v1/cells/forget", &json!({"cell_id": none})),
            "Cell not found",
        ),
        (
            s.post("/v1/cells/forget", &json!({"cell_id": "x"})),
            "Cell not found",
        ),
        (
            s.post(
                "/v1/cells/supersede",
                &json!({"old_cell_id": none, "new_content": "y"}),
            ),
            "Old cell not found",
        ),
        (
            s.post(
                "/v1/cells/feedback",
                &json!({"query_id": "q", "transition_id": none, "task_success": true}),
            ),
            "Transition not found",
        ),
        (
            s.post(
                "/v1/cells/feedback",
                &json!({"query_id": "q", "transition_id": "no", "task_success": true}),
            ),
            "Transition not found",
        ),
        (s.get("/v1/nothing"), "Not Found"),
    ] {
        let body = answer.expect(404);
        assert_eq!(body["detail"], detail);
        assert!(body["code"].is_string() && body["hint"].is_string());
    }
}

#[test]
fn wrong_methods_and_slashes_are_answered_as_there() {
    let s = Server::start();
    let a = s.send("DELETE", "/v1/events", &[], b"");
    assert_eq!(a.expect(405)["detail"], "Method Not Allowed");
    assert_eq!(a.headers["allow"], "GET");
    let a = s.send("PUT", "/v1/cells/write", &[], b"");
    assert_eq!(a.status, 405);
    assert!(a.headers["allow"].contains("POST"));
    assert_eq!(s.send("DELETE", "/v1/cells/write", &[], b"").status, 405);
    assert_eq!(s.send("HEAD", "/v1/events", &[], b"").status, 405);
    let a = s.get("/health/");
    assert_eq!((a.status, a.headers["location"].as_str()), (307, "/health"));
    let a = s.send(
        "POST",
        "/v1/cells/decide/?x=1",
        &[("content-type", "application/json")],
        b"{}",
    );
    assert_eq!(
        (a.status, a.headers["location"].as_str()),
        (307, "/v1/cells/decide?x=1")
    );
    assert_eq!(s.get("//evil.example/").status, 404);
}

#[test]
fn retrieve_is_the_raw_view_and_counts_accesses() {
    let s = Server::start();
    let scope = json!({"u": "r"});
    let old = write(
        &s,
        &json!({"type": "fact", "scope": scope, "content": "alpha beta"}),
    );
    s.post(
        "/v1/cells/supersede",
        &json!({"old_cell_id": old, "new_content": "alpha gamma"}),
    )
    .expect(200);
    write(
        &s,
        &json!({"type": "fact", "scope": scope, "content": "alpha quarantined", "status": "quarantined"}),
    );
    write(
        &s,
        &json!({"type": "preference", "scope": scope, "content": "alpha"}),
    );
    let all = s
        .post(
            "/v1/cells/retrieve",
            &json!({"query": "alpha", "scope": scope, "k": 10}),
        )
        .expect(200);
    let cells = all["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 4);
    let statuses: Vec<_> = cells
        .iter()
        .map(|c| c["status"].as_str().unwrap())
        .collect();
    assert!(statuses.contains(&"superseded") && statuses.contains(&"quarantined"));
    assert!(
        cells
            .iter()
            .all(|c| c["access_count"] == 1 && !c["last_retrieved_at"].is_null())
    );
    assert_eq!(all["scores"].as_array().unwrap().len(), 4);
    // jaccard 1 + 0.5 · confidence
    assert_eq!(all["scores"][0], 1.5);
    let facts = s
        .post(
            "/v1/cells/retrieve",
            &json!({"query": "alpha", "scope": scope, "types": ["preference"]}),
        )
        .expect(200);
    assert_eq!(facts["cells"].as_array().unwrap().len(), 1);
    assert_eq!(facts["cells"][0]["access_count"], 2);
    let none = s
        .post(
            "/v1/cells/retrieve",
            &json!({"query": "alpha", "scope": scope, "types": []}),
        )
        .expect(200);
    assert_eq!(none["cells"], json!([]));
    let null = s
        .post(
            "/v1/cells/retrieve",
            &json!({"query": "alpha", "scope": {"v": null}}),
        )
        .expect(200);
    assert_eq!(
        null["cells"].as_array().unwrap().len(),
        4,
        "null matches an absent key here"
    );
}
