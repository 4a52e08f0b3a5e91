//! Our own marks in an agent's transcript: blocks that were injected, citations, decision ids.
//!
//! What memrl said must never be captured as something that was learned.

/// Tags whose elements are ours, wherever they are in a text.
const TAGS: [&str; 2] = ["memory", "memrl"];

/// The text without the blocks that memrl has injected (`<memory …>…</memory>`,
/// `<memrl …>…</memrl>`). A block that was cut off reaches to the end of the text.
pub fn strip_own(text: &str) -> std::borrow::Cow<'_, str> {
    let Some((start, tag)) = opening(text) else {
        return text.into();
    };
    let mut out = text[..start].to_owned();
    let close = format!("</{tag}>");
    match find_ignoring_case(&text[start..], &close) {
        Some(end) => {
            let rest = strip_own(&text[start + end + close.len()..]);
            if !out.is_empty()
                && !out.ends_with(char::is_whitespace)
                && !rest.starts_with(char::is_whitespace)
            {
                out.push(' ');
            }
            out.push_str(&rest);
        }
        None => out.truncate(out.trim_end().len()),
    }
    out.into()
}

/// Where the first of our blocks begins, and its tag.
fn opening(text: &str) -> Option<(usize, &'static str)> {
    TAGS.iter()
        .filter_map(|tag| {
            let mut from = 0;
            let open = format!("<{tag}");
            while let Some(at) = find_ignoring_case(&text[from..], &open) {
                let after = text[from + at + open.len()..].chars().next();
                if matches!(after, Some('>' | ' ' | '\n' | '\t')) {
                    return Some((from + at, *tag));
                }
                from += at + open.len();
            }
            None
        })
        .min()
}

/// `needle` is ASCII.
fn find_ignoring_case(text: &str, needle: &str) -> Option<usize> {
    text.as_bytes()
        .windows(needle.len())
        .position(|w| w.eq_ignore_ascii_case(needle.as_bytes()))
}

/// The short ids of the cells that a text cites as `[m:1a2b3c4d]`, each once, in order.
pub fn citations(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in text.split("[m:").skip(1) {
        let Some((id, _)) = part.split_once(']') else {
            continue;
        };
        let hex = id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if hex && (4..=36).contains(&id.len()) {
            let id = id.to_ascii_lowercase();
            if !found.contains(&id) {
                found.push(id);
            }
        }
    }
    found
}

/// The decisions of ours that a text names (`decision_id` and `decision="…"`), each once, in order.
pub fn decision_ids(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for part in text.split("decision").skip(1) {
        let rest = part.strip_prefix("_id").unwrap_or(part);
        let rest = rest.trim_start_matches(['"', '\\', ':', '=', ' ', '\'']);
        let Some(id) = rest.get(..36) else { continue };
        let uuid = id.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
        if uuid && !found.iter().any(|f| f.eq_ignore_ascii_case(id)) {
            found.push(id.to_ascii_lowercase());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recalled_is_never_captured_again() {
        let text = "Fix it.\n<memory>\n- [m:1a2b3c4d] old\n</memory>\nPlease.";
        assert_eq!(strip_own(text), "Fix it.\n\nPlease.");
        assert_eq!(strip_own("a<MEMRL decision=\"x\">b</memrl>c"), "a c");
        assert_eq!(strip_own("before <memory> cut off"), "before");
        assert_eq!(strip_own("<memorial> stays"), "<memorial> stays");
        assert_eq!(strip_own("Ё <memory>я</memory> ж"), "Ё  ж");
    }

    #[test]
    fn marks_are_found_in_plain_text_and_in_json() {
        assert_eq!(
            citations("see [m:1A2B3C4D], [m:1a2b3c4d] and [m:zz] [m:12"),
            ["1a2b3c4d"]
        );
        let id = "0f3c2b1a-1111-4222-8333-444455556666";
        let text = format!(
            "{{\"decision_id\":\"{id}\"}} <memrl decision=\"{id}\"> \\\"decision_id\\\":\\\"{id}\\\""
        );
        assert_eq!(decision_ids(&text), [id]);
    }
}
