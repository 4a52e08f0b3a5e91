//! What a reward spec is, and how it scores an outcome.

use memrl_types::Outcome;

use super::{Reward, ScoreError, TermValue};

/// A signal of an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// Success of the task, in [0, 1].
    Success,
    /// An unsafe action happened, 0 or 1.
    Unsafe,
    /// An outdated memory misled the agent, 0 or 1.
    Stale,
    /// Tokens spent on the task.
    Tokens,
    /// Time spent on the task, in milliseconds.
    Latency,
    /// A number of the caller's: `metrics.NAME`.
    Metric(String),
}

impl Signal {
    /// The name in a spec.
    pub fn name(&self) -> String {
        match self {
            Self::Success => "success".to_owned(),
            Self::Unsafe => "unsafe".to_owned(),
            Self::Stale => "stale".to_owned(),
            Self::Tokens => "tokens".to_owned(),
            Self::Latency => "latency".to_owned(),
            Self::Metric(name) => format!("metrics.{name}"),
        }
    }

    /// The signal of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "success" => Self::Success,
            "unsafe" => Self::Unsafe,
            "stale" => Self::Stale,
            "tokens" => Self::Tokens,
            "latency" => Self::Latency,
            _ => match name.strip_prefix("metrics.") {
                Some(metric) if !metric.is_empty() => Self::Metric(metric.to_owned()),
                _ => return None,
            },
        })
    }

    /// The reported value; `None` when it was not reported or is not a finite number.
    pub(super) fn read(&self, outcome: &Outcome) -> Option<f64> {
        let flag = |b: bool| f64::from(u8::from(b));
        let raw = match self {
            Self::Success => outcome.success,
            Self::Unsafe => outcome.unsafe_action.map(flag),
            Self::Stale => outcome.stale_memory_error.map(flag),
            Self::Tokens => outcome.tokens_used.map(|n| n as f64),
            Self::Latency => outcome.latency_ms.map(|n| n as f64),
            Self::Metric(name) => outcome.metrics.get(name).copied(),
        };
        raw.filter(|x| x.is_finite())
    }

    /// The values it can take by its nature.
    fn range(&self) -> (f64, f64) {
        match self {
            Self::Success | Self::Unsafe | Self::Stale => (0.0, 1.0),
            Self::Tokens | Self::Latency | Self::Metric(_) => (f64::NEG_INFINITY, f64::INFINITY),
        }
    }
}

/// What is done to a signal before it is weighted. All are monotone (not falling).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transform {
    /// `x`.
    Identity,
    /// `2x − 1`: [0, 1] to [−1, 1].
    Signed,
    /// `min(max(x, 0), cap) / cap`, in [0, 1].
    Cap(f64),
    /// `ln(1 + max(x, 0))`.
    Log1p,
    /// `ln(1 + min(max(x, 0), cap)) / ln(1 + cap)`, in [0, 1].
    Log1pCap(f64),
}

impl Transform {
    /// The transformed value.
    pub fn apply(self, x: f64) -> f64 {
        match self {
            Self::Identity => x,
            Self::Signed => 2.0 * x - 1.0,
            Self::Cap(cap) => x.clamp(0.0, cap) / cap,
            Self::Log1p => x.max(0.0).ln_1p(),
            Self::Log1pCap(cap) => (x.clamp(0.0, cap).ln_1p() / cap.ln_1p()).clamp(0.0, 1.0),
        }
    }
}

/// What is done when a signal was not reported.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Missing {
    /// There is no reward before it is.
    Undefined,
    /// This value is assumed, in the unit of the signal.
    Assume(f64),
}

/// One weighted, transformed signal.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// The signal.
    pub signal: Signal,
    /// Its weight.
    pub weight: f64,
    /// What is done to it first.
    pub transform: Transform,
    /// What it is clipped to before the transform.
    pub bounds: Option<(f64, f64)>,
    /// What is done when it was not reported.
    pub missing: Missing,
}

impl Term {
    /// The contribution of this value of the signal.
    fn contribution(&self, raw: f64) -> f64 {
        let (low, high) = self.signal.range();
        let mut x = raw.clamp(low, high);
        if let Some((low, high)) = self.bounds {
            x = x.clamp(low, high);
        }
        self.weight * self.transform.apply(x)
    }

    /// The smallest and the largest contribution. The contribution is monotone in the signal, so
    /// its ends are reached at the ends of the signal.
    fn range(&self) -> (f64, f64) {
        let (low, high) = self.signal.range();
        let (a, b) = (self.contribution(low), self.contribution(high));
        (a.min(b), a.max(b))
    }
}

/// A versioned function from an outcome to a number:
/// `round(clip(offset + Σ weight · transform(signal)))`.
#[derive(Debug, Clone, PartialEq)]
pub struct RewardSpec {
    /// The name, without its version.
    pub id: String,
    /// The version; rewards of another version are not comparable.
    pub version: u32,
    /// What it is for, in one line.
    pub description: String,
    /// What the sum starts from.
    pub offset: f64,
    /// The terms, added in this order.
    pub terms: Vec<Term>,
    /// What the sum is clipped to.
    pub clip: Option<(f64, f64)>,
    /// Decimals that it is rounded to, half to even on the binary value, as Python rounds.
    pub round: Option<u8>,
}

impl RewardSpec {
    /// Its name and version: `memcell_v1`.
    pub fn name(&self) -> String {
        format!("{}_v{}", self.id, self.version)
    }

    /// The reward of an outcome (of all its reports, added up).
    pub fn score(&self, outcome: &Outcome) -> Result<Reward, ScoreError> {
        let mut terms = Vec::with_capacity(self.terms.len());
        let mut sum = self.offset;
        for term in &self.terms {
            let raw = term.signal.read(outcome);
            let x = match (raw, term.missing) {
                (Some(x), _) | (None, Missing::Assume(x)) => x,
                (None, Missing::Undefined) => {
                    return Err(ScoreError::Undefined {
                        spec: self.name(),
                        signal: term.signal.name(),
                    });
                }
            };
            let contribution = term.contribution(x);
            sum += contribution;
            terms.push(TermValue {
                signal: term.signal.name(),
                raw,
                contribution,
            });
        }
        let value = self.finish(sum);
        if !value.is_finite() {
            return Err(ScoreError::NotFinite { spec: self.name() });
        }
        Ok(Reward { value, terms })
    }

    /// Clips and rounds.
    fn finish(&self, sum: f64) -> f64 {
        let clipped = match self.clip {
            Some((low, high)) => sum.clamp(low, high),
            None => sum,
        };
        match self.round {
            Some(decimals) => round_half_even(clipped, decimals),
            None => clipped,
        }
    }

    /// The interval that every reward provably lies in, when there is one.
    ///
    /// Interval arithmetic in the order in which [`Self::score`] adds: floating-point addition,
    /// clipping and rounding are monotone, so the bounds hold for the computed numbers too.
    pub fn bounds(&self) -> Option<(f64, f64)> {
        let (mut low, mut high) = (self.offset, self.offset);
        for term in &self.terms {
            let (a, b) = term.range();
            low += a;
            high += b;
        }
        let (low, high) = (self.finish(low), self.finish(high));
        (low.is_finite() && high.is_finite()).then_some((low, high))
    }

    /// Whether every reward provably lies in [0, 1], as the gate's bound demands.
    pub fn bounded(&self) -> bool {
        self.bounds()
            .is_some_and(|(low, high)| low >= 0.0 && high <= 1.0)
    }
}

/// Rounds to a number of decimals as Python's `round` does: the exact binary value, ties to even.
pub(super) fn round_half_even(x: f64, decimals: u8) -> f64 {
    // Formatting with a precision rounds the exact binary value half to even.
    let text = format!("{x:.*}", usize::from(decimals));
    text.parse().unwrap_or(x)
}
