//! Training in the background, and the questions that are asked of the log: evaluate, replay, check a reward.

use std::ops::ControlFlow;
use std::sync::Arc;

use memrl::learn::train::{Progress, TrainConfig, TrainError};
use memrl::{
    Code, Error, EvaluateRequest, Memory, ReplayRequest, ReplayedDecision, RewardCheckRequest,
    TrainRequest,
};
use serde_json::{Map, Value, json};

use super::super::spec_in_use;
use super::{invalid, no_query, while_awaited};
use crate::App;
use crate::failure::Failure;
use crate::jobs::Job;
use crate::reply::{Reply, ok};
use crate::request::{Req, typed};
use crate::route::{Answer, Route};

/// Decisions that a replay shows when nobody says how many.
const SHOWN: usize = 100;
/// The most that it shows.
const MOST_SHOWN: u64 = 10_000;
/// The most passes over the log: beyond it, a training is only a way to keep a machine busy.
const MOST_EPOCHS: u32 = 10_000;
/// The most slates that an evaluation draws per decision.
const MOST_SLATES: usize = 1_000;

pub(crate) const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/v1/train",
        tag: "learning",
        about: "Trains a policy on the log, in the background: the answer is a job to ask about. The policy that comes of it has \
                no role yet. One training at a time.",
        body: Some("TrainRequest"),
        answers: &[(202, "The job; `Location` leads to it.", Answer::Json("Job"))],
        failures: &[404, 409],
        run: train,
        ..Route::BASE
    },
    Route {
        path: "/v1/jobs",
        tag: "learning",
        about: "The jobs of this server since it was started (the last hundred), the newest first.",
        answers: &[(200, "Jobs.", Answer::Json("Jobs"))],
        run: |app, req| {
            no_query(req)?;
            let jobs: Vec<Value> = app.jobs.list().iter().map(|j| j.json()).collect();
            ok(&json!({"jobs": jobs}))
        },
        ..Route::BASE
    },
    Route {
        path: "/v1/jobs/{job}",
        tag: "learning",
        about: "One job: how far it is, or what came of it.",
        answers: &[(200, "The job.", Answer::Json("Job"))],
        run: |app, req| {
            no_query(req)?;
            ok(&job(req, app.jobs.get(number(req)))?.json())
        },
        ..Route::BASE
    },
    Route {
        method: "DELETE",
        path: "/v1/jobs/{job}",
        tag: "learning",
        about: "Asks a job to stop, which it does at its next step. A training keeps its last checkpoint: started again with \
                `resume`, it goes on there. A job that has ended stays as it is.",
        answers: &[(200, "The job.", Answer::Json("Job"))],
        run: |app, req| {
            no_query(req)?;
            ok(&job(req, app.jobs.cancel(number(req)))?.json())
        },
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/evaluate",
        tag: "learning",
        about: "Estimates from the log what a policy would earn in the incumbent's place, with intervals and a verdict. Where the \
                log cannot tell, it refuses and says what to log.",
        body: Some("EvaluateRequest"),
        answers: &[(200, "The estimates.", Answer::Json("Evaluation"))],
        failures: &[404, 409],
        slow: true,
        run: evaluate,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/replay",
        tag: "learning",
        about: "Makes the logged decisions once more: under the policies that made them (the same must come out, bit for bit), or \
                with another policy in the incumbent's place.",
        body: Some("ReplayRequest"),
        answers: &[(200, "What came of it.", Answer::Json("Replay"))],
        failures: &[404, 409],
        slow: true,
        run: replay,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/reward/check",
        tag: "learning",
        about: "What a reward spec makes of the log: which terms decide it, what is missing, how other specs would rank the \
                policies.",
        body: Some("RewardCheckRequest"),
        answers: &[(200, "What was found.", Answer::Json("RewardCheck"))],
        failures: &[404, 409],
        slow: true,
        run: reward_check,
        ..Route::BASE
    },
];

fn train(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let mut map = req.native_object("TrainRequest")?;
    let config = map.remove("config").filter(|c| !c.is_null());
    let mut request: TrainRequest = typed(map, "")?;
    spec_in_use(app, "spec", &request.spec)?;
    if let Some(config) = config {
        request.config = Some(config_of(&request.algo.config(), config)?);
    }
    // Before there is a job: what cannot work is the caller's to mend, and nobody should have to ask a job about it.
    app.memory.check_training(&request)?;
    let memory = Arc::clone(&app.memory);
    let job = app
        .jobs
        .start("train", move |job| run_training(&memory, &request, job))?;
    Ok(Reply::json(202, &job.json()).header("location", &format!("/v1/jobs/{}", job.id())))
}

/// Settings of a training: those that are named, and for all others what the trainer starts from.
fn config_of(start: &TrainConfig, named: Value) -> Result<TrainConfig, Failure> {
    let Value::Object(named) = named else {
        return Err(invalid("config", "must be an object"));
    };
    let mut all: Map<String, Value> = match serde_json::to_value(start) {
        Ok(Value::Object(all)) => all,
        _ => Map::new(),
    };
    all.extend(named);
    let config: TrainConfig = typed(all, "config.")?;
    if let Err(TrainError::BadConfig {
        field,
        value,
        wanted,
    }) = config.validate()
    {
        let message = format!("is {value}; it must be {wanted}");
        return Err(invalid(&format!("config.{field}"), &message));
    }
    if config.epochs > MOST_EPOCHS {
        return Err(invalid("config.epochs", "must be at most 10000"));
    }
    Ok(config)
}

/// `None` when somebody stopped it.
fn run_training(
    memory: &Memory,
    request: &TrainRequest,
    job: &Job,
) -> Result<Option<Value>, Error> {
    let mut progress = |p: &Progress| {
        job.tell(json!({
            "step": p.step, "total": p.total, "loss": p.loss, "validation": p.validation,
        }));
        if job.cancelled() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    match memory.train(request, &mut progress) {
        Ok(report) => Ok(Some(json!(report))),
        Err(e) if e.code() == Code::Stopped => Ok(None),
        Err(e) => Err(e),
    }
}

/// The number in the path; 0, which no job has, where there is none.
fn number(req: &Req) -> u64 {
    req.id.parse().unwrap_or(0)
}

fn job(req: &Req, found: Option<Arc<Job>>) -> Result<Arc<Job>, Failure> {
    found.ok_or_else(|| {
        let message = format!("there is no job {:?}", req.id);
        Failure::new(Code::JobNotFound, message)
    })
}

fn evaluate(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let request: EvaluateRequest = req.native_body("EvaluateRequest")?;
    if request.policy.is_empty() {
        return Err(invalid("policy", "is required: the policy to evaluate"));
    }
    if request.slates > MOST_SLATES {
        return Err(invalid("slates", "must be at most 1000"));
    }
    spec_in_use(app, "spec", &request.spec)?;
    ok(&app.memory.evaluate(&request, &mut while_awaited(app))?)
}

fn replay(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let mut map = req.native_object("ReplayRequest")?;
    let show = match map.remove("show") {
        None => SHOWN,
        Some(n) => n
            .as_u64()
            .filter(|n| *n <= MOST_SHOWN)
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| invalid("show", "must be a whole number, at most 10000"))?,
    };
    let request: ReplayRequest = typed(map, "")?;
    let mut go_on = while_awaited(app);
    let mut differ: Vec<ReplayedDecision> = Vec::new();
    let report = app.memory.replay(&request, &mut |d| {
        if !d.same && differ.len() < show {
            differ.push(d.clone());
        }
        go_on(0)
    })?;
    ok(&json!({"report": report, "differ": differ}))
}

fn reward_check(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let request: RewardCheckRequest = req.native_body("RewardCheckRequest")?;
    if let Some(spec) = &request.spec {
        spec_in_use(app, "spec", spec)?;
    }
    for spec in &request.against {
        spec_in_use(app, "against", spec)?;
    }
    let mut go_on = while_awaited(app);
    ok(&app
        .memory
        .reward_check_with_progress(&request, &mut go_on)?)
}
