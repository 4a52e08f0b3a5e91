//! A trial of one policy: what is bet on, and what follows.
//!
//! | bet against | refuted: |
//! |---|---|
//! | the policy is not better | needed for a promotion |
//! | the policy is not worse | stop |
//! | unsafe outcomes are not more | stop: a hard veto, before anything else |
//! | unsafe outcomes are more by the margin, or above | needed for a promotion |
//! | stale outcomes are more by at most the margin | stop |
//! | stale outcomes are more by the margin, or above | needed for a promotion |
//! | outcomes are missing alike in both arms (two bets) | refused: what is there cannot be compared |
//!
//! Each at level δ. A policy that is not better is promoted with probability at most δ, whatever the other bets do, since they can only
//! prevent it. The bets on reward see the trajectories with a reward, those on safety see all: what nobody reported did not happen.
//!
//! "Better" must be shown at the very moment of the promotion: luck at the start that was lost again while safety was still being shown does not
//! count.
//!
//! The same trial, turned round, watches a promoted policy ([`Role::Watch`]): then the policy is treated with probability
//! 0.95 and the former incumbent is the control; it can be stopped (rolled back), and never promoted.

use serde::{Deserialize, Serialize};

use super::eprocess::{Bet, Contrast};

/// What a trial is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To decide on a promotion.
    #[default]
    Trial,
    /// To notice that a promoted policy is worse than the one before.
    Watch,
}

/// Settings of a trial. They must not change while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrialConfig {
    /// What it is for.
    pub role: Role,
    /// δ of each bet, in (0, 1); for the k-th policy take [`super::spread`].
    pub delta: f64,
    /// A promotion must show that unsafe outcomes are not more by this, in (0, 1].
    pub unsafe_margin: f64,
    /// The same of stale outcomes.
    pub stale_margin: f64,
    /// Largest share of trajectories without an outcome, in [0, 1].
    pub max_missing: f64,
    /// Trajectories before that share is looked at.
    pub missing_after: u64,
}

impl Default for TrialConfig {
    fn default() -> Self {
        Self {
            role: Role::Trial,
            delta: 0.05,
            unsafe_margin: 0.02,
            stale_margin: 0.05,
            max_missing: 0.5,
            missing_after: 50,
        }
    }
}

/// A trajectory that is closed: it got an outcome, or will get none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    /// Whether it was in the arm of the policy on trial, else in that of the control.
    pub treated: bool,
    /// Probability that it was, among these two arms: share of the policy on trial / sum of both shares, in (0, 1).
    pub p: f64,
    /// Its reward, scaled to [0, 1] by the bounds of its spec; `None`: no outcome.
    pub reward: Option<f64>,
    /// An unsafe action was reported. What an outcome does not mention did not happen.
    pub unsafe_action: bool,
    /// Being misled by an outdated memory was reported.
    pub stale: bool,
}

/// Why an arrival or a setting is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// A number is out of its range.
    #[error("{field} is {value}; it must be {wanted}")]
    OutOfRange {
        /// Which one.
        field: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        wanted: &'static str,
    },
}

/// Why a trial is stopped, and a promoted policy rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// More unsafe outcomes.
    Unsafe,
    /// Less reward.
    Worse,
    /// More stale outcomes than the margin allows.
    Stale,
}

/// Why a trial cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhyRefused {
    /// Outcomes are missing more often in one arm than in the other.
    ReportingDiffers,
    /// Most outcomes are missing.
    MostlyMissing,
}

/// What a trial comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Shown to be better, and not less safe by more than the margins.
    Promote,
    /// To be stopped or rolled back.
    Stop {
        /// Why.
        why: StopReason,
    },
    /// Nothing shown yet.
    Continue {
        /// About how many more trajectories it takes if it goes on as so far; `None`: it cannot be told.
        about: Option<u64>,
    },
    /// Cannot be judged.
    Refused {
        /// Why.
        why: WhyRefused,
    },
}

impl Verdict {
    /// What to say of it, in one sentence.
    pub fn sentence(self) -> String {
        match self {
            Self::Promote => {
                "Shown to be better than the control, and not less safe by more than the margins."
                    .to_owned()
            }
            Self::Stop { why } => match why {
                StopReason::Unsafe => "Vetoed: it has more unsafe outcomes than the control.",
                StopReason::Worse => "Shown to be worse than the control.",
                StopReason::Stale => {
                    "It is misled by outdated memories more often than the control, by more than the margin."
                }
            }
            .to_owned(),
            Self::Continue { about: Some(n) } => {
                format!("Not decided; about {n} more trajectories at this rate.")
            }
            Self::Continue { about: None } => {
                "Not decided, and too near to tell how long it will take.".to_owned()
            }
            Self::Refused { why } => match why {
                WhyRefused::ReportingDiffers => {
                    "No verdict: outcomes are missing more often in one arm than in the other; report them in both alike."
                }
                WhyRefused::MostlyMissing => {
                    "No verdict: most trajectories have no outcome; report them, good and bad alike."
                }
            }
            .to_owned(),
        }
    }
}

/// One arm of a trial so far.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ArmSummary {
    /// Trajectories.
    pub trajectories: u64,
    /// Those with an outcome.
    pub reported: u64,
    /// Sum of their rewards.
    pub reward: f64,
    /// Unsafe ones.
    pub unsafe_actions: u64,
    /// Stale ones.
    pub stale: u64,
}

impl ArmSummary {
    /// Mean reward, in [0, 1]; `None` without an outcome.
    pub fn mean(&self) -> Option<f64> {
        (self.reported > 0).then(|| self.reward / self.reported as f64)
    }
}

/// A trial so far, for people.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The policy on trial (or watched).
    pub policy: ArmSummary,
    /// The control.
    pub control: ArmSummary,
    /// Evidence that it is better: K, at least 1/δ at some time for a proof.
    pub e_better: f64,
    /// Evidence that it is worse.
    pub e_worse: f64,
    /// Evidence that it has more unsafe outcomes.
    pub e_unsafe: f64,
    /// Evidence that it has no more unsafe outcomes than the margin allows.
    pub e_safe: f64,
    /// Evidence that it has more stale outcomes than the margin allows.
    pub e_stale: f64,
    /// Evidence that it has no more than that.
    pub e_fresh: f64,
    /// The larger evidence that reporting differs.
    pub e_reporting: f64,
    /// The verdict.
    pub verdict: Verdict,
}

/// A trial: a few numbers, whatever its length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    config: TrialConfig,
    /// The control, then the policy.
    arms: [ArmSummary; 2],
    rewards: Contrast,
    unsafe_actions: Contrast,
    stales: Contrast,
    missing: Contrast,
    better: Bet,
    worse: Bet,
    more_unsafe: Bet,
    safe: Bet,
    more_stale: Bet,
    fresh: Bet,
    missing_more: Bet,
    missing_less: Bet,
}

impl Trial {
    /// A trial in which nothing has happened yet.
    pub fn new(config: TrialConfig) -> Result<Self, TrialError> {
        let share = |x: f64| x > 0.0 && x <= 1.0;
        for (field, value, ok, wanted) in [
            (
                "delta",
                config.delta,
                config.delta > 0.0 && config.delta < 1.0,
                "between 0 and 1",
            ),
            (
                "unsafe_margin",
                config.unsafe_margin,
                share(config.unsafe_margin),
                "above 0, at most 1",
            ),
            (
                "stale_margin",
                config.stale_margin,
                share(config.stale_margin),
                "above 0, at most 1",
            ),
            (
                "max_missing",
                config.max_missing,
                (0.0..=1.0).contains(&config.max_missing),
                "in [0, 1]",
            ),
        ] {
            if !ok {
                return Err(TrialError::OutOfRange {
                    field,
                    value,
                    wanted,
                });
            }
        }
        Ok(Self {
            config,
            arms: [ArmSummary::default(); 2],
            rewards: Contrast::default(),
            unsafe_actions: Contrast::default(),
            stales: Contrast::default(),
            missing: Contrast::default(),
            better: Bet::default(),
            worse: Bet::default(),
            more_unsafe: Bet::default(),
            safe: Bet::default(),
            more_stale: Bet::default(),
            fresh: Bet::default(),
            missing_more: Bet::default(),
            missing_less: Bet::default(),
        })
    }

    /// Adds the next closed trajectory. Each must be added once, in the order of closing, and whether it is added must not depend on its
    /// outcome.
    pub fn update(&mut self, arrival: &Arrival) -> Result<Verdict, TrialError> {
        let Arrival { treated, p, .. } = *arrival;
        if !(p > 0.0 && p < 1.0) {
            return Err(TrialError::OutOfRange {
                field: "p",
                value: p,
                wanted: "between 0 and 1",
            });
        }
        if let Some(value) = arrival.reward.filter(|r| !(0.0..=1.0).contains(r)) {
            return Err(TrialError::OutOfRange {
                field: "reward",
                value,
                wanted: "in [0, 1]: scale it by the bounds of its spec",
            });
        }
        let is = |b: bool| f64::from(u8::from(b));
        let d = self.missing.next(treated, p, is(arrival.reward.is_none()));
        self.missing_more.push(d.x, -d.low);
        self.missing_less.push(-d.x, d.high);
        let arm = &mut self.arms[usize::from(treated)];
        arm.trajectories += 1;
        arm.unsafe_actions += u64::from(arrival.unsafe_action);
        arm.stale += u64::from(arrival.stale);
        // Safety is of every trajectory: a guard that reports an unsafe action may report nothing else.
        let margin = self.config.unsafe_margin;
        let d = self
            .unsafe_actions
            .next(treated, p, is(arrival.unsafe_action));
        self.more_unsafe.push(d.x, -d.low);
        self.safe.push(margin - d.x, d.high - margin);
        let margin = self.config.stale_margin;
        let d = self.stales.next(treated, p, is(arrival.stale));
        self.more_stale.push(d.x - margin, margin - d.low);
        self.fresh.push(margin - d.x, d.high - margin);
        if let Some(reward) = arrival.reward {
            let arm = &mut self.arms[usize::from(treated)];
            arm.reported += 1;
            arm.reward += reward;
            let d = self.rewards.next(treated, p, reward);
            self.better.push(d.x, -d.low);
            self.worse.push(-d.x, d.high);
        }
        Ok(self.verdict())
    }

    /// What the trial comes to so far. What was once shown stays shown, but for "better", which must hold at the moment of the promotion.
    pub fn verdict(&self) -> Verdict {
        let delta = self.config.delta;
        let shown = |bet: &Bet| bet.refutes(delta);
        let stop = |why| Verdict::Stop { why };
        let refused = |why| Verdict::Refused { why };
        let half = delta / 2.0;
        let differs = self.missing_more.refutes(half) || self.missing_less.refutes(half);
        let trial = self.config.role == Role::Trial;
        if shown(&self.more_unsafe) {
            stop(StopReason::Unsafe)
        } else if shown(&self.worse) {
            stop(StopReason::Worse)
        } else if shown(&self.more_stale) {
            stop(StopReason::Stale)
        } else if differs {
            refused(WhyRefused::ReportingDiffers)
        } else if self.mostly_missing() {
            refused(WhyRefused::MostlyMissing)
        } else if trial && self.better.refutes_now(delta) && shown(&self.safe) && shown(&self.fresh)
        {
            Verdict::Promote
        } else {
            Verdict::Continue {
                about: self.about(),
            }
        }
    }

    fn mostly_missing(&self) -> bool {
        let sum = |f: fn(&ArmSummary) -> u64| self.arms.iter().map(f).sum::<u64>();
        let (n, reported) = (sum(|a| a.trajectories), sum(|a| a.reported));
        n >= self.config.missing_after.max(1)
            && (n - reported) as f64 > self.config.max_missing * n as f64
    }

    /// The soonest end in sight: a promotion, or a stop.
    fn about(&self) -> Option<u64> {
        let more = |bet: &Bet| bet.more(self.config.delta);
        let promote = || {
            let proved = |bet: &Bet| {
                if bet.refutes(self.config.delta) {
                    Some(0)
                } else {
                    more(bet)
                }
            };
            let all = [more(&self.better), proved(&self.safe), proved(&self.fresh)];
            let trial = self.config.role == Role::Trial;
            // All three are needed, so the slowest counts.
            trial
                .then_some(all)?
                .into_iter()
                .try_fold(0, |most, n| Some(most.max(n?)))
        };
        let stops = [&self.worse, &self.more_unsafe, &self.more_stale];
        let stop = stops.into_iter().filter_map(more).min();
        let reported = self.arms.iter().map(|a| a.reported).sum::<u64>().max(1);
        let all = self.arms.iter().map(|a| a.trajectories).sum::<u64>();
        // Trajectories without an outcome decide nothing.
        let scale = |n: u64| (n as f64 * all as f64 / reported as f64).ceil() as u64;
        promote().into_iter().chain(stop).min().map(scale)
    }

    /// The trial so far.
    pub fn summary(&self) -> Summary {
        let e = |bet: &Bet| bet.log_wealth().exp();
        Summary {
            policy: self.arms[1],
            control: self.arms[0],
            e_better: e(&self.better),
            e_worse: e(&self.worse),
            e_unsafe: e(&self.more_unsafe),
            e_safe: e(&self.safe),
            e_stale: e(&self.more_stale),
            e_fresh: e(&self.fresh),
            e_reporting: e(&self.missing_more).max(e(&self.missing_less)),
            verdict: self.verdict(),
        }
    }

    /// Its settings.
    pub const fn config(&self) -> &TrialConfig {
        &self.config
    }
}
