//! From a logged row back to the candidate that it was made of.
//!
//! What a schema does not hold stays as [`Candidate::new`] has it; [`RECALL_V2`](super::RECALL_V2) holds everything
//! that features and built-in policies read. Knows no answer: a candidate comes of its own row alone.

use std::sync::LazyLock;

use memrl_types::{CellId, CellStatus, CellType, Mask, Origin, Sensitivity};

use super::v2;
use crate::data::{Logged, LoggedItem, Schema};
use crate::{Asks, Beside, Candidate, CellForm, Context, ScopeLevel};

/// Puts the value of a feature back.
type Setter = fn(&mut Candidate, f32);
/// The same for what is known of the query.
type QuerySetter = fn(&mut Context, f32);

/// The number that a writer most likely wrote: the shortest decimal that rounds to `x`. So 0.7 stays 0.7, and on the
/// same side of every threshold, though as `f32` it lies below.
fn decimal(x: f32) -> f64 {
    // Common values are exact, and much faster.
    if [0.0, 0.5, 1.0].contains(&x) {
        return x.into();
    }
    // With few digits: the product is exact (24 bits of `x`, 28 of 5¹²) and the quotient the double nearest to the decimal.
    let mut scale = 1.0;
    for _ in 0..if x.abs() <= 1.0 { 12 } else { 0 } {
        scale *= 10.0;
        let short = (f64::from(x) * scale).round() / scale;
        if (short as f32).to_bits() == x.to_bits() {
            return short;
        }
    }
    x.to_string().parse().unwrap_or_else(|_| x.into())
}

/// The inverse of `ln(1 + n)` for a whole number.
fn whole(x: f32) -> u32 {
    f64::from(x).exp_m1().round() as u32
}

/// The inverse of `1 / (1 + rank)`.
fn rank(x: f32) -> Option<u32> {
    (x > 0.0).then(|| (1.0 / f64::from(x) - 1.0).round() as u32)
}

fn before(c: &mut Candidate) -> &mut Beside {
    c.clues.before.get_or_insert_default()
}

fn after(c: &mut Candidate) -> &mut Beside {
    c.clues.after.get_or_insert_default()
}

/// How the feature of this name is put back; `None` for one that follows from others.
fn setter(name: &str) -> Option<Setter> {
    Some(match name {
        "score" => |c, x| c.score = x.into(),
        "bm25" => |c, x| c.bm25 = Some(x.into()),
        "has_bm25" => |c, x| c.bm25 = c.bm25.filter(|_| x > 0.0),
        "dense" => |c, x| c.dense = Some(x.into()),
        "has_dense" => |c, x| c.dense = c.dense.filter(|_| x > 0.0),
        "bm25_window" => |c, x| c.bm25_window = Some(x.into()),
        "dense_window" => |c, x| c.dense_window = Some(x.into()),
        "source_score" => |c, x| c.source_score = Some(x.into()),
        "rank" => |c, x| c.rank = rank(x).unwrap_or(u32::MAX),
        "bm25_rank" => |c, x| c.bm25_rank = rank(x),
        "dense_rank" => |c, x| c.dense_rank = rank(x),
        "speaker_match" => |c, x| c.speaker_match = x > 0.0,
        "log_tokens" => |c, x| c.tokens = whole(x),
        "log_age_days" => |c, x| c.age_days = f64::from(x).exp_m1(),
        "value_mean" => |c, x| c.value.mean = x.into(),
        "value_sd" => |c, x| c.value.sd = x.into(),
        "log_evidence" => |c, x| c.value.mass = f64::from(x).exp_m1(),
        "confidence" => |c, x| c.confidence = decimal(x),
        "criticality" => |c, x| c.features.criticality = decimal(x),
        "compressibility" => |c, x| c.features.compressibility = decimal(x),
        "staleness" => |c, x| c.features.staleness = decimal(x),
        "future_utility" => |c, x| c.features.future_utility_estimate = decimal(x),
        "log_accesses" => |c, x| c.access_count = f64::from(x).exp_m1().round() as u64,
        "sensitivity" => |c, x| {
            let code = (x * 3.0).round() as u8;
            c.sensitivity = Sensitivity::from_code(code).unwrap_or(Sensitivity::Restricted);
        },
        "quarantined" => |c, x| {
            c.status = if x > 0.0 {
                CellStatus::Quarantined
            } else {
                CellStatus::Active
            };
        },
        // Of the older schema, whose rows do not say what the prior was.
        "value_lift" => |c, x| c.value.prior = c.value.mean - f64::from(x),
        "likeness" => |c, x| c.likeness = Some(x.into()),
        "value_prior" => |c, x| c.value.prior = x.into(),
        "value_mass" => |c, x| c.value.mass = x.into(),
        _ => {
            return set_kind(name)
                .or_else(|| set_clue(name))
                .or_else(|| set_form(name));
        }
    })
}

fn set_kind(name: &str) -> Option<Setter> {
    Some(match name {
        "type_profile" => |c, x| kind(c, x, CellType::Profile),
        "type_preference" => |c, x| kind(c, x, CellType::Preference),
        "type_constraint" => |c, x| kind(c, x, CellType::Constraint),
        "type_fact" => |c, x| kind(c, x, CellType::Fact),
        "type_episode" => |c, x| kind(c, x, CellType::Episode),
        "type_task_state" => |c, x| kind(c, x, CellType::TaskState),
        "type_project_state" => |c, x| kind(c, x, CellType::ProjectState),
        "type_procedure" => |c, x| kind(c, x, CellType::Procedure),
        "type_tool_memory" => |c, x| kind(c, x, CellType::ToolMemory),
        "type_reflection" => |c, x| kind(c, x, CellType::Reflection),
        "type_document_reference" => |c, x| kind(c, x, CellType::DocumentReference),
        "origin_user" => |c, x| origin(c, x, Origin::User),
        "origin_agent" => |c, x| origin(c, x, Origin::Agent),
        "origin_tool" => |c, x| origin(c, x, Origin::Tool),
        "origin_import" => |c, x| origin(c, x, Origin::Import),
        "scope_asked" => |c, x| level(c, x, ScopeLevel::Asked),
        "scope_wider" => |c, x| level(c, x, ScopeLevel::Wider),
        "scope_global" => |c, x| level(c, x, ScopeLevel::Global),
        _ => return None,
    })
}

fn kind(c: &mut Candidate, x: f32, kind: CellType) {
    if x > 0.0 {
        c.kind = kind;
    }
}

fn origin(c: &mut Candidate, x: f32, origin: Origin) {
    if x > 0.0 {
        c.origin = origin;
    }
}

fn level(c: &mut Candidate, x: f32, level: ScopeLevel) {
    if x > 0.0 {
        c.scope_level = level;
    }
}

fn set_clue(name: &str) -> Option<Setter> {
    Some(match name {
        "coverage" => |c, x| c.clues.coverage = x.into(),
        "matched" => |c, x| c.clues.matched = x.into(),
        "matched_names" => |c, x| c.clues.matched_names = x.into(),
        "matched_window" => |c, x| c.clues.matched_window = x.into(),
        "matched_source" => |c, x| c.clues.matched_source = x.into(),
        "matched_source_name" => |c, x| c.clues.matched_source_name = x.into(),
        "bm25_source" => |c, x| c.clues.bm25_source = x.into(),
        "dense_source" => |c, x| c.clues.dense_source = x.into(),
        "echo" => |c, x| c.clues.echo = x.into(),
        "has_source" => |c, x| {
            c.clues.position = (x > 0.0).then_some(0);
        },
        "log_position" => |c, x| c.clues.position = c.clues.position.map(|_| whole(x)),
        "source_rank" => |c, x| c.clues.source_rank = rank(x),
        "rank_in_source" => |c, x| c.clues.rank_in_source = rank(x),
        "log_source_hits" => |c, x| c.clues.source_hits = whole(x),
        "coverage_before" => |c, x| before(c).coverage = x.into(),
        "dense_before" => |c, x| before(c).dense = x.into(),
        "asked_before" => |c, x| before(c).asks = x > 0.0,
        "coverage_after" => |c, x| after(c).coverage = x.into(),
        "dense_after" => |c, x| after(c).dense = x.into(),
        "asked_after" => |c, x| after(c).asks = x > 0.0,
        "has_before" => |c, x| c.clues.before = c.clues.before.filter(|_| x > 0.0),
        "has_after" => |c, x| c.clues.after = c.clues.after.filter(|_| x > 0.0),
        "time_match" => |c, x| c.clues.time_match = x > 0.0,
        _ => return None,
    })
}

fn set_form(name: &str) -> Option<Setter> {
    Some(match name {
        "form_asks" => |c, x| c.form = c.form.with(CellForm::ASKS, x > 0.0),
        "form_number" => |c, x| c.form = c.form.with(CellForm::NUMBER, x > 0.0),
        "form_time" => |c, x| c.form = c.form.with(CellForm::TIME, x > 0.0),
        "form_name" => |c, x| c.form = c.form.with(CellForm::NAME, x > 0.0),
        "form_first_person" => |c, x| c.form = c.form.with(CellForm::FIRST_PERSON, x > 0.0),
        "form_code" => |c, x| c.form = c.form.with(CellForm::CODE, x > 0.0),
        "form_negates" => |c, x| c.form = c.form.with(CellForm::NEGATES, x > 0.0),
        _ => return None,
    })
}

fn query_setter(name: &str) -> Option<QuerySetter> {
    Some(match name {
        "query_who" => |x, v| asks(x, v, Asks::Who),
        "query_what" => |x, v| asks(x, v, Asks::What),
        "query_which" => |x, v| asks(x, v, Asks::Which),
        "query_when" => |x, v| asks(x, v, Asks::When),
        "query_where" => |x, v| asks(x, v, Asks::Where),
        "query_why" => |x, v| asks(x, v, Asks::Why),
        "query_how" => |x, v| asks(x, v, Asks::How),
        "query_how_many" => |x, v| asks(x, v, Asks::HowMany),
        "query_yes_no" => |x, v| asks(x, v, Asks::YesNo),
        "log_query_words" => |x, v| x.query.words = whole(v),
        "log_query_names" => |x, v| x.query.names = whole(v),
        "query_time" => |x, v| x.query.time = v > 0.0,
        "query_first_person" => |x, v| x.query.first_person = v > 0.0,
        _ => return None,
    })
}

fn asks(ctx: &mut Context, x: f32, what: Asks) {
    if x > 0.0 {
        ctx.query.asks = what;
    }
}

/// The setters of a schema, in the order in which they may run: what says that something is missing comes last.
struct Setters {
    candidate: Vec<(usize, Setter)>,
    query: Vec<(usize, QuerySetter)>,
}

impl Setters {
    fn of(names: impl Iterator<Item = impl AsRef<str>>) -> Self {
        let names: Vec<_> = names.collect();
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by_key(|&i| {
            let name = names[i].as_ref();
            (name.starts_with("has_") && name != "has_source", i)
        });
        let at = |i: &usize| names[*i].as_ref();
        Self {
            candidate: order
                .iter()
                .filter_map(|i| Some((*i, setter(at(i))?)))
                .collect(),
            query: order
                .iter()
                .filter_map(|i| Some((*i, query_setter(at(i))?)))
                .collect(),
        }
    }

    /// Those of the schema that is logged now.
    fn current() -> &'static Self {
        static CURRENT: LazyLock<Setters> =
            LazyLock::new(|| Setters::of(v2::schema().iter().map(|f| f.name)));
        &CURRENT
    }

    fn candidate(&self, row: &[f32], cell: CellId, cost: u32) -> Candidate {
        let mut c = Candidate::new(cell, CellType::Fact);
        c.cost = cost;
        for (at, set) in &self.candidate {
            if let Some(x) = row.get(*at) {
                set(&mut c, *x);
            }
        }
        c
    }
}

/// Runs `f` with the setters of a schema.
fn with_setters<T>(schema: &Schema, f: impl FnOnce(&Setters) -> T) -> T {
    if schema.name == v2::RECALL_V2 {
        f(Setters::current())
    } else {
        f(&Setters::of(schema.features.iter()))
    }
}

/// A candidate as a row of `recall-v2` can say it: numbers as `f32` (those that a writer gives as the shortest decimal), so
/// that it can be made again from its row bit for bit. The engine settles candidates before any policy sees
/// them. Settling twice changes nothing; what a row does not hold (id, cost, mask, status) stays.
pub fn settle(c: &Candidate) -> Candidate {
    let ctx = Context::with_budget(1);
    let row: Vec<f32> = v2::alone().map(|f| f.of(&ctx, c)).collect();
    let mut settled = Setters::current().candidate(&row, c.cell_id, c.cost);
    settled.status = c.status;
    settled.mask = c.mask;
    settled.validity_over = c.validity_over;
    settled
}

/// The candidate that this row was made of. Under `recall-v2` every built-in policy decides on it as it did on the
/// settled original, and it has the same row again. Of a masked one nothing is logged but that it was masked, so the
/// reason of the mask is a stand-in. Columns that no schema of ours has are not read.
pub fn candidate(schema: &Schema, row: &[f32], item: &LoggedItem) -> Candidate {
    with_setters(schema, |setters| of_item(setters, row, item))
}

fn of_item(setters: &Setters, row: &[f32], item: &LoggedItem) -> Candidate {
    if item.masked {
        let mut c = Candidate::new(item.cell, CellType::Fact);
        c.mask = Some(Mask::AlreadyInContext);
        c.cost = item.cost;
        return c;
    }
    setters.candidate(row, item.cell, item.cost)
}

/// The context of a decision with what any one of its rows says about the query.
pub fn context(schema: &Schema, base: &Context, row: &[f32]) -> Context {
    with_setters(schema, |setters| of_row(setters, base, row))
}

fn of_row(setters: &Setters, base: &Context, row: &[f32]) -> Context {
    let mut ctx = base.clone();
    for (at, set) in &setters.query {
        if let Some(x) = row.get(*at) {
            set(&mut ctx, *x);
        }
    }
    ctx
}

/// What a logged decision was made on: its context and its candidates, in their order.
pub fn rebuild(schema: &Schema, logged: &Logged) -> (Context, Vec<Candidate>) {
    let width = schema.width();
    with_setters(schema, |setters| {
        let shown = logged.items.iter().position(|i| !i.masked);
        let ctx = shown.map_or_else(
            || logged.context.clone(),
            |i| of_row(setters, &logged.context, logged.row(i, width)),
        );
        let items = logged.items.iter().enumerate();
        let candidates = items
            .map(|(i, item)| of_item(setters, logged.row(i, width), item))
            .collect();
        (ctx, candidates)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_decimal_is_the_one_that_is_written(
            x in prop_oneof![
                (0_u32..=10_000).prop_map(|k| k as f32 / 10_000.0),
                -1.0_f32..=1.0,
                any::<f32>(),
            ]
        ) {
            let written: f64 = x.to_string().parse().unwrap();
            prop_assert_eq!(decimal(x).to_bits(), written.to_bits());
        }
    }
}
