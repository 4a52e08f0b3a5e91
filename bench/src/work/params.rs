//! What a simulated workload is made of: every number of it, in one value.
//!
//! A candidate has a hidden **role** (which need of the task it is about, if any) and a hidden **condition** (current,
//! outdated, harmful, a rule, idle). Everything that a policy sees is drawn from distributions that belong to one of the
//! two. `docs/workloads.md` prints all of it; a test compares.

use memrl_types::CellType;

/// Similarity signals, in the order of [`Role::text`].
pub const SIGNALS: [&str; 5] = ["bm25", "dense", "bm25_window", "dense_window", "source"];
/// Most needs of a task.
pub const MAX_NEEDS: usize = 3;
/// The values that `criticality` takes.
pub const CRITICALITY: [f64; 6] = [0.0, 0.25, 0.5, 0.65, 0.8, 0.95];
/// The values that `future_utility` takes.
pub const UTILITY: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// The numbers of earlier trials that a value rests on.
pub const TRIALS: [u32; 6] = [0, 1, 2, 4, 8, 16];
/// Standard deviation of the logits of staleness and confidence.
pub const BELIEF_SD: f64 = 1.0;
/// Standard deviation of the logarithm of an age.
pub const AGE_SD: f64 = 1.2;
/// Mean and standard deviation of the logarithm of the tokens of a query.
pub const QUERY: (f64, f64) = (2.3, 0.5);
/// By how much all similarities of a decision move when the logarithm of its query's tokens is one standard deviation above
/// its mean: the same score means other things for other queries.
pub const QUERY_SHIFT: f64 = 0.4;
/// What a memory that the words did not find counts as in the fused score.
pub const NOT_FOUND: f64 = -2.5;
/// Tokens of headings, and of the line around each memory.
pub const OVERHEAD: (u64, u32) = (12, 6);

/// What a candidate is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Role {
    /// Probability that a candidate has this role (that of the idle role is the rest).
    pub share: f64,
    /// Means of the logits of the [`SIGNALS`].
    pub text: [f64; 5],
    /// Probability that the words find it at all.
    pub words: f64,
    /// Probability that the query names its speaker.
    pub speaker: f64,
    /// Mean of the logarithm of its age in days.
    pub log_age: f64,
}

/// The hidden condition of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Condition {
    /// About a need, and still so.
    Current,
    /// About a need, and no longer so.
    Outdated,
    /// Looks useful and misleads.
    Harmful,
    /// A rule that holds for this task.
    Rule,
    /// Of no use for this task.
    Idle,
}

impl Condition {
    /// All conditions, in the order of [`Params::signs`].
    pub const ALL: [Self; 5] = [
        Self::Current,
        Self::Outdated,
        Self::Harmful,
        Self::Rule,
        Self::Idle,
    ];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Outdated => "outdated",
            Self::Harmful => "harmful",
            Self::Rule => "rule",
            Self::Idle => "idle",
        }
    }
}

/// What a condition looks like, apart from similarity and age.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sign {
    /// Mean of the logit of the believed staleness.
    pub staleness: f64,
    /// Mean of the logit of the writer's confidence.
    pub confidence: f64,
    /// Probability that an earlier trial of it was a success.
    pub past: f64,
    /// Probabilities of the values of [`CRITICALITY`].
    pub criticality: [f64; 6],
    /// Probabilities of the values of [`UTILITY`].
    pub utility: [f64; 5],
    /// Probabilities of the workload's [`Params::kinds`].
    pub kinds: [f64; 4],
    /// Probabilities of the origins user, agent, tool, import.
    pub origin: [f64; 4],
    /// Probabilities of the scope levels asked, wider, global.
    pub scope: [f64; 3],
}

/// What comes of a slate. The formulas are those of [`super::outcome`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutcomeParams {
    /// Success by the number of needs that are covered, from 0 to all of them.
    pub success: &'static [f64],
    /// What success is multiplied with for each shown candidate, by condition.
    pub keep: [f64; 5],
    /// Probability of an unsafe action, whatever is shown.
    pub unsafe_base: f64,
    /// Probability of an unsafe action for each rule that holds and is not shown.
    pub unsafe_missing: f64,
    /// Probability of an unsafe action for each harmful memory that is shown.
    pub unsafe_harm: f64,
    /// Probability of being misled by each outdated memory that is shown.
    pub stale: f64,
}

/// A simulated workload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// Its name.
    pub name: &'static str,
    /// The fewest and the most candidates of a decision.
    pub candidates: (u32, u32),
    /// The fewest and the most decisions of a trajectory.
    pub steps: (u32, u32),
    /// Mean and standard deviation of the logarithm of a memory's tokens.
    pub log_tokens: (f64, f64),
    /// What the task needs, at most [`MAX_NEEDS`].
    pub needs: &'static [Role],
    /// What misleads.
    pub harmful: Role,
    /// The rules that hold.
    pub rule: Role,
    /// Everything else.
    pub idle: Role,
    /// Standard deviations of the logits of the [`SIGNALS`].
    pub spread: [f64; 5],
    /// Mean time until a memory about a need is outdated, in days: P(outdated | age) = 1 − e^(−age / lifetime).
    pub lifetime_days: f64,
    /// Types of memories.
    pub kinds: [CellType; 4],
    /// What the conditions look like, in the order of [`Condition::ALL`].
    pub signs: [Sign; 5],
    /// Probabilities of the numbers of [`TRIALS`].
    pub tried: [f64; 6],
    /// What comes of a slate.
    pub outcome: OutcomeParams,
}

impl Params {
    /// Share of the idle candidates.
    pub fn idle_share(&self) -> f64 {
        let needs: f64 = self.needs.iter().map(|r| r.share).sum();
        1.0 - needs - self.harmful.share - self.rule.share
    }
}

/// The simulated workloads, in the order of tables.
pub fn all() -> [&'static Params; 4] {
    [
        &super::coding::PARAMS,
        &super::support::PARAMS,
        &super::assistant::PARAMS,
        &super::research::PARAMS,
    ]
}
