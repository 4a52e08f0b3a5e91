//! What a reward spec makes of one's own log: which terms decide it, what is missing, and how another spec would rank the policies.
//!
//! Reads headers and reports; the numbers are [`memrl_learn::reward::check`]'s.

use std::ops::ControlFlow;

use memrl_learn::reward::check::{Check, Comparison, Row, check, compare};
use memrl_store::{DecisionFilter, Order};
use serde::{Deserialize, Serialize};

use super::log::{LogQuery, Names};
use super::watch::{Watch, to_the_end};
use crate::feedback::merge;
use crate::{DecisionPoint, Memory, Result};

/// What to check.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RewardCheckRequest {
    /// The spec: a name, or the path of a TOML file; `None`: `bounded_v1`, which trainings and evaluations read.
    pub spec: Option<String>,
    /// Specs to compare its ranking of the policies with; empty: the other built-in ones.
    pub against: Vec<String>,
    /// The part of the log.
    pub log: LogQuery,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RewardCheckReport {
    /// The spec on this log.
    pub check: Check,
    /// The policies of the log under this spec and under others.
    pub comparisons: Vec<Comparison>,
}

impl Memory {
    /// Checks a reward spec on the log.
    pub fn reward_check(&self, request: &RewardCheckRequest) -> Result<RewardCheckReport> {
        self.reward_check_with_progress(request, &mut to_the_end)
    }

    /// The same while somebody watches: `progress` is told the decisions read so far, and may break off
    /// ([`Code::Stopped`](crate::Code::Stopped)).
    pub fn reward_check_with_progress(
        &self,
        request: &RewardCheckRequest,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<RewardCheckReport> {
        let spec = self.spec(request.spec.as_deref().unwrap_or("bounded_v1"))?;
        let others = if request.against.is_empty() {
            let others = self.specs.iter().filter(|s| s.name() != spec.name());
            others.cloned().collect()
        } else {
            let asked = request.against.iter().map(|name| self.spec(name));
            asked.collect::<Result<Vec<_>>>()?
        };
        let filter = DecisionFilter {
            from: self.start_of(&request.log)?,
            before: request.log.before,
            point: Some(DecisionPoint::Recall),
            policy: request.log.policy.clone(),
            order: Order::Oldest,
            texts: false,
            reports: true,
            raw_state: true,
            ..DecisionFilter::default()
        };
        let mut names = Names::default();
        let mut rows = Vec::new();
        let mut watch = Watch::new(progress);
        self.store.for_each_decision(&filter, &mut |row| {
            let d = &row.decision;
            let merged = merge(&row.reports);
            let seconds = |at: crate::Timestamp| (at.days_since(d.created_at) * 86_400.0).max(0.0);
            rows.push(Row {
                trajectory: names.index(&d.trajectory_id),
                policy: d.policy.clone(),
                arm: d.arm.clone(),
                shown: d.items.iter().filter(|i| i.selected).count() as u32,
                shown_tokens: f64::from(d.tokens_used),
                delay: merged.completed_at.map(seconds),
                reports: row.reports.len() as u32,
                outcome: (!row.reports.is_empty()).then_some(merged.outcome),
            });
            watch.next()
        })?;
        watch.whole("reward check")?;
        Ok(RewardCheckReport {
            check: check(&spec, &rows)?,
            comparisons: others
                .iter()
                .map(|other| compare([&spec, other], &rows))
                .collect(),
        })
    }
}
