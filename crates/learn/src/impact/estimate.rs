//! The effect of one cell, and of a group of cells.
//!
//! With residuals `r = y − m(x)` of the cross-fitted outcome model, exact probabilities p, and `d` = shown,
//!
//! ```text
//! τ̂ = Σ d r/p / Σ d/p  −  Σ (1−d) r/(1−p) / Σ (1−d)/(1−p)
//! ```
//!
//! This is augmented inverse-probability weighting (Robins, Rotnitzky and Zhao 1994) with one function m for
//! both arms, so that `m₁ − m₀` cancels, and with weights that are normalised in each arm (Robins, Sued, Lei-Gomez and Rotnitzky 2007,
//! section 3). The probabilities are known, so it is consistent whatever m is; m only makes it narrower. Normalising
//! matters here: at ε = 0.02 a cell has a handful of withheld units, and weights of 50 would carry every error of m.
//!
//! **One cell** has one unit per trajectory. Its variance is
//! `σ₁² Σw²/(Σw)² + σ₀² Σw²/(Σw)²` over the two arms, with each arm's variance shrunk to that of all cells: the sample variance
//! of three withheld units is close to nothing too often, and an interval must not be short by luck.
//!
//! **A group** pools the units of its cells. Units of one trajectory share their outcome, so the variance is that of the influence
//! function summed by trajectory (Liang and Zeger 1986), with Student's t for the smaller number of trajectories.
//!
//! It may not know where probabilities come from.

use std::collections::HashMap;

use serde::Serialize;

use super::exposure::{Exposure, Metric};
use crate::ope::intervals::quantile;

/// Units that the common variance of an arm counts for.
const PRIOR_UNITS: f64 = 20.0;
/// Degrees of freedom that the common variance lends to an interval. Fewer than the units it counts for: it may not be
/// this cell's.
const LENT: f64 = 5.0;

/// An effect with its interval, in the unit of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Showing minus withholding.
    pub effect: f64,
    /// Its standard error, or posterior standard deviation.
    pub se: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Estimate {
    /// The estimate with a normal interval of this confidence, in (0, 1).
    pub(crate) fn normal(effect: f64, se: f64, confidence: f64) -> Self {
        Self::with_quantile(effect, se, quantile::normal(0.5 + 0.5 * confidence))
    }

    pub(crate) fn with_quantile(effect: f64, se: f64, quantile: f64) -> Self {
        Self {
            effect,
            se,
            low: effect - quantile * se,
            high: effect + quantile * se,
        }
    }

    /// The same with what an effect on this metric cannot be left out: on one in [0, 1] it lies in [−1, 1], and an interval that is
    /// cut to where the truth must be covers it as often as before.
    #[must_use]
    pub(crate) fn on(self, metric: Metric) -> Self {
        if !metric.is_bounded() {
            return self;
        }
        let cut = |x: f64| x.clamp(-1.0, 1.0);
        Self {
            effect: cut(self.effect),
            low: cut(self.low),
            high: cut(self.high),
            ..self
        }
    }
}

/// Weighted sums of one arm of one cell.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ArmSums {
    pub n: f64,
    w: f64,
    ww: f64,
    wr: f64,
    r: f64,
    rr: f64,
}

impl ArmSums {
    fn add(&mut self, r: f64, weight: f64) {
        self.n += 1.0;
        self.w += weight;
        self.ww += weight * weight;
        self.wr += weight * r;
        self.r += r;
        self.rr += r * r;
    }

    /// Sum of squares around the mean.
    fn squares(&self) -> f64 {
        (self.rr - self.r * self.r / self.n.max(1.0)).max(0.0)
    }

    /// The variance of a unit, shrunk to `prior`.
    fn variance(&self, prior: f64) -> f64 {
        let df = (self.n - 1.0).max(0.0);
        (self.squares() + PRIOR_UNITS * prior) / (df + PRIOR_UNITS)
    }
}

/// Sums of the two arms of one cell.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CellSums {
    pub shown: ArmSums,
    pub withheld: ArmSums,
    /// Σ of the probability of being withheld, over its units with an outcome.
    withholding: f64,
}

impl CellSums {
    /// Takes in the residual of a unit.
    pub fn add(&mut self, unit: &Exposure, r: f64) {
        self.withholding += 1.0 - unit.p_shown;
        if unit.shown {
            self.shown.add(r, 1.0 / unit.p_shown);
        } else {
            self.withheld.add(r, 1.0 / (1.0 - unit.p_shown));
        }
    }

    /// Units with an outcome.
    pub fn n(&self) -> f64 {
        self.shown.n + self.withheld.n
    }

    /// Mean probability of being withheld; 0 without units.
    pub fn p_withheld(&self) -> f64 {
        self.withholding / self.n().max(1.0)
    }

    /// Variances of a unit, shown and withheld.
    pub fn variances(&self, common: &Common) -> (f64, f64) {
        let shown = self.shown.variance(common.shown);
        // A cell whose outcomes vary more than usual when shown is not assumed to vary less when not.
        (shown, self.withheld.variance(common.withheld.max(shown)))
    }

    /// The interval of [`Self::effect`]: Student's t with the degrees of freedom of the smaller arm, those that it borrows
    /// included.
    pub fn interval(&self, effect: f64, se: f64, confidence: f64) -> Estimate {
        let df = self.shown.n.min(self.withheld.n) - 1.0 + LENT;
        Estimate::with_quantile(effect, se, quantile::student_t(0.5 + 0.5 * confidence, df))
    }

    /// Effect and standard error; `None` before both arms have a unit.
    pub fn effect(&self, common: &Common) -> Option<(f64, f64)> {
        let (a, b) = (&self.shown, &self.withheld);
        if a.n < 1.0 || b.n < 1.0 {
            return None;
        }
        let (va, vb) = self.variances(common);
        let variance = va * a.ww / (a.w * a.w) + vb * b.ww / (b.w * b.w);
        Some((a.wr / a.w - b.wr / b.w, variance.sqrt()))
    }
}

/// Variances of a unit that cells have in common, by arm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Common {
    pub shown: f64,
    pub withheld: f64,
}

impl Common {
    /// Pooled within cells.
    pub fn of(cells: &[CellSums]) -> Self {
        let pooled = |arm: &dyn Fn(&CellSums) -> ArmSums| {
            let (mut squares, mut df) = (0.0, 0.0);
            for sums in cells.iter().map(arm).filter(|a| a.n > 1.0) {
                squares += sums.squares();
                df += sums.n - 1.0;
            }
            (squares, df)
        };
        let (s1, df1) = pooled(&|c| c.shown);
        let (s0, df0) = pooled(&|c| c.withheld);
        let all = if df1 + df0 > 0.0 {
            (s1 + s0) / (df1 + df0)
        } else {
            0.25
        };
        // With few units an arm borrows from both.
        let arm = |s: f64, df: f64| (s + 20.0 * all) / (df + 20.0);
        Self {
            shown: arm(s1, df1),
            withheld: arm(s0, df0),
        }
    }
}

/// The effect in a group of units (`r` are their residuals, NaN without an outcome), clustered by trajectory.
/// `None` before two trajectories had a unit shown and two had one withheld.
pub(crate) fn clustered<'a>(
    units: impl Iterator<Item = (&'a Exposure, f64)> + Clone,
    confidence: f64,
) -> Option<Estimate> {
    let mut sums = CellSums::default();
    for (unit, r) in units.clone().filter(|(_, r)| r.is_finite()) {
        sums.add(unit, r);
    }
    let (a, b) = (&sums.shown, &sums.withheld);
    if a.n < 1.0 || b.n < 1.0 {
        return None;
    }
    let (mean_a, mean_b) = (a.wr / a.w, b.wr / b.w);
    // Influence, whether anything was shown, whether anything was withheld.
    let mut clusters: HashMap<u32, (f64, bool, bool)> = HashMap::new();
    for (unit, r) in units.filter(|(_, r)| r.is_finite()) {
        let cluster = clusters.entry(unit.trajectory).or_default();
        if unit.shown {
            cluster.0 += (r - mean_a) / (unit.p_shown * a.w);
            cluster.1 = true;
        } else {
            cluster.0 -= (r - mean_b) / ((1.0 - unit.p_shown) * b.w);
            cluster.2 = true;
        }
    }
    let with_shown = clusters.values().filter(|c| c.1).count();
    let with_withheld = clusters.values().filter(|c| c.2).count();
    let smaller = with_shown.min(with_withheld) as f64;
    if smaller < 2.0 {
        return None;
    }
    // Summed in the order of the trajectories, so that the last digit does not depend on hashing.
    let mut ordered: Vec<_> = clusters.iter().map(|(t, c)| (*t, c.0)).collect();
    ordered.sort_unstable_by_key(|(t, _)| *t);
    let square: f64 = ordered.iter().map(|(_, phi)| phi * phi).sum();
    // The correction of one sample mean, for the arm that has fewer trajectories.
    let se = (square * smaller / (smaller - 1.0)).sqrt();
    let reach = quantile::student_t(0.5 + 0.5 * confidence, smaller - 1.0);
    Some(Estimate::with_quantile(mean_a - mean_b, se, reach))
}
