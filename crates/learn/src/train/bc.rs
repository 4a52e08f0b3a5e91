//! `bc`: behaviour cloning, the maximum-likelihood policy of the slates that were shown.
//!
//! A slate `(a₁, …, a_T)` under the Plackett–Luce policy with STOP and budget mask has the log-probability
//!
//! ```text
//! ln P = Σ_t [ s_{a_t} − ln D_t ] + [ s_stop − ln D_{T+1} ]      D_t = e^{s_stop} + Σ_{j ∈ F_t} e^{sⱼ}
//! ```
//!
//! where `F_t` are the soft candidates that are not drawn yet and still fit the budget before draw t, and the last
//! term is there only while something still fits (STOP is certain otherwise). The loss is −ln P, with
//!
//! ```text
//! ∂(−ln P)/∂s_k = Σ_{t : k ∈ F_t} e^{s_k} / D_t − 1[k was drawn]        (STOP likewise)
//! ```
//!
//! Plackett (1975), Luce (1959); as a likelihood for learning to rank, Xia et al. 2008 (`ListMLE`), section 4.2. The logits are those
//! of temperature 1: the temperature of the log is learned with them. What is not the policy's choice is no part of the
//! likelihood: masked candidates, critical cells (placed first with certainty) and cells that the hold-out
//! withheld (whose room stays taken).
//!
//! It imitates: at best it is as good as what acted. Use it to distil a slow or random policy, or, with weights
//! ([`train_weighted`], e.g. by success), to imitate only what worked (reward-weighted regression: Peters & Schaal 2007, equation
//! 12).

use std::borrow::Cow;

use super::importance::{Shuffle, permutation};
use super::loops::{Model, Objective, Plan, Pull, fit};
use super::{Hooks, TrainConfig, TrainError, Trained, check, prepare};
use crate::data::{Dataset, Logged};
use crate::net::{Net, Standard};
use crate::select::Room;

/// The trainer's name.
pub const ALGO: &str = "bc";
/// Decisions that it takes at least.
pub const NEED: u64 = 20;
/// Steps that it makes at least: in small logs this takes more passes than [`TrainConfig::epochs`].
const STEPS: usize = 1500;

/// Settings that suit it.
pub fn config() -> TrainConfig {
    TrainConfig {
        epochs: 10,
        batch: 128,
        learning_rate: 1e-2,
        decay: 1e-5,
        ..TrainConfig::default()
    }
}

/// One decision: who could be drawn, and who was. Features are borrowed from the log and standardised on the way.
struct Example<'a> {
    rows: Cow<'a, [f32]>,
    /// (candidate, cost) of those that could be drawn at all.
    soft: Cow<'a, [(u32, u32)]>,
    /// Positions in `soft` of what was drawn, in order.
    drawn: Cow<'a, [u32]>,
    room: Room,
    weight: f64,
}

/// The loss of the module's documentation, times the weight of the decision.
struct Likelihood<'a> {
    examples: Vec<Example<'a>>,
    standard: &'a Standard,
}

impl Objective for Likelihood<'_> {
    fn examples(&self) -> usize {
        self.examples.len()
    }

    fn standard(&self) -> Option<&Standard> {
        Some(self.standard)
    }

    fn rows(&self, example: usize) -> &[f32] {
        &self.examples[example].rows
    }

    fn loss(
        &self,
        example: usize,
        scores: &[f32],
        extra: &[f32],
        d_scores: &mut [f32],
        d_extra: &mut [f32],
    ) -> f64 {
        let e = &self.examples[example];
        let s_stop = f64::from(extra[0]);
        let z: Vec<f64> = (e.soft.iter())
            .map(|(i, _)| f64::from(scores[*i as usize]))
            .collect();
        let mut open: Vec<usize> = (0..z.len()).collect();
        let mut pull = vec![0.0; z.len()];
        let (mut loss, mut d_stop) = (0.0, 0.0);
        let mut room = e.room;
        let mut p = Vec::with_capacity(z.len());
        for t in 0..=e.drawn.len() {
            open.retain(|&k| room.fits(e.soft[k].1));
            if open.is_empty() {
                break;
            }
            let top = open.iter().map(|&k| z[k]).fold(s_stop, f64::max);
            p.clear();
            p.extend(open.iter().map(|&k| (z[k] - top).exp()));
            let stop = (s_stop - top).exp();
            let sum = stop + p.iter().sum::<f64>();
            for (&k, p) in open.iter().zip(&p) {
                pull[k] += p / sum;
            }
            d_stop += stop / sum;
            let log_sum = top + sum.ln();
            if let Some(&k) = e.drawn.get(t) {
                let k = k as usize;
                loss += log_sum - z[k];
                pull[k] -= 1.0;
                room.take(e.soft[k].1, false);
                open.retain(|&j| j != k);
            } else {
                loss += log_sum - s_stop;
                d_stop -= 1.0;
            }
        }
        for ((i, _), pull) in e.soft.iter().zip(pull) {
            d_scores[*i as usize] = (e.weight * pull) as f32;
        }
        d_extra[0] += (e.weight * d_stop) as f32;
        e.weight * loss
    }
}

impl Shuffle for Likelihood<'_> {
    fn subset(&self, examples: &[u32]) -> Self {
        let own = |i: &u32| {
            let e = &self.examples[*i as usize];
            Example {
                rows: Cow::Owned(e.rows.to_vec()),
                soft: Cow::Owned(e.soft.to_vec()),
                drawn: Cow::Owned(e.drawn.to_vec()),
                ..*e
            }
        };
        Self {
            examples: examples.iter().map(own).collect(),
            standard: self.standard,
        }
    }

    fn pieces(&mut self) -> Vec<&mut [f32]> {
        (self.examples.iter_mut())
            .map(|e| e.rows.to_mut().as_mut_slice())
            .collect()
    }
}

/// A decision as an example, and whether STOP was chosen although something fitted; `None` when nothing could be chosen, or
/// when the slate is impossible under the budget that was logged.
fn example(d: &Logged, weight: f64) -> Option<(Example<'_>, bool)> {
    let mut room = Room::of(&d.context);
    let mut drawn = Vec::new();
    let mut soft = Vec::with_capacity(d.items.len());
    let mut place = vec![None; d.items.len()];
    for (i, item) in d.items.iter().enumerate() {
        if !(item.masked || item.critical || item.held_out) {
            place[i] = Some(soft.len() as u32);
            soft.push((i as u32, item.cost));
        }
    }
    for &i in &d.slate {
        let item = &d.items[i as usize];
        if item.critical && !room.take(item.cost, true) {
            return None;
        }
    }
    // What was withheld was not replaced, so its room was not free.
    if (d.items.iter()).any(|item| item.held_out && !room.take(item.cost, item.critical)) {
        return None;
    }
    let start = room;
    let any = soft.iter().any(|(_, cost)| room.fits(*cost));
    for &i in d.slate.iter().filter(|i| !d.items[**i as usize].critical) {
        drawn.push(place[i as usize]?);
        if !room.take(d.items[i as usize].cost, false) {
            return None;
        }
    }
    let left = (0..soft.len()).filter(|k| !drawn.contains(&(*k as u32)));
    let stopped = left.into_iter().any(|k| room.fits(soft[k].1));
    let example = Example {
        rows: Cow::Borrowed(&d.features),
        soft: Cow::Owned(soft),
        drawn: Cow::Owned(drawn),
        room: start,
        weight,
    };
    any.then_some((example, stopped))
}

/// Fits all logged slates with weight 1.
pub fn train(
    data: &Dataset,
    config: &TrainConfig,
    hooks: &mut Hooks<'_>,
) -> Result<Trained, TrainError> {
    train_weighted(data, config, &vec![1.0; data.decisions.len()], hooks)
}

/// Fits logged slates with these weights, one per decision, finite and at least 0; decisions of weight 0 are skipped.
///
/// [`Trained::stop`] is the logit of STOP where it was ever chosen although something fitted, else `None`: a log of policies that
/// fill the budget teaches one that fills the budget.
///
/// Metrics: `loss` and `validation_loss` (per decision, in nats, times its weight), `validation_loss_start` (of a
/// uniform policy), `epochs`, `stopped` (share of decisions that chose STOP).
pub fn train_weighted(
    data: &Dataset,
    config: &TrainConfig,
    weights: &[f64],
    hooks: &mut Hooks<'_>,
) -> Result<Trained, TrainError> {
    check::config(config)?;
    prepare::checked(data)?;
    if weights.len() != data.decisions.len() {
        return Err(TrainError::BadConfig {
            field: "weights",
            value: format!("{} numbers", weights.len()),
            wanted: "one per decision",
        });
    }
    let bad = |w: &f64| !(w.is_finite() && *w >= 0.0);
    if let Some(at) = weights.iter().position(bad) {
        return Err(TrainError::BadNumber {
            decision: data.decisions[at].id.to_string(),
            what: format!("its weight is {}", weights[at]),
        });
    }
    let standard = prepare::standard(data);
    let (mut examples, mut trajectory) = (Vec::new(), Vec::new());
    let mut stopped = 0;
    for (d, &weight) in data.decisions.iter().zip(weights) {
        if weight > 0.0
            && let Some((e, stop)) = example(d, weight)
        {
            examples.push(e);
            trajectory.push(d.trajectory);
            stopped += u64::from(stop);
        }
    }
    let why = "nothing to choose, a slate that does not fit its budget, or no weight";
    prepare::enough(ALGO, NEED, examples.len(), data, why)?;
    let n = examples.len();
    let folds = prepare::one_fold(ALGO, data, &trajectory, config)?;
    let net = Net::new(data.schema.width(), config.hidden, config.seed);
    let mut pull = vec![Pull::Toward(0.0); net.params.len()];
    pull.push(Pull::Free);
    // Without a choice of STOP in the log its best logit is −∞; −20 is as good and finite.
    let start_stop = if stopped > 0 { 0.0 } else { -20.0 };
    let plan = Plan {
        algo: ALGO,
        config,
        fingerprint: prepare::fingerprint(ALGO, data, config, weights),
        start: Model {
            net,
            extra: vec![start_stop],
        },
        pull,
        strengths: vec![config.decay],
        epochs: prepare::epochs(config, n, STEPS),
        fold: folds.of,
        folds: folds.n,
    };
    let problem = Likelihood {
        examples,
        standard: &standard,
    };
    let found = fit(&plan, &problem, hooks)?;
    let importance = permutation(
        &problem,
        &found.model,
        &found.fold_models,
        &plan.fold,
        &data.schema.features,
        config.seed,
    );
    let mut metrics = prepare::metrics(&found);
    metrics.insert("stopped".to_owned(), stopped as f64 / n as f64);
    let skipped = (data.decisions.len() - n) as u64;
    let counts = prepare::counts(&plan, &trajectory, skipped);
    drop(problem);
    Ok(Trained {
        algo: ALGO.to_owned(),
        schema: data.schema.clone(),
        standard,
        net: found.model.net,
        stop: (stopped > 0).then(|| found.model.extra[0]),
        counts,
        metrics,
        importance,
    })
}

#[cfg(test)]
mod tests {
    use super::super::loops::tests::gradient_is_right;
    use super::*;
    use crate::explore::plackett_luce::PlackettLuce;
    use crate::{Candidate, Context, Ranking, Scored};
    use memrl_types::{CellId, CellType, Mode};
    use rand::{Rng, SeedableRng};

    /// Seven candidates and their rows of width 3.
    fn problem(seed: u64) -> (Context, Vec<Candidate>, Vec<f32>) {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut ctx = Context::with_budget(rng.random_range(3..14));
        ctx.max_items = rng.random_range(1..6);
        let candidates: Vec<Candidate> = (0..7u8)
            .map(|k| {
                let mut c = Candidate::new(CellId::from_random([k; 16]), CellType::Fact);
                c.cost = rng.random_range(1..5);
                c
            })
            .collect();
        let rows = (0..7 * 3).map(|_| rng.random_range(-1.0..1.0)).collect();
        (ctx, candidates, rows)
    }

    #[test]
    fn the_loss_is_that_of_the_distribution_that_draws_slates_and_its_gradient_is_right() {
        let standard = Standard::identity(3);
        for seed in 0..20 {
            let (ctx, candidates, rows) = problem(seed);
            let costs = candidates.iter().enumerate();
            let soft: Vec<(u32, u32)> = costs.map(|(i, c)| (i as u32, c.cost)).collect();
            let mut net = Net::linear(3);
            net.params.copy_from_slice(&[0.8, -0.5, 0.3, 0.1]);
            let order = (net.scores(&rows).iter().enumerate())
                .map(|(index, s)| Scored {
                    index,
                    score: 0.0,
                    logit: f64::from(*s),
                    mode: Mode::Context,
                    reason: String::new(),
                })
                .collect();
            let ranking = Ranking::new(&candidates, order);
            let pl = PlackettLuce::new(&ctx, &candidates, &ranking, 0.25, 1.0);
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let (slate, steps) = pl.sample(&mut rng);
            let example = Example {
                rows: Cow::Owned(rows),
                soft: Cow::Owned(soft),
                drawn: slate.iter().map(|&i| i as u32).collect(),
                room: Room::of(&ctx),
                weight: 1.0,
            };
            let objective = Likelihood {
                examples: vec![example],
                standard: &standard,
            };
            let model = Model {
                net,
                extra: vec![0.25],
            };
            let loss = gradient_is_right(&objective, &model);
            assert!((loss + steps.total()).abs() < 1e-5, "{loss} {steps:?}");
        }
    }
}
