//! Small symmetric linear systems, dense.

/// The Cholesky factor of a positive definite matrix.
#[derive(Debug, Clone)]
pub(crate) struct Cholesky {
    /// Lower triangle, row by row.
    rows: Vec<Vec<f64>>,
}

impl Cholesky {
    /// Factors `a`, of which only the lower triangle is read; `None` when it is not positive definite.
    pub fn new(a: &[Vec<f64>]) -> Option<Self> {
        let n = a.len();
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(n);
        for i in 0..n {
            let mut row = vec![0.0; i + 1];
            for j in 0..=i {
                let below = if j == i { &row } else { &rows[j] };
                let known: f64 = row[..j].iter().zip(below).map(|(a, b)| a * b).sum();
                let rest = a[i][j] - known;
                row[j] = if i == j {
                    if rest.is_nan() || rest <= 0.0 {
                        return None;
                    }
                    rest.sqrt()
                } else {
                    rest / rows[j][j]
                };
            }
            rows.push(row);
        }
        Some(Self { rows })
    }

    /// The solution of `a x = b`.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = self.forward(b);
        let n = x.len();
        for i in (0..n).rev() {
            for j in i + 1..n {
                x[i] -= self.rows[j][i] * x[j];
            }
            x[i] /= self.rows[i][i];
        }
        x
    }

    /// The solution of `L x = b`; its squared length is `b' a⁻¹ b`.
    pub fn forward(&self, b: &[f64]) -> Vec<f64> {
        let mut x = b.to_vec();
        for i in 0..x.len() {
            for j in 0..i {
                x[i] -= self.rows[i][j] * x[j];
            }
            x[i] /= self.rows[i][i];
        }
        x
    }

    /// `ln det a`.
    pub fn ln_det(&self) -> f64 {
        (self.rows.iter().enumerate())
            .map(|(i, row)| 2.0 * row[i].ln())
            .sum()
    }
}
