//! `credit`: which of the shown cells made the task succeed? Learned from success of whole slates.
//!
//! Each shown cell competes with the others, with a *null* item and with a *base* for having decided the outcome:
//!
//! ```text
//! P(success | slate A) = (e^b + Σ_{i∈A} e^{sᵢ−d}) / (e^b + Σ_{i∈A} e^{sᵢ−d} + 1) = σ(z),   z = ln(e^b + Σ_{i∈A} e^{sᵢ−d})
//! sᵢ = net(xᵢ)        d = u·x̄,  x̄ = mean of xⱼ over all candidates j of the decision
//! ```
//!
//! sᵢ is the logit of cell i, the null item ("nothing here helps") has logit 0, which fixes the scale,
//! and b is what succeeds without any memory. This is the attribution softmax(s, null) summed over the
//! slate, with the base as an item that every slate has; without it (b = −∞) an empty slate could never
//! succeed, and in a log where most tasks succeed anyway every cell would look helpful.
//!
//! d is how difficult the decision is. It never changes the order of cells, and that is its use: features that only tell easy
//! questions from hard ones would otherwise be taken for features of good cells. (On questions about
//! conversations, 500 decisions: without d the learned order was 14 points of success *worse* than that of the search, although it
//! predicted success well; with d it is better.) For linear nets the rows are taken net of x̄ while training, so that sᵢ sees
//! what differs between cells of one decision, and d sees what differs between decisions.
//!
//! The loss of a decision with success y ∈ [0, 1], with p = σ(z):
//!
//! ```text
//! L = −y ln p − (1 − y) ln(1 − p)      ∂L/∂sᵢ = (p − y) · e^{sᵢ−d} / (e^b + Σ_{j∈A} e^{sⱼ−d})      ∂L/∂d = −Σᵢ ∂L/∂sᵢ
//! ```
//!
//! so the credit of an outcome goes to the cells in proportion to how likely they are its cause: an EM-like
//! attribution without the two steps (a noisy-OR is its neighbour: Pearl 1988, section 4.3.2; for clicks on ranked lists,
//! Chapelle & Zhang 2009, section 3).
//!
//! **Labels of single cells** (citations, verdicts) say more than the outcome of a slate. A labelled cell against the null item
//! alone has P = σ(sᵢ − d), and its label is read through a noisy channel (Patrini et al. 2017, section 3, "forward correction"):
//!
//! ```text
//! P(label = 1 | sᵢ) = f + (r − f) · σ(sᵢ − d)       r = 0.9, f = 0.02
//! ```
//!
//! A citation is nearly always right (f is small), its absence less so (1 − r is larger): so one
//! missing citation costs a good cell at most −ln(1 − r) = 2.3, however sure the model is, while a citation moves an unlikely cell a lot.
//! The probability is increasing in sᵢ whatever the true rates are, so wrong rates bend the scale and not the order. Every
//! label counts as one observation, like every outcome.
//!
//! **Few data do no harm.** Training starts at the order of the search (the feature `score`), scaled to the
//! outcomes, and is pulled toward it; how strongly and for how long is chosen by cross-validation over trajectories, and "not at
//! all" is among the choices (`loops.rs`).
//!
//! **How much to show** is learned afterwards, from rewards ([`stop`]): P(success) only rises with every cell, so the model
//! itself would always fill the budget.
//!
//! It uses `success`, labels, slates and features; it needs no propensities, because it models the outcome instead of
//! reweighting it. What it cannot learn: anything about cells that are never shown and unlike all that are.

mod model;

use std::collections::BTreeMap;

pub use self::model::{Credit, CreditModel};
use self::model::{dot, log_sum_exp, mean_row, sigmoid};
use super::importance::{Shuffle, permutation};
use super::loops::{Fit, Model, Objective, Plan, Pull, fit};
use super::{Counts, Hooks, TrainConfig, TrainError, Trained, check, prepare, stop};
use crate::data::Dataset;
use crate::net::{Net, Standard};

/// The trainer's name.
pub const ALGO: &str = "credit";
/// Decisions that it takes at least.
pub const NEED: u64 = 20;
/// r: how often a cell that helped is labelled so.
const RECALL: f64 = 0.9;
/// f: how often a cell that did not help is labelled as if it did.
const FALSE: f64 = 0.02;
/// Candidates for the strength of the pull toward the order of the search, times [`TrainConfig::decay`]; with the infinite one
/// only base and difficulty are learned and the order stays.
const STRENGTHS: [f32; 5] = [f32::INFINITY, 100.0, 10.0, 1.0, 0.1];
/// Candidates for α, logits per standard deviation of `score`. No steeper ones: the best hit of every search has nearly the
/// same score, so a steep start would explain all outcomes by it alone, and no other cell would get any credit.
const SLOPES: [f64; 3] = [0.25, 0.5, 1.0];
/// Share of the mean success that the base starts with.
const BASE_SHARE: f64 = 0.2;
/// Steps that it makes at least: in small logs this takes more passes than [`TrainConfig::epochs`].
const STEPS: usize = 500;

/// Settings that suit it: more and smaller steps than the others, because logs of outcomes are small.
pub fn config() -> TrainConfig {
    TrainConfig {
        epochs: 60,
        batch: 64,
        learning_rate: 1e-2,
        ..TrainConfig::default()
    }
}

/// −y ln σ(z) − (1 − y) ln(1 − σ(z)).
fn cross_entropy(z: f64, y: f64) -> f64 {
    // softplus(z) − y z
    z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z
}

/// One decision, as far as it matters here.
#[derive(Debug, Clone)]
struct Example {
    /// The standardised rows of its slate, then those of other labelled cells; net of the mean for linear models.
    rows: Vec<f32>,
    /// x̄: the mean of the standardised rows of all candidates.
    mean: Vec<f32>,
    shown: usize,
    success: Option<f64>,
    /// (row, label)
    labels: Vec<(usize, f64)>,
}

/// The loss of the module's documentation.
struct Attribution {
    examples: Vec<Example>,
    width: usize,
}

impl Objective for Attribution {
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
        extra: &[f32],
        d_scores: &mut [f32],
        d_extra: &mut [f32],
    ) -> f64 {
        let e = &self.examples[example];
        let base = f64::from(extra[0]);
        let difficulty = dot(&extra[1..], &e.mean);
        let score = |s: &f32| f64::from(*s) - difficulty;
        let mut loss = 0.0;
        if let Some(y) = e.success {
            let slate = &scores[..e.shown];
            let z = log_sum_exp(base, slate.iter().map(score));
            loss += cross_entropy(z, y);
            let d_z = sigmoid(z) - y;
            d_extra[0] += (d_z * (base - z).exp()) as f32;
            for (d, s) in d_scores.iter_mut().zip(slate) {
                *d = (d_z * (score(s) - z).exp()) as f32;
            }
        }
        for &(row, y) in &e.labels {
            let p = sigmoid(score(&scores[row]));
            let q = FALSE + (RECALL - FALSE) * p;
            loss -= y * q.ln() + (1.0 - y) * (1.0 - q).ln();
            let d_q = (1.0 - y) / (1.0 - q) - y / q;
            d_scores[row] += (d_q * (RECALL - FALSE) * p * (1.0 - p)) as f32;
        }
        let all: f32 = d_scores.iter().sum();
        for (d, x) in d_extra[1..].iter_mut().zip(&e.mean) {
            *d -= all * x;
        }
        loss
    }
}

impl Shuffle for Attribution {
    fn subset(&self, examples: &[u32]) -> Self {
        let pick = |i: &u32| self.examples[*i as usize].clone();
        Self {
            examples: examples.iter().map(pick).collect(),
            width: self.width,
        }
    }

    fn pieces(&mut self) -> Vec<&mut [f32]> {
        (self.examples.iter_mut())
            .map(|e| e.rows.as_mut_slice())
            .collect()
    }
}

/// The decisions that say something: those with a known success, and those with labels.
fn examples(data: &Dataset, standard: &Standard, centred: bool) -> (Vec<Example>, Vec<u32>) {
    let mut all = Vec::new();
    let width = data.schema.width();
    let (mut made, mut trajectory) = (Vec::new(), Vec::new());
    for d in &data.decisions {
        let labelled = |i: usize| Some((i, f64::from(d.items[i].label?)));
        let known: Vec<(usize, f64)> = (0..d.items.len()).filter_map(labelled).collect();
        if d.signals.success.is_none() && known.is_empty() {
            continue;
        }
        let mut order = d.shown();
        let shown = order.len();
        let mut labels = Vec::with_capacity(known.len());
        for (i, y) in known {
            let row = order.iter().position(|&k| k == i).unwrap_or_else(|| {
                order.push(i);
                order.len() - 1
            });
            labels.push((row, y));
        }
        all.clear();
        standard.apply(&d.features, &mut all);
        let mean = mean_row(&d.features, &all, width);
        let mut rows = Vec::with_capacity(order.len() * width);
        for &i in &order {
            let row = &all[i * width..(i + 1) * width];
            rows.extend(
                row.iter()
                    .zip(&mean)
                    .map(|(x, m)| if centred { x - m } else { *x }),
            );
        }
        made.push(Example {
            rows,
            mean,
            shown,
            success: d.signals.success,
            labels,
        });
        trajectory.push(d.trajectory);
    }
    (made, trajectory)
}

/// What varies in outcomes and labels, or why nothing can be learned.
fn enough(data: &Dataset, examples: &[Example]) -> Result<(), TrainError> {
    let lack = "neither an outcome nor labels";
    prepare::enough(ALGO, NEED, examples.len(), data, lack)?;
    let labels = examples.iter().flat_map(|e| e.labels.iter().map(|l| l.1));
    if vary(examples.iter().filter_map(|e| e.success)) || vary(labels.clone()) {
        return Ok(());
    }
    let outcomes: Vec<f64> = (examples.iter().filter_map(|e| e.success))
        .chain(labels)
        .collect();
    Err(TrainError::NoVariation {
        n: outcomes.len() as u64,
        value: outcomes.first().copied().unwrap_or(0.0),
    })
}

fn vary(mut values: impl Iterator<Item = f64>) -> bool {
    let first = values.next();
    values.any(|v| Some(v) != first)
}

/// Where training starts: sᵢ = c + α · standardised `score`, with the base at a fifth of the mean success, c such that the mean
/// prediction is the mean success, and the α among [`SLOPES`] that fits best. All have the order of the search.
fn start(problem: &Attribution, data: &Dataset, config: &TrainConfig) -> Model {
    let width = problem.width;
    let outcomes: Vec<(&Example, f64)> = (problem.examples.iter())
        .filter_map(|e| Some((e, e.success?)))
        .take(2_000)
        .collect();
    let mean = outcomes.iter().map(|(_, y)| y).sum::<f64>() / f64::max(outcomes.len() as f64, 1.0);
    let mean = mean.clamp(0.02, 0.98);
    let odds = |p: f64| (p / (1.0 - p)).ln();
    let mut net = Net::new(width, config.hidden, config.seed);
    let at = net.params.len() - 1;
    let score = data.schema.features.iter().position(|f| f == "score");
    let base = odds(mean * BASE_SHARE);
    let extra = |base: f64| {
        let mut extra = vec![0.0; 1 + width];
        extra[0] = base as f32;
        extra
    };
    net.params[at] = odds(mean) as f32 - 2.0;
    let Some(score) = score else {
        return Model {
            net,
            extra: extra(base),
        };
    };
    let x: Vec<(Vec<f64>, f64)> = (outcomes.iter())
        .map(|(e, y)| {
            let of = |row: &[f32]| f64::from(row[score]);
            let slate = e.rows[..e.shown * width].chunks_exact(width);
            (slate.map(of).collect(), *y)
        })
        .collect();
    let z = |x: &[f64], a: f64, c: f64| log_sum_exp(base, x.iter().map(move |x| c + a * x));
    let mut best = (f64::INFINITY, 1.0, f64::from(net.params[at]));
    for a in SLOPES {
        let (mut low, mut high) = (-40.0, 40.0);
        for _ in 0..40 {
            let c = 0.5 * (low + high);
            let predicted: f64 = x.iter().map(|(x, _)| sigmoid(z(x, a, c))).sum();
            if predicted < mean * x.len() as f64 {
                low = c;
            } else {
                high = c;
            }
        }
        let loss: f64 = x.iter().map(|(x, y)| cross_entropy(z(x, a, low), *y)).sum();
        if loss < best.0 && !x.is_empty() {
            best = (loss, a, low);
        }
    }
    net.params[at] = best.2 as f32;
    net.params[at - width + score] = best.1 as f32;
    Model {
        net,
        extra: extra(base),
    }
}

/// How parameters are held: the linear part at the start, hidden weights at 0, the difficulty weakly at 0, biases and the
/// base not at all.
fn pull(start: &Model, config: &TrainConfig) -> Vec<Pull> {
    let (inputs, hidden) = (start.net.inputs(), start.net.hidden());
    let mut pull = vec![Pull::Toward(0.0); inputs * hidden];
    pull.extend(vec![Pull::Free; hidden]);
    pull.extend(vec![Pull::Toward(0.0); hidden]);
    pull.extend(start.net.linear_weights().iter().map(|w| Pull::Toward(*w)));
    pull.extend([Pull::Free, Pull::Free]);
    pull.extend(vec![Pull::Weak(config.decay); inputs]);
    pull
}

/// Trains a policy; [`train_model`] also answers the model of P(success).
pub fn train(
    data: &Dataset,
    config: &TrainConfig,
    hooks: &mut Hooks<'_>,
) -> Result<Trained, TrainError> {
    train_model(data, config, hooks).map(|c| c.trained)
}

/// Fits the model of the module's documentation. Decisions with neither outcome nor labels are skipped and
/// counted. [`config`] gives settings that suit it.
///
/// Decisions with rewards also teach a STOP, where there is evidence for one ([`stop::fit`]).
///
/// Metrics: `loss` (per decision, in nats, of the last pass), `validation_loss` (on trajectories that the model had not
/// seen), `validation_loss_start` (of the order of the search, scaled), `validation_auc` (of P(success) against
/// success), `epochs`, `strength` (absent where the order of the search was left as it is), `base_logit`, `outcomes`, `labels`,
/// `reward_per_cell` (what one more cell brings or costs beyond success; absent where it cannot be told) and, with a STOP,
/// `stop_gain` and `stop_gain_sd` (per decision, against filling the budget).
pub fn train_model(
    data: &Dataset,
    config: &TrainConfig,
    hooks: &mut Hooks<'_>,
) -> Result<Credit, TrainError> {
    check::config(config)?;
    prepare::checked(data)?;
    let standard = prepare::standard(data);
    let (examples, trajectory) = examples(data, &standard, config.hidden == 0);
    enough(data, &examples)?;
    let width = data.schema.width();
    let folds = prepare::folds(ALGO, data, &trajectory, config)?;
    let outcomes = examples.iter().filter(|e| e.success.is_some()).count();
    let labels: usize = examples.iter().map(|e| e.labels.len()).sum();
    let skipped = (data.decisions.len() - examples.len()) as u64;
    let problem = Attribution { examples, width };
    let start = start(&problem, data, config);
    let plan = Plan {
        algo: ALGO,
        config,
        fingerprint: prepare::fingerprint(ALGO, data, config, &[]),
        pull: pull(&start, config),
        start,
        strengths: STRENGTHS.iter().map(|s| s * config.decay).collect(),
        epochs: prepare::epochs(config, problem.examples.len(), STEPS),
        fold: folds.of,
        folds: folds.n,
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
    if let Some(auc) = auc(&problem, &found, &plan.fold) {
        metrics.insert("validation_auc".to_owned(), auc);
    }
    metrics.insert("base_logit".to_owned(), f64::from(found.model.extra[0]));
    metrics.insert("outcomes".to_owned(), outcomes as f64);
    metrics.insert("labels".to_owned(), labels as f64);
    let counts = prepare::counts(&plan, &trajectory, skipped);
    let mut made = credit(data, config, &standard, &found, metrics, importance, counts);
    // Where the regression is degenerate there is nothing to be said.
    if let Ok(Some(found)) = stop::fit(data, &made) {
        let trained = &mut made.trained;
        trained.stop = found.logit;
        let mut note = |name: &str, x: f64| trained.metrics.insert(name.to_owned(), x);
        note("reward_per_cell", found.per_cell);
        if found.logit.is_some() {
            note("stop_gain", found.gain);
            note("stop_gain_sd", found.sd);
        }
    }
    Ok(made)
}

/// Puts the parts together.
fn credit(
    data: &Dataset,
    config: &TrainConfig,
    standard: &Standard,
    found: &Fit,
    metrics: BTreeMap<String, f64>,
    importance: Vec<(String, f64)>,
    counts: Counts,
) -> Credit {
    let model = |m: &Model| {
        // Trained on rows net of their mean, a linear model scores w·x − (w + u)·x̄.
        let zeros = vec![0.0; m.net.inputs()];
        let centred = m.net.hidden() == 0;
        let w = if centred {
            m.net.linear_weights()
        } else {
            &zeros
        };
        CreditModel {
            standard: standard.clone(),
            net: m.net.clone(),
            base: f64::from(m.extra[0]),
            difficulty: m.extra[1..].iter().zip(w).map(|(u, w)| u + w).collect(),
        }
    };
    Credit {
        trained: Trained {
            algo: ALGO.to_owned(),
            schema: data.schema.clone(),
            standard: standard.clone(),
            net: found.model.net.clone(),
            stop: None,
            counts,
            metrics,
            importance,
        },
        model: model(&found.model),
        folds: found.fold_models.iter().map(model).collect(),
        seed: config.seed,
        validation: config.validation,
    }
}

/// Area under the ROC curve of P(success) on what was kept apart; success counts as such from ½ on.
fn auc(problem: &Attribution, found: &Fit, fold: &[Option<usize>]) -> Option<f64> {
    let mut scored = Vec::new();
    for (e, fold) in problem.examples.iter().zip(fold) {
        let (Some(y), Some(model)) = (e.success, fold.and_then(|k| found.fold_models.get(k)))
        else {
            continue;
        };
        let scores = model.net.scores(&e.rows[..e.shown * problem.width]);
        let difficulty = dot(&model.extra[1..], &e.mean);
        let scores = scores.iter().map(|s| f64::from(*s) - difficulty);
        scored.push((log_sum_exp(f64::from(model.extra[0]), scores), y >= 0.5));
    }
    prepare::auc(scored)
}

#[cfg(test)]
mod tests {
    use super::super::loops::tests::gradient_is_right;
    use super::*;
    use rand::{Rng, SeedableRng};

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(4);
        for hidden in [0, 4] {
            let mut net = Net::new(3, hidden, 1);
            for p in &mut net.params {
                *p += rng.random_range(-0.5..0.5);
            }
            let mut example = |shown: usize, success, labels: Vec<(usize, f64)>| Example {
                rows: (0..6 * 3).map(|_| rng.random_range(-1.0..1.0)).collect(),
                mean: (0..3).map(|_| rng.random_range(-1.0..1.0)).collect(),
                shown,
                success,
                labels,
            };
            let examples = vec![
                example(4, Some(1.0), vec![]),
                example(4, Some(0.0), vec![(0, 1.0), (2, 0.0), (5, 0.3)]),
                example(0, Some(0.7), vec![]),
                example(2, None, vec![(1, 1.0)]),
            ];
            let extra = vec![-0.7, 0.3, -0.2, 0.5];
            let problem = Attribution { examples, width: 3 };
            gradient_is_right(&problem, &Model { net, extra });
        }
    }

    #[test]
    fn the_credit_of_an_outcome_is_shared_out_among_base_and_slate() {
        let problem = Attribution {
            examples: vec![Example {
                rows: vec![0.0; 2],
                mean: vec![0.0],
                shown: 2,
                success: Some(1.0),
                labels: vec![],
            }],
            width: 1,
        };
        let (mut d, mut d_base) = ([0.0; 2], [0.0; 2]);
        problem.loss(0, &[1.0, -1.0], &[0.5, 0.0], &mut d, &mut d_base);
        let p = sigmoid(log_sum_exp(0.5, [1.0, -1.0].into_iter()));
        let total = f64::from(d[0] + d[1] + d_base[0]);
        assert!((total - (p - 1.0)).abs() < 1e-6);
        assert!(
            d[0] < d_base[0] && d_base[0] < d[1],
            "the likelier cause gets more"
        );
    }
}
