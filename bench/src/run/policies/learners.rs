//! The table of trainers: how each makes a policy of a lesson.
//!
//! To add one, add a row. A trainer may read its [`Lesson`] and nothing else: not the worlds it is tested on, and of
//! the worlds it learns from only what the log tells (but for the skyline and on-policy training, which say so).

use std::cell::OnceCell;
use std::ops::ControlFlow;

use memrl::learn::RecallPolicy;
use memrl::learn::data::{Dataset, Logged};
use memrl::learn::net::{Net, Standard};
use memrl::learn::policy::Learned;
use memrl::learn::train::credit::Credit;
use memrl::learn::train::dqn::DqnConfig;
use memrl::learn::train::grpo::{GrpoConfig, Start};
use memrl::learn::train::ips_pg::IpsPgConfig;
use memrl::learn::train::thompson::ThompsonConfig;
use memrl::learn::train::{
    Hooks, TrainConfig, TrainError, Trained, bc, credit, dqn, grpo, ips_pg, supervised, thompson,
};

use super::contest::Part;
use super::environment::Picks;

/// Tasks that on-policy training practises on, at most.
const TASKS: usize = 400;
/// Logit of the best hit of a search before on-policy training; the worst one has 0.
const START: f32 = 3.0;

/// What a trainer may learn from.
pub struct Lesson<'a> {
    /// The log.
    pub log: &'a Dataset,
    /// The same decisions with every candidate labelled, for the skyline only.
    pub gold: &'a Dataset,
    /// The training scenes, for on-policy training only.
    pub scenes: &'a [Part<'a>],
    /// The budgets.
    pub budgets: &'a [u64],
    /// Seed of everything random.
    pub seed: u64,
    credit: OnceCell<Result<Credit, String>>,
}

impl<'a> Lesson<'a> {
    /// A lesson.
    pub fn new(
        log: &'a Dataset,
        gold: &'a Dataset,
        (scenes, budgets): (&'a [Part<'a>], &'a [u64]),
        seed: u64,
    ) -> Self {
        Self {
            log,
            gold,
            scenes,
            budgets,
            seed,
            credit: OnceCell::new(),
        }
    }

    /// The item-credit model of the log, fitted once.
    fn credit(&self) -> Result<&Credit, String> {
        let fit = || {
            let config = TrainConfig {
                seed: self.seed,
                ..credit::config()
            };
            quietly(|hooks| credit::train_model(self.log, &config, hooks))
                .map_err(|e| e.to_string())
        };
        self.credit.get_or_init(fit).as_ref().map_err(Clone::clone)
    }

    fn shared(&self) -> TrainConfig {
        TrainConfig {
            seed: self.seed,
            ..TrainConfig::default()
        }
    }
}

/// A trained policy, or why there is none.
pub type Made = Result<Box<dyn RecallPolicy>, String>;

/// A row of the table.
pub struct Learner {
    /// Its name.
    pub name: &'static str,
    /// What it learns from, in a few words.
    pub about: &'static str,
    /// How it learns.
    pub train: fn(&Lesson<'_>) -> Made,
}

/// The skyline: what can be learned when every candidate is labelled.
pub const SUPERVISED: Learner = Learner {
    name: supervised::ALGO,
    about: "labels of all candidates, shown or not: the skyline, no log has them",
    train: |lesson| {
        let config = TrainConfig {
            seed: lesson.seed,
            ..supervised::config()
        };
        policy(quietly(|hooks| {
            supervised::train(lesson.gold, &config, hooks)
        }))
    },
};

/// All trainers, in the order of tables.
pub const LEARNERS: &[Learner] = &[
    Learner {
        name: bc::ALGO,
        about: "the slates that were shown, whatever came of them",
        train: |lesson| {
            let config = TrainConfig {
                seed: lesson.seed,
                ..bc::config()
            };
            policy(quietly(|hooks| bc::train(lesson.log, &config, hooks)))
        },
    },
    Learner {
        name: credit::ALGO,
        about: "success of slates and labels of cited cells, attributed; how much to show, from rewards",
        train: |lesson| of(&lesson.credit()?.trained),
    },
    Learner {
        name: "credit, budget filled",
        about: "the same without the STOP that it learned",
        train: |lesson| {
            let mut trained = lesson.credit()?.trained.clone();
            trained.stop = None;
            of(&trained)
        },
    },
    Learner {
        name: ips_pg::ALGO,
        about: "rewards and propensities, doubly robust with the model of credit",
        train: |lesson| {
            let model = lesson.credit()?;
            let names = &lesson.log.trajectories;
            // Of a decision the model that has not seen its trajectory; success in the unit of the reward.
            let q = |d: &Logged, slate: &[usize]| {
                let fitted = model.for_trajectory(&names[d.trajectory as usize]);
                0.62 + 0.38 * fitted.q(d, slate)
            };
            let config = IpsPgConfig {
                train: lesson.shared(),
                ..IpsPgConfig::default()
            };
            policy(quietly(|hooks| {
                ips_pg::train(lesson.log, Some(&q), &config, hooks)
            }))
        },
    },
    Learner {
        name: dqn::ALGO,
        about: "picks and rewards; Q at the empty slate",
        train: |lesson| {
            let base = DqnConfig::default();
            let config = DqnConfig {
                train: TrainConfig {
                    seed: lesson.seed,
                    ..base.train.clone()
                },
                ..base
            };
            policy(quietly(|hooks| dqn::train(lesson.log, &config, hooks)).map(|l| l.trained))
        },
    },
    Learner {
        name: thompson::ALGO,
        about: "rewards, as a sum over what was shown; the posterior mean",
        train: |lesson| {
            let config = ThompsonConfig {
                train: lesson.shared(),
                ..ThompsonConfig::default()
            };
            let believed = quietly(|hooks| thompson::train(lesson.log, &config, hooks));
            policy(believed.map(|b| b.trained))
        },
    },
    Learner {
        name: grpo::ALGO,
        about: "on-policy in the training worlds, by their expected rewards: more than a log tells",
        train: practise,
    },
    SUPERVISED,
];

/// On-policy training, from the order of the search.
fn practise(lesson: &Lesson<'_>) -> Made {
    let schema = lesson.log.schema.clone();
    let width = schema.width();
    let rows = lesson.log.decisions.iter().flat_map(|d| {
        let open = |i: &usize| !d.items[*i].masked;
        (0..d.items.len())
            .filter(open)
            .map(move |i| d.row(i, width))
    });
    let standard = Standard::of(rows, width);
    let mut net = Net::linear(width);
    let at = schema.features.iter().position(|f| f == "score");
    let at = at.ok_or("the features have no score")?;
    net.params[at] = START * standard.sd[at];
    let mut env = Picks::new(lesson.scenes, lesson.budgets);
    let step = env.len().div_ceil(TASKS).max(1);
    let tasks: Vec<u64> = (0..env.len() as u64).step_by(step).collect();
    let config = GrpoConfig {
        train: TrainConfig {
            epochs: 12,
            batch: 32,
            learning_rate: 1e-2,
            ..lesson.shared()
        },
        max_steps: 24,
        ..GrpoConfig::default()
    };
    let start = Start {
        schema,
        standard,
        net,
    };
    let mut trained = quietly(|hooks| grpo::train(&mut env, &tasks, start, &config, hooks))
        .map_err(|e| e.to_string())?;
    // STOP is the option whose row is all zeros.
    trained.stop = trained.logits(&vec![0.0; width]).first().map(|x| *x as f32);
    of(&trained)
}

/// What a trainer made, as a policy.
fn policy(made: Result<Trained, TrainError>) -> Made {
    of(&made.map_err(|e| e.to_string())?)
}

fn of(trained: &Trained) -> Made {
    match Learned::of(trained.algo.clone(), 1, trained) {
        Ok(learned) => Ok(Box::new(learned)),
        Err(e) => Err(e.to_string()),
    }
}

/// Training without an audience: nothing is told, nothing is kept, nothing stops it.
fn quietly<T>(work: impl FnOnce(&mut Hooks<'_>) -> T) -> T {
    let mut progress = |_: &_| ControlFlow::Continue(());
    let mut checkpoint = |_: &_| {};
    work(&mut Hooks {
        progress: &mut progress,
        checkpoint: &mut checkpoint,
        resume: None,
    })
}
