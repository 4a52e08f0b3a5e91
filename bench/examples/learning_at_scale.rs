//! What learning from a long log costs: time and memory of training, evaluation and impact on a data directory that is made for it.
//! The table "The loop on a long log" of docs/benchmarks.md.
//!
//! ```text
//! cargo run --release -p memrl-bench --example learning_at_scale -- DECISIONS [CANDIDATES] [STEPS] [DIR]
//! ```
//!
//! DECISIONS (10,000) with CANDIDATES (50) each, in trajectories of 1 to STEPS (1), by `similarity` with half of the trajectories drawn
//! and a tenth of the other half's cells withheld, over 10,000 cells that are stored. Needs, outcomes and features are those of the simulated
//! coding workload; every decision has its outcome. The log is written through the store, as a recall writes it; the search is left out. DIR must
//! be new or empty, and is left there; without one a directory is made beside the temporary files and removed at the end.
//!
//! Each question is asked by a process of its own, as by a command: its wall time, processor time and largest resident memory (Linux only) are its own.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use memrl::learn::ExploreConfig;
use memrl::learn::data::Logged;
use memrl::learn::policy::Similarity;
use memrl::store::{NewDecision, SqliteStore, Store};
use memrl::{
    Arm, CellId, CellType, Decision, DecisionId, DecisionPoint, EvaluateRequest, ImpactOf,
    ImpactRequest, Memory, Mode, NewCell, Options, Outcome, RewardCheckRequest, Scope,
    TrainRequest,
};
use memrl_bench::machine::Machine;
use memrl_bench::work::log::{LogOptions, append, empty};
use memrl_bench::work::params::Params;
use memrl_bench::work::{Scene, Simulated, World, coding};
use memrl_types::{Item, OutcomeId, Timestamp};
use rand::seq::index::sample;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Cells that the candidates are taken from.
const CELLS: usize = 10_000;
/// Decisions that are simulated at once: only so many are in memory while the log is made.
const CHUNK: usize = 2_000;
/// 1 January 2026; decisions are ten seconds apart.
const START: i64 = 1_767_225_600_000_000;
const APART: i64 = 10_000_000;
/// The first argument of a process that asks one question.
const ASK: &str = "--ask";

fn main() {
    if let Err(e) = run() {
        eprintln!("{e}");
        std::process::exit(1);
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [first, question, dir] = args.as_slice()
        && first == ASK
    {
        return ask(question, Path::new(dir));
    }
    let number = |at: usize, default| args.get(at).map_or(Ok(default), |a| a.parse::<u32>());
    let (decisions, candidates, steps) = (number(0, 10_000)?, number(1, 50)?, number(2, 1)?);
    let temporary = tempfile::tempdir()?;
    let dir = args.get(3).map_or(temporary.path(), Path::new);
    println!("{}", Machine::here());
    let begin = Instant::now();
    write_log(dir, decisions as usize, candidates, steps)?;
    println!(
        "{decisions} decisions of {candidates} candidates, 1 to {steps} per trajectory, made in {:.0} s; database {:.2} GB\n",
        begin.elapsed().as_secs_f64(),
        std::fs::metadata(dir.join("memrl.db"))?.len() as f64 / 1e9
    );
    println!("| question | wall, s | processor, s | largest resident memory, MB | |");
    println!("|---|---:|---:|---:|---|");
    for question in [
        "open",
        "train credit",
        "evaluate credit",
        "evaluate utility",
        "impact of cells",
        "impact of types",
        "reward check",
    ] {
        let program = std::env::current_exe()?;
        let status = Command::new(program)
            .arg(ASK)
            .arg(question)
            .arg(dir)
            .status()?;
        if !status.success() {
            return Err(format!("{question}: {status}").into());
        }
    }
    Ok(())
}

/// Asks one question of the memory in this directory, and prints a row about it.
fn ask(question: &str, dir: &Path) -> Result<()> {
    let begin = Instant::now();
    let memory = Memory::open_with(Options {
        config: Some(memrl::Config::default()),
        ..Options::new(dir)
    })?;
    let said = match question.split_once(' ') {
        Some(("train", _)) => {
            let request = TrainRequest::default();
            let report = memory.train(&request, &mut |_| ControlFlow::Continue(()))?;
            format!("{} decisions read, {} kept apart", report.read, report.kept)
        }
        Some(("evaluate", policy)) => {
            let request = EvaluateRequest {
                policy: policy.to_owned(),
                ..EvaluateRequest::default()
            };
            let made = memory.evaluate(&request, &mut |_| ControlFlow::Continue(()));
            match made {
                Ok(r) => format!(
                    "{} trajectories, {} decisions, n_eff {:.0}, {}",
                    r.report.trajectories,
                    r.report.decisions,
                    r.report.n_eff,
                    r.report.verdict.name()
                ),
                Err(e) => e.to_string(),
            }
        }
        Some(("impact", of)) => {
            let request = ImpactRequest {
                of: if of == "of cells" {
                    ImpactOf::Cell
                } else {
                    ImpactOf::Type
                },
                ..ImpactRequest::default()
            };
            match memory.impact(&request)? {
                memrl::ImpactAnswer::Cell { report, .. } => format!("{} cells", report.cells.len()),
                memrl::ImpactAnswer::Group { groups, counts, .. } => {
                    format!("{} groups, {} units", groups.len(), counts.units)
                }
                memrl::ImpactAnswer::Memory { .. } => String::new(),
            }
        }
        Some(("reward", _)) => {
            let report = memory.reward_check(&RewardCheckRequest::default())?;
            format!("{} decisions", report.check.decisions)
        }
        _ => String::new(),
    };
    let (processor, memory) = used();
    println!(
        "| {question} | {:.1} | {processor} | {memory} | {said} |",
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Processor seconds and largest resident memory in MB of this process; `?` where the system does not tell.
fn used() -> (String, String) {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let status = read("/proc/self/status");
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
    let processor = memrl_bench::cpu::process_millis(std::process::id());
    let unknown = || "?".to_owned();
    (
        processor.map_or_else(unknown, |ms| format!("{:.1}", ms / 1000.0)),
        kilobytes.map_or_else(unknown, |kb| format!("{:.0}", kb / 1000.0)),
    )
}

/// A memory with cells, and a log of decisions about them.
fn write_log(dir: &Path, decisions: usize, candidates: u32, steps: u32) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    if std::fs::read_dir(dir)?.next().is_some() {
        return Err(format!("{} is not empty", dir.display()).into());
    }
    let cells = write_cells(dir)?;
    let store = SqliteStore::open(dir)?;
    let params: &'static Params = Box::leak(Box::new(Params {
        candidates: (candidates, candidates),
        steps: (1, steps),
        ..coding::PARAMS
    }));
    let policy = Similarity;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut written = 0;
    for seed in 0.. {
        let n = CHUNK.min(decisions - written);
        if n == 0 {
            break;
        }
        let world = Simulated::new(params, seed, n);
        let scenes: Vec<Scene> = (world.scenes().iter())
            .map(|scene| among(scene.clone(), &cells, &mut rng))
            .collect();
        let scenes: Vec<&Scene> = scenes.iter().collect();
        let options = LogOptions {
            seed,
            ..LogOptions::default()
        };
        let mut data = empty(&policy);
        append(&mut data, &world, &scenes, &policy, &options)?;
        for logged in &data.decisions {
            let at = Timestamp(START + APART * written as i64);
            let trajectory = &data.trajectories[logged.trajectory as usize];
            let decision = decision(logged, trajectory, &data.policies[0], &options.explore, at);
            let new = NewDecision {
                decision: &decision,
                seqs: &[],
            };
            store.append_decision(&new, &[])?;
            let id = OutcomeId::from_random(rng.random());
            store.append_outcome(id, logged.id, at, &outcome(logged), &[])?;
            written += 1;
        }
        eprint!("\r{written} decisions written");
    }
    eprintln!();
    Ok(())
}

fn write_cells(dir: &Path) -> Result<Vec<CellId>> {
    let memory = Memory::open_with(Options {
        config: Some(memrl::Config::default()),
        seed: Some(1),
        ..Options::new(dir)
    })?;
    let kinds = [
        CellType::Fact,
        CellType::Procedure,
        CellType::Preference,
        CellType::Episode,
    ];
    let cell = |i: usize| {
        let scope = Scope::of("user", &format!("u{}", i % 50));
        NewCell::new(kinds[i % kinds.len()], scope, format!("memory number {i}"))
    };
    let all: Vec<NewCell> = (0..CELLS).map(cell).collect();
    let mut ids = Vec::with_capacity(CELLS);
    for batch in all.chunks(1_000) {
        let written = memory.write_batch(batch.to_vec())?;
        ids.extend(written.iter().map(|w| w.cell.cell_id));
    }
    Ok(ids)
}

/// The scene with candidates that are stored: which cells they are is drawn.
fn among(mut scene: Scene, cells: &[CellId], rng: &mut ChaCha8Rng) -> Scene {
    let drawn = sample(rng, cells.len(), scene.candidates.len());
    for (candidate, i) in scene.candidates.iter_mut().zip(drawn) {
        candidate.cell_id = cells[i];
    }
    scene
}

/// The decision as a recall logs it.
fn decision(
    logged: &Logged,
    trajectory: &str,
    policy: &str,
    explore: &ExploreConfig,
    at: Timestamp,
) -> Decision {
    let width = logged.features.len() / logged.items.len().max(1);
    let item = |(i, c): (usize, &memrl::learn::data::LoggedItem)| {
        let position = logged.slate.iter().position(|&s| s as usize == i);
        Item {
            cell_id: c.cell,
            version: 1,
            features: if c.masked {
                Vec::new()
            } else {
                logged.features[i * width..(i + 1) * width].to_vec()
            },
            score: c.score,
            tokens: c.cost,
            selected: position.is_some(),
            position: position.map(|p| p as u32),
            mode: if position.is_some() {
                Mode::Context
            } else {
                Mode::Suppress
            },
            reason: "similarity".to_owned(),
            p_include: c.p_include,
            p_step: None,
            critical: c.critical,
            held_out: c.held_out,
        }
    };
    let tokens = logged.slate.iter().map(|&i| logged.items[i as usize].cost);
    Decision {
        decision_id: logged.id,
        query_id: DecisionId::from_random(*logged.id.bytes()),
        point: DecisionPoint::Recall,
        trajectory_id: trajectory.to_owned(),
        step: logged.step,
        created_at: at,
        query: String::new(),
        task_type: "coding".to_owned(),
        scope: Scope::of("user", "u0"),
        budget_tokens: logged.context.budget_tokens,
        k: logged.items.len() as u64,
        policy: policy.to_owned(),
        arms: vec![Arm {
            name: "incumbent".to_owned(),
            policy: policy.to_owned(),
            share: 1.0,
        }],
        arm: logged.arm.clone(),
        explore_mode: logged.mode,
        propensity: logged.propensity.clone(),
        feature_schema: memrl::learn::features::RECALL.to_owned(),
        items: logged.items.iter().enumerate().map(item).collect(),
        state: serde_json::json!({
            "overhead_tokens": logged.context.overhead_tokens,
            "query_tokens": logged.context.query_tokens,
            "memory_cells": logged.context.memory_cells,
            "max_cells": logged.context.max_items,
            "asked": false,
            "temperature": explore.temperature,
            "sampled_share": explore.sampled_share,
        }),
        tokens_used: tokens.sum(),
        latency_us: 1_000,
        context: None,
    }
}

fn outcome(logged: &Logged) -> Outcome {
    let s = &logged.signals;
    Outcome {
        success: s.success,
        unsafe_action: s.unsafe_action,
        stale_memory_error: s.stale,
        tokens_used: s.tokens.map(|t| t as i64),
        source: "simulation".to_owned(),
        is_final: true,
        ..Outcome::default()
    }
}
