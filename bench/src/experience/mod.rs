//! A simulated coding agent that works on repeated tasks with a memory: does its success rise with
//! experience? The engine is real ([`crate::run::experience`]); the world and the agent are these.
//!
//! # What is assumed
//!
//! Written down before anything was measured. [`Assumptions`] has the numbers, all of which can be
//! changed; the benchmark's sensitivity table changes them one at a time.
//!
//! **World.** There are four projects with ten *families* of tasks each. A family is a symptom (flaky
//! test, slow page, wrong total …) of a component (login, checkout …). A project has five
//! components and four symptoms, so its families share their words: a query about the flaky login test is
//! close to episodes about the flaky checkout test and about the slow login page. Every
//! symptom has six remedies in all; a family has four that sound plausible, and **one works**.
//! Which one is drawn for each family on its own, so advice of a neighbouring family is as likely wrong as right. In
//! three of ten families another remedy works from the middle of the run on (a dependency was
//! upgraded), and what used to be right is out of date.
//!
//! **Memory at the start.** Notes of other people: for each family one episode per plausible remedy,
//! each told as a success. One in four of them is right; nothing in their texts says which.
//!
//! **Tasks.** 600 tasks in 120 days. Families are drawn by Zipf's law with exponent 1 (the most frequent of 40 makes
//! up a quarter of the tasks), phrased with one of four sentences and one of three names of the
//! component. The query for the memory is the prompt.
//!
//! **Agent.** It sees three episodes in their order. An episode that says that it failed is not
//! followed. Any other gives advice, which works for the task or misleads.
//!
//! ```text
//! P(success) = base + gain · [advice that works is shown] − harm · [misleading advice stands above it]
//! ```
//!
//! with base 0.35, gain 0.45, harm 0.20; when none that works is shown, any misleading one counts
//! as above it. So a memory can make the agent worse than no memory (0.15 against 0.35). Failed
//! episodes help nobody, though a real agent might learn from them what not to try.
//!
//! **What the agent does.** When it succeeds, it has done what works, whether the memory or its own
//! effort told it. When it fails, it has tried the first advice that it saw, or, without misleading advice,
//! one of the remedies that do not work. That becomes a new episode, so the memory grows by one
//! episode per task, right or wrong.
//!
//! **Signals.** The memory is never told the truth, only this:
//! - four of five tasks end with a test run, which is right nine times of ten; it decides what the
//!   episode says about its outcome, and it is the only sign of success that the capture sees;
//! - with probability 0.3 the user judges one shown episode: the one that was followed, else the
//!   first; nine of ten verdicts are right;
//! - with probability 0.5 the agent cites the episode that it followed; one of ten citations names
//!   any of those shown.
//!
//! **Same coins.** All arms of a seed have the same world, the same tasks in the same order and the
//! same random numbers for each task; they differ in what was shown, and in what follows from that.
//!
//! This module knows no engine: the agent takes what it was shown from anybody.

pub mod agent;
pub mod rules;
pub mod stats;
mod words;
pub mod world;

use serde::{Deserialize, Serialize};

/// The numbers of the world. Shares and probabilities are in [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assumptions {
    /// Projects, at least 1; families are dealt out to them in turn.
    pub projects: usize,
    /// Families of tasks, at most 20 per project.
    pub families: usize,
    /// Plausible remedies of a family, 2 to 6; one works.
    pub remedies: usize,
    /// Tasks of a run.
    pub tasks: usize,
    /// How long the run takes, in days.
    pub days: f64,
    /// Exponent of Zipf's law over the families; 0 draws all alike.
    pub zipf: f64,
    /// Share of the families in which another remedy works from the middle of the run on.
    pub changed: f64,
    /// Success without any advice.
    pub base: f64,
    /// What advice that works adds.
    pub gain: f64,
    /// What misleading advice above it costs.
    pub harm: f64,
    /// Share of the tasks that end with a test run.
    pub tests: f64,
    /// Share of the test runs that say the truth.
    pub tests_right: f64,
    /// Share of the tasks after which one shown episode is judged.
    pub verdicts: f64,
    /// Share of the verdicts that are right.
    pub verdicts_right: f64,
    /// Share of the tasks in which the followed episode is cited.
    pub citations: f64,
    /// Share of the citations that name the right one; the others name any that was shown.
    pub citations_right: f64,
    /// Episodes shown per task.
    pub shown: usize,
    /// Tasks between two propagations.
    pub propagate_every: usize,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self {
            projects: 4,
            families: 40,
            remedies: 4,
            tasks: 600,
            days: 120.0,
            zipf: 1.0,
            changed: 0.3,
            base: 0.35,
            gain: 0.45,
            harm: 0.2,
            tests: 0.8,
            tests_right: 0.9,
            verdicts: 0.3,
            verdicts_right: 0.9,
            citations: 0.5,
            citations_right: 0.9,
            shown: 3,
            propagate_every: 25,
        }
    }
}
