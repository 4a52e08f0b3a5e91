//! What `memrl demo` and `memrl bench` do: the only part of this crate that knows the engine.
//!
//! Every run tells a [`Progress`] what it does and returns its result; nothing here prints.

pub(crate) mod corpus;
pub mod demo;
pub mod experience;
pub mod load;
pub mod policies;
mod process;
pub mod recall;
pub mod scale;

use std::path::Path;

use crate::http_client::HttpError;
use crate::read::LoadError;

pub use demo::{DemoOptions, DemoReport, demo};
pub use experience::{ExperienceOptions, ExperienceReport, bench_experience};
pub use load::{LoadOptions, LoadReport, bench_load};
pub use policies::{PoliciesOptions, PoliciesReport, bench_policies};
pub use recall::{RecallOptions, bench_recall};
pub use scale::{ScaleOptions, bench_scale};

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, e.g. `answering 78 questions`. A new stage starts a new bar.
    pub stage: String,
    /// Steps done.
    pub done: u64,
    /// Steps of this stage; 0 when unknown.
    pub total: u64,
    /// What has come of it so far, for the end of the line.
    pub note: String,
}

/// Who is told.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress);

/// Why a run could not be finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The data could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The engine refused or failed.
    #[error(transparent)]
    Engine(#[from] memrl::Error),
    /// A server did not answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A file or a process could not be used.
    #[error("{context}: {source}")]
    Io {
        /// What was being done.
        context: String,
        /// The cause.
        source: std::io::Error,
    },
    /// There is something in the way that this program did not put there.
    #[error("{0} is not empty and is no demo: choose another directory")]
    NotADemo(String),
    /// The options ask for what there is not.
    #[error("{0}")]
    Options(String),
    /// The data has nothing to ask.
    #[error("{0} has no question with evidence")]
    NoQuestions(String),
    /// Another program did not do what it should.
    #[error("{program}: {message}")]
    Program {
        /// What was run.
        program: String,
        /// What it did.
        message: String,
    },
}

impl RunError {
    pub(crate) fn io(context: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            context: context.into(),
            source,
        }
    }

    fn at(path: &Path, source: std::io::Error) -> Self {
        Self::io(path.display().to_string(), source)
    }
}

/// The result of a run.
pub type Result<T, E = RunError> = std::result::Result<T, E>;

/// Reports steps of one stage.
pub(crate) struct Stage<'a, 'b> {
    tell: &'a mut (dyn FnMut(Progress) + 'b),
    name: String,
    total: u64,
}

impl<'a, 'b> Stage<'a, 'b> {
    pub(crate) fn start(
        tell: &'a mut (dyn FnMut(Progress) + 'b),
        name: impl Into<String>,
        total: u64,
    ) -> Self {
        let mut stage = Self {
            tell,
            name: name.into(),
            total,
        };
        stage.at(0, String::new());
        stage
    }

    pub(crate) fn at(&mut self, done: u64, note: String) {
        (self.tell)(Progress {
            stage: self.name.clone(),
            done,
            total: self.total,
            note,
        });
    }
}
