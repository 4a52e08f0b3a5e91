//! What policies in shadow mode would have shown on live traffic, against what was shown.
//!
//! Reads the log rows only: each holds the slate of the policy that was in shadow mode when it was made. It says nothing about what would
//! have come of it; [`super::evaluate`] does.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use memrl_store::{DecisionFilter, Order};
use serde::{Deserialize, Serialize};

use super::log::LogQuery;
use super::watch::{Watch, to_the_end};
use crate::{Decision, DecisionPoint, Memory, Result, Timestamp};

/// The arm without memory: whatever a policy would have shown, nothing was to be shown.
const NONE: &str = "none";

/// One policy that was in shadow mode.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShadowRow {
    /// `name@version`.
    pub policy: String,
    /// Decisions that it was asked about; those of the arm without memory are left out.
    pub decisions: u64,
    /// The first of them.
    pub from: Timestamp,
    /// The last of them.
    pub to: Timestamp,
    /// Share of them in which it would have shown the same cells in the same order.
    pub same_slate: f64,
    /// Mean Jaccard overlap of the cells shown and the cells it would have shown.
    pub overlap: f64,
    /// Mean tokens of what was shown and of what it would have shown.
    pub tokens: (f64, f64),
}

/// What a row of the log says of the policy in shadow mode.
#[derive(Deserialize)]
struct State {
    shadow: Option<Shadow>,
}

#[derive(Deserialize)]
struct Shadow {
    policy: String,
    /// Indices of the candidates, in order.
    slate: Vec<usize>,
    tokens: u64,
}

#[derive(Default)]
struct Sums {
    span: Option<(Timestamp, Timestamp)>,
    n: u64,
    same: u64,
    overlap: f64,
    tokens: (u64, u64),
}

impl Sums {
    fn add(&mut self, d: &Decision, would: &Shadow) {
        let mut shown: Vec<(u32, usize)> = (d.items.iter().enumerate())
            .filter(|(_, item)| item.selected)
            .map(|(i, item)| (item.position.unwrap_or(u32::MAX), i))
            .collect();
        shown.sort_unstable();
        let shown: Vec<usize> = shown.into_iter().map(|(_, i)| i).collect();
        let both = shown.iter().filter(|i| would.slate.contains(i)).count();
        let either = shown.len() + would.slate.len() - both;
        self.n += 1;
        self.same += u64::from(shown == would.slate);
        self.overlap += if either == 0 {
            1.0
        } else {
            both as f64 / either as f64
        };
        self.tokens.0 += u64::from(d.tokens_used);
        self.tokens.1 += would.tokens;
        let at = d.created_at;
        let (from, to) = self.span.unwrap_or((at, at));
        self.span = Some((from.min(at), to.max(at)));
    }

    fn row(self, policy: String) -> Option<ShadowRow> {
        let (from, to) = self.span?;
        let n = self.n as f64;
        Some(ShadowRow {
            policy,
            decisions: self.n,
            from,
            to,
            same_slate: self.same as f64 / n,
            overlap: self.overlap / n,
            tokens: (self.tokens.0 as f64 / n, self.tokens.1 as f64 / n),
        })
    }
}

impl Memory {
    /// What each policy that was in shadow mode during a part of the log would have shown, by label.
    pub fn shadow_report(&self, query: &LogQuery) -> Result<Vec<ShadowRow>> {
        self.shadow_report_with_progress(query, &mut to_the_end)
    }

    /// The same while somebody watches: `progress` is told the decisions read so far, and may break off
    /// ([`Code::Stopped`](crate::Code::Stopped)).
    pub fn shadow_report_with_progress(
        &self,
        query: &LogQuery,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Vec<ShadowRow>> {
        let filter = DecisionFilter {
            from: self.start_of(query)?,
            before: query.before,
            point: Some(DecisionPoint::Recall),
            policy: query.policy.clone(),
            order: Order::Oldest,
            texts: false,
            raw_state: true,
            ..DecisionFilter::default()
        };
        let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
        let mut watch = Watch::new(progress);
        self.store.for_each_decision(&filter, &mut |row| {
            let d = &row.decision;
            let state = match &row.raw_state {
                Some(text) => serde_json::from_str::<State>(text),
                None => State::deserialize(&d.state),
            };
            let shadow = state.ok().and_then(|s| s.shadow);
            if let Some(shadow) = shadow.filter(|_| d.arm != NONE) {
                sums.entry(shadow.policy.clone())
                    .or_default()
                    .add(d, &shadow);
            }
            watch.next()
        })?;
        watch.whole("shadow")?;
        let rows = sums.into_iter().filter_map(|(policy, s)| s.row(policy));
        Ok(rows.collect())
    }
}
