//! `utility`: similarity blended with the learned value of the cell.

use super::{RecallPolicy, Scored, similarity::order_by};
use crate::{Candidate, Context};

/// `score = similarity + weight · ((mean − prior) − caution · (sd − sd₀))`.
///
/// The value term is zero for an untried cell. `sd = ½ / √(mass + n₀ + 1)` is the largest
/// standard deviation that a posterior with this mass can have and `sd₀` its value at mass 0,
/// so that knowing more never costs anything: at equal similarity an untried cell never outranks
/// one of its kind with only successes, whatever the prior.
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
        1
    }

    fn order(&self, _ctx: &Context, candidates: &[Candidate]) -> Vec<Scored> {
        order_by(candidates, |c| {
            let term = self.value_term(c);
            let note = format!(
                " = similarity {:.3} {term:+.3} from value {:.2} (evidence {:.1})",
                c.score, c.value.mean, c.value.mass
            );
            (c.score + term, note)
        })
    }
}
