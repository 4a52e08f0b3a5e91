//! `memrl_feedback`: a verdict on memories that were shown.

use std::fmt::Write as _;

use memrl::CellFeedback;
use serde_json::{Value, json};

use super::{Call, Failure, bare};
use crate::mcp::tools::Output;

pub(crate) fn run(call: &Call<'_>) -> Result<Output, Failure> {
    let mut cells = call.texts("episode_ids");
    cells.extend(call.texts("episodes"));
    if cells.is_empty() && call.text("decision_id").is_none() {
        return Err(Failure::argument(
            "episode_ids: name at least one, or \"last\" for all that the last retrieve showed",
        ));
    }
    if cells.iter().any(|id| bare(id).is_empty()) {
        return Err(Failure::argument("episode_ids: an empty id names nothing"));
    }
    let helpful = call.flag("helpful");
    let report = call.memory.judge(&CellFeedback {
        cells,
        useful: if helpful { 1.0 } else { 0.0 },
        decision: call.text("decision_id").map(str::to_owned),
        trajectory: call.trajectory.map(str::to_owned),
        correction: call.text("correction").map(str::to_owned),
        source: "agent".to_owned(),
    })?;
    let mut text = format!(
        "{} {} {}",
        report.cells.len(),
        if report.cells.len() == 1 {
            "memory"
        } else {
            "memories"
        },
        if helpful { "helped" } else { "did not help" },
    );
    let decisions: Vec<Value> = report
        .reports
        .iter()
        .map(|r| {
            let values = r.values.iter();
            let values = values.map(|(id, b, a)| json!({"id": id, "before": b, "after": a}));
            json!({
                "decision_id": r.decision_id,
                "repeated": r.repeated,
                "values": values.collect::<Vec<_>>(),
            })
        })
        .collect();
    for r in &report.reports {
        for (id, before, after) in &r.values {
            let _ = write!(text, "\n[m:{}] value {before:.2} → {after:.2}", id.short());
        }
        if r.repeated {
            let _ = write!(
                text,
                "\nreported before on decision {}: nothing changed",
                r.decision_id
            );
        }
    }
    Ok(Output {
        structured: json!({"helpful": helpful, "judged": report.cells, "decisions": decisions}),
        text,
    })
}
