//! Re-scoring the log under a reward spec: outcomes are stored raw, so any spec can be applied to
//! all of them, at any time.

use std::ops::ControlFlow;

use memrl_learn::RewardSpec;
use memrl_store::DecisionFilter;
use serde::Serialize;

use crate::feedback::{merge, reward_under};
use crate::{EventKind, Memory, Result};

/// Rewards stored per transaction.
const BATCH: usize = 2000;

/// What a recomputation did.
#[derive(Debug, Clone, Serialize)]
pub struct Recomputed {
    /// The spec, with its version.
    pub spec: String,
    /// Decisions with an outcome.
    pub completed: u64,
    /// Of them: scored.
    pub scored: u64,
    /// Of them: without a signal that the spec needs.
    pub undefined: u64,
    /// Mean reward of the scored ones.
    pub mean: Option<f64>,
    /// The interval that every reward of this spec lies in, when there is one.
    pub bounds: Option<(f64, f64)>,
}

impl Memory {
    /// The specs in use: two built-in ones and the configured one.
    pub fn reward_specs(&self) -> &[RewardSpec] {
        &self.specs
    }

    /// Scores every decision that has an outcome under a spec (a name, or the path of a TOML
    /// file). Decisions and outcomes are not changed; earlier rewards of the same spec are replaced.
    pub fn recompute_rewards(
        &self,
        spec: &str,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Recomputed> {
        let spec = self.spec(spec)?;
        let filter = DecisionFilter {
            completed: Some(true),
            texts: false,
            reports: true,
            ..DecisionFilter::default()
        };
        let mut report = Recomputed {
            spec: spec.name(),
            completed: 0,
            scored: 0,
            undefined: 0,
            mean: None,
            bounds: spec.bounds(),
        };
        let mut sum = 0.0;
        let mut batch = Vec::new();
        self.store.for_each_decision(&filter, &mut |row| {
            report.completed += 1;
            match reward_under(&spec, &row, &merge(&row.reports)) {
                Some((value, mut rows)) => {
                    report.scored += 1;
                    sum += value.value;
                    batch.append(&mut rows);
                }
                None => report.undefined += 1,
            }
            if report.completed.is_multiple_of(500) {
                progress(report.completed);
            }
            ControlFlow::Continue(())
        })?;
        for rows in batch.chunks(BATCH) {
            self.store.put_rewards(rows)?;
        }
        if report.scored > 0 {
            report.mean = Some(sum / report.scored as f64);
        }
        let payload = serde_json::json!({"spec": report.spec, "scored": report.scored});
        self.store.append_events(&[self.event(
            EventKind::RewardRecompute,
            Vec::new(),
            None,
            payload,
        )])?;
        progress(report.completed);
        Ok(report)
    }
}
