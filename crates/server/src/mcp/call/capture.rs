//! `memrl_capture`: records an episode.

use std::fmt::Write as _;

use memrl::{
    CaptureRequest, DecisionId, Ended, Episode, EpisodeStatus, Intent, Origin, TaskType, Touched,
    Trouble,
};
use serde_json::{Value, json};

use super::{Call, Failure, cite};
use crate::mcp::tools::Output;

pub(crate) fn run(call: &Call<'_>) -> Result<Output, Failure> {
    let summary = call.text("summary").unwrap_or_default();
    if summary.trim().is_empty() {
        return Err(Failure::argument("summary: says nothing"));
    }
    let Some(project) = call.project()? else {
        return Err(Failure::argument(
            "project: is required here, as this server works in no directory of yours",
        ));
    };
    let trajectory = call.text("session").or(call.trajectory);
    let decisions = call
        .texts("decision_ids")
        .iter()
        .map(|id| call.memory.decision_meant(id, trajectory))
        .collect::<memrl::Result<Vec<DecisionId>>>()?;
    let episode = episode(call, summary, &project.name);
    let captured = call.memory.capture(CaptureRequest {
        project: project.clone(),
        origin: Origin::Agent,
        decisions,
        trajectory: trajectory.map(str::to_owned),
        episode,
    })?;
    let cell = &captured.cell;
    let action = serde_json::to_value(captured.action).unwrap_or_default();
    let similar: Vec<Value> = captured
        .similar
        .iter()
        .map(|s| json!({"id": s.cell_id, "similarity": s.similarity}))
        .collect();
    let mut text = format!(
        "{} {} in {}",
        action.as_str().unwrap_or_default(),
        cite(cell),
        project.name
    );
    if !similar.is_empty() {
        let _ = write!(text, "; {} like it were there before", similar.len());
    }
    if captured.redacted > 0 {
        let secrets = if captured.redacted == 1 {
            "secret"
        } else {
            "secrets"
        };
        let _ = write!(text, "; {} {secrets} cut out", captured.redacted);
    }
    if !captured.credited.is_empty() {
        let _ = write!(
            text,
            "; {} {} learned from it",
            captured.credited.len(),
            if captured.credited.len() == 1 {
                "retrieve"
            } else {
                "retrieves"
            }
        );
    }
    for warning in &captured.warnings {
        let _ = write!(text, "\nwarning: {warning}");
    }
    Ok(Output {
        structured: json!({
            "id": cell.cell_id,
            "cite": cite(cell),
            "action": action,
            "project": project.name,
            "task_type": call.text("task_type"),
            "outcome": call.text("outcome"),
            "similar": similar,
            "redacted": captured.redacted,
            "credited": captured.credited,
            "warnings": captured.warnings,
        }),
        text,
    })
}

fn episode(call: &Call<'_>, summary: &str, project: &str) -> Episode {
    let named = |name| call.text(name).unwrap_or_default();
    let part = |error: &Value, name: &str| error[name].as_str().unwrap_or_default().to_owned();
    let errors = call
        .arguments
        .get("errors_resolved")
        .and_then(Value::as_array);
    Episode {
        schema: memrl::EPISODE_SCHEMA,
        project: project.to_owned(),
        intent: Intent {
            extracted_intent: summary.to_owned(),
            task_type: TaskType::from_name(named("task_type")).unwrap_or_default(),
            domain: call.texts("tags"),
            ..Intent::default()
        },
        context: Touched {
            files_modified: call.texts("files_modified"),
            errors_encountered: errors
                .into_iter()
                .flatten()
                .map(|e| Trouble {
                    message: part(e, "error"),
                    resolved: true,
                    resolution: Some(part(e, "resolution")),
                    ..Trouble::default()
                })
                .collect(),
            ..Touched::default()
        },
        outcome: Ended {
            status: EpisodeStatus::from_name(named("outcome")).unwrap_or_default(),
            ..Ended::default()
        },
        learnings: call.texts("learnings"),
        ..Episode::default()
    }
}
