//! Transitions as JSON text, written piece by piece.
//!
//! The one place that gives a transition its shape: building values first and serialising them
//! took longer than reading the log. Stored JSON is copied, not read.

use std::io::Write;

use memrl_learn::RewardSpec;
use memrl_store::DecisionRow;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::feedback::merge;
use crate::{Decision, Item, Merged};

/// Which fields an entry has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// All: with the second identifier and the times.
    Transition,
    /// The five of memcell-rl's data set.
    Dataset,
}

/// The part of a stored state that memcell-rl's clients know, and the rest.
#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(borrow, default)]
    candidate_cells: Option<&'a RawValue>,
}

/// Writes one transition.
pub(super) fn write(
    out: &mut Vec<u8>,
    row: &DecisionRow,
    spec: &RewardSpec,
    shape: Shape,
) -> std::io::Result<()> {
    let d = &row.decision;
    let merged = (!row.reports.is_empty()).then(|| merge(&row.reports));
    write!(out, "{{\"transition_id\":\"{}\"", d.decision_id)?;
    if shape == Shape::Transition {
        write!(out, ",\"query_id\":\"{}\"", d.query_id)?;
    }
    out.extend_from_slice(b",\"state\":");
    state(out, d, row.raw_state.as_deref().unwrap_or("{}"))?;
    out.extend_from_slice(b",\"action\":");
    action(out, d)?;
    out.extend_from_slice(b",\"reward\":");
    match &merged {
        Some(merged) => reward(out, spec, merged)?,
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"next_state\":");
    match &merged {
        Some(merged) => {
            out.extend_from_slice(b"{\"feedback_received\":true");
            signals(out, merged)?;
            match row.next {
                Some(next) => write!(out, ",\"next_transition_id\":\"{next}\"}}")?,
                None => out.extend_from_slice(b",\"next_transition_id\":null}"),
            }
        }
        None => out.extend_from_slice(b"null"),
    }
    if shape == Shape::Transition {
        write!(out, ",\"created_at\":\"{}\"", d.created_at)?;
        match merged.and_then(|m| m.completed_at) {
            Some(at) => write!(out, ",\"completed_at\":\"{at}\"")?,
            None => out.extend_from_slice(b",\"completed_at\":null"),
        }
    }
    out.push(b'}');
    Ok(())
}

fn field(out: &mut Vec<u8>, name: &str, value: &(impl Serialize + ?Sized)) -> std::io::Result<()> {
    write!(out, ",\"{name}\":")?;
    Ok(serde_json::to_writer(out, value)?)
}

fn state(out: &mut Vec<u8>, d: &Decision, raw: &str) -> std::io::Result<()> {
    out.extend_from_slice(b"{\"query\":");
    serde_json::to_writer(&mut *out, &d.query)?;
    field(out, "task_type", &d.task_type)?;
    field(out, "scope", &d.scope)?;
    write!(
        out,
        ",\"budget_tokens\":{},\"candidate_cells\":",
        d.budget_tokens
    )?;
    let stored: Stored<'_> = serde_json::from_str(raw)?;
    match stored.candidate_cells {
        Some(candidates) => out.extend_from_slice(candidates.get().as_bytes()),
        None => list(out, d.items.iter(), |out, i| {
            write!(
                out,
                "{{\"cell_id\":\"{}\",\"version\":{}",
                i.cell_id, i.version
            )?;
            write!(out, ",\"tokens\":{}", i.tokens)?;
            field(out, "features", &i.features)?;
            field(out, "retrieval_score", &i.score)?;
            out.push(b'}');
            Ok(())
        })?,
    }
    write!(out, ",\"k\":{}", d.k)?;
    field(out, "feature_schema", &d.feature_schema)?;
    field(out, "trajectory_id", &d.trajectory_id)?;
    write!(out, ",\"step\":{}", d.step)?;
    if stored.candidate_cells.is_none() {
        out.extend_from_slice(b",\"memory\":");
        out.extend_from_slice(raw.as_bytes());
    }
    out.push(b'}');
    Ok(())
}

fn action(out: &mut Vec<u8>, d: &Decision) -> std::io::Result<()> {
    out.extend_from_slice(b"{\"selected\":");
    list(out, d.slate().into_iter(), |out, i| {
        write!(
            out,
            "{{\"cell_id\":\"{}\",\"mode\":\"{}\"",
            i.cell_id, i.mode
        )?;
        field(out, "score", &i.score)?;
        field(out, "reason", &i.reason)?;
        field(out, "p_include", &i.p_include)?;
        field(out, "p_step", &i.p_step)?;
        out.push(b'}');
        Ok(())
    })?;
    out.extend_from_slice(b",\"suppressed\":");
    list(out, d.items.iter().filter(|i| !i.selected), |out, i| {
        write!(out, "{{\"cell_id\":\"{}\"", i.cell_id)?;
        field(out, "reason", &i.reason)?;
        write!(out, ",\"held_out\":{}}}", i.held_out)
    })?;
    let (policy, version) = d.policy.split_once('@').unwrap_or((&d.policy, ""));
    field(out, "policy_id", policy)?;
    field(out, "policy_version", version)?;
    field(out, "arm", &d.arm)?;
    field(out, "explore_mode", &d.explore_mode)?;
    field(out, "propensity", &d.propensity.log_joint.exp())?;
    field(out, "log_propensity", &d.propensity.log_joint)?;
    out.push(b'}');
    Ok(())
}

fn list<'a>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = &'a Item>,
    mut one: impl FnMut(&mut Vec<u8>, &Item) -> std::io::Result<()>,
) -> std::io::Result<()> {
    out.push(b'[');
    for (n, item) in items.enumerate() {
        if n > 0 {
            out.push(b',');
        }
        one(out, item)?;
    }
    out.push(b']');
    Ok(())
}

fn reward(out: &mut Vec<u8>, spec: &RewardSpec, merged: &Merged) -> std::io::Result<()> {
    let value = spec.score(&merged.outcome).ok().map(|r| r.value);
    out.extend_from_slice(b"{\"reward_value\":");
    serde_json::to_writer(&mut *out, &value)?;
    signals(out, merged)?;
    let o = &merged.outcome;
    write!(out, ",\"tokens_used\":{}", o.tokens_used.unwrap_or(0))?;
    write!(out, ",\"latency_ms\":{}", o.latency_ms.unwrap_or(0))?;
    field(out, "spec", &spec.name())?;
    out.push(b'}');
    Ok(())
}

/// Whole successes are booleans, as in memcell-rl; fractions are numbers.
fn signals(out: &mut Vec<u8>, merged: &Merged) -> std::io::Result<()> {
    let o = &merged.outcome;
    match o.success {
        Some(s) if s <= 0.0 => field(out, "task_success", &false)?,
        Some(s) if s >= 1.0 => field(out, "task_success", &true)?,
        success => field(out, "task_success", &success)?,
    }
    field(out, "unsafe_action", &o.unsafe_action.unwrap_or(false))?;
    field(
        out,
        "stale_memory_error",
        &o.stale_memory_error.unwrap_or(false),
    )
}
