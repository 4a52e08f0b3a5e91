//! `supervised`: a classifier of single candidates, from labels of all of them. The skyline of what features can do.
//!
//! ```text
//! L = Σᵢ −yᵢ ln σ(sᵢ) − (1 − yᵢ) ln(1 − σ(sᵢ))          ∂L/∂sᵢ = σ(sᵢ) − yᵢ
//! ```
//!
//! with sᵢ = net(features of i) and the label yᵢ ∈ [0, 1] of candidate i, over all labelled candidates of a decision: logistic
//! regression, or a small network with [`TrainConfig::hidden`]. Labels of *all* candidates exist in data sets with gold evidence,
//! never in a log: there only what was shown can be cited. So it is the upper bound that the learners from
//! feedback are compared with, not a way to learn from use.

use super::importance::{Shuffle, permutation};
use super::loops::{Model, Objective, Plan, fit};
use super::{Hooks, TrainConfig, TrainError, Trained, check, prepare};
use crate::data::Dataset;
use crate::net::{Net, Standard};

/// The trainer's name.
pub const ALGO: &str = "supervised";
/// Decisions with labels that it takes at least.
pub const NEED: u64 = 20;
/// Steps that it makes at least: in small logs this takes more passes than [`TrainConfig::epochs`].
const STEPS: usize = 1000;

/// Settings that suit it.
pub fn config() -> TrainConfig {
    TrainConfig {
        epochs: 30,
        batch: 32,
        learning_rate: 1e-2,
        decay: 1e-4,
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
struct Classifier {
    examples: Vec<Example>,
}

impl Objective for Classifier {
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
        let mut loss = 0.0;
        let labels = &self.examples[example].labels;
        for ((d, s), y) in d_scores.iter_mut().zip(scores).zip(labels) {
            let (z, y) = (f64::from(*s), f64::from(*y));
            loss += z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z;
            *d = (1.0 / (1.0 + (-z).exp()) - y) as f32;
        }
        loss
    }
}

impl Shuffle for Classifier {
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

/// Fits the classifier. Decisions without labels are skipped and counted; masked candidates are left out.
///
/// Metrics: `loss` and `validation_loss` (per decision, in nats), `validation_auc` (of single candidates), `epochs`,
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
        if !e.labels.is_empty() {
            examples.push(e);
            trajectory.push(d.trajectory);
        }
    }
    let labels = || examples.iter().flat_map(|e| &e.labels).copied();
    let (n, sum) = (labels().count(), labels().map(f64::from).sum::<f64>());
    prepare::enough(ALGO, NEED, examples.len(), data, "no labels")?;
    let first = labels().next().unwrap_or(0.0);
    if labels().all(|y| y.total_cmp(&first).is_eq()) {
        let value = f64::from(first);
        return Err(TrainError::NoVariation { n: n as u64, value });
    }
    let folds = prepare::folds(ALGO, data, &trajectory, config)?;
    let mut net = Net::new(width, config.hidden, config.seed);
    // Right on the mean from the start: most candidates are wrong.
    let mean = (sum / n as f64).clamp(1e-4, 1.0 - 1e-4);
    if let Some(c) = net.params.last_mut() {
        *c = (mean / (1.0 - mean)).ln() as f32;
    }
    let start = Model {
        net,
        extra: Vec::new(),
    };
    let mut toward = vec![Some(0.0); start.net.params.len()];
    if let Some(c) = toward.last_mut() {
        *c = None;
    }
    let plan = Plan {
        algo: ALGO,
        config,
        fingerprint: prepare::fingerprint(ALGO, data, config, &[]),
        start,
        toward,
        strengths: vec![config.decay],
        epochs: prepare::epochs(config, examples.len(), STEPS),
        fold: folds.of,
        folds: folds.n,
    };
    let skipped = (data.decisions.len() - examples.len()) as u64;
    let problem = Classifier { examples };
    let found = fit(&plan, &problem, hooks)?;
    let mut metrics = prepare::metrics(&found);
    let mut scored = Vec::new();
    for (e, fold) in problem.examples.iter().zip(&plan.fold) {
        if let Some(model) = fold.and_then(|k| found.fold_models.get(k)) {
            let scores = model.net.scores(&e.rows);
            let pairs = scores.iter().zip(&e.labels);
            scored.extend(pairs.map(|(s, y)| (f64::from(*s), *y >= 0.5)));
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
