//! Learning from logged decisions on questions, and nothing else: the share of the supervised gain that `credit` recovers
//! from success alone, or with noisy citations. The second table of docs/benchmarks.md, "Learned recall".
//!
//! ```text
//! cargo run --release -p memrl-bench --example questions_feedback -- FILE [SEEDS]
//! ```
//!
//! FILE is in `LoCoMo`'s format. Trained on all conversations but one, tested on that one, at 256 tokens. Where a log is to be
//! longer than there are questions, they are asked again, with other coins, draws and outcomes.

use std::ops::ControlFlow;
use std::path::Path;

use memrl::learn::data::Dataset;
use memrl::learn::features::rows;
use memrl::learn::policy::Similarity;
use memrl::learn::select::greedy;
use memrl::learn::train::{Hooks, TrainConfig, TrainError, Trained, credit, supervised};
use memrl::learn::{Candidate, Ranking, Scored};
use memrl_bench::work::log::{Feedback, LogOptions, append, empty};
use memrl_bench::work::{QuestionOptions, Questions, Scene, World};
use memrl_types::Mode;

const BUDGET: u64 = 256;
const DECISIONS: [usize; 2] = [500, 2000];
const KINDS: [Feedback; 3] = [Feedback::Success, Feedback::Noisy, Feedback::Shuffled];

fn main() {
    if let Err(e) = run() {
        eprintln!("{e}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("which FILE?")?;
    let seeds: u64 = args.next().map_or(Ok(5), |s| s.parse())?;
    let world = Questions::load(
        Some(Path::new(&file)),
        &QuestionOptions::default(),
        &mut |_| {},
    )?;
    let features: Vec<Vec<f32>> = (world.scenes().iter())
        .map(|s| rows(&s.context, &s.candidates))
        .collect();
    let mut groups: Vec<&str> = world.scenes().iter().map(|s| s.group.as_str()).collect();
    groups.dedup();
    let all: Vec<usize> = (0..features.len()).collect();
    let base = successes(&world, &all, |i| {
        world.scenes()[i]
            .candidates
            .iter()
            .map(|c| c.score)
            .collect()
    });
    let rrf = successes(&world, &all, |i| {
        let part = |rank: Option<u32>| rank.map_or(0.0, |r| 1.0 / (61.0 + f64::from(r)));
        let fused = |c: &Candidate| part(c.bm25_rank) + part(c.dense_rank);
        world.scenes()[i].candidates.iter().map(fused).collect()
    });
    // Questions answered by the skyline; then by seed, kind and number of decisions.
    let mut skyline = 0.0;
    let mut reached = vec![vec![0.0; KINDS.len() * DECISIONS.len()]; seeds as usize];
    for group in &groups {
        let of = |test: bool| -> Vec<usize> {
            all.iter()
                .copied()
                .filter(|&i| (world.scenes()[i].group == *group) == test)
                .collect()
        };
        let (train, test) = (of(false), of(true));
        let answered = |made: &Trained| successes(&world, &test, |i| made.logits(&features[i]));
        // The skyline is a convex problem: one seed is as good as another.
        let gold = log(&world, &train, train.len(), Feedback::Gold, 1)?;
        let config = supervised::config();
        skyline += answered(&quietly(|h| supervised::train(&gold, &config, h))?);
        for seed in 1..=seeds {
            let at = seed as usize - 1;
            let mut column = 0;
            for kind in KINDS {
                for n in DECISIONS {
                    let few = log(&world, &train, n, kind, seed)?;
                    let config = TrainConfig {
                        seed,
                        ..credit::config()
                    };
                    reached[at][column] += answered(&quietly(|h| credit::train(&few, &config, h))?);
                    column += 1;
                }
            }
        }
        eprintln!("{group} done");
    }
    let percent = |x: f64| 100.0 * x / features.len() as f64;
    println!(
        "RRF {:.1}, similarity {:.1}, supervised {:.1}\n",
        percent(rrf),
        percent(base),
        percent(skyline)
    );
    println!(
        "| feedback | decisions | success, % | share of the supervised gain over similarity, % [95 % over seeds] | over RRF |\n|---|---:|---:|---:|---:|"
    );
    let mut column = 0;
    for kind in KINDS {
        for n in DECISIONS {
            let success: Vec<f64> = reached.iter().map(|r| r[column]).collect();
            let share = |from: f64| {
                let of = |s: &f64| 100.0 * (s - from) / (skyline - from);
                let shares: Vec<f64> = success.iter().map(of).collect();
                let share = mean(&shares);
                // One seed has no spread.
                let interval = half_width(&shares).map_or(String::new(), |half| {
                    format!(" [{:.0}, {:.0}]", share - half, share + half)
                });
                format!("{share:.0}{interval}")
            };
            println!(
                "| {} | {n} | {:.1} | {} | {} |",
                kind.name(),
                percent(mean(&success)),
                share(base),
                share(rrf)
            );
            column += 1;
        }
    }
    Ok(())
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len().max(1) as f64
}

/// Half of Student's 95 % interval of a mean of five (wider than it need be of more); `None` of one.
fn half_width(x: &[f64]) -> Option<f64> {
    let (m, n) = (mean(x), x.len() as f64);
    let variance = x.iter().map(|x| (x - m).powi(2)).sum::<f64>() / (n - 1.0);
    (x.len() > 1).then(|| 2.776 * (variance / n).sqrt())
}

fn quietly(
    train: impl FnOnce(&mut Hooks<'_>) -> Result<Trained, TrainError>,
) -> Result<Trained, TrainError> {
    train(&mut Hooks {
        progress: &mut |_| ControlFlow::Continue(()),
        checkpoint: &mut |_| (),
        resume: None,
    })
}

/// `n` decisions of `similarity` on these scenes, over and over.
fn log(
    world: &Questions,
    scenes: &[usize],
    n: usize,
    feedback: Feedback,
    seed: u64,
) -> Result<Dataset, Box<dyn std::error::Error>> {
    let mut data = empty(&Similarity);
    let mut order: Vec<usize> = scenes.to_vec();
    // Any n of them, whatever their order in the file.
    order.sort_by_key(|i| (i + 1).wrapping_mul(0x9E37_79B9 ^ (seed as usize) << 7) % 65_537);
    for round in 0.. {
        let left = n - data.decisions.len();
        if left == 0 {
            break;
        }
        let some: Vec<&Scene> = order
            .iter()
            .take(left)
            .map(|&i| &world.scenes()[i])
            .collect();
        let mut how = LogOptions {
            budgets: vec![BUDGET],
            feedback,
            seed: seed + 1000 * round,
            ..LogOptions::default()
        };
        how.explore.salt = how.seed;
        append(&mut data, world, &some, &Similarity, &how)?;
    }
    Ok(data)
}

/// How many of these scenes succeed with the best scores.
fn successes(world: &Questions, scenes: &[usize], score: impl Fn(usize) -> Vec<f64>) -> f64 {
    let of = |&i: &usize| {
        let scene = &world.scenes()[i];
        let scores = score(i);
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let scored = order.into_iter().map(|index| Scored {
            index,
            score: scores[index],
            logit: scores[index],
            mode: Mode::Context,
            reason: String::new(),
        });
        let ranking = Ranking::new(&scene.candidates, scored.collect());
        let slate = greedy(&scene.context, &scene.candidates, &ranking).slate;
        world.expected(scene, &slate).success
    };
    scenes.iter().map(of).sum()
}
