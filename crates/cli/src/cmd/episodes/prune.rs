//! `memrl prune`.

use std::io::{BufRead, IsTerminal, Write};

use memrl::{Code, Memory, PruneReport, PruneRequest, PruneRow};

use super::words;
use crate::args::{self, Global};
use crate::cmd::cells::memories;
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::table::{Fit, Table};
use crate::{session, text};

/// Puts away what is old and worth little, or brings it back.
pub fn prune(global: &Global, args: &args::Prune, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    if let Some(decision) = &args.undo {
        undo(&memory, decision, out)?;
        out.flush()?;
        session::maintain(&memory, out);
        return Ok(0);
    }
    let mut request = PruneRequest {
        older_than_days: args.older_than,
        min_utility: args.min_utility,
        project: super::named_project(&memory, args.project.as_deref())?,
        types: args.kind.clone(),
        execute: false,
    };
    let asks = args.execute
        && !args.yes
        && !out.is_json()
        && std::io::stdin().is_terminal()
        && std::io::stderr().is_terminal();
    if asks {
        let planned = memory.prune(&request)?;
        table(&planned.rows, out)?;
        if !planned.rows.is_empty() && !confirmed(planned.rows.len(), out)? {
            out.note("Nothing was pruned.");
            return Ok(0);
        }
    }
    request.execute = args.execute;
    let report = memory.prune(&request)?;
    if out.is_json() {
        out.json(&report)?;
    } else {
        if !asks {
            table(&report.rows, out)?;
        }
        said(&report, args, out);
    }
    if args.execute {
        out.flush()?;
        session::maintain(&memory, out);
    }
    Ok(0)
}

/// The cells that are old and worth little.
pub fn table(rows: &[PruneRow], out: &mut Out) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[
        ("ID", Fit::Left),
        ("DAYS", Fit::Right),
        ("VALUE", Fit::Right),
        ("SHOWN", Fit::Right),
        ("INTENT", Fit::Cut(24)),
    ]);
    for row in rows {
        table.row([
            words::id(&row.cell, out),
            format!("{:.0}", row.age_days.floor()),
            words::worth(&row.value),
            text::grouped(row.value.shown),
            words::intent(&row.cell, words::episode(&row.cell).as_ref(), out),
        ]);
    }
    out.table(&table)
}

fn said(report: &PruneReport, args: &args::Prune, out: &mut Out) {
    let looked_at = text::grouped(report.considered as u64);
    if report.rows.is_empty() {
        out.note(&format!(
            "Nothing to prune: none of {looked_at} is older than {} days and worth less than {}.",
            text::number(args.older_than),
            text::number(args.min_utility)
        ));
        return;
    }
    let what = memories(report.rows.len());
    if !report.executed {
        out.note(&format!(
            "\nWould prune {what} of {looked_at}; nothing was changed. Do it: add {}",
            out.talk.hint("--execute")
        ));
        return;
    }
    out.note(&format!("\nPruned {what} of {looked_at}."));
    if let (Some(id), Some(until)) = (report.decision_id, report.undo_until) {
        let undo = out.talk.hint(&format!("memrl prune --undo {id}"));
        out.note(&format!("Bring them back until {until}: {undo}"));
    }
}

fn confirmed(n: usize, out: &mut Out) -> Result<bool> {
    out.flush()?;
    let question = format!("Put {} away for 30 days, then forget? [y/N] ", memories(n));
    let _ = std::io::stderr().write_all(question.as_bytes());
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|e| Failure::io(std::path::Path::new("stdin"), e))?;
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}

fn undo(memory: &Memory, decision: &str, out: &mut Out) -> Result<()> {
    let restored = memory.undo_prune(decision).map_err(|e| {
        if e.code() == Code::DecisionNotFound {
            let hint = "`memrl prune --execute` and `memrl review` print the id of what they did";
            Failure::hinted(e.code(), e.to_string(), hint)
        } else {
            e.into()
        }
    })?;
    if out.is_json() {
        return out.json(&restored);
    }
    for id in &restored.restored {
        out.line(&id.to_string())?;
    }
    out.note(&format!(
        "Brought back {}.",
        memories(restored.restored.len())
    ));
    if !restored.skipped.is_empty() {
        out.note(&format!(
            "{} changed or gone since, and left as is.",
            memories(restored.skipped.len())
        ));
    }
    Ok(())
}
