//! Claude Code: one JSON object per line; `type` user or assistant is the conversation, all else
//! is around it. The format is internal to that program and changes without notice.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::action::Action;
use super::json::{self, Field};
use super::story::Story;

/// Kinds of lines that are known and say nothing about the work.
const AROUND: [&str; 17] = [
    "summary",
    "system",
    "attachment",
    "progress",
    "file-history-snapshot",
    "queue-operation",
    "last-prompt",
    "custom-title",
    "ai-title",
    "agent-name",
    "agent-color",
    "agent-setting",
    "permission-mode",
    "mode",
    "tag",
    "pr-link",
    "worktree-state",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow)]
    session_id: Field<'a>,
    #[serde(borrow)]
    timestamp: Field<'a>,
    #[serde(borrow)]
    cwd: Field<'a>,
    #[serde(borrow)]
    is_sidechain: Field<'a>,
    #[serde(borrow)]
    is_meta: Field<'a>,
    #[serde(borrow)]
    is_compact_summary: Field<'a>,
    #[serde(borrow)]
    is_api_error_message: Field<'a>,
    #[serde(borrow)]
    message: Field<'a>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Field<'a>,
    #[serde(borrow)]
    content: Field<'a>,
    #[serde(borrow)]
    usage: Field<'a>,
}

#[derive(Deserialize)]
struct Usage<'a> {
    #[serde(borrow)]
    input_tokens: Field<'a>,
    #[serde(borrow)]
    output_tokens: Field<'a>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Field<'a>,
    #[serde(borrow)]
    text: Field<'a>,
    #[serde(borrow)]
    id: Field<'a>,
    #[serde(borrow)]
    name: Field<'a>,
    #[serde(borrow)]
    input: Field<'a>,
    #[serde(borrow)]
    tool_use_id: Field<'a>,
    #[serde(borrow)]
    content: Field<'a>,
    #[serde(borrow)]
    is_error: Field<'a>,
}

/// Whether a line is one of this client.
pub(super) fn is_line(line: &str) -> bool {
    let Ok(line) = serde_json::from_str::<Line>(line) else {
        return false;
    };
    match json::text(line.kind).as_ref() {
        "user" | "assistant" => line.message.is_some(),
        "system" | "attachment" | "progress" => line.session_id.is_some(),
        kind => AROUND.contains(&kind),
    }
}

/// Tells what a line says; whether it was known.
pub(super) fn tell(line: &str, story: &mut Story) -> bool {
    let Ok(parsed) = serde_json::from_str::<Line>(line) else {
        return false;
    };
    let kind = json::text(parsed.kind);
    let conversation = ["user", "assistant"].contains(&kind.as_ref());
    if !conversation && !AROUND.contains(&kind.as_ref()) {
        return false;
    }
    let meta = json::truth(parsed.is_meta) || json::truth(parsed.is_compact_summary);
    if json::truth(parsed.is_sidechain) {
        return true;
    }
    if !conversation || meta {
        // What hooks add stands in lines of its own.
        if line.contains("<mem") {
            story.aside(line);
        }
        return true;
    }
    let Some(message) = json::read::<Message>(parsed.message) else {
        return false;
    };
    story.id(&json::text(parsed.session_id));
    story.directory(&json::text(parsed.cwd));
    story.time(&json::text(parsed.timestamp));
    if json::truth(parsed.is_api_error_message) {
        return true;
    }
    if kind == "user" {
        user(&message, story);
    } else {
        assistant(&message, story);
    }
    true
}

fn user(message: &Message, story: &mut Story) {
    let mut prompt = String::new();
    for block in blocks(message.content) {
        match json::text(block.kind).as_ref() {
            "text" => {
                if !prompt.is_empty() {
                    prompt.push('\n');
                }
                prompt.push_str(&json::text(block.text));
            }
            "tool_result" => {
                let failed = json::truth(block.is_error);
                story.result(&json::text(block.tool_use_id), failed, || {
                    result_text(block.content)
                });
            }
            _ => {}
        }
    }
    let content = json::text(message.content);
    story.prompt(if content.is_empty() {
        &prompt
    } else {
        &content
    });
}

fn assistant(message: &Message, story: &mut Story) {
    let number = |field| json::read::<u64>(field).unwrap_or(0);
    let tokens = json::read::<Usage>(message.usage).map_or(0, |u| {
        number(u.input_tokens).saturating_add(number(u.output_tokens))
    });
    story.answer(&json::text(message.id), tokens);
    let content = json::text(message.content);
    if !content.is_empty() {
        story.said(&content);
    }
    for block in blocks(message.content) {
        match json::text(block.kind).as_ref() {
            "text" => story.said(&json::text(block.text)),
            "tool_use" => {
                let input = json::read::<Value>(block.input).unwrap_or_default();
                story.call(
                    &json::text(block.id),
                    Action::new(&json::text(block.name), &input),
                );
            }
            _ => {}
        }
    }
}

fn blocks(content: Field<'_>) -> impl Iterator<Item = Block<'_>> {
    let list = content.filter(|c| c.get().starts_with('['));
    json::items(list)
        .into_iter()
        .filter_map(|b| serde_json::from_str(b.get()).ok())
}

/// The text of a result: a string or blocks.
fn result_text(content: Field) -> String {
    let text = json::text(content);
    if !text.is_empty() {
        return text.into_owned();
    }
    let part = |b: &RawValue| json::read::<Block>(Some(b)).map(|b| json::text(b.text).into_owned());
    json::items(content)
        .into_iter()
        .filter_map(part)
        .collect::<Vec<_>>()
        .join("\n")
}
