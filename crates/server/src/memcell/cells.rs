//! `/v1/cells/…` and `/health`.

use std::sync::Arc;

use memrl::{
    CellStatus, CellType, Code, MemcellDecide, MemcellFeedback, MemcellRetrieve, NewCell, Outcome,
    PolicyFeatures, Scope, Sensitivity, Successor,
};
use serde_json::json;

use super::{MAX_BUDGET, MAX_K, failure};
use crate::App;
use crate::failure::Failure;
use crate::lax::{self, Fields, MAX_SAFE};
use crate::reply::{Reply, ok};
use crate::request::Req;
use crate::route::{Answer, Route};

pub(crate) const ROUTES: &[Route] = &[
    Route {
        path: "/health",
        tag: "memcell",
        about: "Whether the server answers.",
        answers: &[(200, "It does.", Answer::Json("Health"))],
        open: true,
        run: |_, _| ok(&json!({"status": "ok"})),
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/cells/write",
        tag: "memcell",
        about: "Writes a cell; the same content again is another cell.",
        body: Some("MemcellWrite"),
        answers: &[(200, "The cell.", Answer::Json("Cell"))],
        run: write,
        ..Route::BASE
    },
    Route {
        path: "/v1/cells/{cell_id}",
        tag: "memcell",
        about: "One cell; 404 once it is forgotten.",
        answers: &[(200, "The cell.", Answer::Json("Cell"))],
        run: get,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/cells/retrieve",
        tag: "memcell",
        about: "The raw view: the best k cells by memcell-rl's score, whatever their status; \
                counts an access of each. For what an agent should see, ask /decide or /v1/recall.",
        body: Some("MemcellRetrieve"),
        answers: &[(200, "Cells and scores.", Answer::Json("MemcellRetrieval"))],
        run: retrieve,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/cells/forget",
        tag: "memcell",
        about: "Forgets a cell softly: the row stays, the content goes.",
        body: Some("MemcellForget"),
        answers: &[(
            200,
            "Forgotten, now or before.",
            Answer::Json("MemcellForgotten"),
        )],
        failures: &[404, 409],
        run: forget,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/cells/supersede",
        tag: "memcell",
        about: "Puts a new cell in the place of another; of concurrent calls one wins.",
        body: Some("MemcellSupersede"),
        answers: &[(200, "Both cells.", Answer::Json("Superseded"))],
        failures: &[404, 409],
        run: supersede,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/cells/decide",
        tag: "memcell",
        about: "Decides by baseline_v0 (or the policy asked for) which cells to show, and logs it.",
        body: Some("MemcellDecide"),
        answers: &[(200, "The decision.", Answer::Json("MemcellDecision"))],
        failures: &[404],
        run: decide,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/cells/feedback",
        tag: "memcell",
        about: "Reports the outcome of a decision. The same report again changes nothing; one that \
                contradicts an earlier one is named in `conflicts` and does not change the reward.",
        body: Some("MemcellFeedback"),
        answers: &[(200, "The reward.", Answer::Json("MemcellReward"))],
        failures: &[404],
        run: feedback,
        ..Route::BASE
    },
    Route {
        path: "/v1/cells/policies/baseline",
        tag: "memcell",
        about: "What baseline_v0 does.",
        answers: &[(200, "The policy.", Answer::Json("MemcellPolicy"))],
        run: baseline,
        ..Route::BASE
    },
    Route {
        path: "/v1/policies/baseline",
        tag: "memcell",
        about: "What baseline_v0 does, where memcell-rl's README looks for it.",
        answers: &[(200, "The policy.", Answer::Json("MemcellPolicy"))],
        run: baseline,
        ..Route::BASE
    },
];

/// The four numbers, inside `policy_features` or (README) at top level.
fn features(f: &Fields<'_>) -> Option<PolicyFeatures> {
    const NAMES: [&str; 4] = [
        "criticality",
        "compressibility",
        "staleness",
        "future_utility_estimate",
    ];
    let inner = f.nested("policy_features");
    if inner.is_none() && !NAMES.iter().any(|n| f.has(n)) {
        return None;
    }
    let d = PolicyFeatures::default();
    let read = |name: &str, default: f64| match &inner {
        Some(inner) if inner.raw(name).is_some() || !f.has(name) => {
            inner.read(name, Some(default), lax::float)
        }
        _ => f.read(name, Some(default), lax::float),
    };
    Some(PolicyFeatures {
        criticality: read(NAMES[0], d.criticality),
        compressibility: read(NAMES[1], d.compressibility),
        staleness: read(NAMES[2], d.staleness),
        future_utility_estimate: read(NAMES[3], d.future_utility_estimate),
    })
}

fn write(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let cell = req.memcell_body(|f| {
        let kind = |v: &_| lax::name(v, CellType::ALL, CellType::as_str).map(Some);
        let kind = if f.raw("type").is_none() && f.raw("cell_type").is_some() {
            f.read("cell_type", None, kind)
        } else {
            f.read("type", None, kind)
        };
        let scope = f.read("scope", None, lax::scope);
        let content = f.read("content", None, lax::text);
        // A type that cannot be read is a fault, and then nothing is written.
        let mut cell = NewCell::new(kind.unwrap_or(CellType::Fact), scope, content);
        cell.status = f
            .optional("status", |v| {
                lax::name(v, CellStatus::ALL, CellStatus::as_str)
            })
            .unwrap_or(CellStatus::Active);
        cell.confidence = f.read("confidence", Some(1.0), lax::unit);
        cell.sensitivity = f
            .optional("sensitivity", |v| {
                lax::name(v, Sensitivity::ALL, Sensitivity::as_str)
            })
            .unwrap_or(Sensitivity::Low);
        cell.source_refs = f.read("source_refs", Some(Vec::new()), lax::texts);
        cell.valid_from = f.optional("valid_from", lax::time);
        cell.valid_until = f.optional("valid_until", lax::time);
        cell.supersedes = f.read("supersedes", Some(Vec::new()), lax::texts);
        cell.contradicted_by = f.read("contradicted_by", Some(Vec::new()), lax::texts);
        cell.policy_features = features(f);
        cell
    })?;
    ok(&app
        .memory
        .memcell_write(cell)
        .map_err(|e| failure(e, "Cell not found"))?)
}

fn get(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let missing = "Cell not found";
    let cell = app.memory.get(&req.id).map_err(|e| failure(e, missing))?;
    if cell.status == CellStatus::Deleted {
        return Err(Failure::new(Code::CellNotFound, missing));
    }
    ok(&cell)
}

/// The asked scope. Nothing asked for means everything on one person's machine, as in memcell-rl;
/// where others can reach the server it would show everybody's cells.
fn asked_scope(app: &App, f: &Fields<'_>, absent: Option<Scope>) -> Scope {
    let scope = f.read("scope", absent, lax::scope);
    let given = f
        .raw("scope")
        .is_none_or(|v| v.is_object() || v.is_string());
    if scope.is_empty() && given && !app.loopback {
        f.fault(
            "scope",
            "empty_scope",
            "The scope must name a key on this server",
            Code::EmptyScope,
        );
    }
    scope
}

fn retrieve(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let request = req.memcell_body(|f| MemcellRetrieve {
        query: f.read("query", None, lax::text),
        scope: asked_scope(app, f, None),
        types: f.optional("types", |v| {
            lax::list(v, |v| lax::name(v, CellType::ALL, CellType::as_str))
        }),
        k: f.read("k", Some(5), |v| lax::count_in(v, 1, MAX_K)),
    })?;
    ok(&app
        .memory
        .memcell_retrieve(&request)
        .map_err(|e| failure(e, "Cell not found"))?)
}

fn forget(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let (id, reason) = req.memcell_body(|f| {
        let id = f.read("cell_id", None, lax::text);
        (id, f.read("reason", Some("user_request".into()), lax::text))
    })?;
    let cell = app
        .memory
        .forget(&id, &reason)
        .map_err(|e| failure(e, "Cell not found"))?;
    ok(&json!({"ok": true, "cell_id": cell.cell_id}))
}

fn supersede(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let missing = "Old cell not found";
    let (id, successor) = req.memcell_body(|f| {
        let id = f.read("old_cell_id", None, lax::text);
        let successor = Successor {
            content: f.read("new_content", None, lax::text),
            confidence: f.optional("new_confidence", lax::unit),
            source_refs: f.read("source_refs", Some(Vec::new()), lax::texts),
            valid_until: None,
        };
        (id, successor)
    })?;
    let done = app.memory.supersede(&id, successor).map_err(|e| {
        let deleted = e.code() == Code::WrongStatus
            && app
                .memory
                .get(&id)
                .is_ok_and(|c| c.status == CellStatus::Deleted);
        if deleted {
            Failure::new(Code::CellNotFound, missing)
        } else {
            failure(e, missing)
        }
    })?;
    ok(&done)
}

fn decide(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let request = req.memcell_body(|f| {
        // README's form: `token_budget`, and no scope.
        let readme = f.raw("token_budget").is_some();
        let budget = if readme && f.raw("budget_tokens").is_none() {
            "token_budget"
        } else {
            "budget_tokens"
        };
        MemcellDecide {
            query: f.read("query", None, lax::text),
            scope: asked_scope(app, f, readme.then(Scope::default)),
            task_type: f.read("task_type", Some(String::new()), lax::text),
            budget_tokens: f.read(budget, Some(2000), |v| lax::count_in(v, 1, MAX_BUDGET)),
            k: f.read("k", Some(10), |v| lax::count_in(v, 1, MAX_K)),
            policy: f.optional("policy", lax::text),
            trajectory: f.optional("trajectory_id", lax::text),
            explore: f.read("explore", Some(false), lax::boolean),
        }
    })?;
    ok(&app
        .memory
        .memcell_decide(&request)
        .map_err(|e| failure(e, "Policy not found"))?)
}

fn feedback(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let missing = "Transition not found";
    let (id, outcome) = req.memcell_body(|f| {
        // Required there and never looked at; here it may be left out.
        f.optional("query_id", lax::text);
        let id = f.read("transition_id", None, lax::text);
        let number = |name: &str| {
            let n = f.read(name, Some(0), |v| lax::count_in(v, 0, MAX_SAFE));
            i64::try_from(n).ok()
        };
        let outcome = Outcome {
            success: Some(f64::from(u8::from(f.read(
                "task_success",
                None,
                lax::boolean,
            )))),
            unsafe_action: Some(f.read("unsafe_action", Some(false), lax::boolean)),
            stale_memory_error: Some(f.read("stale_memory_error", Some(false), lax::boolean)),
            tokens_used: number("tokens_used"),
            latency_ms: number("latency_ms"),
            user_correction: f.optional("user_correction", lax::text),
            source: "memcell".into(),
            ..Outcome::default()
        };
        (id, outcome)
    })?;
    let transition_id = id
        .trim()
        .parse()
        .map_err(|_| Failure::new(Code::DecisionNotFound, missing))?;
    let request = MemcellFeedback {
        transition_id,
        outcome,
    };
    ok(&app
        .memory
        .memcell_feedback(&request)
        .map_err(|e| failure(e, missing))?)
}

fn baseline(_: &Arc<App>, _: &Req) -> Result<Reply, Failure> {
    let modes: Vec<_> = [
        "context",
        "constraint",
        "background",
        "suppress",
        "reverify_before_use",
    ]
    .into();
    ok(&json!({
        "policy_id": "baseline_v0",
        "policy_type": "rule_based",
        "confidence": 0.75,
        "description": "Critical constraints first, then by criticality, expected utility, score \
            and confidence, as many as fit the token budget. Expired, superseded, contradicted \
            and not yet valid cells are suppressed; quarantined ones must be verified before use.",
        "retrieval_action_space": modes,
        "retention_action_space":
            memrl::RetentionAction::ALL.iter().map(|a| a.as_str()).collect::<Vec<_>>(),
    }))
}
