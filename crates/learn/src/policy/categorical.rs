//! Policies that choose one of a few legal actions: the decision points `store`, `compact` and `retain`.
//!
//! A [`Menu`] says what could be done: each option is an action of the point (by kind), with the features of doing it
//! (to this cell, say) and whether it is legal. With z the scores of a policy, τ its temperature and L the legal options
//!
//! ```text
//! P(a) = (1 − ε) · exp(z_a / τ) / Σ_{b ∈ L} exp(z_b / τ) + ε / |L|      a ∈ L;      0 otherwise
//! ```
//!
//! A network scores the option a of kind k with features x as `z_a = net(0 … 0, 1, x̃, 0 … 0)`: `[1, x̃]` in the
//! block of k,
//! with x̃ the standardised features, so each kind has weights of its own. Without a hidden layer this is the
//! conditional logit
//! model (D. `McFadden` 1974, "Conditional logit analysis of qualitative choice behavior").
//!
//! A rule is the limit: all mass on one option. It may not know what the actions do, nor stores or clocks.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{
    data::Schema,
    net::{Net, Standard},
    points::{RETAIN, retain_menu},
    retain::{Record, RetentionPolicy},
};

/// What could be done: one row per option.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Menu {
    /// The kind of each option: an index into the actions of the point. A kind may occur more than once (merge with
    /// this cell
    /// or that one) or not at all.
    pub kinds: Vec<usize>,
    /// Whether each option is legal. What is not is never done, whatever the policy says.
    pub legal: Vec<bool>,
    /// Their features under the schema of the point: options × width, row by row.
    pub features: Vec<f32>,
}

impl Menu {
    /// Number of options, legal or not.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether there are no options.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }
}

/// How much a decision explores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Explore {
    /// Share ε of the uniform distribution over legal options, in [0, 1].
    pub epsilon: f64,
    /// Temperature τ of the scores, in [0.001, 1000]; `None`: all mass on the best legal option (the first of equals).
    pub temperature: Option<f64>,
}

impl Default for Explore {
    /// Nothing random.
    fn default() -> Self {
        Self {
            epsilon: 0.0,
            temperature: None,
        }
    }
}

/// A choice of one option.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// The option, as an index into the menu.
    pub option: usize,
    /// Its kind.
    pub kind: usize,
    /// The exact probability with which it was chosen.
    pub propensity: f64,
    /// The probability of each option; 0 for what is not legal. They sum to 1.
    pub probabilities: Vec<f64>,
    /// What the policy would do without any exploration.
    pub greedy: usize,
}

/// Why nothing can be chosen.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CategoricalError {
    /// The menu has no legal option.
    #[error("none of the {options} options is legal")]
    NothingLegal {
        /// How many options there are.
        options: usize,
    },
    /// The parts of a menu do not belong together.
    #[error("the menu has {what}")]
    BadMenu {
        /// What is wrong with it.
        what: String,
    },
    /// A setting is out of its range.
    #[error("{field} is {value}; it must be in [{low}, {high}]")]
    OutOfRange {
        /// The setting.
        field: &'static str,
        /// Its value.
        value: f64,
        /// The smallest allowed.
        low: f64,
        /// The largest allowed.
        high: f64,
    },
    /// A network of another shape, or features of another schema.
    #[error("the policy does not fit: {what}")]
    Mismatch {
        /// What does not.
        what: String,
    },
}

/// A way to score the options of a menu. Deterministic.
pub trait Chooser: Send + Sync {
    /// Name and version: `ttl@1`.
    fn label(&self) -> String;

    /// One score per option; the best legal one is the choice. Of a menu that [`check`] accepts.
    fn scores(&self, menu: &Menu) -> Result<Vec<f64>, CategoricalError>;
}

/// Checks that the parts of a menu belong together, for a point with this many kinds of actions and features.
pub fn check(menu: &Menu, kinds: usize, width: usize) -> Result<(), CategoricalError> {
    let n = menu.len();
    let bad = |what: String| Err(CategoricalError::BadMenu { what });
    if menu.legal.len() != n || menu.features.len() != n * width {
        let (legal, features) = (menu.legal.len(), menu.features.len());
        return bad(format!(
            "{n} kinds, {legal} marks of what is legal and {features} feature values; {width} per option are expected"
        ));
    }
    if let Some(kind) = menu.kinds.iter().find(|&&k| k >= kinds) {
        return bad(format!("an option of kind {kind}; there are {kinds}"));
    }
    if !menu.features.iter().all(|x| x.is_finite()) {
        return bad("a feature that is not a number".to_owned());
    }
    if !menu.legal.contains(&true) {
        return Err(CategoricalError::NothingLegal { options: n });
    }
    Ok(())
}

/// The probability of each option for these scores; see the module. A score that is not a number counts as the lowest
/// possible. Answers the best legal option as well.
pub fn distribution(
    scores: &[f64],
    legal: &[bool],
    explore: &Explore,
) -> Result<(Vec<f64>, usize), CategoricalError> {
    in_range("epsilon", explore.epsilon, 0.0, 1.0)?;
    if let Some(t) = explore.temperature {
        in_range("temperature", t, 0.001, 1000.0)?;
    }
    if scores.len() != legal.len() {
        let what = format!("{} scores for {} options", scores.len(), legal.len());
        return Err(CategoricalError::BadMenu { what });
    }
    // Finite, so that differences and quotients are numbers.
    let z = |a: usize| {
        let z = scores[a];
        (if z.is_nan() { -1e12 } else { z }).clamp(-1e12, 1e12)
    };
    let options: Vec<usize> = (0..legal.len()).filter(|&a| legal[a]).collect();
    // The first of equals.
    let best = options
        .iter()
        .copied()
        .reduce(|a, b| if z(b) > z(a) { b } else { a });
    let Some(greedy) = best else {
        return Err(CategoricalError::NothingLegal {
            options: legal.len(),
        });
    };
    let mut p = vec![0.0; legal.len()];
    match explore.temperature {
        None => p[greedy] = 1.0,
        Some(t) => {
            for &a in &options {
                p[a] = ((z(a) - z(greedy)) / t).exp();
            }
            let sum: f64 = p.iter().sum();
            for p in &mut p {
                *p /= sum;
            }
        }
    }
    for &a in &options {
        p[a] = (1.0 - explore.epsilon) * p[a] + explore.epsilon / options.len() as f64;
    }
    Ok((p, greedy))
}

/// Draws an option with these probabilities, which sum to 1. What rounding leaves over goes to the last option that is
/// possible.
pub fn draw(p: &[f64], rng: &mut impl Rng) -> usize {
    let mut u: f64 = rng.random();
    let possible = p.iter().enumerate().filter(|(_, p)| **p > 0.0);
    let mut last = 0;
    for (a, p) in possible {
        last = a;
        u -= p;
        if u < 0.0 {
            break;
        }
    }
    last
}

/// Chooses one option. `seed` draws it and is used for nothing else.
pub fn decide(
    chooser: &dyn Chooser,
    menu: &Menu,
    explore: &Explore,
    seed: u64,
) -> Result<Act, CategoricalError> {
    if !menu.legal.contains(&true) {
        return Err(CategoricalError::NothingLegal {
            options: menu.len(),
        });
    }
    let scores = chooser.scores(menu)?;
    let (probabilities, greedy) = distribution(&scores, &menu.legal, explore)?;
    let option = draw(&probabilities, &mut ChaCha8Rng::seed_from_u64(seed));
    Ok(Act {
        option,
        kind: menu.kinds[option],
        propensity: probabilities[option],
        probabilities,
        greedy,
    })
}

fn in_range(field: &'static str, value: f64, low: f64, high: f64) -> Result<(), CategoricalError> {
    // Also refuses NaN.
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(CategoricalError::OutOfRange {
        field,
        value,
        low,
        high,
    })
}

/// Width of a row that a network sees: for each kind a 1 and its features.
pub const fn inputs(kinds: usize, width: usize) -> usize {
    kinds * (width + 1)
}

/// The rows that a network sees: [1, standardised features] in the block of the option's kind, 0 elsewhere;
/// options × [`inputs`] numbers.
pub fn rows(menu: &Menu, kinds: usize, standard: &Standard) -> Vec<f32> {
    let width = standard.mean.len();
    let mut flat = Vec::with_capacity(menu.features.len());
    standard.apply(&menu.features, &mut flat);
    let mut rows = vec![0.0; menu.len() * inputs(kinds, width)];
    for (a, row) in rows.chunks_exact_mut(inputs(kinds, width)).enumerate() {
        let block = &mut row[menu.kinds[a] * (width + 1)..][..=width];
        block[0] = 1.0;
        block[1..].copy_from_slice(&flat[a * width..(a + 1) * width]);
    }
    rows
}

/// A learned policy over a menu.
#[derive(Debug, Clone, PartialEq)]
pub struct Categorical {
    name: String,
    version: u32,
    actions: Vec<String>,
    schema: Schema,
    standard: Standard,
    net: Net,
}

impl Categorical {
    /// A policy for a point with these actions and this schema. The network has [`inputs`] inputs, `standard` is over the
    /// features of the schema.
    pub fn new(
        name: impl Into<String>,
        version: u32,
        actions: Vec<String>,
        schema: Schema,
        standard: Standard,
        net: Net,
    ) -> Result<Self, CategoricalError> {
        let width = schema.width();
        let mismatch = |what: String| Err(CategoricalError::Mismatch { what });
        if standard.mean.len() != width || standard.sd.len() != width {
            return mismatch(format!("{width} features, {} means", standard.mean.len()));
        }
        let wanted = inputs(actions.len(), width);
        if net.inputs() != wanted {
            return mismatch(format!(
                "{} inputs where {} actions with {width} features take {wanted}",
                net.inputs(),
                actions.len()
            ));
        }
        Ok(Self {
            name: name.into(),
            version,
            actions,
            schema,
            standard,
            net,
        })
    }

    /// The actions of the point; [`Act::kind`] is an index.
    pub fn actions(&self) -> &[String] {
        &self.actions
    }

    /// The schema of its features.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How its features are standardised.
    pub fn standard(&self) -> &Standard {
        &self.standard
    }

    /// Its network.
    pub fn net(&self) -> &Net {
        &self.net
    }
}

impl Chooser for Categorical {
    fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    fn scores(&self, menu: &Menu) -> Result<Vec<f64>, CategoricalError> {
        check(menu, self.actions.len(), self.schema.width())?;
        let scores = self
            .net
            .scores(&rows(menu, self.actions.len(), &self.standard));
        Ok(scores.into_iter().map(f64::from).collect())
    }
}

/// A retention rule as a policy over the menu of a record: score 0 for its action (for the first legal one, `keep`, where
/// its own is not legal), the lowest for all others.
pub struct Rule<'a> {
    /// The rule.
    pub policy: &'a dyn RetentionPolicy,
    /// What it looks at.
    pub record: &'a Record,
}

impl Chooser for Rule<'_> {
    fn label(&self) -> String {
        self.policy.label()
    }

    fn scores(&self, menu: &Menu) -> Result<Vec<f64>, CategoricalError> {
        let action = self.policy.decide(self.record).action;
        let takes = |a: &usize| menu.legal[*a] && RETAIN.get(menu.kinds[*a]) == Some(&action);
        let first_legal = || menu.legal.iter().position(|legal| *legal);
        let at = (0..menu.len()).find(takes).or_else(first_legal);
        let score = |a| {
            if Some(a) == at {
                0.0
            } else {
                f64::NEG_INFINITY
            }
        };
        Ok((0..menu.len()).map(score).collect())
    }
}

impl<'a> Rule<'a> {
    /// Decides about its record through the interface of learned policies.
    pub fn decide(&self, explore: &Explore, seed: u64) -> Result<Act, CategoricalError> {
        let input = crate::points::RetainInput::of(self.record.clone());
        decide(self, &retain_menu(&input), explore, seed)
    }

    /// The rule, about a record.
    pub fn new(policy: &'a dyn RetentionPolicy, record: &'a Record) -> Self {
        Self { policy, record }
    }
}
