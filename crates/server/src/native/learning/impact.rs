//! "Did this memory help?", and trials of single cells.

use std::sync::Arc;

use memrl::{ImpactAnswer, ImpactRequest, Sensitivity};
use serde::Deserialize;
use serde_json::json;

use super::{invalid, no_query, while_awaited};
use crate::App;
use crate::failure::Failure;
use crate::lax;
use crate::reply::{Reply, ok};
use crate::request::{Req, typed};
use crate::route::{Answer, Route};

pub(crate) const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/v1/impact",
        tag: "learning",
        about: "What showing memories does to how tasks end, from what was withheld at random: cell by cell, by type, scope or \
                origin, or of memory at all. First words of cells above the clearance are left out.",
        body: Some("ImpactRequest"),
        answers: &[(200, "The estimates.", Answer::Json("Impact"))],
        failures: &[409],
        slow: true,
        run: impact,
        ..Route::BASE
    },
    Route {
        path: "/v1/impact/trial",
        tag: "learning",
        about: "Where the trial of a cell stands; null without one. A trial that has its answer ends with this look.",
        answers: &[(200, "The trial.", Answer::Json("TrialState"))],
        failures: &[409],
        slow: true,
        run: |app, req| {
            no_query(req)?;
            let mut go_on = while_awaited(app);
            let trial = app.memory.trial_check_with_progress(&mut go_on)?;
            ok(&json!({"trial": trial}))
        },
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/impact/trial",
        tag: "learning",
        about: "Puts one cell on trial: trajectories that want it do without it now and then, until it is known what it does. One \
                trial at a time.",
        body: Some("TrialRequest"),
        answers: &[(201, "Started.", Answer::Json("TrialState"))],
        failures: &[404, 409],
        slow: true,
        run: start,
        ..Route::BASE
    },
    Route {
        method: "DELETE",
        path: "/v1/impact/trial",
        tag: "learning",
        about: "Ends the trial of a cell, whatever is known by now.",
        answers: &[(200, "What it came to.", Answer::Json("TrialState"))],
        failures: &[409],
        slow: true,
        run: |app, req| {
            no_query(req)?;
            ok(&json!({"trial": app.memory.trial_stop()?}))
        },
        ..Route::BASE
    },
];

fn impact(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let mut map = req.native_object("ImpactRequest")?;
    if map.contains_key("of") && map.contains_key("by") {
        return Err(invalid("by", "is another name of `of`: give one of them"));
    }
    let clearance = match map.remove("clearance") {
        None => app.memory.config().recall.clearance,
        Some(value) => lax::name(&value, Sensitivity::ALL, Sensitivity::as_str)
            .map_err(|_| invalid("clearance", "must be low, medium, high or restricted"))?,
    };
    let request: ImpactRequest = typed(map, "")?;
    let mut go_on = while_awaited(app);
    let mut answer = app.memory.impact_with_progress(&request, &mut go_on)?;
    if let ImpactAnswer::Cell { contents, .. } = &mut answer {
        // A cell that is too private for this caller keeps its numbers and loses its words.
        contents.retain(|id, words| {
            let cell = app.memory.get(&id.to_string());
            !words.is_empty() && cell.is_ok_and(|c| c.sensitivity <= clearance)
        });
    }
    ok(&answer)
}

#[derive(Deserialize)]
struct Start {
    cell: String,
    withhold: Option<f64>,
    most: Option<u64>,
}

fn start(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let asked: Start = req.native_body("TrialRequest")?;
    let view = app
        .memory
        .trial_start(&asked.cell, asked.withhold, asked.most)?;
    Ok(Reply::json(201, &json!({"trial": view})))
}
