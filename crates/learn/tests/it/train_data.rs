//! Logs with a known truth: which candidates were right is drawn from hidden weights.

use std::ops::ControlFlow;

use memrl_learn::Context;
use memrl_learn::data::{Dataset, Logged, LoggedItem, Schema, Signals};
use memrl_learn::train::Hooks;
use memrl_types::{DecisionId, ExploreMode, Propensity, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::cell_id;

/// Features: `score` (what the search thinks), `signal` (what it overlooks), `anti` (what misleads), noise.
pub const WIDTH: usize = 12;
/// The hidden weights.
pub const TRUTH: [f32; 3] = [1.0, 2.0, -1.5];
/// Candidates of a decision.
const POOL: usize = 20;
/// Cells that fit the budget.
const SHOWN: usize = 4;

/// How a log is made.
#[derive(Clone, Copy)]
pub struct Made {
    pub decisions: usize,
    pub seed: u64,
    /// Share of successes without the right cell.
    pub base: f64,
    /// Probability that a right cell that is shown is cited, and that a wrong one is; `None`: no citations.
    pub cited: Option<(f64, f64)>,
    /// Outcomes of other decisions.
    pub shuffled: bool,
    /// Share of outcomes that are missing.
    pub missing: f64,
}

impl Made {
    pub fn of(decisions: usize, seed: u64) -> Self {
        Self {
            decisions,
            seed,
            base: 0.0,
            cited: None,
            shuffled: false,
            missing: 0.0,
        }
    }
}

pub fn schema() -> Schema {
    let mut features = vec!["score".to_owned(), "signal".to_owned(), "anti".to_owned()];
    features.extend((3..WIDTH).map(|k| format!("noise_{k}")));
    Schema {
        name: "test-v1".to_owned(),
        hash: "0123456789abcdef".to_owned(),
        features,
    }
}

/// A normal number (Box–Muller).
pub fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let u: f64 = 1.0 - rng.random::<f64>();
    let v: f64 = rng.random();
    ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
}

/// A log, and the right candidate of each decision. Two decisions to a trajectory; the search shows its best four,
/// with one of them sometimes swapped for another.
pub fn log(made: Made) -> (Dataset, Vec<usize>) {
    let mut rng = ChaCha8Rng::seed_from_u64(made.seed);
    let (mut decisions, mut right) = (Vec::new(), Vec::new());
    for k in 0..made.decisions {
        let features: Vec<f32> = (0..POOL * WIDTH).map(|_| normal(&mut rng)).collect();
        let row = |i: usize| &features[i * WIDTH..(i + 1) * WIDTH];
        let logit = |i: usize| {
            let x: f32 = row(i).iter().zip(TRUTH).map(|(x, w)| x * w).sum();
            f64::from(x)
        };
        let weights: Vec<f64> = (0..POOL).map(|i| logit(i).exp()).collect();
        let mut u = rng.random::<f64>() * weights.iter().sum::<f64>();
        let hit = (0..POOL).find(|&i| {
            u -= weights[i];
            u < 0.0
        });
        let gold = hit.unwrap_or(POOL - 1);
        let mut order: Vec<usize> = (0..POOL).collect();
        order.sort_by(|&a, &b| row(b)[0].total_cmp(&row(a)[0]));
        if rng.random_bool(0.5) {
            let other = rng.random_range(SHOWN..POOL);
            order.swap(rng.random_range(0..SHOWN), other);
        }
        let slate: Vec<u32> = order[..SHOWN].iter().map(|&i| i as u32).collect();
        let shown = |i: usize| slate.contains(&(i as u32));
        let success = shown(gold) || rng.random_bool(made.base);
        let mut labels = [None; POOL];
        if let Some((recall, wrong)) = made.cited {
            let cited: Vec<bool> = (0..POOL)
                .map(|i| shown(i) && rng.random_bool(if i == gold { recall } else { wrong }))
                .collect();
            if cited.contains(&true) {
                for i in (0..POOL).filter(|&i| shown(i)) {
                    labels[i] = Some(f32::from(u8::from(cited[i])));
                }
            }
        }
        let items = (0..POOL)
            .map(|i| LoggedItem {
                cell: cell_id((k * POOL + i) as u64),
                score: f64::from(row(i)[0]),
                cost: 10,
                masked: false,
                critical: false,
                held_out: false,
                p_include: None,
                label: labels[i],
            })
            .collect();
        let known = !rng.random_bool(made.missing);
        decisions.push(Logged {
            id: DecisionId::from_random(*cell_id(k as u64).bytes()),
            trajectory: (k / 2) as u32,
            step: (k % 2) as u32,
            at: Timestamp(k as i64 * 1_000_000),
            policy: 0,
            arm: "incumbent".to_owned(),
            mode: ExploreMode::ALL[0],
            propensity: Propensity {
                log_joint: 0.0,
                components: Vec::new(),
                epsilon: 0.0,
                salt: 0,
                seed: 0,
            },
            temperature: 0.1,
            context: Context::with_budget(10 * SHOWN as u64),
            items,
            features,
            slate,
            signals: Signals {
                success: known.then(|| f64::from(u8::from(success))),
                ..Signals::default()
            },
            reward: None,
        });
        right.push(gold);
    }
    if made.shuffled {
        for k in (1..decisions.len()).rev() {
            let j = rng.random_range(0..=k);
            let (a, b) = (decisions[k].signals, decisions[j].signals);
            decisions[k].signals = b;
            decisions[j].signals = a;
        }
    }
    let data = Dataset {
        schema: schema(),
        trajectories: (0..made.decisions.div_ceil(2))
            .map(|t| format!("t{t}"))
            .collect(),
        policies: vec!["similarity@1".to_owned()],
        decisions,
    };
    (data, right)
}

/// Share of decisions whose right cell is among the four best by `score` of the rows.
pub fn success(data: &Dataset, right: &[usize], score: impl Fn(&[f32]) -> Vec<f64>) -> f64 {
    let hits = data.decisions.iter().zip(right).filter(|(d, gold)| {
        let s = score(&d.features);
        let above = s.iter().filter(|x| **x > s[**gold]).count();
        above < SHOWN
    });
    hits.count() as f64 / right.len() as f64
}

/// The order of the search.
pub fn by_search(rows: &[f32]) -> Vec<f64> {
    rows.chunks_exact(WIDTH).map(|r| f64::from(r[0])).collect()
}

/// The order of the truth.
pub fn by_truth(rows: &[f32]) -> Vec<f64> {
    let logit = |r: &[f32]| -> f32 { r.iter().zip(TRUTH).map(|(x, w)| x * w).sum() };
    rows.chunks_exact(WIDTH)
        .map(|r| f64::from(logit(r)))
        .collect()
}

/// Hooks that only listen.
pub fn quiet<T>(f: impl FnOnce(&mut Hooks<'_>) -> T) -> T {
    f(&mut Hooks {
        progress: &mut |_| ControlFlow::Continue(()),
        checkpoint: &mut |_| {},
        resume: None,
    })
}
