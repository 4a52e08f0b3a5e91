//! The use cases of a memcell-rl server, with its rules: what its clients rely on.
//!
//! Selection is `baseline_v0` to the letter, on candidates ranked by memcell-rl's own score. What
//! differs is what was a fault there: expired, contradicted and not yet valid cells are masked
//! before the best k are taken (and reported as suppressed), and nothing of another scope is shown.

use memrl_learn::Candidate;
use memrl_recall::index::{Attrs, MemcellQuery, Verdict};
use memrl_store::CellRow;
use serde::Serialize;
use serde_json::{Value, json};

use crate::live::scope_pairs;
use crate::recall::{Asked, Found, Gathered, MAX_BUDGET, suppressed};
use crate::{
    BudgetCounts, Cell, CellId, CellStatus, CellType, Clearance, Code, DecisionId, Error,
    EventKind, Memory, Mode, NewCell, Outcome, RecallRequest, Result, RewardValue, Scope,
    Suppressed, Timestamp,
};

/// Largest number of candidates of one request.
const MAX_K: u64 = 10_000;
/// Rows read beyond k, so that masked cells do not take the place of live ones.
const SLACK: usize = 64;

/// A cell with its score and what the policy sees of it.
type Ranked = (CellRow, f64, Candidate);

/// `POST /v1/cells/retrieve`.
#[derive(Debug, Clone)]
pub struct MemcellRetrieve {
    /// The query.
    pub query: String,
    /// Pairs that a cell must have; a null also matches an absent key.
    pub scope: Scope,
    /// Only these types; an empty list matches nothing.
    pub types: Option<Vec<CellType>>,
    /// Most cells to return.
    pub k: u64,
}

/// Its answer.
#[derive(Debug, Clone, Serialize)]
pub struct MemcellRetrieval {
    /// Identifies the retrieval in the event log.
    pub query_id: DecisionId,
    /// The cells, best first, with their new access counts.
    pub cells: Vec<Cell>,
    /// Their scores.
    pub scores: Vec<f64>,
}

/// `POST /v1/cells/decide`.
#[derive(Debug, Clone)]
pub struct MemcellDecide {
    /// The query.
    pub query: String,
    /// Pairs that a cell must have; nulls match only nulls.
    pub scope: Scope,
    /// The caller's name for the kind of task.
    pub task_type: String,
    /// Token budget of the contents.
    pub budget_tokens: u64,
    /// Number of candidates.
    pub k: u64,
    /// Another policy than `baseline_v0`: decided as a native recall.
    pub policy: Option<String>,
    /// Session or task that this decision belongs to.
    pub trajectory: Option<String>,
    /// Whether to randomise; memcell-rl never did.
    pub explore: bool,
}

/// One chosen cell.
#[derive(Debug, Clone, Serialize)]
pub struct MemcellSelected {
    /// The cell.
    pub cell_id: CellId,
    /// How to use it.
    pub mode: Mode,
    /// Its score.
    pub score: f64,
    /// Why.
    pub reason: String,
    /// The text, which memcell-rl's clients had to fetch one by one.
    pub content: String,
}

/// Its answer, already logged.
#[derive(Debug, Clone, Serialize)]
pub struct MemcellDecision {
    /// memcell-rl's second identifier.
    pub query_id: DecisionId,
    /// The chosen cells in order of priority.
    pub selected_cells: Vec<MemcellSelected>,
    /// The others.
    pub suppressed_cells: Vec<Suppressed>,
    /// The policy: `policy_id`, `policy_type`, `confidence`.
    pub policy: Value,
    /// The logged decision.
    pub transition_id: DecisionId,
    /// The rendered block.
    pub context: String,
    /// Joint probability of exactly this slate.
    pub propensity: f64,
    /// The critical constraints alone do not fit the budget.
    pub constraints_exceed_budget: bool,
}

/// `POST /v1/cells/feedback`.
#[derive(Debug, Clone)]
pub struct MemcellFeedback {
    /// The decision.
    pub transition_id: DecisionId,
    /// The report.
    pub outcome: Outcome,
}

/// Its answer.
#[derive(Debug, Clone, Serialize)]
pub struct MemcellReward {
    /// The decision.
    pub transition_id: DecisionId,
    /// The reward of all reports so far.
    pub reward_value: f64,
    /// When this report arrived.
    pub completed_at: Timestamp,
    /// Reports that disagree; the earlier one counts.
    pub conflicts: Vec<crate::Conflict>,
    /// Rewards under all specs in use.
    pub rewards: Vec<RewardValue>,
}

impl Memory {
    /// Writes a cell the way memcell-rl does: duplicates are kept, empty content is taken.
    pub fn memcell_write(&self, mut cell: NewCell) -> Result<Cell> {
        self.storable(&cell)?;
        if cell.status == CellStatus::Deleted {
            // There it was stored where no route shows it and nothing ever erases it.
            "[deleted]".clone_into(&mut cell.content);
        }
        let mut written = self.insert(vec![cell], false)?;
        written
            .pop()
            .map(|w| w.cell)
            .ok_or_else(|| Error::invalid(Code::Internal, "cell", "nothing was written"))
    }

    /// The raw view: everything in scope that is not deleted or past its validity, by memcell-rl's
    /// score, whatever its status. Counts an access of each cell returned.
    pub fn memcell_retrieve(&self, request: &MemcellRetrieve) -> Result<MemcellRetrieval> {
        check_k(request.k)?;
        self.check_query(&request.query)?;
        let now = self.clock.now();
        let types = request.types.as_deref();
        let judge = |a: &Attrs| raw_view(a, types, now);
        let scope = scope_pairs(&request.scope);
        let hits = {
            let index = self.live.level(&*self.store, self.embedder.id())?;
            let k = usize::try_from(request.k).unwrap_or(usize::MAX);
            index.memcell(&MemcellQuery {
                text: &request.query,
                scope: &scope,
                judge: &judge,
                k,
            })
        };
        let seqs: Vec<i64> = hits.iter().map(|(a, _)| a.seq).collect();
        self.store.touch(&seqs, now)?;
        let scores: std::collections::HashMap<i64, f64> =
            hits.iter().map(|(a, score)| (a.seq, *score)).collect();
        let (mut cells, mut kept) = (Vec::new(), Vec::new());
        for row in self.store.rows(&seqs)? {
            let mut cell = row.cell;
            cell.last_retrieved_at = Some(cell.last_retrieved_at.unwrap_or(now).max(now));
            cell.updated_at = cell.updated_at.max(now);
            kept.push(scores.get(&row.seq).copied().unwrap_or_default());
            cells.push(cell);
        }
        let query_id = self.new_decision_id();
        let event = self.event(
            EventKind::RetrieveCells,
            cells.iter().map(|c| c.cell_id).collect(),
            Some(query_id),
            json!({
                "query": memrl_capture::redact(&request.query).0,
                "scope": request.scope,
                "k": request.k,
            }),
        );
        self.store.append_events(&[event])?;
        Ok(MemcellRetrieval {
            query_id,
            cells,
            scores: kept,
        })
    }

    /// Decides by `baseline_v0` (or, asked for another policy, as a native recall does) and logs.
    pub fn memcell_decide(&self, request: &MemcellDecide) -> Result<MemcellDecision> {
        check_k(request.k)?;
        self.check_query(&request.query)?;
        if !(1..=MAX_BUDGET).contains(&request.budget_tokens) {
            let message = format!(
                "is {}; it must lie in [1, {MAX_BUDGET}]",
                request.budget_tokens
            );
            return Err(Error::invalid(Code::InvalidInput, "budget_tokens", message));
        }
        let name = request.policy.as_deref().unwrap_or("baseline_v0");
        if name.split('@').next() != Some("baseline_v0") {
            return self.decide_natively(request, name);
        }
        let lineup = self.lineup(Some(name), name, request.explore)?;
        let started = std::time::Instant::now();
        let asked = Asked {
            query: &request.query,
            task_type: &request.task_type,
            scope: &request.scope,
            trajectory: request.trajectory.as_deref(),
            budget: request.budget_tokens,
            k: request.k,
            max_items: usize::MAX,
            counts: BudgetCounts::Content,
        };
        let made = self.decide(&asked, &lineup, started, &mut |now| {
            let (rows, cells) = self.memcell_candidates(request, now)?;
            let candidates: Vec<Value> = rows
                .iter()
                .map(|(r, score, _)| candidate_json(&r.cell, *score))
                .collect();
            let mut found: Vec<Found> = rows
                .into_iter()
                .enumerate()
                .map(|(rank, (row, _, candidate))| found_of(&row, candidate, rank))
                .collect();
            self.add_values(&mut found, now)?;
            let state = json!({"route": "memcell", "candidate_cells": candidates});
            Ok(Gathered {
                found,
                cells,
                state,
            })
        })?;
        let d = &made.decision;
        let selected_cells = made
            .choice
            .slate
            .iter()
            .zip(&made.shown)
            .map(|(&i, row)| MemcellSelected {
                cell_id: row.cell.cell_id,
                mode: d.items[i].mode,
                score: d.items[i].score,
                reason: d.items[i].reason.clone(),
                content: row.cell.content.clone(),
            })
            .collect();
        Ok(MemcellDecision {
            query_id: d.query_id,
            selected_cells,
            suppressed_cells: suppressed(&d.items, &made.choice),
            policy: policy_json(&d.policy),
            transition_id: d.decision_id,
            context: d.context.clone().unwrap_or_default(),
            propensity: d.propensity.log_joint.exp(),
            constraints_exceed_budget: made.choice.constraints_exceed_budget(),
        })
    }

    /// The best k by memcell-rl's score that the hard rules admit, and the masked ones among them.
    fn memcell_candidates(
        &self,
        request: &MemcellDecide,
        now: Timestamp,
    ) -> Result<(Vec<Ranked>, u64)> {
        let scope = scope_pairs(&request.scope);
        let judge = |a: &Attrs| match CellStatus::from_code(a.status) {
            None | Some(CellStatus::Deleted) => Verdict::Exclude,
            Some(_) => Verdict::Admit,
        };
        let k = usize::try_from(request.k).unwrap_or(usize::MAX);
        let mut fetch = k.saturating_add(SLACK);
        loop {
            let (hits, total) = {
                let index = self.live.level(&*self.store, self.embedder.id())?;
                let query = MemcellQuery {
                    text: &request.query,
                    scope: &scope,
                    judge: &judge,
                    k: fetch,
                };
                (index.memcell(&query), index.len())
            };
            let exhausted = hits.len() < fetch;
            let wanted = enough(&hits, k, now);
            let seqs: Vec<i64> = hits[..wanted].iter().map(|(a, _)| a.seq).collect();
            let mut picked = Vec::with_capacity(seqs.len());
            let mut live = 0;
            let scores: std::collections::HashMap<i64, f64> =
                hits.iter().map(|(a, s)| (a.seq, *s)).collect();
            for row in self.store.rows(&seqs)? {
                // A null in the scope must not reach cells that lack the key.
                if !request.scope.admits(&row.cell.scope) {
                    continue;
                }
                let score = scores.get(&row.seq).copied().unwrap_or_default();
                let mut candidate = Candidate::of(&row.cell, now);
                candidate.score = score;
                candidate.tokens = memcell_tokens(&row.cell.content);
                candidate.cost = candidate.tokens;
                live += usize::from(candidate.mask.is_none());
                picked.push((row, score, candidate));
                if live == k {
                    break;
                }
            }
            if live >= k || exhausted || wanted < hits.len() {
                return Ok((picked, total as u64));
            }
            fetch = fetch.saturating_mul(4);
        }
    }

    fn decide_natively(&self, request: &MemcellDecide, policy: &str) -> Result<MemcellDecision> {
        let recall = self.recall(&RecallRequest {
            all_scopes: true,
            task_type: request.task_type.clone(),
            budget_tokens: Some(request.budget_tokens),
            budget_counts: BudgetCounts::Content,
            limit: Some(request.k.min(1000)),
            policy: Some(policy.to_owned()),
            trajectory: request.trajectory.clone(),
            clearance: Some(Clearance::ALL),
            ..RecallRequest::new(request.query.clone(), request.scope.clone())
        })?;
        let query_id = self.store.decision(recall.decision_id)?.decision.query_id;
        Ok(MemcellDecision {
            query_id,
            selected_cells: recall
                .selected
                .into_iter()
                .map(|r| MemcellSelected {
                    cell_id: r.cell.cell_id,
                    mode: r.mode,
                    score: r.score,
                    reason: r.reason,
                    content: r.cell.content,
                })
                .collect(),
            suppressed_cells: recall.suppressed,
            policy: policy_json(&recall.policy),
            transition_id: recall.decision_id,
            context: recall.context,
            propensity: recall.propensity,
            constraints_exceed_budget: recall.constraints_exceed_budget,
        })
    }

    /// Records feedback on a decision.
    pub fn memcell_feedback(&self, request: &MemcellFeedback) -> Result<MemcellReward> {
        let outcome = Outcome {
            whole: true,
            ..request.outcome.clone()
        };
        let report = self.feedback(request.transition_id, &outcome)?;
        let spec = self.spec(&self.config.reward.spec)?.name();
        let reward_value = report
            .rewards
            .iter()
            .find(|r| r.spec == spec)
            .map_or(0.0, |r| r.value);
        Ok(MemcellReward {
            transition_id: report.decision_id,
            reward_value,
            completed_at: report.completed_at,
            conflicts: report.merged.conflicts,
            rewards: report.rewards,
        })
    }
}

/// How many of the hits are needed for k that pass the rules (all, when there are fewer).
fn enough(hits: &[(Attrs, f64)], k: usize, now: Timestamp) -> usize {
    let mut live = 0;
    for (i, (a, _)) in hits.iter().enumerate() {
        let status = CellStatus::from_code(a.status);
        let shown = matches!(status, Some(CellStatus::Active | CellStatus::Quarantined))
            && a.valid_until >= now.0
            && a.valid_from <= now.0
            && a.flags & crate::live::FLAG_CONTRADICTED == 0;
        live += usize::from(shown);
        if live == k {
            return i + 1;
        }
    }
    hits.len()
}

fn raw_view(a: &Attrs, types: Option<&[CellType]>, now: Timestamp) -> Verdict {
    let wanted = types.is_none_or(|t| t.iter().any(|t| t.code() == a.kind));
    if wanted && a.status != CellStatus::Deleted.code() && a.valid_until >= now.0 {
        Verdict::Admit
    } else {
        Verdict::Exclude
    }
}

/// `max(1, len // 4)` in characters.
fn memcell_tokens(content: &str) -> u32 {
    crate::TokenCounter::Chars4.count(content)
}

fn found_of(row: &CellRow, mut candidate: Candidate, rank: usize) -> Found {
    candidate.rank = rank as u32;
    Found {
        seq: row.seq,
        version: row.cell.version,
        candidate,
    }
}

fn candidate_json(cell: &Cell, score: f64) -> Value {
    json!({
        "cell_id": cell.cell_id,
        "type": cell.kind,
        "status": cell.status,
        "confidence": cell.confidence,
        "sensitivity": cell.sensitivity,
        "policy_features": cell.features(),
        "retrieval_score": score,
    })
}

/// memcell-rl's description of a policy; its confidence is a constant of that system.
fn policy_json(label: &str) -> Value {
    let id = label.split('@').next().unwrap_or(label);
    json!({"policy_id": id, "policy_type": "rule_based", "confidence": 0.75})
}

fn check_k(k: u64) -> Result<()> {
    if (1..=MAX_K).contains(&k) {
        return Ok(());
    }
    Err(Error::invalid(
        Code::InvalidInput,
        "k",
        format!("is {k}; it must lie in [1, {MAX_K}]"),
    ))
}
