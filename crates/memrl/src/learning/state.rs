//! Which policy has which role now: kept with the data, so that every process acts alike.
//!
//! Knows names and shares; nothing of weights or evidence.

use serde::{Deserialize, Serialize};

use crate::live::private_file;
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
    /// Why it was promoted although no trial had proved it; `None`: one had, or none is promoted.
    pub forced: Option<String>,
    /// The policy on trial.
    pub canary: Option<Canary>,
    /// What a promoted policy is watched against.
    pub control: Option<Control>,
    /// The policy that says what it would have done and does nothing.
    pub shadow: Option<String>,
    /// The cell whose effect is being tried.
    pub trial: Option<CellTrial>,
    /// The cells that were tried before, with the probability that they were withheld with.
    pub tried_cells: Vec<(CellId, f64)>,
    /// Policies that were ever put on trial: the more are tried, the stronger each one's proof must be.
    pub tried: u32,
    /// Policies that were ever evaluated, in the order of the first time: each further one is judged more strictly.
    pub judged: Vec<String>,
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
    /// Whether a person promotes it: a proof does not do so by itself.
    #[serde(default)]
    pub hold: bool,
    /// Why it was put on trial whatever the log says about it; `None`: the log did not speak against it.
    #[serde(default)]
    pub forced: Option<String>,
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
    /// Why it had been promoted without a proof, if it had.
    #[serde(default)]
    pub forced: Option<String>,
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
    /// The labels of the policies in charge now: the promoted one, else those of the settings (of plain recalls, then of sessions
    /// where that is another one).
    pub fn in_charge(&self) -> Result<Vec<String>> {
        Ok(match self.roles()?.incumbent {
            Some(promoted) => vec![promoted],
            None => self.settled(),
        })
    }

    /// The labels of the policies of the settings.
    fn settled(&self) -> Vec<String> {
        let settings = [&self.config.recall.policy, &self.config.sessions.policy];
        let mut labels: Vec<String> = settings
            .iter()
            .filter_map(|name| self.policy_label(name).ok())
            .collect();
        labels.dedup();
        labels
    }

    /// A policy, or those of the settings, for people: `credit@1`, or `similarity@1 (in sessions utility@2)`.
    pub(super) fn who(&self, promoted: Option<&str>) -> String {
        match (promoted, self.settled().as_slice()) {
            (Some(label), _) => label.to_owned(),
            (None, [all]) => all.clone(),
            (None, [recalls, sessions, ..]) => format!("{recalls} (in sessions {sessions})"),
            (None, []) => "the policy of the settings".to_owned(),
        }
    }

    /// Which policy has which role now.
    pub fn roles(&self) -> Result<Roles> {
        Ok(match self.store.meta(KEY)? {
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| Error::format("policy roles", e.to_string()))?,
            None => Roles::default(),
        })
    }

    /// Changes the roles; of any number of processes that do so at once each sees what the ones
    /// before it did.
    pub(crate) fn change_roles<T>(
        &self,
        change: impl FnOnce(&mut Roles) -> Result<T>,
    ) -> Result<T> {
        let _alone = self.roles_lock()?;
        let mut roles = self.roles()?;
        let before = roles.clone();
        let answer = change(&mut roles)?;
        if roles != before {
            let bytes = serde_json::to_vec(&roles)
                .map_err(|e| Error::format("policy roles", e.to_string()))?;
            self.store.set_meta(KEY, &bytes)?;
        }
        Ok(answer)
    }

    /// A lock that the system releases with the process.
    fn roles_lock(&self) -> Result<std::fs::File> {
        let path = self.dir.join("policies.lock");
        let file = private_file(&path).map_err(|e| Error::io(&path, e))?;
        file.lock().map_err(|e| Error::io(&path, e))?;
        Ok(file)
    }
}
