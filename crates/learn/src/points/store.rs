//! The point `store`: what to do with a new fact.

use memrl_types::{CellType, Origin, Sensitivity, StoreAction};

use super::{Feature, flag, log, push, table};
use crate::{policy::categorical::Menu, value::ValueEstimate};

/// The name and version of the schema.
pub const STORE_V1: &str = "store-v1";

/// The actions, in the order of their kinds in a [`Menu`].
pub const STORE: [StoreAction; 7] = [
    StoreAction::Skip,
    StoreAction::InsertSemantic,
    StoreAction::InsertEpisodic,
    StoreAction::UpdateCore,
    StoreAction::Update,
    StoreAction::Merge,
    StoreAction::Supersede,
];

/// A new fact, and the memory it could go into.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreState {
    /// What type of cell it would become.
    pub kind: CellType,
    /// Who it came from.
    pub origin: Origin,
    /// How sensitive it is.
    pub sensitivity: Sensitivity,
    /// The writer's confidence, in [0, 1].
    pub confidence: f64,
    /// How bad it would be to miss it, in [0, 1].
    pub criticality: f64,
    /// Its tokens.
    pub tokens: u32,
    /// Its proper names.
    pub names: u32,
    /// Its numbers.
    pub numbers: u32,
    /// Whether it says when.
    pub has_time: bool,
    /// Whether it is a question.
    pub question: bool,
    /// Where in its source it stands: 0 at the beginning, 1 at the end.
    pub position: f64,
    /// Share of its words that the source had not used before, in [0, 1].
    pub novelty: f64,
    /// Largest cosine to a cell of the memory; 0 without cells.
    pub nearest: f64,
    /// Largest share of its words that one cell of the memory has, in [0, 1].
    pub covered: f64,
    /// Live cells of the memory.
    pub memory_cells: u64,
    /// Tokens of the memory.
    pub memory_tokens: u64,
    /// How full the core block is, in [0, 1].
    pub core_full: f64,
    /// Share of the facts of this source so far that were stored, in [0, 1].
    pub stored_share: f64,
    /// Days since the memory last got a cell.
    pub idle_days: f64,
}

/// An existing cell that the fact could change.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each a feature of its own"
)]
pub struct StoreTarget {
    /// Cosine to the fact.
    pub cosine: f64,
    /// Share of the fact's words that it has, in [0, 1].
    pub overlap: f64,
    /// Whether it is of the type the fact would have.
    pub same_kind: bool,
    /// Whether both name the same subject.
    pub same_subject: bool,
    /// Whether both seem to contradict each other: a negation, or other numbers for the same thing.
    pub conflict: bool,
    /// Whether it is critical: then only a person may change it.
    pub critical: bool,
    /// Its age in days.
    pub age_days: f64,
    /// Its tokens.
    pub tokens: u32,
    /// Its learned value.
    pub value: ValueEstimate,
}

/// One option: the state, and the cell that it would change.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreInput {
    /// The fact and the memory.
    pub state: StoreState,
    /// The cell, for `update`, `merge` and `supersede`.
    pub target: Option<StoreTarget>,
}

impl StoreInput {
    /// A number of the target; 0 without one.
    fn of(&self, get: impl Fn(&StoreTarget) -> f64) -> f64 {
        self.target.as_ref().map_or(0.0, get)
    }
}

pub(super) static TABLE: &[Feature<StoreInput>] = table! {
    "log_tokens", 0.0..=25.0, "ln(1 + tokens of the fact)", |x| log(f64::from(x.state.tokens));
    "names", 0.0..=10.0, "ln(1 + its proper names)", |x| log(f64::from(x.state.names));
    "numbers", 0.0..=10.0, "ln(1 + its numbers)", |x| log(f64::from(x.state.numbers));
    "has_time", 0.0..=1.0, "1 when it says when", |x| flag(x.state.has_time);
    "question", 0.0..=1.0, "1 when it is a question", |x| flag(x.state.question);
    "position", 0.0..=1.0, "place in its source, 0 at the beginning, 1 at the end", |x| x.state.position;
    "novelty", 0.0..=1.0, "share of its words that are new in its source", |x| x.state.novelty;
    "nearest", -1.0..=1.0, "largest cosine to a cell of the memory; 0 without cells", |x| x.state.nearest;
    "covered", 0.0..=1.0, "largest share of its words that one cell has", |x| x.state.covered;
    "confidence", 0.0..=1.0, "the writer's confidence", |x| x.state.confidence;
    "criticality", 0.0..=1.0, "how bad it would be to miss it", |x| x.state.criticality;
    "sensitivity", 0.0..=1.0, "0 low, 1/3 medium, 2/3 high, 1 restricted", |x| f64::from(x.state.sensitivity.code()) / 3.0;
    "from_user", 0.0..=1.0, "1 when the user said it", |x| flag(x.state.origin == Origin::User);
    "from_agent", 0.0..=1.0, "1 when the agent said it", |x| flag(x.state.origin == Origin::Agent);
    "from_tool", 0.0..=1.0, "1 when a tool said it", |x| flag(x.state.origin == Origin::Tool);
    "type_semantic", 0.0..=1.0, "1 when its type is of the semantic tier", |x| flag(x.state.kind.tier() == memrl_types::Tier::Semantic);
    "type_episodic", 0.0..=1.0, "1 when its type is of the episodic tier", |x| flag(x.state.kind.tier() == memrl_types::Tier::Episodic);
    "type_constraint", 0.0..=1.0, "1 when it is a constraint", |x| flag(x.state.kind == CellType::Constraint);
    "type_preference", 0.0..=1.0, "1 when it is a preference", |x| flag(x.state.kind == CellType::Preference);
    "type_procedure", 0.0..=1.0, "1 when it is a procedure", |x| flag(x.state.kind == CellType::Procedure);
    "log_memory_cells", 0.0..=45.0, "ln(1 + live cells of the memory)", |x| log(x.state.memory_cells as f64);
    "log_memory_tokens", 0.0..=45.0, "ln(1 + tokens of the memory)", |x| log(x.state.memory_tokens as f64);
    "core_full", 0.0..=1.0, "how full the core block is", |x| x.state.core_full;
    "stored_share", 0.0..=1.0, "share of the facts of this source so far that were stored", |x| x.state.stored_share;
    "log_idle_days", 0.0..=20.0, "ln(1 + days since the memory last got a cell)", |x| log(x.state.idle_days);
    "has_target", 0.0..=1.0, "1 when an existing cell would change; 0 makes the rest 0", |x| flag(x.target.is_some());
    "target_cosine", -1.0..=1.0, "cosine of cell and fact", |x| x.of(|t| t.cosine);
    "target_overlap", 0.0..=1.0, "share of the fact's words that the cell has", |x| x.of(|t| t.overlap);
    "target_same_type", 0.0..=1.0, "1 when the cell is of the type of the fact", |x| x.of(|t| flag(t.same_kind));
    "target_same_subject", 0.0..=1.0, "1 when both name the same subject", |x| x.of(|t| flag(t.same_subject));
    "target_conflict", 0.0..=1.0, "1 when both seem to contradict each other", |x| x.of(|t| flag(t.conflict));
    "target_log_age_days", 0.0..=20.0, "ln(1 + age of the cell in days)", |x| x.of(|t| log(t.age_days));
    "target_log_tokens", 0.0..=25.0, "ln(1 + tokens of the cell)", |x| x.of(|t| log(f64::from(t.tokens)));
    "target_value", 0.0..=1.0, "posterior mean of the cell's value", |x| x.of(|t| t.value.mean);
    "target_log_evidence", 0.0..=25.0, "ln(1 + mass of the cell's evidence)", |x| x.of(|t| log(t.value.mass));
};

/// What could be done with a fact: skip, insert (semantic, episodic), rewrite the core, and update, merge with or
/// supersede
/// each of the near cells, in this order.
///
/// Legal is everything but: skipping what is critical (criticality of 0.7 and more: never lost to a coin); rewriting
/// a full core
/// block; changing a critical cell; joining a question with anything.
pub fn store_menu(state: &StoreState, targets: &[StoreTarget]) -> Menu {
    let mut menu = Menu::default();
    let mut put = |kind: usize, legal: bool, target: Option<&StoreTarget>| {
        let input = StoreInput {
            state: state.clone(),
            target: target.cloned(),
        };
        menu.kinds.push(kind);
        menu.legal.push(legal);
        push(TABLE, &input, &mut menu.features);
    };
    // Also true of NaN: what is not known to be harmless is not skipped.
    let critical = !matches!(
        state.criticality.partial_cmp(&0.7),
        Some(std::cmp::Ordering::Less)
    );
    put(0, !critical, None);
    put(1, true, None);
    put(2, true, None);
    put(3, state.core_full < 1.0, None);
    for target in targets {
        for kind in 4..STORE.len() {
            put(kind, !target.critical && !state.question, Some(target));
        }
    }
    menu
}
