//! `/v1/cells` and what hangs below one cell.

use std::sync::Arc;

use memrl::{CellPatch, CellStatus, CellType, Code, ListRequest, NewCell, Successor};
use serde_json::{Map, Value, json};

use super::{clearance, names};
use crate::App;
use crate::failure::Failure;
use crate::lax;
use crate::reply::{Reply, ok};
use crate::request::{Req, check_keys, typed};
use crate::route::{Answer, Param, Route};

/// Largest batch.
const MAX_BATCH: usize = 10_000;
/// Largest idempotency key, in bytes.
const MAX_KEY: usize = 255;

const LIST: [Param; 9] = [
    Param {
        name: "scope",
        kind: "string",
        about: "Cells that have every pair: `k=v,k2=v2`, or JSON; all.",
    },
    Param {
        name: "type",
        kind: "CellType[]",
        about: "Only these types, comma separated; all.",
    },
    Param {
        name: "status",
        kind: "CellStatus[]",
        about: "Only these statuses, comma separated; all but deleted.",
    },
    Param {
        name: "clearance",
        kind: "Sensitivity",
        about: "Nothing above it; `recall.clearance`.",
    },
    Param {
        name: "contains",
        kind: "string",
        about: "Only cells whose content has this text.",
    },
    Param {
        name: "created_from",
        kind: "time",
        about: "Written at or after this time.",
    },
    Param {
        name: "created_to",
        kind: "time",
        about: "Written before this time.",
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

const DELETE: [Param; 3] = [
    Param {
        name: "reason",
        kind: "string",
        about: "For the event log; `user_request`.",
    },
    Param {
        name: "purge",
        kind: "boolean",
        about: "Destroy it for good instead of forgetting it; false.",
    },
    Param {
        name: "confirm",
        kind: "boolean",
        about: "Must be true for a purge.",
    },
];

pub(crate) const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/v1/cells",
        tag: "cells",
        about: "Writes a cell. The same content in the same scope and type, or the same key, \
                returns the cell that is there.",
        body: Some("NewCell"),
        answers: &[
            (200, "It was there already.", Answer::Json("Written")),
            (201, "Written.", Answer::Json("Written")),
        ],
        failures: &[409],
        run: write,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/cells/batch",
        tag: "cells",
        about: "Writes up to 10,000 cells, all or none, in order.",
        body: Some("Batch"),
        answers: &[(200, "What became of each.", Answer::Json("BatchWritten"))],
        failures: &[409],
        slow: true,
        run: batch,
        ..Route::BASE
    },
    Route {
        path: "/v1/cells",
        tag: "cells",
        about: "A page of cells, newest first.",
        query: &LIST,
        answers: &[(200, "The page.", Answer::Json("CellPage"))],
        run: list,
        ..Route::BASE
    },
    Route {
        method: "PATCH",
        path: "/v1/cells/{cell_id}",
        tag: "cells",
        about: "Changes a cell in place; its former state is kept as a version.",
        body: Some("CellPatch"),
        answers: &[(200, "The cell.", Answer::Json("Cell"))],
        run: |app, req| {
            ok(&app
                .memory
                .update(&req.id, req.native_body::<CellPatch>("CellPatch")?)?)
        },
        ..Route::BASE
    },
    Route {
        method: "DELETE",
        path: "/v1/cells/{cell_id}",
        tag: "cells",
        about: "Forgets a cell softly, or (purge=true&confirm=true) destroys it with every trace.",
        query: &DELETE,
        answers: &[(
            200,
            "The forgotten cell, or what was destroyed.",
            Answer::Json("Removed"),
        )],
        failures: &[428],
        slow: true,
        run: delete,
        ..Route::BASE
    },
    Route {
        path: "/v1/cells/{cell_id}/history",
        tag: "cells",
        about: "All states of a cell, oldest first.",
        answers: &[(200, "Versions.", Answer::JsonList("CellVersion"))],
        run: |app, req| ok(&app.memory.history(&req.id)?),
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/cells/{cell_id}/supersede",
        tag: "cells",
        about: "Puts a new cell in the place of this one; of concurrent calls one wins.",
        body: Some("Successor"),
        answers: &[(200, "Both cells.", Answer::Json("Superseded"))],
        run: |app, req| {
            ok(&app
                .memory
                .supersede(&req.id, req.native_body::<Successor>("Successor")?)?)
        },
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/cells/{cell_id}/quarantine",
        tag: "cells",
        about: "Doubts a cell: from now on it is shown only as reverify_before_use.",
        body: Some("Reason"),
        answers: &[(200, "The cell.", Answer::Json("Cell"))],
        run: |app, req| ok(&app.memory.quarantine(&req.id, &reason(req)?)?),
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/cells/{cell_id}/release",
        tag: "cells",
        about: "Ends the doubt.",
        body: Some("Reason"),
        answers: &[(200, "The cell.", Answer::Json("Cell"))],
        run: |app, req| ok(&app.memory.release(&req.id, &reason(req)?)?),
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/cells/{cell_id}/purge",
        tag: "cells",
        about: "Destroys a cell: afterwards no byte of its content is in the data directory.",
        body: Some("Confirm"),
        answers: &[(200, "What was destroyed.", Answer::Json("Purged"))],
        failures: &[428],
        slow: true,
        run: |app, req| {
            let body = req.native_object("Confirm")?;
            purge(app, req, body.get("confirm") == Some(&Value::Bool(true)))
        },
        ..Route::BASE
    },
];

fn new_cell(map: Map<String, Value>, prefix: &str) -> Result<NewCell, Failure> {
    check_keys(&map, "NewCell", prefix)?;
    for part in ["policy_features", "source"] {
        if let Some(Value::Object(inner)) = map.get(part) {
            let schema = if part == "source" {
                "SourcePosition"
            } else {
                "PolicyFeatures"
            };
            check_keys(inner, schema, &format!("{prefix}{part}."))?;
        }
    }
    typed(map, prefix)
}

fn write(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let mut cell = new_cell(req.native_object("NewCell")?, "")?;
    if let Some(key) = req.headers.get("idempotency-key") {
        let key = key.to_str().map_err(|_| {
            Failure::new(
                Code::InvalidInput,
                "Idempotency-Key: must be printable ASCII",
            )
        })?;
        if cell.idempotency_key.as_deref().is_some_and(|k| k != key) {
            return Err(Failure::new(
                Code::InvalidInput,
                "Idempotency-Key: the body names another idempotency_key",
            ));
        }
        cell.idempotency_key = Some(key.to_owned());
    }
    check_key(&cell, "")?;
    let written = app.memory.write(cell)?;
    Ok(Reply::json(
        if written.created { 201 } else { 200 },
        &written,
    ))
}

fn check_key(cell: &NewCell, prefix: &str) -> Result<(), Failure> {
    match &cell.idempotency_key {
        Some(key) if key.is_empty() || key.len() > MAX_KEY => Err(Failure::new(
            Code::InvalidInput,
            format!("{prefix}idempotency_key: must have 1 to {MAX_KEY} bytes"),
        )),
        _ => Ok(()),
    }
}

fn batch(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let mut body = req.native_object("Batch")?;
    let Some(Value::Array(rows)) = body.remove("cells") else {
        return Err(Failure::new(
            Code::InvalidInput,
            "cells: must be a list of cells",
        ));
    };
    if rows.len() > MAX_BATCH {
        let message = format!(
            "cells: has {} entries; the limit is {MAX_BATCH}",
            rows.len()
        );
        return Err(Failure::new(Code::InvalidInput, message));
    }
    let mut cells = Vec::with_capacity(rows.len());
    for (i, row) in rows.into_iter().enumerate() {
        let prefix = format!("cells[{i}].");
        let Value::Object(map) = row else {
            let message = format!("cells[{i}]: must be an object");
            return Err(Failure::new(Code::InvalidInput, message));
        };
        let cell = new_cell(map, &prefix)?;
        check_key(&cell, &prefix)?;
        cells.push(cell);
    }
    ok(&json!({"cells": app.memory.write_batch(cells)?}))
}

fn list(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let configured = app.memory.config().recall.clearance;
    let request = req.native_query(&LIST.map(|p| p.name), |f| ListRequest {
        scope: f.read("scope", Some(memrl::Scope::default()), lax::scope),
        types: names(f, "type", CellType::ALL, CellType::as_str),
        statuses: names(f, "status", CellStatus::ALL, CellStatus::as_str),
        clearance: Some(clearance(f, configured)),
        contains: f.optional("contains", lax::text),
        created_from: f.optional("created_from", lax::time),
        created_to: f.optional("created_to", lax::time),
        cursor: f.optional("cursor", lax::text),
        limit: u32::try_from(f.read("limit", Some(50), |v| lax::count_in(v, 1, 1000))).ok(),
    })?;
    ok(&app.memory.list(&request)?)
}

fn reason(req: &Req) -> Result<String, Failure> {
    match req.native_object("Reason")?.remove("reason") {
        None | Some(Value::Null) => Ok("user_request".to_owned()),
        Some(Value::String(reason)) => Ok(reason),
        Some(_) => Err(Failure::new(Code::InvalidInput, "reason: must be a text")),
    }
}

fn delete(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let (reason, destroy, confirm) = req.native_query(&DELETE.map(|p| p.name), |f| {
        (
            f.read("reason", Some("user_request".to_owned()), lax::text),
            f.read("purge", Some(false), lax::boolean),
            f.read("confirm", Some(false), lax::boolean),
        )
    })?;
    if destroy {
        return purge(app, req, confirm);
    }
    ok(&json!({"cell": app.memory.forget(&req.id, &reason)?}))
}

fn purge(app: &Arc<App>, req: &Req, confirmed: bool) -> Result<Reply, Failure> {
    // A cell that does not exist is worth saying first.
    let id = app.memory.get(&req.id)?.cell_id.to_string();
    if !confirmed {
        return Err(Failure::new(
            Code::NotConfirmed,
            "a purge must be confirmed",
        ));
    }
    let purged = app.memory.purge(&[&id])?;
    ok(&json!({"purged": purged}))
}
