//! JSON of cells, patches, requests and outcomes, and the small texts in them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(serde_json::Value::Object(map)) = serde_json::from_slice(data) {
        let _ = memrl::cell_from_json(map);
    }
    let _ = serde_json::from_slice::<memrl::CellPatch>(data);
    let _ = serde_json::from_slice::<memrl::RecallRequest>(data);
    let _ = serde_json::from_slice::<memrl::Outcome>(data);
    if let Ok(text) = std::str::from_utf8(data) {
        if let Ok(time) = text.parse::<memrl::Timestamp>() {
            // What was read can be written and read again.
            assert_eq!(time.to_string().parse::<memrl::Timestamp>(), Ok(time));
        }
        let _ = memrl::scope_of_text(text);
        let _ = memrl::Scope::from_pairs(&[text]);
        let _ = text.parse::<memrl::CellId>();
    }
});
