//! `memrl retrieve`.

use memrl::{Hit, RetrieveRequest, Retrieved};
use serde_json::json;

use super::words;
use crate::args::{self, Global, HitFormat};
use crate::cmd::add::text_or_stdin;
use crate::fail::Result;
use crate::out::Out;
use crate::{session, text};

/// Most names of one kind that a hit tells of on a terminal.
const NAMES: usize = 8;

/// Finds experience: hits on standard output, the decision on standard error.
pub fn retrieve(global: &Global, args: args::Retrieve, out: &mut Out) -> Result<u8> {
    let query = text_or_stdin(args.query)?;
    let memory = session::open(global, &[], out)?;
    let project = if args.all_projects {
        None
    } else {
        Some(super::project(&memory, args.project.as_deref())?)
    };
    super::note_unknown(&memory, args.project.as_deref(), project.as_ref(), out)?;
    let found = memory.retrieve(&RetrieveRequest {
        query,
        project,
        only_project: args.only,
        limit: args.limit.unwrap_or(memory.config().sessions.limit),
        types: args.kind,
        trajectory: args.trajectory,
        budget_tokens: None,
        skip_shown: false,
        explore: true,
    })?;
    for warning in &found.recall.warnings {
        out.warn(warning);
    }
    if out.is_json() || args.format == HitFormat::Json {
        out.json(&json!({
            "decision_id": found.recall.decision_id,
            "hits": found.hits,
            "held_out": found.held_out,
            "recall": found.recall,
        }))?;
        return Ok(0);
    }
    if args.format == HitFormat::Block {
        out.text(&found.recall.context)?;
    } else {
        for (i, hit) in found.hits.iter().enumerate() {
            if i > 0 {
                out.line("")?;
            }
            section(hit, out)?;
        }
    }
    out.flush()?;
    summary(&found, out);
    Ok(0)
}

/// One hit as a section of Markdown.
fn section(hit: &Hit, out: &mut Out) -> Result<()> {
    let cell = &hit.cell;
    let episode = words::episode(cell);
    let intent = words::intent(cell, episode.as_ref(), out);
    let id = out.style.hint(&format!("[m:{}]", cell.cell_id.short()));
    let title = out.style.bold(&format!("## {intent}"));
    out.line(&format!("{title} {id}"))?;
    out.line("")?;
    let mut facts: Vec<String> = Vec::new();
    match &episode {
        Some(e) => {
            facts.push(e.outcome.status.to_string());
            facts.push(e.intent.task_type.to_string());
        }
        None => facts.push(cell.kind.to_string()),
    }
    if !hit.project.is_empty() {
        facts.push(format!("project {}", text::one_line(&hit.project)));
    }
    facts.push(words::day(cell));
    out.line(&format!("- {}", facts.join(", ")))?;
    out.line(&format!("- value: {}", words::value(&hit.value)))?;
    out.line(&format!("- why: {}", text::one_line(&hit.reason)))?;
    let Some(episode) = episode else {
        return Ok(());
    };
    let most = if out.is_terminal() { NAMES } else { usize::MAX };
    let context = &episode.context;
    let mut files = context.files_modified.clone();
    files.extend(
        context
            .files_read
            .iter()
            .filter(|f| !context.files_modified.contains(f))
            .cloned(),
    );
    names("files", &files, most, out)?;
    names("tags", &episode.intent.domain, most, out)?;
    for trouble in context.errors_encountered.iter().take(most) {
        out.line(&format!("- error: {}", words::trouble(trouble)))?;
    }
    for learning in &episode.learnings {
        out.line(&format!("- learned: {}", text::one_line(learning)))?;
    }
    Ok(())
}

fn names(what: &str, all: &[String], most: usize, out: &mut Out) -> Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    let shown = &all[..all.len().min(most)];
    let rest = match all.len() - shown.len() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    out.line(&format!("- {what}: {}{rest}", words::joined(shown)))
}

fn summary(found: &Retrieved, out: &mut Out) {
    let recall = &found.recall;
    let id = out.talk.hint(&recall.decision_id.to_string());
    let held_out = match found.held_out {
        0 => None,
        1 => Some("1 memory that fits was held out at random (explore.epsilon)".to_owned()),
        n => Some(format!(
            "{n} memories that fit were held out at random (explore.epsilon)"
        )),
    };
    if found.hits.is_empty() {
        let why = out.talk.hint(&format!("memrl why {}", recall.decision_id));
        out.note(&match held_out {
            Some(said) => format!("Nothing shown: {said}; {why} tells more\ndecision {id}"),
            None => format!("Nothing relevant.\ndecision {id}"),
        });
        return;
    }
    if let Some(said) = held_out {
        out.note(&format!("\n{said}"));
    }
    let helpful = out.talk.hint("memrl feedback helpful --episodes last");
    out.note(&format!(
        "\ndecision {id}\n{}, {:.1} ms\nJudge what was shown: {helpful} (or not-helpful, mixed; or ids)",
        recall.policy,
        recall.latency_us as f64 / 1000.0
    ));
}
