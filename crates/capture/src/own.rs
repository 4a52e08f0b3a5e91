//! Our own marks in an agent's transcript: blocks that were injected, citations, decision ids.
//!
//! What memrl said must never be captured as something that was learned.

use std::borrow::Cow;

use memrl_types::Episode;

use crate::texts::each_said;

/// Tags whose elements are ours, wherever they are in a text.
const TAGS: [&str; 2] = ["memory", "memrl"];

/// The text without the blocks that memrl has injected (`<memory …>…</memory>`,
/// `<memrl …>…</memrl>`). A block that was cut off reaches to the end of the text.
pub fn strip_own(text: &str) -> Cow<'_, str> {
    strip_elements(text, &TAGS)
}

/// The decisions named by the blocks that memrl has injected into a text (plain, or as it stands
/// in JSON), each once, in order.
pub(crate) fn injected_decisions(text: &str) -> Vec<String> {
    let blocks: Vec<&str> = elements(text, &TAGS)
        .map(|e| &text[e.start..e.end])
        .collect();
    if blocks.is_empty() {
        return Vec::new();
    }
    decision_ids(&blocks.concat())
}

/// The tag of the block of ours that a text ends in.
pub(crate) fn open_block(text: &str) -> Option<&'static str> {
    open_element(text, &TAGS)
}

/// The tag of the element that a text ends in.
pub(crate) fn open_element(text: &str, tags: &[&'static str]) -> Option<&'static str> {
    let last = elements(text, tags).last().filter(|e| !e.closed)?;
    tags.iter()
        .copied()
        .find(|tag| starts_with_ignoring_case(&text[last.start + 1..], tag))
}

/// The text without the elements of these tags. A space takes the place of one between two words.
pub(crate) fn strip_elements<'a>(text: &'a str, tags: &[&str]) -> Cow<'a, str> {
    let mut out = String::new();
    let mut kept = 0;
    let mut cut_off = false;
    for element in elements(text, tags) {
        join(&mut out, &text[kept..element.start]);
        kept = element.end;
        cut_off = !element.closed;
    }
    if kept == 0 {
        return text.into();
    }
    join(&mut out, &text[kept..]);
    if cut_off {
        out.truncate(out.trim_end().len());
    }
    out.into()
}

fn join(out: &mut String, part: &str) {
    let apart = out.ends_with(char::is_whitespace) || part.starts_with(char::is_whitespace);
    if !out.is_empty() && !part.is_empty() && !apart {
        out.push(' ');
    }
    out.push_str(part);
}

/// An element in a text: from its `<` to behind its closing tag.
struct Element {
    start: usize,
    end: usize,
    closed: bool,
}

/// The elements with these tags (ASCII, in any letter case), in order; one inside another is part
/// of it. Linear in the length of the text.
fn elements<'t>(text: &'t str, tags: &[&'t str]) -> impl Iterator<Item = Element> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let (start, tag) = opening(text, from, tags)?;
        let close = closing(text, start, tag);
        from = close.unwrap_or(text.len());
        Some(Element {
            start,
            end: from,
            closed: close.is_some(),
        })
    })
}

/// Where the first of these elements at or after `from` begins, and its tag.
fn opening<'t>(text: &str, mut from: usize, tags: &[&'t str]) -> Option<(usize, &'t str)> {
    while let Some(at) = text[from..].find('<') {
        let start = from + at;
        let inside = &text[start + 1..];
        for tag in tags {
            if starts_with_ignoring_case(inside, tag) {
                let after = inside[tag.len()..].chars().next();
                if matches!(after, Some('>' | ' ' | '\n' | '\r' | '\t' | '\\')) {
                    return Some((start, tag));
                }
            }
        }
        from = start + 1;
    }
    None
}

/// Where the element ends that begins at `start`.
fn closing(text: &str, start: usize, tag: &str) -> Option<usize> {
    let mut from = start;
    while let Some(at) = text[from..].find("</") {
        let name = from + at + 2;
        if starts_with_ignoring_case(&text[name..], tag)
            && text[name + tag.len()..].starts_with('>')
        {
            return Some(name + tag.len() + 1);
        }
        from = name;
    }
    None
}

/// `prefix` is ASCII.
fn starts_with_ignoring_case(text: &str, prefix: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= prefix.len() && bytes[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes())
}

/// The short ids of the cells that a text cites as `[m:1a2b3c4d]`, each once, in order.
pub fn citations(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for part in text.split("[m:").skip(1) {
        // Ids are short: no need to look for the bracket in the rest of a long text.
        let end = part.bytes().take(37).position(|b| b == b']');
        let Some(id) = end.and_then(|end| part.get(..end)) else {
            continue;
        };
        let hex = id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if hex && (4..=36).contains(&id.len()) && seen.insert(id.to_ascii_lowercase()) {
            found.push(id.to_ascii_lowercase());
        }
    }
    found
}

/// The text without its citations, and without the brackets around them alone.
pub(crate) fn without_citations(text: &str) -> Cow<'_, str> {
    let ids = citations(text);
    if ids.is_empty() {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[m:") {
        out.push_str(before);
        let cited = after
            .split_once(']')
            .filter(|(id, _)| ids.contains(&id.to_ascii_lowercase()));
        if let Some((_, behind)) = cited {
            rest = behind;
        } else {
            out.push_str("[m:");
            rest = after;
        }
    }
    out.push_str(rest);
    out.replace(" ()", "").replace(" .", ".").into()
}

/// The decisions of ours that a text names (`decision_id` and `decision="…"`), each once, in order.
pub fn decision_ids(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for part in text.split("decision").skip(1) {
        let rest = part.strip_prefix("_id").unwrap_or(part);
        let rest = rest.trim_start_matches(['"', '\\', ':', '=', ' ', '\'']);
        let Some(id) = rest.get(..36) else { continue };
        let uuid = id.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
        if uuid && seen.insert(id.to_ascii_lowercase()) {
            found.push(id.to_ascii_lowercase());
        }
    }
    found
}

/// Cuts what memrl itself had injected out of everything that an episode says. Not out of what a
/// parser keeps to read on with: a block can be open there, and ends in the next piece.
pub fn strip_episode(episode: &mut Episode) {
    each_said(episode, &mut |text| {
        let clean = strip_own(text);
        if clean.len() != text.len() {
            *text = clean.trim().to_owned();
        }
    });
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
        assert_eq!(
            strip_own("<memory>a</memrl>b</memory>c<memrl>d</memrl>"),
            "c"
        );
    }

    #[test]
    fn many_blocks_cost_no_more_than_their_length() {
        let text = "<memory>x</memory> <memor".repeat(100_000);
        assert!(!strip_own(&text).contains("<memory>"));
        assert_eq!(strip_own(&"<memory ".repeat(100_000)), "");
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
        assert_eq!(
            without_citations("Так и есть ([m:1A2B3C4D]), f() [m:zz] [m:1a2b3c4d]."),
            "Так и есть, f() [m:zz]."
        );
        assert_eq!(
            injected_decisions(&format!("<memory decision=\\\"{id}\\\">\\n</memory>")),
            [id]
        );
        assert!(injected_decisions(&format!("decision_id {id}")).is_empty());
    }
}
