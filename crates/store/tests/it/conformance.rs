//! The SQLite store keeps every promise of the suite.

use std::sync::Mutex;

use memrl_store::{SqliteStore, Store, conformance};
use tempfile::TempDir;

#[test]
fn sqlite_keeps_every_promise() {
    let dirs: Mutex<Vec<TempDir>> = Mutex::default();
    conformance::run(|| {
        let dir = TempDir::new().unwrap();
        let store: Box<dyn Store> = Box::new(SqliteStore::open(dir.path()).unwrap());
        dirs.lock().unwrap().push(dir);
        store
    });
    // Each store is sound after what was done to it.
    for dir in dirs.into_inner().unwrap() {
        let store = SqliteStore::open(dir.path()).unwrap();
        assert_eq!(store.integrity().unwrap(), [""; 0]);
    }
}
