//! `memrl sweep`.

use std::time::Duration;

use memrl::{Clock, SweepReport, SystemClock};

use crate::args::{Global, Sweep};
use crate::fail::Result;
use crate::out::Out;
use crate::{session, text};

/// How often a running sweep is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Captures the sessions that wait.
pub fn run(global: &Global, args: &Sweep, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let mut report = memory.sweep(SystemClock.now())?;
    while args.wait && report.running_elsewhere {
        std::thread::sleep(POLL);
        report = memory.sweep(SystemClock.now())?;
    }
    if !report.captured.is_empty() {
        session::maintain(&memory, out);
    }
    if out.is_json() {
        out.json(&report)?;
        return Ok(0);
    }
    for failed in &report.failed {
        let what = if failed.gave_up {
            "given up"
        } else {
            "tried again later"
        };
        out.warn(&format!(
            "{}: {} ({what})",
            failed.transcript.display(),
            failed.error
        ));
    }
    for dropped in &report.dropped {
        out.note(&format!(
            "{}: {}",
            dropped.transcript.display(),
            dropped.reason
        ));
    }
    out.line(&summary(&report))?;
    Ok(0)
}

/// All in one line.
fn summary(report: &SweepReport) -> String {
    if report.running_elsewhere {
        return "Another sweep is running".to_owned();
    }
    if report.capture_is_off {
        let waiting = text::count(report.open as u64, "session");
        return format!("Capturing is off (sessions.capture): {waiting} left waiting");
    }
    let mut parts = vec![format!(
        "Captured {}",
        text::count(report.captured.len() as u64, "session")
    )];
    for (n, what) in [
        (report.unchanged, "with nothing new"),
        (report.open, "still open"),
        (report.dropped.len(), "dropped"),
        (report.failed.len(), "failed"),
    ] {
        if n > 0 {
            parts.push(format!("{n} {what}"));
        }
    }
    parts.join(", ")
}
