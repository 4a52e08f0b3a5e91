//! Bets against a claim that a mean is at most 0, valid at any time.
//!
//! A trajectory goes to the policy on trial with a known probability p, else to the control. With A = 1 for the policy on trial, its
//! outcome y in [0, 1], and any m that was fixed before (here: the mean of all outcomes so far),
//!
//! ```text
//! xᵢ = (Aᵢ/pᵢ − (1 − Aᵢ)/(1 − pᵢ)) · (yᵢ − mᵢ₋₁)          E[xᵢ | before] = E[y | policy] − E[y | control]
//! ```
//!
//! whatever m is; subtracting it only takes variance away. Against the claim "the difference is at most 0" a gambler bets
//!
//! ```text
//! K_t = Π_{i ≤ t} (1 + λᵢ xᵢ),   λᵢ = μ̂ᵢ₋₁ / (σ̂²ᵢ₋₁ + μ̂²ᵢ₋₁)  within [0, 0.8 / bᵢ],   xᵢ ≥ −bᵢ
//! ```
//!
//! (Waudby-Smith & Ramdas 2024, section B.3, approximately the stake of the fastest growth). If the claim is true, K is a
//! supermartingale that starts at 1, so P(K ever reaches 1/δ) ≤ δ (Ville 1939): the trial may be looked at after every
//! trajectory, stopped at any time for any reason, and gone on with. K ≥ 1/δ is a proof at level δ that stays one.

use serde::{Deserialize, Serialize};

/// Stakes are at most this share of what would risk everything.
const CAUTION: f64 = 0.8;

/// A bet against the claim that numbers have means of at most 0, each given those before.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Bet {
    n: u64,
    sum: f64,
    squares: f64,
    log_wealth: f64,
    peak: f64,
    bound: f64,
}

impl Bet {
    /// Bets on the next number, which was known beforehand to be at least −`bound`. A number below that counts as
    /// −`bound`. Bounds below 0.1 count as 0.1, which is as true and keeps stakes finite.
    pub fn push(&mut self, x: f64, bound: f64) {
        let bound = bound.max(0.1);
        let x = x.max(-bound);
        self.bound = bound;
        let stake = self.stake(bound);
        self.log_wealth += (stake * x).ln_1p();
        self.peak = self.peak.max(self.log_wealth);
        self.n += 1;
        self.sum += x;
        self.squares += (x - self.mean()).powi(2);
    }

    /// Mean so far, with one number 0 put before.
    fn mean(&self) -> f64 {
        self.sum / (self.n + 1) as f64
    }

    /// Variance so far, with one number put before whose square is a quarter of `bound` squared.
    fn variance(&self, bound: f64) -> f64 {
        (0.25 * bound * bound + self.squares) / (self.n + 1) as f64
    }

    fn stake(&self, bound: f64) -> f64 {
        let mean = self.mean();
        let kelly = mean / (self.variance(bound) + mean * mean);
        kelly.clamp(0.0, CAUTION / bound)
    }

    /// ln of what the gambler has now.
    pub fn log_wealth(&self) -> f64 {
        self.log_wealth
    }

    /// Whether the claim was refuted at level δ, now or at any time before.
    pub fn refutes(&self, delta: f64) -> bool {
        self.peak >= -delta.ln()
    }

    /// Whether the claim is refuted at level δ by what the gambler has now. Stricter than [`Self::refutes`]: luck at the start that was lost
    /// again does not count.
    pub fn refutes_now(&self, delta: f64) -> bool {
        self.log_wealth >= -delta.ln()
    }

    /// About how many more numbers like those so far would refute the claim; `None` when they would not, or not within 10⁷.
    pub fn more(&self, delta: f64) -> Option<u64> {
        if self.refutes_now(delta) {
            return Some(0);
        }
        if self.n == 0 {
            return None;
        }
        let (mean, variance) = (self.mean(), self.variance(self.bound));
        let stake = self.stake(self.bound);
        // E ln(1 + λx) to the second order.
        let growth = stake * mean - 0.5 * stake * stake * (variance + mean * mean);
        let more = (-delta.ln() - self.log_wealth) / growth;
        (growth > 0.0 && more < 1e7).then(|| more.ceil().max(1.0) as u64)
    }
}

/// Differences between the arms, one per trajectory.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Contrast {
    n: u64,
    sum: f64,
}

/// One difference, with the bounds that were known before the outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// x.
    pub x: f64,
    /// x is at least this.
    pub low: f64,
    /// x is at most this.
    pub high: f64,
}

impl Contrast {
    /// The next difference: `treated` with probability `p` in (0, 1), outcome `y` in [0, 1].
    pub fn next(&mut self, treated: bool, p: f64, y: f64) -> Difference {
        let m = (self.sum + 0.5) / (self.n + 1) as f64;
        self.n += 1;
        self.sum += y;
        Difference {
            x: if treated {
                (y - m) / p
            } else {
                (m - y) / (1.0 - p)
            },
            low: -f64::max(m / p, (1.0 - m) / (1.0 - p)),
            high: f64::max((1.0 - m) / p, m / (1.0 - p)),
        }
    }
}
