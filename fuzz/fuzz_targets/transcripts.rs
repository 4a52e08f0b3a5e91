//! Transcripts of coding agents: any bytes, in any two pieces, for every client.
#![no_main]

use libfuzzer_sys::fuzz_target;
use memrl_capture::{Client, ReadOptions, content_of, implied_success, read_on};

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (client, cut, bytes) = input;
    let client = [
        None,
        Some(Client::ClaudeCode),
        Some(Client::Codex),
        Some(Client::Text),
    ][usize::from(client % 4)];
    let options = ReadOptions {
        client,
        ..ReadOptions::default()
    };
    let whole = read_on(&mut &*bytes, None, &options).ok();
    if let Some(episode) = &whole {
        assert!(content_of(episode, 500).chars().count() <= 500);
        assert!(implied_success(episode).is_none_or(|s| (0.0..=1.0).contains(&s)));
    }
    let first = read_on(
        &mut &bytes[..usize::from(cut).min(bytes.len())],
        None,
        &options,
    )
    .ok();
    let offset = first
        .as_ref()
        .and_then(|e| e.session.as_ref())
        .map_or(0, |s| s.offset as usize);
    let both = read_on(&mut &bytes[offset..], first, &options).ok();
    assert_eq!(both, whole);
});
