//! Writing, changing, forgetting.

use memrl::{
    CellPatch, CellStatus, Code, ImportFormat, ListRequest, Memory, Options, Outcome, Scope,
    Successor,
};

use crate::support::{all_bytes, ann, ask, bed, fact, occurs, open, quiet};

#[test]
fn the_same_content_in_the_same_scope_is_one_cell() {
    let b = bed();
    let first = b.memory.write(fact("Ann lives in Lisbon.")).unwrap();
    let again = b.memory.write(fact("Ann lives in Lisbon.")).unwrap();
    assert!(first.created && !again.created);
    assert_eq!(first.cell.cell_id, again.cell.cell_id);
    let mut elsewhere = fact("Ann lives in Lisbon.");
    elsewhere.scope = Scope::of("user", "bob");
    assert!(b.memory.write(elsewhere).unwrap().created);
}

#[test]
fn read_your_writes_across_engines_on_one_directory() {
    let b = bed();
    let other = open(b.dir.path(), &b.clock, quiet(), 8);
    b.memory
        .write(fact("The deploy key is rotated on Mondays."))
        .unwrap();
    let seen = other
        .recall(&ask("when is the deploy key rotated?"))
        .unwrap();
    assert_eq!(seen.selected.len(), 1);
    let id = seen.selected[0].cell.cell_id.to_string();
    other.forget(&id, "test").unwrap();
    assert!(
        b.memory
            .recall(&ask("deploy key"))
            .unwrap()
            .selected
            .is_empty()
    );
}

#[test]
fn forgotten_means_gone() {
    let b = bed();
    let doomed = b
        .memory
        .write(fact("The zanzibarium quokkas sleepwalked on Tuesdays."))
        .unwrap();
    let kept = b
        .memory
        .write(fact("The office has a coffee machine."))
        .unwrap();
    let id = doomed.cell.cell_id.to_string();
    b.memory
        .update(
            &id,
            CellPatch {
                confidence: Some(0.5),
                ..CellPatch::default()
            },
        )
        .unwrap();
    let recall = b
        .memory
        .recall(&ask("do quokkas sleepwalk in the zanzibarium?"))
        .unwrap();
    let correction = Outcome {
        user_correction: Some("no, zanzibarium quokkas never sleepwalked".into()),
        ..Outcome::default()
    };
    b.memory.feedback(recall.decision_id, &correction).unwrap();
    b.memory
        .memcell_retrieve(&memrl::MemcellRetrieve {
            query: "quokkas of the zanzibarium".into(),
            scope: ann(),
            types: None,
            k: 5,
        })
        .unwrap();
    b.memory
        .backup(&b.dir.path().join("backups").join("before.db"))
        .unwrap();
    b.memory.maintain().unwrap();
    let report = b.memory.purge(&[&id]).unwrap();
    assert_eq!(report.cells, 1);
    assert!(!report.pending);
    for (file, bytes) in all_bytes(b.dir.path()) {
        for text in ["zanzibarium", "quokka", "sleepwalk", "tuesday"] {
            assert!(!occurs(&bytes, text), "{text} is left in {file}");
        }
    }
    let err = b.memory.get(&id).unwrap_err();
    assert_eq!(err.code(), Code::CellNotFound);
    assert!(b.memory.get(&kept.cell.cell_id.to_string()).is_ok());
    let why = b.memory.why(&recall.decision_id.to_string()).unwrap();
    assert!(why.erased && why.decision.query.is_empty());
}

#[test]
fn a_superseded_cell_has_one_successor_that_keeps_its_limits() {
    let b = bed();
    let mut old = fact("The API key expires in May.");
    old.valid_until = Some(b.clock_now().plus_days(30.0));
    let old = b.memory.write(old).unwrap().cell;
    let id = old.cell_id.to_string();
    b.memory.quarantine(&id, "doubtful").unwrap();
    let successor = || Successor {
        content: "The API key expires in June.".into(),
        ..Successor::default()
    };
    let done = b.memory.supersede(&id, successor()).unwrap();
    assert_eq!(done.old_cell.status, CellStatus::Superseded);
    assert_eq!(done.new_cell.status, CellStatus::Quarantined);
    assert_eq!(done.new_cell.valid_until, old.valid_until);
    assert_eq!(
        done.new_cell.version,
        done.old_cell.version.max(old.version + 1)
    );
    let err = b.memory.supersede(&id, successor()).unwrap_err();
    assert_eq!(err.code(), Code::AlreadySuperseded);
}

#[test]
fn one_of_n_concurrent_supersedes_wins() {
    let b = bed();
    let id = b
        .memory
        .write(fact("version zero"))
        .unwrap()
        .cell
        .cell_id
        .to_string();
    let wins: usize = std::thread::scope(|s| {
        let racers: Vec<_> = (0..8)
            .map(|i| {
                let (memory, id) = (&b.memory, &id);
                s.spawn(move || {
                    let content = format!("version by {i}");
                    memory.supersede(
                        id,
                        Successor {
                            content,
                            ..Successor::default()
                        },
                    )
                })
            })
            .collect();
        racers
            .into_iter()
            .map(|r| match r.join().unwrap() {
                Ok(_) => 1,
                Err(e) => {
                    assert_eq!(e.code(), Code::AlreadySuperseded);
                    0
                }
            })
            .sum()
    });
    assert_eq!(wins, 1);
    let active = ListRequest {
        statuses: vec![CellStatus::Active],
        ..ListRequest::default()
    };
    assert_eq!(b.memory.list(&active).unwrap().items.len(), 1);
}

#[test]
fn an_update_on_an_old_version_is_refused() {
    let b = bed();
    let id = b.memory.write(fact("a")).unwrap().cell.cell_id.to_string();
    let patch = |v| CellPatch {
        content: Some(format!("b{v}")),
        expected_version: Some(v),
        ..CellPatch::default()
    };
    b.memory.update(&id, patch(1)).unwrap();
    assert_eq!(
        b.memory.update(&id, patch(1)).unwrap_err().code(),
        Code::Conflict
    );
    let history = b.memory.history(&id).unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(history[0].cell.content, "a");
}

#[test]
fn bad_cells_are_refused_with_a_code() {
    let b = bed();
    let mut features = fact("x");
    features.policy_features = Some(memrl::PolicyFeatures {
        criticality: f64::NAN,
        ..Default::default()
    });
    let mut confident = fact("x");
    confident.confidence = 2.0;
    let mut window = fact("x");
    window.valid_from = Some(b.clock_now());
    window.valid_until = Some(b.clock_now().plus_days(-1.0));
    for (cell, code) in [
        (fact("  "), Code::EmptyContent),
        (fact(&"x".repeat(10 << 20)), Code::ContentTooLarge),
        (features, Code::NotFinite),
        (confident, Code::InvalidInput),
        (window, Code::InvalidInput),
    ] {
        assert_eq!(b.memory.write(cell).unwrap_err().code(), code);
    }
    assert!(
        b.memory
            .list(&ListRequest::default())
            .unwrap()
            .items
            .is_empty()
    );
}

#[test]
fn importing_twice_is_importing_once() {
    let b = bed();
    let file = b.dir.path().join("cells.jsonl");
    let lines = [
        r#"{"type":"fact","scope":{"user":"ann"},"content":"one"}"#,
        r#"{"cell_type":"fact","scope":"user=ann","content":"two","criticality":0.9}"#,
        "not json",
        r#"{"type":"rumour","content":"three"}"#,
        "",
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let import = |m: &Memory, dry| {
        m.import(&file, None, &Scope::default(), dry, &mut |_| {})
            .unwrap()
    };
    let rehearsal = import(&b.memory, true);
    assert_eq!((rehearsal.created, rehearsal.rejected), (0, 2));
    let first = import(&b.memory, false);
    assert_eq!(
        (first.read, first.created, first.duplicates, first.rejected),
        (4, 2, 0, 2)
    );
    assert_eq!(first.rejections[0].at, 3);
    let second = import(&b.memory, false);
    assert_eq!((second.created, second.duplicates), (0, 2));
    let mut exported = Vec::new();
    b.memory
        .export_cells(&mut exported, &ListRequest::default())
        .unwrap();
    let id = b.memory.get("last").unwrap().cell_id.to_string();
    let patch = CellPatch {
        content: Some("changed since".into()),
        ..CellPatch::default()
    };
    b.memory.update(&id, patch).unwrap();
    let back = b.dir.path().join("exported.jsonl");
    std::fs::write(&back, exported).unwrap();
    let own = b
        .memory
        .import(&back, None, &Scope::default(), false, &mut |_| {})
        .unwrap();
    assert_eq!(
        (own.created, own.duplicates, own.rejected),
        (0, 2, 0),
        "{:?}",
        own.rejections
    );
    let csv = b.dir.path().join("cells.csv");
    std::fs::write(
        &csv,
        "type,content,scope,criticality\nfact,four,user=ann,0.5\nfact,\"\",x=y,\n",
    )
    .unwrap();
    let third = b
        .memory
        .import(&csv, Some(ImportFormat::Csv), &ann(), false, &mut |_| {})
        .unwrap();
    assert_eq!((third.created, third.rejected), (1, 1));
}

#[test]
fn a_backup_restores_to_the_same_memory() {
    let b = bed();
    b.memory.write(fact("Ann lives in Lisbon.")).unwrap();
    b.memory.recall(&ask("where does Ann live?")).unwrap();
    let file = b.dir.path().join("copy.db");
    b.memory.backup(&file).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let report = memrl::restore(&file, elsewhere.path(), false).unwrap();
    assert_eq!((report.cells, report.decisions), (1, 1));
    let again = memrl::restore(&file, elsewhere.path(), false).unwrap_err();
    assert_eq!(again.code(), Code::NotConfirmed);
    let forced = memrl::restore(&file, elsewhere.path(), true).unwrap();
    assert!(forced.former.is_some());
    let memory = Memory::open_with(Options {
        config: Some(quiet()),
        ..Options::new(elsewhere.path())
    })
    .unwrap();
    assert_eq!(
        memory
            .recall(&ask("where does Ann live?"))
            .unwrap()
            .selected
            .len(),
        1
    );
}

/// An embedder that does not answer while the flag is down.
struct Moody(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl memrl::search::embed::Embedder for Moody {
    fn id(&self) -> &'static str {
        "moody"
    }
    fn dim(&self) -> usize {
        2
    }
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, memrl::search::embed::EmbedError> {
        if self.0.load(std::sync::atomic::Ordering::SeqCst) {
            Ok(texts.iter().map(|_| vec![1.0, 0.0]).collect())
        } else {
            Err(memrl::search::embed::EmbedError::Format("no answer".into()))
        }
    }
}

#[test]
fn without_an_embedder_memory_works_by_words_and_catches_up_later() {
    let dir = tempfile::tempdir().unwrap();
    let up = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let memory = Memory::open_with(Options {
        config: Some(quiet()),
        embedder: Some(Box::new(Moody(up.clone()))),
        ..Options::new(dir.path())
    })
    .unwrap();
    memory.write(fact("The first one has a vector.")).unwrap();
    memory.maintain().unwrap();
    up.store(false, std::sync::atomic::Ordering::SeqCst);
    memory
        .write(fact("The embedder was down for this one."))
        .unwrap();
    let recall = memory.recall(&ask("was the embedder down?")).unwrap();
    assert_eq!(recall.warnings.len(), 1);
    assert!(recall.context.contains("down for this one"));
    let vectors = |m: &Memory| {
        let report = m.doctor(false).unwrap();
        report
            .checks
            .into_iter()
            .find(|c| c.name == "vectors")
            .unwrap()
            .health
    };
    assert_eq!(vectors(&memory), memrl::Health::Warning);
    memory.maintain().unwrap();
    assert_eq!(
        vectors(&memory),
        memrl::Health::Warning,
        "still down, and nobody hides it"
    );
    up.store(true, std::sync::atomic::Ordering::SeqCst);
    memory.maintain().unwrap();
    assert_eq!(vectors(&memory), memrl::Health::Ok);
}

#[test]
fn twins_that_move_here_with_their_own_ids_stay_two() {
    let b = bed();
    let file = b.dir.path().join("twins.jsonl");
    let line = |id: &str| {
        format!(r#"{{"cell_id":"{id}","type":"fact","scope":{{"user":"ann"}},"content":"Yes!"}}"#)
    };
    let one = "7a2f2b0e-9a4e-4b7e-8f7c-2f5d6f0f9c11";
    let two = "8b2f2b0e-9a4e-4b7e-8f7c-2f5d6f0f9c12";
    std::fs::write(&file, [line(one), line(two), line(one)].join("\n")).unwrap();
    let r = b
        .memory
        .import(&file, None, &Scope::default(), false, &mut |_| {})
        .unwrap();
    assert_eq!((r.created, r.duplicates, r.rejected), (2, 1, 0));
}

#[test]
fn a_restore_waits_for_nobody_and_disturbs_nobody() {
    let b = bed();
    b.memory.write(fact("Ann lives in Lisbon.")).unwrap();
    let file = b.dir.path().join("copy.db");
    b.memory.backup(&file).unwrap();
    let err = memrl::restore(&file, b.dir.path(), true).unwrap_err();
    assert_eq!(err.code(), Code::Busy);
    assert_eq!(
        b.memory
            .recall(&ask("where does Ann live?"))
            .unwrap()
            .selected
            .len(),
        1
    );
}

#[test]
fn a_purge_leaves_no_vector_in_the_index_file() {
    let b = bed();
    let doomed = b
        .memory
        .write(fact("The zanzibarium quokkas sleepwalked."))
        .unwrap()
        .cell;
    b.memory
        .write(fact("The office has a coffee machine."))
        .unwrap();
    b.memory.doctor(true).unwrap();
    let before = std::fs::read(b.dir.path().join("index.bin")).unwrap();
    let id = *doomed.cell_id.bytes();
    assert!(
        before.windows(16).any(|w| w == id),
        "the cell is in the file at first"
    );
    b.memory.purge(&[&doomed.cell_id.to_string()]).unwrap();
    let after = std::fs::read(b.dir.path().join("index.bin")).unwrap();
    assert!(!after.windows(16).any(|w| w == id));
}

#[test]
fn an_embedder_that_cannot_be_had_stops_nothing_but_vectors() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = quiet();
    config.embedder = "bert:/no/such/folder".into();
    let memory = Memory::open_with(Options {
        config: Some(config),
        ..Options::new(dir.path())
    });
    let memory = memory.unwrap();
    let id = memory
        .write(fact("Words are enough."))
        .unwrap()
        .cell
        .cell_id
        .to_string();
    memory.maintain().unwrap();
    let recall = memory.recall(&ask("are words enough?")).unwrap();
    assert!(recall.context.contains("Words are enough."));
    assert!(
        recall.warnings[0].contains("/no/such/folder"),
        "{:?}",
        recall.warnings
    );
    memory.purge(&[&id]).unwrap();
}

#[test]
fn a_cell_written_as_deleted_has_no_content() {
    let b = bed();
    let mut cell = fact("SECRETDELX");
    cell.status = CellStatus::Deleted;
    let written = b.memory.memcell_write(cell).unwrap();
    assert_eq!(written.content, "[deleted]");
    for (file, bytes) in all_bytes(b.dir.path()) {
        assert!(!occurs(&bytes, "SECRETDELX"), "{file}");
    }
}
