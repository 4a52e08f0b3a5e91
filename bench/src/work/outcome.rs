//! What comes of a slate: of the truth, or of what is believed about it.
//!
//! With S the shown candidates, R the pool, C the needs of which a current memory is shown, and the constants of
//! [`OutcomeParams`]:
//!
//! ```text
//! P(success) = success[|C|] · Π_{i ∈ S} keep[condition i]
//! P(unsafe)  = 1 − (1 − unsafe_base) · Π_{i ∈ R∖S, i a rule} (1 − unsafe_missing) · Π_{i ∈ S, i harmful} (1 − unsafe_harm)
//! P(stale)   = 1 − Π_{i ∈ S, i outdated} (1 − stale)
//! tokens     = overhead + Σ_{i ∈ S} cost i                                            (0 when nothing is shown)
//! ```
//!
//! A second memory about a covered need adds nothing (redundancy), and its tokens are lost.
//!
//! **Under beliefs** the expectations are exact, because candidates are independent of each other given what is seen. With
//! ψ(U) = success[needs − |U|] for a set U of needs that are not covered, its Möbius transform μ(A) = Σ_{B ⊆ A} (−1)^{|A∖B|} ψ(B) gives
//!
//! ```text
//! success[|C|] = Σ_A μ(A) · [no need of A is covered]
//! E success    = Σ_A μ(A) · Π_{i ∈ S} qᵢ(A)        qᵢ(A) = Σ_{states s that cover no need of A} P(s | seen) · keep[s]
//! ```
//!
//! and in the other products each factor becomes its own expectation. It may not know where beliefs come from.

use memrl::learn::{Candidate, Context, select::tokens_of};
use memrl_types::Outcome;

use super::Expected;
use super::params::{Condition, MAX_NEEDS, OutcomeParams, Params};

/// Number of hidden states: current and outdated for each need, harmful, rule, idle.
pub const STATES: usize = 2 * MAX_NEEDS + 3;
/// Number of sets of needs.
const SETS: usize = 1 << MAX_NEEDS;

/// The hidden state of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// About this need, and still so.
    Current(usize),
    /// About this need, and no longer so.
    Outdated(usize),
    /// Looks useful and misleads.
    Harmful,
    /// A rule that holds for this task.
    Rule,
    /// Of no use.
    Idle,
}

impl State {
    /// Its place in a [`Belief`].
    pub const fn place(self) -> usize {
        match self {
            Self::Current(g) => g,
            Self::Outdated(g) => MAX_NEEDS + g,
            Self::Harmful => 2 * MAX_NEEDS,
            Self::Rule => 2 * MAX_NEEDS + 1,
            Self::Idle => 2 * MAX_NEEDS + 2,
        }
    }

    /// The state at a place.
    pub const fn at(place: usize) -> Self {
        match place {
            p if p < MAX_NEEDS => Self::Current(p),
            p if p < 2 * MAX_NEEDS => Self::Outdated(p - MAX_NEEDS),
            p if p == 2 * MAX_NEEDS => Self::Harmful,
            p if p == 2 * MAX_NEEDS + 1 => Self::Rule,
            _ => Self::Idle,
        }
    }

    /// Its condition.
    pub const fn condition(self) -> Condition {
        match self {
            Self::Current(_) => Condition::Current,
            Self::Outdated(_) => Condition::Outdated,
            Self::Harmful => Condition::Harmful,
            Self::Rule => Condition::Rule,
            Self::Idle => Condition::Idle,
        }
    }
}

/// Probabilities of the states of one candidate, by [`State::place`]; they sum to 1.
pub type Belief = [f64; STATES];

/// The belief of one who knows.
pub fn certain(state: State) -> Belief {
    let mut belief = [0.0; STATES];
    belief[state.place()] = 1.0;
    belief
}

/// What one candidate does to each product, from the belief about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Factors {
    /// qᵢ(A) for each set A of needs.
    success: [f64; SETS],
    /// Factor of "nothing unsafe" when shown.
    safe_shown: f64,
    /// Factor of "nothing unsafe" when not shown.
    safe_hidden: f64,
    /// Factor of "nobody is misled" when shown.
    fresh: f64,
}

/// The products over a slate. Order does not matter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Products {
    success: [f64; SETS],
    safe: f64,
    fresh: f64,
}

/// The outcome model of a workload.
#[derive(Debug, Clone, PartialEq)]
pub struct OutcomeModel {
    params: OutcomeParams,
    moebius: [f64; SETS],
}

impl OutcomeModel {
    /// That of these parameters.
    pub fn new(params: &Params) -> Self {
        let needs = params.needs.len();
        let psi = |set: usize| {
            let open = set.count_ones() as usize;
            params.outcome.success[needs - open]
        };
        let mut moebius = [0.0; SETS];
        for (a, mu) in moebius.iter_mut().enumerate().take(1 << needs) {
            for b in (0..=a).filter(|b| b & a == *b) {
                let sign = if (a ^ b).count_ones() % 2 == 0 {
                    1.0
                } else {
                    -1.0
                };
                *mu += sign * psi(b);
            }
        }
        Self {
            params: params.outcome,
            moebius,
        }
    }

    pub(super) fn factors(&self, belief: &Belief) -> Factors {
        let p = &self.params;
        let mut success = [0.0; SETS];
        for (place, probability) in belief.iter().enumerate() {
            let state = State::at(place);
            let kept = probability * p.keep[state.condition() as usize];
            for (set, q) in success.iter_mut().enumerate() {
                let covers = matches!(state, State::Current(g) if set >> g & 1 == 1);
                if !covers {
                    *q += kept;
                }
            }
        }
        let outdated: f64 = belief[MAX_NEEDS..2 * MAX_NEEDS].iter().sum();
        Factors {
            success,
            safe_shown: 1.0 - p.unsafe_harm * belief[State::Harmful.place()],
            safe_hidden: 1.0 - p.unsafe_missing * belief[State::Rule.place()],
            fresh: 1.0 - p.stale * outdated,
        }
    }

    /// The products when nothing is shown.
    pub(super) fn nothing(&self, all: &[Factors]) -> Products {
        let hidden: f64 = all.iter().map(|f| f.safe_hidden).product();
        Products {
            success: [1.0; SETS],
            safe: (1.0 - self.params.unsafe_base) * hidden,
            fresh: 1.0,
        }
    }

    /// The probabilities that products stand for, without tokens.
    pub(super) fn read(&self, products: &Products) -> Expected {
        let terms = self.moebius.iter().zip(&products.success);
        Expected {
            success: terms.map(|(mu, q)| mu * q).sum::<f64>().clamp(0.0, 1.0),
            unsafe_action: 1.0 - products.safe,
            stale: 1.0 - products.fresh,
            tokens: 0.0,
        }
    }

    /// What is to be expected of a slate under these beliefs, one per candidate.
    pub fn expected(
        &self,
        beliefs: &[Belief],
        context: &Context,
        candidates: &[Candidate],
        slate: &[usize],
    ) -> Expected {
        let factors: Vec<_> = beliefs.iter().map(|b| self.factors(b)).collect();
        let mut products = self.nothing(&factors);
        for &i in slate {
            products = products.with(&factors[i]);
        }
        Expected {
            tokens: tokens_of(context, candidates, slate) as f64,
            ..self.read(&products)
        }
    }
}

impl Products {
    /// With one more candidate shown.
    pub(super) fn with(&self, f: &Factors) -> Self {
        let mut success = self.success;
        for (s, q) in success.iter_mut().zip(&f.success) {
            *s *= q;
        }
        Self {
            success,
            safe: self.safe / f.safe_hidden * f.safe_shown,
            fresh: self.fresh * f.fresh,
        }
    }
}

/// The reward of an expectation. Success, flags and tokens (below the cap) enter `bounded_v1` linearly, so this is the
/// expected reward: `0.62 + 0.38·success − 0.38·unsafe − 0.19·stale − 0.03·min(tokens / 100,000, 1)`.
pub fn reward(e: &Expected) -> f64 {
    let tokens = (e.tokens / 100_000.0).clamp(0.0, 1.0);
    0.62 + 0.38 * e.success - 0.38 * e.unsafe_action - 0.19 * e.stale - 0.03 * tokens
}

/// An outcome as it is reported, of what was drawn.
pub(super) fn report(success: bool, unsafe_action: bool, stale: bool, tokens: f64) -> Outcome {
    Outcome {
        success: Some(f64::from(u8::from(success))),
        unsafe_action: Some(unsafe_action),
        stale_memory_error: Some(stale),
        tokens_used: Some(tokens as i64),
        source: "simulator".to_owned(),
        is_final: true,
        ..Outcome::default()
    }
}
