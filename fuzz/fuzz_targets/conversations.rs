//! Conversation files for `memrl demo` and `memrl bench`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let options = memrl_bench::locomo::Options::default();
    if let Ok(conversations) = memrl_bench::locomo::parse(text, "fuzz.json", options) {
        for conversation in conversations {
            for question in &conversation.questions {
                assert!(question.evidence.iter().all(|i| *i < conversation.turns.len()));
            }
        }
    }
    let _ = memrl_bench::hotpot::parse(text, "fuzz.jsonl");
});
