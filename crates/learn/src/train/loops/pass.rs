//! One pass of all learners over what each may see, on as many threads as help.
//!
//! Learners know nothing of each other, so it does not matter which thread runs which: what comes out is the same bit for bit.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Learner, Objective, Plan, Pull, REPORT, gradient, shuffled};
use crate::train::{Progress, TrainError};

/// A pass about to be made.
pub(super) struct Pass<'a, O> {
    pub plan: &'a Plan<'a>,
    pub objective: &'a O,
    /// Which pass, from 0.
    pub epoch: u32,
    /// Threads of each batch.
    pub threads: usize,
    /// Threads that share the learners, at least 1.
    pub workers: usize,
    /// Batches before this pass.
    pub begun: u64,
    /// Batches of all passes.
    pub total: u64,
}

/// What threads share: batches done in this pass, and whether somebody wants them to stop.
#[derive(Default)]
struct Shared {
    done: AtomicU64,
    stop: AtomicBool,
}

/// A learner, what it may see, and the batches before it.
struct Job<'a> {
    learner: &'a mut Learner,
    seen: &'a [u32],
    before: u64,
}

/// Told the loss of each batch and its examples; whether to stop.
type Tell<'a> = &'a mut dyn FnMut(f64, usize) -> bool;

impl<O: Objective> Pass<'_, O> {
    /// Makes it; the sum of the losses.
    pub(super) fn run(
        &self,
        learners: &mut [Learner],
        seen: &[Vec<u32>],
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<f64, TrainError> {
        let share = learners.len().div_ceil(self.workers).max(1);
        let mut before = self.begun;
        let mut jobs: Vec<Job<'_>> = Vec::with_capacity(learners.len());
        for (learner, seen) in learners.iter_mut().zip(seen) {
            jobs.push(Job {
                learner,
                seen,
                before,
            });
            before += seen.len().div_ceil(self.plan.config.batch) as u64;
        }
        let shared = Shared::default();
        let (mut sum, mut count, mut reported) = (0.0, 0.0, self.begun / REPORT);
        let mut tell = |loss: f64, examples: usize| {
            sum += loss;
            count += examples as f64;
            let step = self.begun + shared.done.load(Ordering::Relaxed);
            if step / REPORT == reported {
                return false;
            }
            reported = step / REPORT;
            let now = Progress {
                step,
                total: self.total,
                loss: sum / count,
                validation: None,
            };
            progress(&now).is_break()
        };
        let made = std::thread::scope(|scope| {
            let mut shares = jobs.chunks_mut(share);
            // The first share is for this thread, which is the one that reports.
            let mine = shares.next().unwrap_or_default();
            let shared = &shared;
            let others: Vec<_> = shares
                .map(|jobs| scope.spawn(move || self.learn(jobs, shared, &mut |_, _| false)))
                .collect();
            let mut all = self.learn(mine, shared, &mut tell);
            for other in others {
                match other.join() {
                    Ok(part) => all.extend(part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            all
        });
        let diverged = |r: &&Result<_, _>| matches!(r, Err(TrainError::Diverged { .. }));
        if let Some(Err(e)) = made.iter().find(diverged) {
            return Err(e.clone());
        }
        let losses: Result<Vec<Vec<f64>>, TrainError> = made.into_iter().collect();
        Ok(losses?.iter().flatten().sum())
    }

    /// The losses of the batches of each job, up to the first that fails or is stopped.
    fn learn(
        &self,
        jobs: &mut [Job<'_>],
        shared: &Shared,
        tell: Tell<'_>,
    ) -> Vec<Result<Vec<f64>, TrainError>> {
        let mut all = Vec::with_capacity(jobs.len());
        for job in jobs {
            let made = self.job(job, shared, tell);
            let failed = made.is_err();
            all.push(made);
            if failed {
                shared.stop.store(true, Ordering::Relaxed);
                break;
            }
        }
        all
    }

    /// One learner's pass.
    fn job(
        &self,
        job: &mut Job<'_>,
        shared: &Shared,
        tell: Tell<'_>,
    ) -> Result<Vec<f64>, TrainError> {
        let (plan, config) = (self.plan, self.plan.config);
        let l = &mut *job.learner;
        let order = shuffled(job.seen, config.seed, self.epoch);
        let mut losses = Vec::with_capacity(order.len().div_ceil(config.batch));
        for batch in order.chunks(config.batch) {
            let mut grad = vec![0.0f32; l.model.len()];
            let loss = gradient(self.objective, &l.model, batch, self.threads, &mut grad);
            let mut flat = l.model.flat();
            let strength = plan.strengths[l.strength];
            for ((g, p), pull) in grad.iter_mut().zip(&flat).zip(&plan.pull) {
                *g /= batch.len() as f32;
                match pull {
                    Pull::Free => {}
                    Pull::Weak(weak) => *g += weak * p,
                    // Adam leaves what has never had a gradient where it is.
                    Pull::Toward(_) if strength.is_infinite() => *g = 0.0,
                    Pull::Toward(t) => *g += strength * (p - t),
                }
            }
            // From the whole rate to a tenth of it, by the share of all passes that is done.
            let done = l.adam.t as f32
                / (job.seen.len().div_ceil(config.batch) as f32)
                / plan.epochs as f32;
            let rate = config.learning_rate * (1.0 - 0.9 * done);
            l.adam.step(&mut flat, &grad, rate, 0.0);
            l.model.set(&flat);
            losses.push(loss);
            shared.done.fetch_add(1, Ordering::Relaxed);
            if !(loss.is_finite() && flat.iter().all(|x| x.is_finite())) {
                let steps = job.before + losses.len() as u64;
                return Err(TrainError::Diverged { steps });
            }
            if tell(loss, batch.len()) || shared.stop.load(Ordering::Relaxed) {
                let steps = self.begun + shared.done.load(Ordering::Relaxed);
                return Err(TrainError::Stopped { steps });
            }
        }
        Ok(losses)
    }
}
