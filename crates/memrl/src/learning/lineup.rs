//! Who decides a recall: the incumbent, and who acts or watches beside it.
//!
//! Knows roles, settings and policies by name; no candidate and no outcome.

use std::sync::Arc;

use memrl_learn::explore::Trial;
use memrl_learn::policy::{PolicyError, Similarity, Utility, by_name};
use memrl_learn::{ExploreConfig, RecallPolicy};

use super::Roles;
use crate::config::ValueConfig;
use crate::{Memory, Result};

/// The policies of one recall, and what is randomised about it.
pub(crate) struct Lineup {
    pub(crate) incumbent: Arc<dyn RecallPolicy>,
    pub(crate) canary: Option<Arc<dyn RecallPolicy>>,
    pub(crate) control: Option<Arc<dyn RecallPolicy>>,
    /// Says what it would have done.
    pub(crate) shadow: Option<Arc<dyn RecallPolicy>>,
    pub(crate) explore: ExploreConfig,
    /// Whether the caller named the policy.
    pub(crate) asked: bool,
    /// Roles that could not be filled.
    pub(crate) warnings: Vec<String>,
}

impl Lineup {
    /// The policies that may act.
    pub(crate) fn acting(&self) -> impl Iterator<Item = &dyn RecallPolicy> {
        let others = [self.canary.as_deref(), self.control.as_deref()];
        std::iter::once(&*self.incumbent).chain(others.into_iter().flatten())
    }
}

impl Memory {
    /// Who decides. A caller that names a policy gets that one, and takes no part in what is tried
    /// with others (the canary of the settings apart). A promoted policy whose file cannot be read must
    /// not keep anybody from remembering: the one of the settings takes its place, and `similarity` that one's, with a warning.
    pub(crate) fn lineup(
        &self,
        asked: Option<&str>,
        default: &str,
        explore: bool,
    ) -> Result<Lineup> {
        let e = &self.config.explore;
        let off = ExploreConfig {
            salt: self.salt,
            temperature: e.temperature,
            ..ExploreConfig::off()
        };
        let mut warnings = Vec::new();
        let incumbent = match asked {
            Some(name) => self.policy(name)?,
            None => self.policy(default).unwrap_or_else(|e| {
                warnings.push(format!(
                    "the policy {default} cannot be used ({e}); similarity decides"
                ));
                Arc::new(Similarity)
            }),
        };
        let mut lineup = Lineup {
            incumbent,
            canary: None,
            control: None,
            shadow: None,
            explore: off,
            asked: asked.is_some(),
            warnings,
        };
        if explore {
            lineup.explore = ExploreConfig {
                epsilon: e.epsilon,
                sampled_share: e.sampled_share,
                none_share: e.none_share,
                ..off
            };
            if e.canary_share > 0.0 {
                match self.policy(&e.canary_policy) {
                    Ok(policy) => {
                        lineup.canary = Some(policy);
                        lineup.explore.canary_share = e.canary_share;
                    }
                    Err(e) => lineup.warnings.push(format!("there is no canary: {e}")),
                }
            }
        }
        let roles = self.roles().unwrap_or_else(|e| {
            lineup.warnings.push(format!(
                "the roles of policies cannot be read ({e}); the settings decide"
            ));
            Roles::default()
        });
        if explore {
            lineup.explore.trial = roles.trial.as_ref().map(|t| Trial {
                cell: t.cell,
                p: t.withhold,
            });
        }
        if asked.is_none() {
            self.take_roles(&mut lineup, &roles, explore);
        }
        Ok(lineup)
    }

    fn take_roles(&self, lineup: &mut Lineup, roles: &Roles, explore: bool) {
        let mut found = |name: &str, role: &str| match self.policy(name) {
            Ok(policy) => Some(policy),
            Err(e) => {
                lineup.warnings.push(format!(
                    "the {role} {name} cannot be used ({e}); the policy of the settings decides"
                ));
                None
            }
        };
        let settled = Arc::clone(&lineup.incumbent);
        let promoted = roles
            .incumbent
            .as_deref()
            .map(|name| found(name, "promoted policy"));
        let canary = roles
            .canary
            .as_ref()
            .filter(|_| explore)
            .and_then(|c| Some((found(&c.policy, "canary")?, c.share)));
        let shadow = roles
            .shadow
            .as_deref()
            .and_then(|name| found(name, "shadow policy"));
        let control = roles.control.as_ref().filter(|_| explore).and_then(|c| {
            let policy = match &c.policy {
                Some(name) => found(name, "control")?,
                None => settled,
            };
            Some((policy, c.share))
        });
        lineup.shadow = shadow;
        match promoted {
            // What could not be loaded is not tried against anything either.
            Some(None) => return,
            Some(Some(policy)) => lineup.incumbent = policy,
            None => {}
        }
        let room = 1.0 - lineup.explore.none_share;
        if let Some((policy, share)) = canary {
            lineup.canary = Some(policy);
            lineup.explore.canary_share = share.min(room);
        }
        if let Some((policy, share)) = control {
            lineup.control = Some(policy);
            lineup.explore.control_share = share.min(room - lineup.explore.canary_share);
        }
    }

    /// The policy of this name, with the settings that it takes: a built-in one, or one of the
    /// registry.
    pub(crate) fn policy(&self, name: &str) -> Result<Arc<dyn RecallPolicy>> {
        self.policy_weighing(name, self.config.values.utility_weight)
    }

    /// The same with another weight of values, in [0, 1).
    pub(crate) fn policy_weighing(&self, name: &str, weight: f64) -> Result<Arc<dyn RecallPolicy>> {
        let values = ValueConfig {
            utility_weight: weight,
            ..self.config.values.clone()
        };
        let utility = Utility {
            weight: values.utility_odds(),
            prior_mass: values.prior_mass(),
            ..Utility::default()
        };
        if name == utility.id() || name == utility.label() {
            return Ok(Arc::new(utility));
        }
        match by_name(name) {
            // What is not built in may be learned.
            Err(PolicyError::Unknown { .. }) => Ok(self.learned(name)?),
            found => Ok(found?),
        }
    }
}
