//! A memory in a temporary directory, on a clock that stands still and a fixed seed.

use std::path::Path;
use std::sync::Arc;

use memrl::{
    CellType, Config, ManualClock, Memory, NewCell, Options, RecallRequest, Scope, Timestamp,
};

/// A memory, its clock and its directory.
pub struct Bed {
    pub memory: Memory,
    pub clock: Arc<ManualClock>,
    pub dir: tempfile::TempDir,
}

/// Without exploration, so that what a test expects does not depend on a coin.
pub fn quiet() -> Config {
    let mut config = Config::default();
    config.explore.epsilon = 0.0;
    config
}

impl Bed {
    /// The time that the clock shows.
    pub fn clock_now(&self) -> Timestamp {
        memrl::Clock::now(&*self.clock)
    }
}

pub fn bed() -> Bed {
    bed_with(quiet())
}

pub fn bed_with(config: Config) -> Bed {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(
        "2026-11-20T12:00:00Z".parse::<Timestamp>().unwrap(),
    ));
    let memory = open(dir.path(), &clock, config, 7);
    Bed { memory, clock, dir }
}

pub fn open(dir: &Path, clock: &Arc<ManualClock>, config: Config, seed: u64) -> Memory {
    Memory::open_with(Options {
        config: Some(config),
        clock: Arc::new(Arc::clone(clock)),
        seed: Some(seed),
        ..Options::new(dir)
    })
    .unwrap()
}

pub fn ann() -> Scope {
    Scope::of("user", "ann")
}

pub fn fact(text: &str) -> NewCell {
    NewCell::new(CellType::Fact, ann(), text)
}

pub fn ask(query: &str) -> RecallRequest {
    RecallRequest::new(query, ann())
}

/// Every file below a directory, with its bytes.
pub fn all_bytes(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(all_bytes(&path));
        } else {
            out.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    out
}

/// Whether a text occurs, letter case aside, in UTF-8 or UTF-16.
pub fn occurs(bytes: &[u8], text: &str) -> bool {
    let lower = bytes.to_ascii_lowercase();
    let utf8 = text.to_lowercase().into_bytes();
    let utf16: Vec<u8> = text
        .to_lowercase()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    [utf8, utf16]
        .iter()
        .any(|n| lower.windows(n.len()).any(|w| w == n.as_slice()))
}
