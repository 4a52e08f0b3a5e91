//! Exposures: which trajectories wanted a cell, whether they got it, and how they ended.
//!
//! The unit is the pair (trajectory, cell). Its coin was tossed at the first decision of the trajectory whose
//! greedy slate wanted the cell, so everything is taken as of that decision: the probability of being shown is that of this
//! first decision, covariates are what was known then, and the outcome is what was reported for this and the later
//! decisions of the trajectory. What happens afterwards (the cell is deleted, ε is changed) changes no
//! unit: the effect is that of the assignment (intention to treat).

use std::collections::{HashMap, HashSet};

use memrl_types::{CellId, ExploreMode};
use serde::{Deserialize, Serialize};

use crate::data::{Logged, Signals};
use crate::explore::Trial;

/// Number of covariates of an exposure.
pub const COVARIATES: usize = 5;

/// Their names. All were known before the coin was tossed; outcomes of the same trajectory are not among
/// them, because a report about a whole task, wherever it is attached, already contains the effect.
pub const COVARIATE_NAMES: [&str; COVARIATES] = [
    "score of the cell",
    "mean score of the cells wanted",
    "ln(1 + cells wanted)",
    "ln(1 + candidates)",
    "ln(1 + step)",
];

/// What an effect is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Success, in [0, 1]: the mean of what was reported. More is better.
    Success,
    /// Whether an outdated memory misled the agent: 1 when any report says so. Less is better.
    Stale,
    /// Whether an unsafe action happened: 1 when any report says so. Less is better.
    Unsafe,
    /// Tokens spent: the sum. Less is better.
    Tokens,
    /// Time spent, in milliseconds: the sum. Less is better.
    Latency,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Success,
        Self::Stale,
        Self::Unsafe,
        Self::Tokens,
        Self::Latency,
    ];

    /// Its name: `success`, `stale`, `unsafe`, `tokens`, `latency`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Stale => "stale",
            Self::Unsafe => "unsafe",
            Self::Tokens => "tokens",
            Self::Latency => "latency",
        }
    }

    /// The metric of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.as_str() == name)
    }

    /// +1 where more is better, −1 where less is.
    pub const fn sign(self) -> f64 {
        match self {
            Self::Success => 1.0,
            _ => -1.0,
        }
    }

    /// Whether it lies in [0, 1] by its nature.
    pub const fn is_bounded(self) -> bool {
        !matches!(self, Self::Tokens | Self::Latency)
    }

    /// What one decision's signals say; `None` when nothing (finite) was reported.
    pub fn of(self, signals: &Signals) -> Option<f64> {
        let flag = |b: bool| f64::from(u8::from(b));
        let value = match self {
            Self::Success => signals.success.map(|y| y.clamp(0.0, 1.0)),
            Self::Stale => signals.stale.map(flag),
            Self::Unsafe => signals.unsafe_action.map(flag),
            Self::Tokens => signals.tokens.map(|x| x.max(0.0)),
            Self::Latency => signals.latency_ms.map(|x| x.max(0.0)),
        };
        value.filter(|y| y.is_finite())
    }

    /// The outcome of several decisions, from what each reported; `None` when none did.
    pub fn fold(self, reported: impl Iterator<Item = f64>) -> Option<f64> {
        let (mut n, mut sum, mut max) = (0.0, 0.0, f64::NEG_INFINITY);
        for y in reported {
            n += 1.0;
            sum += y;
            max = f64::max(max, y);
        }
        (n > 0.0).then(|| match self {
            Self::Success => sum / n,
            Self::Stale | Self::Unsafe => max,
            Self::Tokens | Self::Latency => sum,
        })
    }
}

/// One unit: a cell that a trajectory wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exposure {
    /// Index of the trajectory.
    pub trajectory: u32,
    /// The cell.
    pub cell: CellId,
    /// Whether it was shown; else the hold-out withheld it.
    pub shown: bool,
    /// Exact probability that it was shown, given the trajectory's arm, in (0, 1).
    pub p_shown: f64,
    /// Whether the probability was that of a trial of this cell.
    pub on_trial: bool,
    /// The outcome, in the unit of the metric; `None` while nothing was reported.
    pub y: Option<f64>,
    /// What was known before the coin was tossed: [`COVARIATE_NAMES`].
    pub covariates: [f32; COVARIATES],
}

/// What the exposures were made of, and what was left out and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExposureCounts {
    /// Decisions read.
    pub decisions: u64,
    /// Trajectories read.
    pub trajectories: u64,
    /// Units: pairs of a trajectory and a soft cell with a coin.
    pub units: u64,
    /// Units without an outcome.
    pub without_outcome: u64,
    /// Decisions where nothing was withheld at random (exploration was off).
    pub not_randomised: u64,
    /// Decisions whose slate was drawn: their probabilities are those of slates, not of hold-outs.
    pub drawn: u64,
    /// Decisions in the arm without memory.
    pub without_memory: u64,
    /// Decisions whose logged probability is explained neither by ε nor by a trial that was named.
    /// They are left out, because the probability of their cells is not known.
    pub unexplained: u64,
}

/// Units of a log, for one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposures {
    /// The metric.
    pub metric: Metric,
    /// The units, in the order of the log.
    pub units: Vec<Exposure>,
    /// What they were made of.
    pub counts: ExposureCounts,
}

/// Builds [`Exposures`] from a log, one decision after the other.
#[derive(Debug)]
pub struct ExposureBuilder {
    metric: Metric,
    trials: Vec<Trial>,
    units: Vec<(Exposure, u32)>,
    /// Cells that a trajectory wanted before.
    seen: HashSet<(u32, CellId)>,
    /// What the decisions of each trajectory reported, in order.
    reports: HashMap<u32, Vec<Option<f64>>>,
    counts: ExposureCounts,
}

impl ExposureBuilder {
    /// `trials` are all trials that were ever run. They need no dates: the logged probability of a decision
    /// tells whether one was in force.
    pub fn new(metric: Metric, trials: &[Trial]) -> Self {
        Self {
            metric,
            trials: trials.to_vec(),
            units: Vec::new(),
            seen: HashSet::new(),
            reports: HashMap::new(),
            counts: ExposureCounts::default(),
        }
    }

    /// Reads one decision. Those of a trajectory come in their order; trajectories may be mixed.
    pub fn push(&mut self, decision: &Logged) {
        self.counts.decisions += 1;
        let reports = self.reports.entry(decision.trajectory).or_default();
        let at = reports.len() as u32;
        reports.push(self.metric.of(&decision.signals));
        let mut is_shown = vec![false; decision.items.len()];
        for &i in &decision.slate {
            if let Some(shown) = is_shown.get_mut(i as usize) {
                *shown = true;
            }
        }
        let wanted: Vec<usize> = (0..decision.items.len())
            .filter(|&i| {
                let item = &decision.items[i];
                !item.critical && !item.masked && (is_shown[i] || item.held_out)
            })
            .collect();
        let coins = self.coins(decision, &wanted, &is_shown);
        let covariates = shared_covariates(decision, &wanted);
        for &i in &wanted {
            let item = &decision.items[i];
            // A cell that was wanted before has had its coin, or was shown for certain.
            if !self.seen.insert((decision.trajectory, item.cell)) {
                continue;
            }
            let Some(coins) = coins else { continue };
            let on_trial = coins.trial.is_some_and(|t| t.cell == item.cell);
            let withheld = match coins.trial {
                Some(trial) if on_trial => trial.p,
                _ => coins.epsilon,
            };
            if withheld <= 0.0 || withheld >= 1.0 {
                continue;
            }
            let mut own = covariates;
            own[0] = finite(item.score);
            let unit = Exposure {
                trajectory: decision.trajectory,
                cell: item.cell,
                shown: is_shown[i],
                p_shown: 1.0 - withheld,
                on_trial,
                y: None,
                covariates: own,
            };
            self.units.push((unit, at));
        }
    }

    /// Units so far.
    pub fn units(&self) -> usize {
        self.units.len()
    }

    /// The coins that were tossed for a decision; `None`, and counted, when there were none that are
    /// known.
    fn coins(&mut self, decision: &Logged, wanted: &[usize], is_shown: &[bool]) -> Option<Coins> {
        let skipped = match decision.mode {
            ExploreMode::Holdout => None,
            ExploreMode::Greedy => Some(&mut self.counts.not_randomised),
            ExploreMode::PlackettLuce => Some(&mut self.counts.drawn),
            ExploreMode::None => Some(&mut self.counts.without_memory),
        };
        if let Some(count) = skipped {
            *count += 1;
            return None;
        }
        let coins = self.explain(decision, wanted, is_shown);
        if coins.is_none() {
            self.counts.unexplained += 1;
        }
        coins
    }

    /// The coins under which the slate has the probability that was logged for the component that acted.
    fn explain(&self, decision: &Logged, wanted: &[usize], is_shown: &[bool]) -> Option<Coins> {
        let epsilon = decision.propensity.epsilon;
        let acted = (decision.propensity.components.iter())
            .find(|c| c.arm == decision.arm && c.mode == decision.mode)?;
        let logged = acted.log_probability?;
        let log_p = |trial: Option<Trial>| -> f64 {
            let factors = wanted.iter().map(|&i| {
                let cell = decision.items[i].cell;
                let p = trial.filter(|t| t.cell == cell).map_or(epsilon, |t| t.p);
                if is_shown[i] { (-p).ln_1p() } else { p.ln() }
            });
            factors.sum()
        };
        let fits = |trial| (log_p(trial) - logged).abs() <= 1e-9 * (1.0 + logged.abs());
        let mut of_cells = self.trials.iter().copied().filter(|t| {
            let on_trial = |&i: &usize| decision.items[i].cell == t.cell;
            wanted.iter().any(on_trial)
        });
        let trial = if fits(None) {
            None
        } else {
            Some(of_cells.find(|t| fits(Some(*t)))?)
        };
        Some(Coins { epsilon, trial })
    }

    /// The units, each with the outcome of its trajectory from its decision on.
    pub fn finish(mut self) -> Exposures {
        self.counts.trajectories = self.reports.len() as u64;
        self.counts.units = self.units.len() as u64;
        let mut units = Vec::with_capacity(self.units.len());
        // Units of one decision lie next to each other and share their outcome.
        let mut last = None;
        for (mut unit, at) in self.units {
            let place = (unit.trajectory, at);
            let y = match last {
                Some((known, y)) if known == place => y,
                _ => {
                    let reports = self.reports.get(&unit.trajectory);
                    let later = reports.map_or(&[][..], |all| &all[at as usize..]);
                    self.metric.fold(later.iter().flatten().copied())
                }
            };
            last = Some((place, y));
            unit.y = y;
            self.counts.without_outcome += u64::from(y.is_none());
            units.push(unit);
        }
        Exposures {
            metric: self.metric,
            units,
            counts: self.counts,
        }
    }
}

/// The coins of one decision.
#[derive(Debug, Clone, Copy)]
struct Coins {
    epsilon: f64,
    trial: Option<Trial>,
}

fn finite(x: f64) -> f32 {
    if x.is_finite() {
        x.clamp(-1e6, 1e6) as f32
    } else {
        0.0
    }
}

/// The covariates that all units of a decision share.
fn shared_covariates(decision: &Logged, wanted: &[usize]) -> [f32; COVARIATES] {
    let total: f64 = wanted
        .iter()
        .map(|&i| f64::from(finite(decision.items[i].score)))
        .sum();
    [
        0.0,
        finite(total / wanted.len().max(1) as f64),
        (wanted.len() as f32).ln_1p(),
        (decision.items.len() as f32).ln_1p(),
        (decision.step as f32).ln_1p(),
    ]
}
