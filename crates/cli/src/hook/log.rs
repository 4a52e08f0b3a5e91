//! `hooks.log`: what went wrong in hooks, bounded in size, without content.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use memrl::{Clock, SystemClock};

/// The file in the data directory.
const FILE: &str = "hooks.log";
/// The one before it.
const FORMER: &str = "hooks.log.1";
/// Size from which a new one is begun; there are two at most.
const MAX_BYTES: u64 = 128 << 10;
/// Longest name of an event that is written: it comes from a command line.
const MAX_NAME: usize = 32;

/// Adds a line. A log that cannot be written is no reason to fail.
pub fn line(dir: &Path, event: &str, message: &str) {
    let event: String = event
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(MAX_NAME)
        .collect();
    let line = format!("{} {event}: {message}\n", SystemClock.now());
    let file = dir.join(FILE);
    if std::fs::metadata(&file).is_ok_and(|m| m.len() > MAX_BYTES) {
        let _ = std::fs::rename(&file, dir.join(FORMER));
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if let Ok(mut file) = options.open(file) {
        // One write, so that lines of several hooks do not mix.
        let _ = file.write_all(line.as_bytes());
    }
}
