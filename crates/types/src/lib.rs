//! The words of memrl as Rust types, and the hard rules.
//!
//! Everything here is plain data with plain functions on it.
//!
//! **Architecture Invariant:** this crate does no I/O, reads no clock and draws no random
//! number. It knows neither SQL nor HTTP, neither embeddings nor policies.

pub mod cell;
pub mod codes;
pub mod decision;
pub mod episode;
pub mod ids;
pub mod names;
pub mod outcome;
pub mod reading;
pub mod rules;
pub mod scope;
pub mod time;
pub mod tokens;

pub use cell::{
    Cell, CellPatch, Imported, Link, LinkKind, NewCell, PolicyFeatures, SourcePosition,
};
pub use codes::{Code, CodeInfo};
pub use decision::{Arm, Component, Decision, Event, Item, Propensity};
pub use episode::{
    EPISODE_SCHEMA, Ended, Episode, EpisodeStatus, Intent, PendingCall, Session, SessionCounts,
    TaskType, TestCounts, Touched, Trouble,
};
pub use ids::{CellId, DecisionId, EventId, OutcomeId};
pub use names::{
    CellStatus, CellType, DecisionPoint, EventKind, ExploreMode, Mode, Origin, RetentionAction,
    Sensitivity, StoreAction, Tier,
};
pub use outcome::{Conflict, Merged, Outcome, Verdict};
pub use reading::{CountedAnswer, LastSeen, OpenTrouble, Reading, Turn};
pub use rules::{Clearance, Mask, RuleInput};
pub use scope::{Scope, ScopeError};
pub use time::Timestamp;
pub use tokens::TokenCounter;
