//! memrl's own routes.

use serde_json::{Value, json};

use crate::support::Server;

fn write(s: &Server, body: &Value) -> Value {
    s.post("/v1/cells", body).expect(201)["cell"].clone()
}

fn ids(page: &Value) -> Vec<String> {
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["cell_id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn native_writes_are_idempotent_by_content_and_by_key() {
    let s = Server::start();
    let body = json!({"type": "fact", "scope": {"u": "n"}, "content": "once"});
    let first = write(&s, &body);
    let again = s.post("/v1/cells", &body).expect(200);
    assert_eq!(again["created"], false);
    assert_eq!(again["cell"]["cell_id"], first["cell_id"]);

    let keyed = |content: &str| {
        let body = json!({"type": "fact", "scope": {"u": "n"}, "content": content}).to_string();
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", "k-1"),
        ];
        s.send("POST", "/v1/cells", &headers, body.as_bytes())
    };
    let a = keyed("with a key").expect(201);
    let b = keyed("with a key").expect(200);
    assert_eq!(a["cell"]["cell_id"], b["cell"]["cell_id"]);
    assert_eq!(
        keyed("other content").expect(409)["code"],
        "idempotency_mismatch"
    );
}

#[test]
fn a_batch_is_all_or_nothing() {
    let s = Server::start();
    let cell = |c: &str| json!({"type": "fact", "scope": {"u": "b"}, "content": c});
    let a = s
        .post(
            "/v1/cells/batch",
            &json!({"cells": [cell("a"), cell(""), cell("c")]}),
        )
        .expect(422);
    assert_eq!(a["code"], "empty_content");
    assert_eq!(ids(&s.get("/v1/cells").expect(200)).len(), 0);
    let a = s
        .post(
            "/v1/cells/batch",
            &json!({"cells": [cell("a"), cell("b"), cell("a")]}),
        )
        .expect(200);
    let created: Vec<_> = a["cells"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w["created"].as_bool().unwrap())
        .collect();
    assert_eq!(created, [true, true, false]);
    let a = s.post(
        "/v1/cells/batch",
        &json!({"cells": [cell("x"), {"type": "fact", "content": "y", "typo": 1}]}),
    );
    assert!(
        a.expect(422)["detail"]
            .as_str()
            .unwrap()
            .starts_with("cells[1].typo")
    );
}

#[test]
fn a_listing_pages_and_filters() {
    let s = Server::start();
    for i in 0..5 {
        write(
            &s,
            &json!({"type": "fact", "scope": {"u": "l", "n": i}, "content": format!("fact {i}")}),
        );
    }
    write(
        &s,
        &json!({"type": "preference", "scope": {"u": "l"}, "content": "liking"}),
    );
    write(
        &s,
        &json!({"type": "fact", "scope": {"u": "l"}, "content": "secret", "sensitivity": "high"}),
    );
    let first = s.get("/v1/cells?limit=4").expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = s
        .get(&format!("/v1/cells?limit=4&cursor={cursor}"))
        .expect(200);
    assert!(second["next_cursor"].is_null());
    let mut all = ids(&first);
    all.extend(ids(&second));
    all.sort();
    all.dedup();
    assert_eq!(
        all.len(),
        6,
        "every cell once, without the one above the clearance"
    );
    let count = |query: &str| ids(&s.get(&format!("/v1/cells?{query}")).expect(200)).len();
    assert_eq!(count("clearance=restricted"), 7);
    assert_eq!(count("type=preference"), 1);
    assert_eq!(count("type=preference,fact"), 6);
    assert_eq!(count("scope=%7B%22n%22%3A3%7D"), 1);
    assert_eq!(count("scope=u=l"), 6);
    assert_eq!(count("contains=FACT"), 5);
    assert_eq!(count("status=deleted"), 0);
    assert_eq!(count("created_from=2100-01-01"), 0);
    for bad in [
        "limit=0",
        "limit=1001",
        "cursor=x",
        "type=rumour",
        "typo=1",
        "created_from=soon",
    ] {
        let a = s.get(&format!("/v1/cells?{bad}")).expect(422);
        assert!(a["detail"].is_string(), "{bad}: {a}");
    }
}

#[test]
fn a_cell_is_changed_doubted_and_kept_in_history() {
    let s = Server::start();
    let cell = write(
        &s,
        &json!({"type": "fact", "scope": {"u": "h"}, "content": "one", "valid_until": "2100-01-01"}),
    );
    let path = format!("/v1/cells/{}", cell["cell_id"].as_str().unwrap());
    let two = s
        .patch(
            &path,
            &json!({"content": "two", "valid_until": null, "expected_version": 1}),
        )
        .expect(200);
    assert_eq!(
        (&two["content"], &two["version"], &two["valid_until"]),
        (&json!("two"), &json!(2), &json!(null))
    );
    assert_eq!(
        s.patch(&path, &json!({"content": "three", "expected_version": 1}))
            .expect(409)["code"],
        "conflict"
    );
    let a = s.patch(&path, &json!({"contnet": "typo"})).expect(422);
    assert_eq!(a["field"], "contnet");
    let doubted = s
        .post(&format!("{path}/quarantine"), &json!({"reason": "odd"}))
        .expect(200);
    assert_eq!(doubted["status"], "quarantined");
    // No body, no content type: nothing to say.
    let released = s
        .send("POST", &format!("{path}/release"), &[], b"")
        .expect(200);
    assert_eq!(released["status"], "active");
    let history = s.get(&format!("{path}/history")).expect(200);
    assert_eq!(history[0]["cell"]["content"], "one");
    assert_eq!(
        history.as_array().unwrap().last().unwrap()["cell"]["content"],
        "two"
    );
    let done = s
        .post(&format!("{path}/supersede"), &json!({"content": "three"}))
        .expect(200);
    assert_eq!(done["new_cell"]["content"], "three");
    assert_eq!(
        s.post(&format!("{path}/supersede"), &json!({"content": "four"}))
            .expect(409)["code"],
        "already_superseded"
    );
}

#[test]
fn forget_is_soft_and_purge_wants_a_confirmation() {
    let s = Server::start();
    let id = |c: &Value| c["cell_id"].as_str().unwrap().to_owned();
    let soft = id(&write(
        &s,
        &json!({"type": "fact", "scope": {"u": "x"}, "content": "soft"}),
    ));
    let a = s
        .send("DELETE", &format!("/v1/cells/{soft}?reason=test"), &[], b"")
        .expect(200);
    assert_eq!(
        (&a["cell"]["status"], &a["cell"]["content"]),
        (&json!("deleted"), &json!("[deleted]"))
    );
    let hard = id(&write(
        &s,
        &json!({"type": "fact", "scope": {"u": "x"}, "content": "hard"}),
    ));
    let path = format!("/v1/cells/{hard}?purge=true");
    assert_eq!(
        s.send("DELETE", &path, &[], b"").expect(428)["code"],
        "not_confirmed"
    );
    assert_eq!(
        s.post(&format!("/v1/cells/{hard}/purge"), &json!({}))
            .expect(428)["code"],
        "not_confirmed"
    );
    assert_eq!(s.get(&format!("/v1/cells/{hard}")).status, 200);
    let a = s
        .send("DELETE", &format!("{path}&confirm=true"), &[], b"")
        .expect(200);
    assert_eq!(a["purged"]["cells"], 1);
    assert_eq!(s.get(&format!("/v1/cells/{hard}")).status, 404);
    let third = id(&write(
        &s,
        &json!({"type": "fact", "scope": {"u": "x"}, "content": "third"}),
    ));
    let a = s
        .post(
            &format!("/v1/cells/{third}/purge"),
            &json!({"confirm": true}),
        )
        .expect(200);
    assert_eq!(a["purged"]["cells"], 1);
}

#[test]
fn recall_feedback_and_why_tell_one_story() {
    let s = Server::start();
    let scope = json!({"user": "ann"});
    let coffee = write(
        &s,
        &json!({"type": "preference", "scope": scope, "content": "Ann drinks her coffee black."}),
    );
    write(
        &s,
        &json!({"type": "fact", "scope": scope, "content": "Ann's bank code is 1234.", "sensitivity": "high"}),
    );
    let r = s
        .post(
            "/v1/recall",
            &json!({"query": "coffee", "scope": scope, "explore": false}),
        )
        .expect(200);
    assert_eq!(
        r["selected"].as_array().unwrap().len(),
        1,
        "the high one is above the clearance"
    );
    assert_eq!(r["selected"][0]["cell"]["cell_id"], coffee["cell_id"]);
    assert!(
        r["context"]
            .as_str()
            .unwrap()
            .contains("Ann drinks her coffee black.")
    );
    assert_eq!(r["propensity"], 1.0);
    let all = s
        .post(
            "/v1/recall",
            &json!({"query": "bank", "scope": "user=ann", "clearance": "restricted"}),
        )
        .expect(200);
    assert!(all["context"].as_str().unwrap().contains("1234"));

    let id = r["decision_id"].as_str().unwrap();
    let f = s
        .post(
            "/v1/feedback",
            &json!({"decision_id": id, "success": true, "tokens_used": 100.0, "cited": [coffee["cell_id"]],
                    "metrics": {"turns": 3}, "user_correction": null}),
        )
        .expect(200);
    assert_eq!(f["repeated"], false);
    let reward = |spec: &str| {
        f["rewards"]
            .as_array()
            .unwrap()
            .iter()
            .find(|r| r["spec"] == spec)
            .unwrap()["value"]
            .clone()
    };
    assert_eq!(reward("memcell_v1"), 0.99);
    assert_eq!(f["values"][0][0], coffee["cell_id"]);
    let f = s
        .post("/v1/feedback", &json!({"decision_id": id, "success": 0.25}))
        .expect(200);
    assert_eq!(f["merged"]["conflicts"][0]["reported"], 0.25);
    let f = s
        .post(
            "/v1/feedback",
            &json!({"decision_id": id, "success": 0.25, "revise": true}),
        )
        .expect(200);
    assert_eq!(f["merged"]["outcome"]["success"], 0.25);

    let d = s.get(&format!("/v1/decisions/{id}")).expect(200);
    assert_eq!(d["query"], "coffee");
    let why = s.get(&format!("/v1/decisions/{id}/why")).expect(200);
    assert_eq!(why["outcome"]["reports"], 3);
    assert_eq!(why["items"][0]["content"], "Ann drinks her coffee black.");
    assert_eq!(s.get("/v1/decisions/last").expect(200)["query"], "bank");
    let page = s.get("/v1/decisions?completed=true").expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        s.get("/v1/decisions/00000000-0000-4000-8000-000000000000")
            .expect(404)["code"],
        "decision_not_found"
    );
}

#[test]
fn operation_routes_answer() {
    let s = Server::start();
    write(
        &s,
        &json!({"type": "fact", "scope": {"u": "o"}, "content": "x"}),
    );
    s.post("/v1/recall", &json!({"query": "x", "scope": {"u": "o"}}))
        .expect(200);
    s.post(
        "/v1/feedback",
        &json!({"decision_id": "last", "success": 1}),
    )
    .expect(200);
    let p = s.get("/v1/policies").expect(200);
    let names: Vec<_> = p["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["id"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["baseline_v0", "similarity", "utility", "none"]);
    let specs = s.get("/v1/reward/specs").expect(200);
    assert_eq!(specs["specs"].as_array().unwrap().len(), 2);
    let r = s
        .post("/v1/reward/recompute", &json!({"spec": "bounded_v1"}))
        .expect(200);
    assert_eq!((&r["completed"], &r["scored"]), (&json!(1), &json!(1)));
    for spec in ["/etc/passwd", "../x.toml", "nonsense"] {
        let a = s
            .post("/v1/reward/recompute", &json!({"spec": spec}))
            .expect(404);
        assert_eq!(a["code"], "reward_spec_not_found");
    }
    let stats = s.get("/v1/stats").expect(200);
    assert_eq!(
        (&stats["decisions"], &stats["completed"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(s.get("/v1/doctor").expect(200)["health"], "ok");
    assert_eq!(
        s.get("/v1/config").expect(200)["recall"]["policy"],
        "similarity"
    );
    let metrics = s.get("/metrics");
    assert_eq!(metrics.status, 200);
    let text = metrics.text();
    for line in [
        "memrl_http_requests_total{method=\"POST\",route=\"/v1/recall\",status=\"200\"} 1",
        "memrl_http_request_duration_seconds_count{method=\"POST\",route=\"/v1/recall\"} 1",
        "memrl_decisions_total 1",
        "memrl_outcomes_total 1",
        "memrl_cells{status=\"active\"} 1",
        "memrl_http_requests_in_flight 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn exports_are_json_lines() {
    let s = Server::start();
    for i in 0..3 {
        write(
            &s,
            &json!({"type": "fact", "scope": {"u": "j"}, "content": format!("export {i}")}),
        );
        s.post(
            "/v1/recall",
            &json!({"query": "export", "scope": {"u": "j"}}),
        )
        .expect(200);
    }
    s.post(
        "/v1/feedback",
        &json!({"decision_id": "last", "success": true, "tokens_used": 5}),
    )
    .expect(200);
    let lines = |path: &str| -> Vec<Value> {
        let a = s.get(path);
        assert_eq!(
            (a.status, a.headers["content-type"].as_str()),
            (200, "application/x-ndjson")
        );
        a.text()
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    };
    let decisions = lines("/v1/export/decisions.jsonl");
    assert_eq!(decisions.len(), 3);
    assert_eq!(decisions[0]["query"], "export");
    assert!(lines("/v1/export/decisions.jsonl?texts=false")[0]["query"].is_null());
    assert_eq!(
        lines("/v1/export/decisions.jsonl?limit=1&offset=1")[0]["decision_id"],
        decisions[1]["decision_id"]
    );
    assert_eq!(lines("/v1/export/decision_items.jsonl").len(), 1 + 2 + 3);
    let rewards = lines("/v1/export/rewards.jsonl");
    assert!(
        rewards
            .iter()
            .any(|r| r["component"] == "success" && r["value"] == 1.0)
    );
    assert!(
        rewards
            .iter()
            .any(|r| r["component"] == "reward:memcell_v1")
    );
    assert_eq!(lines("/v1/export/cells.jsonl").len(), 3);
    assert_eq!(s.get("/v1/export/nothing.jsonl").status, 404);
}

#[test]
fn exports_for_other_programs_are_routes_of_their_own() {
    let s = Server::start();
    for sensitivity in ["low", "restricted"] {
        let content = format!("export of {sensitivity}");
        let cell = json!({
            "type": "fact", "scope": {"u": "j"}, "content": content, "sensitivity": sensitivity,
        });
        write(&s, &cell);
    }
    for success in [true, false] {
        let query = json!({"query": "export", "scope": {"u": "j"}, "clearance": "restricted"});
        s.post("/v1/recall", &query).expect(200);
        let outcome = json!({"decision_id": "last", "success": success});
        s.post("/v1/feedback", &outcome).expect(200);
    }
    for file in memrl::ResearchFile::ALL {
        let a = s.get(&format!("/v1/export/{}", file.name()));
        assert_eq!(a.status, 200, "{}", file.name());
    }
    let prompts = |query: &str| s.get(&format!("/v1/export/trl_prompt.jsonl{query}")).text();
    assert_eq!(prompts("").lines().count(), 2);
    assert!(prompts("").contains("export of low"));
    assert!(!prompts("").contains("export of restricted"));
    assert!(prompts("?clearance=restricted").contains("export of restricted"));
    assert_eq!(prompts("?limit=1").lines().count(), 1);
    let arrays = s.get("/v1/export/obp_slate.npz");
    assert_eq!(arrays.headers["content-type"], "application/zip");
    assert!(arrays.body.starts_with(b"PK\x03\x04"));
    assert_eq!(s.get("/v1/export/vw_holdout.txt?texts=false").status, 422);
}
