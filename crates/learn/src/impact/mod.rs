//! Impact: what showing a memory does to how tasks end.
//!
//! | question | randomised by | here |
//! |---|---|---|
//! | what does this cell do (or this type, scope, origin)? | sticky hold-outs | [`impact()`], [`groups`] |
//! | the same of one cell, sooner | a [trial](crate::explore::Trial) of it | [`trial`] |
//! | does memory help at all? | the arm without memory | [`memory`] |
//!
//! The unit is the trajectory, or the pair (trajectory, cell): its coin is tossed once. Effects are always *showing minus withholding*, in the unit of the
//! metric, so a positive effect on tokens is a cost. What is assumed, and how many decisions each question takes, is in
//! `docs/impact.md`.
//!
//! It may not know stores, texts, clocks or policies: it reads [`crate::data::Logged`] decisions and features of cells.

mod cells;
mod estimate;
pub mod evalue;
mod exposure;
mod group;
mod linear;
pub mod memory;
mod outcome;
mod pool;
mod power;
pub(crate) mod stats;
pub mod trial;

pub use cells::{CellImpact, ImpactReport, Pooling, Verdict, impact};
pub use estimate::Estimate;
pub use exposure::{
    COVARIATE_NAMES, COVARIATES, Exposure, ExposureBuilder, ExposureCounts, Exposures, Metric,
};
pub use group::{By, GroupImpact, Reporting, groups};
pub use outcome::FOLDS;
pub use power::{Power, units_needed};

use std::collections::HashMap;

use memrl_types::{CellId, CellType, Origin};

/// What is known of a cell beyond its exposures.
#[derive(Debug, Clone, PartialEq)]
pub struct Traits {
    /// Its type.
    pub kind: CellType,
    /// Who its content came from.
    pub origin: Origin,
    /// Its scope, as it is printed.
    pub scope: String,
    /// Its learned value in [0, 1], if it has one.
    pub value: Option<f64>,
}

/// Traits by cell. Cells without (purged ones) are pooled with all.
pub type TraitsOf = HashMap<CellId, Traits>;

/// How impact is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImpactConfig {
    /// Confidence of the intervals, in (0, 1).
    pub confidence: f64,
    /// False discovery rate of "surely helps" and "surely harms" taken together, in (0, 1).
    pub false_discovery: f64,
    /// The effect that "about N more decisions" is said for, above 0, in the unit of the metric; `None`: 0.1, and for tokens and
    /// latency a tenth of their mean.
    pub effect: Option<f64>,
    /// What tokens and latency are capped at for the e-values, which need a bound; `None`: 100,000 tokens and 60 s. Effects and
    /// intervals are of the numbers as reported.
    pub cap: Option<f64>,
}

impl Default for ImpactConfig {
    fn default() -> Self {
        Self {
            confidence: 0.95,
            false_discovery: 0.05,
            effect: None,
            cap: None,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ImpactError {
    /// A setting is outside its range.
    #[error("{field} is {value}; it must be {wanted}")]
    BadConfig {
        /// The setting.
        field: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        wanted: &'static str,
    },
    /// Nothing in the log was withheld at random.
    #[error(
        "no trajectory had a cell withheld at random ({decisions} decisions read); set explore.epsilon above 0 (0.1 learns about \
         five times as fast as 0.02), and the log will be able to tell"
    )]
    NothingRandomised {
        /// Decisions read.
        decisions: u64,
    },
    /// There are coins, but no outcome.
    #[error(
        "{units} exposures, but no outcome says {metric}; report it (`memrl feedback`), or ask for another metric"
    )]
    NoOutcomes {
        /// Pairs of trajectory and cell.
        units: u64,
        /// The metric.
        metric: &'static str,
    },
    /// All trajectories were in one arm.
    #[error(
        "there is nothing to compare with: {with} trajectories with memory and {without} in the arm `none`; set \
         explore.none_share, e.g. to 0.1, to show a tenth of the trajectories no memory"
    )]
    NoControl {
        /// Trajectories with memory that could have been without.
        with: u64,
        /// Trajectories without memory that could have been with it.
        without: u64,
    },
    /// A probability or an outcome is not a number that it can be.
    #[error("exposure of cell {cell}: {what}")]
    BadNumber {
        /// The cell.
        cell: CellId,
        /// What is wrong.
        what: String,
    },
}

impl ImpactConfig {
    fn validate(&self) -> Result<(), ImpactError> {
        let share = |field, value: f64| {
            if value > 0.0 && value < 1.0 {
                return Ok(());
            }
            let wanted = "between 0 and 1";
            Err(ImpactError::BadConfig {
                field,
                value,
                wanted,
            })
        };
        share("confidence", self.confidence)?;
        share("false_discovery", self.false_discovery)?;
        for (field, value) in [("effect", self.effect), ("cap", self.cap)] {
            if let Some(value) = value.filter(|v| !(v.is_finite() && *v > 0.0)) {
                let wanted = "above 0";
                return Err(ImpactError::BadConfig {
                    field,
                    value,
                    wanted,
                });
            }
        }
        Ok(())
    }

    /// What outcomes are divided by, and then clipped to [0, 1], for the e-values.
    fn scale(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Success | Metric::Stale | Metric::Unsafe => 1.0,
            Metric::Tokens => self.cap.unwrap_or(100_000.0),
            Metric::Latency => self.cap.unwrap_or(60_000.0),
        }
    }
}
