//! Learning from N logged decisions and nothing else: how much of what supervision gains can bandit feedback recover?
//!
//! ```text
//! share recovered = (trained on N logged decisions − similarity) / (supervised on everything − similarity)       by reward
//! ```
//!
//! The supervised skyline has the labels of every candidate of every training scene. With shuffled outcomes there is nothing to
//! recover: what is below 0 there is the harm of a model that nobody checked.

use memrl::learn::RecallPolicy;
use memrl::learn::explore::ConfigError;
use memrl::learn::policy::Similarity;
use serde::Serialize;

use super::contest::{Fold, log_of, score, slate, with_budget};
use super::learners::{Learner, Lesson, SUPERVISED};
use super::{PoliciesOptions, all, chosen, tables, worlds};
use crate::machine::Machine;
use crate::report::{Column, Report, Row, Table, Unit};
use crate::run::{OnProgress, Result, Stage};
use crate::work::log::Feedback;

/// One training on N decisions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recovered {
    /// What it was tested on.
    pub test: String,
    /// The trainer.
    pub trainer: String,
    /// What outcomes told.
    pub feedback: &'static str,
    /// Decisions it learned from.
    pub decisions: usize,
    /// The seed.
    pub seed: u64,
    /// The budget of the test.
    pub budget: u64,
    /// Test scenes.
    pub n: usize,
    /// Mean expected reward; `None` where nothing could be trained.
    pub reward: Option<f64>,
    /// That of `similarity`.
    pub similarity: f64,
    /// That of the skyline.
    pub supervised: f64,
}

/// The tables, and every number that they were made of.
#[derive(Debug, Clone, Serialize)]
pub struct FeedbackReport {
    /// The tables.
    #[serde(flatten)]
    pub report: Report,
    /// By fold, trainer, feedback, number of decisions and budget.
    pub runs: Vec<Recovered>,
}

/// Runs the experiment: every trainer with every kind of feedback and every number of decisions.
pub fn bench_feedback(
    options: &PoliciesOptions,
    kinds: &[Feedback],
    decisions: &[usize],
    progress: OnProgress<'_>,
) -> Result<FeedbackReport> {
    let mut learners = chosen(&options.trainers)?;
    // Neither learns from the log.
    learners.retain(|l| l.name != SUPERVISED.name && l.name != "grpo");
    let worlds = worlds::Worlds::make(options, progress)?;
    let folds = worlds.folds(options)?;
    let mut stage = Stage::start(progress, "learning from few decisions", folds.len() as u64);
    let done = all(
        &folds,
        options.threads,
        |run, fold| stage.at(run.done, run.told(fold)),
        |fold| one(fold, &learners, options, kinds, decisions),
    )?;
    let runs: Vec<Recovered> = done.into_iter().flatten().collect();
    let report = Report {
        benchmark: "policies: learning from feedback".to_owned(),
        machine: Machine::here(),
        command: options.command.clone(),
        tables: (kinds.iter())
            .map(|kind| table(&runs, *kind, decisions, options))
            .collect(),
    };
    Ok(FeedbackReport { report, runs })
}

/// Mean expected reward over the test scenes.
fn reward(policy: &dyn RecallPolicy, fold: &Fold<'_>, budget: u64) -> f64 {
    let test = &fold.test;
    let of = |s: &&crate::work::Scene| {
        let s = with_budget(s, budget);
        score(test.world, &s, &slate(policy, &s)).reward
    };
    test.scenes.iter().map(of).sum::<f64>() / test.scenes.len().max(1) as f64
}

fn one(
    fold: &Fold<'_>,
    learners: &[&Learner],
    options: &PoliciesOptions,
    kinds: &[Feedback],
    decisions: &[usize],
) -> Result<Vec<Recovered>, ConfigError> {
    let gold = log_of(fold, options, Feedback::Gold)?;
    let (scenes, budgets) = (&fold.train[..], &options.budgets[..]);
    let skyline = (SUPERVISED.train)(&Lesson::new(&gold, &gold, (scenes, budgets), fold.seed));
    let worth = |policy: &dyn RecallPolicy| -> Vec<f64> {
        budgets.iter().map(|b| reward(policy, fold, *b)).collect()
    };
    let base = worth(&Similarity);
    let top = match &skyline {
        Ok(policy) => worth(policy.as_ref()),
        // Nothing to recover.
        Err(_) => base.clone(),
    };
    let mut made = Vec::new();
    for kind in kinds {
        let mut log = log_of(fold, options, *kind)?;
        log.decisions = interleaved(log.decisions);
        for &n in decisions {
            let mut few = log.clone();
            few.decisions.truncate(n);
            let lesson = Lesson::new(&few, &gold, (scenes, budgets), fold.seed);
            for learner in learners {
                let reached = (learner.train)(&lesson).ok().map(|p| worth(p.as_ref()));
                for (k, &budget) in budgets.iter().enumerate() {
                    made.push(Recovered {
                        test: fold.name.clone(),
                        trainer: learner.name.to_owned(),
                        feedback: kind.name(),
                        decisions: few.decisions.len(),
                        seed: fold.seed,
                        budget,
                        n: fold.test.scenes.len(),
                        reward: reached.as_ref().map(|r| r[k]),
                        similarity: base[k],
                        supervised: top[k],
                    });
                }
            }
        }
    }
    Ok(made)
}

/// Whole trajectories in an order that mixes the worlds they come from: the first N decisions are then of all of them.
fn interleaved(decisions: Vec<memrl::learn::data::Logged>) -> Vec<memrl::learn::data::Logged> {
    let mut keyed: Vec<_> = (decisions.into_iter())
        .map(|d| (golden_ratio(d.trajectory), d.step, d))
        .collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.cmp(&b.1)));
    keyed.into_iter().map(|(_, _, d)| d).collect()
}

/// Fibonacci hashing (Knuth, vol. 3, 6.4): spreads consecutive numbers.
fn golden_ratio(n: u32) -> u32 {
    n.wrapping_mul(2_654_435_769)
}

fn table(
    runs: &[Recovered],
    kind: Feedback,
    decisions: &[usize],
    options: &PoliciesOptions,
) -> Table {
    let of: Vec<&Recovered> = runs.iter().filter(|r| r.feedback == kind.name()).collect();
    let tests = tables::keys(of.iter().map(|r| r.test.clone()));
    let trainers = tables::keys(of.iter().map(|r| r.trainer.clone()));
    let rows = (tests.iter()).flat_map(|test| trainers.iter().map(move |t| (test, t)));
    Table {
        title: format!("share of the supervised gain that is recovered, feedback: {}", kind.name()),
        columns: (options.budgets.iter())
            .flat_map(|b| {
                decisions.iter().map(move |n| Column {
                    measure: format!("{b} tokens"),
                    at: format!("{n} decisions"),
                    unit: Unit::Share,
                })
            })
            .collect(),
        rows: rows
            .map(|(test, trainer)| Row {
                label: format!("{test}, {trainer}"),
                n: options.seeds.len(),
                values: (options.budgets.iter())
                    .flat_map(|b| decisions.iter().map(move |n| (*b, *n)))
                    .map(|(budget, n)| {
                        let cell = |r: &&&Recovered| {
                            r.test == *test
                                && r.trainer == *trainer
                                && r.budget == budget
                                && r.decisions == n
                        };
                        tables::recovered(&of.iter().filter(cell).copied().collect::<Vec<_>>())
                    })
                    .collect(),
            })
            .collect(),
        notes: vec![
            "(reward − similarity's) / (supervised's − similarity's): sums over the folds of a seed, then the mean over seeds; brackets are 95 % \
             intervals over seeds (Student's t). n = seeds. A dash: there were fewer decisions, or nothing could be trained."
                .to_owned(),
        ],
    }
}
