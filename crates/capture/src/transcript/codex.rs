//! Codex: rollout files, `{timestamp, type, payload}` per line; older ones wrote the payloads bare.

use serde::Deserialize;
use serde_json::Value;

use super::action::Action;
use super::json::{self, Field};
use super::story::Story;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: Field<'a>,
    #[serde(borrow, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow)]
    payload: Field<'a>,
}

/// All fields of all payloads that are looked at.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow)]
    id: Field<'a>,
    #[serde(borrow)]
    cwd: Field<'a>,
    #[serde(borrow)]
    role: Field<'a>,
    #[serde(borrow)]
    content: Field<'a>,
    #[serde(borrow)]
    name: Field<'a>,
    #[serde(borrow)]
    arguments: Field<'a>,
    #[serde(borrow)]
    input: Field<'a>,
    #[serde(borrow)]
    action: Field<'a>,
    #[serde(borrow)]
    call_id: Field<'a>,
    #[serde(borrow)]
    output: Field<'a>,
    #[serde(borrow)]
    message: Field<'a>,
    #[serde(borrow)]
    info: Field<'a>,
    #[serde(borrow)]
    reason: Field<'a>,
}

/// Kinds of lines.
const LINES: [&str; 5] = [
    "session_meta",
    "turn_context",
    "response_item",
    "event_msg",
    "compacted",
];
/// Payloads of older files, which stand bare on their lines.
const BARE: [&str; 4] = [
    "message",
    "function_call",
    "function_call_output",
    "reasoning",
];

/// Whether a line is one of this client.
pub(super) fn is_line(line: &str) -> bool {
    let Ok(parsed) = serde_json::from_str::<Line>(line) else {
        return false;
    };
    match json::text(parsed.kind).as_ref() {
        "message" => serde_json::from_str::<Payload>(line)
            .is_ok_and(|p| p.role.is_some() && p.content.is_some()),
        kind => parsed.payload.is_some() && LINES.contains(&kind),
    }
}

/// Tells what a line says; whether it was known.
pub(super) fn tell(line: &str, story: &mut Story) -> bool {
    let Ok(parsed) = serde_json::from_str::<Line>(line) else {
        return false;
    };
    let kind = json::text(parsed.kind);
    let bare = BARE.contains(&kind.as_ref());
    if !bare && !LINES.contains(&kind.as_ref()) {
        return false;
    }
    let payload = if bare {
        serde_json::from_str::<Payload>(line).ok()
    } else {
        json::read::<Payload>(parsed.payload)
    };
    let Some(payload) = payload else {
        return false;
    };
    story.time(&json::text(parsed.timestamp));
    match kind.as_ref() {
        "session_meta" => {
            story.id(&json::text(payload.id));
            story.directory(&json::text(payload.cwd));
        }
        "turn_context" => story.directory(&json::text(payload.cwd)),
        "event_msg" => event(&payload, story),
        "compacted" => {}
        _ => item(&payload, story),
    }
    true
}

fn event(payload: &Payload, story: &mut Story) {
    match json::text(payload.kind).as_ref() {
        "user_message" => story.prompt(&json::text(payload.message)),
        "turn_aborted" if json::text(payload.reason) == "interrupted" => story.interruption(),
        "token_count" => {
            let info = json::read::<Value>(payload.info).unwrap_or_default();
            let total = &info["total_token_usage"];
            let number = |name: &str| total[name].as_u64().unwrap_or(0);
            // Counted from the beginning of the session.
            let tokens = number("input_tokens").saturating_add(number("output_tokens"));
            story.session.counts.tokens = story.session.counts.tokens.max(tokens);
        }
        _ => {}
    }
}

fn item(payload: &Payload, story: &mut Story) {
    let call_id = json::text(if payload.call_id.is_some() {
        payload.call_id
    } else {
        payload.id
    });
    match json::text(payload.kind).as_ref() {
        "message" => {
            let text = message_text(payload.content);
            match json::text(payload.role).as_ref() {
                "user" => story.prompt(&text),
                "assistant" => {
                    story.answer("", 0);
                    story.said(&text);
                }
                _ => story.aside(&text),
            }
        }
        "function_call" => {
            let arguments = json::text(payload.arguments);
            // Arguments that are no JSON (cut, or written freely) may still name files.
            let input = serde_json::from_str::<Value>(&arguments)
                .unwrap_or_else(|_| Value::String(arguments.replace("\\n", "\n")));
            story.call(&call_id, Action::new(&json::text(payload.name), &input));
        }
        "custom_tool_call" => {
            let input = Value::String(json::text(payload.input).into_owned());
            story.call(&call_id, Action::new(&json::text(payload.name), &input));
        }
        "local_shell_call" => {
            let input = json::read::<Value>(payload.action).unwrap_or_default();
            story.call(&call_id, Action::new("local_shell", &input));
        }
        "web_search_call" => story.call("", Action::new("web_search", &Value::Null)),
        "function_call_output" | "custom_tool_call_output" => {
            let (text, failed) = output(payload.output);
            story.result(&call_id, failed, || text);
        }
        _ => {}
    }
}

/// One item of a message.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Field<'a>,
}

/// The text of a message: a string, or items with texts.
fn message_text(content: Field) -> String {
    let whole = json::text(content);
    if !whole.is_empty() {
        return whole.into_owned();
    }
    json::items(content)
        .into_iter()
        .filter_map(|p| json::read::<Part>(Some(p)))
        .map(|p| json::text(p.text))
        .collect::<Vec<_>>()
        .join("\n")
}

/// What a tool printed, and whether it says that it failed: plain text, JSON with an exit code
/// (as text or not), or items.
fn output(field: Field) -> (String, bool) {
    let mut text = json::text(field).into_owned();
    let parsed = if text.is_empty() {
        json::read::<Value>(field)
    } else {
        None
    };
    let parsed = parsed.or_else(|| {
        serde_json::from_str(&text)
            .ok()
            .filter(|_| text.starts_with('{'))
    });
    let mut failed = text.starts_with("apply_patch verification failed")
        || text.starts_with("failed ")
        || text.starts_with("error: ")
        || text.starts_with("execution error");
    match parsed {
        Some(Value::Object(object)) => {
            let code = object
                .get("metadata")
                .and_then(|m| m.get("exit_code"))
                .or_else(|| object.get("exit_code"))
                .and_then(Value::as_i64);
            failed |=
                code.is_some_and(|c| c != 0) || object.get("success") == Some(&Value::Bool(false));
            let inner = ["output", "content", "stdout"]
                .iter()
                .find_map(|n| object.get(*n))
                .and_then(Value::as_str);
            if let Some(inner) = inner {
                text = match code {
                    Some(code) if code != 0 => format!("Exit code {code}\n{inner}"),
                    _ => inner.to_owned(),
                };
            }
        }
        Some(Value::Array(items)) => {
            text = items
                .iter()
                .filter_map(|i| i.get("text").and_then(Value::as_str))
                .collect::<Vec<_>>()
                .join("\n");
        }
        _ => {}
    }
    (text, failed)
}
