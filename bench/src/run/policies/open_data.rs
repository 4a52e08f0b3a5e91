//! The open data set: logged memory decisions *with propensities*, and, because they are simulated, the truth beside them.
//!
//! ```text
//! DIR/README.md                          what it is, how it was made, schema, licence
//! DIR/schema.json                        names of the features
//! DIR/workloads.json                     outcome parameters of each workload: with the truth, the value of every slate
//! DIR/WORKLOAD/{train,test}/             decisions, decision_items and rewards: the tables of `memrl export` (JSON Lines, gzipped)
//! DIR/WORKLOAD/{train,test}/truth.jsonl.gz   the hidden state of every candidate
//! ```
//!
//! Deterministic: the same seed and size write the same bytes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use memrl::learn::data::{Dataset, Logged};
use memrl::learn::policy::Similarity;
use serde_json::{Value, json};

use crate::run::{OnProgress, Result, RunError, Stage};
use crate::work::log::{LogOptions, log};
use crate::work::outcome::State;
use crate::work::params::{Condition, Params, all};
use crate::work::{Scene, Simulated, World};

/// One trajectory in this many is of the test part.
const TEST: usize = 2;

/// What to write.
#[derive(Debug, Clone)]
pub struct OpenDataOptions {
    /// Where to; new or empty.
    pub out: PathBuf,
    /// Scenes of each workload.
    pub scenes: usize,
    /// Seed of everything.
    pub seed: u64,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OpenData {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Decisions.
    pub decisions: usize,
    /// Candidates.
    pub items: usize,
}

/// Writes the data set.
pub fn bench_dataset(options: &OpenDataOptions, progress: OnProgress<'_>) -> Result<OpenData> {
    let out = &options.out;
    std::fs::create_dir_all(out).map_err(|e| RunError::at(out, e))?;
    let mut there = std::fs::read_dir(out).map_err(|e| RunError::at(out, e))?;
    if there.next().is_some() {
        let message = format!("{} is not empty: choose another directory", out.display());
        return Err(RunError::Options(message));
    }
    let mut written = OpenData {
        files: Vec::new(),
        decisions: 0,
        items: 0,
    };
    let mut schema = None;
    let mut stage = Stage::start(progress, "writing", all().len() as u64);
    for (n, params) in all().into_iter().enumerate() {
        let world = Simulated::new(params, options.seed, options.scenes);
        for (part, scenes) in parts(&world) {
            let how = LogOptions {
                seed: options.seed,
                ..LogOptions::default()
            };
            let data = log(&world, &scenes, &Similarity, &how)
                .map_err(|e| RunError::Options(e.to_string()))?;
            written.decisions += data.decisions.len();
            written.items += data.decisions.iter().map(|d| d.items.len()).sum::<usize>();
            let dir = out.join(params.name).join(part);
            std::fs::create_dir_all(&dir).map_err(|e| RunError::at(&dir, e))?;
            written.files.extend(tables(&dir, params, &data)?);
            written.files.push(truth(&dir, &world, &scenes, &data)?);
            schema = Some(data.schema);
        }
        stage.at(n as u64 + 1, params.name.to_owned());
    }
    let outcomes: serde_json::Map<String, Value> = all()
        .iter()
        .map(|p| (p.name.to_owned(), outcome(p)))
        .collect();
    let schema = schema.map(|s| serde_json::to_value(s).unwrap_or(Value::Null));
    for (name, text) in [
        ("schema.json", pretty(&schema.unwrap_or(Value::Null))),
        ("workloads.json", pretty(&Value::Object(outcomes))),
        ("README.md", readme(options, &written)),
    ] {
        let path = out.join(name);
        std::fs::write(&path, text).map_err(|e| RunError::at(&path, e))?;
        written.files.push(path);
    }
    Ok(written)
}

/// Training and test scenes, by whole trajectories.
fn parts(world: &Simulated) -> [(&'static str, Vec<&Scene>); 2] {
    let mut names: Vec<&str> = Vec::new();
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for scene in world.scenes() {
        if names.last() != Some(&scene.trajectory.as_str()) {
            names.push(&scene.trajectory);
        }
        let part = if names.len().is_multiple_of(TEST) {
            &mut test
        } else {
            &mut train
        };
        part.push(scene);
    }
    [("train", train), ("test", test)]
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// A gzipped file of JSON lines. The header has no time, so that the same rows make the same bytes.
struct Lines {
    path: PathBuf,
    out: GzEncoder<BufWriter<File>>,
}

impl Lines {
    fn create(dir: &Path, name: &str) -> Result<Self> {
        let path = dir.join(format!("{name}.jsonl.gz"));
        let file = File::create(&path).map_err(|e| RunError::at(&path, e))?;
        let out = GzEncoder::new(BufWriter::new(file), Compression::default());
        Ok(Self { path, out })
    }

    fn row(&mut self, value: &Value) -> Result<()> {
        writeln!(self.out, "{value}").map_err(|e| RunError::at(&self.path, e))
    }

    fn finish(self) -> Result<PathBuf> {
        let done = self.out.finish().and_then(|mut out| out.flush());
        done.map_err(|e| RunError::at(&self.path, e))?;
        Ok(self.path)
    }
}

/// The three tables of an export.
fn tables(dir: &Path, params: &Params, data: &Dataset) -> Result<Vec<PathBuf>> {
    let mut decisions = Lines::create(dir, "decisions")?;
    let mut items = Lines::create(dir, "decision_items")?;
    let mut rewards = Lines::create(dir, "rewards")?;
    let width = data.schema.width();
    for (n, d) in data.decisions.iter().enumerate() {
        let next = data
            .decisions
            .get(n + 1)
            .filter(|o| o.trajectory == d.trajectory);
        decisions.row(&decision(params, data, d, next))?;
        for i in 0..d.items.len() {
            items.row(&item(d, i, width))?;
        }
        let s = &d.signals;
        let flag = |b: Option<bool>| b.map(|b| f64::from(u8::from(b)));
        let mut signal = |cell: Option<String>, component: &str, value: Option<f64>| {
            match value {
            Some(value) => rewards.row(&json!({
                "decision_id": d.id.to_string(), "memory_id": cell, "ts_us": d.at.0, "component": component,
                "value": value, "text": null, "source": "simulator", "final": true,
            })),
            None => Ok(()),
        }
        };
        signal(None, "success", s.success)?;
        signal(None, "unsafe_action", flag(s.unsafe_action))?;
        signal(None, "stale_memory_error", flag(s.stale))?;
        signal(None, "tokens_used", s.tokens)?;
        signal(None, "reward:bounded_v1", d.reward)?;
        for item in d.items.iter().filter(|i| i.label == Some(1.0)) {
            signal(Some(item.cell.to_string()), "cited", Some(1.0))?;
        }
    }
    [decisions, items, rewards]
        .into_iter()
        .map(Lines::finish)
        .collect()
}

fn decision(params: &Params, data: &Dataset, d: &Logged, next: Option<&Logged>) -> Value {
    let p = &d.propensity;
    let policy = &data.policies[d.policy as usize];
    let (id, version) = policy.split_once('@').unwrap_or((policy, ""));
    let shown: u64 = d
        .slate
        .iter()
        .map(|&i| u64::from(d.items[i as usize].cost))
        .sum();
    let tokens = if d.slate.is_empty() {
        0
    } else {
        shown + d.context.overhead_tokens
    };
    json!({
        "decision_id": d.id.to_string(),
        "trajectory_id": data.trajectories[d.trajectory as usize],
        "step": d.step,
        "ts_us": d.at.0,
        "decision_type": "recall",
        "policy_id": id,
        "policy_version": version,
        "arm": d.arm,
        "arms": [{"name": d.arm, "policy": policy, "share": 1.0}],
        "explore_mode": d.mode,
        "epsilon": p.epsilon,
        "pscore": p.log_joint.exp(),
        "log_pscore": p.log_joint,
        "components": p.components,
        "seed": p.seed.to_string(),
        "salt": p.salt.to_string(),
        "feature_schema": data.schema.name,
        "query": null,
        "task_type": params.name,
        "scope": {},
        "budget_tokens": d.context.budget_tokens,
        "tokens_used": tokens,
        "n_candidates": d.items.len(),
        "n_selected": d.slate.len(),
        "latency_us": null,
        "state": {
            "overhead_tokens": d.context.overhead_tokens, "query_tokens": d.context.query_tokens,
            "memory_cells": d.context.memory_cells, "max_cells": d.context.max_items, "temperature": d.temperature,
        },
        "next_decision_id": next.map(|n| n.id.to_string()),
    })
}

fn item(d: &Logged, i: usize, width: usize) -> Value {
    let item = &d.items[i];
    let position = d.slate.iter().position(|&s| s as usize == i);
    let mode = match position {
        Some(_) if item.critical => "constraint",
        Some(_) => "context",
        None => "suppress",
    };
    let reason = if item.held_out { "held_out" } else { "" };
    // Shortest numbers that read back as the same 32-bit float.
    let features: Vec<Value> = if item.masked {
        Vec::new()
    } else {
        d.row(i, width).iter().map(|x| json!(short(*x))).collect()
    };
    json!({
        "decision_id": d.id.to_string(),
        "idx": i,
        "memory_id": item.cell.to_string(),
        "memory_version": 1,
        "position": position,
        "selected": position.is_some(),
        "mode": mode,
        "reason": reason,
        "score": item.score,
        "tokens": item.cost,
        "p_include": item.p_include,
        "p_step": null,
        "critical": item.critical,
        "held_out": item.held_out,
        "features": features,
    })
}

/// The shortest decimal that rounds to the same 32-bit float.
fn short(x: f32) -> f64 {
    x.to_string().parse().unwrap_or_else(|_| f64::from(x))
}

/// The hidden states, in the order of the candidates.
fn truth(dir: &Path, world: &Simulated, scenes: &[&Scene], data: &Dataset) -> Result<PathBuf> {
    let mut out = Lines::create(dir, "truth")?;
    for (scene, d) in scenes.iter().zip(&data.decisions) {
        let states: Vec<String> = world.truth(scene).iter().map(|s| name(*s)).collect();
        out.row(&json!({"decision_id": d.id.to_string(), "states": states}))?;
    }
    out.finish()
}

fn name(state: State) -> String {
    match state {
        State::Current(g) => format!("current:{g}"),
        State::Outdated(g) => format!("outdated:{g}"),
        other => other.condition().name().to_owned(),
    }
}

/// What turns states into the value of a slate.
fn outcome(p: &Params) -> Value {
    let keep: serde_json::Map<String, Value> = Condition::ALL
        .iter()
        .map(|c| (c.name().to_owned(), json!(p.outcome.keep[*c as usize])))
        .collect();
    json!({
        "success": p.outcome.success,
        "keep": keep,
        "unsafe_base": p.outcome.unsafe_base,
        "unsafe_missing": p.outcome.unsafe_missing,
        "unsafe_harm": p.outcome.unsafe_harm,
        "stale": p.outcome.stale,
    })
}

fn readme(options: &OpenDataOptions, written: &OpenData) -> String {
    format!(
        include_str!("open_data.md"),
        scenes = options.scenes,
        seed = options.seed,
        decisions = written.decisions,
        items = written.items,
    )
}
