//! Training a policy on one's own log.
//!
//! Reads the log, runs a trainer of [`memrl_learn::train`], keeps what it made in the registry. A share of the trajectories,
//! chosen by a hash of their names, is never trained on: what is learned can be evaluated on them at once.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::ops::ControlFlow;
use std::path::PathBuf;

use memrl_learn::RewardSpec;
use memrl_learn::data::{Dataset, Logged};
use memrl_learn::policy::PolicyFile;
use memrl_learn::policy::file::TrainedOn;
use memrl_learn::train::credit::Credit;
use memrl_learn::train::dqn::DqnConfig;
use memrl_learn::train::ips_pg::IpsPgConfig;
use memrl_learn::train::thompson::ThompsonConfig;
use memrl_learn::train::{
    Checkpoint, Counts, Hooks, Progress, TrainConfig, TrainError, Trained, bc, credit, dqn, ips_pg,
    split, thompson,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::evaluate::{Line, Scores};
use super::log::LogQuery;
use super::registry::logged_schema;
use crate::live::private_file;
use crate::{Code, Error, Memory, Result, Timestamp};

/// Newest decisions that are read when nobody says how many: about 1 GB at 200 candidates.
pub const LIMIT: u64 = 20_000;
/// Share of the trajectories that is kept for evaluation.
pub const KEPT: f64 = 0.3;
/// Seed of the coin that keeps trajectories for evaluation: the same for every training, so that none has seen them.
const KEPT_SEED: u64 = 0x6576_616c;

/// The field of a refusal because another training of the same name is running.
pub(crate) const TRAINING: &str = "training";

/// A trainer that learns from a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algo {
    /// Does as was done.
    Bc,
    /// Learns which cells made slates succeed, and ranks by that.
    Credit,
    /// Off-policy policy gradient, doubly robust.
    IpsPg,
    /// Double Q-learning, pick by pick.
    Dqn,
    /// Bayesian linear regression, in the order of time.
    Thompson,
}

impl Algo {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Bc,
        Self::Credit,
        Self::IpsPg,
        Self::Dqn,
        Self::Thompson,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bc => "bc",
            Self::Credit => "credit",
            Self::IpsPg => "ips_pg",
            Self::Dqn => "dqn",
            Self::Thompson => "thompson",
        }
    }

    /// The trainer of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == name)
    }

    /// The settings that it starts from.
    pub fn config(self) -> TrainConfig {
        match self {
            Self::Credit => credit::config(),
            Self::Bc => bc::config(),
            Self::Dqn => DqnConfig::default().train,
            _ => TrainConfig::default(),
        }
    }
}

/// What to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainRequest {
    /// The trainer.
    pub algo: Algo,
    /// The name of the policy; `None`: that of the trainer.
    pub name: Option<String>,
    /// The part of the log; without a limit, the newest 20,000 decisions.
    pub log: LogQuery,
    /// The reward spec; must be bounded.
    pub spec: String,
    /// Settings; `None`: those that the trainer starts from ([`Algo::config`]).
    pub config: Option<TrainConfig>,
    /// Share of the trajectories kept for evaluation, in [0, 0.9].
    pub keep: f64,
    /// Whether to go on where an interrupted training of this name stopped.
    pub resume: bool,
    /// Whether to leave out the STOP that was learned: the policy shows what fits, as rules do. A log under policies that always fill
    /// the budget can say more about such a policy off-policy.
    pub fill_budget: bool,
}

impl TrainRequest {
    /// The name of the policy that it makes.
    pub fn policy_name(&self) -> &str {
        self.name.as_deref().unwrap_or(self.algo.as_str())
    }
}

impl Default for TrainRequest {
    fn default() -> Self {
        Self {
            algo: Algo::Credit,
            name: None,
            log: LogQuery::default(),
            spec: "bounded_v1".to_owned(),
            config: None,
            keep: KEPT,
            resume: false,
            fill_budget: false,
        }
    }
}

/// What was learned, from what.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainReport {
    /// The policy (`name@version`).
    pub policy: String,
    /// The trainer.
    pub algo: Algo,
    /// The reward spec.
    pub spec: String,
    /// The feature schema.
    pub schema: String,
    /// Decisions read to learn from.
    pub read: u64,
    /// Of them: learned from, kept apart to choose the stopping point (with folds, each is both once), and left out.
    pub counts: Counts,
    /// Decisions of the trajectories that are kept for evaluation.
    pub kept: u64,
    /// Decisions under another feature schema, left out.
    pub foreign: u64,
    /// Decisions read that have no outcome.
    pub without_outcome: u64,
    /// Named results, e.g. `loss`, `validation_loss`.
    pub metrics: BTreeMap<String, f64>,
    /// Features by importance, the most important first.
    pub importance: Vec<(String, f64)>,
    /// The policies whose decisions it learned from, with how many decisions each.
    pub learned_from: Vec<(String, u64)>,
    /// Whether it went on from an interrupted training.
    pub resumed: bool,
    /// The logit below which it shows nothing more; `None`: it fills the budget.
    pub stop: Option<f32>,
    /// Whether its order is that of the search, as none better was found. Without a `stop` it will then decide as the search does; with
    /// one, only how much to show was learned.
    pub kept_order: bool,
    /// The same in words, where it is so.
    pub note: Option<String>,
}

/// What is said of a policy that is the order of the search.
const KEPT_ORDER: &str =
    "nothing better than the order of the search was found; it decides as the search does";
/// The same of one that learned when to stop.
const KEPT_ORDER_STOPS: &str = "the order is that of the search; only how much to show was learned";

impl Memory {
    /// Trains a policy on the log and keeps it in the registry; it has no role yet. `progress` may stop it; what was done so far
    /// can be gone on with (`resume`).
    pub fn train(
        &self,
        request: &TrainRequest,
        progress: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
    ) -> Result<TrainReport> {
        let name = request.policy_name();
        let spec = self.check_training(request)?;
        let schema = logged_schema()?;
        let mut query = request.log.clone();
        query.limit = query.limit.or(Some(LIMIT));
        let _alone = self.training_lock(name)?;
        let place = self.checkpoint_path(name);
        let (resume, begun) = if request.resume {
            read_checkpoint(&place)?
        } else {
            (None, None)
        };
        // A log goes on while it is learned from: what is gone on with is the log as it was then.
        let begun = begun.unwrap_or_else(|| self.clock.now());
        query.before = Some(query.before.map_or(begun, |t| t.min(begun)));
        let mut kept = 0;
        let mut decisions = Vec::new();
        let as_of = Some(begun);
        let reader = self.read_log_as_of(
            &query,
            Some(&schema),
            &spec,
            as_of,
            &mut |logged, reader| {
                let name = &reader.trajectories.all[logged.trajectory as usize];
                if split::coin(KEPT_SEED, name) < request.keep {
                    kept += 1;
                } else {
                    decisions.push(logged);
                }
                ControlFlow::Continue(())
            },
        )?;
        let data = Dataset {
            schema,
            trajectories: reader.trajectories.all,
            policies: reader.policies.all,
            decisions,
        };
        let config = request
            .config
            .clone()
            .unwrap_or_else(|| request.algo.config());
        let resumed = resume.is_some();
        let mut failure = None;
        let mut save = |state: &Checkpoint| {
            if let Err(e) = write_checkpoint(&place, begun, state) {
                failure.get_or_insert(e);
            }
        };
        let mut hooks = Hooks {
            progress,
            checkpoint: &mut save,
            resume,
        };
        let mut trained =
            run(request.algo, &data, &config, &mut hooks).map_err(|e| too_short(e, &data, kept))?;
        if request.fill_budget {
            forget_stop(&mut trained);
        }
        if let Some(e) = failure {
            return Err(e);
        }
        let parent = most_frequent(&data);
        let note = note(&trained.algo, &trained.metrics);
        let file = PolicyFile::of(
            name,
            1,
            &trained,
            TrainedOn::of(&data),
            &config,
            Some(spec.name()),
            parent,
            self.clock.now(),
        );
        let label = self.keep_policy(file)?;
        // It is done: what it could have gone on from is of no use any more.
        let _ = std::fs::remove_file(&place);
        self.note_policy(
            "train",
            &label,
            json!({"algo": request.algo.as_str(), "decisions": trained.counts.decisions}),
        )?;
        Ok(TrainReport {
            policy: label,
            algo: request.algo,
            spec: spec.name(),
            schema: data.schema.name.clone(),
            read: data.decisions.len() as u64,
            counts: trained.counts,
            kept,
            foreign: reader.foreign,
            without_outcome: data.decisions.iter().filter(|d| d.reward.is_none()).count() as u64,
            metrics: trained.metrics,
            importance: trained.importance,
            learned_from: by_policy(&data),
            resumed,
            stop: trained.stop,
            kept_order: note.is_some(),
            note,
        })
    }

    /// Refuses a training that cannot work whatever the log holds: its name, share, reward spec and settings. Answers the spec.
    pub fn check_training(&self, request: &TrainRequest) -> Result<RewardSpec> {
        super::registry::check_name(request.policy_name())?;
        if !(0.0..=0.9).contains(&request.keep) {
            let message = format!("is {}; it must lie in [0, 0.9]", request.keep);
            return Err(Error::invalid(Code::InvalidInput, "keep", message));
        }
        let spec = self.spec(&request.spec)?;
        if !spec.bounded() {
            let message = format!("{} has no bounds; train with a bounded one", spec.name());
            return Err(Error::invalid(Code::InvalidInput, "spec", message));
        }
        if let Some(config) = &request.config {
            config.validate().map_err(|e| match e {
                TrainError::BadConfig {
                    field,
                    value,
                    wanted,
                } => Error::invalid(
                    Code::InvalidInput,
                    field,
                    format!("is {value}; it must be {wanted}"),
                ),
                other => other.into(),
            })?;
        }
        Ok(spec)
    }

    /// Whether an interrupted training of this name can be gone on with.
    pub fn can_resume(&self, name: &str) -> bool {
        self.checkpoint_path(name).exists()
    }

    /// The right to train this name: one training at a time, as they share the file in which an unfinished one is kept. The system
    /// gives the lock up with the process, however that ends.
    fn training_lock(&self, name: &str) -> Result<File> {
        let dir = self.dir.join("training");
        std::fs::create_dir_all(&dir).map_err(|e| Error::io(&dir, e))?;
        let path = dir.join(format!("{name}.lock"));
        let file = private_file(&path).map_err(|e| Error::io(&path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => {
                let message = format!("a training of {name} is running");
                Err(Error::invalid(Code::Conflict, TRAINING, message))
            }
            Err(std::fs::TryLockError::Error(e)) => Err(Error::io(&path, e)),
        }
    }

    /// Where an unfinished training of this name is kept.
    fn checkpoint_path(&self, name: &str) -> PathBuf {
        self.dir.join("training").join(format!("{name}.checkpoint"))
    }
}

/// Leaves out the STOP that was learned, and what is said of it.
fn forget_stop(trained: &mut Trained) {
    trained.stop = None;
    let of_stop = |name: &str| name.starts_with("stop_") || name == "reward_per_cell";
    trained.metrics.retain(|name, _| !of_stop(name));
}

/// What a log that says too little has, and what it lacks.
fn too_short(error: TrainError, data: &Dataset, kept: u64) -> Error {
    if !matches!(
        error,
        TrainError::TooFew { .. } | TrainError::NoVariation { .. }
    ) {
        return error.into();
    }
    let trajectories: HashSet<u32> = data.decisions.iter().map(|d| d.trajectory).collect();
    let with = data.decisions.iter().filter(|d| d.reward.is_some()).count();
    let kept = match kept {
        0 => String::new(),
        n => format!(" ({n} more are kept back for the evaluation)"),
    };
    let message = format!(
        "{error}. To learn from there are {} decisions of {} trajectories, {with} of them with an outcome{kept}: \
         go on recalling, and report how it went each time",
        data.decisions.len(),
        trajectories.len(),
    );
    Error::invalid(Code::TooLittleData, "log", message)
}

/// What has to be known about a policy beside its numbers: that its training found nothing better than the order of the search, where it
/// starts. `credit` chooses among pass 0 and the others, and among strengths of the pull toward that order, of which the infinite one is
/// not among the metrics. One that knows when to stop has learned that alone.
pub(super) fn note(algo: &str, metrics: &BTreeMap<String, f64>) -> Option<String> {
    let kept = algo == Algo::Credit.as_str()
        && (metrics.get("epochs") == Some(&0.0) || !metrics.contains_key("strength"));
    let words = if metrics.contains_key("stop_gain") {
        KEPT_ORDER_STOPS
    } else {
        KEPT_ORDER
    };
    kept.then(|| words.to_owned())
}

/// Runs a trainer.
fn run(
    algo: Algo,
    data: &Dataset,
    config: &TrainConfig,
    hooks: &mut Hooks<'_>,
) -> std::result::Result<Trained, TrainError> {
    let train = config.clone();
    match algo {
        Algo::Bc => bc::train(data, config, hooks),
        Algo::Credit => credit::train(data, config, hooks),
        Algo::IpsPg => {
            let model = reward_model(data, hooks).map(|credit| (Line::fit(data, &credit), credit));
            let scores = Scores::default();
            let q = |d: &Logged, slate: &[usize]| match &model {
                Some((line, credit)) => line.at(scores.q(credit, &data.trajectories, d, slate)),
                None => 0.0,
            };
            let model: Option<ips_pg::RewardModel<'_>> = model.as_ref().map(|_| &q as _);
            let config = IpsPgConfig {
                train,
                ..IpsPgConfig::default()
            };
            ips_pg::train(data, model, &config, hooks)
        }
        Algo::Dqn => {
            let config = DqnConfig {
                train,
                ..DqnConfig::default()
            };
            Ok(dqn::train(data, &config, hooks)?.trained)
        }
        Algo::Thompson => {
            let config = ThompsonConfig {
                train,
                ..ThompsonConfig::default()
            };
            Ok(thompson::train(data, &config, hooks)?.trained)
        }
    }
}

/// The reward model of `ips_pg`, cross-fitted; `None` where the log says too little for one, and then it learns without.
fn reward_model(data: &Dataset, hooks: &mut Hooks<'_>) -> Option<Credit> {
    let mut quiet = Hooks {
        progress: hooks.progress,
        checkpoint: &mut |_| {},
        resume: None,
    };
    credit::train_model(data, &credit::config(), &mut quiet).ok()
}

/// The decisions of each policy of the log.
fn by_policy(data: &Dataset) -> Vec<(String, u64)> {
    let mut counts = vec![0; data.policies.len()];
    for d in &data.decisions {
        counts[d.policy as usize] += 1;
    }
    let mut all: Vec<_> = data.policies.iter().cloned().zip(counts).collect();
    all.retain(|(_, n)| *n > 0);
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all
}

/// The policy that decided most of the log.
fn most_frequent(data: &Dataset) -> Option<String> {
    by_policy(data).into_iter().next().map(|(label, _)| label)
}

/// An unfinished training and when it began; nothing when there is none. One that cannot be read is refused.
fn read_checkpoint(path: &std::path::Path) -> Result<(Option<Checkpoint>, Option<Timestamp>)> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok((None, None)),
        Err(e) => return Err(Error::io(path, e)),
    };
    let damaged = || {
        Error::format(
            path.display(),
            "is no checkpoint, or a damaged one; train without --resume",
        )
    };
    let (begun, state) = bytes.split_first_chunk::<8>().ok_or_else(damaged)?;
    let state = Checkpoint::from_bytes(state).map_err(|_| damaged())?;
    Ok((Some(state), Some(Timestamp(i64::from_le_bytes(*begun)))))
}

/// Written beside and put in place at once, so that a kill at any moment leaves a whole one: when the training began, and its state.
fn write_checkpoint(path: &std::path::Path, begun: Timestamp, state: &Checkpoint) -> Result<()> {
    let dir = path.parent().unwrap_or(path);
    std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
    let beside = path.with_extension("part");
    let mut bytes = begun.0.to_le_bytes().to_vec();
    bytes.extend(state.to_bytes());
    std::fs::write(&beside, bytes).map_err(|e| Error::io(&beside, e))?;
    std::fs::rename(&beside, path).map_err(|e| Error::io(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Option<String> {
        let metrics = names.iter().map(|n| ((*n).to_owned(), 1.0)).collect();
        note("credit", &metrics)
    }

    #[test]
    fn an_order_that_is_that_of_the_search_is_said_whether_or_not_a_stop_was_learned() {
        assert_eq!(of(&["epochs"]).as_deref(), Some(KEPT_ORDER));
        let stops = of(&["epochs", "stop_gain"]);
        assert_eq!(stops.as_deref(), Some(KEPT_ORDER_STOPS));
        assert_eq!(of(&["epochs", "strength", "stop_gain"]), None);
        assert_eq!(of(&["epochs", "strength"]), None);
    }
}
