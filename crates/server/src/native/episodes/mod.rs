//! Episodes and their values: capture, retrieve, judge, propagate, prune, look through.
//!
//! A project is named by its id or name. Requests come from other machines, too, so no name means
//! a directory of this one, and nothing of its file system is looked at.

mod ask;
mod capture;
mod tend;

use std::sync::Arc;

use memrl::{Code, EpisodeQuery, EpisodeRow, Project};
use serde::de::DeserializeOwned;

use super::{clearance, names};
use crate::App;
use crate::failure::Failure;
use crate::lax;
use crate::reply::{Reply, ok};
use crate::request::{Req, typed};
use crate::route::{Answer, Param, Route};

const PROJECT: Param = Param {
    name: "project",
    kind: "string",
    about: "Only of this project, by id or name; all of them on a server bound to loopback.",
};
const ALL_PROJECTS: Param = Param {
    name: "all_projects",
    kind: "boolean",
    about: "Of all projects, where the server is not bound to loopback; false.",
};

const LIST: [Param; 8] = [
    PROJECT,
    ALL_PROJECTS,
    Param {
        name: "type",
        kind: "CellType[]",
        about: "Cells of these types instead, comma separated; episode.",
    },
    Param {
        name: "tag",
        kind: "string",
        about: "Only with a tag that contains this, letter case aside.",
    },
    Param {
        name: "outcome",
        kind: "EpisodeStatus",
        about: "Only with this outcome.",
    },
    Param {
        name: "clearance",
        kind: "Sensitivity",
        about: "Nothing above it; `recall.clearance`.",
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

const OF_PROJECT: [Param; 2] = [PROJECT, ALL_PROJECTS];

pub(crate) const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/v1/episodes",
        tag: "episodes",
        about: "Captures an episode: secrets are cut out, near-duplicates linked, decisions that \
                were in use learn from the outcome. The same session again is a new version.",
        body: Some("CaptureRequest"),
        answers: &[
            (
                200,
                "A new version of it, or nothing new.",
                Answer::Json("Captured"),
            ),
            (201, "Captured.", Answer::Json("Captured")),
        ],
        failures: &[404, 409],
        run: capture::told,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/episodes/transcript",
        tag: "episodes",
        about: "Captures the session in a transcript of Claude Code, Codex, or plain turns. The \
                body is the whole transcript; sent again when the session went on, it makes a new \
                version.",
        query: &capture::TRANSCRIPT,
        required: &["project"],
        body: Some("Transcript"),
        media: capture::MEDIA,
        answers: &[
            (
                200,
                "A new version of it, or nothing new.",
                Answer::Json("Captured"),
            ),
            (201, "Captured.", Answer::Json("Captured")),
        ],
        failures: &[409],
        slow: true,
        run: capture::sent,
        ..Route::BASE
    },
    Route {
        path: "/v1/episodes",
        tag: "episodes",
        about: "A page of episodes with their values, newest first.",
        query: &LIST,
        answers: &[(200, "The page.", Answer::Json("EpisodePage"))],
        failures: &[409],
        run: list,
        ..Route::BASE
    },
    Route {
        path: "/v1/episodes/stats",
        tag: "episodes",
        about: "Counts of episodes by outcome, kind of work, project and tag.",
        query: &OF_PROJECT,
        answers: &[(200, "Counts.", Answer::Json("EpisodeStats"))],
        failures: &[409],
        slow: true,
        run: tend::stats,
        ..Route::BASE
    },
    Route {
        path: "/v1/episodes/{cell_id}",
        tag: "episodes",
        about: "One episode with its value.",
        answers: &[(200, "The episode.", Answer::Json("EpisodeRow"))],
        run: one,
        ..Route::BASE
    },
    Route {
        path: "/v1/cells/{cell_id}/value",
        tag: "episodes",
        about: "What a cell is worth, as far as outcomes tell.",
        answers: &[(200, "Its value.", Answer::Json("CellValue"))],
        run: |app, req| ok(&app.memory.value(&req.id)?),
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/retrieve",
        tag: "episodes",
        about: "Finds episodes that help with a task: a recall like any other, logged, over one \
                project first, with what each is worth.",
        body: Some("RetrieveRequest"),
        answers: &[(200, "What was found.", Answer::Json("Retrieved"))],
        failures: &[404, 409, 502],
        run: ask::retrieve,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/feedback/cells",
        tag: "episodes",
        about: "Says whether cells that a decision showed were of use. Of a cell that was never \
                shown nothing can be said; then nothing is recorded at all.",
        body: Some("CellFeedback"),
        answers: &[(200, "What it changed.", Answer::Json("CellFeedbackReport"))],
        failures: &[404, 409],
        run: ask::judge,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/propagate",
        tag: "episodes",
        about: "Spreads what is known about cells to those that are similar. Twice is once.",
        body: Some("PropagateRequest"),
        answers: &[(200, "What changed.", Answer::Json("PropagateReport"))],
        failures: &[409],
        slow: true,
        run: tend::propagate,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/prune",
        tag: "episodes",
        about: "Puts away what is old and worth little; without `execute` only says what that is.",
        body: Some("PruneRequest"),
        answers: &[(
            200,
            "What was, or would be, pruned.",
            Answer::Json("PruneReport"),
        )],
        failures: &[409],
        slow: true,
        run: tend::prune,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/prune/undo",
        tag: "episodes",
        about: "Brings back what a prune or a review has put away.",
        body: Some("PruneUndo"),
        answers: &[(200, "What is back.", Answer::Json("Restored"))],
        failures: &[404, 409],
        slow: true,
        run: tend::undo,
        ..Route::BASE
    },
    Route {
        method: "POST",
        path: "/v1/review",
        tag: "episodes",
        about: "Looks for stale episodes and near-duplicates, and puts them away when asked to.",
        body: Some("ReviewRequest"),
        answers: &[(200, "What was found and done.", Answer::Json("Review"))],
        failures: &[409],
        slow: true,
        run: tend::review,
        ..Route::BASE
    },
    Route {
        path: "/v1/status",
        tag: "episodes",
        about: "How the memory of a project is doing, and what could be done.",
        query: &OF_PROJECT,
        answers: &[(200, "The status.", Answer::Json("ProjectStatus"))],
        failures: &[409],
        slow: true,
        run: tend::status,
        ..Route::BASE
    },
];

/// The project that a request names; `None` means all. Where others can reach the server, all
/// have to be asked for: as with scopes, nothing said would show everybody's.
fn project(app: &App, named: Option<&str>, all: bool) -> Result<Option<Project>, Failure> {
    match named {
        Some(_) if all => Err(invalid(
            "project",
            "cannot be named together with all_projects",
        )),
        Some(name) => Ok(Some(app.memory.project_named(name)?)),
        None if all || app.loopback => Ok(None),
        None => Err(
            Failure::new(Code::EmptyScope, "project: must be named on this server")
                .hint("name a project, or ask for all of them with `all_projects`")
                .with("field", "project"),
        ),
    }
}

/// The project of a query.
fn project_asked(app: &App, req: &Req) -> Result<Option<Project>, Failure> {
    let (named, all) = req.native_query(&OF_PROJECT.map(|p| p.name), |f| {
        (
            f.optional("project", lax::text),
            f.read("all_projects", Some(false), lax::boolean),
        )
    })?;
    project(app, named.as_deref(), all)
}

/// A body as a type; a null says the same as an absent field.
fn body<T: DeserializeOwned>(req: &Req, schema: &str) -> Result<T, Failure> {
    let mut map = req.native_object(schema)?;
    map.retain(|_, v| !v.is_null());
    typed(map, "")
}

/// An unusable field.
fn invalid(field: &str, message: impl std::fmt::Display) -> Failure {
    Failure::new(Code::InvalidInput, format!("{field}: {message}")).with("field", field)
}

fn list(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let configured = app.memory.config().recall.clearance;
    let (named, all, query) = req.native_query(&LIST.map(|p| p.name), |f| {
        let query = EpisodeQuery {
            project: None,
            types: names(f, "type", memrl::CellType::ALL, memrl::CellType::as_str),
            tag: f.optional("tag", lax::text),
            outcome: f.optional("outcome", |v| {
                lax::name(v, memrl::EpisodeStatus::ALL, memrl::EpisodeStatus::as_str)
            }),
            clearance: Some(clearance(f, configured)),
            limit: u32::try_from(f.read("limit", Some(50), |v| lax::count_in(v, 1, 1000))).ok(),
            cursor: f.optional("cursor", lax::text),
        };
        let all = f.read("all_projects", Some(false), lax::boolean);
        (f.optional("project", lax::text), all, query)
    })?;
    ok(&app.memory.episodes(&EpisodeQuery {
        project: project(app, named.as_deref(), all)?,
        ..query
    })?)
}

fn one(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let missing = || {
        Failure::new(
            Code::CellNotFound,
            format!("there is no episode {}", req.id),
        )
    };
    if req.id == "last" {
        let newest = EpisodeQuery {
            limit: Some(1),
            ..EpisodeQuery::default()
        };
        let row = app.memory.episodes(&newest)?.items.pop();
        let mut row = row.ok_or_else(missing)?;
        memrl::outward(&mut row.cell);
        return ok(&row);
    }
    let mut cell = app.memory.get(&req.id)?;
    memrl::outward(&mut cell);
    if cell.kind != memrl::CellType::Episode || cell.status == memrl::CellStatus::Deleted {
        return Err(missing());
    }
    let value = app.memory.value(&cell.cell_id.to_string())?;
    let of = cell.scope.0.get("project").and_then(|v| v.as_str());
    ok(&EpisodeRow {
        project: of.map_or_else(String::new, |id| Project::named(id).name),
        cell,
        value,
    })
}
