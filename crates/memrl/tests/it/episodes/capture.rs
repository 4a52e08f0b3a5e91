//! What is captured, once and without secrets, and who learns from it.

use std::path::Path;

use memrl::*;

use super::*;

#[test]
fn secrets_and_our_own_blocks_are_not_captured() {
    let bed = bed();
    let text = "deploy with AKIAIOSFODNN7EXAMPLQ <memory>\n- [m:1a2b3c4d] recalled\n</memory> and password=hunter2hunter2";
    let done = bed
        .memory
        .capture(told(text, EpisodeStatus::Success))
        .unwrap();
    assert!(done.redacted >= 2, "{done:?}");
    let stored = serde_json::to_string(&done.cell).unwrap();
    for gone in [
        "AKIAIOSFODNN7EXAMPLQ",
        "hunter2hunter2",
        "recalled",
        "1a2b3c4d",
    ] {
        assert!(!stored.contains(gone), "{gone} in {stored}");
    }
    bed.memory.maintain().unwrap();
    for file in files(bed.dir.path()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!contains(&bytes, b"hunter2hunter2"), "{}", file.display());
    }
}

#[test]
fn secrets_that_the_reader_of_a_session_cut_out_are_counted() {
    let bed = bed();
    let text = b"User: deploy with password=hunter2hunter2 to the staging host\n";
    let options = memrl_capture::ReadOptions::default();
    let read = memrl_capture::read_on(&mut text.as_slice(), None, &options).unwrap();
    let mut request = told("x", EpisodeStatus::Success);
    request.episode = read;
    let done = bed.memory.capture(request).unwrap();
    assert_eq!(done.redacted, 1);
    assert!(done.cell.content.contains("password=[redacted]"));
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(dir)
        .unwrap()
        .flat_map(|e| {
            let path = e.unwrap().path();
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

#[test]
fn the_same_words_are_one_episode_and_near_ones_are_linked() {
    let bed = bed();
    let text = "make the nightly backup job retry when the network share is unavailable";
    let first = bed
        .memory
        .capture(told(text, EpisodeStatus::Success))
        .unwrap();
    assert_eq!(first.action, CaptureAction::Created);
    let again = bed
        .memory
        .capture(told(text, EpisodeStatus::Success))
        .unwrap();
    assert_eq!(again.action, CaptureAction::Unchanged);
    assert_eq!(again.cell.cell_id, first.cell.cell_id);
    let near = format!("{text} again");
    let third = bed
        .memory
        .capture(told(&near, EpisodeStatus::Failure))
        .unwrap();
    assert_eq!(third.action, CaptureAction::Created);
    assert_eq!(third.similar[0].cell_id, first.cell.cell_id);
    let links = &third.cell.links;
    assert!(
        links
            .iter()
            .any(|l| l.kind == LinkKind::Similar && l.target == first.cell.cell_id.to_string())
    );
    assert_eq!(
        bed.memory
            .get(&first.cell.cell_id.to_string())
            .unwrap()
            .content,
        first.cell.content
    );
}

const UUID: &str = "3f2c1b0a-1111-4222-8333-444455556666";

fn line(role: &str, text: &str, second: u32) -> String {
    let message = serde_json::json!({"type": role, "sessionId": UUID, "cwd": "/nowhere/shop",
        "uuid": format!("{role}-{second}"), "timestamp": format!("2026-11-19T10:00:{second:02}Z"),
        "message": {"role": role, "content": text}});
    format!("{message}\n")
}

#[test]
fn a_session_that_goes_on_is_one_episode() {
    let bed = bed();
    let file = bed.dir.path().join(format!("{UUID}.jsonl"));
    let as_shop = CaptureFile {
        project: Some(shop()),
        ..CaptureFile::default()
    };
    let mut text = line(
        "user",
        "Fix the flaky checkout test, it fails on Mondays",
        1,
    );
    std::fs::write(&file, &text).unwrap();
    let first = bed.memory.capture_file(&file, &as_shop).unwrap();
    assert_eq!(first.action, CaptureAction::Created);
    let same = bed.memory.capture_file(&file, &as_shop).unwrap();
    assert_eq!(same.action, CaptureAction::Unchanged);
    text.push_str(&line(
        "assistant",
        "The week starts on Sunday in that locale. Done.",
        9,
    ));
    text.push_str(&line("user", "Thanks, that works!", 20));
    std::fs::write(&file, &text).unwrap();
    let on = bed.memory.capture_file(&file, &as_shop).unwrap();
    assert_eq!(on.action, CaptureAction::Updated);
    assert_eq!(on.cell.cell_id, first.cell.cell_id);
    let episode: Episode = serde_json::from_value(on.cell.payload.unwrap()).unwrap();
    assert_eq!(
        episode.timestamp_start,
        Some("2026-11-19T10:00:01Z".parse().unwrap())
    );
    assert_eq!(
        episode.timestamp_end,
        Some("2026-11-19T10:00:20Z".parse().unwrap())
    );
    assert_eq!(episode.outcome.status, EpisodeStatus::Success);
}

#[test]
fn a_forgotten_session_is_not_captured_again() {
    for purge in [false, true] {
        let bed = bed();
        let file = bed.dir.path().join(format!("{UUID}.jsonl"));
        std::fs::write(
            &file,
            line("user", "Rotate the signing keys of the shop", 1),
        )
        .unwrap();
        let request = CaptureFile {
            project: Some(shop()),
            ..CaptureFile::default()
        };
        let id = bed
            .memory
            .capture_file(&file, &request)
            .unwrap()
            .cell
            .cell_id
            .to_string();
        if purge {
            bed.memory.purge(&[&id]).unwrap();
        } else {
            bed.memory.forget(&id, "private").unwrap();
        }
        let refused = bed.memory.capture_file(&file, &request).unwrap_err();
        assert_eq!(refused.code(), Code::WrongStatus);
        assert!(
            bed.memory
                .episodes(&EpisodeQuery::default())
                .unwrap()
                .items
                .is_empty()
        );
    }
}

#[test]
fn the_decisions_of_a_session_learn_from_how_it_ended() {
    let bed = bed();
    let (cell, _) = rivals(&bed);
    let told_in = RetrieveRequest {
        trajectory: Some(UUID.to_owned()),
        limit: 1,
        ..ask(LOGIN)
    };
    let first = bed.memory.retrieve(&told_in).unwrap().hits[0].cell.cell_id;
    let file = bed.dir.path().join(format!("{UUID}.jsonl"));
    let text = line("user", "Fix the login loop", 1)
        + &line(
            "assistant",
            &format!("Cleared the cookie, as in [m:{}].", first.short()),
            5,
        )
        + &line("user", "Perfect, thanks", 9);
    std::fs::write(&file, text).unwrap();
    let request = CaptureFile {
        project: Some(shop()),
        ..CaptureFile::default()
    };
    let done = bed.memory.capture_file(&file, &request).unwrap();
    assert_eq!(done.credited.len(), 1, "{done:?}");
    let learned = bed.memory.value(&first.to_string()).unwrap();
    assert!(learned.mean > 0.5, "{learned:?}");
    assert_ne!(cell, first.to_string());
    // What a person says afterwards counts instead of the guess.
    let no = Outcome {
        success: Some(0.0),
        ..Outcome::default()
    };
    bed.memory.feedback(done.credited[0], &no).unwrap();
    assert!(bed.memory.value(&first.to_string()).unwrap().mean < 0.5);
}

#[test]
fn tasks_told_one_after_the_other_have_outcomes_of_their_own() {
    let bed = bed();
    rivals(&bed);
    let show = || {
        let request = RetrieveRequest {
            trajectory: Some("editor".into()),
            ..ask(LOGIN)
        };
        bed.memory.retrieve(&request).unwrap().recall.decision_id
    };
    let tell = |summary: &str, status| {
        let request = CaptureRequest {
            trajectory: Some("editor".into()),
            ..told(summary, status)
        };
        bed.memory.capture(request).unwrap().credited
    };
    let first = show();
    assert_eq!(
        tell("cleared the login cookie", EpisodeStatus::Success),
        [first]
    );
    let second = show();
    assert_eq!(
        tell("moved the cookie to another domain", EpisodeStatus::Failure),
        [second]
    );
    let implied = |id: DecisionId| {
        let why = bed.memory.why(&id.to_string()).unwrap();
        why.outcome.unwrap().outcome.implied_success.unwrap()
    };
    assert!(implied(first) > 0.5 && implied(second) < 0.5);
}

#[test]
fn a_session_that_was_put_away_and_goes_on_is_seen_again() {
    let bed = bed();
    let file = bed.dir.path().join(format!("{UUID}.jsonl"));
    let request = CaptureFile {
        project: Some(shop()),
        ..CaptureFile::default()
    };
    let mut text = line("user", "Move the shop to the new payment provider", 1);
    std::fs::write(&file, &text).unwrap();
    let first = bed.memory.capture_file(&file, &request).unwrap();
    bed.clock.advance_days(200.0);
    let pruned = bed.memory.prune(&upkeep::old(1.0, true)).unwrap();
    assert_eq!(pruned.rows.len(), 1);
    text.push_str(&line(
        "assistant",
        "The provider's sandbox works; the keys are in the vault.",
        9,
    ));
    text.push_str(&line("user", "Thanks, that works!", 20));
    std::fs::write(&file, &text).unwrap();
    let on = bed.memory.capture_file(&file, &request).unwrap();
    assert_eq!(
        (on.action, on.cell.cell_id),
        (CaptureAction::Updated, first.cell.cell_id)
    );
    assert_eq!(
        order(&bed, "new payment provider"),
        [first.cell.cell_id.to_string()]
    );
}

#[test]
fn a_secret_in_a_query_or_a_correction_is_not_logged() {
    let bed = bed();
    rivals(&bed);
    let secret = "TranPw77hunter";
    let query = format!("login redirect loop with password={secret}");
    let found = bed.memory.retrieve(&ask(&query)).unwrap();
    let told = SessionRequest {
        project: shop(),
        session: "s".into(),
        prompt: Some(query),
        max_bytes: 8000,
        afresh: false,
    };
    bed.memory.session_context(&told).unwrap();
    let correction = Outcome {
        success: Some(0.0),
        user_correction: Some(format!("no: password={secret}")),
        ..Outcome::default()
    };
    bed.memory
        .feedback(found.recall.decision_id, &correction)
        .unwrap();
    bed.memory.maintain().unwrap();
    for file in files(bed.dir.path()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!contains(&bytes, secret.as_bytes()), "{}", file.display());
    }
}

#[test]
fn a_session_in_which_nothing_was_done_is_no_episode() {
    let bed = bed();
    for (n, said) in ["hi", "/clear", "ok continue"].iter().enumerate() {
        let id = UUID.replace("3f2c1b0a", &format!("3f2c1b0{n}"));
        let file = bed.dir.path().join(format!("{id}.jsonl"));
        std::fs::write(
            &file,
            line("user", said, 1) + &line("assistant", "Hello!", 2),
        )
        .unwrap();
        let request = CaptureFile {
            project: Some(shop()),
            ..CaptureFile::default()
        };
        let refused = bed.memory.capture_file(&file, &request).unwrap_err();
        assert_eq!(refused.code(), Code::EmptyContent, "{said}");
    }
    let all = bed.memory.episodes(&EpisodeQuery::default()).unwrap();
    assert!(all.items.is_empty());
}

#[test]
fn no_text_of_an_episode_keeps_what_was_recalled() {
    let bed = bed();
    let with_block = |said: &str| format!("{said} <memory>\n- [m:1a2b3c4d] recalled\n</memory>");
    let mut request = told(&with_block("move the cache"), EpisodeStatus::Success);
    let episode = &mut request.episode;
    episode.intent.raw_prompt = with_block("please move it");
    episode.intent.corrections = vec![with_block("not to disk")];
    episode.intent.later = vec![with_block("and measure it")];
    episode.solution = with_block("it is in memory now");
    episode.learnings = vec![with_block("disks are slow")];
    episode.context.errors_encountered = vec![Trouble {
        message: with_block("disk full"),
        resolution: Some(with_block("emptied it")),
        resolved: true,
        ..Trouble::default()
    }];
    let stored = serde_json::to_string(&bed.memory.capture(request).unwrap().cell).unwrap();
    assert!(
        !stored.contains("recalled") && !stored.contains("1a2b3c4d"),
        "{stored}"
    );
    for kept in [
        "not to disk",
        "and measure it",
        "in memory now",
        "disks are slow",
        "emptied it",
    ] {
        assert!(stored.contains(kept), "{kept} in {stored}");
    }
}
