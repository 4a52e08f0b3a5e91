//! Outcomes: raw signals, stored as they arrive and added up when read.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::{CellId, OutcomeId, Timestamp};

/// What a caller says about one cell of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The cell.
    pub cell_id: CellId,
    /// How useful it was, in [0, 1]: 1 helpful, 0 harmful or wrong.
    pub useful: f64,
    /// Whether it was out of date.
    #[serde(default)]
    pub stale: bool,
}

/// One report about one decision. Every field is optional: reports add up.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// Success of the task, in [0, 1]; a boolean is 0 or 1.
    pub success: Option<f64>,
    /// Success as guessed from signs (tests, failing tools, a revert), in [0, 1]: counts only
    /// while nobody has said `success`; the last guess replaces earlier ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub implied_success: Option<f64>,
    /// An unsafe action happened.
    pub unsafe_action: Option<bool>,
    /// An outdated memory misled the agent.
    pub stale_memory_error: Option<bool>,
    /// Tokens spent on the task.
    pub tokens_used: Option<i64>,
    /// Time spent on the task, in milliseconds.
    pub latency_ms: Option<i64>,
    /// What the user said instead (kept apart from the log).
    pub user_correction: Option<String>,
    /// Verdicts on single cells.
    pub verdicts: Vec<Verdict>,
    /// Cells that the answer cited.
    pub cited: Vec<CellId>,
    /// Any other numbers.
    pub metrics: BTreeMap<String, f64>,
    /// Who reports, e.g. `user`, `tests`, `memcell`.
    pub source: String,
    /// Whether no further report is expected.
    pub is_final: bool,
    /// This report corrects earlier ones: where they disagree, this one counts.
    pub revise: bool,
    /// This report is about the whole task and not about a part of it (memcell-rl's are): sent
    /// again, its costs are not added again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
}

impl Outcome {
    /// Whether this later report takes back the guess and the citations of an earlier one: it is
    /// about the whole task, corrects, and comes from the same source, which would say them again
    /// if they still held.
    fn replaces(&self, earlier: &Self) -> bool {
        self.whole && self.revise && self.source == earlier.source
    }
}

/// A signal on which two reports disagree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    /// The signal.
    pub field: String,
    /// The value that counts.
    pub kept: f64,
    /// The value that was reported against it.
    pub reported: f64,
    /// The report that was not followed.
    pub outcome_id: OutcomeId,
}

/// All reports about one decision, added up.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Merged {
    /// The signals: the first `success` reported (or the last that revises it), `or` of the
    /// flags, sums of tokens, latency and metrics, the last verdict per cell, all citations, the
    /// last `implied_success`. A report that says `whole` and `revise` takes back the citations and
    /// the `implied_success` of earlier ones of its source.
    pub outcome: Outcome,
    /// Disagreements; never resolved silently.
    pub conflicts: Vec<Conflict>,
    /// Number of reports.
    pub reports: usize,
    /// When the last report arrived.
    pub completed_at: Option<Timestamp>,
}

impl Merged {
    /// Adds up reports in the order of their arrival.
    pub fn of<'a>(reports: impl IntoIterator<Item = (OutcomeId, Timestamp, &'a Outcome)>) -> Self {
        let reports: Vec<_> = reports.into_iter().collect();
        let mut all = Self::default();
        for (i, (id, at, report)) in reports.iter().enumerate() {
            let later = reports.get(i + 1..).unwrap_or_default();
            let replaced = later.iter().any(|(_, _, new)| new.replaces(report));
            all.add(*id, *at, report, replaced);
        }
        all
    }

    fn add(&mut self, id: OutcomeId, at: Timestamp, new: &Outcome, replaced: bool) {
        self.reports += 1;
        self.completed_at = Some(at);
        let sum = &mut self.outcome;
        let mut contradicts = false;
        match (sum.success, new.success) {
            (Some(kept), Some(reported)) if kept.total_cmp(&reported).is_ne() => {
                if new.revise {
                    sum.success = Some(reported);
                    self.conflicts.retain(|c| c.field != "success");
                } else {
                    contradicts = true;
                    self.conflicts.push(Conflict {
                        field: "success".into(),
                        kept,
                        reported,
                        outcome_id: id,
                    });
                }
            }
            (None, reported) => sum.success = reported,
            _ => {}
        }
        if new.implied_success.is_some() && !replaced {
            sum.implied_success = new.implied_success;
        }
        flag(&mut sum.unsafe_action, new.unsafe_action, new.revise);
        flag(
            &mut sum.stale_memory_error,
            new.stale_memory_error,
            new.revise,
        );
        // Two accounts of one course of events: its costs are not spent twice.
        if !contradicts {
            total(&mut sum.tokens_used, new.tokens_used, new);
            total(&mut sum.latency_ms, new.latency_ms, new);
        }
        if new.user_correction.is_some() {
            sum.user_correction.clone_from(&new.user_correction);
        }
        for verdict in &new.verdicts {
            sum.verdicts.retain(|v| v.cell_id != verdict.cell_id);
            sum.verdicts.push(*verdict);
        }
        for cited in &new.cited {
            if !replaced && !sum.cited.contains(cited) {
                sum.cited.push(*cited);
            }
        }
        for (name, value) in &new.metrics {
            let entry = sum.metrics.entry(name.clone()).or_insert(0.0);
            *entry = if new.revise { *value } else { *entry + value };
        }
        if !new.source.is_empty() {
            sum.source.clone_from(&new.source);
        }
        sum.is_final |= new.is_final;
    }
}

/// A flag once raised stays raised, unless a revision lowers it.
fn flag(sum: &mut Option<bool>, new: Option<bool>, revise: bool) {
    if let Some(new) = new {
        *sum = Some(if revise {
            new
        } else {
            sum.unwrap_or(false) || new
        });
    }
}

/// Costs add up, unless a revision replaces them; of whole reports the largest counts.
fn total(sum: &mut Option<i64>, cost: Option<i64>, report: &Outcome) {
    if let Some(cost) = cost {
        let before = sum.unwrap_or(0);
        *sum = Some(if report.revise {
            cost
        } else if report.whole {
            before.max(cost)
        } else {
            before.saturating_add(cost)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> OutcomeId {
        OutcomeId::from_bytes([n; 16])
    }

    #[test]
    fn partial_outcomes_add_up() {
        let a = Outcome {
            success: Some(1.0),
            tokens_used: Some(10),
            ..Outcome::default()
        };
        let b = Outcome {
            unsafe_action: Some(true),
            tokens_used: Some(5),
            ..Outcome::default()
        };
        let m = Merged::of([(id(1), Timestamp(1), &a), (id(2), Timestamp(2), &b)]);
        assert_eq!(m.outcome.success, Some(1.0));
        assert_eq!(m.outcome.unsafe_action, Some(true));
        assert_eq!(m.outcome.tokens_used, Some(15));
        assert!(m.conflicts.is_empty());
        assert_eq!(m.completed_at, Some(Timestamp(2)));
    }

    #[test]
    fn a_contradiction_is_reported_and_only_a_revision_overrules() {
        let yes = Outcome {
            success: Some(1.0),
            ..Outcome::default()
        };
        let no = Outcome {
            success: Some(0.0),
            ..Outcome::default()
        };
        let m = Merged::of([(id(1), Timestamp(1), &yes), (id(2), Timestamp(2), &no)]);
        assert_eq!(m.outcome.success, Some(1.0));
        assert_eq!(m.conflicts.len(), 1);
        assert_eq!(m.conflicts[0].outcome_id, id(2));
        let costly = Outcome {
            tokens_used: Some(9),
            ..no.clone()
        };
        let m = Merged::of([(id(1), Timestamp(1), &yes), (id(2), Timestamp(2), &costly)]);
        assert_eq!(m.outcome.tokens_used, None);
        let more = Outcome {
            unsafe_action: Some(true),
            ..no.clone()
        };
        let m = Merged::of([(id(1), Timestamp(1), &yes), (id(2), Timestamp(2), &more)]);
        assert_eq!(
            (m.outcome.success, m.outcome.unsafe_action),
            (Some(1.0), Some(true))
        );
        let revised = Outcome { revise: true, ..no };
        let m = Merged::of([(id(1), Timestamp(1), &yes), (id(2), Timestamp(2), &revised)]);
        assert_eq!(m.outcome.success, Some(0.0));
        assert!(m.conflicts.is_empty());
    }

    #[test]
    fn a_whole_revision_takes_back_what_its_source_guessed_and_cited() {
        let of = |n: u8| CellId::from_bytes([n; 16]);
        let first = Outcome {
            implied_success: Some(1.0),
            cited: vec![of(1), of(2)],
            source: "capture".into(),
            revise: true,
            whole: true,
            ..Outcome::default()
        };
        let hook = Outcome {
            implied_success: Some(0.25),
            cited: vec![of(1)],
            source: "hook".into(),
            ..Outcome::default()
        };
        let silent = Outcome {
            implied_success: None,
            cited: Vec::new(),
            ..first.clone()
        };
        let merged = |reports: &[&Outcome]| {
            let rows = (1..).zip(reports);
            let m = Merged::of(rows.map(|(n, o)| (id(n), Timestamp(1), *o)));
            (m.outcome.implied_success, m.outcome.cited)
        };
        assert_eq!(merged(&[&first, &silent]), (None, vec![]));
        assert_eq!(merged(&[&silent, &first]), (Some(1.0), vec![of(1), of(2)]));
        // What others said stays.
        assert_eq!(merged(&[&hook, &first, &silent]), (Some(0.25), vec![of(1)]));
        // One that is not about the whole, or does not correct, adds.
        for adds in [
            Outcome {
                whole: false,
                ..silent.clone()
            },
            Outcome {
                revise: false,
                ..silent.clone()
            },
        ] {
            assert_eq!(merged(&[&first, &adds]), (Some(1.0), vec![of(1), of(2)]));
        }
    }

    #[test]
    fn a_whole_report_sent_again_costs_nothing_more() {
        let first = Outcome {
            tokens_used: Some(320),
            whole: true,
            ..Outcome::default()
        };
        let again = Outcome {
            tokens_used: Some(321),
            ..first.clone()
        };
        let m = Merged::of([(id(1), Timestamp(1), &first), (id(2), Timestamp(2), &again)]);
        assert_eq!(m.outcome.tokens_used, Some(321));
    }
}
