//! `memrl capture`.

use std::io::IsTerminal;
use std::path::Path;

use memrl::{
    CaptureAction, CaptureFile, CaptureRequest, Captured, Clock, Code, Ended, Episode, Intent,
    Memory, Origin, SystemClock, Touched, Trouble,
};

use super::words::{self, field};
use crate::args::{self, Global};
use crate::cmd::add::text_or_stdin;
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::{session, text};

/// Captures a session, or an episode told in words.
pub fn capture(global: &Global, mut args: args::Capture, out: &mut Out) -> Result<u8> {
    let captured = if let Some(file) = args.session.take() {
        let memory = session::open(global, &[], out)?;
        let captured = of_file(&memory, &file, &args)?;
        print(&memory, &captured, out)?;
        memory
    } else {
        let prompt = prompt(args.prompt.take())?;
        let memory = session::open(global, &[], out)?;
        let captured = of_words(&memory, prompt, args)?;
        print(&memory, &captured, out)?;
        memory
    };
    out.flush()?;
    session::maintain(&captured, out);
    Ok(0)
}

/// The prompt: the option, else what stdin has when nobody types there.
fn prompt(given: Option<String>) -> Result<String> {
    let missing = || {
        Failure::hinted(
            Code::InvalidInput,
            "there is nothing to capture",
            "name a transcript with --session, or tell the episode with --prompt",
        )
    };
    if given.is_none() && std::io::stdin().is_terminal() {
        return Err(missing());
    }
    let from_stdin = given.is_none();
    let prompt = text_or_stdin(given.unwrap_or_else(|| "-".to_owned()))?;
    if from_stdin && prompt.trim().is_empty() {
        return Err(missing());
    }
    Ok(prompt)
}

fn of_file(memory: &Memory, file: &Path, args: &args::Capture) -> Result<Captured> {
    let sessions = &memory.config().sessions;
    let request = CaptureFile {
        project: super::named_project(memory, args.project.as_deref())?,
        diff: args.diff || sessions.capture_diff,
        extract: args.extract_intent || sessions.extract_intent,
    };
    memory
        .capture_file(file, &request)
        .map_err(Failure::of_file)
}

fn of_words(memory: &Memory, prompt: String, args: args::Capture) -> Result<Captured> {
    // Looked up: a transcript may name decisions of another memory, a person means one of this.
    let decisions = args
        .decision
        .iter()
        .map(|d| {
            let id = memory.decision_meant(d, None)?;
            Ok(memory.decision(&id.to_string())?.decision_id)
        })
        .collect::<memrl::Result<Vec<_>>>()?;
    let episode = Episode {
        intent: Intent {
            raw_prompt: prompt,
            task_type: args.task_type.unwrap_or_default(),
            domain: args.tag,
            ..Intent::default()
        },
        context: Touched {
            files_modified: args.file,
            errors_encountered: args.error.into_iter().map(trouble).collect(),
            ..Touched::default()
        },
        outcome: Ended {
            status: args.outcome.unwrap_or_default(),
            ..Ended::default()
        },
        learnings: args.learning,
        timestamp_end: Some(SystemClock.now()),
        ..Episode::default()
    };
    Ok(memory.capture(CaptureRequest {
        episode,
        project: super::project(memory, args.project.as_deref())?,
        origin: Origin::User,
        decisions,
        trajectory: None,
    })?)
}

fn trouble(told: args::Trouble) -> Trouble {
    Trouble {
        error_type: String::new(),
        message: told.message,
        resolved: told.resolution.is_some(),
        resolution: told.resolution,
    }
}

fn print(memory: &Memory, captured: &Captured, out: &mut Out) -> Result<()> {
    for warning in &captured.warnings {
        out.warn(warning);
    }
    if out.is_json() {
        return out.json(captured);
    }
    let cell = &captured.cell;
    let episode = words::episode(cell).unwrap_or_default();
    field(out, "id", &cell.cell_id.to_string())?;
    let intent = words::intent(cell, Some(&episode), out);
    field(out, "intent", &intent)?;
    field(out, "project", &text::one_line(&episode.project))?;
    field(out, "type", episode.intent.task_type.as_str())?;
    field(out, "outcome", episode.outcome.status.as_str())?;
    if !episode.intent.domain.is_empty() {
        field(out, "tags", &words::joined(&episode.intent.domain))?;
    }
    let files = episode.context.files_modified.len() as u64;
    let read = episode.context.files_read.len() as u64;
    if files + read > 0 {
        let read = text::grouped(read);
        field(
            out,
            "files",
            &format!("{} modified, {read} read", text::grouped(files)),
        )?;
    }
    let troubles = &episode.context.errors_encountered;
    if !troubles.is_empty() {
        let resolved = troubles.iter().filter(|t| t.resolved).count() as u64;
        let all = text::grouped(troubles.len() as u64);
        field(
            out,
            "errors",
            &format!("{all}, {} resolved", text::grouped(resolved)),
        )?;
    }
    if captured.redacted > 0 {
        let secrets = text::count(captured.redacted as u64, "secret");
        field(out, "redacted", &secrets)?;
    }
    for similar in &captured.similar {
        let twin = memory.get(&similar.cell_id.to_string())?;
        let twin_intent = words::intent(&twin, words::episode(&twin).as_ref(), out);
        let line = format!(
            "m:{} {} {twin_intent}",
            similar.cell_id.short(),
            text::percent((similar.similarity * 100.0).round() / 100.0)
        );
        field(out, "similar", &line)?;
    }
    for decision in &captured.credited {
        field(out, "learned", &format!("decision {decision}"))?;
    }
    out.note(match captured.action {
        CaptureAction::Created => "Captured.",
        CaptureAction::Updated => "Captured: the session went on, its episode has a new version.",
        CaptureAction::Unchanged => "Captured before; nothing is new.",
    });
    Ok(())
}
