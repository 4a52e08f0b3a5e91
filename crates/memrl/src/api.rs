//! Requests and answers of the engine.

use serde::{Deserialize, Serialize};

use crate::{
    Cell, CellId, CellStatus, CellType, Clearance, DecisionId, Event, ExploreMode, Merged, Mode,
    OutcomeId, Scope, Sensitivity, Timestamp,
};

/// What a write did.
#[derive(Debug, Clone, Serialize)]
pub struct Written {
    /// The cell as it is stored now.
    pub cell: Cell,
    /// `false` when the same content (or idempotency key) was there already.
    pub created: bool,
}

/// How a caller names a cell or a decision: the whole id, an unambiguous prefix of at least four
/// characters, or `last`.
pub type IdRef<'a> = &'a str;

/// Which cells to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListRequest {
    /// Cells that have every pair of this scope; empty lists all.
    pub scope: Scope,
    /// Only these types; empty means all.
    pub types: Vec<CellType>,
    /// Only these statuses; empty means all but `deleted`.
    pub statuses: Vec<CellStatus>,
    /// Nothing above this sensitivity.
    pub clearance: Option<Sensitivity>,
    /// Only cells whose content has this text (case-insensitive).
    pub contains: Option<String>,
    /// Only cells written at or after this time.
    pub created_from: Option<Timestamp>,
    /// Only cells written before this time.
    pub created_to: Option<Timestamp>,
    /// Where the previous page ended.
    pub cursor: Option<String>,
    /// Page size, 1 to 1000; 50 by default.
    pub limit: Option<u32>,
}

/// One page of a listing.
#[derive(Debug, Clone, Serialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Give this as `cursor` for the next page; `None` at the end.
    pub next_cursor: Option<String>,
}

/// A cell that takes the place of another.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Successor {
    /// The new text.
    pub content: String,
    /// The new confidence; the old one's when `None`.
    #[serde(default)]
    pub confidence: Option<f64>,
    /// Free references.
    #[serde(default)]
    pub source_refs: Vec<String>,
    /// New end of validity; the old cell's when `None`, so that what expires keeps expiring.
    #[serde(default)]
    pub valid_until: Option<Timestamp>,
}

/// Both ends of a supersede.
#[derive(Debug, Clone, Serialize)]
pub struct Superseded {
    /// The cell that was replaced.
    pub old_cell: Cell,
    /// Its successor.
    pub new_cell: Cell,
}

/// What a purge destroyed.
#[derive(Debug, Clone, Serialize)]
pub struct Purged {
    /// Cells that are gone, with all their versions and vectors.
    pub cells: usize,
    /// Logged texts (queries, rendered contexts, corrections, payloads of events) that were erased
    /// with them: those that showed or contain a purged text, and those with a word that no
    /// remaining cell has. The rows of the log stay.
    pub log_texts: usize,
    /// Backups of ours that held them and were removed.
    pub backups_removed: usize,
    /// Whether remains may still be in the files, because another process reads an old state of
    /// them or the disk has no room to rewrite them. The cells are gone from every answer all the
    /// same; the next upkeep (`memrl doctor --repair`, a later purge, or the engine's own) after
    /// the cause has ended removes the remains, also after a restart.
    pub pending: bool,
}

/// One stored state of a cell.
#[derive(Debug, Clone, Serialize)]
pub struct CellVersion {
    /// The version, from 1.
    pub version: u32,
    /// When it was replaced by the next; `None` for the current one.
    pub replaced_at: Option<Timestamp>,
    /// Why it was replaced: `update`, `supersede`, `forget`, `quarantine`, `release`.
    pub reason: String,
    /// The cell as it was.
    pub cell: Cell,
}

/// What counts against the token budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetCounts {
    /// The whole rendered block, with headings and citations.
    #[default]
    Rendered,
    /// Only the contents of the cells (memcell-rl's rule, and the benchmarks').
    Content,
}

/// What to recall.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent option of a request"
)]
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecallRequest {
    /// What the memory is needed for.
    pub query: String,
    /// Cells that have every pair of this scope.
    #[serde(default)]
    pub scope: Scope,
    /// Further scopes to look in, nearest first; a cell belongs to the first that has it.
    #[serde(default)]
    pub widen: Vec<Scope>,
    /// Look in every scope. An empty `scope` without this is refused.
    #[serde(default)]
    pub all_scopes: bool,
    /// The caller's name for the kind of task.
    #[serde(default)]
    pub task_type: String,
    /// Token budget of the block; the configured default when `None`.
    #[serde(default)]
    pub budget_tokens: Option<u64>,
    /// What counts against it.
    #[serde(default)]
    pub budget_counts: BudgetCounts,
    /// Consider only this many of the best candidates, 1 to 1000 (critical cells come on top).
    #[serde(default)]
    pub limit: Option<u64>,
    /// Show at most this many cells, 1 to 1000, whatever the budget; critical constraints come on
    /// top.
    #[serde(default)]
    pub max_cells: Option<u64>,
    /// After `scope` and the scopes of `widen` (an empty one comes last), look at cells that belong
    /// to no scope at all.
    #[serde(default)]
    pub global: bool,
    /// Leave out candidates that have nothing to do with the query, neither words nor meaning.
    /// Critical constraints stay.
    #[serde(default)]
    pub relevant_only: bool,
    /// Only these types; empty means all.
    #[serde(default)]
    pub types: Vec<CellType>,
    /// The policy, e.g. `similarity` or `baseline_v0`; the configured one when `None`.
    #[serde(default)]
    pub policy: Option<String>,
    /// Session or task that this decision belongs to.
    #[serde(default)]
    pub trajectory: Option<String>,
    /// Cells that the caller has already: masked, not repeated.
    #[serde(default)]
    pub already_in_context: Vec<CellId>,
    /// Mask what earlier decisions of the trajectory have shown.
    #[serde(default)]
    pub skip_shown: bool,
    /// The highest sensitivity to be shown; the configured one when `None`.
    #[serde(default)]
    pub clearance: Option<Clearance>,
    /// `false` turns every randomisation off for this decision.
    #[serde(default = "yes")]
    pub explore: bool,
}

fn yes() -> bool {
    true
}

impl RecallRequest {
    /// A recall in one scope with every default.
    pub fn new(query: impl Into<String>, scope: Scope) -> Self {
        Self {
            query: query.into(),
            scope,
            widen: Vec::new(),
            all_scopes: false,
            task_type: String::new(),
            budget_tokens: None,
            budget_counts: BudgetCounts::default(),
            limit: None,
            max_cells: None,
            global: false,
            relevant_only: false,
            types: Vec::new(),
            policy: None,
            trajectory: None,
            already_in_context: Vec::new(),
            skip_shown: false,
            clearance: None,
            explore: true,
        }
    }
}

/// One cell of a recalled slate.
#[derive(Debug, Clone, Serialize)]
pub struct Recalled {
    /// The cell.
    pub cell: Cell,
    /// How to use it.
    pub mode: Mode,
    /// The policy's score.
    pub score: f64,
    /// Why it was chosen.
    pub reason: String,
    /// Marginal probability of being shown, where it has an exact form.
    pub p_include: Option<f64>,
}

/// A candidate that was not chosen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suppressed {
    /// The candidate.
    pub cell_id: CellId,
    /// Why not.
    pub reason: String,
}

/// The answer to a recall, already logged.
#[derive(Debug, Clone, Serialize)]
pub struct Recall {
    /// The logged decision: `memrl why`, and what feedback refers to.
    pub decision_id: DecisionId,
    /// The trajectory it belongs to.
    pub trajectory_id: String,
    /// The policy that acted, with its version.
    pub policy: String,
    /// The arm that the trajectory is in.
    pub arm: String,
    /// What produced the slate.
    pub explore_mode: ExploreMode,
    /// Joint probability of exactly this slate.
    pub propensity: f64,
    /// The chosen cells, in order.
    pub selected: Vec<Recalled>,
    /// The candidates that were not chosen, best first.
    pub suppressed: Vec<Suppressed>,
    /// The block to put into the agent's context.
    pub context: String,
    /// Tokens that count against the budget.
    pub tokens_used: u32,
    /// The budget.
    pub budget_tokens: u64,
    /// The critical constraints alone do not fit the budget.
    pub constraints_exceed_budget: bool,
    /// The critical constraints that were left out because of that.
    pub left_out: Vec<CellId>,
    /// What went less than well, e.g. an embedder that did not answer.
    pub warnings: Vec<String>,
    /// Time spent, in microseconds.
    pub latency_us: u64,
}

/// A reward of one decision under one spec.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RewardValue {
    /// The spec, with its version: `memcell_v1@1`.
    pub spec: String,
    /// The reward.
    pub value: f64,
    /// Each term's share of it.
    pub terms: Vec<(String, f64)>,
}

/// What a report of an outcome did.
#[derive(Debug, Clone, Serialize)]
pub struct FeedbackReport {
    /// The stored report.
    pub outcome_id: OutcomeId,
    /// The decision.
    pub decision_id: DecisionId,
    /// The same report was there already; nothing changed.
    pub repeated: bool,
    /// All reports on the decision, added up; disagreements are in `conflicts`.
    pub merged: Merged,
    /// Rewards under the specs in use.
    pub rewards: Vec<RewardValue>,
    /// Cells whose value this changed: id, value before, value after.
    pub values: Vec<(CellId, f64, f64)>,
    /// When the report arrived.
    pub completed_at: Timestamp,
}

/// Which decisions to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecisionQuery {
    /// Made at or after this time.
    pub from: Option<Timestamp>,
    /// Made before this time.
    pub to: Option<Timestamp>,
    /// By this policy, with or without its version.
    pub policy: Option<String>,
    /// Of this trajectory.
    pub trajectory: Option<String>,
    /// With (`true`) or without (`false`) an outcome.
    pub completed: Option<bool>,
    /// Where the previous page ended.
    pub cursor: Option<String>,
    /// Page size, 1 to 1000; 50 by default.
    pub limit: Option<u32>,
}

/// Which events to list, newest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventQuery {
    /// At or after this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Only of this type.
    pub event_type: Option<crate::EventKind>,
    /// 1 to 1000; 100 by default.
    pub limit: Option<u32>,
    /// How many to skip.
    pub offset: u64,
}

/// One page of events.
pub type Events = Vec<Event>;

/// Counts for `memrl stats` and `/v1/stats`.
#[derive(Debug, Clone, Serialize)]
pub struct Stats {
    /// Cells by status.
    pub cells_by_status: Vec<(String, u64)>,
    /// Live cells by type.
    pub cells_by_type: Vec<(String, u64)>,
    /// Decisions logged.
    pub decisions: u64,
    /// Decisions with an outcome.
    pub completed: u64,
    /// Candidates logged.
    pub decision_items: u64,
    /// Reports of outcomes.
    pub outcomes: u64,
    /// Events.
    pub events: u64,
    /// Decisions by policy: name, decisions, completed, mean success where known.
    pub by_policy: Vec<PolicyStats>,
    /// Bytes of the database with its log.
    pub database_bytes: u64,
    /// Bytes of the search index file.
    pub index_bytes: u64,
    /// The embedder in use.
    pub embedder: String,
    /// The data directory.
    pub data_dir: String,
}

/// How one policy has done so far. A plain count: no causal claim.
#[derive(Debug, Clone, Serialize)]
pub struct PolicyStats {
    /// The policy, with its version.
    pub policy: String,
    /// Decisions.
    pub decisions: u64,
    /// Decisions with a reported success.
    pub with_success: u64,
    /// Their mean success.
    pub mean_success: Option<f64>,
}
