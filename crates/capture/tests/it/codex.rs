//! Rollouts of Codex.

use memrl_types::EpisodeStatus;

use crate::support::{assert_golden, fixture, read};

#[test]
fn a_rollout_becomes_the_same_kind_of_episode() {
    assert_golden(
        &read(&fixture("codex.jsonl")).unwrap(),
        "codex.expected.json",
    );
}

#[test]
fn a_prompt_that_is_written_twice_counts_once() {
    let episode = read(&fixture("codex.jsonl")).unwrap();
    let counts = episode.session.unwrap().counts;
    assert_eq!(
        (counts.prompts, counts.answers, counts.tokens),
        (1, 2, 9_700)
    );
    assert_eq!(
        (counts.reverts, counts.interruptions, counts.corrections),
        (1, 1, 0)
    );
}

#[test]
fn older_rollouts_have_bare_items() {
    let text = r#"{"id":"5f","timestamp":"2026-01-02T03:04:05Z","instructions":null}
{"type":"message","id":null,"role":"user","content":[{"type":"input_text","text":"Run the tests"}]}
{"type":"function_call","name":"shell","arguments":"{\"command\":[\"go\",\"test\",\"./...\"]}","call_id":"c1"}
{"type":"function_call_output","call_id":"c1","output":"{\"output\":\"ok  \\tx\\t0.1s\\n\",\"metadata\":{\"exit_code\":0}}"}
"#;
    let episode = read(text.as_bytes()).unwrap();
    assert_eq!(episode.intent.raw_prompt, "Run the tests");
    assert_eq!(episode.context.tools_invoked, ["go test"]);
    assert_eq!(episode.outcome.status, EpisodeStatus::Success);
}

#[test]
fn outputs_of_all_known_shapes_tell_whether_the_call_failed() {
    for (output, failures) in [
        (r#""{\"output\":\"x\",\"metadata\":{\"exit_code\":2}}""#, 1),
        (r#""Exit code: 1\nWall time: 1 seconds\nOutput:\nx""#, 1),
        (
            r#""Chunk ID: 1\nWall time: 0.1 seconds\nProcess exited with code 1\nOutput:\nx""#,
            1,
        ),
        (r#"{"content":"x","success":false}"#, 1),
        (r#"[{"type":"input_text","text":"Exit code: 3\nx"}]"#, 1),
        (r#""Exit code: 0\nOutput:\nx""#, 0),
        (r#"{"content":"x","success":true}"#, 0),
        (r#""plain""#, 0),
        ("null", 0),
    ] {
        let text = format!(
            "{{\"timestamp\":\"2026-01-02T03:04:05Z\",\"type\":\"response_item\",\"payload\":{{\"type\":\"function_call\",\"name\":\"shell\",\"arguments\":\"{{\\\"command\\\":\\\"x\\\"}}\",\"call_id\":\"c\"}}}}\n\
             {{\"timestamp\":\"2026-01-02T03:04:05Z\",\"type\":\"response_item\",\"payload\":{{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":{output}}}}}\n"
        );
        let counts = read(text.as_bytes()).unwrap().session.unwrap().counts;
        assert_eq!(
            (
                counts.tool_calls,
                counts.tool_failures,
                counts.unknown_lines
            ),
            (1, failures, 0),
            "{output}"
        );
    }
}
