//! Plackett–Luce slates: draws without replacement, with an explicit STOP, under the budget.
//!
//! With logits `zᵢ = logitᵢ / τ`, remaining room `b` and the soft cells `F = {i not drawn, costᵢ ≤ b}`,
//! the next draw is
//!
//! ```text
//! P(i) = exp zᵢ / (exp z_stop + Σ_{j ∈ F} exp zⱼ)      P(STOP) likewise
//! ```
//!
//! until STOP. When nothing fits any more, STOP has probability 1. Critical cells are placed first, in
//! order of priority, with probability 1. The mask is part of the state, so the budget never breaks
//! the propensity; a slate is never repaired after it was drawn.
//!
//! Plackett, "The analysis of permutations", Applied Statistics 24 (1975); Luce, "Individual Choice
//! Behavior" (1959).

use rand::RngCore;

use super::coin;
use crate::{Candidate, Context, Ranking, select::Room};

/// Logits beyond this are clipped, so that no arithmetic overflows.
const LIMIT: f64 = 1e6;

/// A soft cell that can be drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Soft {
    index: usize,
    z: f64,
    cost: u32,
}

/// A distribution over ordered slates.
#[derive(Debug, Clone, PartialEq)]
pub struct PlackettLuce {
    placed: Vec<usize>,
    unplaced: Vec<usize>,
    soft: Vec<Soft>,
    stop: f64,
    room: Room,
    temperature: f64,
}

/// Log-probabilities of the draws that make a slate.
#[derive(Debug, Clone, PartialEq)]
pub struct Steps {
    /// One per drawn item, in order; placed items are not drawn.
    pub items: Vec<f64>,
    /// That of the STOP at the end; 0 when nothing fitted any more.
    pub stop: f64,
}

impl Steps {
    /// Log-probability of the whole slate.
    pub fn total(&self) -> f64 {
        self.items.iter().sum::<f64>() + self.stop
    }
}

/// The options of one draw.
struct Options {
    /// Positions in `soft` of what fits and is not drawn.
    open: Vec<usize>,
    /// The largest logit among them and STOP.
    top: f64,
    /// `ln (exp (z_stop − top) + Σ exp (zⱼ − top))`.
    log_sum: f64,
}

impl Options {
    /// Log-probability of the option with logit `z`. Subtracting `top` first keeps all digits,
    /// however large the logits are.
    fn log_p(&self, z: f64) -> f64 {
        (z - self.top) - self.log_sum
    }
}

impl PlackettLuce {
    /// The distribution over slates of a ranking. `temperature` is above 0; logits that are
    /// not numbers count as the lowest.
    pub fn new(
        ctx: &Context,
        candidates: &[Candidate],
        ranking: &Ranking,
        stop_logit: f64,
        temperature: f64,
    ) -> Self {
        let clip = |x: f64| {
            if x.is_nan() {
                -LIMIT
            } else {
                x.clamp(-LIMIT, LIMIT)
            }
        };
        let mut room = Room::of(ctx);
        let (critical, soft): (Vec<_>, Vec<_>) = ranking
            .shown()
            .iter()
            .partition(|s| candidates[s.index].is_critical());
        let (placed, unplaced) = critical
            .into_iter()
            .map(|s| s.index)
            .partition(|&i| room.take(candidates[i].cost, true));
        Self {
            placed,
            unplaced,
            soft: soft
                .into_iter()
                .map(|s| Soft {
                    index: s.index,
                    z: clip(s.logit) / temperature,
                    cost: candidates[s.index].cost,
                })
                .collect(),
            stop: clip(stop_logit) / temperature,
            room,
            temperature,
        }
    }

    /// The critical cells that come first, with probability 1.
    pub fn placed(&self) -> &[usize] {
        &self.placed
    }

    /// The critical cells that do not fit the budget.
    pub fn unplaced(&self) -> &[usize] {
        &self.unplaced
    }

    /// Whether a candidate may be drawn at all.
    pub fn is_soft(&self, index: usize) -> bool {
        self.soft.iter().any(|s| s.index == index)
    }

    /// What can be drawn next. With nothing open, STOP is certain: `log_sum = 0`.
    fn options(&self, drawn: &[bool], room: Room) -> Options {
        let open: Vec<_> = (0..self.soft.len())
            .filter(|&k| !drawn[k] && room.fits(self.soft[k].cost))
            .collect();
        let top = open
            .iter()
            .map(|&k| self.soft[k].z)
            .fold(self.stop, f64::max);
        let sum: f64 = open.iter().map(|&k| (self.soft[k].z - top).exp()).sum();
        let log_sum = (sum + (self.stop - top).exp()).ln();
        Options { open, top, log_sum }
    }

    /// Draws a slate: all its items (placed ones first) and the log-probabilities of the draws.
    pub fn sample(&self, rng: &mut impl RngCore) -> (Vec<usize>, Steps) {
        let mut slate = self.placed.clone();
        let mut drawn = vec![false; self.soft.len()];
        let mut room = self.room;
        let mut items = Vec::new();
        loop {
            let options = self.options(&drawn, room);
            // Inverse of the distribution function, STOP last. What rounding leaves over goes to STOP,
            // or to the last item where STOP is less likely than a rounding error.
            let mut u = coin::unit(rng.next_u64());
            let hit = options.open.iter().copied().find(|&k| {
                u -= options.log_p(self.soft[k].z).exp();
                u < 0.0
            });
            let can_stop = options.log_p(self.stop) > -36.0;
            let next = hit.or_else(|| options.open.last().copied().filter(|_| !can_stop));
            let Some(k) = next else {
                let stop = options.log_p(self.stop);
                return (slate, Steps { items, stop });
            };
            drawn[k] = true;
            room.take(self.soft[k].cost, false);
            slate.push(self.soft[k].index);
            items.push(options.log_p(self.soft[k].z));
        }
    }

    /// Follows a slate draw by draw, calling `visit` with the options and what was taken
    /// (`None` for STOP). Answers `None` when the slate is impossible.
    fn follow(
        &self,
        slate: &[usize],
        mut visit: impl FnMut(&Options, Option<usize>),
    ) -> Option<()> {
        let rest = slate.strip_prefix(self.placed.as_slice())?;
        let mut drawn = vec![false; self.soft.len()];
        let mut room = self.room;
        for &index in rest {
            let options = self.options(&drawn, room);
            let k = *options
                .open
                .iter()
                .find(|&&k| self.soft[k].index == index)?;
            visit(&options, Some(k));
            drawn[k] = true;
            room.take(self.soft[k].cost, false);
        }
        visit(&self.options(&drawn, room), None);
        Some(())
    }

    /// The draws that make this slate, whoever drew it; `None` when it is impossible here.
    pub fn steps(&self, slate: &[usize]) -> Option<Steps> {
        let mut steps = Steps {
            items: Vec::new(),
            stop: 0.0,
        };
        self.follow(slate, |options, taken| match taken {
            Some(k) => steps.items.push(options.log_p(self.soft[k].z)),
            None => steps.stop = options.log_p(self.stop),
        })?;
        Some(steps)
    }

    /// Natural logarithm of the probability of any slate; −∞ when it is impossible.
    pub fn log_probability(&self, slate: &[usize]) -> f64 {
        self.steps(slate).map_or(f64::NEG_INFINITY, |s| s.total())
    }

    /// Gradient of [`Self::log_probability`] with respect to the logits of the candidates (by
    /// index; `n` of them) and to the logit of STOP; `None` when the slate is impossible.
    ///
    /// Each draw `t` that took `a` adds `(1[k = a] − P_t(k)) / τ` to each option `k`.
    pub fn gradient(&self, slate: &[usize], n: usize) -> Option<(Vec<f64>, f64)> {
        let mut logits = vec![0.0; n];
        let mut stop = 0.0;
        self.follow(slate, |options, taken| {
            for &k in &options.open {
                let hit = f64::from(u8::from(taken == Some(k)));
                let p = options.log_p(self.soft[k].z).exp();
                logits[self.soft[k].index] += (hit - p) / self.temperature;
            }
            let hit = f64::from(u8::from(taken.is_none()));
            stop += (hit - options.log_p(self.stop).exp()) / self.temperature;
        })?;
        Some((logits, stop))
    }
}
