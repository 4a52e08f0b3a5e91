//! The outcome model of the doubly robust estimates: what was to be expected of a unit, shown or not.
//!
//! ```text
//! m(x, c) = x'β + κ-shrunken mean of the residuals of cell c
//! ```
//!
//! with β by ridge regression on the standardised covariates. It is cross-fitted (Chernozhukov et al. 2018,
//! section 3): trajectories are dealt to [`FOLDS`] folds, and each unit is predicted by a model that saw no
//! unit of its fold. One function serves both arms; the effect itself is never modelled here, so a bad model costs
//! width and no bias. It may not know policies, logs or cells beyond their index.

use super::exposure::{COVARIATES, Exposure};

/// Number of folds.
pub const FOLDS: usize = 5;
/// Penalty of the ridge, in units (standardised covariates; the intercept is free).
const RIDGE: f64 = 10.0;
/// Units by which the mean of a cell is shrunk.
const SHRINK: f64 = 10.0;
/// Covariates and an intercept.
const D: usize = COVARIATES + 1;

/// Residuals `y − m` of the units that have an outcome, and how much the model explains.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Residuals {
    /// One per unit; NaN where there is no outcome.
    pub values: Vec<f64>,
    /// Share of the variance of the outcome that the cross-fitted model explains, at most 1; below 0 when it
    /// predicts worse than the mean.
    pub r_squared: f64,
}

/// The fold of a trajectory: a fixed mix of its index (`SplitMix64`), so that neither the order of the log nor
/// a period of it falls into one fold.
pub(crate) fn fold_of(trajectory: u32) -> usize {
    let mut z = u64::from(trajectory).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) % FOLDS as u64) as usize
}

/// Sums of products of one fold.
#[derive(Clone)]
struct Sums {
    xx: [[f64; D]; D],
    xy: [f64; D],
}

/// Sums of one cell in one fold.
#[derive(Clone, Copy)]
struct CellSums {
    n: f64,
    x: [f64; D],
    y: f64,
}

/// Cross-fits the model. `cell_of[i]` is the index of unit `i`'s cell, below `cells`.
pub(crate) fn cross_fit(units: &[Exposure], cell_of: &[u32], cells: usize) -> Residuals {
    let scale = Scale::of(units);
    let mut folds = vec![
        Sums {
            xx: [[0.0; D]; D],
            xy: [0.0; D],
        };
        FOLDS
    ];
    let none = CellSums {
        n: 0.0,
        x: [0.0; D],
        y: 0.0,
    };
    let mut by_cell = vec![[none; FOLDS]; cells];
    for (unit, &cell) in units.iter().zip(cell_of) {
        let Some(y) = unit.y else { continue };
        let x = scale.apply(&unit.covariates);
        let fold = fold_of(unit.trajectory);
        let sums = &mut folds[fold];
        let own = &mut by_cell[cell as usize][fold];
        own.n += 1.0;
        own.y += y;
        for i in 0..D {
            own.x[i] += x[i];
            sums.xy[i] += x[i] * y;
            for j in 0..D {
                sums.xx[i][j] += x[i] * x[j];
            }
        }
    }
    let betas: Vec<[f64; D]> = (0..FOLDS).map(|out| fit(&folds, out)).collect();
    let mut values = Vec::with_capacity(units.len());
    let (mut n, mut sum, mut square, mut left) = (0.0, 0.0, 0.0, 0.0);
    for (unit, &cell) in units.iter().zip(cell_of) {
        let Some(y) = unit.y else {
            values.push(f64::NAN);
            continue;
        };
        let out = fold_of(unit.trajectory);
        let beta = &betas[out];
        let (mut others, mut residual) = (0.0, 0.0);
        for (fold, sums) in by_cell[cell as usize].iter().enumerate() {
            if fold != out && sums.n > 0.0 {
                others += sums.n;
                residual += sums.y - dot(&sums.x, beta);
            }
        }
        let x = scale.apply(&unit.covariates);
        let r = y - dot(&x, beta) - residual / (others + SHRINK);
        values.push(r);
        n += 1.0;
        sum += y;
        square += y * y;
        left += r * r;
    }
    let variance = square - sum * sum / f64::max(n, 1.0);
    let r_squared = if variance > 0.0 {
        1.0 - left / variance
    } else {
        0.0
    };
    Residuals { values, r_squared }
}

/// How covariates are standardised.
struct Scale {
    mean: [f64; COVARIATES],
    inverse: [f64; COVARIATES],
}

impl Scale {
    fn of(units: &[Exposure]) -> Self {
        let n = units.len().max(1) as f64;
        let mut mean = [0.0; COVARIATES];
        let mut square = [0.0; COVARIATES];
        for unit in units {
            for (k, &x) in unit.covariates.iter().enumerate() {
                mean[k] += f64::from(x) / n;
            }
        }
        for unit in units {
            for (k, &x) in unit.covariates.iter().enumerate() {
                square[k] += (f64::from(x) - mean[k]).powi(2) / n;
            }
        }
        // A constant says nothing: it is left out by a factor of 0.
        let inverse = square.map(|v| if v > 1e-12 { 1.0 / v.sqrt() } else { 0.0 });
        Self { mean, inverse }
    }

    fn apply(&self, covariates: &[f32; COVARIATES]) -> [f64; D] {
        let mut x = [1.0; D];
        for k in 0..COVARIATES {
            x[k + 1] = (f64::from(covariates[k]) - self.mean[k]) * self.inverse[k];
        }
        x
    }
}

/// Ridge regression on all folds but one.
fn fit(folds: &[Sums], out: usize) -> [f64; D] {
    let mut a = [[0.0; D]; D];
    let mut b = [0.0; D];
    for (_, sums) in folds.iter().enumerate().filter(|(f, _)| *f != out) {
        for (i, row) in a.iter_mut().enumerate() {
            b[i] += sums.xy[i];
            for (entry, product) in row.iter_mut().zip(&sums.xx[i]) {
                *entry += product;
            }
        }
    }
    a[0][0] += 1e-9;
    for (i, row) in a.iter_mut().enumerate().skip(1) {
        row[i] += RIDGE;
    }
    let rows: Vec<Vec<f64>> = a.iter().map(|r| r.to_vec()).collect();
    let solved = super::linear::Cholesky::new(&rows).map(|c| c.solve(&b));
    let mut beta = [0.0; D];
    if let Some(solution) = solved {
        beta.copy_from_slice(&solution);
    }
    beta
}

fn dot(a: &[f64; D], b: &[f64; D]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
