//! What each group of features brings: the `supervised` trainer with and without it, tested on conversations or questions
//! that it was not trained on. The table of docs/benchmarks.md, "Learned recall".
//!
//! ```text
//! cargo run --release -p memrl-bench --example feature_groups -- FILE [SEEDS] [EMBEDDER] [all|ROW]
//! ```
//!
//! To be quick, most rows have no folds to choose settings by: λ = 0.01 and all passes. With `all`, there are rows of the
//! trainer as it is and of a hidden layer, which take many times as long; with a part of a label, only such rows.
//!
//! FILE is in the format of `LoCoMo` or (`.jsonl`) `HotpotQA`. Success: all gold evidence inside the budget; the orders differ only
//! in what the model may look at. Intervals: bootstrap of the difference to `similarity`, over questions and over groups.

use std::ops::ControlFlow;
use std::path::Path;

use memrl::learn::data::{Dataset, Logged, LoggedItem, Schema, Signals};
use memrl::learn::features::{RECALL_V1, RECALL_V2, rows, table};
use memrl::learn::net::logits;
use memrl::learn::select::greedy;
use memrl::learn::train::{Hooks, TrainConfig, supervised};
use memrl::learn::{Ranking, Scored};
use memrl_bench::metrics::{bootstrap_mean, bootstrap_mean_of_groups, mean};
use memrl_bench::work::{QuestionOptions, Questions, Scene, World};
use memrl_types::{DecisionId, ExploreMode, Mode, Propensity, Timestamp};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const BUDGETS: [u64; 3] = [256, 512, 1024];
/// Folds where every question is a group of its own.
const FOLDS: usize = 5;

/// The groups, by the names of their features; a trailing `*` is any ending.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "what rule policies read",
        &["likeness", "value_prior", "value_mass"],
    ),
    (
        "words it has",
        &[
            "coverage",
            "matched",
            "matched_names",
            "matched_window",
            "matched_per_token",
        ],
    ),
    (
        "its source",
        &[
            "bm25_source",
            "dense_source",
            "matched_source*",
            "has_source",
            "log_position",
            "source_rank",
            "rank_in_source",
            "log_source_hits",
        ],
    ),
    (
        "neighbours",
        &[
            "has_before",
            "has_after",
            "coverage_*",
            "dense_before",
            "dense_after",
            "asked_*",
            "answers_before",
        ],
    ),
    ("likeness to the best hits", &["echo", "z_echo"]),
    (
        "form of query and text",
        &[
            "form_*",
            "query_*",
            "log_query_words",
            "log_query_names",
            "when_time",
            "how_many_number",
            "who_name",
            "where_name",
        ],
    ),
    (
        "speaker and time",
        &[
            "time_match",
            "other_speaker",
            "speaks_of_self",
            "other_time",
        ],
    ),
    (
        "place in the answer",
        &[
            "z_bm25*",
            "z_dense*",
            "z_matched",
            "*_below_best",
            "score_above_next",
            "log_rank",
            "log_bm25_rank",
            "log_dense_rank",
            "rrf",
            "agreement",
            "log_pool",
            "best_*",
        ],
    ),
];

fn belongs(name: &str, patterns: &[&str]) -> bool {
    patterns
        .iter()
        .any(|p| match (p.strip_prefix('*'), p.strip_suffix('*')) {
            (Some(end), _) => name.ends_with(end),
            (_, Some(start)) => name.starts_with(start),
            _ => name == *p,
        })
}

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
    let options = QuestionOptions {
        embedder: args.next().unwrap_or_else(|| "static".to_owned()),
        ..QuestionOptions::default()
    };
    let world = Questions::load(Some(Path::new(&file)), &options, &mut |_| {})?;
    let names: Vec<&str> = table(RECALL_V2)
        .ok_or("no schema")?
        .iter()
        .map(|f| f.name)
        .collect();
    let features: Vec<Vec<f32>> = world
        .scenes()
        .iter()
        .map(|s| rows(&s.context, &s.candidates))
        .collect();
    let (fold, folds) = folds(world.scenes());
    let at = |name: &str| names.iter().position(|n| *n == name).unwrap_or(0);
    let by = |column: usize| -> Vec<Vec<f64>> {
        let of = |rows: &Vec<f32>| {
            rows.chunks(names.len())
                .map(|r| f64::from(r[column]))
                .collect()
        };
        features.iter().map(of).collect()
    };
    let similarity = successes(&world, &by(at("score")));
    let row = |label: &str, runs: &[Vec<Vec<f64>>]| print_row(label, &world, runs, &similarity);
    println!(
        "| order | 256 | 512 | 1024 | gain over `similarity` at 256, points [over questions] [over groups] |\n|---|---:|---:|---:|---:|"
    );
    row("RRF", &[successes(&world, &by(at("rrf")))]);
    // The sum that the prototypes measured themselves against.
    let sum = ["z_bm25", "z_dense", "z_bm25_window", "z_dense_window"].map(|n| by(at(n)));
    let mut z = vec![Vec::new(); features.len()];
    for part in &sum {
        for (scores, part) in z.iter_mut().zip(part) {
            scores.resize(part.len(), 0.0);
            for (s, x) in scores.iter_mut().zip(part) {
                *s += x;
            }
        }
    }
    row("z-sum", &[successes(&world, &z)]);
    row("`similarity`", std::slice::from_ref(&similarity));
    let wanted = args.next();
    let mut sets = sets(&names, wanted.is_some());
    if let Some(part) = wanted.filter(|w| w != "all") {
        sets.retain(|(label, ..)| label.contains(&part));
    }
    for (label, columns, settings) in sets {
        let mut runs = Vec::new();
        let mut together = vec![Vec::new(); world.scenes().len()];
        for seed in 1..=seeds {
            let mut scores = vec![Vec::new(); world.scenes().len()];
            for k in 0..folds {
                let train: Vec<usize> = (0..scores.len()).filter(|&i| fold[i] != k).collect();
                let data = data_of(&world, &features, &names, &train, &columns);
                let config = TrainConfig {
                    seed,
                    ..settings.clone()
                };
                let mut hooks = Hooks {
                    progress: &mut |_| ControlFlow::Continue(()),
                    checkpoint: &mut |_| (),
                    resume: None,
                };
                let made = supervised::train(&data, &config, &mut hooks)?;
                for i in (0..scores.len()).filter(|&i| fold[i] == k) {
                    let kept = subset(&features[i], names.len(), &columns);
                    scores[i] = logits(&made.standard, &made.net, &kept);
                }
            }
            runs.push(successes(&world, &scores));
            for (sum, scores) in together.iter_mut().zip(scores) {
                sum.resize(scores.len(), 0.0);
                for (s, x) in sum.iter_mut().zip(scores) {
                    *s += x;
                }
            }
        }
        row(&label, &runs);
        if settings.hidden > 0 {
            row(
                "the same, scores of all seeds added",
                &[successes(&world, &together)],
            );
        }
    }
    Ok(())
}

/// What the model may look at, by row of the table, with its settings.
fn sets(names: &[&str], all_rows: bool) -> Vec<(String, Vec<usize>, TrainConfig)> {
    let old = table(RECALL_V1).map_or(0, <[_]>::len);
    let quick = TrainConfig {
        validation: 0.0,
        ..supervised::config()
    };
    let mut sets: Vec<(String, Vec<usize>, TrainConfig)> = vec![
        ("`recall-v1`".to_owned(), (0..old).collect(), quick.clone()),
        (
            "`recall-v2`".to_owned(),
            (0..names.len()).collect(),
            quick.clone(),
        ),
    ];
    for (group, patterns) in GROUPS {
        let kept = (0..names.len()).filter(|&i| i < old || !belongs(names[i], patterns));
        sets.push((format!("without {group}"), kept.collect(), quick.clone()));
    }
    // These take many times as long.
    if all_rows {
        let all = || (0..names.len()).collect();
        let hidden = TrainConfig {
            hidden: 16,
            ..quick
        };
        sets.push(("`recall-v2`, 16 hidden units".to_owned(), all(), hidden));
        let chosen = "`recall-v2`, λ and passes chosen by folds".to_owned();
        sets.push((chosen, all(), supervised::config()));
    }
    sets
}

/// The fold of each scene, and their number: by group, or five where there are many groups.
fn folds(scenes: &[Scene]) -> (Vec<usize>, usize) {
    let mut groups: Vec<&str> = Vec::new();
    let mut of = Vec::with_capacity(scenes.len());
    for s in scenes {
        let known = groups.iter().position(|g| *g == s.group);
        of.push(known.unwrap_or_else(|| {
            groups.push(&s.group);
            groups.len() - 1
        }));
    }
    let n = if groups.len() <= 12 {
        groups.len()
    } else {
        FOLDS
    };
    (of.into_iter().map(|g| g % n).collect(), n)
}

fn subset(rows: &[f32], width: usize, columns: &[usize]) -> Vec<f32> {
    let pick = |r: &[f32]| columns.iter().map(|&c| r[c]).collect::<Vec<_>>();
    rows.chunks(width).flat_map(pick).collect()
}

/// The scenes as decisions with every candidate labelled.
fn data_of(
    world: &Questions,
    features: &[Vec<f32>],
    names: &[&str],
    of: &[usize],
    columns: &[usize],
) -> Dataset {
    let mut data = Dataset {
        schema: Schema {
            name: "a part of recall-v2".to_owned(),
            hash: String::new(),
            features: columns.iter().map(|&c| names[c].to_owned()).collect(),
        },
        trajectories: Vec::new(),
        policies: vec!["similarity@1".to_owned()],
        decisions: Vec::new(),
    };
    for &i in of {
        let scene = &world.scenes()[i];
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(i as u64).to_le_bytes());
        let items = scene
            .candidates
            .iter()
            .enumerate()
            .map(|(k, c)| LoggedItem {
                cell: c.cell_id,
                score: c.score,
                cost: c.cost,
                masked: c.mask.is_some(),
                critical: false,
                held_out: false,
                p_include: None,
                label: Some(f32::from(u8::from(scene.gold.contains(&k)))),
            });
        data.decisions.push(Logged {
            id: DecisionId::from_bytes(id),
            trajectory: data.trajectories.len() as u32,
            step: 0,
            at: Timestamp(0),
            policy: 0,
            arm: "incumbent".to_owned(),
            mode: ExploreMode::Greedy,
            propensity: Propensity {
                log_joint: 0.0,
                components: Vec::new(),
                epsilon: 0.0,
                salt: 0,
                seed: 0,
            },
            temperature: 1.0,
            context: scene.context.clone(),
            items: items.collect(),
            features: subset(&features[i], names.len(), columns),
            slate: Vec::new(),
            signals: Signals::default(),
            reward: None,
        });
        data.trajectories.push(scene.trajectory.clone());
    }
    data
}

/// By budget and scene, whether the best scores show all evidence.
fn successes(world: &Questions, scores: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let shown = |budget: u64| {
        let of = |(scene, scores): (&Scene, &Vec<f64>)| {
            let mut ctx = scene.context.clone();
            ctx.budget_tokens = budget;
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
            let slate = greedy(&ctx, &scene.candidates, &ranking).slate;
            world.expected(scene, &slate).success
        };
        world.scenes().iter().zip(scores).map(of).collect()
    };
    BUDGETS.into_iter().map(shown).collect()
}

/// Prints the mean over seeds, and the gain at the first budget with its intervals.
fn print_row(label: &str, world: &Questions, runs: &[Vec<Vec<f64>>], base: &[Vec<f64>]) {
    let over_seeds = |b: usize| -> Vec<f64> {
        let n = runs.len() as f64;
        let of = |i: usize| runs.iter().map(|r| r[b][i]).sum::<f64>() / n;
        (0..runs[0][b].len()).map(of).collect()
    };
    let percent = |b: usize| 100.0 * mean(&over_seeds(b)).unwrap_or(0.0);
    let gain: Vec<f64> = over_seeds(0)
        .iter()
        .zip(&base[0])
        .map(|(a, b)| 100.0 * (a - b))
        .collect();
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let mut groups: Vec<(&str, Vec<f64>)> = Vec::new();
    for (scene, x) in world.scenes().iter().zip(&gain) {
        match groups.iter_mut().find(|(g, _)| *g == scene.group) {
            Some((_, all)) => all.push(*x),
            None => groups.push((&scene.group, vec![*x])),
        }
    }
    let groups: Vec<Vec<f64>> = groups.into_iter().map(|g| g.1).collect();
    let shown = |i: Option<memrl_bench::metrics::Interval>| {
        i.map_or(String::new(), |i| {
            format!("[{:+.1}, {:+.1}]", i.low, i.high)
        })
    };
    println!(
        "| {label} | {:.1} | {:.1} | {:.1} | {:+.1} {} {} |",
        percent(0),
        percent(1),
        percent(2),
        mean(&gain).unwrap_or(0.0),
        shown(bootstrap_mean(&gain, 2000, rng)),
        shown(bootstrap_mean_of_groups(&groups, 2000, rng)),
    );
}
