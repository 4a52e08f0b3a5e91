//! Workloads: recall decisions to be made, with what only the world knows about them.
//!
//! A [`Scene`] is one decision: what a policy sees, and the truth that decides the outcome. A [`World`] makes scenes and
//! answers what comes of a slate. It may not know policies, trainers or the engine.

pub mod assistant;
pub mod best;
pub mod coding;
pub mod log;
pub mod outcome;
pub mod params;
pub mod posterior;
pub mod questions;
pub mod research;
pub mod simulate;
pub mod support;
pub mod tables;

use memrl::learn::{Candidate, Context};
use memrl_types::Outcome;
use rand_chacha::ChaCha8Rng;

pub use questions::{Citing, QuestionOptions, Questions};
pub use simulate::Simulated;

/// One recall decision to be made.
#[derive(Debug, Clone)]
pub struct Scene {
    /// What is held out together when policies are tested: a conversation, a question, a simulated person.
    pub group: String,
    /// The trajectory it belongs to: decisions of one share their outcome.
    pub trajectory: String,
    /// What a policy sees of the request.
    pub context: Context,
    /// What a policy sees of the candidates.
    pub candidates: Vec<Candidate>,
    /// Indices of the candidates that carry the gold evidence, where the world has such. When some evidence is no
    /// candidate at all, `reachable` is false.
    pub gold: Vec<usize>,
    /// Whether all evidence is among the candidates.
    pub reachable: bool,
    /// Index into the world's own hidden state.
    pub hidden: usize,
}

/// What is to be expected of a slate: probabilities in [0, 1], and tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Expected {
    /// Probability of success.
    pub success: f64,
    /// Probability of an unsafe action.
    pub unsafe_action: f64,
    /// Probability that an outdated memory misleads the agent.
    pub stale: f64,
    /// Tokens shown.
    pub tokens: f64,
}

/// A source of scenes whose outcomes are known for every slate.
pub trait World: Send + Sync {
    /// Its name in tables.
    fn name(&self) -> &str;
    /// The scenes, in the order in which they are met.
    fn scenes(&self) -> &[Scene];
    /// What is to be expected of showing these candidates, in this order.
    fn expected(&self, scene: &Scene, slate: &[usize]) -> Expected;
    /// An outcome, drawn: success, flags, tokens and (where the world says which) citations.
    fn outcome(&self, scene: &Scene, slate: &[usize], rng: &mut ChaCha8Rng) -> Outcome;
    /// The slate that a policy which knew the truth would show (greedy where the exact one is out of reach; the
    /// world's documentation says which).
    fn oracle(&self, scene: &Scene) -> Vec<usize>;
    /// The slate of the best policy that sees what policies see and nothing else; `None` where nobody knows it.
    fn ceiling(&self, _scene: &Scene) -> Option<Vec<usize>> {
        None
    }
}
