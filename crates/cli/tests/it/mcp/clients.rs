//! The official clients, over both transports.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::client::Client;
use crate::support::{Home, MEMRL};

const TOKEN: &str = "0123456789abcdef0123";
const TOOLS: [&str; 7] = [
    "memrl_retrieve",
    "memrl_capture",
    "memrl_feedback",
    "memrl_status",
    "memrl_stats",
    "memrl_propagate",
    "memrl_review",
];

/// `memrl serve` with a token; where it is.
struct Served {
    /// Killed when this goes.
    _server: Client,
    url: String,
}

impl Served {
    fn start(home: &Home) -> Self {
        let server = Client::with(home, &["serve", "--port", "0"], |c| {
            c.env("MEMRL_TOKEN", TOKEN).stderr(Stdio::null());
        });
        let url = server.line();
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        Self {
            _server: server,
            url: format!("{url}/mcp"),
        }
    }
}

/// Runs a client's script; what it saw.
fn seen(home: &Home, mut command: Command, script: &str, args: &[&str]) -> Value {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let output = command
        .arg(clients.join(script))
        .args(args)
        .env("MEMRL_DATA_DIR", home.path())
        .env("HOME", home.file(""))
        .env("MEMRL_EPSILON", "0")
        .current_dir(home.file(""))
        .output()
        .expect("the client runs");
    assert!(
        output.status.success(),
        "{script} {args:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

fn content(seen: &Value) {
    assert_eq!(seen["tools"], json!(TOOLS));
    assert_eq!(seen["templates"].as_array().map(Vec::len), Some(3));
}

#[test]
fn the_official_python_client_uses_everything() {
    let Some(python) = std::env::var_os("MEMRL_TEST_PYTHON") else {
        eprintln!("skipped: MEMRL_TEST_PYTHON names no Python with mcp");
        return;
    };
    let home = Home::new();
    let run = |args: &[&str]| seen(&home, Command::new(&python), "mcp_client.py", args);
    let served = Served::start(&home);
    for (mode, revision, missing) in [
        ("legacy", "2025-11-25", -32002),
        ("auto", "2026-07-28", -32602),
    ] {
        for seen in [
            run(&[mode, "stdio", MEMRL, "mcp"]),
            run(&[mode, "http", &served.url, TOKEN]),
        ] {
            content(&seen);
            assert_eq!(seen["revision"], revision);
            assert_eq!(seen["missing"], missing);
        }
    }
}

#[test]
fn the_official_typescript_client_uses_everything() {
    let Some(modules) = std::env::var_os("MEMRL_TEST_NODE_MODULES") else {
        eprintln!(
            "skipped: MEMRL_TEST_NODE_MODULES names no folder with @modelcontextprotocol/sdk"
        );
        return;
    };
    let home = Home::new();
    let run = |args: &[&str]| {
        let mut node = Command::new("node");
        node.env("NODE_MODULES", &modules);
        seen(&home, node, "mcp_client.mjs", args)
    };
    let served = Served::start(&home);
    for seen in [
        run(&["stdio", MEMRL, "mcp"]),
        run(&["http", &served.url, TOKEN]),
    ] {
        content(&seen);
        assert_eq!(seen["missing"], -32002);
    }
}
