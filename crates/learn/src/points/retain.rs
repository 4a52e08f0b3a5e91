//! The point `retain`: what to do with a stored cell.

use memrl_types::{CellStatus, CellType, RetentionAction};

use super::{Feature, flag, log, push, table};
use crate::{policy::categorical::Menu, retain::Record, value::ValueEstimate};

/// The name and version of the schema.
pub const RETAIN_V1: &str = "retain-v1";

/// The actions, in the order of their kinds in a [`Menu`].
pub const RETAIN: [RetentionAction; 8] = [
    RetentionAction::Keep,
    RetentionAction::Decay,
    RetentionAction::Compress,
    RetentionAction::Merge,
    RetentionAction::Promote,
    RetentionAction::Quarantine,
    RetentionAction::Supersede,
    RetentionAction::Delete,
];

/// A cell's record, and what else is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RetainInput {
    /// What rules look at.
    pub record: Record,
    /// Its learned value.
    pub value: ValueEstimate,
    /// Its tokens.
    pub tokens: u32,
    /// The writer's confidence, in [0, 1].
    pub confidence: f64,
    /// How much shorter it could be made, in [0, 1].
    pub compressibility: f64,
    /// How useful its writer expects it to be, in [0, 1].
    pub future_utility: f64,
    /// How often it was shown by a recall.
    pub shown: u64,
    /// Days since it was last shown; `None`: never.
    pub shown_days: Option<f64>,
    /// Largest cosine to another live cell; 0 without one.
    pub nearest: f64,
    /// Whether there is a cell that it could be merged with.
    pub can_merge: bool,
    /// Whether there is a newer cell that says otherwise.
    pub replaced: bool,
    /// Live cells of the memory.
    pub memory_cells: u64,
}

impl RetainInput {
    /// A record of which nothing else is known.
    pub fn of(record: Record) -> Self {
        Self {
            record,
            value: ValueEstimate::default(),
            tokens: 0,
            confidence: 1.0,
            compressibility: 0.0,
            future_utility: 0.5,
            shown: 0,
            shown_days: None,
            nearest: 0.0,
            can_merge: false,
            replaced: false,
            memory_cells: 0,
        }
    }
}

pub(super) static TABLE: &[Feature<RetainInput>] = table! {
    "log_age_days", 0.0..=20.0, "ln(1 + days since it was last changed)", |x| log(x.record.age_days);
    "staleness", 0.0..=1.0, "how outdated it is believed to be", |x| x.record.staleness;
    "validity_over", 0.0..=1.0, "1 when it is past its validity", |x| flag(x.record.validity_over);
    "criticality", 0.0..=1.0, "how bad it is to miss it", |x| x.record.criticality;
    "sensitivity", 0.0..=1.0, "0 low, 1/3 medium, 2/3 high, 1 restricted", |x| f64::from(x.record.sensitivity.code()) / 3.0;
    "active", 0.0..=1.0, "1 when it is active", |x| flag(x.record.status == CellStatus::Active);
    "has_accesses", 0.0..=1.0, "1 when accesses were counted", |x| flag(x.record.access_count.is_some());
    "log_accesses", 0.0..=45.0, "ln(1 + number of raw retrievals); 0 when not counted", |x| log(x.record.access_count.unwrap_or(0) as f64);
    "log_shown", 0.0..=45.0, "ln(1 + number of recalls that showed it)", |x| log(x.shown as f64);
    "ever_shown", 0.0..=1.0, "1 when a recall ever showed it", |x| flag(x.shown_days.is_some());
    "log_shown_days", 0.0..=20.0, "ln(1 + days since a recall last showed it); 0 when never", |x| log(x.shown_days.unwrap_or(0.0));
    "value_mean", 0.0..=1.0, "posterior mean of its value", |x| x.value.mean;
    "value_lift", -1.0..=1.0, "posterior mean minus the prior of its type", |x| x.value.mean - x.value.prior;
    "value_sd", 0.0..=0.5, "posterior standard deviation of its value", |x| x.value.sd;
    "log_evidence", 0.0..=25.0, "ln(1 + mass of its evidence)", |x| log(x.value.mass);
    "log_tokens", 0.0..=25.0, "ln(1 + its tokens)", |x| log(f64::from(x.tokens));
    "confidence", 0.0..=1.0, "the writer's confidence", |x| x.confidence;
    "compressibility", 0.0..=1.0, "how much shorter it could be made", |x| x.compressibility;
    "future_utility", 0.0..=1.0, "how useful its writer expects it to be", |x| x.future_utility;
    "nearest", -1.0..=1.0, "largest cosine to another live cell; 0 without one", |x| x.nearest;
    "can_merge", 0.0..=1.0, "1 when there is a cell to merge it with", |x| flag(x.can_merge);
    "replaced", 0.0..=1.0, "1 when a newer cell says otherwise", |x| flag(x.replaced);
    "type_episode", 0.0..=1.0, "1 for this type", |x| flag(x.record.kind == CellType::Episode);
    "type_constraint", 0.0..=1.0, "1 for this type", |x| flag(x.record.kind == CellType::Constraint);
    "type_preference", 0.0..=1.0, "1 for this type", |x| flag(x.record.kind == CellType::Preference);
    "type_fact", 0.0..=1.0, "1 for this type", |x| flag(x.record.kind == CellType::Fact);
    "type_procedure", 0.0..=1.0, "1 for this type", |x| flag(x.record.kind == CellType::Procedure);
    "type_state", 0.0..=1.0, "1 for the state of a task or project", |x| flag(matches!(x.record.kind, CellType::TaskState | CellType::ProjectState));
    "log_memory_cells", 0.0..=45.0, "ln(1 + live cells of the memory)", |x| log(x.memory_cells as f64);
};

/// What could be done with a cell, one option per action.
///
/// Critical cells, and those that are not active, are kept (the exemption of all retention rules): there is nothing
/// to explore, and
/// keeping them has probability 1. `merge` takes a cell to merge with, `supersede` a newer one.
pub fn retain_menu(input: &RetainInput) -> Menu {
    let free = input.record.exempt().is_none();
    let legal = |action: RetentionAction| match action {
        RetentionAction::Keep => true,
        RetentionAction::Merge => free && input.can_merge,
        RetentionAction::Supersede => free && input.replaced,
        _ => free,
    };
    let mut menu = Menu {
        kinds: (0..RETAIN.len()).collect(),
        legal: RETAIN.map(legal).to_vec(),
        features: Vec::new(),
    };
    for _ in RETAIN {
        push(TABLE, input, &mut menu.features);
    }
    menu
}
