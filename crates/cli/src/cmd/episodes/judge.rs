//! `memrl feedback helpful|not-helpful|mixed`.

use memrl::{CellFeedback, CellFeedbackReport, Code};

use crate::args::{self, Global};
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::{session, text};

/// How useful something was, in words; `None` for a text that is no verdict.
pub fn verdict(word: &str) -> Option<f64> {
    match word.trim().to_ascii_lowercase().as_str() {
        "helpful" | "yes" | "y" | "1" | "good" => Some(1.0),
        "not-helpful" | "unhelpful" | "no" | "n" | "0" | "bad" => Some(0.0),
        "mixed" | "partial" | "skip" => Some(0.5),
        _ => None,
    }
}

/// Judges memories that were shown.
pub fn judge(global: &Global, args: args::Feedback, out: &mut Out) -> Result<u8> {
    let Some(useful) = verdict(&args.about) else {
        return Err(Failure::hinted(
            Code::InvalidInput,
            format!("{:?} is no verdict", args.about),
            "say helpful, not-helpful or mixed",
        ));
    };
    if args.episodes.is_empty() && args.shown_by.is_none() {
        return Err(Failure::hinted(
            Code::InvalidInput,
            "it is not said which memories",
            "add --episodes ID,ID, or --episodes last for all that were shown last",
        ));
    }
    let memory = session::open(global, &[], out)?;
    let source = if args.source.is_empty() {
        "user".to_owned()
    } else {
        args.source
    };
    let report = memory.judge(&CellFeedback {
        cells: args.episodes,
        useful,
        decision: args.shown_by,
        trajectory: args.trajectory,
        correction: args.correction,
        source,
    })?;
    if out.is_json() {
        out.json(&report)?;
    } else {
        print(&report, out)?;
    }
    contradictions(&report, out);
    Ok(0)
}

fn print(report: &CellFeedbackReport, out: &mut Out) -> Result<()> {
    for cell in &report.cells {
        let mut changed = report.reports.iter().flat_map(|r| &r.values);
        let change = changed.rfind(|(id, ..)| id == cell);
        let change = change.map_or_else(
            || "unchanged".to_owned(),
            |(_, before, after)| format!("{} → {}", text::number(*before), text::number(*after)),
        );
        out.line(&format!("m:{:<12} value {change}", cell.short()))?;
    }
    let what = if report.reports.iter().all(|r| r.repeated) {
        "This was reported before:"
    } else {
        "Recorded:"
    };
    let decisions: Vec<String> = report
        .reports
        .iter()
        .map(|r| r.decision_id.to_string())
        .collect();
    let memories = crate::cmd::cells::memories(report.cells.len());
    out.note(&format!(
        "{what} {memories} of decision {}",
        decisions.join(", ")
    ));
    Ok(())
}

/// Says what contradicts an earlier report.
fn contradictions(report: &CellFeedbackReport, out: &mut Out) {
    for own in &report.reports {
        let conflicts = &own.merged.conflicts;
        for conflict in conflicts.iter().filter(|c| c.outcome_id == own.outcome_id) {
            out.warn(&format!(
                "{} {} contradicts the {} reported before: this report is stored and does not \
                 count; `memrl feedback {} --useful ID=X --revise` makes it count",
                conflict.field,
                text::number(conflict.reported),
                text::number(conflict.kept),
                own.decision_id
            ));
        }
    }
}
