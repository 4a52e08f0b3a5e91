//! The documentation agrees with the server.

use std::collections::BTreeSet;

use memrl::Code;
use memrl_server::{openapi, routes};
use serde_json::Value;

use crate::support::Server;

const HTTP_MD: &str = include_str!("../../../../docs/http.md");

#[test]
fn the_document_lists_every_route_and_only_those() {
    let document = openapi();
    let mut listed = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            listed.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let served: BTreeSet<String> = routes().iter().map(|r| format!("{r:?}")).collect();
    assert_eq!(listed, served);
    assert_eq!(served.len(), routes().len(), "no route twice");
}

/// Every route answers something of its own: none falls through to "Not Found".
#[test]
fn every_listed_route_is_served() {
    let s = Server::start();
    for route in routes() {
        let path = route
            .path
            .replace("{cell_id}", "last")
            .replace("{decision_id}", "last")
            .replace("{job}", "1")
            .replace("{policy}", "similarity");
        let a = s.send(
            route.method,
            &path,
            &[("content-type", "application/json")],
            b"{}",
        );
        assert_ne!(a.status, 405, "{route:?}");
        assert!(a.status < 500, "{route:?}: {}", a.text());
        if a.status == 404 {
            assert_ne!(a.json()["detail"], "Not Found", "{route:?}");
        }
    }
}

fn walk(at: &Value, document: &Value) {
    match at {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                let found = document.pointer(reference.trim_start_matches('#'));
                assert!(found.is_some(), "{reference}");
            }
            map.values().for_each(|v| walk(v, document));
        }
        Value::Array(items) => items.iter().for_each(|v| walk(v, document)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_answer_is_described() {
    let document = openapi();
    walk(&document, &document);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(
                !operation["summary"].as_str().unwrap().is_empty(),
                "{method} {path}"
            );
            for (status, answer) in operation["responses"].as_object().unwrap() {
                assert!(
                    !answer["description"].as_str().unwrap().is_empty(),
                    "{method} {path} {status}"
                );
            }
        }
    }
}

#[test]
fn the_page_needs_nothing_but_this_server() {
    let s = Server::start();
    let page = s.get("/docs");
    assert_eq!(page.status, 200);
    assert!(page.headers["content-type"].starts_with("text/html"));
    let text = page.text();
    for outside in [
        "https://",
        "http://",
        "//cdn",
        "@import",
        "<link rel=\"stylesheet\"",
    ] {
        assert!(!text.contains(outside), "{outside}");
    }
    let redoc = s.get("/redoc");
    assert_eq!((redoc.status, redoc.text()), (200, text));
    for header in ["content-type", "content-security-policy", "referrer-policy"] {
        assert_eq!(redoc.headers[header], page.headers[header], "{header}");
    }
    let a = s.get("/");
    assert_eq!((a.status, a.headers["location"].as_str()), (307, "/docs"));
    assert_eq!(s.get("/openapi.json").expect(200), openapi());
}

#[test]
fn http_md_has_every_code_and_every_route() {
    for code in Code::ALL {
        let info = code.info();
        let row = format!(
            "| `{}` | {} | {} |",
            info.code,
            info.status,
            info.hint.replace('|', "\\|")
        );
        assert!(HTTP_MD.contains(&row), "docs/http.md lacks the row\n{row}");
    }
    let codes = HTTP_MD
        .lines()
        .filter(|l| l.starts_with("| `") && l.matches('|').count() >= 4)
        .count();
    assert!(codes >= Code::ALL.len());
    for route in routes() {
        let heading = format!("`{} {}`", route.method, route.path);
        assert!(HTTP_MD.contains(&heading), "docs/http.md lacks {heading}");
    }
}
