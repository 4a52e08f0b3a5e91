//! Reading a log once, decision by decision, and keeping a few numbers per trajectory.
//!
//! The reward of a trajectory is the mean of the rewards of its decisions that have one (they share an outcome, so it is that outcome's).
//! What a reward model expects of a trajectory is the mean of what it expects of its decisions.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{
    Draw, Scores, Target,
    draws::{Following, Slates},
    logging::Logging,
};
use crate::{data::Logged, ope::Round};

/// A reward model: the reward expected of showing these candidates (by index, in order) at this decision. It must have been fitted
/// on other trajectories.
pub type Model<'a> = dyn Fn(&Logged, &[usize]) -> f64 + 'a;

/// Settings of a replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplayConfig {
    /// How the policy makes slates of its logits.
    pub draw: Draw,
    /// K: slates drawn per decision to compute what a model expects of the policy, at least 1.
    pub slates: usize,
    /// Seed of those draws.
    pub seed: u64,
    /// The arm that the policy is compared with.
    pub baseline: String,
}

impl ReplayConfig {
    /// Compared with the incumbent, eight slates per decision.
    pub fn new(draw: Draw) -> Self {
        Self {
            draw,
            slates: 8,
            seed: 1,
            baseline: "incumbent".to_owned(),
        }
    }
}

/// One trajectory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// Its index in the log.
    pub trajectory: u32,
    /// Its arm.
    pub arm: String,
    /// Its number of decisions.
    pub decisions: u32,
    /// Whether an outcome was reported that defines a reward. If not, the round's reward is 0 and means nothing.
    pub reported: bool,
    /// Probabilities, reward, and what a model expects.
    pub round: Round,
    /// ln of the probability of what was done given the baseline arm; −∞ when that arm cannot have done it.
    pub baseline: f64,
    /// The baseline arm's share of the trajectories; 0 without one.
    pub baseline_share: f64,
    /// Whether an unsafe action was reported; `None`: not said.
    pub unsafe_action: Option<bool>,
    /// Whether being misled by an outdated memory was reported; `None`: not said.
    pub stale: Option<bool>,
    /// Whether the logged probability is exact, and not the largest that it can be ([`super::logging`]).
    pub exact: bool,
}

/// A replayed log.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// The trajectories, in the order in which they began.
    pub units: Vec<Unit>,
    /// Decisions read.
    pub decisions: u64,
    /// Trajectories left out because what was done has the logged probability zero, or none.
    pub zero_propensity: u64,
    /// Trajectories left out because the mixture changed while they went on.
    pub changed_mixture: u64,
    /// Whether there was a reward model.
    pub has_model: bool,
    /// The arm that the policy is compared with.
    pub baseline: String,
}

/// Why a decision cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A setting is out of its range.
    #[error("{field} must be {wanted}")]
    BadConfig {
        /// Which one.
        field: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// The decision does not fit together.
    #[error("decision {decision}: {what}")]
    BadDecision {
        /// Which one.
        decision: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The policy did not answer with one logit per candidate.
    #[error("decision {decision}: the policy gave {given} logits for {candidates} candidates")]
    BadScores {
        /// Which one.
        decision: String,
        /// Logits given.
        given: usize,
        /// Candidates.
        candidates: usize,
    },
}

/// A trajectory that may go on.
#[derive(Debug, Default)]
struct Open {
    first: u64,
    arm: String,
    decisions: u32,
    rewards: (f64, u32),
    q: f64,
    v: f64,
    unsafe_action: Option<bool>,
    stale: Option<bool>,
    logging: Logging,
    following: Following,
}

/// Reads a log once: [`Self::push`] each decision in the order of the log, then [`Self::finish`].
pub struct Replay<'a> {
    target: &'a dyn Target,
    model: Option<&'a Model<'a>>,
    config: ReplayConfig,
    open: BTreeMap<u32, Open>,
    units: Vec<(u64, Unit)>,
    evidence: Evidence,
    slates: Slates,
    scores: Scores,
    slate: Vec<usize>,
}

impl<'a> Replay<'a> {
    /// For a policy.
    pub fn new(target: &'a dyn Target, config: ReplayConfig) -> Result<Self, LogError> {
        let draw = config.draw;
        for (field, ok, wanted) in [
            (
                "sampled_share",
                (0.0..=1.0).contains(&draw.sampled_share),
                "in [0, 1]",
            ),
            (
                "temperature",
                draw.temperature > 0.0 && draw.temperature.is_finite(),
                "above 0",
            ),
            (
                "epsilon",
                (0.0..=0.5).contains(&draw.epsilon),
                "in [0, 0.5]",
            ),
            ("slates", config.slates > 0, "at least 1"),
        ] {
            if !ok {
                return Err(LogError::BadConfig { field, wanted });
            }
        }
        Ok(Self {
            target,
            model: None,
            open: BTreeMap::new(),
            units: Vec::new(),
            evidence: Evidence {
                baseline: config.baseline.clone(),
                ..Evidence::default()
            },
            config,
            slates: Slates::default(),
            scores: Scores::default(),
            slate: Vec::new(),
        })
    }

    /// With a reward model, for the estimators that use one.
    #[must_use]
    pub fn with_model(mut self, model: &'a Model<'a>) -> Self {
        self.model = Some(model);
        self.evidence.has_model = true;
        self
    }

    /// Adds the next decision.
    pub fn push(&mut self, decision: &Logged) -> Result<(), LogError> {
        check(decision)?;
        self.scores.logits.clear();
        self.scores.refused.clear();
        self.scores.stop = None;
        self.target.score(decision, &mut self.scores);
        if self.scores.logits.len() != decision.items.len() {
            return Err(LogError::BadScores {
                decision: decision.id.to_string(),
                given: self.scores.logits.len(),
                candidates: decision.items.len(),
            });
        }
        let draw = self.config.draw;
        self.slates.read(decision, &self.scores, draw.temperature);
        let (q, v) = self.expect(decision);
        let first = self.evidence.decisions;
        self.evidence.decisions += 1;
        let open = self
            .open
            .entry(decision.trajectory)
            .or_insert_with(|| Open {
                first,
                arm: decision.arm.clone(),
                ..Open::default()
            });
        open.decisions += 1;
        if let Some(reward) = decision.reward {
            open.rewards.0 += reward;
            open.rewards.1 += 1;
        }
        open.q += q;
        open.v += v;
        either(&mut open.unsafe_action, decision.signals.unsafe_action);
        either(&mut open.stale, decision.signals.stale);
        open.logging.push(decision);
        open.following.push(decision, &mut self.slates, draw);
        Ok(())
    }

    /// What the model expects of what was done, and of the policy: mean of q̂ over K slates of each kind that the policy
    /// makes, which is unbiased whatever K is. The draws depend on seed and decision only.
    fn expect(&mut self, decision: &Logged) -> (f64, f64) {
        let Some(model) = self.model else {
            return (0.0, 0.0);
        };
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(decision.id.bytes());
        seed[16..24].copy_from_slice(&self.config.seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(seed);
        self.slate.clear();
        self.slate
            .extend(decision.slate.iter().map(|i| *i as usize));
        let q = model(decision, &self.slate);
        let draw = self.config.draw;
        let mut mean = |share: f64, k: usize, sampled: bool| {
            if share <= 0.0 {
                return 0.0;
            }
            let mut sum = 0.0;
            for _ in 0..k {
                if sampled {
                    self.slates.draw(&mut rng, &mut self.slate);
                } else {
                    self.slates
                        .withhold(draw.epsilon, &mut rng, &mut self.slate);
                }
                sum += model(decision, &self.slate);
            }
            share * sum / k as f64
        };
        // Without hold-outs there is only one greedy slate.
        let greedy = if draw.epsilon > 0.0 {
            self.config.slates
        } else {
            1
        };
        let v = mean(draw.sampled_share, self.config.slates, true)
            + mean(1.0 - draw.sampled_share, greedy, false);
        (q, v)
    }

    /// Says that a trajectory has no more decisions, so that only its few numbers need to be kept.
    pub fn close(&mut self, trajectory: u32) {
        let Some(open) = self.open.remove(&trajectory) else {
            return;
        };
        if open.logging.is_changed() {
            self.evidence.changed_mixture += 1;
            return;
        }
        let log_p = open.logging.log_probability();
        if !log_p.is_finite() || log_p > 1e-6 {
            self.evidence.zero_propensity += 1;
            return;
        }
        // Without knowing which component acted there is only the probability of the mixture.
        let (loggers, logger) = match open.logging.by_component() {
            (loggers, Some(logger)) => (loggers, logger),
            _ => (Vec::new(), 0),
        };
        let (baseline, baseline_share) = open
            .logging
            .of_arm(&self.config.baseline)
            .unwrap_or((f64::NEG_INFINITY, 0.0));
        let n = f64::from(open.decisions);
        let (sum, reported) = open.rewards;
        let unit = Unit {
            trajectory,
            arm: open.arm,
            decisions: open.decisions,
            reported: reported > 0,
            round: Round {
                reward: sum / f64::from(reported.max(1)),
                target: open.following.log_probability(self.config.draw),
                logging: log_p,
                q: open.q / n,
                v: open.v / n,
                logger,
                loggers,
            },
            baseline,
            baseline_share,
            unsafe_action: open.unsafe_action,
            stale: open.stale,
            exact: open.logging.is_exact(),
        };
        self.units.push((open.first, unit));
    }

    /// All trajectories.
    pub fn finish(mut self) -> Evidence {
        let rest: Vec<u32> = self.open.keys().copied().collect();
        for trajectory in rest {
            self.close(trajectory);
        }
        self.units.sort_by_key(|(first, _)| *first);
        self.evidence.units = self.units.into_iter().map(|(_, unit)| unit).collect();
        self.evidence
    }
}

/// Once reported, it has happened.
fn either(so_far: &mut Option<bool>, now: Option<bool>) {
    if let Some(now) = now {
        *so_far = Some(now || so_far.unwrap_or(false));
    }
}

/// A slate must be of candidates, each once.
fn check(decision: &Logged) -> Result<(), LogError> {
    let n = decision.items.len();
    let slate = &decision.slate;
    let twice = |(place, i): (usize, &u32)| slate[..place].contains(i);
    let what = if slate.iter().any(|i| *i as usize >= n) {
        "the slate shows what was no candidate"
    } else if slate.iter().enumerate().any(twice) {
        "the slate shows a candidate twice"
    } else {
        return Ok(());
    };
    Err(LogError::BadDecision {
        decision: decision.id.to_string(),
        what,
    })
}
