//! The cell: one unit of memory.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    CellId, CellStatus, CellType, DecisionId, Origin, Scope, Sensitivity, Tier, Timestamp,
};

/// What a rule policy looks at besides the text. All are plain numbers, usually in [0, 1];
/// memcell-rl checks no range, so neither does this type (only that they are finite).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyFeatures {
    /// How bad it is to miss this cell. A constraint at 0.7 or more is critical.
    pub criticality: f64,
    /// How much shorter the cell could be made.
    pub compressibility: f64,
    /// How outdated the cell is believed to be.
    pub staleness: f64,
    /// How useful the cell is expected to be.
    pub future_utility_estimate: f64,
}

impl Default for PolicyFeatures {
    fn default() -> Self {
        Self {
            criticality: 0.0,
            compressibility: 0.5,
            staleness: 0.0,
            future_utility_estimate: 0.0,
        }
    }
}

/// Where a cell stands in the conversation or document it came from. Cells of one source keep
/// their order, and neighbours lift each other in a search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePosition {
    /// The source, e.g. a session or a file.
    pub source: String,
    /// The position in it; neighbours differ by one.
    pub position: u32,
}

/// What a cell was made from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Link {
    /// The relation.
    pub kind: LinkKind,
    /// The other end: a cell id, a decision id, or any reference of the caller's.
    pub target: String,
}

/// Relations between a cell and what it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// Made from this cell (summary, merge, reflection).
    DerivedFrom,
    /// Made while this decision's cells were in context.
    Decision,
    /// Said in this message or document.
    Source,
    /// A near-duplicate that was there before: found together, kept apart.
    Similar,
}

/// One unit of memory, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The identifier.
    pub cell_id: CellId,
    /// What kind of thing it remembers.
    #[serde(rename = "type")]
    pub kind: CellType,
    /// Where it lives; derived from the type.
    pub tier: Tier,
    /// Whom and what it is about.
    pub scope: Scope,
    /// The text. `[deleted]` once forgotten.
    pub content: String,
    /// Where it is in its life.
    pub status: CellStatus,
    /// How sure the writer was, in [0, 1].
    pub confidence: f64,
    /// How private it is.
    pub sensitivity: Sensitivity,
    /// Who the content came from.
    pub origin: Origin,
    /// Free references of the writer's.
    pub source_refs: Vec<String>,
    /// Not shown before this time.
    pub valid_from: Option<Timestamp>,
    /// Not shown after this time.
    pub valid_until: Option<Timestamp>,
    /// Ids of the cells it replaced.
    pub supersedes: Vec<String>,
    /// Ids of the cells that contradict it.
    pub contradicted_by: Vec<String>,
    /// How often the raw view returned it.
    pub access_count: u64,
    /// When the raw view last returned it.
    pub last_retrieved_at: Option<Timestamp>,
    /// 1 at first; each update or supersede adds one.
    pub version: u32,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed (or, in the raw view, touched).
    pub updated_at: Timestamp,
    /// What rule policies look at; `None` when the writer gave nothing.
    pub policy_features: Option<PolicyFeatures>,
    /// Its place among its neighbours.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<SourcePosition>,
    /// Who said it; part of the searched text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub speaker: Option<String>,
    /// When it happened or was said, if that differs from when it was written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub occurred_at: Option<Timestamp>,
    /// The structured part, e.g. of an episode.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub payload: Option<Value>,
    /// What it was made from.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub links: Vec<Link>,
    /// Tokens of the content, as counted by the engine's counter.
    pub tokens: u32,
}

impl Cell {
    /// The features, or their defaults.
    pub fn features(&self) -> PolicyFeatures {
        self.policy_features.unwrap_or_default()
    }

    /// The text that is indexed and embedded: `speaker: content`.
    pub fn indexed_text(&self) -> String {
        match &self.speaker {
            Some(speaker) => format!("{speaker}: {}", self.content),
            None => self.content.clone(),
        }
    }
}

/// What a cell keeps when it moves from one memory to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Its id.
    pub cell_id: CellId,
    /// When it was written; now, if that is not known.
    pub created_at: Option<Timestamp>,
    /// When it was last changed; when it was written, if that is not known.
    pub updated_at: Option<Timestamp>,
    /// Its version, from 1.
    pub version: u32,
    /// How often the raw view returned it.
    pub access_count: u64,
    /// When the raw view last returned it.
    pub last_retrieved_at: Option<Timestamp>,
}

/// A cell to be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewCell {
    /// What kind of thing it remembers.
    #[serde(rename = "type")]
    pub kind: CellType,
    /// Whom and what it is about.
    #[serde(default)]
    pub scope: Scope,
    /// The text.
    pub content: String,
    /// Where it is in its life.
    #[serde(default = "defaults::status")]
    pub status: CellStatus,
    /// How sure the writer is, in [0, 1].
    #[serde(default = "defaults::confidence")]
    pub confidence: f64,
    /// How private it is.
    #[serde(default = "defaults::sensitivity")]
    pub sensitivity: Sensitivity,
    /// Who the content comes from.
    #[serde(default = "defaults::origin")]
    pub origin: Origin,
    /// Free references of the writer's.
    #[serde(default)]
    pub source_refs: Vec<String>,
    /// Not to be shown before this time.
    #[serde(default)]
    pub valid_from: Option<Timestamp>,
    /// Not to be shown after this time.
    #[serde(default)]
    pub valid_until: Option<Timestamp>,
    /// Ids of cells it replaces (recorded, not acted on: see `supersede`).
    #[serde(default)]
    pub supersedes: Vec<String>,
    /// Ids of cells that contradict it.
    #[serde(default)]
    pub contradicted_by: Vec<String>,
    /// What rule policies look at.
    #[serde(default)]
    pub policy_features: Option<PolicyFeatures>,
    /// Its place among its neighbours.
    #[serde(default)]
    pub source: Option<SourcePosition>,
    /// Who said it.
    #[serde(default)]
    pub speaker: Option<String>,
    /// When it happened or was said.
    #[serde(default)]
    pub occurred_at: Option<Timestamp>,
    /// The structured part.
    #[serde(default)]
    pub payload: Option<Value>,
    /// What it was made from.
    #[serde(default)]
    pub links: Vec<Link>,
    /// A key of the writer's: a second write with the same key returns the first cell.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// What to keep of its former life, when a cell moves here from elsewhere.
    #[serde(default)]
    pub imported: Option<Imported>,
}

impl NewCell {
    /// A cell of this kind and content with every default.
    pub fn new(kind: CellType, scope: Scope, content: impl Into<String>) -> Self {
        Self {
            kind,
            scope,
            content: content.into(),
            status: defaults::status(),
            confidence: defaults::confidence(),
            sensitivity: defaults::sensitivity(),
            origin: defaults::origin(),
            source_refs: Vec::new(),
            valid_from: None,
            valid_until: None,
            supersedes: Vec::new(),
            contradicted_by: Vec::new(),
            policy_features: None,
            source: None,
            speaker: None,
            occurred_at: None,
            payload: None,
            links: Vec::new(),
            idempotency_key: None,
            imported: None,
        }
    }

    /// Records that the cell was made while a decision's cells were in context.
    #[must_use]
    pub fn made_during(mut self, decision: DecisionId) -> Self {
        self.links.push(Link {
            kind: LinkKind::Decision,
            target: decision.to_string(),
        });
        self
    }
}

mod defaults {
    use super::{CellStatus, Origin, Sensitivity};

    pub(super) const fn status() -> CellStatus {
        CellStatus::Active
    }
    pub(super) const fn confidence() -> f64 {
        1.0
    }
    pub(super) const fn sensitivity() -> Sensitivity {
        Sensitivity::Low
    }
    pub(super) const fn origin() -> Origin {
        Origin::User
    }
}

/// Changes to a cell; `None` leaves a field as it is. Adds a version.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CellPatch {
    /// New text.
    pub content: Option<String>,
    /// New scope.
    pub scope: Option<Scope>,
    /// New confidence, in [0, 1].
    pub confidence: Option<f64>,
    /// New sensitivity.
    pub sensitivity: Option<Sensitivity>,
    /// New references.
    pub source_refs: Option<Vec<String>>,
    /// New start of validity; `Some(None)` (JSON `null`) removes it.
    #[serde(deserialize_with = "present")]
    pub valid_from: Option<Option<Timestamp>>,
    /// New end of validity; `Some(None)` (JSON `null`) removes it.
    #[serde(deserialize_with = "present")]
    pub valid_until: Option<Option<Timestamp>>,
    /// New list of contradicting cells.
    pub contradicted_by: Option<Vec<String>>,
    /// New features.
    pub policy_features: Option<PolicyFeatures>,
    /// New structured part.
    pub payload: Option<Value>,
    /// The version the caller has seen; the update is refused when it is no longer current.
    pub expected_version: Option<u32>,
}

/// Tells a JSON `null` (`Some(None)`) from an absent field (`None`).
#[expect(
    clippy::option_option,
    reason = "absent, null and a value are three states"
)]
fn present<'de, T, D>(d: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    Option::<T>::deserialize(d).map(Some)
}
