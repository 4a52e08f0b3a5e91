//! Secrets in transcripts: nothing that is made of them holds one, wherever texts are cut.

use memrl_capture::{content_of, redact_episode};
use memrl_types::Episode;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{read, read_more};

/// What no episode may hold.
const KEY: [&str; 3] = [
    "MIIEpAIBAAKCAQEA0Z3VS5JJcds3xfnygWyF8PbnGy0AHB7MhgwMbRvI0MBZhpI2",
    "iIWSGsfMrB5Fk0xL9QW1h3Vq0d2mYc8sTqg7Zk1nHcBvXf4uRjEoPzLtDaKwGiNs",
    "QyNTUxOQabc=",
];

fn pem() -> String {
    let label = "RSA PRIVATE KEY-----";
    format!("-----BEGIN {label}\n{}\n-----END {label}", KEY.join("\n"))
}

fn token() -> String {
    ["ghp", &"a1B2c3D4e5".repeat(4)[..36]].join("_")
}

fn rows(rows: &[Value]) -> Vec<u8> {
    rows.iter()
        .flat_map(|r| format!("{r}\n").into_bytes())
        .collect()
}

fn user(content: &Value) -> Value {
    json!({"type": "user", "sessionId": "s", "cwd": "/p", "message": {"content": content}})
}

fn said(text: &str) -> Value {
    json!({"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}})
}

fn call(id: &str, name: &str, input: &Value) -> Value {
    json!({"type": "assistant", "message": {"content": [{"type": "tool_use", "id": id, "name": name, "input": input}]}})
}

fn result(id: &str, content: &str, is_error: bool) -> Value {
    user(
        &json!([{"type": "tool_result", "tool_use_id": id, "content": content, "is_error": is_error}]),
    )
}

/// Everything that an episode stores and shows.
fn all_of(mut episode: Episode) -> String {
    redact_episode(&mut episode);
    let content = content_of(&episode, 4_000);
    format!("{}{content}", serde_json::to_string(&episode).unwrap())
}

fn assert_clean(text: &str, secrets: &[&str], what: &str) {
    for secret in secrets {
        // Half a secret is one, too.
        let half = secret.get(..secret.len().min(12)).unwrap();
        assert!(!text.contains(half), "{what}: {half} is in {text}");
    }
}

#[test]
fn a_private_key_in_a_prompt_is_nowhere_in_the_episode() {
    let key = pem();
    for prompt in [
        key.clone(),
        format!("Use this key:\n{key}\nto deploy."),
        format!("- {key}"),
        format!("{}\n{key}", "x ".repeat(1_990)),
    ] {
        let heredoc = format!("cat > k.pem <<'E'\n{prompt}\nE");
        let episode = read(&rows(&[
            user(&json!(prompt)),
            call("1", "Bash", &json!({"command": heredoc})),
            result("1", &format!("Exit code 1\n{prompt}"), true),
            said(&prompt),
            user(&json!(format!("No, {prompt}"))),
            user(&json!(format!("Now put it there: {prompt}"))),
            call("2", "Bash", &json!({"command": heredoc})),
            call(
                "3",
                "Write",
                &json!({"file_path": "/p/k.pem", "content": prompt}),
            ),
            call("4", "mcp__x__y", &json!({"key": prompt})),
        ]))
        .unwrap();
        assert_eq!(episode.session.as_ref().unwrap().pending.len(), 3);
        assert_clean(&all_of(episode), &KEY, &prompt);
    }
}

#[test]
fn a_secret_at_the_edge_of_a_cut_is_not_halved() {
    let token = token();
    let password = "hunter3hunter4hunter5";
    for n in (0..70).chain(150..215).chain(230..310).chain(560..610) {
        for pad in ["z".repeat(n), "z ".repeat(n / 2)] {
            let text = format!("{pad} token {token} and \"password\":\"{password}\" end");
            let episode = read(&rows(&[
                user(&json!(text)),
                call(
                    "1",
                    "mcp__x__y",
                    &json!({"pad": pad, "password": password, "t": token}),
                ),
                call("2", "Bash", &json!({"command": format!("echo {text}")})),
                result("2", &format!("Exit code 1\nerror: {text}"), true),
                said(&text),
                user(&json!(format!("No, use {text}"))),
                user(&json!(format!("Now deploy it with {text}"))),
            ]))
            .unwrap();
            assert_clean(&all_of(episode), &[&token, password], &format!("{n}"));
        }
    }
    for n in 3_880..4_010 {
        let text = format!("{}{token} {}", "ж ".repeat(n / 2), "end ".repeat(30));
        let episode = read(&rows(&[user(&json!(text))])).unwrap();
        assert_clean(&all_of(episode), &[&token], &format!("{n}"));
    }
}

#[test]
fn a_private_key_in_a_plain_text_is_cut_however_the_text_is_read() {
    let key = pem().replace('\n', "\n  ");
    let lines: Vec<String> = [
        "User: deploy with",
        &key,
        "and test it",
        "",
        "Assistant: I have this:",
        &key,
        "It is deployed now with the key that you gave to me.",
        "User: no, use this one",
        &key,
        "User:",
        &pem(),
    ]
    .join("\n")
    .lines()
    .map(|l| format!("{l}\n"))
    .collect();
    let bytes = lines.concat().into_bytes();
    let mut whole = read_more(&bytes, None).unwrap();
    redact_episode(&mut whole);
    assert_eq!(
        whole.intent.raw_prompt,
        "deploy with\n[redacted]\nand test it"
    );
    let (mut episode, mut end) = (None, 0);
    for line in &lines {
        end += line.len();
        episode = read_more(&bytes[..end], episode);
        episode.as_mut().map(redact_episode);
        assert_clean(&all_of(episode.clone().unwrap()), &KEY, line);
    }
    assert_eq!(episode.unwrap(), whole);
    // A key that is only spoken of hides nothing.
    let talk = "User: if line == \"-----BEGIN PRIVATE KEY-----\" { found() }\nand more\n";
    let episode = read(talk.as_bytes()).unwrap();
    assert!(episode.intent.raw_prompt.ends_with("{ found() }\nand more"));
    let cut_off = format!("User: {}\nThen it said no.\n", &pem()[..120]);
    let episode = read(cut_off.as_bytes()).unwrap();
    assert_eq!(episode.intent.raw_prompt, "[redacted]\nThen it said no.");
}

#[test]
fn what_is_hashed_is_redacted_before() {
    let password = |word: &str| {
        rows(&[
            user(&json!(format!("login with password={word}"))),
            call(
                "1",
                "Bash",
                &json!({"command": format!("login --password {word}")}),
            ),
            call("2", "mcp__x__y", &json!({"password": word})),
        ])
    };
    let session = |word: &str| read(&password(word)).unwrap().session.unwrap();
    let (one, other) = (session("hunter2x"), session("letmein9"));
    assert_eq!(one.pending, other.pending);
    assert_eq!(one.reading, other.reading);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn secrets_over_several_lines_are_cut_the_same_in_any_pieces(
        lines in proptest::collection::vec(
            prop_oneof![
                Just("Human: go on with"), Just("Assistant: this is what I found in it"), Just("-----BEGIN RSA PRIVATE KEY-----"),
                Just("see -----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBg"), Just("-----END RSA PRIVATE KEY-----"), Just(KEY[0]), Just(KEY[1]), Just(KEY[2]),
                Just("password:"), Just("password="), Just("hunter2x9"), Just("- name: API_KEY"), Just("  value: abc123xyz"), Just("\"token\": \"abc"), Just("def\""),
                Just(""), Just("> quoted"), Just("no, wrong"), Just("words of prose that go on"), Just("<memory>"), Just("</memory>"),
            ],
            0..24,
        ),
    ) {
        let text = format!("Human: go\n{}\n", lines.join("\n"));
        let whole = read_more(text.as_bytes(), None);
        let mut episode = None;
        for end in (0..text.len()).filter(|i| text.as_bytes()[*i] == b'\n') {
            episode = read_more(&text.as_bytes()[..=end], episode);
            prop_assert_eq!(episode.as_mut().map(redact_episode), Some(0));
        }
        prop_assert_eq!(episode, whole);
    }
}
