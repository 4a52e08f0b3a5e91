//! The log and the cells as JSON Lines, sent while they are read.

use std::sync::Arc;

use memrl::{CellStatus, CellType, DatasetQuery, ListRequest, Scope};

use super::{clearance, names};
use crate::App;
use crate::failure::Failure;
use crate::lax::{self, MAX_SAFE};
use crate::reply::Reply;
use crate::request::Req;
use crate::route::{Answer, Param, Route};

const MEDIA: &str = "application/x-ndjson";

const LOG: [Param; 8] = [
    Param {
        name: "from",
        kind: "time",
        about: "Decisions made at or after this time.",
    },
    Param {
        name: "to",
        kind: "time",
        about: "Decisions made before this time.",
    },
    Param {
        name: "policy",
        kind: "string",
        about: "By this policy.",
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
        name: "limit",
        kind: "integer",
        about: "At most this many decisions; all.",
    },
    Param {
        name: "offset",
        kind: "integer",
        about: "Skip this many decisions; 0.",
    },
    Param {
        name: "texts",
        kind: "boolean",
        about: "With the queries; true.",
    },
];

const CELLS: [Param; 4] = [
    Param {
        name: "scope",
        kind: "string",
        about: "Cells that have every pair; all.",
    },
    Param {
        name: "type",
        kind: "CellType[]",
        about: "Only these types, comma separated; all.",
    },
    Param {
        name: "status",
        kind: "CellStatus[]",
        about: "Only these statuses; all but deleted.",
    },
    Param {
        name: "clearance",
        kind: "Sensitivity",
        about: "Nothing above it; `recall.clearance`. `restricted` exports everything.",
    },
];

const fn table(path: &'static str, about: &'static str, run: crate::reply::Handler) -> Route {
    Route {
        path,
        tag: "export",
        about,
        query: &LOG,
        answers: &[(200, "One JSON object per line.", Answer::Text(MEDIA))],
        slow: true,
        run,
        ..Route::BASE
    }
}

pub(crate) const ROUTES: &[Route] = &[
    table(
        "/v1/export/decisions.jsonl",
        "Decisions, oldest first.",
        |app, req| log(app, req, "decisions"),
    ),
    table(
        "/v1/export/decision_items.jsonl",
        "Candidates of decisions.",
        |app, req| log(app, req, "decision_items"),
    ),
    table(
        "/v1/export/rewards.jsonl",
        "Outcomes and rewards, one signal a line.",
        |app, req| log(app, req, "rewards"),
    ),
    Route {
        path: "/v1/export/cells.jsonl",
        tag: "export",
        about: "Cells, newest first; `memrl import` reads them back.",
        query: &CELLS,
        answers: &[(200, "One JSON object per line.", Answer::Text(MEDIA))],
        slow: true,
        run: cells,
        ..Route::BASE
    },
];

fn log(app: &Arc<App>, req: &Req, table: &'static str) -> Result<Reply, Failure> {
    let (query, texts) = req.native_query(&LOG.map(|p| p.name), |f| {
        let query = DatasetQuery {
            from: f.optional("from", lax::time),
            to: f.optional("to", lax::time),
            policy: f.optional("policy", lax::text),
            trajectory: f.optional("trajectory", lax::text),
            completed: f.optional("completed", lax::boolean),
            limit: f.optional("limit", |v| lax::count_in(v, 0, MAX_SAFE)),
            offset: f.read("offset", Some(0), |v| lax::count_in(v, 0, MAX_SAFE)),
        };
        (query, f.read("texts", Some(true), lax::boolean))
    })?;
    let memory = Arc::clone(&app.memory);
    Ok(Reply::stream(MEDIA, move |out| {
        memory.export_table(table, out, &query, texts).map(|_| ())
    }))
}

fn cells(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let configured = app.memory.config().recall.clearance;
    let request = req.native_query(&CELLS.map(|p| p.name), |f| ListRequest {
        scope: f.read("scope", Some(Scope::default()), lax::scope),
        types: names(f, "type", CellType::ALL, CellType::as_str),
        statuses: names(f, "status", CellStatus::ALL, CellStatus::as_str),
        clearance: Some(clearance(f, configured)),
        ..ListRequest::default()
    })?;
    let memory = Arc::clone(&app.memory);
    Ok(Reply::stream(MEDIA, move |out| {
        memory.export_cells(out, &request).map(|_| ())
    }))
}
