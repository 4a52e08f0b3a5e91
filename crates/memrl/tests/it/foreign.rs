//! Memories of other programs: counted, rehearsed, taken once, given back.

use std::path::Path;

use memrl::{Episode, EpisodeQuery, ImportFormat, ImportReport, ListRequest, Memory, Scope};

use crate::support::{Bed, bed};

fn import(bed: &Bed, path: &Path, dry_run: bool) -> ImportReport {
    bed.memory
        .import(path, None, &Scope::default(), dry_run, &mut |_| {})
        .unwrap()
}

const EPISODE: &str = r#"{
  "id": "0f3c2b1a-1111-4222-8333-444455556666",
  "timestamp_start": "2026-11-10T03:04:05Z",
  "timestamp_end": "2026-11-10T04:04:05Z",
  "project": "shop",
  "intent": {"raw_prompt": "Почини вход", "extracted_intent": "fix the login redirect", "task_type": "bugfix", "domain": ["auth"]},
  "context": {"files_read": ["a.rs"], "files_modified": ["b.rs"], "tools_invoked": ["cargo"],
    "errors_encountered": [{"error_type": "unknown", "message": "E0308", "resolved": true, "resolution": null}]},
  "outcome": {"status": "success", "tests_before": null, "tests_after": null, "commit_sha": "abcd1234", "pr_number": null},
  "utility": {"score": null, "retrieval_count": 3, "helpful_count": 2},
  "retrieval_history": [{"timestamp": "2026-11-12T00:00:00Z", "project": "shop", "task_description": "q", "was_helpful": false}]
}"#;

/// A data directory of the older program.
fn old_home(dir: &Path) {
    let day = dir.join("episodes/2026-11-10");
    std::fs::create_dir_all(&day).unwrap();
    std::fs::write(day.join("session-0f3c2b1a.json"), EPISODE).unwrap();
    std::fs::write(day.join("session-0f3c2b1a.md"), "# derived").unwrap();
    std::fs::write(day.join("session-broken.json"), "{\"id\": \"x").unwrap();
    std::fs::write(
        dir.join("config.toml"),
        "[bellman]\ngamma = 0.8\nalpha = 0.1\n",
    )
    .unwrap();
    std::fs::write(dir.join("feedback.log"), "").unwrap();
}

fn snapshot(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(snapshot(&path));
        } else {
            all.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn an_old_home_is_taken_over_once_and_never_rewritten() {
    let bed = bed();
    let home = tempfile::tempdir().unwrap();
    old_home(home.path());
    let before = snapshot(home.path());
    let dry = import(&bed, home.path(), true);
    assert_eq!((dry.created, dry.rejected, dry.dry_run), (1, 1, true));
    assert!(
        bed.memory
            .episodes(&EpisodeQuery::default())
            .unwrap()
            .items
            .is_empty()
    );
    let first = import(&bed, home.path(), false);
    assert_eq!((first.created, first.duplicates, first.rejected), (1, 0, 1));
    assert_eq!(first.evidence, 3);
    assert!(
        first
            .notes
            .iter()
            .any(|n| n.contains("values.discount_factor 0.8")),
        "{:?}",
        first.notes
    );
    assert!(
        first.notes.iter().all(|n| !n.contains("alpha")),
        "a default is nobody's choice"
    );
    let again = import(&bed, home.path(), false);
    assert_eq!((again.created, again.duplicates), (0, 1));
    let value = bed.memory.value("0f3c2b1a").unwrap();
    // Two said yes and one said no, a few days ago.
    assert!(
        value.mean > 0.5 && value.evidence > 2.5 && value.evidence < 3.0,
        "{value:?}"
    );
    assert_eq!(snapshot(home.path()), before);
}

#[test]
fn the_data_directory_of_the_old_program_can_be_ours() {
    let home = tempfile::tempdir().unwrap();
    old_home(home.path());
    let before = snapshot(home.path());
    let memory = Memory::open(home.path()).unwrap();
    memory
        .import(home.path(), None, &Scope::default(), false, &mut |_| {})
        .unwrap();
    let after = snapshot(home.path());
    for old in &before {
        assert!(after.contains(old), "{} changed", old.0.display());
    }
}

#[test]
fn an_episode_goes_back_as_it_came() {
    let bed = bed();
    let home = tempfile::tempdir().unwrap();
    old_home(home.path());
    import(&bed, home.path(), false);
    let out = tempfile::tempdir().unwrap();
    assert_eq!(bed.memory.export_episodes(out.path(), None).unwrap(), 1);
    let file = out.path().join("episodes/2026-11-10/session-0f3c2b1a.json");
    let back: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let mut came: serde_json::Value = serde_json::from_str(EPISODE).unwrap();
    // Our own value is told in their field.
    came["utility"]["score"] = back["utility"]["score"].clone();
    assert_eq!(back, came);
    let keys = |v: &serde_json::Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&back), keys(&came));
    assert!(
        bed.memory.export_episodes(out.path(), None).is_err(),
        "nothing is replaced"
    );
    let other = crate::support::bed();
    assert_eq!(import(&other, out.path(), false).created, 1);
}

#[test]
fn a_section_that_changed_is_a_new_version_and_the_rest_stays() {
    let bed = bed();
    let notes = tempfile::tempdir().unwrap();
    let file = notes.path().join("AGENTS.md");
    let first = "# Rules\n\n- Never push to main.\n\n# Build\n\nRun `make`.\n";
    std::fs::write(&file, first).unwrap();
    let done = import(&bed, notes.path(), false);
    assert_eq!((done.created, done.rejected), (2, 0));
    assert_eq!(import(&bed, notes.path(), false).duplicates, 2);
    std::fs::write(&file, first.replace("`make`", "`just`")).unwrap();
    let again = import(&bed, notes.path(), false);
    assert_eq!((again.created, again.updated, again.duplicates), (0, 1, 1));
    let all = bed.memory.list(&ListRequest::default()).unwrap().items;
    assert_eq!(all.len(), 2);
    assert!(
        all.iter()
            .any(|c| c.content.contains("`just`") && c.version == 2)
    );
    let rule = all
        .iter()
        .find(|c| c.content.contains("push to main"))
        .unwrap();
    bed.memory
        .forget(&rule.cell_id.to_string(), "not mine")
        .unwrap();
    import(&bed, notes.path(), false);
    let left = bed.memory.list(&ListRequest::default()).unwrap().items;
    assert_eq!(left.len(), 1, "what was forgotten stays forgotten");
}

#[test]
fn a_server_memory_file_is_recognised_and_taken_once() {
    let bed = bed();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("memory.json");
    let lines = [
        r#"{"type":"entity","name":"Ann","entityType":"person","observations":["drinks tea","lives in Kyōto"]}"#,
        r#"{"type":"relation","from":"Ann","to":"Shop","relationType":"works_at"}"#,
        r#"{"type":"entity","name":"cut"#,
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    assert_eq!(
        ImportFormat::detect(&file).unwrap(),
        ImportFormat::ServerMemory
    );
    let done = import(&bed, &file, false);
    assert!(done.created >= 2 && done.rejected == 1, "{done:?}");
    let again = import(&bed, &file, false);
    assert_eq!((again.created, again.duplicates), (0, done.created));
}

#[test]
fn imported_episodes_are_found_from_the_repository_of_that_name() {
    let bed = bed();
    let home = tempfile::tempdir().unwrap();
    old_home(home.path());
    import(&bed, home.path(), false);
    let repository = bed.dir.path().join("shop");
    std::fs::create_dir_all(repository.join(".git")).unwrap();
    let project = bed.memory.project(None, &repository).unwrap();
    let found = bed
        .memory
        .retrieve(&memrl::RetrieveRequest {
            query: "login redirect".into(),
            project: Some(project),
            only_project: true,
            limit: 3,
            types: Vec::new(),
            trajectory: None,
            budget_tokens: None,
            skip_shown: false,
            explore: false,
        })
        .unwrap();
    assert_eq!(found.hits.len(), 1);
    let episode: Episode =
        serde_json::from_value(found.hits[0].cell.payload.clone().unwrap()).unwrap();
    assert_eq!(episode.intent.raw_prompt, "Почини вход");
}

#[test]
fn our_own_export_of_an_episode_is_no_file_of_another_program() {
    let bed = bed();
    let home = tempfile::tempdir().unwrap();
    old_home(home.path());
    import(&bed, home.path(), false);
    let file = home.path().join("cells.jsonl");
    let mut out = std::fs::File::create(&file).unwrap();
    bed.memory
        .export_cells(&mut out, &ListRequest::default())
        .unwrap();
    assert_eq!(ImportFormat::detect(&file).unwrap(), ImportFormat::Jsonl);
    let other = crate::support::bed();
    assert_eq!(import(&other, &file, false).created, 1);
    assert_eq!(import(&bed, &file, false).duplicates, 1);
}
