//! Files that people write: `config.toml`, reward specs, embedder lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use memrl::search::embed::EmbedderSpec;

fuzz_target!(|text: &str| {
    if let Ok(spec) = memrl::learn::RewardSpec::parse(text) {
        let reward = spec.score(&memrl::Outcome::default());
        if let (Ok(reward), Some((low, high))) = (reward, spec.bounds()) {
            assert!((low..=high).contains(&reward.value));
        }
    }
    let _ = text.parse::<EmbedderSpec>();
    let Ok(dir) = tempfile::tempdir() else { return };
    if std::fs::write(dir.path().join("config.toml"), text).is_ok() {
        let _ = memrl::config::resolve(dir.path(), &|_| None, &[]);
    }
});
