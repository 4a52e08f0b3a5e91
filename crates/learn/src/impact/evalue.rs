//! Evidence that may be looked at at any time: betting on the coin, and many cells at once.
//!
//! For a unit with outcome `y ∈ [0, 1]`, shown (`d = 1`) with known probability `p`, and any number μ that was
//! fixed before its trajectory was seen,
//!
//! ```text
//! s = (y − μ) (d − p)        E[s] = p (1 − p) · (E[y | shown] − E[y | withheld])
//! ```
//!
//! whatever the distribution of y. A gambler who puts a share λ ≥ 0 on `s − p(1−p)·δ` has wealth
//! `Π (1 + λ (s − p(1−p) δ))`, which cannot grow on average while the effect is at most δ: an e-process. By
//! Ville's inequality it ever exceeds 1/α with probability at most α. (Waudby-Smith and Ramdas 2024, section 4: betting;
//! the score s is that of the inverse-probability estimate, times p (1 − p).) Nothing is approximate: neither normality nor a
//! known variance is used, and units of one cell are in different trajectories.
//!
//! μ is the mean `(1 − p) m₁ + p m₀` of what shown and withheld units had so far, which makes s small. λ is not
//! known in advance, so the stake is split over [`STAKES`] and the wealths are averaged.

/// The shares λ. The best one for an effect δ at outcome variance σ² is about δ / σ²: at σ² = 0.25 these are best for effects of
/// 0.04, 0.08, 0.15 and 0.3.
pub const STAKES: [f64; 4] = [0.15, 0.3, 0.6, 1.2];
/// No bet may lose more than this share of the wealth.
const MOST: f64 = 0.9;

/// The means of shown and withheld units so far, each starting as two units at `start`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Means {
    shown: (f64, f64),
    withheld: (f64, f64),
}

impl Means {
    /// Nothing seen yet. `start` in [0, 1] must not depend on what will be seen.
    pub fn new(start: f64) -> Self {
        Self {
            shown: (2.0 * start, 2.0),
            withheld: (2.0 * start, 2.0),
        }
    }

    /// μ for the next unit.
    pub fn centre(&self, p_shown: f64) -> f64 {
        let mean = |(sum, n): (f64, f64)| sum / n;
        ((1.0 - p_shown) * mean(self.shown) + p_shown * mean(self.withheld)).clamp(0.0, 1.0)
    }

    /// Takes a unit in, after it was bet on.
    pub fn add(&mut self, shown: bool, y: f64) {
        let (sum, n) = if shown {
            &mut self.shown
        } else {
            &mut self.withheld
        };
        *sum += y;
        *n += 1.0;
    }
}

/// One unit to bet on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bet {
    /// Its outcome, in [0, 1].
    pub y: f64,
    /// The centre μ in [0, 1], from earlier trajectories only: [`Means::centre`].
    pub mu: f64,
    /// Whether it was shown.
    pub shown: bool,
    /// The probability that it was, in (0, 1).
    pub p_shown: f64,
}

impl Bet {
    /// `±(s − p (1 − p) δ)`.
    pub(super) fn score(&self, direction: f64, delta: f64) -> f64 {
        let d = f64::from(u8::from(self.shown));
        let q = 1.0 - self.p_shown;
        direction * ((self.y - self.mu) * (d - self.p_shown) - self.p_shown * q * delta)
    }

    /// The largest loss that was possible, whatever the outcome and the coin.
    pub(super) fn worst(&self, direction: f64, delta: f64) -> f64 {
        let (p, q, mu) = (self.p_shown, 1.0 - self.p_shown, self.mu);
        if direction > 0.0 {
            f64::max(q * mu, p * (1.0 - mu)) + p * q * delta
        } else {
            f64::max(q * (1.0 - mu), p * mu) - p * q * delta
        }
    }
}

/// A gambler against "the effect is at most δ" (`direction` +1) or "at least δ" (−1).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Gambler {
    log_wealth: [f64; STAKES.len()],
}

impl Gambler {
    /// Bets on one unit.
    pub fn bet(&mut self, direction: f64, delta: f64, unit: &Bet) {
        self.stake(unit.score(direction, delta), unit.worst(direction, delta));
    }

    /// Bets on a score that has mean at most 0 under the hypothesis and is never below `−worst`.
    pub(super) fn stake(&mut self, score: f64, worst: f64) {
        for (wealth, stake) in self.log_wealth.iter_mut().zip(STAKES) {
            let share = if worst * stake > MOST {
                MOST / worst
            } else {
                stake
            };
            *wealth += (share * score).ln_1p();
        }
    }

    /// The logarithm of the wealth, averaged over the stakes.
    pub fn ln_e(&self) -> f64 {
        let top = self
            .log_wealth
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.log_wealth.iter().map(|w| (w - top).exp()).sum();
        top + (sum / STAKES.len() as f64).ln()
    }

    /// The e-value: the wealth, at least 0. Reports beyond 1e300 say 1e300.
    pub fn e(&self) -> f64 {
        self.ln_e().min(690.0).exp()
    }
}

/// Which hypotheses e-BH rejects at false discovery rate `level` (Wang and Ramdas 2022, definition 4): the k largest
/// e-values, for the largest k with `k · e₍ₖ₎ ≥ n / level`. The rate is kept under any dependence, which matters here, because
/// cells share trajectories.
pub fn e_bh(e_values: &[f64], level: f64) -> Vec<bool> {
    let n = e_values.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| e_values[b].total_cmp(&e_values[a]));
    let bar = n as f64 / level;
    let k = (1..=n)
        .rev()
        .find(|&k| k as f64 * e_values[order[k - 1]] >= bar);
    let mut rejected = vec![false; n];
    for &i in &order[..k.unwrap_or(0)] {
        rejected[i] = true;
    }
    rejected
}
