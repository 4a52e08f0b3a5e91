//! `/v1/events` and `/v1/rl/…`.

use std::sync::Arc;

use memrl::{DatasetQuery, EventKind, EventQuery, Memory, Shape};

use super::failure;
use crate::App;
use crate::failure::Failure;
use crate::lax::{self, Fields, MAX_SAFE};
use crate::reply::{Reply, ok};
use crate::request::Req;
use crate::route::{Answer, Param, Route};

const FILTERS: [Param; 5] = [
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
        about: "By this policy, e.g. `baseline_v0`.",
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
];

const PAGE: [Param; 2] = [
    Param {
        name: "limit",
        kind: "page",
        about: "At most this many; 100.",
    },
    Param {
        name: "offset",
        kind: "integer",
        about: "Skip this many; 0.",
    },
];

pub(crate) const ROUTES: &[Route] = &[
    Route {
        path: "/v1/events",
        tag: "memcell",
        about: "What happened, newest first.",
        query: &[
            PAGE[0],
            PAGE[1],
            Param {
                name: "from",
                kind: "time",
                about: "At or after this time.",
            },
            Param {
                name: "to",
                kind: "time",
                about: "Before this time.",
            },
            Param {
                name: "event_type",
                kind: "EventType",
                about: "Only of this type.",
            },
        ],
        answers: &[(200, "Events.", Answer::JsonList("Event"))],
        run: events,
        ..Route::BASE
    },
    Route {
        path: "/v1/rl/transitions",
        tag: "memcell",
        about: "Decisions as transitions (state, action, reward, next state), newest first.",
        query: &[
            PAGE[0], PAGE[1], FILTERS[0], FILTERS[1], FILTERS[2], FILTERS[3], FILTERS[4],
        ],
        answers: &[(200, "Transitions.", Answer::JsonList("Transition"))],
        slow: true,
        run: transitions,
        ..Route::BASE
    },
    Route {
        path: "/v1/rl/dataset",
        tag: "memcell",
        about: "Completed transitions, newest first; all of them unless `limit` says otherwise.",
        query: &[
            Param {
                name: "limit",
                kind: "count",
                about: "At most this many; all.",
            },
            PAGE[1],
            FILTERS[0],
            FILTERS[1],
            FILTERS[2],
            FILTERS[3],
            Param {
                name: "completed",
                kind: "boolean",
                about: "true; false gives those that still wait for an outcome.",
            },
        ],
        answers: &[(200, "Transitions.", Answer::JsonList("DatasetEntry"))],
        slow: true,
        run: dataset,
        ..Route::BASE
    },
];

fn events(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let query = req.memcell_query(|f| EventQuery {
        from: f.optional("from", lax::time),
        to: f.optional("to", lax::time),
        event_type: f.optional("event_type", |v| {
            lax::name(v, EventKind::ALL, EventKind::as_str)
        }),
        limit: u32::try_from(f.read("limit", Some(100), |v| lax::count_in(v, 1, 1000))).ok(),
        offset: offset(f),
    })?;
    ok(&app
        .memory
        .events(&query)
        .map_err(|e| failure(e, "Not Found"))?)
}

fn offset(f: &Fields<'_>) -> u64 {
    f.read("offset", Some(0), |v| lax::count_in(v, 0, MAX_SAFE))
}

/// The filters that both listings take.
fn filters(f: &Fields<'_>) -> DatasetQuery {
    DatasetQuery {
        from: f.optional("from", lax::time),
        to: f.optional("to", lax::time),
        policy: f.optional("policy", lax::text),
        trajectory: f.optional("trajectory", lax::text),
        completed: f.optional("completed", lax::boolean),
        limit: None,
        offset: offset(f),
        spec: None,
    }
}

fn transitions(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let query = req.memcell_query(|f| DatasetQuery {
        limit: Some(f.read("limit", Some(100), |v| lax::count_in(v, 1, 1000))),
        ..filters(f)
    })?;
    Ok(array(&app.memory, query, Shape::Transition))
}

fn dataset(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let query = req.memcell_query(|f| {
        let mut query = filters(f);
        query.limit = f.optional("limit", |v| lax::count_in(v, 1, MAX_SAFE));
        query.completed = Some(query.completed.unwrap_or(true));
        query
    })?;
    Ok(array(&app.memory, query, Shape::Dataset))
}

/// A JSON array that is written while the log is read.
fn array(memory: &Arc<Memory>, query: DatasetQuery, shape: Shape) -> Reply {
    let memory = Arc::clone(memory);
    Reply::stream("application/json", move |out| {
        memory.write_transitions(&query, shape, out)
    })
}
