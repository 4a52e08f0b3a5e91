//! Does memory help at all? The arm without memory answers.
//!
//! Trajectories are assigned to the arm `none` with a known share, by a coin that has nothing to do with the task. So the
//! difference of means between the others and this arm is the effect of memory on those who were in the experiment:
//!
//! ```text
//! τ̂ = Σ y (1−d)/(1−q) / Σ (1−d)/(1−q)  −  Σ y d/q / Σ d/q       d = in the arm `none`, q = its share
//! ```
//!
//! with the share that was in force when the trajectory began (weights are all equal while it does not change), variances of
//! both arms, and Student's t with Welch's degrees of freedom. "Without memory" still shows critical constraints. "With memory" is what the other arms
//! do together, hold-outs included.
//!
//! **An arm in which everybody fared the same** has no variance, and is no less uncertain for it: nobody of 48 came to harm, yet the next one may. So
//! in the variances of metrics in [0, 1], each arm has one more trajectory at 0 and one more at 1 (Agresti & Caffo 2000, for
//! differences of proportions; the estimate itself is not moved); for others, an arm is never less variable per trajectory than a tenth of the
//! other one.
//!
//! It may not know policies or cells.

use std::collections::BTreeMap;

use serde::Serialize;

use super::estimate::Estimate;
use super::exposure::Metric;
use super::stats::two_sided;
use super::{ImpactConfig, ImpactError};
use crate::data::Logged;
use crate::ope::intervals::quantile;

/// The effect of memory on one metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemoryEffect {
    /// The metric.
    pub metric: Metric,
    /// Trajectories with memory that reported it.
    pub with: u64,
    /// Trajectories without memory that reported it.
    pub without: u64,
    /// Mean with memory, per trajectory.
    pub mean_with: f64,
    /// Mean without memory, per trajectory.
    pub mean_without: f64,
    /// With minus without; `None` before each arm has two trajectories that reported.
    pub effect: Option<Estimate>,
    /// Two-sided p-value for the shares of trajectories that reported it being the same in both arms. A small one says that outcomes are
    /// missing for a reason, and that the difference is not to be trusted.
    pub reporting_p: f64,
}

/// Whether memory helps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemoryReport {
    /// Trajectories in the experiment, with memory.
    pub with: u64,
    /// Trajectories in the experiment, without.
    pub without: u64,
    /// Trajectories that could not have been in both arms (no arm `none` at the time, or exploration off): left out.
    pub outside: u64,
    /// One per metric that anybody reported, in the order of [`Metric::ALL`].
    pub effects: Vec<MemoryEffect>,
}

/// One trajectory.
#[derive(Debug, Clone, Default)]
struct Trajectory {
    without: bool,
    /// Share of the arm `none` when it began.
    share: f64,
    reports: [Vec<f64>; Metric::ALL.len()],
}

/// Builds a [`MemoryReport`] from a log, one decision after the other.
#[derive(Debug, Default)]
pub struct MemoryBuilder {
    trajectories: BTreeMap<u32, Trajectory>,
}

impl MemoryBuilder {
    /// Reads one decision. Those of a trajectory come in their order.
    pub fn push(&mut self, decision: &Logged) {
        let trajectory = self
            .trajectories
            .entry(decision.trajectory)
            .or_insert_with(|| {
                let arms = decision.propensity.components.iter();
                Trajectory {
                    without: decision.arm == "none",
                    share: arms.filter(|c| c.arm == "none").map(|c| c.weight).sum(),
                    ..Trajectory::default()
                }
            });
        for (metric, reports) in Metric::ALL.iter().zip(&mut trajectory.reports) {
            reports.extend(metric.of(&decision.signals));
        }
    }

    /// Compares the arms; refuses when there is nothing to compare.
    pub fn finish(self, config: &ImpactConfig) -> Result<MemoryReport, ImpactError> {
        config.validate()?;
        let all = self.trajectories.len();
        let inside: Vec<&Trajectory> = (self.trajectories.values())
            .filter(|t| t.share > 0.0 && t.share < 1.0)
            .collect();
        let without = inside.iter().filter(|t| t.without).count() as u64;
        let with = inside.len() as u64 - without;
        if with == 0 || without == 0 {
            return Err(ImpactError::NoControl { with, without });
        }
        let effects = (Metric::ALL.iter().enumerate())
            .filter_map(|(k, &metric)| compare(metric, k, &inside, (with, without), config))
            .collect();
        Ok(MemoryReport {
            with,
            without,
            outside: all as u64 - inside.len() as u64,
            effects,
        })
    }
}

/// Smallest share of the other arm's variance per trajectory that an arm of an unbounded metric has.
const LEAST: f64 = 0.1;

/// Weighted mean of one arm, and the variance of that mean.
fn arm(units: &[(f64, f64)]) -> (f64, f64) {
    let total: f64 = units.iter().map(|(_, w)| w).sum();
    let mean = units.iter().map(|(y, w)| y * w).sum::<f64>() / total.max(1e-300);
    let n = units.len() as f64;
    let square: f64 = units.iter().map(|(y, w)| (w * (y - mean)).powi(2)).sum();
    let variance = square / (total * total).max(1e-300) * n / (n - 1.0).max(1.0);
    (mean, variance)
}

/// The variances of the means of both arms, as the module's documentation says.
fn variances(metric: Metric, a: &[(f64, f64)], b: &[(f64, f64)]) -> (f64, f64) {
    if metric.is_bounded() {
        let more = |units: &[(f64, f64)]| {
            let weight = units.iter().map(|(_, w)| w).sum::<f64>() / units.len().max(1) as f64;
            let mut all = units.to_vec();
            all.extend([(0.0, weight), (1.0, weight)]);
            arm(&all).1
        };
        return (more(a), more(b));
    }
    let (va, vb) = (arm(a).1, arm(b).1);
    let (na, nb) = (a.len() as f64, b.len() as f64);
    (
        va.max(LEAST * vb * nb / na.max(1.0)),
        vb.max(LEAST * va * na / nb.max(1.0)),
    )
}

fn compare(
    metric: Metric,
    at: usize,
    inside: &[&Trajectory],
    (with, without): (u64, u64),
    config: &ImpactConfig,
) -> Option<MemoryEffect> {
    let side = |want: bool| -> Vec<(f64, f64)> {
        (inside.iter().filter(|t| t.without == want))
            .filter_map(|t| {
                let y = metric.fold(t.reports[at].iter().copied())?;
                let p = if want { t.share } else { 1.0 - t.share };
                Some((y, 1.0 / p))
            })
            .collect()
    };
    let (a, b) = (side(false), side(true));
    if a.is_empty() && b.is_empty() {
        return None;
    }
    let ((mean_with, _), (mean_without, _)) = (arm(&a), arm(&b));
    let (va, vb) = variances(metric, &a, &b);
    let (na, nb) = (a.len() as f64, b.len() as f64);
    let effect = (na > 1.0 && nb > 1.0).then(|| {
        let variance = va + vb;
        // Welch (1947).
        let spread = va * va / (na - 1.0) + vb * vb / (nb - 1.0);
        let df = if spread > 0.0 {
            (variance * variance / spread).max(1.0)
        } else {
            1.0
        };
        let reach = quantile::student_t(0.5 + 0.5 * config.confidence, df);
        Estimate::with_quantile(mean_with - mean_without, variance.sqrt(), reach).on(metric)
    });
    let (pa, pb) = (na / with as f64, nb / without as f64);
    let common = (na + nb) / (with + without) as f64;
    let se = (common * (1.0 - common) * (1.0 / with as f64 + 1.0 / without as f64)).sqrt();
    Some(MemoryEffect {
        metric,
        with: a.len() as u64,
        without: b.len() as u64,
        mean_with,
        mean_without,
        effect,
        reporting_p: if se > 0.0 {
            two_sided((pa - pb) / se)
        } else {
            1.0
        },
    })
}
