//! A small world of slates whose truth is known, and its logs: what trainers of recall policies are tested on.

use memrl_learn::{
    Candidate, Context, Ranking, Scored,
    data::{Dataset, Logged, LoggedItem, Schema, Signals},
    explore::PlackettLuce,
    net::{Net, Standard},
    train::{Draws, Trained, ips_pg},
};
use memrl_types::{CellType, Component, DecisionId, ExploreMode, Mode, Propensity, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::cell_id;

/// Six to nine cells with three features; one of them helps. `signal` points at it with some noise, `score` (what the
/// log was ranked by) does less so, `noise` does not.
/// Success has probability 0.9 when the helpful cell is shown, 0.35 otherwise, less 0.05 for each other cell shown.
#[derive(Debug, Clone)]
pub struct World {
    /// Temperature of the logged slates.
    pub temperature: f64,
}

impl Default for World {
    fn default() -> Self {
        Self { temperature: 0.5 }
    }
}

/// A decision to be made, and its truth.
pub struct Scene {
    ctx: Context,
    candidates: Vec<Candidate>,
    features: Vec<f32>,
    helpful: usize,
}

impl World {
    /// A scene.
    pub fn scene(rng: &mut ChaCha8Rng) -> Scene {
        let n = rng.random_range(6..10);
        let helpful = rng.random_range(0..n);
        let mut features = Vec::new();
        let candidates = (0..n)
            .map(|i| {
                let truth = f32::from(u8::from(i == helpful));
                let score: f32 = 0.3 * truth + rng.random_range(0.0..0.7);
                let signal: f32 = 0.8 * truth + rng.random_range(0.0..1.0);
                features.extend([score, signal, rng.random()]);
                let mut c = Candidate::new(cell_id(rng.random()), CellType::Fact);
                c.score = f64::from(score);
                c.cost = rng.random_range(20..60);
                c
            })
            .collect();
        Scene {
            ctx: Context::with_budget(120),
            candidates,
            features,
            helpful,
        }
    }

    /// The expected reward of showing these.
    pub fn truth(helpful: usize, slate: &[usize]) -> f64 {
        let helps = slate.contains(&helpful);
        let others = slate.len() - usize::from(helps);
        (if helps { 0.9 } else { 0.35 }) - 0.05 * others as f64
    }

    /// A log of decisions, five to a trajectory, drawn by Plackett–Luce over `score`.
    pub fn log(&self, seed: u64, decisions: u32) -> Dataset {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let made = (0..decisions).map(|i| {
            let scene = Self::scene(&mut rng);
            let (slate, log_joint) = self.draw(&scene, &mut rng);
            let p = Self::truth(scene.helpful, &slate);
            let success = f64::from(u8::from(rng.random_bool(p)));
            logged(self, i, &scene, &slate, log_joint, success)
        });
        let decisions_: Vec<_> = made.collect();
        Dataset {
            schema: Schema {
                name: "test-v1".into(),
                hash: "0123456789abcdef".into(),
                features: ["score", "signal", "noise"].map(String::from).to_vec(),
            },
            trajectories: (0..decisions.div_ceil(5))
                .map(|i| format!("t{i}"))
                .collect(),
            policies: vec!["similarity@1".into()],
            decisions: decisions_,
        }
    }

    /// A slate by the logging policy, and its log-probability.
    fn draw(&self, scene: &Scene, rng: &mut ChaCha8Rng) -> (Vec<usize>, f64) {
        let mut order: Vec<Scored> = scene.candidates.iter().enumerate().map(scored).collect();
        order.sort_by(|a, b| b.logit.total_cmp(&a.logit));
        let ranking = Ranking::new(&scene.candidates, order);
        let pl = PlackettLuce::new(
            &scene.ctx,
            &scene.candidates,
            &ranking,
            0.0,
            self.temperature,
        );
        let (slate, steps) = pl.sample(rng);
        (slate, steps.total())
    }

    /// The value of the logging policy, over many scenes.
    pub fn value_of_log(&self) -> f64 {
        self.mean(|world, scene, rng| {
            let (slate, _) = world.draw(scene, rng);
            Self::truth(scene.helpful, &slate)
        })
    }

    /// The true value of the greedy policy of what was trained.
    pub fn value(&self, trained: &Trained) -> f64 {
        self.value_by(trained.stop, |features| {
            let mut rows = Vec::new();
            trained.standard.apply(features, &mut rows);
            trained.net.scores(&rows)
        })
    }

    /// The true value of a greedy policy by scores.
    pub fn value_by(&self, stop: Option<f32>, scores: impl Fn(&[f32]) -> Vec<f32>) -> f64 {
        self.mean(|world, scene, _| {
            let d = logged(world, 0, scene, &[], 0.0, 0.0);
            let draws = Draws::of(&d).unwrap();
            let slate = draws.slate(&draws.greedy(&scores(&scene.features), stop));
            Self::truth(scene.helpful, &slate)
        })
    }

    /// The true value of a policy that makes slates for decisions.
    pub fn value_of(&self, slate: impl Fn(&Logged) -> Vec<usize>) -> f64 {
        self.mean(|world, scene, _| {
            let d = logged(world, 0, scene, &[], 0.0, 0.0);
            Self::truth(scene.helpful, &slate(&d))
        })
    }

    /// The mean over three thousand scenes, always the same ones.
    pub fn mean(&self, f: impl Fn(&Self, &Scene, &mut ChaCha8Rng) -> f64) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(1 << 40);
        let values = (0..3000).map(|_| {
            let scene = Self::scene(&mut rng);
            f(self, &scene, &mut rng)
        });
        values.sum::<f64>() / 3000.0
    }

    /// A reward model that knows roughly what the features say, and is wrong in scale.
    pub fn rough_model(d: &Logged, slate: &[usize]) -> f64 {
        let best = slate.iter().map(|&i| d.row(i, 3)[1]).fold(0.0, f32::max);
        0.2 + 0.3 * f64::from(best) - 0.04 * slate.len() as f64
    }
}

fn scored((index, c): (usize, &Candidate)) -> Scored {
    Scored {
        index,
        score: c.score,
        logit: c.score,
        mode: Mode::Context,
        reason: String::new(),
    }
}

fn logged(
    world: &World,
    i: u32,
    scene: &Scene,
    slate: &[usize],
    log_joint: f64,
    success: f64,
) -> Logged {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&i.to_le_bytes());
    Logged {
        id: DecisionId::from_random(id),
        trajectory: i / 5,
        step: i % 5,
        at: Timestamp(i64::from(i) * 1_000_000),
        policy: 0,
        arm: "incumbent".into(),
        mode: ExploreMode::PlackettLuce,
        propensity: Propensity {
            log_joint,
            components: vec![Component {
                arm: "incumbent".into(),
                mode: ExploreMode::PlackettLuce,
                weight: 1.0,
                log_probability: Some(log_joint),
            }],
            epsilon: 0.0,
            salt: 0,
            seed: 0,
        },
        temperature: world.temperature,
        context: scene.ctx.clone(),
        items: scene
            .candidates
            .iter()
            .map(|c| LoggedItem {
                cell: c.cell_id,
                score: c.score,
                cost: c.cost,
                masked: false,
                critical: false,
                held_out: false,
                p_include: None,
                label: None,
            })
            .collect(),
        features: scene.features.clone(),
        slate: slate.iter().map(|&i| i as u32).collect(),
        signals: Signals {
            success: Some(success),
            ..Signals::default()
        },
        reward: Some(success),
    }
}

/// Holds the gradient of the clipped, weighted objective against finite differences.
pub fn gradient_of_value(data: &Dataset, hidden: usize) {
    let width = data.schema.width();
    let mut net = Net::new(width, hidden, 3);
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for p in &mut net.params {
        *p += rng.random_range(-0.4..0.4);
    }
    let samples: Vec<ips_pg::Sample<'_>> = data
        .decisions
        .iter()
        .map(|d| ips_pg::Sample {
            decision: d,
            draws: Draws::of(d).unwrap(),
            log_propensity: d.propensity.log_joint,
            reward: d.reward.unwrap(),
            model: 0.3,
        })
        .collect();
    let batch: Vec<&ips_pg::Sample<'_>> = samples.iter().collect();
    let policy = ips_pg::Policy {
        net,
        stop: 0.2,
        standard: Standard::identity(width),
    };
    let params: Vec<f32> = policy
        .net
        .params
        .iter()
        .copied()
        .chain([policy.stop])
        .collect();
    let moved = |k: usize, by: f32| {
        let mut params = params.clone();
        params[k] += by;
        let mut moved = policy.clone();
        moved.load(&params);
        moved
    };
    // π of each logged slate under a policy.
    let log_p = |policy: &ips_pg::Policy, s: &ips_pg::Sample<'_>| {
        let rows: Vec<f32> = s
            .draws
            .soft
            .iter()
            .flat_map(|&i| s.decision.row(i, width).to_vec())
            .collect();
        s.draws
            .log_p(&s.draws.taken, &policy.net.scores(&rows), policy.stop)
    };
    let n = batch.len() as f64;
    for clip in [1e9, 1.0] {
        let config = ips_pg::IpsPgConfig {
            clip,
            ..ips_pg::IpsPgConfig::default()
        };
        let (_, grad) = policy.gradient(&batch, None, &config, &mut ChaCha8Rng::seed_from_u64(1));
        // The formula, computed here once more: weights, and the self-normalised value of the others.
        let w: Vec<f64> = batch
            .iter()
            .map(|s| (log_p(&policy, s) - s.log_propensity).exp().min(clip))
            .collect();
        let residual: Vec<f64> = batch.iter().map(|s| s.reward - s.model).collect();
        let sum = |skip: usize, f: &dyn Fn(usize) -> f64| -> f64 {
            (0..batch.len()).filter(|&j| j != skip).map(f).sum()
        };
        let advantage: Vec<f64> = (0..batch.len())
            .map(|i| residual[i] - sum(i, &|j| w[j] * residual[j]) / sum(i, &|j| w[j]))
            .collect();
        for (k, g) in grad.iter().enumerate() {
            let objective = |policy: &ips_pg::Policy| -> f64 {
                let terms = batch.iter().enumerate().map(|(i, s)| {
                    let log_p = log_p(policy, s);
                    // Not cut off, Σ w A is what is climbed; cut off, w is a constant in front of log π.
                    if clip > 1e6 {
                        (log_p - s.log_propensity).exp() * advantage[i]
                    } else {
                        w[i] * advantage[i] * log_p
                    }
                });
                -terms.sum::<f64>() / n
            };
            let slope = (objective(&moved(k, 1e-3)) - objective(&moved(k, -1e-3))) / 2e-3;
            let scale = f64::max(1.0, slope.abs());
            assert!(
                (slope - f64::from(*g)).abs() < 5e-3 * scale,
                "hidden {hidden}, clip {clip}, {k}: {slope} {g}"
            );
        }
    }
}
