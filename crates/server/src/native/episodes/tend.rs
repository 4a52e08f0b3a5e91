//! Looking after episodes: spreading values, pruning, reviewing, counting.

use std::sync::Arc;

use memrl::{
    CellType, Clearance, PropagateRequest, PruneReport, PruneRequest, PruneRow, ReviewAction,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{body, project, project_asked};
use crate::App;
use crate::failure::Failure;
use crate::reply::{Reply, ok};
use crate::request::Req;

/// What is old, in days, and …
const OLD_DAYS: f64 = 90.0;
/// … what is worth little, when nobody says.
const LITTLE: f64 = 0.4;

/// `POST /v1/propagate`.
#[derive(Deserialize)]
struct Spread {
    #[serde(default)]
    temporal: bool,
    project: Option<String>,
}

pub(super) fn propagate(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let spread: Spread = body(req, "PropagateRequest")?;
    // Values are spread over all memories and nobody's are shown: no project means all anywhere.
    let named = spread.project.as_deref();
    ok(&app.memory.propagate(&PropagateRequest {
        temporal: spread.temporal,
        project: project(app, named, named.is_none())?,
    })?)
}

/// `POST /v1/prune`.
#[derive(Deserialize)]
struct Prune {
    older_than_days: Option<f64>,
    min_utility: Option<f64>,
    project: Option<String>,
    #[serde(default)]
    all_projects: bool,
    #[serde(default)]
    types: Vec<CellType>,
    #[serde(default)]
    execute: bool,
}

pub(super) fn prune(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let prune: Prune = body(req, "PruneRequest")?;
    let report = app.memory.prune(&PruneRequest {
        older_than_days: prune.older_than_days.unwrap_or(OLD_DAYS),
        min_utility: prune.min_utility.unwrap_or(LITTLE),
        project: project(app, prune.project.as_deref(), prune.all_projects)?,
        types: prune.types,
        execute: prune.execute,
    })?;
    let found = report.rows.len();
    let rows = within_clearance(app, report.rows);
    let withheld = found - rows.len();
    withholding(&PruneReport { rows, ..report }, withheld)
}

/// Cells that this server shows to whoever does not name them.
fn within_clearance(app: &App, mut rows: Vec<PruneRow>) -> Vec<PruneRow> {
    let clearance = Clearance(app.memory.config().recall.clearance);
    rows.retain(|row| clearance.admits(row.cell.sensitivity));
    rows
}

/// A report, with how many of its rows are above the clearance.
fn withholding(report: &impl Serialize, withheld: usize) -> Result<Reply, Failure> {
    let mut report = json!(report);
    if let Some(map) = report.as_object_mut() {
        map.insert("withheld".into(), withheld.into());
    }
    ok(&report)
}

/// `POST /v1/prune/undo`.
#[derive(Deserialize)]
struct Undo {
    decision_id: String,
}

pub(super) fn undo(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let undo: Undo = body(req, "PruneUndo")?;
    ok(&app.memory.undo_prune(&undo.decision_id)?)
}

/// `POST /v1/review`.
#[derive(Deserialize)]
struct Look {
    project: Option<String>,
    #[serde(default)]
    all_projects: bool,
    #[serde(default)]
    action: Action,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum Action {
    #[default]
    Analyze,
    Consolidate,
    Cleanup,
}

pub(super) fn review(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let look: Look = body(req, "ReviewRequest")?;
    let project = project(app, look.project.as_deref(), look.all_projects)?;
    let action = match look.action {
        Action::Analyze => ReviewAction::Analyze,
        Action::Consolidate => ReviewAction::Consolidate,
        Action::Cleanup => ReviewAction::Cleanup,
    };
    let mut review = app.memory.review(project.as_ref(), action)?;
    let found = review.stale.len();
    review.stale = within_clearance(app, review.stale);
    let withheld = found - review.stale.len();
    withholding(&review, withheld)
}

pub(super) fn status(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let project = project_asked(app, req)?;
    ok(&app.memory.project_status(project.as_ref())?)
}

pub(super) fn stats(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let project = project_asked(app, req)?;
    ok(&app.memory.episode_stats(project.as_ref())?)
}
