//! Estimators that only weight: no reward model, no bias but that of clipping.
//!
//! ```text
//! IPS    V = (1/n) Σᵢ wᵢ rᵢ                    Horvitz & Thompson 1952
//! IPSλ   V = (1/n) Σᵢ min(wᵢ, λ) rᵢ            Ionides 2008; biased down for r ≥ 0
//! SNIPS  V = Σᵢ wᵢ rᵢ / Σᵢ wᵢ                  Swaminathan & Joachims 2015, "The self-normalized estimator", eq. 10
//! ```
//!
//! Eμ\[w r\] = Σₐ μ(a) · π(a)/μ(a) · r(a) = Σₐ π(a) r(a) wherever μ(a) > 0: IPS is unbiased when the log
//! could have shown everything that π would do, and otherwise counts the rest as reward 0. SNIPS cannot leave the
//! range of the rewards, and does not change when a constant is added to all of them; it is biased by O(1/n).

use super::{Round, Term, Weighting};

/// The terms of IPS and SNIPS; `weights` has one weight per round.
pub(super) fn terms(rounds: &[Round], weights: &[f64], weighting: Weighting) -> Vec<Term> {
    let clip = match weighting {
        Weighting::Ips { clip } => clip.unwrap_or(f64::INFINITY),
        _ => f64::INFINITY,
    };
    let normalised = weighting == Weighting::Snips;
    let pairs = rounds.iter().zip(weights);
    pairs
        .map(|(round, w)| Term {
            num: w.min(clip) * round.reward,
            den: if normalised { *w } else { 1.0 },
        })
        .collect()
}
