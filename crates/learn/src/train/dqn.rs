//! `dqn`: double Q-learning over the picks of a slate, conservative.
//!
//! A slate is made pick by pick: in state s (what was picked so far, what is left of the budget) an action a shows
//! one more cell that fits, or stops. Showing
//! costs the price of its tokens; stopping pays the reward of the decision; nothing is discounted. From logged picks
//! (s, a, r, s') with the options A(s):
//!
//! ```text
//! y    = r + Q⁻(s', argmax_{a' ∈ A(s')} Q(s', a'))            y = r after STOP          (van Hasselt, Guez & Silver 2016, eq. 4)
//!
//! loss = H(Q(s, a) − y) + α [ ln Σ_{a' ∈ A(s)} exp Q(s, a') − Q(s, a) ]                  (Kumar et al. 2020, CQL(H), eq. 4)
//! ```
//!
//! Q⁻ is a copy of Q that is renewed now and then (Mnih et al. 2015), H is Huber's loss with δ = 1. The second term
//! pushes down what was never tried: without it,
//! the maximum in y believes every overestimate of an action that the log cannot contradict.
//!
//! Q(s, a) is one network over [features of a, STOP?, share of the room left, number of picks / 8, mean features of
//! the picks], all features standardised; a hidden layer lets the worth
//! of a cell depend on what was picked before.
//!
//! Two policies come of it. [`QPolicy::slate`] is the greedy policy of Q: it picks, looks again, picks. [`Trained`]
//! holds Q at the empty slate, a network over the features of
//! a cell alone, so that it can be deployed, drawn from and evaluated like all others; it does not look again, and
//! where the order of picks is
//! indifferent (with room for both, Q says the same of either first) its order is only as good as the log's habit. It
//! may not know propensities.

use std::collections::BTreeMap;

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::common::{self, Steps, Weights};
use super::{Counts, Draws, Hooks, TrainConfig, TrainError, Trained, check};
use crate::{
    data::{Dataset, Logged},
    net::{Net, Standard, Tape},
};

/// The name of the trainer.
pub const ALGO: &str = "dqn";
/// Fewest decisions with an outcome.
pub const NEED: u64 = 20;
/// What the input holds beside the features of the cell and those of the picks: STOP, room, count.
const BESIDE: usize = 3;
/// Decisions that importance and the loss on kept-apart data are measured on, at most.
const JUDGED: usize = 2_000;

/// Settings of [`train`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DqnConfig {
    /// What trainers share. A pass looks at one random pick of each decision, so `epochs` × decisions / `batch`
    /// gradient steps are made.
    pub train: TrainConfig,
    /// Weight α of the conservative term, at least 0.
    pub alpha: f64,
    /// How often Q⁻ is renewed in the whole training, at least 1. News travels one pick per renewal, so more than
    /// picks in a slate.
    pub syncs: u32,
    /// Price of 1,000 tokens, in units of reward, at least 0. 0 where the reward has a price of its own.
    pub token_price: f64,
}

impl Default for DqnConfig {
    fn default() -> Self {
        Self {
            train: TrainConfig {
                hidden: 32,
                ..TrainConfig::default()
            },
            alpha: 0.1,
            syncs: 50,
            token_price: 0.0,
        }
    }
}

/// One step of a decision process, with its options as rows of inputs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transition {
    /// One row per option in s.
    pub options: Vec<f32>,
    /// The option that was taken.
    pub taken: usize,
    /// r.
    pub reward: f32,
    /// One row per option in s'; empty: it is over.
    pub next: Vec<f32>,
}

/// Q and Q⁻.
#[derive(Debug, Clone, PartialEq)]
pub struct Learner {
    /// Q.
    pub net: Net,
    /// Q⁻.
    pub target: Net,
    /// α.
    pub alpha: f64,
}

impl Learner {
    /// Starts with Q⁻ = Q.
    pub fn new(net: Net, alpha: f64) -> Self {
        let target = net.clone();
        Self { net, target, alpha }
    }

    /// Renews Q⁻.
    pub fn sync(&mut self) {
        self.target.params.copy_from_slice(&self.net.params);
    }

    /// The mean loss of some transitions, and its gradient with respect to the parameters of Q (y is a constant).
    pub fn loss(&self, batch: &[Transition]) -> (f64, Vec<f32>) {
        let width = self.net.inputs().max(1);
        let rows = |of: fn(&Transition) -> &Vec<f32>| -> Vec<f32> {
            batch.iter().flat_map(|t| of(t).iter().copied()).collect()
        };
        let (now, later) = (rows(|t| &t.options), rows(|t| &t.next));
        let (q_next, q_target) = (self.net.scores(&later), self.target.scores(&later));
        let mut tape = Tape::default();
        self.net.forward(&now, &mut tape);
        let mut d = vec![0.0f32; tape.scores.len()];
        let (mut at, mut at_next, mut loss) = (0, 0, 0.0);
        let share = 1.0 / batch.len().max(1) as f64;
        for t in batch {
            let (n, m) = (t.options.len() / width, t.next.len() / width);
            let q = &tape.scores[at..at + n];
            let next = at_next..at_next + m;
            // The online network chooses, the other one says what the choice is worth.
            let best = next
                .clone()
                .reduce(|a, b| if q_next[b] > q_next[a] { b } else { a });
            let y = f64::from(t.reward) + best.map_or(0.0, |b| f64::from(q_target[b]));
            let error = f64::from(q[t.taken]) - y;
            let huber = if error.abs() <= 1.0 {
                0.5 * error * error
            } else {
                error.abs() - 0.5
            };
            d[at + t.taken] += (share * error.clamp(-1.0, 1.0)) as f32;
            loss += share * huber;
            if self.alpha > 0.0 {
                let top = q.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f64 = q.iter().map(|q| f64::from(q - top).exp()).sum();
                let gap = f64::from(top) + sum.ln() - f64::from(q[t.taken]);
                loss += share * self.alpha * gap;
                let by = share * self.alpha;
                for (d, q) in d[at..at + n].iter_mut().zip(q) {
                    *d += (by * f64::from(q - top).exp() / sum) as f32;
                }
                d[at + t.taken] -= by as f32;
            }
            (at, at_next) = (at + n, at_next + m);
        }
        let mut grad = vec![0.0; self.net.params.len()];
        self.net.backward(&now, &mut tape, &d, &mut grad);
        (loss, grad)
    }
}

/// The greedy policy of Q, pick by pick.
#[derive(Debug, Clone, PartialEq)]
pub struct QPolicy {
    /// Q over the inputs of the module's documentation.
    pub net: Net,
    /// How features are standardised.
    pub standard: Standard,
}

impl QPolicy {
    /// The slate for a decision: indices of candidates, critical ones as they were shown, then pick by pick what Q
    /// prefers, until that is STOP.
    /// `None` where [`Draws::of`] is.
    pub fn slate(&self, decision: &Logged) -> Option<Vec<usize>> {
        let draws = Draws::of(decision)?;
        let features = standardised(decision, &draws, &self.standard);
        let mut taken = Vec::new();
        loop {
            let state = State::of(&draws, &features, &taken, self.standard.mean.len());
            let mut rows = Vec::new();
            state.rows(&features, &mut rows);
            let q = self.net.scores(&rows);
            let best = (0..q.len()).reduce(|a, b| if q[b] > q[a] { b } else { a });
            match best.and_then(|b| state.open.get(b)) {
                Some(&k) => taken.push(k),
                None => return Some(draws.slate(&taken)),
            }
        }
    }
}

/// What a training leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// Q at the empty slate: a network over the features of a cell.
    pub trained: Trained,
    /// The policy that looks again after each pick.
    pub policy: QPolicy,
}

/// The standardised features of the soft cells.
fn standardised(decision: &Logged, draws: &Draws, standard: &Standard) -> Vec<f32> {
    let width = standard.mean.len();
    let mut rows = Vec::with_capacity(draws.soft.len() * width);
    for &i in &draws.soft {
        standard.apply(decision.row(i, width), &mut rows);
    }
    rows
}

/// Width of an input row for this many features.
const fn inputs(width: usize) -> usize {
    2 * width + BESIDE
}

/// A state: what can be picked, and what is the same for all options.
struct State {
    open: Vec<usize>,
    width: usize,
    /// Share of the room left, number of picks / 8, mean features of the picks.
    tail: Vec<f32>,
}

impl State {
    /// After these picks. `features` are those of the soft cells.
    fn of(draws: &Draws, features: &[f32], taken: &[usize], width: usize) -> Self {
        let mut tail = vec![0.0; 2 + width];
        (tail[0], tail[1]) = (draws.room_share(taken), taken.len() as f32 / 8.0);
        for &k in taken {
            for (m, x) in tail[2..].iter_mut().zip(&features[k * width..]) {
                *m += x / taken.len() as f32;
            }
        }
        Self {
            open: draws.open(taken),
            width,
            tail,
        }
    }

    /// Appends one row per option; STOP is the last.
    fn rows(&self, features: &[f32], out: &mut Vec<f32>) {
        out.reserve((self.open.len() + 1) * inputs(self.width));
        for &k in &self.open {
            out.extend_from_slice(&features[k * self.width..(k + 1) * self.width]);
            out.push(0.0);
            out.extend_from_slice(&self.tail);
        }
        out.resize(out.len() + self.width, 0.0);
        out.push(1.0);
        out.extend_from_slice(&self.tail);
    }
}

/// A decision that can be learned from.
struct Sample<'a> {
    decision: &'a Logged,
    draws: Draws,
    reward: f64,
}

impl Sample<'_> {
    /// The transition of pick `t`: after `t` picks, the next one, or STOP after the last.
    fn transition(&self, features: &[f32], t: usize, width: usize, price: f64) -> Transition {
        let taken = &self.draws.taken;
        let state = State::of(&self.draws, features, &taken[..t], width);
        let mut made = Transition::default();
        state.rows(features, &mut made.options);
        if let Some(k) = taken.get(t) {
            // A logged pick was open: the draws were checked when they were read.
            made.taken = state.open.binary_search(k).unwrap_or(state.open.len());
            let cost = self.decision.items[self.draws.soft[*k]].cost;
            made.reward = (-price * f64::from(cost) / 1000.0) as f32;
            let next = State::of(&self.draws, features, &taken[..=t], width);
            next.rows(features, &mut made.next);
        } else {
            made.taken = state.open.len();
            made.reward = self.reward as f32;
        }
        made
    }
}

/// Trains on a log with rewards. Propensities are not needed; α says how far it may stray from what was done.
///
/// Metrics: `loss` (last pass), `validation_loss` (of one random pick of each kept-apart decision, with Q⁻ = Q), `td`
/// (mean |Q − y| there), `q_start` (mean over them of the largest
/// Q at the empty slate: what the policy believes it gets), `value_logged` (what was got), `steps`.
pub fn train(
    data: &Dataset,
    config: &DqnConfig,
    hooks: &mut Hooks<'_>,
) -> Result<Learned, TrainError> {
    check_config(config)?;
    let (samples, skipped) = samples(data)?;
    let index: Vec<usize> = samples.keys().copied().collect();
    let (learn, apart) = common::sides(data, &index, &config.train);
    let learn = if learn.is_empty() { index } else { learn };
    let width = data.schema.width();
    let rows = learn.iter().flat_map(|i| {
        let s = &samples[i];
        s.draws.soft.iter().map(|&k| s.decision.row(k, width))
    });
    let standard = Standard::of(rows, width);
    let net = Net::new(inputs(width), config.train.hidden, config.train.seed);
    let mut weights = Weights::new(net.params.clone());
    let mut learner = Learner::new(net, config.alpha);
    let print = common::fingerprint(ALGO, config, data);
    let (mut epoch, mut done, mut loss) = (0, 0, f64::NAN);
    if let Some(from) = common::resume(hooks, ALGO, &print)? {
        (epoch, done) = weights.restore(&from)?;
        learner.net.params.copy_from_slice(&weights.params);
        learner.target.params = common::vector(&from, "target", weights.params.len())?;
        loss = common::number(&from, "loss")?;
    }
    let batches = learn.len().div_ceil(config.train.batch) as u64;
    let mut steps = Steps::new(done, batches * u64::from(config.train.epochs));
    let every = (steps.total / u64::from(config.syncs)).max(1);
    let mut batch = Vec::with_capacity(config.train.batch);
    while epoch < config.train.epochs {
        let mut rng = common::pass_rng(config.train.seed, epoch);
        let mut sum = 0.0;
        for chunk in common::shuffled(&learn, &mut rng).chunks(config.train.batch) {
            batch.clear();
            for i in chunk {
                let s = &samples[i];
                let features = standardised(s.decision, &s.draws, &standard);
                let t = rng.random_range(0..=s.draws.taken.len());
                batch.push(s.transition(&features, t, width, config.token_price));
            }
            let (of_batch, grad) = learner.loss(&batch);
            weights.step(&grad, &config.train);
            if !weights.is_finite() {
                return Err(TrainError::Diverged { steps: steps.done });
            }
            learner.net.params.copy_from_slice(&weights.params);
            sum += of_batch;
            steps.step(of_batch, hooks)?;
            if steps.done.is_multiple_of(every) {
                learner.sync();
            }
        }
        epoch += 1;
        loss = sum / batches as f64;
        let mut state = weights.checkpoint(ALGO, &print, epoch, steps.done);
        let target = learner.target.params.clone();
        state.vectors.insert("target".to_owned(), target);
        state.numbers.insert("loss".to_owned(), loss);
        (hooks.checkpoint)(&state);
    }
    learner.sync();
    let judged = if apart.is_empty() { &learn } else { &apart };
    let judged: Vec<&Sample<'_>> = judged.iter().take(JUDGED).map(|i| &samples[i]).collect();
    let policy = QPolicy {
        net: learner.net.clone(),
        standard,
    };
    let mut metrics = judge(&learner, &policy, &judged, config);
    metrics.insert("loss".to_owned(), loss);
    metrics.insert("steps".to_owned(), steps.done as f64);
    let importance = importance(data, &learner, &policy, &judged, config);
    let (net, stop) = at_the_empty_slate(&policy.net, width);
    let counts = Counts {
        decisions: learn.len() as u64,
        trajectories: common::trajectories(data, &learn),
        validation: apart.len() as u64,
        skipped,
    };
    Ok(Learned {
        trained: Trained {
            algo: ALGO.to_owned(),
            schema: data.schema.clone(),
            standard: policy.standard.clone(),
            net,
            stop: Some(stop),
            counts,
            metrics,
            importance,
        },
        policy,
    })
}

fn check_config(config: &DqnConfig) -> Result<(), TrainError> {
    check::config(&config.train)?;
    let alpha = config.alpha.is_finite() && config.alpha >= 0.0;
    common::require("alpha", &config.alpha, alpha, "at least 0")?;
    common::require("syncs", &config.syncs, config.syncs >= 1, "at least 1")?;
    let price = config.token_price.is_finite() && config.token_price >= 0.0;
    common::require("token_price", &config.token_price, price, "at least 0")
}

/// The decisions that say something, by index, and the number of the others.
fn samples(data: &Dataset) -> Result<(BTreeMap<usize, Sample<'_>>, u64), TrainError> {
    let (mut samples, mut mute, mut foreign) = (BTreeMap::new(), 0u64, 0u64);
    for (i, decision) in data.decisions.iter().enumerate() {
        check::decision(data, decision)?;
        match (decision.reward, Draws::of(decision)) {
            (Some(reward), Some(draws)) if !draws.soft.is_empty() => {
                let sample = Sample {
                    decision,
                    draws,
                    reward,
                };
                samples.insert(i, sample);
            }
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
            why: format!("; {mute} have no outcome, {foreign} nothing to pick"),
        });
    }
    let mut rewards = samples.values().map(|s| s.reward);
    let first = rewards.next().unwrap_or_default();
    if rewards.all(|r| r.total_cmp(&first).is_eq()) {
        return Err(TrainError::NoVariation {
            n: have,
            value: first,
        });
    }
    Ok((samples, mute + foreign))
}

/// Q at the empty slate as a network over the features of a cell (there nothing was picked and all room is left, so
/// what the other inputs add is a
/// constant), and Q of STOP there.
fn at_the_empty_slate(net: &Net, width: usize) -> (Net, f32) {
    let (n, h) = (net.inputs(), net.hidden());
    let (weights, rest) = net.params.split_at(n * h);
    let (b, rest) = rest.split_at(h);
    let (v, rest) = rest.split_at(h);
    let (w, c) = rest.split_at(n);
    let room = width + 1;
    let mut params = Vec::with_capacity(Net::size(width, h));
    let units = || weights.chunks_exact(n);
    params.extend(units().flat_map(|unit| &unit[..width]));
    params.extend(units().zip(b).map(|(unit, b)| b + unit[room]));
    params.extend(v);
    params.extend(&w[..width]);
    params.push(c[0] + w[room]);
    let mut stop = vec![0.0; n];
    (stop[width], stop[room]) = (1.0, 1.0);
    let stop = net.scores(&stop)[0];
    // The number of parameters is that of the shape.
    let folded = Net::from_params(width, h, params).unwrap_or_else(|| Net::linear(width));
    (folded, stop)
}

/// One random pick of each decision; always the same ones.
fn picks(judged: &[&Sample<'_>], features: &[Vec<f32>], config: &DqnConfig) -> Vec<Transition> {
    let mut rng = common::pass_rng(config.train.seed, u32::MAX - 1);
    let made = judged.iter().zip(features).map(|(s, features)| {
        let width = features.len() / s.draws.soft.len().max(1);
        let t = rng.random_range(0..=s.draws.taken.len());
        s.transition(features, t, width, config.token_price)
    });
    made.collect()
}

/// The metrics of [`train`] on kept-apart decisions.
fn judge(
    learner: &Learner,
    policy: &QPolicy,
    judged: &[&Sample<'_>],
    config: &DqnConfig,
) -> BTreeMap<String, f64> {
    let features: Vec<_> = (judged.iter())
        .map(|s| standardised(s.decision, &s.draws, &policy.standard))
        .collect();
    let transitions = picks(judged, &features, config);
    let n = judged.len().max(1) as f64;
    let plain = Learner {
        alpha: 0.0,
        ..learner.clone()
    };
    let (mut td, mut start) = (0.0, 0.0);
    for t in &transitions {
        // Huber's loss of one transition, turned back into its |error|.
        let (huber, _) = plain.loss(std::slice::from_ref(t));
        td += if huber <= 0.5 {
            (2.0 * huber).sqrt()
        } else {
            huber + 0.5
        };
    }
    for (s, features) in judged.iter().zip(&features) {
        let mut rows = Vec::new();
        State::of(&s.draws, features, &[], policy.standard.mean.len()).rows(features, &mut rows);
        let q = policy.net.scores(&rows);
        start += f64::from(q.into_iter().fold(f32::NEG_INFINITY, f32::max));
    }
    common::metrics([
        ("validation_loss", learner.loss(&transitions).0),
        ("td", td / n),
        ("q_start", start / n),
        (
            "value_logged",
            judged.iter().map(|s| s.reward).sum::<f64>() / n,
        ),
    ])
}

/// By how much the loss rises when one feature is shuffled among all cells.
fn importance(
    data: &Dataset,
    learner: &Learner,
    policy: &QPolicy,
    judged: &[&Sample<'_>],
    config: &DqnConfig,
) -> Vec<(String, f64)> {
    let judged = &judged[..judged.len().min(JUDGED / 8)];
    let rows: Vec<f32> = (judged.iter())
        .flat_map(|s| standardised(s.decision, &s.draws, &policy.standard))
        .collect();
    let names = &data.schema.features;
    common::importance(names, &rows, config.train.seed, |rows| {
        let mut rest = rows;
        let features: Vec<Vec<f32>> = (judged.iter())
            .map(|s| {
                let (own, others) = rest.split_at(s.draws.soft.len() * names.len());
                rest = others;
                own.to_vec()
            })
            .collect();
        learner.loss(&picks(judged, &features, config)).0
    })
}
