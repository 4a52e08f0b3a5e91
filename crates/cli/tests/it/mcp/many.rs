//! Many at once on one data directory: eight editors, a server and a command line.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::json;

use super::client::Client;
use crate::support::{Home, Server};

const EDITORS: usize = 8;
const ROUNDS: usize = 6;

#[test]
fn eight_editors_a_server_and_a_command_line_share_one_memory() {
    let home = Home::new();
    // All at once on a directory that does not exist: one of them makes it.
    let clients: Vec<Mutex<Client>> = (0..EDITORS)
        .map(|_| Mutex::new(Client::initialized(&home, "2025-11-25")))
        .collect();
    let server = Server::start(&home);
    let captured = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (editor, client) in clients.iter().enumerate() {
            let captured = &captured;
            scope.spawn(move || {
                let mut client = client.lock().expect("a lock");
                for round in 0..ROUNDS {
                    let summary = format!("Editor {editor} fixed cache problem number {round}");
                    let id = client.capture(&summary);
                    let found =
                        client.done("memrl_retrieve", &json!({"query": summary, "limit": 50}));
                    let hits = found["hits"].as_array().expect("hits");
                    assert!(hits.iter().any(|h| h["id"] == id), "its own write: {found}");
                    client.done(
                        "memrl_feedback",
                        &json!({
                            "episode_ids": [id], "helpful": round % 2 == 0,
                            "decision_id": found["decision_id"],
                        }),
                    );
                    captured.lock().expect("a lock").push(id);
                }
            });
        }
        scope.spawn(|| {
            for round in 0..ROUNDS {
                let body = json!({"type": "fact", "content": format!("told over HTTP {round}"), "scope": {"user": "ann"}});
                let (status, said) = server.post("/v1/cells", &body).expect("an answer");
                assert!(status < 300, "{status}: {said}");
            }
        });
        scope.spawn(|| {
            for round in 0..ROUNDS {
                home.ok(&[
                    "capture",
                    "--prompt",
                    &format!("From the shell, number {round}"),
                    "--outcome",
                    "success",
                ]);
                home.ok(&["propagate"]);
                home.ok(&["status", "--all"]);
            }
        });
    });
    let captured = captured.into_inner().expect("a lock");
    let all: BTreeSet<&String> = captured.iter().collect();
    assert_eq!(
        all.len(),
        EDITORS * ROUNDS,
        "every capture is an episode of its own"
    );
    // Every process sees what every other one wrote.
    for client in &clients {
        let mut client = client.lock().expect("a lock");
        for id in &captured {
            let shown = client.done("memrl_retrieve", &json!({"id": id}));
            let value = &shown["hits"][0]["value"];
            // One verdict of its own, and shares of what the sessions that showed it became.
            let evidence = value["evidence"].as_f64().expect("a number");
            assert!(evidence > 0.99, "{shown}");
        }
        let stats = client.done("memrl_stats", &json!({}));
        assert_eq!(stats["episodes"], json!(EDITORS * ROUNDS), "{stats}");
    }
    assert_eq!(home.run(&["doctor"]).code, Some(0));
}
