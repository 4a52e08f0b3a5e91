//! Recall, feedback, and the log of decisions.

use std::sync::Arc;

use memrl::{Code, DecisionQuery, Outcome, RecallRequest};
use serde_json::{Value, json};

use crate::App;
use crate::failure::Failure;
use crate::lax;
use crate::reply::{Reply, ok};
use crate::request::{Req, check_keys, typed};
use crate::route::{Answer, Param, Route};

const LIST: [Param; 7] = [
    Param {
        name: "from",
        kind: "time",
        about: "Made at or after this time.",
    },
    Param {
        name: "to",
        kind: "time",
        about: "Made before this time.",
    },
    Param {
        name: "policy",
        kind: "string",
        about: "By this policy, with or without version.",
    },
    Param {
        name: "trajectory",
        kind: "string",
        about: "Of this session or task.",
    },
    Param {
        name: "completed",
        kind: "boolean",
        about: "With (true) or without an outcome.",
    },
    Param {
        name: "cursor",
        kind: "cursor",
        about: "`next_cursor` of the page before.",
    },
    Param {
        name: "limit",
        kind: "page",
        about: "Page size; 50.",
    },
];

pub(crate) const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/v1/recall",
        tag: "decisions",
        about: "Decides which cells to show for a query, logs the decision with its exact \
                probability, and answers with the cells and a block for the agent's context.",
        body: Some("RecallRequest"),
        answers: &[(200, "The decision.", Answer::Json("Recall"))],
        failures: &[404, 502],
        run: recall,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/feedback",
        tag: "decisions",
        about: "Reports an outcome of a decision; every signal is optional, reports add up. A \
                report that contradicts an earlier one is named in `merged.conflicts` and changes \
                nothing, unless it says `revise`.",
        body: Some("Feedback"),
        answers: &[(200, "What it changed.", Answer::Json("FeedbackReport"))],
        failures: &[404],
        run: feedback,
        ..Route::BASE
    },
    Route {
        path: "/v1/decisions",
        tag: "decisions",
        about: "A page of decisions as logged, newest first.",
        query: &LIST,
        answers: &[(200, "The page.", Answer::Json("DecisionPage"))],
        run: list,
        ..Route::BASE
    },
    Route {
        path: "/v1/decisions/{decision_id}",
        tag: "decisions",
        about: "One decision as logged.",
        answers: &[(200, "The decision.", Answer::Json("Decision"))],
        run: |app, req| ok(&app.memory.decision(&req.id)?),
        ..Route::BASE
    },
    Route {
        path: "/v1/decisions/{decision_id}/why",
        tag: "decisions",
        about: "The whole story of one decision: candidates, features, probabilities, reasons, \
                outcome, rewards, and what the cells look like today.",
        answers: &[(200, "The story.", Answer::Json("Why"))],
        run: |app, req| ok(&app.memory.why(&req.id)?),
        ..Route::BASE
    },
];

fn recall(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let request: RecallRequest = req.native_body("RecallRequest")?;
    ok(&app.memory.recall(&request)?)
}

fn feedback(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let mut body = req.native_object("Feedback")?;
    let trajectory = match body.remove("trajectory") {
        Some(Value::String(name)) => Some(name),
        None | Some(Value::Null) => None,
        Some(_) => {
            return Err(Failure::new(
                Code::InvalidInput,
                "trajectory: must be a text",
            ));
        }
    };
    let id = match body.remove("decision_id") {
        Some(Value::String(id)) => app.memory.decision_meant(&id, trajectory.as_deref())?,
        Some(_) => {
            return Err(Failure::new(
                Code::InvalidInput,
                "decision_id: must be a text",
            ));
        }
        None => return Err(Failure::new(Code::InvalidInput, "decision_id: is required")),
    };
    if let Some(Value::Bool(success)) = body.get("success") {
        let number = json!(f64::from(u8::from(*success)));
        body.insert("success".into(), number);
    }
    if let Some(Value::Array(verdicts)) = body.get("verdicts") {
        for (i, verdict) in verdicts.iter().enumerate() {
            if let Value::Object(map) = verdict {
                check_keys(map, "Verdict", &format!("verdicts[{i}]."))?;
            }
        }
    }
    // A null says the same as an absent field.
    body.retain(|_, v| !v.is_null());
    let outcome: Outcome = typed(body, "")?;
    ok(&app.memory.feedback(id, &outcome)?)
}

fn list(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let query = req.native_query(&LIST.map(|p| p.name), |f| DecisionQuery {
        from: f.optional("from", lax::time),
        to: f.optional("to", lax::time),
        policy: f.optional("policy", lax::text),
        trajectory: f.optional("trajectory", lax::text),
        completed: f.optional("completed", lax::boolean),
        cursor: f.optional("cursor", lax::text),
        limit: u32::try_from(f.read("limit", Some(50), |v| lax::count_in(v, 1, 1000))).ok(),
    })?;
    ok(&app.memory.decisions(&query)?)
}
