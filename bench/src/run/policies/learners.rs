//! The table of trainers: how each makes a policy of a lesson.
//!
//! To add one, add a row. A trainer may read its [`Lesson`] and nothing else: not the worlds it is tested on, and of
//! the worlds it learns from only what the log tells (but for the skyline and on-policy training, which say so).

use std::ops::ControlFlow;

use memrl::learn::RecallPolicy;
use memrl::learn::data::Dataset;
use memrl::learn::policy::Learned;
use memrl::learn::train::{Hooks, TrainConfig, TrainError, Trained, credit};

/// What a trainer may learn from.
pub struct Lesson<'a> {
    /// The log.
    pub log: &'a Dataset,
    /// The same decisions with every candidate labelled, for the skyline only.
    pub gold: &'a Dataset,
    /// Seed of everything random.
    pub seed: u64,
}

/// A trained policy, or why there is none.
pub type Made = Result<Box<dyn RecallPolicy>, String>;

/// A row of the table.
pub struct Learner {
    /// Its name.
    pub name: &'static str,
    /// What it learns from, in a few words.
    pub about: &'static str,
    /// How it learns.
    pub train: fn(&Lesson<'_>) -> Made,
}

/// The skyline: what can be learned when every candidate is labelled.
pub const SUPERVISED: Learner = Learner {
    name: "supervised",
    about: "labels of all candidates; no log has them",
    train: |_| Err("not here yet".to_owned()),
};

/// All trainers, in the order of tables.
pub const LEARNERS: &[Learner] = &[Learner {
    name: credit::ALGO,
    about: "success of slates and labels of cited cells, attributed",
    train: |lesson| {
        let config = TrainConfig {
            seed: lesson.seed,
            ..credit::config()
        };
        policy(quietly(|hooks| credit::train(lesson.log, &config, hooks)))
    },
}];

/// What a trainer made, as a policy.
fn policy(made: Result<Trained, TrainError>) -> Made {
    let trained = made.map_err(|e| e.to_string())?;
    let learned = Learned::of(trained.algo.clone(), 1, &trained).map_err(|e| e.to_string())?;
    Ok(Box::new(learned))
}

/// Training without an audience: nothing is told, nothing is kept, nothing stops it.
pub fn quietly<T>(work: impl FnOnce(&mut Hooks<'_>) -> T) -> T {
    let mut progress = |_: &_| ControlFlow::Continue(());
    let mut checkpoint = |_: &_| {};
    work(&mut Hooks {
        progress: &mut progress,
        checkpoint: &mut checkpoint,
        resume: None,
    })
}
