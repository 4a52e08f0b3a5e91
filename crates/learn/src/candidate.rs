//! The plain description of a recall request and of the cells it could show.
//!
//! It may not know texts, vectors or databases: only numbers and the closed vocabularies of
//! `memrl-types`.

use memrl_types::{
    Cell, CellId, CellStatus, CellType, Mask, Origin, PolicyFeatures, RuleInput, Sensitivity,
    Timestamp,
};

use crate::form::{CellForm, QueryForm};
use crate::value::ValueEstimate;

/// The state of a recall decision, as far as it does not depend on the candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// Token budget of the whole block, up to `u64::MAX`.
    pub budget_tokens: u64,
    /// Tokens that the block costs before any item is in it (headings and the like).
    pub overhead_tokens: u64,
    /// Most items that may be shown, whatever the budget; critical constraints do not count.
    pub max_items: usize,
    /// Tokens of the query.
    pub query_tokens: u32,
    /// Number of cells visible in the asked scope (0 when unknown).
    pub memory_cells: u64,
    /// What kind of query it is.
    pub query: QueryForm,
}

impl Context {
    /// A context with this budget and nothing else known.
    pub const fn with_budget(budget_tokens: u64) -> Self {
        Self {
            budget_tokens,
            overhead_tokens: 0,
            max_items: usize::MAX,
            query_tokens: 0,
            memory_cells: 0,
            query: QueryForm::UNKNOWN,
        }
    }
}

/// How far a cell's scope is from the asked one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ScopeLevel {
    /// The asked scope itself.
    Asked,
    /// One that was named as wider, or everything else.
    Wider,
    /// Cells of no scope.
    Global,
}

/// What a search found out about a candidate besides the scores that put it in its place. All shares of
/// words are of their inverse document frequencies, in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Clues {
    /// Lexical score as a share of what a text could reach that has every word of the query: comparable
    /// between queries, in [0, 1).
    pub coverage: f64,
    /// Share of the query's words that it has, however often.
    pub matched: f64,
    /// Share of the query's names (capitals, numbers, identifiers) that it has.
    pub matched_names: f64,
    /// Share of the query's words in it or beside it.
    pub matched_window: f64,
    /// Share of the query's words in what was found of its source.
    pub matched_source: f64,
    /// Share of the query's words in the name of its source.
    pub matched_source_name: f64,
    /// Best lexical score in its source, min-max normalised over the candidates.
    pub bm25_source: f64,
    /// Best dense similarity in its source, in [−1, 1].
    pub dense_source: f64,
    /// Dense similarity to what the search found best (but itself), in [−1, 1].
    pub echo: f64,
    /// What stands right before it in its source.
    pub before: Option<Beside>,
    /// What stands right behind it in its source.
    pub after: Option<Beside>,
    /// Whether it is from a time that the query names.
    pub time_match: bool,
    /// Its place in its source, from 0; `None` without a source.
    pub position: Option<u32>,
    /// Rank of its source among the sources that were found, by their best cell, from 0.
    pub source_rank: Option<u32>,
    /// Its rank among what was found of its source, from 0.
    pub rank_in_source: Option<u32>,
    /// How many cells of its source were found, itself included; 0 without a source.
    pub source_hits: u32,
}

/// A neighbour of a candidate in its source.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Beside {
    /// Its lexical score, on the scale of [`Clues::coverage`].
    pub coverage: f64,
    /// Its dense similarity, in [−1, 1]; 0 without a vector.
    pub dense: f64,
    /// Whether it ends by asking.
    pub asks: bool,
}

/// One cell that a recall decision could show. Its position in the slice given to a policy is its
/// index.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The cell; hold-outs are hashed with it.
    pub cell_id: CellId,
    /// The cell's type.
    pub kind: CellType,
    /// The cell's status.
    pub status: CellStatus,
    /// The cell's sensitivity.
    pub sensitivity: Sensitivity,
    /// Who the content came from.
    pub origin: Origin,
    /// How far its scope is from the asked one.
    pub scope_level: ScopeLevel,
    /// The hard rule that forbids showing it. Nothing in this crate ever selects a masked
    /// candidate, whatever the policy says.
    pub mask: Option<Mask>,
    /// Whether `valid_until` has passed (rule 2 of `baseline_v0`).
    pub validity_over: bool,
    /// The score that put the candidates in their order: fused, in [0, 1], on native routes;
    /// memcell-rl's retrieval score on the compatible ones.
    pub score: f64,
    /// The similarity on a scale of its own, in [0, 1], in the same order as `score`: what
    /// learned values are weighed against. `None`: `score` is on such a scale already.
    pub likeness: Option<f64>,
    /// Its rank before the policy, from 0.
    pub rank: u32,
    /// Lexical score, min-max normalised over the candidates; `None` when the words found nothing.
    pub bm25: Option<f64>,
    /// Dense similarity, cosine in [-1, 1]; `None` when there is no vector.
    pub dense: Option<f64>,
    /// Lexical score of the window of neighbours in its source.
    pub bm25_window: Option<f64>,
    /// Dense similarity of the window of neighbours in its source.
    pub dense_window: Option<f64>,
    /// Best fused score in its source (session, file).
    pub source_score: Option<f64>,
    /// Rank in the lexical list, from 0.
    pub bm25_rank: Option<u32>,
    /// Rank in the dense list, from 0.
    pub dense_rank: Option<u32>,
    /// Whether the query names the cell's speaker.
    pub speaker_match: bool,
    /// What else the search found out about it.
    pub clues: Clues,
    /// What kind of text it is.
    pub form: CellForm,
    /// Tokens of the content.
    pub tokens: u32,
    /// Tokens that showing it takes from the budget (content and its rendering).
    pub cost: u32,
    /// Days since it happened, was said or was written.
    pub age_days: f64,
    /// The writer's confidence, in [0, 1].
    pub confidence: f64,
    /// What rule policies look at.
    pub features: PolicyFeatures,
    /// How often it was retrieved.
    pub access_count: u64,
    /// Its learned value.
    pub value: ValueEstimate,
}

impl Candidate {
    /// A candidate made of a stored cell at time `now`, with the hard rules applied and the cost
    /// of its content; scores, scope level and value are left for the caller to fill.
    pub fn of(cell: &Cell, now: Timestamp) -> Self {
        let features = cell.features();
        let rules = RuleInput {
            kind: cell.kind,
            status: cell.status,
            sensitivity: cell.sensitivity,
            valid_from: cell.valid_from,
            valid_until: cell.valid_until,
            criticality: features.criticality,
            contradicted: !cell.contradicted_by.is_empty(),
        };
        let mut made = Self::new(cell.cell_id, cell.kind);
        made.status = cell.status;
        made.sensitivity = cell.sensitivity;
        made.origin = cell.origin;
        made.mask = rules.mask(now);
        made.validity_over = cell.valid_until.is_some_and(|t| t < now);
        made.tokens = cell.tokens;
        made.cost = cell.tokens;
        made.age_days = now.days_since(cell.occurred_at.unwrap_or(cell.created_at));
        made.confidence = cell.confidence;
        made.features = features;
        made.access_count = cell.access_count;
        made
    }

    /// An active, public, untried cell of this type that the search knows nothing about.
    pub fn new(cell_id: CellId, kind: CellType) -> Self {
        Self {
            cell_id,
            kind,
            status: CellStatus::Active,
            sensitivity: Sensitivity::Low,
            origin: Origin::User,
            scope_level: ScopeLevel::Asked,
            mask: None,
            validity_over: false,
            score: 0.0,
            likeness: None,
            rank: 0,
            bm25: None,
            dense: None,
            bm25_window: None,
            dense_window: None,
            source_score: None,
            bm25_rank: None,
            dense_rank: None,
            speaker_match: false,
            clues: Clues::default(),
            form: CellForm::default(),
            tokens: 1,
            cost: 1,
            age_days: 0.0,
            confidence: 1.0,
            features: PolicyFeatures::default(),
            access_count: 0,
            value: ValueEstimate::default(),
        }
    }

    /// Whether exploration must leave it alone (the rule of [`RuleInput::is_critical`]).
    pub fn is_critical(&self) -> bool {
        RuleInput {
            kind: self.kind,
            status: self.status,
            sensitivity: self.sensitivity,
            valid_from: None,
            valid_until: None,
            criticality: self.features.criticality,
            contradicted: false,
        }
        .is_critical()
    }
}
