//! The feature schema.

use memrl_learn::{
    Candidate, Context,
    features::{features, schema, schema_hash},
};
use memrl_types::CellType;
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
        };
        let values = features(&ctx, &c);
        prop_assert_eq!(values.len(), schema().len());
        for (value, f) in values.iter().zip(schema()) {
            prop_assert!(value.is_finite() && (f.low..=f.high).contains(value), "{} {value}", f.name);
        }
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
}
