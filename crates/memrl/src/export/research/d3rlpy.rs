//! Offline reinforcement learning, pick by pick: the arrays that `scripts/to_d3rlpy.py` turns into a data
//! set of d3rlpy.
//!
//! An episode is one slate. Each transition picks a memory, the last one stops; the reward arrives with
//! the stop. An action is the vector of what was picked, because d3rlpy has actions of one fixed size
//! and no sets of candidates that change.

use std::io::{self, Write};
use std::path::Path;

use super::case::{Case, names_of};
use super::npz::{Kind, Npz};
use super::reduce::{self, Reason, is_open};
use super::{Converter, Taken};
use crate::Decision;

/// What an observation has besides two means of features: room left, picks so far, candidates left.
const SCALARS: usize = 3;

/// One row per pick.
pub(super) struct Transitions {
    arrays: Npz,
    schema: String,
    width: usize,
}

impl Transitions {
    /// For decisions under this feature schema; temporary files go to `dir`.
    pub(super) fn create(dir: &Path, schema: &str) -> io::Result<Self> {
        let width = names_of(schema).map_or(0, |names| names.len());
        let one = |name, kind| (name, kind, None);
        let arrays = Npz::create(
            dir,
            &[
                ("observations", Kind::F32, Some(SCALARS + 2 * width)),
                ("actions", Kind::F32, Some(width + 1)),
                one("rewards", Kind::F32),
                one("terminals", Kind::Bool),
                one("decision_id", Kind::Id),
            ],
        )?;
        Ok(Self {
            arrays,
            schema: schema.to_owned(),
            width,
        })
    }

    fn read(&self, case: &Case<'_>) -> Result<(Vec<Transition>, f64), Reason> {
        let d = reduce::recall(case.row)?;
        let reward = case.reward()?;
        case.names()?;
        if d.feature_schema != self.schema {
            return Err(reduce::OTHER_SCHEMA);
        }
        Ok((transitions(d, self.width), reward))
    }
}

/// What was seen and what was picked.
#[derive(Debug, PartialEq)]
struct Transition {
    observation: Vec<f32>,
    action: Vec<f32>,
}

/// The mean of rows of features; zeros for none.
fn mean<'a>(rows: impl Iterator<Item = &'a [f32]>, width: usize) -> Vec<f32> {
    let (mut sum, mut n) = (vec![0.0_f64; width], 0.0_f64);
    for row in rows {
        sum.iter_mut()
            .zip(row)
            .for_each(|(s, v)| *s += f64::from(*v));
        n += 1.0;
    }
    sum.iter().map(|s| (s / n.max(1.0)) as f32).collect()
}

/// The picks of a slate, and the stop. Critical memories are shown whatever a policy does: they are part
/// of the first state, and no action.
fn transitions(d: &Decision, width: usize) -> Vec<Transition> {
    let slate = reduce::slate(d);
    let (mut shown, picks): (Vec<usize>, Vec<usize>) = slate
        .iter()
        .map(|(i, _)| *i)
        .partition(|&i| d.items[i].critical);
    let budget = (d.budget_tokens as f64).max(1.0);
    // A withheld memory could not be picked, whatever the policy wanted.
    let mut left: Vec<usize> = (0..d.items.len())
        .filter(|&i| {
            let item = &d.items[i];
            is_open(item) && !item.critical && !item.held_out
        })
        .collect();
    let observe = |shown: &[usize], left: &[usize]| {
        let taken: f64 = shown.iter().map(|&i| f64::from(d.items[i].tokens)).sum();
        let row = |i: &usize| d.items[*i].features.as_slice();
        let mut observation = vec![
            (1.0 - taken / budget).max(0.0) as f32,
            (shown.len() as f64).ln_1p() as f32,
            (left.len() as f64).ln_1p() as f32,
        ];
        observation.extend(mean(shown.iter().map(row), width));
        observation.extend(mean(left.iter().map(row), width));
        observation
    };
    let mut all = Vec::with_capacity(picks.len() + 1);
    for pick in picks {
        let mut action = d.items[pick].features.clone();
        action.push(0.0);
        all.push(Transition {
            observation: observe(&shown, &left),
            action,
        });
        shown.push(pick);
        left.retain(|&i| i != pick);
    }
    let mut stop = vec![0.0; width];
    stop.push(1.0);
    all.push(Transition {
        observation: observe(&shown, &left),
        action: stop,
    });
    all
}

impl Converter for Transitions {
    fn take(&mut self, case: &Case<'_>, _: &mut dyn Write) -> io::Result<Taken> {
        let (transitions, reward) = match self.read(case) {
            Ok(read) => read,
            Err(reason) => return Ok(Err(reason)),
        };
        let id = case.row.decision.decision_id.to_string();
        let a = &mut self.arrays;
        for (k, t) in transitions.iter().enumerate() {
            let is_last = k + 1 == transitions.len();
            a.row("observations", &t.observation)?;
            a.row("actions", &t.action)?;
            a.row("rewards", &[if is_last { reward as f32 } else { 0.0 }])?;
            a.flag("terminals", is_last)?;
            a.id("decision_id", &id)?;
        }
        Ok(Ok(transitions.len() as u64))
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.arrays.finish(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::reduce::tests::{decided, item};
    use super::*;

    #[test]
    fn critical_memories_are_seen_withheld_ones_are_not_and_the_stop_is_last() {
        let mut items = vec![item(1, true), item(2, true), item(3, false), item(4, false)];
        for (i, x) in items.iter_mut().zip([1.0, 2.0, 4.0, 8.0]) {
            i.features = vec![x];
        }
        items[0].critical = true;
        items[3].held_out = false;
        let all = transitions(&decided(0, items, 0.1), 1);
        let ln = |n: f32| n.ln_1p();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].action, [2.0, 0.0]);
        // 10 of 100 tokens are taken by the critical one; 2 and 4 are left, the third is withheld.
        assert_eq!(all[0].observation, [0.9, ln(1.0), ln(2.0), 1.0, 5.0]);
        assert_eq!(all[1].action, [0.0, 1.0]);
        assert_eq!(all[1].observation, [0.8, ln(2.0), ln(1.0), 1.5, 8.0]);
    }
}
