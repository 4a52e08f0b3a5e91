//! `memrl bench policies`.

use memrl_bench::report::Shown;
use memrl_bench::run::policies::{FilesOptions, OpenDataOptions};
use memrl_bench::run::{self, PoliciesOptions};
use memrl_bench::work::log::Feedback;

use super::bench::{command_line, with_progress};
use crate::args::{BenchDataset, BenchFeedback, BenchPolicies};
use crate::fail::Result;
use crate::out::Out;

/// Trains on some and tests on others.
pub fn policies(args: BenchPolicies, out: &mut Out) -> Result<()> {
    if !args.train.is_empty() {
        return files(args, out);
    }
    let kinds: Vec<Feedback> = args.feedback.iter().map(|f| kind(*f)).collect();
    let mut options = PoliciesOptions {
        workloads: args.workload,
        scenes: args.scenes as usize,
        seeds: (args.first_seed..args.first_seed.saturating_add(args.seeds)).collect(),
        trainers: args.trainer,
        data: args.data,
        embedder: args.embedder,
        threads: args.threads as usize,
        command: command_line(),
        ..PoliciesOptions::default()
    };
    if !args.budget.is_empty() {
        options.budgets = args.budget;
    }
    if let Some(first) = kinds.first() {
        options.feedback = *first;
    }
    options.explore.epsilon = args.epsilon;
    options.explore.sampled_share = args.sampled;
    options.explore.temperature = args.temperature;
    if args.decisions.is_empty() {
        let all = with_progress(out, |tell| run::bench_policies(&options, tell))?;
        for why in &all.failed {
            out.warn(why);
        }
        return if out.is_json() {
            out.json(&all)
        } else {
            out.text(&all.report.to_markdown(Shown::ByQuestion))
        };
    }
    let kinds = if kinds.is_empty() {
        vec![options.feedback]
    } else {
        kinds
    };
    let decisions: Vec<usize> = args.decisions.iter().map(|n| *n as usize).collect();
    let all = with_progress(out, |tell| {
        run::policies::bench_feedback(&options, &kinds, &decisions, tell)
    })?;
    if out.is_json() {
        out.json(&all)
    } else {
        out.text(&all.report.to_markdown(Shown::ByQuestion))
    }
}

/// Trains on logs and judges by others.
fn files(args: BenchPolicies, out: &mut Out) -> Result<()> {
    let options = FilesOptions {
        train: args.train,
        test: args.test,
        trainers: args.trainer,
        seed: args.first_seed,
        command: command_line(),
    };
    let report = with_progress(out, |tell| run::policies::bench_files(&options, tell))?;
    if out.is_json() {
        out.json(&report)
    } else {
        out.text(&report.to_markdown(Shown::ByQuestion))
    }
}

/// Writes the open data set.
pub fn dataset(args: BenchDataset, out: &mut Out) -> Result<()> {
    let options = OpenDataOptions {
        out: args.out,
        scenes: args.scenes as usize,
        seed: args.seed,
    };
    let written = with_progress(out, |tell| run::policies::bench_dataset(&options, tell))?;
    if out.is_json() {
        out.json(&written)
    } else {
        out.text(&format!(
            "{} decisions, {} candidates, {} files in {}\n",
            written.decisions,
            written.items,
            written.files.len(),
            options.out.display()
        ))
    }
}

fn kind(given: BenchFeedback) -> Feedback {
    match given {
        BenchFeedback::Success => Feedback::Success,
        BenchFeedback::Citations => Feedback::Citations,
        BenchFeedback::Noisy => Feedback::Noisy,
        BenchFeedback::Shuffled => Feedback::Shuffled,
    }
}
