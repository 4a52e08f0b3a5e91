//! Small functions on text: what may go to a terminal, and how things are spelt.

use std::borrow::Cow;

use memrl::Scope;

/// Makes control characters visible, except line breaks and tabs.
pub fn visible(raw: &str) -> Cow<'_, str> {
    let harmless = |c: char| !c.is_control() || c == '\n' || c == '\t';
    if raw.chars().all(harmless) {
        return Cow::Borrowed(raw);
    }
    let mut shown = String::with_capacity(raw.len());
    for c in raw.chars() {
        if harmless(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_unicode());
        }
    }
    Cow::Owned(shown)
}

/// The text in one line: line breaks and tabs become single spaces.
pub fn one_line(raw: &str) -> String {
    let mut line = String::with_capacity(raw.len());
    for word in raw
        .split(['\n', '\r', '\t'])
        .filter(|w| !w.trim().is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word.trim());
    }
    visible(&line).into_owned()
}

/// A scope as it is typed: `user=ann,project=x`; values that are no plain text as JSON.
pub fn scope(scope: &Scope) -> String {
    if scope.is_empty() {
        return "global".to_owned();
    }
    let pairs = scope.0.iter().map(|(k, v)| match v.as_str() {
        Some(text) => format!("{k}={text}"),
        None => format!("{k}={v}"),
    });
    one_line(&pairs.collect::<Vec<_>>().join(","))
}

/// `1 cell`, `2 cells`.
pub fn count(n: u64, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{} {noun}s", grouped(n))
    }
}

/// A number with its thousands apart: `12,345`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of bytes: `8.2 MB`.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "B" {
                format!("{n} B")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// A number with up to four digits after the point, without trailing zeros.
pub fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.0001 {
        return format!("{value:.1e}");
    }
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// A share as a percentage: `2 %`.
pub fn percent(share: f64) -> String {
    format!("{} %", number((share * 1e4).round() / 100.0))
}

/// Columns of the terminal; 80 where it does not say.
pub fn terminal_width() -> usize {
    let (_, columns) = console::Term::stdout().size_checked().unwrap_or((24, 80));
    usize::from(columns).max(40)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_a_terminal() {
        assert_eq!(visible("a\x1b[2Jb\nc"), "a\\u{1b}[2Jb\nc");
        assert_eq!(one_line("a\r\n\tb\u{7}"), "a b\\u{7}");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(12), "12");
        assert_eq!(number(-0.000_000_1), "-1.0e-7");
        assert_eq!(number(0.5), "0.5");
        assert_eq!(percent(0.02), "2 %");
        assert_eq!(bytes(8_200_000), "8.2 MB");
        assert_eq!(count(1, "cell"), "1 cell");
    }
}
