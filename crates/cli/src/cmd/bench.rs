//! `memrl bench`.

use memrl::Code;
use memrl_bench::report::Shown;
use memrl_bench::run::{self, RecallOptions, RunError};

use crate::args::{BenchCommand, BenchRecall, Global};
use crate::fail::{Failure, Result};
use crate::out::Out;

/// Measures; prints tables as Markdown, or everything as JSON.
pub fn run(_: &Global, command: BenchCommand, out: &mut Out) -> Result<u8> {
    let BenchCommand::Recall(args) = command;
    let report = measure(args, out)?;
    if out.is_json() {
        out.json(&report)?;
    } else {
        out.text(&report.to_markdown(Shown::ByQuestion))?;
    }
    Ok(0)
}

fn measure(args: BenchRecall, out: &mut Out) -> Result<memrl_bench::Report> {
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
fn command_line() -> String {
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
    let mut stage = String::new();
    let done = work(&mut |p: run::Progress| {
        if p.stage != stage {
            stage.clone_from(&p.stage);
            if !progress.is_on() {
                out.note(&stage);
            }
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
        RunError::Load(memrl_bench::LoadError::Io { .. }) | RunError::Io { .. } => Code::Io,
        RunError::Http(_) | RunError::Program { .. } => Code::Internal,
        _ => Code::InvalidInput,
    };
    match error {
        RunError::Engine(e) => e.into(),
        other => Failure::hinted(code, other.to_string(), hint),
    }
}
