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
