//! The [`Store`] trait, its rows, its conformance suite, and the implementation on SQLite.
//!
//! A store holds what memrl knows (cells with their versions and vectors) and what it did (an
//! append-only log of decisions, outcomes, rewards and events). Every method that writes is one
//! transaction.
//!
//! **Architecture Invariant:** a store knows rows, not policies: it neither ranks nor judges. It
//! does not search by words or vectors either: an index catches up from [`Store::changes_since`].
//! It reads no clock and draws no random number; ids and times come from the caller.

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod error;
pub mod rows;
mod sqlite;
mod traits;

pub use error::{Result, StoreError};
pub use rows::{
    Appended, CellFilter, CellPrior, CellRow, CellValue, CellVector, Change, Changed, Cursor,
    DecisionCounts, DecisionFilter, DecisionRow, EventFilter, Evidence, InsertCell, Inserted,
    Maintained, NewDecision, Order, OutcomeRow, Outline, Page, PayloadRow, PurgeReport, Recorded,
    Reward, Seq, Shown, Stats, UpdateCell, Vector, Version,
};
pub use sqlite::SqliteStore;
pub use traits::{INDEX_STALE, Store};
