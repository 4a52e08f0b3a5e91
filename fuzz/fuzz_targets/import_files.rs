//! Files to import: JSON Lines, CSV and a memcell-rl database. The first byte picks the format.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use memrl::{Config, ImportFormat, Memory, Options, Scope};

fn memory() -> &'static (tempfile::TempDir, Memory) {
    static MEMORY: OnceLock<(tempfile::TempDir, Memory)> = OnceLock::new();
    MEMORY.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = Options { config: Some(Config::default()), seed: Some(1), ..Options::new(dir.path()) };
        let memory = Memory::open_with(options).expect("an empty memory opens");
        (dir, memory)
    })
}

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let (dir, memory) = memory();
    let path = dir.path().join("input");
    if std::fs::write(&path, rest).is_err() {
        return;
    }
    let format = match first % 4 {
        0 => Some(ImportFormat::Jsonl),
        1 => Some(ImportFormat::Csv),
        2 => Some(ImportFormat::Memcell),
        _ => None,
    };
    let _ = memory.import(&path, format, &Scope::default(), true, &mut |_| {});
});
