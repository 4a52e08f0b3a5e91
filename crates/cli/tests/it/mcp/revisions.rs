//! Every revision of the protocol is spoken as it is written.

use serde_json::{Value, json};

use super::client::Client;
use crate::support::Home;

const INITIALIZED: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const STATELESS: &str = "2026-07-28";

fn meta(revision: &str) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": revision,
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

#[test]
fn initialize_agrees_on_the_asked_revision_and_the_tools_answer_in_it() {
    let home = Home::new();
    for revision in INITIALIZED {
        let mut client = Client::start(&home);
        let agreed = client.initialize(revision);
        assert_eq!(agreed["protocolVersion"], revision);
        assert_eq!(agreed["serverInfo"]["name"], "memrl");
        assert!(agreed["capabilities"]["tools"].is_object(), "{agreed}");
        assert!(
            agreed["instructions"]
                .as_str()
                .is_some_and(|t| t.len() < 600)
        );
        assert!(agreed.get("resultType").is_none(), "{agreed}");
        let tools = client.ask("tools/list", &json!({}));
        let first = &tools["result"]["tools"][0];
        assert_eq!(first["name"], "memrl_retrieve");
        assert_eq!(first.get("annotations").is_some(), revision >= "2025-03-26");
        assert_eq!(
            first.get("outputSchema").is_some(),
            revision >= "2025-06-18"
        );
        let stats = client.call("memrl_stats", &json!({}));
        assert_eq!(
            stats.get("structuredContent").is_some(),
            revision >= "2025-06-18"
        );
        assert!(
            stats["content"][0]["text"]
                .as_str()
                .is_some_and(|t| t.contains("0 episodes"))
        );
        assert_eq!(client.ask("ping", &json!({}))["result"], json!({}));
    }
}

#[test]
fn an_unknown_revision_is_answered_with_the_newest_that_can_be_initialized() {
    let home = Home::new();
    for asked in ["1999-01-01", "2027-01-01", "", STATELESS] {
        let agreed = Client::start(&home).initialize(asked);
        assert_eq!(agreed["protocolVersion"], "2025-11-25", "{asked}");
    }
    let answer = Client::start(&home).ask("initialize", &json!({}));
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
}

#[test]
fn the_stateless_revision_needs_no_initialize() {
    let home = Home::new();
    let mut client = Client::start(&home);
    let found = client.ask("server/discover", &json!({"_meta": meta(STATELESS)}));
    let found = &found["result"];
    assert_eq!(found["supportedVersions"][0], STATELESS);
    assert_eq!(found["supportedVersions"].as_array().map(Vec::len), Some(5));
    assert!(
        found["ttlMs"].is_u64() && found["cacheScope"] == "public",
        "{found}"
    );
    for (method, params) in [
        ("tools/list", json!({})),
        (
            "tools/call",
            json!({"name": "memrl_stats", "arguments": {}}),
        ),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
    ] {
        let mut params = params;
        params["_meta"] = meta(STATELESS);
        let answer = client.ask(method, &params);
        let result = &answer["result"];
        assert_eq!(result["resultType"], "complete", "{method}: {answer}");
        let server = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!(server["name"], "memrl", "{method}: {answer}");
        assert_eq!(
            result.get("ttlMs").is_some(),
            method != "tools/call",
            "{answer}"
        );
    }
    let missing = json!({"uri": "memrl://cell/00000000-0000-4000-8000-000000000000", "_meta": meta(STATELESS)});
    assert_eq!(
        client.ask("resources/read", &missing)["error"]["code"],
        -32602
    );
}

#[test]
fn a_revision_that_is_not_spoken_is_refused_with_those_that_are() {
    let home = Home::new();
    let mut client = Client::start(&home);
    let answer = client.ask("server/discover", &json!({"_meta": meta("2031-01-01")}));
    assert_eq!(answer["error"]["code"], -32022, "{answer}");
    assert_eq!(answer["error"]["data"]["requested"], "2031-01-01");
    assert_eq!(answer["error"]["data"]["supported"][0], STATELESS);
    let half = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": STATELESS}});
    assert_eq!(client.ask("tools/list", &half)["error"]["code"], -32602);
}

#[test]
fn batches_are_answered_where_the_revision_has_them() {
    let home = Home::new();
    let batch = json!([
        {"jsonrpc": "2.0", "id": "a", "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": "b", "method": "tools/call", "params": {"name": "memrl_stats"}},
        {"jsonrpc": "2.0", "id": "c", "method": "initialize", "params": {"protocolVersion": "2025-03-26"}},
        7,
    ]);
    for revision in INITIALIZED {
        let mut client = Client::initialized(&home, revision);
        client.send(batch.to_string());
        let answer = client.receive();
        if revision <= "2025-03-26" {
            let ids: Vec<&Value> = answer
                .as_array()
                .expect("a batch")
                .iter()
                .map(|a| &a["id"])
                .collect();
            assert_eq!(ids, [&json!("a"), &json!("b"), &json!("c"), &Value::Null]);
            assert_eq!(answer[1]["result"]["isError"], false, "{answer}");
            assert_eq!(answer[2]["error"]["code"], -32600, "{answer}");
            assert_eq!(answer[3]["error"]["code"], -32600, "{answer}");
            // Nothing in it is to be answered: then nothing is.
            client.send(r#"[{"jsonrpc":"2.0","method":"notifications/initialized"}]"#);
        } else {
            assert_eq!(answer["error"]["code"], -32600, "{answer}");
            assert_eq!(answer["id"], Value::Null);
        }
        client.send("[]");
        assert_eq!(client.receive()["error"]["code"], -32600);
        assert_eq!(client.ask("ping", &json!({}))["result"], json!({}));
    }
}

#[test]
fn the_list_of_tools_is_the_same_every_time() {
    let home = Home::new();
    let list = || {
        let mut client = Client::initialized(&home, "2025-11-25");
        client.ask("tools/list", &json!({}))["result"].to_string()
    };
    assert_eq!(list(), list());
}
