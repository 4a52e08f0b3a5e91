//! `memrl import`.

use serde_json::json;

use crate::args::{self, Global};
use crate::cmd::cells::memories;
use crate::fail::Result;
use crate::out::Out;
use crate::table::{Fit, Table};
use crate::{session, text};

/// Exit code when records were rejected: the others are stored.
const REJECTED: u8 = 1;

/// A format as people call it.
const fn in_words(format: memrl::ImportFormat) -> &'static str {
    match format {
        memrl::ImportFormat::Jsonl => "JSON Lines",
        memrl::ImportFormat::Csv => "CSV",
        memrl::ImportFormat::Memcell => "the database of a memcell-rl server",
        memrl::ImportFormat::Memrl => "episodes of MemRL or Tempera",
        memrl::ImportFormat::ServerMemory => "a file of the MCP server-memory",
        memrl::ImportFormat::Markdown => "Markdown",
    }
}

/// Imports a file; prints what was rejected.
pub fn run(global: &Global, args: &args::Import, out: &mut Out) -> Result<u8> {
    let format = args.format.map(|f| match f {
        args::ImportFormat::Jsonl => memrl::ImportFormat::Jsonl,
        args::ImportFormat::Csv => memrl::ImportFormat::Csv,
        args::ImportFormat::Memcell => memrl::ImportFormat::Memcell,
        args::ImportFormat::Memrl => memrl::ImportFormat::Memrl,
        args::ImportFormat::ServerMemory => memrl::ImportFormat::ServerMemory,
        args::ImportFormat::Markdown => memrl::ImportFormat::Markdown,
    });
    // Before the memory is created: a misspelt file name should leave nothing behind.
    std::fs::File::open(&args.file).map_err(|e| crate::fail::Failure::reading(&args.file, e))?;
    let (format, recognised) = match format {
        Some(format) => (format, false),
        None => (memrl::ImportFormat::detect(&args.file)?, true),
    };
    let (memory, rehearsal) = if args.dry_run {
        session::open_to_look(global, out)?
    } else {
        (session::open(global, &[], out)?, None)
    };
    let scope = session::scope(&args.scope);
    let mut progress = out.progress("importing", None);
    let report = memory.import(&args.file, Some(format), &scope, args.dry_run, &mut |n| {
        progress.at(n);
    })?;
    drop(progress);
    drop(memory);
    drop(rehearsal);
    let code = if report.rejected > 0 { REJECTED } else { 0 };
    if out.is_json() {
        let mut answer = json!(report);
        answer["format"] = json!(format);
        out.json(&answer)?;
        return Ok(code);
    }
    if recognised {
        out.note(&format!("Recognised as {}", in_words(format)));
    }
    let known = match report.duplicates {
        0 => String::new(),
        n => format!(", {} already there", text::grouped(n)),
    };
    let changed = match report.updated {
        0 => String::new(),
        n => format!(", {} changed", text::grouped(n)),
    };
    if report.dry_run {
        // Files of cells are only read in a rehearsal, not looked up.
        let good = match report.created + report.duplicates + report.updated {
            0 => report.read - report.rejected,
            _ => report.created,
        };
        out.line(&format!(
            "Would import {}{changed}{known}; nothing was written",
            memories(good as usize)
        ))?;
    } else {
        out.line(&format!(
            "Imported {}{changed}{known}",
            memories(report.created as usize)
        ))?;
    }
    if report.evidence > 0 {
        out.note(&format!(
            "{} came along as evidence",
            text::count(report.evidence, "verdict")
        ));
    }
    if report.redacted > 0 {
        out.note(&format!(
            "Cut out {}",
            text::count(report.redacted, "secret")
        ));
    }
    for note in &report.notes {
        out.note(&format!("Old setting {}", text::one_line(note)));
    }
    if report.rejected > 0 {
        out.warn(&format!(
            "{} rejected",
            text::count(report.rejected, "record")
        ));
        let mut table = Table::new(&[("AT", Fit::Right), ("REASON", Fit::Cut(40))]);
        for r in &report.rejections {
            table.row([r.at.to_string(), text::one_line(&r.reason)]);
        }
        out.table(&table)?;
        let more = report.rejected - report.rejections.len() as u64;
        if more > 0 {
            out.note(&format!("and {} more", text::grouped(more)));
        }
    }
    Ok(code)
}
