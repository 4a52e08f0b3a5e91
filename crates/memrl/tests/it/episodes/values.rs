//! What an episode is worth, and what that changes.

use memrl::*;

use super::*;

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
    let pruned = bed.memory.prune(&upkeep::old(1.0, true)).unwrap();
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
fn ones_own_project_comes_first_where_both_are_equally_good() {
    let bed = bed();
    let text = "fix the login redirect that loops after the session expires";
    let elsewhere = CaptureRequest {
        project: Project::named("other"),
        ..told(text, EpisodeStatus::Success)
    };
    for own_first in [true, false] {
        if own_first {
            capture(&bed.memory, text);
        }
        bed.memory.capture(elsewhere.clone()).unwrap();
        let wide = RetrieveRequest {
            only_project: false,
            ..ask(text)
        };
        let hits = bed.memory.retrieve(&wide).unwrap().hits;
        let projects: Vec<&str> = hits.iter().map(|h| h.project.as_str()).collect();
        assert_eq!(projects, ["shop", "other"]);
    }
}

#[test]
fn a_first_memory_is_found_and_the_alphabet_is_no_meaning() {
    let bed = bed();
    capture(&bed.memory, "Fix the build");
    assert_eq!(order(&bed, "build").len(), 1);
    capture(&bed.memory, "Почини выгрузку заказов в таблицу");
    assert_eq!(order(&bed, "выгрузка заказов").len(), 1);
    assert!(order(&bed, "погода в Москве").is_empty());
    assert!(order(&bed, "свари мне борщ").is_empty());
}

#[test]
fn last_is_the_last_that_showed_something_in_ones_own_session() {
    let bed = bed();
    rivals(&bed);
    let retrieved = |trajectory: Option<&str>, query: &str| {
        let ask = RetrieveRequest {
            trajectory: trajectory.map(str::to_owned),
            limit: 1,
            ..ask(query)
        };
        bed.memory.retrieve(&ask).unwrap()
    };
    let last = |trajectory: Option<&str>| CellFeedback {
        trajectory: trajectory.map(str::to_owned),
        ..verdict("last", 1.0)
    };
    let judged = |trajectory| {
        let done = bed.memory.judge(&last(trajectory)).unwrap();
        assert_eq!(done.reports.len(), 1);
        done.reports[0].decision_id
    };
    let nothing = "translate the quarterly tax report into Finnish";
    let mine = retrieved(Some("mine"), LOGIN).recall.decision_id;
    let alone = retrieved(None, LOGIN).recall.decision_id;
    let theirs = retrieved(Some("theirs"), LOGIN).recall.decision_id;
    let empty = |trajectory| {
        let found = retrieved(trajectory, nothing);
        assert!(found.hits.is_empty());
        found.recall.decision_id
    };
    let (mine_empty, _, alone_empty) = (empty(Some("mine")), empty(Some("theirs")), empty(None));
    assert_eq!(judged(Some("mine")), mine);
    assert_eq!(judged(Some("theirs")), theirs);
    assert_eq!(judged(None), alone);
    let meant = |trajectory| bed.memory.decision_meant("last", trajectory);
    // What comes of showing nothing is the outcome of showing nothing.
    assert_eq!(meant(Some("mine")).unwrap(), mine_empty);
    assert_eq!(meant(None).unwrap(), alone_empty);
    // A session that has seen nothing has nothing to judge, whatever others were shown.
    let shown_nothing = retrieved(Some("new"), nothing).recall.decision_id;
    let refused = bed.memory.judge(&last(Some("new"))).unwrap_err();
    assert_eq!(refused.code(), Code::NeverShown);
    assert_eq!(meant(Some("new")).unwrap(), shown_nothing);
    assert_eq!(
        bed.memory.judge(&last(Some("nobody"))).unwrap_err().code(),
        Code::DecisionNotFound
    );
}

#[test]
fn a_decision_is_named_by_the_start_of_its_id() {
    let bed = bed();
    rivals(&bed);
    let id = bed.memory.retrieve(&ask(LOGIN)).unwrap().recall.decision_id;
    let text = id.to_string();
    for prefix in [&text[..8], &text[..13], &text] {
        assert_eq!(bed.memory.decision_id(prefix).unwrap(), id, "{prefix}");
        assert_eq!(bed.memory.why(prefix).unwrap().decision.decision_id, id);
    }
    let wrong = if text.starts_with("0000") {
        "1111"
    } else {
        "0000"
    };
    for (name, code) in [
        (wrong, Code::DecisionNotFound),
        ("abc", Code::InvalidId),
        ("", Code::InvalidId),
        ("latest", Code::InvalidId),
    ] {
        let refused = bed.memory.decision_id(name).unwrap_err();
        assert_eq!(refused.code(), code, "{name:?}");
    }
}

/// Two decisions of one trajectory that showed one cell each: the decisions and the cells.
fn two_steps(bed: &Bed) -> ([DecisionId; 2], [String; 2]) {
    rivals(bed);
    capture(
        &bed.memory,
        "make the billing export stream instead of buffering",
    );
    let step = |query: &str| {
        let request = RetrieveRequest {
            trajectory: Some("t".into()),
            limit: 1,
            ..ask(query)
        };
        let found = bed.memory.retrieve(&request).unwrap();
        let cell = found.hits[0].cell.cell_id.to_string();
        (found.recall.decision_id, cell)
    };
    let (first, second) = (step(LOGIN), step("billing export streaming"));
    assert_ne!(first.1, second.1);
    ([first.0, second.0], [first.1, second.1])
}

#[test]
fn what_is_said_of_the_whole_session_is_counted_once_whatever_hooks_report() {
    let failure = Outcome {
        metrics: [("tool_failures.bash".to_owned(), 1.0)].into(),
        source: "hook:7".into(),
        ..Outcome::default()
    };
    let evidence = |report: &Outcome, last: &Outcome| {
        let bed = bed();
        let (decisions, cells) = two_steps(&bed);
        for decision in decisions {
            bed.memory.feedback(decision, report).unwrap();
        }
        bed.memory.feedback(decisions[1], &failure).unwrap();
        bed.memory.feedback(decisions[1], last).unwrap();
        cells.map(|cell| bed.memory.value(&cell).unwrap().evidence)
    };
    let close = |found: [f64; 2], expected: [f64; 2]| {
        let near = found
            .iter()
            .zip(expected)
            .all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(near, "{found:?} instead of {expected:?}");
    };
    let implied = Outcome {
        implied_success: Some(1.0),
        source: "capture".into(),
        revise: true,
        whole: true,
        ..Outcome::default()
    };
    let said = Outcome {
        success: Some(1.0),
        implied_success: None,
        ..implied.clone()
    };
    close(evidence(&implied, &failure), [0.5, 0.5]);
    close(evidence(&said, &failure), [1.0, 1.0]);
    // A guess about a part does not matter where the whole was said to be a success.
    let guessed = Outcome {
        implied_success: Some(1.0),
        source: "hook".into(),
        ..Outcome::default()
    };
    close(evidence(&said, &guessed), [1.0, 1.0]);
    // A word about a part does: the decision before it gets its trace, or what it has if more.
    let word = Outcome {
        success: Some(1.0),
        source: "user".into(),
        ..Outcome::default()
    };
    close(evidence(&implied, &word), [0.5 + 0.63, 1.0]);
}

#[test]
fn the_order_of_reports_does_not_matter_to_anybody() {
    let success = Outcome {
        success: Some(1.0),
        ..Outcome::default()
    };
    let values = |order: &[usize]| {
        let bed = bed();
        let parent = |name: &str| {
            let cell = bed.memory.write(NewCell::new(
                CellType::Fact,
                shop().scope(),
                format!("unlike anything else, {name} of something"),
            ));
            cell.unwrap().cell.cell_id.to_string()
        };
        let parents = ["source", "origin"].map(parent);
        let child = |text: &str, parent: &str| {
            let mut cell = NewCell::new(CellType::Procedure, shop().scope(), text);
            cell.links = vec![Link {
                kind: LinkKind::DerivedFrom,
                target: parent.to_owned(),
            }];
            bed.memory.write(cell).unwrap().cell.cell_id
        };
        let a = child("login redirect loops are cured by the cookie", &parents[0]);
        let b = child("login redirect loops are cured by the timeout", &parents[1]);
        let found = bed.memory.retrieve(&RetrieveRequest {
            types: vec![CellType::Procedure],
            ..ask("login redirect loops")
        });
        let found = found.unwrap();
        assert_eq!(found.hits.len(), 2);
        let reports = [
            success.clone(),
            Outcome {
                cited: vec![b],
                source: "hook".into(),
                ..Outcome::default()
            },
            Outcome {
                implied_success: Some(0.0),
                source: "capture".into(),
                revise: true,
                whole: true,
                ..Outcome::default()
            },
        ];
        for &i in order {
            bed.memory
                .feedback(found.recall.decision_id, &reports[i])
                .unwrap();
        }
        let cells = [
            a.to_string(),
            b.to_string(),
            parents[0].clone(),
            parents[1].clone(),
        ];
        cells.map(|cell| bed.memory.value(&cell).unwrap().evidence)
    };
    let expected = values(&[0, 1, 2]);
    assert!(
        expected[0].abs() < 1e-12 && expected[2].abs() < 1e-12,
        "{expected:?}"
    );
    assert!((expected[1] - 1.0).abs() < 1e-9 && (expected[3] - 0.63).abs() < 1e-9);
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let found = values(&order);
        let same = found
            .iter()
            .zip(expected)
            .all(|(x, y)| (x - y).abs() < 1e-9);
        assert!(same, "{order:?}: {found:?} instead of {expected:?}");
    }
}

#[test]
fn a_verdict_can_be_changed_back() {
    let bed = bed();
    let (cell, _) = rivals(&bed);
    let mut values = Vec::new();
    for useful in [1.0, 0.0, 1.0] {
        let done = bed.memory.judge(&verdict(&cell, useful)).unwrap();
        assert!(!done.reports[0].repeated);
        values.push(bed.memory.value(&cell).unwrap().mean);
    }
    assert!(values[1] < 0.5 && values[0] > 0.5);
    assert!((values[2] - values[0]).abs() < 1e-9, "{values:?}");
    assert!(bed.memory.judge(&verdict(&cell, 1.0)).unwrap().reports[0].repeated);
}

/// A task of the shop from one time of today to another.
fn task(bed: &Bed, summary: &str, from: &str, to: &str, status: EpisodeStatus) -> String {
    let at = |time: &str| Some(format!("2026-11-20T{time}:00Z").parse().unwrap());
    let mut request = told(summary, status);
    request.episode.timestamp_start = at(from);
    request.episode.timestamp_end = at(to);
    bed.memory
        .capture(request)
        .unwrap()
        .cell
        .cell_id
        .to_string()
}

const TEMPORAL: PropagateRequest = PropagateRequest {
    temporal: true,
    project: None,
};

#[test]
fn a_success_that_is_none_any_more_takes_its_temporal_credit_back() {
    let bed = bed();
    let early = task(
        &bed,
        "set up the payment sandbox",
        "09:00",
        "09:20",
        EpisodeStatus::Partial,
    );
    let late = task(
        &bed,
        "charge the first card",
        "09:40",
        "09:50",
        EpisodeStatus::Success,
    );
    let evidence = |cell: &str| bed.memory.value(cell).unwrap().evidence;
    bed.memory.propagate(&TEMPORAL).unwrap();
    let full = evidence(&early);
    assert!(full > 0.6, "{full}");
    // A task that turns up in between takes its place, and it takes the next.
    let between = task(
        &bed,
        "read the manual of the gateway",
        "09:25",
        "09:35",
        EpisodeStatus::Partial,
    );
    bed.memory.propagate(&TEMPORAL).unwrap();
    assert!((evidence(&between) - full).abs() < 0.01);
    assert!(evidence(&early) < full - 0.2);
    let mut payload = bed.memory.get(&late).unwrap().payload.unwrap();
    payload["outcome"]["status"] = "failure".into();
    let patch = CellPatch {
        payload: Some(payload),
        ..CellPatch::default()
    };
    bed.memory.update(&late, patch).unwrap();
    let report = bed.memory.propagate(&TEMPORAL).unwrap();
    assert_eq!(report.temporal_credits, 0);
    for cell in [&early, &between] {
        assert!(evidence(cell).abs() < 1e-12);
        assert!((bed.memory.value(cell).unwrap().mean - 0.5).abs() < 1e-12);
    }
}

#[test]
fn a_date_in_the_future_does_not_make_everything_else_old() {
    let bed = bed();
    let (cell, _) = rivals(&bed);
    bed.memory.judge(&verdict(&cell, 1.0)).unwrap();
    let before = bed.memory.value(&cell).unwrap().evidence;
    // A transcript by a clock that is years ahead, after an episode that has evidence.
    let mut early = told("set up the payment sandbox", EpisodeStatus::Partial);
    let mut late = told("charge the first card", EpisodeStatus::Success);
    for (request, from, to) in [
        (&mut early, "09:00", "09:20"),
        (&mut late, "09:30", "09:50"),
    ] {
        let at = |time: &str| Some(format!("2099-11-20T{time}:00Z").parse().unwrap());
        request.episode.timestamp_start = at(from);
        request.episode.timestamp_end = at(to);
    }
    let early = bed.memory.capture(early).unwrap().cell.cell_id.to_string();
    bed.memory.capture(late).unwrap();
    order(&bed, "set up the payment sandbox");
    bed.memory.judge(&verdict(&early, 1.0)).unwrap();
    bed.memory.propagate(&TEMPORAL).unwrap();
    let both = bed.memory.value(&early).unwrap().evidence;
    assert!((both - 1.63).abs() < 1e-9, "{both}");
    bed.clock.advance_days(1.0);
    let next_day = bed.memory.value(&early).unwrap().evidence;
    assert!(
        (next_day - 0.99 * both).abs() < 1e-9,
        "it ages like any other"
    );
    assert!((before - 1.0).abs() < 1e-9);
}

#[test]
fn what_was_put_away_lifts_and_lowers_nothing() {
    let bed = bed();
    let (bad, neighbour) = rivals(&bed);
    for _ in 0..3 {
        bed.memory.judge(&verdict(&bad, 0.0)).unwrap();
        order(&bed, LOGIN);
    }
    let value = |id: &str| bed.memory.value(id).unwrap().mean;
    bed.memory.propagate(&PropagateRequest::default()).unwrap();
    assert!(value(&neighbour) < 0.499);
    bed.clock.advance_days(100.0);
    let pruned = bed.memory.prune(&upkeep::old(0.47, true)).unwrap();
    assert_eq!(pruned.rows.len(), 1);
    assert_eq!(bed.memory.get(&bad).unwrap().status, CellStatus::Expired);
    bed.memory.propagate(&PropagateRequest::default()).unwrap();
    assert!((value(&neighbour) - 0.5).abs() < 1e-12);
    // What comes back counts again.
    bed.memory.undo_prune("last").unwrap();
    bed.memory.propagate(&PropagateRequest::default()).unwrap();
    assert!(value(&neighbour) < 0.4999);
}
