//! What trial and watch have shown so far: the gate's verdicts on live trajectories.
//!
//! A trajectory counts once it is closed: ten minutes after its first outcome, or as one without when none has come for a day. What is reported
//! later does not count, so what was counted stays counted as it was, in the order of closing, and looking more often changes nothing.

use std::ops::ControlFlow;

use memrl_learn::gate::{self, Arrival, Role, StopReason, Summary, Trial, TrialConfig, Verdict};
use serde::Serialize;
use serde_json::json;

use super::watch::{Progress, to_the_end};
use super::{Roles, Step};
use crate::{Code, Decision, Error, Memory, Result, Timestamp};

/// δ of the first policy on trial; later ones get less ([`gate::spread`]).
pub const DELTA: f64 = 0.05;
/// Seconds between two looks that upkeep takes on its own.
const LOOK_EVERY: f64 = 600.0;
/// When upkeep looked last.
const LOOKED: &str = "policy_looked";

/// A trial or a watch, so far.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// The policy on trial, or the promoted one.
    pub policy: String,
    /// What it is compared with.
    pub control: String,
    /// Since when.
    pub since: Timestamp,
    /// δ.
    pub delta: f64,
    /// Numbers and verdict.
    pub summary: Summary,
    /// The verdict as a sentence.
    pub sentence: String,
}

impl Standing {
    /// Why it must end, if it must.
    pub(super) fn stop_because(&self) -> Option<String> {
        match self.summary.verdict {
            Verdict::Stop { why } => Some(
                match why {
                    StopReason::Unsafe => "more unsafe outcomes than the control",
                    StopReason::Worse => "shown to be worse than the control",
                    StopReason::Stale => "misled by outdated memories more often than the control",
                    _ => "stopped by the gate",
                }
                .to_owned(),
            ),
            _ => None,
        }
    }

    /// What is noted with a step that follows from it.
    fn evidence(&self) -> serde_json::Value {
        json!({
            "control": self.control,
            "e_better": self.summary.e_better,
            "e_worse": self.summary.e_worse,
            "e_unsafe": self.summary.e_unsafe,
            "trajectories": [
                self.summary.policy.trajectories,
                self.summary.control.trajectories,
            ],
        })
    }

    fn proved(&self) -> bool {
        self.summary.verdict == Verdict::Promote
    }
}

/// What a look showed, and what was done about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    /// The policy on trial.
    pub canary: Option<Standing>,
    /// The promoted policy beside its control.
    pub control: Option<Standing>,
    /// What was done.
    pub done: Vec<Step>,
}

impl Memory {
    /// Looks at what trial and watch have shown so far, and acts on it: promotes what proved better (unless its trial says that
    /// a person does that), ends a trial that proved worse or unsafe, and rolls back a promoted policy that proved worse than its
    /// control. May be called at any time, as often as one likes.
    pub fn policy_check(&self) -> Result<CheckReport> {
        self.policy_check_with_progress(&mut to_the_end)
    }

    /// The same while somebody watches: `progress` is told the decisions read so far (of the trial, then of the watch), and may break
    /// off ([`Code::Stopped`]); then nothing is done.
    pub fn policy_check_with_progress(
        &self,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<CheckReport> {
        let roles = self.roles()?;
        let mut report = CheckReport {
            canary: self.canary_standing(&roles, progress)?,
            control: self.control_standing(&roles, progress)?,
            done: Vec::new(),
        };
        // First back, then forth: a canary was compared with the incumbent that is rolled back.
        if let (Some(standing), Some(control)) = (&report.control, &roles.control)
            && let Some(reason) = standing.stop_because()
        {
            let judged = Some((standing.policy.as_str(), control));
            let step = self.roll_back(judged, &reason, &standing.evidence())?;
            report.done.extend(step);
        }
        if let (Some(standing), Some(canary)) = (&report.canary, &roles.canary) {
            if let Some(reason) = standing.stop_because() {
                let step = self.end_trial(canary, &reason, &standing.evidence())?;
                report.done.extend(step);
            } else if standing.proved()
                && !canary.hold
                && report.done.is_empty()
                && self.trained_before(canary)
            {
                let evidence = standing.evidence();
                let step = self.put_in_charge(&canary.policy, Some(canary), None, &evidence)?;
                report.done.extend(step);
            }
        }
        Ok(report)
    }

    /// The same, as part of upkeep: not more often than every ten minutes, and only while there is something to look at.
    pub(crate) fn policy_upkeep(&self) -> Result<()> {
        let roles = self.roles()?;
        if roles.canary.is_none() && roles.control.is_none() && roles.trial.is_none() {
            return Ok(());
        }
        let now = self.clock.now();
        let last = self.store.meta(LOOKED)?;
        let last = last.and_then(|b| b.try_into().ok().map(i64::from_le_bytes));
        let soon = |t: i64| now.days_since(Timestamp(t)) * 86_400.0 < LOOK_EVERY;
        if last.is_some_and(soon) {
            return Ok(());
        }
        self.store.set_meta(LOOKED, &now.0.to_le_bytes())?;
        self.policy_check()?;
        self.trial_check()?;
        Ok(())
    }

    fn canary_standing(&self, roles: &Roles, progress: Progress<'_>) -> Result<Option<Standing>> {
        let Some(canary) = &roles.canary else {
            return Ok(None);
        };
        let delta = gate::spread(DELTA, u64::from(canary.number));
        let config = TrialConfig {
            delta,
            ..TrialConfig::default()
        };
        let arms = ("canary", "incumbent");
        let summary = self.compare(config, &canary.policy, arms, canary.since, progress)?;
        Ok(Some(Standing {
            policy: canary.policy.clone(),
            control: self.who(roles.incumbent.as_deref()),
            since: canary.since,
            delta,
            sentence: sentence(&summary),
            summary,
        }))
    }

    fn control_standing(&self, roles: &Roles, progress: Progress<'_>) -> Result<Option<Standing>> {
        let (Some(control), Some(incumbent)) = (&roles.control, &roles.incumbent) else {
            return Ok(None);
        };
        let config = TrialConfig {
            role: Role::Watch,
            delta: DELTA,
            ..TrialConfig::default()
        };
        let arms = ("incumbent", "control");
        let summary = self.compare(config, incumbent, arms, control.since, progress)?;
        Ok(Some(Standing {
            policy: incumbent.clone(),
            control: self.who(control.policy.as_deref()),
            since: control.since,
            delta: DELTA,
            sentence: sentence(&summary),
            summary,
        }))
    }

    /// Two arms since a time, trajectory by trajectory in the order of closing: `ours` is the arm in which `policy` acts.
    fn compare(
        &self,
        config: TrialConfig,
        policy: &str,
        (ours, theirs): (&str, &str),
        since: Timestamp,
        progress: Progress<'_>,
    ) -> Result<Summary> {
        let spec = self.spec("bounded_v1")?;
        let (low, high) = spec.bounds().unwrap_or((0.0, 1.0));
        // Both arms were in force, and ours was this policy's: the trajectory could have been in either.
        let between = |d: &Decision| {
            let has = |name: &str| d.arms.iter().any(|a| a.name == name && a.share > 0.0);
            let acts = |a: &crate::Arm| a.name == ours && a.policy == policy && a.share > 0.0;
            has(theirs) && d.arms.iter().any(acts) && (d.arm == ours || d.arm == theirs)
        };
        let rows = self.trajectories(Some(since), &spec, &between, progress)?;
        let now = self.clock.now();
        let bad = |e: gate::TrialError| Error::invalid(Code::InvalidInput, "trial", e.to_string());
        let mut trial = Trial::new(config).map_err(bad)?;
        for row in rows.iter().filter(|r| r.closed_at <= now) {
            let share = |name: &str| {
                let arm = row.arms.iter().find(|a| a.name == name);
                arm.map_or(0.0, |a| a.share)
            };
            let arrival = Arrival {
                treated: row.arm == ours,
                p: share(ours) / (share(ours) + share(theirs)),
                reward: row
                    .reward
                    .map(|r| ((r - low) / (high - low)).clamp(0.0, 1.0)),
                unsafe_action: row.unsafe_action.unwrap_or(false),
                stale: row.stale.unwrap_or(false),
            };
            trial.update(&arrival).map_err(bad)?;
        }
        Ok(trial.summary())
    }

    /// Whether a policy on trial was trained on what was before its trial only. Rules were trained on nothing; of a file that
    /// cannot be read nobody knows.
    fn trained_before(&self, canary: &super::Canary) -> bool {
        memrl_learn::policy::by_name(&canary.policy).is_ok()
            || self
                .policy_file(&canary.policy)
                .is_ok_and(|f| f.card.data.to.is_none_or(|to| to < canary.since))
    }

    /// Refuses unless the trial of this policy has proved it better.
    pub(super) fn proof_of(&self, label: &str) -> Result<()> {
        let roles = self.roles()?;
        let refused = |why: String| Err(Error::invalid(Code::NotProven, "policy", why));
        let Some(canary) = roles.canary.as_ref().filter(|c| c.policy == label) else {
            return refused(format!(
                "{label} has not been on trial: `memrl policy canary {label}` starts one"
            ));
        };
        if !self.trained_before(canary) {
            return refused(format!(
                "{label} was trained on decisions of its own trial; train it again on what was before, or try it anew"
            ));
        }
        match self.canary_standing(&roles, &mut to_the_end)? {
            Some(standing) if standing.proved() => Ok(()),
            Some(standing) => refused(format!("{label}: {}", standing.sentence)),
            None => refused(format!("{label} is not on trial")),
        }
    }
}

/// The verdict as a sentence; before anything has happened there is none.
fn sentence(summary: &Summary) -> String {
    match (summary.policy.trajectories, summary.control.trajectories) {
        (0, 0) => {
            "No trajectory is closed yet: one is ten minutes after its first outcome.".to_owned()
        }
        _ => summary.verdict.sentence(),
    }
}
