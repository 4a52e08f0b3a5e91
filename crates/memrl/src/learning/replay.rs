//! History again: every logged decision made once more from its own log row, under the policies that made it or under
//! another one.
//!
//! A decision's row holds all that it was made of: candidates, features, budget, salt, seed, shares. So the policies of the
//! log must come to the same slate again, bit for bit; where they do not, the log or the code is wrong. Under another policy the
//! replay says what it would have shown; it does not say what would have come of that: that is an estimate, and
//! [`super::evaluate`] makes it.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use memrl_learn::data::Logged;
use memrl_learn::explore::Policies;
use memrl_learn::{ExploreConfig, Ranking, RecallPolicy, features, select};
use serde::{Deserialize, Serialize};

use super::log::{LogQuery, Reader};
use super::registry::logged_schema;
use crate::{Arm, CellId, Code, DecisionId, Error, ExploreMode, Memory, Result, Timestamp};

/// What to replay.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayRequest {
    /// The policy in the place of the incumbent; `None`: the policies of the log.
    pub policy: Option<String>,
    /// The part of the log.
    pub log: LogQuery,
}

/// One decision, as it was and as it would be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplayedDecision {
    /// The decision.
    pub decision: DecisionId,
    /// When it was made.
    pub at: Timestamp,
    /// The arm that its trajectory was in.
    pub arm: String,
    /// The policy that acted.
    pub acted: String,
    /// Whether the same cells are shown in the same order, with the same probability where the policies are the same.
    pub same: bool,
    /// What was shown.
    pub shown: Vec<CellId>,
    /// What would be.
    pub would: Vec<CellId>,
    /// Tokens of what was shown and of what would be.
    pub tokens: (u64, u64),
    /// The success that was reported, if any.
    pub success: Option<f64>,
}

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ReplayReport {
    /// The policy in the place of the incumbent; `None`: the policies of the log.
    pub policy: Option<String>,
    /// Decisions replayed.
    pub decisions: u64,
    /// Of them: the same again.
    pub same: u64,
    /// Cells that would be shown and were not, per decision.
    pub added: f64,
    /// Cells that were shown and would not be, per decision.
    pub removed: f64,
    /// Mean tokens shown, as it was and as it would be.
    pub tokens: (f64, f64),
    /// Decisions that cannot be replayed: logged under another feature schema.
    pub foreign: u64,
    /// Decisions whose policies are gone.
    pub unknown: u64,
}

/// What one policy would show.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Would {
    /// The cells, in order.
    pub(crate) cells: Vec<CellId>,
    /// Their tokens, overhead included.
    pub(crate) tokens: u64,
}

impl Memory {
    /// Replays a part of the log, the oldest first, and shows each decision to `visit`. A part without a decision that can be
    /// replayed is refused: nothing was shown to be the same.
    pub fn replay(
        &self,
        request: &ReplayRequest,
        visit: &mut dyn FnMut(&ReplayedDecision) -> ControlFlow<()>,
    ) -> Result<ReplayReport> {
        let schema = logged_schema()?;
        let spec = self.spec("bounded_v1")?;
        let mut report = ReplayReport {
            policy: request
                .policy
                .as_deref()
                .map(|name| self.policy_label(name))
                .transpose()?,
            ..ReplayReport::default()
        };
        let mut policies = Cast {
            memory: self,
            known: HashMap::new(),
        };
        let mut failure = None;
        let mut tokens = (0.0, 0.0);
        let (mut added, mut removed) = (0u64, 0u64);
        let reader = self.read_log(&request.log, Some(&schema), &spec, &mut |logged, reader| {
            let replayed = match policies.replay(&schema, &logged, reader, report.policy.as_deref())
            {
                Ok(Some(replayed)) => replayed,
                Ok(None) => {
                    report.unknown += 1;
                    return ControlFlow::Continue(());
                }
                Err(e) => {
                    failure = Some(e);
                    return ControlFlow::Break(());
                }
            };
            report.decisions += 1;
            report.same += u64::from(replayed.same);
            let missing = |of: &[CellId], from: &[CellId]| {
                from.iter().filter(|c| !of.contains(c)).count() as u64
            };
            added += missing(&replayed.shown, &replayed.would);
            removed += missing(&replayed.would, &replayed.shown);
            tokens.0 += replayed.tokens.0 as f64;
            tokens.1 += replayed.tokens.1 as f64;
            visit(&replayed)
        })?;
        if let Some(e) = failure {
            return Err(e);
        }
        report.foreign = reader.foreign;
        if report.decisions == 0 {
            return Err(nothing_to_replay(&report));
        }
        let n = report.decisions.max(1) as f64;
        report.added = added as f64 / n;
        report.removed = removed as f64 / n;
        report.tokens = (tokens.0 / n, tokens.1 / n);
        Ok(report)
    }

    /// What each of these policies would show, without any randomisation, to the newest `limit`
    /// decisions of the log.
    pub(crate) fn would_show(&self, labels: &[&str], limit: u64) -> Result<Vec<Vec<Would>>> {
        let schema = logged_schema()?;
        let spec = self.spec("bounded_v1")?;
        let policies = labels
            .iter()
            .map(|label| self.policy(label))
            .collect::<Result<Vec<_>>>()?;
        let query = LogQuery {
            limit: Some(limit),
            ..LogQuery::default()
        };
        let mut all = Vec::new();
        self.read_log(&query, Some(&schema), &spec, &mut |logged, _| {
            let (ctx, candidates) = features::rebuild(&schema, &logged);
            let would = |policy: &Arc<dyn RecallPolicy>| {
                let ranking = Ranking::new(&candidates, policy.order_tersely(&ctx, &candidates));
                let greedy = select::greedy(&ctx, &candidates, &ranking);
                Would {
                    cells: greedy.slate.iter().map(|&i| logged.items[i].cell).collect(),
                    tokens: greedy.tokens_used,
                }
            };
            all.push(policies.iter().map(would).collect());
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }
}

fn nothing_to_replay(report: &ReplayReport) -> Error {
    let left_out = [
        (report.foreign, "logged with other features"),
        (report.unknown, "made by policies that are gone"),
    ];
    let left_out: Vec<String> = left_out
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, why)| format!("{n} decisions were {why}"))
        .collect();
    let message = if left_out.is_empty() {
        "nothing to replay: there is no decision in this part of the log".to_owned()
    } else {
        format!("nothing to replay: {}", left_out.join(", "))
    };
    Error::invalid(Code::TooLittleData, "log", message)
}

/// The policies of the log, each looked up once.
struct Cast<'a> {
    memory: &'a Memory,
    /// By label, and for `utility` by the weight of values (its bits).
    known: HashMap<(String, u64), Option<Arc<dyn RecallPolicy>>>,
}

impl Cast<'_> {
    /// A policy by label, with the weight of values that was in force; `None` when it is gone.
    fn find(&mut self, label: &str, weight: Option<f64>) -> Option<Arc<dyn RecallPolicy>> {
        let memory = self.memory;
        let weight = weight.unwrap_or(memory.config.values.utility_weight);
        self.known
            .entry((label.to_owned(), weight.to_bits()))
            .or_insert_with(|| memory.policy_weighing(label, weight).ok())
            .clone()
    }

    /// A decision again; `None` when a policy of its is gone.
    fn replay(
        &mut self,
        schema: &memrl_learn::data::Schema,
        logged: &Logged,
        reader: &Reader,
        instead: Option<&str>,
    ) -> Result<Option<ReplayedDecision>> {
        let arms = &reader.arms;
        let of = |name: &str| arms.iter().find(|a: &&Arm| a.name == name);
        let incumbent = match (instead, of("incumbent")) {
            (Some(label), _) => Some(label.to_owned()),
            (None, Some(arm)) => Some(arm.policy.clone()),
            // Nothing but other arms: any policy will do, it does not act.
            (None, None) => Some("similarity@1".to_owned()),
        };
        let incumbent = incumbent.and_then(|label| self.find(&label, reader.utility_weight));
        let canary = of("canary").map(|a| self.find(&a.policy, reader.utility_weight));
        let control = of("control").map(|a| self.find(&a.policy, reader.utility_weight));
        let (Some(incumbent), false, false) = (
            incumbent,
            matches!(canary, Some(None)),
            matches!(control, Some(None)),
        ) else {
            return Ok(None);
        };
        let (canary, control) = (canary.flatten(), control.flatten());
        let (ctx, candidates) = features::rebuild(schema, logged);
        let config = explore_of(logged, reader);
        let again = memrl_learn::decide(
            &ctx,
            &candidates,
            Policies {
                incumbent: &*incumbent,
                canary: canary.as_deref(),
                control: control.as_deref(),
            },
            &config,
            &reader.trajectory,
            logged.propensity.seed,
        )
        .map_err(|e| {
            let message = format!("{}: {e}", logged.id);
            Error::invalid(Code::InvalidInput, "decision", message)
        })?;
        let slate = logged.shown();
        let mut same = slate == again.slate;
        if instead.is_none() {
            same &= again.propensity.log_joint.to_bits() == logged.propensity.log_joint.to_bits();
        }
        let cells = |slate: &[usize]| slate.iter().map(|&i| logged.items[i].cell).collect();
        Ok(Some(ReplayedDecision {
            decision: logged.id,
            at: logged.at,
            arm: logged.arm.clone(),
            acted: reader.policies.all[logged.policy as usize].clone(),
            same,
            shown: cells(&slate),
            would: cells(&again.slate),
            tokens: (
                select::tokens_of(&ctx, &candidates, &slate),
                again.tokens_used,
            ),
            success: logged.signals.success,
        }))
    }
}

/// The randomisation that a decision was made with, from its log row.
pub(super) fn explore_of(logged: &Logged, reader: &Reader) -> ExploreConfig {
    let share = |name: &str| {
        reader
            .arms
            .iter()
            .find(|a| a.name == name)
            .map_or(0.0, |a| a.share)
    };
    // The share of drawn slates is that of the components of any arm that draws.
    let drawn = logged
        .propensity
        .components
        .iter()
        .find(|c| c.mode == ExploreMode::PlackettLuce)
        .map_or(0.0, |c| c.weight / share(&c.arm));
    ExploreConfig {
        epsilon: logged.propensity.epsilon,
        sampled_share: reader.sampled_share.unwrap_or(drawn),
        temperature: logged.temperature,
        canary_share: share("canary"),
        control_share: share("control"),
        none_share: share("none"),
        salt: logged.propensity.salt,
        trial: reader.trial,
    }
}
