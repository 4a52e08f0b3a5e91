//! Pruning: what is old *and* worth little is put away, for thirty days within reach.
//!
//! A prune is a decision at the point `retain`: it is logged with its candidates before it is
//! carried out, and its log row is what an undo reads.

use std::collections::HashMap;

use memrl_store::{DecisionFilter, DecisionRow, NewDecision, Order};

use super::capture::live_filter;
use crate::{
    Arm, CellId, CellStatus, CellType, Code, Component, Decision, DecisionId, DecisionPoint, Error,
    EventKind, ExploreMode, Item, Memory, Mode, Project, Propensity, PruneReport, PruneRequest,
    PruneRow, Restored, Result, Scope, Timestamp,
};

/// The policy that prunes.
pub(crate) const PRUNE: &str = "prune@1";
/// The policy that puts near-duplicates behind the best of them. Its cells are kept for good.
pub(crate) const CONSOLIDATE: &str = "consolidate@1";
/// How long a prune can be undone.
const UNDO_DAYS: f64 = 30.0;
/// Key of the store's meta value that says when the next pruned cell is to be forgotten.
const DUE: &str = "prune.due";

impl Memory {
    /// Puts away cells that are old and worth little; without `execute` only says which. What was
    /// put away is shown no more and can be brought back for 30 days; then it is forgotten.
    pub fn prune(&self, request: &PruneRequest) -> Result<PruneReport> {
        let days = request.older_than_days;
        if !(days.is_finite() && days >= 0.0) {
            let message = format!("is {days}; it must be a number of days");
            return Err(Error::invalid(Code::InvalidInput, "older_than", message));
        }
        if !(0.0..=1.0).contains(&request.min_utility) {
            let message = format!("is {}; it must lie in [0, 1]", request.min_utility);
            return Err(Error::invalid(Code::InvalidInput, "min_utility", message));
        }
        let types = if request.types.is_empty() {
            vec![CellType::Episode]
        } else {
            request.types.clone()
        };
        let outlines = self
            .store
            .outline(&live_filter(request.project.as_ref(), &types))?;
        let values = self.views_of_outlines(&outlines);
        let now = self.clock.now();
        let considered = outlines.len();
        let mut old = Vec::new();
        for (outline, value) in outlines.iter().zip(values) {
            let touched = value.last_shown.map_or(outline.at, |t| t.max(outline.at));
            let age_days = now.days_since(touched);
            if age_days > days && value.mean < request.min_utility {
                old.push((outline.seq, age_days, value));
            }
        }
        // Only what is to go is read as a whole.
        let seqs: Vec<i64> = old.iter().map(|(seq, ..)| *seq).collect();
        let mut cells: HashMap<i64, crate::Cell> = self
            .store
            .rows(&seqs)?
            .into_iter()
            .map(|r| (r.seq, r.cell))
            .collect();
        let rows: Vec<(i64, PruneRow)> = old
            .into_iter()
            .filter_map(|(seq, age_days, value)| {
                let cell = cells.remove(&seq)?;
                let row = PruneRow {
                    cell,
                    age_days,
                    value,
                };
                Some((seq, row))
            })
            .collect();
        let mut report = PruneReport {
            decision_id: None,
            considered,
            rows: Vec::new(),
            executed: request.execute,
            undo_until: None,
        };
        if request.execute && !rows.is_empty() {
            let why = format!(
                "older than {days} days and worth less than {}",
                request.min_utility
            );
            let put_away: Vec<(i64, &crate::Cell)> =
                rows.iter().map(|(s, r)| (*s, &r.cell)).collect();
            let state = serde_json::json!({
                "considered": considered,
                "older_than_days": days,
                "min_utility": request.min_utility,
            });
            report.decision_id =
                Some(self.put_away(&put_away, PRUNE, &why, request.project.as_ref(), state)?);
            let until = now.plus_days(UNDO_DAYS);
            report.undo_until = Some(until);
            self.due_by(until)?;
        }
        report.rows = rows.into_iter().map(|(_, row)| row).collect();
        Ok(report)
    }

    /// Logs the decision to put cells away, then does it. A cell that was changed meanwhile stays.
    pub(crate) fn put_away(
        &self,
        cells: &[(i64, &crate::Cell)],
        policy: &str,
        why: &str,
        project: Option<&Project>,
        state: serde_json::Value,
    ) -> Result<DecisionId> {
        let now = self.clock.now();
        let id = self.new_decision_id();
        let items = cells
            .iter()
            .enumerate()
            .map(|(i, (_, cell))| item(cell, i as u32, why))
            .collect();
        let decision = Decision {
            decision_id: id,
            query_id: self.new_decision_id(),
            point: DecisionPoint::Retain,
            trajectory_id: id.to_string(),
            step: 0,
            created_at: now,
            query: why.to_owned(),
            task_type: String::new(),
            scope: project.map_or_else(Scope::default, Project::scope),
            budget_tokens: 0,
            k: cells.len() as u64,
            policy: policy.to_owned(),
            arms: vec![Arm {
                name: "incumbent".into(),
                policy: policy.to_owned(),
                share: 1.0,
            }],
            arm: "incumbent".into(),
            explore_mode: ExploreMode::Greedy,
            propensity: Propensity {
                log_joint: 0.0,
                components: vec![Component {
                    arm: "incumbent".into(),
                    mode: ExploreMode::Greedy,
                    weight: 1.0,
                    log_probability: Some(0.0),
                }],
                epsilon: 0.0,
                salt: self.salt,
                seed: 0,
            },
            feature_schema: memrl_learn::features::RECALL_V1.to_owned(),
            items,
            state,
            tokens_used: 0,
            latency_us: 0,
            context: None,
        };
        let seqs: Vec<i64> = cells.iter().map(|(seq, _)| *seq).collect();
        let ids: Vec<CellId> = cells.iter().map(|(_, cell)| cell.cell_id).collect();
        let payload = serde_json::json!({"policy": policy, "decision": id, "cells": ids.len()});
        let event = self.event(
            EventKind::PolicyAction,
            ids,
            Some(decision.query_id),
            payload,
        );
        let new = NewDecision {
            decision: &decision,
            seqs: &seqs,
        };
        self.store.append_decision(&new, &[event])?;
        for (_, cell) in cells {
            self.move_to(cell.cell_id, cell.version, CellStatus::Expired, id)?;
        }
        Ok(id)
    }

    /// Moves a cell that still has this version; whether it did.
    fn move_to(&self, id: CellId, version: u32, to: CellStatus, by: DecisionId) -> Result<bool> {
        let Some(row) = self.store.find(id)? else {
            return Ok(false);
        };
        if row.cell.version != version || row.cell.status == CellStatus::Deleted {
            return Ok(false);
        }
        let payload = serde_json::json!({"status": to, "decision": by});
        let event = self.event(EventKind::UpdateCell, vec![id], None, payload);
        self.store.set_status(id, to, self.clock.now(), &[event])?;
        Ok(true)
    }

    /// Brings back what a prune (or a consolidation) has put away, as far as nobody has changed it
    /// since. `decision` is its id, or `last`.
    pub fn undo_prune(&self, decision: &str) -> Result<Restored> {
        let row = if decision.trim() == "last" {
            let newest = self.store.decisions(&retain_filter(), None, 1)?;
            newest.rows.into_iter().next().ok_or_else(|| {
                Error::invalid(
                    Code::DecisionNotFound,
                    "decision",
                    "nothing was ever pruned",
                )
            })?
        } else {
            self.store.decision(self.decision_id(decision)?)?
        };
        if row.decision.point != DecisionPoint::Retain {
            let message = format!("{} pruned nothing", row.decision.decision_id);
            return Err(Error::invalid(Code::InvalidInput, "decision", message));
        }
        let id = row.decision.decision_id;
        let mut done = Restored {
            decision_id: id,
            restored: Vec::new(),
            skipped: Vec::new(),
        };
        for item in row.decision.slate() {
            let back = self.is_put_away(item.cell_id, item.version)?
                && self.move_to(item.cell_id, item.version + 1, CellStatus::Active, id)?;
            if back {
                done.restored.push(item.cell_id);
            } else {
                done.skipped.push(item.cell_id);
            }
        }
        Ok(done)
    }

    /// Whether a cell is as the prune left it.
    fn is_put_away(&self, id: CellId, version: u32) -> Result<bool> {
        Ok(self.store.find(id)?.is_some_and(|row| {
            row.cell.status == CellStatus::Expired && row.cell.version == version + 1
        }))
    }

    /// Forgets what was pruned more than 30 days ago and not brought back. Costs one look-up when
    /// nothing is due.
    pub(crate) fn finish_prunes(&self) -> Result<usize> {
        let now = self.clock.now();
        let due = self.store.meta(DUE)?.and_then(|b| time_of(&b));
        if due.is_none_or(|due| now < due) {
            return Ok(0);
        }
        let mut forgotten = 0;
        let mut next: Option<Timestamp> = None;
        let mut rows: Vec<DecisionRow> = Vec::new();
        let filter = DecisionFilter {
            policy: Some(PRUNE.to_owned()),
            order: Order::Oldest,
            ..retain_filter()
        };
        self.store.for_each_decision(&filter, &mut |row| {
            rows.push(row);
            std::ops::ControlFlow::Continue(())
        })?;
        for row in rows {
            let until = row.decision.created_at.plus_days(UNDO_DAYS);
            for item in row.decision.slate() {
                if !self.is_put_away(item.cell_id, item.version)? {
                    continue;
                }
                if until > now {
                    next = Some(next.map_or(until, |n| n.min(until)));
                    continue;
                }
                self.forget(&item.cell_id.to_string(), "pruned")?;
                forgotten += 1;
            }
        }
        let next = next.map_or_else(Vec::new, |t| t.0.to_le_bytes().to_vec());
        self.store.set_meta(DUE, &next)?;
        Ok(forgotten)
    }

    /// Notes that something is to be forgotten at this time at the latest.
    fn due_by(&self, until: Timestamp) -> Result<()> {
        let noted = self.store.meta(DUE)?.and_then(|b| time_of(&b));
        let due = noted.map_or(until, |n| n.min(until));
        Ok(self.store.set_meta(DUE, &due.0.to_le_bytes())?)
    }
}

fn retain_filter() -> DecisionFilter {
    DecisionFilter {
        point: Some(DecisionPoint::Retain),
        texts: false,
        ..DecisionFilter::default()
    }
}

fn time_of(bytes: &[u8]) -> Option<Timestamp> {
    bytes
        .try_into()
        .ok()
        .map(|b| Timestamp(i64::from_le_bytes(b)))
}

/// A cell that is put away, as the log has it.
fn item(cell: &crate::Cell, position: u32, why: &str) -> Item {
    Item {
        cell_id: cell.cell_id,
        version: cell.version,
        features: Vec::new(),
        score: 0.0,
        tokens: cell.tokens,
        selected: true,
        position: Some(position),
        mode: Mode::Suppress,
        reason: why.to_owned(),
        p_include: Some(1.0),
        p_step: None,
        critical: false,
        held_out: false,
    }
}
