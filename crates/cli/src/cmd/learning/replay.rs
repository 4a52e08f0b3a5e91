//! `memrl replay`.

use std::ops::ControlFlow;

use memrl::{CellId, ReplayReport, ReplayRequest, ReplayedDecision};
use serde::Serialize;

use super::{estimate, heading, log_query};
use crate::args::{self, Global};
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::{session, text};

/// The exit code when history does not repeat itself.
const DIFFERS: u8 = 1;

/// The report, and the decisions that were asked for.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    report: &'a ReplayReport,
    items: &'a [ReplayedDecision],
}

/// Replays a part of the log.
pub fn run(global: &Global, args: &args::Replay, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let request = ReplayRequest {
        policy: args.policy.clone(),
        log: log_query(&args.log),
    };
    let mut progress = out.progress("deciding again", None);
    let (mut seen, mut failure, mut items) = (0, None, Vec::new());
    let report = memory.replay(&request, &mut |decision| {
        seen += 1;
        progress.at(seen);
        if decision.same && !args.all {
            return ControlFlow::Continue(());
        }
        if out.is_json() {
            items.push(decision.clone());
            return ControlFlow::Continue(());
        }
        match one(decision, args.policy.is_none(), out) {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                failure = Some(e);
                ControlFlow::Break(())
            }
        }
    });
    drop(progress);
    if let Some(failure) = failure {
        return Err::<u8, Failure>(failure);
    }
    let report = report?;
    if out.is_json() {
        let items = &items;
        out.json(&Answer {
            report: &report,
            items: items.as_slice(),
        })?;
    } else {
        summary(&report, out)?;
    }
    let changed = report.policy.is_none() && report.same < report.decisions;
    Ok(if changed { DIFFERS } else { 0 })
}

/// One decision: what left its slate and what came into it.
fn one(d: &ReplayedDecision, as_it_was: bool, out: &mut Out) -> Result<()> {
    let id = out.style.hint(&d.decision.to_string());
    let (before, after) = (text::grouped(d.tokens.0), text::grouped(d.tokens.1));
    out.line(&format!(
        "{id}  {}  {} ({}), {before} → {after} tokens",
        d.at, d.arm, d.acted
    ))?;
    let gone: Vec<&CellId> = d.shown.iter().filter(|c| !d.would.contains(c)).collect();
    let come: Vec<&CellId> = d.would.iter().filter(|c| !d.shown.contains(c)).collect();
    let cells = |cells: &[&CellId]| {
        let ids = cells.iter().map(|c| format!("m:{}", c.short()));
        ids.collect::<Vec<_>>().join(" ")
    };
    if !gone.is_empty() {
        out.line(&format!("  - {}", cells(&gone)))?;
    }
    if !come.is_empty() {
        out.line(&format!("  + {}", cells(&come)))?;
    }
    if gone.is_empty() && come.is_empty() {
        out.line(if d.same {
            "  the same"
        } else if d.shown != d.would {
            "  the same memories in another order"
        } else if as_it_was {
            "  the same slate with another probability"
        } else {
            "  the same slate"
        })?;
    }
    Ok(())
}

fn summary(r: &ReplayReport, out: &mut Out) -> Result<()> {
    let decisions = text::count(r.decisions, "decision");
    let title = match &r.policy {
        None if r.decisions == 0 => "No decision can be replayed".to_owned(),
        None if r.same == r.decisions => {
            format!("{decisions} made again: all the same, to the last bit of their probability")
        }
        None => format!(
            "{decisions} made again: {} came out otherwise",
            text::grouped(r.decisions - r.same)
        ),
        Some(policy) => format!(
            "{decisions} under {policy}: {} would be the same",
            text::grouped(r.same)
        ),
    };
    if r.same < r.decisions {
        heading(out, &title)?;
    } else {
        out.line(&title)?;
    }
    if r.policy.is_some() && r.decisions > 0 {
        out.line(&format!(
            "  per decision {} memories less and {} more; {} tokens instead of {}",
            estimate(r.removed),
            estimate(r.added),
            estimate(r.tokens.1),
            estimate(r.tokens.0)
        ))?;
    }
    if r.foreign > 0 {
        out.note(&format!(
            "{} could not be replayed: logged with other features",
            text::count(r.foreign, "decision")
        ));
    }
    if r.unknown > 0 {
        out.note(&format!(
            "{} could not be replayed: their policy is gone",
            text::count(r.unknown, "decision")
        ));
    }
    Ok(())
}
