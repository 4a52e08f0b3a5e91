//! Policies of the decision point `recall`: each puts the candidates in order.
//!
//! A policy may not know budgets' bookkeeping, arms or random numbers: selection is
//! [`crate::select`], randomisation is [`crate::explore`].

mod baseline_v0;
pub mod categorical;
pub mod file;
mod learned;
mod none;
mod similarity;
mod utility;

use std::sync::Arc;

use memrl_types::Mode;

use crate::{Candidate, Context};

pub use baseline_v0::{BaselineV0, baseline_score};
pub use file::{Card, PolicyFile, PolicyFileError};
pub use learned::{Learned, LearnedError};
pub use none::NoMemory;
pub use similarity::Similarity;
pub use utility::Utility;

/// What a policy says about one candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Index of the candidate in the slice given to the policy.
    pub index: usize,
    /// The policy's score, as it is logged.
    pub score: f64,
    /// What Plackett–Luce draws with (before the temperature); never rises along the order of the
    /// cells that are not critical.
    pub logit: f64,
    /// How it would be shown; [`Mode::Suppress`] when the policy refuses it.
    pub mode: Mode,
    /// Why.
    pub reason: String,
}

/// A way to order the candidates of a recall decision. Deterministic: the same arguments give
/// the same answer.
pub trait RecallPolicy: Send + Sync {
    /// The name, e.g. `similarity`.
    fn id(&self) -> &str;

    /// The version; a change of behaviour is a new version.
    fn version(&self) -> u32;

    /// Every candidate exactly once: first those it would show, best first, then those it refuses
    /// ([`Mode::Suppress`]) in the order of the candidates.
    fn order(&self, ctx: &Context, candidates: &[Candidate]) -> Vec<Scored>;

    /// [`Self::order`] for who reads no reasons: they may be empty. To write them is most of the work of a simple policy.
    fn order_tersely(&self, ctx: &Context, candidates: &[Candidate]) -> Vec<Scored> {
        self.order(ctx, candidates)
    }

    /// The logit of STOP when slates are drawn (see [`crate::explore::plackett_luce`]).
    fn stop_logit(&self, _ctx: &Context) -> f64 {
        0.0
    }

    /// Name and version: `similarity@1`.
    fn label(&self) -> String {
        format!("{}@{}", self.id(), self.version())
    }
}

/// Why a policy cannot be had by name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// No policy of this name.
    #[error("there is no policy {name:?}; built in are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The policy exists in another version.
    #[error("policy {name:?} exists in version {have}, not {asked:?}")]
    Version {
        /// The policy.
        name: String,
        /// What follows the `@`.
        asked: String,
        /// The version there is.
        have: u32,
    },
}

/// The built-in policies, by name.
pub fn built_in() -> [Arc<dyn RecallPolicy>; 4] {
    [
        Arc::new(BaselineV0),
        Arc::new(Similarity),
        Arc::new(Utility::default()),
        Arc::new(NoMemory),
    ]
}

/// The built-in policy called `name` or `name@version`.
pub fn by_name(name: &str) -> Result<Arc<dyn RecallPolicy>, PolicyError> {
    let (id, asked) = match name.split_once('@') {
        Some((id, version)) => (id, Some(version)),
        None => (name, None),
    };
    let Some(policy) = built_in().into_iter().find(|p| p.id() == id) else {
        return Err(PolicyError::Unknown {
            name: name.to_owned(),
            known: built_in().map(|p| p.id().to_owned()).join(", "),
        });
    };
    match asked {
        Some(v) if v != policy.version().to_string() => Err(PolicyError::Version {
            name: id.to_owned(),
            asked: v.to_owned(),
            have: policy.version(),
        }),
        _ => Ok(policy),
    }
}
