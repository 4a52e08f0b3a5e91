//! memcell-rl's use cases, with its numbers.

use memrl::{
    CellStatus, CellType, MemcellDecide, MemcellFeedback, MemcellRetrieve, Mode, NewCell, Outcome,
    PolicyFeatures, Scope, Sensitivity,
};

use crate::support::{ann, bed};

fn decide(query: &str, scope: Scope, budget_tokens: u64, k: u64) -> MemcellDecide {
    MemcellDecide {
        query: query.into(),
        scope,
        task_type: String::new(),
        budget_tokens,
        k,
        policy: None,
        trajectory: None,
        explore: false,
    }
}

fn with_features(mut cell: NewCell, criticality: f64, staleness: f64) -> NewCell {
    cell.policy_features = Some(PolicyFeatures {
        criticality,
        staleness,
        ..PolicyFeatures::default()
    });
    cell
}

#[test]
fn duplicates_are_kept_and_empty_content_is_taken() {
    let b = bed();
    let cell = || NewCell::new(CellType::Fact, ann(), "");
    let one = b.memory.memcell_write(cell()).unwrap();
    let two = b.memory.memcell_write(cell()).unwrap();
    assert_ne!(one.cell_id, two.cell_id);
}

#[test]
fn the_example_agent_gets_its_reward() {
    let b = bed();
    let mut rule = NewCell::new(
        CellType::Constraint,
        ann(),
        "Never reveal the account number.",
    );
    rule.sensitivity = Sensitivity::Restricted;
    b.memory
        .memcell_write(with_features(rule, 0.9, 0.0))
        .unwrap();
    b.memory
        .memcell_write(NewCell::new(
            CellType::Preference,
            ann(),
            "Prefers short answers.",
        ))
        .unwrap();
    let d = b
        .memory
        .memcell_decide(&decide("answer the account question", ann(), 800, 10))
        .unwrap();
    assert_eq!(d.selected_cells.len(), 2);
    assert_eq!(d.selected_cells[0].mode, Mode::Constraint);
    assert_eq!(
        d.selected_cells[0].reason,
        "high criticality constraint (criticality=0.90)"
    );
    assert!(
        d.selected_cells[1]
            .reason
            .starts_with("active preference cell (score=")
    );
    assert!((d.propensity - 1.0).abs() < 1e-12);
    let outcome = Outcome {
        success: Some(1.0),
        unsafe_action: Some(false),
        stale_memory_error: Some(false),
        tokens_used: Some(320),
        latency_ms: Some(450),
        ..Outcome::default()
    };
    let feedback = MemcellFeedback {
        transition_id: d.transition_id,
        outcome,
    };
    let r = b.memory.memcell_feedback(&feedback).unwrap();
    assert!((r.reward_value - 0.518).abs() < 1e-12);
}

#[test]
fn masked_cells_take_no_place_among_the_best_k() {
    let b = bed();
    let write = |text: &str, status| {
        let mut cell = NewCell::new(CellType::Fact, ann(), text);
        cell.status = status;
        b.memory.memcell_write(cell).unwrap().cell_id
    };
    let gone = write("alpha beta gamma", CellStatus::Superseded);
    let contradicted = write("alpha beta gamma delta", CellStatus::Contradicted);
    let kept = write("alpha beta", CellStatus::Active);
    write("nothing in common", CellStatus::Active);
    let d = b
        .memory
        .memcell_decide(&decide("alpha beta gamma", ann(), 2000, 1))
        .unwrap();
    assert_eq!(
        d.selected_cells
            .iter()
            .map(|c| c.cell_id)
            .collect::<Vec<_>>(),
        [kept]
    );
    let reasons: Vec<_> = d
        .suppressed_cells
        .iter()
        .map(|s| (s.cell_id, s.reason.as_str()))
        .collect();
    assert_eq!(
        reasons,
        [(gone, "superseded"), (contradicted, "contradicted")]
    );
}

#[test]
fn a_null_in_the_scope_never_reaches_other_peoples_cells() {
    let b = bed();
    let other = NewCell::new(CellType::Fact, Scope::of("project", "x"), "alpha");
    b.memory.memcell_write(other).unwrap();
    let null: Scope = serde_json::from_str(r#"{"user": null}"#).unwrap();
    let d = b
        .memory
        .memcell_decide(&decide("alpha", null.clone(), 2000, 10))
        .unwrap();
    assert!(d.selected_cells.is_empty());
    let raw = MemcellRetrieve {
        query: "alpha".into(),
        scope: null,
        types: None,
        k: 5,
    };
    assert_eq!(
        b.memory.memcell_retrieve(&raw).unwrap().cells.len(),
        1,
        "the raw view stays raw"
    );
}

#[test]
fn the_raw_view_scores_and_counts_like_the_original() {
    let b = bed();
    let cell = with_features(
        NewCell::new(CellType::Fact, ann(), "Balance is 42 euros"),
        0.4,
        0.2,
    );
    b.memory.memcell_write(cell).unwrap();
    let raw = |types| MemcellRetrieve {
        query: "what is the balance".into(),
        scope: ann(),
        types,
        k: 5,
    };
    let r = b.memory.memcell_retrieve(&raw(None)).unwrap();
    // Words in common: is, balance; in all: what, is, the, balance, 42, euros.
    let expected = 2.0 / 6.0 + 0.5 + 0.5 * 0.4 - 0.5 * 0.2;
    assert!((r.scores[0] - expected).abs() < 1e-12, "{}", r.scores[0]);
    assert_eq!(r.cells[0].access_count, 1);
    assert!(r.cells[0].last_retrieved_at.is_some());
    assert!(
        b.memory
            .memcell_retrieve(&raw(Some(Vec::new())))
            .unwrap()
            .cells
            .is_empty()
    );
    let again = b
        .memory
        .memcell_retrieve(&raw(Some(vec![CellType::Fact])))
        .unwrap();
    assert_eq!(again.cells[0].access_count, 2);
}

#[test]
fn counters_do_not_lose_updates() {
    let b = bed();
    b.memory
        .memcell_write(NewCell::new(CellType::Fact, ann(), "alpha"))
        .unwrap();
    let raw = MemcellRetrieve {
        query: "alpha".into(),
        scope: ann(),
        types: None,
        k: 5,
    };
    std::thread::scope(|s| {
        for _ in 0..16 {
            s.spawn(|| {
                for _ in 0..10 {
                    b.memory.memcell_retrieve(&raw).unwrap();
                }
            });
        }
    });
    assert_eq!(
        b.memory.memcell_retrieve(&raw).unwrap().cells[0].access_count,
        161
    );
}

#[test]
fn another_policy_can_be_asked_for_on_the_same_route() {
    let b = bed();
    b.memory
        .memcell_write(NewCell::new(CellType::Fact, ann(), "Ann plays the cello"))
        .unwrap();
    let request = MemcellDecide {
        policy: Some("similarity".into()),
        ..decide("which instrument does Ann play", ann(), 2000, 10)
    };
    let d = b.memory.memcell_decide(&request).unwrap();
    assert_eq!(d.policy["policy_id"], "similarity");
    assert_eq!(d.selected_cells[0].content, "Ann plays the cello");
    assert!(d.context.contains("[m:"));
}
