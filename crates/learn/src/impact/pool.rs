//! Partial pooling: what many cells say about each.
//!
//! A cell with three withheld units says little by itself, but hundreds of cells say how large effects are, and
//! what kind of cells have them. The model is that of Morris (1983):
//!
//! ```text
//! τ̂ᵢ ~ N(θᵢ, sᵢ²)      θᵢ ~ N(zᵢ'β, A)
//! ```
//!
//! with z the cell's features (type, origin, value). β has a weak normal prior and is integrated out, so that collinear or rare
//! features do no harm. A maximises `A · p(τ̂ | A)`: adjustment for density maximisation (Morris and Tang 2011, section 3), which unlike
//! maximum likelihood (or DerSimonian–Laird) is never 0, so intervals never collapse because ten noisy cells happened to
//! agree. The shrunken effect is `(1 − B) τ̂ + B z'b`, `B = s²/(s² + A)`, with variance
//!
//! ```text
//! (1 − B) s² + B² z'Vz + v (τ̂ − z'b)²,     v = 2 B² / (k − 2) · (s̄² + A)/(s² + A)
//! ```
//!
//! (Morris 1983, equation 5.4: the last term is what not knowing A costs; k is the number of cells). Such an interval covers on average over cells, not for each
//! single one: a cell unlike all others is pulled towards them.

use super::linear::Cholesky;

/// One cell to pool.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Own effect and standard error, where it has one.
    pub own: Option<(f64, f64)>,
    /// Features; the first is 1.
    pub z: Vec<f64>,
}

/// What was learned from all cells.
#[derive(Debug, Clone)]
pub(crate) struct Pooled {
    /// Coefficients of the features.
    pub b: Vec<f64>,
    /// Their standard deviations.
    pub b_sd: Vec<f64>,
    /// √A: how much cells with equal features differ.
    pub spread: f64,
    /// Shrunken effect and its standard deviation, one per row.
    pub rows: Vec<(f64, f64)>,
    precision: Cholesky,
}

impl Pooled {
    /// Standard deviation of `z'β`.
    pub fn sd_of(&self, z: &[f64]) -> f64 {
        self.precision
            .forward(z)
            .iter()
            .map(|x| x * x)
            .sum::<f64>()
            .sqrt()
    }
}

/// What the data say given A.
struct Given {
    /// Factor of `Z'D⁻¹Z + prior`.
    precision: Cholesky,
    b: Vec<f64>,
    /// Log of the marginal likelihood, up to a constant.
    log_p: f64,
}

fn given(rows: &[&Row], a: f64, prior: &[f64]) -> Option<Given> {
    let q = prior.len();
    let mut m = vec![vec![0.0; q]; q];
    let mut zy = vec![0.0; q];
    for (i, row) in m.iter_mut().enumerate() {
        row[i] = 1.0 / prior[i];
    }
    let (mut yy, mut ln_d) = (0.0, 0.0);
    for row in rows {
        let Some((y, s)) = row.own else { continue };
        let weight = 1.0 / (s * s + a);
        yy += weight * y * y;
        ln_d -= weight.ln();
        for (i, &zi) in row.z.iter().enumerate().filter(|(_, z)| **z != 0.0) {
            zy[i] += weight * zi * y;
            for (j, &zj) in row.z[..=i].iter().enumerate() {
                m[i][j] += weight * zi * zj;
            }
        }
    }
    let precision = Cholesky::new(&m)?;
    let explained: f64 = precision.forward(&zy).iter().map(|x| x * x).sum();
    let b = precision.solve(&zy);
    let log_p = -0.5 * (ln_d + precision.ln_det() + yy - explained);
    Some(Given {
        precision,
        b,
        log_p,
    })
}

/// Pools the cells. `sd` is the standard deviation of an outcome: the weak prior of the mean effect has this standard
/// deviation, and that of the other coefficients half of it. `None` when no cell has an effect of its own.
pub(crate) fn pool(rows: &[Row], sd: f64) -> Option<Pooled> {
    let known: Vec<&Row> = rows.iter().filter(|r| r.own.is_some()).collect();
    let q = rows.first()?.z.len();
    if known.is_empty() || sd <= 0.0 {
        return None;
    }
    let mut prior = vec![0.25 * sd * sd; q];
    prior[0] = sd * sd;
    // Golden section over ln A of a function with one maximum.
    let objective =
        |ln_a: f64| given(&known, ln_a.exp(), &prior).map_or(f64::MIN, |g| ln_a + g.log_p);
    let (mut low, mut high) = ((1e-4 * sd).powi(2).ln(), sd.powi(2).ln());
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut x1, mut x2) = (high - golden * (high - low), low + golden * (high - low));
    let (mut f1, mut f2) = (objective(x1), objective(x2));
    for _ in 0..32 {
        if f1 > f2 {
            (high, x2, f2) = (x2, x1, f1);
            x1 = high - golden * (high - low);
            f1 = objective(x1);
        } else {
            (low, x1, f1) = (x1, x2, f2);
            x2 = low + golden * (high - low);
            f2 = objective(x2);
        }
    }
    let a = (0.5 * (low + high)).exp();
    let best = given(&known, a, &prior)?;
    let k = known.len() as f64;
    let mean_square = known
        .iter()
        .filter_map(|r| r.own)
        .map(|(_, s)| s * s)
        .sum::<f64>()
        / k;
    let shrunken = rows.iter().map(|row| {
        let fitted: f64 = row.z.iter().zip(&best.b).map(|(z, b)| z * b).sum();
        let zvz: f64 = best.precision.forward(&row.z).iter().map(|x| x * x).sum();
        let Some((y, s)) = row.own else {
            return (fitted, (a + zvz).sqrt());
        };
        let shrink = s * s / (s * s + a);
        let v = 2.0 * shrink * shrink / (k - 2.0).max(1.0) * (mean_square + a) / (s * s + a);
        let variance = (1.0 - shrink) * s * s + shrink * shrink * zvz + v * (y - fitted).powi(2);
        ((1.0 - shrink) * y + shrink * fitted, variance.sqrt())
    });
    let rows = shrunken.collect();
    let unit = |i: usize| {
        (0..q)
            .map(|j| f64::from(u8::from(i == j)))
            .collect::<Vec<_>>()
    };
    let b_sd = (0..q).map(|i| {
        let column = best.precision.forward(&unit(i));
        column.iter().map(|x| x * x).sum::<f64>().sqrt()
    });
    let b_sd = b_sd.collect();
    Some(Pooled {
        b_sd,
        b: best.b,
        spread: a.sqrt(),
        rows,
        precision: best.precision,
    })
}
