//! Bounds by betting, valid at any time: Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by
//! betting" (JRSS B 86), section 4.
//!
//! Who claims that the mean of numbers in [0, 1] is at most m must offer fair bets on xᵢ − m. A gambler starts with 1 and
//! stakes λᵢ, chosen from the numbers before xᵢ:
//!
//! ```text
//! Kₜ(m) = Π_{i ≤ t} (1 + min(λᵢ, ½/m) (xᵢ − m))
//! λᵢ = √(2 ln(1/δ) / (σ̂²ᵢ₋₁ · i · ln(1 + i)))                       their eq. 26
//! μ̂ᵢ = (½ + Σⱼ xⱼ) / (i + 1),   σ̂²ᵢ = (¼ + Σⱼ (xⱼ − μ̂ⱼ)²) / (i + 1)
//! ```
//!
//! If the claim is true, K is a supermartingale, and gets to 1/δ ever with probability at most δ (Ville's inequality).
//! The lower bound is the least m for which maxₜ Kₜ(m) stays below 1/δ: each factor falls in m, so the claims that are
//! refuted are exactly those below it, and bisection finds it. Because of the maximum over t, the bound never gets worse as data
//! are added, and it holds at all times at once, so it may be looked at after every unit, in the order in which they came.

use super::{Interval, Method, whole};

/// Stakes are at most this share of what m allows, so that no single number ruins the gambler.
const CAUTION: f64 = 0.5;

/// The interval for the mean of independent numbers in `bounds`, which must be known beforehand, in the order in
/// which they came. Each side gets half of 1 − `level`. Numbers outside the bounds make it the whole range: they were no bounds.
pub fn betting(xs: &[f64], bounds: (f64, f64), level: f64) -> Interval {
    let (a, b) = bounds;
    let delta = (1.0 - level) / 2.0;
    let mirrored: Vec<f64> = xs.iter().map(|x| a + b - x).collect();
    let low = betting_lower(xs, bounds, delta);
    let high = a + b - betting_lower(&mirrored, bounds, delta);
    Interval {
        low,
        high,
        ..whole(Method::Betting, bounds, level)
    }
}

/// The lower bound that holds with probability 1 − δ at all times at once; the lower end of the bounds when nothing is known,
/// or when a number is outside the bounds.
pub fn betting_lower(xs: &[f64], bounds: (f64, f64), delta: f64) -> f64 {
    let (a, b) = bounds;
    if xs.is_empty() || b <= a || !xs.iter().all(|x| (a..=b).contains(x)) {
        return a;
    }
    let unit: Vec<f64> = xs.iter().map(|x| (x - a) / (b - a)).collect();
    let stakes = stakes(&unit, delta);
    let (mut low, mut high) = (0.0, 1.0);
    if !refuted(&unit, &stakes, low, delta) {
        return a;
    }
    // 40 halvings leave 10⁻¹² of the range; `low` is always refuted, so the bound errs to the safe side.
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if refuted(&unit, &stakes, middle, delta) {
            low = middle;
        } else {
            high = middle;
        }
    }
    a + (b - a) * low
}

/// λᵢ of each number, from the numbers before it.
fn stakes(xs: &[f64], delta: f64) -> Vec<f64> {
    let (mut sum, mut squares) = (0.5, 0.25);
    let log = (1.0 / delta).ln();
    xs.iter()
        .zip(1_u32..)
        .map(|(x, i)| {
            let i = f64::from(i);
            let variance = squares / i;
            let stake = (2.0 * log / (variance * i * (1.0 + i).ln())).sqrt();
            sum += x;
            let mean = sum / (i + 1.0);
            squares += (x - mean).powi(2);
            stake
        })
        .collect()
}

/// Whether the gambler ever had 1/δ against the claim that the mean is at most m.
fn refuted(xs: &[f64], stakes: &[f64], m: f64, delta: f64) -> bool {
    let goal = (1.0 / delta).ln();
    let most = if m > 0.0 { CAUTION / m } else { f64::INFINITY };
    let mut log_wealth = 0.0;
    xs.iter().zip(stakes).any(|(x, stake)| {
        log_wealth += (stake.min(most) * (x - m)).ln_1p();
        log_wealth >= goal
    })
}
