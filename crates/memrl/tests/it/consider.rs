//! What a recall decides on: gathered without deciding, logged, and made again from the log.

use memrl::learn::data::{Logged, LoggedItem, Signals};
use memrl::learn::features::{RECALL, rebuild, rows, schema_of};
use memrl::learn::{Asks, Candidate, CellForm};
use memrl::{Decision, NewCell, RecallRequest, SourcePosition, Timestamp};

use crate::support::{Bed, ann, ask, bed, fact};

/// A conversation in a file, and a fact from elsewhere.
fn talk(b: &Bed) {
    let turn = |position: u32, speaker: &str, text: &str| NewCell {
        source: Some(SourcePosition {
            source: "trips/Lisbon diary".into(),
            position,
        }),
        speaker: Some(speaker.into()),
        occurred_at: Some("2023-05-08T00:00:00Z".parse::<Timestamp>().unwrap()),
        ..NewCell::new(memrl::CellType::Fact, ann(), text)
    };
    let cells = vec![
        turn(0, "Bob", "When did you go to the castle?"),
        turn(1, "Ann", "I went there in May 2021, not alone."),
        turn(2, "Bob", "It must have been crowded."),
        fact("The castle of Porto opens at 10:30."),
    ];
    b.memory.write_batch(cells).unwrap();
}

/// A decision of the store as trainers and replays see it.
fn logged(d: &Decision, context: memrl::learn::Context) -> Logged {
    let width = schema_of(RECALL).unwrap().width();
    Logged {
        id: d.decision_id,
        trajectory: 0,
        step: d.step,
        at: d.created_at,
        policy: 0,
        arm: d.arm.clone(),
        mode: d.explore_mode,
        propensity: d.propensity.clone(),
        temperature: 1.0,
        context,
        items: d
            .items
            .iter()
            .map(|i| LoggedItem {
                cell: i.cell_id,
                score: i.score,
                cost: i.tokens,
                masked: i.features.is_empty(),
                critical: i.critical,
                held_out: i.held_out,
                p_include: i.p_include,
                label: None,
            })
            .collect(),
        features: d
            .items
            .iter()
            .flat_map(|i| {
                let mut row = i.features.clone();
                row.resize(width, 0.0);
                row
            })
            .collect(),
        slate: Vec::new(),
        signals: Signals::default(),
        reward: None,
    }
}

#[test]
fn what_is_considered_is_what_a_recall_logs_and_what_its_log_makes_again() {
    let b = bed();
    talk(&b);
    let request = RecallRequest {
        explore: false,
        ..ask("When did Ann visit the Lisbon castle?")
    };
    let seen = b.memory.consider(&request).unwrap();
    let before = b
        .memory
        .decisions(&memrl::DecisionQuery::default())
        .unwrap();
    assert!(before.items.is_empty(), "considering logs nothing");
    let made = b.memory.recall(&request).unwrap();
    let decision = b.memory.decision(&made.decision_id.to_string()).unwrap();
    assert_eq!(decision.feature_schema, RECALL);
    let log = logged(&decision, seen.context.clone());
    assert_eq!(log.features, rows(&seen.context, &seen.candidates));
    let (context, candidates) = rebuild(schema_of(RECALL).unwrap(), &log);
    assert_eq!(context, seen.context);
    assert_eq!(candidates, seen.candidates);
}

#[test]
fn candidates_know_their_source_their_neighbours_and_what_kind_of_text_they_are() {
    let b = bed();
    talk(&b);
    let seen = b
        .memory
        .consider(&ask("When did Ann visit the Lisbon castle in May?"))
        .unwrap();
    assert_eq!(seen.context.query.asks, Asks::When);
    assert_eq!(
        (seen.context.query.words, seen.context.query.time),
        (9, true)
    );
    let at = |position: Option<u32>| -> &Candidate {
        let mut all = seen.candidates.iter();
        all.find(|c| c.clues.position == position).unwrap()
    };
    let (question, answer, elsewhere) = (at(Some(0)), at(Some(1)), at(None));
    assert!(question.form.has(CellForm::ASKS) && !answer.form.has(CellForm::ASKS));
    let said = CellForm::TIME | CellForm::NUMBER | CellForm::FIRST_PERSON | CellForm::NEGATES;
    assert!(answer.form.has(said) && elsewhere.form.has(CellForm::NUMBER));
    // The castle is in the question before it; Lisbon is in the name of the file alone.
    assert!(answer.clues.before.is_some_and(|b| b.asks) && question.clues.before.is_none());
    assert!(question.clues.after.is_some_and(|a| !a.asks));
    assert!(answer.clues.matched_window > answer.clues.matched);
    assert!(answer.clues.matched_source_name > 0.0);
    assert!(elsewhere.clues.matched_source_name <= 0.0 && elsewhere.clues.matched > 0.0);
    assert!(answer.clues.time_match && answer.speaker_match && !elsewhere.clues.time_match);
    assert_eq!(
        (answer.clues.source_hits, elsewhere.clues.source_hits),
        (3, 0)
    );
    assert!(elsewhere.clues.source_rank.is_none() && answer.clues.source_rank == Some(0));
}

#[test]
fn a_bad_request_is_refused_as_a_recall_refuses_it() {
    let b = bed();
    let bad = RecallRequest {
        budget_tokens: Some(0),
        ..ask("x")
    };
    let code = b.memory.consider(&bad).unwrap_err().code();
    assert_eq!(code, b.memory.recall(&bad).unwrap_err().code());
}
