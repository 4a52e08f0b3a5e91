//! What the tools do, through the real program.

use serde_json::json;

use super::client::{Client, text};
use crate::support::Home;

#[test]
fn every_retrieve_names_a_decision_that_feedback_accepts_and_values_change() {
    let home = Home::new();
    let mut client = Client::initialized(&home, "2025-11-25");
    let id = client.capture("Fixed the login redirect loop: the cookie had no path");
    client.capture("Wrote the release notes");
    let found = client.call(
        "memrl_retrieve",
        &json!({"query": "login redirects forever"}),
    );
    let hits = found["structuredContent"]["hits"].as_array().expect("hits");
    let hit = hits.iter().find(|h| h["id"] == id).expect("the episode");
    let decision = found["structuredContent"]["decision_id"]
        .as_str()
        .expect("a decision");
    let cite = hit["cite"].as_str().expect("a citation");
    // The text alone is enough to cite and to give feedback.
    assert!(
        text(&found).contains(cite) && text(&found).contains(decision),
        "{found}"
    );
    assert!(
        hit["reason"].as_str().is_some_and(|r| !r.is_empty()),
        "{hit}"
    );
    assert!(
        hit["project"].as_str().is_some_and(|p| !p.is_empty()),
        "{hit}"
    );
    for (name, by) in [("episode_ids", cite), ("episodes", &id[..8])] {
        let said = client.done(
            "memrl_feedback",
            &json!({
                name: [by], "helpful": true, "decision_id": decision,
            }),
        );
        assert_eq!(said["judged"], json!([id]));
        assert_eq!(said["decisions"][0]["decision_id"], decision);
        assert_eq!(
            said["decisions"][0]["repeated"],
            name == "episodes",
            "{said}"
        );
    }
    let now = client.done("memrl_retrieve", &json!({"id": id}));
    let (before, after) = (&hit["value"]["mean"], &now["hits"][0]["value"]["mean"]);
    assert!(after.as_f64() > before.as_f64(), "{before} {after}");
    let said = client.done(
        "memrl_feedback",
        &json!({"episodes": ["last"], "helpful": false, "correction": "no"}),
    );
    assert!(
        said["judged"]
            .as_array()
            .is_some_and(|j| j.contains(&json!(id))),
        "{said}"
    );
}

#[test]
fn feedback_is_about_what_was_shown() {
    let home = Home::new();
    let mut client = Client::initialized(&home, "2025-11-25");
    let id = client.capture("Moved the cache to disk");
    for (arguments, code) in [
        (json!({"episode_ids": [id], "helpful": true}), "never_shown"),
        (
            json!({"episode_ids": ["ffffffff"], "helpful": true}),
            "cell_not_found",
        ),
        (
            json!({"episode_ids": ["last"], "helpful": true}),
            "decision_not_found",
        ),
        (
            json!({"episode_ids": [id], "helpful": true, "decision_id": "00000000-0000-4000-8000-000000000000"}),
            "decision_not_found",
        ),
    ] {
        let said = client.refused("memrl_feedback", &arguments);
        assert!(
            said.contains(code) && said.contains("hint:"),
            "{arguments}: {said}"
        );
    }
}

#[test]
fn all_lists_the_newest_and_an_id_shows_everything() {
    let home = Home::new();
    let mut client = Client::initialized(&home, "2025-11-25");
    let done = client.done("memrl_capture", &json!({
        "summary": "Upgraded the database driver", "task_type": "refactor", "outcome": "partial",
        "files_modified": ["src/db.rs"], "tags": ["database", "upgrade"],
        "errors_resolved": [{"error": "E0308 in pool.rs", "resolution": "await the pool"}],
        "learnings": ["The pool is lazy now"],
    }));
    let id = done["id"].as_str().expect("an id").to_owned();
    let newest = client.capture("Sped up the tests");
    let listed = client.done("memrl_retrieve", &json!({"all": true, "limit": 1}));
    assert_eq!(listed["hits"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["hits"][0]["id"], newest);
    assert!(listed["decision_id"].is_null());
    let cite = format!("[m:{}]", &id[..8]);
    for arguments in [
        json!({"id": id}),
        json!({"id": cite}),
        json!({"id": &id[..6]}),
        json!({"query": id}),
        json!({"query": cite}),
        json!({"query": &id[..8]}),
    ] {
        let shown = client.done("memrl_retrieve", &arguments);
        let hit = &shown["hits"][0];
        assert_eq!(hit["id"], id, "{arguments}");
        assert_eq!(hit["outcome"], "partial");
        assert_eq!(hit["files_modified"], json!(["src/db.rs"]));
        assert_eq!(hit["errors_resolved"][0]["resolution"], "await the pool");
        assert_eq!(hit["learnings"], json!(["The pool is lazy now"]));
        assert_eq!(
            hit["episode"]["intent"]["domain"],
            json!(["database", "upgrade"])
        );
    }
    // Eight digits that are no id are words like any other.
    let found = client.done("memrl_retrieve", &json!({"query": "deadbeef"}));
    assert!(found["decision_id"].is_string());
    assert!(
        client
            .refused("memrl_retrieve", &json!({"id": "deadbeef"}))
            .contains("cell_not_found")
    );
}

#[test]
fn a_call_is_about_the_project_it_names_or_the_one_it_is_made_in() {
    let home = Home::new();
    let shop = home.file("shop");
    std::fs::create_dir(&shop).expect("a directory");
    let mut client = Client::with(&home, &["mcp"], |c| {
        c.current_dir(&shop);
    });
    client.initialize("2025-11-25");
    client.capture("Repaired the checkout of the shop");
    let other = client.done(
        "memrl_capture",
        &json!({
            "summary": "Repaired the checkout of the kiosk", "task_type": "bugfix",
            "outcome": "success", "project": "kiosk",
        }),
    );
    assert_eq!(other["project"], "kiosk");
    assert_eq!(client.done("memrl_status", &json!({}))["project"], "shop");
    assert_eq!(client.done("memrl_stats", &json!({}))["episodes"], 1);
    let here = client.done("memrl_retrieve", &json!({"query": "checkout"}));
    let origins: Vec<&str> = here["hits"]
        .as_array()
        .expect("hits")
        .iter()
        .filter_map(|h| h["project"].as_str())
        .collect();
    assert_eq!(origins.first(), Some(&"shop"), "{here}");
    let there = client.done(
        "memrl_retrieve",
        &json!({"query": "checkout", "project": "kiosk"}),
    );
    assert_eq!(there["hits"].as_array().map(Vec::len), Some(1));
    assert_eq!(there["hits"][0]["project"], "kiosk");
    let mut named = Client::with(&home, &["mcp", "--project", "kiosk"], |_| {});
    named.initialize("2025-11-25");
    assert_eq!(named.done("memrl_stats", &json!({}))["project"], "kiosk");
}

#[test]
fn a_session_that_is_named_holds_its_decisions_together() {
    let home = Home::new();
    for (name, session) in [
        ("MEMRL_TRAJECTORY", "mine"),
        ("CLAUDE_SESSION_ID", "editor-1"),
    ] {
        let mut client = Client::with(&home, &["mcp"], |c| {
            c.env(name, session);
        });
        client.initialize("2025-11-25");
        client.capture(&format!("Taught the parser about comments, for {session}"));
        let found = client.done("memrl_retrieve", &json!({"query": "parser comments"}));
        let uri = format!(
            "memrl://decision/{}",
            found["decision_id"].as_str().expect("an id")
        );
        let read = client.ask("resources/read", &json!({"uri": uri}));
        let body = read["result"]["contents"][0]["text"]
            .as_str()
            .expect("text");
        let why: serde_json::Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(why["decision"]["trajectory_id"], session);
        // What the session led to is told to what it was shown.
        let done = client.done("memrl_capture", &json!({
            "summary": format!("Parsed nested comments, for {session}"), "task_type": "feature", "outcome": "success",
        }));
        assert_eq!(done["credited"], json!([found["decision_id"]]));
    }
}

#[test]
fn resources_are_what_the_tools_speak_of() {
    let home = Home::new();
    let mut client = Client::initialized(&home, "2025-11-25");
    let id = client.capture("Made the build reproducible");
    let found = client.done("memrl_retrieve", &json!({"query": "reproducible build"}));
    let templates = client.ask("resources/templates/list", &json!({}));
    let templates: Vec<&str> = templates["result"]["resourceTemplates"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|t| t["uriTemplate"].as_str())
        .collect();
    assert_eq!(
        templates,
        [
            "memrl://cell/{id}",
            "memrl://episode/{id}",
            "memrl://decision/{id}"
        ]
    );
    let listed = client.ask("resources/list", &json!({}));
    assert_eq!(
        listed["result"]["resources"][0]["uri"],
        format!("memrl://episode/{id}")
    );
    let decision = found["decision_id"].as_str().expect("an id");
    for (uri, part, expected) in [
        (format!("memrl://cell/{id}"), "/cell_id", id.as_str()),
        (
            format!("memrl://episode/{}", &id[..8]),
            "/cell_id",
            id.as_str(),
        ),
        (
            format!("memrl://decision/{decision}"),
            "/decision/decision_id",
            decision,
        ),
    ] {
        let read = client.ask("resources/read", &json!({"uri": uri}));
        let content = &read["result"]["contents"][0];
        assert_eq!(content["uri"], uri);
        assert_eq!(content["mimeType"], "application/json");
        let body: serde_json::Value =
            serde_json::from_str(content["text"].as_str().expect("text")).expect("JSON");
        assert_eq!(body.pointer(part), Some(&json!(expected)), "{uri}");
    }
    let fact = home.ok(&["add", "--type", "fact", "The build machine has 32 cores."]);
    for uri in [
        format!("memrl://episode/{fact}"),
        "memrl://decision/nope".into(),
        "memrl://cell/ffffffff".into(),
        "memrl://x/1".into(),
    ] {
        let read = client.ask("resources/read", &json!({"uri": uri}));
        assert_eq!(read["error"]["code"], -32002, "{uri}: {read}");
        assert_eq!(read["error"]["data"]["uri"], uri);
    }
    assert!(
        client.ask(
            "resources/read",
            &json!({"uri": format!("memrl://cell/{fact}")})
        )["result"]
            .is_object()
    );
}

#[test]
fn what_is_above_the_clearance_is_not_there() {
    let home = Home::new();
    let secret = home.ok(&[
        "add",
        "--type",
        "fact",
        "--sensitivity",
        "restricted",
        "The vault code is seven-plums.",
    ]);
    // The owner's own command line sees it, and logs a decision that shows it.
    let shown = home.json(&["recall", "vault code"]);
    let decision = shown["decision_id"].as_str().expect("an id");
    assert!(shown.to_string().contains("seven-plums"), "{shown}");
    let mut client = Client::initialized(&home, "2025-11-25");
    let uri = format!("memrl://cell/{secret}");
    assert_eq!(
        client.ask("resources/read", &json!({"uri": uri}))["error"]["code"],
        -32002
    );
    assert!(
        client
            .refused("memrl_retrieve", &json!({"id": secret}))
            .contains("cell_not_found")
    );
    let uri = format!("memrl://decision/{decision}");
    let why = client.ask("resources/read", &json!({"uri": uri}));
    assert!(why["result"].is_object(), "{why}");
    assert!(!why.to_string().contains("seven-plums"), "{why}");
    let listed = client.call("memrl_retrieve", &json!({"all": true, "types": ["fact"]}));
    assert!(!listed.to_string().contains("seven-plums"), "{listed}");
    let found = client.call(
        "memrl_retrieve",
        &json!({"query": "vault code", "types": ["fact"]}),
    );
    assert!(!found.to_string().contains("seven-plums"), "{found}");
}

#[test]
fn a_memory_that_is_switched_off_says_so_and_still_answers() {
    let home = Home::new();
    let mut client = Client::initialized(&home, "2025-11-25");
    assert_eq!(
        client.done("memrl_status", &json!({}))["switched_off"],
        false
    );
    assert_eq!(home.run_here(&["off"]).code, Some(0));
    let status = client.call("memrl_status", &json!({}));
    assert_eq!(
        status["structuredContent"]["switched_off"], true,
        "{status}"
    );
    assert!(text(&status).contains("switched off"), "{status}");
    client.capture("Explicit calls still work");
    assert_eq!(client.done("memrl_stats", &json!({}))["episodes"], 1);
}

#[test]
fn upkeep_of_values_and_episodes_can_be_asked_for() {
    let home = Home::new();
    let mut client = Client::initialized(&home, "2025-11-25");
    for n in 0..3 {
        client.capture(&format!("Cleaned up the temporary files of worker {n}"));
    }
    client.done("memrl_retrieve", &json!({"query": "temporary files"}));
    client.done(
        "memrl_feedback",
        &json!({"episodes": ["last"], "helpful": true}),
    );
    let first = client.done("memrl_propagate", &json!({"temporal": true}));
    assert_eq!(first["cells"], 3, "{first}");
    let second = client.done("memrl_propagate", &json!({"temporal": true}));
    assert_eq!(second["changed"], 0, "twice equals once: {second}");
    for action in ["analyze", "consolidate", "cleanup"] {
        let review = client.done("memrl_review", &json!({"action": action}));
        assert_eq!(review["action"], action);
    }
    assert_eq!(client.done("memrl_review", &json!({}))["action"], "analyze");
}

#[test]
fn last_is_what_this_session_was_shown_whatever_others_do() {
    let home = Home::new();
    let mut mine = Client::initialized(&home, "2025-11-25");
    mine.capture("Cleaned up the temporary files of the worker");
    let mut theirs = Client::initialized(&home, "2025-11-25");
    let found = mine.done("memrl_retrieve", &json!({"query": "temporary files"}));
    let other = theirs.done("memrl_retrieve", &json!({"query": "quarterly tax report"}));
    assert_eq!(other["hits"], json!([]), "{other}");
    let last = json!({"episodes": ["last"], "helpful": true});
    let judged = mine.done("memrl_feedback", &last);
    assert_eq!(judged["decisions"][0]["decision_id"], found["decision_id"]);
    assert!(
        theirs
            .refused("memrl_feedback", &last)
            .contains("never_shown")
    );
    // A decision by the first digits of its id.
    let decision = found["decision_id"].as_str().expect("an id");
    let named = json!({"decision_id": &decision[..8], "helpful": true});
    let again = mine.done("memrl_feedback", &named);
    assert_eq!(again["decisions"][0]["repeated"], true, "{again}");
}
