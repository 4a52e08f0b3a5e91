//! Whatever comes in, the answer is clear, and the server goes on.

use serde_json::{Value, json};

use super::client::{Client, text};
use crate::support::Home;

#[test]
fn what_is_no_message_is_answered_with_the_code_for_it() {
    let home = Home::new();
    let mut client = Client::initialized(&home, "2025-11-25");
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"ping","x":"{}"}}"#,
        "x".repeat(17 << 20)
    );
    for (line, id, code) in [
        (&b"not json"[..], Value::Null, -32700),
        (br#"{"jsonrpc":"2.0","id":1,"method":"ping""#, Value::Null, -32700),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"p\0ing\"}", Value::Null, -32700),
        (b"\xff\xfe\x00", Value::Null, -32700),
        (b"null", Value::Null, -32600),
        (b"{}", Value::Null, -32600),
        (br#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, Value::Null, -32600),
        (br#"{"jsonrpc":"1.0","id":4,"method":"ping"}"#, json!(4), -32600),
        (br#"{"jsonrpc":"2.0","id":5,"method":7}"#, json!(5), -32600),
        (br#"{"jsonrpc":"2.0","id":6,"method":"no/such"}"#, json!(6), -32601),
        (br#"{"jsonrpc":"2.0","id":7,"method":"prompts/list"}"#, json!(7), -32601),
        (br#"{"jsonrpc":"2.0","id":8,"method":"tools/call","params":[]}"#, json!(8), -32602),
        (br#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{}}"#, json!(9), -32602),
        (br#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"rm"}}"#, json!("a"), -32602),
        (br#"{"jsonrpc":"2.0","id":10,"method":"tools/call","params":{"name":"memrl_stats","arguments":[1]}}"#, json!(10), -32602),
        (br#"{"jsonrpc":"2.0","id":11,"method":"tools/call","params":{"name":"memrl_retrieve","arguments":{"query":"\ud83d"}}}"#, json!(11), -32602),
        (br#"{"jsonrpc":"2.0","id":12,"method":"tools/list","params":{"cursor":"x"}}"#, json!(12), -32602),
        (br#"{"jsonrpc":"2.0","id":13,"method":"resources/read","params":{"uri":"file:///etc/passwd"}}"#, json!(13), -32002),
        (long.as_bytes(), Value::Null, -32600),
    ] {
        client.send(line);
        let answer = client.receive();
        let shown: String = String::from_utf8_lossy(line).chars().take(120).collect();
        assert_eq!(answer["id"], id, "{shown}: {answer}");
        assert_eq!(answer["error"]["code"], code, "{shown}: {answer}");
        assert!(answer["error"]["message"].as_str().is_some_and(|m| !m.is_empty()));
    }
    client.send("");
    client.send("\r");
    assert_eq!(client.ask("ping", &json!({}))["result"], json!({}));
}

#[test]
fn notifications_are_never_answered() {
    let home = Home::new();
    let mut client = Client::initialized(&home, "2025-06-18");
    for line in [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/no/such","params":[1]}"#,
        r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"memrl_capture"}}"#,
        r#"{"jsonrpc":"2.0","method":"initialize"}"#,
        r#"{"method":5}"#,
        r#"{"jsonrpc":"2.0","id":3,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":4,"error":{"code":1,"message":"no"}}"#,
    ] {
        client.send(line);
    }
    // The next answer is to the next question.
    assert_eq!(client.ask("ping", &json!({}))["result"], json!({}));
    let (_, said) = client.end();
    assert!(said.is_empty(), "{said:?}");
}

/// Calls that are refused, each with what is said about it; nothing is done.
fn refused(rows: &[(&str, Value, &str)]) {
    let home = Home::new();
    let mut client = Client::initialized(&home, "2025-11-25");
    for (tool, arguments, named) in rows {
        let said = client.refused(tool, arguments);
        assert!(said.contains(named), "{tool} {arguments}: {said}");
    }
    assert_eq!(client.done("memrl_stats", &json!({}))["episodes"], 0);
}

#[test]
fn an_unusable_argument_of_a_retrieve_is_named() {
    refused(&[
        (
            "memrl_retrieve",
            json!({"query": "x", "limit": 0}),
            "limit: must be at least 1",
        ),
        (
            "memrl_retrieve",
            json!({"query": "x", "limit": -3}),
            "limit: must be at least 1",
        ),
        (
            "memrl_retrieve",
            json!({"query": "x", "limit": "3"}),
            "limit: must be a whole number",
        ),
        (
            "memrl_retrieve",
            json!({"query": "x", "limit": 1.5}),
            "limit: must be a whole number",
        ),
        (
            "memrl_retrieve",
            json!({"query": ["x"]}),
            "query: must be a string",
        ),
        (
            "memrl_retrieve",
            json!({"query": "x", "lmit": 3}),
            "lmit: is not an argument",
        ),
        (
            "memrl_retrieve",
            json!({"query": "x", "types": ["rumour"]}),
            "types[0]: must be one of",
        ),
        (
            "memrl_retrieve",
            json!({"query": "x", "project": "a\u{0}b"}),
            "project: ",
        ),
        ("memrl_retrieve", json!({}), "query: is required"),
        (
            "memrl_retrieve",
            json!({"query": "  "}),
            "query: is required",
        ),
        ("memrl_retrieve", json!({"id": ""}), "id: "),
        ("memrl_retrieve", json!({"id": "[m:]"}), "id: "),
    ]);
}

#[test]
fn an_unusable_argument_is_named_and_nothing_is_done() {
    let capture = |change: Value| {
        let mut all = json!({"summary": "s", "task_type": "docs", "outcome": "success"});
        for (name, value) in change.as_object().expect("an object") {
            all[name] = value.clone();
        }
        all
    };
    refused(&[
        (
            "memrl_capture",
            json!({"summary": "s"}),
            "task_type: is required",
        ),
        (
            "memrl_capture",
            capture(json!({"task_type": "chore"})),
            "task_type: must be one of",
        ),
        (
            "memrl_capture",
            capture(json!({"outcome": "done"})),
            "outcome: must be one of",
        ),
        (
            "memrl_capture",
            capture(json!({"summary": " "})),
            "summary: ",
        ),
        (
            "memrl_capture",
            capture(json!({"tags": "a,b"})),
            "tags: must be an array",
        ),
        (
            "memrl_capture",
            capture(json!({"errors_resolved": [{"error": "e"}]})),
            "errors_resolved[0].resolution: is required",
        ),
        (
            "memrl_capture",
            capture(json!({"decision_ids": ["zzz"]})),
            "decision",
        ),
        (
            "memrl_feedback",
            json!({"episode_ids": ["last"]}),
            "helpful: is required",
        ),
        (
            "memrl_feedback",
            json!({"helpful": "yes"}),
            "helpful: must be true or false",
        ),
        ("memrl_feedback", json!({"helpful": true}), "episode_ids: "),
        (
            "memrl_feedback",
            json!({"helpful": true, "episode_ids": [""]}),
            "episode_ids: ",
        ),
        (
            "memrl_review",
            json!({"action": "burn"}),
            "action: must be one of",
        ),
        (
            "memrl_propagate",
            json!({"temporal": 1}),
            "temporal: must be true or false",
        ),
        (
            "memrl_stats",
            json!({"verbose": true}),
            "verbose: is not an argument",
        ),
    ]);
}

#[test]
fn huge_limits_are_capped() {
    let home = Home::new();
    let mut client = Client::initialized(&home, "2025-11-25");
    for n in 0..60 {
        client.capture(&format!("Repaired the import of customer number {n}"));
    }
    for limit in [
        json!(100_000_000_000_000_000_u64),
        json!(1e300),
        json!(u64::MAX),
        json!(50),
    ] {
        let listed = client.done("memrl_retrieve", &json!({"all": true, "limit": limit}));
        assert_eq!(listed["hits"].as_array().map(Vec::len), Some(50), "{limit}");
        let found = client.done(
            "memrl_retrieve",
            &json!({"query": "import of customers", "limit": limit}),
        );
        assert!(
            found["hits"]
                .as_array()
                .is_some_and(|h| (1..=50).contains(&h.len())),
            "{limit}"
        );
    }
}

#[test]
fn text_in_any_script_comes_back_as_it_was() {
    let home = Home::new();
    let mut client = Client::initialized(&home, "2025-11-25");
    let cyrillic = "Ж".repeat(80);
    for summary in [
        cyrillic.as_str(),
        "修正登录重定向",
        "🚀👩‍👩‍👧 shipped",
        "line\nbreak\u{2028}and NUL \u{0} inside",
    ] {
        let id = client.capture(summary);
        let shown = client.done("memrl_retrieve", &json!({"id": id}));
        let stored = &shown["hits"][0]["episode"]["intent"]["extracted_intent"];
        assert_eq!(stored, summary);
        let found = client.call("memrl_retrieve", &json!({"query": summary}));
        assert_eq!(found["isError"], false, "{found}");
    }
    let listed = client.call("memrl_retrieve", &json!({"all": true}));
    assert!(text(&listed).contains(&"Ж".repeat(40)), "{listed}");
}
