//! What a policy that is given by logits would do at a logged decision: with which probability it shows a slate, and slates
//! drawn from it.
//!
//! It draws as a deployed policy does ([`crate::explore`]): a share s of the trajectories by Plackett–Luce at temperature τ
//! under the budget mask, the others greedily with sticky hold-outs. Critical cells are a hard rule and not the policy's to
//! decide: they are taken as they were shown, and their order is not counted.
//!
//! **Drawing fast.** Give every item the time Tᵢ = Eᵢ · exp(−zᵢ) with Eᵢ exponential, STOP one too, and take items in the order
//! of their times, passing over what does not fit, until STOP is due. In logarithms this is the Gumbel top-k trick (Yellott 1977; Kool,
//! van Hoof & Welling 2019). It is exact under the budget: of independent exponential clocks, the next to ring among any set of those
//! that have not rung is i with probability exp zᵢ / Σ exp zⱼ, whatever rang before, as they have no memory; and the
//! room only shrinks, so an item that is passed over never fits again and its clock may be forgotten. What is left is the
//! next draw of Plackett–Luce.

use std::collections::BTreeMap;

use memrl_types::CellId;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::{data::Logged, select::Room};

/// Logits beyond this are clipped, as in [`crate::explore::PlackettLuce`].
const LIMIT: f64 = 1e6;

/// What a policy says about the candidates of one decision.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scores {
    /// One logit per candidate; what is not a number counts as the lowest. Those of masked ones are not read.
    pub logits: Vec<f64>,
    /// The logit of STOP: greedily, items below it are not shown. `None`: the policy fills the budget.
    pub stop: Option<f64>,
    /// Candidates that the policy never shows, one per candidate; empty: none.
    pub refused: Vec<bool>,
}

/// A policy that is given by logits. Any function `Fn(&Logged, &mut Scores)` is one.
pub trait Target {
    /// Writes what the policy says about the candidates. `scores` comes empty.
    fn score(&self, decision: &Logged, scores: &mut Scores);
}

impl<F: Fn(&Logged, &mut Scores)> Target for F {
    fn score(&self, decision: &Logged, scores: &mut Scores) {
        self(decision, scores);
    }
}

/// How the policy that is evaluated makes slates of its logits: as it would once deployed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Draw {
    /// Share of the trajectories whose slates are drawn by Plackett–Luce, in [0, 1]; the others are greedy.
    pub sampled_share: f64,
    /// Temperature of the draws, above 0.
    pub temperature: f64,
    /// Probability that the hold-out withholds a soft cell of a greedy slate from a trajectory, in [0, 0.5].
    pub epsilon: f64,
}

impl Draw {
    /// All slates drawn at this temperature.
    pub const fn sampled(temperature: f64) -> Self {
        Self {
            sampled_share: 1.0,
            temperature,
            epsilon: 0.0,
        }
    }

    /// All slates greedy, with hold-outs of this probability (0: deterministic).
    pub const fn greedy(epsilon: f64) -> Self {
        Self {
            sampled_share: 0.0,
            temperature: 1.0,
            epsilon,
        }
    }
}

/// A soft item that may be shown.
#[derive(Debug, Clone, Copy)]
struct Item {
    index: usize,
    /// Logit / τ.
    z: f64,
    /// exp(z − top), for sums.
    e: f64,
    cost: u32,
    open: bool,
}

/// One decision, as the policy sees it. Its buffers are reused from decision to decision.
#[derive(Debug, Default)]
pub struct Slates {
    items: Vec<Item>,
    placed: Vec<usize>,
    room: Option<Room>,
    /// z of STOP; −∞: it comes only when nothing fits.
    stop: f64,
    top: f64,
    times: Vec<(f64, usize)>,
    wanted: Vec<usize>,
}

impl Slates {
    /// Takes in a decision. `scores` has one logit per candidate.
    pub fn read(&mut self, decision: &Logged, scores: &Scores, temperature: f64) {
        let mut room = Room::of(&decision.context);
        self.placed.clear();
        for &i in &decision.slate {
            let item = &decision.items[i as usize];
            if item.critical {
                room.take(item.cost, true);
                self.placed.push(i as usize);
            }
        }
        self.stop = match scores.stop {
            Some(stop) => clip(stop) / temperature,
            None => f64::NEG_INFINITY,
        };
        let refused = |i: usize| scores.refused.get(i).is_some_and(|r| *r);
        self.items.clear();
        let soft = decision.items.iter().zip(&scores.logits).enumerate();
        self.items.extend(
            soft.filter(|(i, (item, _))| !item.masked && !item.critical && !refused(*i))
                .map(|(index, (item, logit))| Item {
                    index,
                    z: clip(*logit) / temperature,
                    e: 0.0,
                    cost: item.cost,
                    open: true,
                }),
        );
        self.top = self.items.iter().map(|i| i.z).fold(self.stop, f64::max);
        for item in &mut self.items {
            item.e = (item.z - self.top).exp();
        }
        self.room = Some(room);
        // The greedy slate: best first, ties in the order of the candidates.
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        order.sort_by(|a, b| self.items[*b].z.total_cmp(&self.items[*a].z));
        self.wanted.clear();
        for k in order {
            let item = self.items[k];
            if item.z >= self.stop && room.take(item.cost, false) {
                self.wanted.push(item.index);
            }
        }
    }

    /// The soft cells that the policy shows greedily, in order.
    pub fn wanted(&self) -> &[usize] {
        &self.wanted
    }

    /// ln of the probability that Plackett–Luce draws these soft cells in this order and then stops; −∞ when it cannot.
    pub fn log_drawn(&mut self, soft: impl Iterator<Item = usize>) -> f64 {
        let Some(mut room) = self.room else {
            return f64::NEG_INFINITY;
        };
        for item in &mut self.items {
            item.open = true;
        }
        let mut log_p = 0.0;
        for index in soft {
            let Some(k) = self.items.iter().position(|i| i.index == index && i.open) else {
                return f64::NEG_INFINITY;
            };
            if !room.fits(self.items[k].cost) {
                return f64::NEG_INFINITY;
            }
            let z = self.items[k].z;
            log_p += z - self.log_options(room);
            self.items[k].open = false;
            room.take(self.items[k].cost, false);
        }
        let options = self.log_options(room);
        // With nothing left and no STOP, the end is certain.
        if options == f64::NEG_INFINITY {
            log_p
        } else {
            log_p + self.stop - options
        }
    }

    /// ln Σ exp z over STOP and what is open and fits.
    fn log_options(&mut self, room: Room) -> f64 {
        let mut sum = (self.stop - self.top).exp();
        for item in &mut self.items {
            item.open = item.open && room.fits(item.cost);
            if item.open {
                sum += item.e;
            }
        }
        if sum > 1e-200 {
            return self.top + sum.ln();
        }
        // The likely ones are gone and the others too small beside them: measured anew.
        let open = || self.items.iter().filter(|i| i.open).map(|i| i.z);
        super::logging::log_sum(open().chain([self.stop]))
    }

    /// Draws a slate by Plackett–Luce into `slate`, critical cells first.
    pub fn draw(&mut self, rng: &mut impl Rng, slate: &mut Vec<usize>) {
        slate.clear();
        slate.extend_from_slice(&self.placed);
        let Some(mut room) = self.room else { return };
        // ln Tᵢ = ln Eᵢ − zᵢ.
        let mut ring = |z: f64| (-(1.0 - rng.random::<f64>()).ln()).ln() - z;
        let stop = ring(self.stop);
        self.times.clear();
        for (k, item) in self.items.iter().enumerate() {
            let at = ring(item.z);
            if at < stop {
                self.times.push((at, k));
            }
        }
        self.times.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        for &(_, k) in &self.times {
            let item = self.items[k];
            if room.take(item.cost, false) {
                slate.push(item.index);
            }
        }
    }

    /// The greedy slate with each soft cell withheld with probability `epsilon`, into `slate`, critical cells first.
    pub fn withhold(&self, epsilon: f64, rng: &mut impl Rng, slate: &mut Vec<usize>) {
        slate.clear();
        slate.extend_from_slice(&self.placed);
        for &i in &self.wanted {
            if epsilon <= 0.0 || rng.random::<f64>() >= epsilon {
                slate.push(i);
            }
        }
    }
}

/// The probability of a trajectory under a policy, decision by decision.
#[derive(Debug, Clone, Default)]
pub struct Following {
    log_drawn: f64,
    log_greedy: f64,
    /// Soft cells that the greedy slate wanted so far, and whether they were shown.
    wanted: BTreeMap<CellId, bool>,
}

impl Following {
    /// Adds the next decision, which `slates` has taken in.
    pub fn push(&mut self, decision: &Logged, slates: &mut Slates, draw: Draw) {
        let soft = || {
            let shown = decision.slate.iter().map(|i| *i as usize);
            shown.filter(|i| !decision.items[*i].critical)
        };
        if draw.sampled_share > 0.0 {
            self.log_drawn += slates.log_drawn(soft());
        }
        if draw.sampled_share < 1.0 && self.log_greedy > f64::NEG_INFINITY {
            self.log_greedy += self.greedy(decision, slates.wanted(), soft(), draw.epsilon);
        }
    }

    /// ln of the probability that hold-outs make these shown cells of the wanted ones, counting each cell of the trajectory once.
    fn greedy(
        &mut self,
        decision: &Logged,
        wanted: &[usize],
        shown: impl Iterator<Item = usize>,
        epsilon: f64,
    ) -> f64 {
        let mut shown = shown.peekable();
        let mut log_p = 0.0;
        for &i in wanted {
            let kept = shown.next_if_eq(&i).is_some();
            match self.wanted.insert(decision.items[i].cell, kept) {
                // The coin is one for the whole trajectory.
                Some(before) if before != kept => return f64::NEG_INFINITY,
                Some(_) => {}
                None if kept => log_p += (-epsilon).ln_1p(),
                None => log_p += epsilon.ln(),
            }
        }
        if shown.next().is_some() {
            return f64::NEG_INFINITY;
        }
        log_p
    }

    /// ln of the probability of all that was done; −∞ when the policy cannot have done it.
    pub fn log_probability(&self, draw: Draw) -> f64 {
        let s = draw.sampled_share;
        let parts = [(s, self.log_drawn), (1.0 - s, self.log_greedy)];
        let parts = parts.into_iter().filter(|(share, _)| *share > 0.0);
        super::logging::log_sum(parts.map(|(share, log_p)| share.ln() + log_p))
    }
}

fn clip(x: f64) -> f64 {
    if x.is_nan() {
        -LIMIT
    } else {
        x.clamp(-LIMIT, LIMIT)
    }
}
