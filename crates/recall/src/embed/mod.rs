//! Embedders: text to unit vectors, behind one trait.

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
