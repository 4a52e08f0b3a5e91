//! The focused trial of one cell: a test that may be looked at after every trajectory, and stops by itself.
//!
//! The cell is withheld with probability p (0.3 to 0.5) from the trajectories that want it ([`crate::explore::Trial`]). For every
//! effect δ on a grid, one [`Gambler`] bets that the true effect is above δ and one that it is below. The δ against which nobody has yet won
//! `2/α` form a confidence sequence (Waudby-Smith and Ramdas 2024, section 4): it contains the true effect at all times at once with
//! probability at least 1 − α, however often one looks and whenever one stops. From it the trial ends:
//!
//! - **helps** or **harms**: 0 is outside, on the right side;
//! - **too small to matter**: the whole interval is within ±margin (futility);
//! - **undecided**: the most units are used up, by outcomes or by their absence.
//!
//! With an average effect that changes over time, "the effect" is its running mean over the trial. Units are pushed in the order in
//! which trajectories first wanted the cell; an outcome that arrives late is put in its place by running the test again. That is valid as
//! long as the delay says nothing about the coin.
//!
//! It may not know the log: it is given shown or not, the probability, and an outcome in [0, 1].

use serde::{Deserialize, Serialize};

use super::ImpactError;
use super::evalue::{Bet, Gambler, Means};
use super::exposure::{Exposure, Exposures, Metric};

/// Points of the grid of effects on each side of 0.
const SIDE: i32 = 100;

/// How a trial ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrialConfig {
    /// Probability of being wrong, ever, in (0, 1).
    pub alpha: f64,
    /// Effects within ± this are too small to matter, in [0, 1].
    pub margin: f64,
    /// Units after which it ends undecided, those that get no outcome included.
    pub most: u64,
}

impl Default for TrialConfig {
    fn default() -> Self {
        Self {
            alpha: 0.05,
            margin: 0.1,
            most: 2_000,
        }
    }
}

/// Where a trial stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialVerdict {
    /// It goes on.
    Running,
    /// Showing the cell helps.
    Helps,
    /// Showing the cell harms.
    Harms,
    /// Whatever it does is within the margin.
    TooSmall,
    /// The most units are used up, and it is still not known.
    Undecided,
}

/// What a trial says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TrialReport {
    /// Where it stands. Once it has ended, later units change nothing.
    pub verdict: TrialVerdict,
    /// Units shown.
    pub shown: u64,
    /// Units withheld.
    pub withheld: u64,
    /// Units that got no outcome, shown or withheld: they say nothing and count towards the most.
    pub silent: u64,
    /// The effect on the metric by inverse-probability weighting, normalised; `None` before both kinds were seen.
    pub effect: Option<f64>,
    /// Lower end of the confidence sequence, in [−1, 1].
    pub low: f64,
    /// Upper end of the confidence sequence, in [−1, 1].
    pub high: f64,
    /// E-value against "the effect is at most 0".
    pub e_raises: f64,
    /// E-value against "the effect is at least 0".
    pub e_lowers: f64,
}

/// A trial under way.
#[derive(Debug, Clone)]
pub struct TrialTest {
    config: TrialConfig,
    sign: f64,
    means: Means,
    /// Per effect of the grid: the gambler on "above it", and the one on "below it".
    gamblers: Vec<[Gambler; 2]>,
    low: f64,
    high: f64,
    counts: [u64; 2],
    silent: u64,
    /// Σ w y and Σ w, withheld and shown.
    sums: [(f64, f64); 2],
    verdict: TrialVerdict,
}

/// The effect at a place of the grid.
fn grid(at: usize) -> f64 {
    f64::from(at as i32 - SIDE) / f64::from(SIDE)
}

impl TrialTest {
    /// A trial before its first unit, of a metric in [0, 1] (success, stale, unsafe).
    pub fn new(metric: Metric, config: TrialConfig) -> Result<Self, ImpactError> {
        let bad = |field, value, wanted| {
            Err(ImpactError::BadConfig {
                field,
                value,
                wanted,
            })
        };
        if !(config.alpha > 0.0 && config.alpha < 1.0) {
            return bad("alpha", config.alpha, "between 0 and 1");
        }
        if !(0.0..=1.0).contains(&config.margin) {
            return bad("margin", config.margin, "in [0, 1]");
        }
        if !metric.is_bounded() {
            return bad(
                "metric",
                f64::NAN,
                "success, stale or unsafe: a trial needs outcomes in [0, 1]",
            );
        }
        Ok(Self {
            config,
            sign: metric.sign(),
            means: Means::new(0.5),
            gamblers: vec![[Gambler::default(); 2]; 2 * SIDE as usize + 1],
            low: -1.0,
            high: 1.0,
            counts: [0; 2],
            silent: 0,
            sums: [(0.0, 0.0); 2],
            verdict: TrialVerdict::Running,
        })
    }

    /// The trial of one cell, from the exposures of a log: units of the cell that were on trial and have an outcome, in their order. Of
    /// those without one, the ones among the first `settled` of all units get none any more ([`Self::push_silent`]); the others may.
    pub fn run(
        exposures: &Exposures,
        cell: memrl_types::CellId,
        settled: usize,
        config: TrialConfig,
    ) -> Result<TrialReport, ImpactError> {
        let mut test = Self::new(exposures.metric, config)?;
        let of_cell = |(_, u): &(usize, &Exposure)| u.cell == cell && u.on_trial;
        for (at, unit) in exposures.units.iter().enumerate().filter(of_cell) {
            match unit.y {
                Some(y) => test.push(unit.shown, unit.p_shown, y)?,
                None if at < settled => test.push_silent(),
                None => {}
            }
        }
        Ok(test.report())
    }

    /// Takes in one trajectory that wanted the cell and gets no outcome. It says nothing about the effect; but a trial about which nobody
    /// reports must not withhold its cell for ever. Ending early by a rule that does not look at outcomes keeps the guarantee.
    pub fn push_silent(&mut self) {
        if self.verdict == TrialVerdict::Running {
            self.silent += 1;
            self.verdict = self.judge();
        }
    }

    /// Takes in one trajectory that wanted the cell: whether it was shown, the probability that it was (in (0, 1)), and its outcome
    /// (in [0, 1]). After the end nothing changes.
    pub fn push(&mut self, shown: bool, p_shown: f64, y: f64) -> Result<(), ImpactError> {
        let bad = |field, value, wanted| {
            Err(ImpactError::BadConfig {
                field,
                value,
                wanted,
            })
        };
        if !(p_shown > 0.0 && p_shown < 1.0) {
            return bad("p_shown", p_shown, "between 0 and 1");
        }
        if !(0.0..=1.0).contains(&y) {
            return bad("outcome", y, "in [0, 1]");
        }
        if self.verdict != TrialVerdict::Running {
            return Ok(());
        }
        let bet = Bet {
            y,
            mu: self.means.centre(p_shown),
            shown,
            p_shown,
        };
        // Both sides may be wrong: each may win with half of α.
        let bar = (2.0 / self.config.alpha).ln();
        for at in 0..self.gamblers.len() {
            let delta = grid(at);
            let [above, below] = &mut self.gamblers[at];
            above.bet(1.0, delta, &bet);
            below.bet(-1.0, delta, &bet);
            if above.ln_e() >= bar {
                self.low = self.low.max(delta);
            }
            if below.ln_e() >= bar {
                self.high = self.high.min(delta);
            }
        }
        self.means.add(shown, y);
        self.counts[usize::from(shown)] += 1;
        let weight = if shown {
            1.0 / p_shown
        } else {
            1.0 / (1.0 - p_shown)
        };
        let sums = &mut self.sums[usize::from(shown)];
        sums.0 += weight * y;
        sums.1 += weight;
        self.verdict = self.judge();
        Ok(())
    }

    fn judge(&self) -> TrialVerdict {
        let zero = &self.gamblers[SIDE as usize];
        let bar = (2.0 / self.config.alpha).ln();
        let raises = zero[0].ln_e() >= bar || self.low > 0.0;
        let lowers = zero[1].ln_e() >= bar || self.high < 0.0;
        let margin = self.config.margin + 1e-12;
        if raises || lowers {
            if raises == (self.sign > 0.0) {
                TrialVerdict::Helps
            } else {
                TrialVerdict::Harms
            }
        } else if self.low >= -margin && self.high <= margin {
            TrialVerdict::TooSmall
        } else if self.counts[0] + self.counts[1] + self.silent >= self.config.most {
            TrialVerdict::Undecided
        } else {
            TrialVerdict::Running
        }
    }

    /// What it says now.
    pub fn report(&self) -> TrialReport {
        let [(wy0, w0), (wy1, w1)] = self.sums;
        let zero = &self.gamblers[SIDE as usize];
        TrialReport {
            verdict: self.verdict,
            shown: self.counts[1],
            withheld: self.counts[0],
            silent: self.silent,
            effect: (w0 > 0.0 && w1 > 0.0).then(|| wy1 / w1 - wy0 / w0),
            low: self.low,
            high: self.high,
            e_raises: zero[0].e(),
            e_lowers: zero[1].e(),
        }
    }
}
