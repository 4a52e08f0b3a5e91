//! A client that can send anything, and checks what every line of a server must be.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Home;

/// No answer takes this long; a test that waits longer has failed.
const LONG: Duration = Duration::from_mins(2);

pub struct Client {
    pub child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    next: u64,
}

impl Client {
    /// `memrl mcp` on this memory, in the home's own directory.
    pub fn start(home: &Home) -> Self {
        Self::with(home, &["mcp"], |_| {})
    }

    pub fn with(home: &Home, args: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let mut command = home.command(args);
        command
            .current_dir(home.file(""))
            .stdin(Stdio::piped())
            .stderr(Stdio::inherit());
        change(&mut command);
        let mut child = command.spawn().expect("memrl runs");
        let input = child.stdin.take();
        let output = child.stdout.take().expect("a standard output");
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let line = line.expect("lines are UTF-8");
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            input,
            lines,
            next: 1,
        }
    }

    /// The same after `initialize` of this revision.
    pub fn initialized(home: &Home, revision: &str) -> Self {
        let mut client = Self::start(home);
        client.initialize(revision);
        client
    }

    pub fn initialize(&mut self, revision: &str) -> Value {
        let result = self.ask(
            "initialize",
            &json!({
                "protocolVersion": revision,
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            }),
        );
        self.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        result["result"].clone()
    }

    /// Sends one line as it is.
    pub fn send(&mut self, line: impl AsRef<[u8]>) {
        let input = self.input.as_mut().expect("the input is open");
        input.write_all(line.as_ref()).expect("the server reads");
        input.write_all(b"\n").expect("the server reads");
        input.flush().expect("the server reads");
    }

    /// The next line as it is.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(LONG).expect("an answer")
    }

    /// The next line: JSON-RPC, whatever else it is.
    pub fn receive(&self) -> Value {
        json_rpc(&self.line())
    }

    /// Sends a request and takes the next line for its answer.
    pub fn ask(&mut self, method: &str, params: &Value) -> Value {
        let id = self.request(method, params);
        let answer = self.receive();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// Sends a request; its id.
    pub fn request(&mut self, method: &str, params: &Value) -> u64 {
        let id = self.next;
        self.next += 1;
        self.send(
            json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string(),
        );
        id
    }

    /// The result of a tool, whatever it says.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let answer = self.ask("tools/call", &json!({"name": tool, "arguments": arguments}));
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    /// The structured content of a tool that did what it was asked to.
    pub fn done(&mut self, tool: &str, arguments: &Value) -> Value {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], false, "{result}");
        assert!(!text(&result).is_empty(), "{result}");
        result["structuredContent"].clone()
    }

    /// What a tool says that refuses.
    pub fn refused(&mut self, tool: &str, arguments: &Value) -> String {
        let result = self.call(tool, arguments);
        assert_eq!(result["isError"], true, "{arguments} was taken: {result}");
        assert!(result.get("structuredContent").is_none(), "{result}");
        text(&result).to_owned()
    }

    /// Records an episode; its id.
    pub fn capture(&mut self, summary: &str) -> String {
        let done = self.done(
            "memrl_capture",
            &json!({
                "summary": summary, "task_type": "bugfix", "outcome": "success",
            }),
        );
        done["id"].as_str().expect("an id").to_owned()
    }

    /// Ends the input; how the server ended, and what it still said.
    pub fn end(mut self) -> (ExitStatus, Vec<Value>) {
        self.input = None;
        let mut said = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(LONG) {
            said.push(json_rpc(&line));
        }
        (self.child.wait().expect("it ends"), said)
    }

    /// Closes both ends at once, as a client that is gone.
    pub fn vanish(mut self) -> ExitStatus {
        self.input = None;
        let (_, nothing) = channel();
        self.lines = nothing;
        self.child.wait().expect("it ends")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of a tool's result.
pub fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_default()
}

/// One line as JSON-RPC; anything else on standard output is a fault.
fn json_rpc(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    for message in value.as_array().unwrap_or(&vec![value.clone()]) {
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
        let has = |part: &str| message.get(part).is_some();
        assert!(has("id") && has("result") != has("error"), "{line}");
    }
    value
}
