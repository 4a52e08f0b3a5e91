//! What can go wrong with an index.

use std::path::PathBuf;

/// Why an index operation failed. Whatever it says, the index can be rebuilt from the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The file system failed.
    #[error("index file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not an index, or not a whole one.
    #[error("index file {path} is unusable: {reason}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file has the layout of another release.
    #[error("index file {path} has format {found}, not {expected}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format number.
        found: u32,
        /// The format number of this program.
        expected: u32,
    },
    /// A vector of another length than the index's.
    #[error("vector of {found} components in an index of {expected}")]
    Dim {
        /// Components of the vector.
        found: usize,
        /// Components of the index's vectors.
        expected: usize,
    },
    /// A model name that is too long, or more documents than fit one index (2³¹).
    #[error("{0}")]
    Limit(&'static str),
}
