//! The trait that the engine programs against.

use std::ops::ControlFlow;
use std::path::Path;

use memrl_types::{
    CellId, CellStatus, CellType, DecisionId, DecisionPoint, Event, Outcome, OutcomeId, Scope,
    Timestamp,
};

use crate::rows::{
    Appended, CellFilter, CellPrior, CellRow, CellValue, CellVector, Change, Cursor,
    DecisionCounts, DecisionFilter, DecisionRow, EventFilter, Evidence, InsertCell, Inserted,
    Maintained, NewDecision, OutcomeRow, Outline, Page, PayloadRow, PurgeReport, Recorded, Reward,
    Seq, Shown, Stats, UpdateCell, Vector, Version,
};
use crate::{Result, StoreError};

/// Key of the meta value that a purge sets to `1`, in its transaction: a file that an index was
/// saved to may hold words and vectors of what is gone. Whoever rewrites that file resets it.
pub const INDEX_STALE: &str = "index_stale";

/// Where everything is kept.
///
/// Every writing method is atomic. Methods on cells and outcomes return after the write would
/// survive a loss of power; [`Store::append_decision`], [`Store::append_events`],
/// [`Store::put_priors`] and [`Store::touch`] return after it would survive the death of the process, and never wait for a
/// disk. Readers see every acknowledged write of every process.
///
/// Events given to a writing method are part of its transaction: neither is ever there without
/// the other.
pub trait Store: Send + Sync {
    // ---- cells ------------------------------------------------------------------------------

    /// Inserts a batch: all or nothing, in order; the answer has one entry per cell.
    fn insert(&self, cells: &[InsertCell]) -> Result<Vec<Inserted>>;

    /// The cell with this id, whatever its status; [`StoreError::CellNotFound`] without one.
    fn get(&self, id: CellId) -> Result<CellRow>;

    /// The one cell whose id starts with these hexadecimal digits (hyphens are ignored, at least
    /// four digits).
    fn get_by_prefix(&self, prefix: &str) -> Result<CellRow>;

    /// The cells with these row numbers, in this order; those that are gone are left out.
    fn rows(&self, seqs: &[Seq]) -> Result<Vec<CellRow>>;

    /// The row numbers of these cells; `None` for ids that the store does not know.
    fn seqs(&self, ids: &[CellId]) -> Result<Vec<Option<Seq>>>;

    /// A page of at most `limit` cells.
    fn list(
        &self,
        filter: &CellFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<CellRow>>;

    /// How many of the wanted cells (the order of the filter aside) have each value at this place
    /// of their payload: keys with dots between, as in `outcome.status`. Texts as they are,
    /// everything else as JSON; `None` where there is nothing or a null. The most frequent first.
    fn count_by_payload(
        &self,
        filter: &CellFilter,
        path: &str,
    ) -> Result<Vec<(Option<String>, u64)>>;

    /// As [`Store::count_by_payload`] for several places at once, read in one pass: how many cells
    /// have each combination of values, as JSON, null where there is nothing. The most frequent
    /// first. No place, and a filter by text, are refused.
    fn count_by_payloads(
        &self,
        filter: &CellFilter,
        paths: &[&str],
    ) -> Result<Vec<(Vec<serde_json::Value>, u64)>>;

    /// What the wanted cells say at these places of their payloads (as in
    /// [`Store::count_by_payload`]), in the order of the filter, without reading the rest of them.
    /// No place, and a filter by text, are refused.
    fn payload_values(&self, filter: &CellFilter, paths: &[&str]) -> Result<Vec<PayloadRow>>;

    /// The values that scopes have under a key (texts as they are, everything else as JSON), each
    /// with the number of its live cells, neither deleted nor superseded, of whatever other
    /// scope pairs. Values without one are left out. The most frequent first.
    fn scope_values(&self, key: &str) -> Result<Vec<(String, u64)>>;

    /// What a summary needs of all wanted cells, in the order of the filter, read in one pass and
    /// without their texts. A filter by text is refused.
    fn outline(&self, filter: &CellFilter) -> Result<Vec<Outline>>;

    /// Replaces the state of a cell and keeps the old one as a version. [`StoreError::Conflict`]
    /// when the cell no longer has the expected version, [`StoreError::NotLive`] when it is
    /// deleted or superseded.
    fn update(&self, change: &UpdateCell, events: &[Event]) -> Result<CellRow>;

    /// Inserts a cell as the successor of another one: of any number of concurrent calls exactly
    /// one wins, the others get [`StoreError::AlreadySuperseded`]. The new cell's `supersedes`
    /// gains the old id; never deduplicated, but a repeated idempotency key returns the first
    /// successor.
    ///
    /// With an `expected_version`, an old cell that has another one by now is
    /// [`StoreError::Conflict`]: what the successor took over from it (a quarantine, a
    /// sensitivity) may no longer hold. Asked last: a superseded cell is always
    /// [`StoreError::AlreadySuperseded`], a deleted one [`StoreError::NotLive`].
    fn supersede(
        &self,
        old: CellId,
        expected_version: Option<u32>,
        new: &InsertCell,
        now: Timestamp,
        events: &[Event],
    ) -> Result<Inserted>;

    /// Moves a cell to another status and adds a version. Allowed are all moves among `active`,
    /// `quarantined`, `contradicted` and `expired`; the others have methods of their own. A cell
    /// that has the status already is returned as it is.
    fn set_status(
        &self,
        id: CellId,
        to: CellStatus,
        now: Timestamp,
        events: &[Event],
    ) -> Result<CellRow>;

    /// Forgets a cell softly: the row stays, with status `deleted` and content `[deleted]`;
    /// payload, speaker, references, vector, the content of earlier versions, and log texts that
    /// showed the cell are erased. For good is [`Store::purge`]. A second call changes nothing.
    fn forget(&self, id: CellId, now: Timestamp, events: &[Event]) -> Result<CellRow>;

    /// Removes cells, and every cell derived from them, with every trace of their content; see
    /// `docs/storage.md`. Ids that are not stored are ignored. The log keeps bare ids. Sets
    /// [`INDEX_STALE`].
    ///
    /// The rows go first. An error or a crash after that leaves the purge pending, as does a
    /// reader: [`Store::maintain`] finishes it.
    fn purge(&self, ids: &[CellId]) -> Result<PurgeReport>;

    /// All states of a cell, the oldest first; the last one is the current one.
    fn history(&self, id: CellId) -> Result<Vec<Version>>;

    /// Counts one access of each cell, once per mention. Changes neither version nor index.
    fn touch(&self, seqs: &[Seq], now: Timestamp) -> Result<()>;

    // ---- following --------------------------------------------------------------------------

    /// The number of the last change of any cell, by any process; 0 at first. Cheap.
    fn change_seq(&self) -> Result<i64>;

    /// At most `limit` changes after number `after`, in order, each with the vector of this
    /// model. Fewer than `limit`: the caller has caught up.
    fn changes_since(&self, after: i64, limit: usize, model: &str) -> Result<Vec<Change>>;

    /// At most `limit` cells after row `after`, in order of row number, that are not deleted and
    /// have no vector of this model.
    fn vectors_missing(&self, model: &str, after: Seq, limit: usize) -> Result<Vec<CellRow>>;

    /// The vectors of this model of all cells that are not deleted, in order of row number: of
    /// cells of these types and statuses, or of all where none is named.
    fn vectors_of(
        &self,
        model: &str,
        types: &[CellType],
        statuses: &[CellStatus],
    ) -> Result<Vec<CellVector>>;

    /// Stores vectors (replacing those of the same model), each with the version of the cell
    /// that it was made from: a vector of an older version is dropped. Returns how many were
    /// kept. Counts as a change of the cells.
    fn put_vectors(&self, vectors: &[(Seq, u32, Vector)]) -> Result<usize>;

    // ---- log --------------------------------------------------------------------------------

    /// Logs a decision as the next step of its trajectory. Logging the same id again is
    /// [`StoreError::DuplicateId`].
    ///
    /// A decision that shows (selects) a cell which is no longer what was decided on is refused
    /// with [`StoreError::Conflict`], and nothing of it is logged: the cell must exist, have the
    /// version of the item, and not be deleted. So the log never gains the content of a cell
    /// that a purge or a forget has removed since the caller read it. An id given without a row
    /// number that never was a cell of this store is let through: there is no content to protect.
    fn append_decision(&self, new: &NewDecision<'_>, events: &[Event]) -> Result<Appended>;

    /// The decision with this id or query id, with items and texts.
    fn decision(&self, id: DecisionId) -> Result<DecisionRow>;

    /// A page of at most `limit` decisions.
    fn decisions(
        &self,
        filter: &DecisionFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<DecisionRow>>;

    /// Shows every wanted decision to `visit`, which may stop it. All of it is one snapshot.
    fn for_each_decision(
        &self,
        filter: &DecisionFilter,
        visit: &mut dyn FnMut(DecisionRow) -> ControlFlow<()>,
    ) -> Result<()>;

    /// How many decisions there are at this point (or at any) whose scope has every pair of this
    /// one ([`Scope::admits`]); `None` counts all scopes. Reads no candidate that was not shown.
    fn count_decisions(
        &self,
        point: Option<DecisionPoint>,
        scope: Option<&Scope>,
    ) -> Result<DecisionCounts>;

    /// The decisions of a trajectory, in order, with items and texts.
    fn trajectory(&self, id: &str) -> Result<Vec<DecisionRow>>;

    /// The cells that recall decisions of a trajectory have shown, each once, in the order of
    /// their first showing; also those that are gone by now.
    fn shown_in(&self, trajectory: &str) -> Result<Vec<CellId>>;

    /// The latest recall decision that showed the cell.
    fn last_shown(&self, cell: CellId) -> Result<Option<DecisionId>>;

    /// Decisions whose id starts with these hexadecimal digits (hyphens are ignored, at least four
    /// digits): none, the one, or two of several. [`StoreError::InvalidId`] for anything else.
    fn decisions_by_prefix(&self, prefix: &str) -> Result<Vec<DecisionId>>;

    /// The newest recall decision of a trajectory; with `showing`, of those that showed something.
    /// Without a trajectory: of those that belong to no session (each its own trajectory), else of
    /// all.
    fn newest(&self, trajectory: Option<&str>, showing: bool) -> Result<Option<DecisionId>>;

    /// For each of these cells, in this order, how many recall decisions showed it.
    fn shown_counts(&self, seqs: &[Seq]) -> Result<Vec<Shown>>;

    /// Records a report about a decision (or the decision of a query id). A report that equals the
    /// newest one of the same source about the same decision is that one, sent again: it is not
    /// stored twice (nor are its events), and the answer names the first. One that equals an older
    /// report only is a new one: its source has changed its mind and now changes it back.
    fn append_outcome(
        &self,
        id: OutcomeId,
        decision: DecisionId,
        at: Timestamp,
        outcome: &Outcome,
        events: &[Event],
    ) -> Result<Recorded>;

    /// The reports about a decision, in the order of their arrival.
    fn outcomes_of(&self, decision: DecisionId) -> Result<Vec<OutcomeRow>>;

    /// Stores rewards. For each decision and spec in the batch, earlier rewards are replaced.
    fn put_rewards(&self, rewards: &[Reward]) -> Result<()>;

    /// The rewards of a decision: under one spec, or under all.
    fn rewards_of(&self, decision: DecisionId, spec: Option<&str>) -> Result<Vec<Reward>>;

    /// Appends events. A purge erases texts in payloads that give the content away; keys of
    /// objects it does not touch.
    fn append_events(&self, events: &[Event]) -> Result<()>;

    /// Events, the newest first, after skipping `offset` of them.
    fn events(&self, filter: &EventFilter, limit: usize, offset: usize) -> Result<Vec<Event>>;

    // ---- value ------------------------------------------------------------------------------

    /// Adds evidence; `keep` is the share of its mass that a piece keeps per day of age, in
    /// (0, 1]. Another `keep` than last time recomputes all sums.
    fn add_evidence(&self, evidence: &[Evidence], keep: f64) -> Result<()>;

    /// Puts this evidence in the place of all that these outcomes have given so far, and adds
    /// evidence of other outcomes as [`Store::add_evidence`] does. Answers the sums as they were
    /// before of the cells for which this changed a piece, in order of row number; of mass 0 and
    /// without observations where there was no evidence.
    fn replace_evidence(
        &self,
        outcomes: &[OutcomeId],
        evidence: &[Evidence],
        keep: f64,
    ) -> Result<Vec<CellValue>>;

    /// The evidence sums of these cells; cells without evidence are left out.
    fn values(&self, seqs: &[Seq]) -> Result<Vec<CellValue>>;

    /// The evidence sums of all cells that have any.
    fn all_values(&self) -> Result<Vec<CellValue>>;

    /// The single pieces of evidence about a cell, the newest first.
    fn evidence_of(&self, seq: Seq) -> Result<Vec<Evidence>>;

    /// Puts these priors in the place of all that were stored. Those of cells that are not there
    /// (any more) or deleted are dropped. Made again at any time, so it does not wait for a disk.
    fn put_priors(&self, priors: &[CellPrior]) -> Result<()>;

    /// The priors of these cells; cells without one are left out.
    fn priors(&self, seqs: &[Seq]) -> Result<Vec<CellPrior>>;

    /// All priors, in order of row number.
    fn all_priors(&self) -> Result<Vec<CellPrior>>;

    // ---- upkeep -----------------------------------------------------------------------------

    /// A value kept with the store (salt, hash key, embedder …).
    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Stores a value.
    fn set_meta(&self, key: &str, value: &[u8]) -> Result<()>;

    /// Stores a value unless the key has one; returns the one that is stored. The way in which
    /// several processes agree on a salt.
    fn meta_or_insert(&self, key: &str, value: &[u8]) -> Result<Vec<u8>>;

    /// Numbers about the store.
    fn stats(&self) -> Result<Stats>;

    /// Looks for damage; an empty list is a clean bill.
    fn integrity(&self) -> Result<Vec<String>>;

    /// Copies the store into one new file, and checks the copy, while others go on reading and
    /// writing. An existing file is refused. A purge does not reach copies outside the store's
    /// own backup folder; while one is pending there, the copy is free of it.
    fn backup_to(&self, path: &Path) -> Result<()>;

    /// Upkeep that a recall must not wait for: bounds the write-ahead log, finishes a purge.
    fn maintain(&self) -> Result<Maintained>;

    /// The cell with this id, or `None`.
    fn find(&self, id: CellId) -> Result<Option<CellRow>> {
        match self.get(id) {
            Ok(row) => Ok(Some(row)),
            Err(StoreError::CellNotFound(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }
}
