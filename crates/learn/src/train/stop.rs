//! How much to show: a logit of STOP for a policy that fills its budget, from the log alone.
//!
//! A ranking says what to show first, not when one more cell does more harm than good. The log knows: some trajectories were shown
//! more cells of low rank than others, because budgets differ, slates were drawn, or cells were held out. With nₖ the mean number of shown
//! soft cells per decision of a trajectory whose logit is in bin k (bins are deciles of the shown cells), and R its reward,
//!
//! ```text
//! R = c + Σₖ mₖ nₖ + noise          ridge regression, one observation per trajectory
//!
//! gain(k) = − Σ_{j < k} mⱼ n̄ⱼ       what leaving out the bins below k would have gained per decision; n̄ⱼ: mean over trajectories
//! ```
//!
//! mₖ is the marginal reward of one more cell of that rank. STOP is the lower edge of the bin k with the largest gain(k) − sd(gain(k)); where none is
//! above 0, there is no STOP: without evidence the budget is filled.
//!
//! **What it assumes.** That how many cells of low rank were shown does not depend on how hard the task is, other than through what is
//! randomised. Where budgets are chosen by difficulty, it does, and the answer is biased. Logits should come from models that have not
//! seen the trajectory (cross-fitted): in-sample logits of lucky slates are too high.
//!
//! The regression is that of Agrawal & Goyal 2013 (see [`super::thompson`]). It may not know how logits come about.

use super::thompson::{Posterior, PosteriorError};
use crate::data::{Dataset, Logged};

/// Bins.
const BINS: usize = 10;
/// Ridge of the regression; small against any number of trajectories that is worth a regression.
const RIDGE: f64 = 1e-2;
/// Trajectories that it takes at least.
pub const NEED: usize = 50;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Stop {
    /// The logit of STOP; `None`: fill the budget.
    pub logit: Option<f32>,
    /// What it is expected to gain per decision of the log, in units of reward; 0 without a STOP.
    pub gain: f64,
    /// The standard deviation of that.
    pub sd: f64,
    /// Of each bin, its lower edge and mₖ, the lowest bin first (its edge is −∞).
    pub bins: Vec<(f64, f64)>,
}

/// Looks for a STOP. `logits` answers one logit per candidate. `None` with fewer than [`NEED`] trajectories that have a
/// reward and show something.
pub fn fit(
    data: &Dataset,
    logits: &dyn Fn(&Logged) -> Vec<f64>,
) -> Result<Option<Stop>, PosteriorError> {
    let shown: Vec<(usize, f64, Vec<f64>)> = (data.decisions.iter())
        .filter_map(|d| {
            let all = logits(d);
            let soft = d.shown().into_iter().filter(|&i| !d.items[i].critical);
            let soft = soft.map(|i| all[i]).filter(|l| l.is_finite());
            Some((d.trajectory as usize, d.reward?, soft.collect()))
        })
        .collect();
    let mut sorted: Vec<f64> = shown.iter().flat_map(|s| &s.2).copied().collect();
    sorted.sort_by(f64::total_cmp);
    if sorted.is_empty() {
        return Ok(None);
    }
    let edges: Vec<f64> = (1..BINS).map(|k| sorted[k * sorted.len() / BINS]).collect();

    // One observation per trajectory: (1, n₁ … n_K) and the reward.
    let mut units = vec![([0.0; BINS + 1], 0.0); data.trajectories.len()];
    for (trajectory, reward, soft) in &shown {
        let (z, sum) = &mut units[*trajectory];
        z[0] += 1.0;
        *sum += reward;
        for logit in soft {
            z[1 + edges.partition_point(|e| e <= logit)] += 1.0;
        }
    }
    units.retain(|(z, _)| z[0] > 0.0);
    for (z, sum) in &mut units {
        let decisions = z[0];
        for x in z.iter_mut() {
            *x /= decisions;
        }
        *sum /= decisions;
    }
    if units.len() < NEED {
        return Ok(None);
    }
    let mut posterior = Posterior::new(BINS + 1, RIDGE, 1.0);
    for (z, reward) in &units {
        posterior.observe(z, *reward)?;
    }
    let effects = posterior.mean()?;
    let dot = |z: &[f64]| z.iter().zip(&effects).map(|(a, b)| a * b).sum::<f64>();
    let n = units.len() as f64;
    let squares: f64 = units.iter().map(|(z, r)| (r - dot(z)).powi(2)).sum();
    let noise = (squares / (n - BINS as f64 - 1.0).max(1.0)).sqrt();

    let mut found = Stop {
        logit: None,
        gain: 0.0,
        sd: 0.0,
        bins: (0..BINS)
            .map(|k| {
                let edge = k.checked_sub(1).map_or(f64::NEG_INFINITY, |e| edges[e]);
                (edge, effects[1 + k])
            })
            .collect(),
    };
    let mut left_out = [0.0; BINS + 1];
    for (k, edge) in edges.iter().enumerate() {
        left_out[1 + k] = -units.iter().map(|(z, _)| z[1 + k]).sum::<f64>() / n;
        let (gain, sd) = (
            dot(&left_out),
            noise * posterior.variance(&left_out)?.sqrt(),
        );
        if gain - sd > found.gain - found.sd {
            (found.logit, found.gain, found.sd) = (Some(*edge as f32), gain, sd);
        }
    }
    Ok(Some(found))
}
