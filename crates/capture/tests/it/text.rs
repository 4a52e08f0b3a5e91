//! Plain text transcripts, and the text made of episodes.

use memrl_capture::content_of;
use memrl_types::{Episode, TaskType, Trouble};
use proptest::prelude::*;

use crate::support::{assert_golden, fixture, read};

#[test]
fn a_conversation_in_cyrillic_becomes_an_episode() {
    assert_golden(&read(&fixture("text.txt")).unwrap(), "text.expected.json");
}

#[test]
fn prompts_behind_a_mark_of_quotation_are_read() {
    let episode = read(
        "> fix the login\n> please\n\nI did.\n> quoted? no, a prompt\nAnswer [m:1a2b3c4d]\n"
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(episode.intent.raw_prompt, "fix the login\nplease");
    assert_eq!(episode.intent.task_type, TaskType::Bugfix);
    let session = episode.session.unwrap();
    assert_eq!((session.counts.prompts, session.counts.answers), (2, 2));
    assert_eq!(session.cited, ["1a2b3c4d"]);
    let quoting = read(b"User: hello\nAssistant:\n> a quotation\n".as_slice()).unwrap();
    assert_eq!(quoting.session.unwrap().counts.prompts, 1);
}

#[test]
fn intents_are_cut_at_characters_in_every_script() {
    for word in [
        "ж".repeat(80),
        "数据库连接失败".repeat(60),
        "🙂".repeat(500),
        "é ".repeat(400),
        "\u{1F468}\u{200D}\u{1F469}".repeat(300),
    ] {
        let episode = read(format!("Human: {word}\n").as_bytes()).unwrap();
        let intent = &episode.intent.extracted_intent;
        assert!(
            !intent.is_empty() && intent.chars().count() <= 300,
            "{}",
            intent.chars().count()
        );
    }
    let episode =
        read("Human: Привет! Почини вход, т. е. форму пароля. Остальное потом.\n".as_bytes())
            .unwrap();
    assert_eq!(
        episode.intent.extracted_intent,
        "Привет! Почини вход, т. е. форму пароля."
    );
    let episode = read("Human: 修复登录错误。然后运行测试。最后提交，不要推送到远端仓库，因为还没有评审过这些改动。\n".as_bytes()).unwrap();
    assert_eq!(
        episode.intent.extracted_intent,
        "修复登录错误。然后运行测试。"
    );
    assert_eq!(episode.intent.task_type, TaskType::Bugfix);
}

fn full() -> Episode {
    let mut e = Episode::default();
    e.intent.raw_prompt = "Fix the login. Use the new API.".into();
    e.intent.extracted_intent = "Fix the login.".into();
    e.learnings = vec![
        "Cookies need SameSite.".into(),
        "Cookies need SameSite.".into(),
    ];
    e.solution = "The login sends the header now.".into();
    e.intent.corrections = vec!["No, by header.".into()];
    e.intent.later = vec!["Then deploy it.".into()];
    e.intent.domain = vec!["auth".into(), "login".into()];
    e.context.tools_invoked = vec!["Edit".into(), "cargo test".into()];
    e.context.files_modified = vec!["a.rs".into()];
    e.context.files_read = vec!["a.rs".into(), "b.rs".into()];
    e.context.errors_encountered = vec![
        Trouble {
            error_type: "TypeError".into(),
            message: "TypeError: x".into(),
            ..Trouble::default()
        },
        Trouble {
            error_type: "rustc E0308".into(),
            message: "mismatched types".into(),
            resolved: true,
            resolution: Some("Convert it.".into()),
        },
    ];
    e
}

#[test]
fn nothing_is_said_twice_and_what_helped_comes_first() {
    assert_eq!(
        content_of(&full(), 1_000),
        "Fix the login. (~)\n↩ No, by header.\n⇒ The login sends the header now.\n• Cookies need SameSite.\n\
         rustc E0308: mismatched types → Convert it.\nTypeError: x → ?\nUse the new API.\n\
         + Then deploy it.\na.rs (b.rs)\n#auth"
    );
}

#[test]
fn no_word_of_the_layout_is_in_the_text() {
    let mut e = full();
    e.outcome.tests_before = Some(memrl_types::TestCounts {
        passed: 2,
        failed: 1,
        skipped: 0,
    });
    e.outcome.tests_after = Some(memrl_types::TestCounts {
        passed: 11,
        failed: 0,
        skipped: 1,
    });
    e.outcome.commit_sha = Some("1a2b3c4".into());
    e.outcome.pr_number = Some(17);
    e.context.errors_encountered.push(Trouble {
        error_type: "Edit".into(),
        message: "String to replace not found in file.".into(),
        resolved: true,
        ..Trouble::default()
    });
    e.context.errors_encountered.push(Trouble {
        error_type: "cargo test".into(),
        message: "linking went wrong".into(),
        ..Trouble::default()
    });
    let text = content_of(&e, 4_000).to_lowercase();
    for word in [
        "outcome", "test", "modified", "edit", "read", "tool", "error ", "learn", "partial",
        "commit", "pull", "resolve", "tag", "file", "run", "cargo",
    ] {
        assert!(!text.contains(word), "{word} is in {text}");
    }
}

#[test]
fn a_greeting_is_not_the_task() {
    let text = "User: hi\nAssistant: Hello!\nUser: Fix the login redirect loop\nUser: thanks\n";
    let episode = read(text.as_bytes()).unwrap();
    assert_eq!(episode.intent.raw_prompt, "hi");
    assert_eq!(episode.intent.task_type, TaskType::Bugfix);
    assert_eq!(
        content_of(&episode, 1_000),
        "Fix the login redirect loop (bugfix ✓)\n#auth"
    );
}

#[test]
fn what_matters_most_is_kept_in_a_short_text() {
    let mut e = full();
    e.intent.extracted_intent = "intent ".repeat(40);
    e.solution = "solution ".repeat(70);
    e.intent.corrections = (0..12)
        .map(|i| format!("No, {i} {}", "y ".repeat(90)))
        .collect();
    e.intent.later = (0..12)
        .map(|i| format!("later{i} {}", "x ".repeat(90)))
        .collect();
    let text = content_of(&e, 1_200);
    assert!(text.chars().count() <= 1_200);
    for part in ["intent", "solution", "No, 11", "No, 8"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

proptest! {
    #[test]
    fn content_keeps_to_its_length_in_characters(intent in "\\PC{0,400}", message in "\\PC{0,400}", max in 0_usize..700) {
        let mut e = full();
        e.intent.extracted_intent = intent;
        e.context.errors_encountered[0].message = message;
        let text = content_of(&e, max);
        prop_assert!(text.chars().count() <= max);
        prop_assert_eq!(content_of(&e, max), text);
    }
}
