//! Loaders on odd files, and on the public data sets where they are present.
//!
//! `MEMRL_TEST_DATA` names a folder with `locomo/` and `hotpotqa/` in it. Without it, the tests
//! on public data say so and check nothing: these sets are not ours to ship.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use memrl_bench::locomo::Options;
use memrl_bench::{Category, Conversation, LoadError, corpus, hotpot, locomo};
use proptest::prelude::*;

const ONE: &str = r#"{"sample_id":"s","conversation":{"speaker_a":"A","speaker_b":"B",
 "session_10_date_time":"12:40 am on 27 March, 2022","session_10":[{"speaker":"B","dia_id":"D10:1","text":"last","blip_caption":"a cat"}],
 "session_2_date_time":"soonish","session_2":[{"speaker":"A","dia_id":"D2:1","text":"first"},{"speaker":"B","text":"no id"}],
 "session_11_date_time":"1:00 pm on 1 April, 2022"},
 "qa":[{"question":"q1","answer":7,"evidence":["D2:1; D:10:1","D9:9"],"category":1},
       {"question":"q2","category":4},
       {"question":"q3","adversarial_answer":"x","evidence":["D2:1"],"category":5}]}"#;

fn parse(text: &str) -> Result<Vec<Conversation>, LoadError> {
    locomo::parse(text, "f.json", Options::default())
}

#[test]
fn a_single_conversation_and_a_list_are_the_same() {
    let (one, list) = (parse(ONE).unwrap(), parse(&format!("[{ONE}]")).unwrap());
    assert_eq!((one.len(), list.len()), (1, 1));
    assert_eq!(
        (&one[0].turns, &one[0].questions),
        (&list[0].turns, &list[0].questions)
    );
}

#[test]
fn odd_data_is_loaded_and_named() {
    let c = parse(ONE).unwrap().remove(0);
    let ids: Vec<_> = c.turns.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(
        ids,
        ["D2:1", "D2:2", "D10:1"],
        "sessions are in order of their numbers"
    );
    assert_eq!(c.turns[0].at, None);
    assert_eq!(c.turns[2].at.unwrap().to_string(), "2022-03-27T00:40:00Z");
    assert_eq!(c.turns[2].caption.as_deref(), Some("a cat"));
    assert_eq!(c.questions.len(), 2, "category 5 is skipped");
    assert_eq!(c.questions[0].evidence, [0, 2]);
    assert_eq!(c.questions[0].answer.as_deref(), Some("7"));
    assert!(c.questions[1].evidence.is_empty());
    assert_eq!(
        c.warnings,
        [
            "conversation.session_2_date_time: \"soonish\" is not a date",
            "qa[0].evidence[1]: no turn \"D9:9\"",
        ]
    );
    let all = locomo::parse(ONE, "f.json", Options { adversarial: true }).unwrap();
    assert_eq!(all[0].questions[2].category, Category::Adversarial);
}

#[test]
fn malformed_input_is_refused_with_file_and_path() {
    let error = |text: &str| parse(text).unwrap_err().to_string();
    assert_eq!(
        error(&format!("[{}]", ONE.replace("\"first\"", "[1]"))),
        "f.json: [0].conversation.session_2[0].text: expected a text, found an array of 1"
    );
    assert_eq!(
        error(&ONE.replace("\"category\":4", "\"category\":9")),
        "f.json: qa[1].category: expected a category from 1 to 5, found the number 9"
    );
    assert_eq!(
        error("[{}]"),
        "f.json: [0]: expected a member `conversation`, found an object with the keys []"
    );
    assert_eq!(
        error("3"),
        "f.json: top level: expected a list of conversations, or one, found the number 3"
    );
    assert!(error("[").starts_with("f.json: the file is not JSON: "));
    let missing = locomo::load(Path::new("no/such.json"), Options::default());
    assert!(
        missing
            .unwrap_err()
            .to_string()
            .starts_with("no/such.json: ")
    );
}

#[test]
fn gzip_is_recognised_by_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.json");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(corpus::DEMO_JSON.as_bytes()).unwrap();
    let mut bytes = packed.finish().unwrap();
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(
        locomo::load(&path, Options::default()).unwrap(),
        corpus::demo().unwrap()
    );
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(
        locomo::load(&path, Options::default()),
        Err(LoadError::Io { .. })
    ));
}

proptest! {
    /// Whatever one byte of a file becomes, the loader answers: data or an error, no panic.
    #[test]
    fn a_damaged_file_never_panics(at in 0..ONE.len(), byte in 0x20..0x7fu8) {
        let mut bytes = ONE.as_bytes().to_vec();
        bytes[at] = byte;
        let text = String::from_utf8(bytes).unwrap();
        if let Ok(loaded) = parse(&text) {
            for c in loaded {
                prop_assert!(c.questions.iter().all(|q| q.evidence.iter().all(|&e| e < c.turns.len())));
            }
        }
        drop(hotpot::parse(&text, "f"));
    }

    #[test]
    fn any_text_as_a_date_is_a_time_or_none(text in "[0-9]{0,3}:?[0-9]{0,3} (am|pm|on)? ?on? ?[0-9]{0,3} [a-zA-Z]{0,5},? ?[0-9]{0,6}") {
        let _ = locomo::parse_date(&text);
    }
}

/// The public data, or `None` with the reason on stderr.
fn public(relative: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("MEMRL_TEST_DATA") else {
        eprintln!("skipped: MEMRL_TEST_DATA does not name a folder with {relative}");
        return None;
    };
    let path = Path::new(&folder).join(relative);
    if !path.exists() {
        eprintln!("skipped: {} does not exist", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn locomo_is_loaded_whole() {
    let Some(path) = public("locomo/locomo5.json.gz") else {
        return;
    };
    let loaded = locomo::load(&path, Options::default()).unwrap();
    let counts: Vec<_> = loaded
        .iter()
        .map(|c| (c.id.as_str(), c.turns.len(), c.questions.len()))
        .collect();
    // Counted from the file by another program.
    assert_eq!(
        counts,
        [
            ("conv-26", 419, 152),
            ("conv-41", 663, 152),
            ("conv-43", 680, 178),
            ("conv-47", 689, 150),
            ("conv-49", 509, 156)
        ]
    );
    assert!(
        loaded
            .iter()
            .all(|c| c.turns.iter().all(|t| t.at.is_some()))
    );
    let warnings: Vec<_> = loaded.iter().flat_map(|c| &c.warnings).collect();
    assert_eq!(warnings, ["[3].qa[38].evidence[0]: no turn \"D4:36\""]);
    let questions = || loaded.iter().flat_map(|c| &c.questions);
    assert_eq!(questions().filter(|q| !q.evidence.is_empty()).count(), 786);
    let all = locomo::load(&path, Options { adversarial: true }).unwrap();
    assert_eq!(all.iter().map(|c| c.questions.len()).sum::<usize>(), 1020);
}

#[test]
fn hotpotqa_is_loaded_whole() {
    let Some(path) = public("hotpotqa/hotpotqa.jsonl.gz") else {
        return;
    };
    let loaded = hotpot::load(&path).unwrap();
    assert_eq!(loaded.len(), 250);
    assert!(loaded.iter().all(|c| !c.questions[0].evidence.is_empty()));
    let pool = hotpot::pooled(&loaded);
    assert_eq!(pool.questions.len(), 250);
    for (one, q) in loaded.iter().zip(&pool.questions) {
        let texts = |c: &Conversation, e: &[usize]| {
            let mut texts: Vec<_> = e.iter().map(|&i| c.turns[i].text.clone()).collect();
            texts.sort();
            texts
        };
        assert_eq!(
            texts(&pool, &q.evidence),
            texts(one, &one.questions[0].evidence)
        );
    }
}
