//! `--train` and `--test` on logs of anybody's: folders that `memrl export --format jsonl` or `memrl bench dataset` wrote.
//!
//! Nobody knows the truth of a real log, so policies are judged by off-policy estimates over trajectories ([`memrl::learn::ope`]), as if deployed
//! with the exploration of the test log; where the log cannot tell, the answer is the refusal.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use memrl::learn::data::{Dataset, Logged, LoggedItem, Signals};
use memrl::learn::features::{rebuild, schema_of};
use memrl::learn::ope::evaluate::{EvaluateConfig, evaluate};
use memrl::learn::ope::log::{Draw, Replay, ReplayConfig, Scores};
use memrl::learn::policy::{BaselineV0, NoMemory, Similarity, Utility};
use memrl::learn::reward::cell_rewards;
use memrl::learn::{Context, RecallPolicy, RewardSpec};
use memrl_types::{
    CellId, Component, DecisionId, ExploreMode, Mode, Outcome, Propensity, Timestamp, Verdict,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::learners::Lesson;
use super::{chosen, learners};
use crate::machine::Machine;
use crate::report::{Column, Estimate, Report, Row, Table, Unit};
use crate::run::{OnProgress, Result, RunError, Stage};

/// What to do.
#[derive(Debug, Clone)]
pub struct FilesOptions {
    /// Folders to learn from.
    pub train: Vec<PathBuf>,
    /// Folders to judge on; no trajectory may be in both.
    pub test: Vec<PathBuf>,
    /// Trainers, by name; empty: all that learn from a log alone.
    pub trainers: Vec<String>,
    /// Seed of the training.
    pub seed: u64,
    /// The command line, for the report.
    pub command: String,
}

#[derive(Deserialize)]
struct DecisionRow {
    decision_id: DecisionId,
    trajectory_id: String,
    step: u32,
    ts_us: i64,
    decision_type: String,
    policy_id: String,
    policy_version: String,
    arm: String,
    explore_mode: ExploreMode,
    epsilon: f64,
    log_pscore: f64,
    #[serde(default)]
    components: Vec<Component>,
    feature_schema: String,
    budget_tokens: u64,
    #[serde(default)]
    state: State,
}

/// What the numbers need of a decision's state.
#[derive(Deserialize, Default)]
#[serde(default)]
struct State {
    overhead_tokens: u64,
    query_tokens: u32,
    memory_cells: u64,
    max_cells: Option<usize>,
    temperature: Option<f64>,
}

#[derive(Deserialize)]
struct ItemRow {
    decision_id: DecisionId,
    idx: usize,
    memory_id: CellId,
    position: Option<u32>,
    score: f64,
    tokens: u32,
    p_include: Option<f64>,
    critical: bool,
    held_out: bool,
    features: Vec<f32>,
}

#[derive(Deserialize)]
struct RewardRow {
    decision_id: DecisionId,
    memory_id: Option<CellId>,
    component: String,
    value: Option<f64>,
}

/// The rows of `DIR/NAME.jsonl` or `.jsonl.gz`.
fn rows<T: DeserializeOwned>(dir: &Path, name: &str, mut each: impl FnMut(T)) -> Result<()> {
    let plain = dir.join(format!("{name}.jsonl"));
    let packed = dir.join(format!("{name}.jsonl.gz"));
    let path = if plain.exists() { plain } else { packed };
    let file = File::open(&path).map_err(|e| RunError::at(&path, e))?;
    let reader: Box<dyn Read> = if path.extension().is_some_and(|e| e == "gz") {
        Box::new(GzDecoder::new(file))
    } else {
        Box::new(file)
    };
    for (number, line) in BufReader::new(reader).lines().enumerate() {
        let line = line.map_err(|e| RunError::at(&path, e))?;
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str(&line) {
            Ok(row) => each(row),
            Err(e) => {
                let at = format!("{}, line {}", path.display(), number + 1);
                return Err(RunError::Options(format!("{at}: {e}")));
            }
        }
    }
    Ok(())
}

/// Adds the recall decisions of a folder to a log.
fn read(dir: &Path, data: &mut Option<Dataset>) -> Result<()> {
    let mut items: HashMap<DecisionId, Vec<ItemRow>> = HashMap::new();
    rows(dir, "decision_items", |r: ItemRow| {
        items.entry(r.decision_id).or_default().push(r);
    })?;
    let mut said: HashMap<DecisionId, Outcome> = HashMap::new();
    rows(dir, "rewards", |r: RewardRow| {
        hear(said.entry(r.decision_id).or_default(), &r);
    })?;
    let mut decisions = Vec::new();
    rows(dir, "decisions", |r: DecisionRow| decisions.push(r))?;
    let spec = RewardSpec::built_in("bounded_v1").map_err(|e| RunError::Options(e.to_string()))?;
    for row in decisions
        .into_iter()
        .filter(|r| r.decision_type == "recall")
    {
        let wrong = |what: String| {
            RunError::Options(format!(
                "{}, decision {}: {what}",
                dir.display(),
                row.decision_id
            ))
        };
        let schema = schema_of(&row.feature_schema).ok_or_else(|| {
            wrong(format!(
                "the feature schema {:?} is not known",
                row.feature_schema
            ))
        })?;
        let all = data.get_or_insert_with(|| Dataset {
            schema: schema.clone(),
            trajectories: Vec::new(),
            policies: Vec::new(),
            decisions: Vec::new(),
        });
        if all.schema != *schema {
            return Err(wrong(format!(
                "its features are {}, those of others {}",
                schema.name, all.schema.name
            )));
        }
        let mut mine = items.remove(&row.decision_id).unwrap_or_default();
        mine.sort_by_key(|i| i.idx);
        let whole = mine.iter().enumerate().all(|(n, i)| {
            i.idx == n && (i.features.is_empty() || i.features.len() == schema.width())
        });
        if !whole {
            return Err(wrong(
                "its candidates are not complete, or have another number of features".to_owned(),
            ));
        }
        if !(row.log_pscore <= 0.0 && row.log_pscore.is_finite()) {
            return Err(wrong(format!(
                "its log_pscore is {}; it must be a number up to 0",
                row.log_pscore
            )));
        }
        let outcome = said.remove(&row.decision_id).unwrap_or_default();
        let logged = logged(row, &mine, &outcome, &spec, all);
        all.decisions.push(logged);
    }
    Ok(())
}

/// Takes in one signal.
fn hear(outcome: &mut Outcome, row: &RewardRow) {
    let Some(value) = row.value else { return };
    match (row.component.as_str(), row.memory_id) {
        ("success", _) => outcome.success = outcome.success.or(Some(value)),
        ("implied_success", _) => outcome.implied_success = Some(value),
        ("unsafe_action", _) => {
            outcome.unsafe_action = Some(outcome.unsafe_action == Some(true) || value > 0.5);
        }
        ("stale_memory_error", _) => {
            outcome.stale_memory_error =
                Some(outcome.stale_memory_error == Some(true) || value > 0.5);
        }
        ("tokens_used", _) => {
            outcome.tokens_used = Some(outcome.tokens_used.unwrap_or(0) + value as i64);
        }
        ("latency_ms", _) => {
            outcome.latency_ms = Some(outcome.latency_ms.unwrap_or(0) + value as i64);
        }
        ("cited", Some(cell)) => outcome.cited.push(cell),
        ("verdict", Some(cell_id)) => outcome.verdicts.push(Verdict {
            cell_id,
            useful: value,
            stale: false,
        }),
        _ => {}
    }
}

fn index(names: &mut Vec<String>, name: &str) -> u32 {
    let at = names.iter().rposition(|n| n == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    at as u32
}

fn logged(
    row: DecisionRow,
    items: &[ItemRow],
    outcome: &Outcome,
    spec: &RewardSpec,
    all: &mut Dataset,
) -> Logged {
    let mut outcome = outcome.clone();
    outcome.success = outcome.success.or(outcome.implied_success);
    let width = all.schema.width();
    let known = cell_rewards(&outcome);
    let mut features = Vec::with_capacity(items.len() * width);
    let mut slate: Vec<(u32, u32)> = Vec::new();
    let mut made = Vec::with_capacity(items.len());
    for (n, i) in items.iter().enumerate() {
        features.extend_from_slice(&i.features);
        features.resize((n + 1) * width, 0.0);
        if let Some(position) = i.position {
            slate.push((position, n as u32));
        }
        let own = known
            .iter()
            .find(|k| k.cell_id == i.memory_id)
            .map(|k| k.value as f32);
        let beside = (!outcome.cited.is_empty()).then_some(0.0);
        made.push(LoggedItem {
            cell: i.memory_id,
            score: i.score,
            cost: i.tokens,
            masked: i.features.is_empty(),
            critical: i.critical,
            held_out: i.held_out,
            p_include: i.p_include,
            label: i.position.and(own.or(beside)),
        });
    }
    slate.sort_unstable();
    Logged {
        id: row.decision_id,
        trajectory: index(&mut all.trajectories, &row.trajectory_id),
        step: row.step,
        at: Timestamp(row.ts_us),
        policy: index(
            &mut all.policies,
            &format!("{}@{}", row.policy_id, row.policy_version),
        ),
        arm: row.arm,
        mode: row.explore_mode,
        propensity: Propensity {
            log_joint: row.log_pscore,
            components: row.components,
            epsilon: row.epsilon,
            salt: 0,
            seed: 0,
        },
        temperature: row.state.temperature.unwrap_or(0.1),
        context: Context {
            overhead_tokens: row.state.overhead_tokens,
            max_items: row.state.max_cells.unwrap_or(usize::MAX),
            query_tokens: row.state.query_tokens,
            memory_cells: row.state.memory_cells,
            ..Context::with_budget(row.budget_tokens)
        },
        items: made,
        features,
        slate: slate.into_iter().map(|(_, i)| i).collect(),
        signals: Signals {
            success: outcome.success,
            unsafe_action: outcome.unsafe_action,
            stale: outcome.stale_memory_error,
            tokens: outcome.tokens_used.map(|t| t as f64),
            latency_ms: outcome.latency_ms.map(|t| t as f64),
        },
        reward: spec.score(&outcome).ok().map(|r| r.value),
    }
}

/// The log in these folders.
pub fn read_all(folders: &[PathBuf]) -> Result<Dataset> {
    let mut data = None;
    for dir in folders {
        read(dir, &mut data)?;
    }
    data.filter(|d| !d.decisions.is_empty())
        .ok_or_else(|| RunError::Options("there is no recall decision in these folders".to_owned()))
}

/// Trains on some folders and judges on others.
pub fn bench_files(options: &FilesOptions, progress: OnProgress<'_>) -> Result<Report> {
    let mut stage = Stage::start(progress, "reading", 2);
    let train = read_all(&options.train)?;
    stage.at(1, String::new());
    let test = read_all(&options.test)?;
    let seen: std::collections::HashSet<&String> = train.trajectories.iter().collect();
    if let Some(both) = test.trajectories.iter().find(|t| seen.contains(t)) {
        let message = format!(
            "trajectory {both} is in --train and in --test: a policy is not judged on what it learned from"
        );
        return Err(RunError::Options(message));
    }
    let mut policies: Vec<(String, Box<dyn RecallPolicy>)> = vec![
        ("none".to_owned(), Box::new(NoMemory)),
        ("baseline_v0".to_owned(), Box::new(BaselineV0)),
        ("similarity".to_owned(), Box::new(Similarity)),
        ("utility".to_owned(), Box::new(Utility::default())),
    ];
    let mut notes = Vec::new();
    let lesson = Lesson::new(&train, &train, (&[], &[]), options.seed);
    for learner in chosen(&options.trainers)? {
        if learner.name == learners::SUPERVISED.name || learner.name == "grpo" {
            continue;
        }
        match (learner.train)(&lesson) {
            Ok(policy) => policies.push((learner.name.to_owned(), policy)),
            Err(why) => notes.push(format!("{}: {why}", learner.name)),
        }
    }
    let mut rows = Vec::new();
    for (name, policy) in &policies {
        let (row, note) = judge(name, policy.as_ref(), &test)?;
        rows.push(row);
        notes.push(note);
    }
    stage.at(2, String::new());
    let column = |measure: &str, unit| Column {
        measure: measure.to_owned(),
        at: "test".to_owned(),
        unit,
    };
    Ok(Report {
        benchmark: "policies: from logs".to_owned(),
        machine: Machine::here(),
        command: options.command.clone(),
        tables: vec![Table {
            title: format!(
                "learned from {} decisions, judged by {} (SNIPS over trajectories)",
                train.decisions.len(),
                test.decisions.len()
            ),
            columns: vec![
                column("reward (bounded_v1)", Unit::Number),
                column("effective trajectories", Unit::Count),
                column("coverage", Unit::Share),
            ],
            rows,
            notes,
        }],
    })
}

/// How the test log explored: policies are judged as if deployed with that.
fn exploration(test: &Dataset) -> Draw {
    let Some(first) = test.decisions.first() else {
        return Draw::greedy(0.0);
    };
    let drawn = first
        .propensity
        .components
        .iter()
        .filter(|c| c.mode == ExploreMode::PlackettLuce);
    Draw {
        sampled_share: drawn.map(|c| c.weight).sum::<f64>().clamp(0.0, 1.0),
        temperature: first.temperature,
        epsilon: first.propensity.epsilon,
    }
}

/// One policy by the test log: its row, and what is to be said about it.
fn judge(name: &str, policy: &dyn RecallPolicy, test: &Dataset) -> Result<(Row, String)> {
    let target = |d: &Logged, scores: &mut Scores| {
        let (context, candidates) = rebuild(&test.schema, d);
        scores.logits = vec![f64::NEG_INFINITY; candidates.len()];
        scores.refused = vec![true; candidates.len()];
        for s in policy.order(&context, &candidates) {
            scores.logits[s.index] = s.logit;
            scores.refused[s.index] = s.mode == Mode::Suppress;
        }
        scores.stop = Some(policy.stop_logit(&context)).filter(|s| s.is_finite());
    };
    let broken = |e: &dyn std::fmt::Display| RunError::Options(format!("{name}: {e}"));
    let mut replay =
        Replay::new(&target, ReplayConfig::new(exploration(test))).map_err(|e| broken(&e))?;
    // Trajectories are read one after the other, so that one is complete before the next begins.
    let mut order: BTreeMap<(u32, u32), &Logged> = BTreeMap::new();
    for d in &test.decisions {
        order.insert((d.trajectory, d.step), d);
    }
    for d in order.values() {
        replay.push(d).map_err(|e| broken(&e))?;
    }
    let evidence = replay.finish();
    let bounds = RewardSpec::built_in("bounded_v1")
        .ok()
        .and_then(|s| s.bounds());
    let n = evidence.units.len();
    let label = name.to_owned();
    Ok(match evaluate(&evidence, &EvaluateConfig::new(bounds)) {
        Ok(report) => {
            let line = report.estimates.iter().find(|l| l.estimator == "snips");
            let value = line.map(|l| Estimate::from(l.value));
            let values = vec![
                value,
                Some(report.n_eff.into()),
                Some(report.coverage.into()),
            ];
            (
                Row { label, n, values },
                format!("{name}: {}", report.sentence),
            )
        }
        Err(refusal) => (
            Row {
                label,
                n,
                values: vec![None; 3],
            },
            format!("{name}: {refusal}"),
        ),
    })
}
