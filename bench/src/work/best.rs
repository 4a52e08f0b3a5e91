//! The best slate under beliefs: what the oracle (who knows) and the Bayes-optimal policy (who sees) would show.
//!
//! The expected reward of a slate is exact ([`super::outcome`]); the search over slates is **bounded greedy**: from the critical
//! cells, which the hard rules place first, add what gains most, once by gain and once by gain per token (Khuller, Moss & Naor 1999, "The
//! budgeted maximum coverage problem"), then try to take out or exchange single cells until nothing gains, at most four rounds. The
//! better of the two is the answer. On pools small enough to try every slate it reaches the best one to within a
//! thousandth of its gain on average (a test).
//!
//! It may not know the truth unless the beliefs are certain.

use memrl::learn::select::{Room, greedy};
use memrl::learn::{Candidate, Context, Ranking, RecallPolicy, policy::NoMemory};

use super::outcome::{Belief, Factors, OutcomeModel, Products, reward};

/// Rounds of exchanges.
const ROUNDS: usize = 4;
/// A gain below this is none.
const LEAST: f64 = 1e-9;
/// Reward that a token costs under `bounded_v1`.
const TOKEN: f64 = 0.03 / 100_000.0;

/// One decision to be searched.
struct Search<'a> {
    model: &'a OutcomeModel,
    context: &'a Context,
    candidates: &'a [Candidate],
    factors: Vec<Factors>,
    /// What the hard rules place first.
    placed: Vec<usize>,
    /// What may be added: neither masked nor placed.
    open: Vec<usize>,
}

/// The slate that these beliefs make the best, critical cells first.
pub fn best(
    model: &OutcomeModel,
    beliefs: &[Belief],
    context: &Context,
    candidates: &[Candidate],
) -> Vec<usize> {
    // The control policy shows exactly what the hard rules demand.
    let ranking = Ranking::new(candidates, NoMemory.order(context, candidates));
    let placed = greedy(context, candidates, &ranking).slate;
    let open = |i: &usize| candidates[*i].mask.is_none() && !candidates[*i].is_critical();
    let search = Search {
        model,
        context,
        candidates,
        factors: beliefs.iter().map(|b| model.factors(b)).collect(),
        placed,
        open: (0..candidates.len()).filter(open).collect(),
    };
    let of = |per_token: bool| {
        let mut chosen = Vec::new();
        search.fill(&mut chosen, per_token);
        search.exchange(&mut chosen);
        let value = search.value(&chosen);
        (value, chosen)
    };
    let (by_gain, by_price) = (of(false), of(true));
    let (_, chosen) = if by_price.0 > by_gain.0 {
        by_price
    } else {
        by_gain
    };
    search.placed.iter().copied().chain(chosen).collect()
}

impl Search<'_> {
    fn products(&self, chosen: &[usize]) -> Products {
        let nothing = self.model.nothing(&self.factors);
        let shown = self.placed.iter().chain(chosen);
        shown.fold(nothing, |p, &i| p.with(&self.factors[i]))
    }

    /// Expected reward of products, net of the price of one slate's tokens.
    fn worth(&self, products: &Products, tokens: u32) -> f64 {
        reward(&self.model.read(products)) - TOKEN * f64::from(tokens)
    }

    fn tokens(&self, chosen: &[usize]) -> u32 {
        chosen.iter().map(|&i| self.candidates[i].cost).sum()
    }

    fn value(&self, chosen: &[usize]) -> f64 {
        self.worth(&self.products(chosen), self.tokens(chosen))
    }

    fn room(&self, chosen: &[usize]) -> Room {
        let mut room = Room::of(self.context);
        for &i in self.placed.iter().chain(chosen) {
            let c = &self.candidates[i];
            room.take(c.cost, c.is_critical());
        }
        room
    }

    /// The candidate that gains most, if any gains.
    fn next(&self, chosen: &[usize], per_token: bool) -> Option<usize> {
        let (products, tokens) = (self.products(chosen), self.tokens(chosen));
        let (before, room) = (self.worth(&products, tokens), self.room(chosen));
        let fits = |i: &&usize| !chosen.contains(i) && room.fits(self.candidates[**i].cost);
        self.open
            .iter()
            .filter(fits)
            .filter_map(|&i| {
                let cost = self.candidates[i].cost;
                let gain = self.worth(&products.with(&self.factors[i]), tokens + cost) - before;
                let price = if per_token {
                    f64::from(cost.max(1))
                } else {
                    1.0
                };
                (gain > LEAST).then_some((gain / price, i))
            })
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
            .map(|(_, i)| i)
    }

    fn fill(&self, chosen: &mut Vec<usize>, per_token: bool) {
        while let Some(i) = self.next(chosen, per_token) {
            chosen.push(i);
        }
    }

    /// Takes single cells out, or puts others in their place, while that gains.
    fn exchange(&self, chosen: &mut Vec<usize>) {
        for _ in 0..ROUNDS {
            let mut moved = false;
            let mut k = 0;
            while k < chosen.len() {
                let before = self.value(chosen);
                let mut other = chosen.clone();
                let out = other.remove(k);
                self.fill(&mut other, false);
                if self.value(&other) > before + LEAST && other.get(k..) != Some(&[out]) {
                    *chosen = other;
                    moved = true;
                } else {
                    k += 1;
                }
            }
            if !moved {
                return;
            }
        }
    }
}
