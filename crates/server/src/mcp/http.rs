//! Streamable HTTP: `POST /mcp`, one message (or batch) per request, answered as JSON.
//!
//! Nothing is kept between requests. A session id is given out with `initialize` and only names
//! the trajectory of the requests that carry it; there is no stream of the server's own, so `GET`
//! and `DELETE` are not allowed, as the protocol has it.

use std::sync::Arc;

use memrl::{Code, Memory};
use serde_json::Value;

use super::revision::{Revision, of_meta, unsupported};
use super::service::{self, Caller};
use super::stdio::random_trajectory;
use super::wire::{
    self, HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, Id, Incoming, METHOD_NOT_FOUND,
    Message, PARSE_ERROR, Request, RpcError, UNSUPPORTED_VERSION, answer,
};
use super::{Home, Place};
use crate::App;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::request::Req;
use crate::route::{Answer, Route};

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";

pub(crate) const ROUTES: &[Route] = &[Route {
    method: "POST",
    path: "/mcp",
    tag: "mcp",
    about: "Model Context Protocol: a JSON-RPC message, answered as JSON.",
    body: Some("Anything"),
    answers: &[
        (200, "The answer.", Answer::Json("Anything")),
        (202, "Nothing to answer.", Answer::Text("text/plain")),
    ],
    failures: &[400, 404],
    slow: true,
    run: post,
    ..Route::BASE
}];

fn post(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    if req.says_json() == Some(false) {
        let text = "the body is not JSON";
        return Err(Failure::new(Code::UnsupportedMediaType, text));
    }
    let session = match header(req, SESSION) {
        None => None,
        Some(id) if is_session(id) => Some(id.to_owned()),
        Some(_) => {
            let text = "Mcp-Session-Id: must be 1 to 200 visible ASCII characters";
            return Ok(refused(None, RpcError::new(INVALID_REQUEST, text)));
        }
    };
    let place = Place {
        cwd: app.memory.dir().to_owned(),
        home: Home::Everywhere,
    };
    let open = || -> memrl::Result<Arc<Memory>> { Ok(Arc::clone(&app.memory)) };
    let caller = |revision| Caller {
        revision,
        trajectory: session.clone(),
    };
    let request = match wire::read(&req.body) {
        Incoming::One(Message::Request(request)) => request,
        Incoming::One(Message::Broken(id, error)) => return Ok(refused(id.as_ref(), error)),
        Incoming::One(Message::Notification { .. } | Message::Response) => return Ok(accepted()),
        Incoming::Batch(messages) => {
            let revision = match revision_of_header(req) {
                Ok(revision) if revision.has_batches() => revision,
                Ok(revision) => return Ok(refused(None, service::no_batches(revision))),
                Err(error) => return Ok(refused(None, error)),
            };
            let answers = service::batch(&place, &open, &caller(revision), messages);
            return Ok(if answers.is_empty() {
                accepted()
            } else {
                Reply::whole(200, "application/json", answers)
            });
        }
    };
    let revision = match revision(req, &request) {
        Ok(revision) => revision,
        Err(error) => return Ok(refused(Some(&request.id), error)),
    };
    let outcome = service::either(&place, &open, &caller(revision), &request);
    let status = outcome.as_ref().err().map_or(200, |e| status(revision, e));
    let initialized = request.method == "initialize" && outcome.is_ok();
    let line = answer(Some(&request.id), outcome);
    let mut reply = Reply::whole(status, "application/json", line);
    if initialized {
        let id = random_trajectory().map_err(|e| Failure::new(Code::Internal, e.to_string()))?;
        reply = reply.header(SESSION, &id);
    }
    Ok(reply)
}

fn header<'a>(req: &'a Req, name: &str) -> Option<&'a str> {
    req.headers
        .get(name)
        .map(|v| v.to_str().unwrap_or_default())
}

fn is_session(id: &str) -> bool {
    (1..=200).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

/// Taken note of; there is nothing to answer.
fn accepted() -> Reply {
    Reply::whole(202, "text/plain", "")
}

/// A message that cannot be worked on.
fn refused(id: Option<&Id>, error: RpcError) -> Reply {
    Reply::whole(400, "application/json", answer(id, Err(error)))
}

/// The status of an error. Before the stateless revision, an error is an answer like any other.
fn status(revision: Revision, error: &RpcError) -> u16 {
    match error.code {
        METHOD_NOT_FOUND if revision.is_stateless() => 404,
        INVALID_PARAMS if revision.is_stateless() => 400,
        PARSE_ERROR | INVALID_REQUEST | HEADER_MISMATCH | UNSUPPORTED_VERSION => 400,
        _ => 200,
    }
}

/// The revision of a request: its own word, which the headers must repeat, or the header's.
fn revision(req: &Req, request: &Request) -> Result<Revision, RpcError> {
    if let Some(revision) = of_meta(&request.params)? {
        let differs = |what: &str| {
            let text = format!("the header {what} is missing or says something else than the body");
            Err(RpcError::new(HEADER_MISMATCH, text))
        };
        if header(req, VERSION) != Some(revision.as_str()) {
            return differs("MCP-Protocol-Version");
        }
        if header(req, "mcp-method") != Some(request.method.as_str()) {
            return differs("Mcp-Method");
        }
        let named = match request.method.as_str() {
            "tools/call" => request.params.get("name"),
            "resources/read" => request.params.get("uri"),
            _ => None,
        };
        if let Some(named) = named.and_then(Value::as_str)
            && header(req, "mcp-name").and_then(plain).as_deref() != Some(named)
        {
            return differs("Mcp-Name");
        }
        return Ok(revision);
    }
    if request.method == "initialize" {
        return Ok(Revision::NEWEST_INITIALIZED);
    }
    match revision_of_header(req)? {
        revision if revision.is_stateless() => Err(RpcError::new(
            INVALID_PARAMS,
            "params._meta: must name the protocol version and the client's capabilities",
        )),
        revision => Ok(revision),
    }
}

fn revision_of_header(req: &Req) -> Result<Revision, RpcError> {
    match header(req, VERSION) {
        None => Ok(Revision::WITHOUT_HEADER),
        Some(name) => Revision::named(name).ok_or_else(|| unsupported(name)),
    }
}

/// The value of a header that may be wrapped as `=?base64?…?=` to carry any text.
fn plain(value: &str) -> Option<String> {
    let Some(wrapped) = value
        .strip_prefix("=?base64?")
        .and_then(|v| v.strip_suffix("?="))
    else {
        return Some(value.to_owned());
    };
    String::from_utf8(from_base64(wrapped)?).ok()
}

/// Decodes padded base64 (RFC 4648 section 4); `None` for anything else.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for i in 0..4 {
            bits = bits << 6 | u32::from(group.get(i).map_or(Some(0), |b| digit(*b))?);
        }
        let bytes = bits.to_be_bytes();
        out.extend_from_slice(bytes.get(1..group.len())?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_values_are_unwrapped() {
        assert_eq!(plain("memrl_retrieve").as_deref(), Some("memrl_retrieve"));
        for (wrapped, text) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("0LLRhdC+0LQ=", "вход"),
        ] {
            let value = format!("=?base64?{wrapped}?=");
            assert_eq!(plain(&value).as_deref(), Some(text), "{wrapped}");
        }
        for broken in ["Zg=", "Zg", "Z===", "====", "Zm9*", "/w=="] {
            assert_eq!(plain(&format!("=?base64?{broken}?=")), None, "{broken}");
        }
    }
}
