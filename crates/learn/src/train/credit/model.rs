//! What `credit` makes: how likely a slate succeeds. Knows features and slates; nothing of how it was fitted.

use crate::data::Logged;
use crate::net::{Net, Standard};
use crate::train::Trained;

/// A fitted model: what a cell is worth, and how likely a slate succeeds.
#[derive(Debug, Clone, PartialEq)]
pub struct CreditModel {
    /// How features are standardised.
    pub standard: Standard,
    /// The logit sᵢ of a cell.
    pub net: Net,
    /// The logit b of success without any memory.
    pub base: f64,
    /// The weights of the difficulty of a decision, on the mean of the standardised features of its candidates.
    pub difficulty: Vec<f32>,
}

impl CreditModel {
    /// The logits sᵢ − d of the candidates of one decision against its null item, from their raw features (`n × width`,
    /// row by row, zeros for masked ones). All candidates of the decision must be there: their mean tells how difficult it is.
    pub fn scores(&self, rows: &[f32]) -> Vec<f64> {
        let mut x = Vec::with_capacity(rows.len());
        self.standard.apply(rows, &mut x);
        let width = self.difficulty.len().max(1);
        let difficulty = dot(&self.difficulty, &mean_row(rows, &x, width));
        let scores = self.net.scores(&x).into_iter();
        scores.map(|s| f64::from(s) - difficulty).collect()
    }

    /// The logits sᵢ of the policy, without the difficulty of the decision: their order is that of [`Self::scores`], and STOP is
    /// among them.
    pub fn logits(&self, rows: &[f32]) -> Vec<f64> {
        let mut x = Vec::with_capacity(rows.len());
        self.standard.apply(rows, &mut x);
        self.net.scores(&x).into_iter().map(f64::from).collect()
    }

    /// P(success) when the candidates `slate` (indices into `scores`) are shown, in (0, 1); their order does not
    /// matter. This is q̂ of doubly robust estimators.
    pub fn p_success(&self, scores: &[f64], slate: &[usize]) -> f64 {
        let shown = slate.iter().filter_map(|&i| scores.get(i).copied());
        sigmoid(log_sum_exp(self.base, shown))
    }

    /// P(success) of a logged decision with another slate (or its own). `width` is that of the schema.
    pub fn q(&self, decision: &Logged, slate: &[usize]) -> f64 {
        self.p_success(&self.scores(&decision.features), slate)
    }
}

/// What a training made.
#[derive(Debug, Clone, PartialEq)]
pub struct Credit {
    /// The policy: rank by sᵢ.
    pub trained: Trained,
    /// The model, fitted on everything (on what was not kept apart, in logs above 5,000 decisions).
    pub model: CreditModel,
    /// Models that have each not seen one fold of the trajectories; empty when nothing was kept apart.
    pub folds: Vec<CreditModel>,
    /// Seed of the folds.
    pub(super) seed: u64,
    /// Share kept apart when there is one fold.
    pub(super) validation: f64,
}

impl Credit {
    /// A model that has not seen this trajectory if there is one, for estimates on the log that was trained on
    /// (cross-fitting: Chernozhukov et al. 2018, definition 3.1). With one fold only, trajectories outside of it have none and get
    /// the model that has seen them; with none, all do.
    pub fn for_trajectory(&self, name: &str) -> &CreditModel {
        match self.folds.len() {
            0 => &self.model,
            n => &self.folds[crate::train::split::fold(self.seed, name, n)],
        }
    }

    /// Whether [`Self::for_trajectory`] answers with a model that has not seen it.
    pub fn is_out_of_sample(&self, name: &str) -> bool {
        match self.folds.len() {
            0 => false,
            1 => crate::train::split::kept_apart(self.seed, name, self.validation),
            _ => true,
        }
    }
}

/// σ(z), exact in both tails.
pub(super) fn sigmoid(z: f64) -> f64 {
    if z >= 0.0 {
        1.0 / (1.0 + (-z).exp())
    } else {
        let e = z.exp();
        e / (1.0 + e)
    }
}

/// ln(e^first + Σ e^rest).
pub(super) fn log_sum_exp(first: f64, rest: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = rest.clone().fold(first, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    top + ((first - top).exp() + rest.map(|s| (s - top).exp()).sum::<f64>()).ln()
}

/// a·b.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
    products.sum()
}

/// x̄ of the standardised rows of a decision: the mean over those that are not masked. `raw` tells which are: masked ones have
/// zeros only. Zeros when there is none.
pub(super) fn mean_row(raw: &[f32], standardised: &[f32], width: usize) -> Vec<f32> {
    let mut mean = vec![0.0f32; width];
    let mut n = 0.0;
    let rows = raw
        .chunks_exact(width)
        .zip(standardised.chunks_exact(width));
    for (_, row) in rows.filter(|(raw, _)| raw.iter().any(|x| x.abs() > 0.0)) {
        n += 1.0;
        for (m, x) in mean.iter_mut().zip(row) {
            *m += x;
        }
    }
    for m in &mut mean {
        *m /= f32::max(n, 1.0);
    }
    mean
}
