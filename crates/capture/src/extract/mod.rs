//! Optional: a language model reads an episode and says what it was about. Off unless asked for.
//!
//! What is sent is bounded and redacted first ([`prompt_of`]); what comes back is read with
//! patience ([`parse`]) and only ever adds to what the parser found ([`apply`]). Those three are
//! pure; talking to a model is in [`Extractor`], behind the feature `remote`.

mod answer;
mod apply;
#[cfg(feature = "remote")]
mod endpoint;
mod prompt;
#[cfg(feature = "remote")]
mod remote;

pub use answer::{Extracted, Resolved, parse};
pub use apply::apply;
#[cfg(feature = "remote")]
pub use endpoint::ApiKey;
pub use prompt::{MAX_DIGEST, SYSTEM, digest_of, prompt_of};
#[cfg(feature = "remote")]
pub use remote::{ExtractConfig, ExtractError, Extractor, Provider};
