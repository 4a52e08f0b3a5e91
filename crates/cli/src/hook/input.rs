//! What programs say to a hook: one JSON object, of which everything but the session is optional.

use std::io::Read;
use std::path::PathBuf;

use serde_json::Value;

use super::Trouble;

/// Most bytes that are read: a tool's answer can be large. Of more, nothing is used.
const MAX_BYTES: u64 = 16 << 20;
/// Longest id of a session.
const MAX_ID: usize = 512;

/// The fields that memrl knows; others are ignored, and so are fields of another type.
#[derive(Debug, Default, PartialEq)]
pub struct Input {
    /// The session.
    pub session: String,
    /// Its transcript.
    pub transcript: Option<PathBuf>,
    /// Where it works.
    pub cwd: Option<PathBuf>,
    /// What the user asks.
    pub prompt: Option<String>,
    /// What the agent answered.
    pub answer: Option<String>,
    /// The failed tool.
    pub failure: Option<Failed>,
    /// The session lost what it was told: its context was compacted or cleared.
    pub afresh: bool,
    /// Whether it is Cursor that speaks, whose hooks run under other programs' names, too.
    pub is_cursor: bool,
}

/// A call of a tool that failed.
#[derive(Debug, Default, PartialEq)]
pub struct Failed {
    /// The tool.
    pub tool: String,
    /// The program's id of the call.
    pub call: String,
    /// The user stopped it.
    pub interrupted: bool,
}

impl Input {
    /// Reads it from a stream that ends with it.
    pub fn read(mut stream: impl Read) -> Result<Self, Trouble> {
        let mut bytes = Vec::new();
        let cut = Trouble::Said("stdin broke off");
        let read = stream.by_ref().take(MAX_BYTES + 1).read_to_end(&mut bytes);
        if read.is_err() {
            return Err(cut);
        }
        if bytes.len() as u64 > MAX_BYTES {
            drop(bytes);
            // Whoever writes must not be killed by a closed pipe.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
            return Err(Trouble::Said("stdin is too long"));
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(Trouble::Said("stdin is empty"));
        }
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    /// Reads it from a text.
    pub fn parse(text: &str) -> Result<Self, Trouble> {
        let text = text.trim_start_matches('\u{feff}');
        let value = match serde_json::from_str(text) {
            Ok(value) => value,
            // JavaScript writes half a character as it is; JSON has no such text.
            Err(_) => serde_json::from_str(&without_lone_surrogates(text))
                .map_err(|_| Trouble::Said("stdin is not JSON"))?,
        };
        let Value::Object(fields) = value else {
            return Err(Trouble::Said("stdin is not a JSON object"));
        };
        let text = |name: &str| {
            let text = fields.get(name).and_then(Value::as_str);
            text.filter(|t| !t.trim().is_empty()).map(str::to_owned)
        };
        let flag = |name: &str| fields.get(name).and_then(Value::as_bool) == Some(true);
        let session = text("session_id").or_else(|| text("conversation_id"));
        let session = session.ok_or(Trouble::Said("no session_id"))?;
        if session.len() > MAX_ID {
            return Err(Trouble::Said("session_id is too long"));
        }
        let roots = fields.get("workspace_roots").and_then(Value::as_array);
        let root = roots.and_then(|r| r.first()).and_then(Value::as_str);
        let cwd = text("cwd").or_else(|| root.map(str::to_owned));
        let event = text("hook_event_name").unwrap_or_default();
        let failed = event.eq_ignore_ascii_case("PostToolUseFailure")
            || fields.get("tool_response").is_some_and(says_failure);
        Ok(Self {
            session,
            transcript: text("transcript_path").map(PathBuf::from),
            cwd: cwd.map(PathBuf::from),
            prompt: text("prompt"),
            answer: text("last_assistant_message").or_else(|| text("text")),
            failure: failed.then(|| Failed {
                tool: text("tool_name").unwrap_or_default(),
                call: text("tool_use_id").unwrap_or_default(),
                interrupted: flag("is_interrupt") || flag("interrupted"),
            }),
            afresh: matches!(text("source").as_deref(), Some("compact" | "clear")),
            is_cursor: fields.contains_key("cursor_version"),
        })
    }
}

/// Whether a tool's answer says that it failed. Most say nothing, and then it did not.
fn says_failure(answer: &Value) -> bool {
    let is = |name: &str, value: bool| answer.get(name).and_then(Value::as_bool) == Some(value);
    let code = ["exit_code", "exitCode"];
    let code = code.iter().find_map(|name| answer.get(name)?.as_i64());
    is("is_error", true) || is("success", false) || code.is_some_and(|c| c != 0)
}

/// The text with every half of a surrogate pair that stands alone replaced by U+FFFD.
fn without_lone_surrogates(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let taken = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                mended.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            (Some(_), _) => 6,
            // The backslash and what it escapes, which can be a backslash.
            (None, _) => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        mended.push_str(&escape[..taken]);
        rest = &escape[taken..];
    }
    mended.push_str(rest);
    mended
}

/// The number in `\uXXXX` at the start of a text.
fn unit(escape: &str) -> Option<u32> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Input {
        Input::parse(text).unwrap()
    }

    #[test]
    fn half_a_character_costs_no_more_than_itself() {
        for (text, expected) in [
            (r#"{"session_id":"s","prompt":"a\ud83db"}"#, "a\u{fffd}b"),
            (
                r#"{"session_id":"s","prompt":"a\ude00\ud83d\ude00\ud83d"}"#,
                "a\u{fffd}😀\u{fffd}",
            ),
            (
                r#"{"session_id":"s","prompt":"\\ud83d \ud83d"}"#,
                "\\ud83d \u{fffd}",
            ),
            (
                r#"{"session_id":"s","prompt":"\ud83d\n\"\u00e9\ud83d"}"#,
                "\u{fffd}\n\"é\u{fffd}",
            ),
        ] {
            assert_eq!(parsed(text).prompt.as_deref(), Some(expected));
        }
        for broken in ["\\", "\\u", "\\u12", "\\ud83d\\", "\\я", "\\ud8я"] {
            // No panic, whatever follows a backslash.
            without_lone_surrogates(broken);
        }
    }

    #[test]
    fn fields_of_another_type_are_as_good_as_none() {
        let input = parsed(
            r#"{"session_id":"s","prompt":7,"cwd":null,"transcript_path":[],"tool_response":3,"x":{}}"#,
        );
        assert_eq!(
            input,
            Input {
                session: "s".into(),
                ..Input::default()
            }
        );
        for text in [
            "{}",
            "[]",
            "null",
            "7",
            "{\"session_id\":\"\"}",
            "{\"session_id\":3}",
            "{",
        ] {
            assert!(Input::parse(text).is_err(), "{text}");
        }
        let deep = format!("{{\"session_id\":\"s\",\"x\":{}", "[".repeat(100_000));
        assert!(Input::parse(&deep).is_err());
    }

    #[test]
    fn a_tool_fails_only_when_its_program_says_so() {
        let failure = |text: &str| parsed(text).failure;
        let failed = failure(
            r#"{"session_id":"s","hook_event_name":"PostToolUseFailure","tool_name":"Bash","tool_use_id":"t1","error":"x","is_interrupt":true}"#,
        );
        let expected = Failed {
            tool: "Bash".into(),
            call: "t1".into(),
            interrupted: true,
        };
        assert_eq!(failed, Some(expected));
        let answered = |answer: &str| {
            failure(&format!(
                r#"{{"session_id":"s","hook_event_name":"PostToolUse","tool_response":{answer}}}"#
            ))
        };
        for fine in [
            "{}",
            "\"error: nothing\"",
            "{\"exit_code\":0}",
            "{\"success\":true}",
            "null",
        ] {
            assert_eq!(answered(fine), None, "{fine}");
        }
        for bad in [
            "{\"exit_code\":2}",
            "{\"is_error\":true}",
            "{\"success\":false}",
        ] {
            assert!(answered(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn cursor_is_known_by_what_it_says() {
        let input = parsed(
            r#"{"conversation_id":"c","workspace_roots":["/p","/q"],"cursor_version":"2.4","text":"Done."}"#,
        );
        assert!(input.is_cursor);
        assert_eq!(input.session, "c");
        assert_eq!(input.cwd, Some("/p".into()));
        assert_eq!(input.answer.as_deref(), Some("Done."));
    }
}
