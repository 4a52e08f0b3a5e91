//! The load driver against a small server of the test's own: an honest one passes, and each
//! kind of loss is noticed.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memrl_bench::http_client::Target;
use memrl_bench::http_load::{self, OperationStats, Sequential};
use memrl_bench::http_mixed::{Mixed, MixedResult, mixed};
use memrl_bench::synth::{Style, Synth};
use serde_json::{Value, json};

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    ForgetsWrites,
    ChangesContent,
    LosesCounts,
    RefusesFeedback,
}

#[derive(Default)]
struct State {
    cells: HashMap<String, Value>,
    next: usize,
}

/// A server of memcell-rl's routes that answers until the test ends.
fn serve(fault: Fault) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let state = Arc::new(Mutex::new(State::default()));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let state = Arc::clone(&state);
            std::thread::spawn(move || connection(stream, &state, fault));
        }
    });
    Target::parse(&format!("http://{address}")).unwrap()
}

fn connection(stream: TcpStream, state: &Mutex<State>, fault: Fault) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let length = head
            .iter()
            .find_map(|l| l.strip_prefix("Content-Length: ")?.parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let path = head[0].split(' ').nth(1).unwrap();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let (status, answer) = answer(path, &body, &mut state.lock().unwrap(), fault);
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        reader
            .get_mut()
            .write_all((head + &answer).as_bytes())
            .unwrap();
    }
}

fn answer(path: &str, body: &Value, state: &mut State, fault: Fault) -> (u16, Value) {
    state.next += 1;
    let number = state.next;
    match path {
        "/health" => (200, json!({"status": "ok"})),
        "/v1/cells/write" => {
            let id = format!("id-{number}");
            let mut cell = body.clone();
            cell["cell_id"] = json!(id);
            cell["access_count"] = json!(0);
            if fault == Fault::ChangesContent && number.is_multiple_of(7) {
                cell["content"] = json!("something else");
            }
            if fault != Fault::ForgetsWrites || !number.is_multiple_of(7) {
                state.cells.insert(id, cell.clone());
            }
            (200, cell)
        }
        "/v1/cells/decide" => (
            200,
            json!({"query_id": format!("q{number}"), "transition_id": format!("t{number}")}),
        ),
        "/v1/cells/feedback" if fault == Fault::RefusesFeedback => (404, json!({"detail": "no"})),
        "/v1/cells/feedback" => {
            assert!(
                body["transition_id"]
                    .as_str()
                    .is_some_and(|t| t.starts_with('t'))
            );
            (200, json!({"reward_value": 1.0}))
        }
        "/v1/cells/retrieve" => {
            let found = state
                .cells
                .values_mut()
                .find(|c| c["scope"] == body["scope"]);
            let Some(cell) = found else {
                return (200, json!({"cells": []}));
            };
            if fault != Fault::LosesCounts || !number.is_multiple_of(3) {
                cell["access_count"] = json!(cell["access_count"].as_u64().unwrap() + 1);
            }
            (200, json!({"cells": [cell.clone()]}))
        }
        get => match state.cells.get(get.trim_start_matches("/v1/cells/")) {
            Some(cell) => (200, cell.clone()),
            None => (404, json!({"detail": "Cell not found"})),
        },
    }
}

fn run(fault: Fault) -> MixedResult {
    let plan = Mixed {
        clients: 8,
        duration: Duration::from_millis(300),
        ..Mixed::default()
    };
    let synth = Synth::new(1, 0, Style::default()).unwrap();
    mixed(&serve(fault), &synth, &plan).unwrap()
}

#[test]
fn an_honest_server_passes() {
    let result = run(Fault::None);
    assert!(result.is_clean(), "{result:?}");
    assert_eq!((result.retrieved, result.access_count), (160, Some(160)));
    assert!(result.operations.iter().all(|o| !o.millis.is_empty()));
    assert!(result.requests_per_second() > 0.0);
    let note = &result.table(&Mixed::default()).notes[0];
    assert!(note.ends_with("160 succeeded, access_count 160."), "{note}");
    assert!(note.contains(" 0 of them lost or changed."), "{note}");
}

#[test]
fn lost_and_changed_writes_are_noticed() {
    // The last writes of the count check may be hit as well; that is an error of its own.
    let lossy = |fault| {
        let plan = Mixed {
            clients: 4,
            duration: Duration::from_millis(300),
            retrieves: 0,
            ..Mixed::default()
        };
        let synth = Synth::new(1, 0, Style::default()).unwrap();
        mixed(&serve(fault), &synth, &plan)
    };
    let forgets = lossy(Fault::ForgetsWrites).unwrap();
    assert!(
        forgets.lost.iter().any(|l| l.ends_with("status 404")),
        "{:?}",
        forgets.lost
    );
    let changes = lossy(Fault::ChangesContent).unwrap();
    assert!(
        changes.lost.iter().any(|l| l.ends_with("other content")),
        "{:?}",
        changes.lost
    );
    assert!(!forgets.is_clean() && !changes.is_clean());
}

#[test]
fn lost_counts_are_noticed() {
    let result = run(Fault::LosesCounts);
    assert_eq!(result.retrieved, 160);
    assert!(result.access_count.unwrap() < 160);
    assert!(!result.is_clean());
}

#[test]
fn refusals_are_counted() {
    let result = run(Fault::RefusesFeedback);
    let feedback = &result.operations[2];
    assert!(feedback.millis.is_empty() && feedback.errors > 0);
    assert!(
        feedback
            .first_error
            .as_ref()
            .unwrap()
            .starts_with("status 404")
    );
    assert!(!result.is_clean());
}

#[test]
fn every_operation_is_measured_once_per_request() {
    let synth = Synth::new(1, 30, Style::Splice).unwrap();
    let plan = Sequential {
        cells: 30,
        requests: 12,
        warmup: 2,
        pid: Some(std::process::id()),
        ..Sequential::default()
    };
    let stats = http_load::sequential(&serve(Fault::None), &synth, &plan);
    let counts: Vec<_> = stats
        .iter()
        .map(|s| (s.operation.as_str(), s.millis.len(), s.errors))
        .collect();
    assert_eq!(
        counts,
        [
            ("load", 30, 0),
            ("write", 12, 0),
            ("decide (1 % scope)", 12, 0),
            ("decide (all)", 12, 0),
            ("feedback", 12, 0),
            ("retrieve k=5 (1 % scope)", 12, 0),
            ("retrieve k=5 (all)", 12, 0),
            ("get cell", 12, 0),
            ("health", 12, 0)
        ]
    );
    let table = http_load::table("load", &stats);
    assert!(table.get("health", "latency", "p95").unwrap().value > 0.0);
}

#[test]
fn a_dead_server_is_errors_not_a_panic() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let target = Target::parse(&free.to_string()).unwrap();
    let synth = Synth::new(1, 0, Style::default()).unwrap();
    let plan = Sequential {
        cells: 0,
        requests: 2,
        warmup: 0,
        ..Sequential::default()
    };
    let stats = http_load::sequential(&target, &synth, &plan);
    assert!(stats.iter().all(|s: &OperationStats| s.millis.is_empty()));
    assert!(
        stats
            .last()
            .unwrap()
            .first_error
            .as_ref()
            .unwrap()
            .starts_with("connection: ")
    );
}
