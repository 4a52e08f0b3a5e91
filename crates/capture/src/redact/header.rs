//! Credentials in headers: what follows `Authorization:` and `Cookie:`, and a bearer token alone.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::value;

/// Groups 1 and 2: a quote, if any; 3 and 4: a scheme, if any, and a credential; 5: cookies; 6: a
/// bearer token.
static HEADERS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r#"(?i-u)\bauthorization\\{0,3}["'`]?\]?\s{0,4}(?:(?:=>?|:)\s{0,4}(?:[a-z]?\\{0,3}(["'`]))?|,\s{0,4}[a-z]?\\{0,3}(["'`]))(?:(bearer|basic|token|apikey|negotiate|aws4-hmac-sha256)[ \t]{1,4})?([^\s"'`\\]+)"#,
        r#"|\bcookie\\{0,3}["'`]?\]?\s{0,4}(?:=>?|:)\s{0,4}\\{0,3}["'`]?([\w!#$%&*+.^~-]{1,64}=[^"'`\\\r\n]*)"#,
        r"|\b(?:bearer|basic)[ \t]{1,4}([\w.~+/-]{16,}={0,2})",
    ))
    .ok()
});

/// Words that follow the name of a scheme when people write about it.
const TALK: &[&str] = &[
    "token",
    "tokens",
    "auth",
    "authentication",
    "authorization",
    "credentials",
    "scheme",
    "header",
    "headers",
    "key",
    "the",
    "realm",
    "is",
    "and",
    "or",
    "string",
];

/// Adds every credential.
pub(super) fn scan(text: &str, out: &mut Vec<Range<usize>>) {
    let Some(headers) = HEADERS.as_ref() else {
        return;
    };
    for found in headers.captures_iter(text.as_bytes()) {
        let group = |i| {
            found
                .get(i)
                .and_then(|m| Some((text.get(m.range())?, m.range())))
        };
        let quoted = group(1).is_some() || group(2).is_some();
        let hit = if let Some((credential, at)) = group(4) {
            let word = match group(3) {
                Some(_) => TALK.iter().any(|w| w.eq_ignore_ascii_case(credential)),
                None if quoted => credential.len() < 12 && value::is_name(credential),
                None => !value::is_mixed(credential),
            };
            (!word && !value::stands_for_a_secret(credential)).then_some(at)
        } else if let Some((cookies, at)) = group(5) {
            (!value::stands_for_a_secret(cookies)).then_some(at)
        } else {
            group(6)
                .filter(|(token, _)| value::is_random(token) && !value::stands_for_a_secret(token))
                .map(|(_, at)| at)
        };
        out.extend(hit);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_pattern_compiles() {
        assert!(super::HEADERS.is_some());
    }
}
