//! `memrl bench load`: many clients of one server, a second process that writes to the same file,
//! and what must hold afterwards: no error, nothing lost, no count lost.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::process::{Server, run};
use super::{OnProgress, Result, RunError, Stage};
use crate::http_client::Client;
use crate::http_load::TIMEOUT;
use crate::http_mixed::{Mixed, mixed};
use crate::machine::Machine;
use crate::metrics;
use crate::report::{Column, Report, Row, Table, Unit};
use crate::synth::{Style, Synth};

/// Cells of the second process begin here in the synthetic corpus, away from everybody else's.
const SECOND: u64 = 1 << 41;

/// What to do.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The `memrl` binary, for the server and for the second process.
    pub binary: PathBuf,
    /// A directory for the data, which must be empty; a temporary one when `None`.
    pub dir: Option<PathBuf>,
    /// Clients, their working time, concurrent retrieves, seed.
    pub plan: Mixed,
    /// The command line, for the report.
    pub command: String,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct LoadReport {
    /// The tables.
    pub report: Report,
    /// Whether everything that must hold held.
    pub clean: bool,
}

/// What the second process did.
#[derive(Debug, Default)]
struct Second {
    /// Acknowledged id and number of the cell.
    written: Vec<(String, u64)>,
    millis: Vec<f64>,
    errors: Vec<String>,
}

/// Runs the benchmark. The server listens on loopback only.
pub fn bench_load(options: &LoadOptions, progress: OnProgress<'_>) -> Result<LoadReport> {
    let temporary = tempfile::tempdir().map_err(|e| RunError::io("temporary directory", e))?;
    let dir = options.dir.as_deref().unwrap_or(temporary.path());
    let synth = Synth::new(options.plan.seed, 1000, Style::default())?;
    let seconds = options.plan.duration.as_secs();
    let name = format!(
        "{} clients for {seconds} s, and a second process that writes",
        options.plan.clients
    );
    let mut stage = Stage::start(progress, name, 3);
    let server = Server::start(&options.binary, dir)?;
    stage.at(1, String::new());
    let stop = AtomicBool::new(false);
    let (result, second) = std::thread::scope(|scope| {
        let other = scope.spawn(|| write_until(&options.binary, dir, &synth, &stop));
        let result = mixed(&server.target, &synth, &options.plan);
        stop.store(true, Ordering::Relaxed);
        let second = other
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (result, second)
    });
    let result = result?;
    stage.at(2, String::new());
    let lost = missing(&server, &synth, &second);
    stage.at(3, String::new());
    let clean = result.is_clean()
        && lost.is_empty()
        && second.errors.is_empty()
        && !second.written.is_empty();
    Ok(LoadReport {
        report: Report {
            benchmark: "Load".to_owned(),
            machine: Machine::here(),
            command: options.command.clone(),
            tables: vec![result.table(&options.plan), second.table(&lost)],
        },
        clean,
    })
}

/// Runs `memrl add` again and again, a new process each time, until told to stop.
fn write_until(binary: &Path, dir: &Path, synth: &Synth, stop: &AtomicBool) -> Second {
    let mut second = Second::default();
    let mut number = SECOND;
    while !stop.load(Ordering::Relaxed) {
        let content = synth.cell(number).content;
        let args = ["--json", "add", "--scope", "bench=second", &content];
        match run(binary, dir, &args) {
            Ok((printed, millis)) => {
                second.millis.push(millis);
                match acknowledged(&printed) {
                    Some(id) => second.written.push((id, number)),
                    None => second.errors.push(format!("no id in {printed:?}")),
                }
            }
            Err(e) => {
                second.errors.push(e.to_string());
                // A program that cannot be run must not become a busy loop.
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        number += 1;
    }
    second
}

/// The id in what `memrl add --json` printed.
fn acknowledged(printed: &str) -> Option<String> {
    let value: Value = serde_json::from_str(printed).ok()?;
    let cell = value.get("cell").unwrap_or(&value);
    Some(cell.get("cell_id")?.as_str()?.to_owned())
}

/// The acknowledged cells of the second process that the server does not have, one line each.
fn missing(server: &Server, synth: &Synth, second: &Second) -> Vec<String> {
    let mut client = Client::new(server.target.clone(), TIMEOUT);
    second
        .written
        .iter()
        .filter_map(|(id, number)| {
            let found = client
                .get(&format!("/v1/cells/{id}"))
                .and_then(|r| Ok((r.status, r.json()?)));
            match found {
                Ok((200, body))
                    if body["content"].as_str() == Some(&synth.cell(*number).content) =>
                {
                    None
                }
                Ok((200, _)) => Some(format!("{id}: other content")),
                Ok((status, _)) => Some(format!("{id}: status {status}")),
                Err(e) => Some(format!("{id}: {e}")),
            }
        })
        .collect()
}

impl Second {
    fn table(&self, lost: &[String]) -> Table {
        let column = |at: &str, unit| Column {
            measure: "memrl add".to_owned(),
            at: at.to_owned(),
            unit,
        };
        let percentile = |p| metrics::percentile(&self.millis, p).map(Into::into);
        let mut notes = vec![format!(
            "{} cells acknowledged by the second process, {} of them not to be had from the server. \
             The time is of whole processes, the server's load beside them.",
            self.written.len(),
            lost.len()
        )];
        notes.extend(self.errors.first().map(|e| format!("First error: {e}")));
        notes.extend(lost.iter().take(5).map(|l| format!("Lost: {l}")));
        Table {
            title: "A second process on the same file".to_owned(),
            columns: vec![
                column("p50 ms", Unit::Millis),
                column("p95 ms", Unit::Millis),
                column("errors", Unit::Count),
            ],
            rows: vec![Row {
                label: "a process per cell".to_owned(),
                n: self.written.len() + self.errors.len(),
                values: vec![
                    percentile(50.0),
                    percentile(95.0),
                    Some((self.errors.len() as f64).into()),
                ],
            }],
            notes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found_in_either_shape() {
        let id = Some("abc".to_owned());
        assert_eq!(
            acknowledged(r#"{"cell":{"cell_id":"abc"},"created":true}"#),
            id
        );
        assert_eq!(acknowledged(r#"{"cell_id":"abc"}"#), id);
        assert_eq!(acknowledged("abc"), None);
    }
}
