//! Requests and answers about episodes, their values and their projects.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    Cell, CellId, CellType, DecisionId, Episode, FeedbackReport, Origin, Recall, Timestamp,
};

/// A body of work that shares a memory: a repository with all its worktrees, or a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Project {
    /// Its identity, the value of the scope key `project`: `name-1a2b3c4d`, or a bare name.
    pub id: String,
    /// What people call it: the name of the directory.
    pub name: String,
    /// Where its files are, when that is known.
    pub root: Option<PathBuf>,
}

/// What to capture.
#[derive(Debug, Clone)]
pub struct CaptureRequest {
    /// The episode. Secrets are cut out of it before anything is stored.
    pub episode: Episode,
    /// The project it belongs to.
    pub project: Project,
    /// Who made it.
    pub origin: Origin,
    /// Decisions that were in use: they learn from the outcome. Full ids.
    pub decisions: Vec<DecisionId>,
    /// The trajectory (session) whose decisions learn from the outcome as well.
    pub trajectory: Option<String>,
}

/// How a transcript is captured.
#[derive(Debug, Clone, Default)]
pub struct CaptureFile {
    /// The project; that of the directory named in the transcript when `None`.
    pub project: Option<Project>,
    /// Also store the diff of the working tree against the last commit, redacted.
    pub diff: bool,
    /// Let a language model read the session (`docs/integration.md`). Sends its redacted text.
    pub extract: bool,
}

/// What a capture did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureAction {
    /// A new episode.
    Created,
    /// The session went on: its episode has a new version.
    Updated,
    /// Nothing new.
    Unchanged,
}

/// The answer to a capture.
#[derive(Debug, Clone, Serialize)]
pub struct Captured {
    /// What was done.
    pub action: CaptureAction,
    /// The episode as it is stored.
    pub cell: Cell,
    /// Near-duplicates that were there before, the most similar first; they stay, linked.
    pub similar: Vec<Similar>,
    /// Secrets that were cut out.
    pub redacted: usize,
    /// Decisions that learned from the outcome.
    pub credited: Vec<DecisionId>,
    /// What went less than well.
    pub warnings: Vec<String>,
}

/// A cell that says nearly the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Similar {
    /// The cell.
    pub cell_id: CellId,
    /// Cosine of the two, in [-1, 1].
    pub similarity: f64,
}

/// What a cell is worth, for people.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ValueView {
    /// Posterior mean, in [0, 1]; the prior's for a cell that nothing is known about.
    pub mean: f64,
    /// Lower end of the 95 % interval, in [0, 1].
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Mass of evidence, decayed.
    pub evidence: f64,
    /// In how many decisions it was shown.
    pub shown: u64,
    /// When it was last shown.
    pub last_shown: Option<Timestamp>,
}

/// What to retrieve: a recall over episodes.
#[derive(Debug, Clone)]
pub struct RetrieveRequest {
    /// What the memory is needed for.
    pub query: String,
    /// The project one works in.
    pub project: Option<Project>,
    /// Nothing but that project; otherwise other projects are looked into as well, and what this
    /// one has comes first where both are equally good.
    pub only_project: bool,
    /// Most episodes to show, 1 to 50; larger numbers are capped, 0 is refused.
    pub limit: u64,
    /// Types of cells; empty means episodes.
    pub types: Vec<CellType>,
    /// The session.
    pub trajectory: Option<String>,
    /// Token budget of the block; the configured one when `None`.
    pub budget_tokens: Option<u64>,
    /// Leave out what earlier decisions of the trajectory have shown.
    pub skip_shown: bool,
    /// `false` turns every randomisation off.
    pub explore: bool,
}

/// One retrieved cell.
#[derive(Debug, Clone, Serialize)]
pub struct Hit {
    /// The cell.
    pub cell: Cell,
    /// The name of its project (its id, where another hit's project has the same name); empty for a
    /// cell of none.
    pub project: String,
    /// The policy's score.
    pub score: f64,
    /// Why it was chosen, with the parts of its score.
    pub reason: String,
    /// What it is worth.
    pub value: ValueView,
}

/// The answer to a retrieve, already logged.
#[derive(Debug, Clone, Serialize)]
pub struct Retrieved {
    /// The decision, its block and what was left out.
    pub recall: Recall,
    /// The episodes shown, best first.
    pub hits: Vec<Hit>,
    /// How many that the policy wanted were held out at random (`explore.epsilon`).
    pub held_out: usize,
}

/// A verdict on cells that were shown.
#[derive(Debug, Clone)]
pub struct CellFeedback {
    /// The cells: ids, prefixes, citations, or `last` for all that the last decision showed that
    /// showed anything: of the trajectory, where one is named.
    pub cells: Vec<String>,
    /// How useful they were, in [0, 1].
    pub useful: f64,
    /// The decision that showed them (its id, the first digits of it, or `last`); for each cell
    /// the last one that did when `None`.
    pub decision: Option<String>,
    /// The trajectory (session) whose last decision `last` means. With `None`, it is the newest
    /// decision that belongs to no session and showed something, else the newest of all that did.
    pub trajectory: Option<String>,
    /// What the user said instead.
    pub correction: Option<String>,
    /// Who says so: `user`, `agent`.
    pub source: String,
}

/// What a verdict changed.
#[derive(Debug, Clone, Serialize)]
pub struct CellFeedbackReport {
    /// The cells that were judged, each once.
    pub cells: Vec<CellId>,
    /// What each decision made of it.
    pub reports: Vec<FeedbackReport>,
}

/// Which episodes (or other cells) to list with their values.
#[derive(Debug, Clone, Default)]
pub struct EpisodeQuery {
    /// Only of this project.
    pub project: Option<Project>,
    /// Only these types; empty means episodes.
    pub types: Vec<CellType>,
    /// Only with a tag that contains this, letter case aside.
    pub tag: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<crate::EpisodeStatus>,
    /// Nothing more private than this; everything when `None`.
    pub clearance: Option<crate::Sensitivity>,
    /// Page size, 1 to 1000; 10 by default.
    pub limit: Option<u32>,
    /// Where the previous page ended.
    pub cursor: Option<String>,
}

/// One listed episode.
#[derive(Debug, Clone, Serialize)]
pub struct EpisodeRow {
    /// The cell, with the episode as `payload`.
    pub cell: Cell,
    /// The name of its project.
    pub project: String,
    /// What it is worth.
    pub value: ValueView,
}

/// What to propagate.
#[derive(Debug, Clone, Default)]
pub struct PropagateRequest {
    /// Also credit the episodes of a project that came shortly before a success.
    pub temporal: bool,
    /// Temporal credit only in this project.
    pub project: Option<Project>,
}

/// What a propagation did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PropagateReport {
    /// Cells in the graph.
    pub cells: usize,
    /// Cells with evidence of their own.
    pub with_evidence: usize,
    /// Edges between similar cells.
    pub edges: usize,
    /// Steps of the solver.
    pub iterations: usize,
    /// Cells whose value changed by more than 0.0005.
    pub changed: usize,
    /// Sum of the changes of value, each taken positive.
    pub total_change: f64,
    /// Episodes that were credited for a later success.
    pub temporal_credits: usize,
    /// Time spent, in microseconds.
    pub elapsed_us: u64,
}

/// Which episodes to prune.
#[derive(Debug, Clone)]
pub struct PruneRequest {
    /// Older than this many days, counted from when they were last shown, or happened (else were
    /// written) if that is later …
    pub older_than_days: f64,
    /// … and worth less than this, in [0, 1].
    pub min_utility: f64,
    /// Only of this project.
    pub project: Option<Project>,
    /// Only these types; empty means episodes.
    pub types: Vec<CellType>,
    /// `false` only says what would be pruned.
    pub execute: bool,
}

/// One cell to be pruned.
#[derive(Debug, Clone, Serialize)]
pub struct PruneRow {
    /// The cell.
    pub cell: Cell,
    /// Days since it was last shown or written.
    pub age_days: f64,
    /// What it is worth.
    pub value: ValueView,
}

/// What a prune did or would do.
#[derive(Debug, Clone, Serialize)]
pub struct PruneReport {
    /// The logged decision, when it was executed and pruned something: what `undo` takes.
    pub decision_id: Option<DecisionId>,
    /// How many cells were looked at.
    pub considered: usize,
    /// Those that are old and worth little.
    pub rows: Vec<PruneRow>,
    /// Whether they were pruned.
    pub executed: bool,
    /// Until when it can be undone.
    pub undo_until: Option<Timestamp>,
}

/// What an undo of a prune did.
#[derive(Debug, Clone, Serialize)]
pub struct Restored {
    /// The prune.
    pub decision_id: DecisionId,
    /// Cells that are back.
    pub restored: Vec<CellId>,
    /// Cells that were changed, forgotten or purged since, and stay as they are.
    pub skipped: Vec<CellId>,
}

/// How a project's memory is doing.
#[derive(Debug, Clone, Serialize)]
pub struct ProjectStatus {
    /// The project; `None` for all.
    pub project: Option<Project>,
    /// Whether a switch has turned memory off here.
    pub switched_off: bool,
    /// Live episodes.
    pub episodes: u64,
    /// Live cells of all types.
    pub cells: u64,
    /// When the last episode ended.
    pub last_capture: Option<Timestamp>,
    /// Episodes worth clearly more than their prior (lower end of the interval above it).
    pub high_value: usize,
    /// Episodes never shown, or not for 30 days.
    pub unused: usize,
    /// Mean value.
    pub mean_value: f64,
    /// Recall decisions here.
    pub decisions: u64,
    /// Of those, how many showed something.
    pub showing: u64,
    /// Of those that showed something, how many have an outcome.
    pub with_outcome: u64,
    /// Sessions that have ended and wait to be captured.
    pub queued: usize,
    /// What could be done.
    pub suggestions: Vec<String>,
}

/// Numbers about episodes.
#[derive(Debug, Clone, Serialize)]
pub struct EpisodeStats {
    /// The project; `None` for all.
    pub project: Option<Project>,
    /// Live episodes.
    pub episodes: u64,
    /// By outcome: name, count.
    pub by_outcome: Vec<(String, u64)>,
    /// By kind of work.
    pub by_task_type: Vec<(String, u64)>,
    /// By project name (its id, where two projects have the same name), the largest first.
    pub by_project: Vec<(String, u64)>,
    /// The most frequent tags.
    pub tags: Vec<(String, u64)>,
    /// Share of successes among all, in [0, 1]; `None` without episodes.
    pub success_rate: Option<f64>,
    /// Mean value; `None` without episodes.
    pub mean_value: Option<f64>,
    /// How often episodes were shown.
    pub shown: u64,
    /// Episodes with evidence.
    pub with_evidence: u64,
}

/// What a review should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewAction {
    /// Only look.
    #[default]
    Analyze,
    /// Link near-duplicates and hide all but the best of each group behind it; no text is lost.
    Consolidate,
    /// Prune what is old and worth little.
    Cleanup,
}

/// What a review found and did.
#[derive(Debug, Clone, Serialize)]
pub struct Review {
    /// What was asked.
    pub action: ReviewAction,
    /// Episodes looked at.
    pub episodes: usize,
    /// Old episodes that are worth little.
    pub stale: Vec<PruneRow>,
    /// Groups of near-duplicates, the best of each first.
    pub duplicates: Vec<Vec<CellId>>,
    /// What was done, one line each.
    pub done: Vec<String>,
    /// What could be done, one line each.
    pub suggestions: Vec<String>,
    /// The logged decision, when something was changed: `memrl prune --undo ID` takes it back.
    pub decision_id: Option<DecisionId>,
}

/// What a hook or an editor asks at the start of a session or with a prompt.
#[derive(Debug, Clone)]
pub struct SessionRequest {
    /// The project.
    pub project: Project,
    /// The client's id of the session: the trajectory.
    pub session: String,
    /// The prompt; `None` at the start of a session.
    pub prompt: Option<String>,
    /// Largest block, in bytes.
    pub max_bytes: usize,
    /// What the session was told before is no longer in its context (it was compacted or cleared),
    /// and may be told again.
    pub afresh: bool,
}

/// What is put into the context of a session.
#[derive(Debug, Clone, Serialize)]
pub struct SessionContext {
    /// The block, at most `max_bytes` bytes; empty when there is nothing new to say.
    pub block: String,
    /// The logged decision.
    pub decision_id: Option<DecisionId>,
    /// How many cells it shows.
    pub cells: usize,
}

/// What happened in a session, as far as a hook sees it.
#[derive(Debug, Clone)]
pub enum SessionSignal {
    /// A tool failed. Only counted: messages are read from the transcript, where they are redacted.
    ToolFailure {
        /// The tool.
        tool: String,
        /// The client's id of the call: the same call counts once. Empty when there is none.
        call: String,
        /// The user stopped it.
        interrupted: bool,
    },
    /// The agent answered: which cells it cited, as written.
    Answer {
        /// The text of the answer.
        text: String,
    },
}
