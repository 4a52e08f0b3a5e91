//! Time of evaluating a policy on a log: reading 100,000 decisions with 50 candidates of 49 features each, their probabilities under the
//! log and under a linear policy, eight slates each for what a model expects, and the report.
//!
//! `cargo bench -p memrl-learn --bench ope -- [decisions [decisions per trajectory]]`. Five runs: best, median and worst, in seconds. The
//! log is streamed from a hundred different decisions, so that making it up is not what is measured.

use std::{hint::black_box, time::Instant};

use memrl_learn::data::{Logged, LoggedItem, Signals};
use memrl_learn::net::{Net, Standard};
use memrl_learn::ope::{Draw, EvaluateConfig, Evidence, Replay, ReplayConfig, Scores, evaluate};
use memrl_learn::policy::Similarity;
use memrl_learn::{Candidate, Context, ExploreConfig, Policies, decide};
use memrl_types::{CellId, CellType, DecisionId, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CANDIDATES: usize = 50;
const WIDTH: usize = 49;

fn main() {
    let numbers: Vec<u32> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let decisions = numbers.first().copied().unwrap_or(100_000);
    let steps = numbers.get(1).copied().unwrap_or(1);
    let mut templates = templates();
    let mut net = Net::linear(WIDTH);
    net.params[3] = 0.5;
    let standard = Standard::identity(WIDTH);
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            let start = Instant::now();
            let evidence = run(&mut templates, decisions, steps, &net, &standard);
            let report = evaluate(&evidence, &EvaluateConfig::new(Some((0.0, 1.0))));
            if let Err(refusal) = black_box(report) {
                println!("{refusal}");
            }
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{decisions} decisions x {CANDIDATES} candidates, {steps} to a trajectory: best {:.2}, median {:.2}, worst {:.2} s",
        times[0], times[2], times[4]
    );
}

/// A hundred decisions of `similarity`, half of them drawn, with features and a reward.
fn templates() -> Vec<Logged> {
    let config = ExploreConfig {
        sampled_share: 0.5,
        temperature: 0.3,
        ..ExploreConfig::default()
    };
    (0..100).map(|t| template(t, &config)).collect()
}

fn template(t: u64, config: &ExploreConfig) -> Logged {
    let mut rng = ChaCha8Rng::seed_from_u64(t);
    let candidates: Vec<Candidate> = (0..CANDIDATES)
        .map(|_| {
            let mut c = Candidate::new(CellId::from_random(rng.random()), CellType::Fact);
            c.score = rng.random();
            c.cost = rng.random_range(20..60);
            c
        })
        .collect();
    let ctx = Context::with_budget(256);
    let policies = Policies {
        incumbent: &Similarity,
        canary: None,
        control: None,
    };
    let choice = decide(&ctx, &candidates, policies, config, &t.to_string(), t)
        .expect("the configuration is in range");
    let items = choice
        .items
        .iter()
        .zip(&candidates)
        .map(|(i, c)| LoggedItem {
            cell: c.cell_id,
            score: i.score,
            cost: c.cost,
            masked: false,
            critical: i.critical,
            held_out: i.held_out,
            p_include: i.p_include,
            label: None,
        });
    let items: Vec<_> = items.collect();
    Logged {
        id: DecisionId::from_random(rng.random()),
        trajectory: 0,
        step: 0,
        at: Timestamp(0),
        policy: 0,
        arm: choice.arm,
        mode: choice.explore_mode,
        propensity: choice.propensity,
        temperature: config.temperature,
        context: ctx,
        // The logits of the log are features, so that the policy can be near it.
        features: items
            .iter()
            .flat_map(|i| {
                let mut row = [0.0; WIDTH];
                row.fill_with(|| rng.random());
                row[0] = i.score as f32;
                row
            })
            .collect(),
        items,
        slate: choice.slate.iter().map(|i| *i as u32).collect(),
        signals: Signals::default(),
        reward: Some(f64::from(u8::from(rng.random_bool(0.6)))),
    }
}

fn run(
    templates: &mut [Logged],
    decisions: u32,
    steps: u32,
    net: &Net,
    standard: &Standard,
) -> Evidence {
    // The score that the log drew by, and a little of a feature.
    let target = |d: &Logged, scores: &mut Scores| {
        let mut rows = Vec::with_capacity(d.features.len());
        standard.apply(&d.features, &mut rows);
        let own = d.items.iter().map(|i| i.score);
        let learned = net.scores(&rows).into_iter().map(f64::from);
        scores
            .logits
            .extend(own.zip(learned).map(|(a, b)| a + 0.1 * b));
        scores.stop = Some(0.0);
    };
    let model = |d: &Logged, slate: &[usize]| {
        let sum: f64 = slate.iter().map(|i| d.items[*i].score).sum();
        sum / slate.len().max(1) as f64
    };
    let mut replay = Replay::new(&target, ReplayConfig::new(Draw::sampled(0.3)))
        .expect("the settings are in range")
        .with_model(&model);
    let n = templates.len();
    for i in 0..decisions {
        let d = &mut templates[i as usize % n];
        (d.trajectory, d.step) = (i / steps, i % steps);
        if d.step > 0 {
            // One trajectory has one arm and one mode.
            let before = (i as usize - 1) % n;
            let (arm, mode) = (templates[before].arm.clone(), templates[before].mode);
            let d = &mut templates[i as usize % n];
            (d.arm, d.mode) = (arm, mode);
        }
        let d = &templates[i as usize % n];
        replay.push(d).expect("the decisions are well formed");
        if d.step + 1 == steps {
            replay.close(d.trajectory);
        }
    }
    replay.finish()
}
