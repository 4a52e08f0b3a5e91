//! What goes into a store and what comes out. Plain data; no SQL, no policy.

use memrl_types::{
    Cell, CellId, CellStatus, CellType, Decision, DecisionId, DecisionPoint, Event, EventKind,
    Outcome, OutcomeId, Scope, Sensitivity, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The row number of a cell: small, dense, in the order in which ids were first seen, never given
/// to another id (a purged id that is written again has its old number). What indexes and the
/// log refer to; local to one store.
pub type Seq = i64;

/// An embedding as stored: opaque bytes of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vector {
    /// The embedder that made it, with everything that changes its output.
    pub model: String,
    /// The vector, as the embedder encodes it.
    pub bytes: Vec<u8>,
}

/// A cell to be inserted.
#[derive(Debug, Clone, PartialEq)]
pub struct InsertCell {
    /// The cell, complete. `access_count` and `last_retrieved_at` are stored as given.
    pub cell: Cell,
    /// Whether an active cell that says the same is returned instead of inserting a second one:
    /// same content hash, type, canonical scope, sensitivity, speaker, `valid_from` and
    /// `valid_until`, and neither of the two contradicted.
    pub dedup: bool,
    /// A key of the writer's: a second insert with the same key and content returns the first
    /// cell; with other content (hash, type or scope) it is refused.
    pub idempotency_key: Option<String>,
    /// Keyed hash of the content.
    pub content_hash: [u8; 32],
    /// The embedding of the cell, if there is one.
    pub vector: Option<Vector>,
    /// Logged in the same transaction, when a cell is created.
    pub event: Option<Event>,
}

/// What became of an [`InsertCell`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inserted {
    /// The row number.
    pub seq: Seq,
    /// The id of the cell that now holds the content.
    pub cell_id: CellId,
    /// False when an earlier cell was found by its key or its content.
    pub created: bool,
}

/// A cell as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct CellRow {
    /// The row number.
    pub seq: Seq,
    /// The cell, with its access counters.
    pub cell: Cell,
    /// The cell that replaced it.
    pub superseded_by: Option<CellId>,
    /// Keyed hash of the content, as given by the writer.
    pub content_hash: [u8; 32],
}

/// The new state of a cell.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateCell {
    /// The cell as it is to be, with `updated_at` set; id, version, status, creation time and
    /// access counters are ignored and kept.
    pub cell: Cell,
    /// The version that the change was made on. The stored cell gets the next one.
    pub expected_version: u32,
    /// Keyed hash of the new content.
    pub content_hash: [u8; 32],
    /// The embedding of the new text. When absent and the indexed text changed, the cell is left
    /// without one (see [`crate::Store::vectors_missing`]).
    pub vector: Option<Vector>,
}

/// One step in the life of a cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// The version number, from 1.
    pub version: u32,
    /// When this state began.
    pub since: Timestamp,
    /// The state.
    pub cell: Cell,
}

/// Which cells are wanted. The default wants all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CellFilter {
    /// Only cells that have every pair of this scope ([`Scope::admits`]).
    pub scope: Option<Scope>,
    /// Whether a null in the asked scope also matches an absent key (memcell-rl's raw view,
    /// [`Scope::admits_like_memcell`]).
    pub null_matches_absent: bool,
    /// Only these types; empty means all.
    pub types: Vec<CellType>,
    /// Only these statuses; empty means all.
    pub statuses: Vec<CellStatus>,
    /// Nothing above this sensitivity.
    pub max_sensitivity: Option<Sensitivity>,
    /// Only cells whose content contains this text, letter case aside.
    pub text: Option<String>,
    /// Created at this time or later.
    pub created_from: Option<Timestamp>,
    /// Created before this time.
    pub created_before: Option<Timestamp>,
    /// Only cells of this source ([`memrl_types::SourcePosition`]).
    pub source: Option<String>,
    /// In which order.
    pub order: Order,
}

/// The order of a listing: that of row numbers, or its reverse. Rows written while a caller pages
/// through never shift a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Last written first.
    #[default]
    Newest,
    /// First written first.
    Oldest,
}

/// Where a listing goes on. Opaque; stays valid while rows come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub i64);

/// A part of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where to go on; `None` when this was the last page.
    pub next: Option<Cursor>,
}

/// What a cache has to do to catch up.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The number of the change. Numbers rise; a cell has only its last change in the list.
    pub change_seq: i64,
    /// What happened.
    pub what: Changed,
}

/// See [`Change`].
#[derive(Debug, Clone, PartialEq)]
pub enum Changed {
    /// The cell was written or changed (content, scope, status or vector). Superseded,
    /// quarantined, contradicted and expired cells are reported like this as well.
    Upsert {
        /// The cell.
        row: Box<CellRow>,
        /// Its embedding by the model asked for.
        vector: Option<Vec<u8>>,
    },
    /// The cell was forgotten or purged.
    Removed {
        /// Its row number.
        seq: Seq,
    },
}

/// A cell's evidence, summed up: at `ref_time` it has `successes` out of `mass`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellValue {
    /// The cell.
    pub seq: Seq,
    /// Decayed mass of success, at `ref_time`.
    pub successes: f64,
    /// Decayed mass of evidence, at `ref_time`.
    pub mass: f64,
    /// Number of pieces of evidence.
    pub observations: u64,
    /// The time of the newest piece of evidence.
    pub ref_time: Timestamp,
}

/// What the neighbours of a cell make its prior: the last propagation's word.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellPrior {
    /// The cell.
    pub seq: Seq,
    /// Mean, in [0, 1].
    pub mean: f64,
    /// Mass, above 0.
    pub mass: f64,
    /// When it was made.
    pub at: Timestamp,
}

/// The embedding of a cell by one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellVector {
    /// The cell.
    pub seq: Seq,
    /// Its type.
    pub kind: CellType,
    /// The vector, as the embedder encodes it.
    pub bytes: Vec<u8>,
}

/// How often recall has shown a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The cell.
    pub seq: Seq,
    /// Decisions that showed it.
    pub decisions: u64,
    /// When the last of them was made; `None` without one.
    pub last_at: Option<Timestamp>,
}

/// What a cell says in some places of its payload.
#[derive(Debug, Clone, PartialEq)]
pub struct PayloadRow {
    /// The cell.
    pub cell_id: CellId,
    /// Its status.
    pub status: CellStatus,
    /// Its scope.
    pub scope: Scope,
    /// When what it tells of happened.
    pub occurred_at: Option<Timestamp>,
    /// The values, in the order of the places asked for; null where there is nothing.
    pub values: Vec<Value>,
}

/// How many decisions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct DecisionCounts {
    /// All.
    pub made: u64,
    /// Those that showed (selected) something.
    pub shown: u64,
    /// Those of them about which an outcome was reported.
    pub reported: u64,
}

/// What a summary needs of a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outline {
    /// The cell.
    pub seq: Seq,
    /// Its type.
    pub kind: CellType,
    /// When it happened, else when it was written.
    pub at: Timestamp,
    /// Its evidence; `None` without any.
    pub value: Option<CellValue>,
    /// Its own prior; `None` without one.
    pub prior: Option<CellPrior>,
    /// How often recall has shown it.
    pub shown: Shown,
}

/// One piece of evidence about a cell. Keyed by outcome and cell: the same piece again changes
/// nothing, another piece under the same key replaces the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// The report it comes from.
    pub outcome: OutcomeId,
    /// The cell.
    pub seq: Seq,
    /// The credit given, in [0, 1].
    pub mass: f64,
    /// The outcome, scaled to [0, 1].
    pub y: f64,
    /// When the outcome arrived.
    pub at: Timestamp,
}

/// A decision to be logged.
#[derive(Debug, Clone, Copy)]
pub struct NewDecision<'a> {
    /// The decision. Its `step` is ignored: the store numbers the steps of a trajectory.
    pub decision: &'a Decision,
    /// Row numbers of the items' cells, in the order of the items. Empty: the store looks the
    /// ids up, which doubles the cost; ids that it does not know get a number. A number given
    /// for a selected item must be that of a cell that exists.
    pub seqs: &'a [Seq],
}

/// A logged decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its row number.
    pub seq: i64,
    /// Its place in the trajectory, from 0.
    pub step: u32,
}

/// A decision as logged.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionRow {
    /// Its row number; rises in the order of logging.
    pub seq: i64,
    /// The decision. Without texts (not asked for, or erased) `query` is empty and `context`
    /// absent; without items (not asked for) `items` is empty.
    pub decision: Decision,
    /// Row numbers of the items' cells, in the order of the items.
    pub seqs: Vec<Seq>,
    /// The next decision of the trajectory.
    pub next: Option<DecisionId>,
    /// How many outcomes were reported.
    pub outcomes: u32,
    /// The reports, in the order of their arrival, when they were asked for.
    pub reports: Vec<OutcomeRow>,
    /// The state as JSON text, when it was asked for as such; then `decision.state` is null.
    pub raw_state: Option<String>,
    /// Whether a purge erased the query or the context.
    pub erased: bool,
}

/// Which decisions are wanted. The default wants all, with items and texts.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one part that may be left unread"
)]
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionFilter {
    /// Made at this time or later.
    pub from: Option<Timestamp>,
    /// Made before this time.
    pub before: Option<Timestamp>,
    /// Only at this decision point.
    pub point: Option<DecisionPoint>,
    /// Only by this policy (`name@version`).
    pub policy: Option<String>,
    /// Only of this trajectory.
    pub trajectory: Option<String>,
    /// Only with (`true`) or without (`false`) an outcome.
    pub completed: Option<bool>,
    /// Only those that showed this cell.
    pub shown: Option<CellId>,
    /// In which order.
    pub order: Order,
    /// Whether to read the candidates.
    pub items: bool,
    /// Whether to read query and context.
    pub texts: bool,
    /// Whether to read the reports about each decision.
    pub reports: bool,
    /// Whether to leave `state` unread as JSON text: reading it costs most of an export.
    pub raw_state: bool,
}

impl Default for DecisionFilter {
    fn default() -> Self {
        Self {
            from: None,
            before: None,
            point: None,
            policy: None,
            trajectory: None,
            completed: None,
            shown: None,
            order: Order::Newest,
            items: true,
            texts: true,
            reports: false,
            raw_state: false,
        }
    }
}

/// An outcome as logged.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeRow {
    /// The report's id.
    pub outcome_id: OutcomeId,
    /// The decision it is about.
    pub decision_id: DecisionId,
    /// When it arrived.
    pub at: Timestamp,
    /// The report. A correction that a purge erased is absent.
    pub outcome: Outcome,
}

/// What became of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The id of the stored report: that of the first one when it was sent twice.
    pub outcome_id: OutcomeId,
    /// The decision it is about (a query id is resolved to it).
    pub decision_id: DecisionId,
    /// Whether it was new.
    pub created: bool,
}

/// The reward of a decision, or of one cell in it, under one spec.
#[derive(Debug, Clone, PartialEq)]
pub struct Reward {
    /// The decision.
    pub decision: DecisionId,
    /// The reward spec with its version: `memcell_v1@1`.
    pub spec: String,
    /// The cell, where the reward is known per cell; else the whole decision.
    pub cell: Option<Seq>,
    /// The reward.
    pub value: f64,
    /// What it is made of.
    pub terms: Value,
}

/// Which events are wanted. The default wants all.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventFilter {
    /// Only these kinds; empty means all.
    pub kinds: Vec<EventKind>,
    /// Only those that name this cell.
    pub cell: Option<CellId>,
    /// Only those of this decision.
    pub decision: Option<DecisionId>,
    /// At this time or later.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub before: Option<Timestamp>,
}

/// What a purge did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PurgeReport {
    /// The cells that are gone, with those made from them.
    pub cells: Vec<CellId>,
    /// Their row numbers.
    pub seqs: Vec<Seq>,
    /// Queries, contexts, corrections and payloads of events erased from the log.
    pub log_texts_erased: u64,
    /// Copies of the database in the data directory and its backup folder that were deleted (and
    /// replaced by one made after the purge).
    pub backups_deleted: u64,
    /// Whether bytes may be left in the files because another process pins the write-ahead log;
    /// [`crate::Store::maintain`] finishes the job once it lets go.
    pub pending: bool,
}

/// What upkeep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Maintained {
    /// Size of the write-ahead log before, in bytes.
    pub wal_bytes: u64,
    /// Whether it was written back.
    pub checkpointed: bool,
    /// Whether a purge still waits for another process.
    pub purge_pending: bool,
}

/// Numbers about a store.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Stats {
    /// Version of the schema.
    pub schema_version: i64,
    /// Cells by status.
    pub cells_by_status: Vec<(CellStatus, u64)>,
    /// Cells that are not deleted, by type.
    pub cells_by_type: Vec<(CellType, u64)>,
    /// Vectors by model.
    pub vectors: Vec<(String, u64)>,
    /// Logged decisions.
    pub decisions: u64,
    /// Logged candidates.
    pub decision_items: u64,
    /// Logged outcomes.
    pub outcomes: u64,
    /// Logged events.
    pub events: u64,
    /// Size of the database file, in bytes.
    pub database_bytes: u64,
    /// Size of the write-ahead log, in bytes.
    pub wal_bytes: u64,
}
