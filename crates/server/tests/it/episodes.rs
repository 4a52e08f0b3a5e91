//! Episodes over HTTP: captured, retrieved, judged, pruned, and what bad input does to them.

use memrl::{Config, Sensitivity};
use memrl_server::ServeOptions;
use serde_json::{Value, json};

use crate::support::{Answer, Server};

const NDJSON: [(&str, &str); 1] = [("content-type", "application/x-ndjson")];

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    let body = answer.expect(status);
    assert_eq!(body["code"], code, "{body}");
    assert!(!body["hint"].as_str().unwrap().is_empty());
}

fn id(of: &Value) -> String {
    of["cell"]["cell_id"].as_str().unwrap().to_owned()
}

/// An episode of the project `shop`; its id.
fn told(s: &Server, summary: &str) -> String {
    let body = json!({
        "project": "shop",
        "summary": summary,
        "outcome": "success",
        "task_type": "bugfix",
        "tags": ["auth"],
    });
    id(&s.post("/v1/episodes", &body).expect(201))
}

fn retrieve(s: &Server, query: &str) -> Value {
    let body = json!({"query": query, "project": "shop", "explore": false});
    s.post("/v1/retrieve", &body).expect(200)
}

/// Bound to all addresses, where nothing said does not mean everything.
fn shared(options: &mut ServeOptions) {
    options.host = "0.0.0.0".into();
    options.token = Some("0123456789abcdef".into());
}

fn with_token(s: &Server, method: &str, path: &str, body: &Value) -> Answer {
    let headers = [
        ("authorization", "Bearer 0123456789abcdef"),
        ("content-type", "application/json"),
    ];
    s.send(method, path, &headers, body.to_string().as_bytes())
}

#[test]
fn a_helpful_episode_is_worth_more_afterwards() {
    let s = Server::start();
    let cell = told(&s, "Fixed the login by clearing the stale session cookie");
    told(&s, "Wrote the release notes of the printer driver");
    let value = format!("/v1/cells/{cell}/value");
    let before = s.get(&value).expect(200);
    assert_eq!(
        (&before["shown"], &before["evidence"]),
        (&json!(0), &json!(0.0))
    );

    let found = retrieve(&s, "the login fails with an old session cookie");
    let hit = &found["hits"][0];
    assert_eq!(hit["cell"]["cell_id"], cell);
    assert_eq!(hit["project"], "shop");
    assert_eq!(hit["cell"]["payload"]["intent"]["task_type"], "bugfix");
    assert!(
        found["context"]
            .as_str()
            .unwrap()
            .contains("stale session cookie")
    );
    assert!(found.get("selected").is_none(), "each cell once");
    let decision = found["decision_id"].as_str().unwrap();
    assert_eq!(
        s.get(&format!("/v1/decisions/{decision}")).expect(200)["query"],
        "the login fails with an old session cookie"
    );

    let verdict = json!({"cells": [&cell], "helpful": true, "decision_id": decision});
    let report = s.post("/v1/feedback/cells", &verdict).expect(200);
    assert_eq!(report["cells"], json!([cell]));
    assert_eq!(report["reports"][0]["repeated"], false);
    let after = s.get(&value).expect(200);
    assert!(after["mean"].as_f64() > before["mean"].as_f64(), "{after}");
    assert_eq!(after["shown"], 1);

    let again = s.post("/v1/feedback/cells", &verdict).expect(200);
    assert_eq!(again["reports"][0]["repeated"], true);
    let still = s.get(&value).expect(200);
    assert!((still["mean"].as_f64().unwrap() - after["mean"].as_f64().unwrap()).abs() < 1e-6);
}

#[test]
fn all_that_a_decision_showed_is_judged_when_no_cell_is_named() {
    let s = Server::start();
    let cell = told(&s, "Fixed the login by clearing the stale session cookie");
    let found = retrieve(&s, "login cookie");
    let body = json!({"decision_id": found["decision_id"], "useful": 0.25, "source": "agent"});
    let report = s.post("/v1/feedback/cells", &body).expect(200);
    assert_eq!(report["cells"], json!([cell]));
    let merged = &report["reports"][0]["merged"]["outcome"];
    assert_eq!(merged["verdicts"][0]["useful"], 0.25);
    for name in ["cells", "episodes", "episode_ids"] {
        let cite = format!("[m:{}]", &cell[..8]);
        for given in [json!(cite), json!([cell]), json!("last")] {
            let mut body = json!({"useful": 0.25});
            body[name] = given;
            let report = s.post("/v1/feedback/cells", &body).expect(200);
            assert_eq!(report["cells"], json!([cell]), "{body}");
        }
    }
}

#[test]
fn a_cell_that_was_never_shown_cannot_be_judged() {
    let s = Server::start();
    let shown = told(&s, "Fixed the login by clearing the stale session cookie");
    let found = retrieve(&s, "login cookie");
    let never = told(&s, "Wrote the release notes of the printer driver");
    let judge = |body: Value| s.post("/v1/feedback/cells", &body);
    refused(
        &judge(json!({"cells": [never], "helpful": true})),
        409,
        "never_shown",
    );
    let both =
        json!({"cells": [shown, never], "helpful": true, "decision_id": found["decision_id"]});
    refused(&judge(both), 409, "never_shown");
    let value = s.get(&format!("/v1/cells/{shown}/value")).expect(200);
    assert_eq!(value["evidence"], 0.0, "all or nothing");
}

#[test]
fn feedback_that_says_nothing_or_two_things_is_refused() {
    let s = Server::start();
    let cell = told(&s, "Fixed the login by clearing the stale session cookie");
    retrieve(&s, "login cookie");
    for body in [
        json!({"cells": [cell]}),
        json!({"helpful": true}),
        json!({"cells": [], "helpful": true}),
        json!({"cells": [cell], "helpful": "yes"}),
        json!({"cells": [cell], "helpful": true, "useful": 1}),
        json!({"cells": [cell], "episodes": [cell], "helpful": true}),
        json!({"cells": [cell], "useful": 1.5}),
        json!({"cells": [cell], "useful": -1}),
        json!({"cells": [7], "useful": 1}),
        json!({"cells": {"id": cell}, "useful": 1}),
        json!({"cels": [cell], "useful": 1}),
    ] {
        refused(&s.post("/v1/feedback/cells", &body), 422, "invalid_input");
    }
    for name in ["", " ", "ab", "not an id", "[m:]", "жук"] {
        let body = json!({"cells": [name], "helpful": true});
        refused(&s.post("/v1/feedback/cells", &body), 422, "invalid_id");
    }
    let none = "00000000-0000-4000-8000-000000000000";
    let body = json!({"cells": [none], "helpful": true});
    refused(&s.post("/v1/feedback/cells", &body), 404, "cell_not_found");
    let body = json!({"cells": [cell], "helpful": true, "decision_id": none});
    refused(
        &s.post("/v1/feedback/cells", &body),
        404,
        "decision_not_found",
    );
}

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

/// A session of Claude Code in three lines.
fn session(answer: &str) -> String {
    let line = |value: Value| format!("{value}\n");
    let common = |kind: &str, message: Value, uuid: &str, at: &str| {
        json!({
            "type": kind, "message": message, "uuid": uuid, "parentUuid": null, "isSidechain": false,
            "sessionId": "11111111-2222-4333-8444-555555555555", "cwd": "/home/ann/shop",
            "version": "2.0.0", "timestamp": at,
        })
    };
    let prompt = json!({"role": "user", "content": "Fix the login: the session cookie is stale"});
    let reply = json!({
        "id": "m1", "role": "assistant", "model": "x", "type": "message",
        "content": [{"type": "text", "text": answer}], "usage": {"input_tokens": 5, "output_tokens": 7},
    });
    [
        line(common("user", prompt, "a", "2026-01-02T03:04:05Z")),
        line(common("assistant", reply, "b", "2026-01-02T03:05:05Z")),
    ]
    .concat()
}

fn send(s: &Server, query: &str, body: &[u8]) -> Answer {
    s.send(
        "POST",
        &format!("/v1/episodes/transcript?{query}"),
        &NDJSON,
        body,
    )
}

#[test]
fn a_transcript_becomes_one_episode_however_often_it_is_sent() {
    let s = Server::start();
    let first = session("The cookie is cleared now.");
    let a = send(&s, "project=shop", first.as_bytes()).expect(201);
    let episode = &a["cell"]["payload"];
    assert_eq!(
        episode["intent"]["raw_prompt"],
        "Fix the login: the session cookie is stale"
    );
    assert_eq!(episode["session"]["client"], "claude-code");
    assert_eq!(
        episode["session"]["id"],
        "11111111-2222-4333-8444-555555555555"
    );
    assert_eq!(
        a["cell"]["scope"],
        json!({"project": "shop"}),
        "not the directory of the transcript"
    );

    let same = send(&s, "project=shop&client=claude-code", first.as_bytes()).expect(200);
    assert_eq!((&same["action"], id(&same)), (&json!("unchanged"), id(&a)));

    let longer = format!("{first}{}", session("And tested."));
    let more = send(&s, "project=shop", longer.as_bytes()).expect(200);
    assert_eq!((&more["action"], id(&more)), (&json!("updated"), id(&a)));
    let late = send(&s, "project=shop", first.as_bytes()).expect(200);
    assert_eq!(
        (&late["action"], &late["cell"]),
        (&json!("unchanged"), &more["cell"])
    );
    assert_eq!(late["warnings"].as_array().unwrap().len(), 1);

    // The session that it continues is another one.
    let logout = first.replace("Fix the login", "Fix the logout");
    let other = send(&s, "project=shop&session=another", logout.as_bytes()).expect(201);
    assert_eq!(other["cell"]["payload"]["session"]["id"], "another");
    assert_ne!(id(&other), id(&a));
    assert_eq!(
        s.get("/v1/episodes?project=shop").expect(200)["items"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn of_parts_of_a_session_sent_at_once_the_longest_accepted_stays() {
    let s = Server::start();
    let parts: Vec<String> = (1..=8)
        .map(|n| (0..n).map(|i| session(&format!("Step {i}."))).collect())
        .collect();
    let accepted = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for part in &parts {
            scope.spawn(|| {
                let a = send(&s, "project=shop", part.as_bytes());
                if a.status == 409 {
                    // Whoever lost too often is told so, and sends again.
                    refused(&a, 409, "conflict");
                } else {
                    assert!(matches!(a.status, 200 | 201), "{}", a.text());
                    accepted.lock().unwrap().push(part.len());
                }
            });
        }
    });
    let longest = accepted.into_inner().unwrap().into_iter().max();
    let page = s.get("/v1/episodes").expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    let cell = &page["items"][0]["cell"];
    assert_eq!(
        cell["payload"]["session"]["offset"].as_u64(),
        longest.map(|n| n as u64)
    );
    let late = send(&s, "project=shop", parts[0].as_bytes()).expect(200);
    assert_eq!(&late["cell"], cell);
}

#[test]
fn a_line_that_was_cut_off_is_read_when_it_is_whole() {
    let s = Server::start();
    let whole = session("The cookie is cleared now.");
    let (cut, _) = whole.split_at(whole.len() - 40);
    let a = send(&s, "project=shop", cut.as_bytes()).expect(201);
    assert_eq!(
        a["cell"]["payload"]["session"]["counts"]["unknown_lines"],
        0
    );
    assert_eq!(a["cell"]["payload"]["session"]["counts"]["answers"], 0);
    let b = send(&s, "project=shop", whole.trim_end().as_bytes()).expect(200);
    assert_eq!(b["cell"]["payload"]["session"]["counts"]["answers"], 1);
    assert_eq!(id(&a), id(&b));
}

#[test]
fn plain_turns_are_a_transcript_too() {
    let s = Server::start();
    let text = "Human: Почини вход\n\nAssistant: Готово, куки очищены.";
    let path = "/v1/episodes/transcript?project=shop&client=text";
    let a = s.send(
        "POST",
        path,
        &[("content-type", "text/plain; charset=utf-8")],
        text.as_bytes(),
    );
    assert_eq!(
        a.expect(201)["cell"]["payload"]["intent"]["raw_prompt"],
        "Почини вход"
    );
    let again = s.send(
        "POST",
        path,
        &[("content-type", "text/plain")],
        text.as_bytes(),
    );
    assert_eq!(again.expect(200)["action"], "unchanged");
}

#[test]
fn what_is_no_transcript_is_refused() {
    let s = Server::start();
    for body in [
        &b""[..],
        b"\n\n",
        b"{}",
        b"[1, 2]\n{\"a\": 1}\n",
        b"\xff\xfe\x00",
    ] {
        refused(&send(&s, "project=shop", body), 422, "not_a_transcript");
    }
    let good = session("Done.");
    for query in [
        "",
        "project=",
        "project=../x",
        "project=shop&client=emacs",
        "project=shop&session=",
        "project=shop&sesion=x",
    ] {
        refused(&send(&s, query, good.as_bytes()), 422, "invalid_input");
    }
    for media in [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let path = "/v1/episodes/transcript?project=shop";
        let a = s.send("POST", path, &[("content-type", media)], good.as_bytes());
        refused(&a, 415, "unsupported_media_type");
    }
    assert_eq!(s.get("/v1/episodes").expect(200)["items"], json!([]));
}

#[test]
fn a_transcript_beyond_sixteen_megabytes_is_refused() {
    let s = Server::start();
    let body = vec![b'\n'; (16 << 20) + 1];
    refused(&send(&s, "project=shop", &body), 413, "body_too_large");
    assert_eq!(s.get("/health").status, 200);
}

#[test]
fn a_forgotten_session_does_not_come_back() {
    let s = Server::start();
    let text = session("Done.");
    let a = send(&s, "project=shop", text.as_bytes()).expect(201);
    s.send("DELETE", &format!("/v1/cells/{}", id(&a)), &[], b"")
        .expect(200);
    refused(
        &send(&s, "project=shop", text.as_bytes()),
        409,
        "wrong_status",
    );
    refused(
        &s.get(&format!("/v1/episodes/{}", id(&a))),
        404,
        "cell_not_found",
    );
}

#[test]
fn the_list_pages_and_filters() {
    let s = Server::start();
    for i in 0..5 {
        told(&s, &format!("Fixed login bug number {i}"));
    }
    let body = json!({"project": "press", "summary": "Wrote a page", "outcome": "failure", "tags": ["Docs"]});
    s.post("/v1/episodes", &body).expect(201);
    let count = |query: &str| {
        let page = s.get(&format!("/v1/episodes?{query}")).expect(200);
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(
        (count(""), count("project=shop"), count("project=press")),
        (6, 5, 1)
    );
    assert_eq!((count("project=unknown"), count("project=Shop")), (0, 5));
    assert_eq!(
        (count("tag=AUT"), count("tag=docs"), count("tag=zzz")),
        (5, 1, 0)
    );
    assert_eq!((count("outcome=success"), count("outcome=partial")), (5, 0));
    assert_eq!(count("type=fact"), 0);
    let first = s.get("/v1/episodes?limit=4&project=shop").expect(200);
    let next = format!(
        "/v1/episodes?limit=4&project=shop&cursor={}",
        first["next_cursor"].as_str().unwrap()
    );
    let second = s.get(&next).expect(200);
    assert_eq!(second["items"].as_array().unwrap().len(), 1);
    assert!(second["next_cursor"].is_null());
    for bad in [
        "limit=0",
        "limit=100000000000000000",
        "outcome=won",
        "cursor=x",
        "typo=1",
        "project=",
        "project=..%2Fx",
        "project=shop&all_projects=true",
    ] {
        refused(&s.get(&format!("/v1/episodes?{bad}")), 422, "invalid_input");
    }
    let fact = json!({"type": "fact", "scope": {"u": "1"}, "content": "no episode"});
    let fact = id(&s.post("/v1/cells", &fact).expect(201));
    refused(
        &s.get(&format!("/v1/episodes/{fact}")),
        404,
        "cell_not_found",
    );
    refused(&s.get("/v1/episodes/zz"), 422, "invalid_id");
}

#[test]
fn what_is_above_the_clearance_is_listed_only_to_whoever_names_it() {
    let mut config = Config::default();
    config.recall.clearance = Sensitivity::Low;
    let s = Server::with_config(config, |_| {});
    let open = told(&s, "Fixed the login by clearing the stale session cookie");
    let private = told(&s, "Fixed the login of the stale session of the boss");
    let patch = json!({"sensitivity": "high"});
    s.patch(&format!("/v1/cells/{private}"), &patch).expect(200);
    let listed = |query: &str| {
        let page = s.get(&format!("/v1/episodes?{query}")).expect(200);
        page["items"].as_array().unwrap().len()
    };
    assert_eq!((listed(""), listed("clearance=high")), (1, 2));
    let found = retrieve(&s, "stale session login");
    let hits = found["hits"].as_array().unwrap();
    assert!(hits.iter().all(|h| h["cell"]["cell_id"] == open), "{found}");
    assert!(!found.to_string().contains("boss"));
    let body = json!({"older_than_days": 0, "min_utility": 1});
    let report = s.post("/v1/prune", &body).expect(200);
    assert_eq!(
        (
            &report["withheld"],
            report["rows"].as_array().unwrap().len()
        ),
        (&json!(1), 1)
    );
    assert!(!report.to_string().contains("boss"));
    assert_eq!(
        s.get(&format!("/v1/episodes/{private}")).status,
        200,
        "named by id"
    );
}

#[test]
fn a_retrieve_with_odd_numbers_is_capped_or_refused() {
    let s = Server::start();
    told(&s, "Fixed the login by clearing the stale session cookie");
    let ask = |field: &str, text: &str| {
        s.post_text(
            "/v1/retrieve",
            &format!("{{\"query\": \"login cookie\", \"{field}\": {text}}}"),
        )
    };
    for limit in [
        "1",
        "5.0",
        "100000000000000000",
        "1e17",
        "1e300",
        "18446744073709551616",
        "null",
    ] {
        let found = ask("limit", limit).expect(200);
        assert_eq!(found["hits"].as_array().unwrap().len(), 1, "{limit}");
    }
    for (field, text) in [
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "1.5"),
        ("limit", "\"5\""),
        ("budget_tokens", "0"),
        ("budget_tokens", "100000000000000000"),
        ("types", "\"episode\""),
        ("types", "[\"rumour\"]"),
        ("only_project", "1"),
        ("project", "\"\""),
        ("project", "\"a/b\""),
        ("trajectory", "7"),
        ("querry", "1"),
    ] {
        refused(&ask(field, text), 422, "invalid_input");
    }
    refused(
        &s.post("/v1/retrieve", &json!({"query": "  "})),
        422,
        "invalid_input",
    );
    refused(&s.post("/v1/retrieve", &json!({})), 422, "invalid_input");
    refused(
        &s.post_text("/v1/retrieve", r#"{"query": "\udfff"}"#),
        422,
        "malformed_json",
    );
    let unknown = json!({"query": "login cookie", "project": "nowhere", "only_project": true});
    assert_eq!(
        s.post("/v1/retrieve", &unknown).expect(200)["hits"],
        json!([])
    );
}

#[test]
fn what_a_trajectory_has_seen_is_not_shown_again() {
    let s = Server::start();
    told(&s, "Fixed the login by clearing the stale session cookie");
    let body = json!({"query": "login cookie", "project": "shop", "trajectory": "t-1", "skip_shown": true});
    let hits = || {
        s.post("/v1/retrieve", &body).expect(200)["hits"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((hits(), hits()), (1, 0));
}

#[test]
fn all_projects_have_to_be_asked_for_where_others_can_reach_the_server() {
    let s = Server::with(shared);
    let capture = json!({"project": "shop", "summary": "Fixed the login cookie"});
    with_token(&s, "POST", "/v1/episodes", &capture).expect(201);
    for (path, body) in [
        ("/v1/retrieve", json!({"query": "login cookie"})),
        ("/v1/prune", json!({})),
        ("/v1/review", json!({})),
    ] {
        refused(&with_token(&s, "POST", path, &body), 422, "empty_scope");
        for (field, value) in [("all_projects", json!(true)), ("project", json!("shop"))] {
            let mut body = body.clone();
            body[field] = value;
            with_token(&s, "POST", path, &body).expect(200);
        }
    }
    for path in ["/v1/episodes", "/v1/episodes/stats", "/v1/status"] {
        refused(&with_token(&s, "GET", path, &json!({})), 422, "empty_scope");
        for query in ["all_projects=true", "project=shop"] {
            with_token(&s, "GET", &format!("{path}?{query}"), &json!({})).expect(200);
        }
    }
    // Shows nobody's memories.
    with_token(&s, "POST", "/v1/propagate", &json!({"temporal": true})).expect(200);
    refused(
        &s.post("/v1/retrieve", &json!({"query": "x", "project": "shop"})),
        401,
        "unauthorized",
    );
}

#[test]
fn no_request_makes_the_server_look_into_its_directories() {
    let s = Server::start();
    let dir = s.dir.path().join("repo");
    std::fs::create_dir_all(dir.join(".git")).unwrap();
    let path = dir.to_str().unwrap();
    refused(
        &s.post("/v1/retrieve", &json!({"query": "x", "project": path})),
        422,
        "invalid_input",
    );
    // An id that has a slash in it is an id all the same, once there is such a project.
    let cell =
        json!({"type": "episode", "scope": {"project": "team/app"}, "content": "Fixed the login"});
    s.post("/v1/cells", &cell).expect(201);
    let status = s.get("/v1/status?project=team/app").expect(200);
    assert_eq!(
        (&status["episodes"], &status["project"]["root"]),
        (&json!(1), &json!(null))
    );
    // A name is not that of the directory that the server runs in.
    let here = std::env::current_dir().unwrap();
    let here = here.file_name().unwrap().to_str().unwrap();
    let status = s.get(&format!("/v1/status?project={here}")).expect(200);
    assert_eq!(status["project"]["id"], here);
}

#[test]
fn a_prune_is_looked_at_done_and_undone() {
    let s = Server::start();
    let cell = told(&s, "Fixed the login by clearing the stale session cookie");
    let all = json!({"older_than_days": 0, "min_utility": 1, "project": "shop"});
    let look = s.post("/v1/prune", &all).expect(200);
    assert_eq!(
        (&look["executed"], &look["decision_id"]),
        (&json!(false), &json!(null))
    );
    assert_eq!(look["rows"][0]["cell"]["cell_id"], cell);
    assert_eq!(
        s.post("/v1/prune", &json!({})).expect(200)["rows"],
        json!([]),
        "young"
    );
    let mut execute = all.clone();
    execute["execute"] = json!(true);
    let done = s.post("/v1/prune", &execute).expect(200);
    assert!(done["decision_id"].is_string() && done["undo_until"].is_string());
    assert_eq!(s.get("/v1/episodes").expect(200)["items"], json!([]));
    let undo = json!({"decision_id": done["decision_id"]});
    let back = s.post("/v1/prune/undo", &undo).expect(200);
    assert_eq!(back["restored"], json!([cell]));
    assert_eq!(
        s.post("/v1/prune/undo", &undo).expect(200)["skipped"],
        json!([cell])
    );
    assert_eq!(
        s.get("/v1/episodes").expect(200)["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    let found = retrieve(&s, "login cookie");
    let none = "00000000-0000-4000-8000-000000000000";
    for (decision, status, code) in [
        (found["decision_id"].clone(), 422, "invalid_input"),
        (json!(none), 404, "decision_not_found"),
        (json!("x"), 422, "invalid_id"),
        (json!(7), 422, "invalid_input"),
        (json!(null), 422, "invalid_input"),
    ] {
        let a = s.post("/v1/prune/undo", &json!({"decision_id": decision}));
        refused(&a, status, code);
    }
    for (field, value) in [
        ("older_than_days", json!(-1)),
        ("older_than_days", json!("old")),
        ("min_utility", json!(2)),
        ("min_utility", json!(-0.5)),
        ("execute", json!("yes")),
        ("types", json!(["rumour"])),
        ("older_then_days", json!(1)),
    ] {
        let mut body = json!({});
        body[field] = value;
        refused(&s.post("/v1/prune", &body), 422, "invalid_input");
    }
    let far = json!({"older_than_days": 1e300, "execute": true});
    assert_eq!(s.post("/v1/prune", &far).expect(200)["rows"], json!([]));
}

#[test]
fn values_spread_and_numbers_add_up() {
    let s = Server::start();
    let cell = told(&s, "Fixed the login by clearing the stale session cookie");
    told(
        &s,
        "Fixed the login by clearing a stale session cookie again",
    );
    retrieve(&s, "stale login session cookie");
    s.post(
        "/v1/feedback/cells",
        &json!({"cells": [cell], "helpful": true}),
    )
    .expect(200);
    let spread = s.post("/v1/propagate", &json!({})).expect(200);
    assert_eq!(
        (&spread["cells"], &spread["with_evidence"]),
        (&json!(2), &json!(1))
    );
    let empty = s.send("POST", "/v1/propagate", &[], b"").expect(200);
    assert!(
        empty["total_change"].as_f64() < Some(1e-3),
        "twice is once: {empty}"
    );
    s.post(
        "/v1/propagate",
        &json!({"temporal": true, "project": "shop"}),
    )
    .expect(200);
    refused(
        &s.post("/v1/propagate", &json!({"temporal": 1})),
        422,
        "invalid_input",
    );

    let status = s.get("/v1/status?project=shop").expect(200);
    assert_eq!(
        (&status["episodes"], &status["with_outcome"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(
        status["project"],
        json!({"id": "shop", "name": "shop", "root": null})
    );
    assert!(s.get("/v1/status").expect(200)["project"].is_null());
    let stats = s.get("/v1/episodes/stats").expect(200);
    assert_eq!(stats["by_outcome"], json!([["success", 2]]));
    assert_eq!(
        (&stats["success_rate"], &stats["tags"][0]),
        (&json!(1.0), &json!(["auth", 2]))
    );
    refused(&s.get("/v1/episodes/stats?projct=x"), 422, "invalid_input");

    let review = s
        .post("/v1/review", &json!({"project": "shop"}))
        .expect(200);
    assert_eq!(
        (&review["action"], &review["episodes"]),
        (&json!("analyze"), &json!(2))
    );
    assert!(review["decision_id"].is_null());
    s.post("/v1/review", &json!({"action": "cleanup"}))
        .expect(200);
    refused(
        &s.post("/v1/review", &json!({"action": "burn"})),
        422,
        "invalid_input",
    );
}

#[test]
fn recalls_know_the_new_fields() {
    let s = Server::start();
    for i in 0..3 {
        told(&s, &format!("Fixed the login cookie, attempt {i}"));
    }
    let recall = |extra: Value| {
        let mut body =
            json!({"query": "login cookie", "scope": {"project": "shop"}, "explore": false});
        body.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        s.post("/v1/recall", &body)
    };
    let shown = |a: Answer| a.expect(200)["selected"].as_array().unwrap().len();
    assert_eq!(shown(recall(json!({}))), 3);
    assert_eq!(shown(recall(json!({"max_cells": 1, "global": true}))), 1);
    assert_eq!(
        shown(recall(
            json!({"relevant_only": true, "query": "violin rosin"})
        )),
        0
    );
    refused(&recall(json!({"max_cells": 0})), 422, "invalid_input");
    let said = json!({"decision_id": "last", "implied_success": 0.9, "whole": true});
    let merged = s.post("/v1/feedback", &said).expect(200)["merged"].clone();
    assert_eq!(merged["outcome"]["implied_success"], 0.9);
    let wrong = json!({"decision_id": "last", "implied_success": 2});
    refused(&s.post("/v1/feedback", &wrong), 422, "invalid_input");
}
