//! `utility`: similarity blended with the learned value of the cell.

use super::{
    RecallPolicy, Scored,
    similarity::{order_by, tersely_by},
};
use crate::{Candidate, Context};

/// `score = likeness + weight · ((mean − prior) − caution · (sd − sd₀))`.
///
/// The likeness ([`Candidate::likeness`]) keeps the order of the search, on a scale that does not
/// depend on what else was found: two memories that are equally good answers are equal, however few
/// there are, and then their values decide.
///
/// The value term is zero for a cell about which nothing is known, neither from its own evidence nor
/// from its neighbours'. `sd = ½ / √(mass + n₀ + 1)` is the largest standard deviation that a
/// posterior with this mass can have and `sd₀` its value at mass 0, so that knowing more never
/// costs anything.
///
/// At equal similarity an untried cell never outranks one of its kind with only successes,
/// whatever the prior,
///
/// - if both have the same neighbours, or neither has any;
/// - if that cell is all that lifts it;
/// - if that cell has one whole success, not yet decayed, and no neighbour below its prior
///   ([`crate::propagate::largest_discount`]).
///
/// It can outrank one whose successes weigh less than one (a share of a slate's) or whose
/// neighbours failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Utility {
    /// Weight of the value term against the similarity, at least 0.
    pub weight: f64,
    /// How much uncertainty costs, at least 0.
    pub caution: f64,
    /// Mass of the prior.
    pub prior_mass: f64,
}

impl Default for Utility {
    fn default() -> Self {
        Self {
            weight: 0.5,
            caution: 0.25,
            prior_mass: crate::value::PRIOR_MASS,
        }
    }
}

impl Utility {
    /// The value term of a candidate.
    pub fn value_term(&self, c: &Candidate) -> f64 {
        let sd = |mass: f64| 0.5 / (mass + self.prior_mass + 1.0).sqrt();
        let known = sd(0.0) - sd(c.value.mass.max(0.0));
        self.weight * ((c.value.mean - c.value.prior) + self.caution * known)
    }
}

impl RecallPolicy for Utility {
    fn id(&self) -> &'static str {
        "utility"
    }

    fn version(&self) -> u32 {
        2
    }

    fn order(&self, _ctx: &Context, candidates: &[Candidate]) -> Vec<Scored> {
        order_by(candidates, |c| {
            let term = self.value_term(c);
            let likeness = c.likeness.unwrap_or(c.score);
            let note = format!(
                " = similarity {likeness:.3} {term:+.3} from value {:.2} (evidence {:.1})",
                c.value.mean, c.value.mass
            );
            (likeness + term, note)
        })
    }

    fn order_tersely(&self, _ctx: &Context, candidates: &[Candidate]) -> Vec<Scored> {
        tersely_by(candidates, |c| {
            c.likeness.unwrap_or(c.score) + self.value_term(c)
        })
    }
}
