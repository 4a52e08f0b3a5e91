//! Trajectories as the unit of comparison: which arm each met, and what came of it.
//!
//! Knows the log's headers and reports; reads no candidate.

use std::collections::HashMap;
use std::ops::ControlFlow;

use memrl_learn::RewardSpec;
use memrl_store::{DecisionFilter, Order};

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
    /// When the first report about it arrived.
    pub(crate) reported_at: Option<Timestamp>,
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

/// Sums while a trajectory is read.
struct Sums {
    row: TrajectoryRow,
    reward: Mean,
    success: Mean,
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
    /// The trajectories since a time of which `wanted` accepts the first decision, in the order in
    /// which the first report about each arrived; those without any come last.
    pub(crate) fn trajectories(
        &self,
        from: Option<Timestamp>,
        before: Option<Timestamp>,
        spec: &RewardSpec,
        wanted: &dyn Fn(&Decision) -> bool,
    ) -> Result<Vec<TrajectoryRow>> {
        let filter = DecisionFilter {
            from,
            before,
            point: Some(DecisionPoint::Recall),
            order: Order::Oldest,
            items: false,
            texts: false,
            reports: true,
            raw_state: true,
            ..DecisionFilter::default()
        };
        let mut known: HashMap<String, Option<Sums>> = HashMap::new();
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
                        reported_at: None,
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
                })
            });
            if let Some(sums) = entry {
                sums.row.decisions += 1;
                if let Some(first) = row.reports.first() {
                    let at = sums.row.reported_at.map_or(first.at, |at| at.min(first.at));
                    sums.row.reported_at = Some(at);
                    let mut outcome = merge(&row.reports).outcome;
                    outcome.success = outcome.success.or(outcome.implied_success);
                    sums.add(&outcome, spec);
                }
            }
            ControlFlow::Continue(())
        })?;
        let mut rows: Vec<TrajectoryRow> = known
            .into_values()
            .flatten()
            .map(|s| TrajectoryRow {
                reward: s.reward.get(),
                success: s.success.get(),
                ..s.row
            })
            .collect();
        let key = |r: &TrajectoryRow| (r.reported_at.is_none(), r.reported_at, r.first_at);
        rows.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name)));
        Ok(rows)
    }
}
