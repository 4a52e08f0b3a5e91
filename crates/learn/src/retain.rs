//! Rule policies of the decision point `retain`.

use memrl_types::{CellId, CellStatus, CellType, RetentionAction, Sensitivity};

/// What a retention policy looks at.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The cell.
    pub cell_id: CellId,
    /// Its type.
    pub kind: CellType,
    /// Its status.
    pub status: CellStatus,
    /// Its sensitivity.
    pub sensitivity: Sensitivity,
    /// Its criticality.
    pub criticality: f64,
    /// How outdated it is believed to be, usually in [0, 1].
    pub staleness: f64,
    /// Days since it was last changed.
    pub age_days: f64,
    /// Whether `valid_until` has passed.
    pub validity_over: bool,
    /// How often it was retrieved; `None` when nobody counted.
    pub access_count: Option<u64>,
}

/// What to do with one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Retention {
    /// The action.
    pub action: RetentionAction,
    /// Probability with which the policy takes it.
    pub propensity: f64,
    /// Why.
    pub reason: String,
}

/// A way to choose what happens to a stored cell.
pub trait RetentionPolicy: Send + Sync {
    /// The name, e.g. `ttl`.
    fn id(&self) -> &str;
    /// The version.
    fn version(&self) -> u32;
    /// The action for this cell.
    fn decide(&self, record: &Record) -> Retention;
}
