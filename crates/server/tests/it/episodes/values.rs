//! Judged, spread, pruned.

use serde_json::{Value, json};

use super::*;
use crate::support::{Answer, Server};

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
