//! Sessions that wait to be captured: one tiny file each, in `queue/` of the data directory.
//!
//! A hook has to return within milliseconds and must work while the database does not, so it only
//! leaves a note here; [`crate::Memory::sweep`] reads the transcripts later. Notes of one session
//! coalesce. They hold names and paths, no content.
//!
//! **Architecture Invariant:** knows files, not the memory; no clock, no randomness. A note that
//! was put is there until a sweep has dealt with exactly that state of it.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::live::private_file;
use crate::{Error, Result, Timestamp};

/// The directory of the notes.
const DIR: &str = "queue";
/// Where notes go that could not be captured.
const FAILED: &str = "failed";
/// Locked while a note is changed.
const LOCK: &str = "queue.lock";
/// Longest wait for that lock. Changing a note takes microseconds; a process that is stopped in
/// the middle must not stop others, and going on without the lock risks one merge, no file.
const LOCK_WAIT: Duration = Duration::from_millis(500);

/// A session that waits to be captured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// The program: `claude-code`, `codex`.
    pub client: String,
    /// Its id of the session.
    pub session_id: String,
    /// Its transcript.
    pub transcript_path: PathBuf,
    /// Where it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// The project that it named, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Whether it has ended. A session that is cut off never says so.
    pub ended: bool,
    /// When it was last heard of.
    pub at: Timestamp,
    /// Bytes of the transcript that were captured.
    pub read: u64,
    /// Captures that failed since the last success.
    pub attempts: u32,
    /// Why the last one failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A note and its file, as a sweep reads it.
#[derive(Debug)]
pub struct Waiting {
    /// What it says.
    pub entry: Entry,
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Notes a session, or what is new about one that is noted already: `ended` stays once said, the
/// progress of captures stays, everything else is as last heard.
///
/// `dir` is the data directory, created when it is missing.
pub fn put(dir: &Path, entry: &Entry) -> Result<()> {
    let queue = dir.join(DIR);
    private_dir(&queue)?;
    let path = note(dir, &entry.client, &entry.session_id);
    let _lock = lock(dir);
    let mut entry = entry.clone();
    if let Some(before) = read_note(&path) {
        entry.ended |= before.ended;
        entry.cwd = entry.cwd.or(before.cwd);
        entry.project = entry.project.or(before.project);
        entry.at = entry.at.max(before.at);
        if entry.transcript_path == before.transcript_path {
            (entry.read, entry.attempts, entry.error) =
                (before.read, before.attempts, before.error);
        }
    }
    replace(&path, &to_bytes(&entry)?)
}

/// All notes, the one that waits longest first. Files that are none are left alone.
pub fn list(dir: &Path) -> Result<Vec<Waiting>> {
    let queue = dir.join(DIR);
    let found = match std::fs::read_dir(&queue) {
        Ok(found) => found,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io(&queue, e)),
    };
    let mut waiting = Vec::new();
    for item in found {
        let path = item.map_err(|e| Error::io(&queue, e))?.path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let Ok(bytes) = std::fs::read(&path) else {
            continue;
        };
        if let Ok(entry) = serde_json::from_slice::<Entry>(&bytes) {
            waiting.push(Waiting { entry, path, bytes });
        }
    }
    waiting.sort_by(|a, b| (a.entry.at, &a.path).cmp(&(b.entry.at, &b.path)));
    Ok(waiting)
}

/// How many sessions wait. 0 where the directory cannot be read.
pub fn len(dir: &Path) -> usize {
    list(dir).map_or(0, |waiting| waiting.len())
}

impl Waiting {
    /// Takes the note away, unless something was said about the session since it was read;
    /// whether it was taken away.
    pub fn remove(&self, dir: &Path) -> Result<bool> {
        let _lock = lock(dir);
        if !self.is_as_read() {
            return Ok(false);
        }
        match std::fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(Error::io(&self.path, e)),
        }
    }

    /// Keeps the note, with what a sweep found out: how far it read, or that it failed. What was
    /// said about the session meanwhile stays.
    pub fn update(
        &self,
        dir: &Path,
        read: u64,
        attempts: u32,
        error: Option<String>,
    ) -> Result<()> {
        let _lock = lock(dir);
        let Some(mut entry) = read_note(&self.path) else {
            return Ok(());
        };
        if entry.transcript_path != self.entry.transcript_path {
            return Ok(());
        }
        (entry.read, entry.attempts, entry.error) = (read, attempts, error);
        replace(&self.path, &to_bytes(&entry)?)
    }

    /// Gives up: the note goes to `failed/`, with the reason.
    pub fn give_up(&self, dir: &Path, attempts: u32, error: String) -> Result<()> {
        let failed = dir.join(DIR).join(FAILED);
        private_dir(&failed)?;
        let entry = Entry {
            attempts,
            error: Some(error),
            ..self.entry.clone()
        };
        let name = self.path.file_name().unwrap_or_default();
        replace(&failed.join(name), &to_bytes(&entry)?)?;
        self.remove(dir).map(|_| ())
    }

    fn is_as_read(&self) -> bool {
        std::fs::read(&self.path).is_ok_and(|now| now == self.bytes)
    }
}

/// The file of a session's note. Ids come from other programs: only a hash is a name.
fn note(dir: &Path, client: &str, session: &str) -> PathBuf {
    let key = format!("{client}\0{session}");
    let hash = blake3::Hash::from_bytes(blake3::derive_key(
        "memrl 2026 queued session",
        key.as_bytes(),
    ));
    let short: String = hash.to_hex().chars().take(24).collect();
    dir.join(DIR).join(format!("{short}.json"))
}

fn read_note(path: &Path) -> Option<Entry> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

fn to_bytes(entry: &Entry) -> Result<Vec<u8>> {
    serde_json::to_vec(entry).map_err(|e| Error::format("queue", e.to_string()))
}

fn lock(dir: &Path) -> Option<File> {
    let file = private_file(&dir.join(LOCK)).ok()?;
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(std::fs::TryLockError::WouldBlock) if since.elapsed() < LOCK_WAIT => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(_) => return None,
        }
    }
}

/// Makes a directory that only its owner can look into.
pub(super) fn private_dir(dir: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|e| Error::io(dir, e))
}

/// Writes a whole file or nothing: readers see the old content or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    // No two writers may have the same temporary file.
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{write}.new", std::process::id()));
    let write = || {
        let mut file = private_file(&temporary)?;
        file.set_len(0)?;
        file.write_all(bytes)?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|e| {
        // It is of no use to anybody; that it cannot be removed either changes nothing.
        let _ = std::fs::remove_file(&temporary);
        Error::io(path, e)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(session: &str, at: i64) -> Entry {
        Entry {
            client: "claude-code".into(),
            session_id: session.into(),
            transcript_path: format!("/t/{session}.jsonl").into(),
            cwd: Some("/p".into()),
            at: Timestamp(at),
            ..Entry::default()
        }
    }

    #[test]
    fn notes_of_one_session_coalesce_and_an_end_is_never_unsaid() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        assert_eq!(len(&data), 0);
        put(&data, &entry("a", 1)).unwrap();
        put(
            &data,
            &Entry {
                ended: true,
                at: Timestamp(3),
                ..entry("a", 3)
            },
        )
        .unwrap();
        put(
            &data,
            &Entry {
                cwd: None,
                ..entry("a", 2)
            },
        )
        .unwrap();
        put(&data, &entry("b", 0)).unwrap();
        let found: Vec<Entry> = list(&data).unwrap().into_iter().map(|w| w.entry).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(
            found[0].session_id, "b",
            "the one that waits longest comes first"
        );
        assert!(found[1].ended);
        assert_eq!(found[1].cwd, Some("/p".into()));
        assert_eq!(found[1].at, Timestamp(3));
    }

    #[test]
    fn what_is_said_while_a_sweep_works_is_not_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), &entry("a", 1)).unwrap();
        let read = list(dir.path()).unwrap().remove(0);
        put(
            dir.path(),
            &Entry {
                ended: true,
                ..entry("a", 2)
            },
        )
        .unwrap();
        assert!(!read.remove(dir.path()).unwrap());
        read.update(dir.path(), 77, 0, None).unwrap();
        let again = list(dir.path()).unwrap().remove(0);
        assert!(again.entry.ended);
        assert_eq!(again.entry.read, 77);
        assert!(again.remove(dir.path()).unwrap());
        assert_eq!(len(dir.path()), 0);
    }

    #[test]
    fn a_note_that_is_given_up_is_kept_aside_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), &entry("a", 1)).unwrap();
        let read = list(dir.path()).unwrap().remove(0);
        read.give_up(dir.path(), 5, "no such format".into())
            .unwrap();
        assert_eq!(len(dir.path()), 0);
        let failed = dir.path().join("queue/failed");
        let file = std::fs::read_dir(failed).unwrap().next().unwrap().unwrap();
        let kept = read_note(&file.path()).unwrap();
        assert_eq!(
            (kept.attempts, kept.error.as_deref()),
            (5, Some("no such format"))
        );
    }

    #[test]
    fn files_that_are_no_notes_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), &entry("a", 1)).unwrap();
        std::fs::write(dir.path().join("queue/x.json"), "{\"client\": ").unwrap();
        std::fs::write(dir.path().join("queue/y.123.new"), "half").unwrap();
        assert_eq!(len(dir.path()), 1);
        assert!(dir.path().join("queue/x.json").exists());
    }

    #[test]
    fn many_writers_lose_no_note() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let data = dir.path();
                scope.spawn(move || {
                    for n in 0..20 {
                        put(data, &entry(&format!("{writer}-{n}"), n)).unwrap();
                        put(
                            data,
                            &Entry {
                                ended: writer == 3,
                                ..entry("shared", n)
                            },
                        )
                        .unwrap();
                    }
                });
            }
        });
        let found = list(dir.path()).unwrap();
        assert_eq!(found.len(), 161);
        let shared = found
            .iter()
            .find(|w| w.entry.session_id == "shared")
            .unwrap();
        assert!(shared.entry.ended);
    }
}
