//! Outcomes: raw reports in, rewards and evidence out.

use std::cell::RefCell;
use std::collections::HashMap;

use memrl_learn::reward::CellReward;
use memrl_learn::trace::spread;
use memrl_learn::value::{OwnPrior, Signal, ValueEstimate, credit_signal};
use memrl_learn::{Accumulator, RewardSpec};
use memrl_store::{DecisionFilter, DecisionRow, Evidence, OutcomeRow, Reward};
use serde_json::json;

use crate::{
    CellId, CellType, Code, DecisionId, DecisionPoint, Error, Event, EventKind, FeedbackReport,
    LinkKind, Memory, Merged, Outcome, OutcomeId, Result, RewardValue, Timestamp,
};

impl Memory {
    /// Records a report about a decision. Reports add up; one that equals the newest report of its
    /// source is that one, sent again; a report that contradicts an earlier one is stored, does not
    /// change what counts, and is named in the answer (unless it says `revise`).
    ///
    /// `decision` is the decision's id or memcell-rl's query id.
    pub fn feedback(&self, decision: DecisionId, outcome: &Outcome) -> Result<FeedbackReport> {
        let row = self.store.decision(decision)?;
        check_outcome(outcome, &row)?;
        let clean = without_secrets(outcome);
        let outcome = clean.as_ref().unwrap_or(outcome);
        let now = self.clock.now();
        let id = OutcomeId::from_random(self.random());
        let mut reports = self.store.outcomes_of(row.decision.decision_id)?;
        let event = self.reported(&row, &reports, id, now, outcome)?;
        let recorded =
            self.store
                .append_outcome(id, row.decision.decision_id, now, outcome, &[event])?;
        if recorded.created {
            reports = self.store.outcomes_of(recorded.decision_id)?;
        }
        let (merged, rewards, values) = loop {
            let merged = merge(&reports);
            let rewards = self.reward(&row, &merged)?;
            let values = self.credit(&row, &reports, &merged)?;
            // A report that arrived meanwhile must not be overwritten by what this one knew:
            // whoever writes last has seen all.
            let seen = reports.len();
            reports = self.store.outcomes_of(recorded.decision_id)?;
            if reports.len() == seen {
                break (merged, rewards, values);
            }
        };
        Ok(FeedbackReport {
            outcome_id: recorded.outcome_id,
            decision_id: recorded.decision_id,
            repeated: !recorded.created,
            completed_at: merged.completed_at.unwrap_or(now),
            merged,
            rewards,
            values,
        })
    }

    /// The event of a report, with the reward as it is after it.
    fn reported(
        &self,
        row: &DecisionRow,
        earlier: &[OutcomeRow],
        id: OutcomeId,
        at: Timestamp,
        outcome: &Outcome,
    ) -> Result<Event> {
        let before = earlier.iter().map(|r| (r.outcome_id, r.at, &r.outcome));
        let merged = Merged::of(before.chain([(id, at, outcome)]));
        let spec = self.spec(&self.config.reward.spec)?;
        let payload = json!({
            "transition_id": row.decision.decision_id,
            "query_id": row.decision.query_id,
            "reward_value": reward_under(&spec, row, &merged).map(|(r, _)| r.value),
            "conflicts": merged.conflicts.len(),
            "change_seq": self.store.change_seq()?,
        });
        Ok(self.event(
            EventKind::FeedbackReceived,
            Vec::new(),
            Some(row.decision.query_id),
            payload,
        ))
    }

    /// The decision that a caller names: by id, query id, the first digits of its id (four at
    /// least, where they fit no other), or `last`, the very last one.
    pub fn decision_id(&self, text: &str) -> Result<DecisionId> {
        let text = text.trim();
        if text == "last" {
            let page = self.store.decisions(
                &DecisionFilter {
                    // Prunes are decisions, too; nobody means them.
                    point: Some(DecisionPoint::Recall),
                    items: false,
                    texts: false,
                    ..DecisionFilter::default()
                },
                None,
                1,
            )?;
            return page
                .rows
                .first()
                .map(|r| r.decision.decision_id)
                .ok_or_else(|| {
                    Error::invalid(
                        Code::DecisionNotFound,
                        "decision",
                        "none has been logged yet",
                    )
                });
        }
        if let Ok(id) = text.parse() {
            return Ok(id);
        }
        let not = |code, message| Error::invalid(code, "decision", message);
        match self.store.decisions_by_prefix(text) {
            Ok(found) => match found[..] {
                [id] => Ok(id),
                [] => Err(not(
                    Code::DecisionNotFound,
                    format!("there is none whose id starts with {text}"),
                )),
                _ => Err(not(
                    Code::AmbiguousId,
                    format!("several have an id that starts with {text}"),
                )),
            },
            Err(memrl_store::StoreError::InvalidId(_)) => {
                Err(not(Code::InvalidId, format!("{text:?} is not an id")))
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Scores a decision under every spec in use and stores that.
    pub(crate) fn reward(&self, row: &DecisionRow, merged: &Merged) -> Result<Vec<RewardValue>> {
        let mut values = Vec::new();
        let mut rows = Vec::new();
        for spec in &self.specs {
            if let Some((value, mut stored)) = reward_under(spec, row, merged) {
                values.push(value);
                rows.append(&mut stored);
            }
        }
        self.store.put_rewards(&rows)?;
        Ok(values)
    }

    /// Turns the outcome into evidence about the cells that were shown, and about what led to
    /// them: earlier decisions of the trajectory and the cells that they were made from. All
    /// reports on a decision share one key, and all that it has given so far, also to ancestors, is
    /// replaced by what all reports together give: their order does not matter.
    fn credit(
        &self,
        row: &DecisionRow,
        reports: &[OutcomeRow],
        merged: &Merged,
    ) -> Result<Vec<(CellId, f64, f64)>> {
        let Some(first) = reports.first() else {
            return Ok(Vec::new());
        };
        // Evidence is as old as the first report, so that a later one does not make it younger.
        let at = first.at;
        let slate: Vec<CellId> = row.decision.slate().iter().map(|i| i.cell_id).collect();
        let signal = Signal::of(&merged.outcome);
        let primary = credit_signal(&merged.outcome, &slate, signal, at);
        let earlier = if signal.is_some() && leaves_traces(reports, merged) {
            self.earlier_slates(row)?
        } else {
            Vec::new()
        };
        // The learner takes plain answers: a store that fails is heard of afterwards.
        let failure = RefCell::new(None);
        let parents = |cell: CellId| {
            self.parents(cell).unwrap_or_else(|e| {
                failure.borrow_mut().get_or_insert(e);
                Vec::new()
            })
        };
        let trace = self.config.values.trace();
        let pieces = spread(&primary, &earlier, &parents, signal, at, &trace);
        if let Some(error) = failure.take() {
            return Err(error);
        }
        let key = first.outcome_id;
        let pieces: Vec<_> = pieces.into_iter().map(|(cell, p)| (key, cell, p)).collect();
        self.replace_evidence(&[key], &pieces)
    }

    /// The slates of the decisions before this one, as far as a trace reaches.
    fn earlier_slates(&self, row: &DecisionRow) -> Result<Vec<(u32, Vec<CellId>)>> {
        let reach = self.config.values.trace().max_distance;
        let step = row.decision.step;
        if step == 0 || reach == 0 {
            return Ok(Vec::new());
        }
        let filter = DecisionFilter {
            point: Some(DecisionPoint::Recall),
            trajectory: Some(row.decision.trajectory_id.clone()),
            texts: false,
            ..DecisionFilter::default()
        };
        let after = Some(memrl_store::Cursor(row.seq));
        let page = self.store.decisions(&filter, after, reach as usize)?;
        Ok(page
            .rows
            .iter()
            .filter(|r| r.decision.step < step)
            .map(|r| {
                let slate = r.decision.slate();
                let cells = slate.iter().map(|i| i.cell_id).collect();
                (step - r.decision.step, cells)
            })
            .filter(|(distance, _)| *distance <= reach)
            .collect())
    }

    /// The cells that a cell was made from. One that is gone was made from nothing.
    fn parents(&self, cell: CellId) -> Result<Vec<CellId>> {
        let row = self.store.find(cell)?;
        Ok(row
            .iter()
            .flat_map(|r| &r.cell.links)
            .filter(|l| l.kind == LinkKind::DerivedFrom)
            .filter_map(|l| l.target.parse().ok())
            .collect())
    }

    /// Adds evidence; answers the cells whose value this changed: id, before, after.
    pub(crate) fn put_evidence(
        &self,
        pieces: &[(OutcomeId, CellId, memrl_learn::value::Evidence)],
    ) -> Result<Vec<(CellId, f64, f64)>> {
        self.replace_evidence(&[], pieces)
    }

    /// Puts evidence in the place of all that these outcomes have given so far, wherever it went;
    /// answers the cells whose value this changed: id, before, after. What is dated in the future
    /// (a clock that went wrong, an import) counts as of now: sums are kept as of their newest
    /// piece, so that all others would be as old as that date is far.
    pub(crate) fn replace_evidence(
        &self,
        outcomes: &[OutcomeId],
        pieces: &[(OutcomeId, CellId, memrl_learn::value::Evidence)],
    ) -> Result<Vec<(CellId, f64, f64)>> {
        if outcomes.is_empty() && pieces.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let ids: Vec<CellId> = pieces.iter().map(|(_, cell, _)| *cell).collect();
        let seqs = self.store.seqs(&ids)?;
        let evidence: Vec<Evidence> = pieces
            .iter()
            .zip(&seqs)
            .filter_map(|((outcome, _, p), seq)| {
                Some(Evidence {
                    outcome: *outcome,
                    seq: (*seq)?,
                    mass: p.mass,
                    y: p.y,
                    at: p.at.min(now),
                })
            })
            .collect();
        let keep = 1.0 - self.config.values.decay_rate;
        let before = self.store.replace_evidence(outcomes, &evidence, keep)?;
        let seqs: Vec<i64> = before.iter().map(|v| v.seq).collect();
        let rows = self.store.rows(&seqs)?;
        let kinds: Vec<(i64, CellType)> = rows.iter().map(|r| (r.seq, r.cell.kind)).collect();
        let before = self.estimates_from(&kinds, &before, now)?;
        let after = self.estimates(&kinds, now)?;
        let mut changed: Vec<(CellId, f64, f64)> = rows
            .iter()
            .filter_map(|r| {
                let (before, after) = (before.get(&r.seq)?, after.get(&r.seq)?);
                Some((r.cell.cell_id, before.mean, after.mean))
            })
            .filter(|(_, before, after)| (before - after).abs() > 1e-9)
            .collect();
        changed.sort_by_key(|(id, ..)| *id);
        Ok(changed)
    }

    /// What these cells are worth now, by row number: own evidence over the prior that the last
    /// propagation gave them, else over that of their type.
    pub(crate) fn estimates(
        &self,
        cells: &[(i64, CellType)],
        now: Timestamp,
    ) -> Result<HashMap<i64, ValueEstimate>> {
        let seqs: Vec<i64> = cells.iter().map(|(seq, _)| *seq).collect();
        self.estimates_from(cells, &self.store.values(&seqs)?, now)
    }

    /// The same, were these the sums of their evidence.
    fn estimates_from(
        &self,
        cells: &[(i64, CellType)],
        sums: &[memrl_store::CellValue],
        now: Timestamp,
    ) -> Result<HashMap<i64, ValueEstimate>> {
        let seqs: Vec<i64> = cells.iter().map(|(seq, _)| *seq).collect();
        let sums: HashMap<i64, Accumulator> =
            sums.iter().map(|v| (v.seq, accumulator(v))).collect();
        let own: HashMap<i64, OwnPrior> = self
            .store
            .priors(&seqs)?
            .into_iter()
            .map(|p| (p.seq, own_prior(&p)))
            .collect();
        let prior = self.config.values.prior();
        Ok(cells
            .iter()
            .map(|(seq, kind)| {
                let evidence = sums.get(seq).copied().unwrap_or_default();
                let value = prior.value_with(*kind, own.get(seq).copied(), &evidence, now);
                (*seq, value)
            })
            .collect())
    }
}

/// The stored sums of a cell as the learner has them.
pub(crate) fn accumulator(v: &memrl_store::CellValue) -> Accumulator {
    Accumulator {
        good: v.successes,
        mass: v.mass,
        reference: v.ref_time,
    }
}

/// A stored prior as the learner has it.
pub(crate) fn own_prior(p: &memrl_store::CellPrior) -> OwnPrior {
    OwnPrior {
        mean: p.mean,
        mass: p.mass,
    }
}

/// The report with its correction redacted; `None` when there is nothing to cut out.
fn without_secrets(outcome: &Outcome) -> Option<Outcome> {
    let (clean, cut) = memrl_capture::redact(outcome.user_correction.as_deref()?);
    (cut > 0).then(|| Outcome {
        user_correction: Some(clean.into_owned()),
        ..outcome.clone()
    })
}

/// Whether what counts was said of a part of the task. A report about the whole task is given to
/// each of its decisions, so that traces would count it again; and a report that says nothing
/// about success (a failing tool, a citation) does not make it one about a part.
fn leaves_traces(reports: &[OutcomeRow], merged: &Merged) -> bool {
    let said = merged.outcome.success.is_some();
    reports.iter().map(|r| &r.outcome).any(|o| {
        let counts = if said { o.success } else { o.implied_success };
        !o.whole && counts.is_some()
    })
}

/// All reports of a decision, added up.
pub(crate) fn merge(reports: &[OutcomeRow]) -> Merged {
    Merged::of(reports.iter().map(|r| (r.outcome_id, r.at, &r.outcome)))
}

/// The reward of a decision under one spec, and the rows that store it; `None` while the spec
/// needs a signal that nobody has reported.
pub(crate) fn reward_under(
    spec: &RewardSpec,
    row: &DecisionRow,
    merged: &Merged,
) -> Option<(RewardValue, Vec<Reward>)> {
    let reward = spec.score(&merged.outcome).ok()?;
    let name = spec.name();
    let terms: Vec<(String, f64)> = reward
        .terms
        .iter()
        .map(|t| (t.signal.clone(), t.contribution))
        .collect();
    let decision = row.decision.decision_id;
    let mut rows = vec![Reward {
        decision,
        spec: name.clone(),
        cell: None,
        value: reward.value,
        terms: terms.iter().map(|(n, v)| (n.clone(), json!(v))).collect(),
    }];
    let per_cell = memrl_learn::reward::cell_rewards(&merged.outcome);
    for CellReward {
        cell_id: cell,
        value,
        ..
    } in per_cell
    {
        let at = row
            .decision
            .items
            .iter()
            .position(|i| i.cell_id == cell && i.selected);
        if let Some(seq) = at.and_then(|i| row.seqs.get(i)) {
            rows.push(Reward {
                decision,
                spec: name.clone(),
                cell: Some(*seq),
                value,
                terms: json!({}),
            });
        }
    }
    Some((
        RewardValue {
            spec: name,
            value: reward.value,
            terms,
        },
        rows,
    ))
}

/// Ranges that the types do not say, and verdicts about cells that were not there.
fn check_outcome(outcome: &Outcome, row: &DecisionRow) -> Result<()> {
    let unit = |field: &str, value: f64| {
        if !value.is_finite() {
            return Err(Error::invalid(
                Code::NotFinite,
                field,
                format!("is {value}"),
            ));
        }
        if (0.0..=1.0).contains(&value) {
            return Ok(());
        }
        let message = format!("is {value}; it must lie in [0, 1]");
        Err(Error::invalid(Code::InvalidInput, field, message))
    };
    let candidate = |field: &str, id: CellId| {
        if row.decision.items.iter().any(|i| i.cell_id == id) {
            return Ok(());
        }
        let message = format!("cell {id} was no candidate of this decision");
        Err(Error::invalid(Code::InvalidInput, field, message))
    };
    for (field, value) in [
        ("success", outcome.success),
        ("implied_success", outcome.implied_success),
    ] {
        if let Some(value) = value {
            unit(field, value)?;
        }
    }
    for (field, value) in [
        ("tokens_used", outcome.tokens_used),
        ("latency_ms", outcome.latency_ms),
    ] {
        if value.is_some_and(|v| v < 0) {
            let message = format!("is {}; it cannot be negative", value.unwrap_or_default());
            return Err(Error::invalid(Code::InvalidInput, field, message));
        }
    }
    for (name, value) in &outcome.metrics {
        if !value.is_finite() {
            let field = format!("metrics.{name}");
            return Err(Error::invalid(
                Code::NotFinite,
                &field,
                format!("is {value}"),
            ));
        }
    }
    for verdict in &outcome.verdicts {
        unit("verdicts.useful", verdict.useful)?;
        candidate("verdicts.cell_id", verdict.cell_id)?;
    }
    for cited in &outcome.cited {
        candidate("cited", *cited)?;
    }
    Ok(())
}
