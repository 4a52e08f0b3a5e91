//! `memrl status`, and `memrl stats` of episodes.

use memrl::{CellType, Code, EpisodeStats, ProjectStatus};

use super::words::{self, field};
use crate::args::{self, Global};
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::{session, text};

/// How a project's memory is doing, and what could be done.
pub fn status(global: &Global, args: &args::Status, out: &mut Out) -> Result<u8> {
    let memory = session::open(global, &[], out)?;
    let project = if args.all {
        None
    } else {
        Some(super::project(&memory, args.project.as_deref())?)
    };
    super::note_unknown(&memory, args.project.as_deref(), project.as_ref(), out)?;
    let status = memory.project_status(project.as_ref())?;
    if out.is_json() {
        out.json(&status)?;
        return Ok(0);
    }
    print(&status, out)?;
    Ok(0)
}

fn print(s: &ProjectStatus, out: &mut Out) -> Result<()> {
    let project = match &s.project {
        Some(p) => match &p.root {
            Some(root) => format!("{} ({})", p.name, root.display()),
            None => p.name.clone(),
        },
        None => "all".to_owned(),
    };
    field(out, "project", &text::one_line(&project))?;
    if s.switched_off {
        field(out, "memory", "switched off here")?;
    }
    let last = s
        .last_capture
        .map_or_else(String::new, |t| format!(", the last on {}", words::date(t)));
    let episodes = text::grouped(s.episodes);
    let cells = crate::cmd::cells::memories(usize::try_from(s.cells).unwrap_or(usize::MAX));
    field(
        out,
        "episodes",
        &format!("{episodes}{last}; {cells} of all types"),
    )?;
    if s.episodes > 0 {
        field(
            out,
            "value",
            &format!(
                "{:.2} on average, {} worth clearly more than that of an untried one",
                s.mean_value,
                text::grouped(s.high_value as u64)
            ),
        )?;
        let unused = text::grouped(s.unused as u64);
        field(
            out,
            "unused",
            &format!("{unused} never shown, or not for 30 days"),
        )?;
    }
    let with = text::grouped(s.with_outcome);
    let decisions = text::count(s.decisions, "recall");
    field(
        out,
        "decisions",
        &format!(
            "{decisions}, {} of them showed something, {with} of those have an outcome",
            text::grouped(s.showing)
        ),
    )?;
    if s.queued > 0 {
        let queued = text::count(s.queued as u64, "session");
        field(out, "queued", &format!("{queued} to be captured"))?;
    }
    for suggestion in &s.suggestions {
        field(out, "suggestion", suggestion)?;
    }
    Ok(())
}

/// How episodes went.
pub fn stats(global: &Global, args: &args::Stats, out: &mut Out) -> Result<u8> {
    if let Some(kind) = args.kind.filter(|k| *k != CellType::Episode) {
        return Err(Failure::hinted(
            Code::InvalidInput,
            format!("there are no outcomes of type {kind}"),
            "`memrl stats` counts memories of every type; --type episode says how episodes went",
        ));
    }
    let memory = session::open(global, &[], out)?;
    let project = super::named_project(&memory, args.project.as_deref())?;
    super::note_unknown(&memory, args.project.as_deref(), project.as_ref(), out)?;
    let stats = memory.episode_stats(project.as_ref())?;
    if out.is_json() {
        out.json(&stats)?;
        return Ok(0);
    }
    if let Some(project) = &stats.project {
        field(out, "project", &text::one_line(&project.name))?;
    }
    field(out, "episodes", &in_short(&stats))?;
    if stats.episodes == 0 {
        return Ok(0);
    }
    let rate = stats.success_rate.map_or_else(|| "-".to_owned(), share);
    field(out, "successes", &rate)?;
    let mean = stats
        .mean_value
        .map_or_else(|| "-".to_owned(), |v| format!("{v:.2}"));
    field(
        out,
        "value",
        &format!(
            "{mean} on average, {} with evidence",
            text::grouped(stats.with_evidence)
        ),
    )?;
    field(out, "shown", &times(stats.shown))?;
    field(out, "types", &listed(&stats.by_task_type))?;
    if stats.project.is_none() {
        field(out, "projects", &listed(&stats.by_project))?;
    }
    if !stats.tags.is_empty() {
        field(out, "tags", &listed(&stats.tags))?;
    }
    Ok(0)
}

/// `12: 8 success, 4 failure`.
pub fn in_short(stats: &EpisodeStats) -> String {
    let all = text::grouped(stats.episodes);
    if stats.episodes == 0 {
        return all;
    }
    format!("{all}: {}", listed(&stats.by_outcome))
}

fn share(rate: f64) -> String {
    text::percent((rate * 1000.0).round() / 1000.0)
}

fn times(n: u64) -> String {
    match n {
        1 => "once".to_owned(),
        n => format!("{} times", text::grouped(n)),
    }
}

fn listed(counts: &[(String, u64)]) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    let parts = counts
        .iter()
        .map(|(name, n)| format!("{} {name}", text::grouped(*n)));
    text::one_line(&parts.collect::<Vec<_>>().join(", "))
}
