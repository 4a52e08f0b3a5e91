//! The engine's errors: one enum over the layers below, each with a stable code and a hint.

use memrl_learn::reward::RewardSpecError;

use crate::learning::TRAINING;
use crate::{Code, ScopeError};

/// What went wrong. [`Error::code`] is stable; the message is for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of a request has a value that cannot be used.
    #[error("{field}: {message}")]
    Invalid {
        /// The field.
        field: String,
        /// What is wrong with it.
        message: String,
        /// The code.
        code: Code,
    },
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] memrl_store::StoreError),
    /// The embedder failed.
    #[error(transparent)]
    Embed(#[from] memrl_recall::embed::EmbedError),
    /// The index file could not be read or written.
    #[error("search index: {0}")]
    Index(#[from] memrl_recall::index::IndexError),
    /// A policy or its settings cannot be used.
    #[error(transparent)]
    Policy(#[from] memrl_learn::policy::PolicyError),
    /// The settings of the randomisation cannot be used.
    #[error(transparent)]
    Explore(#[from] memrl_learn::explore::ConfigError),
    /// A reward spec cannot be used.
    #[error(transparent)]
    Reward(#[from] RewardSpecError),
    /// Nothing was trained.
    #[error(transparent)]
    Train(#[from] memrl_learn::train::TrainError),
    /// There is no answer about impact.
    #[error(transparent)]
    Impact(#[from] memrl_learn::impact::ImpactError),
    /// A reward spec cannot be checked.
    #[error(transparent)]
    RewardCheck(#[from] memrl_learn::reward::check::CheckError),
    /// A scope cannot be asked for.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// A setting is wrong.
    #[error("{0}")]
    Config(String),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A file has another format than expected.
    #[error("{path}: {message}")]
    Format {
        /// The file, with the line where there is one.
        path: String,
        /// What is wrong.
        message: String,
    },
}

/// The engine's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An unusable value of a field.
    pub(crate) fn invalid(code: Code, field: &str, message: impl Into<String>) -> Self {
        Self::Invalid {
            field: field.to_owned(),
            message: message.into(),
            code,
        }
    }

    /// A failed file operation.
    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.display().to_string(),
            source,
        }
    }

    /// A file of another format.
    pub(crate) fn format(path: impl std::fmt::Display, message: impl Into<String>) -> Self {
        Self::Format {
            path: path.to_string(),
            message: message.into(),
        }
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Invalid { code, .. } => *code,
            Self::Store(e) => e.code(),
            Self::Embed(_) => Code::Embedder,
            Self::Index(_) | Self::Io { .. } => io_code(self),
            Self::Policy(_) => Code::PolicyNotFound,
            Self::Reward(RewardSpecError::Unknown(_)) => Code::RewardSpecNotFound,
            Self::Scope(ScopeError::NullValue(_)) => Code::NullScope,
            Self::Scope(ScopeError::Empty) => Code::EmptyScope,
            Self::RewardCheck(_) => Code::TooLittleData,
            Self::Train(e) => train_code(e),
            Self::Impact(e) => impact_code(e),
            Self::Reward(_) | Self::Scope(_) | Self::Format { .. } => Code::InvalidInput,
            Self::Config(_) | Self::Explore(_) => Code::InvalidConfig,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Train(memrl_learn::train::TrainError::ForeignCheckpoint { .. }) => {
                "leave --resume out to train anew, or repeat the settings of the training that was interrupted"
            }
            Self::Invalid {
                code: Code::Conflict,
                field,
                ..
            } => match field.as_str() {
                TRAINING => "wait until it has ended, or train under another --name",
                "policy" => {
                    "the list of policies shows what each of them does now: `memrl policy list`, GET /v1/policies"
                }
                "cell" => "look at the trial that is on: GET /v1/impact/trial",
                _ => self.code().info().hint,
            },
            _ => self.code().info().hint,
        }
    }
}

/// What stands in the way of a training.
fn train_code(error: &memrl_learn::train::TrainError) -> Code {
    use memrl_learn::train::TrainError as E;
    match error {
        E::TooFew { .. } | E::NoVariation { .. } => Code::TooLittleData,
        E::Stopped { .. } => Code::Stopped,
        E::ForeignCheckpoint { .. } => Code::Conflict,
        _ => Code::InvalidInput,
    }
}

/// What stands in the way of an answer about impact.
fn impact_code(error: &memrl_learn::impact::ImpactError) -> Code {
    use memrl_learn::impact::ImpactError as E;
    match error {
        E::BadConfig { .. } | E::BadNumber { .. } => Code::InvalidInput,
        _ => Code::TooLittleData,
    }
}

/// Full disks and missing permissions have codes of their own.
fn io_code(error: &Error) -> Code {
    let kind = match error {
        Error::Io { source, .. } => source.kind(),
        _ => return Code::Io,
    };
    match kind {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Code::DiskFull,
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            Code::ReadOnly
        }
        _ => Code::Io,
    }
}
