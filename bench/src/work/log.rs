//! A world played under a logging policy: the log that trainers learn from, with exact propensities.
//!
//! Slates are those of [`memrl::learn::decide`], so coins, draws and probabilities are the engine's. What a log holds of the
//! truth is only what an outcome tells: success and flags of the trajectory, and labels where there are citations.
//!
//! **One outcome per trajectory.** The decision on which the task turns is drawn uniformly; the whole trajectory has its success and
//! flags. So the expected reward of a trajectory is the mean over its decisions.

use memrl::learn::data::{Dataset, Logged, LoggedItem, Schema, Signals};
use memrl::learn::explore::ConfigError;
use memrl::learn::{Choice, ExploreConfig, Policies, RecallPolicy, RewardSpec, decide, features};
use memrl_types::{DecisionId, Timestamp};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Scene, World};

/// Probability that shown evidence is cited, where citations are noisy.
pub const CITED: f64 = 0.8;
/// Probability that anything else that is shown is cited, where citations are noisy.
pub const CITED_WRONGLY: f64 = 0.05;
/// 1 January 2026; decisions are a minute apart.
const START: i64 = 1_767_225_600_000_000;
const MINUTE: i64 = 60_000_000;

/// What outcomes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Feedback {
    /// Success and flags of the trajectory.
    Success,
    /// These, and exactly the shown evidence is cited.
    #[default]
    Citations,
    /// These, and citations with errors ([`CITED`], [`CITED_WRONGLY`]).
    Noisy,
    /// Outcomes of other trajectories: nothing can be learned from them.
    Shuffled,
    /// Success and flags, and for every candidate, shown or not, whether it is evidence. No log can tell that: it is for the
    /// skyline.
    Gold,
}

impl Feedback {
    /// What a log can tell.
    pub const ALL: [Self; 4] = [Self::Success, Self::Citations, Self::Noisy, Self::Shuffled];

    /// Its name on the command line and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Citations => "citations",
            Self::Noisy => "noisy",
            Self::Shuffled => "shuffled",
            Self::Gold => "gold",
        }
    }
}

/// How a world is logged.
#[derive(Debug, Clone, PartialEq)]
pub struct LogOptions {
    /// What is randomised.
    pub explore: ExploreConfig,
    /// Token budgets: each trajectory has one of them, drawn uniformly. Empty: that of the scene.
    pub budgets: Vec<u64>,
    /// What outcomes tell.
    pub feedback: Feedback,
    /// Seed of slates, budgets, outcomes and citations.
    pub seed: u64,
}

impl Default for LogOptions {
    /// Half of the trajectories drawn, a tenth of the other half's cells withheld, all three budgets.
    fn default() -> Self {
        Self {
            explore: ExploreConfig {
                epsilon: 0.1,
                sampled_share: 0.5,
                temperature: 0.1,
                ..ExploreConfig::default()
            },
            budgets: vec![256, 512, 1024],
            feedback: Feedback::default(),
            seed: 1,
        }
    }
}

/// The schema of the features that logs have: the one that the engine logs now.
pub fn schema() -> &'static Schema {
    // It is in its own table.
    features::schema_of(features::RECALL).unwrap_or_else(|| unreachable!("no such schema"))
}

/// A log under construction.
struct Book<'a> {
    options: &'a LogOptions,
    spec: RewardSpec,
    data: Dataset,
    /// Of each trajectory, decisions so far.
    steps: Vec<u32>,
    rng: ChaCha8Rng,
}

/// Plays these scenes of a world under a policy, in their order; decisions of one trajectory may lie apart.
pub fn log(
    world: &dyn World,
    scenes: &[&Scene],
    policy: &dyn RecallPolicy,
    options: &LogOptions,
) -> Result<Dataset, ConfigError> {
    let mut all = empty(policy);
    append(&mut all, world, scenes, policy, options)?;
    Ok(all)
}

/// A log of this policy without decisions.
pub fn empty(policy: &dyn RecallPolicy) -> Dataset {
    Dataset {
        schema: schema().clone(),
        trajectories: Vec::new(),
        policies: vec![policy.label()],
        decisions: Vec::new(),
    }
}

/// Adds these scenes of another world to a log of the same policy.
pub fn append(
    data: &mut Dataset,
    world: &dyn World,
    scenes: &[&Scene],
    policy: &dyn RecallPolicy,
    options: &LogOptions,
) -> Result<(), ConfigError> {
    let first = data.trajectories.len();
    let mut book = Book {
        options,
        // It is built in, so it parses.
        spec: RewardSpec::built_in("bounded_v1").unwrap_or_else(|e| unreachable!("{e}")),
        data: std::mem::replace(data, empty(policy)),
        steps: Vec::new(),
        rng: ChaCha8Rng::seed_from_u64(options.seed ^ super::simulate::fingerprint(world.name())),
    };
    let made = book.play(world, scenes, policy, first);
    if options.feedback == Feedback::Shuffled {
        book.shuffle(first);
    }
    *data = book.data;
    made
}

impl Book<'_> {
    fn play(
        &mut self,
        world: &dyn World,
        scenes: &[&Scene],
        policy: &dyn RecallPolicy,
        first: usize,
    ) -> Result<(), ConfigError> {
        // Scenes by trajectory, in the order in which trajectories are first met.
        let mut known = std::collections::HashMap::new();
        let mut groups: Vec<Vec<&Scene>> = Vec::new();
        for &scene in scenes {
            let at = *known
                .entry(scene.trajectory.as_str())
                .or_insert(groups.len());
            if at == groups.len() {
                groups.push(Vec::new());
            }
            groups[at].push(scene);
        }
        for (number, group) in groups.iter().enumerate() {
            let number = (first + number) as u32;
            self.data.trajectories.push(group[0].trajectory.clone());
            self.steps.push(0);
            self.trajectory(world, group, policy, number)?;
        }
        Ok(())
    }

    /// The decisions of one trajectory, and their outcome.
    fn trajectory(
        &mut self,
        world: &dyn World,
        scenes: &[&Scene],
        policy: &dyn RecallPolicy,
        number: u32,
    ) -> Result<(), ConfigError> {
        let pivot = self.rng.random_range(0..scenes.len());
        let budget = match self.options.budgets.as_slice() {
            [] => None,
            all => Some(all[self.rng.random_range(0..all.len())]),
        };
        let begin = self.data.decisions.len();
        let mut signals = Signals::default();
        for (step, &scene) in scenes.iter().enumerate() {
            let mut scene = scene.clone();
            if let Some(budget) = budget {
                scene.context.budget_tokens = budget;
            }
            let made = decide(
                &scene.context,
                &scene.candidates,
                Policies::only(policy),
                &self.options.explore,
                &scene.trajectory,
                self.rng.random(),
            )?;
            // Drawn for every decision, so that the coins of one do not depend on which one counts.
            let outcome = world.outcome(&scene, &made.slate, &mut self.rng);
            if step == pivot {
                signals = Signals {
                    success: outcome.success,
                    unsafe_action: outcome.unsafe_action,
                    stale: outcome.stale_memory_error,
                    tokens: None,
                    latency_ms: None,
                };
            }
            let tokens = outcome.tokens_used.map(|t| t as f64);
            let logged = self.decision(&scene, made, (number, step as u32), tokens);
            self.data.decisions.push(logged);
        }
        for d in &mut self.data.decisions[begin..] {
            d.signals = Signals {
                tokens: d.signals.tokens,
                ..signals
            };
            d.reward = reward(&self.spec, &d.signals);
        }
        Ok(())
    }

    fn decision(
        &mut self,
        scene: &Scene,
        made: Choice,
        (trajectory, step): (u32, u32),
        tokens: Option<f64>,
    ) -> Logged {
        let labels = self.labels(scene, &made.slate);
        let item = |(i, choice): (usize, &memrl::learn::ItemChoice)| {
            let c = &scene.candidates[i];
            LoggedItem {
                cell: c.cell_id,
                score: choice.score,
                cost: c.cost,
                masked: c.mask.is_some(),
                critical: choice.critical,
                held_out: choice.held_out,
                p_include: choice.p_include,
                label: labels[i],
            }
        };
        let number = self.data.decisions.len() as i64;
        Logged {
            id: DecisionId::from_random(self.rng.random()),
            trajectory,
            step,
            at: Timestamp(START + MINUTE * number),
            policy: 0,
            arm: made.arm,
            mode: made.explore_mode,
            propensity: made.propensity,
            temperature: self.options.explore.temperature,
            items: made.items.iter().enumerate().map(item).collect(),
            features: features::rows(&scene.context, &scene.candidates),
            slate: made.slate.iter().map(|&i| i as u32).collect(),
            context: scene.context.clone(),
            signals: Signals {
                tokens,
                ..Signals::default()
            },
            reward: None,
        }
    }

    /// Labels of what was shown: 1 for what is cited; where anything is, 0 for the rest of what was shown.
    fn labels(&mut self, scene: &Scene, slate: &[usize]) -> Vec<Option<f32>> {
        let mut labels = vec![None; scene.candidates.len()];
        let (right, wrong) = match self.options.feedback {
            Feedback::Success | Feedback::Shuffled => return labels,
            Feedback::Citations => (1.0, 0.0),
            Feedback::Noisy => (CITED, CITED_WRONGLY),
            Feedback::Gold => {
                let gold = |i| Some(f32::from(u8::from(scene.gold.contains(&i))));
                return (0..labels.len()).map(gold).collect();
            }
        };
        let mut cited = Vec::with_capacity(slate.len());
        for i in slate {
            let p = if scene.gold.contains(i) { right } else { wrong };
            cited.push(self.rng.random::<f64>() < p);
        }
        if cited.contains(&true) {
            for (&i, &cited) in slate.iter().zip(&cited) {
                labels[i] = Some(f32::from(u8::from(cited)));
            }
        }
        labels
    }

    /// Gives every trajectory from `first` on the outcome of another one, drawn.
    fn shuffle(&mut self, first: usize) {
        let n = self.data.trajectories.len();
        let mut signals = vec![Signals::default(); n];
        for d in &self.data.decisions {
            signals[d.trajectory as usize] = d.signals;
        }
        signals[first..].shuffle(&mut self.rng);
        for d in &mut self.data.decisions {
            let t = d.trajectory as usize;
            if t >= first {
                d.signals = Signals {
                    tokens: d.signals.tokens,
                    ..signals[t]
                };
                d.reward = reward(&self.spec, &d.signals);
            }
        }
    }
}

/// The reward of signals; `None` without a success.
fn reward(spec: &RewardSpec, signals: &Signals) -> Option<f64> {
    let outcome = memrl_types::Outcome {
        success: signals.success,
        unsafe_action: signals.unsafe_action,
        stale_memory_error: signals.stale,
        tokens_used: signals.tokens.map(|t| t as i64),
        ..memrl_types::Outcome::default()
    };
    spec.score(&outcome).ok().map(|r| r.value)
}
