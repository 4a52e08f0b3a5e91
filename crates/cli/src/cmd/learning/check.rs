//! `memrl policy check` and `memrl policy shadow --report`: how trial, watch and shadow stand.

use memrl::learn::gate::{ArmSummary, Verdict};
use memrl::{CheckReport, LogQuery, Memory, Standing};
use serde_json::json;

use super::{estimate, field, trajectories};
use crate::fail::Result;
use crate::out::Out;
use crate::table::{Fit, Table};
use crate::text;

/// Tells how they stand, and what was done about it.
pub fn run(report: &CheckReport, out: &mut Out) -> Result<u8> {
    if out.is_json() {
        out.json(report)?;
        return Ok(0);
    }
    if report.canary.is_none() && report.control.is_none() {
        out.line("No policy is on trial, and none was promoted.")?;
        out.note(&format!(
            "Put one on trial: {}",
            out.talk.hint("memrl policy canary NAME")
        ));
        return Ok(0);
    }
    if let Some(trial) = &report.canary {
        standing("on trial", trial, out)?;
    }
    if let Some(watch) = &report.control {
        if report.canary.is_some() {
            out.line("")?;
        }
        standing("promoted", watch, out)?;
    }
    for step in &report.done {
        let done = out.style.bold(&step.summary);
        out.line("")?;
        out.line(&done)?;
    }
    Ok(0)
}

fn standing(role: &str, s: &Standing, out: &mut Out) -> Result<()> {
    let sentence = match s.summary.verdict {
        Verdict::Promote => out.style.good(&s.sentence),
        Verdict::Stop { .. } => out.style.bad(&s.sentence),
        _ => out.style.bold(&s.sentence),
    };
    out.line(&format!("{} ({role}): {sentence}", s.policy))?;
    field(out, "against", &s.control)?;
    field(out, "since", &s.since.to_string())?;
    field(
        out,
        "evidence",
        &format!(
            "better {}, worse {}; {} is a proof (wrong with probability {} at most)",
            estimate(s.summary.e_better),
            estimate(s.summary.e_worse),
            estimate(1.0 / s.delta),
            text::number(s.delta)
        ),
    )?;
    let mut table = Table::new(&[
        ("", Fit::Left),
        ("TRAJECTORIES", Fit::Right),
        ("WITH OUTCOME", Fit::Right),
        ("MEAN REWARD", Fit::Right),
        ("UNSAFE", Fit::Right),
        ("OUT OF DATE", Fit::Right),
    ]);
    for (name, arm) in [
        ("policy", &s.summary.policy),
        ("control", &s.summary.control),
    ] {
        table.row(row(name, arm));
    }
    out.table(&table)?;
    let both = s.summary.policy.trajectories + s.summary.control.trajectories;
    if both == 0 {
        out.note(&format!("{} closed so far.", trajectories(0)));
    }
    Ok(())
}

fn row(name: &str, arm: &ArmSummary) -> [String; 6] {
    let mean = if arm.reported > 0 {
        estimate(arm.reward / arm.reported as f64)
    } else {
        "-".to_owned()
    };
    [
        name.to_owned(),
        text::grouped(arm.trajectories),
        text::grouped(arm.reported),
        mean,
        text::grouped(arm.unsafe_actions),
        text::grouped(arm.stale),
    ]
}

/// Tells what policies in shadow mode would have shown, against what was shown.
pub fn shadow(memory: &Memory, out: &mut Out) -> Result<u8> {
    let rows = memory.shadow_report(&LogQuery::default())?;
    if out.is_json() {
        out.json(&json!({"items": rows}))?;
        return Ok(0);
    }
    if rows.is_empty() {
        out.line("No decision has been made with a policy in shadow mode.")?;
        out.note(&format!(
            "Start it: {}",
            out.talk.hint("memrl policy shadow NAME")
        ));
        return Ok(0);
    }
    for (i, row) in rows.iter().enumerate() {
        if i > 0 {
            out.line("")?;
        }
        let label = out.style.bold(&row.policy);
        out.line(&format!(
            "{label} was asked about {}",
            text::count(row.decisions, "decision")
        ))?;
        field(out, "from", &format!("{} to {}", row.from, row.to))?;
        field(
            out,
            "same slate",
            &format!("{} of them", text::percent(row.same_slate)),
        )?;
        field(
            out,
            "overlap",
            &format!(
                "{} of the memories that were shown or would have been",
                text::percent(row.overlap)
            ),
        )?;
        field(
            out,
            "tokens",
            &format!("{:.1} shown, {:.1} by it", row.tokens.0, row.tokens.1),
        )?;
    }
    Ok(0)
}
