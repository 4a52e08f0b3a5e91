//! Time limits, stopping, streaming.

use std::io::{Read, Write};
use std::time::Duration;

use serde_json::json;

use crate::support::{Server, read_answer};

#[test]
fn a_body_that_never_ends_runs_into_the_time_limit() {
    let s = Server::with(|o| o.timeout_ms = 200);
    let mut stream = s.connect();
    let head = "POST /v1/cells/write HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    let a = read_answer(&mut stream).expect(504);
    assert_eq!(a["code"], "timeout");
}

#[test]
fn a_request_under_way_is_finished_before_the_server_stops() {
    let mut s = Server::start();
    let body = json!({"type": "fact", "scope": {"u": "s"}, "content": "the last word"}).to_string();
    let (first, rest) = body.split_at(10);
    let mut stream = s.connect();
    write!(
        stream,
        "POST /v1/cells HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{first}",
        body.len()
    )
    .unwrap();
    // Until the connection is accepted there is no request under way.
    while !s
        .get("/metrics")
        .text()
        .contains("memrl_http_requests_in_flight 2")
    {
        std::thread::sleep(Duration::from_millis(5));
    }
    s.tell_to_stop();
    // A refused connection shows that the server has heard it.
    while std::net::TcpStream::connect(s.address).is_ok() {
        std::thread::sleep(Duration::from_millis(5));
    }
    stream.write_all(rest.as_bytes()).unwrap();
    let written = read_answer(&mut stream).expect(201);
    s.join().unwrap();
    let id = written["cell"]["cell_id"].as_str().unwrap();
    let again = memrl::Memory::open(s.dir.path()).unwrap();
    assert_eq!(again.get(id).unwrap().content, "the last word");
}

#[test]
fn an_idle_connection_does_not_keep_the_server_up() {
    let mut s = Server::start();
    let mut idle = s.connect();
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let mut some = [0; 64];
    assert!(idle.read(&mut some).unwrap() > 0);
    s.join().unwrap();
}

#[test]
fn a_taken_port_is_an_error_with_a_hint() {
    let s = Server::start();
    let mut options = memrl_server::ServeOptions::of(s.memory.config(), None);
    options.port = s.address.port();
    let memory = std::sync::Arc::clone(&s.memory);
    let err = memrl_server::serve_until(memory, options, |_| {}, async {}).unwrap_err();
    assert!(
        err.to_string().contains(&s.address.port().to_string()),
        "{err}"
    );
    assert!(err.hint().contains("--port"));
}

#[test]
fn a_long_answer_arrives_whole_and_in_pieces() {
    let s = Server::start();
    for i in 0..40 {
        let content = format!("{i} {}", "word ".repeat(2000));
        s.post(
            "/v1/cells",
            &json!({"type": "fact", "scope": {"u": "l"}, "content": content}),
        )
        .expect(201);
    }
    let a = s.get("/v1/export/cells.jsonl");
    assert_eq!(a.headers["transfer-encoding"], "chunked");
    assert_eq!(a.text().lines().count(), 40);
    for _ in 0..30 {
        let d = s
            .post(
                "/v1/cells/decide",
                &json!({"query": "word", "scope": {"u": "l"}, "k": 40}),
            )
            .expect(200);
        s.post(
            "/v1/cells/feedback",
            &json!({"transition_id": d["transition_id"], "task_success": true}),
        )
        .expect(200);
    }
    let a = s.get("/v1/rl/dataset");
    assert!(a.body.len() > 64 * 1024);
    assert_eq!(a.json().as_array().unwrap().len(), 30);
}

#[test]
fn a_reader_that_goes_away_leaves_the_server_well() {
    let s = Server::start();
    for i in 0..40 {
        let content = format!("{i} {}", "word ".repeat(4000));
        s.post(
            "/v1/cells",
            &json!({"type": "fact", "scope": {"u": "g"}, "content": content}),
        )
        .expect(201);
    }
    for _ in 0..4 {
        let mut stream = s.connect();
        stream
            .write_all(b"GET /v1/export/cells.jsonl HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .unwrap();
        let mut some = [0; 100];
        assert!(stream.read(&mut some).unwrap() > 0);
    }
    assert_eq!(s.get("/v1/export/cells.jsonl").text().lines().count(), 40);
}
