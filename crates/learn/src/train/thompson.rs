//! `thompson`: online Bayesian linear regression, and draws from what it believes.
//!
//! The reward of a slate is taken to be linear in what was shown: `E[r] = c + Σ_{i ∈ slate} (m + θ·x_i)`, so with β =
//! (c, m, θ) and
//! `z = (1, n, Σ x_i)`, n the number of soft cells shown,
//!
//! ```text
//! y = β·z + noise           A = λI + Σ z zᵀ        b = Σ z y        β̂ = A⁻¹ b
//!
//! draw     β̃ ~ N(β̂, v² A⁻¹)                         = β̂ + v L⁻ᵀ u,   A = L Lᵀ,  u ~ N(0, I)
//! forget   A ← γ A + (1 − γ) λ I,   b ← γ b          before each observation, γ = 1: never
//! ```
//!
//! (Agrawal & Goyal 2013, "Thompson sampling for contextual bandits with linear payoffs", algorithm 1, with whole
//! slates as actions; forgetting as in
//! Russac et al. 2019, "Weighted linear bandits", so that the prior never fades.) A is kept, not its inverse, and
//! factored when needed: Cholesky fails
//! loudly where a rank-one update of an inverse would drift. Each number is a double, and a checkpoint keeps all of
//! its bits.
//!
//! The score of a cell is its share of the reward, m + θ·x, so STOP is 0: a cell that is expected to do harm is not
//! shown.
//!
//! # Acting on it, with exact propensities
//!
//! Thompson's rule draws β̃ afresh; the probability of a slate is then an integral over β̃ with no closed form, and
//! an estimate of it by simulation is not a
//! propensity. So the draw is made once, when a policy is published: [`Posterior::ensemble`] draws K vectors, each
//! trajectory follows one of them, by a
//! hashed coin of share 1/K (as arms are assigned), and the probability of a slate is the finite mixture
//!
//! ```text
//! P(slate) = 1/K Σ_k P(slate | vector k)              ln P by [`mixture_log_p`]
//! ```
//!
//! which is exact, whatever each component does (greedy with hold-outs, or drawn). As K grows this is Thompson
//! sampling with posteriors of the last publication
//! (Lu & Van Roy 2017, "Ensemble sampling"). What [`train`] returns is the posterior mean, for acting greedily or by
//! Plackett–Luce.
//!
//! It may not know who draws when, nor coins.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::common::{self, Steps};
use super::{Checkpoint, Counts, Draws, Hooks, TrainConfig, TrainError, Trained, check};
use crate::{
    data::Dataset,
    net::{Net, Standard},
};

/// The name of the trainer.
pub const ALGO: &str = "thompson";
/// Fewest decisions with an outcome.
pub const NEED: u64 = 20;
/// Observations between two checkpoints.
const EVERY: usize = 4096;
/// What z holds before the features: 1 and n.
const AHEAD: usize = 2;

/// Settings of [`train`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThompsonConfig {
    /// Of what trainers share, the share kept apart and the seed count. There is one pass, in the order of time.
    pub train: TrainConfig,
    /// Precision λ of the prior, above 0.
    pub ridge: f64,
    /// Share γ of what was known that is kept at each observation, in (0, 1].
    pub keep: f64,
}

impl Default for ThompsonConfig {
    fn default() -> Self {
        Self {
            train: TrainConfig::default(),
            ridge: 1.0,
            keep: 1.0,
        }
    }
}

/// Why a posterior cannot go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PosteriorError {
    /// An observation is of another width, or not finite.
    #[error("the observation {what}")]
    BadObservation {
        /// What is wrong with it.
        what: String,
    },
    /// The precision is not positive definite to the precision of doubles.
    #[error(
        "the precision is not positive definite in row {row}; a larger ridge, or smaller inputs, would help"
    )]
    NotPositive {
        /// Where the factorisation failed.
        row: usize,
    },
}

/// What is believed about β after some observations: N(A⁻¹b, v² A⁻¹).
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    width: usize,
    ridge: f64,
    keep: f64,
    /// A, row by row; both halves.
    precision: Vec<f64>,
    /// b.
    moment: Vec<f64>,
    /// Observations.
    seen: u64,
}

impl Posterior {
    /// The prior N(0, v²/λ · I) over `width` numbers, with precision λ = `ridge` > 0 and γ = `keep` in (0, 1].
    pub fn new(width: usize, ridge: f64, keep: f64) -> Self {
        let mut precision = vec![0.0; width * width];
        precision
            .iter_mut()
            .step_by(width + 1)
            .for_each(|a| *a = ridge);
        Self {
            width,
            ridge,
            keep,
            precision,
            moment: vec![0.0; width],
            seen: 0,
        }
    }

    /// Observations so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Learns that input z gave y.
    pub fn observe(&mut self, z: &[f64], y: f64) -> Result<(), PosteriorError> {
        let bad = |what: String| Err(PosteriorError::BadObservation { what });
        if z.len() != self.width {
            return bad(format!("has {} numbers, not {}", z.len(), self.width));
        }
        if !(y.is_finite() && z.iter().all(|x| x.is_finite() && x.abs() < 1e100)) {
            return bad("is not finite".to_owned());
        }
        if self.keep < 1.0 {
            for a in &mut self.precision {
                *a *= self.keep;
            }
            let prior = (1.0 - self.keep) * self.ridge;
            let diagonal = self.precision.iter_mut().step_by(self.width + 1);
            diagonal.for_each(|a| *a += prior);
            for b in &mut self.moment {
                *b *= self.keep;
            }
        }
        for (row, zi) in self.precision.chunks_exact_mut(self.width.max(1)).zip(z) {
            for (a, zj) in row.iter_mut().zip(z) {
                *a += zi * zj;
            }
        }
        for (b, z) in self.moment.iter_mut().zip(z) {
            *b += z * y;
        }
        self.seen += 1;
        Ok(())
    }

    /// L with A = L Lᵀ, row by row, zeros above the diagonal (Cholesky).
    fn factor(&self) -> Result<Vec<f64>, PosteriorError> {
        let n = self.width;
        let mut l = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
                let rest = self.precision[i * n + j] - dot;
                if i == j {
                    // What is left of a row that depends on the others is rounding.
                    if rest.is_nan() || rest <= 1e-14 * self.precision[i * n + i] {
                        return Err(PosteriorError::NotPositive { row: i });
                    }
                    l[i * n + i] = rest.sqrt();
                } else {
                    l[i * n + j] = rest / l[j * n + j];
                }
            }
        }
        Ok(l)
    }

    /// β̂ = A⁻¹ b.
    pub fn mean(&self) -> Result<Vec<f64>, PosteriorError> {
        let l = self.factor()?;
        Ok(backward(&l, forward(&l, &self.moment)))
    }

    /// zᵀ A⁻¹ z: the variance of β·z, in units of v².
    pub fn variance(&self, z: &[f64]) -> Result<f64, PosteriorError> {
        if z.len() != self.width {
            let what = format!("has {} numbers, not {}", z.len(), self.width);
            return Err(PosteriorError::BadObservation { what });
        }
        let half = forward(&self.factor()?, z);
        Ok(half.iter().map(|x| x * x).sum())
    }

    /// K draws of β from the posterior, v² ≥ 0 times its covariance; equal seeds give equal draws.
    pub fn ensemble(&self, k: usize, v: f64, seed: u64) -> Result<Vec<Vec<f64>>, PosteriorError> {
        let l = self.factor()?;
        let mean = backward(&l, forward(&l, &self.moment));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let draws = (0..k).map(|_| {
            let noise = (0..self.width).map(|_| v * normal(&mut rng)).collect();
            let noise = backward(&l, noise);
            mean.iter().zip(noise).map(|(m, e)| m + e).collect()
        });
        Ok(draws.collect())
    }

    /// One draw of β: what Thompson's rule acts on.
    pub fn draw(&self, v: f64, seed: u64) -> Result<Vec<f64>, PosteriorError> {
        Ok(self.ensemble(1, v, seed)?.remove(0))
    }
}

/// L⁻¹ b.
fn forward(l: &[f64], b: &[f64]) -> Vec<f64> {
    let n = b.len();
    let mut x = b.to_vec();
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| l[i * n + k] * x[k]).sum();
        x[i] = (x[i] - dot) / l[i * n + i];
    }
    x
}

/// L⁻ᵀ b.
fn backward(l: &[f64], mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| l[k * n + i] * b[k]).sum();
        b[i] = (b[i] - dot) / l[i * n + i];
    }
    b
}

/// A standard normal number (Box & Muller 1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// ln of the mean of probabilities that are given by their logarithms (−∞: impossible); −∞ for none. The propensity
/// of a slate
/// under an ensemble whose members have equal shares.
pub fn mixture_log_p(log_p: &[f64]) -> f64 {
    let top = log_p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    let sum: f64 = log_p.iter().map(|l| (l - top).exp()).sum();
    top + (sum / log_p.len() as f64).ln()
}

/// The network that scores cells by a vector β = (c, m, θ): m + θ·x.
pub fn scorer(beta: &[f64]) -> Net {
    let mut net = Net::linear(beta.len().saturating_sub(AHEAD));
    let theta = beta.iter().skip(AHEAD).chain(beta.get(1));
    for (p, b) in net.params.iter_mut().zip(theta) {
        *p = *b as f32;
    }
    net
}

/// What a training leaves: the policy of the posterior mean, and the posterior to draw from and to go on with.
#[derive(Debug, Clone, PartialEq)]
pub struct Believed {
    /// The policy of the posterior mean.
    pub trained: Trained,
    /// What is believed about β = (c, m, θ), θ over standardised features.
    pub posterior: Posterior,
    /// Standard deviation of the rewards around the predictions made before they were seen: a value for v.
    pub noise: f64,
}

/// Learns from a log in one pass, in the order of time.
///
/// Metrics: `loss` (mean squared error of predictions made *before* each outcome was learned: an honest loss on the
/// data learned from), `baseline` (of always
/// predicting the mean so far), `validation_loss` (on what was kept apart) and `noise` (√loss over the second half).
/// Features are standardised
/// over all decisions, before the pass. Propensities are not needed: what is estimated is a reward model.
pub fn train(
    data: &Dataset,
    config: &ThompsonConfig,
    hooks: &mut Hooks<'_>,
) -> Result<Believed, TrainError> {
    check::config(&config.train)?;
    let ridge = config.ridge.is_finite() && config.ridge > 0.0;
    common::require("ridge", &config.ridge, ridge, "above 0")?;
    let keep = config.keep > 0.0 && config.keep <= 1.0;
    common::require("keep", &config.keep, keep, "in (0, 1]")?;
    let (samples, skipped) = samples(data)?;
    let index: Vec<usize> = samples.iter().map(|(i, _, _)| *i).collect();
    let (learn, apart) = common::sides(data, &index, &config.train);
    let learn = if learn.is_empty() { index } else { learn };
    let width = data.schema.width();
    let of: std::collections::HashMap<usize, (&Draws, f64)> =
        samples.iter().map(|(i, d, r)| (*i, (d, *r))).collect();
    let rows = samples.iter().flat_map(|(i, d, _)| {
        let decision = &data.decisions[*i];
        d.soft.iter().map(move |&k| decision.row(k, width))
    });
    let standard = Standard::of(rows, width);
    let input = |i: usize| -> (Vec<f64>, f64) {
        let (draws, reward) = of[&i];
        (slate_input(data, i, draws, &standard), reward)
    };
    // Time decides, and the order of logging between equal times.
    let mut order = learn.clone();
    order.sort_by_key(|&i| data.decisions[i].at.0);

    let mut pass = Pass::new(width, config);
    let print = common::fingerprint(ALGO, config, data);
    let mut done = 0;
    if let Some(from) = common::resume(hooks, ALGO, &print)? {
        done = pass.restore(&from)?.min(order.len());
    }
    let mut steps = Steps::new(done as u64, order.len() as u64);
    for (at, &i) in order.iter().enumerate().skip(done) {
        let (z, y) = input(i);
        let loss = pass
            .learn(&z, y)
            .map_err(|e| common::bad(&data.decisions[i], e.to_string()))?;
        steps.step(loss, hooks)?;
        if (at + 1).is_multiple_of(EVERY) || at + 1 == order.len() {
            (hooks.checkpoint)(&pass.checkpoint(&print, at + 1));
        }
    }
    let mean = pass.posterior.mean();
    let mean = mean.map_err(|e| common::bad(&data.decisions[order[0]], e.to_string()))?;
    let error = |z: &[f64], y: f64| (dot(&mean, z) - y).powi(2);
    let apart_loss = apart.iter().map(|&i| input(i)).map(|(z, y)| error(&z, y));
    let n = order.len() as f64;
    let noise = (pass.late.0 / f64::max(pass.late.1, 1.0)).sqrt();
    let mut metrics = common::metrics([
        ("loss", pass.error / n),
        ("baseline", pass.base / n),
        ("noise", noise),
    ]);
    if !apart.is_empty() {
        let loss = apart_loss.sum::<f64>() / apart.len() as f64;
        metrics.insert("validation_loss".to_owned(), loss);
    }
    let judged = if apart.is_empty() { &learn } else { &apart };
    let importance = importance(data, judged, &mean, &input, config.train.seed);
    let counts = Counts {
        decisions: learn.len() as u64,
        trajectories: common::trajectories(data, &learn),
        validation: apart.len() as u64,
        skipped,
    };
    Ok(Believed {
        trained: Trained {
            algo: ALGO.to_owned(),
            schema: data.schema.clone(),
            standard,
            net: scorer(&mean),
            stop: Some(0.0),
            counts,
            metrics,
            importance,
        },
        posterior: pass.posterior,
        noise,
    })
}

/// A decision with an outcome: its index, its draws, its reward.
type Sample = (usize, Draws, f64);

/// The decisions with an outcome, and the number of the others.
fn samples(data: &Dataset) -> Result<(Vec<Sample>, u64), TrainError> {
    let (mut samples, mut mute, mut foreign) = (Vec::new(), 0u64, 0u64);
    for (i, decision) in data.decisions.iter().enumerate() {
        check::decision(data, decision)?;
        match (decision.reward, Draws::of(decision)) {
            (Some(reward), Some(draws)) => samples.push((i, draws, reward)),
            (None, _) => mute += 1,
            _ => foreign += 1,
        }
    }
    let have = samples.len() as u64;
    if have < NEED {
        return Err(TrainError::TooFew {
            algo: ALGO.to_owned(),
            have,
            need: NEED,
            why: format!("; {mute} have no outcome, {foreign} slates do not fit their budget"),
        });
    }
    Ok((samples, mute + foreign))
}

/// `z = (1, n, Σ x_i)` of a logged slate.
fn slate_input(data: &Dataset, i: usize, draws: &Draws, standard: &Standard) -> Vec<f64> {
    let width = data.schema.width();
    let mut z = vec![0.0; AHEAD + width];
    (z[0], z[1]) = (1.0, draws.taken.len() as f64);
    let mut row = Vec::with_capacity(width);
    for &k in &draws.taken {
        row.clear();
        standard.apply(data.decisions[i].row(draws.soft[k], width), &mut row);
        for (z, x) in z[AHEAD..].iter_mut().zip(&row) {
            *z += f64::from(*x);
        }
    }
    z
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The pass over the data, as far as it got.
struct Pass {
    posterior: Posterior,
    /// β̂ as of the last refresh: predictions are made with it.
    mean: Vec<f64>,
    /// Σ of squared errors, of those of the mean reward so far, and (Σ, n) of the errors since the last refresh but one.
    error: f64,
    base: f64,
    late: (f64, f64),
    rewards: f64,
}

impl Pass {
    fn new(width: usize, config: &ThompsonConfig) -> Self {
        Self {
            posterior: Posterior::new(width + AHEAD, config.ridge, config.keep),
            mean: vec![0.0; width + AHEAD],
            error: 0.0,
            base: 0.0,
            late: (0.0, 0.0),
            rewards: 0.0,
        }
    }

    /// Predicts, then learns; answers the squared error. β̂ is computed anew while there are few observations, then
    /// every sixteenth time.
    fn learn(&mut self, z: &[f64], y: f64) -> Result<f64, PosteriorError> {
        let seen = self.posterior.seen();
        if seen < 64 || seen.is_multiple_of(16) {
            self.mean = self.posterior.mean()?;
        }
        let error = (dot(&self.mean, z) - y).powi(2);
        let so_far = self.rewards / (seen.max(1) as f64);
        self.error += error;
        self.base += (so_far - y).powi(2);
        self.rewards += y;
        if seen >= 64 {
            self.late.0 += error;
            self.late.1 += 1.0;
        }
        self.posterior.observe(z, y)?;
        Ok(error)
    }

    /// The whole state, each double as three floats.
    fn checkpoint(&self, fingerprint: &str, done: usize) -> Checkpoint {
        let vectors = [
            ("precision", &self.posterior.precision),
            ("moment", &self.posterior.moment),
            ("mean", &self.mean),
        ];
        let numbers = [
            ("done", done as f64),
            ("seen", self.posterior.seen as f64),
            ("error", self.error),
            ("base", self.base),
            ("late", self.late.0),
            ("late_n", self.late.1),
            ("rewards", self.rewards),
        ];
        Checkpoint {
            algo: ALGO.to_owned(),
            fingerprint: fingerprint.to_owned(),
            epoch: 0,
            vectors: vectors.map(|(k, v)| (k.to_owned(), split(v))).into(),
            numbers: numbers.map(|(k, v)| (k.to_owned(), v)).into(),
        }
    }

    /// Takes the state of a checkpoint; answers how many observations are done.
    fn restore(&mut self, from: &Checkpoint) -> Result<usize, TrainError> {
        let n = self.mean.len();
        self.posterior.precision = join(&common::vector(from, "precision", 3 * n * n)?);
        self.posterior.moment = join(&common::vector(from, "moment", 3 * n)?);
        self.mean = join(&common::vector(from, "mean", 3 * n)?);
        self.posterior.seen = common::number(from, "seen")? as u64;
        self.error = common::number(from, "error")?;
        self.base = common::number(from, "base")?;
        self.late = (
            common::number(from, "late")?,
            common::number(from, "late_n")?,
        );
        self.rewards = common::number(from, "rewards")?;
        Ok(common::number(from, "done")? as usize)
    }
}

/// Doubles as sums of three floats each: 72 bits for 53, so nothing is lost (within the range of floats).
fn split(of: &[f64]) -> Vec<f32> {
    let parts = |x: &f64| {
        let high = *x as f32;
        let rest = x - f64::from(high);
        let middle = rest as f32;
        [high, middle, (rest - f64::from(middle)) as f32]
    };
    of.iter().flat_map(parts).collect()
}

/// The doubles that [`split`] took apart.
fn join(of: &[f32]) -> Vec<f64> {
    let whole = |p: &[f32]| f64::from(p[0]) + (f64::from(p[1]) + f64::from(p[2]));
    of.chunks_exact(3).map(whole).collect()
}

/// By how much the squared error rises when one feature of the slates is shuffled.
fn importance(
    data: &Dataset,
    judged: &[usize],
    mean: &[f64],
    input: &dyn Fn(usize) -> (Vec<f64>, f64),
    seed: u64,
) -> Vec<(String, f64)> {
    let judged = &judged[..judged.len().min(2000)];
    let (inputs, rewards): (Vec<_>, Vec<_>) = judged.iter().map(|&i| input(i)).unzip();
    let rows: Vec<f32> = inputs
        .iter()
        .flat_map(|z| z[AHEAD..].iter().map(|x| *x as f32))
        .collect();
    let width = data.schema.width();
    common::importance(&data.schema.features, &rows, seed, |rows| {
        let each = rows.chunks_exact(width.max(1)).zip(&inputs).zip(&rewards);
        let errors = each.map(|((row, z), y)| {
            let features = row.iter().zip(&mean[AHEAD..]);
            let sum: f64 = features.map(|(x, b)| f64::from(*x) * b).sum();
            (mean[0] * z[0] + mean[1] * z[1] + sum - y).powi(2)
        });
        errors.sum::<f64>() / rewards.len().max(1) as f64
    })
}
