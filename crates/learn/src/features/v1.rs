//! The feature schema of recall decisions, `recall-v1`: what a learned policy sees of a candidate.
//!
//! One table holds name, meaning, range and formula of each feature. It may not change: another
//! set of features, or another formula, is another schema with another name, because logged
//! features and trained weights are read by position.

use std::sync::LazyLock;

use memrl_types::{CellStatus, CellType, Origin};

use super::{Feature, Formula, fingerprint, formulas};
use crate::{Candidate, Context, ScopeLevel};

/// The name and version of the schema.
pub const RECALL_V1: &str = "recall-v1";

/// 1 for true.
pub(super) fn flag(b: bool) -> f64 {
    f64::from(u8::from(b))
}

/// `ln(1 + x)` for sizes; negative sizes count as 0.
pub(super) fn log(x: f64) -> f64 {
    x.max(0.0).ln_1p()
}

/// `1 / (1 + rank)`, 0 when the list does not hold the cell.
pub(super) fn reciprocal(rank: Option<u32>) -> f64 {
    rank.map_or(0.0, |r| 1.0 / (1.0 + f64::from(r)))
}

/// The share of the budget, net of the overhead, that the item would take.
pub(super) fn cost_share(ctx: &Context, c: &Candidate) -> f64 {
    let room = ctx.budget_tokens.saturating_sub(ctx.overhead_tokens);
    f64::from(c.cost) / (room as f64).max(1.0)
}

pub(super) static SCHEMA: &[Formula] = formulas! {
    "score", -10.0..=10.0, "score that ordered the candidates (fused, [0, 1], on native routes)", |_, c| c.score;
    "bm25", 0.0..=1.0, "lexical score, min-max normalised; 0 when missing", |_, c| c.bm25.unwrap_or(0.0);
    "has_bm25", 0.0..=1.0, "1 when the words found it", |_, c| flag(c.bm25.is_some());
    "dense", -1.0..=1.0, "dense cosine; 0 when missing", |_, c| c.dense.unwrap_or(0.0);
    "has_dense", 0.0..=1.0, "1 when it has a vector", |_, c| flag(c.dense.is_some());
    "bm25_window", 0.0..=1.0, "lexical score of its window of neighbours; 0 when missing", |_, c| c.bm25_window.unwrap_or(0.0);
    "dense_window", -1.0..=1.0, "dense cosine of its window of neighbours; 0 when missing", |_, c| c.dense_window.unwrap_or(0.0);
    "source_score", -10.0..=10.0, "best fused score in its source; 0 when it has no source", |_, c| c.source_score.unwrap_or(0.0);
    "rank", 0.0..=1.0, "1 / (1 + rank before the policy)", |_, c| reciprocal(Some(c.rank));
    "bm25_rank", 0.0..=1.0, "1 / (1 + rank in the lexical list); 0 when not in it", |_, c| reciprocal(c.bm25_rank);
    "dense_rank", 0.0..=1.0, "1 / (1 + rank in the dense list); 0 when not in it", |_, c| reciprocal(c.dense_rank);
    "speaker_match", 0.0..=1.0, "1 when the query names its speaker", |_, c| flag(c.speaker_match);
    "log_tokens", 0.0..=25.0, "ln(1 + tokens of the content)", |_, c| log(f64::from(c.tokens));
    "cost_share", 0.0..=1.0, "share of the budget (net of overhead) that it would take", cost_share;
    "log_age_days", 0.0..=20.0, "ln(1 + age in days)", |_, c| log(c.age_days);
    "value_mean", 0.0..=1.0, "posterior mean of its value", |_, c| c.value.mean;
    "value_lift", -1.0..=1.0, "posterior mean minus the prior of its type", |_, c| c.value.mean - c.value.prior;
    "value_sd", 0.0..=0.5, "posterior standard deviation of its value", |_, c| c.value.sd;
    "log_evidence", 0.0..=25.0, "ln(1 + mass of its evidence)", |_, c| log(c.value.mass);
    "confidence", 0.0..=1.0, "the writer's confidence", |_, c| c.confidence;
    "criticality", 0.0..=1.0, "how bad it is to miss it", |_, c| c.features.criticality;
    "compressibility", 0.0..=1.0, "how much shorter it could be made", |_, c| c.features.compressibility;
    "staleness", 0.0..=1.0, "how outdated it is believed to be", |_, c| c.features.staleness;
    "future_utility", 0.0..=1.0, "how useful its writer expects it to be", |_, c| c.features.future_utility_estimate;
    "log_accesses", 0.0..=45.0, "ln(1 + number of raw retrievals)", |_, c| log(c.access_count as f64);
    "sensitivity", 0.0..=1.0, "0 low, 1/3 medium, 2/3 high, 1 restricted", |_, c| f64::from(c.sensitivity.code()) / 3.0;
    "quarantined", 0.0..=1.0, "1 when quarantined", |_, c| flag(c.status == CellStatus::Quarantined);
    "critical", 0.0..=1.0, "1 when exploration must leave it alone", |_, c| flag(c.is_critical());
    "type_profile", 0.0..=1.0, "1 for this type (the tier follows from the type)", |_, c| flag(c.kind == CellType::Profile);
    "type_preference", 0.0..=1.0, "1 for this type", |_, c| flag(c.kind == CellType::Preference);
    "type_constraint", 0.0..=1.0, "1 for this type", |_, c| flag(c.kind == CellType::Constraint);
    "type_fact", 0.0..=1.0, "1 for this type", |_, c| flag(c.kind == CellType::Fact);
    "type_episode", 0.0..=1.0, "1 for this type", |_, c| flag(c.kind == CellType::Episode);
    "type_task_state", 0.0..=1.0, "1 for this type", |_, c| flag(c.kind == CellType::TaskState);
    "type_project_state", 0.0..=1.0, "1 for this type", |_, c| flag(c.kind == CellType::ProjectState);
    "type_procedure", 0.0..=1.0, "1 for this type", |_, c| flag(c.kind == CellType::Procedure);
    "type_tool_memory", 0.0..=1.0, "1 for this type", |_, c| flag(c.kind == CellType::ToolMemory);
    "type_reflection", 0.0..=1.0, "1 for this type", |_, c| flag(c.kind == CellType::Reflection);
    "type_document_reference", 0.0..=1.0, "1 for this type", |_, c| flag(c.kind == CellType::DocumentReference);
    "origin_user", 0.0..=1.0, "1 for this origin", |_, c| flag(c.origin == Origin::User);
    "origin_agent", 0.0..=1.0, "1 for this origin", |_, c| flag(c.origin == Origin::Agent);
    "origin_tool", 0.0..=1.0, "1 for this origin", |_, c| flag(c.origin == Origin::Tool);
    "origin_import", 0.0..=1.0, "1 for this origin", |_, c| flag(c.origin == Origin::Import);
    "scope_asked", 0.0..=1.0, "1 when its scope is the asked one", |_, c| flag(c.scope_level == ScopeLevel::Asked);
    "scope_wider", 0.0..=1.0, "1 when it is of another project of the user", |_, c| flag(c.scope_level == ScopeLevel::Wider);
    "scope_global", 0.0..=1.0, "1 when its scope is global", |_, c| flag(c.scope_level == ScopeLevel::Global);
    "log_budget", 0.0..=45.0, "ln(1 + token budget) of the request", |x, _| log(x.budget_tokens as f64);
    "log_query_tokens", 0.0..=25.0, "ln(1 + tokens of the query)", |x, _| log(f64::from(x.query_tokens));
    "log_memory_cells", 0.0..=45.0, "ln(1 + live cells of the memory)", |x, _| log(x.memory_cells as f64);
};

/// The features of `recall-v1`, in their order.
pub fn schema() -> &'static [Feature] {
    static FEATURES: LazyLock<Vec<Feature>> =
        LazyLock::new(|| SCHEMA.iter().map(|f| f.feature).collect());
    &FEATURES
}

/// A fingerprint of the schema: the first 16 hexadecimal digits of the BLAKE3 hash of its name
/// and of the names and ranges of its features. A policy trained on another one is refused.
pub fn schema_hash() -> String {
    fingerprint(RECALL_V1, schema())
}

/// The features of a candidate, one per row of [`schema`]: always finite and in range. What is
/// not a number counts as 0.
pub fn features(ctx: &Context, c: &Candidate) -> Vec<f32> {
    SCHEMA.iter().map(|f| f.of(ctx, c)).collect()
}
