//! `memrl_status`, `memrl_stats`, `memrl_propagate`, `memrl_review`.

use std::fmt::Write as _;

use memrl::{PropagateRequest, ReviewAction};
use serde_json::{Value, json};

use super::{Call, Failure, counts, first_line};
use crate::mcp::tools::Output;

pub(crate) fn status(call: &Call<'_>) -> Result<Output, Failure> {
    let project = call.project()?;
    let s = call.memory.project_status(project.as_ref())?;
    let name = project.map(|p| p.name);
    let mut text = format!(
        "{}: {} episodes ({} of high value, {} unused), {} memories of all kinds; \
         {} retrieves, {} of them showed something, {} of those have an outcome",
        name.as_deref().unwrap_or("all projects"),
        s.episodes,
        s.high_value,
        s.unused,
        s.cells,
        s.decisions,
        s.showing,
        s.with_outcome,
    );
    if let Some(last) = s.last_capture {
        let _ = write!(text, "\nlast capture: {last}");
    }
    if s.queued > 0 {
        let _ = write!(text, "\nsessions waiting to be captured: {}", s.queued);
    }
    if s.switched_off {
        text.push_str("\nmemory is switched off here: hooks do nothing; these tools still work");
    }
    append(&mut text, "could be done", &s.suggestions);
    Ok(Output {
        structured: json!({
            "project": name,
            "switched_off": s.switched_off,
            "episodes": s.episodes,
            "cells": s.cells,
            "last_capture": s.last_capture,
            "high_value": s.high_value,
            "unused": s.unused,
            "mean_value": s.mean_value,
            "decisions": s.decisions,
            "showing": s.showing,
            "with_outcome": s.with_outcome,
            "queued": s.queued,
            "suggestions": s.suggestions,
        }),
        text,
    })
}

pub(crate) fn stats(call: &Call<'_>) -> Result<Output, Failure> {
    let project = call.project()?;
    let s = call.memory.episode_stats(project.as_ref())?;
    let name = project.map(|p| p.name);
    let mut text = format!(
        "{}: {} episodes, shown {} times, {} with evidence",
        name.as_deref().unwrap_or("all projects"),
        s.episodes,
        s.shown,
        s.with_evidence,
    );
    if let Some(rate) = s.success_rate {
        let _ = write!(text, "; success rate {rate:.2}");
    }
    if let Some(mean) = s.mean_value {
        let _ = write!(text, "; mean value {mean:.2}");
    }
    for (what, pairs) in [
        ("outcomes", &s.by_outcome),
        ("kinds of work", &s.by_task_type),
        ("projects", &s.by_project),
        ("tags", &s.tags),
    ] {
        if !pairs.is_empty() {
            let list: Vec<String> = pairs.iter().map(|(n, c)| format!("{n} {c}")).collect();
            let _ = write!(text, "\n{what}: {}", list.join(", "));
        }
    }
    Ok(Output {
        structured: json!({
            "project": name,
            "episodes": s.episodes,
            "success_rate": s.success_rate,
            "mean_value": s.mean_value,
            "shown": s.shown,
            "with_evidence": s.with_evidence,
            "by_outcome": counts(&s.by_outcome),
            "by_task_type": counts(&s.by_task_type),
            "by_project": counts(&s.by_project),
            "tags": counts(&s.tags),
        }),
        text,
    })
}

pub(crate) fn propagate(call: &Call<'_>) -> Result<Output, Failure> {
    // Spreading is always over all memories; a project only bounds temporal credit.
    let project = match call.text("project") {
        Some(_) => call.project()?,
        None => None,
    };
    let report = call.memory.propagate(&PropagateRequest {
        temporal: call.flag("temporal"),
        project,
    })?;
    let text = format!(
        "{} of {} values changed by {:.3} in all ({} with evidence of their own, {} edges, {} temporal credits)",
        report.changed,
        report.cells,
        report.total_change,
        report.with_evidence,
        report.edges,
        report.temporal_credits,
    );
    Ok(Output {
        structured: serde_json::to_value(&report).unwrap_or_default(),
        text,
    })
}

pub(crate) fn review(call: &Call<'_>) -> Result<Output, Failure> {
    let project = call.project()?;
    let action = match call.text("action") {
        Some("consolidate") => ReviewAction::Consolidate,
        Some("cleanup") => ReviewAction::Cleanup,
        _ => ReviewAction::Analyze,
    };
    let review = call.memory.review(project.as_ref(), action)?;
    let mut text = format!(
        "{}: {} episodes, {} stale, {} groups of near-duplicates",
        project.as_ref().map_or("all projects", |p| p.name.as_str()),
        review.episodes,
        review.stale.len(),
        review.duplicates.len(),
    );
    let stale = review.stale.iter().filter(|row| call.may_see(&row.cell));
    let stale: Vec<Value> = stale
        .map(|row| {
            let line = first_line(&row.cell.content, 160);
            let _ = write!(
                text,
                "\nstale: [m:{}] {:.0} days, value {:.2}: {line}",
                row.cell.cell_id.short(),
                row.age_days,
                row.value.mean,
            );
            json!({
                "id": row.cell.cell_id,
                "content": line,
                "age_days": row.age_days,
                "value": row.value.mean,
            })
        })
        .collect();
    for group in &review.duplicates {
        let ids: Vec<String> = group
            .iter()
            .map(|id| format!("[m:{}]", id.short()))
            .collect();
        let _ = write!(text, "\nalike: {}", ids.join(" "));
    }
    append(&mut text, "done", &review.done);
    append(&mut text, "could be done", &review.suggestions);
    if let Some(id) = review.decision_id {
        let _ = write!(text, "\nto take it back: memrl prune --undo {id}");
    }
    Ok(Output {
        structured: json!({
            "action": review.action,
            "episodes": review.episodes,
            "stale": stale,
            "duplicates": review.duplicates,
            "done": review.done,
            "suggestions": review.suggestions,
            "decision_id": review.decision_id,
        }),
        text,
    })
}

fn append(text: &mut String, what: &str, lines: &[String]) {
    for line in lines {
        let _ = write!(text, "\n{what}: {line}");
    }
}
