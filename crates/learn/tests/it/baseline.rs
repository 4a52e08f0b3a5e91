//! `baseline_v0` against an independent transcription of memcell-rl's specification
//! (`scripts/memcell_golden.py`).

use memrl_learn::{
    Candidate, Context, ExploreConfig, Policies, decide,
    policy::{BaselineV0, baseline_score},
};
use memrl_types::{CellStatus, CellType, PolicyFeatures, Sensitivity, TokenCounter};
use serde::Deserialize;

use crate::support::cell_id;

type PackedCell = (u8, u8, u8, f64, Option<[f64; 3]>, f64, usize, u8);

#[derive(Deserialize)]
struct Case {
    budget: u64,
    k: usize,
    filtered: bool,
    cells: Vec<PackedCell>,
    selected: Vec<(u64, String, String)>,
    suppressed: Vec<(u64, String)>,
}

fn candidate(number: usize, packed: &PackedCell) -> Candidate {
    let (kind, status, sensitivity, confidence, features, jaccard, characters, over) = packed;
    let mut c = Candidate::new(cell_id(number as u64), CellType::from_code(*kind).unwrap());
    c.status = CellStatus::from_code(*status).unwrap();
    c.sensitivity = Sensitivity::from_code(*sensitivity).unwrap();
    c.confidence = *confidence;
    if let Some([criticality, utility, staleness]) = *features {
        c.features = PolicyFeatures {
            criticality,
            future_utility_estimate: utility,
            staleness,
            ..PolicyFeatures::default()
        };
    }
    c.score = baseline_score(*jaccard, c.confidence, &c.features);
    c.tokens = TokenCounter::Chars4.count(&"é".repeat(*characters));
    c.cost = c.tokens;
    c.validity_over = *over == 1;
    c
}

#[test]
fn memcell_rules_are_reproduced_to_the_letter() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../data/baseline_v0.json")).unwrap();
    assert_eq!(cases.len(), 320);
    for (number, case) in cases.iter().enumerate() {
        let mut candidates: Vec<_> = (case.cells.iter().enumerate())
            .map(|(i, c)| candidate(i, c))
            .collect();
        if case.filtered {
            candidates.retain(|c| c.status != CellStatus::Deleted && !c.validity_over);
        }
        candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        candidates.truncate(case.k);
        let name = |i: usize| {
            (0..13)
                .find(|n| cell_id(*n) == candidates[i].cell_id)
                .unwrap()
        };
        let policies = Policies {
            incumbent: &BaselineV0,
            canary: None,
            control: None,
        };
        let ctx = Context::with_budget(case.budget);
        let choice = decide(&ctx, &candidates, policies, &ExploreConfig::off(), "t", 0).unwrap();
        let selected: Vec<_> = (choice.slate.iter())
            .map(|&i| {
                (
                    name(i),
                    choice.items[i].mode.to_string(),
                    choice.items[i].reason.clone(),
                )
            })
            .collect();
        let suppressed: Vec<_> = (choice.left_out.iter())
            .map(|&i| (name(i), choice.items[i].reason.clone()))
            .collect();
        assert_eq!(selected, case.selected, "case {number}");
        assert_eq!(suppressed, case.suppressed, "case {number}");
    }
}

#[test]
fn the_reasons_have_an_em_dash() {
    let mut c = candidate(0, &(3, 3, 0, 1.0, None, 0.0, 10, 0));
    let policies = Policies {
        incumbent: &BaselineV0,
        canary: None,
        control: None,
    };
    let ctx = Context::with_budget(100);
    let reason = |c: &Candidate| {
        let one = std::slice::from_ref(c);
        let choice = decide(&ctx, one, policies, &ExploreConfig::off(), "t", 0).unwrap();
        choice.items[0].reason.clone()
    };
    assert_eq!(reason(&c), "quarantined \u{2014} must reverify before use");
    c.status = CellStatus::Contradicted;
    assert_eq!(reason(&c), "active fact cell (score=0.500)");
    c.mask = Some(memrl_types::Mask::Contradicted);
    assert_eq!(
        reason(&c),
        "contradicted",
        "a hard rule wins where the route asks for it"
    );
}
