//! Whose file is it, and of which version? Asked before a file is opened for real, so that one
//! that is refused is not touched.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{open, schema};
use crate::{Result, StoreError};

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// The smallest page that SQLite knows: no database is shorter.
const SMALLEST: u64 = 512;

/// The schema version of a database that may be in use. `None`: the file alone does not tell,
/// because its log has to be read first.
///
/// The file is read through SQLite: on Unix, closing any other handle of a file drops all locks
/// that this process holds on it.
pub(super) fn look(path: &Path) -> Result<Option<i64>> {
    let size = fs::metadata(path)
        .map_err(|e| StoreError::io(path, e))?
        .len();
    if size < SMALLEST {
        return of_unused(path).map(Some);
    }
    let found = Connection::open_with_flags(immutable_uri(path), read_only())
        .and_then(|conn| {
            let field = |sql| conn.query_row(sql, [], |r| r.get::<_, i64>(0));
            Ok((
                field("PRAGMA application_id")?,
                field("PRAGMA user_version")?,
            ))
        })
        .map_err(StoreError::from);
    match found {
        Ok((id, version)) if id == i64::from(schema::APPLICATION_ID) => {
            schema::check_version(version)?;
            Ok(Some(version))
        }
        Ok(_) | Err(StoreError::NotADatabase(_)) => {
            Err(StoreError::NotADatabase(path.display().to_string()))
        }
        // After a crash in the middle of writing the log back, the file is right only together
        // with the log.
        Err(StoreError::Corrupt(_)) if open::has_log(path) => Ok(None),
        Err(other) => Err(other),
    }
}

/// What a file that nobody has open looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A database of ours, of whatever version.
    Ours,
    /// Nothing, or the start of nothing in particular: as a database is before its first page is
    /// written.
    Unreadable,
    /// Something else, or not to be read.
    Foreign,
}

/// Tells copies of ours from other files.
pub(super) fn kind_of_unused(path: &Path) -> Kind {
    match of_unused(path) {
        Ok(_) | Err(StoreError::NewerDatabase { .. }) => Kind::Ours,
        Err(StoreError::Corrupt(_)) => Kind::Unreadable,
        _ => match first_bytes(path) {
            Ok(header) if header.iter().all(|b| *b == 0) => Kind::Unreadable,
            _ => Kind::Foreign,
        },
    }
}

fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let mut header = Vec::new();
    File::open(path)
        .and_then(|file| file.take(100).read_to_end(&mut header))
        .map_err(|e| StoreError::io(path, e))?;
    Ok(header)
}

/// The schema version of a database file that nobody has open, such as a backup.
pub(super) fn of_unused(path: &Path) -> Result<i64> {
    let header = first_bytes(path)?;
    let name = || path.display().to_string();
    let start = header.len().min(MAGIC.len());
    if header[..start] != MAGIC[..start] {
        return Err(StoreError::NotADatabase(name()));
    }
    let field = |at: usize| {
        let bytes = header.get(at..at + 4)?;
        Some(i32::from_be_bytes(bytes.try_into().ok()?))
    };
    match (field(68), field(60)) {
        (Some(schema::APPLICATION_ID), Some(version)) => {
            schema::check_version(version.into())?;
            Ok(version.into())
        }
        (Some(_), _) => Err(StoreError::NotADatabase(name())),
        (None, _) => Err(StoreError::Corrupt(format!(
            "{} ends after {} bytes",
            name(),
            header.len()
        ))),
    }
}

/// Flags of a connection that cannot write.
pub(super) fn read_only() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI
}

/// The name under which SQLite reads a file as it is: without locks, without its log.
pub(super) fn immutable_uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                uri.push(byte as char);
            }
            other => {
                uri.push('%');
                for digit in [other >> 4, other & 15] {
                    uri.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
                }
            }
        }
    }
    uri + "?immutable=1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_odd_characters_stays_one_path() {
        assert_eq!(
            immutable_uri(Path::new("/a b?c#d%/x.db")),
            "file:/a%20b%3fc%23d%25/x.db?immutable=1"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_second_look_leaves_the_locks_of_the_first_store_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = open::prepare(dir.path()).unwrap();
        let first = open::connect(&path, open::Role::Full).unwrap();
        schema::version(&first).unwrap();
        let before = locks(&path);
        assert!(!before.is_empty());
        assert_eq!(look(&path).unwrap(), Some(schema::VERSION));
        assert_eq!(locks(&path), before);
    }

    /// The locks that somebody holds on a file.
    #[cfg(target_os = "linux")]
    fn locks(path: &Path) -> Vec<String> {
        use std::os::unix::fs::MetadataExt;
        let file = format!(":{} ", fs::metadata(path).unwrap().ino());
        let all = fs::read_to_string("/proc/locks").unwrap();
        let lines = all.lines().filter(|l| l.contains(&file));
        lines
            .filter_map(|l| l.split_once(": ").map(|(_, lock)| lock.to_owned()))
            .collect()
    }
}
