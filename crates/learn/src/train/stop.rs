//! How much to show: a logit of STOP for a policy that fills its budget, from the log alone.
//!
//! A ranking says what to show first, not when one more cell does more harm than good. The log knows: some trajectories were shown
//! more than others, because budgets differ, slates were drawn, or cells were held out. With S the mean P(success) of a trajectory's
//! slates under a model that has not seen it, n the mean number of their soft cells, and R its reward,
//!
//! ```text
//! R − a·S = c + m·n + noise          ridge regression, one observation per trajectory; a: slope of R on reported success
//!
//! m̃ = m · max(0, 1 − var(m) / m²)
//!
//! gain(t) = a·(S̄_t − S̄) + m̃·(n̄_t − n̄)       S̄, n̄: of the slates that the ranking would show in the log's decisions;
//!                                           S̄_t, n̄_t: the same without the cells whose logit is below t
//! ```
//!
//! a turns success into reward, m is what one more cell brings or costs that the model of success does not see: distraction, tokens,
//! outdated and unsafe memories. A cell at the end of a slate adds little to S, and costs m like every other. STOP is the t, among the
//! quantiles of the logits shown, with the largest gain; where none is above 0, there is no STOP and the budget is filled.
//!
//! One slope can be told from noise in logs where ten (one per decile of the logits) cannot: those stopped far too early on some logs of
//! 180 trajectories. a is not fitted to R and S together, because S is itself an estimate: its noise would pull a toward 0 and below. m̃ is m
//! shrunk by its own uncertainty (the nonnegative garrote of one slope, with its variance as the penalty: Breiman 1995): what cannot be told from noise
//! moves nothing, so few data do little harm.
//!
//! **What it assumes.** That how many cells were shown does not depend on how hard the task is, other than through what is
//! randomised or what S sees. Where budgets are chosen by difficulty, it does, and the answer is biased. Scores come from models that have not
//! seen the trajectory (cross-fitted), since in-sample scores of lucky slates are too high; without such models there is no STOP.
//!
//! The regression is that of Agrawal & Goyal 2013 (see [`super::thompson`]). It may not know how scores are learned.

use super::credit::Credit;
use super::thompson::{Posterior, PosteriorError};
use crate::data::{Dataset, Logged};
use crate::select::Room;

/// Candidates for STOP: quantiles of the logits shown.
const QUANTILES: usize = 40;
/// Ridge of the regression; small against any number of trajectories that is worth a regression.
const RIDGE: f64 = 1e-2;
/// Trajectories that it takes at least.
pub const NEED: usize = 50;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stop {
    /// The logit of STOP; `None`: fill the budget.
    pub logit: Option<f32>,
    /// What it is expected to gain per decision of the log, in units of reward; 0 without a STOP.
    pub gain: f64,
    /// The standard deviation of that.
    pub sd: f64,
    /// a: reward per unit of predicted success.
    pub per_success: f64,
    /// m: reward per cell shown, beyond that.
    pub per_cell: f64,
}

/// One decision with a reward.
struct Seen {
    /// Logits of the soft cells that the ranking would show, in its order (descending).
    soft: Vec<f64>,
    /// P(success) of its first 0, 1, … cells, the critical ones always in front.
    p: Vec<f64>,
}

/// Looks for a STOP of the policy of `fitted`, which learned from `data`. `None` with fewer than [`NEED`] trajectories that have a reward
/// and a model that has not seen them, and where reported success does not vary.
pub fn fit(data: &Dataset, fitted: &Credit) -> Result<Option<Stop>, PosteriorError> {
    // Of each trajectory: decisions, ΣS, Σn, Σ reward, as they were logged.
    let mut units = vec![[0.0f64; 4]; data.trajectories.len()];
    let (mut seen, mut own) = (Vec::new(), Vec::new());
    for d in &data.decisions {
        let name = &data.trajectories[d.trajectory as usize];
        let Some(reward) = d.reward.filter(|_| fitted.is_out_of_sample(name)) else {
            continue;
        };
        let model = fitted.for_trajectory(name);
        let scores = model.scores(&d.features);
        let shown = d.shown();
        let n = shown.iter().filter(|&&i| !d.items[i].critical).count();
        let s = model.p_success(&scores, &shown);
        let unit = &mut units[d.trajectory as usize];
        for (sum, x) in unit.iter_mut().zip([1.0, s, n as f64, reward]) {
            *sum += x;
        }
        let logits = model.logits(&d.features);
        let (critical, soft) = ahead(d, &logits);
        let mut slate = critical;
        let mut p = vec![model.p_success(&scores, &slate)];
        for &i in &soft {
            slate.push(i);
            p.push(model.p_success(&scores, &slate));
        }
        seen.push(Seen {
            soft: soft.into_iter().map(|i| logits[i]).collect(),
            p,
        });
        let logits = fitted.model.logits(&d.features);
        own.extend(ahead(d, &logits).1.into_iter().map(|i| logits[i]));
    }
    units.retain(|u| u[0] > 0.0);
    if units.len() < NEED {
        return Ok(None);
    }
    let Some(per_success) = slope(data) else {
        return Ok(None);
    };
    let mut posterior = Posterior::new(2, RIDGE, 1.0);
    let rows: Vec<([f64; 2], f64)> = (units.iter())
        .map(|u| ([1.0, u[2] / u[0]], (u[3] - per_success * u[1]) / u[0]))
        .collect();
    for (z, rest) in &rows {
        posterior.observe(z, *rest)?;
    }
    let beta = posterior.mean()?;
    let dot = |z: &[f64; 2]| z.iter().zip(&beta).map(|(a, b)| a * b).sum::<f64>();
    let squares: f64 = rows.iter().map(|(z, r)| (r - dot(z)).powi(2)).sum();
    let noise = (squares / (rows.len() as f64 - 2.0)).sqrt();

    let cell = beta[1];
    let variance = noise * noise * posterior.variance(&[0.0, 1.0])?;
    let believed = cell * (1.0 - variance / (cell * cell)).max(0.0);

    let mut found = Stop {
        logit: None,
        gain: 0.0,
        sd: 0.0,
        per_success,
        per_cell: cell,
    };
    let mut all: Vec<f64> = seen.iter().flat_map(|s| &s.soft).copied().collect();
    all.sort_by(f64::total_cmp);
    own.sort_by(f64::total_cmp);
    for k in 1..QUANTILES {
        let Some(&t) = all.get(k * all.len() / QUANTILES) else {
            break;
        };
        let (mut success, mut more) = (0.0, 0.0);
        for s in &seen {
            let kept = s.soft.partition_point(|l| *l >= t);
            success += s.p[kept] - s.p[s.soft.len()];
            more -= (s.soft.len() - kept) as f64;
        }
        let decisions = seen.len() as f64;
        let (success, more) = (success / decisions, more / decisions);
        let gain = per_success * success + believed * more;
        let sd = more.abs() * variance.sqrt();
        if gain > found.gain {
            // Models of folds differ in scale: the same quantile of the policy's own logits.
            let Some(stop) = own.get(k * own.len() / QUANTILES) else {
                break;
            };
            (found.logit, found.gain, found.sd) = (Some(*stop as f32), gain, sd);
        }
    }
    Ok(Some(found))
}

/// What a ranking would show within the budget of this decision: the critical cells, and the others, best first.
fn ahead(d: &Logged, logits: &[f64]) -> (Vec<usize>, Vec<usize>) {
    let mut room = Room::of(&d.context);
    let (mut critical, mut soft): (Vec<usize>, Vec<usize>) = (0..d.items.len())
        .filter(|&i| !d.items[i].masked && logits[i].is_finite())
        .partition(|&i| d.items[i].critical);
    critical.retain(|&i| room.take(d.items[i].cost, true));
    soft.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    soft.retain(|&i| room.take(d.items[i].cost, false));
    (critical, soft)
}

/// a: the slope of the reward on the success that was reported; `None` where success does not vary.
fn slope(data: &Dataset) -> Option<f64> {
    let known: Vec<(f64, f64)> = (data.decisions.iter())
        .filter_map(|d| Some((d.signals.success?, d.reward?)))
        .collect();
    let n = known.len() as f64;
    let mean = |f: fn(&(f64, f64)) -> f64| known.iter().map(f).sum::<f64>() / n;
    let (y, r) = (mean(|k| k.0), mean(|k| k.1));
    let variance: f64 = known.iter().map(|k| (k.0 - y).powi(2)).sum();
    let covariance: f64 = known.iter().map(|k| (k.0 - y) * (k.1 - r)).sum();
    (variance > 0.0).then(|| covariance / variance)
}
