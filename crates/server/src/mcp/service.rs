//! The methods of the protocol, whatever the transport.

use std::sync::Arc;

use memrl::Memory;
use serde_json::{Map, Value, json};

use super::call::{Call, Failure};
use super::revision::{Revision, SERVER_KEY, supported};
use super::wire::{
    INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, Message, Request, RpcError,
    answer,
};
use super::{INSTRUCTIONS, Place, check, resources, tools};

/// Milliseconds that a client may keep what changes with the program only.
const STATIC_TTL_MS: u64 = 3_600_000;

/// Gives the memory, opening it if need be.
pub(crate) type Open<'a> = &'a dyn Fn() -> memrl::Result<Arc<Memory>>;

/// Who asks, and under which rules.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) revision: Revision,
    /// The trajectory that decisions belong to.
    pub(crate) trajectory: Option<String>,
}

/// Answers what needs no memory: at once, and also while the memory is busy. `None`: ask [`slow`].
pub(crate) fn quick(caller: &Caller, request: &Request) -> Option<Result<Value, RpcError>> {
    let revision = caller.revision;
    let result = match request.method.as_str() {
        "ping" => Ok(json!({})),
        "initialize" => return Some(initialize(&request.params)),
        "server/discover" => Ok(json!({
            "supportedVersions": supported(),
            "capabilities": capabilities(),
            "instructions": INSTRUCTIONS,
        })),
        "tools/list" => first_page(&request.params).map(|()| tools::list(revision)),
        "resources/templates/list" => {
            first_page(&request.params).map(|()| resources::templates(revision))
        }
        "tools/call" | "resources/list" | "resources/read" => return None,
        other => {
            let other: String = other.chars().take(100).collect();
            Err(RpcError::new(
                METHOD_NOT_FOUND,
                format!("Method not found: {other}"),
            ))
        }
    };
    let ttl = match request.method.as_str() {
        "ping" => None,
        _ => Some((STATIC_TTL_MS, "public")),
    };
    Some(result.map(|r| complete(revision, r, ttl)))
}

/// Answers what needs the memory. Blocks.
pub(crate) fn slow(
    place: &Place,
    open: Open<'_>,
    caller: &Caller,
    request: &Request,
) -> Result<Value, RpcError> {
    let revision = caller.revision;
    let params = &request.params;
    let private = Some((0, "private"));
    match request.method.as_str() {
        "tools/call" => {
            let outcome = call(place, open, caller, params)?;
            Ok(complete(revision, tools::result(revision, outcome), None))
        }
        "resources/list" => {
            first_page(params)?;
            let memory = opened(open)?;
            let list = resources::list(&memory, place).map_err(|e| internal(&e))?;
            Ok(complete(revision, list, private))
        }
        "resources/read" => {
            let uri = params.get("uri").and_then(Value::as_str);
            let uri = uri.ok_or_else(|| RpcError::new(INVALID_PARAMS, "uri: is required"))?;
            let address = resources::Address::of(uri).ok_or_else(|| missing(revision, uri))?;
            let memory = opened(open)?;
            match resources::read(&memory, &address) {
                Ok(body) => {
                    let contents = json!({"contents": [{
                        "uri": uri, "mimeType": resources::MEDIA, "text": body.to_string(),
                    }]});
                    Ok(complete(revision, contents, private))
                }
                Err(e) if e.code().info().status < 500 => Err(missing(revision, uri)),
                Err(e) => Err(internal(&e)),
            }
        }
        other => Err(RpcError::new(
            METHOD_NOT_FOUND,
            format!("Method not found: {other}"),
        )),
    }
}

/// Answers a request, quickly or slowly.
pub(crate) fn either(
    place: &Place,
    open: Open<'_>,
    caller: &Caller,
    request: &Request,
) -> Result<Value, RpcError> {
    quick(caller, request).unwrap_or_else(|| slow(place, open, caller, request))
}

/// Answers a batch; empty when nothing in it is to be answered.
pub(crate) fn batch(
    place: &Place,
    open: Open<'_>,
    caller: &Caller,
    messages: Vec<Message>,
) -> String {
    let answers: Vec<String> = messages
        .into_iter()
        .filter_map(|message| match message {
            Message::Request(r) if r.method == "initialize" => {
                let error =
                    RpcError::new(INVALID_REQUEST, "initialize comes alone, before batches");
                Some(answer(Some(&r.id), Err(error)))
            }
            Message::Request(r) => Some(answer(Some(&r.id), either(place, open, caller, &r))),
            Message::Broken(id, error) => Some(answer(id.as_ref(), Err(error))),
            Message::Notification { .. } | Message::Response => None,
        })
        .collect();
    if answers.is_empty() {
        String::new()
    } else {
        format!("[{}]", answers.join(","))
    }
}

/// The refusal of a batch by a revision that has none.
pub(crate) fn no_batches(revision: Revision) -> RpcError {
    RpcError::new(
        INVALID_REQUEST,
        format!(
            "revision {} has no batches: send one message at a time",
            revision.as_str()
        ),
    )
}

fn initialize(params: &Map<String, Value>) -> Result<Value, RpcError> {
    let asked = params.get("protocolVersion").and_then(Value::as_str);
    let asked = asked.ok_or_else(|| {
        RpcError::new(INVALID_PARAMS, "protocolVersion: is required, as a string")
    })?;
    Ok(json!({
        "protocolVersion": Revision::initialized(asked).as_str(),
        "capabilities": capabilities(),
        "serverInfo": server(),
        "instructions": INSTRUCTIONS,
    }))
}

fn capabilities() -> Value {
    json!({"tools": {}, "resources": {}})
}

fn server() -> Value {
    json!({"name": "memrl", "title": "memrl", "version": env!("CARGO_PKG_VERSION")})
}

/// What the stateless revision adds to every result.
fn complete(revision: Revision, mut result: Value, cached: Option<(u64, &str)>) -> Value {
    if revision.is_stateless() {
        result["resultType"] = json!("complete");
        result["_meta"] = json!({SERVER_KEY: server()});
        if let Some((ttl, scope)) = cached {
            result["ttlMs"] = json!(ttl);
            result["cacheScope"] = json!(scope);
        }
    }
    result
}

/// Every list here has one page.
fn first_page(params: &Map<String, Value>) -> Result<(), RpcError> {
    match params.get("cursor") {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(RpcError::new(
            INVALID_PARAMS,
            "cursor: there is no further page",
        )),
    }
}

/// Runs a tool. Errors of the protocol are about which tool is meant; everything else that goes
/// wrong is a result, which the agent sees.
fn call(
    place: &Place,
    open: Open<'_>,
    caller: &Caller,
    params: &Map<String, Value>,
) -> Result<Result<tools::Output, Failure>, RpcError> {
    let invalid = |text: String| RpcError::new(INVALID_PARAMS, text);
    let name = params.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| invalid("name: is required, as a string".to_owned()))?;
    let tool = tools::named(name).ok_or_else(|| {
        let name: String = name.chars().take(100).collect();
        invalid(format!("Unknown tool: {name}"))
    })?;
    let none = Map::new();
    let given = match params.get("arguments") {
        None | Some(Value::Null) => &none,
        Some(Value::Object(given)) => given,
        Some(_) => return Err(invalid("arguments: must be an object".to_owned())),
    };
    let arguments = match check::arguments(&tool.input, given) {
        Ok(arguments) => arguments,
        Err(faults) => return Ok(Err(Failure::Arguments(faults))),
    };
    let outcome = open().map_err(Failure::from).and_then(|memory| {
        (tool.run)(&Call {
            memory: &memory,
            place,
            trajectory: caller.trajectory.as_deref(),
            arguments: &arguments,
        })
    });
    if let Err(failure) = &outcome
        && failure.code().info().status >= 500
    {
        eprintln!("memrl: {name}: {}", failure.text());
    }
    Ok(outcome)
}

/// Whether a request may change what is stored.
pub(crate) fn writes(request: &Request) -> bool {
    let name = request.params.get("name").and_then(Value::as_str);
    request.method == "tools/call" && name.and_then(tools::named).is_some_and(|t| t.writes)
}

fn opened(open: Open<'_>) -> Result<Arc<Memory>, RpcError> {
    open().map_err(|e| internal(&Failure::from(e)))
}

fn internal(failure: &Failure) -> RpcError {
    eprintln!("memrl: {}", failure.text());
    RpcError::new(INTERNAL_ERROR, failure.text())
}

fn missing(revision: Revision, uri: &str) -> RpcError {
    RpcError::new(revision.resource_not_found(), "Resource not found").with(json!({"uri": uri}))
}
