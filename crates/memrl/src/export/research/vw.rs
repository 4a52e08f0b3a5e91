//! Vowpal Wabbit: contextual bandits as text (`cb_adf`) and as decision-service JSON (`dsjson`).
//!
//! Two reductions of a slate to one action (see `docs/dataset.md`): the first draw of a drawn slate, and
//! the hold-out coin of one cell. Costs are negative rewards. Wiki pages "Contextual-Bandit-algorithms"
//! and "dsjson-Format" of the project.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::case::Case;
use super::reduce::{self, Holdouts, Reason};
use super::{Converter, Taken};
use crate::Decision;

/// Which single action a slate is reduced to.
#[derive(Debug)]
pub(super) enum Reduction {
    /// The first item drawn, or STOP.
    FirstDraw,
    /// One cell, shown or withheld.
    Holdout(Holdouts),
}

/// One action: its name space, and features by name.
struct Action {
    space: &'static str,
    features: Vec<(&'static str, f32)>,
}

/// One bandit example.
struct Example {
    actions: Vec<Action>,
    /// Index of the action that was taken.
    chosen: usize,
    /// Its probability.
    p: f64,
    cost: f64,
}

/// What a candidate is, to a learner: what is 0 is left out, as is usual in sparse formats.
fn memory(names: &[&'static str], features: &[f32]) -> Action {
    let all = names.iter().copied().zip(features.iter().copied());
    Action {
        space: "memory",
        features: all.filter(|(_, v)| *v != 0.0 && v.is_finite()).collect(),
    }
}

/// Doing nothing (more).
fn nothing(name: &'static str) -> Action {
    Action {
        space: name,
        features: vec![(name, 1.0)],
    }
}

/// −reward, without a negative zero.
fn cost(reward: f64) -> f64 {
    0.0 - reward
}

impl Reduction {
    fn examples(&mut self, case: &Case<'_>) -> Result<Vec<Example>, Reason> {
        // Tosses are followed through decisions without a reward too: they use up coins.
        let tosses = match self {
            Self::Holdout(holdouts) => holdouts.tosses(case.row),
            Self::FirstDraw => Ok(Vec::new()),
        };
        let d = reduce::recall(case.row)?;
        let cost = cost(case.reward()?);
        let names = case.names()?;
        let item = |i: usize| memory(&names, &d.items[i].features);
        match self {
            Self::FirstDraw => {
                let drawn = reduce::drawn(d)?;
                let (chosen, p) = match drawn.picks.first() {
                    Some(&(first, p)) => (drawn.actions.iter().position(|&i| i == first), p),
                    None => (Some(drawn.actions.len()), drawn.p_stop),
                };
                let mut actions: Vec<_> = drawn.actions.iter().map(|&i| item(i)).collect();
                actions.push(nothing("stop"));
                Ok(vec![Example {
                    actions,
                    chosen: chosen.ok_or(reduce::INCONSISTENT)?,
                    p,
                    cost,
                }])
            }
            Self::Holdout(_) => Ok(tosses?
                .into_iter()
                .map(|t| Example {
                    actions: vec![item(t.index), nothing("withheld")],
                    chosen: usize::from(!t.shown),
                    p: t.p,
                    cost,
                })
                .collect()),
        }
    }
}

/// What is known of the request, whatever the action.
fn shared(d: &Decision) -> [(&'static str, f64); 2] {
    let candidates = d.items.iter().filter(|i| reduce::is_open(i)).count();
    [
        ("log_budget", (d.budget_tokens as f64).ln_1p()),
        ("log_candidates", (candidates as f64).ln_1p()),
    ]
}

/// `--cb_adf` text.
pub(super) struct Cb(pub(super) Reduction);

impl Converter for Cb {
    fn take(&mut self, case: &Case<'_>, out: &mut dyn Write) -> io::Result<Taken> {
        let examples = match self.0.examples(case) {
            Ok(examples) => examples,
            Err(reason) => return Ok(Err(reason)),
        };
        let d = &case.row.decision;
        for example in &examples {
            write!(out, "shared '{}|request", d.decision_id)?;
            for (name, value) in shared(d) {
                write!(out, " {name}:{value}")?;
            }
            writeln!(out)?;
            for (index, action) in example.actions.iter().enumerate() {
                if index == example.chosen {
                    write!(out, "0:{}:{} ", example.cost, example.p)?;
                }
                write!(out, "|{}", action.space)?;
                for (name, value) in &action.features {
                    write!(out, " {name}:{value}")?;
                }
                writeln!(out)?;
            }
            writeln!(out)?;
        }
        Ok(Ok(examples.len() as u64))
    }
}

fn object(features: impl IntoIterator<Item = (&'static str, f64)>) -> Value {
    let map = features.into_iter().map(|(k, v)| (k.to_owned(), json!(v)));
    Value::Object(map.collect::<Map<_, _>>())
}

fn action(action: &Action) -> Value {
    let features = action.features.iter().map(|&(k, v)| (k, f64::from(v)));
    json!({ action.space: object(features) })
}

/// `--cb_explore_adf --dsjson`.
pub(super) struct DsJson(pub(super) Reduction);

impl Converter for DsJson {
    fn take(&mut self, case: &Case<'_>, out: &mut dyn Write) -> io::Result<Taken> {
        let examples = match self.0.examples(case) {
            Ok(examples) => examples,
            Err(reason) => return Ok(Err(reason)),
        };
        let d = &case.row.decision;
        for example in &examples {
            let number = example.chosen + 1;
            // `p` has the probabilities of the actions named in `a`; only that of the action taken
            // was logged.
            let line = json!({
                "_label_cost": example.cost,
                "_label_probability": example.p,
                "_label_Action": number,
                "_labelIndex": example.chosen,
                "a": [number],
                "p": [example.p],
                "c": {
                    "request": object(shared(d)),
                    "_multi": example.actions.iter().map(action).collect::<Vec<_>>(),
                },
                "EventId": d.decision_id.to_string(),
                "Timestamp": d.created_at.to_string(),
                "Version": "1",
            });
            writeln!(out, "{line}")?;
        }
        Ok(Ok(examples.len() as u64))
    }
}

/// `--ccb_explore_adf --dsjson`: a drawn slate, slot by slot. Every slot carries the cost of the whole slate.
pub(super) struct Slates;

impl Slates {
    fn line(case: &Case<'_>) -> Result<Value, Reason> {
        let d = reduce::recall(case.row)?;
        let cost = cost(case.reward()?);
        let names = case.names()?;
        let drawn = reduce::drawn(d)?;
        if drawn.picks.is_empty() {
            return Err("nothing was drawn, and a slot cannot stay empty");
        }
        let actions = drawn
            .actions
            .iter()
            .map(|&i| action(&memory(&names, &d.items[i].features)));
        let slots: Vec<_> = (0..drawn.picks.len())
            .map(|k| json!({"slot": {"position": drawn.placed + k}}))
            .collect();
        let outcomes = drawn.picks.iter().map(|&(index, p)| {
            let at = drawn.actions.iter().position(|&i| i == index);
            Ok(json!({"_label_cost": cost, "_a": [at.ok_or(reduce::INCONSISTENT)?], "_p": [p]}))
        });
        Ok(json!({
            "Timestamp": d.created_at.to_string(),
            "Version": "1",
            "EventId": d.decision_id.to_string(),
            "c": {
                "request": object(shared(d)),
                "_multi": actions.collect::<Vec<_>>(),
                "_slots": slots,
            },
            "_outcomes": outcomes.collect::<Result<Vec<_>, Reason>>()?,
        }))
    }
}

impl Converter for Slates {
    fn take(&mut self, case: &Case<'_>, out: &mut dyn Write) -> io::Result<Taken> {
        let line = match Self::line(case) {
            Ok(line) => line,
            Err(reason) => return Ok(Err(reason)),
        };
        writeln!(out, "{line}")?;
        Ok(Ok(1))
    }
}
