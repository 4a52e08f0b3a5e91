//! Statistics and a check-up.

use memrl_store::DecisionFilter;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::feedback::merge;
use crate::{Memory, PolicyStats, Result, Stats};

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// Works, but somebody should look.
    Warning,
    /// Does not work.
    Error,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// How it is.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What to do.
    pub hint: Option<String>,
}

/// A check-up.
#[derive(Debug, Clone, Serialize)]
pub struct DoctorReport {
    /// Everything that was looked at.
    pub checks: Vec<Check>,
}

impl DoctorReport {
    /// The worst of them.
    pub fn health(&self) -> Health {
        self.checks
            .iter()
            .map(|c| c.health)
            .max()
            .unwrap_or(Health::Ok)
    }
}

impl Memory {
    /// The store's own counts: cheap enough for a metrics page, unlike [`Self::stats`].
    pub fn counts(&self) -> Result<memrl_store::Stats> {
        Ok(self.store.stats()?)
    }

    /// Counts of everything. Reads the whole log for the policies' mean success.
    pub fn stats(&self) -> Result<Stats> {
        let s = self.store.stats()?;
        let mut by_policy: BTreeMap<String, (u64, u64, f64)> = BTreeMap::new();
        let mut completed = 0;
        let filter = DecisionFilter {
            items: false,
            texts: false,
            reports: true,
            raw_state: true,
            ..DecisionFilter::default()
        };
        self.store.for_each_decision(&filter, &mut |row| {
            let entry = by_policy.entry(row.decision.policy.clone()).or_default();
            entry.0 += 1;
            if row.outcomes > 0 {
                completed += 1;
                if let Some(success) = merge(&row.reports).outcome.success {
                    entry.1 += 1;
                    entry.2 += success;
                }
            }
            ControlFlow::Continue(())
        })?;
        let index_bytes = self.live.file_bytes();
        Ok(Stats {
            cells_by_status: named(&s.cells_by_status),
            cells_by_type: named(&s.cells_by_type),
            decisions: s.decisions,
            completed,
            decision_items: s.decision_items,
            outcomes: s.outcomes,
            events: s.events,
            by_policy: by_policy
                .into_iter()
                .map(|(policy, (decisions, with_success, sum))| PolicyStats {
                    policy,
                    decisions,
                    with_success,
                    mean_success: (with_success > 0).then(|| sum / with_success as f64),
                })
                .collect(),
            database_bytes: s.database_bytes + s.wal_bytes,
            index_bytes,
            embedder: self.embedder.id().to_owned(),
            data_dir: self.dir.display().to_string(),
        })
    }

    /// Looks at everything that can be wrong. With `repair` it rebuilds the index, embeds what is
    /// missing and finishes a purge.
    pub fn doctor(&self, repair: bool) -> Result<DoctorReport> {
        let mut checks = Vec::new();
        if repair {
            self.store.maintain()?;
            self.after_bulk_write()?;
            self.rewrite_index()?;
        }
        let faults = self.store.integrity()?;
        checks.push(match faults.first() {
            None => ok("database", "no damage found".into()),
            Some(first) => Check {
                name: "database",
                health: Health::Error,
                found: format!("{} faults, the first: {first}", faults.len()),
                hint: Some("`memrl restore` brings a backup back".into()),
            },
        });
        let maintained = self.store.maintain()?;
        checks.push(if maintained.purge_pending {
            Check {
                name: "purge",
                health: Health::Warning,
                found: "a purge waits for another process to close an old state".into(),
                hint: Some("close other memrl processes, then `memrl doctor --repair`".into()),
            }
        } else {
            ok("purge", "nothing pending".into())
        });
        let stats = self.store.stats()?;
        let embedded = stats
            .vectors
            .iter()
            .find(|(model, _)| model == self.embedder.id())
            .map_or(0, |(_, n)| *n);
        let missing = self.store.vectors_missing(self.embedder.id(), 0, 1)?;
        checks.push(if missing.is_empty() {
            ok("vectors", format!("{embedded} by {}", self.embedder.id()))
        } else {
            Check {
                name: "vectors",
                health: Health::Warning,
                found: format!("some cells have no vector of {}", self.embedder.id()),
                hint: Some("`memrl doctor --repair` embeds them".into()),
            }
        });
        let index = self.live.level(&*self.store, self.embedder.id())?;
        let live = index.len() as u64;
        let stored: u64 = stats.cells_by_type.iter().map(|(_, n)| n).sum();
        checks.push(match index.verify() {
            Ok(()) if live == stored => ok("index", format!("{live} cells")),
            Ok(()) => Check {
                name: "index",
                health: Health::Error,
                found: format!("{live} cells indexed, {stored} stored"),
                hint: Some("`memrl doctor --repair` rebuilds it".into()),
            },
            Err(e) => Check {
                name: "index",
                health: Health::Error,
                found: e.to_string(),
                hint: Some("`memrl doctor --repair` rebuilds it".into()),
            },
        });
        drop(index);
        let e = &self.config.explore;
        checks.push(ok(
            "exploration",
            format!(
                "hold-out {:.0} %, sampled slates {:.0} %, control without memory {:.0} %",
                e.epsilon * 100.0,
                e.sampled_share * 100.0,
                e.none_share * 100.0
            ),
        ));
        Ok(DoctorReport { checks })
    }
}

fn ok(name: &'static str, found: String) -> Check {
    Check {
        name,
        health: Health::Ok,
        found,
        hint: None,
    }
}

fn named<T: ToString>(counts: &[(T, u64)]) -> Vec<(String, u64)> {
    counts
        .iter()
        .map(|(name, n)| (name.to_string(), *n))
        .collect()
}
