//! The learned value of a cell: evidence from outcomes, decayed by age, over a prior.
//!
//! Each outcome gives each credited cell a mass `c ∈ [0, 1]` and adds `(c·y, c·(1−y))`, with `y`
//! the outcome scaled to [0, 1]. Evidence loses 1 % of its mass per day of its own age. The value
//! is the posterior mean, a convex combination of evidence and prior, so it stays in [0, 1].
//!
//! ```text
//! mean = (s + n₀ μ) / (n + n₀)        sd = √(mean (1 − mean) / (n + n₀ + 1))
//! s = Σ c·y·0.99^age    n = Σ c·0.99^age    (age in days, of each piece its own)
//! ```
//!
//! that is, the mean and standard deviation of a Beta(s + n₀μ, n − s + n₀(1 − μ)) distribution.
//!
//! A cell whose neighbours have evidence has a prior of its own, [`OwnPrior`], in the place of
//! (μ, n₀): what [`crate::propagate()`] made of the neighbours when it last ran.
//!
//! It may not know decisions, policies or the graph of cells.

use std::collections::{BTreeMap, BTreeSet};

use memrl_types::{CellId, CellType, Outcome, OutcomeId, Timestamp, Verdict};
use serde::{Deserialize, Serialize};

/// Mass of the prior: `n₀ = 9`, which is a learning rate of `1 / (n₀ + 1) = 0.1` for the first
/// piece of evidence.
pub const PRIOR_MASS: f64 = 9.0;

/// Share of its mass that a piece of evidence loses per day.
pub const DECAY_RATE: f64 = 0.01;

/// Share of its mass that evidence has when nobody said how the task went and its success was
/// guessed from signs (tests, failing tools, a revert): two guesses weigh as much as one word.
pub const IMPLIED_TRUST: f64 = 0.5;

/// The mass of the prior under which the first whole piece of evidence moves a value by
/// `learning_rate` of the way: `1 / learning_rate − 1`. The rate is in (0, 1); others are moved to
/// 0.001 or 0.999, since a prior without mass would make one success a certainty.
pub fn prior_mass(learning_rate: f64) -> f64 {
    1.0 / learning_rate.clamp(0.001, 0.999) - 1.0
}

/// The value of a cell as policies see it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ValueEstimate {
    /// Posterior mean, in [0, 1].
    pub mean: f64,
    /// Posterior standard deviation, in [0, 0.5].
    pub sd: f64,
    /// Mass of the evidence, decayed, at least 0.
    pub mass: f64,
    /// Prior mean of the cell's type, in [0, 1]; also where the cell has a prior of its own, so
    /// that `mean − prior` is what all evidence, its own and its neighbours', says about it.
    pub prior: f64,
}

/// The prior of one cell as its neighbours make it: Beta with this mean and mass takes the place
/// of that of the cell's type. Made by [`crate::propagate::propagate`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OwnPrior {
    /// Mean, in [0, 1].
    pub mean: f64,
    /// Mass, above 0: that of the type's prior and that of the neighbours.
    pub mass: f64,
}

impl Default for ValueEstimate {
    fn default() -> Self {
        ValuePrior::default().estimate(CellType::Fact, 0.0, 0.0)
    }
}

/// What a cell is worth before anything is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValuePrior {
    /// Prior mean per type, in [0, 1], in the order of [`CellType::ALL`].
    pub means: [f64; 11],
    /// Mass of the prior, above 0.
    pub mass: f64,
    /// Share of its mass that evidence loses per day, in [0, 1).
    pub decay_rate: f64,
}

impl Default for ValuePrior {
    fn default() -> Self {
        Self {
            means: [0.5; 11],
            mass: PRIOR_MASS,
            decay_rate: DECAY_RATE,
        }
    }
}

impl ValuePrior {
    /// The prior mean of a type, in [0, 1].
    pub fn mean_of(&self, kind: CellType) -> f64 {
        self.means[usize::from(kind.code())]
    }

    /// The estimate for decayed evidence of mass `n` of which `s` was good.
    pub fn estimate(&self, kind: CellType, s: f64, n: f64) -> ValueEstimate {
        self.estimate_with(kind, None, s, n)
    }

    /// The estimate for a cell with a prior of its own; without one it is that of its type.
    /// `mean = (s + m p) / (n + m)`, with m and p the mass and mean of the prior; the standard
    /// deviation is that of a Beta distribution of total mass `n + m`.
    pub fn estimate_with(
        &self,
        kind: CellType,
        own: Option<OwnPrior>,
        s: f64,
        n: f64,
    ) -> ValueEstimate {
        let n = n.max(0.0);
        let s = s.clamp(0.0, n);
        let prior = self.mean_of(kind);
        let own = own.unwrap_or(OwnPrior {
            mean: prior,
            mass: self.mass,
        });
        let mass = n + own.mass;
        let mean = ((s + own.mass * own.mean) / mass).clamp(0.0, 1.0);
        ValueEstimate {
            mean,
            sd: (mean * (1.0 - mean) / (mass + 1.0)).sqrt(),
            mass: n,
            prior,
        }
    }

    /// The value at time `now` of a cell with this evidence.
    pub fn value(&self, kind: CellType, evidence: &Accumulator, now: Timestamp) -> ValueEstimate {
        self.value_with(kind, None, evidence, now)
    }

    /// The value at time `now` of a cell with this evidence and, where its neighbours were asked,
    /// the prior that they gave it. At the moment of the propagation this is the solution that the
    /// propagation found; from then on it moves with the cell's own evidence, without a jump.
    pub fn value_with(
        &self,
        kind: CellType,
        own: Option<OwnPrior>,
        evidence: &Accumulator,
        now: Timestamp,
    ) -> ValueEstimate {
        let seen = evidence.at(now, self.decay_rate);
        self.estimate_with(kind, own, seen.good, seen.mass)
    }
}

/// One piece of evidence about one cell. Its key is `(outcome, cell)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Mass, in [0, 1].
    pub mass: f64,
    /// How good it was, in [0, 1].
    pub y: f64,
    /// When the outcome arrived.
    pub at: Timestamp,
}

/// Decayed sums of evidence, kept at a reference time, so that three numbers stand for any
/// number of pieces.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Accumulator {
    /// Σ c·y, decayed to the reference time.
    pub good: f64,
    /// Σ c, decayed to the reference time.
    pub mass: f64,
    /// The reference time: that of the latest piece.
    pub reference: Timestamp,
}

impl Accumulator {
    /// The sums as of `now`, or as of the reference time if that is later.
    #[must_use]
    pub fn at(&self, now: Timestamp, decay_rate: f64) -> Self {
        if self.mass <= 0.0 {
            return Self {
                reference: now,
                ..Self::default()
            };
        }
        let reference = self.reference.max(now);
        let f = decay(decay_rate, reference.days_since(self.reference));
        Self {
            good: self.good * f,
            mass: self.mass * f,
            reference,
        }
    }

    /// Adds a piece. Whatever the order of the pieces, the sums are those of adding each with its
    /// own age.
    pub fn add(&mut self, piece: Evidence, decay_rate: f64) {
        *self = self.at(piece.at, decay_rate);
        let f = decay(decay_rate, self.reference.days_since(piece.at));
        let mass = piece.mass.clamp(0.0, 1.0) * f;
        self.mass += mass;
        self.good += mass * piece.y.clamp(0.0, 1.0);
    }
}

/// The factor `(1 − rate)^days`.
pub fn decay(rate: f64, days: f64) -> f64 {
    (1.0 - rate).powf(days.max(0.0))
}

/// How useful a verdict says that its cell was, in [0, 1]: 0 when it was out of date.
pub fn usefulness(verdict: &Verdict) -> f64 {
    if verdict.stale || verdict.useful.is_nan() {
        0.0
    } else {
        verdict.useful.clamp(0.0, 1.0)
    }
}

/// What is known of how a task went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signal {
    /// The success, in [0, 1].
    pub y: f64,
    /// How much of a whole piece of evidence it is worth, in [0, 1].
    pub trust: f64,
}

impl Signal {
    /// Somebody said so: worth a whole piece.
    pub const fn said(y: f64) -> Self {
        Self { y, trust: 1.0 }
    }

    /// Guessed from signs: worth [`IMPLIED_TRUST`].
    pub const fn implied(y: f64) -> Self {
        Self {
            y,
            trust: IMPLIED_TRUST,
        }
    }

    /// What an outcome says: its `success`, else its `implied_success`, else nothing.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        let said = outcome.success.map(Self::said);
        said.or_else(|| outcome.implied_success.map(Self::implied))
            .filter(|s| s.y.is_finite())
    }
}

/// [`credit_signal`] for a success that somebody said.
pub fn credit(
    outcome: &Outcome,
    slate: &[CellId],
    y: Option<f64>,
    at: Timestamp,
) -> BTreeMap<CellId, Evidence> {
    credit_signal(outcome, slate, y.map(Signal::said), at)
}

/// The evidence of one outcome for each credited cell of a slate, by cell.
///
/// `signal` is the success of the task, usually [`Signal::of`] the outcome; `None` when it is not
/// known. Credit goes
///
/// 1. to cells with a verdict: mass 1 each, and the verdict takes the place of the success. A
///    verdict is somebody's word, whatever the trust in the success;
/// 2. else, when any cell was cited, to the cited cells of the slate: one unit of mass times the
///    trust, shared equally among them;
/// 3. else to the whole slate: one unit of mass times the trust, shared equally.
///
/// Shares are counted over all cells of their step, so that a verdict on one cell does not make
/// the outcome weigh more on the others. Cells outside the slate get nothing. Without a success
/// and a verdict there is no evidence: having been shown is neither good nor bad.
pub fn credit_signal(
    outcome: &Outcome,
    slate: &[CellId],
    signal: Option<Signal>,
    at: Timestamp,
) -> BTreeMap<CellId, Evidence> {
    let slate: BTreeSet<CellId> = slate.iter().copied().collect();
    let mut evidence = BTreeMap::new();
    if let Some(Signal { y, trust }) = signal.filter(|s| s.y.is_finite()) {
        let cited: BTreeSet<CellId> = outcome.cited.iter().copied().collect();
        let sharers: Vec<CellId> = if cited.is_empty() {
            slate.iter().copied().collect()
        } else {
            slate.intersection(&cited).copied().collect()
        };
        let piece = Evidence {
            mass: trust.clamp(0.0, 1.0) / sharers.len().max(1) as f64,
            y: y.clamp(0.0, 1.0),
            at,
        };
        evidence.extend(sharers.into_iter().map(|cell| (cell, piece)));
    }
    for verdict in outcome
        .verdicts
        .iter()
        .filter(|v| slate.contains(&v.cell_id))
    {
        let piece = Evidence {
            mass: 1.0,
            y: usefulness(verdict),
            at,
        };
        evidence.insert(verdict.cell_id, piece);
    }
    evidence
}

/// Pieces of evidence by their key. Putting a piece in twice changes nothing; a revised outcome
/// replaces its pieces.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ledger(BTreeMap<(OutcomeId, CellId), Evidence>);

impl Ledger {
    /// Puts the evidence of an outcome in the place of what that outcome said before.
    pub fn put(&mut self, outcome: OutcomeId, evidence: &BTreeMap<CellId, Evidence>) {
        self.0.retain(|(o, _), _| *o != outcome);
        let keyed = evidence
            .iter()
            .map(|(cell, piece)| ((outcome, *cell), *piece));
        self.0.extend(keyed);
    }

    /// The sums of all pieces, by cell.
    pub fn accumulate(&self, decay_rate: f64) -> BTreeMap<CellId, Accumulator> {
        let mut sums: BTreeMap<CellId, Accumulator> = BTreeMap::new();
        for ((_, cell), piece) in &self.0 {
            sums.entry(*cell).or_default().add(*piece, decay_rate);
        }
        sums
    }
}
