//! What can be known of a candidate from what is seen of it: the exact posterior of its hidden state.
//!
//! The generative model draws every observable of a candidate from a distribution that belongs to its state, and candidates
//! independently of each other, so Bayes' rule needs one pass over the states:
//!
//! ```text
//! P(state | seen) ∝ share(role) · P(condition | role, age) · Π_k p(observable k | state)
//! ```
//!
//! Similarities are logistic functions of Gaussian numbers and ages exponentials of them, so their densities (up to factors that do not depend on
//! the state) are Gaussian in the logit and the logarithm. Ranks, the fused score and the likeness are functions of the other
//! observables of the decision and add nothing; tokens, accesses, compressibility and sensitivity do not depend on the state.
//!
//! It reads the [`Candidate`] and the parameters, nothing else: not the hidden state.

use memrl::learn::{Candidate, Context, ScopeLevel};

use super::outcome::{Belief, STATES, State};
use super::params::{
    AGE_SD, BELIEF_SD, CRITICALITY, Condition, MAX_NEEDS, Params, QUERY, QUERY_SHIFT, Role, Sign,
    UTILITY,
};

/// ln(p / (1 − p)), finite for every p in [0, 1].
pub(super) fn logit(p: f64) -> f64 {
    let p = p.clamp(1e-9, 1.0 - 1e-9);
    (p / (1.0 - p)).ln()
}

/// By how much the similarities of a decision are moved, from the length of its query.
pub(super) fn shift(query_tokens: u32) -> f64 {
    QUERY_SHIFT * (f64::from(query_tokens.max(1)).ln() - QUERY.0) / QUERY.1
}

/// P(outdated | age) of a memory about a need.
pub(super) fn outdated(params: &Params, age_days: f64) -> f64 {
    1.0 - (-age_days.max(0.0) / params.lifetime_days).exp()
}

/// ln of a Gaussian density, without the constant that all states share.
fn gauss(x: f64, mean: f64, sd: f64) -> f64 {
    let z = (x - mean) / sd;
    -0.5 * z * z
}

/// The place of the nearest of these levels.
fn level(levels: &[f64], x: f64) -> usize {
    let gap = |i: usize| (levels[i] - x).abs();
    (0..levels.len())
        .min_by(|a, b| gap(*a).total_cmp(&gap(*b)))
        .unwrap_or(0)
}

/// ln P(what depends on the role).
fn of_role(role: &Role, spread: &[f64; 5], shift: f64, c: &Candidate) -> f64 {
    let signals = [
        c.bm25,
        c.dense,
        c.bm25_window,
        c.dense_window,
        c.source_score,
    ];
    let similar: f64 = signals
        .iter()
        .zip(&role.text)
        .zip(spread)
        .filter_map(|((x, mean), sd)| Some(gauss(logit((*x)?) - shift, *mean, *sd)))
        .sum();
    let bernoulli = |p: f64, hit: bool| if hit { p.ln() } else { (1.0 - p).ln() };
    similar
        + bernoulli(role.words, c.bm25.is_some())
        + bernoulli(role.speaker, c.speaker_match)
        + gauss(c.age_days.max(1e-9).ln(), role.log_age, AGE_SD)
}

/// ln P(what depends on the condition).
fn of_condition(params: &Params, sign: &Sign, c: &Candidate) -> f64 {
    let f = &c.features;
    let kind = params.kinds.iter().position(|k| *k == c.kind).unwrap_or(0);
    let scope = match c.scope_level {
        ScopeLevel::Asked => 0,
        ScopeLevel::Wider => 1,
        ScopeLevel::Global => 2,
    };
    // The value's mean is (s + n₀ μ) / (n + n₀): its evidence is found by turning that around.
    let n = c.value.mass;
    let mass = memrl::learn::value::PRIOR_MASS;
    let s = c.value.mean * (n + mass) - c.value.prior * mass;
    gauss(logit(f.staleness), sign.staleness, BELIEF_SD)
        + gauss(logit(c.confidence), sign.confidence, BELIEF_SD)
        + s * sign.past.ln()
        + (n - s) * (1.0 - sign.past).ln()
        + sign.criticality[level(&CRITICALITY, f.criticality)].ln()
        + sign.utility[level(&UTILITY, f.future_utility_estimate)].ln()
        + sign.kinds[kind].ln()
        + sign.origin[usize::from(c.origin.code())].ln()
        + sign.scope[scope].ln()
}

/// The posterior of one candidate.
pub fn posterior(params: &Params, context: &Context, c: &Candidate) -> Belief {
    let shift = shift(context.query_tokens);
    let conditions = params.signs.map(|sign| of_condition(params, &sign, c));
    let role = |r: &Role, share: f64| share.ln() + of_role(r, &params.spread, shift, c);
    let mut log_p = [f64::NEG_INFINITY; STATES];
    let outdated = outdated(params, c.age_days);
    for (g, need) in params.needs.iter().enumerate().take(MAX_NEEDS) {
        let about = role(need, need.share);
        log_p[State::Current(g).place()] =
            about + (1.0 - outdated).ln() + conditions[Condition::Current as usize];
        log_p[State::Outdated(g).place()] =
            about + outdated.ln() + conditions[Condition::Outdated as usize];
    }
    for (state, r, share) in [
        (State::Harmful, &params.harmful, params.harmful.share),
        (State::Rule, &params.rule, params.rule.share),
        (State::Idle, &params.idle, params.idle_share()),
    ] {
        log_p[state.place()] = role(r, share) + conditions[state.condition() as usize];
    }
    let top = log_p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights = log_p.map(|l| (l - top).exp());
    let sum: f64 = weights.iter().sum();
    weights.map(|w| w / sum)
}

/// The posteriors of all candidates.
pub fn posteriors(params: &Params, context: &Context, candidates: &[Candidate]) -> Vec<Belief> {
    candidates
        .iter()
        .map(|c| posterior(params, context, c))
        .collect()
}
