//! From scores to tables.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::PoliciesOptions;
use super::contest::{BAYES, Judged, ORACLE, RRF, Score};
use super::feedback::Recovered;
use super::learners::Learner;
use crate::experience::stats::student;
use crate::metrics::{Interval, bootstrap_mean_of_groups, mean};
use crate::report::{Column, Estimate, Row, Table, Unit};

/// Resamples of a bootstrap, and its seed.
const RESAMPLES: (usize, u64) = (2000, 1);

/// The mean of one policy over the test scenes of a seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mean {
    /// What it was tested on.
    pub test: String,
    /// The policy.
    pub policy: String,
    /// The budget.
    pub budget: u64,
    /// The seed.
    pub seed: u64,
    /// Test scenes.
    pub n: usize,
    /// Means.
    #[serde(flatten)]
    pub score: Score,
}

/// A column of a table: its title, its unit, and how it is read.
type Measure = (&'static str, Unit, fn(&Score) -> f64);

/// What is told of a policy.
const MEASURES: [Measure; 5] = [
    ("reward (bounded_v1)", Unit::Number, |s| s.reward),
    ("success", Unit::Share, |s| s.success),
    ("tokens", Unit::Count, |s| s.tokens),
    ("unsafe", Unit::Share, |s| s.unsafe_action),
    ("stale", Unit::Share, |s| s.stale),
];

/// Every key once, in the order in which they are met.
pub(super) fn keys<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for key in all {
        if !seen.contains(&key) {
            seen.push(key);
        }
    }
    seen
}

fn average(scores: &[&Score]) -> Score {
    let of = |read: fn(&Score) -> f64| {
        let values: Vec<f64> = scores.iter().map(|s| read(s)).collect();
        mean(&values).unwrap_or(f64::NAN)
    };
    Score {
        reward: of(|s| s.reward),
        success: of(|s| s.success),
        tokens: of(|s| s.tokens),
        unsafe_action: of(|s| s.unsafe_action),
        stale: of(|s| s.stale),
    }
}

/// Means over the test scenes of all folds, by test, policy, budget and seed.
pub(super) fn means(judged: &[Judged]) -> Vec<Mean> {
    let key = |j: &Judged| (j.name.clone(), j.policy.clone(), j.budget, j.seed);
    keys(judged.iter().map(key))
        .into_iter()
        .map(|k| {
            let scores: Vec<&Score> = (judged.iter().filter(|j| key(j) == k))
                .flat_map(|j| &j.scores)
                .collect();
            Mean {
                n: scores.len(),
                score: average(&scores),
                test: k.0,
                policy: k.1,
                budget: k.2,
                seed: k.3,
            }
        })
        .collect()
}

/// All numbers of one policy on one test under one budget.
struct Cell<'a> {
    judged: Vec<&'a Judged>,
    by_seed: bool,
}

impl Cell<'_> {
    /// One mean per seed.
    fn seeds(&self, read: fn(&Score) -> f64) -> Vec<f64> {
        let seeds = keys(self.judged.iter().map(|j| j.seed));
        seeds
            .iter()
            .map(|seed| {
                let of = self.judged.iter().filter(|j| j.seed == *seed);
                let values: Vec<f64> = of.flat_map(|j| &j.scores).map(read).collect();
                mean(&values).unwrap_or(f64::NAN)
            })
            .collect()
    }

    /// Of each group, one value per scene: the mean over seeds.
    fn groups(&self, read: fn(&Score) -> f64) -> Vec<Vec<f64>> {
        let seeds = keys(self.judged.iter().map(|j| j.seed)).len().max(1) as f64;
        let mut groups: std::collections::BTreeMap<&str, Vec<f64>> =
            std::collections::BTreeMap::new();
        let mut place: std::collections::HashMap<(u64, &str), usize> =
            std::collections::HashMap::new();
        for j in &self.judged {
            for (group, score) in j.groups.iter().zip(&j.scores) {
                // Every seed meets the scenes of a group in the same order.
                let k = place.entry((j.seed, group)).or_insert(0);
                let values = groups.entry(group).or_default();
                if values.len() <= *k {
                    values.push(0.0);
                }
                values[*k] += read(score) / seeds;
                *k += 1;
            }
        }
        groups.into_values().collect()
    }

    fn estimate(&self, read: fn(&Score) -> f64) -> Option<Estimate> {
        if self.judged.is_empty() {
            return None;
        }
        let seeds = self.seeds(read);
        let interval: Option<Interval> = if self.by_seed {
            student(&seeds)
        } else {
            let rng = &mut ChaCha8Rng::seed_from_u64(RESAMPLES.1);
            bootstrap_mean_of_groups(&self.groups(read), RESAMPLES.0, rng)
        };
        Some(Estimate {
            value: mean(&seeds)?,
            by_question: interval,
            by_conversation: None,
        })
    }

    fn n(&self) -> usize {
        let seeds = keys(self.judged.iter().map(|j| j.seed)).len().max(1);
        self.judged.iter().map(|j| j.scores.len()).sum::<usize>() / seeds
    }
}

/// One table per test, and one with the shares of the way to the ceiling.
pub(super) fn of(
    judged: &[Judged],
    by_seed: bool,
    learners: &[&Learner],
    options: &PoliciesOptions,
) -> Vec<Table> {
    let tests = keys(judged.iter().map(|j| j.name.clone()));
    let policies = keys(judged.iter().map(|j| j.policy.clone()));
    let cell = |test: &str, policy: &str, budget: u64| Cell {
        judged: (judged.iter())
            .filter(|j| j.name == test && j.policy == policy && j.budget == budget)
            .collect(),
        by_seed,
    };
    let columns = |measure: &str, unit: Unit| {
        options
            .budgets
            .iter()
            .map(move |b| Column {
                measure: measure.to_owned(),
                at: format!("{b} tokens"),
                unit,
            })
            .collect::<Vec<_>>()
    };
    let mut tables: Vec<Table> = (tests.iter())
        .map(|test| Table {
            title: format!("tested on {test}, trained on others"),
            columns: (MEASURES.iter())
                .flat_map(|(m, unit, _)| columns(m, *unit))
                .collect(),
            rows: (policies.iter())
                .map(|policy| Row {
                    label: policy.clone(),
                    n: cell(test, policy, options.budgets[0]).n(),
                    values: (MEASURES.iter())
                        .flat_map(|(_, _, read)| {
                            (options.budgets.iter()).map(|b| cell(test, policy, *b).estimate(*read))
                        })
                        .collect(),
                })
                .collect(),
            notes: notes(by_seed, learners, options),
        })
        .collect();
    tables.push(Table {
        title: "share of the way from similarity to the ceiling, by reward".to_owned(),
        columns: (tests.iter()).flat_map(|t| columns(t, Unit::Share)).collect(),
        rows: (policies.iter())
            .filter(|p| *p != "similarity")
            .map(|policy| Row {
                label: policy.clone(),
                n: options.seeds.len(),
                values: (tests.iter())
                    .flat_map(|t| options.budgets.iter().map(move |b| (t, *b)))
                    .map(|(t, b)| way(&|p| cell(t, p, b), policy, by_seed))
                    .collect(),
            })
            .collect(),
        notes: vec![format!(
            "(reward − similarity's) / (ceiling's − similarity's), per seed and then averaged; the ceiling is {BAYES} where the \
             world knows it, else the {ORACLE}. n = seeds."
        )],
    });
    if options.data.is_some() {
        tables.push(Table {
            title: "success relative to RRF at the same budget and pool".to_owned(),
            columns: (tests.iter()).flat_map(|t| columns(t, Unit::Share)).collect(),
            rows: (policies.iter())
                .filter(|p| *p != RRF)
                .map(|policy| Row {
                    label: policy.clone(),
                    n: options.seeds.len(),
                    values: (tests.iter())
                        .flat_map(|t| options.budgets.iter().map(move |b| (t, *b)))
                        .map(|(t, b)| relative(&cell(t, policy, b), &cell(t, RRF, b)))
                        .collect(),
                })
                .collect(),
            notes: vec![
                "success / RRF's − 1, of means over all questions and seeds; RRF is reciprocal rank fusion of the lexical and the dense list, k = 60. \
                 Intervals are those of success."
                    .to_owned(),
            ],
        });
    }
    tables
}

/// By how much one policy succeeds more often than another.
fn relative(of: &Cell<'_>, base: &Cell<'_>) -> Option<Estimate> {
    let success = |c: &Cell<'_>| mean(&c.seeds(|s| s.success));
    let (of, base) = (success(of)?, success(base)?);
    (base > 0.0).then(|| Estimate {
        value: of / base - 1.0,
        by_question: None,
        by_conversation: None,
    })
}

/// The share of the way of one policy, with an interval over seeds where they are worlds.
fn way<'a>(cell: &dyn Fn(&str) -> Cell<'a>, policy: &str, by_seed: bool) -> Option<Estimate> {
    let reward = |p: &str| cell(p).seeds(|s| s.reward);
    let (of, from) = (reward(policy), reward("similarity"));
    let mut to = reward(BAYES);
    if to.is_empty() {
        to = reward(ORACLE);
    }
    if of.is_empty() || of.len() != from.len() || from.len() != to.len() {
        return None;
    }
    let shares: Vec<f64> = of
        .iter()
        .zip(from.iter().zip(&to))
        .map(|(x, (a, b))| (x - a) / (b - a))
        .collect();
    Some(Estimate {
        value: mean(&shares)?,
        by_question: by_seed.then(|| student(&shares)).flatten(),
        by_conversation: None,
    })
}

/// The share of the supervised gain that is recovered: per seed over all folds, then the mean over seeds.
pub(super) fn recovered(runs: &[&Recovered]) -> Option<Estimate> {
    let seeds = keys(runs.iter().map(|r| r.seed));
    let shares: Vec<f64> = (seeds.iter())
        .map(|seed| {
            let (mut gained, mut possible) = (0.0, 0.0);
            for r in runs.iter().filter(|r| r.seed == *seed) {
                gained += r.n as f64 * (r.reward? - r.similarity);
                possible += r.n as f64 * (r.supervised - r.similarity);
            }
            (possible.abs() > 1e-12).then_some(gained / possible)
        })
        .collect::<Option<_>>()?;
    Some(Estimate {
        value: mean(&shares)?,
        by_question: student(&shares),
        by_conversation: None,
    })
}

fn notes(by_seed: bool, learners: &[&Learner], options: &PoliciesOptions) -> Vec<String> {
    let intervals = if by_seed {
        "n = test scenes of a seed. Brackets are 95 % intervals over seeds (Student's t); each seed makes worlds, logs and \
         weights of its own"
    } else {
        "n = questions. Brackets are 95 % intervals over groups (bootstrap of the mean over seeds)"
    };
    let e = &options.explore;
    let mut notes = vec![
        format!("{intervals}; {} seeds.", options.seeds.len()),
        format!(
            "Logged under similarity: hold-out {}, drawn {} of the trajectories at temperature {}; feedback: {}.",
            e.epsilon,
            e.sampled_share,
            e.temperature,
            options.feedback.name()
        ),
        "The cut-off and the weight of the value are tuned on the training scenes by true expected rewards, which no trainer is \
         told."
            .to_owned(),
    ];
    let about: Vec<_> = learners
        .iter()
        .map(|l| format!("{}: {}", l.name, l.about))
        .collect();
    if !about.is_empty() {
        notes.push(about.join("; "));
    }
    notes
}
