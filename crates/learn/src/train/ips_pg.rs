//! `ips_pg`: off-policy policy gradient for slates, doubly robust.
//!
//! The policy π is Plackett–Luce over the network's logits with a STOP of its own ([`Draws`]). The value to climb is
//! estimated from slates s that another policy drew with the logged propensity μ (Dudík, Langford & Li 2011, eq. 3,
//! with a
//! whole slate as the action):
//!
//! ```text
//! V(π) = E[ w (r − q̂(x, s)) + Σ_s' π(s'|x) q̂(x, s') ]        w = π(s|x) / μ(s|x)
//!
//! ∇V   ≈ mean over decisions of
//!          w̄ (r − q̂(x, s) − λ) ∇ log π(s|x)                    w̄ = min(w, c)
//!        + 1/M Σ_m (q̂(x, s'_m) − q̄_{−m}) ∇ log π(s'_m|x)       s'_1 … s'_M drawn from π
//! ```
//!
//! - Weights are cut off at c and then count as constants: a slate that became likely is pushed on with weight c, not
//!   with
//!   weight 0 (Chen et al. 2019, "Top-K off-policy correction for a REINFORCE recommender system", section 4.3).
//! - λ is the self-normalised value Σ w̄ (r − q̂) / Σ w̄ of the *other* decisions of the batch. It takes away what made
//!   inverse propensities prefer whatever was not logged (Swaminathan & Joachims 2015, "The self-normalized estimator for
//!   counterfactual learning"), and leaving the decision itself out keeps the gradient without bias where nothing is cut.
//! - q̄_{−m} is the mean of q̂ over the other draws (leave-one-out, Kool et al. 2019, "Buy 4 REINFORCE samples").
//! - Without a reward model q̂ is 0 and the second line is not there: plain clipped, self-normalised inverse
//!   propensities.
//!
//! Weights of a fresh network would be a billionth or a billion, so training starts with `warm` passes of maximum
//! likelihood on the logged slates, which make π ≈ μ, w ≈ 1.
//!
//! Each decision is a bandit of its own: what was decided earlier in its trajectory is part of its context.
//! It may not know where q̂ came from. q̂ should be fitted on the same decisions or others, never on those that the
//! policy
//! is later judged by.

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::common::{self, Steps, Weights};
use super::{Counts, Draws, Hooks, TrainConfig, TrainError, Trained, check};
use crate::{
    data::{Dataset, Logged},
    net::{Net, Standard, Tape},
};

/// The name of the trainer.
pub const ALGO: &str = "ips_pg";
/// Fewest decisions with a random slate and an outcome.
pub const NEED: u64 = 20;
/// A slate of at least this log-probability counts as certain.
const CERTAIN: f64 = -1e-9;
/// Decisions of the kept-apart data that importance is measured on, at most.
const IMPORTANCE: usize = 500;

/// A reward model: the expected reward of showing these candidates (indices, in order) in this decision.
pub type RewardModel<'a> = &'a dyn Fn(&Logged, &[usize]) -> f64;

/// Settings of [`train`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IpsPgConfig {
    /// What trainers share. `epochs` counts the passes after the warm start.
    pub train: TrainConfig,
    /// Largest importance weight c, at least 1.
    pub clip: f64,
    /// Passes of maximum likelihood before the policy gradient.
    pub warm: u32,
    /// Slates M drawn from π per decision where there is a reward model; at least 2.
    pub draws: usize,
}

impl Default for IpsPgConfig {
    fn default() -> Self {
        Self {
            train: TrainConfig::default(),
            clip: 10.0,
            warm: 5,
            draws: 4,
        }
    }
}

/// One decision that can be learned from.
pub struct Sample<'a> {
    /// The decision.
    pub decision: &'a Logged,
    /// How its slate was drawn.
    pub draws: Draws,
    /// ln μ(s|x), at most 0.
    pub log_propensity: f64,
    /// r.
    pub reward: f64,
    /// q̂(x, s); 0 without a reward model.
    pub model: f64,
}

/// What a decision adds to the gradient: Σ over slates of `weight` · ∇ log π(slate).
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Slates, as positions in [`Draws::soft`], with their weights.
    pub slates: Vec<(Vec<usize>, f64)>,
    /// The importance weight w before it was cut off.
    pub weight: f64,
    /// What the decision adds to the estimate of the value: w̄ (r − q̂) + mean of q̂ over the draws.
    pub value: f64,
}

/// Trains a policy on a log with propensities.
///
/// `Trained::stop` is the learned logit of STOP. Metrics, on the kept-apart decisions (on all where there are none):
/// `value_logged` (mean reward of the log), `value_ips`, `value_snips`, `value_dr` (of π, drawn), `n_eff` = (Σw̄)²/Σw̄²,
/// `clipped` (share of weights cut off), `loss` (−`value_dr`).
///
/// Refused: fewer than [`NEED`] decisions with an outcome whose slate was not certain (where nothing was random, the
/// log says
/// nothing about other slates); impossible propensities (0, above 1, not numbers); rewards or features that are not
/// numbers.
pub fn train(
    data: &Dataset,
    model: Option<RewardModel<'_>>,
    config: &IpsPgConfig,
    hooks: &mut Hooks<'_>,
) -> Result<Trained, TrainError> {
    check_config(config)?;
    let (samples, skipped) = samples(data, model)?;
    let index: Vec<usize> = samples.iter().map(|(i, _)| *i).collect();
    let samples: std::collections::BTreeMap<usize, Sample<'_>> = samples.into_iter().collect();
    let (learn, apart) = common::sides(data, &index, &config.train);
    let learn = if learn.is_empty() { index } else { learn };

    let width = data.schema.width();
    let rows = learn.iter().flat_map(|i| {
        let s = &samples[i];
        s.draws.soft.iter().map(|&k| s.decision.row(k, width))
    });
    let standard = Standard::of(rows, width);
    let net = Net::new(width, config.train.hidden, config.train.seed);
    let mut params = net.params.clone();
    params.push(0.0);
    let mut policy = Policy {
        net,
        stop: 0.0,
        standard,
    };
    let mut weights = Weights::new(params);
    // With and without a reward model are two trainings.
    let algo = if model.is_some() { "ips_pg+dr" } else { ALGO };
    let print = common::fingerprint(algo, config, data);
    let (mut epoch, mut done) = (0, 0);
    if let Some(from) = common::resume(hooks, ALGO, &print)? {
        (epoch, done) = weights.restore(&from)?;
        policy.load(&weights.params);
    }
    let passes = config.warm + config.train.epochs;
    let batches = learn.len().div_ceil(config.train.batch) as u64;
    let mut steps = Steps::new(done, batches * u64::from(passes));
    while epoch < passes {
        let mut rng = common::pass_rng(config.train.seed, epoch);
        for batch in common::shuffled(&learn, &mut rng).chunks(config.train.batch) {
            let batch: Vec<_> = batch.iter().map(|i| &samples[i]).collect();
            let warm = epoch < config.warm;
            let (loss, grad) = if warm {
                policy.likelihood(&batch)
            } else {
                policy.gradient(&batch, model, config, &mut rng)
            };
            weights.step(&grad, &config.train);
            if !weights.is_finite() {
                return Err(TrainError::Diverged { steps: steps.done });
            }
            policy.load(&weights.params);
            steps.step(loss, hooks)?;
        }
        epoch += 1;
        (hooks.checkpoint)(&weights.checkpoint(ALGO, &print, epoch, steps.done));
    }

    let judged = if apart.is_empty() { &learn } else { &apart };
    let judged: Vec<_> = judged.iter().map(|i| &samples[i]).collect();
    let rng = common::pass_rng(config.train.seed, u32::MAX - 1);
    let metrics = policy.judge(&judged, model, config, &mut rng.clone());
    let importance = importance(data, &policy, &judged, config);
    let counts = Counts {
        decisions: learn.len() as u64,
        trajectories: common::trajectories(data, &learn),
        validation: apart.len() as u64,
        skipped,
    };
    Ok(Trained {
        algo: ALGO.to_owned(),
        schema: data.schema.clone(),
        standard: policy.standard,
        net: policy.net,
        stop: Some(policy.stop),
        counts,
        metrics,
        importance,
    })
}

fn check_config(config: &IpsPgConfig) -> Result<(), TrainError> {
    check::config(&config.train)?;
    let clip = config.clip.is_finite() && config.clip >= 1.0;
    common::require("clip", &config.clip, clip, "at least 1")?;
    common::require("draws", &config.draws, config.draws >= 2, "at least 2")
}

/// The decisions that say something, by index, and the number of the others.
fn samples<'a>(
    data: &'a Dataset,
    model: Option<RewardModel<'_>>,
) -> Result<(Vec<(usize, Sample<'a>)>, u64), TrainError> {
    let (mut samples, mut certain, mut mute, mut foreign) = (Vec::new(), 0u64, 0u64, 0u64);
    for (i, decision) in data.decisions.iter().enumerate() {
        check::decision(data, decision)?;
        let log_propensity = decision.propensity.log_joint;
        // Also refuses NaN. A little above 0 is rounding.
        if !(log_propensity.is_finite() && log_propensity <= 1e-6) {
            let what = format!(
                "its slate has probability {}; what was shown cannot have been",
                log_propensity.exp()
            );
            return Err(common::bad(decision, what));
        }
        let Some(reward) = decision.reward else {
            mute += 1;
            continue;
        };
        match Draws::of(decision) {
            Some(draws) if !draws.soft.is_empty() => {
                certain += u64::from(log_propensity >= CERTAIN);
                let model = model.map_or(0.0, |q| q(decision, &draws.slate(&draws.taken)));
                let sample = Sample {
                    decision,
                    draws,
                    log_propensity: log_propensity.min(0.0),
                    reward,
                    model,
                };
                samples.push((i, sample));
            }
            _ => foreign += 1,
        }
    }
    let have = samples.len() as u64 - certain;
    if have < NEED {
        let why = format!(
            "; {certain} slates were certain (probability 1), {mute} have no outcome, {foreign} nothing to draw; slates are drawn \
             at random with explore.sampled_share above 0"
        );
        return Err(TrainError::TooFew {
            algo: ALGO.to_owned(),
            have,
            need: NEED,
            why,
        });
    }
    let first = samples[0].1.reward;
    #[expect(
        clippy::float_cmp,
        reason = "all the same, to the bit, is what teaches nothing"
    )]
    if samples.iter().all(|(_, s)| s.reward == first) {
        return Err(TrainError::NoVariation {
            n: samples.len() as u64,
            value: first,
        });
    }
    Ok((samples, mute + foreign))
}

/// π: a network, a STOP, and how features are standardised.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Scores standardised features.
    pub net: Net,
    /// The logit of STOP.
    pub stop: f32,
    /// How features are standardised.
    pub standard: Standard,
}

/// The standardised rows of a batch and their scores.
struct Forward {
    rows: Vec<f32>,
    tape: Tape,
    /// Where each decision's scores begin, and the end.
    at: Vec<usize>,
}

impl Policy {
    /// Takes the parameters of the network, and that of STOP behind them.
    pub fn load(&mut self, params: &[f32]) {
        let n = self.net.params.len();
        self.net.params.copy_from_slice(&params[..n]);
        self.stop = params[n];
    }

    fn forward(&self, batch: &[&Sample<'_>]) -> Forward {
        let width = self.net.inputs();
        let (mut rows, mut at) = (Vec::new(), vec![0]);
        for s in batch {
            for &k in &s.draws.soft {
                self.standard.apply(s.decision.row(k, width), &mut rows);
            }
            at.push(at[at.len() - 1] + s.draws.soft.len());
        }
        let mut tape = Tape::default();
        self.net.forward(&rows, &mut tape);
        Forward { rows, tape, at }
    }

    /// Backpropagates a gradient with respect to logits and STOP.
    fn backward(&self, forward: &mut Forward, d_logits: &[f32], d_stop: f32) -> Vec<f32> {
        let mut grad = vec![0.0; self.net.params.len() + 1];
        let n = self.net.params.len();
        self.net
            .backward(&forward.rows, &mut forward.tape, d_logits, &mut grad[..n]);
        grad[n] = d_stop;
        grad
    }

    /// −mean log π(s|x) over the batch, and its gradient.
    pub fn likelihood(&self, batch: &[&Sample<'_>]) -> (f64, Vec<f32>) {
        let terms: Vec<_> = batch
            .iter()
            .map(|s| vec![(s.draws.taken.clone(), 1.0)])
            .collect();
        self.climb(batch, self.forward(batch), &terms)
    }

    /// −(the estimate of V) over the batch, and the gradient of the module's documentation, negated.
    pub fn gradient(
        &self,
        batch: &[&Sample<'_>],
        model: Option<RewardModel<'_>>,
        config: &IpsPgConfig,
        rng: &mut ChaCha8Rng,
    ) -> (f64, Vec<f32>) {
        let forward = self.forward(batch);
        let terms = self.terms(batch, &forward, model, config, rng);
        let value = terms.iter().map(|t| t.value).sum::<f64>() / batch.len().max(1) as f64;
        let slates: Vec<_> = terms.into_iter().map(|t| t.slates).collect();
        let (_, grad) = self.climb(batch, forward, &slates);
        (-value, grad)
    }

    /// What each decision adds.
    fn terms(
        &self,
        batch: &[&Sample<'_>],
        forward: &Forward,
        model: Option<RewardModel<'_>>,
        config: &IpsPgConfig,
        rng: &mut ChaCha8Rng,
    ) -> Vec<Terms> {
        let logits = |b: usize| &forward.tape.scores[forward.at[b]..forward.at[b + 1]];
        let weight = |(b, s): (usize, &&Sample<'_>)| {
            let log_p = s.draws.log_p(&s.draws.taken, logits(b), self.stop);
            (log_p - s.log_propensity).exp()
        };
        let w: Vec<f64> = batch.iter().enumerate().map(weight).collect();
        let cut: Vec<f64> = w.iter().map(|w| w.min(config.clip)).collect();
        let residual = |s: &Sample<'_>| s.reward - s.model;
        let sum_w: f64 = cut.iter().sum();
        let sum: f64 = batch.iter().zip(&cut).map(|(s, w)| w * residual(s)).sum();
        let mut terms = Vec::with_capacity(batch.len());
        for (b, s) in batch.iter().enumerate() {
            let others = sum_w - cut[b];
            let lambda = if others > 1e-9 {
                (sum - cut[b] * residual(s)) / others
            } else {
                0.0
            };
            let mut slates = vec![(s.draws.taken.clone(), cut[b] * (residual(s) - lambda))];
            let mut value = cut[b] * residual(s);
            if let Some(q) = model {
                let drawn: Vec<_> = (0..config.draws)
                    .map(|_| s.draws.sample(logits(b), self.stop, rng))
                    .collect();
                let q: Vec<f64> = drawn
                    .iter()
                    .map(|taken| q(s.decision, &s.draws.slate(taken)))
                    .collect();
                let (m, sum) = (q.len() as f64, q.iter().sum::<f64>());
                value += sum / m;
                // q − mean of the others = (q − mean) · m / (m − 1)
                slates.extend(drawn.into_iter().zip(&q).map(|(taken, q)| {
                    let others = (sum - q) / (m - 1.0);
                    (taken, (q - others) / m)
                }));
            }
            terms.push(Terms {
                slates,
                weight: w[b],
                value,
            });
        }
        terms
    }

    /// −mean Σ weight · log π(slate), and its gradient: the weights are constants.
    fn climb(
        &self,
        batch: &[&Sample<'_>],
        mut forward: Forward,
        slates: &[Vec<(Vec<usize>, f64)>],
    ) -> (f64, Vec<f32>) {
        let n = batch.len().max(1) as f64;
        let mut d_logits = vec![0.0f32; forward.tape.scores.len()];
        let (mut d_stop, mut loss) = (0.0, 0.0);
        for (b, s) in batch.iter().enumerate() {
            let range = forward.at[b]..forward.at[b + 1];
            let logits = &forward.tape.scores[range.clone()];
            for (taken, weight) in &slates[b] {
                let into = (&mut d_logits[range.clone()], &mut d_stop);
                let by = -weight / n;
                let log_p = s.draws.add_gradient(taken, (logits, self.stop), by, into);
                loss += by * log_p;
            }
        }
        let grad = self.backward(&mut forward, &d_logits, d_stop);
        (loss, grad)
    }

    /// The metrics of [`train`].
    fn judge(
        &self,
        judged: &[&Sample<'_>],
        model: Option<RewardModel<'_>>,
        config: &IpsPgConfig,
        rng: &mut ChaCha8Rng,
    ) -> std::collections::BTreeMap<String, f64> {
        let mut terms = Vec::with_capacity(judged.len());
        for chunk in judged.chunks(256) {
            let forward = self.forward(chunk);
            terms.extend(self.terms(chunk, &forward, model, config, rng));
        }
        let n = judged.len().max(1) as f64;
        let cut: Vec<f64> = terms.iter().map(|t| t.weight.min(config.clip)).collect();
        let (sum, squares) = (
            cut.iter().sum::<f64>(),
            cut.iter().map(|w| w * w).sum::<f64>(),
        );
        let weighted: f64 = cut.iter().zip(judged).map(|(w, s)| w * s.reward).sum();
        let clipped = terms.iter().filter(|t| t.weight > config.clip).count() as f64;
        let value_dr = terms.iter().map(|t| t.value).sum::<f64>() / n;
        common::metrics([
            (
                "value_logged",
                judged.iter().map(|s| s.reward).sum::<f64>() / n,
            ),
            ("value_ips", weighted / n),
            ("value_snips", weighted / f64::max(sum, 1e-12)),
            ("value_dr", value_dr),
            ("n_eff", sum * sum / f64::max(squares, 1e-12)),
            ("clipped", clipped / n),
            ("loss", -value_dr),
        ])
    }
}

/// By how much the self-normalised estimate of the value falls when one feature is shuffled.
fn importance(
    data: &Dataset,
    policy: &Policy,
    judged: &[&Sample<'_>],
    config: &IpsPgConfig,
) -> Vec<(String, f64)> {
    let judged = &judged[..judged.len().min(IMPORTANCE)];
    let forward = policy.forward(judged);
    let names = &data.schema.features;
    common::importance(names, &forward.rows, config.train.seed, |rows| {
        let scores = policy.net.scores(rows);
        let (mut sum, mut weighted) = (0.0, 0.0);
        for (s, at) in judged.iter().zip(forward.at.windows(2)) {
            let log_p = s
                .draws
                .log_p(&s.draws.taken, &scores[at[0]..at[1]], policy.stop);
            let w = (log_p - s.log_propensity).exp().min(config.clip);
            sum += w;
            weighted += w * s.reward;
        }
        -weighted / f64::max(sum, 1e-12)
    })
}
