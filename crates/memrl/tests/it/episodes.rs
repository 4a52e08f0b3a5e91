//! Promises about experience: what is captured, what it is worth, and what that changes.

use std::path::Path;

use memrl::{
    CaptureAction, CaptureFile, CaptureRequest, CellFeedback, CellStatus, Code, Episode,
    EpisodeQuery, EpisodeStatus, Intent, LinkKind, Memory, Origin, Outcome, Project,
    PropagateRequest, PruneRequest, RetrieveRequest, ReviewAction, SessionRequest, SessionSignal,
};

use crate::support::{Bed, bed};

fn shop() -> Project {
    Project::named("shop")
}

fn told(summary: &str, status: EpisodeStatus) -> CaptureRequest {
    let mut episode = Episode {
        intent: Intent {
            extracted_intent: summary.to_owned(),
            ..Intent::default()
        },
        ..Episode::default()
    };
    episode.outcome.status = status;
    CaptureRequest {
        episode,
        project: shop(),
        origin: Origin::Agent,
        decisions: Vec::new(),
        trajectory: None,
    }
}

fn capture(memory: &Memory, summary: &str) -> String {
    let done = memory
        .capture(told(summary, EpisodeStatus::Success))
        .unwrap();
    done.cell.cell_id.to_string()
}

fn ask(query: &str) -> RetrieveRequest {
    RetrieveRequest {
        query: query.to_owned(),
        project: Some(shop()),
        only_project: true,
        limit: 3,
        types: Vec::new(),
        trajectory: None,
        budget_tokens: None,
        skip_shown: false,
        explore: false,
    }
}

fn order(bed: &Bed, query: &str) -> Vec<String> {
    let found = bed.memory.retrieve(&ask(query)).unwrap();
    found
        .hits
        .iter()
        .map(|h| h.cell.cell_id.to_string())
        .collect()
}

fn verdict(cell: &str, useful: f64) -> CellFeedback {
    CellFeedback {
        cells: vec![cell.to_owned()],
        useful,
        decision: None,
        correction: None,
        source: "user".into(),
    }
}

const LOGIN: &str = "fix the login redirect that loops after the session expires";

/// Two episodes that are equally good answers to [`LOGIN`], the one that is ranked second first.
fn rivals(bed: &Bed) -> (String, String) {
    capture(
        &bed.memory,
        "fix login redirect loop after session expires by clearing the cookie",
    );
    capture(
        &bed.memory,
        "fix login redirect loop after session expires by raising the timeout",
    );
    let ranked = order(bed, LOGIN);
    assert_eq!(ranked.len(), 2);
    (ranked[1].clone(), ranked[0].clone())
}

#[test]
fn what_helped_is_ranked_higher_the_next_time() {
    let bed = bed();
    let (second, first) = rivals(&bed);
    for _ in 0..4 {
        bed.memory.judge(&verdict(&second, 1.0)).unwrap();
        bed.memory.judge(&verdict(&first, 0.0)).unwrap();
        order(&bed, LOGIN);
    }
    assert_eq!(order(&bed, LOGIN), [second, first]);
}

#[test]
fn feedback_twice_is_feedback_once() {
    let bed = bed();
    let (cell, _) = rivals(&bed);
    bed.memory.judge(&verdict(&cell, 1.0)).unwrap();
    let once = bed.memory.value(&cell).unwrap();
    let again = bed.memory.judge(&verdict(&cell, 1.0)).unwrap();
    assert!(again.reports[0].repeated);
    let twice = bed.memory.value(&cell).unwrap();
    assert!((once.mean - twice.mean).abs() < 1e-12 && once.mean > 0.5);
    assert!((twice.evidence - 1.0).abs() < 1e-9);
}

#[test]
fn being_shown_without_feedback_costs_nothing() {
    let bed = bed();
    let (cell, _) = rivals(&bed);
    for _ in 0..5 {
        order(&bed, LOGIN);
    }
    let value = bed.memory.value(&cell).unwrap();
    assert!((value.mean - 0.5).abs() < 1e-12);
    assert_eq!(value.shown, 6);
}

#[test]
fn a_verdict_on_what_was_never_shown_is_refused_and_nothing_is_recorded() {
    let bed = bed();
    let (shown, _) = rivals(&bed);
    let unseen = capture(
        &bed.memory,
        "rewrite the invoice templates in another language",
    );
    let both = CellFeedback {
        cells: vec![shown.clone(), unseen],
        ..verdict(&shown, 1.0)
    };
    let refused = bed.memory.judge(&both).unwrap_err();
    assert_eq!(refused.code(), Code::NeverShown);
    assert!((bed.memory.value(&shown).unwrap().mean - 0.5).abs() < 1e-12);
    for id in ["", "zz", "0123"] {
        assert!(bed.memory.judge(&verdict(id, 1.0)).is_err(), "{id:?}");
    }
}

#[test]
fn last_means_what_the_last_recall_showed() {
    let bed = bed();
    rivals(&bed);
    let done = bed.memory.judge(&verdict("last", 1.0)).unwrap();
    assert_eq!(done.cells.len(), 2);
    // A prune is a decision as well, and is not meant.
    bed.clock.advance_days(200.0);
    let pruned = bed.memory.prune(&old(1.0, true)).unwrap();
    assert_eq!(pruned.rows.len(), 2);
    assert_eq!(
        bed.memory.judge(&verdict("last", 1.0)).unwrap().cells.len(),
        2
    );
}

#[test]
fn what_has_nothing_to_do_with_the_query_is_not_shown() {
    let bed = bed();
    rivals(&bed);
    assert!(order(&bed, "translate the quarterly tax report into Finnish").is_empty());
    assert!(!order(&bed, "login loop").is_empty());
}

#[test]
fn limits_are_capped_and_nonsense_is_refused() {
    let bed = bed();
    rivals(&bed);
    let huge = RetrieveRequest {
        limit: 100_000_000_000_000_000,
        ..ask(LOGIN)
    };
    assert_eq!(bed.memory.retrieve(&huge).unwrap().hits.len(), 2);
    let none = RetrieveRequest {
        limit: 0,
        ..ask(LOGIN)
    };
    assert_eq!(
        bed.memory.retrieve(&none).unwrap_err().code(),
        Code::InvalidInput
    );
    assert_eq!(
        bed.memory.retrieve(&ask("  ")).unwrap_err().code(),
        Code::InvalidInput
    );
}

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
fn propagating_twice_is_once_and_lifts_what_is_similar() {
    let bed = bed();
    let (cell, neighbour) = rivals(&bed);
    let far = capture(&bed.memory, "translate the invoice footer into Portuguese");
    bed.memory.judge(&verdict(&cell, 1.0)).unwrap();
    let once = bed.memory.propagate(&PropagateRequest::default()).unwrap();
    assert!(once.edges >= 1 && once.changed >= 1, "{once:?}");
    let value = |id: &str| bed.memory.value(id).unwrap().mean;
    let after = [value(&cell), value(&neighbour), value(&far)];
    assert!(after[0] > after[1] && after[1] > 0.5, "{after:?}");
    assert!((after[2] - 0.5).abs() < 1e-9);
    let twice = bed.memory.propagate(&PropagateRequest::default()).unwrap();
    assert_eq!(twice.changed, 0);
    assert!(twice.total_change < 1e-9, "{twice:?}");
    let again = [value(&cell), value(&neighbour), value(&far)];
    assert!(after.iter().zip(again).all(|(a, b)| (a - b).abs() < 1e-9));
}

#[test]
fn temporal_credit_is_given_once() {
    let bed = bed();
    let mut early = told("set up the payment sandbox", EpisodeStatus::Partial);
    early.episode.timestamp_start = Some("2026-11-20T09:00:00Z".parse().unwrap());
    early.episode.timestamp_end = Some("2026-11-20T09:20:00Z".parse().unwrap());
    let mut late = told(
        "charge the first card in the sandbox",
        EpisodeStatus::Success,
    );
    late.episode.timestamp_start = Some("2026-11-20T09:30:00Z".parse().unwrap());
    late.episode.timestamp_end = Some("2026-11-20T09:50:00Z".parse().unwrap());
    let early = bed.memory.capture(early).unwrap().cell.cell_id.to_string();
    bed.memory.capture(late).unwrap();
    let request = PropagateRequest {
        temporal: true,
        project: None,
    };
    assert_eq!(bed.memory.propagate(&request).unwrap().temporal_credits, 1);
    let once = bed.memory.value(&early).unwrap();
    assert!(once.mean > 0.5);
    bed.memory.propagate(&request).unwrap();
    let twice = bed.memory.value(&early).unwrap();
    assert!((once.mean - twice.mean).abs() < 1e-9 && (once.evidence - twice.evidence).abs() < 1e-9);
}

fn old(min_utility: f64, execute: bool) -> PruneRequest {
    PruneRequest {
        older_than_days: 90.0,
        min_utility,
        project: None,
        types: Vec::new(),
        execute,
    }
}

#[test]
fn pruned_is_old_and_worth_little_and_can_be_undone_for_thirty_days() {
    let bed = bed();
    let (bad, good) = rivals(&bed);
    for _ in 0..3 {
        bed.memory.judge(&verdict(&bad, 0.0)).unwrap();
        bed.memory.judge(&verdict(&good, 1.0)).unwrap();
        order(&bed, LOGIN);
    }
    assert!(
        bed.memory.prune(&old(0.48, true)).unwrap().rows.is_empty(),
        "young"
    );
    bed.clock.advance_days(100.0);
    let dry = bed.memory.prune(&old(0.48, false)).unwrap();
    assert_eq!(dry.rows.len(), 1);
    assert_eq!(order(&bed, LOGIN).len(), 2, "nothing happened yet");
    bed.clock.advance_days(100.0);
    let done = bed.memory.prune(&old(0.49, true)).unwrap();
    assert_eq!(done.rows[0].cell.cell_id.to_string(), bad);
    assert_eq!(order(&bed, LOGIN), std::slice::from_ref(&good));
    let back = bed.memory.undo_prune("last").unwrap();
    assert_eq!(back.restored.len(), 1);
    assert_eq!(order(&bed, LOGIN).len(), 2);
    assert!(
        bed.memory.undo_prune("last").unwrap().restored.is_empty(),
        "once"
    );

    bed.clock.advance_days(100.0);
    bed.memory.prune(&old(0.5, true)).unwrap();
    bed.clock.advance_days(29.0);
    bed.memory.maintain().unwrap();
    assert_eq!(bed.memory.get(&bad).unwrap().status, CellStatus::Expired);
    bed.clock.advance_days(2.0);
    bed.memory.maintain().unwrap();
    assert_eq!(bed.memory.get(&bad).unwrap().status, CellStatus::Deleted);
    assert!(bed.memory.undo_prune("last").unwrap().restored.is_empty());
}

#[test]
fn consolidation_keeps_every_text() {
    let bed = bed();
    let text = "make the nightly backup job retry when the network share is unavailable";
    let one = capture(&bed.memory, text);
    let two = capture(&bed.memory, &format!("{text} now"));
    let found = bed
        .memory
        .review(Some(&shop()), ReviewAction::Analyze)
        .unwrap();
    assert_eq!(found.duplicates.len(), 1, "{found:?}");
    let done = bed
        .memory
        .review(Some(&shop()), ReviewAction::Consolidate)
        .unwrap();
    assert_eq!(order(&bed, text).len(), 1);
    for id in [&one, &two] {
        assert!(
            bed.memory
                .get(id)
                .unwrap()
                .content
                .contains("network share")
        );
    }
    let id = done.decision_id.unwrap().to_string();
    assert_eq!(bed.memory.undo_prune(&id).unwrap().restored.len(), 1);
    assert_eq!(order(&bed, text).len(), 2);
}

fn tell(bed: &Bed, prompt: Option<&str>) -> memrl::SessionContext {
    let request = SessionRequest {
        project: shop(),
        session: "session-1".into(),
        prompt: prompt.map(str::to_owned),
        max_bytes: 8000,
        afresh: false,
    };
    bed.memory.session_context(&request).unwrap()
}

#[test]
fn a_session_is_told_what_is_new_to_it_and_no_more_than_fits() {
    let bed = bed();
    rivals(&bed);
    for i in 0..60 {
        let long = "Ж登😀".repeat(100);
        capture(&bed.memory, &format!("login redirect case {i}: {long}"));
    }
    let first = tell(&bed, Some(LOGIN));
    assert!(
        first.cells > 0 && first.block.len() < 8000,
        "{}",
        first.block.len()
    );
    assert!(
        first
            .block
            .contains(&first.decision_id.unwrap().to_string())
    );
    let second = tell(&bed, Some(LOGIN));
    let lines = |block: &str| -> Vec<String> { memrl::citations(block) };
    let seen = lines(&first.block);
    assert!(lines(&second.block).iter().all(|id| !seen.contains(id)));
    let compacted = SessionRequest {
        project: shop(),
        session: "session-1".into(),
        prompt: Some(LOGIN.to_owned()),
        max_bytes: 8000,
        afresh: true,
    };
    let third = bed.memory.session_context(&compacted).unwrap();
    assert_eq!(lines(&third.block), seen, "its context was compacted");
    assert!(
        tell(&bed, Some("what is the capital of Portugal?"))
            .block
            .is_empty()
    );
}

#[test]
fn an_answer_that_cites_and_a_tool_that_fails_are_heard() {
    let bed = bed();
    rivals(&bed);
    let told = tell(&bed, Some(LOGIN));
    let id = memrl::citations(&told.block).remove(0);
    let answer = SessionSignal::Answer {
        text: format!("As in [m:{id}], I cleared the cookie."),
    };
    bed.memory.session_signal("session-1", &answer).unwrap();
    for call in ["toolu_1", "toolu_2", "toolu_2"] {
        let failed = SessionSignal::ToolFailure {
            tool: "Bash".into(),
            call: call.into(),
            interrupted: false,
        };
        bed.memory.session_signal("session-1", &failed).unwrap();
    }
    let why = bed
        .memory
        .why(&told.decision_id.unwrap().to_string())
        .unwrap();
    let heard = why.outcome.unwrap().outcome;
    assert_eq!(heard.cited.len(), 1);
    assert_eq!(heard.metrics.get("tool_failures.Bash"), Some(&2.0));
    bed.memory.session_signal("nobody", &answer).unwrap();
}

#[test]
fn a_trace_reaches_the_decisions_before() {
    let bed = bed();
    rivals(&bed);
    let step = |query: &str| {
        let request = RetrieveRequest {
            trajectory: Some("t".into()),
            limit: 1,
            ..ask(query)
        };
        bed.memory.retrieve(&request).unwrap()
    };
    let early = step(LOGIN).hits[0].cell.cell_id.to_string();
    let other = capture(
        &bed.memory,
        "make the billing export stream instead of buffering",
    );
    let late = step("billing export streaming");
    assert_eq!(late.hits[0].cell.cell_id.to_string(), other);
    let yes = Outcome {
        success: Some(1.0),
        ..Outcome::default()
    };
    bed.memory.feedback(late.recall.decision_id, &yes).unwrap();
    let (near, far) = (
        bed.memory.value(&other).unwrap(),
        bed.memory.value(&early).unwrap(),
    );
    assert!((near.evidence - 1.0).abs() < 1e-9);
    assert!((far.evidence - 0.63).abs() < 1e-9, "{far:?}");
    assert!(near.mean > far.mean && far.mean > 0.5);
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
    let implied = |id: memrl::DecisionId| {
        let why = bed.memory.why(&id.to_string()).unwrap();
        why.outcome.unwrap().outcome.implied_success.unwrap()
    };
    assert!(implied(first) > 0.5 && implied(second) < 0.5);
}
