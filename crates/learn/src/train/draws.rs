//! A logged slate as the draws that make it: what a Plackett–Luce policy with any logits would have had to draw.
//!
//! ```text
//! P(i | drawn, room) = exp zᵢ / (exp z_stop + Σ_{j ∈ F} exp zⱼ)      F = {soft, not drawn, fits the room}
//! ```
//!
//! The same distribution as [`crate::explore::PlackettLuce`], over plain numbers: that one is made of candidates and
//! a ranking, this one of a logged decision and the logits of a network in training. A test holds them together.
//! It may not know rewards or propensities.

use rand::Rng;

use crate::{data::Logged, select::Room};

/// The soft cells of a decision, the room they had, and which of them were drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Draws {
    /// Indices of the candidates that may be drawn: neither masked nor critical.
    pub soft: Vec<usize>,
    /// Indices of the critical cells that were shown; they come first, with certainty.
    pub placed: Vec<usize>,
    /// What was drawn, as positions in `soft`, in order.
    pub taken: Vec<usize>,
    cost: Vec<u32>,
    room: Room,
    /// Tokens that the budget leaves for soft cells.
    tokens: u64,
}

impl Draws {
    /// The draws of a logged slate; `None` when its items do not fit its budget, or one was masked.
    pub fn of(decision: &Logged) -> Option<Self> {
        let items = &decision.items;
        let soft: Vec<usize> = (0..items.len())
            .filter(|&i| !items[i].masked && !items[i].critical)
            .collect();
        let context = &decision.context;
        let mut room = Room::of(context);
        let mut tokens = context
            .budget_tokens
            .saturating_sub(context.overhead_tokens);
        let (mut placed, mut taken) = (Vec::new(), Vec::new());
        for i in decision.shown() {
            if items.get(i)?.critical {
                room.take(items[i].cost, true).then_some(())?;
                tokens -= u64::from(items[i].cost);
                placed.push(i);
            } else {
                taken.push(soft.binary_search(&i).ok()?);
            }
        }
        let cost: Vec<u32> = soft.iter().map(|&i| items[i].cost).collect();
        let mut left = room;
        for &k in &taken {
            left.take(cost[k], false).then_some(())?;
        }
        Some(Self {
            soft,
            placed,
            taken,
            cost,
            room,
            tokens,
        })
    }

    /// The whole slate, as indices of candidates, that drawing these positions of `soft` makes.
    pub fn slate(&self, taken: &[usize]) -> Vec<usize> {
        let drawn = taken.iter().map(|&k| self.soft[k]);
        self.placed.iter().copied().chain(drawn).collect()
    }

    /// What is left to draw after these draws: positions in `soft`, in their order.
    pub fn open(&self, taken: &[usize]) -> Vec<usize> {
        let mut room = self.room;
        for &k in taken {
            room.take(self.cost[k], false);
        }
        let fits = |k: &usize| !taken.contains(k) && room.fits(self.cost[*k]);
        (0..self.soft.len()).filter(fits).collect()
    }

    /// The share of the tokens for soft cells that these draws leave, in [0, 1]; 1 where there are none.
    pub fn room_share(&self, taken: &[usize]) -> f32 {
        let used: u64 = taken.iter().map(|&k| u64::from(self.cost[k])).sum();
        if self.tokens == 0 {
            return 1.0;
        }
        (1.0 - used as f64 / self.tokens as f64).max(0.0) as f32
    }

    /// Follows draws of these positions and the STOP after them. `visit` is given, for each draw, what could be drawn,
    /// the probabilities of it and of STOP, and what was taken (`None`: STOP).
    fn follow(
        &self,
        taken: &[usize],
        logits: &[f32],
        stop: f32,
        mut visit: impl FnMut(&[usize], &[f64], f64, Option<usize>),
    ) -> f64 {
        let mut room = self.room;
        let mut open: Vec<usize> = (0..self.soft.len()).collect();
        let mut p = Vec::with_capacity(open.len());
        let mut log_p = 0.0;
        for step in 0..=taken.len() {
            open.retain(|&k| room.fits(self.cost[k]));
            let p_stop = softmax(&open, logits, stop, &mut p);
            let next = taken.get(step).copied();
            let at = next.and_then(|k| open.iter().position(|&j| j == k));
            log_p += match (next, at) {
                (None, _) => p_stop.ln(),
                (Some(_), Some(at)) => p[at].ln(),
                // Cannot be drawn (twice, say).
                (Some(_), None) => return f64::NEG_INFINITY,
            };
            visit(&open, &p, p_stop, next);
            if let (Some(k), Some(at)) = (next, at) {
                open.remove(at);
                room.take(self.cost[k], false);
            }
        }
        log_p
    }

    /// Natural logarithm of the probability of drawing these positions of `soft` in this order, and then STOP.
    /// `logits` are those of `soft`, divided by the temperature.
    pub fn log_p(&self, taken: &[usize], logits: &[f32], stop: f32) -> f64 {
        self.follow(taken, logits, stop, |_, _, _, _| {})
    }

    /// Adds `scale` times the gradient of [`Self::log_p`] to `grad` (one per logit) and `grad_stop`, and answers log P:
    /// each draw adds `1[k taken] − P(k)` to each option k.
    pub fn add_gradient(
        &self,
        taken: &[usize],
        (logits, stop): (&[f32], f32),
        scale: f64,
        (grad, grad_stop): (&mut [f32], &mut f32),
    ) -> f64 {
        self.follow(taken, logits, stop, |open, p, p_stop, next| {
            for (&k, p) in open.iter().zip(p) {
                let hit = f64::from(u8::from(next == Some(k)));
                grad[k] += (scale * (hit - p)) as f32;
            }
            let hit = f64::from(u8::from(next.is_none()));
            *grad_stop += (scale * (hit - p_stop)) as f32;
        })
    }

    /// Draws positions of `soft` until STOP.
    pub fn sample(&self, logits: &[f32], stop: f32, rng: &mut impl Rng) -> Vec<usize> {
        let mut room = self.room;
        let mut open: Vec<usize> = (0..self.soft.len()).collect();
        let (mut p, mut taken) = (Vec::with_capacity(open.len()), Vec::new());
        loop {
            open.retain(|&k| room.fits(self.cost[k]));
            softmax(&open, logits, stop, &mut p);
            let mut u: f64 = rng.random();
            let hit = p.iter().position(|p| {
                u -= p;
                u < 0.0
            });
            let Some(at) = hit else {
                return taken;
            };
            let k = open.remove(at);
            room.take(self.cost[k], false);
            taken.push(k);
        }
    }

    /// The slate of highest logits: what fits, best first, as long as it is above the logit of STOP.
    pub fn greedy(&self, logits: &[f32], stop: Option<f32>) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.soft.len()).collect();
        order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]));
        let mut room = self.room;
        order.retain(|&k| {
            stop.is_none_or(|stop| logits[k] > stop) && room.take(self.cost[k], false)
        });
        order
    }
}

/// The probabilities of the open options, left in `p`, and that of STOP, which is 1 when nothing is open.
fn softmax(open: &[usize], logits: &[f32], stop: f32, p: &mut Vec<f64>) -> f64 {
    let top = open.iter().map(|&k| logits[k]).fold(stop, f32::max);
    let weight = |z: f32| f64::from(z - top).exp();
    p.clear();
    p.extend(open.iter().map(|&k| weight(logits[k])));
    let sum = p.iter().sum::<f64>() + weight(stop);
    for p in p.iter_mut() {
        *p /= sum;
    }
    weight(stop) / sum
}
