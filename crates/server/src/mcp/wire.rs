//! JSON-RPC 2.0 messages: reading what a client sent, writing what it is answered.
//!
//! Knows no method. The outer object is read before its parameters, so that a request whose
//! parameters cannot be read (a lone surrogate, a number beyond all range) is still answered under
//! its own id.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// The text is no JSON.
pub(crate) const PARSE_ERROR: i64 = -32700;
/// JSON, but not a request.
pub(crate) const INVALID_REQUEST: i64 = -32600;
/// No such method.
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
/// The parameters do not fit.
pub(crate) const INVALID_PARAMS: i64 = -32602;
/// A fault of ours.
pub(crate) const INTERNAL_ERROR: i64 = -32603;
/// No such resource, in revisions up to 2025-11-25.
pub(crate) const RESOURCE_NOT_FOUND: i64 = -32002;
/// HTTP headers say something else than the body (2026-07-28).
pub(crate) const HEADER_MISMATCH: i64 = -32020;
/// A revision that is not spoken here (2026-07-28).
pub(crate) const UNSUPPORTED_VERSION: i64 = -32022;

/// An error of the protocol. What goes wrong inside a tool is a result, not this.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RpcError {
    /// One of the codes above.
    pub(crate) code: i64,
    /// What is wrong.
    pub(crate) message: String,
    /// More about it, for programs.
    pub(crate) data: Option<Value>,
}

impl RpcError {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }

    pub(crate) fn with(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }
}

/// The id of a request as it was written, so that it is echoed to the letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Id(String);

impl Id {
    /// A string or a number; nothing else may be an id.
    fn read(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        let first = text.bytes().next()?;
        // A lone surrogate must not be echoed: whoever reads the answer might not read it.
        let string = first == b'"' && serde_json::from_str::<String>(text).is_ok();
        (string || first == b'-' || first.is_ascii_digit()).then(|| Self(text.to_owned()))
    }

    /// The id that a value stands for, e.g. in `notifications/cancelled`.
    pub(crate) fn of(value: &Value) -> Self {
        Self(value.to_string())
    }
}

/// A request: it is answered exactly once.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) id: Id,
    pub(crate) method: String,
    /// The parameters; empty when there are none.
    pub(crate) params: Map<String, Value>,
}

/// One message of a client.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    /// To be answered.
    Request(Request),
    /// Never answered, whatever it says.
    Notification {
        method: String,
        params: Map<String, Value>,
    },
    /// An answer to a request of ours. We make none.
    Response,
    /// To be answered with this error, under the id if it could be read.
    Broken(Option<Id>, RpcError),
}

/// What one line, or one body, holds.
#[derive(Debug, Clone)]
pub(crate) enum Incoming {
    /// One message.
    One(Message),
    /// A batch, which only some revisions have. Not empty.
    Batch(Vec<Message>),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<&'a RawValue>,
    // `null` is an id that was given, and wrong; hence the reader of its own.
    #[serde(borrow, default, deserialize_with = "given")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

fn given<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&'de RawValue>::deserialize(d).map(Some)
}

/// Reads one line or body.
pub(crate) fn read(bytes: &[u8]) -> Incoming {
    let broken =
        |code, message: String| Incoming::One(Message::Broken(None, RpcError::new(code, message)));
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}'),
        Err(e) => return broken(PARSE_ERROR, format!("the message is not UTF-8: {e}")),
    };
    let whole: &RawValue = match serde_json::from_str(text) {
        Ok(whole) => whole,
        Err(e) => return broken(PARSE_ERROR, format!("the message is not JSON: {e}")),
    };
    if !whole.get().starts_with('[') {
        return Incoming::One(message(whole));
    }
    match serde_json::from_str::<Vec<&RawValue>>(whole.get()) {
        Ok(parts) if !parts.is_empty() => Incoming::Batch(parts.into_iter().map(message).collect()),
        _ => broken(INVALID_REQUEST, "an empty batch asks nothing".to_owned()),
    }
}

fn message(raw: &RawValue) -> Message {
    let invalid = |id, text: &str| Message::Broken(id, RpcError::new(INVALID_REQUEST, text));
    let envelope: Envelope<'_> = match serde_json::from_str(raw.get()) {
        Ok(envelope) if raw.get().starts_with('{') => envelope,
        _ => return invalid(None, "a message is a JSON object with each field once"),
    };
    let id = envelope.id.and_then(Id::read);
    let Some(method) = envelope.method else {
        return if envelope.result.is_some() || envelope.error.is_some() {
            Message::Response
        } else {
            invalid(id, "method: is missing")
        };
    };
    let method = serde_json::from_str::<String>(method.get()).ok();
    if envelope.id.is_none() {
        let params = envelope
            .params
            .and_then(|p| serde_json::from_str(p.get()).ok());
        return Message::Notification {
            method: method.unwrap_or_default(),
            params: params.unwrap_or_default(),
        };
    }
    let Some(id) = id else {
        return invalid(None, "id: must be a string or a number");
    };
    let Some(method) = method else {
        return invalid(Some(id), "method: must be a string");
    };
    if envelope.jsonrpc.is_none_or(|v| v.get() != "\"2.0\"") {
        return invalid(Some(id), "jsonrpc: must be \"2.0\"");
    }
    let params = match envelope.params.map(|p| serde_json::from_str(p.get())) {
        None | Some(Ok(Value::Null)) => Map::new(),
        Some(Ok(Value::Object(params))) => params,
        Some(Ok(_)) => {
            let error = RpcError::new(INVALID_PARAMS, "params: must be an object");
            return Message::Broken(Some(id), error);
        }
        Some(Err(e)) => {
            let error = RpcError::new(INVALID_PARAMS, format!("params: cannot be read: {e}"));
            return Message::Broken(Some(id), error);
        }
    };
    Message::Request(Request { id, method, params })
}

/// The answer to a request, as one line without its line break.
pub(crate) fn answer(id: Option<&Id>, outcome: Result<Value, RpcError>) -> String {
    #[derive(Serialize)]
    struct Answer<'a> {
        jsonrpc: &'static str,
        id: Option<&'a RawValue>,
        #[serde(flatten)]
        body: Map<String, Value>,
    }
    let raw = id.and_then(|id| RawValue::from_string(id.0.clone()).ok());
    let mut body = Map::new();
    match outcome {
        Ok(result) => body.insert("result".into(), result),
        Err(error) => {
            let mut value = json!({"code": error.code, "message": error.message});
            if let Some(data) = error.data {
                value["data"] = data;
            }
            body.insert("error".into(), value)
        }
    };
    let answer = Answer {
        jsonrpc: "2.0",
        id: raw.as_deref(),
        body,
    };
    // Maps with string keys always become JSON.
    serde_json::to_string(&answer).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Messages with a piece of anything in their place.
    fn almost_messages() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<f64>().prop_map(|x| x.to_string()),
            any::<String>().prop_map(|s| Value::from(s).to_string()),
            ".{0,20}",
            Just("null".to_owned()),
            Just("[[{}]]".to_owned()),
            Just("\"\\ud800\"".to_owned()),
            Just("\"2.0\"".to_owned()),
        ];
        let field = prop_oneof![
            Just("jsonrpc"),
            Just("id"),
            Just("method"),
            Just("params"),
            Just("result"),
            Just("x"),
        ];
        proptest::collection::vec((field, piece), 0..6).prop_map(|fields| {
            let fields: Vec<String> = fields.iter().map(|(n, v)| format!("\"{n}\":{v}")).collect();
            format!("{{{}}}", fields.join(","))
        })
    }

    fn check(message: &Message) {
        let line = match message {
            Message::Request(r) => answer(Some(&r.id), Ok(json!({}))),
            Message::Broken(id, error) => answer(id.as_ref(), Err(error.clone())),
            Message::Notification { .. } | Message::Response => return,
        };
        assert!(!line.contains('\n'));
        let value: Value = serde_json::from_str(&line).expect("an answer is JSON");
        assert_eq!(value["jsonrpc"], "2.0");
        assert!(value.get("id").is_some());
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_answered_with_one_line_or_not_at_all(
            bytes in proptest::collection::vec(any::<u8>(), 0..64), text in almost_messages(),
        ) {
            for input in [bytes.as_slice(), text.as_bytes(), format!("[{text}]").as_bytes()] {
                match read(input) {
                    Incoming::One(message) => check(&message),
                    Incoming::Batch(messages) => {
                        prop_assert!(!messages.is_empty());
                        messages.iter().for_each(check);
                    }
                }
            }
        }
    }

    fn one(text: &str) -> Message {
        match read(text.as_bytes()) {
            Incoming::One(message) => message,
            Incoming::Batch(_) => panic!("a batch: {text}"),
        }
    }

    fn broken(text: &str) -> (Option<Id>, i64) {
        match one(text) {
            Message::Broken(id, error) => (id, error.code),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_id_is_echoed_to_the_letter() {
        for id in [
            "1",
            "-7",
            "\"a\\u0000b\"",
            "123456789012345678901234567890",
            "1e400",
        ] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            let Message::Request(request) = one(&text) else {
                panic!("{text}");
            };
            let line = answer(Some(&request.id), Ok(json!({})));
            assert_eq!(
                line,
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_answered_under_the_best_known_id() {
        assert_eq!(broken("{"), (None, PARSE_ERROR));
        assert_eq!(broken(""), (None, PARSE_ERROR));
        assert_eq!(broken("{\"id\":1,\"x\":\"\0\"}"), (None, PARSE_ERROR));
        assert_eq!(broken("7"), (None, INVALID_REQUEST));
        assert_eq!(broken("[]"), (None, INVALID_REQUEST));
        assert_eq!(
            broken(r#"{"id":[],"method":"ping"}"#),
            (None, INVALID_REQUEST)
        );
        assert_eq!(
            broken(r#"{"id":"\ud800","method":"ping"}"#),
            (None, INVALID_REQUEST)
        );
        assert_eq!(
            broken(r#"{"id":null,"method":"ping"}"#),
            (None, INVALID_REQUEST)
        );
        let one = Some(Id("1".into()));
        for params in [r#"{"q":"\ud83d"}"#, "{\"q\":1e999}", "[1]", "7"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{params}}}"#);
            assert_eq!(broken(&text), (one.clone(), INVALID_PARAMS), "{params}");
        }
        assert_eq!(broken(r#"{"id":1}"#), (one.clone(), INVALID_REQUEST));
        assert_eq!(
            broken(r#"{"id":1,"method":2}"#),
            (one.clone(), INVALID_REQUEST)
        );
        assert_eq!(
            broken(r#"{"id":1,"method":"ping","jsonrpc":"1.0"}"#),
            (one, INVALID_REQUEST)
        );
        match read(b"\xff\xfe{}") {
            Incoming::One(Message::Broken(None, e)) => assert_eq!(e.code, PARSE_ERROR),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_an_id_nothing_is_to_be_answered() {
        for text in [
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"method":5}"#,
            r#"{"method":"x","params":"\ud800"}"#,
        ] {
            assert!(matches!(one(text), Message::Notification { .. }), "{text}");
        }
        assert!(matches!(one(r#"{"id":3,"result":{}}"#), Message::Response));
        assert!(matches!(
            one(r#"{"id":null,"error":{}}"#),
            Message::Response
        ));
    }
}
