//! Texts that agents and other programs wrote: redaction, answers of models, foreign memories.
#![no_main]

use libfuzzer_sys::fuzz_target;
use memrl_capture::{extract, foreign, redact, redact::redact_diff};

fuzz_target!(|text: &str| {
    let (once, _) = redact(text);
    let (twice, count) = redact(&once);
    assert_eq!((&twice, count), (&once, 0), "redacting twice is redacting once");
    redact_diff(text);

    let digest = extract::digest_of(text);
    assert!(digest.chars().count() <= extract::MAX_DIGEST);
    if let Some(said) = extract::parse(text) {
        extract::apply(&mut memrl::Episode::default(), said);
    }

    let read = foreign::parse_markdown(text, "a.md");
    assert_eq!(foreign::parse_markdown(text, "a.md"), read);
    let mut keys: Vec<&String> = read.records.iter().map(|r| &r.key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), read.records.len(), "keys are unique");
    let _ = foreign::parse_server_memory(text, "m");
    let _ = foreign::old_settings(text);
    if let Ok(read) = foreign::parse_memrl(text) {
        let file = foreign::to_memrl_json(
            &read.episode,
            &read.id,
            &read.utility,
            &read.retrievals,
            memrl::Timestamp(0),
        );
        foreign::parse_memrl(&file.to_string()).expect("what is written can be read");
    }
});
