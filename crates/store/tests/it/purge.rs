//! Purged means gone: from every byte of every file.

use std::fs;
use std::path::{Path, PathBuf};

use memrl_store::conformance::fixtures::{
    NOW, cell, cell_id, decision, decision_id, event, full_cell, hash, insert, outcome_id, vector,
};
use memrl_store::{InsertCell, NewDecision, SqliteStore, Store, UpdateCell};
use memrl_types::{EventKind, Outcome};
use serde_json::json;
use tempfile::TempDir;

use crate::processes::{said, start};

const SECRET: &str = "Zebulon's Password Überraschung 記憶の秘密 is kryptonaut-7781";
const SECOND: &str = "the zebulons moved to Quaxtown";
/// The beginnings of its words, in lower case.
const STEMS: [&str; 8] = [
    "zebulon",
    "passwo",
    "überrasch",
    "記憶の",
    "kryptonau",
    "7781",
    "quaxto",
    "moved",
];

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Every place where one of the needles is, in UTF-8 or UTF-16 of either byte order, letter case
/// aside.
fn traces(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    files(dir, &mut found);
    let mut traces = Vec::new();
    for path in found {
        let bytes = fs::read(&path).unwrap();
        let wide = |start: usize, order: fn([u8; 2]) -> u16| {
            let units: Vec<_> = bytes[start.min(bytes.len())..]
                .chunks_exact(2)
                .map(|c| order([c[0], c[1]]))
                .collect();
            String::from_utf16_lossy(&units).to_lowercase()
        };
        let texts = [
            ("utf-8", String::from_utf8_lossy(&bytes).to_lowercase()),
            ("utf-16le", wide(0, u16::from_le_bytes)),
            ("utf-16le odd", wide(1, u16::from_le_bytes)),
            ("utf-16be", wide(0, u16::from_be_bytes)),
            ("utf-16be odd", wide(1, u16::from_be_bytes)),
        ];
        for (encoding, text) in texts {
            for needle in STEMS {
                if text.contains(needle) {
                    traces.push(format!("{needle} in {} as {encoding}", path.display()));
                }
            }
        }
    }
    traces
}

/// The secret in every place that can hold text.
fn fill(store: &SqliteStore) {
    // Neighbours on the same pages, and enough of them for overflow and free pages.
    let others: Vec<_> = (1000..1300)
        .map(|n| insert(cell(n, &format!("harmless {n} ").repeat(40))))
        .collect();
    store.insert(&others).unwrap();
    let mut secret = full_cell(1);
    secret.content = SECRET.into();
    secret.speaker = Some("Zebulon".into());
    secret.source_refs = vec!["file:///kryptonaut.txt".into()];
    secret.payload = Some(json!({"resolved": ["quaxtown"], "long": SECRET.repeat(300)}));
    store
        .insert(&[InsertCell {
            idempotency_key: Some("import-zebulon".into()),
            vector: Some(vector(3)),
            ..insert(secret.clone())
        }])
        .unwrap();
    secret.content = SECOND.into();
    secret.updated_at = NOW;
    let change = UpdateCell {
        cell: secret,
        expected_version: 3,
        content_hash: hash(SECOND),
        vector: None,
    };
    store.update(&change, &[]).unwrap();
    store
        .supersede(cell_id(1), None, &insert(cell(2, SECRET)), NOW, &[])
        .unwrap();
    let mut asked = decision(1, "t", &[1, 2, 1000]);
    asked.items[0].version = store.get(cell_id(1)).unwrap().cell.version;
    asked.query = format!("WHERE DID THE ZEBULONS GO? {}", "again ".repeat(2000));
    asked.context = Some(format!("context\n[m:1] {SECRET}"));
    store
        .append_decision(
            &NewDecision {
                decision: &asked,
                seqs: &[],
            },
            &[],
        )
        .unwrap();
    let mut unrelated = decision(2, "t", &[1000]);
    unrelated.query = "harmless question about quaxtown".into();
    store
        .append_decision(
            &NewDecision {
                decision: &unrelated,
                seqs: &[],
            },
            &[],
        )
        .unwrap();
    let mut innocent = decision(3, "t", &[1000]);
    innocent.query = "harmless".into();
    store
        .append_decision(
            &NewDecision {
                decision: &innocent,
                seqs: &[],
            },
            &[],
        )
        .unwrap();
    let report = Outcome {
        user_correction: Some(format!("No! {SECRET}")),
        ..Outcome::default()
    };
    store
        .append_outcome(outcome_id(1), decision_id(1), NOW, &report, &[])
        .unwrap();
    store
        .append_events(&[memrl_types::Event {
            payload: json!({"query": SECRET}),
            ..event(1, EventKind::RetrieveCells, &[1], Some(1))
        }])
        .unwrap();
}

#[test]
fn purged_means_gone_from_every_file() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    fill(&store);
    let backups = dir.path().join("backups");
    fs::create_dir(&backups).unwrap();
    store.backup_to(&backups.join("nightly.db")).unwrap();
    fs::write(backups.join("notes.txt"), "not ours").unwrap();
    store
        .backup_to(&dir.path().join("memrl.db.before-restore-1"))
        .unwrap();
    // Another process of ours, idle, must not keep anything alive.
    let idle = SqliteStore::open(dir.path()).unwrap();
    assert_eq!(idle.get(cell_id(1)).unwrap().cell.content, SECOND);
    assert!(
        traces(dir.path()).len() > STEMS.len(),
        "the search finds what is there"
    );

    let report = store.purge(&[cell_id(1), cell_id(2)]).unwrap();
    assert_eq!(report.cells.len(), 2);
    assert!(!report.pending);
    assert_eq!(report.backups_deleted, 2);
    // Query and context of 1, query of 2, the correction, the event.
    assert_eq!(report.log_texts_erased, 5);
    assert_eq!(traces(dir.path()), [""; 0]);
    // What is not the secret is still there.
    assert_eq!(
        store.decision(decision_id(3)).unwrap().decision.query,
        "harmless"
    );
    assert_eq!(
        store.decision(decision_id(1)).unwrap().decision.items.len(),
        3
    );
    assert_eq!(
        fs::read_to_string(backups.join("notes.txt")).unwrap(),
        "not ours"
    );
    assert_eq!(fs::read_dir(&backups).unwrap().count(), 2);
    assert_eq!(store.integrity().unwrap(), [""; 0]);
    assert_eq!(idle.stats().unwrap().cells_by_status[0].1, 300);
    drop((store, idle));
    assert_eq!(traces(dir.path()), [""; 0]);
}

#[test]
fn a_purge_is_pending_while_a_reader_holds_on_and_is_finished_later() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    fill(&store);
    let mut reader = start("hold_a_snapshot", dir.path(), 0);
    let mut lines = said(reader.stdout.take().unwrap());
    assert_eq!(lines.next().as_deref(), Some("ready"));
    let report = store.purge(&[cell_id(1), cell_id(2)]).unwrap();
    assert!(report.pending);
    assert!(store.find(cell_id(1)).unwrap().is_none());
    assert!(
        !traces(dir.path()).is_empty(),
        "the reader still needs the old pages"
    );
    assert!(store.maintain().unwrap().purge_pending);
    // End of input: the reader goes on and ends.
    drop(reader.stdin.take());
    assert!(reader.wait().unwrap().success());
    let done = store.maintain().unwrap();
    assert!(done.checkpointed && !done.purge_pending);
    assert_eq!(traces(dir.path()), [""; 0]);
    assert!(!store.maintain().unwrap().purge_pending);
}

#[test]
fn forgotten_means_gone_from_the_rows() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    let mut secret = cell(1, SECRET);
    secret.payload = Some(json!([SECRET]));
    store.insert(&[insert(secret)]).unwrap();
    store.forget(cell_id(1), NOW, &[]).unwrap();
    // A backup holds rows only, no remains of old pages.
    let copy = dir.path().join("copies");
    fs::create_dir(&copy).unwrap();
    store.backup_to(&copy.join("copy.db")).unwrap();
    assert_eq!(traces(&copy), [""; 0]);
}

/// Where the store notes that a purge is not finished. What a crash leaves behind is the note and
/// the files; the tests put both there.
const NOTE: &str = "store.purge_pending";

fn named(dir: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(dir, &mut found);
    found.retain(|p| p.file_name().unwrap().to_string_lossy().contains(name));
    found
}

#[test]
fn copies_that_outlived_a_crash_in_a_purge_are_replaced_by_upkeep() {
    let (dir, aside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = SqliteStore::open(dir.path()).unwrap();
    fill(&store);
    let kept = aside.path().join("nightly.db");
    store.backup_to(&kept).unwrap();
    let backups = dir.path().join("backups");
    assert_eq!(
        store
            .purge(&[cell_id(1), cell_id(2)])
            .unwrap()
            .backups_deleted,
        0
    );
    // The rows were gone, the process died, the backup is still there.
    fs::create_dir(&backups).unwrap();
    fs::copy(&kept, backups.join("nightly.db")).unwrap();
    store.set_meta(NOTE, &[1]).unwrap();
    drop(store);
    let store = SqliteStore::open(dir.path()).unwrap();
    assert!(!traces(dir.path()).is_empty());
    assert!(!store.maintain().unwrap().purge_pending);
    assert_eq!(traces(dir.path()), [""; 0]);
    assert!(!backups.join("nightly.db").exists());
    assert_eq!(named(&backups, "after-purge").len(), 1);
    assert_eq!(store.meta(NOTE).unwrap(), None);
    // Done is done: later backups stay.
    store.backup_to(&backups.join("later.db")).unwrap();
    assert!(!store.maintain().unwrap().purge_pending);
    assert!(backups.join("later.db").exists());
}

#[test]
fn a_backup_that_could_not_be_replaced_is_replaced_later() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    fill(&store);
    let backups = dir.path().join("backups");
    fs::create_dir(&backups).unwrap();
    store.backup_to(&backups.join("nightly.db")).unwrap();
    // Two cells are deleted, each of which is a change; the name of the new backup is taken.
    let taken = backups.join(format!(
        "after-purge-{}.db",
        store.change_seq().unwrap() + 2
    ));
    fs::create_dir(&taken).unwrap();
    assert!(matches!(
        store.purge(&[cell_id(1), cell_id(2)]),
        Err(memrl_store::StoreError::Io { .. })
    ));
    // Nothing of the content is left, but a backup is owed, also by the next process.
    assert_eq!(traces(dir.path()), [""; 0]);
    assert!(store.meta(NOTE).unwrap().is_some());
    drop(store);
    fs::remove_dir(&taken).unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    assert!(!store.maintain().unwrap().purge_pending);
    assert!(taken.is_file());
    assert_eq!(store.meta(NOTE).unwrap(), None);
    // What was made in the place of the old ones is a sound store without a purge to finish.
    let restored = TempDir::new().unwrap();
    fs::copy(&taken, restored.path().join("memrl.db")).unwrap();
    let restored = SqliteStore::open(restored.path()).unwrap();
    assert_eq!(restored.meta(NOTE).unwrap(), None);
    assert_eq!(restored.integrity().unwrap(), [""; 0]);
    assert_eq!(restored.stats().unwrap().cells_by_status[0].1, 300);
}

#[test]
fn while_a_reader_holds_on_later_backups_are_left_alone() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    fill(&store);
    let backups = dir.path().join("backups");
    fs::create_dir(&backups).unwrap();
    store.backup_to(&backups.join("nightly.db")).unwrap();
    let mut reader = start("hold_a_snapshot", dir.path(), 0);
    let mut lines = said(reader.stdout.take().unwrap());
    assert_eq!(lines.next().as_deref(), Some("ready"));
    let report = store.purge(&[cell_id(1), cell_id(2)]).unwrap();
    assert!(report.pending);
    assert_eq!(report.backups_deleted, 1);
    assert_eq!(traces(&backups), [""; 0]);
    // A copy made now is clean, and stays.
    let later = backups.join("later.db");
    store.backup_to(&later).unwrap();
    assert!(store.maintain().unwrap().purge_pending);
    assert!(later.exists());
    assert_eq!(named(&backups, "after-purge").len(), 1);
    assert_eq!(traces(&backups), [""; 0]);
    drop(reader.stdin.take());
    assert!(reader.wait().unwrap().success());
    assert!(!store.maintain().unwrap().purge_pending);
    assert!(later.exists());
    assert_eq!(traces(dir.path()), [""; 0]);
}

#[test]
fn what_interrupted_copies_left_behind_goes_too() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    fill(&store);
    let backups = dir.path().join("backups");
    fs::create_dir(&backups).unwrap();
    let whole = backups.join("whole.db");
    store.backup_to(&whole).unwrap();
    let image = fs::read(&whole).unwrap();
    fs::remove_file(&whole).unwrap();
    let unfinished = [&[0; 4096][..], &image[4096..]].concat();
    let journal = [
        &[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7][..],
        SECRET.as_bytes(),
    ]
    .concat();
    let unsynced = [&[0; 28][..], SECRET.as_bytes()].concat();
    let log = [&[0x37, 0x7f, 0x06, 0x82][..], SECRET.as_bytes()].concat();
    let staging = dir.path().join("restore.part");
    fs::create_dir_all(staging.join("backups")).unwrap();
    for (path, bytes) in [
        (staging.join("memrl.db"), &image),
        (staging.join("memrl.db-wal"), &log),
        (staging.join("backups/old.db"), &image),
        // A backup that was not finished: with its first page, without, and with its journal.
        (backups.join("a.db.partial"), &image),
        (backups.join("b.db.partial"), &unfinished),
        (dir.path().join("c.bak.partial"), &unfinished),
        (backups.join("c.db.partial"), &Vec::new()),
        (backups.join("c.db.partial-journal"), &journal),
        // A migration that was not finished; side files of databases that are gone.
        (dir.path().join("memrl.db.new"), &unfinished),
        (dir.path().join("memrl.db.new-journal"), &unsynced),
        (backups.join("d.db-journal"), &journal),
        (dir.path().join("memrl.db.before-restore-3-wal"), &log),
    ] {
        fs::write(path, bytes).unwrap();
    }
    // Files of others, with names of the same kind.
    let film = dir.path().join("film.mp4.partial");
    fs::write(&film, "not a database").unwrap();
    let foreign = backups.join("theirs.sqlite");
    rusqlite::Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    let theirs = backups.join("theirs.sqlite-journal");
    fs::write(&theirs, &journal[..8]).unwrap();
    let diary = dir.path().join("my-journal");
    fs::write(&diary, "Dear diary").unwrap();

    let report = store.purge(&[cell_id(1), cell_id(2)]).unwrap();
    assert_eq!((report.backups_deleted, report.pending), (0, false));
    assert_eq!(traces(dir.path()), [""; 0]);
    assert!(!staging.exists());
    for gone in ["partial", "before-restore", "memrl.db.new", "d.db"] {
        let left = named(dir.path(), gone);
        assert!(left.is_empty() || left == [film.clone()], "{left:?}");
    }
    for kept in [film, foreign, theirs, diary] {
        assert!(kept.exists(), "{}", kept.display());
    }
    assert_eq!(store.integrity().unwrap(), [""; 0]);
}
