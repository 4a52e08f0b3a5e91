//! Capturing: an episode that is told field by field or whole, and a transcript.

use std::sync::Arc;

use axum::http::header;
use memrl::{
    CaptureAction, CaptureRequest, Captured, Code, DecisionId, Ended, Episode, EpisodeStatus,
    Intent, Origin, Project, SentTranscript, Session, TaskType, TestCounts, Timestamp, Touched,
    Trouble,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::invalid;
use crate::App;
use crate::failure::Failure;
use crate::lax;
use crate::reply::Reply;
use crate::request::{Req, check_keys, typed};
use crate::route::Param;

/// Fields that go with a whole `episode`; all others are in it.
const BESIDES: [&str; 5] = ["episode", "project", "decisions", "trajectory", "origin"];
/// Longest id of a session, in bytes.
const MAX_SESSION: usize = 256;

/// `POST /v1/episodes`, nulls left out.
#[derive(Deserialize)]
struct Told {
    project: Option<String>,
    episode: Option<Episode>,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    prompt: String,
    task_type: Option<String>,
    outcome: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    files_read: Vec<String>,
    #[serde(default)]
    files_modified: Vec<String>,
    #[serde(default)]
    tools: Vec<String>,
    #[serde(default)]
    errors: Vec<ToldError>,
    #[serde(default)]
    learnings: Vec<String>,
    tests_before: Option<TestCounts>,
    tests_after: Option<TestCounts>,
    commit: Option<String>,
    pull_request: Option<u64>,
    diff: Option<String>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    session: Option<ToldSession>,
    #[serde(default)]
    decisions: Vec<String>,
    trajectory: Option<String>,
    origin: Option<Origin>,
}

#[derive(Deserialize)]
struct ToldError {
    message: String,
    resolution: Option<String>,
    resolved: Option<bool>,
    #[serde(default, rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct ToldSession {
    id: String,
    client: Option<String>,
}

pub(super) fn told(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    let mut map = req.native_object("CaptureRequest")?;
    map.retain(|_, v| !v.is_null());
    let limit = app.memory.config().limits.max_content_bytes;
    if req.body.len() as u64 > limit {
        let message = format!(
            "the episode has {} bytes; the limit is {limit}",
            req.body.len()
        );
        return Err(Failure::new(Code::ContentTooLarge, message));
    }
    check_inner(&map)?;
    let mut told: Told = typed(map, "")?;
    let decisions = std::mem::take(&mut told.decisions)
        .iter()
        .map(|id| Ok(app.memory.decision(id)?.decision_id))
        .collect::<Result<Vec<DecisionId>, Failure>>()?;
    let trajectory = told.trajectory.take();
    let origin = told.origin.unwrap_or(Origin::Agent);
    let Some(named) = told.project.take() else {
        return Err(invalid("project", "is required: an id or a name"));
    };
    let project = app.memory.project_named(&named)?;
    let episode = match told.episode.take() {
        Some(episode) => episode,
        None => episode_of(told)?,
    };
    Ok(captured(&app.memory.capture(CaptureRequest {
        episode,
        project,
        origin,
        decisions,
        trajectory,
    })?))
}

/// Objects inside have known keys, too, except in an `episode` of another program; and an
/// `episode` has no second home for its fields.
fn check_inner(map: &Map<String, Value>) -> Result<(), Failure> {
    if map.contains_key("episode") {
        return match map.keys().find(|k| !BESIDES.contains(&k.as_str())) {
            Some(key) => Err(invalid(key, "belongs into `episode` when there is one")),
            None => Ok(()),
        };
    }
    for (name, schema) in [
        ("tests_before", "TestCounts"),
        ("tests_after", "TestCounts"),
        ("session", "EpisodeSession"),
    ] {
        if let Some(Value::Object(inner)) = map.get(name) {
            check_keys(inner, schema, &format!("{name}."))?;
        }
    }
    if let Some(Value::Array(errors)) = map.get("errors") {
        for (i, error) in errors.iter().enumerate() {
            if let Value::Object(inner) = error {
                check_keys(inner, "EpisodeError", &format!("errors[{i}]."))?;
            }
        }
    }
    Ok(())
}

/// The episode that the fields tell.
fn episode_of(told: Told) -> Result<Episode, Failure> {
    let task_type = chosen("task_type", told.task_type, TaskType::from_name, || {
        TaskType::ALL.iter().map(|v| v.as_str()).collect()
    })?;
    let status = chosen("outcome", told.outcome, EpisodeStatus::from_name, || {
        EpisodeStatus::ALL.iter().map(|v| v.as_str()).collect()
    })?;
    let troubles = told.errors.into_iter().map(|e| Trouble {
        error_type: e.kind,
        message: e.message,
        resolved: e.resolved.unwrap_or(e.resolution.is_some()),
        resolution: e.resolution,
    });
    Ok(Episode {
        timestamp_start: told.started_at,
        timestamp_end: told.ended_at,
        intent: Intent {
            raw_prompt: told.prompt,
            extracted_intent: told.summary,
            task_type,
            domain: told.tags,
            ..Intent::default()
        },
        context: Touched {
            files_read: told.files_read,
            files_modified: told.files_modified,
            tools_invoked: told.tools,
            errors_encountered: troubles.collect(),
        },
        outcome: Ended {
            status,
            tests_before: told.tests_before,
            tests_after: told.tests_after,
            commit_sha: told.commit,
            pr_number: told.pull_request,
        },
        learnings: told.learnings,
        diff: told.diff,
        session: told.session.map(session_of).transpose()?,
        ..Episode::default()
    })
}

/// A name of a closed vocabulary: a misspelt one must not become the default silently.
fn chosen<T: Default>(
    field: &str,
    name: Option<String>,
    read: impl FnOnce(&str) -> Option<T>,
    all: impl FnOnce() -> Vec<&'static str>,
) -> Result<T, Failure> {
    let Some(name) = name else {
        return Ok(T::default());
    };
    read(&name).ok_or_else(|| invalid(field, format!("must be one of {}", all().join(", "))))
}

fn session_of(told: ToldSession) -> Result<Session, Failure> {
    let client = told.client.unwrap_or_else(|| "http".to_owned());
    for (field, text) in [("session.id", &told.id), ("session.client", &client)] {
        if text.trim().is_empty() || text.len() > MAX_SESSION || text.contains(char::is_control) {
            let message = format!("must have 1 to {MAX_SESSION} bytes, no control characters");
            return Err(invalid(field, message));
        }
    }
    Ok(Session {
        client,
        id: told.id,
        ..Session::default()
    })
}

fn captured(captured: &Captured) -> Reply {
    let status = match captured.action {
        CaptureAction::Created => 201,
        CaptureAction::Updated | CaptureAction::Unchanged => 200,
    };
    Reply::json(status, captured)
}

/// What the body of a transcript may say that it is.
pub(super) const MEDIA: &[&str] = &["application/x-ndjson", "text/plain"];

pub(super) const TRANSCRIPT: [Param; 3] = [
    Param {
        name: "project",
        kind: "string",
        about: "The project that the session belongs to, by id or name.",
    },
    Param {
        name: "client",
        kind: "TranscriptClient",
        about: "Whose transcript it is; recognised by its first lines.",
    },
    Param {
        name: "session",
        kind: "string",
        about: "The client's id of the session, usually in the name of its file; as the lines say.",
    },
];

pub(super) fn sent(app: &Arc<App>, req: &Req) -> Result<Reply, Failure> {
    if !is_text(req) {
        return Err(
            Failure::new(Code::UnsupportedMediaType, "the body is not a transcript")
                .hint("send the file with `Content-Type: application/x-ndjson` or `text/plain`"),
        );
    }
    let (named, client, session) = req.native_query(&TRANSCRIPT.map(|p| p.name), |f| {
        (
            f.read("project", None, lax::text),
            f.optional("client", lax::text),
            f.optional("session", lax::text),
        )
    })?;
    let project: Project = app.memory.project_named(&named)?;
    let mut input = &req.body[..];
    Ok(captured(&app.memory.capture_reader(
        &mut input,
        &SentTranscript {
            project,
            session,
            client,
            finished: is_whole(&req.body),
        },
    )?))
}

fn is_text(req: &Req) -> bool {
    let Some(value) = req.headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let essence = value.to_str().unwrap_or_default().split(';').next();
    let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || [
            "application/x-ndjson",
            "application/jsonl",
            "application/octet-stream",
        ]
        .contains(&essence.as_str())
}

/// Whether a transcript does not end in the middle of a line of JSON: what a client was writing
/// when it was read comes whole the next time.
fn is_whole(body: &[u8]) -> bool {
    let last = body.rsplit(|b| *b == b'\n').next().unwrap_or_default();
    let json = last.trim_ascii_start().starts_with(b"{");
    !json || serde_json::from_slice::<serde::de::IgnoredAny>(last).is_ok()
}
