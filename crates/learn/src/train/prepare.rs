//! What every trainer of this folder does before and after its loop: standardisation, folds, fingerprint, counts, metrics.

use std::collections::{BTreeMap, BTreeSet};

use super::loops::{Fit, Plan};
use super::{Counts, TrainConfig, TrainError, check, split};
use crate::data::Dataset;
use crate::net::Standard;

/// In logs above this, one fold is kept apart instead of each in turn: enough to choose by, and one model to train.
const ONE_FOLD_ABOVE: usize = 5_000;

/// All decisions, checked.
pub(super) fn checked(data: &Dataset) -> Result<(), TrainError> {
    (data.decisions.iter()).try_for_each(|d| check::decision(data, d))
}

/// Mean and spread of the features of all candidates that a hard rule did not forbid.
pub(super) fn standard(data: &Dataset) -> Standard {
    let width = data.schema.width();
    let rows = data.decisions.iter().flat_map(|d| {
        let open = d.items.iter().enumerate().filter(|(_, item)| !item.masked);
        open.map(|(i, _)| d.row(i, width))
    });
    Standard::of(rows, width)
}

/// Passes over `n` examples: those asked for, and in small logs as many more as it takes to make `steps` steps, because few
/// steps of bounded size lead nowhere, however few the data are. Which pass is used is chosen on what is kept apart.
pub(super) fn epochs(config: &TrainConfig, n: usize, steps: usize) -> u32 {
    let per_epoch = n.div_ceil(config.batch).max(1);
    let wanted = steps.div_ceil(per_epoch);
    config.epochs.max(wanted as u32)
}

/// The fold of each example.
pub(super) struct Folds {
    pub of: Vec<Option<usize>>,
    pub n: usize,
}

/// Refuses when fewer than `need` decisions say something; `lack` is what the others lack.
pub(super) fn enough(
    algo: &str,
    need: u64,
    have: usize,
    data: &Dataset,
    lack: &str,
) -> Result<(), TrainError> {
    let have = have as u64;
    let without = data.decisions.len() as u64 - have;
    if have >= need {
        return Ok(());
    }
    Err(TrainError::TooFew {
        algo: algo.to_owned(),
        have,
        need,
        why: if without > 0 {
            format!("; {without} others have {lack}")
        } else {
            String::new()
        },
    })
}

/// Folds of whole trajectories: about 1 / `validation` of them (2 to 10), one in large logs, none where nothing is to be kept
/// apart. `trajectory` has the trajectory of each example.
pub(super) fn folds(
    algo: &str,
    data: &Dataset,
    trajectory: &[u32],
    config: &TrainConfig,
) -> Result<Folds, TrainError> {
    some_folds(
        algo,
        data,
        trajectory,
        config,
        trajectory.len() > ONE_FOLD_ABOVE,
    )
}

/// One fold, whatever the size of the log.
pub(super) fn one_fold(
    algo: &str,
    data: &Dataset,
    trajectory: &[u32],
    config: &TrainConfig,
) -> Result<Folds, TrainError> {
    some_folds(algo, data, trajectory, config, true)
}

fn some_folds(
    algo: &str,
    data: &Dataset,
    trajectory: &[u32],
    config: &TrainConfig,
    one: bool,
) -> Result<Folds, TrainError> {
    if config.validation <= 0.0 {
        let of = vec![None; trajectory.len()];
        return Ok(Folds { of, n: 0 });
    }
    let n = if one {
        1
    } else {
        ((1.0 / config.validation).round() as usize).clamp(2, 10)
    };
    // Once per trajectory, not per decision.
    let by_trajectory: Vec<Option<usize>> = (data.trajectories.iter())
        .map(|name| {
            if one {
                split::kept_apart(config.seed, name, config.validation).then_some(0)
            } else {
                Some(split::fold(config.seed, name, n))
            }
        })
        .collect();
    let of: Vec<Option<usize>> = (trajectory.iter())
        .map(|&t| by_trajectory[t as usize])
        .collect();
    let sides: BTreeSet<Option<usize>> = of.iter().copied().collect();
    if sides.len() < 2 {
        let trajectories = trajectory.iter().collect::<BTreeSet<_>>().len();
        return Err(TrainError::TooFew {
            algo: algo.to_owned(),
            have: trajectory.len() as u64,
            need: trajectory.len() as u64 + 1,
            why: format!(
                "; they come from {trajectories} trajectories only, so none can be kept apart to judge by"
            ),
        });
    }
    Ok(Folds { of, n })
}

/// A fingerprint of settings, schema and data: 16 hexadecimal digits. `extra` is whatever else the trainer depends on.
pub(super) fn fingerprint(
    algo: &str,
    data: &Dataset,
    config: &TrainConfig,
    extra: &[f64],
) -> String {
    let mut hash = blake3::Hasher::new();
    // Plain numbers; it cannot fail.
    let config = serde_json::to_string(config).unwrap_or_default();
    hash.update(format!("{algo}\n{config}\n{}\n", data.schema.hash).as_bytes());
    for x in extra {
        hash.update(&x.to_le_bytes());
    }
    let mut bytes = Vec::new();
    for d in &data.decisions {
        bytes.clear();
        bytes.extend_from_slice(d.id.bytes());
        bytes.extend(data.trajectories[d.trajectory as usize].as_bytes());
        let success = d.signals.success.map_or(-1.0, |y| y);
        bytes.extend(success.to_le_bytes());
        for i in &d.slate {
            bytes.extend(i.to_le_bytes());
        }
        for item in &d.items {
            bytes.extend(item.label.unwrap_or(-1.0).to_le_bytes());
            bytes.extend(item.cost.to_le_bytes());
            let flags = [item.masked, item.critical, item.held_out];
            bytes.extend(flags.map(u8::from));
        }
        bytes.extend(d.features.iter().flat_map(|x| x.to_le_bytes()));
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(&bytes);
    }
    hash.finalize().to_hex()[..16].to_owned()
}

/// How much a training saw. With several folds each decision is kept apart once and learned from in all other folds, so
/// both counts are all.
pub(super) fn counts(plan: &Plan<'_>, trajectory: &[u32], skipped: u64) -> Counts {
    let all = trajectory.len();
    let apart = plan.fold.iter().filter(|f| f.is_some()).count();
    let used = trajectory
        .iter()
        .zip(&plan.fold)
        .filter(|(_, fold)| plan.folds != 1 || fold.is_none());
    let trajectories: BTreeSet<u32> = used.map(|(t, _)| *t).collect();
    Counts {
        decisions: (if plan.folds == 1 { all - apart } else { all }) as u64,
        trajectories: trajectories.len() as u64,
        validation: apart as u64,
        skipped,
    }
}

/// What every fit can say of itself.
pub(super) fn metrics(found: &Fit) -> BTreeMap<String, f64> {
    let mut metrics = BTreeMap::new();
    let mut put = |name: &str, x: f64| {
        if x.is_finite() {
            metrics.insert(name.to_owned(), x);
        }
    };
    put("loss", found.loss);
    put("epochs", f64::from(found.epoch));
    put("strength", f64::from(found.strength));
    if let Some((chosen, start)) = found.held_out {
        put("validation_loss", chosen);
        put("validation_loss_start", start);
    }
    metrics
}

/// Area under the ROC curve of scores against truths, ties counted half; `None` when only one class is there.
pub(super) fn auc(mut scored: Vec<(f64, bool)>) -> Option<f64> {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = scored.iter().filter(|s| s.1).count() as f64;
    let negatives = scored.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    // Sum of the ranks of the positives, ties with their mean rank (Mann–Whitney).
    let (mut sum, mut at) = (0.0, 0);
    while at < scored.len() {
        let tied = scored[at..]
            .iter()
            .take_while(|s| s.0.total_cmp(&scored[at].0).is_eq());
        let n = tied.clone().count();
        let hits = tied.filter(|s| s.1).count() as f64;
        sum += hits * (at as f64 + 0.5 * (n as f64 + 1.0));
        at += n;
    }
    Some((sum - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}
