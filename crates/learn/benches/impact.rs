//! Time of the impact of all cells of a log: exposures from decisions, then impact and groups.
//!
//! `cargo bench -p memrl-learn --bench impact -- [cells decisions]`; without numbers 10,000 cells and 100,000 decisions, of
//! which each wants ten cells out of 50 candidates. Each line is the best and the median of three runs, in milliseconds.

use std::hint::black_box;
use std::time::Instant;

use memrl_learn::Context;
use memrl_learn::data::{Logged, LoggedItem, Signals};
use memrl_learn::impact::{
    By, ExposureBuilder, ImpactConfig, Metric, Traits, TraitsOf, groups, impact,
};
use memrl_types::{
    CellId, CellType, Component, DecisionId, ExploreMode, Origin, Propensity, Timestamp,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const EPSILON: f64 = 0.1;

fn cell(n: u64) -> CellId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    CellId::from_bytes(bytes)
}

/// A decision of 50 candidates of which ten are wanted.
fn decision(rng: &mut ChaCha8Rng, cells: u64, n: u32) -> Logged {
    let mut items: Vec<LoggedItem> = (rand::seq::index::sample(rng, cells as usize, 50)
        .into_iter())
    .map(|i| LoggedItem {
        cell: cell(i as u64),
        score: rng.random(),
        cost: 20,
        masked: false,
        critical: false,
        held_out: false,
        p_include: None,
        label: None,
    })
    .collect();
    let mut slate = Vec::new();
    for (i, item) in items.iter_mut().enumerate().take(10) {
        item.held_out = rng.random_bool(EPSILON);
        if !item.held_out {
            slate.push(i as u32);
        }
    }
    let dropped = 10 - slate.len();
    let log_p = slate.len() as f64 * (-EPSILON).ln_1p() + dropped as f64 * EPSILON.ln();
    Logged {
        id: DecisionId::from_random([0; 16]),
        trajectory: n / 5,
        step: n % 5,
        at: Timestamp(i64::from(n)),
        policy: 0,
        arm: "incumbent".to_owned(),
        mode: ExploreMode::Holdout,
        propensity: Propensity {
            log_joint: log_p,
            components: vec![Component {
                arm: "incumbent".to_owned(),
                mode: ExploreMode::Holdout,
                weight: 1.0,
                log_probability: Some(log_p),
            }],
            epsilon: EPSILON,
            salt: 0,
            seed: 0,
        },
        temperature: 0.1,
        context: Context::with_budget(1_000),
        items,
        features: Vec::new(),
        slate,
        signals: Signals {
            success: Some(f64::from(u8::from(rng.random_bool(0.5)))),
            ..Signals::default()
        },
        reward: None,
    }
}

fn main() {
    let asked: Vec<u64> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let (cells, decisions) = match asked[..] {
        [cells, decisions] => (cells, decisions),
        _ => (10_000, 100_000),
    };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let log: Vec<Logged> = (0..decisions)
        .map(|n| decision(&mut rng, cells, n as u32))
        .collect();
    let traits: TraitsOf = (0..cells)
        .map(|n| {
            let traits = Traits {
                kind: CellType::ALL[(n % 11) as usize],
                origin: Origin::ALL[(n % Origin::ALL.len() as u64) as usize],
                scope: format!("project-{}", n % 20),
                value: Some(rng.random()),
            };
            (cell(n), traits)
        })
        .collect();
    let build = || {
        let mut builder = ExposureBuilder::new(Metric::Success, &[]);
        for decision in &log {
            builder.push(decision);
        }
        builder.finish()
    };
    let exposures = build();
    println!(
        "{cells} cells, {decisions} decisions, {} units",
        exposures.units.len()
    );
    let config = ImpactConfig::default();
    time("exposures", || build().units.len());
    time("impact", || {
        impact(&exposures, &traits, &config).map_or(0, |r| r.cells.len())
    });
    time("groups by type", || {
        groups(&exposures, &traits, By::Type, &config).map_or(0, |g| g.len())
    });
}

fn time(what: &str, mut run: impl FnMut() -> usize) {
    let mut times: Vec<f64> = (0..3)
        .map(|_| {
            let start = Instant::now();
            black_box(run());
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{what}: best {:.0}, median {:.0} ms", times[0], times[1]);
}
