//! The search index file: whatever the bytes, an error or an index that answers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use memrl::search::index::{Index, Query, Verdict};

fuzz_target!(|data: &[u8]| {
    let Ok(dir) = tempfile::tempdir() else { return };
    let path = dir.path().join("index.bin");
    if std::fs::write(&path, data).is_err() {
        return;
    }
    if let Ok(index) = Index::open(&path) {
        let _ = index.verify();
        let levels = [Vec::new()];
        let _ = index.search(&Query {
            text: "alpha beta",
            vector: None,
            levels: &levels,
            pool: 10,
            judge: &|_| Verdict::Admit,
            hints: &[],
            params: Default::default(),
        });
    }
});
