//! The few distributions that intervals and tests here need. It may not know what they are asked about.

/// Distribution function of the standard normal, absolute error below 1e-9 for all `x`.
///
/// Through the incomplete gamma function: `Φ(x) = ½ (1 ± P(½, x²/2))`.
pub(crate) fn normal_cdf(x: f64) -> f64 {
    let tail = 0.5 * (1.0 - gamma_p(0.5, 0.5 * x * x));
    if x >= 0.0 { 1.0 - tail } else { tail }
}

/// Quantile of the standard normal for `p` in (0, 1): Newton steps on the distribution function
/// from the approximation 26.2.23 of Abramowitz and Stegun (1964).
pub(crate) fn normal_quantile(p: f64) -> f64 {
    let p = p.clamp(1e-12, 1.0 - 1e-12);
    let q = p.min(1.0 - p);
    let t = (-2.0 * q.ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let mut x = above / below - t;
    for _ in 0..4 {
        let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        x -= (normal_cdf(x) - q) / density.max(1e-300);
    }
    if p < 0.5 { x } else { -x }
}

/// Two-sided p-value of a standard normal statistic.
pub(crate) fn two_sided(z: f64) -> f64 {
    (2.0 * normal_cdf(-z.abs())).clamp(0.0, 1.0)
}

/// Quantile of Student's t for `df ≥ 1` degrees of freedom and `p` in (0, 1), by bisection on the
/// distribution function.
pub(crate) fn t_quantile(df: f64, p: f64) -> f64 {
    let upper = p.max(1.0 - p);
    let (mut low, mut high) = (0.0, 1.0);
    while t_cdf(df, high) < upper && high < 1e8 {
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if t_cdf(df, middle) < upper {
            low = middle;
        } else {
            high = middle;
        }
    }
    if p < 0.5 { -high } else { high }
}

/// Distribution function of Student's t.
fn t_cdf(df: f64, t: f64) -> f64 {
    let tail = 0.5 * beta_i(0.5 * df, 0.5, df / (df + t * t));
    if t >= 0.0 { 1.0 - tail } else { tail }
}

/// `ln Γ(x)` for `x > 0` (Lanczos; Numerical Recipes, 6.1).
fn ln_gamma(x: f64) -> f64 {
    const C: [f64; 6] = [
        76.180_091_729_471_46,
        -86.505_320_329_416_77,
        24.014_098_240_830_91,
        -1.231_739_572_450_155,
        0.120_865_097_386_617_9e-2,
        -0.539_523_938_495_3e-5,
    ];
    let base = x + 5.5;
    let mut series = 1.000_000_000_190_015;
    for (k, c) in C.iter().enumerate() {
        series += c / (x + 1.0 + k as f64);
    }
    (x + 0.5) * base.ln() - base + (2.506_628_274_631_000_5 * series / x).ln()
}

/// The regularised incomplete gamma function P(a, x) (Numerical Recipes, 6.2): a series below
/// `a + 1`, a continued fraction above.
fn gamma_p(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let factor = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        let mut n = a;
        for _ in 0..500 {
            n += 1.0;
            term *= x / n;
            sum += term;
            if term < sum * 1e-15 {
                break;
            }
        }
        return sum * factor;
    }
    // Lentz's method for the continued fraction of Q(a, x).
    let mut b = x + 1.0 - a;
    let mut c = 1e300;
    let mut d = 1.0 / b;
    let mut h = d;
    for i in 1..500 {
        let an = -f64::from(i) * (f64::from(i) - a);
        b += 2.0;
        d = 1.0 / nonzero(an * d + b);
        c = nonzero(b + an / c);
        h *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    1.0 - factor * h
}

fn nonzero(x: f64) -> f64 {
    if x.abs() < 1e-300 { 1e-300 } else { x }
}

/// The regularised incomplete beta function (Numerical Recipes, 6.4).
fn beta_i(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, 1.0 - x) / b
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut c = 1.0;
    let mut d = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    for m in 1..300 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for step in [even, odd] {
            d = 1.0 / nonzero(1.0 + step * d);
            c = nonzero(1.0 + step / c);
            change = c * d;
            h *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    h
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of `scipy.stats` (`norm.cdf`, `norm.ppf`, `t.ppf`, `chi2.sf`).
    #[test]
    fn distributions_agree_with_scipy() {
        for (got, want) in [
            (normal_cdf(1.0), 0.841_344_746_068_542_9),
            (normal_cdf(-3.0), 0.001_349_898_031_630_094_6),
            (normal_quantile(0.975), 1.959_963_984_540_054),
            (normal_quantile(0.001), -3.090_232_306_167_813),
            (t_quantile(1.0, 0.975), 12.706_204_736_432_095),
            (t_quantile(10.0, 0.975), 2.228_138_851_964_938_5),
            (t_quantile(300.0, 0.05), -1.649_948_674_423_489_6),
        ] {
            assert!(
                (got - want).abs() < 1e-7 * f64::max(1.0, want.abs()),
                "{got} {want}"
            );
        }
    }
}
