//! Which policy has which role now: kept with the data, so that every process acts alike.
//!
//! Knows names and shares; nothing of weights or evidence.

use serde::{Deserialize, Serialize};

use crate::{CellId, Error, Memory, Result, Timestamp};

/// Where the roles are kept.
const KEY: &str = "policy_roles";

/// The roles of policies.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Roles {
    /// The promoted policy (`name@version`); `None`: the ones of the settings (`recall.policy`,
    /// `sessions.policy`).
    pub incumbent: Option<String>,
    /// The policy on trial.
    pub canary: Option<Canary>,
    /// What a promoted policy is watched against.
    pub control: Option<Control>,
    /// The policy that says what it would have done and does nothing.
    pub shadow: Option<String>,
    /// Cells whose effect is being tried.
    pub trials: Vec<CellTrial>,
    /// Policies that were ever put on trial: the more are tried, the stronger each one's proof must be.
    pub tried: u32,
}

/// A policy on trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// `name@version`.
    pub policy: String,
    /// Share of the trajectories that it serves, in (0, 0.5].
    pub share: f64,
    /// Since when.
    pub since: Timestamp,
    /// The how many-th policy on trial it is, from 1.
    pub number: u32,
}

/// The former incumbent beside a promoted policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// `name@version`; `None`: the ones of the settings.
    pub policy: Option<String>,
    /// Share of the trajectories that it serves.
    pub share: f64,
    /// Since when: the promotion.
    pub since: Timestamp,
}

/// A cell whose effect is being tried: it is withheld more often than others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellTrial {
    /// The cell.
    pub cell: CellId,
    /// Probability that a trajectory which wants it does without it.
    pub withhold: f64,
    /// Since when.
    pub since: Timestamp,
    /// Stop after this many trajectories, whatever is known then.
    pub most: u64,
}

impl Memory {
    /// Which policy has which role now.
    pub fn roles(&self) -> Result<Roles> {
        Ok(match self.store.meta(KEY)? {
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| Error::format("policy roles", e.to_string()))?,
            None => Roles::default(),
        })
    }
}
