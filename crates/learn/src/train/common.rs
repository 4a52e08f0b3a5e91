//! What the trainers of policies share beside the checks and the split of all: states that can be stored, steps,
//! importance.
//! Their gradients couple the decisions of a batch or are drawn, so they do not fit the loop of [`super::loops`].
//!
//! It may not know what is learned from a decision.

use std::collections::{BTreeMap, HashSet};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::{Checkpoint, Hooks, Progress, TrainConfig, TrainError, split};
use crate::{
    data::{Dataset, Logged},
    net::Adam,
};

/// Refuses one setting unless `ok`.
pub(super) fn require(
    field: &'static str,
    value: &impl ToString,
    ok: bool,
    wanted: &'static str,
) -> Result<(), TrainError> {
    let value = value.to_string();
    ok.then_some(()).ok_or(TrainError::BadConfig {
        field,
        value,
        wanted,
    })
}

/// The error about a number of a decision.
pub(super) fn bad(decision: &Logged, what: impl Into<String>) -> TrainError {
    TrainError::BadNumber {
        decision: decision.id.to_string(),
        what: what.into(),
    }
}

/// Decisions to learn from, and those kept apart.
pub(super) fn sides(
    data: &Dataset,
    usable: &[usize],
    config: &TrainConfig,
) -> (Vec<usize>, Vec<usize>) {
    let apart: Vec<bool> = (data.trajectories.iter())
        .map(|name| split::kept_apart(config.seed, name, config.validation))
        .collect();
    let of = |i: usize| apart[data.decisions[i].trajectory as usize];
    usable.iter().partition(|&&i| !of(i))
}

/// Number of different trajectories of these decisions.
pub(super) fn trajectories(data: &Dataset, of: &[usize]) -> u64 {
    let all: HashSet<u32> = of.iter().map(|&i| data.decisions[i].trajectory).collect();
    all.len() as u64
}

/// Fingerprint of trainer, settings, schema and data, 16 hexadecimal digits.
pub(super) fn fingerprint(algo: &str, config: &impl Serialize, data: &Dataset) -> String {
    let mut h = blake3::Hasher::new();
    h.update(algo.as_bytes());
    // Settings are plain tables of numbers: they can always be written.
    h.update(toml::to_string(config).unwrap_or_default().as_bytes());
    h.update(data.schema.hash.as_bytes());
    for d in &data.decisions {
        h.update(d.id.bytes());
        h.update(&d.reward.unwrap_or(f64::NAN).to_le_bytes());
        h.update(&d.propensity.log_joint.to_le_bytes());
        for i in &d.slate {
            h.update(&i.to_le_bytes());
        }
        h.update(b"\0");
    }
    h.finalize().to_hex()[..16].to_owned()
}

/// The order of the decisions in this pass.
pub(super) fn shuffled(of: &[usize], rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order = of.to_vec();
    order.shuffle(rng);
    order
}

/// The generator of one pass: the same whether the training was interrupted before it or not.
pub(super) fn pass_rng(seed: u64, epoch: u32) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(1 + u64::from(epoch));
    rng
}

/// Parameters under an optimiser, as they are stored between passes.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    pub params: Vec<f32>,
    pub adam: Adam,
}

impl Weights {
    pub fn new(params: Vec<f32>) -> Self {
        let adam = Adam::new(params.len());
        Self { params, adam }
    }

    pub fn step(&mut self, grad: &[f32], config: &TrainConfig) {
        self.adam
            .step(&mut self.params, grad, config.learning_rate, config.decay);
    }

    pub fn is_finite(&self) -> bool {
        self.params.iter().all(|p| p.is_finite())
    }

    /// The state after `epoch` passes and `steps` steps.
    pub fn checkpoint(&self, algo: &str, fingerprint: &str, epoch: u32, steps: u64) -> Checkpoint {
        let vectors = [
            ("params", &self.params),
            ("adam_m", &self.adam.m),
            ("adam_v", &self.adam.v),
        ];
        let numbers = [("adam_t", self.adam.t as f64), ("steps", steps as f64)];
        Checkpoint {
            algo: algo.to_owned(),
            fingerprint: fingerprint.to_owned(),
            epoch,
            vectors: vectors.map(|(k, v)| (k.to_owned(), v.clone())).into(),
            numbers: numbers.map(|(k, v)| (k.to_owned(), v)).into(),
        }
    }

    /// Takes the state of a checkpoint: passes and steps done.
    pub fn restore(&mut self, from: &Checkpoint) -> Result<(u32, u64), TrainError> {
        let n = self.params.len();
        self.params = vector(from, "params", n)?;
        self.adam.m = vector(from, "adam_m", n)?;
        self.adam.v = vector(from, "adam_v", n)?;
        self.adam.t = number(from, "adam_t")? as u64;
        Ok((from.epoch, number(from, "steps")? as u64))
    }
}

/// The checkpoint to go on from, if there is one and it is of this very training.
pub(super) fn resume(
    hooks: &mut Hooks<'_>,
    algo: &str,
    fingerprint: &str,
) -> Result<Option<Checkpoint>, TrainError> {
    let Some(from) = hooks.resume.take() else {
        return Ok(None);
    };
    let what = if from.algo != algo {
        format!("it is of {}, not {algo}", from.algo)
    } else if from.fingerprint != fingerprint {
        "settings, schema or data differ".to_owned()
    } else {
        return Ok(Some(from));
    };
    Err(TrainError::ForeignCheckpoint { what })
}

/// A vector of a checkpoint that must have this length.
pub(super) fn vector(from: &Checkpoint, name: &str, n: usize) -> Result<Vec<f32>, TrainError> {
    let found = from.vectors.get(name).filter(|v| v.len() == n).cloned();
    found.ok_or_else(|| TrainError::ForeignCheckpoint {
        what: format!("it has no {name} of {n} numbers"),
    })
}

/// A number of a checkpoint.
pub(super) fn number(from: &Checkpoint, name: &str) -> Result<f64, TrainError> {
    let found = from.numbers.get(name).copied();
    found.ok_or_else(|| TrainError::ForeignCheckpoint {
        what: format!("it has no number {name}"),
    })
}

/// Steps, and when to tell about them.
pub(super) struct Steps {
    pub done: u64,
    pub total: u64,
    every: u64,
    losses: (f64, u64),
}

impl Steps {
    /// Tells about two hundred times in all.
    pub fn new(done: u64, total: u64) -> Self {
        Self {
            done,
            total,
            every: (total / 200).max(1),
            losses: (0.0, 0),
        }
    }

    /// One more step with this loss.
    pub fn step(&mut self, loss: f64, hooks: &mut Hooks<'_>) -> Result<(), TrainError> {
        self.done += 1;
        if !loss.is_finite() {
            return Err(TrainError::Diverged { steps: self.done });
        }
        self.losses.0 += loss;
        self.losses.1 += 1;
        if self.done.is_multiple_of(self.every) || self.done == self.total {
            let progress = Progress {
                step: self.done,
                total: self.total,
                loss: self.losses.0 / self.losses.1 as f64,
                validation: None,
            };
            self.losses = (0.0, 0);
            if (hooks.progress)(&progress).is_break() {
                return Err(TrainError::Stopped { steps: self.done });
            }
        }
        Ok(())
    }
}

/// Permutation importance (Breiman 2001, section 10): how much worse `loss` gets when one column of `rows`
/// (`n × names.len()` numbers) is shuffled; the most important first.
pub(super) fn importance(
    names: &[String],
    rows: &[f32],
    seed: u64,
    loss: impl Fn(&[f32]) -> f64,
) -> Vec<(String, f64)> {
    let width = names.len();
    let base = loss(rows);
    let mut found: Vec<(String, f64)> = Vec::with_capacity(width);
    let mut moved = rows.to_vec();
    for (k, name) in names.iter().enumerate() {
        let mut column: Vec<f32> = rows.iter().skip(k).step_by(width).copied().collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(k as u64);
        column.shuffle(&mut rng);
        let put = |to: &mut [f32], column: &[f32]| {
            for (row, x) in to.chunks_exact_mut(width).zip(column) {
                row[k] = *x;
            }
        };
        put(&mut moved, &column);
        found.push((name.clone(), loss(&moved) - base));
        for (to, from) in moved.chunks_exact_mut(width).zip(rows.chunks_exact(width)) {
            to[k] = from[k];
        }
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found
}

/// Named results.
pub(super) fn metrics<const N: usize>(of: [(&str, f64); N]) -> BTreeMap<String, f64> {
    of.map(|(k, v)| (k.to_owned(), v)).into()
}
