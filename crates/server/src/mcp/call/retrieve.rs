//! `memrl_retrieve`: search, list the newest, or show one.

use std::fmt::Write as _;

use memrl::{
    Cell, CellType, Code, Episode, EpisodeQuery, Hit, Project, RetrieveRequest, Retrieved,
    ValueView,
};
use serde_json::{Value, json};

use super::{Call, Failure, bare, cite, first_line, seen, value_text, when};
use crate::mcp::tools::Output;

pub(crate) fn run(call: &Call<'_>) -> Result<Output, Failure> {
    if let Some(id) = call.text("id") {
        return show(call, id);
    }
    let query = call.text("query").unwrap_or_default().trim();
    if call.flag("all") {
        return list(call);
    }
    if query.is_empty() {
        return Err(Failure::argument(
            "query: is required, unless all is true or an id is given",
        ));
    }
    if names_a_cell(query) {
        match show(call, query) {
            // A word of hexadecimal digits that is no id is a query like any other.
            Err(Failure::Engine(e)) if e.code() == Code::CellNotFound && bare(query) == query => {}
            shown => return shown,
        }
    }
    search(call, query)
}

/// Whether a query looks like an id: a citation, a whole id, or its first eight digits or more.
fn names_a_cell(query: &str) -> bool {
    let id = bare(query);
    let digits = id.chars().filter(char::is_ascii_hexdigit).count();
    let id_like = id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    id_like && (digits >= 8 || (id != query && digits >= 4))
}

fn kinds(call: &Call<'_>) -> Vec<CellType> {
    let names = call.texts("types");
    names.iter().filter_map(|n| n.parse().ok()).collect()
}

fn search(call: &Call<'_>, query: &str) -> Result<Output, Failure> {
    let found = call.memory.retrieve(&RetrieveRequest {
        query: query.to_owned(),
        project: call.project()?,
        only_project: call.text("project").is_some(),
        limit: call.limit(),
        types: kinds(call),
        trajectory: call.trajectory.map(str::to_owned),
        budget_tokens: None,
        skip_shown: false,
        explore: true,
    })?;
    let hits: Vec<Value> = found.hits.iter().map(hit).collect();
    Ok(Output {
        text: search_text(&found),
        structured: json!({
            "decision_id": found.recall.decision_id,
            "context": found.recall.context,
            "hits": hits,
            "held_out": found.held_out,
            "warnings": found.recall.warnings,
        }),
    })
}

fn search_text(found: &Retrieved) -> String {
    let mut text = found.recall.context.clone();
    match found.held_out {
        0 if found.hits.is_empty() => {
            text.push_str("Nothing that is remembered helps with this.\n");
        }
        0 => {}
        n => {
            let memories = if n == 1 {
                "1 memory that fits was".to_owned()
            } else {
                format!("{n} memories that fit were")
            };
            let _ = writeln!(
                text,
                "{memories} held out at random, to learn what memory is worth (explore.epsilon)."
            );
        }
    }
    for hit in &found.hits {
        let project = Some(hit.project.as_str()).filter(|p| !p.is_empty());
        let _ = writeln!(
            text,
            "{} {}: {}; {}",
            cite(&hit.cell),
            project.unwrap_or("(no project)"),
            value_text(&hit.value),
            first_line(&hit.reason, 200)
        );
    }
    for warning in &found.recall.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    let _ = writeln!(text, "decision: {}", found.recall.decision_id);
    text
}

fn list(call: &Call<'_>) -> Result<Output, Failure> {
    let page = call.memory.episodes(&EpisodeQuery {
        project: call.project()?,
        types: kinds(call),
        limit: u32::try_from(call.limit()).ok(),
        ..EpisodeQuery::default()
    })?;
    let rows = page.items.iter().filter(|row| call.may_see(&row.cell));
    let mut text = String::new();
    let mut hits = Vec::new();
    for row in rows {
        hits.push(described(&row.cell, &row.project, &row.value));
        text.push_str(&line(&row.cell, &row.project, &row.value));
    }
    if hits.is_empty() {
        text.push_str("Nothing is remembered here yet.\n");
    }
    Ok(Output {
        structured: json!({"decision_id": null, "context": text, "hits": hits, "warnings": []}),
        text,
    })
}

/// One listed episode on one line.
fn line(cell: &Cell, project: &str, value: &ValueView) -> String {
    let (task, end) = kind_and_end(cell);
    let date: String = when(cell).to_string().chars().take(10).collect();
    let facts = [
        Some(date.as_str()),
        Some(project),
        task.as_deref(),
        end.as_deref(),
    ];
    let facts: Vec<&str> = facts
        .into_iter()
        .flatten()
        .filter(|f| !f.is_empty())
        .collect();
    format!(
        "{} {}; {}: {}\n",
        cite(cell),
        facts.join(" "),
        value_text(value),
        first_line(&cell.content, 160)
    )
}

fn show(call: &Call<'_>, id: &str) -> Result<Output, Failure> {
    let mut cell = seen(call.memory, id)?;
    memrl::outward(&mut cell);
    let value = call.memory.value(&cell.cell_id.to_string())?;
    let project = cell.scope.0.get("project").and_then(Value::as_str);
    let project = project
        .map(|id| Project::named(id).name)
        .unwrap_or_default();
    let mut hit = described(&cell, &project, &value);
    hit["episode"] = cell.payload.clone().unwrap_or_default();
    // As JSON, no text in it can pass for something else.
    let text = serde_json::to_string_pretty(&hit).unwrap_or_default();
    Ok(Output {
        structured: json!({
            "decision_id": null, "context": text.clone(), "hits": [hit], "warnings": [],
        }),
        text,
    })
}

fn hit(hit: &Hit) -> Value {
    let mut described = described(&hit.cell, &hit.project, &hit.value);
    described["score"] = json!(hit.score);
    described["reason"] = json!(hit.reason);
    described
}

/// The structured part of an episode, where a cell has one.
fn episode(cell: &Cell) -> Option<Episode> {
    let payload = cell
        .payload
        .clone()
        .filter(|_| cell.kind == CellType::Episode)?;
    serde_json::from_value(payload).ok()
}

fn kind_and_end(cell: &Cell) -> (Option<String>, Option<String>) {
    let episode = episode(cell);
    let task = episode.as_ref().map(|e| e.intent.task_type.to_string());
    (task, episode.map(|e| e.outcome.status.to_string()))
}

/// A cell as every answer shows it.
pub(crate) fn described(cell: &Cell, project: &str, value: &ValueView) -> Value {
    let known = episode(cell);
    let (task, end) = kind_and_end(cell);
    let episode = known.unwrap_or_default();
    let resolved: Vec<Value> = episode
        .context
        .errors_encountered
        .iter()
        .filter(|e| e.resolved)
        .map(|e| json!({"error": e.message, "resolution": e.resolution}))
        .collect();
    json!({
        "id": cell.cell_id,
        "cite": cite(cell),
        "type": cell.kind,
        "project": project,
        "content": cell.content,
        "task_type": task,
        "outcome": end,
        "when": when(cell),
        "files_modified": episode.context.files_modified,
        "tags": episode.intent.domain,
        "errors_resolved": resolved,
        "learnings": episode.learnings,
        "value": value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_an_id_is_taken_for_one() {
        for id in [
            "[m:1a2b3c4d]",
            "m:1a2b",
            "1a2b3c4d",
            "0f3c2b1a-1111-4222-8333-444455556666",
        ] {
            assert!(names_a_cell(id), "{id}");
        }
        for query in [
            "",
            "last",
            "add",
            "deadbee",
            "fix 1a2b3c4d",
            "[m:]",
            "вход",
            "----------",
        ] {
            assert!(!names_a_cell(query), "{query}");
        }
    }
}
