//! Student's t: x̄ ± t_{1−α/2, n−1} · s / √n (Student 1908). Right in the limit only, but there the narrowest.

use super::{Interval, Method, moments, quantile};

/// The interval for the mean of independent numbers; `None` for fewer than two.
pub fn student_t(xs: &[f64], level: f64) -> Option<Interval> {
    let half = f64::midpoint(1.0, level);
    let (low, high) = (bound(xs, half, -1.0)?, bound(xs, half, 1.0)?);
    let method = Method::StudentT;
    Some(Interval {
        method,
        low,
        high,
        level,
    })
}

/// The lower bound that holds with probability 1 − δ; `None` for fewer than two numbers.
pub fn student_t_lower(xs: &[f64], delta: f64) -> Option<f64> {
    bound(xs, 1.0 - delta, -1.0)
}

fn bound(xs: &[f64], p: f64, side: f64) -> Option<f64> {
    (xs.len() >= 2).then(|| {
        let (mean, variance) = moments(xs);
        let n = xs.len() as f64;
        mean + side * quantile::student_t(p, n - 1.0) * (variance / n).sqrt()
    })
}
