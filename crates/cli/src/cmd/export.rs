//! `memrl export`.

use std::io::Write;
use std::path::Path;

use memrl::{Clearance, Code, DatasetQuery, ExportFormat, ListRequest, Memory, ResearchFormat};
use serde_json::json;

use crate::args::{self, Global};
use crate::cmd::cells::memories;
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::{session, text};

/// What a log needs for preferences.
const HOW_PAIRS_COME: &str = "\nA pair is two decisions of one trajectory with the same query and candidates that showed different memories and were \
     rewarded differently. They come about when a task recalls the same again (`memrl recall \"…\" --trajectory NAME`, each time with \
     `memrl feedback`) while slates are drawn at random: explore.sampled_share above 0. `--format trl-kto` takes single \
     decisions and needs no pairs.";

/// Exports the log as tables, or the memories as JSON Lines.
pub fn run(global: &Global, args: args::Export, out: &mut Out) -> Result<u8> {
    if args.episodes {
        episodes(global, &args, out)
    } else if args.cells {
        cells(global, &args, out)
    } else {
        log(global, args, out)
    }
}

fn log(global: &Global, args: args::Export, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let query = DatasetQuery {
        from: args.from,
        to: args.to,
        policy: args.policy,
        trajectory: args.trajectory,
        spec: args.spec,
        ..DatasetQuery::default()
    };
    let format = match tables_or_research(args.format) {
        Ok(_) if query.spec.is_some() => {
            return Err(Failure::hinted(
                Code::InvalidInput,
                "the tables hold raw signals and all rewards that were computed, so --spec chooses nothing",
                "leave --spec away, or choose a format for another program",
            ));
        }
        Ok(tables) => tables,
        Err(format) => return research(&memory, format, &args.out, args.no_text, &query, out),
    };
    let mut progress = out.progress("exporting decisions", None);
    let report = memory.export_log(&args.out, format, &query, !args.no_text, &mut |n| {
        progress.at(n);
    })?;
    drop(progress);
    if out.is_json() {
        out.json(&report)?;
        return Ok(0);
    }
    for file in &report.files {
        out.line(&file.display().to_string())?;
    }
    out.note(&format!(
        "Exported {}, {} and {}",
        text::count(report.decisions, "decision"),
        text::count(report.decision_items, "candidate"),
        text::count(report.rewards, "signal")
    ));
    Ok(0)
}

/// The three tables, or what a program of researchers reads.
fn tables_or_research(
    format: args::ExportFormat,
) -> std::result::Result<ExportFormat, ResearchFormat> {
    use args::ExportFormat as Asked;
    Err(match format {
        Asked::Jsonl => return Ok(ExportFormat::Jsonl),
        Asked::Parquet => return Ok(ExportFormat::Parquet),
        Asked::VwCb => ResearchFormat::VwCb,
        Asked::VwDsjson => ResearchFormat::VwDsjson,
        Asked::Obp => ResearchFormat::Obp,
        Asked::D3rlpy => ResearchFormat::D3rlpy,
        Asked::TrlPrompt => ResearchFormat::TrlPrompt,
        Asked::TrlSft => ResearchFormat::TrlSft,
        Asked::TrlDpo => ResearchFormat::TrlDpo,
        Asked::TrlKto => ResearchFormat::TrlKto,
    })
}

fn research(
    memory: &Memory,
    format: ResearchFormat,
    dir: &Path,
    no_text: bool,
    query: &DatasetQuery,
    out: &mut Out,
) -> Result<u8> {
    if no_text && format.files().iter().any(|f| f.has_texts()) {
        return Err(Failure::hinted(
            Code::InvalidInput,
            "this format is made of texts, and --no-text leaves them out",
            "choose another format, or leave --no-text away",
        ));
    }
    let mut progress = out.progress("exporting decisions", None);
    // The owner at their own command line sees everything, as in `--cells`.
    let written = memory.export_research(dir, format, query, Clearance::ALL, &mut |n| {
        progress.at(n);
    });
    drop(progress);
    let reports = written?;
    if out.is_json() {
        out.json(&json!({ "files": reports }))?;
        return Ok(0);
    }
    for report in &reports {
        out.line(&report.path.display().to_string())?;
    }
    if let Some(report) = reports.first() {
        out.note(&format!("Rewards: {}", report.reward));
    }
    for report in &reports {
        let name = report.path.file_name().unwrap_or_default();
        let of = text::count(report.decisions, "decision");
        let rows = text::count(report.rows, "row");
        out.note(&format!("{}: {rows} of {of}", name.to_string_lossy()));
        for (reason, n) in &report.left_out {
            out.note(&format!(
                "  left out {}: {reason}",
                text::count(*n, "decision")
            ));
        }
    }
    if format == ResearchFormat::TrlDpo && reports.iter().all(|r| r.rows == 0) {
        out.note(HOW_PAIRS_COME);
    }
    Ok(0)
}

fn episodes(global: &Global, args: &args::Export, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let cwd = std::env::current_dir().unwrap_or_default();
    let project = match &args.project {
        Some(name) => Some(memory.project(Some(name), &cwd)?),
        None => None,
    };
    let written = memory.export_episodes(&args.out, project.as_ref());
    let written = written.map_err(|e| match e.code() {
        Code::InvalidInput | Code::Conflict => Failure::hinted(
            Code::InvalidInput,
            e.to_string(),
            "name a directory that no episodes were exported to",
        ),
        _ => e.into(),
    })?;
    if out.is_json() {
        out.json(&json!({"directory": args.out, "episodes": written}))?;
    } else {
        out.line(&args.out.display().to_string())?;
        out.note(&format!("Exported {}", text::count(written, "episode")));
    }
    Ok(0)
}

fn cells(global: &Global, args: &args::Export, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let request = ListRequest {
        scope: session::scope(&args.scope),
        created_from: args.from,
        created_to: args.to,
        ..ListRequest::default()
    };
    if args.out.as_os_str() == "-" {
        let written = memory
            .export_cells(out.writer(), &request)
            .map_err(|e| match e {
                memrl::Error::Io { source, .. } => Failure::output(&source),
                other => other.into(),
            })?;
        out.note(&format!(
            "Exported {}",
            memories(usize::try_from(written).unwrap_or(usize::MAX))
        ));
        return Ok(0);
    }
    // Beside its final name, so that a failed export leaves the former file alone.
    let mut temporary = args.out.clone().into_os_string();
    temporary.push(".part");
    let temporary = std::path::PathBuf::from(temporary);
    let file = std::fs::File::create(&temporary).map_err(|e| Failure::io(&temporary, e))?;
    let mut writer = std::io::BufWriter::new(file);
    let written = memory.export_cells(&mut writer, &request)?;
    writer.flush().map_err(|e| Failure::io(&temporary, e))?;
    std::fs::rename(&temporary, &args.out).map_err(|e| Failure::io(&args.out, e))?;
    if out.is_json() {
        out.json(&json!({"files": [args.out], "cells": written}))?;
    } else {
        out.line(&args.out.display().to_string())?;
        out.note(&format!(
            "Exported {}",
            memories(usize::try_from(written).unwrap_or(usize::MAX))
        ));
    }
    Ok(0)
}
