//! The recall decision: search → hard rules → features → policy → budget → rendered block → log.

mod candidates;
mod consider;
pub(crate) mod form;
mod named;

use std::collections::HashSet;

use memrl_capture::redact;
use memrl_learn::explore::Policies;
use memrl_learn::features::{RECALL, rows};
use memrl_learn::select::greedy;
use memrl_learn::{Candidate, Choice, Context, Ranking, RecallPolicy};
use memrl_store::{CellRow, NewDecision};

pub(crate) use self::candidates::Found;
pub use self::consider::Considered;
use crate::learning::Lineup;
use crate::live::line_of;
use crate::{
    BudgetCounts, Cell, CellId, Clearance, Code, Decision, DecisionId, DecisionPoint, Error,
    EventKind, Item, Memory, Mode, Recall, RecallRequest, Recalled, Result, Scope, ScopeError,
    Suppressed, Timestamp, render,
};

/// How often a decision is made again because the memory changed under it.
const MAX_TRIES: usize = 4;
/// Largest token budget: far above any context window, far below any overflow.
pub(crate) const MAX_BUDGET: u64 = 1_000_000_000;

/// What the rest of a decision needs to know about how it was asked for.
pub(crate) struct Asked<'a> {
    pub(crate) query: &'a str,
    pub(crate) task_type: &'a str,
    pub(crate) scope: &'a Scope,
    pub(crate) trajectory: Option<&'a str>,
    pub(crate) budget: u64,
    pub(crate) k: u64,
    pub(crate) max_items: usize,
    pub(crate) counts: BudgetCounts,
}

/// The candidates of a decision, and what else it is based on.
pub(crate) struct Gathered {
    pub(crate) found: Vec<Found>,
    pub(crate) cells: u64,
    pub(crate) state: serde_json::Value,
}

/// What is random about a decision, fixed before anything is looked at.
struct Coins {
    decision_id: DecisionId,
    query_id: DecisionId,
    seed: u64,
}

/// A decision that was made, with the rows that it shows; not logged yet.
pub(crate) struct Made {
    pub(crate) decision: Decision,
    pub(crate) seqs: Vec<i64>,
    pub(crate) choice: Choice,
    pub(crate) shown: Vec<CellRow>,
}

impl Memory {
    /// Decides which cells to show for a query, and logs the decision before it answers.
    pub fn recall(&self, request: &RecallRequest) -> Result<Recall> {
        self.recall_as(request, &self.config.recall.policy)
    }

    /// As [`Self::recall`]; where neither the caller nor a promotion says which policy decides, this one does.
    pub(crate) fn recall_as(&self, request: &RecallRequest, default: &str) -> Result<Recall> {
        let started = std::time::Instant::now();
        let budget = request
            .budget_tokens
            .unwrap_or(self.config.recall.budget_tokens);
        self.check_request(request, budget)?;
        // A secret in a prompt is neither looked for, nor sent to an embedder, nor logged.
        let (clean, cut) = redact(&request.query);
        let clean = (cut > 0).then(|| RecallRequest {
            query: clean.into_owned(),
            ..request.clone()
        });
        let request = clean.as_ref().unwrap_or(request);
        let mut warnings = Vec::new();
        let vector = match self.embed_all(std::slice::from_ref(&request.query)) {
            Ok(mut v) => v.pop(),
            Err(e) => {
                warnings.push(format!("searched by words only: {e}"));
                None
            }
        };
        let mut lineup = self.lineup(request.policy.as_deref(), default, request.explore)?;
        warnings.append(&mut lineup.warnings);
        let mut masked: HashSet<CellId> = request.already_in_context.iter().copied().collect();
        if let (true, Some(trajectory)) = (request.skip_shown, request.trajectory.as_deref()) {
            masked.extend(self.store.shown_in(trajectory)?);
        }
        let asked = Asked {
            query: &request.query,
            task_type: &request.task_type,
            scope: &request.scope,
            trajectory: request.trajectory.as_deref(),
            budget,
            k: request.limit.unwrap_or(u64::from(self.config.recall.pool)),
            max_items: request.max_cells.map_or(usize::MAX, |n| n as usize),
            counts: request.budget_counts,
        };
        let state = serde_json::json!({
            "embedder": if vector.is_some() { self.live.model() } else { "words only" },
            "clearance": self.clearance(request).0,
            "budget_counts": request.budget_counts,
            "widen": request.widen,
            "all_scopes": request.all_scopes,
            "already_in_context": masked.len(),
            "types": request.types,
            "max_cells": request.max_cells,
            "global": request.global,
            "relevant_only": request.relevant_only,
            "utility_weight": self.config.values.utility_weight,
        });
        let made = self.decide(&asked, &lineup, started, &mut |now| {
            let (found, cells) =
                self.candidates(request, vector.as_deref(), &masked, now, asked.k)?;
            Ok(Gathered {
                found,
                cells,
                state: state.clone(),
            })
        })?;
        Ok(answer(made, warnings))
    }

    /// Decides and logs. When a candidate changes while the decision is made, it is made again on
    /// the new state with the same coins: whether it is made again must not depend on what was
    /// drawn, or the logged probabilities would not be those of what happens.
    pub(crate) fn decide(
        &self,
        asked: &Asked<'_>,
        lineup: &Lineup,
        started: std::time::Instant,
        gather: &mut dyn FnMut(Timestamp) -> Result<Gathered>,
    ) -> Result<Made> {
        let coins = Coins {
            decision_id: self.new_decision_id(),
            query_id: self.new_decision_id(),
            seed: u64::from_le_bytes(self.random()),
        };
        for _ in 0..MAX_TRIES {
            let now = self.clock.now();
            let gathered = gather(now)?;
            let Some(mut made) = self.choose(asked, lineup, gathered, &coins, now)? else {
                continue;
            };
            made.decision.latency_us =
                u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            match self.log(&made) {
                Ok(()) => return Ok(made),
                // A cell that it shows was changed, or purged, at the last moment.
                Err(e) if e.code() == Code::Conflict => {}
                Err(e) => return Err(e),
            }
        }
        Err(Error::invalid(
            Code::Busy,
            "query",
            "the cells it finds change faster than it can read",
        ))
    }

    fn check_request(&self, request: &RecallRequest, budget: u64) -> Result<()> {
        request.scope.check_asked()?;
        for scope in &request.widen {
            scope.check_asked()?;
        }
        if request.scope.is_empty() && !request.all_scopes {
            return Err(ScopeError::Empty.into());
        }
        self.check_query(&request.query)?;
        if !(1..=MAX_BUDGET).contains(&budget) {
            let message = format!("is {budget}; it must lie in [1, {MAX_BUDGET}]");
            return Err(Error::invalid(Code::InvalidInput, "budget_tokens", message));
        }
        for (field, value) in [("limit", request.limit), ("max_cells", request.max_cells)] {
            if let Some(n) = value.filter(|n| !(1..=1000).contains(n)) {
                let message = format!("is {n}; it must lie in [1, 1000]");
                return Err(Error::invalid(Code::InvalidInput, field, message));
            }
        }
        Ok(())
    }

    pub(crate) fn check_query(&self, query: &str) -> Result<()> {
        let limit = self.config.limits.max_query_bytes;
        if query.len() as u64 > limit {
            let message = format!("has {} bytes; the limit is {limit}", query.len());
            return Err(Error::invalid(Code::ContentTooLarge, "query", message));
        }
        Ok(())
    }

    fn clearance(&self, request: &RecallRequest) -> Clearance {
        request
            .clearance
            .unwrap_or(Clearance(self.config.recall.clearance))
    }

    /// Policy, budget, randomisation; `None` when a candidate is no longer what it was.
    fn choose(
        &self,
        asked: &Asked<'_>,
        lineup: &Lineup,
        gathered: Gathered,
        coins: &Coins,
        now: Timestamp,
    ) -> Result<Option<Made>> {
        let Gathered {
            found,
            cells,
            state,
        } = gathered;
        let (seqs, versions, candidates) = split(found);
        let mut ctx = Context::with_budget(asked.budget);
        ctx.query_tokens = self.config.token_counter.count(asked.query);
        ctx.memory_cells = cells;
        ctx.query = form::of_query(asked.query, named::names_time(asked.query));
        ctx.max_items = asked.max_items;
        if asked.counts == BudgetCounts::Rendered {
            // Headings are paid for once; which ones may be needed follows from the modes. The
            // same for every arm, so that the budget does not tell them apart.
            let modes = lineup
                .acting()
                .flat_map(|p| p.order(&ctx, &candidates))
                .map(|s| s.mode);
            let overhead = render::overhead(self.config.token_counter, modes);
            ctx.overhead_tokens = u64::from(overhead);
        }
        let own_trajectory = coins.decision_id.to_string();
        let trajectory = asked.trajectory.unwrap_or(&own_trajectory);
        let choice = memrl_learn::decide(
            &ctx,
            &candidates,
            Policies {
                incumbent: &*lineup.incumbent,
                canary: lineup.canary.as_deref(),
                control: lineup.control.as_deref(),
            },
            &lineup.explore,
            trajectory,
            coins.seed,
        )?;
        let shown = self
            .store
            .rows(&choice.slate.iter().map(|&i| seqs[i]).collect::<Vec<_>>())?;
        if shown.len() != choice.slate.len() || self.changed(&seqs, &versions)? {
            return Ok(None);
        }
        let items = items_of(&ctx, &candidates, &choice, &versions);
        let context = block(&choice, &shown);
        let shadow = lineup.shadow.as_deref();
        let shadow = shadow.map(|p| in_shadow(p, &ctx, &candidates));
        let state = with_sizes(state, &ctx, lineup, shadow);
        let tokens_used = match asked.counts {
            BudgetCounts::Rendered if context.is_empty() => 0,
            BudgetCounts::Rendered => self.config.token_counter.count(&context),
            BudgetCounts::Content => u32::try_from(choice.tokens_used).unwrap_or(u32::MAX),
        };
        let decision = Decision {
            decision_id: coins.decision_id,
            query_id: coins.query_id,
            point: DecisionPoint::Recall,
            trajectory_id: trajectory.to_owned(),
            step: 0,
            created_at: now,
            query: redact(asked.query).0.into_owned(),
            task_type: asked.task_type.to_owned(),
            scope: asked.scope.clone(),
            budget_tokens: asked.budget,
            k: asked.k,
            policy: choice.policy.clone(),
            arms: choice.arms.clone(),
            arm: choice.arm.clone(),
            explore_mode: choice.explore_mode,
            propensity: choice.propensity.clone(),
            feature_schema: RECALL.to_owned(),
            items,
            state,
            tokens_used,
            latency_us: 0,
            context: Some(context),
        };
        Ok(Some(Made {
            decision,
            seqs,
            choice,
            shown,
        }))
    }

    /// Whether a candidate has another version now than the decision was made on.
    fn changed(&self, seqs: &[i64], versions: &[u32]) -> Result<bool> {
        let index = self.live.level(&*self.store, self.embedder.id())?;
        let now = |seq: &i64| index.attrs(*seq).map(|a| a.version);
        Ok(seqs
            .iter()
            .zip(versions)
            .any(|(seq, version)| now(seq) != Some(*version)))
    }

    /// Writes a decision and its event to the log.
    fn log(&self, made: &Made) -> Result<()> {
        let d = &made.decision;
        let selected = made.shown.len();
        let payload = serde_json::json!({
            "query_id": d.query_id,
            "transition_id": d.decision_id,
            "selected_count": selected,
            "suppressed_count": d.items.len() - selected,
        });
        // The store knows which cells the decision showed.
        let event = self.event(
            EventKind::DecideCells,
            Vec::new(),
            Some(d.query_id),
            payload,
        );
        let new = NewDecision {
            decision: d,
            seqs: &made.seqs,
        };
        self.store.append_decision(&new, &[event])?;
        Ok(())
    }
}

/// What the caller gets of a logged decision.
fn answer(made: Made, warnings: Vec<String>) -> Recall {
    let Made {
        decision: d,
        choice,
        shown,
        ..
    } = made;
    let suppressed = suppressed(&d.items, &choice);
    let selected = choice
        .slate
        .iter()
        .zip(shown)
        .map(|(&i, row)| Recalled {
            cell: row.cell,
            mode: d.items[i].mode,
            score: d.items[i].score,
            reason: d.items[i].reason.clone(),
            p_include: d.items[i].p_include,
        })
        .collect();
    Recall {
        decision_id: d.decision_id,
        trajectory_id: d.trajectory_id,
        policy: d.policy,
        arm: d.arm,
        explore_mode: d.explore_mode,
        propensity: d.propensity.log_joint.exp(),
        selected,
        suppressed,
        context: d.context.unwrap_or_default(),
        tokens_used: d.tokens_used,
        budget_tokens: d.budget_tokens,
        constraints_exceed_budget: choice.constraints_exceed_budget(),
        left_out: choice
            .constraints_left_out
            .iter()
            .map(|&i| d.items[i].cell_id)
            .collect(),
        warnings,
        latency_us: d.latency_us,
    }
}

/// The candidates as they are logged.
fn items_of(
    ctx: &Context,
    candidates: &[Candidate],
    choice: &Choice,
    versions: &[u32],
) -> Vec<Item> {
    let features = rows(ctx, candidates);
    let width = features.len() / candidates.len().max(1);
    candidates
        .iter()
        .zip(&choice.items)
        .zip(versions)
        .zip(features.chunks(width.max(1)))
        .map(|(((c, i), version), row)| Item {
            cell_id: c.cell_id,
            version: *version,
            features: if c.mask.is_some() {
                Vec::new()
            } else {
                row.to_vec()
            },
            score: i.score,
            tokens: c.cost,
            selected: i.selected,
            position: i.position,
            mode: i.mode,
            reason: i.reason.clone(),
            p_include: i.p_include,
            p_step: i.p_step,
            critical: i.critical,
            held_out: i.held_out,
        })
        .collect()
}

/// What a policy would have done that does nothing: its slate as indices of the candidates.
fn in_shadow(
    policy: &dyn RecallPolicy,
    ctx: &Context,
    candidates: &[Candidate],
) -> serde_json::Value {
    let ranking = Ranking::new(candidates, policy.order(ctx, candidates));
    let would = greedy(ctx, candidates, &ranking);
    serde_json::json!({"policy": policy.label(), "slate": would.slate, "tokens": would.tokens_used})
}

/// What the decision used besides the candidates.
fn with_sizes(
    mut state: serde_json::Value,
    ctx: &Context,
    lineup: &Lineup,
    shadow: Option<serde_json::Value>,
) -> serde_json::Value {
    if let Some(map) = state.as_object_mut() {
        map.insert("memory_cells".into(), ctx.memory_cells.into());
        map.insert("overhead_tokens".into(), ctx.overhead_tokens.into());
        map.insert("query_tokens".into(), ctx.query_tokens.into());
        let explore = &lineup.explore;
        map.insert("asked".into(), lineup.asked.into());
        map.insert("temperature".into(), explore.temperature.into());
        map.insert("sampled_share".into(), explore.sampled_share.into());
        if let Some(trial) = explore.trial {
            map.insert(
                "trial".into(),
                serde_json::json!({"cell": trial.cell, "p": trial.p}),
            );
        }
        if let Some(shadow) = shadow {
            map.insert("shadow".into(), shadow);
        }
    }
    state
}

fn split(found: Vec<Found>) -> (Vec<i64>, Vec<u32>, Vec<Candidate>) {
    let mut seqs = Vec::with_capacity(found.len());
    let mut versions = Vec::with_capacity(found.len());
    let mut candidates = Vec::with_capacity(found.len());
    for f in found {
        seqs.push(f.seq);
        versions.push(f.version);
        candidates.push(f.candidate);
    }
    (seqs, versions, candidates)
}

/// The rendered block of what is shown.
pub(crate) fn block(choice: &Choice, shown: &[CellRow]) -> String {
    let texts: Vec<String> = shown.iter().map(|r| r.cell.indexed_text()).collect();
    let modes: Vec<Mode> = choice.slate.iter().map(|&i| choice.items[i].mode).collect();
    let cells: Vec<&Cell> = shown.iter().map(|r| &r.cell).collect();
    render::block(
        modes
            .into_iter()
            .zip(cells.iter().zip(&texts))
            .map(|(m, (c, t))| (m, line_of(c, t))),
    )
}

/// Everything that was not shown, refused candidates first, then in order of priority.
pub(crate) fn suppressed(items: &[Item], choice: &Choice) -> Vec<Suppressed> {
    choice
        .left_out
        .iter()
        .map(|&i| Suppressed {
            cell_id: items[i].cell_id,
            reason: items[i].reason.clone(),
        })
        .collect()
}
