//! Starting, ending, and being left alone in the middle.

use std::process::Command;

use serde_json::json;

use super::client::Client;
use crate::support::Home;

const SERVER: &str = env!("CARGO_BIN_EXE_memrl-mcp");

fn line(id: u64, tool: &str, arguments: &serde_json::Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}).to_string()
}

fn episode(summary: &str) -> serde_json::Value {
    json!({"summary": summary, "task_type": "test", "outcome": "success"})
}

#[test]
fn what_was_asked_before_the_end_of_input_is_answered_in_order() {
    let home = Home::new();
    let asked = [
        line(1, "memrl_capture", &episode("Pinned the flaky test")),
        line(2, "memrl_retrieve", &json!({"query": "flaky test"})),
        line(3, "memrl_stats", &json!({})),
    ];
    // The last line has no line break.
    let run = home.fed(&["mcp"], asked.join("\n"));
    assert_eq!(run.code, Some(0), "{}", run.whole());
    let answers: Vec<serde_json::Value> = run
        .out
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    let ids: Vec<&serde_json::Value> = answers.iter().map(|a| &a["id"]).collect();
    assert_eq!(ids, [&json!(1), &json!(2), &json!(3)]);
    let hits = answers[1]["result"]["structuredContent"]["hits"]
        .as_array()
        .map(Vec::len);
    assert_eq!(
        hits,
        Some(1),
        "a retrieve finds what was captured just before: {}",
        answers[1]
    );
}

#[test]
fn the_server_ends_with_its_input() {
    let home = Home::new();
    let (status, said) = Client::start(&home).end();
    assert!(status.success() && said.is_empty());
    assert!(
        !home.path().exists(),
        "a server that nobody asked anything makes no memory"
    );
    let (status, said) = Client::initialized(&home, "2025-11-25").end();
    assert!(status.success() && said.is_empty());
}

#[test]
fn a_client_that_closes_in_the_middle_loses_nothing_that_was_acknowledged() {
    let home = Home::new();
    let mut client = Client::initialized(&home, "2025-11-25");
    let id = client.capture("Acknowledged before the client was gone");
    for n in 0..5 {
        let arguments = episode(&format!("Perhaps stored, number {n}"));
        client.request(
            "tools/call",
            &json!({"name": "memrl_capture", "arguments": arguments}),
        );
    }
    client.send(r#"{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"na"#);
    assert!(client.vanish().success());
    let shown = home.json(&["get", &id]);
    assert!(shown.to_string().contains("Acknowledged before"), "{shown}");
    assert_eq!(home.run(&["doctor"]).code, Some(0));
}

#[test]
fn a_server_whose_answers_nobody_reads_ends_by_itself() {
    use std::io::Write;
    let home = Home::new();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_owned();
    for asked in [ping, line(1, "memrl_capture", &episode("Not acknowledged"))] {
        let mut command = home.command(&["mcp"]);
        let mut child = command
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("memrl runs");
        drop(child.stdout.take());
        let mut input = child.stdin.take().expect("a standard input");
        writeln!(input, "{asked}").expect("the server reads");
        // Its input stays open meanwhile.
        let status = child.wait().expect("it ends");
        assert!(status.success(), "{status}");
        drop(input);
    }
}

#[test]
fn an_acknowledged_capture_survives_kill_9() {
    let home = Home::new();
    let mut client = Client::initialized(&home, "2025-11-25");
    let id = client.capture("Acknowledged before the server was killed");
    client.child.kill().expect("it can be killed");
    client.child.wait().expect("it ends");
    assert!(home.json(&["get", &id]).to_string().contains("was killed"));
}

#[test]
fn a_broken_setting_is_told_to_who_calls_and_mended_without_a_restart() {
    let home = Home::new();
    std::fs::create_dir_all(home.path()).expect("a directory");
    let settings = home.path().join("config.toml");
    std::fs::write(&settings, "[recall]\nbudget_tokens = \"many\"\n").expect("a file");
    let mut client = Client::initialized(&home, "2025-11-25");
    let said = client.refused("memrl_stats", &json!({}));
    assert!(said.contains("invalid_config"), "{said}");
    let read = client.ask("resources/list", &json!({}));
    assert_eq!(read["error"]["code"], -32603, "{read}");
    std::fs::remove_file(&settings).expect("it is removed");
    assert_eq!(client.done("memrl_stats", &json!({}))["episodes"], 0);
}

/// An embedder that takes a request and keeps it until it is let go.
#[cfg(feature = "remote")]
#[test]
fn ping_is_answered_while_a_tool_is_at_work_and_what_is_cancelled_stays_unanswered() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (taken, is_taken) = std::sync::mpsc::channel();
    let (let_go, go) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut piece = [0; 4096];
            let _ = stream.read(&mut piece);
            let _ = taken.send(());
            let _ = go.recv();
            let _ = stream
                .write_all(b"HTTP/1.1 500 no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let home = Home::new();
    let mut client = Client::with(&home, &["mcp"], |c| {
        c.env(
            "MEMRL_EMBEDDER",
            format!("openai:m@http://127.0.0.1:{port}/v1"),
        );
    });
    client.initialize("2025-11-25");
    let slow = client.request(
        "tools/call",
        &json!({"name": "memrl_capture", "arguments": episode("Slow to store")}),
    );
    let unwanted = client.request(
        "tools/call",
        &json!({"name": "memrl_capture", "arguments": episode("Never stored")}),
    );
    is_taken
        .recv_timeout(std::time::Duration::from_mins(1))
        .expect("the embedder is asked");
    client.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": unwanted}}).to_string());
    assert_eq!(client.ask("ping", &json!({}))["result"], json!({}));
    assert!(client.ask("tools/list", &json!({}))["result"].is_object());
    drop(let_go);
    let answer = client.receive();
    assert_eq!(answer["id"], slow, "{answer}");
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    let stats = client.done("memrl_stats", &json!({}));
    assert_eq!(
        stats["episodes"], 1,
        "what was cancelled before its turn is not done"
    );
}

#[test]
fn two_servers_on_one_memory_read_each_others_writes() {
    let home = Home::new();
    let mut one = Client::initialized(&home, "2025-11-25");
    let mut two = Client::initialized(&home, "2024-11-05");
    for n in 0..5 {
        let summary = format!("Tuned the garbage collector, round {n}");
        let id = one.capture(&summary);
        let listed = two.call("memrl_retrieve", &json!({"query": summary}));
        assert!(listed.to_string().contains(&id[..8]), "{listed}");
    }
}

#[test]
fn memrl_mcp_is_memrl_mcp() {
    let home = Home::new();
    let run = |args: &[&str]| {
        let mut command = Command::new(SERVER);
        let output = command
            .args(args)
            .env_clear()
            .env("HOME", home.file(""))
            .output()
            .expect("it runs");
        (
            output.status.code(),
            String::from_utf8(output.stdout).expect("UTF-8"),
            String::from_utf8(output.stderr).expect("UTF-8"),
        )
    };
    let (code, out, _) = run(&["--version"]);
    assert_eq!(
        (code, out.as_str()),
        (
            Some(0),
            concat!("memrl-mcp ", env!("CARGO_PKG_VERSION"), "\n")
        )
    );
    let (code, out, _) = run(&["--help"]);
    assert!(
        code == Some(0) && out.contains("--data-dir") && out.contains("--project"),
        "{out}"
    );
    let (code, out, err) = run(&["--nonsense"]);
    assert!(
        code == Some(2) && out.is_empty() && err.contains("--nonsense"),
        "{err}"
    );
    let elsewhere = home.file("elsewhere");
    let mut client = Client::with(&home, &[], |command| {
        *command = Command::new(SERVER);
        command
            .args(["--data-dir".as_ref(), elsewhere.as_os_str()])
            .env_clear()
            .env("HOME", home.file(""))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped());
    });
    client.initialize("2025-11-25");
    client.capture("Stored where it was told to");
    assert!(elsewhere.join("memrl.db").is_file());
    assert!(!home.path().exists() && !home.file(".memrl").exists());
}
