//! `memrl bench scale`: what a server and the commands cost at 10,000 cells, 100,000 and more.
//!
//! The cells are synthetic (see [`crate::synth`]); the numbers say how fast, not how good. The
//! commands are whole processes, started by this one; the server listens on loopback.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use memrl::{MemcellDecide, MemcellFeedback, Memory, Options, Outcome};

use super::process::{Server, run};
use super::{OnProgress, Result, RunError, Stage};
use crate::http_client::Client;
use crate::http_load::{self, Sequential, TIMEOUT};
use crate::machine::Machine;
use crate::metrics;
use crate::report::{Column, Report, Row, Table, Unit};
use crate::synth::{Style, Synth};

/// Repetitions of an import, and the greatest number of cells that is imported more than once.
const IMPORTS: usize = 3;
const REPEATED: u64 = 10_000;
/// Repetitions of the export.
const EXPORTS: usize = 5;

/// What to measure.
#[derive(Debug, Clone)]
pub struct ScaleOptions {
    /// The `memrl` binary.
    pub binary: PathBuf,
    /// Numbers of cells, one data directory each.
    pub sizes: Vec<u64>,
    /// Measured requests per operation.
    pub requests: usize,
    /// Measured cold `memrl recall` commands per size.
    pub commands: usize,
    /// Transitions to log and export at the first size; 0 leaves it out.
    pub transitions: u64,
    /// A directory for the data, kept afterwards; a temporary one when `None`.
    pub dir: Option<PathBuf>,
    /// Seed of the corpus.
    pub seed: u64,
    /// The command line, for the report.
    pub command: String,
}

impl ScaleOptions {
    /// 10,000 and 100,000 cells, 200 requests, 20 commands, 10,000 transitions.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            sizes: vec![10_000, 100_000],
            requests: 200,
            commands: 20,
            transitions: 10_000,
            dir: None,
            seed: 1,
            command: "memrl bench scale".to_owned(),
        }
    }
}

/// Milliseconds of repetitions of one thing.
struct Timing {
    label: String,
    millis: Vec<f64>,
}

/// Runs the benchmark.
pub fn bench_scale(options: &ScaleOptions, progress: OnProgress<'_>) -> Result<Report> {
    let temporary = tempfile::tempdir().map_err(|e| RunError::io("temporary directory", e))?;
    let root = options.dir.as_deref().unwrap_or(temporary.path());
    let mut tables = Vec::new();
    let mut notes = Vec::new();
    let mut timings = Vec::new();
    for (i, &size) in options.sizes.iter().enumerate() {
        let synth = Synth::new(options.seed, size, Style::default())?;
        let dir = root.join(format!("cells-{size}"));
        let repeats = if size <= REPEATED { IMPORTS } else { 1 };
        timings.push(import(options, &synth, root, &dir, repeats, progress)?);
        timings.push(cold_recalls(options, &synth, &dir, progress)?);
        let name = format!("requests at {size} cells");
        let mut stage = Stage::start(progress, name, 1);
        let server = Server::start(&options.binary, &dir)?;
        let plan = Sequential {
            cells: size,
            loaded: true,
            native: true,
            requests: options.requests,
            pid: Some(server.pid()),
            ..Sequential::default()
        };
        let stats = http_load::sequential(&server.target, &synth, &plan);
        drop(server);
        tables.push(http_load::table(
            &format!("HTTP, one client, {size} cells"),
            &stats,
        ));
        stage.at(1, String::new());
        if i == 0 && options.transitions > 0 {
            log_transitions(options, &synth, &dir, progress)?;
            let (mut of, bytes) = exports(options, root, &dir, progress)?;
            timings.append(&mut of);
            notes.push(format!(
                "/v1/rl/dataset answered {:.1} MB for {} transitions of 10 candidates.",
                bytes as f64 / 1e6,
                options.transitions
            ));
        }
    }
    tables.push(commands_table(&timings, notes));
    Ok(Report {
        benchmark: "Scale".to_owned(),
        machine: Machine::here(),
        command: options.command.clone(),
        tables,
    })
}

/// `memrl import` of the whole corpus into a fresh directory; the last one stays.
fn import(
    options: &ScaleOptions,
    synth: &Synth,
    root: &Path,
    dir: &Path,
    repeats: usize,
    progress: OnProgress<'_>,
) -> Result<Timing> {
    let size = synth.len();
    let name = format!("import of {size} cells");
    let mut stage = Stage::start(progress, name.clone(), 1 + repeats as u64);
    std::fs::create_dir_all(root).map_err(|e| RunError::at(root, e))?;
    let file = root.join(format!("cells-{size}.jsonl"));
    write_jsonl(&file, synth)?;
    stage.at(1, String::new());
    let mut millis = Vec::new();
    for i in 0..repeats {
        // An unfinished run may have left something; only this program makes these names.
        if dir.exists() {
            std::fs::remove_dir_all(dir).map_err(|e| RunError::at(dir, e))?;
        }
        let args = ["import".as_ref(), file.as_os_str()];
        millis.push(run(&options.binary, dir, &args)?.1);
        stage.at(2 + i as u64, String::new());
    }
    std::fs::remove_file(&file).map_err(|e| RunError::at(&file, e))?;
    Ok(Timing {
        label: format!("memrl {name}"),
        millis,
    })
}

fn write_jsonl(path: &Path, synth: &Synth) -> Result<()> {
    let failed = |e| RunError::at(path, e);
    let mut out = BufWriter::new(File::create(path).map_err(failed)?);
    for cell in synth.iter() {
        serde_json::to_writer(&mut out, &cell).map_err(|e| failed(e.into()))?;
        out.write_all(b"\n").map_err(failed)?;
    }
    out.flush().map_err(failed)
}

/// A number spread over the corpus.
fn pick(n: u64, size: u64) -> u64 {
    n.wrapping_mul(7919) % size.max(1)
}

/// `memrl recall` as a new process each time; its log row included.
fn cold_recalls(
    options: &ScaleOptions,
    synth: &Synth,
    dir: &Path,
    progress: OnProgress<'_>,
) -> Result<Timing> {
    let size = synth.len();
    let name = format!("memrl recall, cold, {size} cells, 1 % scope");
    let total = options.commands as u64;
    let mut stage = Stage::start(progress, name.clone(), total);
    let mut millis = Vec::new();
    for n in 0..=total {
        let cell = pick(n, size);
        let scope = format!("user=u{:02}", cell % crate::synth::USERS);
        let query = synth.query(cell);
        let args = ["--json", "recall", &query, "--scope", &scope];
        let took = run(&options.binary, dir, &args)?.1;
        // The first one pays for the operating system's file cache.
        if n > 0 {
            millis.push(took);
        }
        stage.at(n, String::new());
    }
    Ok(Timing {
        label: name,
        millis,
    })
}

/// Decides and reports outcomes without HTTP: only the log counts here.
fn log_transitions(
    options: &ScaleOptions,
    synth: &Synth,
    dir: &Path,
    progress: OnProgress<'_>,
) -> Result<()> {
    let total = options.transitions;
    let mut stage = Stage::start(progress, format!("logging {total} transitions"), total);
    let memory = Memory::open_with(Options {
        seed: Some(options.seed),
        ..Options::new(dir)
    })?;
    for n in 0..total {
        let cell = pick(n, synth.len());
        let made = memory.memcell_decide(&MemcellDecide {
            query: synth.query(cell),
            scope: Synth::scope(cell),
            task_type: "bench".to_owned(),
            budget_tokens: 2000,
            k: 10,
            policy: None,
            trajectory: None,
            explore: false,
        })?;
        memory.memcell_feedback(&MemcellFeedback {
            transition_id: made.transition_id,
            outcome: Outcome {
                success: Some(f64::from(u8::from(n % 3 != 0))),
                tokens_used: Some(320),
                latency_ms: Some(450),
                ..Outcome::default()
            },
        })?;
        if n % 100 == 99 {
            stage.at(n + 1, String::new());
        }
    }
    memory.maintain()?;
    Ok(())
}

/// The dataset over HTTP and the export command; also the size of the former, in bytes.
fn exports(
    options: &ScaleOptions,
    root: &Path,
    dir: &Path,
    progress: OnProgress<'_>,
) -> Result<(Vec<Timing>, usize)> {
    let total = options.transitions;
    let mut stage = Stage::start(
        progress,
        format!("exporting {total} transitions"),
        2 * EXPORTS as u64,
    );
    let mut http = Timing {
        label: format!("GET /v1/rl/dataset, {total} transitions"),
        millis: Vec::new(),
    };
    let mut bytes = 0;
    let server = Server::start(&options.binary, dir)?;
    let mut client = Client::new(server.target.clone(), TIMEOUT);
    for n in 0..EXPORTS {
        let start = std::time::Instant::now();
        let response = client.get("/v1/rl/dataset")?;
        http.millis.push(start.elapsed().as_secs_f64() * 1000.0);
        let entries = response.json()?.as_array().map_or(0, Vec::len);
        if !response.is_success() || (entries as u64) < total {
            return Err(RunError::Program {
                program: "GET /v1/rl/dataset".to_owned(),
                message: format!("status {}, {entries} transitions", response.status),
            });
        }
        bytes = response.body.len();
        stage.at(n as u64 + 1, String::new());
    }
    drop(server);
    let mut command = Timing {
        label: format!("memrl export --format jsonl, {total} transitions"),
        millis: Vec::new(),
    };
    for n in 0..EXPORTS {
        let out = root.join(format!("export-{n}"));
        let args: [&std::ffi::OsStr; 5] = [
            "export".as_ref(),
            "--format".as_ref(),
            "jsonl".as_ref(),
            "--out".as_ref(),
            out.as_os_str(),
        ];
        command.millis.push(run(&options.binary, dir, &args)?.1);
        std::fs::remove_dir_all(&out).map_err(|e| RunError::at(&out, e))?;
        stage.at((EXPORTS + n) as u64 + 1, String::new());
    }
    Ok((vec![http, command], bytes))
}

fn commands_table(timings: &[Timing], mut notes: Vec<String>) -> Table {
    let column = |at: &str| Column {
        measure: "wall clock".to_owned(),
        at: at.to_owned(),
        unit: Unit::Millis,
    };
    notes.insert(
        0,
        "Commands are whole processes, from their start to their end; reading and writing of files \
         included, the first cold recall left out."
            .to_owned(),
    );
    Table {
        title: "Commands and exports".to_owned(),
        columns: ["min", "median", "p95", "max"].map(column).to_vec(),
        rows: timings
            .iter()
            .map(|t| Row {
                label: t.label.clone(),
                n: t.millis.len(),
                values: [0.0, 50.0, 95.0, 100.0]
                    .map(|p| metrics::percentile(&t.millis, p).map(Into::into))
                    .to_vec(),
            })
            .collect(),
        notes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_are_cells_of_the_corpus() {
        assert!((0..1000).all(|n| pick(n, 10) < 10));
        assert_eq!(pick(5, 0), 0);
    }

    #[test]
    fn the_jsonl_file_has_a_cell_per_line_that_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let synth = Synth::new(1, 3, Style::default()).unwrap();
        let path = dir.path().join("cells.jsonl");
        write_jsonl(&path, &synth).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let cells: Vec<memrl::NewCell> = text
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(cells, synth.iter().collect::<Vec<_>>());
    }
}
