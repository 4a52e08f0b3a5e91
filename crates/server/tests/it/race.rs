//! Many at once.

use serde_json::json;

use crate::support::Server;

#[test]
fn concurrent_retrieves_are_all_counted() {
    let s = Server::start();
    let cell = s
        .post(
            "/v1/cells/write",
            &json!({"type": "fact", "scope": {"u": "c"}, "content": "counted"}),
        )
        .expect(200);
    std::thread::scope(|threads| {
        for _ in 0..16 {
            threads.spawn(|| {
                for _ in 0..10 {
                    s.post(
                        "/v1/cells/retrieve",
                        &json!({"query": "counted", "scope": {"u": "c"}}),
                    )
                    .expect(200);
                }
            });
        }
    });
    let path = format!("/v1/cells/{}", cell["cell_id"].as_str().unwrap());
    assert_eq!(s.get(&path).expect(200)["access_count"], 160);
}

#[test]
fn of_concurrent_supersedes_exactly_one_wins() {
    let s = Server::start();
    let cell = s
        .post(
            "/v1/cells/write",
            &json!({"type": "fact", "scope": {"u": "c"}, "content": "0"}),
        )
        .expect(200);
    let body =
        |i: usize| json!({"old_cell_id": cell["cell_id"], "new_content": format!("successor {i}")});
    let statuses: Vec<u16> = std::thread::scope(|threads| {
        let s = &s;
        let body = &body;
        let all: Vec<_> = (0..8)
            .map(|i| threads.spawn(move || s.post("/v1/cells/supersede", &body(i)).status))
            .collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(
        statuses.iter().filter(|s| **s == 200).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|s| **s == 409).count(),
        7,
        "{statuses:?}"
    );
}

#[test]
fn writes_decides_and_feedback_mix_without_an_error() {
    let s = Server::start();
    std::thread::scope(|threads| {
        for t in 0..8 {
            let s = &s;
            threads.spawn(move || {
                let scope = json!({"u": t});
                for i in 0..10 {
                    s.post(
                        "/v1/cells",
                        &json!({"type": "fact", "scope": scope, "content": format!("note {i}")}),
                    )
                    .expect(201);
                    let d = s
                        .post(
                            "/v1/cells/decide",
                            &json!({"query": "note", "scope": scope, "k": 50}),
                        )
                        .expect(200);
                    assert_eq!(
                        d["selected_cells"].as_array().unwrap().len(),
                        i + 1,
                        "reads its own writes"
                    );
                    s.post(
                        "/v1/cells/feedback",
                        &json!({"transition_id": d["transition_id"], "task_success": true}),
                    )
                    .expect(200);
                }
            });
        }
    });
    let stats = s.get("/v1/stats").expect(200);
    assert_eq!(
        (&stats["decisions"], &stats["completed"]),
        (&json!(80), &json!(80))
    );
}
