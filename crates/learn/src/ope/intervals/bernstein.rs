//! The empirical Bernstein bound: Maurer & Pontil 2009, "Empirical Bernstein bounds and sample variance
//! penalization", theorem 4, scaled from [0, 1] to [a, b]:
//!
//! ```text
//! P( μ ≥ x̄ − √(2 s² ln(2/δ) / n) − 7 (b − a) ln(2/δ) / (3 (n − 1)) ) ≥ 1 − δ
//! ```
//!
//! Valid for every n ≥ 2, for one look at a sample whose size was not chosen by looking.

use super::{Interval, Method, moments, whole};

/// The interval for the mean of independent numbers in `bounds`, which must be known beforehand. Each side gets half of
/// 1 − `level`. Numbers outside the bounds make it the whole range: they were no bounds.
pub fn empirical_bernstein(xs: &[f64], bounds: (f64, f64), level: f64) -> Interval {
    let all = whole(Method::EmpiricalBernstein, bounds, level);
    let (a, b) = bounds;
    if xs.len() < 2 || !xs.iter().all(|x| (a..=b).contains(x)) {
        return all;
    }
    let n = xs.len() as f64;
    let (mean, variance) = moments(xs);
    // ln(2 / δ) with δ = (1 − level) / 2 on each side.
    let log = (4.0 / (1.0 - level)).ln();
    let width = (2.0 * variance * log / n).sqrt() + 7.0 * (b - a) * log / (3.0 * (n - 1.0));
    Interval {
        low: (mean - width).max(a),
        high: (mean + width).min(b),
        ..all
    }
}
