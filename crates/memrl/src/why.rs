//! The whole story of one decision.

use memrl_learn::features::{Feature, table};
use serde::Serialize;

use crate::feedback::merge;
use crate::{CellStatus, Decision, DecisionId, Item, Mask, Memory, Merged, Result, RewardValue};

/// One candidate of a decision, with what it looks like today.
#[derive(Debug, Clone, Serialize)]
pub struct WhyItem {
    /// As logged.
    #[serde(flatten)]
    pub item: Item,
    /// The cell's text today; `None` when it was forgotten or purged.
    pub content: Option<String>,
    /// The cell's status today; `None` when it was purged.
    pub status: Option<CellStatus>,
    /// The cell has changed since the decision.
    pub changed: bool,
    /// The rule that would keep it from being shown today.
    pub masked_now: Option<Mask>,
    /// Its features by name, the largest in absolute value first.
    pub named_features: Vec<(&'static str, f32)>,
}

/// The whole story of one decision: what could have been shown, what was, with which probability
/// and why, and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Why {
    /// As logged, without its items (they are in `items`).
    pub decision: Decision,
    /// The candidates, shown ones first in their order, then the others by rank.
    pub items: Vec<WhyItem>,
    /// Joint probability of exactly this slate.
    pub propensity: f64,
    /// Reports on the outcome, added up.
    pub outcome: Option<Merged>,
    /// Rewards by spec.
    pub rewards: Vec<RewardValue>,
    /// The previous decision of the trajectory.
    pub previous: Option<DecisionId>,
    /// The next decision of the trajectory.
    pub next: Option<DecisionId>,
    /// A purge erased the query or the context.
    pub erased: bool,
}

impl Memory {
    /// Tells the whole story of a decision: its id, memcell-rl's query id, or `last`.
    pub fn why(&self, decision: &str) -> Result<Why> {
        let id = self.decision_id(decision)?;
        let row = self.store.decision(id)?;
        let mut decision = row.decision;
        let id = decision.decision_id;
        let now = self.clock.now();
        let mut items = Vec::with_capacity(decision.items.len());
        for item in std::mem::take(&mut decision.items) {
            let cell = self.store.find(item.cell_id)?.map(|r| r.cell);
            let mut named: Vec<(&'static str, f32)> = table(&decision.feature_schema)
                .unwrap_or_default()
                .iter()
                .map(|f: &Feature| f.name)
                .zip(item.features.iter().copied())
                .filter(|(_, v)| *v != 0.0)
                .collect();
            named.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
            items.push(WhyItem {
                changed: cell.as_ref().is_none_or(|c| c.version != item.version),
                status: cell.as_ref().map(|c| c.status),
                masked_now: cell
                    .as_ref()
                    .and_then(|c| crate::live::rule_input(c).mask(now)),
                content: cell
                    .filter(|c| c.status != CellStatus::Deleted)
                    .map(|c| c.indexed_text()),
                named_features: named,
                item,
            });
        }
        items.sort_by_key(|i| i.item.position.unwrap_or(u32::MAX));
        let reports = self.store.outcomes_of(id)?;
        let rewards = self
            .store
            .rewards_of(id, None)?
            .into_iter()
            .filter(|r| r.cell.is_none())
            .map(|r| RewardValue {
                spec: r.spec,
                value: r.value,
                terms: r
                    .terms
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter_map(|(name, v)| Some((name.clone(), v.as_f64()?)))
                    .collect(),
            })
            .collect();
        let previous = if decision.step > 0 {
            let rows = self.store.trajectory(&decision.trajectory_id)?;
            rows.iter()
                .position(|r| r.decision.decision_id == id)
                .and_then(|i| i.checked_sub(1))
                .map(|i| rows[i].decision.decision_id)
        } else {
            None
        };
        Ok(Why {
            propensity: decision.propensity.log_joint.exp(),
            outcome: (!reports.is_empty()).then(|| merge(&reports)),
            decision,
            items,
            rewards,
            previous,
            next: row.next,
            erased: row.erased,
        })
    }
}
