//! Lenient access to JSON that another program may change at any time: a field of another kind
//! than expected is a missing one.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::lines;

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A field that may be missing.
pub(super) type Field<'a> = Option<&'a RawValue>;

/// The text of a field; empty when it is none.
pub(super) fn text<'a>(field: Field<'a>) -> Cow<'a, str> {
    field
        .and_then(|f| serde_json::from_str::<Text<'a>>(f.get()).ok())
        .map_or(Cow::Borrowed(""), |t| t.0)
}

/// Whether a field is `true`.
pub(super) fn truth(field: Field) -> bool {
    field.is_some_and(|f| f.get() == "true")
}

/// A field read as `T`; `None` when it is something else.
pub(super) fn read<'a, T: Deserialize<'a>>(field: Field<'a>) -> Option<T> {
    serde_json::from_str(field?.get()).ok()
}

/// The items of a list, unread; none when it is no list.
pub(super) fn items(field: Field<'_>) -> Vec<&RawValue> {
    read(field).unwrap_or_default()
}

/// Hands a line to `take` as JSON that can be parsed, repaired only where it must be; whether
/// `take` knew it. `take` must do nothing with what it does not know.
pub(super) fn with_line(line: &[u8], mut take: impl FnMut(&str) -> bool) -> bool {
    let short = lines::shorten(line);
    // Halves of surrogate pairs are found only when a string is unescaped, which is too late.
    let surrogates = short
        .windows(3)
        .any(|w| w[0] == b'\\' && w[1] == b'u' && w[2] | 0x20 == b'd');
    if !surrogates
        && let Ok(text) = std::str::from_utf8(&short)
        && take(text)
    {
        return true;
    }
    let repaired = lines::repair(&short);
    (surrogates || repaired.as_bytes() != short.as_ref()) && take(&repaired)
}
