//! Microbenchmarks of the engine: `cargo bench -p memrl-bench`.
//!
//! Prints the median and the spread (10th and 90th percentile) of wall-clock time per operation.
//! Synthetic cells in 100 scopes, the built-in embedder, a memory in a temporary directory; every
//! decision is logged and every write is synced as in production.

use std::hint::black_box;
use std::time::Instant;

use memrl::{BudgetCounts, MemcellDecide, Memory, Options, Outcome, RecallRequest, Scope};
use memrl_bench::machine::Machine;
use memrl_bench::metrics::percentile;
use memrl_bench::synth::{Style, Synth};

/// Cells that are there while single operations are measured.
const CELLS: u64 = 10_000;
/// Cells per write of the import.
const BATCH: usize = 512;
/// Measured repetitions of a single operation, and unmeasured ones before.
const REPEATS: u64 = 300;
const WARMUP: u64 = 20;
/// Repetitions of the import.
const IMPORTS: usize = 3;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    println!("{}", Machine::here());
    println!(
        "{:34} {:>7} {:>10} {:>10} {:>10}",
        "operation", "n", "median ms", "p10", "p90"
    );
    let synth = Synth::new(1, CELLS, Style::default())?;
    let mut imports = Vec::new();
    let mut kept = None;
    for _ in 0..IMPORTS {
        let dir = tempfile::tempdir()?;
        let memory = open(&dir)?;
        let start = Instant::now();
        import(&memory, &synth)?;
        imports.push(start.elapsed().as_secs_f64() * 1000.0);
        kept = Some((dir, memory));
    }
    show(&format!("import of {CELLS} cells"), &imports);
    let Some((_dir, memory)) = kept else {
        return Ok(());
    };
    single_operations(&memory, &synth)
}

fn open(dir: &tempfile::TempDir) -> Result<Memory, Failure> {
    Ok(Memory::open_with(Options {
        seed: Some(1),
        ..Options::new(dir.path())
    })?)
}

fn import(memory: &Memory, synth: &Synth) -> Result<(), Failure> {
    let mut batch = Vec::with_capacity(BATCH);
    for cell in synth.iter() {
        batch.push(cell);
        if batch.len() == BATCH {
            memory.write_batch(std::mem::take(&mut batch))?;
        }
    }
    memory.write_batch(batch)?;
    memory.maintain()?;
    Ok(())
}

fn single_operations(memory: &Memory, synth: &Synth) -> Result<(), Failure> {
    for (name, everywhere) in [
        ("recall similarity, 1 % scope", false),
        ("recall similarity, all", true),
    ] {
        measure(name, |n| {
            let cell = pick(n);
            let scope = if everywhere {
                Scope::default()
            } else {
                Synth::scope(cell)
            };
            let request = RecallRequest {
                all_scopes: everywhere,
                budget_counts: BudgetCounts::Content,
                ..RecallRequest::new(synth.query(cell), scope)
            };
            black_box(memory.recall(&request)?);
            Ok(())
        })?;
    }
    let mut decided = Vec::new();
    for (name, everywhere) in [
        ("decide baseline_v0 k=10, 1 % scope", false),
        ("decide baseline_v0 k=10, all", true),
    ] {
        measure(name, |n| {
            let cell = pick(n);
            let made = memory.memcell_decide(&MemcellDecide {
                query: synth.query(cell),
                scope: if everywhere {
                    Scope::default()
                } else {
                    Synth::scope(cell)
                },
                task_type: "bench".to_owned(),
                budget_tokens: 2000,
                k: 10,
                policy: None,
                trajectory: None,
                explore: false,
            })?;
            decided.push(made.transition_id);
            Ok(())
        })?;
    }
    measure("feedback", |n| {
        let outcome = Outcome {
            success: Some(1.0),
            ..Outcome::default()
        };
        memory.feedback(decided[n as usize], &outcome)?;
        Ok(())
    })?;
    measure("write of one cell", |n| {
        black_box(memory.write(synth.cell(CELLS + n))?);
        Ok(())
    })
}

/// A number spread over the corpus.
fn pick(n: u64) -> u64 {
    n.wrapping_mul(7919) % CELLS
}

fn measure(name: &str, mut run: impl FnMut(u64) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut millis = Vec::with_capacity(REPEATS as usize);
    for n in 0..WARMUP + REPEATS {
        let start = Instant::now();
        run(n)?;
        if n >= WARMUP {
            millis.push(start.elapsed().as_secs_f64() * 1000.0);
        }
    }
    show(name, &millis);
    Ok(())
}

fn show(name: &str, millis: &[f64]) {
    let at = |p| percentile(millis, p).unwrap_or(f64::NAN);
    println!(
        "{name:34} {:>7} {:>10.3} {:>10.3} {:>10.3}",
        millis.len(),
        at(50.0),
        at(10.0),
        at(90.0)
    );
}
