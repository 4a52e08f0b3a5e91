//! Retrieving episodes, and judging what was retrieved.

use std::collections::BTreeMap;

use memrl_learn::ValueEstimate;
use memrl_learn::explore::HELD_OUT;
use memrl_store::{CellRow, Outline, Shown};

use super::project::{project_id, told_apart};
use crate::feedback::{accumulator, own_prior};
use crate::{
    Cell, CellFeedback, CellFeedbackReport, CellId, CellType, Code, DecisionId, Error, Hit, IdRef,
    Memory, Outcome, Project, RecallRequest, Result, RetrieveRequest, Retrieved, Scope, ValueView,
    Verdict,
};

/// Most episodes that one retrieve shows; larger limits are capped.
const MAX_HITS: u64 = 50;
/// Room for one episode in the budget of a retrieve, in tokens: the longest text in ideographs.
const ROOM_PER_HIT: u64 = 2000;
/// Width of a 95 % interval, in standard deviations.
const Z: f64 = 1.96;

impl Memory {
    /// Finds episodes that help with a task: a recall decision like any other, logged, with
    /// learned values in its ranking. Nothing that has nothing to do with the query is shown.
    pub fn retrieve(&self, request: &RetrieveRequest) -> Result<Retrieved> {
        if request.query.trim().is_empty() {
            return Err(Error::invalid(Code::InvalidInput, "query", "is empty"));
        }
        if request.limit == 0 {
            return Err(Error::invalid(
                Code::InvalidInput,
                "limit",
                "is 0; it must be at least 1",
            ));
        }
        let limit = request.limit.min(MAX_HITS);
        let mut recall = RecallRequest::new(request.query.clone(), Scope::default());
        match &request.project {
            Some(project) => {
                recall.scope = project.scope();
                recall.widen.extend(project.namesake());
                if !request.only_project {
                    recall.widen.push(Scope::default());
                }
            }
            None => recall.all_scopes = true,
        }
        recall.types = if request.types.is_empty() {
            vec![CellType::Episode]
        } else {
            request.types.clone()
        };
        recall.max_cells = Some(limit);
        recall.relevant_only = true;
        recall.trajectory.clone_from(&request.trajectory);
        recall.skip_shown = request.skip_shown;
        recall.budget_tokens = request.budget_tokens.or(Some(
            self.config.sessions.budget_tokens.max(limit * ROOM_PER_HIT),
        ));
        recall.explore = request.explore;
        let mut recall = self.recall_as(&recall, &self.config.sessions.policy)?;
        for shown in &mut recall.selected {
            outward(&mut shown.cell);
        }
        let ids: Vec<CellId> = recall.selected.iter().map(|r| r.cell.cell_id).collect();
        let values = self.views(&ids)?;
        let projects = told_apart(recall.selected.iter().map(|r| project_id(&r.cell.scope)));
        let hits = recall
            .selected
            .iter()
            .zip(values)
            .zip(projects)
            .map(|((r, value), project)| Hit {
                project,
                cell: r.cell.clone(),
                score: r.score,
                reason: r.reason.clone(),
                value,
            })
            .collect();
        let held_out = recall
            .suppressed
            .iter()
            .filter(|s| s.reason == HELD_OUT)
            .count();
        Ok(Retrieved {
            recall,
            hits,
            held_out,
        })
    }

    /// Whether anything is remembered of a project.
    pub fn knows(&self, project: &Project) -> Result<bool> {
        self.is_project(&project.id)
    }

    /// The decision that somebody means who reports how a task went: as [`Memory::decision_id`],
    /// but `last` is that of one's own session, by the rule of [`CellFeedback::trajectory`]. It
    /// may have shown nothing: what comes of a hold-out or of the control arm is its outcome and
    /// no other decision's.
    pub fn decision_meant(&self, text: &str, trajectory: Option<&str>) -> Result<DecisionId> {
        self.named_or_newest(text, trajectory, false)
    }

    /// As [`Self::decision_meant`]; with `showing`, `last` is the last one that showed something.
    fn named_or_newest(
        &self,
        text: &str,
        trajectory: Option<&str>,
        showing: bool,
    ) -> Result<DecisionId> {
        if text.trim() != "last" {
            return self.decision_id(text);
        }
        match self.store.newest(trajectory, showing)? {
            Some(id) => Ok(id),
            // Where none has shown anything, the very last one says so.
            None if showing => self.named_or_newest(text, trajectory, false),
            None => {
                let message = match trajectory {
                    Some(trajectory) => format!("trajectory {trajectory:?} has none"),
                    None => "none has been logged yet".to_owned(),
                };
                Err(Error::invalid(Code::DecisionNotFound, "decision", message))
            }
        }
    }

    /// Records how useful cells were that a decision has shown. A cell that was never shown cannot
    /// be judged; then nothing is recorded at all.
    pub fn judge(&self, feedback: &CellFeedback) -> Result<CellFeedbackReport> {
        if !(0.0..=1.0).contains(&feedback.useful) {
            let message = format!("is {}; it must lie in [0, 1]", feedback.useful);
            return Err(Error::invalid(Code::InvalidInput, "useful", message));
        }
        let decision = feedback
            .decision
            .as_deref()
            .map(|d| self.named_or_newest(d, feedback.trajectory.as_deref(), true))
            .transpose()?;
        if feedback.cells.is_empty() && decision.is_none() {
            let message = "names no cell; give ids, or `last`";
            return Err(Error::invalid(Code::InvalidInput, "episodes", message));
        }
        let mut judged: BTreeMap<DecisionId, Vec<CellId>> = BTreeMap::new();
        let mut cells = Vec::new();
        for (decision, cell) in self.named(feedback, decision)? {
            if !cells.contains(&cell) {
                cells.push(cell);
                judged.entry(decision).or_default().push(cell);
            }
        }
        let mut reports = Vec::new();
        for (decision, cells) in judged {
            let verdict = |cell_id| Verdict {
                cell_id,
                useful: feedback.useful,
                stale: false,
            };
            let outcome = Outcome {
                verdicts: cells.into_iter().map(verdict).collect(),
                user_correction: feedback.correction.clone(),
                source: feedback.source.clone(),
                ..Outcome::default()
            };
            reports.push(self.feedback(decision, &outcome)?);
        }
        Ok(CellFeedbackReport { cells, reports })
    }

    /// The cells that a verdict names, each with the decision that showed it.
    fn named(
        &self,
        feedback: &CellFeedback,
        decision: Option<DecisionId>,
    ) -> Result<Vec<(DecisionId, CellId)>> {
        let mut all = Vec::new();
        let everything = ["last".to_owned()];
        let names = if feedback.cells.is_empty() {
            &everything[..]
        } else {
            &feedback.cells[..]
        };
        for name in names {
            if name.trim() == "last" {
                let trajectory = feedback.trajectory.as_deref();
                let id =
                    decision.map_or_else(|| self.named_or_newest("last", trajectory, true), Ok)?;
                let row = self.store.decision(id)?;
                if row.decision.slate().is_empty() {
                    let message = format!("decision {id} showed nothing");
                    return Err(Error::invalid(Code::NeverShown, "episodes", message));
                }
                all.extend(
                    row.decision
                        .slate()
                        .iter()
                        .map(|i| (row.decision.decision_id, i.cell_id)),
                );
                continue;
            }
            let cell = self.cell_row(name)?.cell.cell_id;
            let never = || {
                let message = match decision {
                    Some(id) => format!("cell {cell} was not shown by decision {id}"),
                    None => format!("cell {cell} was never shown"),
                };
                Error::invalid(Code::NeverShown, "episodes", message)
            };
            let shown_by = match decision {
                Some(id) => {
                    let row = self.store.decision(id)?;
                    let shown = row.decision.slate().iter().any(|i| i.cell_id == cell);
                    shown.then_some(row.decision.decision_id)
                }
                None => self.store.last_shown(cell)?,
            };
            all.push((shown_by.ok_or_else(never)?, cell));
        }
        Ok(all)
    }

    /// What a cell is worth.
    pub fn value(&self, id: IdRef<'_>) -> Result<ValueView> {
        let row = self.cell_row(id)?;
        self.views_of(&[row]).map(|mut v| v.remove(0))
    }

    /// What these cells are worth, in their order.
    fn views(&self, ids: &[CellId]) -> Result<Vec<ValueView>> {
        let mut rows = Vec::with_capacity(ids.len());
        for id in ids {
            rows.extend(self.store.find(*id)?);
        }
        let known = self.views_of(&rows)?;
        // One that was purged since it was shown is worth what nothing is known about.
        let nothing = Shown {
            seq: 0,
            decisions: 0,
            last_at: None,
        };
        let unknown = view(&ValueEstimate::default(), &nothing);
        Ok(ids
            .iter()
            .map(|id| {
                let at = rows.iter().position(|r| r.cell.cell_id == *id);
                at.map_or(unknown, |at| known[at])
            })
            .collect())
    }

    /// What these cells are worth, in their order.
    pub(crate) fn views_of(&self, rows: &[CellRow]) -> Result<Vec<ValueView>> {
        let now = self.clock.now();
        let cells: Vec<_> = rows.iter().map(|r| (r.seq, r.cell.kind)).collect();
        let estimates = self.estimates(&cells, now)?;
        let seqs: Vec<i64> = rows.iter().map(|r| r.seq).collect();
        let shown = self.store.shown_counts(&seqs)?;
        Ok(rows
            .iter()
            .zip(shown)
            .map(|(row, shown)| {
                let value = estimates.get(&row.seq).copied().unwrap_or_default();
                view(&value, &shown)
            })
            .collect())
    }

    /// What these cells are worth, in their order.
    pub(crate) fn views_of_outlines(&self, outlines: &[Outline]) -> Vec<ValueView> {
        let now = self.clock.now();
        let prior = self.config.values.prior();
        outlines
            .iter()
            .map(|o| {
                let sums = o.value.as_ref().map(accumulator).unwrap_or_default();
                let own = o.prior.as_ref().map(own_prior);
                view(&prior.value_with(o.kind, own, &sums, now), &o.shown)
            })
            .collect()
    }
}

/// Leaves out of an episode what only the parser of its transcript needs, to read on where it
/// stopped: that is no news to anybody else, and longer than all the rest. An export of cells
/// keeps it.
pub fn outward(cell: &mut Cell) {
    if cell.kind != CellType::Episode {
        return;
    }
    let payload = cell.payload.as_mut();
    let session = payload.and_then(|p| p.get_mut("session")?.as_object_mut());
    if let Some(session) = session {
        for key in ["parser", "offset", "head", "pending", "reading"] {
            session.remove(key);
        }
    }
}

fn view(value: &ValueEstimate, shown: &Shown) -> ValueView {
    ValueView {
        mean: value.mean,
        low: (value.mean - Z * value.sd).max(0.0),
        high: (value.mean + Z * value.sd).min(1.0),
        evidence: value.mass,
        shown: shown.decisions,
        last_shown: shown.last_at,
    }
}
