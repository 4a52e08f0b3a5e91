//! Backups, the size of the log, sound files.

use std::fs;

use memrl_store::conformance::fixtures::{cell, cell_id, decision, decision_id, insert};
use memrl_store::{NewDecision, SqliteStore, Store, StoreError};
use tempfile::TempDir;

#[test]
fn a_backup_is_a_whole_database_in_one_file() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(&dir.path().join("data")).unwrap();
    let cells: Vec<_> = (0..500).map(|n| insert(cell(n, "x"))).collect();
    store.insert(&cells).unwrap();
    store
        .append_decision(
            &NewDecision {
                decision: &decision(1, "t", &[1]),
                seqs: &[],
            },
            &[],
        )
        .unwrap();
    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    let copy = other.join("memrl.db");
    store.backup_to(&copy).unwrap();
    let files: Vec<_> = fs::read_dir(&other)
        .unwrap()
        .map(|f| f.unwrap().file_name())
        .collect();
    assert_eq!(files, ["memrl.db"]);
    // What comes later is not in it.
    store.insert(&[insert(cell(900, "late"))]).unwrap();
    let restored = SqliteStore::open(&other).unwrap();
    assert_eq!(restored.integrity().unwrap(), [""; 0]);
    assert_eq!(
        restored.get(cell_id(499)).unwrap(),
        store.get(cell_id(499)).unwrap()
    );
    assert_eq!(
        restored.decision(decision_id(1)).unwrap(),
        store.decision(decision_id(1)).unwrap()
    );
    assert!(restored.find(cell_id(900)).unwrap().is_none());
    // It is a store like any other, with a log for its writers.
    restored.insert(&[insert(cell(901, "x"))]).unwrap();
    assert!(fs::metadata(other.join("memrl.db-wal")).unwrap().len() > 0);
    // An existing file is never written over.
    assert!(matches!(store.backup_to(&copy), Err(StoreError::Io { .. })));
    assert!(restored.find(cell_id(901)).unwrap().is_some());
}

#[test]
fn the_write_ahead_log_stays_bounded() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let ids: Vec<_> = (0..200).collect();
    let mut largest = 0;
    for n in 0..400 {
        let logged = decision(n, "t", &ids);
        store
            .append_decision(
                &NewDecision {
                    decision: &logged,
                    seqs: &[],
                },
                &[],
            )
            .unwrap();
        largest = largest.max(store.maintain().unwrap().wal_bytes);
    }
    let stats = store.stats().unwrap();
    assert_eq!(stats.decision_items, 80_000);
    assert!(stats.database_bytes > 5_200_000, "{stats:?}");
    assert!(largest < 5_000_000, "{largest}");
}

#[test]
fn durable_writes_bound_the_log_without_maintenance() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    for batch in 0..40 {
        let cells: Vec<_> = (0..100)
            .map(|n| insert(cell(batch * 100 + n, &"x".repeat(8000))))
            .collect();
        store.insert(&cells).unwrap();
    }
    let stats = store.stats().unwrap();
    assert!(stats.database_bytes > 28_000_000, "{stats:?}");
    assert!(stats.wal_bytes < 20_000_000, "{stats:?}");
}

#[test]
fn short_commands_that_never_maintain_do_not_pile_up_a_log() {
    let dir = TempDir::new().unwrap();
    let ids: Vec<_> = (0..200).collect();
    let mut largest = 0;
    for command in 0..8 {
        let store = SqliteStore::open(dir.path()).unwrap();
        for n in 0..120 {
            let mut logged = decision(command * 120 + n, "t", &ids);
            logged.context = Some("x".repeat(20_000));
            store
                .append_decision(
                    &NewDecision {
                        decision: &logged,
                        seqs: &[],
                    },
                    &[],
                )
                .unwrap();
        }
        largest = largest.max(store.stats().unwrap().wal_bytes);
    }
    assert!(largest > 8_000_000, "{largest}");
    assert!(largest < 32_000_000, "{largest}");
}

#[test]
fn closing_leaves_everything_readable() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    store.insert(&[insert(cell(1, "x"))]).unwrap();
    drop(store);
    // No checkpoint at the end: the log is still there, and the next one reads it.
    assert!(fs::metadata(dir.path().join("memrl.db-wal")).unwrap().len() > 0);
    assert!(
        SqliteStore::open(dir.path())
            .unwrap()
            .find(cell_id(1))
            .unwrap()
            .is_some()
    );
}
