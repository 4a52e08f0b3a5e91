//! Captured in words.

use serde_json::json;

use super::*;
use crate::support::Server;

#[test]
fn an_episode_keeps_what_it_was_told() {
    let s = Server::start();
    let body = json!({
        "project": "магазин",
        "prompt": "Почини вход — тест падает 🙈",
        "outcome": "failure",
        "files_read": ["src/a.rs"],
        "files_modified": ["src/вход.rs"],
        "tools": ["cargo"],
        "errors": [{"message": "E0308", "resolution": "a cast", "type": "rustc"}, {"message": "timeout"}],
        "learnings": ["куки стареют"],
        "tests_before": {"passed": 3, "failed": 1},
        "tests_after": {"passed": 4},
        "commit": "abcd1234",
        "pull_request": 12,
        "started_at": "2026-01-02T03:04:05+03:00",
        "ended_at": "2026-01-02T04:04:05Z",
        "session": {"id": "s-1", "client": "editor"},
        "summary": null,
    });
    let a = s.post("/v1/episodes", &body).expect(201);
    assert_eq!(a["action"], "created");
    let row = s.get(&format!("/v1/episodes/{}", id(&a))).expect(200);
    assert_eq!(row["project"], "магазин");
    let cell = &row["cell"];
    assert_eq!(
        (&cell["type"], &cell["origin"]),
        (&json!("episode"), &json!("agent"))
    );
    assert_eq!(cell["occurred_at"], "2026-01-02T04:04:05Z");
    let e = &cell["payload"];
    assert_eq!(e["intent"]["raw_prompt"], "Почини вход — тест падает 🙈");
    assert_eq!(e["timestamp_start"], "2026-01-02T00:04:05Z");
    assert_eq!(e["outcome"]["status"], "failure");
    assert_eq!(e["outcome"]["tests_after"]["passed"], 4);
    assert_eq!(
        (&e["outcome"]["commit_sha"], &e["outcome"]["pr_number"]),
        (&json!("abcd1234"), &json!(12))
    );
    let errors = &e["context"]["errors_encountered"];
    assert_eq!(
        (&errors[0]["resolved"], &errors[1]["resolved"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(e["learnings"], json!(["куки стареют"]));
    assert_eq!(s.get("/v1/episodes/last").expect(200), row);

    // The session went on: the same episode, a new version.
    let mut more = body.clone();
    more["outcome"] = json!("success");
    let b = s.post("/v1/episodes", &more).expect(200);
    assert_eq!((&b["action"], id(&b)), (&json!("updated"), id(&a)));
    assert_eq!(b["cell"]["version"], 2);
    let c = s.post("/v1/episodes", &more).expect(200);
    assert_eq!(c["action"], "unchanged");
}

#[test]
fn a_whole_episode_of_another_program_is_taken_as_it_is() {
    let s = Server::start();
    let episode = json!({
        "id": "0f3c2b1a-1111-4222-8333-444455556666",
        "project": "elsewhere",
        "intent": {"raw_prompt": "fix login", "task_type": "bugfix", "domain": ["auth"]},
        "outcome": {"status": "success"},
        "utility": {"score": null},
    });
    let body = json!({"project": "shop", "episode": episode, "origin": "import"});
    let a = s.post("/v1/episodes", &body).expect(201);
    assert_eq!(a["cell"]["origin"], "import");
    assert_eq!(a["cell"]["scope"], json!({"project": "shop"}));
    assert_eq!(a["cell"]["payload"]["outcome"]["status"], "success");
    let mixed = json!({"project": "shop", "episode": episode, "summary": "x"});
    let refusal = s.post("/v1/episodes", &mixed);
    refused(&refusal, 422, "invalid_input");
    assert_eq!(refusal.json()["field"], "summary");
}

#[test]
fn secrets_are_cut_out_and_decisions_learn() {
    let s = Server::start();
    told(&s, "Fixed the login by clearing the stale session cookie");
    let found = retrieve(&s, "login cookie");
    let body = json!({
        "project": "shop",
        "summary": "Rotated the key AKIAIOSFODNN7EXAMPLE of the login service",
        "outcome": "success",
        "tests_after": {"passed": 9},
        "decisions": [found["decision_id"]],
    });
    let a = s.post("/v1/episodes", &body).expect(201);
    assert!(a["redacted"].as_u64() > Some(0), "{a}");
    assert!(!a.to_string().contains("AKIAIOSFODNN7EXAMPLE"));
    assert_eq!(a["credited"], json!([found["decision_id"]]));
    let why = format!(
        "/v1/decisions/{}/why",
        found["decision_id"].as_str().unwrap()
    );
    assert!(s.get(&why).expect(200)["outcome"]["outcome"]["implied_success"].as_f64() > Some(0.5));
}

#[test]
fn captures_that_cannot_be_are_refused_and_leave_nothing() {
    let s = Server::start();
    let none = "00000000-0000-4000-8000-000000000000";
    for (field, value) in [
        ("outcome", json!("sucess")),
        ("outcome", json!(1)),
        ("task_type", json!("chore")),
        ("tags", json!("auth")),
        ("tags", json!([1])),
        ("errors", json!([{"resolution": "x"}])),
        ("errors", json!([{"message": "x", "typo": 1}])),
        ("tests_after", json!({"passed": -1})),
        ("tests_after", json!({"pased": 1})),
        (
            "tests_after",
            json!({"passed": 100_000_000_000_000_000_u64}),
        ),
        ("session", json!({"id": ""})),
        ("session", json!({"client": "x"})),
        ("session", json!("s")),
        ("started_at", json!("soon")),
        ("origin", json!("nobody")),
        ("project", json!("")),
        ("project", json!(" ")),
        ("project", json!("../../etc")),
        ("project", json!("/etc")),
        ("project", json!("C:\\work")),
        ("project", json!("a\u{0}b")),
        ("project", json!("x".repeat(2000))),
        ("project", json!(["shop"])),
        ("project", json!(null)),
        ("sumary", json!("x")),
    ] {
        let mut body = json!({"project": "shop", "summary": "Fixed the login"});
        body[field] = value;
        let a = s.post("/v1/episodes", &body);
        assert_eq!(a.status, 422, "{body} {}", a.text());
        assert_eq!(a.json()["code"], "invalid_input", "{body}");
    }
    for (decision, status, code) in [("x", 422, "invalid_id"), (none, 404, "decision_not_found")] {
        let body = json!({"project": "shop", "summary": "Fixed", "decisions": [decision]});
        refused(&s.post("/v1/episodes", &body), status, code);
    }
    let body = json!({"project": "shop", "summary": " \n"});
    refused(&s.post("/v1/episodes", &body), 422, "empty_content");
    let body = json!({"project": "shop", "summary": "x", "diff": "x".repeat(2 << 20)});
    refused(&s.post("/v1/episodes", &body), 413, "content_too_large");
    for text in [
        r#"{"project": "shop", "summary": "\ud800"}"#,
        r#"{"project": "shop", "summary": NaN}"#,
        "{",
    ] {
        refused(&s.post_text("/v1/episodes", text), 422, "malformed_json");
    }
    refused(&s.post_text("/v1/episodes", "[]"), 422, "invalid_input");
    let page = s.get("/v1/episodes").expect(200);
    assert_eq!(page["items"], json!([]));
}
