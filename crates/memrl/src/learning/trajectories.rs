//! Trajectories as the unit of comparison: which arm each met, and what came of it.
//!
//! Knows the log's headers and reports; reads no candidate.

use memrl_learn::RewardSpec;
use memrl_store::{DecisionFilter, Order, OutcomeRow};
use std::collections::HashMap;

use super::watch::{Progress, Watch};
use crate::feedback::merge;
use crate::{Arm, Decision, DecisionPoint, Memory, Outcome, Result, Timestamp};

/// One trajectory and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TrajectoryRow {
    /// Its name.
    pub(crate) name: String,
    /// The arm that it was in.
    pub(crate) arm: String,
    /// The policy that acted in it.
    pub(crate) policy: String,
    /// The arms in force at its first decision.
    pub(crate) arms: Vec<Arm>,
    /// When its first decision was made.
    pub(crate) first_at: Timestamp,
    /// When it is closed: ten minutes after the first report, or a day after its beginning when none came until then.
    pub(crate) closed_at: Timestamp,
    /// Decisions.
    pub(crate) decisions: u32,
    /// Mean of the rewards of its decisions that have one.
    pub(crate) reward: Option<f64>,
    /// Mean of the reported success.
    pub(crate) success: Option<f64>,
    /// Whether an unsafe action was reported.
    pub(crate) unsafe_action: Option<bool>,
    /// Whether an outdated memory was reported to have misled.
    pub(crate) stale: Option<bool>,
    /// Sum of the tokens spent.
    pub(crate) tokens: Option<f64>,
    /// Sum of the time spent, in milliseconds.
    pub(crate) latency_ms: Option<f64>,
}

/// Days from the first report about a trajectory to its closing: ten minutes.
const SETTLES_DAYS: f64 = 10.0 / 1440.0;
/// Days after which a trajectory without a report is taken for one that gets none.
pub(super) const PATIENCE_DAYS: f64 = 1.0;

/// Sums while a trajectory is read.
struct Sums {
    row: TrajectoryRow,
    reward: Mean,
    success: Mean,
    /// The reports about each of its decisions.
    reports: Vec<Vec<OutcomeRow>>,
}

#[derive(Default)]
struct Mean {
    sum: f64,
    n: f64,
}

impl Mean {
    fn add(&mut self, x: Option<f64>) {
        if let Some(x) = x.filter(|x| x.is_finite()) {
            self.sum += x;
            self.n += 1.0;
        }
    }

    fn get(&self) -> Option<f64> {
        (self.n > 0.0).then(|| self.sum / self.n)
    }
}

impl Sums {
    /// The trajectory as it was when it closed: what was reported later does not count.
    fn close(mut self, spec: &RewardSpec) -> TrajectoryRow {
        let first = self.reports.iter().flatten().map(|r| r.at).min();
        let patience = self.row.first_at.plus_days(PATIENCE_DAYS);
        let first = first.filter(|at| *at <= patience);
        self.row.closed_at = first.map_or(patience, |at| at.plus_days(SETTLES_DAYS));
        for reports in std::mem::take(&mut self.reports) {
            let closed_at = self.row.closed_at;
            let known: Vec<OutcomeRow> =
                reports.into_iter().filter(|r| r.at <= closed_at).collect();
            if !known.is_empty() {
                let mut outcome = merge(&known).outcome;
                outcome.success = outcome.success.or(outcome.implied_success);
                self.add(&outcome, spec);
            }
        }
        TrajectoryRow {
            reward: self.reward.get(),
            success: self.success.get(),
            ..self.row
        }
    }

    fn add(&mut self, outcome: &Outcome, spec: &RewardSpec) {
        let either = |a: Option<bool>, b: Option<bool>| match (a, b) {
            (Some(a), Some(b)) => Some(a || b),
            (a, b) => a.or(b),
        };
        let plus = |a: Option<f64>, b: Option<i64>| match (a, b) {
            (Some(a), Some(b)) => Some(a + b as f64),
            (a, b) => a.or(b.map(|n| n as f64)),
        };
        let row = &mut self.row;
        row.unsafe_action = either(row.unsafe_action, outcome.unsafe_action);
        row.stale = either(row.stale, outcome.stale_memory_error);
        row.tokens = plus(row.tokens, outcome.tokens_used);
        row.latency_ms = plus(row.latency_ms, outcome.latency_ms);
        self.success.add(outcome.success);
        self.reward.add(spec.score(outcome).ok().map(|r| r.value));
    }
}

impl Memory {
    /// The trajectories that began since a time of which `wanted` accepts the first decision, in the order of their closing.
    pub(crate) fn trajectories(
        &self,
        from: Option<Timestamp>,
        spec: &RewardSpec,
        wanted: &dyn Fn(&Decision) -> bool,
        progress: Progress<'_>,
    ) -> Result<Vec<TrajectoryRow>> {
        let filter = DecisionFilter {
            from,
            point: Some(DecisionPoint::Recall),
            order: Order::Oldest,
            items: false,
            texts: false,
            reports: true,
            raw_state: true,
            ..DecisionFilter::default()
        };
        let mut known: HashMap<String, Option<Sums>> = HashMap::new();
        let mut watch = Watch::new(progress);
        self.store.for_each_decision(&filter, &mut |row| {
            let d = &row.decision;
            let entry = known.entry(d.trajectory_id.clone()).or_insert_with(|| {
                wanted(d).then(|| Sums {
                    row: TrajectoryRow {
                        name: d.trajectory_id.clone(),
                        arm: d.arm.clone(),
                        policy: d.policy.clone(),
                        arms: d.arms.clone(),
                        first_at: d.created_at,
                        closed_at: d.created_at,
                        decisions: 0,
                        reward: None,
                        success: None,
                        unsafe_action: None,
                        stale: None,
                        tokens: None,
                        latency_ms: None,
                    },
                    reward: Mean::default(),
                    success: Mean::default(),
                    reports: Vec::new(),
                })
            });
            if let Some(sums) = entry {
                sums.row.decisions += 1;
                if !row.reports.is_empty() {
                    sums.reports.push(row.reports);
                }
            }
            watch.next()
        })?;
        watch.whole("trajectories")?;
        let mut rows: Vec<TrajectoryRow> = known
            .into_values()
            .flatten()
            .map(|s| s.close(spec))
            .collect();
        rows.sort_by(|a, b| (a.closed_at, &a.name).cmp(&(b.closed_at, &b.name)));
        Ok(rows)
    }
}
