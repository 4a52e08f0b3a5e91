//! The few distributions that tests here need; quantiles are those of [`crate::ope::intervals::quantile`]. It may not know
//! what they are asked about.

/// Distribution function of the standard normal.
///
/// Within ±5 by the series `½ + φ(x) (x + x³/3 + x⁵/15 + …)` (Marsaglia 2004), beyond by the continued fraction of the
/// tail `φ(x) / (x + 1/(x + 2/(x + 3/(x + …))))`.
pub(crate) fn normal_cdf(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if x.abs() < 5.0 {
        let (mut term, mut sum, mut k) = (x, x, 1.0);
        while term.abs() > 1e-18 {
            k += 2.0;
            term *= x * x / k;
            sum += term;
        }
        return 0.5 + density * sum;
    }
    let fraction = (1..60)
        .rev()
        .fold(x.abs(), |below, k| x.abs() + f64::from(k) / below);
    let tail = density / fraction;
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// Two-sided p-value of a standard normal statistic.
pub(crate) fn two_sided(z: f64) -> f64 {
    (2.0 * normal_cdf(-z.abs())).clamp(0.0, 1.0)
}

/// Probability that χ² with `df` degrees of freedom is above `x`; 1 for `df = 0`.
///
/// `Q(1) = 2 Φ(−√x)`, `Q(2) = e^(−x/2)`, and `Q(k + 2) = Q(k) + (x/2)^(k/2) e^(−x/2) / Γ(k/2 + 1)`
/// (Abramowitz and Stegun 26.4.8).
pub(crate) fn chi_square_above(df: u32, x: f64) -> f64 {
    if df == 0 || x.is_nan() || x <= 0.0 {
        return 1.0;
    }
    let half = 0.5 * x;
    let (mut q, mut k, mut term) = if df % 2 == 1 {
        // (x/2)^½ e^(−x/2) / Γ(3/2), with Γ(3/2) = ½ √π.
        let next = (-half).exp() * half.sqrt() * 2.0 / std::f64::consts::PI.sqrt();
        (two_sided(x.sqrt()), 1, next)
    } else {
        ((-half).exp(), 2, (-half).exp() * half)
    };
    while k < df {
        q += term;
        k += 2;
        term *= half / (0.5 * f64::from(k));
    }
    q.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `scipy.stats` (`norm.cdf`, `chi2.sf`).
    #[test]
    fn distributions_agree_with_scipy() {
        for (got, want) in [
            (normal_cdf(1.0), 0.841_344_746_068_542_9),
            (normal_cdf(-3.0), 0.001_349_898_031_630_094_6),
            (normal_cdf(-6.0), 9.865_876_450_376_98e-10),
            (normal_cdf(6.0), 0.999_999_999_013_412_3),
            (chi_square_above(1, 10.0), 0.001_565_402_258_002_549),
            (chi_square_above(2, 3.0), 0.223_130_160_148_429_82),
            (chi_square_above(3, 7.814_727_903_251_179), 0.05),
            (chi_square_above(7, 12.0), 0.100_558_868_508_358_78),
            (chi_square_above(10, 18.307_038_053_275_146), 0.05),
        ] {
            assert!((got - want).abs() < 1e-9 * want, "{got} {want}");
        }
    }
}
