//! Measures a memory server on this machine that speaks memcell-rl's `/v1/cells` routes:
//!
//! ```text
//! http_load URL [--cells N] [--requests N] [--pid PID] [--seconds S] [--clients N] [--token T] [--json]
//! ```
//!
//! Loads N synthetic cells, measures every operation one request at a time, then (unless
//! `--seconds 0`) lets many clients write, decide and give feedback at once and checks that
//! nothing was lost. Exits with 1 when something was. The server keeps what was written: start a
//! fresh one for it.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use memrl_bench::http_client::Target;
use memrl_bench::http_load::{self, Sequential};
use memrl_bench::http_mixed::{Mixed, mixed};
use memrl_bench::machine::Machine;
use memrl_bench::report::{Report, Shown};
use memrl_bench::synth::{Style, Synth};

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything held.
fn run(arguments: Vec<String>) -> Result<bool, Box<dyn Error>> {
    let mut target = None;
    let mut plan = Sequential::default();
    let mut crowd = Mixed::default();
    let (mut token, mut json) = (None, false);
    let command = format!("http_load {}", arguments.join(" "));
    let mut words = arguments.into_iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--cells" => plan.cells = value()?.parse()?,
            "--requests" => plan.requests = value()?.parse()?,
            "--pid" => plan.pid = Some(value()?.parse()?),
            "--seconds" => crowd.duration = Duration::from_secs(value()?.parse()?),
            "--clients" => crowd.clients = value()?.parse()?,
            "--token" => token = Some(value()?),
            "--json" => json = true,
            url if !url.starts_with('-') => target = Some(Target::parse(url)?),
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let mut target = target.ok_or("no URL; try http://127.0.0.1:7077")?;
    let command = match token {
        None => command,
        Some(token) => {
            target = target.with_token(&token)?;
            command.replace(&token, "…")
        }
    };

    let synth = Synth::new(1, plan.cells, Style::Zipf { min: 12, max: 12 })?;
    eprintln!("loading {} cells …", plan.cells);
    let stats = http_load::sequential(&target, &synth, &plan);
    let mut clean = stats.iter().all(|s| s.errors == 0);
    let title = format!("One client, {} cells", plan.cells);
    let mut tables = vec![http_load::table(&title, &stats)];
    if !crowd.duration.is_zero() {
        eprintln!(
            "{} clients for {} s …",
            crowd.clients,
            crowd.duration.as_secs()
        );
        let result = mixed(&target, &synth, &crowd)?;
        clean &= result.is_clean();
        tables.push(result.table(&crowd));
    }
    let report = Report {
        benchmark: "HTTP load".to_owned(),
        machine: Machine::here(),
        command,
        tables,
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{}", report.to_markdown(Shown::Nothing));
    }
    Ok(clean)
}
