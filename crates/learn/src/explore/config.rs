//! How much is randomised.

use serde::{Deserialize, Serialize};

use super::Trial;

/// How much is randomised. The default withholds each soft cell of a slate from 2 % of the
/// trajectories and does nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExploreConfig {
    /// Probability ε that a soft cell is withheld from a trajectory, in [0, 0.5]. 0 turns
    /// hold-outs off.
    pub epsilon: f64,
    /// Share s of the trajectories of an arm whose slates are drawn, in [0, 1]. 0 turns it off.
    pub sampled_share: f64,
    /// Temperature of the draws, in [0.001, 1000].
    pub temperature: f64,
    /// Share of trajectories of the canary policy, in [0, 1].
    pub canary_share: f64,
    /// Share of trajectories of the former incumbent, in [0, 1].
    pub control_share: f64,
    /// Share of trajectories of the control arm without memory, in [0, 1].
    pub none_share: f64,
    /// Salt of all hashed coins.
    pub salt: u64,
    /// The cell on trial, if any: its own probability of being withheld takes the place of ε.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
}

impl Default for ExploreConfig {
    fn default() -> Self {
        Self {
            epsilon: 0.02,
            sampled_share: 0.0,
            temperature: 0.1,
            canary_share: 0.0,
            control_share: 0.0,
            none_share: 0.0,
            salt: 0,
            trial: None,
        }
    }
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number is outside its range, or not finite.
    #[error("{field} is {value}; it must be in [{low}, {high}]")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// Its value.
        value: f64,
        /// The smallest value allowed.
        low: f64,
        /// The largest value allowed.
        high: f64,
    },
    /// The shares of the other arms leave nothing for the incumbent.
    #[error("canary_share + control_share + none_share is {sum}; it must be at most 1")]
    SharesExceedOne {
        /// Their sum.
        sum: f64,
    },
    /// A canary share without a canary policy.
    #[error("canary_share is {share}, but there is no canary policy")]
    NoCanary {
        /// The share.
        share: f64,
    },
    /// A control share without a control policy.
    #[error("control_share is {share}, but there is no control policy")]
    NoControl {
        /// The share.
        share: f64,
    },
}

impl ExploreConfig {
    /// Nothing randomised: every propensity is exactly 1.
    pub fn off() -> Self {
        Self {
            epsilon: 0.0,
            ..Self::default()
        }
    }

    /// Checks the ranges and that the shares leave something, or nothing, for the incumbent.
    pub fn validate(&self, has_canary: bool, has_control: bool) -> Result<(), ConfigError> {
        for (field, value, low, high) in [
            ("epsilon", self.epsilon, 0.0, 0.5),
            ("sampled_share", self.sampled_share, 0.0, 1.0),
            ("temperature", self.temperature, 0.001, 1000.0),
            ("canary_share", self.canary_share, 0.0, 1.0),
            ("control_share", self.control_share, 0.0, 1.0),
            ("none_share", self.none_share, 0.0, 1.0),
            ("trial.p", self.trial.map_or(0.0, |t| t.p), 0.0, 0.5),
        ] {
            // Also refuses NaN.
            if !(low..=high).contains(&value) {
                return Err(ConfigError::OutOfRange {
                    field,
                    value,
                    low,
                    high,
                });
            }
        }
        let sum = self.canary_share + self.control_share + self.none_share;
        if sum > 1.0 {
            return Err(ConfigError::SharesExceedOne { sum });
        }
        if self.canary_share > 0.0 && !has_canary {
            return Err(ConfigError::NoCanary {
                share: self.canary_share,
            });
        }
        if self.control_share > 0.0 && !has_control {
            return Err(ConfigError::NoControl {
                share: self.control_share,
            });
        }
        Ok(())
    }
}
