//! The loop that the trainers of this folder share: several models side by side, judged on what each has not seen.
//!
//! ```text
//! minimise over θ:   1/n Σᵢ loss(θ, example i) + ½ Σⱼ λ (θⱼ − θ⁰ⱼ)²
//! ```
//!
//! θ⁰ is where training starts; the second term is a Gaussian prior around it (ridge toward a starting point, with the
//! prior's precision λ n). The steps are Adam's, with a rate that falls linearly to a tenth.
//!
//! **Choosing how much to learn.** For each candidate strength λ, one model per fold is trained without that fold, and
//! one on everything; all advance one pass over the data at a time. After each pass the loss that the
//! fold models have on their own folds is added up, and the (λ, pass) where it is lowest wins; pass 0 is the starting
//! point itself. The model on everything is taken at that λ and pass (Stone 1974, "Cross-validatory choice"). With one
//! fold there is no model on everything: the one that has not seen the fold is the result. Training ends early when the
//! last 12 passes brought no new best.
//!
//! Everything is a function of data, settings and seed: the order of each pass is drawn from (seed, pass), and gradients
//! are added up over fixed chunks, so the number of threads changes nothing.

mod pass;
mod resume;

use std::ops::ControlFlow;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::pass::Pass;
use self::resume::{checkpoint, resume};
use super::{Hooks, Progress, TrainConfig, TrainError};
use crate::net::{Adam, Net, Standard, Tape};

/// Examples per chunk of a batch; the unit of work of a thread.
const CHUNK: usize = 16;
/// Batches between two reports of progress.
const REPORT: u64 = 16;
/// Passes without a new best after which training ends early.
const PATIENCE: u32 = 12;
/// Fewer multiplications than this in a batch are done faster by one thread.
const WORTH_THREADS: usize = 1 << 17;

/// What is being trained: the network and a few parameters beside it (the logit of STOP, of the base, ...).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Model {
    pub net: Net,
    pub extra: Vec<f32>,
}

impl Model {
    fn len(&self) -> usize {
        self.net.params.len() + self.extra.len()
    }

    /// All parameters as one vector.
    fn flat(&self) -> Vec<f32> {
        let mut all = self.net.params.clone();
        all.extend_from_slice(&self.extra);
        all
    }

    /// Sets all parameters.
    fn set(&mut self, flat: &[f32]) {
        let (net, extra) = flat.split_at(self.net.params.len());
        self.net.params.copy_from_slice(net);
        self.extra.copy_from_slice(extra);
    }
}

/// A loss over examples, each of which is some rows (candidates) that the network scores.
pub(super) trait Objective: Sync {
    /// Number of examples.
    fn examples(&self) -> usize;

    /// How rows are to be standardised; `None`: they are already.
    fn standard(&self) -> Option<&Standard>;

    /// The rows of an example, row by row.
    fn rows(&self, example: usize) -> &[f32];

    /// The loss of an example whose rows have these scores. Writes ∂loss/∂score to `d_scores` (zeros on entry) and
    /// adds ∂loss/∂extra to `d_extra`.
    fn loss(
        &self,
        example: usize,
        scores: &[f32],
        extra: &[f32],
        d_scores: &mut [f32],
        d_extra: &mut [f32],
    ) -> f64;
}

/// Buffers of a chunk of examples.
#[derive(Debug, Default)]
struct Work {
    rows: Vec<f32>,
    ends: Vec<usize>,
    d_scores: Vec<f32>,
    tape: Tape,
}

/// The summed loss of a chunk of examples, scored in one pass through the network; its gradient (net first, then
/// extra) is added to `grad`.
fn chunk_loss(
    objective: &impl Objective,
    model: &Model,
    chunk: &[u32],
    work: &mut Work,
    grad: Option<&mut [f32]>,
) -> f64 {
    let width = model.net.inputs().max(1);
    work.rows.clear();
    work.ends.clear();
    for &i in chunk {
        let rows = objective.rows(i as usize);
        match objective.standard() {
            Some(standard) => standard.apply(rows, &mut work.rows),
            None => work.rows.extend_from_slice(rows),
        }
        work.ends.push(work.rows.len() / width);
    }
    model.net.forward(&work.rows, &mut work.tape);
    work.d_scores.clear();
    work.d_scores.resize(work.tape.scores.len(), 0.0);
    let mut d_extra = vec![0.0; model.extra.len()];
    let (mut loss, mut from) = (0.0, 0);
    for (&i, &to) in chunk.iter().zip(&work.ends) {
        let scores = &work.tape.scores[from..to];
        let d_scores = &mut work.d_scores[from..to];
        loss += objective.loss(i as usize, scores, &model.extra, d_scores, &mut d_extra);
        from = to;
    }
    if let Some(grad) = grad {
        let (net, extra) = grad.split_at_mut(model.net.params.len());
        (model.net).backward(&work.rows, &mut work.tape, &work.d_scores, net);
        for (g, d) in extra.iter_mut().zip(d_extra) {
            *g += d;
        }
    }
    loss
}

/// How a parameter is held while it is learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pull {
    /// Not at all (biases and the like).
    Free,
    /// Toward 0, with this strength.
    Weak(f32),
    /// Toward this value, with the candidate strengths.
    Toward(f32),
}

/// How a fit goes.
pub(super) struct Plan<'a> {
    /// The trainer's name, for the checkpoint.
    pub algo: &'static str,
    pub config: &'a TrainConfig,
    /// Fingerprint of settings and data.
    pub fingerprint: String,
    /// Where training starts, and what the penalty pulls toward where `toward` says so.
    pub start: Model,
    /// How each parameter is held.
    pub pull: Vec<Pull>,
    /// Candidate strengths λ; infinite: what is pulled does not move.
    pub strengths: Vec<f32>,
    /// The fold of each example, below `folds`; `None`: an example that all models learn from (one fold only).
    pub fold: Vec<Option<usize>>,
    /// Passes over the data.
    pub epochs: u32,
    /// Number of folds. 0: nothing is kept apart, and the last pass wins.
    pub folds: usize,
}

/// What a fit found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fit {
    /// The model to use.
    pub model: Model,
    /// One model per fold that has not seen it, at the same strength and pass.
    pub fold_models: Vec<Model>,
    /// Passes that it learned for; 0: the starting point was better than all that was learned.
    pub epoch: u32,
    /// The chosen strength.
    pub strength: f32,
    /// Mean loss on what was kept apart: chosen, and of the starting point.
    pub held_out: Option<(f64, f64)>,
    /// Mean loss on what was learned from, in the last pass.
    pub loss: f64,
}

/// One model in training.
#[derive(Debug, Clone)]
struct Learner {
    model: Model,
    adam: Adam,
    /// Index of its strength.
    strength: usize,
    /// The fold that it must not see; `None`: it sees everything.
    without: Option<usize>,
}

/// Trains. See the module for what is done.
pub(super) fn fit(
    plan: &Plan<'_>,
    objective: &impl Objective,
    hooks: &mut Hooks<'_>,
) -> Result<Fit, TrainError> {
    let config = plan.config;
    let mut learners = learners(plan);
    let seen: Vec<Vec<u32>> = (learners.iter())
        .map(|l| {
            let keep = |i: &usize| l.without.is_none() || plan.fold[*i] != l.without;
            (0..objective.examples())
                .filter(keep)
                .map(|i| i as u32)
                .collect()
        })
        .collect();
    let batches = |s: &Vec<u32>| s.len().div_ceil(config.batch) as u64;
    let per_epoch: u64 = seen.iter().map(batches).sum();
    let count: f64 = seen.iter().map(|s| s.len() as f64).sum();
    let total = per_epoch * u64::from(plan.epochs);

    // To share out learners costs a few threads per pass, to share out batches as many per batch.
    let workers = threads(objective, &plan.start, count as usize / 16).min(learners.len());
    let threads = match workers {
        1 => threads(objective, &plan.start, config.batch),
        _ => 1,
    };

    // The starting point is the first candidate.
    let at_start = held_out(plan, objective, &learners, 0)?;
    let mut best = Best {
        models: group(&learners, 0),
        epoch: 0,
        strength: 0,
        loss: at_start,
    };
    let mut first = 0;
    let mut loss = f64::NAN;
    if let Some(checkpoint) = &hooks.resume {
        (first, loss) = resume(plan, checkpoint, &mut learners, &mut best)?;
    }
    let mut step = per_epoch * u64::from(first);
    for epoch in first..plan.epochs {
        if epoch >= best.epoch + PATIENCE && best.loss.is_some() {
            break;
        }
        let pass = Pass {
            plan,
            objective,
            epoch,
            threads,
            workers,
            begun: step,
            total,
        };
        let sum = pass.run(&mut learners, &seen, hooks.progress)?;
        step += per_epoch;
        loss = sum / f64::max(count, 1.0);
        let mut now = None;
        for strength in 0..plan.strengths.len() {
            let held = held_out(plan, objective, &learners, strength)?;
            let better = match (held, best.loss) {
                (Some(held), Some(best)) => held < best,
                _ => true,
            };
            if better {
                best = Best {
                    models: group(&learners, strength),
                    epoch: epoch + 1,
                    strength,
                    loss: held,
                };
            }
            now = match (now, held) {
                (Some(a), Some(b)) => Some(f64::min(a, b)),
                (a, b) => a.or(b),
            };
        }
        (hooks.checkpoint)(&checkpoint(plan, epoch + 1, loss, &learners, &best));
        let progress = Progress {
            step,
            total,
            loss,
            validation: now,
        };
        if (hooks.progress)(&progress) == ControlFlow::Break(()) {
            return Err(TrainError::Stopped { steps: step });
        }
    }
    let mut models = best.models;
    let model = models.pop().unwrap_or_else(|| plan.start.clone());
    if models.is_empty() && plan.folds == 1 {
        models.push(model.clone());
    }
    Ok(Fit {
        model,
        fold_models: models,
        epoch: best.epoch,
        strength: plan.strengths[best.strength],
        held_out: best.loss.zip(at_start),
        loss,
    })
}

/// The best so far.
#[derive(Debug, Clone, PartialEq)]
struct Best {
    /// The fold models, then the one to use.
    models: Vec<Model>,
    epoch: u32,
    strength: usize,
    loss: Option<f64>,
}

/// The models in training: for each strength one per fold, then (unless there is one fold only) the one on everything.
fn learners(plan: &Plan<'_>) -> Vec<Learner> {
    let mut all = Vec::new();
    for strength in 0..plan.strengths.len() {
        let folds = (0..plan.folds).map(Some);
        let whole = (plan.folds != 1).then_some(None);
        for without in folds.chain(whole) {
            all.push(Learner {
                model: plan.start.clone(),
                adam: Adam::new(plan.start.len()),
                strength,
                without,
            });
        }
    }
    all
}

/// Copies of the models of one strength.
fn group(learners: &[Learner], strength: usize) -> Vec<Model> {
    let of = learners.iter().filter(|l| l.strength == strength);
    of.map(|l| l.model.clone()).collect()
}

/// Mean loss of the fold models of one strength on what they have not seen; `None` when nothing is kept apart.
fn held_out(
    plan: &Plan<'_>,
    objective: &impl Objective,
    learners: &[Learner],
    strength: usize,
) -> Result<Option<f64>, TrainError> {
    let (mut sum, mut count) = (0.0, 0u32);
    for l in learners.iter().filter(|l| l.strength == strength) {
        let Some(fold) = l.without else { continue };
        let held: Vec<u32> = (0..objective.examples())
            .filter(|i| plan.fold[*i] == Some(fold))
            .map(|i| i as u32)
            .collect();
        sum += mean_loss(objective, &l.model, &held) * held.len() as f64;
        count += held.len() as u32;
    }
    if count == 0 {
        return Ok(None);
    }
    let mean = sum / f64::from(count);
    if mean.is_finite() {
        Ok(Some(mean))
    } else {
        let steps = learners.first().map_or(0, |l| l.adam.t);
        Err(TrainError::Diverged { steps })
    }
}

/// Mean loss over examples; 0 for none.
pub(super) fn mean_loss(objective: &impl Objective, model: &Model, examples: &[u32]) -> f64 {
    if examples.is_empty() {
        return 0.0;
    }
    let threads = threads(objective, model, examples.len());
    let sums = in_chunks(examples, 1024, threads, |chunk| {
        let mut work = Work::default();
        let each = chunk.chunks(CHUNK);
        let each = each.map(|c| chunk_loss(objective, model, c, &mut work, None));
        each.sum::<f64>()
    });
    sums.iter().sum::<f64>() / f64::max(examples.len() as f64, 1.0)
}

/// Adds up loss and gradient of a batch, over fixed chunks in their order.
fn gradient(
    objective: &impl Objective,
    model: &Model,
    batch: &[u32],
    threads: usize,
    grad: &mut [f32],
) -> f64 {
    let parts = in_chunks(batch, CHUNK, threads, |chunk| {
        let mut work = Work::default();
        let mut part = vec![0.0f32; model.len()];
        let loss = chunk_loss(objective, model, chunk, &mut work, Some(&mut part));
        (loss, part)
    });
    let mut sum = 0.0;
    for (loss, part) in parts {
        sum += loss;
        for (g, p) in grad.iter_mut().zip(part) {
            *g += p;
        }
    }
    sum
}

/// Threads for this many examples: one where the work is small, and never more than help.
fn threads(objective: &impl Objective, model: &Model, examples: usize) -> usize {
    let known = objective.examples();
    let (first, middle) = (objective.rows(0).len(), objective.rows(known / 2).len());
    let each = first.max(middle) * (1 + model.net.hidden());
    if each.saturating_mul(examples) < WORTH_THREADS {
        return 1;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.min(8)
}

/// `f` of each chunk, in the order of the chunks, whoever computed it.
fn in_chunks<T: Send>(
    examples: &[u32],
    size: usize,
    threads: usize,
    f: impl Fn(&[u32]) -> T + Sync,
) -> Vec<T> {
    let chunks: Vec<&[u32]> = examples.chunks(size).collect();
    if threads <= 1 || chunks.len() <= 1 {
        return chunks.into_iter().map(f).collect();
    }
    let share = chunks.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let mut shares = chunks.chunks(share);
        // The first share is for this thread.
        let mine = shares.next().unwrap_or_default();
        let others: Vec<_> = shares
            .map(|share| {
                let f = &f;
                scope.spawn(move || share.iter().map(|c| f(c)).collect::<Vec<T>>())
            })
            .collect();
        let mut all: Vec<T> = mine.iter().map(|c| f(c)).collect();
        for other in others {
            match other.join() {
                Ok(part) => all.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
}

/// The examples in the order of a pass: Fisher–Yates, seeded by (seed, pass).
fn shuffled(examples: &[u32], seed: u64, epoch: u32) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(epoch) + 1);
    let mut order = examples.to_vec();
    for k in (1..order.len()).rev() {
        order.swap(k, rng.random_range(0..=k));
    }
    order
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Compares the gradient of the summed loss with finite differences, and answers the loss.
    pub fn gradient_is_right(objective: &impl Objective, model: &Model) -> f64 {
        let all: Vec<u32> = (0..objective.examples() as u32).collect();
        let mut grad = vec![0.0; model.len()];
        let mut work = Work::default();
        let loss = chunk_loss(objective, model, &all, &mut work, Some(&mut grad));
        for (k, g) in grad.iter().enumerate() {
            let at = |step: f32| {
                let mut flat = model.flat();
                flat[k] += step;
                let mut moved = model.clone();
                moved.set(&flat);
                chunk_loss(objective, &moved, &all, &mut Work::default(), None)
            };
            let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
            let error = (slope - f64::from(*g)).abs();
            assert!(error < 2e-3 * (1.0 + slope.abs()), "{k}: {slope} {g}");
        }
        loss
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let examples: Vec<u32> = (0..1000).collect();
        let sum = |threads| {
            let parts = in_chunks(&examples, 32, threads, |chunk| {
                chunk.iter().map(|i| (*i as f32).sin()).sum::<f32>()
            });
            parts.iter().fold(0.0f32, |a, b| a + b).to_bits()
        };
        for threads in 2..9 {
            assert_eq!(sum(threads), sum(1));
        }
    }

    /// (score − target)² over examples of one row each.
    struct Squares(Vec<[f32; 2]>);

    impl Objective for Squares {
        fn examples(&self) -> usize {
            self.0.len()
        }

        fn standard(&self) -> Option<&Standard> {
            None
        }

        fn rows(&self, example: usize) -> &[f32] {
            &self.0[example]
        }

        fn loss(
            &self,
            example: usize,
            scores: &[f32],
            _: &[f32],
            d_scores: &mut [f32],
            _: &mut [f32],
        ) -> f64 {
            let gap = scores[0] - (example as f32).sin();
            d_scores[0] = 2.0 * gap;
            f64::from(gap * gap)
        }
    }

    #[test]
    fn learners_come_out_the_same_on_any_number_of_threads() {
        let row = |i: usize| [(i as f32 * 0.7).cos(), 1.0];
        let objective = Squares((0..300).map(row).collect());
        let config = TrainConfig {
            batch: 4,
            ..TrainConfig::default()
        };
        let start = Model {
            net: Net::new(2, 3, 1),
            extra: Vec::new(),
        };
        let plan = Plan {
            algo: "test",
            config: &config,
            fingerprint: String::new(),
            pull: vec![Pull::Toward(0.0); start.len()],
            start,
            strengths: vec![f32::INFINITY, 1.0, 0.1],
            fold: (0..300).map(|i| Some(i % 2)).collect(),
            epochs: 3,
            folds: 2,
        };
        let passed = |workers| {
            let mut learners = learners(&plan);
            let seen: Vec<Vec<u32>> = (learners.iter())
                .map(|l| {
                    (0..300)
                        .filter(|i| l.without != Some(*i as usize % 2))
                        .collect()
                })
                .collect();
            let pass = Pass {
                plan: &plan,
                objective: &objective,
                epoch: 0,
                threads: 1,
                workers,
                begun: 0,
                total: 100,
            };
            let mut told = 0;
            let mut progress = |_: &Progress| {
                told += 1;
                ControlFlow::Continue(())
            };
            let loss = pass.run(&mut learners, &seen, &mut progress).unwrap();
            assert!(told > 0);
            let models: Vec<Vec<f32>> = learners.iter().map(|l| l.model.flat()).collect();
            let stopped = pass.run(&mut learners, &seen, &mut |_| ControlFlow::Break(()));
            assert!(matches!(stopped, Err(TrainError::Stopped { .. })));
            (loss.to_bits(), models)
        };
        let alone = passed(1);
        assert_ne!(alone.1[0], alone.1[3], "they learn different things");
        for workers in [2, 4, 50] {
            assert!(passed(workers) == alone, "{workers} threads");
        }
    }
}
