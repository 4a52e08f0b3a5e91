//! What is refused, with a clear answer and without being touched.

use std::fs;
use std::path::Path;

use memrl_store::conformance::fixtures::{NOW, cell, cell_id, insert};
use memrl_store::{SqliteStore, Store, StoreError};
use memrl_types::Code;
use tempfile::TempDir;

fn filled(dir: &Path) -> SqliteStore {
    let store = SqliteStore::open(dir).unwrap();
    let cells: Vec<_> = (0..200)
        .map(|n| insert(cell(n, &"word ".repeat(50))))
        .collect();
    store.insert(&cells).unwrap();
    store
}

/// A closed database in one file, with everything in it.
fn closed(dir: &Path) -> Vec<u8> {
    let copy = dir.join("copy");
    filled(&dir.join("origin")).backup_to(&copy).unwrap();
    fs::read(copy).unwrap()
}

fn refused(dir: &Path, bytes: &[u8]) -> StoreError {
    let data = dir.join("data");
    fs::create_dir_all(&data).unwrap();
    let file = data.join("memrl.db");
    fs::write(&file, bytes).unwrap();
    let error = match SqliteStore::open(&data) {
        Err(error) => error,
        Ok(store) => store
            .get(cell_id(199))
            .expect_err("a damaged database was read"),
    };
    assert!(
        SqliteStore::open_read_only(&data)
            .and_then(|s| s.get(cell_id(199)))
            .is_err()
    );
    assert_eq!(
        fs::read(&file).unwrap(),
        bytes,
        "the refused file was touched"
    );
    error
}

#[test]
fn newer_database_is_refused() {
    let dir = TempDir::new().unwrap();
    let mut bytes = closed(dir.path());
    bytes[60..64].copy_from_slice(&99_i32.to_be_bytes());
    let error = refused(dir.path(), &bytes);
    assert!(
        matches!(
            error,
            StoreError::NewerDatabase {
                found: 99,
                supported: 2
            }
        ),
        "{error}"
    );
    assert_eq!(error.code(), Code::NewerDatabase);
    let files: Vec<_> = fs::read_dir(dir.path().join("data")).unwrap().collect();
    assert!(files.len() <= 2, "{files:?}");
}

#[test]
fn truncated_database_is_refused() {
    for keep in [0, 1, 50, 99, 100, 4096, 20_000] {
        let dir = TempDir::new().unwrap();
        let bytes = closed(dir.path());
        assert!(bytes.len() > 20_000);
        let error = refused(dir.path(), &bytes[..keep]);
        assert_eq!(error.code(), Code::CorruptDatabase, "{keep} bytes: {error}");
    }
}

#[test]
fn foreign_file_is_refused() {
    let dir = TempDir::new().unwrap();
    let mut foreign = closed(dir.path());
    foreign[68..72].copy_from_slice(&0_i32.to_be_bytes());
    for bytes in [&foreign[..], b"not a database at all", &[0; 5000]] {
        let error = refused(dir.path(), bytes);
        assert!(matches!(error, StoreError::NotADatabase(_)), "{error}");
        assert_eq!(error.code(), Code::CorruptDatabase);
    }
}

#[test]
fn damage_is_reported() {
    let dir = TempDir::new().unwrap();
    let mut bytes = closed(dir.path());
    let end = bytes.len();
    bytes[8192..end].fill(0xa5);
    let data = dir.path().join("data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("memrl.db"), &bytes).unwrap();
    match SqliteStore::open(&data) {
        Ok(store) => assert!(!store.integrity().unwrap().is_empty()),
        Err(error) => assert_eq!(error.code(), Code::CorruptDatabase, "{error}"),
    }
}

#[cfg(unix)]
mod without_permission {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// What a process says that may not write to `folder` or its files. A superuser may write
    /// everywhere; such a run goes on as somebody else.
    fn answer(dir: &Path, job: &str, folder: &Path) -> Vec<String> {
        set(dir, 0o755);
        let program = dir.join("tests");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        set(&program, 0o755);
        for file in fs::read_dir(folder).unwrap() {
            set(&file.unwrap().path(), 0o444);
        }
        set(folder, 0o555);
        let mut command = crate::processes::job(&program, job, folder, 7);
        if fs::write(folder.join("probe"), "").is_ok() {
            fs::remove_file(folder.join("probe")).unwrap();
            command.uid(65_534);
        }
        let output = command.output().unwrap();
        set(folder, 0o755);
        crate::processes::said(&output.stdout[..]).collect()
    }

    #[test]
    fn read_only_directory() {
        let dir = TempDir::new().unwrap();
        let (empty, data) = (dir.path().join("empty"), dir.path().join("data"));
        fs::create_dir(&empty).unwrap();
        drop(filled(&data));
        assert_eq!(answer(dir.path(), "open", &empty), ["read_only"]);
        assert_eq!(answer(dir.path(), "open", &data), ["read_only"]);
        assert_eq!(StoreError::ReadOnly(String::new()).code(), Code::ReadOnly);
    }

    #[test]
    fn a_medium_that_cannot_be_written_is_read() {
        let dir = TempDir::new().unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("memrl.db"), closed(dir.path())).unwrap();
        assert_eq!(answer(dir.path(), "read", &data), [cell_id(7).to_string()]);
        // Nor does it take the file without its log for the whole.
        let with_log = dir.path().join("with log");
        drop(filled(&with_log));
        fs::remove_file(with_log.join("memrl.db-shm")).unwrap();
        let found = answer(dir.path(), "read", &with_log);
        assert!(
            found == ["read_only"] || found == [cell_id(7).to_string()],
            "{found:?}"
        );
    }
}

#[test]
fn a_read_only_store_reads_and_never_writes() {
    let dir = TempDir::new().unwrap();
    let missing = SqliteStore::open_read_only(dir.path());
    assert!(matches!(missing, Err(StoreError::Missing(_))));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let writer = filled(dir.path());
    let reader = SqliteStore::open_read_only(dir.path()).unwrap();
    assert_eq!(reader.get(cell_id(7)).unwrap().cell.cell_id, cell_id(7));
    for refused in [
        reader.insert(&[insert(cell(900, "x"))]).map(drop),
        reader.touch(&[1], NOW),
        reader.purge(&[cell_id(7)]).map(drop),
        reader.maintain().map(drop),
    ] {
        assert_eq!(refused.unwrap_err().code(), Code::ReadOnly);
    }
    // It follows the writer.
    writer.insert(&[insert(cell(901, "new"))]).unwrap();
    assert_eq!(reader.get(cell_id(901)).unwrap().cell.content, "new");
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let store = filled(&data);
    store.backup_to(&data.join("copy.db")).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    let mut files = 0;
    for file in fs::read_dir(&data).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert!(files >= 4);
}
