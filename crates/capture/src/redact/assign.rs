//! Values of names that name secrets, however they are assigned: `.env` files, shells, JSON and
//! JSON inside of JSON, YAML, code, options of commands, XML, query strings.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::name::{self, Strength};
use super::value;

/// Longest name, in bytes to each side of the word that makes it one.
const MAX_SIDE: usize = 64;
/// Most blanks between a name and its value.
const MAX_BLANKS: usize = 16;
/// How much of an unquoted value is looked at to judge it, in bytes.
const MAX_JUDGED: usize = 256;

/// Words that make a key or a token secret when they stand before it.
const QUALIFIERS: &[&str] = &[
    "api",
    "access",
    "secret",
    "private",
    "auth",
    "signing",
    "encryption",
    "master",
    "bearer",
    "refresh",
    "session",
];

/// Words that every name of a secret has one of.
static WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new("(?i-u:pass|pwd|secret|token|key|cred|auth|jwt|bearer|sig|mnemonic|phrase|pw)|пароль|Пароль|ПАРОЛЬ|пароля|секрет|Секрет|密码|密碼|パスワード|contraseña|Contraseña|senha|Senha").ok()
});

/// How a name and its value are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    /// `=` with nothing around it.
    Tight,
    /// `=`, `:=` or `=>` with blanks.
    Equals,
    /// `:`.
    Colon,
    /// A blank after an option.
    Blank,
    /// A comma between two strings.
    Comma,
    /// `<name>value</name>`.
    Element,
    /// A blank, or `is`: prose and commands.
    Said,
}

/// A value as it stands in the text.
struct Found {
    at: Range<usize>,
    quoted: bool,
    joint: Joint,
}

/// Adds the value of every name that names a secret.
pub(super) fn scan(text: &str, out: &mut Vec<Range<usize>>) {
    let Some(words) = WORDS.as_ref() else { return };
    let mut from = 0;
    while let Some(word) = words.find_at(text.as_bytes(), from) {
        from = word.end();
        let Some(at) = whole_name(text, word.start(), word.end()) else {
            continue;
        };
        from = at.end;
        let spoken = spoken(text, &at);
        let flag = text[at.start..].starts_with('-');
        let Some(joined) = joint(text, &at, flag) else {
            continue;
        };
        let Some(strength) = name::strength(spoken, flag) else {
            continue;
        };
        let Some(found) = find_value(text, at.start, joined) else {
            continue;
        };
        if is_secret(text, &found, strength, spoken) {
            let mut at = found.at;
            if at.len() >= MAX_JUDGED && !found.quoted {
                at.end += text[at.end..].find(is_end).unwrap_or(text.len() - at.end);
            }
            from = at.end;
            out.push(at);
        }
    }
}

/// The name as it is judged: `Secret Access Key` is one name of three words.
fn spoken<'t>(text: &'t str, at: &Range<usize>) -> &'t str {
    let mut start = at.start;
    let last = &text[at.clone()];
    if last.eq_ignore_ascii_case("key") || last.eq_ignore_ascii_case("token") {
        while let Some(before) = text[..start].strip_suffix(' ')
            && let Some(word) = QUALIFIERS.iter().find(|word| {
                let tail = before.len().checked_sub(word.len());
                tail.and_then(|n| before.get(n..))
                    .is_some_and(|t| t.eq_ignore_ascii_case(word))
            })
        {
            start = before.len() - word.len();
        }
    }
    text[start..at.end].trim_matches(['-', '.', '_'])
}

/// The name around a word; `None` when it is longer than names are.
fn whole_name(text: &str, start: usize, end: usize) -> Option<Range<usize>> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let before: usize = text[..start]
        .chars()
        .rev()
        .take(MAX_SIDE)
        .take_while(|&c| part(c))
        .map(char::len_utf8)
        .sum();
    let after: usize = text[end..]
        .chars()
        .take(MAX_SIDE)
        .take_while(|&c| part(c))
        .map(char::len_utf8)
        .sum();
    (before < MAX_SIDE && after < MAX_SIDE).then(|| start - before..end + after)
}

/// How the name goes on, and where its value begins.
fn joint(text: &str, name: &Range<usize>, flag: bool) -> Option<(Joint, usize)> {
    let rest = &text[name.end..];
    let unquoted = skip_quote(rest);
    let was_quoted = unquoted.len() < rest.len();
    let closed = unquoted.strip_prefix([']', '?', '!']).unwrap_or(unquoted);
    let sign = skip_blanks(closed);
    let blanks = closed.len() - sign.len();
    let at = |rest: &str| text.len() - rest.len();
    if ["==", "=~", "::"].iter().any(|op| sign.starts_with(op)) {
        return None;
    }
    for op in ["=>", ":=", "="] {
        if let Some(rest) = sign.strip_prefix(op) {
            let start = skip_blanks(rest);
            let tight = op == "=" && blanks == 0 && start.len() == rest.len() && !was_quoted;
            let joint = if tight { Joint::Tight } else { Joint::Equals };
            return Some((joint, at(start)));
        }
    }
    if let Some(rest) = sign.strip_prefix([':', '：']) {
        let start = annotated(rest).unwrap_or_else(|| skip_blanks(rest));
        return Some((Joint::Colon, at(start)));
    }
    if let Some(rest) = pair(closed) {
        return Some((Joint::Colon, at(rest)));
    }
    if let Some(rest) = sign.strip_prefix(',').filter(|_| was_quoted) {
        return Some((Joint::Comma, at(skip_blanks(rest))));
    }
    if let Some(rest) = closed.strip_prefix('>').filter(|_| !was_quoted) {
        let element = format!("</{}", &text[name.clone()]);
        let value = rest.bytes().take(MAX_JUDGED).position(|b| b == b'<')?;
        return rest[value..]
            .starts_with(&element)
            .then(|| (Joint::Element, at(rest)));
    }
    if blanks == 0 || was_quoted {
        return None;
    }
    // `ENV NAME value` of a container's recipe.
    if flag || text[..name.start].ends_with("ENV ") {
        return Some((Joint::Blank, at(sign)));
    }
    let said = ["is ", "is: ", "was ", "to "]
        .iter()
        .find_map(|verb| sign.strip_prefix(verb));
    Some((Joint::Said, at(said.unwrap_or(sign))))
}

/// After `NAME: TYPE = "value"`: where the value begins.
fn annotated(rest: &str) -> Option<&str> {
    let length = rest
        .bytes()
        .take(48)
        .take_while(|b| {
            b.is_ascii_alphanumeric()
                || matches!(
                    b,
                    b'&' | b'_' | b'\'' | b'<' | b'>' | b'[' | b']' | b' ' | b'.'
                )
        })
        .count();
    let value = skip_blanks(rest[length..].strip_prefix('=')?);
    value.starts_with(['"', '\'', '`']).then_some(value)
}

/// After `name: NAME`: where the value of the `value` that belongs to it begins.
fn pair(rest: &str) -> Option<&str> {
    let near = rest.trim_start_matches([' ', '\t', '\r', '\n', ',', '"', '\'', '\\']);
    let word = near
        .strip_prefix("value")
        .or_else(|| near.strip_prefix("Value"))?;
    if rest.len() - near.len() == 0 || rest.len() - near.len() > 64 {
        return None;
    }
    let sign = skip_blanks(skip_quote(word));
    Some(skip_blanks(sign.strip_prefix([':', '='])?))
}

/// Past a closing quote, with the backslashes of JSON inside of JSON.
fn skip_quote(text: &str) -> &str {
    let bare = text.trim_start_matches('\\');
    match bare.strip_prefix(['"', '\'', '`']) {
        Some(rest) if text.len() - bare.len() <= 7 => rest,
        _ => text,
    }
}

fn skip_blanks(text: &str) -> &str {
    let blanks = text
        .bytes()
        .take(MAX_BLANKS)
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count();
    &text[blanks..]
}

/// The value that begins at `start`.
fn find_value(text: &str, name: usize, (joint, start): (Joint, usize)) -> Option<Found> {
    let rest = &text[start..];
    if joint == Joint::Element {
        let end = rest.find('<')?;
        return Some(Found {
            at: start..start + end,
            quoted: true,
            joint,
        });
    }
    // String prefixes of some languages: f"…", b'…'.
    let mut chars = rest.char_indices();
    let prefix = match (chars.next(), chars.next()) {
        (Some((_, 'b' | 'f' | 'r' | 'u' | 'B' | 'F' | 'R' | 'L' | '@')), Some((n, '"' | '\''))) => {
            n
        }
        _ => 0,
    };
    let slashes = rest[prefix..].bytes().take_while(|b| *b == b'\\').count();
    let open = prefix + slashes;
    if slashes <= 7
        && let Some(quote @ ('"' | '\'' | '`')) = rest[open..].chars().next()
    {
        let inner = start + open + 1;
        let end = closing(&text[inner..], quote, slashes)?;
        let at = inner..inner + end;
        // What looks like an opening quote may close the string that the name is in.
        let closes =
            text[at.clone()].starts_with([' ', ',', ')', ';', '}', ']', '+', '.', '>', '|']);
        return (!closes && !at.is_empty()).then_some(Found {
            at,
            quoted: true,
            joint,
        });
    }
    if joint == Joint::Comma {
        return None;
    }
    let own_line = is_line_start(&text[..name]);
    let wide = own_line && matches!(joint, Joint::Tight | Joint::Colon);
    let ends = |c: char| {
        is_end(c)
            || (!wide
                && matches!(
                    c,
                    ',' | ';' | '&' | ')' | ']' | '}' | '>' | '<' | '|' | '\\'
                ))
    };
    let length = rest
        .char_indices()
        .find(|&(i, c)| i >= MAX_JUDGED || ends(c))
        .map_or(rest.len(), |(i, _)| i);
    let whole = &rest[..length];
    let value = match joint {
        Joint::Said => whole.trim_end_matches(['.', '!', '?', ':']),
        _ if wide => whole.trim_end_matches([',', ';']),
        _ => whole,
    };
    (!value.is_empty()).then(|| Found {
        at: start..start + value.len(),
        quoted: false,
        joint,
    })
}

/// Whether no unquoted value goes on here.
fn is_end(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`')
}

/// Whether nothing but an indent, a list mark or `export` is before a name on its line.
fn is_line_start(before: &str) -> bool {
    let near = &before.as_bytes()[before.len().saturating_sub(MAX_SIDE)..];
    let line = match near.iter().rposition(|&b| b == b'\n') {
        Some(end) => &near[end + 1..],
        None if near.len() == before.len() => near,
        None => return false,
    };
    let mark = |b: &u8| matches!(b, b' ' | b'\t' | b'+' | b'-' | b'>');
    let bare = line
        .iter()
        .position(|b| !mark(b))
        .map_or(&[][..], |n| &line[n..]);
    matches!(
        bare.trim_ascii_end(),
        b"" | b"export" | b"set" | b"ENV" | b"ARG"
    )
}

/// Where a string ends: at the first quote with as many backslashes as the opening one had. On
/// the same line; nothing when it does not end there.
fn closing(text: &str, quote: char, slashes: usize) -> Option<usize> {
    let mut run = 0;
    for (i, b) in text.bytes().enumerate() {
        match b {
            b'\n' => return None,
            b'\\' => run += 1,
            _ if b == quote as u8 => {
                let ends = if slashes == 0 {
                    run % 2 == 0
                } else {
                    run == slashes
                };
                if ends {
                    return Some(i - slashes.min(run));
                }
                run = 0;
            }
            _ => run = 0,
        }
    }
    None
}

/// Whether the value is to be cut.
fn is_secret(text: &str, found: &Found, strength: Strength, name: &str) -> bool {
    let secret = &text[found.at.clone()];
    if value::stands_for_a_secret(secret) || says_its_name(secret, name) {
        return false;
    }
    let chars = secret.chars().take(16).count();
    match strength {
        Strength::Weak | Strength::Medium if found.joint == Joint::Said => return false,
        Strength::Weak => return value::is_random(secret) || value::is_basic(secret),
        Strength::Medium => {
            return value::is_mixed(secret) && (found.quoted || !value::is_code(secret));
        }
        Strength::Strong => {}
    }
    if chars < 3 {
        return false;
    }
    if value::is_number(secret) {
        let password = name.to_ascii_lowercase().contains("pass");
        return chars >= if password { 4 } else { 8 };
    }
    if found.quoted && found.joint != Joint::Said {
        let in_prose = text[found.at.end..].starts_with('`') && value::is_name(secret);
        return !in_prose && (found.joint != Joint::Comma || value::is_mixed(secret));
    }
    if found.joint == Joint::Said {
        let said = secret.trim_end_matches(['.', '!', '?', ':']);
        let after_verb = !text[..found.at.start].ends_with(&format!("{name} "));
        return value::is_random(said)
            || (after_verb && value::is_mixed(said) && !value::is_code(said));
    }
    let loud = !name.bytes().any(|b| b.is_ascii_lowercase());
    if !(found.joint == Joint::Tight && loud) && text[found.at.end..].starts_with(['<', '(']) {
        return false;
    }
    match found.joint {
        Joint::Tight if loud => true,
        Joint::Tight => {
            let argument = text[found.at.end..].starts_with([',', ')']);
            !(value::is_code(secret) || argument && value::is_name(secret))
        }
        Joint::Blank => {
            !secret.starts_with('-')
                && !value::is_code(secret)
                && !(value::is_name(secret) && (chars < 5 || is_talk(secret)))
        }
        _ => !value::is_code(secret) && !value::is_name(secret),
    }
}

/// Whether the value is the name again, or its last words.
fn says_its_name(value: &str, name: &str) -> bool {
    let plain = |text: &str| -> String {
        text.chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect()
    };
    value.len() <= 64 && {
        let value = plain(value);
        value.len() >= 5 && plain(name).ends_with(&value)
    }
}

/// Words that follow the name of an option when people write about it.
fn is_talk(word: &str) -> bool {
    [
        "flag",
        "option",
        "argument",
        "parameter",
        "value",
        "values",
        "switch",
        "must",
        "should",
        "would",
        "will",
        "when",
        "with",
        "from",
        "that",
        "which",
        "where",
        "does",
        "have",
        "instead",
        "takes",
        "accepts",
        "expects",
        "required",
        "because",
        "without",
        "under",
        "until",
        "flags",
        "options",
        "cannot",
    ]
    .contains(&word.trim_end_matches(['.', ',', ':']))
}
