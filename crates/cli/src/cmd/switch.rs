//! `memrl off` and `memrl on`.

use std::path::Path;

use memrl::switch::{self, Target};
use memrl::{Code, Project};
use serde_json::json;

use crate::args::{Global, Switch};
use crate::cmd::episodes;
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::session;

/// Turns memory off or on for a project or a session.
pub fn run(global: &Global, args: &Switch, off: bool, out: &mut Out) -> Result<u8> {
    let dir = session::data_dir(global)?;
    let state = if off { "off" } else { "on" };
    if let Some(id) = &args.session {
        if id.trim().is_empty() {
            return Err(Failure::new(Code::InvalidInput, "session: is empty"));
        }
        let changed = switch::set(&dir, Target::Session(id), off)?;
        if out.is_json() {
            out.json(&json!({ "session": id, "state": state, "changed": changed }))?;
            return Ok(0);
        }
        out.line(&format!("Memory is {state} for the session {id}"))?;
        if off {
            let back = out.talk.hint(&format!("memrl on --session {id}"));
            out.note(&format!("Turn it on again: {back}"));
        }
        return Ok(0);
    }
    let project = project(global, args.project.as_deref(), &dir, out)?;
    let changed = switch::set(&dir, Target::Project(&project.id), off)?;
    if out.is_json() {
        out.json(&json!({ "project": project, "state": state, "changed": changed }))?;
        return Ok(0);
    }
    let place = project.root.as_ref().map(|r| format!(" ({})", r.display()));
    let place = place.unwrap_or_default();
    out.line(&format!("Memory is {state} for {}{place}", project.name))?;
    if off {
        let option = args.project.as_ref().map(|p| format!(" --project {p}"));
        let back = format!("memrl on{}", option.unwrap_or_default());
        let back = out.talk.hint(&back);
        out.note(&format!(
            "Its sessions are neither recalled for nor remembered. What is there stays.\n\
             Turn it on again: {back}"
        ));
    }
    Ok(0)
}

/// The project that is meant; asking creates no memory.
fn project(global: &Global, named: Option<&str>, dir: &Path, out: &mut Out) -> Result<Project> {
    let cwd = std::env::current_dir().map_err(|e| Failure::io(Path::new("."), e))?;
    if dir.join(session::DATABASE).exists() {
        let memory = session::open(global, &[], out)?;
        let project = memory.project(named, &cwd)?;
        episodes::note_unknown(&memory, named, Some(&project), out)?;
        return Ok(project);
    }
    let worktrees = session::settings(dir, &[], out)?.config.sessions.worktrees;
    Ok(match named {
        None => Project::of_dir(&cwd, worktrees),
        Some(name) if cwd.join(name).is_dir() => Project::of_dir(&cwd.join(name), worktrees),
        Some(name) => Project::named(name),
    })
}
