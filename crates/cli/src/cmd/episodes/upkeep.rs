//! `memrl propagate`, `memrl review` and `memrl index`: what keeps experience in order.

use memrl::{CellId, Memory, PropagateRequest, Review, ReviewAction};

use super::words::field;
use super::{prune, words};
use crate::args::{self, Global, ReviewWhat};
use crate::fail::Result;
use crate::out::Out;
use crate::{session, text};

/// Lets values flow between similar cells.
pub fn propagate(global: &Global, args: &args::Propagate, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let project = super::named_project(&memory, args.project.as_deref())?;
    let report = memory.propagate(&PropagateRequest {
        temporal: args.temporal,
        project,
    })?;
    if out.is_json() {
        out.json(&report)?;
    } else {
        let number = |n: usize| text::grouped(n as u64);
        let cells = number(report.cells);
        let evidence = number(report.with_evidence);
        field(
            out,
            "cells",
            &format!("{cells}, {evidence} with evidence of their own"),
        )?;
        field(
            out,
            "edges",
            &format!("{} between similar cells", number(report.edges)),
        )?;
        field(
            out,
            "changed",
            &format!(
                "{} values, by {} in all",
                number(report.changed),
                text::number((report.total_change * 1e4).round() / 1e4)
            ),
        )?;
        if args.temporal {
            let credits = number(report.temporal_credits);
            field(
                out,
                "in time",
                &format!("{credits} credited for a later success"),
            )?;
        }
        out.note(&format!(
            "{}, {:.1} ms",
            text::count(report.iterations as u64, "step"),
            report.elapsed_us as f64 / 1000.0
        ));
        if args.project.is_some() && !args.temporal {
            out.note("Values flow through all projects alike; --project narrows --temporal.");
        }
    }
    out.flush()?;
    session::maintain(&memory, out);
    Ok(0)
}

/// Looks through the episodes for what is stale or there several times.
pub fn review(global: &Global, args: &args::Review, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let project = super::named_project(&memory, args.project.as_deref())?;
    let action = match args.action {
        ReviewWhat::Analyze => ReviewAction::Analyze,
        ReviewWhat::Consolidate => ReviewAction::Consolidate,
        ReviewWhat::Cleanup => ReviewAction::Cleanup,
    };
    let review = memory.review(project.as_ref(), action)?;
    if out.is_json() {
        out.json(&review)?;
    } else {
        told(&memory, &review, out)?;
    }
    if action != ReviewAction::Analyze {
        out.flush()?;
        session::maintain(&memory, out);
    }
    Ok(0)
}

fn told(memory: &Memory, review: &Review, out: &mut Out) -> Result<()> {
    let number = |n: usize| text::grouped(n as u64);
    field(out, "episodes", &number(review.episodes))?;
    field(out, "stale", &number(review.stale.len()))?;
    let groups = text::count(review.duplicates.len() as u64, "group");
    field(out, "duplicates", &groups)?;
    for group in &review.duplicates {
        out.line("")?;
        for (i, id) in group.iter().enumerate() {
            let mark = if i == 0 { "best" } else { "also" };
            out.line(&member(memory, *id, mark, out)?)?;
        }
    }
    if !review.stale.is_empty() {
        out.line("")?;
        prune::table(&review.stale, out)?;
    }
    if !review.done.is_empty() {
        out.line("")?;
    }
    for done in &review.done {
        field(out, "done", done)?;
    }
    for suggestion in &review.suggestions {
        out.note(&format!("\n{suggestion}"));
    }
    if let Some(id) = review.decision_id {
        let undo = out.talk.hint(&format!("memrl prune --undo {id}"));
        out.note(&format!("\nBring them back: {undo}"));
    }
    Ok(())
}

fn member(memory: &Memory, id: CellId, mark: &str, out: &Out) -> Result<String> {
    let cell = memory.get(&id.to_string())?;
    let intent = words::intent(&cell, words::episode(&cell).as_ref(), out);
    Ok(format!("  {mark}  m:{}  {intent}", id.short()))
}

/// Makes sure that everything can be found.
pub fn index(global: &Global, args: &args::Index, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let done = memory.reindex(args.reindex)?;
    if out.is_json() {
        out.json(&done)?;
        return Ok(0);
    }
    let missing = match done.missing {
        0 => "none missing".to_owned(),
        n => format!("{} still missing", text::grouped(n)),
    };
    let vectors = text::grouped(done.vectors);
    let embedded = text::grouped(done.embedded);
    field(
        out,
        "vectors",
        &format!("{vectors}, {embedded} of them new, {missing}"),
    )?;
    let rewritten = if done.rewritten { ", written anew" } else { "" };
    let size = text::bytes(done.index_bytes);
    field(out, "index", &format!("{size}{rewritten}"))?;
    Ok(0)
}
