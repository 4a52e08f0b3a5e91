//! Opening a data directory: what is refused, how a database comes to be, and its settings.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{backup, header, schema};
use crate::{Result, StoreError};

/// The database inside the data directory.
pub(super) const DATABASE: &str = "memrl.db";
/// Held while a database is created or migrated, and while a purge is finished.
const LOCK: &str = "memrl.lock";
/// The store's own backups.
pub(super) const BACKUPS: &str = "backups";
/// Last part of the name of a copy that is being written.
pub(super) const DRAFT: &str = "partial";

/// How long a writer waits for other processes.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// From this size on the write-ahead log is written back by `maintain`. A cold start reads what
/// is left of the log, at about 1 ms per MiB.
pub(super) const WAL_LIMIT: u64 = 4 << 20;
/// Pages after which a durable write writes the log back itself, should nobody call `maintain`.
const AUTOCHECKPOINT_PAGES: i64 = 4096;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Writes that survive a loss of power once acknowledged.
    Full,
    /// Writes that never wait for a disk.
    Normal,
    /// Reads only.
    Reader,
    /// Checkpoints and backups.
    Upkeep,
}

/// Makes sure that `dir` holds a database of the current version, and returns its path.
pub(super) fn prepare(dir: &Path) -> Result<PathBuf> {
    make_dir(dir)?;
    refuse_network(dir)?;
    let path = dir.join(DATABASE);
    if exists(&path)? && header::look(&path)? == Some(schema::VERSION) {
        return Ok(path);
    }
    let _held = lock(dir)?;
    // Somebody else may have done the work while this process waited for the lock.
    if exists(&path)? {
        if header::look(&path)? != Some(schema::VERSION) {
            migrate(dir, &path, schema::MIGRATIONS)?;
        }
    } else {
        create(dir, &path)?;
    }
    Ok(path)
}

fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|e| StoreError::io(path, e))
}

/// Builds the database under another name and moves it into place, so that no half-made one is
/// ever seen.
fn create(dir: &Path, path: &Path) -> Result<()> {
    let draft = dir.join("memrl.db.new");
    for suffix in ["", "-journal", "-wal", "-shm"] {
        remove_if_there(&with_suffix(&draft, suffix))?;
    }
    drop(create_private(&draft, true)?);
    let mut conn = Connection::open_with_flags(&draft, flags())?;
    conn.pragma_update(None, "page_size", 4096)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    schema::migrate(&mut conn, schema::MIGRATIONS)?;
    use_wal(&conn)?;
    conn.close().map_err(|(_, e)| e)?;
    sync(&draft)?;
    fs::rename(&draft, path).map_err(|e| StoreError::io(path, e))?;
    for suffix in ["-wal", "-shm"] {
        remove_if_there(&with_suffix(&draft, suffix))?;
    }
    sync_dir(dir)
}

/// The lock of the data directory, held until it is dropped.
pub(super) fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(LOCK);
    let file = create_private(&path, false)?;
    file.lock().map_err(|e| StoreError::io(&path, e))?;
    Ok(file)
}

/// Makes sure that the write-ahead log is on: a restored backup is a plain file without one.
pub(super) fn ensure_wal(dir: &Path, conn: &Connection) -> Result<()> {
    let mode: String = conn.query_row("PRAGMA journal_mode", [], |r| r.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    let _held = lock(dir)?;
    use_wal(conn)
}

/// Turns the write-ahead log on. That is noted in the file: every later connection finds it on.
fn use_wal(conn: &Connection) -> Result<()> {
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |r| r.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    Err(StoreError::Sqlite(format!(
        "the journal mode is {mode}, not wal"
    )))
}

/// Copies the old file into the backup folder, then migrates it; unless the log knows better than
/// the header.
fn migrate(dir: &Path, path: &Path, migrations: &[&str]) -> Result<()> {
    let mut conn = connect(path, Role::Full)?;
    let wanted = migrations.len() as i64;
    if schema::version(&conn)? < wanted {
        let folder = backups(dir)?;
        let copy = folder.join(format!("before-schema-{wanted}.db"));
        remove_if_there(&copy)?;
        backup::copy(&conn, &copy)?;
        schema::migrate(&mut conn, migrations)?;
    }
    // The header, not the log, is what the next program looks at first.
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// The backup folder, made if need be.
pub(super) fn backups(dir: &Path) -> Result<PathBuf> {
    let folder = dir.join(BACKUPS);
    make_dir(&folder)?;
    Ok(folder)
}

/// A connection with the settings of its role.
pub(super) fn connect(path: &Path, role: Role) -> Result<Connection> {
    let conn = Connection::open_with_flags(path, flags())?;
    // SQLite opens for reading, without a word, what it may not write.
    if conn.is_readonly("main")? {
        return Err(StoreError::ReadOnly(path.display().to_string()));
    }
    settings(&conn, role)?;
    Ok(conn)
}

/// A connection that cannot write. A database on a medium that cannot be written at all is read
/// as it is, provided that no log is waiting to be written back.
pub(super) fn connect_read_only(path: &Path) -> Result<Connection> {
    let flags = header::read_only();
    let conn = Connection::open_with_flags(path, flags)?;
    settings(&conn, Role::Reader)?;
    if conn
        .query_row("SELECT count(*) FROM meta", [], |_| Ok(()))
        .is_ok()
    {
        return Ok(conn);
    }
    drop(conn);
    if has_log(path) {
        return Err(StoreError::ReadOnly(format!(
            "{} (its log has to be read first, and that)",
            path.display()
        )));
    }
    let conn = Connection::open_with_flags(header::immutable_uri(path), flags)?;
    settings(&conn, Role::Reader)?;
    conn.query_row("SELECT count(*) FROM meta", [], |_| Ok(()))?;
    Ok(conn)
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn settings(conn: &Connection, role: Role) -> Result<()> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(64);
    // A short command must not pay for a checkpoint when it ends.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.pragma_update(None, "cache_size", -8192)?;
    if role == Role::Reader {
        conn.pragma_update(None, "query_only", true)?;
        return Ok(());
    }
    let synchronous = match role {
        Role::Normal => "NORMAL",
        Role::Full | Role::Upkeep | Role::Reader => "FULL",
    };
    let autocheckpoint = match role {
        Role::Full => AUTOCHECKPOINT_PAGES,
        Role::Normal | Role::Upkeep | Role::Reader => 0,
    };
    conn.pragma_update(None, "synchronous", synchronous)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))?;
    conn.query_row(
        &format!("PRAGMA wal_autocheckpoint = {autocheckpoint}"),
        [],
        |_| Ok(()),
    )?;
    conn.query_row(
        &format!("PRAGMA journal_size_limit = {WAL_LIMIT}"),
        [],
        |_| Ok(()),
    )?;
    if cfg!(target_os = "macos") {
        // Plain fsync leaves the data in the drive's cache there.
        conn.pragma_update(None, "fullfsync", true)?;
        conn.pragma_update(None, "checkpoint_fullfsync", true)?;
    }
    Ok(())
}

/// Whether there is a write-ahead log with something in it.
pub(super) fn has_log(path: &Path) -> bool {
    fs::metadata(with_suffix(path, "-wal")).is_ok_and(|m| m.len() > 0)
}

/// The path with something after its name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Removes a file, if it is there.
pub(super) fn remove_if_there(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(StoreError::io(path, e)),
    }
}

/// Opens a file that only its owner can read; `new`: it must not exist yet.
pub(super) fn create_private(path: &Path, new: bool) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    if new {
        options.create_new(true);
    } else {
        options.create(true).truncate(false);
    }
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|e| StoreError::io(path, e))
}

/// Writes a file's data to the disk.
pub(super) fn sync(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|f| f.sync_all())
        .map_err(|e| StoreError::io(path, e))
}

/// Writes a directory's entries to the disk, where the system has such a thing.
pub(super) fn sync_dir(dir: &Path) -> Result<()> {
    if cfg!(unix) { sync(dir) } else { Ok(()) }
}

/// Makes a directory that only its owner can enter; one that exists is left as it is.
fn make_dir(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|e| StoreError::io(dir, e))
}

/// Locks do not hold on network file systems, so a database there would get damaged.
#[cfg(target_os = "linux")]
fn refuse_network(dir: &Path) -> Result<()> {
    let found = rustix::fs::statfs(dir)
        .map_err(|e| StoreError::io(dir, std::io::Error::from_raw_os_error(e.raw_os_error())))?;
    match network_kind(found.f_type as u32) {
        Some(kind) => Err(StoreError::NetworkFilesystem {
            path: dir.display().to_string(),
            kind,
        }),
        None => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn refuse_network(_: &Path) -> Result<()> {
    Ok(())
}

/// The magic numbers of statfs(2).
#[cfg(target_os = "linux")]
fn network_kind(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "nfs",
        0x517b => "smb",
        0xff53_4d42 => "cifs",
        0xfe53_4d42 => "smb2",
        0x5346_414f => "afs",
        0x6b41_4653 => "kafs",
        0x7375_7245 => "coda",
        0x00c3_6400 => "ceph",
        _ => return None,
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_from_local_ones() {
        assert_eq!(network_kind(0x6969), Some("nfs"));
        assert_eq!(network_kind(0xff53_4d42), Some("cifs"));
        // ext4, overlayfs, tmpfs, btrfs, xfs, 9p (how Windows' Linux sees its own drives)
        for local in [
            0xef53,
            0x794c_7630,
            0x0102_1994,
            0x9123_683e,
            0x5846_5342,
            0x0102_1997,
        ] {
            assert_eq!(network_kind(local), None);
        }
    }

    #[test]
    fn an_older_database_is_copied_before_it_is_migrated() {
        let dir = tempfile::tempdir().unwrap();
        let path = prepare(dir.path()).unwrap();
        let next = [
            schema::MIGRATIONS,
            &["ALTER TABLE meta ADD COLUMN more INTEGER"],
        ]
        .concat();
        migrate(dir.path(), &path, &next).unwrap();
        // The header says so even to a program that does not read the log.
        let newer = header::look(&path).unwrap_err();
        assert!(matches!(newer, StoreError::NewerDatabase { .. }), "{newer}");
        let copy = backups(dir.path())
            .unwrap()
            .join(format!("before-schema-{}.db", next.len()));
        assert_eq!(header::of_unused(&copy).unwrap(), schema::VERSION);
        let old = Connection::open(copy).unwrap();
        assert!(old.prepare("SELECT more FROM meta").is_err());
        // Once is enough.
        migrate(dir.path(), &path, &next).unwrap();
    }
}
