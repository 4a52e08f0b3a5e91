//! The worlds of a contest, and who is trained on what.

use super::PoliciesOptions;
use super::contest::{Fold, Part};
use crate::run::{OnProgress, Result, RunError};
use crate::work::questions::{QuestionOptions, Questions};
use crate::work::{Scene, Simulated, World, params};

/// Folds where there are more groups than can be left out one by one.
const FOLDS: usize = 5;
/// Most groups that are left out one by one.
const ONE_BY_ONE: usize = 12;

/// The worlds.
pub enum Worlds {
    /// Of each seed, one per workload.
    Simulated(Vec<(u64, Vec<Simulated>)>),
    /// One of questions.
    Questions(Box<Questions>),
}

impl Worlds {
    /// Makes or loads them.
    pub fn make(options: &PoliciesOptions, progress: OnProgress<'_>) -> Result<Self> {
        if let Some(data) = &options.data {
            let name = data
                .file_name()
                .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
            let how = QuestionOptions {
                name,
                embedder: options.embedder.clone(),
                ..QuestionOptions::default()
            };
            return Ok(Self::Questions(Box::new(Questions::load(
                Some(data),
                &how,
                progress,
            )?)));
        }
        let unknown = |w: &&String| params::all().iter().all(|p| p.name != **w);
        if let Some(name) = options.workloads.iter().find(unknown) {
            let all = params::all().map(|p| p.name).join(", ");
            return Err(RunError::Options(format!(
                "there is no workload {name:?}; there are {all}"
            )));
        }
        let of = |&seed: &u64| {
            let all = params::all();
            let worlds = all.iter().map(|p| Simulated::new(p, seed, options.scenes));
            (seed, worlds.collect())
        };
        Ok(Self::Simulated(options.seeds.iter().map(of).collect()))
    }

    /// Whether each seed is a world of its own, so that intervals are over seeds.
    pub fn by_seed(&self) -> bool {
        matches!(self, Self::Simulated(_))
    }

    /// The folds, by seed.
    pub fn folds(&self, options: &PoliciesOptions) -> Result<Vec<Fold<'_>>> {
        let folds: Vec<Fold<'_>> = match self {
            Self::Simulated(seeds) => seeds
                .iter()
                .flat_map(|(seed, worlds)| leave_one_out(*seed, worlds))
                .filter(|f| options.workloads.is_empty() || options.workloads.contains(&f.name))
                .collect(),
            Self::Questions(world) => options
                .seeds
                .iter()
                .flat_map(|seed| by_group(*seed, &**world))
                .collect(),
        };
        if folds.is_empty() {
            return Err(RunError::Options(
                "there is nothing to train on: it takes at least two groups and a seed".to_owned(),
            ));
        }
        Ok(folds)
    }
}

fn whole(world: &Simulated) -> Part<'_> {
    Part {
        world,
        scenes: world.scenes().iter().collect(),
    }
}

fn leave_one_out(seed: u64, worlds: &[Simulated]) -> impl Iterator<Item = Fold<'_>> {
    worlds.iter().enumerate().map(move |(k, test)| {
        let others = worlds.iter().enumerate().filter(move |(i, _)| *i != k);
        Fold {
            name: test.name().to_owned(),
            train: others.map(|(_, w)| whole(w)).collect(),
            test: whole(test),
            seed,
        }
    })
}

/// Groups in the order in which they are met; each is in one fold's test part.
fn by_group(seed: u64, world: &dyn World) -> Vec<Fold<'_>> {
    let mut groups: Vec<&str> = Vec::new();
    for scene in world.scenes() {
        if !groups.contains(&scene.group.as_str()) {
            groups.push(&scene.group);
        }
    }
    let folds = match groups.len() {
        0 | 1 => return Vec::new(),
        n if n <= ONE_BY_ONE => n,
        _ => FOLDS,
    };
    let fold_of: std::collections::HashMap<&str, usize> = (groups.iter().enumerate())
        .map(|(i, g)| (*g, i % folds))
        .collect();
    let part = |keep: &dyn Fn(usize) -> bool| {
        let scenes: Vec<&Scene> = (world.scenes().iter())
            .filter(|s| keep(fold_of[s.group.as_str()]))
            .collect();
        Part { world, scenes }
    };
    (0..folds)
        .map(|k| Fold {
            name: world.name().to_owned(),
            train: vec![part(&|f| f != k)],
            test: part(&|f| f == k),
            seed,
        })
        .collect()
}
