//! Making the choice: one slate out of the mixture, with everything that is logged about it.

use memrl_types::{Arm, ExploreMode, Mode, Propensity};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::{
    ConfigError, ExploreConfig, Mixture, Policies, arms, holdout, mixture::ArmPlan,
    plackett_luce::Steps,
};
use crate::{
    Candidate, Context,
    select::{Room, tokens_of},
};

/// Reason of a cell that the hold-out withheld.
pub const HELD_OUT: &str = "held_out";
/// Reason of a cell that does not fit the budget (memcell-rl's word).
pub const BUDGET_EXCEEDED: &str = "budget_exceeded";
/// Reason of a cell that would have fitted, but was not drawn.
pub const NOT_DRAWN: &str = "not_drawn";

/// What was decided about one candidate; the fields are those of [`memrl_types::Item`].
#[derive(Debug, Clone, PartialEq)]
pub struct ItemChoice {
    /// The acting policy's score; 0 when it is not finite.
    pub score: f64,
    /// Whether it is shown.
    pub selected: bool,
    /// Its place in the slate, from 0, when shown.
    pub position: Option<u32>,
    /// How it is shown, or [`Mode::Suppress`].
    pub mode: Mode,
    /// Why.
    pub reason: String,
    /// Marginal probability of being shown under the whole mixture; `None` when a component of
    /// it may draw the cell.
    pub p_include: Option<f64>,
    /// Probability at its draw, when the slate was drawn and the cell not placed first.
    pub p_step: Option<f64>,
    /// Whether exploration had to leave it alone.
    pub critical: bool,
    /// Whether the hold-out withheld it from the slate that the policy wanted.
    pub held_out: bool,
}

/// A recall decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// One per candidate, in their order.
    pub items: Vec<ItemChoice>,
    /// Indices of the candidates shown, in the order in which they are shown.
    pub slate: Vec<usize>,
    /// Indices of all others: first what a rule refuses, in the order of the candidates, then what
    /// was withheld, not drawn or over the budget, in order of priority (memcell-rl's order).
    pub left_out: Vec<usize>,
    /// The critical ones among those over the budget.
    pub constraints_left_out: Vec<usize>,
    /// The acting policy: `similarity@1`.
    pub policy: String,
    /// The arms in force.
    pub arms: Vec<Arm>,
    /// The name of the arm that the trajectory is in.
    pub arm: String,
    /// What produced the slate.
    pub explore_mode: ExploreMode,
    /// The probability of the slate under the whole mixture.
    pub propensity: Propensity,
    /// Probability of the STOP that ended a drawn slate; `None` when nothing was drawn.
    pub p_stop: Option<f64>,
    /// Tokens taken, overhead included; 0 when nothing is shown.
    pub tokens_used: u64,
}

impl Choice {
    /// Whether critical cells alone did not fit the budget.
    pub fn constraints_exceed_budget(&self) -> bool {
        !self.constraints_left_out.is_empty()
    }
}

/// The slate of the acting component.
struct Slate {
    shown: Vec<usize>,
    held_out: Vec<usize>,
    constraints_left_out: Vec<usize>,
    mode: ExploreMode,
    steps: Option<Steps>,
    /// Number of items placed before the first draw.
    placed: usize,
}

/// Decides what to show to one request of `trajectory`.
///
/// Arm, hold-outs and whether slates are drawn depend on the configuration's salt and the
/// trajectory only; `seed` draws the slate and is used for nothing else.
pub fn decide(
    ctx: &Context,
    candidates: &[Candidate],
    policies: Policies<'_>,
    config: &ExploreConfig,
    trajectory: &str,
    seed: u64,
) -> Result<Choice, ConfigError> {
    let mixture = Mixture::new(ctx, candidates, policies, config)?;
    let arm = arms::assign(config, trajectory);
    // The arm of a trajectory always has a share, so it is always found; were it not, the first
    // plan would act under its own name.
    let at = mixture
        .plans
        .iter()
        .position(|p| p.name == arm)
        .unwrap_or(0);
    let plan = &mixture.plans[at];
    let slate = draw(&mixture, plan, trajectory, seed);
    let mut items = items(&mixture, plan);
    let refused = plan.ranking.refused().iter().map(|s| s.index);
    let lost = withhold(ctx, candidates, plan, &slate, &mut items);
    show(&slate, &mut items);
    Ok(Choice {
        items,
        left_out: refused.chain(lost).collect(),
        constraints_left_out: slate.constraints_left_out,
        policy: plan.policy.clone(),
        arms: mixture.arms(),
        arm: plan.name.to_string(),
        explore_mode: slate.mode,
        propensity: mixture.propensity(&slate.shown, seed),
        p_stop: slate.steps.map(|s| s.stop.exp()),
        tokens_used: tokens_of(ctx, candidates, &slate.shown),
        slate: slate.shown,
    })
}

/// The slate of the component that the trajectory is in.
fn draw(mixture: &Mixture<'_>, plan: &ArmPlan, trajectory: &str, seed: u64) -> Slate {
    let config = &mixture.config;
    if let Some(drawn) = &plan.drawn
        && arms::is_sampled(config, trajectory)
    {
        let (shown, steps) = drawn.sample(&mut ChaCha8Rng::seed_from_u64(seed));
        return Slate {
            shown,
            held_out: Vec::new(),
            constraints_left_out: drawn.unplaced().to_vec(),
            mode: ExploreMode::PlackettLuce,
            steps: Some(steps),
            placed: drawn.placed().len(),
        };
    }
    let epsilon = mixture.epsilon(plan.name);
    let on_trial = mixture.on_trial(plan.name);
    let (held_out, shown): (Vec<_>, Vec<_>) = plan.greedy.slate.iter().partition(|&&i| {
        let cell = mixture.candidates[i].cell_id;
        let withheld = match config.trial {
            Some(trial) if on_trial.is_some_and(|(at, _)| at == i) => {
                trial.withholds(config.salt, trajectory)
            }
            _ => holdout::is_withheld(epsilon, config.salt, trajectory, cell),
        };
        mixture.is_soft(i) && withheld
    });
    Slate {
        shown,
        held_out,
        constraints_left_out: plan.greedy.constraints_left_out.clone(),
        mode: mixture.fixed_mode(plan.name),
        steps: None,
        placed: 0,
    }
}

/// The items as the ranking has them.
fn items(mixture: &Mixture<'_>, plan: &ArmPlan) -> Vec<ItemChoice> {
    let in_greedy: Vec<Vec<bool>> = mixture
        .plans
        .iter()
        .map(|p| {
            let mut shown = vec![false; mixture.candidates.len()];
            for &i in &p.greedy.slate {
                shown[i] = true;
            }
            shown
        })
        .collect();
    // The ranking has every candidate exactly once.
    let mut ranked: Vec<_> = plan.ranking.all().iter().collect();
    ranked.sort_unstable_by_key(|s| s.index);
    ranked
        .into_iter()
        .map(|s| ItemChoice {
            score: s.score,
            selected: false,
            position: None,
            mode: s.mode,
            reason: s.reason.clone(),
            p_include: mixture.p_include(s.index, &in_greedy),
            p_step: None,
            critical: mixture.candidates[s.index].is_critical(),
            held_out: false,
        })
        .collect()
}

/// Suppresses what could have been shown and is not, with the reason; answers it in order of
/// priority.
fn withhold(
    ctx: &Context,
    candidates: &[Candidate],
    plan: &ArmPlan,
    slate: &Slate,
    items: &mut [ItemChoice],
) -> Vec<usize> {
    let mut room = Room::of(ctx);
    let mut is_shown = vec![false; candidates.len()];
    for &i in &slate.shown {
        room.take(candidates[i].cost, candidates[i].is_critical());
        is_shown[i] = true;
    }
    let mut lost: Vec<_> = plan.ranking.shown().iter().map(|s| s.index).collect();
    lost.retain(|&i| !is_shown[i]);
    for &i in &lost {
        let item = &mut items[i];
        item.held_out = slate.held_out.contains(&i);
        item.mode = Mode::Suppress;
        let reason = if item.held_out {
            HELD_OUT
        } else if slate.steps.is_some() && !item.critical && room.fits(candidates[i].cost) {
            NOT_DRAWN
        } else {
            BUDGET_EXCEEDED
        };
        reason.clone_into(&mut item.reason);
    }
    lost
}

/// Writes position and probability of what is shown.
fn show(slate: &Slate, items: &mut [ItemChoice]) {
    for (position, &i) in slate.shown.iter().enumerate() {
        let item = &mut items[i];
        item.selected = true;
        item.position = Some(position as u32);
        item.p_step = slate.steps.as_ref().and_then(|steps| {
            let log_p = steps.items.get(position.checked_sub(slate.placed)?)?;
            Some(log_p.exp())
        });
    }
}
