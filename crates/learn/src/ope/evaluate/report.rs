//! What a report holds.

use serde::{Deserialize, Serialize};

use crate::ope::intervals::Interval;

/// A report on a policy. All values are in units of the reward.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Trajectories with an outcome: the units of every number here.
    pub trajectories: u64,
    /// Decisions read.
    pub decisions: u64,
    /// Effective number of trajectories.
    pub n_eff: f64,
    /// Share of what the policy would do that the log could have shown.
    pub coverage: f64,
    /// The largest weight.
    pub max_weight: f64,
    /// Trajectories whose logged probability is an upper bound, so that their weight is too small rather than too large.
    pub bounded: u64,
    /// Trajectories left out because their mixture changed while they went on.
    pub changed_mixture: u64,
    /// Trajectories left out because what was done has the logged probability zero.
    pub zero_propensity: u64,
    /// The estimates. Those that need a reward model are missing without one, those of several loggers where the probabilities
    /// under each of them are not known.
    pub estimates: Vec<Line>,
    /// What the log itself earned.
    pub log: Value,
    /// What the policy in charge earned, by the same log; `None` when it had no share.
    pub baseline: Option<Value>,
    /// The policy against what it is compared with.
    pub difference: Difference,
    /// Rate of unsafe outcomes.
    pub unsafe_rate: Rate,
    /// Rate of being misled by an outdated memory.
    pub stale_rate: Rate,
    /// Missing outcomes.
    pub reporting: Reporting,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict as a sentence.
    pub sentence: String,
}

/// One estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The estimator, e.g. `dr_os`.
    pub estimator: String,
    /// What its weights are divided by: `logged` or `balanced`.
    pub denominator: String,
    /// The estimate.
    pub value: f64,
    /// Its effective number of units.
    pub n_eff: f64,
    /// Its intervals.
    pub intervals: Vec<Interval>,
}

/// A value with an interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// The value.
    pub value: f64,
    /// Student-t.
    pub interval: Interval,
}

/// A difference in reward that is rounding and nothing else: weights come from logarithms, so those of a policy that is compared with
/// itself are equal to about twelve digits, and an interval around nothing is as narrow.
const ROUNDING: f64 = 1e-6;

impl Value {
    /// What the interval of a difference says: 1 better, −1 worse, 0 neither.
    pub fn says(&self) -> i8 {
        i8::from(self.interval.low > ROUNDING) - i8::from(self.interval.high < -ROUNDING)
    }
}

/// The policy against what it is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// `incumbent` (or the named baseline arm), or `log`.
    pub versus: String,
    /// Difference of the self-normalised values, with a Student-t interval: advice.
    pub estimate: Value,
    /// Difference by DR, with a Student-t interval: advice. `None` without a reward model.
    pub doubly_robust: Option<Value>,
    /// The policy is better by at least this, with probability 1 − δ for every n and every look; above 0: shown.
    pub better_by: f64,
    /// The policy is worse by at least this, likewise.
    pub worse_by: f64,
    /// δ.
    pub delta: f64,
    /// About how many more trajectories would decide it, if the estimate is right; `None` when it is decided, or when the
    /// estimate is too near to 0 to tell.
    pub more: Option<u64>,
    /// Whether the two estimates contradict each other: see [`Difference::contradict`]. Then neither is advice.
    #[serde(default)]
    pub disagree: bool,
}

impl Difference {
    /// Whether two estimates of one difference cannot both be read as they are: their intervals have nothing in common, or one says
    /// "better" (or "worse") with its whole interval and the other is on the other side of 0. They make different mistakes (SNIPS is
    /// consistent where the weights are right, DR where the weights or the model are, and exactly so only for weights
    /// that are not bounds), so this says that something that both rest on does not hold.
    pub fn contradict(a: &Value, b: &Value) -> bool {
        let apart = a.interval.low > b.interval.high || b.interval.low > a.interval.high;
        let opposite = a.value * b.value < 0.0;
        apart || (opposite && (a.says() != 0 || b.says() != 0))
    }
}

/// The rate of something that should not happen, over the trajectories with an outcome and those that said whether it happened.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Trajectories that said whether it happened, also those without a reward. Others with an outcome count as: it did not.
    pub said: u64,
    /// In the log.
    pub log: f64,
    /// Under the policy (SNIPS).
    pub policy: Value,
    /// Policy minus what it is compared with, at least this with probability 1 − δ (Student-t).
    pub worse_by: f64,
}

/// Missing outcomes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reporting {
    /// By arm.
    pub arms: Vec<ArmReport>,
    /// Whether some arm's share of missing outcomes differs from that of the others, significantly (at 1 %) and by more than
    /// the margin.
    pub differs: bool,
}

/// One arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmReport {
    /// Its name.
    pub arm: String,
    /// Its trajectories.
    pub trajectories: u64,
    /// Those without an outcome.
    pub missing: u64,
}

/// What a report comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Shown to be better.
    Better,
    /// The approximate interval says better, the valid bound does not yet.
    ProbablyBetter,
    /// Nothing shown.
    NotShown,
    /// The approximate interval says worse.
    ProbablyWorse,
    /// Shown to be worse.
    Worse,
    /// More unsafe outcomes than allowed: vetoed, however much better it is otherwise.
    Unsafe,
    /// Outcomes are missing more often in one arm than in others, so that what is there cannot be compared.
    ReportingDiffers,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Better,
        Self::ProbablyBetter,
        Self::NotShown,
        Self::ProbablyWorse,
        Self::Worse,
        Self::Unsafe,
        Self::ReportingDiffers,
    ];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::ProbablyBetter => "probably_better",
            Self::NotShown => "not_shown",
            Self::ProbablyWorse => "probably_worse",
            Self::Worse => "worse",
            Self::Unsafe => "unsafe",
            Self::ReportingDiffers => "reporting_differs",
        }
    }

    /// Whether a trial on live traffic is justified.
    pub const fn is_candidate(self) -> bool {
        matches!(self, Self::Better | Self::ProbablyBetter)
    }
}
