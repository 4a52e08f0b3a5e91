//! Memories of other programs: read twice, they are the same, and what is written back is what
//! those programs read.

use memrl_capture::foreign::{
    ForeignError, MAX_SECTION, MemrlUtility, Record, Records, old_settings, parse_markdown,
    parse_memrl, parse_server_memory, to_memrl_json,
};
use memrl_types::{CellType, Episode, EpisodeStatus, TaskType, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

const WRITTEN: Timestamp = Timestamp(1_767_225_600_000_000);

/// As Tempera 0.3 writes it.
fn tempera() -> Value {
    json!({
        "id": "0f3c2b1a-1111-4222-8333-444455556666",
        "timestamp_start": "2026-01-02T03:04:05Z",
        "timestamp_end": "2026-01-02T04:04:05.250000Z",
        "project": "shop",
        "intent": {"raw_prompt": "почини вход", "extracted_intent": "fix login", "task_type": "bugfix", "domain": ["auth"]},
        "context": {"files_read": ["a.rs"], "files_modified": ["b.rs"], "tools_invoked": ["cargo test"],
            "errors_encountered": [{"error_type": "unknown", "message": "E0308", "resolved": true, "resolution": null}]},
        "outcome": {"status": "success", "tests_before": null, "tests_after": {"passed": 3, "failed": 0, "skipped": 1},
            "commit_sha": "abcd1234", "pr_number": null},
        "utility": {"score": 0.75, "retrieval_count": 1, "helpful_count": 2},
        "retrieval_history": [{"timestamp": "2026-01-03T00:00:00Z", "project": "shop", "task_description": "login",
            "was_helpful": true}, {"timestamp": "2026-01-04T00:00:00Z", "project": "shop", "task_description": "q", "was_helpful": null}],
    })
}

#[test]
fn an_episode_file_is_written_back_as_it_was() {
    let file = tempera();
    let read = parse_memrl(&file.to_string()).unwrap();
    assert_eq!(read.id, "0f3c2b1a-1111-4222-8333-444455556666");
    assert_eq!(read.episode.intent.task_type, TaskType::Bugfix);
    assert_eq!(read.episode.outcome.status, EpisodeStatus::Success);
    assert_eq!(
        (read.utility.score, read.utility.helpful_count),
        (Some(0.75), 2)
    );
    assert_eq!(read.retrievals[0].was_helpful, Some(true));
    assert_eq!(read.redacted, 0);
    let back = to_memrl_json(
        &read.episode,
        &read.id,
        &read.utility,
        &read.retrievals,
        WRITTEN,
    );
    // Compared as text: the order of the fields counts.
    assert_eq!(back.to_string(), file.to_string());
}

#[test]
fn a_file_of_the_older_version_lacks_the_history() {
    let mut file = tempera();
    file.as_object_mut().unwrap().remove("retrieval_history");
    file["outcome"] = json!({"status": "partial"});
    file["utility"] = json!({"score": null, "retrieval_count": 0, "helpful_count": 0});
    let read = parse_memrl(&format!("\u{feff}{file:#}")).unwrap();
    assert!(read.retrievals.is_empty());
    assert_eq!(read.utility, MemrlUtility::default());
}

#[test]
fn what_newer_versions_add_is_not_lost() {
    let mut file = tempera();
    file["schema_version"] = json!(5);
    file["session_id"] = json!("s1");
    file["related_episodes"] = json!([{"id": "e2", "relationship": "continuation"}, {"id": ""}]);
    file["intent"]["claim"] = json!({"falsifiability": 0.9, "category": "performance"});
    file["outcome"]["verification"] = json!("untested");
    file["alternatives_considered"] = json!([
        {"approach": "a cache", "why_not": "stale reads", "how_close": "near_miss", "would_revisit_if": "reads dominate"},
        {"approach": "b", "why_not": "", "how_close": "long_shot"}, {"approach": " "}]);
    let read = parse_memrl(&file.to_string()).unwrap();
    assert_eq!(read.session_id.as_deref(), Some("s1"));
    assert_eq!(read.related, [("e2".to_owned(), "continuation".to_owned())]);
    assert_eq!(
        read.episode.learnings,
        [
            "Not taken: a cache, because stale reads; worth another look if reads dominate",
            "Not taken: b"
        ]
    );
}

#[test]
fn an_episode_that_lacks_what_they_require_gets_it_and_loses_what_they_do_not_know() {
    let mut episode = Episode {
        learnings: vec!["x".into()],
        diff: Some("d".into()),
        timestamp_end: Some(Timestamp(WRITTEN.0 + 1_500_000)),
        ..Episode::default()
    };
    let utility = MemrlUtility {
        score: Some(f32::NAN),
        ..MemrlUtility::default()
    };
    let file = to_memrl_json(&episode, "id", &utility, &[], WRITTEN);
    let names: Vec<&str> = file
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        names,
        [
            "id",
            "timestamp_start",
            "timestamp_end",
            "project",
            "intent",
            "context",
            "outcome",
            "utility",
            "retrieval_history"
        ]
    );
    assert_eq!(file["timestamp_start"], "2026-01-01T00:00:01.500000Z");
    assert_eq!(file["utility"]["score"], Value::Null);
    assert_eq!(file["intent"]["task_type"], "unknown");
    assert_eq!(file["outcome"]["pr_number"], Value::Null);
    episode.timestamp_end = None;
    let file = to_memrl_json(&episode, "id", &utility, &[], WRITTEN);
    assert_eq!(file["timestamp_end"], "2026-01-01T00:00:00Z");
}

#[test]
fn broken_episode_files_are_errors_and_their_secrets_are_cut() {
    let text = tempera().to_string();
    for broken in ["", "[]", "7", &text[..text.len() / 2], "{\"id\": 5}"] {
        assert!(
            matches!(parse_memrl(broken), Err(ForeignError::NotAnEpisode(_))),
            "{broken}"
        );
    }
    for nameless in ["{}", "{\"id\": \" \"}"] {
        assert!(matches!(parse_memrl(nameless), Err(ForeignError::NoId)));
    }
    let mut file = tempera();
    file["intent"]["raw_prompt"] = json!("log in with password=hunter2");
    file["retrieval_history"][0]["task_description"] = json!("token=abc123xyz");
    let read = parse_memrl(&file.to_string()).unwrap();
    assert_eq!(read.redacted, 2);
    assert_eq!(
        read.episode.intent.raw_prompt,
        "log in with password=[redacted]"
    );
    assert_eq!(read.retrievals[0].task_description, "token=[redacted]");
}

#[test]
fn every_old_setting_is_mapped_or_explained() {
    let file = "# written by init\n[capture]\nauto_capture = true\nextract_intent_llm = true\ncapture_diffs = false\n\
        [embedding]\nmodel = \"bge-small-en-v1.5\"\nbatch_size = 32\n[retrieval]\ndefault_limit = 5\nsimilarity_weight = 0.3\n\
        utility_weight = 0.7\nmin_similarity = 0.5\n[bellman]\ngamma = 0.8\nalpha = 0.1\npropagate_interval = \"daily\"\n\
        [storage]\nmax_age_days = 180\nmin_utility_threshold = 0.05\nmin_retrievals = 2\n[extra]\nnew = [1, 2]\n";
    let settings = old_settings(file).unwrap();
    assert_eq!(settings.len(), 16);
    let of = |key: &str| settings.iter().find(|s| s.key == key).unwrap();
    let mapped: Vec<(&str, &str, &str)> = settings
        .iter()
        .filter_map(|s| Some((&*s.key, &*s.value, s.new_key?)))
        .collect();
    assert_eq!(
        mapped,
        [
            ("capture.auto_capture", "true", "sessions.capture"),
            (
                "capture.extract_intent_llm",
                "true",
                "sessions.extract_intent"
            ),
            ("capture.capture_diffs", "false", "sessions.capture_diff"),
            ("retrieval.default_limit", "5", "sessions.limit"),
            ("retrieval.utility_weight", "0.7", "values.utility_weight"),
            ("bellman.gamma", "0.8", "values.discount_factor"),
            ("bellman.alpha", "0.1", "values.learning_rate"),
        ]
    );
    assert!(
        settings
            .iter()
            .all(|s| s.new_key.is_some() || s.reason.is_some())
    );
    // What sends data away is asked about first.
    assert!(of("capture.extract_intent_llm").reason.is_some());
    assert!(of("bellman.alpha").is_default && !of("bellman.gamma").is_default);
    assert_eq!(of("extra.new").value, "[1, 2]");
    // As those programs write single-precision numbers.
    let newer = old_settings(
        "[bellman]\ndecay_rate = 0.01\nalpha = 0.10000000149011612\n[retrieval]\nrrf_k = 60.0\n",
    )
    .unwrap();
    let got: Vec<_> = newer
        .iter()
        .map(|s| (&*s.key, &*s.value, s.is_default))
        .collect();
    assert_eq!(
        got,
        [
            ("retrieval.rrf_k", "60.0", true),
            ("bellman.alpha", "0.1", true),
            ("bellman.decay_rate", "0.01", true)
        ]
    );
    assert_eq!(newer[2].new_key, Some("values.decay_rate"));
    assert_eq!(old_settings("").unwrap(), []);
    assert!(matches!(
        old_settings("= x"),
        Err(ForeignError::NotSettings(_))
    ));
}

const GRAPH: &str = r#"{"type":"entity","name":"Ada","entityType":"person","observations":["Prefers tea","Работает ночью"]}
{"type":"entity","name":"memrl","entityType":"project","observations":[]}

{"type":"relation","from":"Ada","to":"memrl","relationType":"works_on"}
{"type":"entity","name":"Ada","entityType":"person","observations":["Prefers tea"]}
{"type":"note","text":"?"}
{"type":"entity","name":"cut o
"#;

fn texts(records: &Records) -> Vec<&str> {
    records.records.iter().map(|r| &*r.text).collect()
}

#[test]
fn a_graph_becomes_one_record_per_observation_and_relation() {
    let read = parse_server_memory(GRAPH, "memory.jsonl").unwrap();
    assert_eq!(
        texts(&read),
        [
            "Ada (person): Prefers tea",
            "Ada (person): Работает ночью",
            "memrl (project)",
            "Ada works on memrl"
        ]
    );
    assert!(
        read.records
            .iter()
            .all(|r| r.kind == CellType::Fact && r.source == "memory.jsonl")
    );
    let lines: Vec<u64> = read.rejected.iter().map(|(at, _)| *at).collect();
    assert_eq!(lines, [6, 7]);
    // Whole-file form: the same records with the same keys.
    let whole = json!({
        "entities": [{"name": "Ada", "entityType": "person", "observations": ["Prefers tea", "Работает ночью"]},
            {"name": "memrl", "entityType": "project", "observations": []}],
        "relations": [{"from": "Ada", "to": "memrl", "relationType": "works_on"}],
    });
    let whole = parse_server_memory(&whole.to_string(), "memory.jsonl").unwrap();
    assert_eq!(whole.records, read.records);
    // A graph that grew adds records and changes none.
    let grown = GRAPH.replacen("[\"Prefers", "[\"New\",\"Prefers", 1);
    let grown = parse_server_memory(&grown, "memory.jsonl").unwrap();
    let new: Vec<&Record> = grown
        .records
        .iter()
        .filter(|r| !read.records.contains(r))
        .collect();
    assert_eq!(new.len(), 1);
    assert!(matches!(
        parse_server_memory("# Title\n", "x"),
        Err(ForeignError::NotMemories(_))
    ));
    assert!(matches!(
        parse_server_memory("{\"a\":1}\n", "x"),
        Err(ForeignError::NotMemories(_))
    ));
    assert_eq!(parse_server_memory("", "x").unwrap().records, []);
}

const NOTES: &str = "---\ntitle: Shop\ntags: [Web, \"auth\"]\ncreated: 2026-03-04\n---\nIntro line.\n\n# Rules\n\n\
- Always run `cargo test` before a commit.\n- Never push to main.\n  Not even once.\n- Do not use `unwrap()`.\n\n\
## Style\n\nI prefer short functions.\n\n## Build\n\n1. Install Rust.\n2. Run:\n\n   ```sh\n   # not a heading\n   cargo build\n   ```\n\n\
Deploying\n---------\n\nThe server is in Frankfurt.\n\n```text\n## no heading\n\n\nkept\n```\n\n# Empty\n\n# Rules\n\nTea is at four.\n";

#[test]
fn markdown_becomes_sections_with_their_headings() {
    let read = parse_markdown(NOTES, "docs/CLAUDE.md");
    let got: Vec<(&str, CellType, &str)> = read
        .records
        .iter()
        .map(|r| (&*r.key, r.kind, &*r.text))
        .collect();
    assert_eq!(
        got,
        [
            ("docs/CLAUDE.md#", CellType::Fact, "Shop\nIntro line."),
            (
                "docs/CLAUDE.md#rules",
                CellType::Constraint,
                "Shop › Rules\n- Always run `cargo test` before a commit.\n- Never push to main.\n  Not even once.\n- Do not use `unwrap()`."
            ),
            (
                "docs/CLAUDE.md#rules/style",
                CellType::Preference,
                "Shop › Rules › Style\nI prefer short functions."
            ),
            (
                "docs/CLAUDE.md#rules/build",
                CellType::Procedure,
                "Shop › Rules › Build\n1. Install Rust.\n2. Run:\n\n   ```sh\n   # not a heading\n   cargo build\n   ```"
            ),
            (
                "docs/CLAUDE.md#rules/deploying",
                CellType::Fact,
                "Shop › Rules › Deploying\nThe server is in Frankfurt.\n\n```text\n## no heading\n\n\nkept\n```"
            ),
            (
                "docs/CLAUDE.md#rules~2",
                CellType::Fact,
                "Shop › Rules\nTea is at four."
            ),
        ]
    );
    let first = &read.records[0];
    assert_eq!(first.tags, ["web", "auth"]);
    assert_eq!(first.when.unwrap().to_string(), "2026-03-04T00:00:00Z");
    assert_eq!(
        parse_markdown(&NOTES.replace('\n', "\r\n"), "docs/CLAUDE.md"),
        read
    );
    assert_eq!(
        parse_markdown(&format!("\u{feff}{NOTES}"), "docs/CLAUDE.md"),
        read
    );
}

#[test]
fn a_daily_note_has_its_day_and_a_text_without_headings_is_one_record() {
    let read = parse_markdown("Fixed the login.\n", "daily/2026-11-20.md");
    assert_eq!(read.records.len(), 1);
    assert_eq!(
        read.records[0].when.unwrap().to_string(),
        "2026-11-20T00:00:00Z"
    );
    assert_eq!(
        parse_markdown("How it goes.\n", "digest/procedure/release.md").records[0].kind,
        CellType::Procedure
    );
    for (text, path) in [
        ("", "a.md"),
        ("---\n", "a.md"),
        ("# Only a heading\n", "2026-99-99.md"),
        ("---\ntitle: x\nno end", "b.md"),
    ] {
        let read = parse_markdown(text, path);
        assert!(
            read.records.len() <= 1 && read.records.iter().all(|r| r.when.is_none()),
            "{text}"
        );
    }
}

#[test]
fn a_long_section_is_split_between_items_and_never_in_its_code() {
    let item = format!("- {}", "word ".repeat(30));
    let code = format!("```rust\n{}\n```", "let x = 1;\n".repeat(300));
    let text = format!(
        "# Long\n\n{}\n\n{code}\n\nThe end.\n",
        vec![item.clone(); 40].join("\n")
    );
    let read = parse_markdown(&text, "a.md");
    let keys: Vec<&str> = read.records.iter().map(|r| &*r.key).collect();
    assert_eq!(
        keys,
        [
            "a.md#long",
            "a.md#long:2",
            "a.md#long:3",
            "a.md#long:4",
            "a.md#long:5",
            "a.md#long:6"
        ]
    );
    for record in &read.records {
        let long = record.text.chars().count() > MAX_SECTION;
        assert_eq!(long, record.text.contains("let x"), "{}", record.key);
        assert_eq!(record.text.matches("```").count() % 2, 0);
        assert!(record.text.starts_with("Long\n"));
    }
    let items: usize = read
        .records
        .iter()
        .map(|r| r.text.matches("- word").count())
        .sum();
    assert_eq!(items, 40);
}

#[test]
fn secrets_and_our_own_words_do_not_come_in() {
    let read = parse_markdown(
        "# A\nDB_PASSWORD=hunter2\n\n<memory>\n# B\nold\n</memory>\n",
        "a.md",
    );
    assert_eq!(texts(&read), ["A\nDB_PASSWORD=[redacted]"]);
    assert_eq!(read.redacted, 1);
    let graph = r#"{"type":"entity","name":"db","entityType":"server","observations":["postgres://u:pw1@h/d"]}"#;
    assert_eq!(
        texts(&parse_server_memory(graph, "m").unwrap()),
        ["db (server): postgres://u:[redacted]@h/d"]
    );
}

proptest! {
    #[test]
    fn no_file_makes_a_reader_fail_and_keys_are_unique(
        text in "([#>`~=:\\-\\*\\[\\]{}\"0-9a-zжё .\u{1f980}]|\n|```|---|\r\n|- |1\\. ){0,200}",
        times in 1_usize..6,
    ) {
        let text = text.repeat(times);
        let read = parse_markdown(&text, "a.md");
        let mut keys: Vec<&String> = read.records.iter().map(|r| &r.key).collect();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), read.records.len());
        for record in &read.records {
            let long = record.text.chars().count() > MAX_SECTION;
            prop_assert!(!long || record.text.contains("```") || record.text.contains("~~~"));
        }
        prop_assert_eq!(parse_markdown(&text, "a.md"), read);
        let _ = (parse_memrl(&text), parse_server_memory(&text, "m"), old_settings(&text));
    }

    #[test]
    fn no_word_of_a_note_is_lost(words in proptest::collection::vec("[a-zж]{1,9}", 1..400)) {
        let mut text = String::from("# T\n");
        for (i, word) in words.iter().enumerate() {
            text.push_str(word);
            text.push_str(match i % 7 { 0 => "\n\n", 1 => "\n- ", 2 => "\n## H\n", _ => " " });
        }
        let read = parse_markdown(&text, "a.md");
        let kept: Vec<&str> = read
            .records
            .iter()
            .flat_map(|r| r.text.split_whitespace())
            .filter(|w| !["T", "›", "H", "-"].contains(w))
            .collect();
        let clean = memrl_capture::redact(&text).1 == 0;
        prop_assert!(!clean || kept == words.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[test]
fn tags_and_projects_hold_no_secret() {
    let token = ["ghp", &"a1B2c3D4e5".repeat(4)[..36]].join("_");
    let text = format!("---\ntags: [deploy, {token}]\n---\n# Deploy\n\nBy hand.\n");
    let records = parse_markdown(&text, "notes.md");
    assert!(records.redacted > 0);
    assert!(!format!("{:?}", records.records).contains(&token));
    let text = format!(
        r#"{{"id":"a","retrieval_history":[{{"project":"{token}","task_description":"x"}}]}}"#
    );
    let episode = parse_memrl(&text).unwrap();
    assert_eq!(episode.retrievals[0].project, "[redacted]");
    assert_eq!(episode.redacted, 1);
}
