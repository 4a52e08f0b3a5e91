//! `memrl bench experience`: the [simulated agent](crate::experience) works with the real engine.
//!
//! Every arm has a memory of its own with the same notes in it, and the same tasks with the same
//! coins. What an arm may use is said at [`Arm`]. Nothing here knows what works: the world does, and
//! only the agent, the oracle arm and the measures ask it.

mod arm;
mod report;

use std::path::PathBuf;

use memrl::config::ValueConfig;
use serde::Serialize;

use super::{OnProgress, Result, Stage};
use crate::experience::Assumptions;
use crate::experience::stats::windows;
use crate::experience::world::World;
use crate::metrics::mean;
use crate::report::Report;

pub use arm::{Arm, Learner, Signals, TaskResult, run_arm};
pub use report::{SENSITIVITY, TUNING, TUNING_SEEDS};

/// Parts that a run is reported in.
pub const WINDOWS: usize = 5;

/// What to do.
#[derive(Debug, Clone)]
pub struct ExperienceOptions {
    /// The world and the agent.
    pub assumptions: Assumptions,
    /// The seeds; each is one observation.
    pub seeds: Vec<u64>,
    /// Settings of the memory that learns.
    pub values: ValueConfig,
    /// Also change the assumptions one at a time.
    pub sensitivity: bool,
    /// Seeds on which settings are compared; empty leaves that out. They should not be among
    /// `seeds`: whoever chooses by what is reported reports their luck.
    pub tuning_seeds: Vec<u64>,
    /// Where the memories are put while they are needed; the system's temporary directory when
    /// `None`.
    pub dir: Option<PathBuf>,
    /// The command line, for the report.
    pub command: String,
}

impl Default for ExperienceOptions {
    fn default() -> Self {
        Self {
            assumptions: Assumptions::default(),
            seeds: (1..=10).collect(),
            values: ValueConfig::default(),
            sensitivity: false,
            tuning_seeds: Vec::new(),
            dir: None,
            command: String::new(),
        }
    }
}

/// One run: an arm with a seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeedRun {
    /// The arm.
    pub arm: String,
    /// The seed.
    pub seed: u64,
    /// Share of the tasks that succeeded.
    pub success: f64,
    /// The same for each fifth of the run.
    pub windows: Vec<f64>,
    /// Mean probability of success after what was shown: the same without the luck of the task.
    pub expected: f64,
    /// Share of the tasks with advice that works among what was shown.
    pub working_shown: f64,
    /// Share of the tasks with misleading advice above it.
    pub misled: f64,
    /// Episodes in the memory at the end.
    pub episodes: usize,
    /// Seconds it took.
    pub seconds: f64,
}

impl SeedRun {
    fn of(arm: &Arm, seed: u64, results: &[TaskResult], episodes: usize, seconds: f64) -> Self {
        let column = |f: &dyn Fn(&TaskResult) -> f64| results.iter().map(f).collect::<Vec<f64>>();
        let share = |f: &dyn Fn(&TaskResult) -> bool| {
            mean(&column(&|r| f64::from(u8::from(f(r))))).unwrap_or(f64::NAN)
        };
        let success = column(&|r| f64::from(u8::from(r.success)));
        Self {
            arm: arm.label(),
            seed,
            success: share(&|r| r.success),
            windows: windows(&success, WINDOWS),
            expected: mean(&column(&|r| r.probability)).unwrap_or(f64::NAN),
            working_shown: share(&|r| r.working_shown),
            misled: share(&|r| r.misled),
            episodes,
            seconds,
        }
    }
}

/// The tables, and every number that they were made of.
#[derive(Debug, Clone, Serialize)]
pub struct ExperienceReport {
    /// The tables.
    #[serde(flatten)]
    pub report: Report,
    /// The world and the agent.
    pub assumptions: Assumptions,
    /// The runs of the main table.
    pub runs: Vec<SeedRun>,
    /// The runs with other assumptions: what was changed, the runs.
    pub sensitivity: Vec<(String, Vec<SeedRun>)>,
    /// The runs with other settings on the tuning seeds.
    pub tuning: Vec<SeedRun>,
}

/// Runs all arms with all seeds.
pub fn bench_experience(
    options: &ExperienceOptions,
    progress: OnProgress<'_>,
) -> Result<ExperienceReport> {
    let runs = run_all(
        "repeated tasks",
        options,
        &options.assumptions,
        &Arm::all(&options.values),
        &options.seeds,
        progress,
    )?;
    let mut sensitivity = Vec::new();
    if options.sensitivity {
        for (name, change) in SENSITIVITY {
            let mut assumptions = options.assumptions.clone();
            change(&mut assumptions);
            let arms = [
                Arm::learning(options.values.clone()),
                Arm::Off,
                Arm::NoMemory,
            ];
            let runs = run_all(name, options, &assumptions, &arms, &options.seeds, progress)?;
            sensitivity.push(((*name).to_owned(), runs));
        }
    }
    let mut tuning = Vec::new();
    if !options.tuning_seeds.is_empty() {
        let arms = report::tuning_arms();
        let seeds = &options.tuning_seeds;
        tuning = run_all(
            TUNING,
            options,
            &options.assumptions,
            &arms,
            seeds,
            progress,
        )?;
    }
    Ok(ExperienceReport {
        report: report::report(options, &runs, &sensitivity, &tuning),
        assumptions: options.assumptions.clone(),
        runs,
        sensitivity,
        tuning,
    })
}

fn run_all(
    name: &str,
    options: &ExperienceOptions,
    assumptions: &Assumptions,
    arms: &[Arm],
    seeds: &[u64],
    progress: OnProgress<'_>,
) -> Result<Vec<SeedRun>> {
    let total = (arms.len() * seeds.len()) as u64;
    let stage = format!("{name}: {} arms, {} seeds", arms.len(), seeds.len());
    let mut stage = Stage::start(progress, stage, total);
    let mut runs = Vec::new();
    for seed in seeds {
        let world = World::new(*seed, assumptions);
        for arm in arms {
            let started = std::time::Instant::now();
            let (results, episodes) =
                run_arm(arm, &world, assumptions, *seed, options.dir.as_deref())?;
            let seconds = started.elapsed().as_secs_f64();
            runs.push(SeedRun::of(arm, *seed, &results, episodes, seconds));
            stage.at(runs.len() as u64, format!("{}, seed {seed}", arm.label()));
        }
    }
    Ok(runs)
}
