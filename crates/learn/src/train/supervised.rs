//! `supervised`: an order of candidates, from labels of all of them. The skyline of what features can do.
//!
//! ```text
//! L = −Σᵢ tᵢ ln pᵢ        pᵢ = e^{sᵢ} / Σⱼ e^{sⱼ}        tᵢ = yᵢ / Σⱼ yⱼ        ∂L/∂sᵢ = pᵢ − tᵢ
//! ```
//!
//! with sᵢ = net(features of i) and the label yᵢ ∈ [0, 1] of candidate i, over all labelled candidates of one decision: the softmax
//! cross entropy of an answer (Cao et al. 2007, "Learning to Rank: From Pairwise Approach to Listwise Approach", eq. 4 with the
//! labels as top-one probabilities; Bruch et al. 2019 show that it bounds what ranking measures ask for). Candidates compete
//! inside their answer only, as they do for the budget; a classifier of single candidates spends its weights on telling easy questions
//! from hard ones, too. Linear, or with a small network beside ([`TrainConfig::hidden`]). Labels of *all* candidates exist in data
//! sets with gold evidence, never in a log: there only what was shown can be cited. So it is the upper bound that the
//! learners from feedback are compared with, not a way to learn from use. Scores are comparable within a decision
//! only, so it says nothing about STOP.

use super::importance::{Shuffle, permutation};
use super::loops::{Model, Objective, Plan, Pull, fit};
use super::{Hooks, TrainConfig, TrainError, Trained, check, prepare};
use crate::data::Dataset;
use crate::net::{Net, Standard};

/// The trainer's name.
pub const ALGO: &str = "supervised";
/// Decisions with labels that it takes at least.
pub const NEED: u64 = 20;
/// Steps that it makes at least: in small logs this takes more passes than [`TrainConfig::epochs`].
const STEPS: usize = 1000;

/// Candidates for the strength of the pull toward 0, times [`TrainConfig::decay`].
const STRENGTHS: [f32; 3] = [0.1, 1.0, 10.0];

/// Settings that suit it.
pub fn config() -> TrainConfig {
    TrainConfig {
        epochs: 30,
        batch: 32,
        learning_rate: 1e-2,
        decay: 1e-2,
        ..TrainConfig::default()
    }
}

/// The labelled candidates of one decision, standardised.
#[derive(Debug, Clone)]
struct Example {
    rows: Vec<f32>,
    labels: Vec<f32>,
}

/// The loss of the module's documentation.
struct Listwise {
    examples: Vec<Example>,
}

impl Objective for Listwise {
    fn examples(&self) -> usize {
        self.examples.len()
    }

    fn standard(&self) -> Option<&Standard> {
        None
    }

    fn rows(&self, example: usize) -> &[f32] {
        &self.examples[example].rows
    }

    fn loss(
        &self,
        example: usize,
        scores: &[f32],
        _extra: &[f32],
        d_scores: &mut [f32],
        _d_extra: &mut [f32],
    ) -> f64 {
        let labels = &self.examples[example].labels;
        let all: f64 = labels.iter().map(|y| f64::from(*y)).sum();
        let total = log_sum_exp(scores);
        let mut loss = 0.0;
        for ((d, s), y) in d_scores.iter_mut().zip(scores).zip(labels) {
            let (log_p, t) = (f64::from(*s) - total, f64::from(*y) / all);
            loss -= t * log_p;
            *d = (log_p.exp() - t) as f32;
        }
        loss
    }
}

impl Shuffle for Listwise {
    fn subset(&self, examples: &[u32]) -> Self {
        let pick = |i: &u32| self.examples[*i as usize].clone();
        Self {
            examples: examples.iter().map(pick).collect(),
        }
    }

    fn pieces(&mut self) -> Vec<&mut [f32]> {
        (self.examples.iter_mut())
            .map(|e| e.rows.as_mut_slice())
            .collect()
    }
}

/// ln Σ e^s.
fn log_sum_exp(scores: &[f32]) -> f64 {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|s| f64::from(s - top).exp()).sum();
    f64::from(top) + sum.ln()
}

/// Fits the order. Decisions whose labels prefer nothing (none, or all 0) are skipped and counted; masked candidates are
/// left out.
///
/// Metrics: `loss` and `validation_loss` (per decision, in nats), `validation_auc` (of single candidates, by ln pᵢ), `epochs`,
/// `strength`.
pub fn train(
    data: &Dataset,
    config: &TrainConfig,
    hooks: &mut Hooks<'_>,
) -> Result<Trained, TrainError> {
    check::config(config)?;
    prepare::checked(data)?;
    let width = data.schema.width();
    let standard = prepare::standard(data);
    let (mut examples, mut trajectory) = (Vec::new(), Vec::new());
    // Of all labels, the first and their number.
    let (mut any, mut count) = (None, 0);
    for d in &data.decisions {
        let mut e = Example {
            rows: Vec::new(),
            labels: Vec::new(),
        };
        for (i, item) in d.items.iter().enumerate().filter(|(_, item)| !item.masked) {
            if let Some(label) = item.label {
                standard.apply(d.row(i, width), &mut e.rows);
                e.labels.push(label);
            }
        }
        let first = e.labels.first().copied();
        any = any.or(first);
        count += e.labels.len() as u64;
        if e.labels.iter().any(|y| Some(*y) != first) {
            examples.push(e);
            trajectory.push(d.trajectory);
        }
    }
    if let (true, Some(value)) = (examples.is_empty() && count >= NEED, any) {
        let value = f64::from(value);
        return Err(TrainError::NoVariation { n: count, value });
    }
    prepare::enough(
        ALGO,
        NEED,
        examples.len(),
        data,
        "no labels that prefer any",
    )?;
    let folds = prepare::folds(ALGO, data, &trajectory, config)?;
    let start = Model {
        net: Net::new(width, config.hidden, config.seed),
        extra: Vec::new(),
    };
    let pull = vec![Pull::Toward(0.0); start.net.params.len()];
    let plan = Plan {
        algo: ALGO,
        config,
        fingerprint: prepare::fingerprint(ALGO, data, config, &[]),
        start,
        pull,
        // With nothing kept apart there is nothing to choose by.
        strengths: match folds.n {
            0 => vec![config.decay],
            _ => STRENGTHS.map(|s| s * config.decay).to_vec(),
        },
        epochs: prepare::epochs(config, examples.len(), STEPS),
        fold: folds.of,
        folds: folds.n,
    };
    let skipped = (data.decisions.len() - examples.len()) as u64;
    let problem = Listwise { examples };
    let found = fit(&plan, &problem, hooks)?;
    let mut metrics = prepare::metrics(&found);
    let mut scored = Vec::new();
    for (e, fold) in problem.examples.iter().zip(&plan.fold) {
        if let Some(model) = fold.and_then(|k| found.fold_models.get(k)) {
            let scores = model.net.scores(&e.rows);
            let total = log_sum_exp(&scores);
            let pairs = scores.iter().zip(&e.labels);
            scored.extend(pairs.map(|(s, y)| (f64::from(*s) - total, *y >= 0.5)));
        }
    }
    if let Some(auc) = prepare::auc(scored) {
        metrics.insert("validation_auc".to_owned(), auc);
    }
    let importance = permutation(
        &problem,
        &found.model,
        &found.fold_models,
        &plan.fold,
        &data.schema.features,
        config.seed,
    );
    Ok(Trained {
        algo: ALGO.to_owned(),
        schema: data.schema.clone(),
        standard,
        net: found.model.net,
        stop: None,
        counts: prepare::counts(&plan, &trajectory, skipped),
        metrics,
        importance,
    })
}
