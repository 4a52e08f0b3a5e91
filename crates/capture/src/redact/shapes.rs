//! The rules that know a secret by its shape, as one automaton: one pass over the text.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::rules::{How, RULES};

/// All shapes as alternatives. Over bytes: every pattern begins and ends at ASCII, so that its
/// ends are ends of characters.
static SHAPES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let patterns: Vec<&str> = RULES
        .iter()
        .filter_map(|rule| match rule.how {
            How::Shape(pattern) => Some(pattern),
            How::Scan(_) => None,
        })
        .collect();
    // The table is fixed; a test builds it.
    Regex::new(&format!("(?-u){}", patterns.join("|"))).ok()
});

/// Adds every shape in `text`.
pub(super) fn scan(text: &str, out: &mut Vec<Range<usize>>) {
    let Some(shapes) = SHAPES.as_ref() else {
        return;
    };
    let bytes = text.as_bytes();
    for found in shapes.find_iter(bytes) {
        // Groups are few and rare; they are looked for only inside a match.
        let inner = shapes.captures_at(bytes, found.start());
        let part = inner
            .as_ref()
            .and_then(|c| c.iter().skip(1).flatten().next())
            .map_or(found.range(), |group| group.range());
        if text.is_char_boundary(part.start) && text.is_char_boundary(part.end) {
            out.push(part);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_compiles() {
        assert!(super::SHAPES.is_some());
    }
}
