//! `memrl bench policies`: trains on some workloads, conversations or questions, and tests on **others**.
//!
//! - *Simulator*: leave one workload out. A model is trained on the logs of three workloads and tested on the fourth; a seed makes new
//!   worlds, logs and weights, and intervals are over seeds (Student's t).
//! - *Questions* ([`crate::work`]): leave one conversation out, or five folds of questions where there are many groups. Seeds make new logs and weights;
//!   intervals are over groups (bootstrap of the mean over seeds).
//!
//! All policies of a fold see the same training log. A log has all budgets, so a policy is trained once for all of
//! them.

pub mod baselines;
pub mod contest;
pub mod environment;
mod feedback;
pub mod files;
pub mod learners;
pub mod open_data;
mod tables;
pub mod worlds;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use memrl::learn::ExploreConfig;
use serde::Serialize;

use super::{OnProgress, Result, RunError, Stage};
use crate::machine::Machine;
use crate::report::Report;
use crate::work::log::{Feedback, LogOptions};
use contest::{Fold, Judged};
use learners::{LEARNERS, Learner};

pub use feedback::{FeedbackReport, Recovered, bench_feedback};
pub use files::{FilesOptions, bench_files};
pub use open_data::{OpenData, OpenDataOptions, bench_dataset};
pub use tables::Mean;

/// What to do.
#[derive(Debug, Clone)]
pub struct PoliciesOptions {
    /// Workloads of the simulator that are tested on; empty: all. Training is always on the others.
    pub workloads: Vec<String>,
    /// Scenes of each simulated world.
    pub scenes: usize,
    /// Seeds; in the simulator each makes worlds of its own.
    pub seeds: Vec<u64>,
    /// Token budgets.
    pub budgets: Vec<u64>,
    /// Trainers, by name; empty: all. `rules` alone trains nothing.
    pub trainers: Vec<String>,
    /// How logs are randomised.
    pub explore: ExploreConfig,
    /// What outcomes tell.
    pub feedback: Feedback,
    /// A file of conversations or questions, in the place of the simulator.
    pub data: Option<PathBuf>,
    /// The embedder that searches it.
    pub embedder: String,
    /// Threads; at least 1.
    pub threads: usize,
    /// The command line, for the report.
    pub command: String,
}

impl Default for PoliciesOptions {
    fn default() -> Self {
        let log = LogOptions::default();
        Self {
            workloads: Vec::new(),
            scenes: 600,
            seeds: (1..=5).collect(),
            budgets: log.budgets,
            trainers: Vec::new(),
            explore: log.explore,
            feedback: log.feedback,
            data: None,
            embedder: "static".to_owned(),
            threads: 1,
            command: String::new(),
        }
    }
}

/// The tables, and every number that they were made of.
#[derive(Debug, Clone, Serialize)]
pub struct PoliciesReport {
    /// The tables.
    #[serde(flatten)]
    pub report: Report,
    /// Means over the test scenes, by test, policy, budget and seed.
    pub runs: Vec<Mean>,
    /// Trainers that made no policy, and why.
    pub failed: Vec<String>,
}

/// The trainers of these names, in the order of the table; all when none is named.
pub(super) fn chosen(names: &[String]) -> Result<Vec<&'static Learner>> {
    let known = |name: &&String| *name != "rules" && LEARNERS.iter().all(|l| l.name != **name);
    if let Some(name) = names.iter().find(known) {
        let all: Vec<_> = LEARNERS.iter().map(|l| l.name).collect();
        return Err(RunError::Options(format!(
            "there is no trainer {name:?}; there are {}, and rules",
            all.join(", ")
        )));
    }
    let wanted = |l: &&Learner| names.is_empty() || names.iter().any(|n| n == l.name);
    Ok(LEARNERS.iter().filter(wanted).collect())
}

/// Runs the contest.
pub fn bench_policies(
    options: &PoliciesOptions,
    progress: OnProgress<'_>,
) -> Result<PoliciesReport> {
    let learners = chosen(&options.trainers)?;
    let worlds = worlds::Worlds::make(options, progress)?;
    let folds = worlds.folds(options)?;
    let mut stage = Stage::start(progress, "training and testing", folds.len() as u64);
    let done = all(
        &folds,
        options.threads,
        |run, fold| stage.at(run.done, run.told(fold)),
        |fold| contest::run(fold, &learners, options),
    )?;
    let mut judged: Vec<Judged> = Vec::new();
    let mut failed = Vec::new();
    for outcome in done {
        judged.extend(outcome.judged);
        failed.extend(outcome.failed);
    }
    let tables = tables::of(&judged, worlds.by_seed(), &learners, options);
    Ok(PoliciesReport {
        runs: tables::means(&judged),
        report: Report {
            benchmark: "policies".to_owned(),
            machine: Machine::here(),
            command: options.command.clone(),
            tables,
        },
        failed,
    })
}

/// The newest run that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Begun {
    /// The how many-th it is, from 1.
    number: u64,
    /// Of how many.
    of: u64,
    /// Runs that are done.
    done: u64,
}

impl Begun {
    /// `run 3 of 20: support, seed 1`.
    fn told(self, fold: &Fold<'_>) -> String {
        let Self { number, of, .. } = self;
        format!("run {number} of {of}: {}, seed {}", fold.name, fold.seed)
    }
}

/// Works on all folds with some threads, and tells when one begins and when one is done; answers in the order of the folds, so the result does not
/// depend on the number of threads.
fn all<'a, T: Send>(
    folds: &[Fold<'a>],
    threads: usize,
    mut tell: impl FnMut(Begun, &Fold<'a>),
    work: impl Fn(&Fold<'a>) -> Result<T, memrl::learn::explore::ConfigError> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let (send, receive) = mpsc::channel();
    let mut results: Vec<Option<T>> = folds.iter().map(|_| None).collect();
    let mut broken = None;
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, folds.len().max(1)) {
            let (send, next, work) = (send.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(fold) = folds.get(i) else { return };
                    // Once when it begins, once when it is done.
                    if send.send((i, None)).is_err() || send.send((i, Some(work(fold)))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut run = Begun {
            number: 0,
            of: folds.len() as u64,
            done: 0,
        };
        let mut newest = 0;
        for (i, message) in &receive {
            match message {
                None => {
                    run.number += 1;
                    newest = i;
                }
                Some(result) => {
                    run.done += 1;
                    match result {
                        Ok(result) => results[i] = Some(result),
                        Err(e) => broken = Some(e),
                    }
                }
            }
            tell(run, &folds[newest]);
        }
    });
    match broken {
        Some(e) => Err(RunError::Options(e.to_string())),
        None => Ok(results.into_iter().flatten().collect()),
    }
}
