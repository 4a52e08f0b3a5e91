//! The state of a training between two passes, out and in again. Knows names of vectors; nothing of what is learned.

use super::{Best, Learner, Plan};
use crate::train::{Checkpoint, TrainError};

/// The whole state after a pass.
pub(super) fn checkpoint(
    plan: &Plan<'_>,
    epoch: u32,
    loss: f64,
    learners: &[Learner],
    best: &Best,
) -> Checkpoint {
    let mut state = Checkpoint {
        algo: plan.algo.to_owned(),
        fingerprint: plan.fingerprint.clone(),
        epoch,
        vectors: std::collections::BTreeMap::new(),
        numbers: std::collections::BTreeMap::new(),
    };
    for (k, l) in learners.iter().enumerate() {
        let mut put = |name: &str, v: Vec<f32>| state.vectors.insert(format!("{name}.{k}"), v);
        put("params", l.model.flat());
        put("adam.m", l.adam.m.clone());
        put("adam.v", l.adam.v.clone());
        state.numbers.insert(format!("adam.t.{k}"), l.adam.t as f64);
    }
    for (k, model) in best.models.iter().enumerate() {
        state.vectors.insert(format!("best.{k}"), model.flat());
    }
    let numbers = [
        ("best.epoch", f64::from(best.epoch)),
        ("best.strength", best.strength as f64),
        ("loss", loss),
    ];
    for (name, x) in numbers {
        state.numbers.insert(name.to_owned(), x);
    }
    if let Some(held_out) = best.loss {
        state.numbers.insert("best.loss".to_owned(), held_out);
    }
    state
}

/// Puts a checkpoint's state in place; answers the passes that are done and the loss of the last one.
pub(super) fn resume(
    plan: &Plan<'_>,
    state: &Checkpoint,
    learners: &mut [Learner],
    best: &mut Best,
) -> Result<(u32, f64), TrainError> {
    let foreign = |what: String| TrainError::ForeignCheckpoint { what };
    if state.algo != plan.algo {
        let (theirs, ours) = (&state.algo, plan.algo);
        return Err(foreign(format!("it is of {theirs}, not {ours}")));
    }
    if state.fingerprint != plan.fingerprint {
        let what = "settings, feature schema or data are not the same";
        return Err(foreign(what.to_owned()));
    }
    if state.epoch > plan.epochs {
        return Err(foreign(format!("it has done {} passes", state.epoch)));
    }
    let size = plan.start.len();
    let vector = |name: String| match state.vectors.get(&name) {
        Some(v) if v.len() == size && v.iter().all(|x| x.is_finite()) => Ok(v.as_slice()),
        Some(_) => Err(foreign(format!("{name} is unusable"))),
        None => Err(foreign(format!("it has no {name}"))),
    };
    let number = |name: &str| {
        let missing = || foreign(format!("it has no {name}"));
        state.numbers.get(name).copied().ok_or_else(missing)
    };
    for (k, l) in learners.iter_mut().enumerate() {
        l.model.set(vector(format!("params.{k}"))?);
        l.adam.m = vector(format!("adam.m.{k}"))?.to_vec();
        l.adam.v = vector(format!("adam.v.{k}"))?.to_vec();
        l.adam.t = number(&format!("adam.t.{k}"))? as u64;
    }
    for (k, model) in best.models.iter_mut().enumerate() {
        model.set(vector(format!("best.{k}"))?);
    }
    best.epoch = number("best.epoch")? as u32;
    best.strength = number("best.strength")? as usize;
    if best.strength >= plan.strengths.len() {
        return Err(foreign("best.strength is unusable".to_owned()));
    }
    best.loss = state.numbers.get("best.loss").copied();
    Ok((state.epoch, number("loss")?))
}
