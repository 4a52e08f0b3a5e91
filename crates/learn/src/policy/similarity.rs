//! `similarity`: the order of the search, constraints first.

use memrl_types::{CellStatus, CellType, Mode};

use super::{RecallPolicy, Scored};
use crate::{Candidate, Context};

/// Orders by the fused score. Critical cells come first, by criticality; ties keep the order of
/// the candidates.
#[derive(Debug, Clone, Copy, Default)]
pub struct Similarity;

impl RecallPolicy for Similarity {
    fn id(&self) -> &'static str {
        "similarity"
    }

    fn version(&self) -> u32 {
        1
    }

    fn order(&self, _ctx: &Context, candidates: &[Candidate]) -> Vec<Scored> {
        order_by(candidates, |c| (c.score, String::new()))
    }

    fn order_tersely(&self, _ctx: &Context, candidates: &[Candidate]) -> Vec<Scored> {
        tersely_by(candidates, |c| c.score)
    }
}

/// Orders by `score` (a number and a note for the reason) with the rules that the native policies
/// share: modes, critical cells first, ties in the order of the candidates. A score that is not
/// finite counts as the lowest.
pub(super) fn order_by(
    candidates: &[Candidate],
    score: impl Fn(&Candidate) -> (f64, String),
) -> Vec<Scored> {
    order_by_index(candidates, |_, c| score(c))
}

/// [`order_by`] for scores that are known by the index of the candidate.
pub(super) fn order_by_index(
    candidates: &[Candidate],
    score: impl Fn(usize, &Candidate) -> (f64, String),
) -> Vec<Scored> {
    let scored = candidates.iter().enumerate().map(|(index, c)| {
        let (score, note) = score(index, c);
        let mode = mode(c);
        Scored {
            index,
            score,
            logit: score,
            mode,
            reason: reason(c, mode, score, &note),
        }
    });
    sorted(candidates, scored.collect())
}

/// [`order_by`] without reasons.
pub(super) fn tersely_by(
    candidates: &[Candidate],
    score: impl Fn(&Candidate) -> f64,
) -> Vec<Scored> {
    let scored = candidates.iter().enumerate().map(|(index, c)| {
        let score = score(c);
        Scored {
            index,
            score,
            logit: score,
            mode: mode(c),
            reason: String::new(),
        }
    });
    sorted(candidates, scored.collect())
}

/// Puts scored candidates in their order.
fn sorted(candidates: &[Candidate], mut scored: Vec<Scored>) -> Vec<Scored> {
    let key = |s: &Scored| {
        if s.score.is_finite() {
            s.score
        } else {
            f64::MIN
        }
    };
    scored.sort_by(|a, b| {
        let (ca, cb) = (&candidates[a.index], &candidates[b.index]);
        let front = |s: &Scored| s.mode == Mode::Constraint;
        (front(b).cmp(&front(a)))
            .then_with(|| {
                if front(a) && front(b) {
                    cb.features.criticality.total_cmp(&ca.features.criticality)
                } else {
                    std::cmp::Ordering::Equal
                }
            })
            .then_with(|| key(b).total_cmp(&key(a)))
    });
    scored
}

/// How a native policy shows a cell.
fn mode(c: &Candidate) -> Mode {
    if c.status == CellStatus::Quarantined {
        Mode::Reverify
    } else if c.is_critical() {
        Mode::Constraint
    } else if matches!(c.kind, CellType::Episode | CellType::Reflection) {
        Mode::Background
    } else {
        Mode::Context
    }
}

fn reason(c: &Candidate, mode: Mode, score: f64, note: &str) -> String {
    match mode {
        Mode::Constraint => format!(
            "critical {} (criticality {:.2})",
            c.kind, c.features.criticality
        ),
        Mode::Reverify => format!("quarantined {}, score {score:.3}{note}", c.kind),
        _ => format!("{}, score {score:.3}{note}", c.kind),
    }
}
