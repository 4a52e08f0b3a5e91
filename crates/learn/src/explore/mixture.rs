//! The whole decision: arm, slate, and the exact probability of the slate under the mixture.
//!
//! The mixture is arms × (drawn slates with share s, else the greedy slate with hold-outs):
//! `log_joint = ln Σ weight · P(slate | component)`. Only the order of the shown cells is the
//! action; how a policy labels them (mode, reason) is not.

use memrl_types::{Arm, Component, ExploreMode, Propensity};

use super::{ArmName, ConfigError, ExploreConfig, PlackettLuce, holdout};
use crate::{
    Candidate, Context, Ranking, RecallPolicy,
    policy::NoMemory,
    select::{Selection, greedy},
};

/// The policies in force.
#[derive(Clone, Copy)]
pub struct Policies<'a> {
    /// The policy in charge.
    pub incumbent: &'a dyn RecallPolicy,
    /// The policy on trial, if any.
    pub canary: Option<&'a dyn RecallPolicy>,
    /// The former incumbent, beside which a promoted one is watched, if any.
    pub control: Option<&'a dyn RecallPolicy>,
}

impl<'a> Policies<'a> {
    /// This policy for everybody.
    pub fn only(incumbent: &'a dyn RecallPolicy) -> Self {
        Self {
            incumbent,
            canary: None,
            control: None,
        }
    }
}

/// What one arm would do.
pub(super) struct ArmPlan {
    pub name: ArmName,
    pub policy: String,
    pub ranking: Ranking,
    pub greedy: Selection,
    /// Present when the arm draws slates for some trajectories.
    pub drawn: Option<PlackettLuce>,
}

/// The distribution over slates that a decision is drawn from.
pub struct Mixture<'a> {
    pub(super) candidates: &'a [Candidate],
    pub(super) config: ExploreConfig,
    pub(super) plans: Vec<ArmPlan>,
    /// The soft candidate on trial, by index, and its probability of being withheld.
    trial: Option<(usize, f64)>,
}

impl<'a> Mixture<'a> {
    /// The mixture of a request. Each arm with a share orders the candidates once.
    pub fn new(
        ctx: &Context,
        candidates: &'a [Candidate],
        policies: Policies<'_>,
        config: &ExploreConfig,
    ) -> Result<Self, ConfigError> {
        config.validate(policies.canary.is_some(), policies.control.is_some())?;
        let plan = |name: ArmName, policy: &dyn RecallPolicy| {
            let ranking = Ranking::new(candidates, policy.order(ctx, candidates));
            let draws = name != ArmName::None && config.sampled_share > 0.0;
            let drawn = draws.then(|| {
                let stop = policy.stop_logit(ctx);
                PlackettLuce::new(ctx, candidates, &ranking, stop, config.temperature)
            });
            ArmPlan {
                name,
                policy: policy.label(),
                greedy: greedy(ctx, candidates, &ranking),
                ranking,
                drawn,
            }
        };
        let canary = policies.canary.unwrap_or(policies.incumbent);
        let control = policies.control.unwrap_or(policies.incumbent);
        let plans = [
            (ArmName::Incumbent, policies.incumbent),
            (ArmName::Canary, canary),
            (ArmName::Control, control),
            (ArmName::None, &NoMemory),
        ]
        .into_iter()
        .filter(|(name, _)| name.share(config) > 0.0)
        .map(|(name, policy)| plan(name, policy))
        .collect();
        let trial = config.trial.and_then(|t| {
            let on_trial = |c: &Candidate| c.cell_id == t.cell && !c.is_critical();
            Some((candidates.iter().position(on_trial)?, t.p))
        });
        Ok(Self {
            candidates,
            config: *config,
            plans,
            trial,
        })
    }

    /// The arms with a share, as they are logged.
    pub fn arms(&self) -> Vec<Arm> {
        self.plans
            .iter()
            .map(|p| Arm {
                name: p.name.to_string(),
                policy: p.policy.clone(),
                share: p.name.share(&self.config),
            })
            .collect()
    }

    /// Whether exploration may touch a candidate.
    pub(super) fn is_soft(&self, index: usize) -> bool {
        !self.candidates[index].is_critical()
    }

    /// How the slates of an arm that are not drawn come about.
    pub(super) fn fixed_mode(&self, arm: ArmName) -> ExploreMode {
        match arm {
            ArmName::None => ExploreMode::None,
            _ if self.config.epsilon > 0.0 || self.config.trial.is_some_and(|t| t.p > 0.0) => {
                ExploreMode::Holdout
            }
            _ => ExploreMode::Greedy,
        }
    }

    /// The hold-out probability in an arm; the control arm has nothing to hold out.
    pub(super) fn epsilon(&self, arm: ArmName) -> f64 {
        match arm {
            ArmName::None => 0.0,
            _ => self.config.epsilon,
        }
    }

    /// The index of the soft candidate on trial in an arm, and the probability that it is withheld;
    /// the arm without memory has nothing to try.
    pub(super) fn on_trial(&self, arm: ArmName) -> Option<(usize, f64)> {
        self.trial.filter(|_| arm != ArmName::None)
    }

    /// The components with a weight, and for each the log-probability of a slate (indices in the
    /// order shown), drawn here or elsewhere.
    pub fn components(&self, slate: &[usize]) -> Vec<Component> {
        let mut all = Vec::new();
        for plan in &self.plans {
            let share = plan.name.share(&self.config);
            let sampled = match plan.drawn {
                Some(_) => self.config.sampled_share,
                None => 0.0,
            };
            if let Some(drawn) = &plan.drawn {
                let log_p = drawn.log_probability(slate);
                all.push(Component {
                    arm: plan.name.to_string(),
                    mode: ExploreMode::PlackettLuce,
                    weight: share * sampled,
                    log_probability: log_p.is_finite().then_some(log_p),
                });
            }
            if sampled < 1.0 {
                let soft = |i| self.is_soft(i);
                let epsilon = self.epsilon(plan.name);
                all.push(Component {
                    arm: plan.name.to_string(),
                    mode: self.fixed_mode(plan.name),
                    weight: share * (1.0 - sampled),
                    log_probability: holdout::log_probability(
                        &plan.greedy.slate,
                        soft,
                        epsilon,
                        self.on_trial(plan.name),
                        slate,
                    ),
                });
            }
        }
        all
    }

    /// Natural logarithm of the probability of a slate under the whole mixture; −∞ when it is
    /// impossible.
    pub fn log_probability(&self, slate: &[usize]) -> f64 {
        log_joint(&self.components(slate))
    }

    /// Marginal probability that a candidate is shown, where it has an exact form: unless some
    /// component may draw it. `in_greedy[a][i]` says whether arm `a` shows candidate `i` greedily.
    pub(super) fn p_include(&self, index: usize, in_greedy: &[Vec<bool>]) -> Option<f64> {
        let mut p = 0.0;
        for (plan, shown) in self.plans.iter().zip(in_greedy) {
            let fixed = match (shown[index], self.is_soft(index)) {
                (false, _) => 0.0,
                (true, false) => 1.0,
                (true, true) => match self.on_trial(plan.name) {
                    Some((at, p)) if at == index => 1.0 - p,
                    _ => 1.0 - self.epsilon(plan.name),
                },
            };
            let share = plan.name.share(&self.config);
            let Some(drawn) = &plan.drawn else {
                p += share * fixed;
                continue;
            };
            if drawn.is_soft(index) {
                return None;
            }
            let placed = f64::from(u8::from(drawn.placed().contains(&index)));
            let s = self.config.sampled_share;
            p += share * (s * placed + (1.0 - s) * fixed);
        }
        Some(p.clamp(0.0, 1.0))
    }

    /// The propensity of a slate, as it is logged.
    pub fn propensity(&self, slate: &[usize], seed: u64) -> Propensity {
        let components = self.components(slate);
        Propensity {
            log_joint: log_joint(&components),
            components,
            epsilon: self.config.epsilon,
            salt: self.config.salt,
            seed,
        }
    }
}

/// `ln Σ weight · exp(log_probability)`, at most 0; −∞ when nothing can produce the slate.
pub fn log_joint(components: &[Component]) -> f64 {
    let terms: Vec<_> = components
        .iter()
        .filter_map(|c| Some(c.weight.ln() + c.log_probability?))
        .collect();
    let top = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    let sum: f64 = terms.iter().map(|t| (t - top).exp()).sum();
    // Adding 0 turns −0 into 0.
    (top + sum.ln()).min(0.0) + 0.0
}
