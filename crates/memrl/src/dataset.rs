//! Views of the log: decisions, transitions (s, a, r, s'), events.

use std::ops::ControlFlow;

use memrl_learn::RewardSpec;
use memrl_store::{DecisionFilter, DecisionRow, EventFilter, Order};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cells::{page_size, parse_cursor};
use crate::feedback::merge;
use crate::{
    Code, Decision, DecisionId, DecisionQuery, Error, EventQuery, Events, Memory, Merged, Page,
    Result, Timestamp,
};

/// Which transitions to read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatasetQuery {
    /// Made at or after this time.
    pub from: Option<Timestamp>,
    /// Made before this time.
    pub to: Option<Timestamp>,
    /// By this policy, with or without its version.
    pub policy: Option<String>,
    /// Of this trajectory.
    pub trajectory: Option<String>,
    /// Only with (`true`) or without (`false`) an outcome.
    pub completed: Option<bool>,
    /// At most this many; all when `None`.
    pub limit: Option<u64>,
    /// How many to skip.
    pub offset: u64,
}

/// The (state, action, reward, next state) view of a decision, in memcell-rl's shape.
#[derive(Debug, Clone, Serialize)]
pub struct Transition {
    /// The decision.
    pub transition_id: DecisionId,
    /// Its second identifier.
    pub query_id: DecisionId,
    /// What was known.
    pub state: Value,
    /// What was done, with its propensity.
    pub action: Value,
    /// The reward record; null before an outcome.
    pub reward: Option<Value>,
    /// What followed; null before an outcome.
    pub next_state: Option<Value>,
    /// When the decision was made.
    pub created_at: Timestamp,
    /// When the last report arrived.
    pub completed_at: Option<Timestamp>,
}

/// A completed transition as the data set has it.
#[derive(Debug, Clone, Serialize)]
pub struct DatasetEntry {
    /// The decision.
    pub transition_id: DecisionId,
    /// What was known.
    pub state: Value,
    /// What was done, with its propensity.
    pub action: Value,
    /// The reward record.
    pub reward: Option<Value>,
    /// What followed.
    pub next_state: Option<Value>,
}

impl From<Transition> for DatasetEntry {
    fn from(t: Transition) -> Self {
        Self {
            transition_id: t.transition_id,
            state: t.state,
            action: t.action,
            reward: t.reward,
            next_state: t.next_state,
        }
    }
}

impl DatasetQuery {
    /// The same as a filter of the store.
    pub(crate) fn filter(&self) -> DecisionFilter {
        DecisionFilter {
            from: self.from,
            before: self.to,
            trajectory: self.trajectory.clone(),
            completed: self.completed,
            policy: self.policy.as_deref().map(with_version),
            ..DecisionFilter::default()
        }
    }
}

/// `similarity` means its built-in version.
fn with_version(name: &str) -> String {
    if name.contains('@') {
        return name.to_owned();
    }
    memrl_learn::policy::by_name(name).map_or_else(|_| name.to_owned(), |p| p.label())
}

impl Memory {
    /// One decision as logged.
    pub fn decision(&self, id: &str) -> Result<Decision> {
        Ok(self.store.decision(self.decision_id(id)?)?.decision)
    }

    /// A page of decisions, the newest first.
    pub fn decisions(&self, query: &DecisionQuery) -> Result<Page<Decision>> {
        let filter = DecisionFilter {
            from: query.from,
            before: query.to,
            policy: query.policy.as_deref().map(with_version),
            trajectory: query.trajectory.clone(),
            completed: query.completed,
            order: Order::Newest,
            ..DecisionFilter::default()
        };
        let cursor = parse_cursor(query.cursor.as_deref())?;
        let page = self
            .store
            .decisions(&filter, cursor, page_size(query.limit)?)?;
        Ok(Page {
            items: page.rows.into_iter().map(|r| r.decision).collect(),
            next_cursor: page.next.map(|c| c.0.to_string()),
        })
    }

    /// Transitions, the newest first.
    pub fn transitions(&self, query: &DatasetQuery) -> Result<Vec<Transition>> {
        let mut out = Vec::new();
        self.for_each_transition(query, &mut |t| {
            out.push(t);
            Ok(())
        })?;
        Ok(out)
    }

    /// Shows each transition to `visit`, the newest first, without holding them all.
    pub fn for_each_transition(
        &self,
        query: &DatasetQuery,
        visit: &mut dyn FnMut(Transition) -> Result<()>,
    ) -> Result<()> {
        let spec = self.spec(&self.config.reward.spec)?;
        let mut skip = query.offset;
        let mut left = query.limit.unwrap_or(u64::MAX);
        let mut failed = None;
        if left == 0 {
            return Ok(());
        }
        self.store.for_each_decision(&query.filter(), &mut |row| {
            if skip > 0 {
                skip -= 1;
                return ControlFlow::Continue(());
            }
            left -= 1;
            if let Err(e) = self.transition(row, &spec).and_then(&mut *visit) {
                failed = Some(e);
            }
            if failed.is_some() || left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn transition(&self, row: DecisionRow, spec: &RewardSpec) -> Result<Transition> {
        let merged = if row.outcomes > 0 {
            Some(merge(&self.store.outcomes_of(row.decision.decision_id)?))
        } else {
            None
        };
        let reward = merged.as_ref().map(|m| reward_record(m, spec));
        let next_state = merged.as_ref().map(|m| {
            let o = &m.outcome;
            json!({
                "feedback_received": true,
                "task_success": success_json(m),
                "unsafe_action": o.unsafe_action.unwrap_or(false),
                "stale_memory_error": o.stale_memory_error.unwrap_or(false),
                "next_transition_id": row.next,
            })
        });
        let completed_at = merged.as_ref().and_then(|m| m.completed_at);
        let d = row.decision;
        Ok(Transition {
            transition_id: d.decision_id,
            query_id: d.query_id,
            action: action_json(&d),
            created_at: d.created_at,
            state: state_json(d),
            reward,
            next_state,
            completed_at,
        })
    }

    /// Events, the newest first.
    pub fn events(&self, query: &EventQuery) -> Result<Events> {
        let limit = query.limit.unwrap_or(100);
        if !(1..=1000).contains(&limit) {
            let message = format!("is {limit}; it must lie in [1, 1000]");
            return Err(Error::invalid(Code::InvalidInput, "limit", message));
        }
        let filter = EventFilter {
            kinds: query.event_type.into_iter().collect(),
            from: query.from,
            ..EventFilter::default()
        };
        let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
        let mut events = self.store.events(&filter, limit as usize, offset)?;
        if let Some(to) = query.to {
            events.retain(|e| e.timestamp < to);
        }
        Ok(events)
    }
}

/// The reward record of memcell-rl, under one spec; null while the spec needs a signal that
/// nobody has reported.
fn reward_record(merged: &Merged, spec: &RewardSpec) -> Value {
    let o = &merged.outcome;
    json!({
        "reward_value": spec.score(o).ok().map(|r| r.value),
        "task_success": success_json(merged),
        "unsafe_action": o.unsafe_action.unwrap_or(false),
        "stale_memory_error": o.stale_memory_error.unwrap_or(false),
        "tokens_used": o.tokens_used.unwrap_or(0),
        "latency_ms": o.latency_ms.unwrap_or(0),
        "spec": spec.name(),
    })
}

/// Whole successes are booleans, as in memcell-rl; fractions are numbers.
fn success_json(merged: &Merged) -> Value {
    match merged.outcome.success {
        Some(s) if s <= 0.0 => json!(false),
        Some(s) if s >= 1.0 => json!(true),
        Some(s) => json!(s),
        None => Value::Null,
    }
}

fn state_json(d: Decision) -> Value {
    let Decision {
        query,
        task_type,
        scope,
        budget_tokens,
        k,
        mut state,
        items,
        ..
    } = d;
    let candidates = match state
        .as_object_mut()
        .and_then(|s| s.remove("candidate_cells"))
    {
        Some(candidates) => candidates,
        None => items
            .iter()
            .map(|i| {
                json!({
                    "cell_id": i.cell_id,
                    "version": i.version,
                    "tokens": i.tokens,
                    "features": i.features,
                    "retrieval_score": i.score,
                })
            })
            .collect(),
    };
    json!({
        "query": query,
        "task_type": task_type,
        "scope": scope,
        "budget_tokens": budget_tokens,
        "candidate_cells": candidates,
        "k": k,
        "feature_schema": d.feature_schema,
        "trajectory_id": d.trajectory_id,
        "step": d.step,
        "memory": state,
    })
}

fn action_json(d: &Decision) -> Value {
    let selected: Vec<Value> = d
        .slate()
        .iter()
        .map(|i| {
            json!({
                "cell_id": i.cell_id, "mode": i.mode, "score": i.score, "reason": i.reason,
                "p_include": i.p_include, "p_step": i.p_step,
            })
        })
        .collect();
    let suppressed: Vec<Value> = d
        .items
        .iter()
        .filter(|i| !i.selected)
        .map(|i| json!({"cell_id": i.cell_id, "reason": i.reason, "held_out": i.held_out}))
        .collect();
    json!({
        "selected": selected,
        "suppressed": suppressed,
        "policy_id": d.policy.split('@').next().unwrap_or_default(),
        "policy_version": d.policy.split('@').nth(1),
        "arm": d.arm,
        "explore_mode": d.explore_mode,
        "propensity": d.propensity.log_joint.exp(),
        "log_propensity": d.propensity.log_joint,
    })
}
