//! Embedders: text to unit vectors, behind one trait.
//!
//! [`StaticEmbedder`] is built in and always works; [`BertEmbedder`] reads a model folder,
//! [`RemoteEmbedder`] asks an endpoint. [`from_spec`] makes one from a line of configuration.

mod spec;
mod static_table;
mod vocab;
mod wordpiece;

#[cfg(feature = "bert")]
mod bert;
#[cfg(feature = "remote")]
mod http;
#[cfg(feature = "remote")]
pub mod hub;
#[cfg(feature = "remote")]
mod remote;

#[cfg(feature = "bert")]
pub use bert::BertEmbedder;
#[cfg(feature = "remote")]
pub use http::ApiKey;
#[cfg(feature = "remote")]
pub use remote::{RemoteConfig, RemoteEmbedder};
pub use spec::{DEFAULT_KEY_ENV, EmbedderSpec, from_spec};
pub use static_table::StaticEmbedder;
pub use vocab::Vocab;
pub use wordpiece::WordPiece;

/// Why a text could not be embedded or a model not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbedError {
    /// The endpoint or the disk failed.
    #[error("{context}: {source}")]
    Io {
        /// What was being done.
        context: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The model's files or the endpoint's answer are not what they should be.
    #[error("{0}")]
    Format(String),
    /// The endpoint answered, and said no.
    #[error("{host} refused with status {status}: {message}")]
    Refused {
        /// Host and port.
        host: String,
        /// HTTP status.
        status: u16,
        /// What the endpoint said, shortened; never contains the key.
        message: String,
    },
}

impl EmbedError {
    /// Whether the same call may succeed later without anybody changing anything: an overloaded
    /// or unreachable endpoint, not a wrong model or key.
    pub fn is_temporary(&self) -> bool {
        use std::io::ErrorKind as Kind;
        match self {
            Self::Refused { status, .. } => matches!(status, 408 | 429 | 500..=599),
            Self::Io { source, .. } => matches!(
                source.kind(),
                Kind::TimedOut
                    | Kind::ConnectionRefused
                    | Kind::ConnectionReset
                    | Kind::ConnectionAborted
                    | Kind::BrokenPipe
                    | Kind::UnexpectedEof
                    | Kind::Interrupted
                    | Kind::WouldBlock
            ),
            Self::Format(_) => false,
        }
    }
}

/// Turns texts into vectors of unit length. Deterministic: the same text gives the same vector.
pub trait Embedder: Send + Sync {
    /// Names model and revision; stored with every vector, so that two models never mix.
    fn id(&self) -> &str;
    /// Number of components of every vector.
    fn dim(&self) -> usize;
    /// One unit vector per text (all zeros for a text without any known word).
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedError>;
}

/// Scales a vector to unit length; one of zeros stays as it is.
fn normalise(vector: &mut [f32]) {
    let square: f32 = vector.iter().map(|x| x * x).sum();
    if square > 0.0 && square.is_finite() {
        let factor = 1.0 / square.sqrt();
        for x in vector {
            *x *= factor;
        }
    }
}
