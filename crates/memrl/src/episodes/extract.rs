//! Letting a language model read a captured session, when somebody asks for it.
//!
//! What is sent is what was said in the session, redacted and bounded; nothing is sent otherwise.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde_json::Value;

use crate::Episode;

/// Bytes that are read from the beginning and from the end of a transcript.
const PART: u64 = 128 << 10;

/// Has the configured model read the session; what went wrong, as a warning.
#[cfg(feature = "remote")]
pub(super) fn extract(episode: &mut Episode, transcript: &Path) -> Option<String> {
    use memrl_capture::extract::{Extractor, apply, digest_of};

    let digest = match spoken(transcript) {
        Ok(text) => digest_of(&text),
        Err(e) => return Some(format!("not read by a model: {e}")),
    };
    let said = Extractor::from_env(None, None)
        .and_then(|model| model.extract(episode, &digest, &mut |wait| std::thread::sleep(wait)));
    match said {
        Ok(said) => {
            apply(episode, said);
            None
        }
        Err(e) => Some(format!("not read by a model: {e}")),
    }
}

/// This build has no network.
#[cfg(not(feature = "remote"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the other build has something to say only when it fails"
)]
pub(super) fn extract(_: &mut Episode, _: &Path) -> Option<String> {
    Some("not read by a model: this build has no network".to_owned())
}

/// What was said in a transcript: texts of messages, without the results of tools; of a long
/// one the beginning and the end.
#[cfg_attr(
    not(feature = "remote"),
    expect(dead_code, reason = "only a model reads it")
)]
fn spoken(transcript: &Path) -> std::io::Result<String> {
    let mut file = File::open(transcript)?;
    let len = file.metadata()?.len();
    let mut bytes = Vec::new();
    file.by_ref().take(PART).read_to_end(&mut bytes)?;
    // The first line alone may be longer than the part.
    let json = bytes.trim_ascii_start().first() == Some(&b'{');
    if len > PART {
        // Half a line is no line: a piece of JSON looks like text.
        bytes.truncate(
            bytes
                .iter()
                .rposition(|b| *b == b'\n')
                .map_or(0, |at| at + 1),
        );
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(len.saturating_sub(PART).max(PART)))?;
        file.take(PART).read_to_end(&mut tail)?;
        let behind = tail.iter().position(|b| *b == b'\n');
        bytes.extend_from_slice(behind.map_or(&[][..], |at| &tail[at + 1..]));
    }
    let text = String::from_utf8_lossy(&bytes);
    let is_json = |line: &str| line.trim_start().starts_with('{');
    let mut said = String::new();
    for line in text.lines() {
        if !is_json(line) {
            // In a file of JSON it is what is left of a damaged line.
            if json {
                continue;
            }
            said.push_str(line);
            said.push('\n');
        } else if let Ok(value) = serde_json::from_str::<Value>(line) {
            texts(&value, &mut said);
        }
    }
    Ok(said)
}

/// The texts of a message, wherever its client puts them.
fn texts(value: &Value, said: &mut String) {
    let Value::Object(map) = value else {
        return;
    };
    for (key, inner) in map {
        match (key.as_str(), inner) {
            ("text" | "content", Value::String(text)) => {
                said.push_str(text);
                said.push('\n');
            }
            ("message" | "payload", inner) => texts(inner, said),
            ("content", Value::Array(blocks)) => {
                let results = |b: &&Value| b.get("type") != Some(&Value::from("tool_result"));
                for block in blocks.iter().filter(results) {
                    texts(block, said);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_reads_what_was_said_and_no_results_of_tools() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = [
            r#"{"type":"user","message":{"role":"user","content":"Почини вход"}}"#,
            r#"{"type":"assistant","message":{"content":[{"type":"text","text":"Done."},{"type":"tool_use","input":{"command":"cat .env"}}]}}"#,
            r#"{"type":"user","message":{"content":[{"type":"tool_result","content":"SECRET=1"}]}}"#,
            r#"{"type":"response_item","payload":{"content":[{"type":"output_text","text":"codex"}]}}"#,
            "{ broken",
        ];
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        assert_eq!(spoken(file.path()).unwrap(), "Почини вход\nDone.\ncodex\n");
    }

    #[test]
    fn of_a_long_session_no_half_line_is_read() {
        let result = |text: &str| {
            format!(
                r#"{{"type":"user","message":{{"content":[{{"type":"tool_result","content":"{text}"}}]}}}}"#
            )
        };
        let line = |text: &str| format!(r#"{{"message":{{"role":"user","content":"{text}"}}}}"#);
        let part = usize::try_from(PART).unwrap();
        for size in [part / 3, part, 3 * part] {
            let file = tempfile::NamedTempFile::new().unwrap();
            let secret = "SECRET ".repeat(size / 7);
            let lines = [
                line("Почини вход"),
                result(&secret),
                "SECRET of a damaged line".into(),
                result(&secret),
                line("спасибо"),
            ];
            std::fs::write(file.path(), lines.join("\n")).unwrap();
            assert_eq!(
                spoken(file.path()).unwrap(),
                "Почини вход\nспасибо\n",
                "{size}"
            );
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!("User: begin\n{}User: end\n", "ж я\n".repeat(part));
        std::fs::write(file.path(), &text).unwrap();
        let said = spoken(file.path()).unwrap();
        assert!(said.starts_with("User: begin\n") && said.ends_with("User: end\n"));
        assert!(!said.contains('\u{FFFD}') && said.len() <= 2 * part);
    }
}
