//! What a value looks like: a stand-in for a secret, code, a word, or something random.

use super::REDACTED;

/// Values that say that there is none, and types.
const WORDS: &[&str] = &[
    "none",
    "null",
    "nil",
    "undefined",
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "string",
    "str",
    "text",
    "bytes",
    "byte",
    "required",
    "optional",
    "missing",
    "empty",
    "unset",
    "default",
    "any",
    "unknown",
    "invalid",
    "expired",
    "hidden",
    "masked",
    "n/a",
    "na",
    "bool",
    "boolean",
    "int",
    "integer",
    "number",
    "float",
    "object",
    "char",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "f32",
    "f64",
    "int32",
    "int64",
    "uint8",
    "uint32",
    "uint64",
    "bytes32",
    "todo",
    "tbd",
    "changeme",
    "change_me",
    "change-me",
    "placeholder",
    "dummy",
    "sample",
];
/// How stand-ins begin, in lower case.
const BEGINNINGS: &[&str] = &[
    "your_",
    "your-",
    "your ",
    "yourapi",
    "yourtoken",
    "yourpass",
    "yoursecret",
    "yourkey",
    "<your",
    "insert",
    "enter ",
    "enter_",
    "enter-",
    "example",
    "replace",
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "dummy",
    "put_",
    "put-",
    "os.environ",
    "os.getenv",
    "process.env",
    "import.meta.env",
    "env.",
    "env[",
    "env!",
    "env(",
    "env:",
    "std::env",
    "system.getenv",
    "getenv(",
    "secrets.",
    "vars.",
    "vault:",
    "op://",
    "keyring:",
    "ssm:",
    "arn:",
    "!ref",
    "!sub",
    "!vault",
    "!secret",
    "!env",
    "enc[",
    "http://",
    "https://",
    "file://",
    "config.",
    "settings.",
];

/// Whether the value only stands for a secret: a variable, a template, a mask, an example.
pub(super) fn stands_for_a_secret(value: &str) -> bool {
    let value = value.trim();
    if value.contains(REDACTED) || !value.chars().any(char::is_alphanumeric) {
        return true;
    }
    let lower: String = value.chars().take(64).collect::<String>().to_lowercase();
    if WORDS.contains(&&*lower)
        || BEGINNINGS.iter().any(|b| lower.starts_with(b))
        || lower.ends_with("_here")
        || lower.ends_with("-here")
        || lower.contains("redacted")
        || lower.contains("xxxx")
        || lower.contains("****")
    {
        return true;
    }
    for cut in ["...", "…"] {
        if value.find(cut).is_some_and(|n| n <= 8) {
            return true;
        }
    }
    let wrapped = |open, close| value.starts_with(open) && value.ends_with(close);
    wrapped('<', '>')
        || wrapped('{', '}')
        || wrapped('[', ']')
        || (value.len() > 2 && wrapped('%', '%'))
        || ["${", "$(", "{{", "#{", "<%", "%("]
            .iter()
            .any(|t| value.contains(t))
        || is_variable(value)
        || is_mask(value)
        || is_path(value)
}

/// `$NAME`, `$env:NAME`, `%s`, `:name`, `@name`.
fn is_variable(value: &str) -> bool {
    let Some(name) = value.strip_prefix(['$', '%', ':', '@', '?', '&', '*']) else {
        return false;
    };
    let name = name.strip_prefix("env:").unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'.' | b'-' | b'>'))
}

/// One character over and over.
fn is_mask(value: &str) -> bool {
    let mut chars = value.chars().filter(|c| !matches!(c, '-' | '_' | ' '));
    chars.next().is_some_and(|first| {
        value.chars().count() >= 3 && chars.all(|c| c.eq_ignore_ascii_case(&first))
    })
}

/// A path of words, not base64 that happens to begin with a slash.
fn is_path(value: &str) -> bool {
    let rooted = ["/", "./", "../", "~/"]
        .iter()
        .any(|p| value.starts_with(p));
    let drive = value
        .as_bytes()
        .get(1..3)
        .is_some_and(|b| b == b":\\" || b == b":/");
    (rooted || drive)
        && !value.contains(['+', '='])
        && !value.split(['/', '\\']).any(is_random)
        && (value.len() < 32 || value.matches(['/', '\\']).count() > 1)
}

/// Whether an unquoted value is code: a call, a type, a path of names.
pub(super) fn is_code(value: &str) -> bool {
    value.contains(['(', ')', '{', '}', '[', ']', '<'])
        || ["::", "->", "=>"].iter().any(|op| value.contains(op))
        || value.starts_with('&')
        || (value.contains('.') && is_name(value))
}

/// Whether a value is one word or a name made of words: letters, at most two digits after each.
pub(super) fn is_name(value: &str) -> bool {
    let parts: Vec<&str> = value
        .trim_end_matches(['.', '!', '?', ':'])
        .split(['.', '_', '-', '/', ':', '>', '?', '!', '\''])
        .filter(|p| !p.is_empty())
        .collect();
    let several = parts.len() > 1;
    if let [one] = parts[..]
        && WORDS.contains(&one)
    {
        return true;
    }
    parts.iter().enumerate().all(|(i, part)| {
        let letters = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = part.len() - letters.len();
        letters.chars().all(char::is_alphabetic)
            && (i > 0 || !letters.is_empty())
            && (digits == 0 || (several && digits < 3))
            && letters.chars().count() <= 24
    })
}

/// Whether a value is long and mixed as only machines write: no UUID, no hash in hexadecimal
/// shorter than a key, no name of words.
pub(super) fn is_random(value: &str) -> bool {
    let bytes = value.as_bytes();
    let plain = |b: &u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_' | b'.' | b'~' | b'%')
    };
    if bytes.len() < 16 || !bytes.iter().all(plain) || is_name(value) {
        return false;
    }
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let lower = bytes.iter().any(u8::is_ascii_lowercase);
    let upper = bytes.iter().any(u8::is_ascii_uppercase);
    let enough = digits >= 2 || (digits == 1 && lower && upper && bytes.len() >= 32);
    if !enough || !(lower || upper) {
        return false;
    }
    let letters_and_digits = bytes.iter().filter(|b| b.is_ascii_alphanumeric()).count();
    let words = value
        .split(['-', '_', '.', '/'])
        .filter(|w| is_name(w))
        .count();
    (lower && upper && letters_and_digits * 8 >= bytes.len() * 7 && words < 3)
        || (bytes.len() >= 32 && !value.contains(['-', '_', '.', '/']))
}

/// Whether a value is a number, also with a type or in hexadecimal.
pub(super) fn is_number(value: &str) -> bool {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphanumeric() && !c.is_ascii_digit());
    let bare = value.trim_end_matches("32").trim_end_matches("64");
    let of_digits = |v: &str| {
        v.starts_with(|c: char| c.is_ascii_digit())
            && v.bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b',' | b'_'))
    };
    of_digits(value)
        || of_digits(digits)
            && matches!(
                &value[digits.len()..],
                "u" | "i" | "f" | "n" | "L" | "usize"
            )
        || bare.strip_suffix(['i', 'u', 'f']).is_some_and(of_digits)
        || value
            .strip_prefix("0x")
            .is_some_and(|hex| hex.len() <= 8 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether a value could be a token: neither a word nor a number.
pub(super) fn is_mixed(value: &str) -> bool {
    let letter = value.chars().any(char::is_alphabetic);
    let digit = value.bytes().any(|b| b.is_ascii_digit());
    let plain = |c: char| c.is_alphanumeric() || "+/=-_.~:!@%&$?".contains(c);
    value.chars().count() >= 6 && letter && digit && value.chars().all(plain) && !is_name(value)
}

/// Whether base64 says `user:password`, as the `auth` of a registry does.
pub(super) fn is_basic(value: &str) -> bool {
    let mut bits = 0_u32;
    let mut have = 0;
    let mut colon = false;
    let body = value.trim_end_matches('=');
    if body.len() < 6 {
        return false;
    }
    for b in body.bytes() {
        let six = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return false,
        };
        bits = (bits << 6) | u32::from(six);
        have += 6;
        if have >= 8 {
            have -= 8;
            let byte = (bits >> have) as u8;
            if !(b' '..=b'~').contains(&byte) {
                return false;
            }
            colon |= byte == b':';
        }
    }
    colon
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_are_told_from_secrets() {
        for value in [
            "$TOKEN",
            "${{ secrets.X }}",
            "<your key>",
            "xxxx",
            "sk-xxxxxxxx",
            "****",
            "your-api-key",
            "os.environ[\"X\"]",
            "",
            "…",
            "/run/secrets/db",
            "None",
            "%(pw)s",
        ] {
            assert!(stands_for_a_secret(value), "{value}");
        }
        for value in [
            "hunter2",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "/K7MDENGbPxRfiCYzz0",
            "correct horse",
        ] {
            assert!(!stands_for_a_secret(value), "{value}");
        }
    }

    #[test]
    fn what_machines_write_is_told_from_names_and_hashes() {
        for value in [
            "wJalrXUtnFEMI0K7MDENG0bPxRfiCYEXAMPLEKEY",
            "a81f2e0c9b7d4f6581e2a7c3d4b5e6f7",
            "abcDEF0123456789abc",
        ] {
            assert!(is_random(value), "{value}");
        }
        for value in [
            "0f3c2b1a-1111-4222-8333-444455556666",
            "authentication-information",
            "abc123",
            "linux-cargo-build-cache-v1",
        ] {
            assert!(!is_random(value), "{value}");
        }
        assert!(is_basic("dXNlcjpwYXNz") && !is_basic("enabled") && !is_basic("true"));
    }
}
