//! A policy's way into service and out of it: shadow → canary → promoted, watched → rolled back.
//!
//! Every step is an event. Nothing here estimates anything: what the canary shows is the gate's business
//! ([`super::check`]).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Canary, Control, Roles};
use crate::{Code, Error, Memory, Result};

/// Share of the trajectories that a policy on trial serves when nobody says how many.
pub const CANARY_SHARE: f64 = 0.1;
/// Share of the trajectories that the former incumbent goes on serving after a promotion.
pub const CONTROL_SHARE: f64 = 0.05;

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What was done: `shadow`, `canary`, `promote`, `rollback`, `stop`.
    pub action: String,
    /// The policy concerned (`name@version`); `the policy of the settings` where none was promoted.
    pub policy: String,
    /// The roles now.
    pub roles: Roles,
    /// One sentence for people.
    pub summary: String,
}

/// Name of the policies of the settings where a label is wanted.
const SETTINGS: &str = "the policy of the settings";

impl Memory {
    /// Lets a policy say, on live traffic, what it would have done; it does nothing. `None` ends that.
    pub fn policy_shadow(&self, name: Option<&str>) -> Result<Step> {
        let label = name.map(|n| self.usable(n)).transpose()?;
        let (roles, before) = self.change_roles(|roles| {
            let before = std::mem::replace(&mut roles.shadow, label.clone());
            Ok((roles.clone(), before))
        })?;
        let (action, policy) = match (&label, before) {
            (Some(label), _) => ("shadow", label.clone()),
            (None, Some(before)) => ("stop_shadow", before),
            (None, None) => {
                let message = "no policy is in shadow mode";
                return Err(Error::invalid(Code::Conflict, "policy", message));
            }
        };
        self.note_policy(action, &policy, json!({}))?;
        Ok(Step {
            action: action.to_owned(),
            summary: match &label {
                Some(label) => format!("{label} says what it would have shown; it shows nothing"),
                None => format!("{policy} is no longer asked"),
            },
            policy,
            roles,
        })
    }

    /// Puts a policy on trial: it serves a share of the trajectories, chosen by a hashed coin, while the incumbent serves
    /// the rest at the same time. A policy that the log speaks against is let in only with `force`, a
    /// reason that is logged; where the log cannot tell, the trial is how to find out. With `hold`, a proof does not promote it by itself.
    pub fn policy_canary(
        &self,
        name: &str,
        share: Option<f64>,
        hold: bool,
        force: Option<&str>,
    ) -> Result<Step> {
        let label = self.usable(name)?;
        let share = share.unwrap_or(CANARY_SHARE);
        if !(share > 0.0 && share <= 0.5) {
            let message = format!("is {share}; it must lie in (0, 0.5]");
            return Err(Error::invalid(Code::InvalidInput, "share", message));
        }
        let log_says = match force {
            None => Some(self.check_filter(&label)?),
            Some(_) => None,
        };
        let since = self.clock.now();
        let roles = self.change_roles(|roles| {
            if let Some(other) = &roles.canary {
                let message = format!(
                    "{} is on trial; promote it or end its trial first",
                    other.policy
                );
                return Err(Error::invalid(Code::Conflict, "policy", message));
            }
            if roles.incumbent.as_deref() == Some(label.as_str()) {
                let message = format!("{label} decides already");
                return Err(Error::invalid(Code::Conflict, "policy", message));
            }
            roles.tried += 1;
            roles.canary = Some(Canary {
                policy: label.clone(),
                share,
                since,
                number: roles.tried,
                hold,
            });
            Ok(roles.clone())
        })?;
        self.note_policy(
            "canary",
            &label,
            json!({"share": share, "forced": force, "log_says": log_says}),
        )?;
        Ok(Step {
            action: "canary".to_owned(),
            summary: format!(
                "{label} serves {:.0} % of the trajectories from now on; `memrl policy check` says how it does",
                share * 100.0
            ),
            policy: label,
            roles,
        })
    }

    /// Ends a trial without a promotion.
    pub fn policy_stop(&self, reason: &str) -> Result<Step> {
        self.end_trial(reason, &Value::Null)
    }

    /// The same, with what the gate has seen.
    pub(super) fn end_trial(&self, reason: &str, evidence: &Value) -> Result<Step> {
        let (roles, canary) = self.change_roles(|roles| {
            let canary = roles.canary.take();
            Ok((roles.clone(), canary))
        })?;
        let Some(canary) = canary else {
            let message = "no policy is on trial";
            return Err(Error::invalid(Code::Conflict, "policy", message));
        };
        let details = json!({"reason": reason, "evidence": evidence});
        self.note_policy("stop", &canary.policy, details)?;
        Ok(Step {
            action: "stop".to_owned(),
            summary: format!("{} is no longer on trial: {reason}", canary.policy),
            policy: canary.policy,
            roles,
        })
    }

    /// Puts a policy in charge. Its trial must have proved it better than the incumbent; anything else takes `force`, a
    /// reason that is logged. The former incumbent keeps a small share, so that a drop is seen.
    pub fn policy_promote(&self, name: &str, force: Option<&str>) -> Result<Step> {
        let label = self.usable(name)?;
        if force.is_none() {
            self.proof_of(&label)?;
        }
        self.put_in_charge(&label, force, &Value::Null)
    }

    pub(super) fn put_in_charge(
        &self,
        label: &str,
        force: Option<&str>,
        evidence: &Value,
    ) -> Result<Step> {
        let since = self.clock.now();
        let (roles, before) = self.change_roles(|roles| {
            if roles.incumbent.as_deref() == Some(label) {
                let message = format!("{label} decides already");
                return Err(Error::invalid(Code::Conflict, "policy", message));
            }
            let before = roles.incumbent.replace(label.to_owned());
            if roles.canary.as_ref().is_some_and(|c| c.policy == label) {
                roles.canary = None;
            }
            roles.control = Some(Control {
                policy: before.clone(),
                share: CONTROL_SHARE,
                since,
            });
            Ok((roles.clone(), before))
        })?;
        let before = before.unwrap_or_else(|| SETTINGS.to_owned());
        self.note_policy(
            "promote",
            label,
            json!({
                "before": before,
                "forced": force,
                "control_share": CONTROL_SHARE,
                "evidence": evidence,
            }),
        )?;
        Ok(Step {
            action: "promote".to_owned(),
            policy: label.to_owned(),
            summary: format!(
                "{label} decides from now on; {before} keeps {:.0} % of the trajectories for comparison",
                CONTROL_SHARE * 100.0
            ),
            roles,
        })
    }

    /// Puts the former incumbent back in charge.
    pub fn policy_rollback(&self, reason: &str) -> Result<Step> {
        self.roll_back(reason, &Value::Null)
    }

    /// The same, with what the gate has seen.
    pub(super) fn roll_back(&self, reason: &str, evidence: &Value) -> Result<Step> {
        let (roles, from) = self.change_roles(|roles| {
            let from = roles.incumbent.take();
            if from.is_some() {
                roles.incumbent = roles.control.take().and_then(|c| c.policy);
            }
            Ok((roles.clone(), from))
        })?;
        let Some(from) = from else {
            let message = "no policy was promoted: the ones of the settings decide";
            return Err(Error::invalid(Code::Conflict, "policy", message));
        };
        let to = roles
            .incumbent
            .clone()
            .unwrap_or_else(|| SETTINGS.to_owned());
        let details = json!({"to": to, "reason": reason, "evidence": evidence});
        self.note_policy("rollback", &from, details)?;
        Ok(Step {
            action: "rollback".to_owned(),
            summary: format!("{to} decides again instead of {from}: {reason}"),
            policy: from,
            roles,
        })
    }

    /// The label of a policy that can act.
    fn usable(&self, name: &str) -> Result<String> {
        Ok(self.policy(name)?.label())
    }
}
