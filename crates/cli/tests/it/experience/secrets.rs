//! What must not be kept is looked for in every file of the memory.

use serde_json::json;

use super::text;
use crate::hooks::{hook, project, said};
use crate::support::{Home, files};
use crate::sweep::{append, conversation, line};

const SESSION: &str = "3f0c6a52-8f1e-4c0b-9d55-0a1b2c3d4e5f";

/// Every file below these directories that holds one of the secrets.
fn leaks(home: &Home, dirs: &[&str], secrets: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for file in dirs.iter().flat_map(|dir| files(&home.file(dir))) {
        let bytes = std::fs::read(&file).expect("a file is read");
        for secret in secrets {
            let utf16: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|w| w == needle);
            if holds(secret.as_bytes()) || holds(&utf16) {
                found.push(format!("{secret} in {}", file.display()));
            }
        }
    }
    found
}

#[test]
fn a_secret_of_a_session_is_in_no_file_of_the_memory() {
    let home = Home::new();
    project(&home);
    // Put together here, so that none stands in a source file.
    let key = |n: u32| format!("AKIA{}QWJT{n}Z2M", "IOSF7DNN");
    let secrets = [1, 2, 3, 4].map(key);
    let [prompted, answered, corrected, queried] = &secrets;
    home.ok(&[
        "add",
        "--scope",
        "project=shop",
        "The upload of product images goes to the bucket `shop-images`.",
    ]);
    let prompt = format!("Fix the upload of product images, the key is {prompted}");
    let event = json!({"hook_event_name": "UserPromptSubmit", "prompt": prompt});
    hook(&home, "prompt", &said(&home, SESSION, event));
    conversation(&home, SESSION, &prompt);
    let call =
        json!([{"type": "tool_use", "id": "toolu_9", "name": "Bash", "input": {"command": "env"}}]);
    let result = format!("error: upload refused for {answered}");
    let result = json!([{"type": "tool_result", "tool_use_id": "toolu_9", "content": result, "is_error": true}]);
    let correction = format!("No, that is wrong: use {corrected} instead");
    let more = [
        line(&home, SESSION, 10, "assistant", &call),
        line(&home, SESSION, 11, "user", &result),
        line(&home, SESSION, 12, "user", &json!(correction)),
    ];
    append(&home, SESSION, &more.concat());
    let end = json!({"hook_event_name": "SessionEnd", "reason": "other"});
    hook(&home, "session-end", &said(&home, SESSION, end));
    home.ok(&["sweep", "--wait"]);
    let listed = home.json(&["list", "--type", "episode"]);
    let episodes = listed["items"].as_array().expect("items");
    assert_eq!(episodes.len(), 1, "the session was captured: {listed}");
    let query = format!("upload of product images with {queried}");
    let found = home.json(&["retrieve", &query, "--all-projects"]);
    assert!(
        !found["hits"].as_array().expect("hits").is_empty(),
        "{found}"
    );
    let again = format!("not {corrected}");
    home.ok(&[
        "feedback",
        "not-helpful",
        "--episodes",
        "last",
        "--correction",
        &again,
    ]);
    let decision = text(&found["decision_id"]);
    let why = home.ok(&["why", &decision, "--json"]);
    let out = home.file("log").display().to_string();
    home.ok(&["export", "--out", &out]);
    home.ok(&["backup"]);
    for secret in &secrets {
        assert!(!why.contains(secret.as_str()), "{why}");
    }
    let none: [&str; 0] = [];
    assert_eq!(leaks(&home, &["memory", "log"], &secrets), none);
    // The test looks in the right place: the transcript is where it was.
    assert!(!leaks(&home, &[".claude"], &secrets).is_empty());
}
