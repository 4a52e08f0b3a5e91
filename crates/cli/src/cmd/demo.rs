//! `memrl demo`: the whole circle on conversations, and three of its decisions explained.

use memrl::{Config, Memory, Options};
use memrl_bench::report::Estimate;
use memrl_bench::run::{self, DemoOptions, DemoReport};

use crate::args::{Demo, Global};
use crate::cmd::bench::with_progress;
use crate::cmd::why::{self, Length};
use crate::fail::Result;
use crate::out::Out;
use crate::table::{Fit, Table};
use crate::{session, text};

/// The directory of the demo in the data directory.
const DIR: &str = "demo";
/// What is told of the three decisions.
const SHORT: Length = Length {
    shown: 3,
    left_out: 2,
    features: false,
};

/// Runs it.
pub fn run(global: &Global, args: Demo, out: &mut Out) -> Result<u8> {
    let home = session::data_dir(global)?;
    let config: Config = session::settings(&home, &[], out)?.config;
    let mut options = DemoOptions {
        data: args.data,
        budget_tokens: args.budget,
        seed: args.seed,
        config: config.clone(),
        ..DemoOptions::new(args.dir.unwrap_or_else(|| home.join(DIR)))
    };
    if !args.policy.is_empty() {
        options.policies = args.policy;
    }
    let report = with_progress(out, |tell| run::demo(&options, tell))?;
    for warning in &report.warnings {
        out.warn(warning);
    }
    if out.is_json() {
        out.json(&report)?;
        return Ok(0);
    }
    policies(&report, out)?;
    let memory = Memory::open_with(Options {
        config: Some(config),
        ..Options::new(&report.dir)
    })?;
    let dir = report.dir.display();
    for (i, example) in report.examples.iter().enumerate() {
        let title = format!("Example {}: {}", i + 1, example.kind);
        let title = out.style.bold(&title);
        out.line(&format!("\n{title} ({})", text::one_line(&example.note)))?;
        let command = format!("memrl why {} --data-dir {dir}", example.decision);
        let command = out.style.hint(&command);
        out.line(&format!("$ {command}\n"))?;
        why::print(&memory.why(&example.decision)?, SHORT, out)?;
    }
    Ok(0)
}

fn policies(report: &DemoReport, out: &mut Out) -> Result<()> {
    out.line(&format!(
        "{} of {}, {} decisions with {} tokens each, {:.1} s\n",
        text::count(report.turns as u64, "turn"),
        text::count(report.conversations as u64, "conversation"),
        text::grouped(report.decisions),
        text::grouped(report.budget_tokens),
        report.seconds
    ))?;
    let mut table = Table::new(&[
        ("POLICY", Fit::Left),
        ("EVIDENCE RECALL", Fit::Right),
        ("SUCCESS", Fit::Right),
        ("TOKENS", Fit::Right),
        ("P50 MS", Fit::Right),
        ("P95 MS", Fit::Right),
    ]);
    for p in &report.policies {
        table.row([
            p.policy.clone(),
            share(&p.evidence_recall),
            share(&p.success),
            format!("{:.0}", p.tokens),
            format!("{:.1}", p.p50_ms),
            format!("{:.1}", p.p95_ms),
        ]);
    }
    out.table(&table)?;
    let log = out.style.hint(&report.log.display().to_string());
    out.line(&format!(
        "\nSuccess: all the evidence was shown. Brackets: 95 % interval over questions.\nLog: {log}"
    ))
}

/// `71.2 % [68.0, 74.1]`.
fn share(e: &Estimate) -> String {
    let interval = e.by_question.map_or_else(String::new, |i| {
        format!(" [{:.1}, {:.1}]", 100.0 * i.low, 100.0 * i.high)
    });
    format!("{:.1} %{interval}", 100.0 * e.value)
}
