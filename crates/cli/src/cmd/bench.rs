//! `memrl bench`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use memrl::Code;
use memrl_bench::Report;
use memrl_bench::http_mixed::Mixed;
use memrl_bench::report::Shown;
use memrl_bench::run::{
    self, ExperienceOptions, ExperienceReport, LoadOptions, RecallOptions, RunError, ScaleOptions,
};

use crate::args::{BenchCommand, BenchExperience, BenchLoad, BenchRecall, BenchScale, Global};
use crate::fail::{Failure, Result};
use crate::out::Out;

/// Exit code when something that must hold did not.
const BROKEN: u8 = 1;

/// Measures; prints tables as Markdown, or everything as JSON.
pub fn run(_: &Global, command: BenchCommand, out: &mut Out) -> Result<u8> {
    let (report, held) = match command {
        BenchCommand::Recall(args) => (recall(args, out)?, true),
        BenchCommand::Scale(args) => (scale(args, out)?, true),
        BenchCommand::Load(args) => load(args, out)?,
        BenchCommand::Experience(args) => {
            let all = experience(args, out)?;
            if out.is_json() {
                out.json(&all)?;
                return Ok(0);
            }
            (all.report, true)
        }
        BenchCommand::Policies(args) => {
            super::bench_policies::policies(args, out)?;
            return Ok(0);
        }
        BenchCommand::Dataset(args) => {
            super::bench_policies::dataset(args, out)?;
            return Ok(0);
        }
    };
    if out.is_json() {
        out.json(&report)?;
    } else {
        out.text(&report.to_markdown(Shown::ByQuestion))?;
    }
    if held {
        return Ok(0);
    }
    out.warn("something that must hold did not: see the tables");
    Ok(BROKEN)
}

/// The program that is running: what is measured as another process.
fn this_binary() -> Result<PathBuf> {
    std::env::current_exe().map_err(|e| Failure::io(Path::new("memrl"), e))
}

fn scale(args: BenchScale, out: &mut Out) -> Result<Report> {
    let mut options = ScaleOptions {
        requests: args.requests,
        commands: args.commands,
        transitions: args.transitions,
        dir: args.dir,
        seed: args.seed,
        command: command_line(),
        ..ScaleOptions::new(this_binary()?)
    };
    if !args.cells.is_empty() {
        options.sizes = args.cells;
    }
    with_progress(out, |tell| run::bench_scale(&options, tell))
}

fn experience(args: BenchExperience, out: &mut Out) -> Result<ExperienceReport> {
    let mut options = ExperienceOptions {
        seeds: (args.first_seed..args.first_seed.saturating_add(args.seeds)).collect(),
        sensitivity: args.sensitivity,
        dir: args.dir,
        command: command_line(),
        ..ExperienceOptions::default()
    };
    options.assumptions.tasks = args.tasks as usize;
    if let Some(weight) = args.weight {
        options.values.utility_weight = weight;
    }
    if args.tuning {
        options.tuning_seeds = run::experience::TUNING_SEEDS.collect();
    }
    with_progress(out, |tell| run::bench_experience(&options, tell))
}

fn load(args: BenchLoad, out: &mut Out) -> Result<(Report, bool)> {
    let options = LoadOptions {
        binary: this_binary()?,
        dir: args.dir,
        plan: Mixed {
            clients: args.clients,
            duration: Duration::from_secs(args.seconds),
            retrieves: args.retrieves,
            seed: args.seed,
        },
        command: command_line(),
    };
    let done = with_progress(out, |tell| run::bench_load(&options, tell))?;
    Ok((done.report, done.clean))
}

fn recall(args: BenchRecall, out: &mut Out) -> Result<Report> {
    let mut options = RecallOptions {
        data: args.data,
        seed: args.seed,
        command: command_line(),
        ..RecallOptions::default()
    };
    for (given, option) in [
        (args.embedder, &mut options.embedders),
        (args.policy, &mut options.policies),
    ] {
        if !given.is_empty() {
            *option = given;
        }
    }
    if !args.budget.is_empty() {
        options.budgets = args.budget;
    }
    with_progress(out, |tell| run::bench_recall(&options, tell))
}

/// The command as it was typed, for the report.
pub(super) fn command_line() -> String {
    let words = std::env::args_os().skip(1).map(|a| {
        let word = a.to_string_lossy().into_owned();
        if word.contains([' ', '"', '\'', '$', '*']) {
            format!("'{word}'")
        } else {
            word
        }
    });
    std::iter::once("memrl".to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Shows how far a run is: a bar on a terminal, else one line per stage.
pub fn with_progress<T>(
    out: &mut Out,
    work: impl FnOnce(run::OnProgress<'_>) -> run::Result<T>,
) -> Result<T> {
    let mut progress = out.progress("starting", None);
    let (mut stage, mut run) = (String::new(), String::new());
    let done = work(&mut |p: run::Progress| {
        if p.stage != stage {
            stage.clone_from(&p.stage);
            if !progress.is_on() {
                out.note(&stage);
            }
        }
        // Where no bar is seen, a run that takes minutes says that it has begun.
        if !progress.is_on() && p.note.starts_with("run ") && p.note != run {
            run.clone_from(&p.note);
            out.note(&format!("  {run}"));
        }
        let what = if p.note.is_empty() {
            p.stage
        } else {
            format!("{} · {}", p.stage, p.note)
        };
        progress.of(p.done, p.total, &what);
    });
    drop(progress);
    done.map_err(failure)
}

fn failure(error: RunError) -> Failure {
    let hint = match &error {
        RunError::Load(_) | RunError::NoQuestions(_) => {
            "--data takes conversations in LoCoMo's format (.json), or questions in HotpotQA's (.jsonl)"
        }
        RunError::NotADemo(_) => "--dir names another directory; an empty one will do",
        _ => "check the files and programs that it names",
    };
    let code = match &error {
        RunError::Load(memrl_bench::LoadError::Io { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            Code::NotFound
        }
        RunError::Load(memrl_bench::LoadError::Io { .. }) | RunError::Io { .. } => Code::Io,
        RunError::Http(_) | RunError::Program { .. } => Code::Internal,
        _ => Code::InvalidInput,
    };
    match error {
        RunError::Engine(e) => e.into(),
        other => Failure::hinted(code, other.to_string(), hint),
    }
}
