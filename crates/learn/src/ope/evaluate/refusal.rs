//! When nothing can be said, and what to log so that something can.

use serde::{Deserialize, Serialize};

use super::EvaluateConfig;
use crate::ope::{intervals::moments, log::Evidence};

/// Share of trajectories with a propensity of zero that is taken for accidents.
const ACCIDENTS: f64 = 0.01;

/// Why there is no report. The text says what to log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// The reward spec has no bounds.
    #[error(
        "the reward is not bounded, so no bound holds for it: use a reward spec with bounds, such as bounded_v1"
    )]
    UnboundedReward,
    /// A setting is out of its range.
    #[error("{field} must be {wanted}")]
    BadConfig {
        /// Which one.
        field: String,
        /// What it must be.
        wanted: String,
    },
    /// What was done has the logged probability zero.
    #[error(
        "{trajectories} of {of} trajectories have a logged probability of zero for what was done, so the log is not one of what its policies did; \
         log decisions through memrl, with their propensities"
    )]
    ZeroPropensities {
        /// How many.
        trajectories: u64,
        /// Of how many.
        of: u64,
    },
    /// Too few trajectories.
    #[error("{have} trajectories with an outcome, and at least {need} are needed: log about {} more", need - have)]
    TooFewTrajectories {
        /// How many there are.
        have: u64,
        /// How many it takes.
        need: u64,
    },
    /// Most outcomes are missing.
    #[error(
        "{missing} of {of} trajectories have no outcome, so those that have one are a selection: report an outcome for at least {:.0} % of the trajectories",
        100.0 * (1.0 - max)
    )]
    MostlyMissing {
        /// How many have none.
        missing: u64,
        /// Of how many.
        of: u64,
        /// The largest share allowed.
        max: f64,
    },
    /// A reward is not a finite number.
    #[error(
        "the reward of trajectory {trajectory} is not a finite number: check what was reported for it, and the reward spec"
    )]
    BadReward {
        /// Its index.
        trajectory: u32,
    },
    /// A reward is outside the bounds of the spec.
    #[error(
        "the reward {reward} of trajectory {trajectory} is outside the bounds {low} to {high} of the reward spec"
    )]
    RewardOutOfBounds {
        /// Its index.
        trajectory: u32,
        /// Its reward.
        reward: f64,
        /// The least.
        low: f64,
        /// The largest.
        high: f64,
    },
    /// The log has one action only.
    #[error(
        "every slate in the log was certain, so it says nothing about any other: set explore.sampled_share above 0 (or canary_share, with the policy as canary) and log at least {need} trajectories"
    )]
    DeterministicLog {
        /// How many it takes.
        need: u64,
    },
    /// Nothing in the log is anything that the policy would do.
    #[error(
        "none of {n} trajectories is one that this policy could have made: raise explore.sampled_share, evaluate its drawn slates instead of its greedy ones, or try it as a canary"
    )]
    NoOverlap {
        /// Trajectories.
        n: u64,
    },
    /// Too much of what the policy would do is not in the log.
    #[error(
        "the log could have shown about {:.0} % of what this policy would do, and {:.0} % are needed: raise explore.sampled_share or explore.temperature, or try it as a canary",
        100.0 * coverage, 100.0 * need
    )]
    LowCoverage {
        /// The share.
        coverage: f64,
        /// The share needed.
        need: f64,
    },
    /// Too few effective trajectories.
    #[error(
        "{n} trajectories are worth {n_eff:.0} of this policy's own, and {need:.0} are needed: log about {more} more like these, raise explore.temperature, or try it as a canary"
    )]
    LowEffective {
        /// Trajectories.
        n: u64,
        /// Their effective number.
        n_eff: f64,
        /// The effective number needed.
        need: f64,
        /// Trajectories to log.
        more: u64,
    },
}

impl Refusal {
    /// The codes of all refusals.
    pub const CODES: [&'static str; 11] = [
        "unbounded_reward",
        "bad_config",
        "zero_propensities",
        "too_few_trajectories",
        "mostly_missing",
        "bad_reward",
        "reward_out_of_bounds",
        "deterministic_log",
        "no_overlap",
        "low_coverage",
        "low_effective",
    ];

    /// Its code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnboundedReward => "unbounded_reward",
            Self::BadConfig { .. } => "bad_config",
            Self::ZeroPropensities { .. } => "zero_propensities",
            Self::TooFewTrajectories { .. } => "too_few_trajectories",
            Self::MostlyMissing { .. } => "mostly_missing",
            Self::BadReward { .. } => "bad_reward",
            Self::RewardOutOfBounds { .. } => "reward_out_of_bounds",
            Self::DeterministicLog { .. } => "deterministic_log",
            Self::NoOverlap { .. } => "no_overlap",
            Self::LowCoverage { .. } => "low_coverage",
            Self::LowEffective { .. } => "low_effective",
        }
    }
}

/// Answers the bounds of the reward, or why there can be no report.
pub(super) fn check(evidence: &Evidence, config: &EvaluateConfig) -> Result<(f64, f64), Refusal> {
    let (low, high) = config.bounds.ok_or(Refusal::UnboundedReward)?;
    settings(config, (low, high))?;
    let n = evidence.units.len() as u64;
    let zero = evidence.zero_propensity;
    if zero as f64 > ACCIDENTS * (n + zero) as f64 {
        return Err(Refusal::ZeroPropensities {
            trajectories: zero,
            of: n + zero,
        });
    }
    let need = config.min_trajectories as u64;
    let too_few = |have| (have < need).then_some(Refusal::TooFewTrajectories { have, need });
    let reported = || evidence.units.iter().filter(|u| u.reported);
    let have = reported().count() as u64;
    too_few(n).map_or(Ok(()), Err)?;
    if (n - have) as f64 > config.max_missing * n as f64 {
        return Err(Refusal::MostlyMissing {
            missing: n - have,
            of: n,
            max: config.max_missing,
        });
    }
    too_few(have).map_or(Ok(()), Err)?;
    for unit in reported() {
        let (trajectory, reward) = (unit.trajectory, unit.round.reward);
        if !reward.is_finite() {
            return Err(Refusal::BadReward { trajectory });
        }
        if !(low..=high).contains(&reward) {
            return Err(Refusal::RewardOutOfBounds {
                trajectory,
                reward,
                low,
                high,
            });
        }
    }
    if reported().all(|u| u.round.logging > -1e-12) {
        return Err(Refusal::DeterministicLog { need });
    }
    support(evidence, config)?;
    Ok((low, high))
}

fn settings(config: &EvaluateConfig, (low, high): (f64, f64)) -> Result<(), Refusal> {
    let inside = |x: f64| x > 0.0 && x < 1.0;
    let share = |x: f64| (0.0..=1.0).contains(&x);
    let good = |x: f64| x > 0.0 && x.is_finite();
    for (field, ok, wanted) in [
        (
            "bounds",
            low.is_finite() && high.is_finite() && low < high,
            "two finite numbers in order",
        ),
        ("level", inside(config.level), "between 0 and 1"),
        ("delta", inside(config.delta), "between 0 and 1"),
        ("clip", good(config.clip), "above 0"),
        ("lambda", good(config.lambda), "above 0"),
        ("min_coverage", share(config.min_coverage), "in [0, 1]"),
        ("max_missing", share(config.max_missing), "in [0, 1]"),
        ("unsafe_margin", share(config.unsafe_margin), "in [0, 1]"),
        (
            "reporting_margin",
            share(config.reporting_margin),
            "in [0, 1]",
        ),
    ] {
        if !ok {
            return Err(Refusal::BadConfig {
                field: field.to_owned(),
                wanted: wanted.to_owned(),
            });
        }
    }
    Ok(())
}

/// Whether the log shows enough of what the policy would do.
fn support(evidence: &Evidence, config: &EvaluateConfig) -> Result<(), Refusal> {
    let reported = evidence.units.iter().filter(|u| u.reported);
    let w: Vec<f64> = reported.map(|u| u.round.weight()).collect();
    let n = w.len() as u64;
    let (mean, variance) = moments(&w);
    if mean <= 0.0 {
        return Err(Refusal::NoOverlap { n });
    }
    // The mean weight is the share that the log could have shown; what is within two of its standard errors is not held against it.
    let se = (variance / n as f64).sqrt();
    if mean + 2.0 * se < config.min_coverage {
        return Err(Refusal::LowCoverage {
            coverage: mean,
            need: config.min_coverage,
        });
    }
    let n_eff = w.iter().sum::<f64>().powi(2) / w.iter().map(|w| w * w).sum::<f64>();
    if n_eff < config.min_n_eff {
        return Err(Refusal::LowEffective {
            n,
            n_eff,
            need: config.min_n_eff,
            more: (n as f64 * (config.min_n_eff / n_eff - 1.0)).ceil() as u64,
        });
    }
    Ok(())
}
