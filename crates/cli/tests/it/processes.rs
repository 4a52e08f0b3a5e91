//! Servers that are killed or stopped, and other processes beside them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::support::{Home, Server};

fn contents(home: &Home) -> Vec<String> {
    home.ok(&["export", "--cells", "--out", "-"])
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).expect("JSON"))
        .map(|v| v["content"].as_str().unwrap_or_default().to_owned())
        .collect()
}

fn fact(content: &str) -> serde_json::Value {
    json!({"type": "fact", "content": content, "scope": {"user": "ann"}})
}

/// Writes from three threads until told to stop; what was acknowledged.
fn write_until<T>(server: &Server, during: impl FnOnce() -> T) -> (Vec<String>, T) {
    let stop = AtomicBool::new(false);
    let acknowledged = Mutex::new(Vec::new());
    let result = std::thread::scope(|scope| {
        for thread in 0..3 {
            let (stop, acknowledged) = (&stop, &acknowledged);
            scope.spawn(move || {
                for n in 0.. {
                    let content = format!("memory {n} of writer {thread}");
                    match server.post("/v1/cells", &fact(&content)) {
                        Ok((status, _)) if status < 300 => {
                            acknowledged.lock().expect("a lock").push(content);
                        }
                        Ok(_) | Err(_) if stop.load(Ordering::SeqCst) => return,
                        Ok((status, body)) => panic!("{status}: {body}"),
                        // The server is going down: `during` is about to say so.
                        Err(_) => std::thread::sleep(Duration::from_millis(1)),
                    }
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                }
            });
        }
        let result = during();
        stop.store(true, Ordering::SeqCst);
        result
    });
    (acknowledged.into_inner().expect("a lock"), result)
}

#[test]
fn acknowledged_writes_survive_kill_9() {
    let home = Home::new();
    let mut all = Vec::new();
    for _ in 0..2 {
        let server = Server::start(&home);
        let (acknowledged, ()) = write_until(&server, || {
            std::thread::sleep(Duration::from_millis(400));
            server.signal("KILL");
        });
        assert!(!acknowledged.is_empty());
        all.extend(acknowledged);
    }
    let stored = contents(&home);
    for content in &all {
        assert!(
            stored.contains(content),
            "{content} was acknowledged and is not there"
        );
    }
    assert_eq!(home.run(&["doctor"]).code, Some(0));
}

#[test]
fn sigterm_ends_what_was_begun() {
    let home = Home::new();
    let mut server = Server::start(&home);
    let (acknowledged, ()) = write_until(&server, || {
        std::thread::sleep(Duration::from_millis(200));
        server.signal("TERM");
        std::thread::sleep(Duration::from_millis(200));
    });
    let ended = server.child.wait().expect("the server ends");
    assert_eq!(ended.code(), Some(0));
    assert!(!acknowledged.is_empty());
    let stored = contents(&home);
    for content in &acknowledged {
        assert!(
            stored.contains(content),
            "{content} was acknowledged and is not there"
        );
    }
}

#[test]
fn a_command_and_a_server_see_each_others_writes() {
    let home = Home::new();
    let server = Arc::new(Server::start(&home));
    let (status, _) = server
        .post("/v1/cells", &fact("The server heard it."))
        .expect("an answer");
    assert!(status < 300);
    assert!(
        home.ok(&["recall", "who heard it?", "--scope", "user=ann"])
            .contains("The server heard it.")
    );
    let writing = {
        let server = Arc::clone(&server);
        std::thread::spawn(move || {
            for n in 0..20 {
                let (status, body) = server
                    .post("/v1/cells", &fact(&format!("over HTTP {n}")))
                    .expect("an answer");
                assert!(status < 300, "{status}: {body}");
            }
        })
    };
    for n in 0..10 {
        home.ok(&["add", "--scope", "user=ann", &format!("from the shell {n}")]);
    }
    writing.join().expect("the writer ends");
    assert_eq!(contents(&home).len(), 31);
    let body =
        json!({"query": "from the shell 7", "scope": {"user": "ann"}, "budget_tokens": 2000});
    let (status, answer) = server.post("/v1/recall", &body).expect("an answer");
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("from the shell 7"), "{answer}");
    let (status, _) = server.get("/v1/stats").expect("an answer");
    assert_eq!(status, 200);
}

#[test]
fn only_one_of_many_supersedes_wins() {
    let home = Home::new();
    let [coffee, ..] = home.with_three();
    let codes: Vec<Option<i32>> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..6)
            .map(|n| {
                let (home, coffee) = (&home, &coffee);
                scope.spawn(move || {
                    home.run(&["supersede", coffee, &format!("Taste {n}.")])
                        .code
                })
            })
            .collect();
        runs.into_iter()
            .map(|r| r.join().expect("a run ends"))
            .collect()
    });
    assert_eq!(
        codes.iter().filter(|c| **c == Some(0)).count(),
        1,
        "{codes:?}"
    );
    assert_eq!(
        codes.iter().filter(|c| **c == Some(5)).count(),
        5,
        "{codes:?}"
    );
}
