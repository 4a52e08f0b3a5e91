//! From the stored log to [`Logged`] decisions: plain numbers, one by one or all at once.
//!
//! Knows the store and its rows; nothing of what is learned from them.

use std::collections::HashMap;
use std::ops::ControlFlow;

use memrl_learn::data::{Dataset, Logged, LoggedItem, Schema, Signals};
use memrl_learn::explore::Trial;
use memrl_learn::reward::{CellRewardSource, cell_rewards};
use memrl_learn::{Context, RewardSpec};
use memrl_store::{DecisionFilter, DecisionRow, Order};
use serde::Deserialize;

use crate::feedback::merge;
use crate::{Arm, Decision, DecisionPoint, Memory, Outcome, Result, Timestamp};

/// Which part of the log is read.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogQuery {
    /// Made at or after this time.
    pub from: Option<Timestamp>,
    /// Made before this time.
    pub before: Option<Timestamp>,
    /// Only by this policy (`name@version`).
    pub policy: Option<String>,
    /// At most this many, the newest; all when `None`.
    pub limit: Option<u64>,
}

/// What else of a decision's state the numbers need. Older logs lack some of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    overhead_tokens: u64,
    query_tokens: u32,
    memory_cells: u64,
    max_cells: Option<u64>,
    temperature: Option<f64>,
    trial: Option<Trial>,
    sampled_share: Option<f64>,
    utility_weight: Option<f64>,
    asked: bool,
}

/// The names that the numbers of a log refer to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    known: HashMap<String, u32>,
    /// In the order of their first mention.
    pub(crate) all: Vec<String>,
}

impl Names {
    pub(crate) fn index(&mut self, name: &str) -> u32 {
        if let Some(&index) = self.known.get(name) {
            return index;
        }
        let index = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        self.known.insert(name.to_owned(), index);
        self.all.push(name.to_owned());
        index
    }
}

/// Turns rows of the store into numbers.
pub(crate) struct Reader {
    /// `None`: features are left out, and decisions of any schema are read.
    schema: Option<Schema>,
    /// Key of the names of trajectories.
    key: [u8; 32],
    spec: RewardSpec,
    temperature: f64,
    pub(crate) trajectories: Names,
    pub(crate) policies: Names,
    /// Decisions under another feature schema, left out.
    pub(crate) foreign: u64,
    /// The trial of a cell that was on during the last decision read.
    pub(crate) trial: Option<Trial>,
    /// The arms in force during it.
    pub(crate) arms: Vec<Arm>,
    /// Its trajectory, as the caller names it: coins are tossed with it.
    pub(crate) trajectory: String,
    /// The share of drawn slates in force during it, where it was logged.
    pub(crate) sampled_share: Option<f64>,
    /// The weight of values in force during it, where it was logged.
    pub(crate) utility_weight: Option<f64>,
    /// Whether its caller named the policy, so that no role had a say.
    pub(crate) asked: bool,
    /// Reports that arrived later do not count.
    as_of: Option<Timestamp>,
}

impl Reader {
    pub(crate) fn new(
        schema: Option<Schema>,
        spec: RewardSpec,
        temperature: f64,
        key: [u8; 32],
    ) -> Self {
        Self {
            schema,
            key,
            spec,
            temperature,
            trajectories: Names::default(),
            policies: Names::default(),
            foreign: 0,
            trial: None,
            arms: Vec::new(),
            trajectory: String::new(),
            sampled_share: None,
            utility_weight: None,
            asked: false,
            as_of: None,
        }
    }

    /// The numbers of a decision with its reports; `None` under another feature schema.
    pub(crate) fn read(&mut self, row: &DecisionRow) -> Option<Logged> {
        let d = &row.decision;
        let schema = self.schema.as_ref();
        if schema.is_some_and(|s| s.name != d.feature_schema) {
            self.foreign += 1;
            return None;
        }
        let state: State = match &row.raw_state {
            Some(text) => serde_json::from_str(text),
            None => State::deserialize(&d.state),
        }
        .unwrap_or_default();
        self.trial = state.trial;
        self.sampled_share = state.sampled_share;
        self.utility_weight = state.utility_weight;
        self.asked = state.asked;
        self.arms.clone_from(&d.arms);
        self.trajectory.clone_from(&d.trajectory_id);
        let width = schema.map_or(0, Schema::width);
        let known: Vec<_> = match self.as_of {
            None => row.reports.clone(),
            Some(t) => row.reports.iter().filter(|r| r.at <= t).cloned().collect(),
        };
        let mut outcome = merge(&known).outcome;
        // A guess counts where nobody has spoken, as it does for values.
        outcome.success = outcome.success.or(outcome.implied_success);
        let labels = labels(d, &outcome);
        let mut features = vec![0.0; d.items.len() * width];
        let items = d
            .items
            .iter()
            .enumerate()
            .map(|(i, item)| {
                let masked = item.features.is_empty();
                if item.features.len() == width {
                    features[i * width..(i + 1) * width].copy_from_slice(&item.features);
                }
                LoggedItem {
                    cell: item.cell_id,
                    score: item.score,
                    cost: item.tokens,
                    masked,
                    critical: item.critical,
                    held_out: item.held_out,
                    p_include: item.p_include,
                    label: labels.get(&i).copied(),
                }
            })
            .collect();
        let mut slate: Vec<(u32, u32)> = d
            .items
            .iter()
            .zip(0..)
            .filter(|(item, _)| item.selected)
            .map(|(item, i)| (item.position.unwrap_or(u32::MAX), i))
            .collect();
        slate.sort_unstable();
        Some(Logged {
            id: d.decision_id,
            trajectory: self
                .trajectories
                .index(&trajectory_key(&self.key, &d.trajectory_id)),
            step: d.step,
            at: d.created_at,
            policy: self.policies.index(&d.policy),
            arm: d.arm.clone(),
            mode: d.explore_mode,
            propensity: d.propensity.clone(),
            temperature: state.temperature.unwrap_or(self.temperature),
            context: Context {
                overhead_tokens: state.overhead_tokens,
                max_items: state
                    .max_cells
                    .map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX)),
                query_tokens: state.query_tokens,
                memory_cells: state.memory_cells,
                ..Context::with_budget(d.budget_tokens)
            },
            items,
            features,
            slate: slate.into_iter().map(|(_, i)| i).collect(),
            signals: signals(&outcome),
            reward: self.spec.score(&outcome).ok().map(|r| r.value),
        })
    }
}

/// The name of a trajectory where it may leave the memory (the card of a policy says what it was trained on): keyed, so that
/// nobody can test guesses of names against it.
pub(crate) fn trajectory_key(key: &[u8; 32], name: &str) -> String {
    blake3::keyed_hash(key, name.as_bytes()).to_hex()[..32].to_owned()
}

/// What is known of single candidates: verdicts, citations, and, where something was cited, that
/// the shown rest was not.
fn labels(d: &Decision, outcome: &Outcome) -> HashMap<usize, f32> {
    let known = cell_rewards(outcome);
    let cited = known.iter().any(|k| k.source == CellRewardSource::Citation);
    d.items
        .iter()
        .enumerate()
        .filter(|(_, item)| item.selected)
        .filter_map(|(i, item)| {
            let own = known.iter().find(|k| k.cell_id == item.cell_id);
            match own {
                Some(k) => Some((i, k.value as f32)),
                None if cited => Some((i, 0.0)),
                None => None,
            }
        })
        .collect()
}

fn signals(outcome: &Outcome) -> Signals {
    Signals {
        success: outcome.success,
        unsafe_action: outcome.unsafe_action,
        stale: outcome.stale_memory_error,
        tokens: outcome.tokens_used.map(|n| n as f64),
        latency_ms: outcome.latency_ms.map(|n| n as f64),
    }
}

impl Memory {
    /// Shows every recall decision of a part of the log, the oldest first, as numbers. All of it
    /// is one snapshot. Answers the names that the numbers refer to.
    pub(crate) fn read_log(
        &self,
        query: &LogQuery,
        schema: Option<&Schema>,
        spec: &RewardSpec,
        visit: &mut dyn FnMut(Logged, &Reader) -> ControlFlow<()>,
    ) -> Result<Reader> {
        self.read_log_as_of(query, schema, spec, None, visit)
    }

    /// The same as it was at a time: reports that arrived later do not count.
    pub(crate) fn read_log_as_of(
        &self,
        query: &LogQuery,
        schema: Option<&Schema>,
        spec: &RewardSpec,
        as_of: Option<Timestamp>,
        visit: &mut dyn FnMut(Logged, &Reader) -> ControlFlow<()>,
    ) -> Result<Reader> {
        let mut reader = Reader::new(
            schema.cloned(),
            spec.clone(),
            self.config.explore.temperature,
            self.trajectory_secret(),
        );
        reader.as_of = as_of;
        let filter = DecisionFilter {
            from: self.start_of(query)?,
            before: query.before,
            point: Some(DecisionPoint::Recall),
            policy: query.policy.clone(),
            order: Order::Oldest,
            texts: false,
            reports: true,
            raw_state: true,
            ..DecisionFilter::default()
        };
        self.store
            .for_each_decision(&filter, &mut |row| match reader.read(&row) {
                Some(logged) => visit(logged, &reader),
                None => ControlFlow::Continue(()),
            })?;
        Ok(reader)
    }

    /// Where a part of the log starts that has a limit: the time of the last decision that still
    /// belongs to it.
    pub(crate) fn start_of(&self, query: &LogQuery) -> Result<Option<Timestamp>> {
        let Some(limit) = query.limit else {
            return Ok(query.from);
        };
        let filter = DecisionFilter {
            from: query.from,
            before: query.before,
            point: Some(DecisionPoint::Recall),
            policy: query.policy.clone(),
            items: false,
            texts: false,
            raw_state: true,
            ..DecisionFilter::default()
        };
        let mut left = limit.max(1);
        let mut start = query.from;
        self.store.for_each_decision(&filter, &mut |row| {
            start = Some(row.decision.created_at);
            left -= 1;
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        Ok(start)
    }

    /// The key of the names of trajectories in data sets and cards.
    pub(crate) fn trajectory_secret(&self) -> [u8; 32] {
        blake3::derive_key("memrl 2026 names of trajectories", &self.content_key())
    }

    /// A part of the log as numbers, in memory, without the decisions that `keep` refuses by the
    /// (keyed) name of their trajectory.
    pub(crate) fn dataset(
        &self,
        query: &LogQuery,
        schema: &Schema,
        spec: &RewardSpec,
        keep: &dyn Fn(&str) -> bool,
    ) -> Result<Dataset> {
        let mut decisions = Vec::new();
        let reader = self.read_log(query, Some(schema), spec, &mut |logged, reader| {
            if keep(&reader.trajectories.all[logged.trajectory as usize]) {
                decisions.push(logged);
            }
            ControlFlow::Continue(())
        })?;
        Ok(Dataset {
            schema: schema.clone(),
            trajectories: reader.trajectories.all,
            policies: reader.policies.all,
            decisions,
        })
    }
}
