//! A policy's way into service and out of it: shadow → canary → promoted, watched → rolled back.
//!
//! Every step is an event. Nothing here estimates anything: what the canary shows is the gate's business
//! ([`super::check`]).

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::evaluate::LogSays;
use super::watch::to_the_end;
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
    /// The policies in charge now: the promoted one, else those of the settings.
    pub in_charge: Vec<String>,
    /// What the log says about a policy that was put on trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_says: Option<LogSays>,
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
            in_charge: self.in_charge()?,
            log_says: None,
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
        self.policy_canary_with_progress(name, share, hold, force, &mut to_the_end)
    }

    /// The same while somebody watches: `progress` is told the decisions of the log read so far, and may break off
    /// ([`Code::Stopped`]); then there is no trial.
    pub fn policy_canary_with_progress(
        &self,
        name: &str,
        share: Option<f64>,
        hold: bool,
        force: Option<&str>,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Step> {
        let label = self.usable(name)?;
        let share = share.unwrap_or(CANARY_SHARE);
        if !(share > 0.0 && share <= 0.5) {
            let message = format!("is {share}; it must lie in (0, 0.5]");
            return Err(Error::invalid(Code::InvalidInput, "share", message));
        }
        let log_says = self.check_filter(&label, force.is_some(), progress)?;
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
                forced: force.map(str::to_owned),
            });
            Ok(roles.clone())
        })?;
        self.note_policy(
            "canary",
            &label,
            json!({"share": share, "forced": force, "log_says": log_says.sentence}),
        )?;
        Ok(Step {
            action: "canary".to_owned(),
            in_charge: self.in_charge()?,
            log_says: Some(log_says),
            summary: format!(
                "{label} serves {:.0} % of the trajectories from now on, {} the others; `memrl policy check` says how it does",
                share * 100.0,
                self.who(roles.incumbent.as_deref())
            ),
            policy: label,
            roles,
        })
    }

    /// Ends a trial without a promotion.
    /// Without a trial it ends the watch over a promoted policy: its control gives up its share.
    pub fn policy_stop(&self, reason: &str) -> Result<Step> {
        let roles = self.roles()?;
        let nothing = || Error::invalid(Code::Conflict, "policy", "no policy is on trial");
        if let Some(canary) = &roles.canary {
            let ended = self.end_trial(canary, reason, &Value::Null)?;
            return ended.ok_or_else(nothing);
        }
        let (roles, control) = self.change_roles(|roles| {
            let control = roles.control.take();
            Ok((roles.clone(), control))
        })?;
        let policy = match (control, &roles.incumbent) {
            (Some(_), Some(policy)) => policy.clone(),
            _ => return Err(nothing()),
        };
        self.note_policy("stop_watch", &policy, json!({"reason": reason}))?;
        Ok(Step {
            action: "stop_watch".to_owned(),
            in_charge: self.in_charge()?,
            log_says: None,
            summary: format!("{policy} decides alone from now on: {reason}"),
            policy,
            roles,
        })
    }

    /// Ends this very trial; `None` when it is no longer on.
    pub(super) fn end_trial(
        &self,
        trial: &Canary,
        reason: &str,
        evidence: &Value,
    ) -> Result<Option<Step>> {
        let (roles, canary) = self.change_roles(|roles| {
            let on = roles.canary.as_ref() == Some(trial);
            let canary = on.then(|| roles.canary.take()).flatten();
            Ok((roles.clone(), canary))
        })?;
        let Some(canary) = canary else {
            return Ok(None);
        };
        let details = json!({"reason": reason, "evidence": evidence});
        self.note_policy("stop", &canary.policy, details)?;
        Ok(Some(Step {
            action: "stop".to_owned(),
            in_charge: self.in_charge()?,
            log_says: None,
            summary: format!(
                "{} is no longer on trial: {reason}; {} decides",
                canary.policy,
                self.who(roles.incumbent.as_deref())
            ),
            policy: canary.policy,
            roles,
        }))
    }

    /// Puts a policy in charge. Its trial must have proved it better than the incumbent; anything else takes `force`, a
    /// reason that is logged. The former incumbent keeps a small share, so that a drop is seen.
    pub fn policy_promote(&self, name: &str, force: Option<&str>) -> Result<Step> {
        let label = self.usable(name)?;
        if force.is_none() {
            self.proof_of(&label)?;
        }
        let step = self.put_in_charge(&label, None, force, &Value::Null)?;
        step.ok_or_else(|| Error::invalid(Code::Conflict, "policy", "its trial is no longer on"))
    }

    /// Puts a policy in charge; `None` when `trial`, which proved it, is no longer on. A trial that goes on is one against the new
    /// incumbent: what it has shown about the old one does not count, so it begins anew.
    pub(super) fn put_in_charge(
        &self,
        label: &str,
        trial: Option<&Canary>,
        force: Option<&str>,
        evidence: &Value,
    ) -> Result<Option<Step>> {
        let since = self.clock.now();
        let changed = self.change_roles(|roles| {
            if trial.is_some() && roles.canary.as_ref() != trial {
                return Ok(None);
            }
            if roles.incumbent.as_deref() == Some(label) {
                let message = format!("{label} decides already");
                return Err(Error::invalid(Code::Conflict, "policy", message));
            }
            let before = roles.incumbent.replace(label.to_owned());
            let forced = std::mem::replace(&mut roles.forced, force.map(str::to_owned));
            if roles.canary.as_ref().is_some_and(|c| c.policy == label) {
                roles.canary = None;
            }
            roles.control = Some(Control {
                policy: before.clone(),
                share: CONTROL_SHARE,
                since,
                forced,
            });
            begin_anew(roles, since);
            Ok(Some((roles.clone(), before)))
        })?;
        let Some((roles, before)) = changed else {
            return Ok(None);
        };
        let former = self.who(before.as_deref());
        self.note_policy(
            "promote",
            label,
            json!({
                "before": before.as_deref().unwrap_or(SETTINGS),
                "forced": force,
                "control_share": CONTROL_SHARE,
                "evidence": evidence,
            }),
        )?;
        Ok(Some(Step {
            action: "promote".to_owned(),
            policy: label.to_owned(),
            in_charge: self.in_charge()?,
            log_says: None,
            summary: format!(
                "{label} decides from now on{}; {former} keeps {:.0} % of the trajectories for comparison",
                force.map_or_else(String::new, |why| format!(" (forced: {why})")),
                CONTROL_SHARE * 100.0
            ),
            roles,
        }))
    }

    /// Puts the former incumbent back in charge.
    pub fn policy_rollback(&self, reason: &str) -> Result<Step> {
        self.roll_back(None, reason, &Value::Null)?.ok_or_else(|| {
            let message = "no policy was promoted: the ones of the settings decide";
            Error::invalid(Code::Conflict, "policy", message)
        })
    }

    /// Rolls back; with `judged`, only while this promoted policy still stands beside this control.
    pub(super) fn roll_back(
        &self,
        judged: Option<(&str, &Control)>,
        reason: &str,
        evidence: &Value,
    ) -> Result<Option<Step>> {
        let since = self.clock.now();
        let (roles, from) = self.change_roles(|roles| {
            let stands = judged.is_none_or(|(policy, control)| {
                roles.incumbent.as_deref() == Some(policy)
                    && roles.control.as_ref() == Some(control)
            });
            let from = stands.then(|| roles.incumbent.take()).flatten();
            if from.is_some() {
                let former = roles.control.take();
                roles.forced = former.as_ref().and_then(|c| c.forced.clone());
                roles.incumbent = former.and_then(|c| c.policy);
                begin_anew(roles, since);
            }
            Ok((roles.clone(), from))
        })?;
        let Some(from) = from else {
            return Ok(None);
        };
        let to = roles.incumbent.as_deref();
        let details = json!({"to": to.unwrap_or(SETTINGS), "reason": reason, "evidence": evidence});
        self.note_policy("rollback", &from, details)?;
        Ok(Some(Step {
            action: "rollback".to_owned(),
            in_charge: self.in_charge()?,
            log_says: None,
            summary: format!("{} decides again instead of {from}: {reason}", self.who(to)),
            policy: from,
            roles,
        }))
    }

    /// The label of a policy that can act.
    fn usable(&self, name: &str) -> Result<String> {
        Ok(self.policy(name)?.label())
    }
}

/// A trial that is on has another opponent from now on.
fn begin_anew(roles: &mut Roles, now: crate::Timestamp) {
    if let Some(canary) = &mut roles.canary {
        canary.since = now;
    }
}
