//! Reading in pieces, wherever they end.

use memrl_capture::{head_of, redact_episode, resumes};
use memrl_types::Episode;
use proptest::prelude::*;

use crate::support::{fixture, read, read_more};

fn in_pieces(bytes: &[u8], cuts: &[usize]) -> Option<Episode> {
    let mut episode = None;
    for cut in cuts {
        episode = read_more(&bytes[..*cut], episode);
    }
    read_more(bytes, episode)
}

#[test]
fn every_place_to_stop_gives_the_same_episode() {
    for name in ["claude.jsonl", "codex.jsonl", "text.txt"] {
        let bytes = fixture(name);
        let whole = read_more(&bytes, None).unwrap();
        let lines: Vec<usize> = (0..bytes.len())
            .filter(|i| bytes[*i] == b'\n')
            .map(|i| i + 1)
            .collect();
        assert_eq!(
            in_pieces(&bytes, &lines).unwrap(),
            whole,
            "{name}, line by line"
        );
        for at in &lines {
            assert_eq!(
                in_pieces(&bytes, &[*at, *at + 3.min(bytes.len() - at)]).unwrap(),
                whole,
                "{name} at {at}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_pieces_read_like_the_whole(which in 0_usize..3, cuts in proptest::collection::vec(0.0_f64..1.0, 0..12)) {
        let bytes = fixture(["claude.jsonl", "codex.jsonl", "text.txt"][which]);
        let mut cuts: Vec<usize> = cuts.iter().map(|c| (c * bytes.len() as f64) as usize).collect();
        cuts.sort_unstable();
        prop_assert_eq!(in_pieces(&bytes, &cuts), read_more(&bytes, None));
    }

    #[test]
    fn any_text_in_any_pieces_reads_like_the_whole(
        lines in proptest::collection::vec(
            prop_oneof![
                Just("Human: "), Just("Assistant: "), Just("> x"), Just("no, wrong"), Just("<memory"), Just("<memory>"), Just("</memory>"),
                Just("<system-reminder>"), Just("</system-reminder>"), Just("[m:1a2b3c4d]"), Just("fix the ci. Then test!"), Just(""), Just("thanks"), Just("a line that is long enough to be an answer of its own"), Just("Human: now add a dark mode"), Just("[Request interrupted by user]"),
            ],
            0..30,
        ),
        cuts in proptest::collection::vec(0.0_f64..1.0, 0..8),
    ) {
        let text = format!("Human: go\n{}\n", lines.join("\n"));
        let mut cuts: Vec<usize> = cuts.iter().map(|c| (c * text.len() as f64) as usize).collect();
        cuts.sort_unstable();
        prop_assert_eq!(in_pieces(text.as_bytes(), &cuts), read_more(text.as_bytes(), None));
    }
}

#[test]
fn many_prompts_read_one_by_one_are_the_same() {
    let topics = ["login", "sql", "css", "ci", "http api", "cache", "kafka"];
    let lines: Vec<String> = (0..40)
        .map(|i| {
            // What only a prompt in the middle says is forgotten in every reading.
            let topic = if i == 15 {
                "docker image"
            } else {
                topics[i % topics.len()]
            };
            let no = if i % 3 == 1 { "No, " } else { "" };
            format!("Human: {no}do number{i} of the {topic}\nAssistant: done\n")
        })
        .collect();
    let bytes = format!("Human: hi\n{}", lines.concat()).into_bytes();
    let cuts: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i] == b'\n').collect();
    let whole = read_more(&bytes, None).unwrap();
    assert_eq!(in_pieces(&bytes, &cuts).unwrap(), whole);
    assert_eq!(whole.intent.corrections.len(), 12);
    assert_eq!(whole.intent.extracted_intent, "do number0 of the login");
}

#[test]
fn redacting_between_pieces_changes_nothing() {
    let secret = ["ghp", &"a1B2c3D4e5".repeat(4)[..36]].join("_");
    let line = |kind: &str, content: String| {
        format!("{{\"type\":\"{kind}\",\"message\":{{\"content\":{content}}}}}\n")
    };
    let call = |id: &str| {
        let input = format!("{{\"command\":\"deploy --token {secret}\"}}");
        line(
            "assistant",
            format!(
                "[{{\"type\":\"tool_use\",\"id\":\"{id}\",\"name\":\"Bash\",\"input\":{input}}}]"
            ),
        )
    };
    let result = |id: &str, text: &str, failed: bool| {
        line(
            "user",
            format!(
                "[{{\"type\":\"tool_result\",\"tool_use_id\":\"{id}\",\"content\":\"{text}\",\"is_error\":{failed}}}]"
            ),
        )
    };
    let said = format!("[{{\"type\":\"text\",\"text\":\"The token {secret} is old.\"}}]");
    let lines = [
        line("user", format!("\"Deploy with {secret}\"")),
        call("1"),
        result(
            "1",
            &format!("Exit code 1\\nerror: {secret} is refused"),
            true,
        ),
        line("assistant", said),
        call("2"),
        result("2", "done", false),
    ];
    let bytes = lines.concat().into_bytes();
    let mut whole = read_more(&bytes, None).unwrap();
    assert_eq!(redact_episode(&mut whole), 0, "nothing is left to redact");
    assert!(whole.session.as_ref().unwrap().counts.redacted > 0);
    assert!(whole.context.errors_encountered[0].resolved);
    let mut episode = None;
    let mut end = 0;
    for line in &lines {
        end += line.len();
        episode = read_more(&bytes[..end], episode);
        episode.as_mut().map(redact_episode);
        assert!(!serde_json::to_string(&episode).unwrap().contains(&secret));
    }
    assert_eq!(episode.unwrap(), whole);
}

#[test]
fn a_line_that_is_being_written_is_not_consumed() {
    let text = b"User: one\nAssistant: two\nUser: thr";
    let episode = read_more(text, None).unwrap();
    assert_eq!(episode.session.as_ref().unwrap().offset, 25);
    let episode = read_more(b"User: one\nAssistant: two\nUser: three\n", Some(episode)).unwrap();
    assert_eq!(episode.session.unwrap().counts.prompts, 2);
    // Nobody writes to a finished file any more.
    assert_eq!(read(text).unwrap().session.unwrap().counts.prompts, 2);
}

#[test]
fn a_file_that_was_replaced_or_cut_is_noticed() {
    let bytes = fixture("claude.jsonl");
    let episode = read_more(&bytes, None).unwrap();
    let len = bytes.len() as u64;
    assert!(resumes(&episode, &bytes, len));
    assert!(
        resumes(&episode, &bytes[..5_000], len + 10),
        "the first 4 KiB are enough"
    );
    assert!(!resumes(&episode, &bytes, len - 1), "it became shorter");
    assert!(
        !resumes(&episode, &fixture("codex.jsonl"), len),
        "another file"
    );
    assert!(!resumes(&Episode::default(), &bytes, len), "never read");
    assert_eq!(head_of(b"a\r\nb"), head_of(b"a"));
    assert_ne!(head_of(b"a"), head_of(b"b"));
}
