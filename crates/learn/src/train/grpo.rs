//! `grpo`: group-relative policy gradient in an environment.
//!
//! For each task, G rollouts of the current policy; how much better than its group a rollout did is its advantage, so
//! no value
//! function is needed (Shao et al. 2024, `DeepSeekMath`, section 4.1):
//!
//! ```text
//! A_i = (R_i − mean(R_1 … R_G)) / (sd(R_1 … R_G) + 10⁻⁶)
//!
//! maximise   1/N Σ_i 1/Tᵢ Σ_t [ min(ρ A, clip(ρ, 1−c, 1+c) A) − β · k3 ]        ρ = π(a|s) / π_old(a|s)
//!
//! k3 = π_ref/π − ln(π_ref/π) − 1  ≥ 0,  an estimate of KL(π ‖ π_ref) without bias at π = π_old (Schulman 2020)
//! ```
//!
//! with N rollouts in the batch, Tᵢ steps in rollout i, c the clip of PPO (Schulman et al. 2017, eq. 7). Two things
//! in there lean to one side (Liu et al. 2025,
//! "Understanding R1-Zero-like training", section 3): dividing by the spread weighs tasks that are almost solved, or
//! almost hopeless, most; dividing by Tᵢ
//! makes long failures cheap. [`Variant::Dr`] ("GRPO done right") leaves out both: A = R − mean, and 1/T instead of
//! 1/Tᵢ, with T the longest rollout allowed.
//!
//! Credit within a rollout: [`Credit::Episode`] gives every step the advantage of its rollout; [`Credit::Step`]
//! compares, at each step, the rewards from
//! there on with those of the group's rollouts at the same step (where at least two got so far).
//!
//! The policy is a softmax over the scores of the legal options. A rollout is a function of (task, seed) and the
//! parameters; nothing else is random.
//! It may not know what the environment is about.

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::common::{self, Steps, Weights};
use super::{Counts, Hooks, TrainConfig, TrainError, Trained, check};
use crate::{
    data::Schema,
    net::{Net, Standard, Tape},
    policy::categorical,
};

/// The name of the trainer.
pub const ALGO: &str = "grpo";
/// Added to the spread of a group, so that equal rewards divide by something.
const EPSILON: f64 = 1e-6;

/// What is seen before a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Obs {
    /// One row per option, `options × width` numbers: what is known of the state and of doing this.
    pub rows: Vec<f32>,
    /// Whether each option is legal; at least one is.
    pub legal: Vec<bool>,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The reward of this step.
    pub reward: f64,
    /// What is seen next; `None`: it is over.
    pub next: Option<Obs>,
}

/// An environment of sequential choices among legal options: the picks of a slate (STOP is an option), the operations
/// that build a memory.
pub trait Env {
    /// Numbers per row of an observation; the same for the whole environment.
    fn width(&self) -> usize;

    /// Begins a task. All that is random in it comes from `seed`.
    fn reset(&mut self, task: u64, seed: u64) -> Obs;

    /// Does a legal option of the last observation.
    fn step(&mut self, option: usize) -> Outcome;
}

/// How advantages are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// By the spread of the group, and each rollout by its own length.
    Grpo,
    /// Not at all, and each rollout by the longest length allowed.
    Dr,
}

/// Which steps get the credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credit {
    /// All steps of a rollout the same.
    Episode,
    /// Each step for the rewards from there on, against the group at the same step.
    Step,
}

/// Settings of [`train`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrpoConfig {
    /// What trainers share. `epochs` counts passes over the tasks, `batch` tasks per iteration; nothing is kept apart.
    pub train: TrainConfig,
    /// Rollouts G per task, at least 2.
    pub group: usize,
    /// Steps of the optimiser per iteration, at least 1; from the second on, ρ is not 1.
    pub updates: u32,
    /// Clip c of the ratio, in (0, 1).
    pub clip: f64,
    /// Weight β of the divergence from the reference, at least 0. The reference is the policy that training starts with.
    pub kl: f64,
    /// How advantages are scaled.
    pub variant: Variant,
    /// Which steps get the credit.
    pub credit: Credit,
    /// Temperature of the softmax, above 0.
    pub temperature: f64,
    /// Most steps of a rollout, at least 1; a longer one is cut off there.
    pub max_steps: usize,
}

impl Default for GrpoConfig {
    fn default() -> Self {
        Self {
            train: TrainConfig {
                decay: 0.0,
                ..TrainConfig::default()
            },
            group: 8,
            updates: 2,
            clip: 0.2,
            kl: 1e-3,
            variant: Variant::Dr,
            credit: Credit::Episode,
            temperature: 1.0,
            max_steps: 64,
        }
    }
}

/// What training starts from: the policy, and what its inputs are called.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The names of the features of a row.
    pub schema: Schema,
    /// How rows are standardised.
    pub standard: Standard,
    /// The network; also the reference.
    pub net: Net,
}

/// One step of a rollout.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// Standardised rows of the options.
    pub rows: Vec<f32>,
    /// Whether each option was legal.
    pub legal: Vec<bool>,
    /// What was done.
    pub option: usize,
    /// `ln π_old(a|s)`.
    pub log_old: f64,
    /// `ln π_ref(a|s)`.
    pub log_reference: f64,
    /// The reward of the step.
    pub reward: f64,
    /// A.
    pub advantage: f64,
}

/// One rollout.
pub type Rollout = Vec<Taken>;

/// Trains in an environment on these tasks.
///
/// Metrics: `reward` (mean of the last pass over the tasks), `reward_first` (of the first), `kl` (mean k3 of the last
/// iteration), `clipped` (share of its
/// steps whose ratio was cut off at the last update). Importance: by how much the mean reward of one greedy rollout
/// per task falls when a feature is held at
/// its mean.
pub fn train(
    env: &mut dyn Env,
    tasks: &[u64],
    start: Start,
    config: &GrpoConfig,
    hooks: &mut Hooks<'_>,
) -> Result<Trained, TrainError> {
    check_start(env, tasks, &start, config)?;
    let c = &config.train;
    let mut net = start.net.clone();
    let reference = start.net;
    let mut weights = Weights::new(net.params.clone());
    let print = print(tasks, &reference, &start.schema, config);
    let (mut epoch, mut done) = (0, 0);
    let mut first = f64::NAN;
    if let Some(from) = common::resume(hooks, ALGO, &print)? {
        (epoch, done) = weights.restore(&from)?;
        net.params.copy_from_slice(&weights.params);
        first = common::number(&from, "reward_first")?;
    }
    let per_pass = tasks.len().div_ceil(c.batch) as u64;
    let mut steps = Steps::new(done, per_pass * u64::from(c.epochs));
    let (mut reward, mut last) = (first, Update::default());
    while epoch < c.epochs {
        let mut rng = common::pass_rng(c.seed, epoch);
        let mut order = tasks.to_vec();
        order.shuffle(&mut rng);
        let (mut sum, mut count) = (0.0, 0.0);
        for batch in order.chunks(c.batch) {
            let mut rollouts = Vec::with_capacity(batch.len() * config.group);
            for &task in batch {
                let mut group = Vec::with_capacity(config.group);
                for _ in 0..config.group {
                    let nets = (&net, &reference);
                    let r = rollout(env, task, rng.random(), nets, &start.standard, config)?;
                    sum += r.iter().map(|s| s.reward).sum::<f64>();
                    count += 1.0;
                    group.push(r);
                }
                advantages(&mut group, config.variant, config.credit);
                rollouts.append(&mut group);
            }
            for _ in 0..config.updates {
                let mut grad = vec![0.0; net.params.len()];
                last = update(&net, &rollouts, config, &mut grad);
                weights.step(&grad, c);
                if !weights.is_finite() {
                    return Err(TrainError::Diverged { steps: steps.done });
                }
                net.params.copy_from_slice(&weights.params);
            }
            steps.step(last.loss, hooks)?;
        }
        epoch += 1;
        reward = sum / f64::max(count, 1.0);
        if epoch == 1 {
            first = reward;
        }
        let mut state = weights.checkpoint(ALGO, &print, epoch, steps.done);
        for (name, x) in [
            ("reward_first", first),
            ("reward", reward),
            ("kl", last.kl),
            ("clipped", last.clipped),
        ] {
            state.numbers.insert(name.to_owned(), x);
        }
        (hooks.checkpoint)(&state);
    }
    let importance = importance(env, tasks, &net, &start.standard, &start.schema, config)?;
    Ok(Trained {
        algo: ALGO.to_owned(),
        schema: start.schema,
        standard: start.standard,
        net,
        stop: None,
        counts: Counts {
            decisions: steps.done * c.batch as u64 * config.group as u64,
            trajectories: tasks.len() as u64,
            validation: 0,
            skipped: 0,
        },
        metrics: common::metrics([
            ("reward", reward),
            ("reward_first", first),
            ("kl", last.kl),
            ("clipped", last.clipped),
        ]),
        importance,
    })
}

fn check_start(
    env: &dyn Env,
    tasks: &[u64],
    start: &Start,
    c: &GrpoConfig,
) -> Result<(), TrainError> {
    check::config(&c.train)?;
    common::require("group", &c.group, c.group >= 2, "at least 2")?;
    common::require("updates", &c.updates, c.updates >= 1, "at least 1")?;
    let clip = c.clip > 0.0 && c.clip < 1.0;
    common::require("clip", &c.clip, clip, "in (0, 1)")?;
    let kl = c.kl.is_finite() && c.kl >= 0.0;
    common::require("kl", &c.kl, kl, "at least 0")?;
    let warm = (0.001..=1000.0).contains(&c.temperature);
    common::require("temperature", &c.temperature, warm, "in [0.001, 1000]")?;
    common::require("max_steps", &c.max_steps, c.max_steps >= 1, "at least 1")?;
    let (width, net) = (env.width(), start.net.inputs());
    let fits = width == net && start.standard.mean.len() == net && start.schema.width() == net;
    common::require(
        "the network's inputs",
        &net,
        fits,
        "as many as the environment and the schema have features",
    )?;
    if tasks.is_empty() {
        return Err(TrainError::TooFew {
            algo: ALGO.to_owned(),
            have: 0,
            need: 1,
            why: "; there are no tasks".to_owned(),
        });
    }
    Ok(())
}

/// Fingerprint of settings, tasks and the network that it starts from.
fn print(tasks: &[u64], start: &Net, schema: &Schema, config: &GrpoConfig) -> String {
    let mut h = blake3::Hasher::new();
    h.update(toml::to_string(config).unwrap_or_default().as_bytes());
    h.update(schema.hash.as_bytes());
    for t in tasks {
        h.update(&t.to_le_bytes());
    }
    for p in &start.params {
        h.update(&p.to_le_bytes());
    }
    h.finalize().to_hex()[..16].to_owned()
}

/// ln π of each option; −∞ for what is not legal.
fn log_policy(scores: &[f32], legal: &[bool], temperature: f64) -> Vec<f64> {
    let z = scores.iter().zip(legal).map(|(s, legal)| {
        if *legal {
            f64::from(*s) / temperature
        } else {
            f64::NEG_INFINITY
        }
    });
    let z: Vec<f64> = z.collect();
    let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = z.iter().map(|z| (z - top).exp()).sum();
    z.into_iter().map(|z| (z - top) - sum.ln()).collect()
}

/// Refuses what an environment must not say. Its tasks are named where decisions of a log would be.
fn check_obs(task: u64, obs: &Obs, width: usize) -> Result<(), TrainError> {
    let what = if obs.rows.len() != obs.legal.len() * width {
        format!(
            "{} options, but {} numbers in rows of {width}",
            obs.legal.len(),
            obs.rows.len()
        )
    } else if !obs.legal.contains(&true) {
        "no option is legal".to_owned()
    } else if !obs.rows.iter().all(|x| x.is_finite()) {
        "a feature is not a number".to_owned()
    } else {
        return Ok(());
    };
    Err(TrainError::BadNumber {
        decision: format!("task {task}"),
        what,
    })
}

/// One rollout of the policy. `seed` is that of the environment and, on another stream, of the policy's draws.
fn rollout(
    env: &mut dyn Env,
    task: u64,
    seed: u64,
    (net, reference): (&Net, &Net),
    standard: &Standard,
    config: &GrpoConfig,
) -> Result<Rollout, TrainError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1);
    let width = env.width();
    let mut obs = env.reset(task, seed);
    let mut taken = Vec::new();
    loop {
        check_obs(task, &obs, width)?;
        let mut rows = Vec::with_capacity(obs.rows.len());
        standard.apply(&obs.rows, &mut rows);
        let log = log_policy(&net.scores(&rows), &obs.legal, config.temperature);
        let p: Vec<f64> = log.iter().map(|l| l.exp()).collect();
        let option = categorical::draw(&p, &mut rng);
        let log_reference =
            log_policy(&reference.scores(&rows), &obs.legal, config.temperature)[option];
        let outcome = env.step(option);
        if !outcome.reward.is_finite() {
            return Err(TrainError::BadNumber {
                decision: format!("task {task}"),
                what: format!("the reward of step {} is {}", taken.len(), outcome.reward),
            });
        }
        taken.push(Taken {
            rows,
            legal: obs.legal,
            option,
            log_old: log[option],
            log_reference,
            reward: outcome.reward,
            advantage: 0.0,
        });
        match outcome.next {
            Some(next) if taken.len() < config.max_steps => obs = next,
            _ => return Ok(taken),
        }
    }
}

/// Fills in the advantages of a group of rollouts of one task.
pub fn advantages(group: &mut [Rollout], variant: Variant, credit: Credit) {
    // What is compared: the reward of each rollout from step t on.
    let from = |r: &Rollout, t: usize| r[t..].iter().map(|s| s.reward).sum::<f64>();
    let longest = match credit {
        Credit::Episode => 1,
        Credit::Step => group.iter().map(Vec::len).max().unwrap_or(0),
    };
    for t in 0..longest {
        let there: Vec<usize> = (0..group.len()).filter(|&i| t < group[i].len()).collect();
        let returns: Vec<f64> = there.iter().map(|&i| from(&group[i], t)).collect();
        let n = returns.len() as f64;
        let mean = returns.iter().sum::<f64>() / n.max(1.0);
        let squares: f64 = returns.iter().map(|r| (r - mean).powi(2)).sum();
        let sd = (squares / n.max(1.0)).sqrt();
        for (&i, r) in there.iter().zip(&returns) {
            let advantage = match variant {
                Variant::Grpo => (r - mean) / (sd + EPSILON),
                Variant::Dr => r - mean,
            };
            match credit {
                Credit::Episode => {
                    for s in &mut group[i] {
                        s.advantage = advantage;
                    }
                }
                Credit::Step => group[i][t].advantage = advantage,
            }
        }
    }
}

/// What one update saw.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Update {
    /// The negated objective.
    pub loss: f64,
    /// Mean k3 over steps.
    pub kl: f64,
    /// Share of steps whose ratio was cut off.
    pub clipped: f64,
}

/// The negated objective of the module's documentation for these rollouts; its gradient is added to `grad`.
pub fn update(net: &Net, rollouts: &[Rollout], config: &GrpoConfig, grad: &mut [f32]) -> Update {
    let total: usize = rollouts.iter().map(Vec::len).sum();
    let mut of = Update::default();
    let mut tape = Tape::default();
    for r in rollouts {
        let length = match config.variant {
            Variant::Grpo => r.len(),
            Variant::Dr => config.max_steps,
        };
        let share = 1.0 / (rollouts.len() * length.max(1)) as f64;
        for s in r {
            net.forward(&s.rows, &mut tape);
            let log = log_policy(&tape.scores, &s.legal, config.temperature);
            let ratio = (log[s.option] - s.log_old).exp();
            let cut = ratio.clamp(1.0 - config.clip, 1.0 + config.clip);
            let (free, bound) = (ratio * s.advantage, cut * s.advantage);
            let gap = s.log_reference - log[s.option];
            let k3 = gap.exp() - gap - 1.0;
            of.loss -= share * (free.min(bound) - config.kl * k3);
            of.kl += k3 / total.max(1) as f64;
            // Where the bound is the smaller one, nothing is gained by going on.
            let climbs = free <= bound;
            if !climbs {
                of.clipped += 1.0 / total.max(1) as f64;
            }
            // d/d ln π(a) of the objective: ρ A, and −β (1 − π_ref/π) for the divergence.
            let slope = if climbs { free } else { 0.0 } - config.kl * (1.0 - gap.exp());
            let by = -share * slope / config.temperature;
            let d_scores: Vec<f32> = log
                .iter()
                .enumerate()
                .map(|(a, l)| (by * (f64::from(u8::from(a == s.option)) - l.exp())) as f32)
                .collect();
            net.backward(&s.rows, &mut tape, &d_scores, grad);
        }
    }
    of
}

/// Mean reward of one greedy rollout per task; `without`: this feature is held at its mean.
fn greedy_reward(
    env: &mut dyn Env,
    tasks: &[u64],
    net: &Net,
    standard: &Standard,
    config: &GrpoConfig,
    without: Option<usize>,
) -> Result<f64, TrainError> {
    let width = env.width();
    let mut sum = 0.0;
    for &task in tasks {
        let mut obs = Some(env.reset(task, config.train.seed));
        for _ in 0..config.max_steps {
            let Some(seen) = obs else { break };
            check_obs(task, &seen, width)?;
            let mut rows = Vec::with_capacity(seen.rows.len());
            standard.apply(&seen.rows, &mut rows);
            if let Some(k) = without {
                rows.iter_mut()
                    .skip(k)
                    .step_by(width)
                    .for_each(|x| *x = 0.0);
            }
            let log = log_policy(&net.scores(&rows), &seen.legal, config.temperature);
            let best = (0..log.len()).reduce(|a, b| if log[b] > log[a] { b } else { a });
            let outcome = env.step(best.unwrap_or(0));
            sum += outcome.reward;
            obs = outcome.next;
        }
    }
    Ok(sum / tasks.len().max(1) as f64)
}

/// At most this many tasks say which features matter.
const IMPORTANCE: usize = 64;

fn importance(
    env: &mut dyn Env,
    tasks: &[u64],
    net: &Net,
    standard: &Standard,
    schema: &Schema,
    config: &GrpoConfig,
) -> Result<Vec<(String, f64)>, TrainError> {
    let tasks = &tasks[..tasks.len().min(IMPORTANCE)];
    let whole = greedy_reward(env, tasks, net, standard, config, None)?;
    let mut found = Vec::with_capacity(schema.width());
    for (k, name) in schema.features.iter().enumerate() {
        let without = greedy_reward(env, tasks, net, standard, config, Some(k))?;
        found.push((name.clone(), whole - without));
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(found)
}
