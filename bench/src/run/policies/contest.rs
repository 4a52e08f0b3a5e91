//! Training on some scenes and judging on others: one [`Fold`] of the contest.

use memrl::learn::explore::ConfigError;
use memrl::learn::policy::{BaselineV0, NoMemory, Similarity};
use memrl::learn::select::greedy;
use memrl::learn::{Ranking, RecallPolicy};
use serde::Serialize;

use super::learners::{Learner, Lesson};
use super::{PoliciesOptions, baselines};
use crate::work::log::{Feedback, LogOptions, append, empty};
use crate::work::outcome::reward;
use crate::work::{Scene, World};

/// Training scenes that baselines are tuned on, at most, per world.
const TUNING: usize = 200;

/// Scenes of one world.
#[derive(Clone)]
pub struct Part<'a> {
    /// The world.
    pub world: &'a dyn World,
    /// Some of its scenes, in their order.
    pub scenes: Vec<&'a Scene>,
}

/// What is trained on what, and judged on what else.
pub struct Fold<'a> {
    /// The row of the table that it counts for.
    pub name: String,
    /// The training scenes.
    pub train: Vec<Part<'a>>,
    /// The test scenes: of another world, or of other groups.
    pub test: Part<'a>,
    /// Seed of logging and training.
    pub seed: u64,
}

/// What is to be expected of one slate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Expected reward under `bounded_v1`.
    pub reward: f64,
    /// Probability of success.
    pub success: f64,
    /// Tokens shown.
    pub tokens: f64,
    /// Probability of an unsafe action.
    pub unsafe_action: f64,
    /// Probability of being misled.
    pub stale: f64,
}

/// One policy on the test scenes of a fold, under one budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What it was tested on.
    pub name: String,
    /// The policy.
    pub policy: String,
    /// The budget.
    pub budget: u64,
    /// The seed.
    pub seed: u64,
    /// The groups of the test scenes.
    pub groups: Vec<String>,
    /// One score per test scene.
    pub scores: Vec<Score>,
}

/// What a fold came to.
pub struct Outcome {
    /// Every policy under every budget.
    pub judged: Vec<Judged>,
    /// Trainers that made no policy, and why.
    pub failed: Vec<String>,
}

/// The slate that a policy would show.
pub fn slate(policy: &dyn RecallPolicy, scene: &Scene) -> Vec<usize> {
    let order = policy.order(&scene.context, &scene.candidates);
    let ranking = Ranking::new(&scene.candidates, order);
    greedy(&scene.context, &scene.candidates, &ranking).slate
}

/// The score of a slate.
pub fn score(world: &dyn World, scene: &Scene, slate: &[usize]) -> Score {
    let e = world.expected(scene, slate);
    Score {
        reward: reward(&e),
        success: e.success,
        tokens: e.tokens,
        unsafe_action: e.unsafe_action,
        stale: e.stale,
    }
}

/// A scene under another budget.
pub fn with_budget(scene: &Scene, budget: u64) -> Scene {
    let mut scene = scene.clone();
    scene.context.budget_tokens = budget;
    scene
}

/// Mean expected reward of a policy over some training scenes and all budgets.
pub fn value(policy: &dyn RecallPolicy, parts: &[Part<'_>], budgets: &[u64]) -> f64 {
    let (mut sum, mut n) = (0.0, 0.0);
    for part in parts {
        let step = part.scenes.len().div_ceil(TUNING).max(1);
        for scene in part.scenes.iter().step_by(step) {
            for budget in budgets {
                let scene = with_budget(scene, *budget);
                sum += score(part.world, &scene, &slate(policy, &scene)).reward;
                n += 1.0;
            }
        }
    }
    sum / f64::max(n, 1.0)
}

/// The log of a fold's training scenes under `similarity`.
pub fn log_of(
    fold: &Fold<'_>,
    options: &PoliciesOptions,
    feedback: Feedback,
) -> Result<memrl::learn::data::Dataset, ConfigError> {
    let how = LogOptions {
        explore: options.explore,
        budgets: options.budgets.clone(),
        feedback,
        seed: fold.seed,
    };
    let mut log = empty(&Similarity);
    for part in &fold.train {
        append(&mut log, part.world, &part.scenes, &Similarity, &how)?;
    }
    Ok(log)
}

/// Everybody, trained on the training scenes and judged on the test scenes.
pub fn run(
    fold: &Fold<'_>,
    learners: &[&Learner],
    options: &PoliciesOptions,
) -> Result<Outcome, ConfigError> {
    let budgets = &options.budgets;
    let mut policies: Vec<(String, Box<dyn RecallPolicy>)> = vec![
        ("none".to_owned(), Box::new(NoMemory)),
        ("baseline_v0".to_owned(), Box::new(BaselineV0)),
        ("similarity".to_owned(), Box::new(Similarity)),
        (
            "similarity, tuned cut-off".to_owned(),
            Box::new(baselines::cut(&fold.train, budgets)),
        ),
        (
            "utility, tuned weight".to_owned(),
            Box::new(baselines::utility(&fold.train, budgets)),
        ),
    ];
    // Simulated searches have no two lists.
    if options.data.is_some() {
        policies.insert(2, (RRF.to_owned(), Box::new(baselines::Rrf)));
    }
    let mut failed = Vec::new();
    if !learners.is_empty() {
        let log = log_of(fold, options, options.feedback)?;
        let gold = log_of(fold, options, Feedback::Gold)?;
        let lesson = Lesson::new(&log, &gold, (&fold.train, budgets), fold.seed);
        for learner in learners {
            match (learner.train)(&lesson) {
                Ok(policy) => policies.push((learner.name.to_owned(), policy)),
                Err(why) => failed.push(format!(
                    "{} ({}, seed {}): {why}",
                    learner.name, fold.name, fold.seed
                )),
            }
        }
    }
    let mut judged = Vec::new();
    for &budget in budgets {
        let scenes: Vec<Scene> =
            (fold.test.scenes.iter().map(|s| with_budget(s, budget))).collect();
        let world = fold.test.world;
        let mut add = |policy: &str, show: &dyn Fn(&Scene) -> Option<Vec<usize>>| {
            let scores: Option<Vec<Score>> = (scenes.iter())
                .map(|s| show(s).map(|slate| score(world, s, &slate)))
                .collect();
            if let Some(scores) = scores {
                judged.push(Judged {
                    name: fold.name.clone(),
                    policy: policy.to_owned(),
                    budget,
                    seed: fold.seed,
                    groups: scenes.iter().map(|s| s.group.clone()).collect(),
                    scores,
                });
            }
        };
        for (name, policy) in &policies {
            add(name, &|s| Some(slate(policy.as_ref(), s)));
        }
        add(BAYES, &|s| world.ceiling(s));
        add(ORACLE, &|s| Some(world.oracle(s)));
    }
    Ok(Outcome { judged, failed })
}

/// The name of reciprocal rank fusion.
pub const RRF: &str = "RRF";
/// The name of the ceiling on observables.
pub const BAYES: &str = "Bayes-optimal";
/// The name of the one who knows.
pub const ORACLE: &str = "oracle";
