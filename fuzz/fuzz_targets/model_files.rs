//! The files of a BERT folder: settings, vocabulary, weights. An error or a model, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use memrl::search::embed::{BertEmbedder, Embedder};

fuzz_target!(|files: (&[u8], &[u8], &[u8])| {
    let Ok(dir) = tempfile::tempdir() else { return };
    let (config, vocabulary, weights) = files;
    for (name, bytes) in
        [("config.json", config), ("vocab.txt", vocabulary), ("model.safetensors", weights)]
    {
        if std::fs::write(dir.path().join(name), bytes).is_err() {
            return;
        }
    }
    if let Ok(model) = BertEmbedder::load(dir.path()) {
        let _ = model.embed(&["one two"]);
    }
});
