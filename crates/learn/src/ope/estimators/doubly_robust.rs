//! Estimators with a reward model q̂, corrected by weighted residuals.
//!
//! ```text
//! DM         V = mean v                                  v(x) = Σₐ π(a | x) q̂(x, a)
//! DR         V = mean v + w (r − q̂)                      Dudík, Langford & Li 2011, eq. 2
//! Switch-DR  V = mean v + 1[w ≤ λ] w (r − q̂)             Wang, Agarwal & Dudík 2017, section 3.2
//! DR-os      V = mean v + λ w / (w² + λ) (r − q̂)         Su et al. 2020, eq. 8
//! ```
//!
//! DR is unbiased when either the propensities or the model are right, because Eμ\[w q̂\] = v: what the model says
//! too much on average is taken away again. Here the propensities are exact, so a bad model costs variance only. That
//! holds of a trajectory when its contexts do not depend on what was done earlier in it (`docs/evaluation.md`). Switch and
//! shrinkage trade the variance of large weights for some of the bias of DM.

use super::{Round, Term, Weighting};

/// The terms of DM, DR, Switch-DR and DR-os; `weights` has one weight per round.
pub(super) fn terms(rounds: &[Round], weights: &[f64], weighting: Weighting) -> Vec<Term> {
    let pairs = rounds.iter().zip(weights);
    pairs
        .map(|(round, &w)| {
            let correction = shrunk(w, weighting);
            // 0 · (r − q̂) is 0 even where the residual is large.
            Term {
                num: round.v + correction * (round.reward - round.q),
                den: 1.0,
            }
        })
        .collect()
}

/// The weight that the residual gets.
fn shrunk(w: f64, weighting: Weighting) -> f64 {
    match weighting {
        Weighting::Dm => 0.0,
        Weighting::SwitchDr { lambda } => {
            if w <= lambda {
                w
            } else {
                0.0
            }
        }
        Weighting::DrOs { lambda } if lambda.is_infinite() => w,
        // Also with λ = 0 and w = 0, where the quotient would be 0 / 0.
        Weighting::DrOs { .. } if w == 0.0 => 0.0,
        Weighting::DrOs { lambda } => lambda * w / (w * w + lambda),
        _ => w,
    }
}
