//! `memrl show`.

use memrl::{Cell, CellType, Code, Episode, LinkKind, ListRequest, Memory, TestCounts};
use serde_json::{Value, json};

use super::words::{self, field};
use crate::args::{self, Global};
use crate::cmd::explain;
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::{session, text};

/// Shows one memory with what it is worth.
pub fn show(global: &Global, args: &args::Show, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let mut cell = find(&memory, args)?;
    memrl::outward(&mut cell);
    let id = cell.cell_id.to_string();
    let value = memory.value(&id)?;
    if out.is_json() {
        let mut shown = json!(cell);
        if let Value::Object(map) = &mut shown {
            map.insert("value".into(), json!(value));
        }
        out.json(&shown)?;
        return Ok(0);
    }
    match words::episode(&cell).filter(|_| cell.kind == CellType::Episode) {
        Some(episode) => tell(&memory, &cell, &episode, out)?,
        None => {
            for (name, value) in explain::cell(&cell, memory.masked(&cell)) {
                field(out, name, &value)?;
            }
        }
    }
    field(out, "value", &words::value(&value))?;
    if let Some(last) = value.last_shown {
        field(out, "last shown", &last.to_string())?;
    }
    out.line("")?;
    out.text(&cell.content)?;
    out.line("")?;
    Ok(0)
}

/// The memory that is meant.
fn find(memory: &Memory, args: &args::Show) -> Result<Cell> {
    let id = args.id.trim();
    let newest = id == "last" || id == "latest";
    let Some(kind) = args.kind else {
        return Ok(memory.get(if newest { "last" } else { id })?);
    };
    let none = |message| {
        let hint = format!("`memrl list --type {kind}` shows those there are");
        Failure::hinted(Code::CellNotFound, message, hint)
    };
    if newest {
        let newest = memory.list(&ListRequest {
            types: vec![kind],
            limit: Some(1),
            ..ListRequest::default()
        })?;
        let first = newest.items.into_iter().next();
        return first.ok_or_else(|| none(format!("there is no {kind} yet")));
    }
    let cell = memory.get(id)?;
    if cell.kind == kind {
        Ok(cell)
    } else {
        let message = format!(
            "m:{} is a {}, not of type {kind}",
            cell.cell_id.short(),
            cell.kind
        );
        Err(none(message))
    }
}

/// The fields of an episode that say something.
fn tell(memory: &Memory, cell: &Cell, episode: &Episode, out: &mut Out) -> Result<()> {
    let intent = words::intent(cell, Some(episode), out);
    field(out, "id", &cell.cell_id.to_string())?;
    field(out, "intent", &intent)?;
    field(out, "project", &text::one_line(&episode.project))?;
    field(out, "type", episode.intent.task_type.as_str())?;
    field(out, "outcome", episode.outcome.status.as_str())?;
    if memory.masked(cell).is_some() {
        field(out, "status", &format!("{}; never shown", cell.status))?;
    }
    let mut add = |name: &str, value: String| {
        if value.is_empty() {
            Ok(())
        } else {
            field(out, name, &value)
        }
    };
    add("tests", tests(episode))?;
    let ended = &episode.outcome;
    add(
        "commit",
        ended
            .commit_sha
            .as_deref()
            .map_or_else(String::new, text::one_line),
    )?;
    add(
        "pull request",
        ended.pr_number.map_or_else(String::new, |n| n.to_string()),
    )?;
    let time = |t: Option<memrl::Timestamp>| t.map_or_else(String::new, |t| t.to_string());
    add("began", time(episode.timestamp_start))?;
    add("ended", time(episode.timestamp_end.or(cell.occurred_at)))?;
    let context = &episode.context;
    add("modified", words::joined(&context.files_modified))?;
    add("read", words::joined(&context.files_read))?;
    add("tools", words::joined(&context.tools_invoked))?;
    add("tags", words::joined(&episode.intent.domain))?;
    for trouble in &context.errors_encountered {
        add("error", words::trouble(trouble))?;
    }
    for learning in &episode.learnings {
        add("learned", text::one_line(learning))?;
    }
    if let Some(session) = &episode.session {
        let counts = &session.counts;
        let line = format!(
            "{} {}: {}, {}, {} failed",
            session.client,
            session.id,
            text::count(counts.prompts.into(), "prompt"),
            text::count(counts.tool_calls.into(), "tool call"),
            text::grouped(counts.tool_failures.into()),
        );
        add("session", text::one_line(&line))?;
    }
    if let Some(diff) = &episode.diff {
        add("diff", text::count(diff.lines().count() as u64, "line"))?;
    }
    for link in &cell.links {
        let name = match link.kind {
            LinkKind::Similar => "similar",
            LinkKind::DerivedFrom => "made from",
            LinkKind::Decision => "during",
            LinkKind::Source => "source",
        };
        add(name, text::one_line(&link.target))?;
    }
    Ok(())
}

/// `3 passed, 1 failed; then 4 passed`.
fn tests(episode: &Episode) -> String {
    let ended = &episode.outcome;
    let runs = [ended.tests_before, ended.tests_after];
    let runs: Vec<String> = runs.into_iter().flatten().map(counts).collect();
    runs.join("; then ")
}

fn counts(run: TestCounts) -> String {
    let named = [
        (run.passed, "passed"),
        (run.failed, "failed"),
        (run.skipped, "skipped"),
    ];
    let said: Vec<String> = named
        .into_iter()
        .filter(|(n, name)| *n > 0 || *name == "passed")
        .map(|(n, name)| format!("{n} {name}"))
        .collect();
    said.join(", ")
}
