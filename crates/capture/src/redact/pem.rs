//! Private key blocks, whole or cut off.

use std::borrow::Cow;
use std::ops::Range;

use super::REDACTED;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// Longest label of a block, e.g. `ENCRYPTED PRIVATE KEY`.
const MAX_LABEL: usize = 48;
/// From this length a run of base64 is a line of a key.
const LINE: usize = 32;

/// Adds every private key block. One that was cut off reaches as far as its lines do.
pub(super) fn scan(text: &str, out: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = text[from..].find(BEGIN).map(|at| from + at) {
        from = at + BEGIN.len();
        let Some(length) = text[from..].find(DASHES) else {
            return;
        };
        let label = &text[from..from + length];
        if length > MAX_LABEL || !label.contains("PRIVATE KEY") {
            continue;
        }
        let body = from + length + DASHES.len();
        let end = whole(text, body).or_else(|| cut_off(text, body));
        if let Some(end) = end {
            out.push(at..end);
            from = end;
        }
    }
}

/// One line of a text that is read line by line, without what belongs to a private key. `open`:
/// whether a key began on an earlier line and has not ended; kept for the next line.
pub(crate) fn redact_line<'t>(line: &'t str, open: &mut bool) -> Cow<'t, str> {
    if !*open && !line.contains(BEGIN) {
        return line.into();
    }
    let mut out = String::new();
    let mut rest = line;
    loop {
        if *open {
            *open = false;
            if let Some((_, behind)) = rest.split_once(END) {
                rest = behind.split_once(DASHES).map_or("", |(_, behind)| behind);
            } else if is_key_line(rest) {
                *open = true;
                return out.into();
            }
        }
        let Some((at, body)) = open_block(rest) else {
            out.push_str(rest);
            return out.into();
        };
        out.push_str(&rest[..at]);
        out.push_str(REDACTED);
        rest = &rest[body..];
        *open = true;
    }
}

/// Where the first private key begins that goes on behind the end of this line, and its body.
fn open_block(line: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(at) = line[from..].find(BEGIN).map(|at| from + at) {
        from = at + BEGIN.len();
        let length = line[from..].find(DASHES)?;
        let body = from + length + DASHES.len();
        let private = length <= MAX_LABEL && line[from..from + length].contains("PRIVATE KEY");
        if private && is_key_line(&line[body..]) {
            return Some((at, body));
        }
    }
    None
}

/// Whether a line is one of a key: base64 in long runs, or one run alone; a header; nothing.
fn is_key_line(line: &str) -> bool {
    let mut rest = line;
    let mut short = 0;
    loop {
        rest = &rest[gap(rest)..];
        if rest.is_empty() || armour_header(rest).is_some() {
            return true;
        }
        let run = base64(rest);
        short += usize::from(run < LINE);
        if run == 0 || short > 1 {
            return false;
        }
        rest = &rest[run..];
    }
}

/// Length of the run of base64 that a text begins with.
fn base64(text: &str) -> usize {
    text.bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
        .count()
}

/// The end of a block whose footer is there.
fn whole(text: &str, body: usize) -> Option<usize> {
    let footer = body + text[body..].find(DASHES)?;
    let rest = text[footer + DASHES.len()..].strip_prefix("END ")?;
    let label = rest.find(DASHES)?;
    // Two constants of a program, or a mask, are no key.
    let longest = text[body..footer]
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')))
        .filter(|run| run.bytes().any(|b| b != b'X' && b != b'x'))
        .map(str::len)
        .max()?;
    if longest < 8 {
        return None;
    }
    (label <= MAX_LABEL && rest[..label].contains("PRIVATE KEY"))
        .then(|| text.len() - rest.len() + label + DASHES.len())
}

/// The end of the lines of a key that has no footer; nothing when no line follows.
fn cut_off(text: &str, body: usize) -> Option<usize> {
    let mut at = body;
    let mut end = None;
    loop {
        at += gap(&text[at..]);
        if let Some(header) = armour_header(&text[at..]) {
            at += header;
            continue;
        }
        let word = base64(&text[at..]);
        let is_last = at + word == text.len();
        let starts_a_key = text[at..].starts_with("MI") || text[at..].starts_with("b3BlbnNz");
        if word >= LINE || (end.is_none() && word > 0 && (starts_a_key || is_last)) {
            at += word;
            end = Some(at);
            if word < LINE {
                return end;
            }
        } else {
            // A last, shorter line.
            let blank = end.is_some_and(|e: usize| text[e..at].matches('\n').count() > 1);
            let alone = text[at + word..]
                .chars()
                .next()
                .is_none_or(|c| matches!(c, '\n' | '\r' | '"' | '\'' | '\\' | '`'));
            return if word > 0 && alone && !blank && end.is_some() {
                Some(at + word)
            } else {
                end
            };
        }
    }
}

/// Bytes between two lines of a key: line ends (also escaped ones), indents, marks of a diff or a
/// quotation.
fn gap(text: &str) -> usize {
    let mut rest = text;
    loop {
        let next = rest.trim_start_matches([' ', '\t', '\r', '\n', '"', '\'', '>', ',']);
        let next = next
            .strip_prefix("\\n")
            .or_else(|| next.strip_prefix("\\r"))
            .or_else(|| next.strip_prefix("\\\\n"))
            .unwrap_or(next);
        if next.len() == rest.len() {
            return text.len() - rest.len();
        }
        rest = next;
    }
}

/// Length of a line like `Proc-Type: 4,ENCRYPTED`.
fn armour_header(text: &str) -> Option<usize> {
    ["Proc-Type:", "DEK-Info:", "Version:", "Comment:"]
        .iter()
        .any(|name| text.starts_with(name))
        .then(|| text.find('\n').unwrap_or(text.len()))
}
