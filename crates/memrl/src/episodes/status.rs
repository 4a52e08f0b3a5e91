//! Numbers about episodes: how a project's memory is doing.

use std::collections::HashMap;

use memrl_store::CellFilter;

use super::capture::live_filter;
use super::project::{PROJECT, project_name, told_apart};
use super::queue;
use super::switch::{self, Target};
use crate::cells::parse_cursor;
use crate::{
    CellStatus, CellType, Code, DecisionPoint, Episode, EpisodeQuery, EpisodeRow, EpisodeStats,
    EpisodeStatus, Error, Memory, Page, Project, ProjectStatus, Result,
};

/// Most tags that are named.
const MAX_TAGS: usize = 10;
/// An episode that was not shown for this long is unused, in days.
const UNUSED_DAYS: f64 = 30.0;
/// Most rows of a page; and how many are read to fill one.
const MAX_ROWS: u32 = 1000;

impl Memory {
    /// A page of episodes (or other cells) with their values, the newest first.
    pub fn episodes(&self, query: &EpisodeQuery) -> Result<Page<EpisodeRow>> {
        let limit = match query.limit {
            None => 10,
            Some(0) => {
                let message = "is 0; it must be at least 1";
                return Err(Error::invalid(Code::InvalidInput, "limit", message));
            }
            Some(n) => n.min(MAX_ROWS) as usize,
        };
        let filter = CellFilter {
            scope: query.project.as_ref().map(Project::scope),
            types: if query.types.is_empty() {
                vec![CellType::Episode]
            } else {
                query.types.clone()
            },
            statuses: vec![CellStatus::Active, CellStatus::Quarantined],
            max_sensitivity: query.clearance,
            ..CellFilter::default()
        };
        let tag = query.tag.as_ref().map(|t| t.to_lowercase());
        let mut after = parse_cursor(query.cursor.as_deref())?;
        let mut rows = Vec::new();
        let next = loop {
            let filtered = tag.is_some() || query.outcome.is_some();
            let wanted = if filtered { MAX_ROWS as usize } else { limit };
            let page = self.store.list(&filter, after, wanted)?;
            let last = page.next;
            for row in page.rows {
                if rows.len() < limit && wanted_row(&row.cell, tag.as_deref(), query.outcome) {
                    rows.push(row);
                    if rows.len() == limit && filtered {
                        after = rows.last().map(|r| memrl_store::Cursor(r.seq));
                    }
                }
            }
            if rows.len() >= limit {
                break if filtered { after } else { last };
            }
            if last.is_none() {
                break None;
            }
            after = last;
        };
        let values = self.views_of(&rows)?;
        Ok(Page {
            items: rows
                .into_iter()
                .zip(values)
                .map(|(row, value)| EpisodeRow {
                    project: project_name(&row.cell.scope),
                    cell: row.cell,
                    value,
                })
                .collect(),
            next_cursor: next.map(|c| c.0.to_string()),
        })
    }

    /// Counts over episodes.
    pub fn episode_stats(&self, project: Option<&Project>) -> Result<EpisodeStats> {
        let filter = CellFilter {
            scope: project.map(Project::scope),
            types: vec![CellType::Episode],
            statuses: vec![CellStatus::Active],
            ..CellFilter::default()
        };
        let places = ["outcome.status", "intent.task_type", "intent.domain"];
        let mut outcomes = Vec::new();
        let mut task_types = Vec::new();
        let mut tags = Vec::new();
        for (values, n) in self.store.count_by_payloads(&filter, &places)? {
            let name = |i: usize| values[i].as_str().unwrap_or("unknown").to_owned();
            outcomes.push((name(0), n));
            task_types.push((name(1), n));
            let domain = values[2].as_array().into_iter().flatten();
            tags.extend(domain.filter_map(|t| Some((t.as_str()?.to_owned(), n))));
        }
        let by_outcome = merged(outcomes);
        let by_task_type = merged(task_types);
        let episodes: u64 = by_outcome.iter().map(|(_, n)| n).sum();
        let successes = by_outcome
            .iter()
            .filter(|(name, _)| name == EpisodeStatus::Success.as_str());
        let successes: u64 = successes.map(|(_, n)| n).sum();
        let by_project = if let Some(p) = project {
            vec![(p.name.clone(), episodes)]
        } else {
            let known = self.store.scope_values(PROJECT)?;
            let names = told_apart(known.iter().map(|(id, _)| id.as_str()));
            merged(names.into_iter().zip(known.iter().map(|(_, n)| *n)))
        };
        let worth = self.worth(project)?;
        let some = episodes > 0;
        Ok(EpisodeStats {
            project: project.cloned(),
            episodes,
            by_outcome,
            by_task_type,
            by_project,
            tags: merged(tags).into_iter().take(MAX_TAGS).collect(),
            success_rate: some.then(|| successes as f64 / episodes as f64),
            mean_value: some.then_some(worth.mean),
            shown: worth.shown,
            with_evidence: worth.with_evidence,
        })
    }

    /// How the memory of a project (or of all) is doing, and what could be done.
    pub fn project_status(&self, project: Option<&Project>) -> Result<ProjectStatus> {
        let worth = self.worth(project)?;
        let scope = project.map(Project::scope);
        let decisions = self
            .store
            .count_decisions(Some(DecisionPoint::Recall), scope.as_ref())?;
        let cells = if let Some(p) = project {
            let known = self.store.scope_values(PROJECT)?;
            known
                .iter()
                .find(|(id, _)| *id == p.id)
                .map_or(0, |(_, n)| *n)
        } else {
            let stats = self.store.stats()?;
            stats.cells_by_type.iter().map(|(_, n)| n).sum()
        };
        let switched_off =
            project.is_some_and(|p| switch::is_off(&self.dir, Target::Project(&p.id)));
        // A session that goes on is not to be captured yet.
        let queue = queue::list(&self.dir).unwrap_or_default();
        let queued = queue.iter().filter(|w| w.entry.ended).count();
        let mut status = ProjectStatus {
            project: project.cloned(),
            switched_off,
            episodes: worth.episodes,
            cells,
            last_capture: worth.last,
            high_value: worth.high,
            unused: worth.unused,
            mean_value: worth.mean,
            decisions: decisions.made,
            showing: decisions.shown,
            with_outcome: decisions.reported,
            queued,
            suggestions: Vec::new(),
        };
        status.suggestions = suggestions(&status);
        Ok(status)
    }

    /// Sums over the values of episodes.
    fn worth(&self, project: Option<&Project>) -> Result<Worth> {
        let rows = self
            .store
            .outline(&live_filter(project, &[CellType::Episode]))?;
        let values = self.views_of_outlines(&rows);
        let now = self.clock.now();
        let prior = self.config.values.prior().mean_of(CellType::Episode);
        let mut worth = Worth {
            episodes: rows.len() as u64,
            mean: prior,
            ..Worth::default()
        };
        if rows.is_empty() {
            return Ok(worth);
        }
        worth.last = rows.iter().map(|r| r.at).max();
        worth.mean = values.iter().map(|v| v.mean).sum::<f64>() / values.len() as f64;
        for v in &values {
            worth.shown += v.shown;
            worth.with_evidence += u64::from(v.evidence > 0.0);
            worth.high += usize::from(v.evidence > 0.0 && v.mean - prior > HIGH);
            let idle = v.last_shown.is_none_or(|t| now.days_since(t) > UNUSED_DAYS);
            worth.unused += usize::from(idle);
        }
        Ok(worth)
    }
}

/// A value is high when it lies this far above the prior: about what two whole successes do.
const HIGH: f64 = 0.08;

#[derive(Default)]
struct Worth {
    episodes: u64,
    last: Option<crate::Timestamp>,
    mean: f64,
    high: usize,
    unused: usize,
    shown: u64,
    with_evidence: u64,
}

/// Whether an episode has the tag and the outcome asked for.
fn wanted_row(cell: &crate::Cell, tag: Option<&str>, outcome: Option<EpisodeStatus>) -> bool {
    if tag.is_none() && outcome.is_none() {
        return true;
    }
    let Some(episode) = cell
        .payload
        .clone()
        .and_then(|p| serde_json::from_value::<Episode>(p).ok())
    else {
        return false;
    };
    let tags = &episode.intent.domain;
    tag.is_none_or(|t| tags.iter().any(|d| d.to_lowercase().contains(t)))
        && outcome.is_none_or(|o| episode.outcome.status == o)
}

/// Equal names added up, the largest first.
fn merged(counts: impl IntoIterator<Item = (String, u64)>) -> Vec<(String, u64)> {
    let mut sums: HashMap<String, u64> = HashMap::new();
    for (name, n) in counts {
        *sums.entry(name).or_default() += n;
    }
    let mut all: Vec<(String, u64)> = sums.into_iter().collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all
}

fn suggestions(s: &ProjectStatus) -> Vec<String> {
    let mut all = Vec::new();
    if s.switched_off {
        all.push("memory is switched off here: `memrl on` turns it on".to_owned());
    }
    if s.episodes == 0 {
        all.push(
            "no episodes yet: `memrl setup claude-code` captures sessions by itself".to_owned(),
        );
    }
    if s.queued > 0 {
        let sessions = match s.queued {
            1 => "1 session waits".to_owned(),
            n => format!("{n} sessions wait"),
        };
        all.push(format!("{sessions} to be captured: `memrl sweep`"));
    }
    if s.showing >= 10 && s.with_outcome * 5 < s.showing {
        all.push(
            "fewer than one in five of the recalls that showed something has an outcome: \
             feedback is what values are made of"
                .to_owned(),
        );
    }
    if s.unused * 2 > s.episodes as usize && s.episodes >= 50 {
        all.push(
            "most episodes were not shown for a month: `memrl review` looks for stale ones"
                .to_owned(),
        );
    }
    all
}
