//! Reading fixtures, and comparing with what is expected.

use memrl_capture::{CaptureError, ReadOptions, read_on};
use memrl_types::Episode;

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The episode in a text that nobody writes to any more.
pub(crate) fn read(bytes: &[u8]) -> Result<Episode, CaptureError> {
    let options = ReadOptions {
        finished: true,
        ..ReadOptions::default()
    };
    read_on(&mut &*bytes, None, &options)
}

/// Reads on in a transcript that now has these bytes, as a caller would: through JSON, from where
/// the last reading ended.
pub(crate) fn read_more(bytes: &[u8], before: Option<Episode>) -> Option<Episode> {
    let offset = before
        .as_ref()
        .and_then(|e| e.session.as_ref())
        .map_or(0, |s| s.offset);
    let mut rest = &bytes[usize::try_from(offset).unwrap()..];
    let stored = before.map(|e| serde_json::from_str(&serde_json::to_string(&e).unwrap()).unwrap());
    match read_on(&mut rest, stored, &ReadOptions::default()) {
        Ok(episode) => Some(episode),
        Err(CaptureError::NotATranscript) => None,
        Err(e) => panic!("{e}"),
    }
}

/// Compares with the episode written down in a file of `tests/data`.
pub(crate) fn assert_golden(episode: &Episode, name: &str) {
    let actual = serde_json::to_value(episode).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&fixture(name)).unwrap();
    assert!(
        actual == expected,
        "{name} says\n{expected:#}\nbut the episode is\n{actual:#}"
    );
}
