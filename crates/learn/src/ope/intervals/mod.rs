//! Intervals for the mean of independent units (trajectories).
//!
//! | interval | valid | needs | file |
//! |---|---|---|---|
//! | Student-t | asymptotically | `n_eff` in the hundreds | [`student_t()`] |
//! | bootstrap | asymptotically | `n_eff` in the hundreds; also for ratios (SNIPS) | [`bootstrap()`] |
//! | empirical Bernstein | for every n | bounds known beforehand | [`empirical_bernstein()`] |
//! | betting | for every n, and however often one looks | bounds known beforehand | [`betting()`] |
//!
//! Bounds must be known before the data are seen (a reward spec that is bounded, a clip that was chosen beforehand). The
//! largest value of the sample is not a bound: an interval that uses it promises nothing.

pub mod bernstein;
pub mod betting;
pub mod bootstrap;
pub mod quantile;
mod student_t;

use serde::{Deserialize, Serialize};

pub use bernstein::empirical_bernstein;
pub use betting::{betting, betting_lower};
pub use bootstrap::{Bootstrap, bootstrap};
pub use student_t::{student_t, student_t_lower};

/// How an interval was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Student's t.
    StudentT,
    /// Percentile bootstrap over units.
    Bootstrap,
    /// Maurer and Pontil's empirical Bernstein bound.
    EmpiricalBernstein,
    /// A betting confidence sequence.
    Betting,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::StudentT,
        Self::Bootstrap,
        Self::EmpiricalBernstein,
        Self::Betting,
    ];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StudentT => "student_t",
            Self::Bootstrap => "bootstrap",
            Self::EmpiricalBernstein => "empirical_bernstein",
            Self::Betting => "betting",
        }
    }
}

/// An interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// How it was made.
    pub method: Method,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The probability with which it covers, e.g. 0.95.
    pub level: f64,
}

impl Interval {
    /// Whether a value is in it, ends included.
    pub fn covers(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// What can be known of the mean of numbers in [low, high] without looking: the whole range.
const fn whole(method: Method, (low, high): (f64, f64), level: f64) -> Interval {
    Interval {
        method,
        low,
        high,
        level,
    }
}

/// Mean and unbiased variance; the variance of fewer than two numbers is 0.
pub(crate) fn moments(xs: &[f64]) -> (f64, f64) {
    let n = xs.len() as f64;
    let mean = xs.iter().sum::<f64>() / n;
    let squares: f64 = xs.iter().map(|x| (x - mean).powi(2)).sum();
    (mean, squares / f64::max(n - 1.0, 1.0))
}
