//! Credentials in addresses: `scheme://user:password@host`. User and host stay.

use std::ops::Range;

use super::value;

/// How far an unescaped `/` in a password is looked past, in bytes.
const MAX_ODD: usize = 128;

/// Adds the password of every address, or the whole user part where it is a token itself.
pub(super) fn scan(text: &str, out: &mut Vec<Range<usize>>) {
    for (at, mark) in text.match_indices("://") {
        let start = at + mark.len();
        let scheme_ends = text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        let Some(user) = scheme_ends.then(|| user_part(text, at, start)).flatten() else {
            continue;
        };
        let part = &text[start..user];
        match part.split_once(':') {
            Some((name, password))
                if !password.is_empty() && !value::stands_for_a_secret(password) =>
            {
                out.push(start + name.len() + 1..user);
            }
            None if value::is_random(part) => out.push(start..user),
            _ => {}
        }
    }
}

/// Where the user part of the address ends (at its `@`).
fn user_part(text: &str, scheme_end: usize, start: usize) -> Option<usize> {
    let stops = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '\\');
    let authority = text[start..]
        .find(|c: char| stops(c) || matches!(c, '/' | '?' | '#'))
        .map_or(text.len(), |n| start + n);
    if let Some(at) = text[start..authority].rfind('@') {
        return Some(start + at);
    }
    // A password with an unescaped slash; in web addresses an `@` in the path is usual.
    let web = text[..scheme_end].ends_with("http") || text[..scheme_end].ends_with("https");
    let port = text[start..authority].split_once(':')?.1;
    if web || port.bytes().all(|b| b.is_ascii_digit()) || !text[authority..].starts_with('/') {
        return None;
    }
    let near: usize = text[authority..]
        .char_indices()
        .take_while(|&(i, c)| i < MAX_ODD && !stops(c))
        .map(|(i, c)| i + c.len_utf8())
        .last()?;
    text[authority..authority + near]
        .rfind('@')
        .map(|n| authority + n)
}
