//! Retrieving, and judging what was retrieved.

use std::sync::Arc;

use memrl::{CellFeedback, CellType, RetrieveRequest};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::{body, invalid, project};
use crate::App;
use crate::failure::Failure;
use crate::reply::{Reply, ok};
use crate::request::Req;

/// `POST /v1/retrieve`.
#[derive(Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a body: each is a field of its own on the wire"
)]
struct Ask {
    query: String,
    project: Option<String>,
    #[serde(default)]
    only_project: bool,
    #[serde(default)]
    all_projects: bool,
    #[serde(default, deserialize_with = "capped")]
    limit: Option<u64>,
    #[serde(default)]
    types: Vec<CellType>,
    trajectory: Option<String>,
    budget_tokens: Option<u64>,
    #[serde(default)]
    skip_shown: bool,
    #[serde(default = "yes")]
    explore: bool,
}

const fn yes() -> bool {
    true
}

/// A count that the engine caps: however large, it is a number.
fn capped<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    let value = Value::deserialize(d)?;
    let whole = |x: f64| (x >= 0.0 && x.fract() == 0.0).then_some(x as u64);
    let count = value.as_u64().or_else(|| value.as_f64().and_then(whole));
    count
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom("must be a whole number from 1"))
}

pub(super) fn retrieve(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let ask: Ask = body(req, "RetrieveRequest")?;
    let found = app.memory.retrieve(&RetrieveRequest {
        project: project(app, ask.project.as_deref(), ask.all_projects)?,
        query: ask.query,
        only_project: ask.only_project,
        limit: ask.limit.unwrap_or(app.memory.config().sessions.limit),
        types: ask.types,
        trajectory: ask.trajectory,
        budget_tokens: ask.budget_tokens,
        skip_shown: ask.skip_shown,
        explore: ask.explore,
    })?;
    // The decision as a recall answers it; each shown cell once, with what a recall says of it
    // and what it is worth.
    let shown = found.recall.selected.iter().zip(&found.hits);
    let hits: Vec<Value> = shown
        .map(|(recalled, hit)| {
            json!({
                "cell": hit.cell,
                "project": hit.project,
                "mode": recalled.mode,
                "score": hit.score,
                "reason": hit.reason,
                "p_include": recalled.p_include,
                "value": hit.value,
            })
        })
        .collect();
    let mut answer = json!(found.recall);
    if let Some(answer) = answer.as_object_mut() {
        answer.remove("selected");
        answer.insert("hits".into(), hits.into());
        answer.insert("held_out".into(), found.held_out.into());
    }
    ok(&answer)
}

/// `POST /v1/feedback/cells`.
#[derive(Deserialize)]
struct Judgement {
    cells: Option<Names>,
    episodes: Option<Names>,
    episode_ids: Option<Names>,
    helpful: Option<bool>,
    useful: Option<f64>,
    decision_id: Option<String>,
    trajectory: Option<String>,
    correction: Option<String>,
    source: Option<String>,
}

/// Several names, or one.
#[derive(Deserialize)]
#[serde(untagged, expecting = "must be a text or a list of texts")]
enum Names {
    One(String),
    Many(Vec<String>),
}

pub(super) fn judge(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let said: Judgement = body(req, "CellFeedback")?;
    let useful = match (said.helpful, said.useful) {
        (Some(helpful), None) => f64::from(u8::from(helpful)),
        (None, Some(useful)) => useful,
        (Some(_), Some(_)) => return Err(invalid("useful", "say it, or `helpful`, not both")),
        (None, None) => {
            return Err(invalid("helpful", "is required, or `useful` as a number"));
        }
    };
    let mut lists = [said.cells, said.episodes, said.episode_ids]
        .into_iter()
        .flatten();
    let cells = match lists.next() {
        Some(Names::One(name)) => vec![name],
        Some(Names::Many(names)) => names,
        None => Vec::new(),
    };
    if lists.next().is_some() {
        return Err(invalid(
            "cells",
            "`episodes` and `episode_ids` are other names of it; give one",
        ));
    }
    ok(&app.memory.judge(&CellFeedback {
        cells,
        useful,
        decision: said.decision_id,
        trajectory: said.trajectory,
        correction: said.correction,
        source: said.source.unwrap_or_else(|| "user".to_owned()),
    })?)
}
