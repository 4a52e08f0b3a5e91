//! Policies: which there are, what they are made of, their roles, and their files.

use std::sync::Arc;

use axum::http::header;
use memrl::{Code, LogQuery, PolicyRow};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{invalid, no_query, while_awaited};
use crate::App;
use crate::failure::Failure;
use crate::lax;
use crate::reply::{Reply, ok};
use crate::request::Req;
use crate::route::{Answer, Param, Route};

/// Media type of a policy's file.
const FILE: &str = "application/octet-stream";
/// Decisions that two policies are compared on when nobody says how many.
const COMPARED: u64 = 1_000;
/// The most that they are compared on.
const MOST_COMPARED: u64 = 100_000;
/// The reason of a step that nobody gave one for.
const ASKED: &str = "asked for over HTTP";

const STEP: &[(u16, &str, Answer)] = &[(
    200,
    "What was done, and the roles now.",
    Answer::Json("PolicyStep"),
)];

/// Which part of the log a report about shadow mode reads.
const SHADOWED: [Param; 3] = [
    Param {
        name: "from",
        kind: "time",
        about: "Decisions made at or after this time.",
    },
    Param {
        name: "before",
        kind: "time",
        about: "Decisions made before this time.",
    },
    Param {
        name: "limit",
        kind: "count",
        about: "At most this many, the newest; all without it.",
    },
];

pub(crate) const ROUTES: &[Route] = &[
    Route {
        path: "/v1/policies",
        tag: "learning",
        about: "The policies there are, built in and learned, what each does now, and which one native recalls use.",
        answers: &[(200, "Policies.", Answer::Json("Policies"))],
        run: list,
        ..Route::BASE
    },
    Route {
        path: "/v1/policies/{policy}",
        tag: "learning",
        about: "Everything about one policy: card, weights, roles. (`baseline` is memcell-rl's own route.)",
        answers: &[(200, "The policy.", Answer::Json("PolicyView"))],
        run: |app, req| {
            no_query(req)?;
            ok(&app.memory.policy_view(&req.id)?)
        },
        ..Route::BASE
    },
    Route {
        method: "DELETE",
        path: "/v1/policies/{policy}",
        tag: "learning",
        about: "Deletes a learned policy that has no role.",
        answers: &[(200, "What was deleted.", Answer::Json("PolicyLabel"))],
        run: |app, req| {
            no_query(req)?;
            ok(&json!({"policy": app.memory.policy_delete(&req.id)?}))
        },
        ..Route::BASE
    },
    Route {
        path: "/v1/policies/{policy}/file",
        tag: "learning",
        about: "The file of a learned policy: weights and card, for `import` on another memory.",
        answers: &[(200, "The file.", Answer::Text(FILE))],
        run: |app, req| {
            no_query(req)?;
            Ok(Reply::whole(200, FILE, app.memory.policy_export(&req.id)?))
        },
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/policies/import",
        tag: "learning",
        about: "Takes the file of a policy into this memory, as the next version of its name; it has no role yet.",
        query: &[Param {
            name: "name",
            kind: "string",
            about: "Another name than its own: 1 to 64 of a-z, 0-9, _ and -.",
        }],
        body: Some("PolicyFile"),
        media: &[FILE],
        answers: &[(201, "Taken.", Answer::Json("PolicyLabel"))],
        run: import,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/policies/diff",
        tag: "learning",
        about: "How two policies differ: in their weights, and in what they would have shown to the newest decisions.",
        body: Some("PolicyDiffRequest"),
        answers: &[(200, "The difference.", Answer::Json("PolicyDiff"))],
        failures: &[404, 409],
        slow: true,
        run: diff,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/policies/shadow",
        tag: "learning",
        about: "Lets a policy say, on live traffic, what it would have shown; it shows nothing. null ends that.",
        body: Some("ShadowRequest"),
        answers: STEP,
        failures: &[404, 409],
        run: shadow,
        ..Route::BASE
    },
    Route {
        path: "/v1/policies/shadow",
        tag: "learning",
        about: "What each policy that was in shadow mode would have shown, against what was shown. It says nothing about what would \
                have come of it; `POST /v1/evaluate` does.",
        query: &SHADOWED,
        answers: &[(200, "The policies, by label.", Answer::Json("ShadowReport"))],
        slow: true,
        run: shadowed,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/policies/canary",
        tag: "learning",
        about: "Puts a policy on trial: it serves a share of the trajectories, chosen by a coin, beside the incumbent. One whose \
                evaluation does not speak for a trial is 409 `not_proven`, unless `force` gives a reason.",
        body: Some("CanaryRequest"),
        answers: STEP,
        failures: &[404, 409],
        slow: true,
        run: canary,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/policies/stop",
        tag: "learning",
        about: "Ends a trial without a promotion.",
        body: Some("ReasonRequest"),
        answers: STEP,
        failures: &[409],
        run: |app, req| ok(&app.memory.policy_stop(&reason(req)?)?),
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/policies/promote",
        tag: "learning",
        about: "Puts a policy in charge. Its trial must have proved it better, else 409 `not_proven`, unless `force` gives a \
                reason, which is logged. The former incumbent keeps a small share.",
        body: Some("PromoteRequest"),
        answers: STEP,
        failures: &[404, 409],
        slow: true,
        run: promote,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/policies/rollback",
        tag: "learning",
        about: "Puts the former incumbent back in charge.",
        body: Some("ReasonRequest"),
        answers: STEP,
        failures: &[409],
        run: |app, req| ok(&app.memory.policy_rollback(&reason(req)?)?),
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/policies/check",
        tag: "learning",
        about: "Looks at what trial and watch have shown so far, and acts on it: promotes, stops, or rolls back. Looking often \
                changes nothing about what it takes.",
        body: Some("PolicyCheckRequest"),
        answers: &[(200, "What was seen and done.", Answer::Json("PolicyCheck"))],
        failures: &[409],
        slow: true,
        run: |app, req| {
            req.native_object("PolicyCheckRequest")?;
            let mut go_on = while_awaited(app);
            ok(&app.memory.policy_check_with_progress(&mut go_on)?)
        },
        ..Route::BASE
    },
];

fn list(app: &Arc<App>, _: &Req) -> Result<Reply, Failure> {
    let rows: Vec<Value> = app.memory.policies()?.iter().map(row).collect();
    ok(&json!({
        "policies": rows,
        "native_default": app.memory.config().recall.policy,
        "memcell_default": "baseline_v0",
        "in_charge": app.memory.in_charge()?,
        "roles": app.memory.roles()?,
    }))
}

fn row(row: &PolicyRow) -> Value {
    let (id, version) = row.label.rsplit_once('@').unwrap_or((&row.label, "0"));
    json!({
        "id": id,
        "version": version.parse::<u32>().unwrap_or(0),
        "label": row.label,
        "algo": row.algo,
        "created_at": row.created_at,
        "roles": row.roles,
        "decides": row.decides,
        "forced": row.forced,
    })
}

fn import(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let name = req.native_query(&["name"], |f| f.optional("name", lax::text))?;
    let essence = req.headers.get(header::CONTENT_TYPE).map(|v| {
        let text = v.to_str().unwrap_or_default();
        text.split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    });
    if essence.is_some_and(|e| e != FILE) {
        let message = format!("the file of a policy is {FILE}");
        return Err(Failure::new(Code::UnsupportedMediaType, message)
            .hint("send `Content-Type: application/octet-stream`"));
    }
    let label = app.memory.policy_import(&req.body, name.as_deref())?;
    Ok(Reply::json(201, &json!({"policy": label})))
}

#[derive(Deserialize)]
struct Diff {
    a: String,
    b: String,
    limit: Option<u64>,
}

fn diff(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let asked: Diff = req.native_body("PolicyDiffRequest")?;
    let limit = asked.limit.unwrap_or(COMPARED);
    if !(1..=MOST_COMPARED).contains(&limit) {
        return Err(invalid("limit", "must lie in [1, 100000]"));
    }
    ok(&app.memory.policy_diff(&asked.a, &asked.b, limit)?)
}

fn shadow(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let map = req.native_object("ShadowRequest")?;
    let policy = match map.get("policy") {
        Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.as_str()),
        _ => return Err(invalid("policy", "is required: a policy, or null for none")),
    };
    ok(&app.memory.policy_shadow(policy)?)
}

fn shadowed(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let query = req.native_query(&SHADOWED.map(|p| p.name), |f| LogQuery {
        from: f.optional("from", lax::time),
        before: f.optional("before", lax::time),
        policy: None,
        limit: f.optional("limit", |v| lax::count_in(v, 1, lax::MAX_SAFE)),
    })?;
    let mut go_on = while_awaited(app);
    let items = app.memory.shadow_report_with_progress(&query, &mut go_on)?;
    ok(&json!({"items": items}))
}

#[derive(Deserialize)]
struct Canary {
    policy: String,
    share: Option<f64>,
    #[serde(default)]
    hold: bool,
    force: Option<String>,
}

fn canary(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let asked: Canary = req.native_body("CanaryRequest")?;
    let force = said("force", asked.force.as_deref())?;
    ok(&app.memory.policy_canary_with_progress(
        &asked.policy,
        asked.share,
        asked.hold,
        force,
        &mut while_awaited(app),
    )?)
}

#[derive(Deserialize)]
struct Promote {
    policy: String,
    force: Option<String>,
}

fn promote(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let asked: Promote = req.native_body("PromoteRequest")?;
    let force = said("force", asked.force.as_deref())?;
    ok(&app.memory.policy_promote(&asked.policy, force)?)
}

#[derive(Deserialize)]
struct Reason {
    reason: Option<String>,
}

fn reason(req: &Req) -> Result<String, Failure> {
    let asked: Reason = req.native_body("ReasonRequest")?;
    Ok(said("reason", asked.reason.as_deref())?
        .unwrap_or(ASKED)
        .to_owned())
}

/// A reason goes into the log: an empty one is none.
fn said<'a>(field: &str, reason: Option<&'a str>) -> Result<Option<&'a str>, Failure> {
    if reason.is_some_and(|r| r.trim().is_empty()) {
        return Err(invalid(field, "is a reason that is logged; say why"));
    }
    Ok(reason)
}
