//! `memrl doctor`.

use memrl::{Check, DoctorReport, Health, Memory};
use serde_json::{Value, json};

use crate::args::{self, Global};
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::session;

/// Exit code when something does not work.
const SICK: u8 = 1;

/// Checks everything; `--report` prints what a bug report needs.
pub fn run(global: &Global, args: &args::Doctor, out: &mut Out) -> Result<u8> {
    let dir = session::data_dir(global)?;
    // A check-up creates nothing.
    if !dir.join(session::DATABASE).exists() {
        return Err(Failure::hinted(
            memrl::Code::Io,
            format!("there is no memory in {}", dir.display()),
            "`memrl init` creates one; --data-dir names another directory",
        ));
    }
    let memory = match session::open(global, &[], out) {
        Ok(memory) => memory,
        Err(e) if e.code() == memrl::Code::CorruptDatabase => {
            return Err(Failure::hinted(
                e.code(),
                e.message(),
                "`memrl restore BACKUP --force` sets the damaged file aside and puts a backup in place",
            ));
        }
        Err(e) => return Err(e),
    };
    let report = memory.doctor(args.repair)?;
    let code = if report.health() == Health::Error {
        SICK
    } else {
        0
    };
    if args.report {
        let report = bug_report(&memory, &report, global, out)?;
        out.line(&serde_json::to_string_pretty(&report).map_err(|e| Failure::output(&e.into()))?)?;
        return Ok(code);
    }
    if out.is_json() {
        out.json(&json!({"health": report.health(), "checks": report.checks}))?;
        return Ok(code);
    }
    for check in &report.checks {
        out.line(&line(check, out))?;
        if let Some(hint) = check.hint.as_ref().filter(|_| check.health != Health::Ok) {
            let hint = format!("          {} {hint}", out.style.hint("hint:"));
            out.line(&hint)?;
        }
    }
    Ok(code)
}

fn line(check: &Check, out: &Out) -> String {
    let mark = match check.health {
        Health::Ok => out.style.good("ok      "),
        Health::Warning => out.style.warn("warning "),
        Health::Error => out.style.bad("error   "),
    };
    format!("{mark}  {:<12}{}", check.name, check.found)
}

/// Versions, settings and counts. No content, no queries, no names of scopes.
fn bug_report(
    memory: &Memory,
    report: &DoctorReport,
    global: &Global,
    out: &mut Out,
) -> Result<Value> {
    let stats = memory.stats()?;
    let settings = session::settings(&session::data_dir(global)?, &[], out)?;
    let changed: Vec<Value> = settings
        .origins
        .iter()
        .filter(|(_, _, source)| *source != memrl::config::Source::Default)
        .map(|(key, value, source)| json!({"key": key.name, "value": value.to_string(), "source": source}))
        .collect();
    Ok(json!({
        "memrl": env!("CARGO_PKG_VERSION"),
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "health": report.health(),
        "checks": report.checks,
        "settings_changed": changed,
        "embedder": stats.embedder,
        "cells_by_status": stats.cells_by_status,
        "cells_by_type": stats.cells_by_type,
        "decisions": stats.decisions,
        "completed": stats.completed,
        "outcomes": stats.outcomes,
        "events": stats.events,
        "database_bytes": stats.database_bytes,
        "index_bytes": stats.index_bytes,
    }))
}
