//! memrl: a local-first memory engine for LLM agents that learns from outcomes what to recall.
//!
//! ```
//! use memrl::{CellType, Memory, NewCell, Outcome, RecallRequest, Scope};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let memory = Memory::open(dir.path())?;
//! let ann = Scope::of("user", "ann");
//! memory.write(NewCell::new(CellType::Preference, ann.clone(), "Ann drinks her coffee black."))?;
//!
//! let recall = memory.recall(&RecallRequest::new("How does Ann take her coffee?", ann))?;
//! println!("{}", recall.context);
//!
//! memory.feedback(recall.decision_id, &Outcome { success: Some(1.0), ..Outcome::default() })?;
//! # Ok(()) }
//! ```
//!
//! Every use case is one method of [`Memory`]. A recall travels one way: search, hard rules,
//! features, policy, budget, log.
//!
//! **Architecture Invariant:** time enters through [`Clock`] and randomness through a seed, here
//! and nowhere below, so that a run with the same two replays bit for bit. This crate knows
//! nothing of HTTP, terminals or exit codes.

mod api;
mod backup;
mod cells;
mod clock;
pub mod config;
mod dataset;
mod doctor;
pub mod episodes;
mod error;
mod export;
mod feedback;
mod import;
mod learning;
mod live;
mod memcell;
mod memory;
mod recall;
mod render;
mod rewards;
mod why;

pub use api::*;
pub use backup::{BackupReport, RestoreReport, restore};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::Config;
pub use dataset::{DatasetQuery, Shape, Transition};
pub use doctor::{Check, DoctorReport, Health};
pub use episodes::*;
pub use error::{Error, Result};
pub use export::{
    ExportFormat, ExportReport, ResearchFile, ResearchFormat, ResearchReport,
    table as export_tables,
};
pub use import::{ImportFormat, ImportReport, Rejected, cell_from_json, scope_of_text};
pub use learning::*;
pub use memcell::{
    MemcellDecide, MemcellDecision, MemcellFeedback, MemcellRetrieval, MemcellRetrieve,
    MemcellReward, MemcellSelected,
};
pub use memory::{Indexed, Memory, Options};
pub use memrl_capture as capturing;
pub use memrl_capture::citations;
pub use memrl_learn as learn;
pub use memrl_recall as search;
pub use memrl_store as store;
pub use memrl_types::*;
pub use recall::Considered;
pub use rewards::Recomputed;
pub use why::{Why, WhyItem};
