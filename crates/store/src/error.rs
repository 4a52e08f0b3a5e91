//! What can go wrong with a store, and how the outside calls it.

use memrl_types::{CellId, CellStatus, Code, DecisionId};

/// Why a store operation failed. Nothing of a failed operation is left in the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No cell has this id.
    #[error("there is no cell {0}")]
    CellNotFound(String),
    /// No decision has this id.
    #[error("there is no decision {0}")]
    DecisionNotFound(DecisionId),
    /// Several cells have an id that starts like this.
    #[error("several cells have an id that starts with {0:?}")]
    AmbiguousId(String),
    /// The text cannot start an id.
    #[error("{0:?} is not the start of a cell id")]
    InvalidId(String),
    /// The cell was changed, or removed, since the caller read it.
    #[error("{}", conflict(id, *expected, *found))]
    Conflict {
        /// The cell.
        id: CellId,
        /// The version the caller has seen.
        expected: u32,
        /// The version the cell has now; 0 where its content is gone (forgotten or purged).
        found: u32,
    },
    /// A row with this identifier is already stored.
    #[error("{0} is already stored")]
    DuplicateId(String),
    /// Another supersede was first.
    #[error("cell {id} was already superseded by {by}")]
    AlreadySuperseded {
        /// The cell.
        id: CellId,
        /// Its successor. The cell itself where the successor is not known (imported so).
        by: CellId,
    },
    /// The key was used before, with other content.
    #[error("idempotency key {0:?} was already used with other content")]
    IdempotencyMismatch(String),
    /// The state of the cell does not allow this change.
    #[error("cell {id} is {from}; it cannot become {to}")]
    WrongStatus {
        /// The cell.
        id: CellId,
        /// Its status.
        from: CellStatus,
        /// The status asked for.
        to: CellStatus,
    },
    /// The cell does not change any more.
    #[error("cell {id} is {status} and does not change any more")]
    NotLive {
        /// The cell.
        id: CellId,
        /// `deleted` or `superseded`.
        status: CellStatus,
    },
    /// A value that the store cannot hold, e.g. a number that is not finite.
    #[error("{0}")]
    InvalidInput(String),
    /// Other writers held the database for longer than the busy time-out.
    #[error("the database is in use by another process")]
    Busy,
    /// No space is left.
    #[error("the disk is full")]
    DiskFull,
    /// The directory or file cannot be written.
    #[error("{0} cannot be written")]
    ReadOnly(String),
    /// The file is damaged.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The file is something else.
    #[error("{0} is not a memrl database")]
    NotADatabase(String),
    /// The file was written by a newer version. It was not touched.
    #[error(
        "the database has schema version {found}; this program knows versions up to {supported}"
    )]
    NewerDatabase {
        /// The version in the file.
        found: i64,
        /// The newest version known here.
        supported: i64,
    },
    /// The directory is on a network file system.
    #[error("{path} is on a network file system ({kind})")]
    NetworkFilesystem {
        /// The directory.
        path: String,
        /// The kind of file system.
        kind: &'static str,
    },
    /// There is no database to read.
    #[error("there is no database in {0}")]
    Missing(String),
    /// A file operation failed.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// SQLite failed in a way that has no better name here.
    #[error("SQLite: {0}")]
    Sqlite(String),
}

fn conflict(id: &CellId, expected: u32, found: u32) -> String {
    match found {
        0 => format!("cell {id} is gone, of which version {expected} was expected"),
        _ => format!("cell {id} has version {found}, not {expected}"),
    }
}

/// The result of every store operation.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

impl StoreError {
    /// The stable public code.
    pub const fn code(&self) -> Code {
        match self {
            Self::CellNotFound(_) => Code::CellNotFound,
            Self::DecisionNotFound(_) => Code::DecisionNotFound,
            Self::AmbiguousId(_) => Code::AmbiguousId,
            Self::InvalidId(_) => Code::InvalidId,
            Self::Conflict { .. } | Self::DuplicateId(_) => Code::Conflict,
            Self::AlreadySuperseded { .. } => Code::AlreadySuperseded,
            Self::IdempotencyMismatch(_) => Code::IdempotencyMismatch,
            Self::WrongStatus { .. } | Self::NotLive { .. } => Code::WrongStatus,
            Self::InvalidInput(_) => Code::InvalidInput,
            Self::Busy => Code::Busy,
            Self::DiskFull => Code::DiskFull,
            Self::ReadOnly(_) => Code::ReadOnly,
            Self::Corrupt(_) | Self::NotADatabase(_) => Code::CorruptDatabase,
            Self::NewerDatabase { .. } => Code::NewerDatabase,
            Self::NetworkFilesystem { .. } => Code::NetworkFilesystem,
            Self::Missing(_) | Self::Io { .. } => Code::Io,
            Self::Sqlite(_) => Code::Internal,
        }
    }

    /// A file error, with the path that it is about.
    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let path = path.display().to_string();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(path),
            _ => Self::Io { path, source },
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Self::ReadOnly("the database".to_owned())
            }
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt(error.to_string()),
            Some(ErrorCode::NotADatabase) => Self::NotADatabase("the file".to_owned()),
            Some(ErrorCode::SystemIoFailure) => Self::Io {
                path: "the database".to_owned(),
                source: std::io::Error::other(error.to_string()),
            },
            _ => Self::Sqlite(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_has_its_own_code() {
        let conn = rusqlite::Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE t (x); PRAGMA max_page_count = 3")
            .unwrap();
        let full = conn
            .execute("INSERT INTO t VALUES (zeroblob(100000))", [])
            .unwrap_err();
        assert_eq!(StoreError::from(full).code(), Code::DiskFull);
        let path = std::path::Path::new("x");
        let full = StoreError::io(path, std::io::ErrorKind::StorageFull.into());
        assert_eq!(full.code(), Code::DiskFull);
        let denied = StoreError::io(path, std::io::ErrorKind::PermissionDenied.into());
        assert_eq!(denied.code(), Code::ReadOnly);
    }

    #[test]
    fn another_writer_is_busy_not_broken() {
        let dir = tempfile::tempdir().unwrap();
        let open = || rusqlite::Connection::open(dir.path().join("x")).unwrap();
        let (one, two) = (open(), open());
        two.busy_timeout(std::time::Duration::ZERO).unwrap();
        one.execute_batch("BEGIN IMMEDIATE").unwrap();
        let busy = two.execute_batch("BEGIN IMMEDIATE").unwrap_err();
        assert_eq!(StoreError::from(busy).code(), Code::Busy);
    }
}
