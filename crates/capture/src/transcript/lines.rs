//! Lines of a transcript, in bounded memory, and JSON as careless programs write it.
//!
//! Knows bytes and JSON strings; no client.

use std::borrow::Cow;
use std::io::{BufRead, Read};

/// Longer lines are skipped; no more of one is ever held.
pub(super) const LONGEST_LINE: usize = 16 << 20;
/// JSON strings longer than this are cut in their middle before a line is parsed.
const LONGEST_STRING: usize = 64 << 10;

/// What the next line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A whole line is in the buffer, without its line break; so many bytes were consumed.
    Line(u64),
    /// A line was longer than [`LONGEST_LINE`]; its beginning is in the buffer.
    TooLong(u64),
    /// The input ended within a line, which is in the buffer (its beginning, if too long).
    Partial(u64),
    /// The input ended.
    End,
}

/// Reads the next line into `line`.
pub(super) fn next(input: &mut dyn BufRead, line: &mut Vec<u8>) -> std::io::Result<Next> {
    line.clear();
    let mut bytes =
        Read::take(&mut *input, LONGEST_LINE as u64 + 1).read_until(b'\n', line)? as u64;
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        return Ok(Next::Line(bytes));
    }
    if bytes <= LONGEST_LINE as u64 {
        return Ok(if bytes == 0 {
            Next::End
        } else {
            Next::Partial(bytes)
        });
    }
    line.truncate(super::HEAD);
    loop {
        let piece = match input.fill_buf() {
            Ok(piece) => piece,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        if piece.is_empty() {
            return Ok(Next::Partial(bytes));
        }
        let end = piece.iter().position(|b| *b == b'\n');
        let used = end.map_or(piece.len(), |at| at + 1);
        input.consume(used);
        bytes += used as u64;
        if end.is_some() {
            return Ok(Next::TooLong(bytes));
        }
    }
}

/// The line with the middle of every very long JSON string left out, so that parsing never
/// allocates more than a fraction of it. Only cut at spaces: those are never part of an escape or
/// of a character of several bytes.
pub(super) fn shorten(line: &[u8]) -> Cow<'_, [u8]> {
    if line.len() <= LONGEST_STRING {
        return line.into();
    }
    let mut out = Vec::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(open) = find(line, at, b'"') {
        let start = open + 1;
        let end = string_end(line, start);
        if end - start > LONGEST_STRING {
            let half = LONGEST_STRING / 2;
            let head = line[start..start + half]
                .iter()
                .rposition(|b| *b == b' ')
                .map_or(start, |i| start + i);
            let tail = find(line, end - half, b' ')
                .filter(|i| *i < end)
                .unwrap_or(end);
            out.extend_from_slice(&line[kept..head]);
            out.extend_from_slice(" … ".as_bytes());
            kept = tail;
        }
        at = end + 1;
        if at >= line.len() {
            break;
        }
    }
    if out.is_empty() {
        return line.into();
    }
    out.extend_from_slice(&line[kept..]);
    out.into()
}

fn find(bytes: &[u8], from: usize, byte: u8) -> Option<usize> {
    bytes
        .get(from..)?
        .iter()
        .position(|b| *b == byte)
        .map(|i| from + i)
}

/// Where the JSON string that begins at `start` ends: its closing quote or the end of the line.
fn string_end(line: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(byte) = line.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    line.len()
}

/// The line as JSON that a strict parser takes: halves of surrogate pairs become U+FFFD, bare
/// control characters are escaped, bytes that are no UTF-8 are replaced.
pub(super) fn repair(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text.as_ref();
    while let Some(at) = rest.find(|c: char| c == '\\' || c < ' ') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let mut chars = rest.chars();
        let first = chars.next();
        if first != Some('\\') {
            out.push(' ');
            rest = chars.as_str();
            continue;
        }
        match chars.next() {
            Some('u') => {
                let low = |s: &str| unit(s).is_some_and(|u| (0xDC00..0xE000).contains(&u));
                match unit(rest) {
                    Some(u) if (0xD800..0xDC00).contains(&u) && rest.get(6..).is_some_and(low) => {
                        out.push_str(&rest[..12]);
                        rest = &rest[12..];
                    }
                    Some(u) if !(0xD800..0xE000).contains(&u) => {
                        out.push_str(&rest[..6]);
                        rest = &rest[6..];
                    }
                    Some(_) => {
                        out.push('\u{FFFD}');
                        rest = &rest[6..];
                    }
                    None => {
                        out.push('\u{FFFD}');
                        rest = chars.as_str();
                    }
                }
            }
            Some(c @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't')) => {
                out.push('\\');
                out.push(c);
                rest = chars.as_str();
            }
            other => {
                out.push_str("\\\\");
                rest = if other.is_some() { &rest[1..] } else { "" };
            }
        }
    }
    out.push_str(rest);
    out
}

/// The code unit of a `\uXXXX` at the beginning of a text.
fn unit(text: &str) -> Option<u16> {
    let hex = text.strip_prefix("\\u")?.get(..4)?;
    hex.bytes()
        .all(|b| b.is_ascii_hexdigit())
        .then(|| u16::from_str_radix(hex, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn careless_json_is_made_readable_and_good_json_is_left_alone() {
        let parsed = |line: &[u8]| serde_json::from_str::<String>(&repair(line)).unwrap();
        assert_eq!(parsed(br#""a\ud800b""#), "a\u{FFFD}b");
        assert_eq!(parsed(br#""\ud83d\ude00 \n \\ud800""#), "😀 \n \\ud800");
        assert_eq!(
            parsed(br#""\udc00\ud800\ud83d\ude00""#),
            "\u{FFFD}\u{FFFD}😀"
        );
        assert_eq!(parsed(b"\"a\0b\tc\xff\""), "a b c\u{FFFD}");
        assert_eq!(parsed(br#""\x41 \u12""#), "\\x41 \u{FFFD}12");
    }

    #[test]
    fn only_the_middle_of_a_long_string_is_left_out() {
        let long = "слово \\\" ".repeat(40_000);
        let line = format!(r#"{{"a":"x","b":"{long}","c":[1,"{long}"],"d":"end"}}"#);
        let short = shorten(line.as_bytes());
        assert!(short.len() < 300_000, "{}", short.len());
        let value: serde_json::Value = serde_json::from_slice(&short).unwrap();
        assert_eq!(value["a"], "x");
        assert_eq!(value["d"], "end");
        let b = value["b"].as_str().unwrap();
        assert!(b.starts_with("слово \" ") && b.ends_with("слово \" ") && b.contains(" … "));
        let solid = format!(r#"{{"a":"{}","d":"end"}}"#, "A".repeat(100_000));
        let value: serde_json::Value = serde_json::from_slice(&shorten(solid.as_bytes())).unwrap();
        assert_eq!(value["d"], "end");
    }

    #[test]
    fn lines_are_whole_or_said_to_be_partial() {
        let long = vec![b'x'; LONGEST_LINE + 10];
        let mut text = b"a\r\n\n".to_vec();
        text.extend_from_slice(&long);
        text.extend_from_slice(b"\nlast");
        let mut input = std::io::BufReader::new(text.as_slice());
        let mut line = Vec::new();
        let mut all = Vec::new();
        loop {
            let step = next(&mut input, &mut line).unwrap();
            if step == Next::End {
                break;
            }
            all.push((step, line.len()));
        }
        assert_eq!(
            all,
            [
                (Next::Line(3), 1),
                (Next::Line(1), 0),
                (
                    Next::TooLong(long.len() as u64 + 1),
                    crate::transcript::HEAD
                ),
                (Next::Partial(4), 4)
            ]
        );
    }
}
