//! What must hold of a log and of settings before anything is trained. Nothing here changes the data.

use super::{TrainConfig, TrainError};
use crate::data::{Dataset, Logged};

/// Settings in their ranges.
pub(super) fn config(c: &TrainConfig) -> Result<(), TrainError> {
    let bad = |field, value: String, wanted| {
        Err(TrainError::BadConfig {
            field,
            value,
            wanted,
        })
    };
    if c.epochs == 0 {
        return bad("epochs", c.epochs.to_string(), "at least 1");
    }
    if c.batch == 0 {
        return bad("batch", c.batch.to_string(), "at least 1");
    }
    if !(c.learning_rate.is_finite() && c.learning_rate > 0.0) {
        return bad("learning_rate", c.learning_rate.to_string(), "above 0");
    }
    if !(c.decay.is_finite() && c.decay >= 0.0) {
        return bad("decay", c.decay.to_string(), "at least 0");
    }
    if c.hidden > 4096 {
        return bad("hidden", c.hidden.to_string(), "at most 4096");
    }
    if !(0.0..=0.5).contains(&c.validation) {
        return bad("validation", c.validation.to_string(), "in [0, 0.5]");
    }
    Ok(())
}

/// Shapes and numbers of one decision: features finite (masked rows too: they are zeros), indices of candidates,
/// success and labels in [0, 1], reward finite.
pub(super) fn decision(data: &Dataset, d: &Logged) -> Result<(), TrainError> {
    let bad = |what: String| {
        Err(TrainError::BadNumber {
            decision: d.id.to_string(),
            what,
        })
    };
    let (n, width) = (d.items.len(), data.schema.width());
    if d.features.len() != n * width {
        return bad(format!(
            "{} feature values for {n} candidates of {width}",
            d.features.len()
        ));
    }
    if d.trajectory as usize >= data.trajectories.len() {
        return bad(format!("trajectory {} does not exist", d.trajectory));
    }
    if let Some(at) = d.features.iter().position(|x| !x.is_finite()) {
        let name = &data.schema.features[at % width];
        return bad(format!(
            "{name} of candidate {} is {}",
            at / width,
            d.features[at]
        ));
    }
    let mut seen = vec![false; n];
    for &i in &d.slate {
        match seen.get_mut(i as usize) {
            Some(seen) if !*seen => *seen = true,
            Some(_) => return bad(format!("candidate {i} is shown twice")),
            None => return bad(format!("the slate has candidate {i} of {n}")),
        }
    }
    if let Some(y) = d.signals.success
        && !(0.0..=1.0).contains(&y)
    {
        return bad(format!("success is {y}, outside [0, 1]"));
    }
    if let Some(r) = d.reward
        && !r.is_finite()
    {
        return bad(format!("the reward is {r}"));
    }
    let labels = d.items.iter().filter_map(|item| item.label);
    match labels.into_iter().find(|y| !(0.0..=1.0).contains(y)) {
        Some(y) => bad(format!("a label is {y}, outside [0, 1]")),
        None => Ok(()),
    }
}
