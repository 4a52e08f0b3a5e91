//! The feature schema.

use memrl_learn::data::{Logged, LoggedItem, Schema, Signals};
use memrl_learn::features::{
    RECALL_V1, RECALL_V2, candidate, context, features, rebuild, rows, schema, schema_hash,
    schema_of, settle, table,
};
use memrl_learn::policy::built_in;
use memrl_learn::{
    Asks, Beside, Candidate, CellForm, Clues, Context, QueryForm, Ranking, ScopeLevel,
    ValueEstimate, select,
};
use memrl_types::{
    CellStatus, CellType, DecisionId, ExploreMode, Mask, Origin, PolicyFeatures, Propensity,
    Sensitivity, Timestamp,
};
use proptest::prelude::*;

use crate::support::cell_id;

/// Any number at all.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY)
    ]
}

proptest! {
    #[test]
    fn features_are_finite_and_in_range_whatever_comes(
        x in prop::array::uniform14(number()),
        sizes in prop::array::uniform6(any::<u64>()),
        some in any::<bool>(),
    ) {
        let mut c = Candidate::new(cell_id(1), CellType::Episode);
        c.score = x[0];
        c.bm25 = some.then_some(x[1]);
        c.dense = some.then_some(x[2]);
        c.bm25_window = some.then_some(x[3]);
        c.dense_window = Some(x[4]);
        c.source_score = Some(x[5]);
        c.age_days = x[6];
        c.confidence = x[7];
        c.features.criticality = x[8];
        c.features.staleness = x[9];
        c.value.mean = x[10];
        c.value.prior = x[11];
        c.value.sd = x[12];
        c.value.mass = x[13];
        c.rank = sizes[0] as u32;
        c.tokens = sizes[1] as u32;
        c.cost = sizes[1] as u32;
        c.access_count = sizes[2];
        c.bm25_rank = some.then_some(sizes[0] as u32);
        let ctx = Context {
            budget_tokens: sizes[3],
            overhead_tokens: sizes[4],
            max_items: usize::MAX,
            query_tokens: sizes[5] as u32,
            memory_cells: sizes[5],
            query: QueryForm::UNKNOWN,
        };
        let values = features(&ctx, &c);
        prop_assert_eq!(values.len(), schema().len());
        for (value, f) in values.iter().zip(schema()) {
            prop_assert!(value.is_finite() && (f.low..=f.high).contains(value), "{} {value}", f.name);
        }
        c.clues.coverage = x[0];
        c.clues.echo = x[1];
        c.clues.before = some.then_some(Beside { coverage: x[2], dense: x[3], asks: true });
        c.clues.source_rank = some.then_some(sizes[0] as u32);
        let wide = table(RECALL_V2).unwrap();
        let values = rows(&ctx, &[c.clone(), Candidate::new(cell_id(2), CellType::Fact)]);
        for (value, f) in values.iter().zip(wide.iter().cycle()) {
            prop_assert!(value.is_finite() && (f.low..=f.high).contains(value), "{} {value}", f.name);
        }
    }
}

prop_compose! {
    /// What a search may say about a candidate.
    fn any_clues()(
        x in prop::array::uniform9(0.0..1.0f64),
        beside in prop::option::of((0.0..1.0f64, -1.0..1.0f64, any::<bool>())),
        source in prop::option::of((0..5000u32, 0..200u32, 0..50u32, 1..100u32)),
        time_match in any::<bool>(),
    ) -> Clues {
        let beside = beside.map(|(coverage, dense, asks)| Beside { coverage, dense, asks });
        Clues {
            coverage: x[0], matched: x[1], matched_names: x[2], matched_window: x[3],
            matched_source: x[4], matched_source_name: x[5], bm25_source: x[6], dense_source: x[7],
            echo: x[8] - 0.5, before: beside, after: beside.filter(|b| b.asks), time_match,
            position: source.map(|s| s.0), source_rank: source.map(|s| s.1),
            rank_in_source: source.map(|s| s.2), source_hits: source.map_or(0, |s| s.3),
        }
    }
}

prop_compose! {
    /// Any candidate that a search can find.
    fn any_candidate()(
        id in 0..u64::MAX,
        codes in (0..11u8, 0..4u8, 0..4u8, 0..3usize, any::<bool>(), prop::bool::weighted(0.1)),
        x in prop::array::uniform9(0.0..1.0f64),
        decimals in prop::array::uniform5(0..=100u32),
        mass in prop_oneof![Just(0.0), 0.0..1e4],
        ranks in (0..1000u32, prop::option::of(0..1000u32), prop::option::of(0..1000u32)),
        sizes in (0..1_000_000u32, 0..5000u32, 0..100_000u64),
        clues in any_clues(),
        form in 0..=CellForm::ALL,
    ) -> Candidate {
        let kind = CellType::from_code(codes.0).unwrap();
        let mut c = Candidate::new(cell_id(id), kind);
        c.sensitivity = Sensitivity::from_code(codes.1).unwrap();
        c.origin = Origin::from_code(codes.2).unwrap();
        c.scope_level = [ScopeLevel::Asked, ScopeLevel::Wider, ScopeLevel::Global][codes.3];
        c.status = if codes.4 { CellStatus::Active } else { CellStatus::Quarantined };
        c.mask = codes.5.then_some(Mask::Expired);
        c.score = x[0];
        c.likeness = (x[1] > 0.3).then_some(x[1]);
        (c.rank, c.bm25_rank, c.dense_rank) = ranks;
        c.bm25 = c.bm25_rank.map(|_| x[2]);
        c.dense = c.dense_rank.map(|_| x[3] - 0.5);
        c.bm25_window = c.bm25;
        c.dense_window = c.dense;
        c.source_score = clues.position.map(|_| x[4]);
        c.speaker_match = codes.4;
        (c.tokens, c.cost, c.access_count) = sizes;
        c.age_days = x[5] * 1e4;
        // What a writer gives are decimals, 0.7 among them, where constraints become critical.
        let [a, b, d, e, f] = decimals.map(|n| f64::from(n) / 100.0);
        c.confidence = a;
        c.features = PolicyFeatures {
            criticality: b, compressibility: d, staleness: e, future_utility_estimate: f,
        };
        c.value = ValueEstimate { mean: x[6], sd: x[7] / 2.0, mass, prior: x[8] };
        c.clues = clues;
        c.form = CellForm(form);
        c
    }
}

prop_compose! {
    fn any_query()(asks in 0..10usize, sizes in (0..100_000u32, 0..50u32), flags in (any::<bool>(), any::<bool>())) -> QueryForm {
        let all = [
            Asks::Other, Asks::Who, Asks::What, Asks::Which, Asks::When, Asks::Where, Asks::Why,
            Asks::How, Asks::HowMany, Asks::YesNo,
        ];
        QueryForm { asks: all[asks], words: sizes.0, names: sizes.1, time: flags.0, first_person: flags.1 }
    }
}

/// A decision as the log keeps it.
fn logged(ctx: &Context, candidates: &[Candidate]) -> Logged {
    let item = |c: &Candidate| LoggedItem {
        cell: c.cell_id,
        score: 0.0,
        cost: c.cost,
        masked: c.mask.is_some(),
        critical: c.is_critical(),
        held_out: false,
        p_include: None,
        label: None,
    };
    Logged {
        id: DecisionId::from_bytes([7; 16]),
        trajectory: 0,
        step: 0,
        at: Timestamp(0),
        policy: 0,
        arm: "incumbent".to_owned(),
        mode: ExploreMode::Greedy,
        propensity: Propensity {
            log_joint: 0.0,
            components: Vec::new(),
            epsilon: 0.0,
            salt: 0,
            seed: 0,
        },
        temperature: 1.0,
        context: Context {
            query: QueryForm::UNKNOWN,
            ..ctx.clone()
        },
        items: candidates.iter().map(item).collect(),
        features: rows(ctx, candidates),
        slate: Vec::new(),
        signals: Signals::default(),
        reward: None,
    }
}

fn wide() -> &'static Schema {
    schema_of(RECALL_V2).unwrap()
}

proptest! {
    #[test]
    fn a_decision_made_again_from_its_log_is_the_same_under_every_built_in_policy(
        candidates in prop::collection::vec(any_candidate(), 1..20),
        query in any_query(),
        budget in 1..20_000u64,
    ) {
        let mut ctx = Context::with_budget(budget);
        ctx.query = query;
        let made: Vec<Candidate> = candidates
            .into_iter()
            .map(|c| if c.mask.is_some() { c } else { settle(&c) })
            .collect();
        let log = logged(&ctx, &made);
        let (again_ctx, again) = rebuild(wide(), &log);
        if made.iter().any(|c| c.mask.is_none()) {
            prop_assert_eq!(&again_ctx, &ctx);
        }
        for (c, a) in made.iter().zip(&again).filter(|(c, _)| c.mask.is_none()) {
            prop_assert_eq!(c, a);
        }
        for policy in built_in() {
            let decide = |ctx: &Context, candidates: &[Candidate]| {
                let order = policy.order(ctx, candidates);
                // The logit of `baseline_v0` counts places, those of masked candidates among them, whose
                // places the log does not know.
                let logit = |s: &memrl_learn::Scored| if policy.id() == "baseline_v0" { 0.0 } else { s.logit };
                let shown: Vec<_> = order
                    .iter()
                    .filter(|s| candidates[s.index].mask.is_none())
                    .map(|s| (s.index, s.score.to_bits(), logit(s).to_bits(), s.mode, s.reason.clone()))
                    .collect();
                let slate = select::greedy(ctx, candidates, &Ranking::new(candidates, order)).slate;
                (shown, slate)
            };
            prop_assert_eq!(decide(&ctx, &made), decide(&again_ctx, &again), "{}", policy.label());
        }
        // Rows come back as they were, also from candidates that nobody settled.
        let width = wide().width();
        prop_assert_eq!(&log.features, &rows(&again_ctx, &again));
        for (i, item) in log.items.iter().enumerate().filter(|(_, i)| !i.masked) {
            prop_assert_eq!(&candidate(wide(), log.row(i, width), item), &made[i]);
            prop_assert_eq!(&context(wide(), &log.context, log.row(i, width)), &ctx);
        }
    }

    #[test]
    fn settling_twice_changes_nothing_and_no_row(c in any_candidate()) {
        let ctx = Context::with_budget(100);
        let once = settle(&c);
        prop_assert_eq!(settle(&once), once.clone());
        prop_assert_eq!(rows(&ctx, std::slice::from_ref(&c)), rows(&ctx, &[once]));
    }

    #[test]
    fn a_masked_candidate_has_no_row_and_changes_no_other(
        candidates in prop::collection::vec(any_candidate(), 1..12),
    ) {
        let ctx = Context::with_budget(100);
        let shown: Vec<Candidate> = candidates.iter().filter(|c| c.mask.is_none()).cloned().collect();
        let width = wide().width();
        let all = rows(&ctx, &candidates);
        let kept: Vec<f32> = all
            .chunks(width)
            .zip(&candidates)
            .filter(|(_, c)| c.mask.is_none())
            .flat_map(|(r, _)| r.to_vec())
            .collect();
        prop_assert_eq!(kept, rows(&ctx, &shown));
        for (row, c) in all.chunks(width).zip(&candidates) {
            prop_assert!(c.mask.is_none() || row.iter().all(|x| *x == 0.0));
        }
    }
}

#[test]
fn rows_of_the_older_schema_can_be_read_by_name() {
    let ctx = Context::with_budget(100);
    let mut c = Candidate::new(cell_id(4), CellType::Procedure);
    c.score = 0.25;
    c.value.mean = 0.75;
    c.value.prior = 0.5;
    c.features.criticality = 0.7;
    c.bm25_rank = Some(3);
    let old = schema_of(RECALL_V1).unwrap();
    assert_eq!(
        (old.width(), old.hash.as_str()),
        (49, schema_hash().as_str())
    );
    let row = features(&ctx, &c);
    let item = LoggedItem {
        ..logged(&ctx, std::slice::from_ref(&c)).items[0]
    };
    let again = candidate(old, &row, &item);
    assert_eq!(features(&ctx, &again), row);
    assert_eq!(
        (again.score, again.value.prior, again.features),
        (c.score, c.value.prior, c.features)
    );
    assert_eq!(
        (again.kind, again.cell_id, again.bm25_rank),
        (c.kind, c.cell_id, c.bm25_rank)
    );
    assert!(schema_of("recall-v0").is_none());
}

#[test]
fn the_newer_schema_begins_with_the_older_one() {
    let (old, new) = (schema_of(RECALL_V1).unwrap(), wide());
    assert_eq!(new.features[..old.width()], old.features);
    let names: std::collections::BTreeSet<_> = new.features.iter().collect();
    assert_eq!(names.len(), new.width());
}

#[test]
fn features_of_the_answer_say_where_a_candidate_stands() {
    let mut ctx = Context::with_budget(100);
    ctx.query.asks = Asks::When;
    let scores = [(0.9, 0.8), (0.5, 0.2), (0.1, 0.5)];
    let candidates: Vec<Candidate> = (0u32..)
        .zip(scores)
        .map(|(i, (score, dense))| {
            let mut c = Candidate::new(cell_id(i.into()), CellType::Fact);
            (c.score, c.dense, c.rank) = (score, Some(dense), i);
            c.dense_rank = Some([0, 2, 1][i as usize]);
            c.form = c.form.with(CellForm::TIME, i == 2);
            c
        })
        .collect();
    let all = rows(&ctx, &candidates);
    let get = |i: usize, name: &str| {
        let at = wide().features.iter().position(|f| f == name).unwrap();
        all[i * wide().width() + at]
    };
    // Mean 0.5, standard deviation √0.06.
    for (i, z) in [1.224_745, -1.224_745, 0.0].into_iter().enumerate() {
        assert!((get(i, "z_dense") - z).abs() < 1e-5);
    }
    for (i, name, value) in [
        (1, "dense_below_best", 0.6),
        (0, "score_above_next", 0.4),
        (2, "score_above_next", 0.0),
        (1, "log_dense_rank", 3.0f32.ln()),
        (1, "log_bm25_rank", 4.0f32.ln()),
        (1, "rrf", 61.0 / 63.0 / 2.0),
        (1, "agreement", 0.0),
        (0, "log_pool", 4.0f32.ln()),
        (2, "when_time", 1.0),
        (1, "when_time", 0.0),
        (0, "query_when", 1.0),
    ] {
        assert!(
            (get(i, name) - value).abs() < 1e-5,
            "{i} {name} {}",
            get(i, name)
        );
    }
}

/// The value of a feature by name.
fn named(ctx: &Context, c: &Candidate, name: &str) -> f32 {
    let at = schema().iter().position(|f| f.name == name).unwrap();
    features(ctx, c)[at]
}

#[test]
fn names_are_unique_and_a_type_has_one_flag() {
    let names: std::collections::BTreeSet<_> = schema().iter().map(|f| f.name).collect();
    assert_eq!(names.len(), schema().len());
    let ctx = Context::with_budget(100);
    for &kind in CellType::ALL {
        let c = Candidate::new(cell_id(0), kind);
        assert!((named(&ctx, &c, &format!("type_{kind}")) - 1.0).abs() < f32::EPSILON);
        let all: f32 = (schema().iter().zip(features(&ctx, &c)))
            .filter(|(f, _)| f.name.starts_with("type_"))
            .map(|(_, x)| x)
            .sum();
        assert!((all - 1.0).abs() < f32::EPSILON);
    }
}

#[test]
fn features_say_what_their_names_say() {
    let mut ctx = Context::with_budget(110);
    ctx.overhead_tokens = 10;
    let mut c = Candidate::new(cell_id(0), CellType::Fact);
    c.cost = 25;
    c.rank = 3;
    c.age_days = std::f64::consts::E - 1.0;
    c.value.mean = 0.75;
    for (name, value) in [
        ("cost_share", 0.25),
        ("rank", 0.25),
        ("log_age_days", 1.0),
        ("value_lift", 0.25),
        ("has_bm25", 0.0),
        ("bm25_rank", 0.0),
        ("scope_asked", 1.0),
        ("origin_user", 1.0),
    ] {
        assert!((named(&ctx, &c, name) - value).abs() < 1e-6, "{name}");
    }
}

/// Logged features and trained weights are read by position: a change of this value means that
/// the schema must get a new name.
#[test]
fn the_schema_does_not_change_under_its_name() {
    assert_eq!(
        (schema().len(), schema_hash().as_str()),
        (49, "354947cb5ac2877e")
    );
    assert_eq!(
        (wide().width(), wide().hash.as_str()),
        (123, "f7d4538205d472cb")
    );
}
