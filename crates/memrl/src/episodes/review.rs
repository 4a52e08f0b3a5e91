//! Looking through the episodes of a project: what is stale, what is there several times.

use memrl_recall::index::{QVec, nearest_neighbours};

use super::capture::live_episodes;
use super::prune::CONSOLIDATE;
use crate::{
    CellId, CellType, Memory, Project, PruneRequest, Result, Review, ReviewAction, ValueView,
};

/// Cosine from which two episodes say the same.
const SAME: f32 = 0.9;
/// Most near-duplicates of one episode that are looked at.
const MAX_TWINS: usize = 10;
/// Episodes that were of no use for this long, in days …
const STALE_DAYS: f64 = 30.0;
/// … and are worth less than this, are stale.
const STALE_VALUE: f64 = 0.45;

impl Memory {
    /// Finds stale episodes and near-duplicates, and puts them away when asked to: `cleanup` the
    /// first, `consolidate` all but the best of each group of the second. Both are logged and can
    /// be taken back with [`Memory::undo_prune`]; no text is lost.
    pub fn review(&self, project: Option<&Project>, action: ReviewAction) -> Result<Review> {
        let prune = PruneRequest {
            older_than_days: STALE_DAYS,
            min_utility: STALE_VALUE,
            project: project.cloned(),
            types: vec![CellType::Episode],
            execute: action == ReviewAction::Cleanup,
        };
        let groups = if action == ReviewAction::Cleanup {
            Vec::new()
        } else {
            self.twins(project)?
        };
        let stale = self.prune(&prune)?;
        let mut review = Review {
            action,
            episodes: stale.considered,
            stale: stale.rows,
            duplicates: groups
                .iter()
                .map(|g| g.iter().map(|(_, cell)| cell.cell_id).collect())
                .collect(),
            done: Vec::new(),
            suggestions: Vec::new(),
            decision_id: stale.decision_id,
        };
        match action {
            ReviewAction::Cleanup => {
                review.done.push(format!(
                    "put {} away",
                    count(review.stale.len(), "stale episode")
                ));
            }
            ReviewAction::Consolidate if !groups.is_empty() => {
                let behind: Vec<(i64, &crate::Cell)> = groups
                    .iter()
                    .flat_map(|g| g.iter().skip(1))
                    .map(|(seq, cell)| (*seq, cell))
                    .collect();
                let best: Vec<Vec<CellId>> = review.duplicates.clone();
                let state = serde_json::json!({"groups": best});
                let why = "says the same as a better one";
                review.decision_id =
                    Some(self.put_away(&behind, CONSOLIDATE, why, project, state)?);
                review.done.push(format!(
                    "put {} away behind the best of {}",
                    count(behind.len(), "near-duplicate"),
                    count(groups.len(), "group")
                ));
            }
            ReviewAction::Consolidate => review.done.push("found no near-duplicates".to_owned()),
            ReviewAction::Analyze => {
                if !review.stale.is_empty() {
                    review.suggestions.push(format!(
                        "{}: review with action `cleanup` puts them away",
                        count(review.stale.len(), "stale episode")
                    ));
                }
                if !review.duplicates.is_empty() {
                    review.suggestions.push(format!(
                        "{} of near-duplicates: review with action `consolidate` keeps the best of each",
                        count(review.duplicates.len(), "group")
                    ));
                }
            }
        }
        Ok(review)
    }

    /// Groups of near-duplicates, the best of each first: the one worth most, then the newest.
    fn twins(&self, project: Option<&Project>) -> Result<Vec<Vec<(i64, crate::Cell)>>> {
        let rows = live_episodes(self, project)?;
        let values = self.views_of(&rows)?;
        let codes: Vec<QVec> = {
            let index = self.live.level(&*self.store, self.embedder.id())?;
            rows.iter()
                .map(|r| index.vector(r.seq).unwrap_or_default())
                .collect()
        };
        let lists = nearest_neighbours(&codes, MAX_TWINS, SAME, 2);
        let mut group = Groups::new(rows.len());
        for (i, list) in lists.iter().enumerate() {
            for (j, _) in list {
                let j = *j as usize;
                // Two projects may learn the same; neither speaks for the other.
                // What went well and what did not are two experiences, however alike they sound.
                if rows[i].cell.scope == rows[j].cell.scope
                    && status_of(&rows[i].cell) == status_of(&rows[j].cell)
                {
                    group.join(i, j);
                }
            }
        }
        let mut groups = group.of_several();
        for members in &mut groups {
            members.sort_by(|a, b| better(&values[*b], &values[*a]).then(a.cmp(b)));
        }
        Ok(groups
            .into_iter()
            .map(|g| {
                g.into_iter()
                    .map(|i| (rows[i].seq, rows[i].cell.clone()))
                    .collect()
            })
            .collect())
    }
}

fn status_of(cell: &crate::Cell) -> Option<&str> {
    cell.payload.as_ref()?["outcome"]["status"].as_str()
}

fn better(a: &ValueView, b: &ValueView) -> std::cmp::Ordering {
    a.mean.total_cmp(&b.mean)
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Union–find over positions.
struct Groups(Vec<usize>);

impl Groups {
    fn new(len: usize) -> Self {
        Self((0..len).collect())
    }

    fn root(&mut self, mut i: usize) -> usize {
        while self.0[i] != i {
            self.0[i] = self.0[self.0[i]];
            i = self.0[i];
        }
        i
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (low, high) = (a.min(b), a.max(b));
        self.0[high] = low;
    }

    /// The groups with more than one member, in order of their first members.
    fn of_several(mut self) -> Vec<Vec<usize>> {
        let mut groups = vec![Vec::new(); self.0.len()];
        for i in 0..self.0.len() {
            groups[self.root(i)].push(i);
        }
        groups.retain(|g| g.len() > 1);
        groups
    }
}
