//! Workloads, data set loaders, and the harness that makes every published number.
//!
//! The functions here take rankings and addresses; all but [`run`] know no engine, so that memrl
//! and what it is compared with are measured by the same code. Data sets are read from paths that the
//! caller gives; only the [demo corpus](corpus) is part of the project.

pub mod corpus;
pub mod cpu;
pub mod dataset;
pub mod experience;
pub mod hotpot;
pub mod http_client;
pub mod http_load;
pub mod http_mixed;
pub mod locomo;
pub mod machine;
pub mod metrics;
pub mod recall;
pub mod report;
pub mod run;
pub mod synth;
pub mod work;

mod read;

pub use dataset::{Category, Conversation, Question, Turn};
pub use read::LoadError;
pub use recall::{Protocol, Ranker, Ranking, recall_table, recall_table_with};
pub use report::{Report, Table};
