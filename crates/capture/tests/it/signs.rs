//! Verdicts, guesses, tags and kinds of work.

use memrl_capture::{implied_success, is_empty_talk, status_of, tags_of, task_type_of};
use memrl_types::{Episode, EpisodeStatus, Session, TaskType, TestCounts, Trouble};
use proptest::prelude::*;

#[test]
fn kinds_of_work_are_told_from_words() {
    for (prompt, kind) in [
        ("Fix the failing test in ci", TaskType::Bugfix),
        ("Why does the test fail?", TaskType::Debug),
        ("Add a test for the login bug", TaskType::Test),
        ("Update the README", TaskType::Docs),
        (
            "Refactor the parser so that tests still pass",
            TaskType::Refactor,
        ),
        ("Implement search", TaskType::Feature),
        ("add dark mode", TaskType::Feature),
        ("Install and configure postgres", TaskType::Setup),
        ("Compare the two queues", TaskType::Research),
        ("Исправь ошибку входа", TaskType::Bugfix),
        ("重构这个模块", TaskType::Refactor),
        ("バグを直して", TaskType::Bugfix),
        ("Run it: 0 failed, no errors", TaskType::Unknown),
        ("decide", TaskType::Unknown),
        ("prefix the suffix, testimony, address", TaskType::Unknown),
        ("", TaskType::Unknown),
    ] {
        assert_eq!(task_type_of(prompt), kind, "{prompt}");
    }
}

#[test]
fn tags_come_from_words_and_files_never_from_parts_of_words() {
    let tags = |prompt: &str, files: &[&str]| {
        let mut e = Episode::default();
        e.intent.raw_prompt = prompt.into();
        e.context.files_modified = files.iter().map(|f| (*f).to_owned()).collect();
        tags_of(&e)
    };
    assert!(
        tags(
            "decide to build a rapid special thing, gitter, restore",
            &[]
        )
        .is_empty()
    );
    assert_eq!(
        tags(
            "The CI of the API",
            &["src/Дом.rs", ".github/workflows/x.yml"]
        ),
        ["api", "ci", "rust"]
    );
    assert_eq!(
        tags("почини авторизацию", &["web/App.tsx", "Dockerfile"]),
        ["auth", "docker", "typescript"]
    );
}

/// Signs, and the steps at which they were seen.
#[derive(Debug, Clone, Copy, Default)]
struct Signs {
    prompt: u32,
    correction: u32,
    approval: u32,
    action: u32,
    failure: u32,
    tests: u32,
    broken: u32,
    commit: u32,
    revert: u32,
    /// Of the last test run.
    failed: Option<u32>,
    errors: usize,
    /// Steps in all; 0: more than any.
    step: u32,
}

fn episode(signs: Signs) -> Episode {
    let mut e = Episode::default();
    e.outcome.tests_after = signs.failed.map(|failed| TestCounts {
        passed: 3,
        failed,
        skipped: 0,
    });
    e.outcome.commit_sha = (signs.commit > 0).then(|| "1234567".into());
    e.context.errors_encountered = vec![Trouble::default(); signs.errors];
    let mut session = Session::default();
    let seen = &mut session.reading.seen;
    let steps = if signs.step == 0 { 100 } else { signs.step };
    [seen.step, seen.prompt, seen.correction] = [steps, signs.prompt, signs.correction];
    [seen.approval, seen.action, seen.failure] = [signs.approval, signs.action, signs.failure];
    [seen.tests, seen.broken] = [signs.tests, signs.broken];
    [seen.commit, seen.revert] = [signs.commit, signs.revert];
    e.session = Some(session);
    e
}

#[test]
fn the_verdict_follows_the_written_rule() {
    use EpisodeStatus::{Failure, Partial, Success};
    let none = Signs {
        prompt: 1,
        ..Signs::default()
    };
    let green = Signs {
        failed: Some(0),
        tests: 5,
        ..none
    };
    let red = Signs {
        failed: Some(1),
        tests: 5,
        ..none
    };
    let committed = Signs { commit: 6, ..none };
    let corrected = Signs {
        correction: 7,
        prompt: 7,
        ..green
    };
    #[rustfmt::skip]
    let cases = [
        ("nothing", Partial, none),
        ("green", Success, green),
        ("green, then corrected", Failure, Signs { step: 7, ..corrected }),
        ("corrected, then another prompt", Partial, Signs { prompt: 9, ..corrected }),
        ("approved, then corrected, then done", Partial, Signs { approval: 6, action: 9, ..corrected }),
        ("corrected, then failed", Failure, Signs { errors: 1, failure: 9, action: 9, ..corrected }),
        ("corrected, then red", Failure, Signs { failed: Some(1), tests: 9, ..corrected }),
        ("corrected, then reverted", Failure, Signs { revert: 9, ..corrected }),
        ("corrected, then green", Success, Signs { correction: 3, prompt: 3, ..green }),
        ("corrected, then committed", Success, Signs { commit: 8, ..corrected }),
        ("red", Failure, red),
        ("red, then committed", Partial, Signs { commit: 6, ..red }),
        ("red, then approved", Success, Signs { approval: 6, ..red }),
        ("green, then did not compile", Failure, Signs { broken: 6, ..green }),
        ("committed", Success, committed),
        ("committed, then reverted", Failure, Signs { revert: 8, ..committed }),
        ("approved", Success, Signs { approval: 9, ..none }),
        ("reverted, then approved", Success, Signs { revert: 8, approval: 9, ..none }),
        ("ended in an error", Failure, Signs { errors: 1, failure: 9, action: 9, ..none }),
        ("an error on the way", Partial, Signs { errors: 1, failure: 8, action: 9, ..none }),
    ];
    for (name, status, signs) in cases {
        assert_eq!(status_of(&episode(signs)), status, "{name}");
    }
    let mut foreign = episode(green);
    foreign.session = None;
    assert_eq!(
        status_of(&foreign),
        Success,
        "an episode of another program"
    );
}

#[test]
fn without_a_sign_nothing_is_guessed() {
    assert_eq!(implied_success(&Episode::default()), None);
    assert_eq!(implied_success(&episode(Signs::default())), None);
    let mut foreign = episode(Signs {
        failed: Some(0),
        ..Signs::default()
    });
    foreign.session = None;
    assert!(implied_success(&foreign).unwrap() > 0.8);
}

fn any_signs() -> impl Strategy<Value = Episode> {
    let at = proptest::array::uniform9(0_u32..20);
    let counts = proptest::array::uniform3(0_u32..6);
    (at, counts, proptest::option::of(0_u32..4), 0_usize..8).prop_map(
        |(at, counts, failed, errors)| {
            let [
                prompt,
                correction,
                approval,
                action,
                failure,
                tests,
                broken,
                commit,
                revert,
            ] = at;
            let mut e = episode(Signs {
                prompt,
                correction,
                approval,
                action,
                failure,
                tests,
                broken,
                commit,
                revert,
                failed,
                errors,
                step: 0,
            });
            let session = e.session.as_mut().unwrap();
            [
                session.counts.corrections,
                session.counts.reverts,
                session.counts.interruptions,
            ] = counts;
            e
        },
    )
}

proptest! {
    #[test]
    fn one_more_failure_never_raises_the_guess(before in any_signs(), which in 0_usize..7) {
        let mut after = before.clone();
        let s = after.session.as_mut().unwrap();
        match which {
            0 => { s.counts.corrections += 1; s.reading.seen.correction = 30; }
            1 => { s.counts.reverts += 1; s.reading.seen.revert = 30; }
            2 => s.counts.interruptions += 1,
            3 => after.context.errors_encountered.push(Trouble::default()),
            4 => { s.reading.seen.action = 30; s.reading.seen.failure = 30; }
            5 => s.reading.seen.broken = 30,
            _ => if let Some(t) = &mut after.outcome.tests_after { t.failed += 1; },
        }
        let guess = |e: &Episode| implied_success(e);
        if let (Some(a), Some(b)) = (guess(&after), guess(&before)) {
            prop_assert!((0.0..=1.0).contains(&a) && a <= b + 1e-12, "{} > {}", a, b);
        }
        if let Some(a) = guess(&after).filter(|_| guess(&before).is_none()) {
            prop_assert!(a <= 0.5);
        }
    }
}

#[test]
fn sessions_in_which_nothing_was_done_are_known() {
    let read = |text: &str| crate::support::read(text.as_bytes()).unwrap();
    for nothing in [
        "User: hi\nAssistant: Hello! How can I help you today with this project?\n",
        "User: ok continue\n",
        "User: <command-name>/clear</command-name>\n",
        "User: hello\nAssistant: Hi.\nUser: thanks!\n",
        "User: Привет\nAssistant: Привет! Чем могу помочь сегодня?\n",
        "User: 你好\n",
        "User: go on, please\nAssistant: OK\nUser: yes\n",
    ] {
        assert!(is_empty_talk(&read(nothing)), "{nothing}");
    }
    for something in [
        "User: Rotate the logs with a systemd timer\n",
        "User: почини вход на сайт для кириллицы\n",
        "User: 修复登录错误，然后运行测试\n",
        "User: why?\nAssistant: no\nUser: compare redis queue with rabbit latency\n",
    ] {
        assert!(!is_empty_talk(&read(something)), "{something}");
    }
    let long = format!(
        "User: why?\nAssistant: {}\n",
        "Because of this. ".repeat(20)
    );
    assert!(!is_empty_talk(&read(&long)));
    let mut done = read("User: go\n");
    done.session.as_mut().unwrap().counts.tool_calls = 1;
    assert!(!is_empty_talk(&done));
}
