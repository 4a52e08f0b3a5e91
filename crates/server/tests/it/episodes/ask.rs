//! What is asked for: lists, retrieves, projects, clearance.

use memrl::{Config, Sensitivity};
use serde_json::json;

use super::*;
use crate::support::Server;

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
