//! TRL: memory selection as a language task, in the four record types of its page "Dataset formats
//! and types", each in the conversational form.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::case::Case;
use super::reduce::{self, Reason, is_open};
use super::{Converter, Taken};

const NO_QUERY: Reason = "its query was erased";
const NO_TEXT: Reason =
    "a memory that it showed can no longer be read, or not by a reader of this clearance";
const NO_CANDIDATE: Reason = "it had no candidate that can still be read";
const NO_CONTRAST: Reason = "all rewards of its kind of task are equal";
const NOT_GOOD: Reason = "its reward is not above the median of its kind of task";
const NO_PAIR: Reason = "no earlier decision of its trajectory had the same query and candidates, another slate and another reward";

/// Which records are written.
#[derive(Debug)]
pub(super) enum Trl {
    /// `{prompt}`: of every decision.
    Prompt,
    /// `{prompt, completion}`: of the good ones.
    Sft,
    /// `{prompt, chosen, rejected}`: of two decisions in the same state.
    Dpo(Pairs),
    /// `{prompt, completion, label}`: of all with a reward.
    Kto,
}

/// A decision as a task in words.
struct Task {
    prompt: String,
    completion: String,
    /// The ids that the numbers in the prompt stand for, in order.
    memory_ids: Vec<String>,
    /// Their costs in tokens.
    tokens: Vec<u32>,
}

fn task(case: &Case<'_>, with_slate: bool) -> Result<Task, Reason> {
    let d = reduce::recall(case.row)?;
    if case.row.erased || d.query.is_empty() {
        return Err(NO_QUERY);
    }
    let mut lines = String::new();
    let (mut memory_ids, mut tokens, mut number_of) = (Vec::new(), Vec::new(), HashMap::new());
    for (index, item) in d.items.iter().enumerate() {
        let Some(Some(text)) = case.texts.get(index) else {
            continue;
        };
        if !is_open(item) {
            continue;
        }
        memory_ids.push(item.cell_id.to_string());
        tokens.push(item.tokens);
        number_of.insert(index, memory_ids.len());
        let number = memory_ids.len();
        // One memory, one line.
        let content = text
            .content
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let _ = write!(
            lines,
            "\n[{number}] ({}, {} tokens) {content}",
            text.kind, item.tokens
        );
    }
    if memory_ids.is_empty() {
        return Err(NO_CANDIDATE);
    }
    let mut slate = Vec::new();
    if with_slate {
        for (index, _) in reduce::slate(d) {
            slate.push(number_of.get(&index).ok_or(NO_TEXT)?.to_string());
        }
    }
    let completion = if slate.is_empty() {
        "none".to_owned()
    } else {
        slate.join(", ")
    };
    let kind = if d.task_type.is_empty() {
        String::new()
    } else {
        format!("\nTask type: {}", d.task_type)
    };
    let prompt = format!(
        "Choose the memories that help with the request, the most helpful first, within {} tokens. \
         Answer with their numbers, separated by commas, or with \"none\".\n\nRequest: {}{kind}\n\nMemories:{lines}",
        d.budget_tokens, d.query
    );
    Ok(Task {
        prompt,
        completion,
        memory_ids,
        tokens,
    })
}

fn says(role: &str, content: &str) -> Value {
    json!([{"role": role, "content": content}])
}

impl Trl {
    fn records(&mut self, case: &Case<'_>) -> Result<Vec<Value>, Reason> {
        let mut record = match self {
            Self::Dpo(pairs) => return pairs.records(case),
            Self::Prompt => prompt(case)?,
            Self::Sft => judged(case, true)?.0,
            Self::Kto => {
                let (mut record, label) = judged(case, false)?;
                record["label"] = label.into();
                record
            }
        };
        record["decision_id"] = case.row.decision.decision_id.to_string().into();
        Ok(vec![record])
    }
}

/// The task alone, with what a reward function needs to know of it.
fn prompt(case: &Case<'_>) -> Result<Value, Reason> {
    let d = &case.row.decision;
    let task = task(case, false)?;
    Ok(json!({
        "prompt": says("user", &task.prompt),
        "memory_ids": task.memory_ids,
        "tokens": task.tokens,
        "budget_tokens": d.budget_tokens,
        "task_type": d.task_type,
    }))
}

/// The task with what was shown, and whether that did well; with `good`, only if it did.
fn judged(case: &Case<'_>, good: bool) -> Result<(Value, bool), Reason> {
    let d = reduce::recall(case.row)?;
    let reward = case.reward()?;
    let bar = case.bars.get(&d.task_type).copied().flatten();
    let label = bar.ok_or(NO_CONTRAST)?.is_good(reward);
    if good && !label {
        return Err(NOT_GOOD);
    }
    let task = task(case, true)?;
    let record = json!({
        "prompt": says("user", &task.prompt),
        "completion": says("assistant", &task.completion),
        "reward": reward,
    });
    Ok((record, label))
}

impl Converter for Trl {
    fn take(&mut self, case: &Case<'_>, out: &mut dyn Write) -> io::Result<Taken> {
        let records = match self.records(case) {
            Ok(records) => records,
            Err(reason) => return Ok(Err(reason)),
        };
        for record in &records {
            writeln!(out, "{record}")?;
        }
        Ok(Ok(records.len() as u64))
    }
}

/// Slates that were shown for the same state, with different rewards. Only within a trajectory: between
/// trajectories the same words may stand for another situation. Keeps what was shown in trajectories
/// that go on, and nothing of others.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    open: HashMap<String, Vec<Shown>>,
}

/// A slate that was shown.
#[derive(Debug)]
struct Shown {
    state: blake3::Hash,
    completion: String,
    reward: f64,
    decision_id: String,
}

impl Pairs {
    fn records(&mut self, case: &Case<'_>) -> Result<Vec<Value>, Reason> {
        let d = &case.row.decision;
        let mut earlier = self.open.remove(&d.trajectory_id).unwrap_or_default();
        let answer = Self::pairs(case, &mut earlier);
        if case.row.next.is_some() && !earlier.is_empty() {
            self.open.insert(d.trajectory_id.clone(), earlier);
        }
        answer
    }

    fn pairs(case: &Case<'_>, earlier: &mut Vec<Shown>) -> Result<Vec<Value>, Reason> {
        let reward = case.reward()?;
        let task = task(case, true)?;
        let d = &case.row.decision;
        let mut state = blake3::Hasher::new();
        state.update(task.prompt.as_bytes());
        for item in &d.items {
            state.update(item.cell_id.bytes());
            state.update(&item.version.to_le_bytes());
        }
        let now = Shown {
            state: state.finalize(),
            completion: task.completion,
            reward,
            decision_id: d.decision_id.to_string(),
        };
        let same = earlier.iter().filter(|e| {
            let differs = e
                .reward
                .partial_cmp(&now.reward)
                .is_some_and(Ordering::is_ne);
            e.state == now.state && e.completion != now.completion && differs
        });
        let records: Vec<_> = same
            .map(|e| {
                let (better, worse) = if e.reward > now.reward {
                    (e, &now)
                } else {
                    (&now, e)
                };
                json!({
                    "prompt": says("user", &task.prompt),
                    "chosen": says("assistant", &better.completion),
                    "rejected": says("assistant", &worse.completion),
                    "chosen_reward": better.reward,
                    "rejected_reward": worse.reward,
                    "chosen_decision_id": better.decision_id,
                    "rejected_decision_id": worse.decision_id,
                })
            })
            .collect();
        // The same slate again adds no pair that is not there.
        let known = |e: &Shown| e.state == now.state && e.completion == now.completion;
        if !earlier.iter().any(known) {
            earlier.push(now);
        }
        if records.is_empty() {
            return Err(NO_PAIR);
        }
        Ok(records)
    }
}
