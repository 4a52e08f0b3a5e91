//! memcell-rl's decisions, outcomes and log over HTTP.

use serde_json::{Value, json};

use crate::memcell::{fault, write};
use crate::support::Server;

#[test]
fn decide_shows_nothing_that_is_over_or_elsewhere() {
    let s = Server::start();
    let scope = json!({"u": "d"});
    let add = |more: Value| {
        let mut body = json!({"type": "fact", "scope": scope, "content": "tea"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        write(&s, &body)
    };
    let live = add(json!({}));
    let doubted = add(json!({"status": "quarantined"}));
    let hidden = [
        (add(json!({"status": "contradicted"})), "contradicted"),
        (add(json!({"status": "expired"})), "expired"),
        (add(json!({"valid_until": "2020-01-01"})), "expired"),
        (add(json!({"valid_from": "2100-01-01"})), "not_yet_valid"),
    ];
    add(json!({"scope": {"u": "other"}}));
    let d = s
        .post(
            "/v1/cells/decide",
            &json!({"query": "tea", "scope": scope, "k": 2}),
        )
        .expect(200);
    let shown: Vec<_> = d["selected_cells"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["cell_id"].as_str().unwrap())
        .collect();
    assert_eq!(shown.len(), 2);
    assert!(shown.contains(&live.as_str()) && shown.contains(&doubted.as_str()));
    let doubt = d["selected_cells"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["cell_id"] == doubted.as_str())
        .unwrap();
    assert_eq!(doubt["mode"], "reverify_before_use");
    assert_eq!(doubt["reason"], "quarantined — must reverify before use");
    for suppressed in d["suppressed_cells"].as_array().unwrap() {
        let expected = hidden
            .iter()
            .find(|(id, _)| suppressed["cell_id"] == id.as_str());
        assert_eq!(
            suppressed["reason"],
            expected.expect("only hidden cells are suppressed").1
        );
    }
    let d = s
        .post(
            "/v1/cells/decide",
            &json!({"query": "tea", "scope": {"nobody": null}}),
        )
        .expect(200);
    assert_eq!(d["selected_cells"], json!([]), "null matches no absent key");
}

#[test]
fn the_budget_suppresses_and_says_so() {
    let s = Server::start();
    let big = write(
        &s,
        &json!({"type": "fact", "scope": {"u": "b"}, "content": "word ".repeat(100)}),
    );
    write(
        &s,
        &json!({"type": "fact", "scope": {"u": "b"}, "content": "small"}),
    );
    let d = s
        .post(
            "/v1/cells/decide",
            &json!({"query": "word", "scope": {"u": "b"}, "budget_tokens": 50}),
        )
        .expect(200);
    assert_eq!(d["selected_cells"].as_array().unwrap().len(), 1);
    assert_eq!(
        d["suppressed_cells"],
        json!([{"cell_id": big, "reason": "budget_exceeded"}])
    );
}

#[test]
fn forget_redacts_and_may_be_repeated() {
    let s = Server::start();
    let id = write(
        &s,
        &json!({"type": "fact", "scope": {}, "content": "secret"}),
    );
    for _ in 0..2 {
        let a = s
            .post("/v1/cells/forget", &json!({"cell_id": id}))
            .expect(200);
        assert_eq!(a, json!({"ok": true, "cell_id": id}));
    }
    assert_eq!(
        s.get(&format!("/v1/cells/{id}")).expect(404)["detail"],
        "Cell not found"
    );
    let a = s.post(
        "/v1/cells/supersede",
        &json!({"old_cell_id": id, "new_content": "y"}),
    );
    assert_eq!(a.expect(404)["detail"], "Old cell not found");
}

#[test]
fn supersede_copies_what_it_should_and_happens_once() {
    let s = Server::start();
    let old = write(
        &s,
        &json!({"type": "fact", "scope": {"u": "s"}, "content": "a", "confidence": 0.4, "sensitivity": "high",
               "source_refs": ["r1"], "valid_until": "2100-01-01T00:00:00Z", "policy_features": {"criticality": 0.3}}),
    );
    let done = s
        .post(
            "/v1/cells/supersede",
            &json!({"old_cell_id": old, "new_content": "b", "source_refs": ["r2"]}),
        )
        .expect(200);
    assert_eq!(done["old_cell"]["status"], "superseded");
    let new = &done["new_cell"];
    assert_eq!(new["version"], 2);
    assert_eq!(new["supersedes"], json!([old]));
    assert_eq!(new["confidence"], 0.4);
    assert_eq!(new["sensitivity"], "high");
    assert_eq!(new["source_refs"], json!(["r2"]));
    assert_eq!(new["policy_features"]["criticality"], 0.3);
    assert_eq!(
        new["valid_until"], "2100-01-01T00:00:00Z",
        "what expires keeps expiring"
    );
    let again = s
        .post(
            "/v1/cells/supersede",
            &json!({"old_cell_id": old, "new_content": "c"}),
        )
        .expect(409);
    assert_eq!(again["code"], "already_superseded");
    let a = s.post(
        "/v1/cells/supersede",
        &json!({"old_cell_id": old, "new_content": "c", "new_confidence": 2}),
    );
    assert_eq!(
        fault(&a, &json!(["body", "new_confidence"]))["type"],
        "less_than_equal"
    );
}

#[test]
fn repeated_feedback_changes_nothing_and_a_contradiction_is_named() {
    let s = Server::start();
    write(
        &s,
        &json!({"type": "fact", "scope": {"u": "f"}, "content": "x"}),
    );
    let d = s
        .post(
            "/v1/cells/decide",
            &json!({"query": "x", "scope": {"u": "f"}}),
        )
        .expect(200);
    let report = |success: bool, tokens: i64| json!({"transition_id": d["transition_id"], "task_success": success, "tokens_used": tokens});
    let first = s.post("/v1/cells/feedback", &report(true, 100)).expect(200);
    assert_eq!(first["reward_value"], 0.99);
    assert_eq!(
        s.post("/v1/cells/feedback", &report(true, 100)).expect(200)["reward_value"],
        0.99
    );
    let against = s
        .post("/v1/cells/feedback", &report(false, 500))
        .expect(200);
    assert_eq!(against["reward_value"], 0.99);
    assert_eq!(against["conflicts"][0]["field"], "success");
    let a = s.post("/v1/cells/feedback", &report(true, -1));
    assert_eq!(
        fault(&a, &json!(["body", "tokens_used"]))["type"],
        "greater_than_equal"
    );
}

#[test]
fn the_forms_of_the_readme_are_taken() {
    let s = Server::start();
    let cell = s
        .post(
            "/v1/cells/write",
            &json!({"cell_type": "constraint", "content": "Never share PII.", "scope": "global", "criticality": 0.9, "sensitivity": "restricted"}),
        )
        .expect(200);
    assert_eq!(cell["type"], "constraint");
    assert_eq!(cell["scope"], json!({}));
    assert_eq!(cell["policy_features"]["criticality"], 0.9);
    let d = s
        .post(
            "/v1/cells/decide",
            &json!({"query": "share data", "token_budget": 400}),
        )
        .expect(200);
    assert_eq!(d["selected_cells"][0]["mode"], "constraint");
    let body = json!({"transition_id": d["transition_id"], "task_success": true});
    assert_eq!(
        s.post("/v1/cells/feedback", &body).expect(200)["reward_value"],
        1.0
    );
    assert_eq!(
        s.get("/v1/policies/baseline").expect(200)["policy_id"],
        "baseline_v0"
    );
    for (text, scope) in [
        ("user=ann", json!({"user": "ann"})),
        ("team x", json!({"scope": "team x"})),
    ] {
        let cell = s
            .post(
                "/v1/cells/write",
                &json!({"type": "fact", "content": "x", "scope": text}),
            )
            .expect(200);
        assert_eq!(cell["scope"], scope);
    }
    let both = json!({"query": "x", "token_budget": 1, "budget_tokens": 400});
    let d = s.post("/v1/cells/decide", &both).expect(200);
    assert_eq!(d["suppressed_cells"], json!([]), "`budget_tokens` counts");
    // Without the README's `token_budget` a scope is required, as there.
    let a = s.post("/v1/cells/decide", &json!({"query": "x"}));
    assert_eq!(fault(&a, &json!(["body", "scope"]))["type"], "missing");
    let a = s.post(
        "/v1/cells/write",
        &json!({"cell_type": "rumour", "content": "x", "scope": {}}),
    );
    assert_eq!(fault(&a, &json!(["body", "cell_type"]))["type"], "enum");
}

#[test]
fn the_policy_description_has_both_action_spaces() {
    let s = Server::start();
    let p = s.get("/v1/cells/policies/baseline").expect(200);
    assert_eq!(
        p["retrieval_action_space"],
        json!([
            "context",
            "constraint",
            "background",
            "suppress",
            "reverify_before_use"
        ])
    );
    assert_eq!(
        p["retention_action_space"],
        json!([
            "keep",
            "decay",
            "compress",
            "merge",
            "promote",
            "quarantine",
            "supersede",
            "delete"
        ])
    );
    assert_eq!(
        (&p["policy_type"], &p["confidence"]),
        (&json!("rule_based"), &json!(0.75))
    );
}

#[test]
fn events_and_transitions_are_newest_first_with_pages_and_filters() {
    let s = Server::start();
    let id = write(
        &s,
        &json!({"type": "fact", "scope": {"u": "e"}, "content": "x"}),
    );
    let mut decisions = Vec::new();
    for i in 0..3 {
        let d = s
            .post(
                "/v1/cells/decide",
                &json!({"query": "x", "scope": {"u": "e"}, "trajectory_id": format!("t{i}")}),
            )
            .expect(200);
        decisions.push(d["transition_id"].clone());
    }
    let body = json!({"transition_id": decisions[0], "task_success": false});
    assert_eq!(
        s.post("/v1/cells/feedback", &body).expect(200)["reward_value"],
        -1.0
    );
    s.post(
        "/v1/cells/forget",
        &json!({"cell_id": id, "reason": "test"}),
    )
    .expect(200);
    let events = s.get("/v1/events").expect(200);
    let kinds: Vec<_> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["event_type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "forget_cell",
            "feedback_received",
            "decide_cells",
            "decide_cells",
            "decide_cells",
            "write_cell"
        ]
    );
    assert_eq!(events[0]["payload"]["reason"], "test");
    assert_eq!(events[2]["payload"]["transition_id"], decisions[2]);
    assert_eq!(events[2]["payload"]["selected_count"], 1);
    assert_eq!(
        s.get("/v1/events?limit=1&offset=1").expect(200)[0]["event_type"],
        "feedback_received"
    );
    let some = s.get("/v1/events?event_type=write_cell").expect(200);
    assert_eq!(some.as_array().unwrap().len(), 1);
    assert_eq!(
        some[0]["payload"],
        json!({"type": "fact", "scope": {"u": "e"}})
    );

    let ids = |path: &str| -> Vec<Value> {
        s.get(path)
            .expect(200)
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["transition_id"].clone())
            .collect()
    };
    let newest: Vec<Value> = decisions.iter().rev().cloned().collect();
    assert_eq!(ids("/v1/rl/transitions"), newest);
    assert_eq!(
        ids("/v1/rl/transitions?limit=1&offset=1"),
        [decisions[1].clone()]
    );
    assert_eq!(
        ids("/v1/rl/transitions?completed=true"),
        [decisions[0].clone()]
    );
    assert_eq!(
        ids("/v1/rl/transitions?trajectory=t1"),
        [decisions[1].clone()]
    );
    assert_eq!(
        ids("/v1/rl/transitions?policy=similarity"),
        [] as [Value; 0]
    );
    assert_eq!(
        ids("/v1/rl/transitions?to=2020-01-01T00:00:00Z"),
        [] as [Value; 0]
    );
    assert_eq!(ids("/v1/rl/dataset"), [decisions[0].clone()]);
    assert_eq!(ids("/v1/rl/dataset?limit=5&offset=1"), [] as [Value; 0]);
    let open = &s.get("/v1/rl/transitions?completed=false").expect(200)[0];
    assert!(
        open["reward"].is_null() && open["next_state"].is_null() && open["completed_at"].is_null()
    );
}

#[test]
fn decide_takes_another_policy() {
    let s = Server::start();
    write(
        &s,
        &json!({"type": "fact", "scope": {"u": "p"}, "content": "the kettle is blue"}),
    );
    let d = s
        .post(
            "/v1/cells/decide",
            &json!({"query": "kettle", "scope": {"u": "p"}, "policy": "similarity"}),
        )
        .expect(200);
    assert_eq!(d["policy"]["policy_id"], "similarity");
    assert_eq!(d["selected_cells"][0]["content"], "the kettle is blue");
    let a = s.post(
        "/v1/cells/decide",
        &json!({"query": "x", "scope": {}, "policy": "nonsense"}),
    );
    assert_eq!(a.expect(404)["code"], "policy_not_found");
}
