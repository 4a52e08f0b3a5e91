//! `baseline_v0`: memcell-rl's selection rules to the letter.
//!
//! Facts: the specification of memcell-rl's `core/policy.py` (commit 7b83e5d). The reasons are
//! compared byte for byte by its clients, so they stay as they are, em dash included.

use memrl_types::{CellStatus, CellType, Mode, PolicyFeatures, Sensitivity, rules::CRITICAL};

use super::{RecallPolicy, Scored};
use crate::{Candidate, Context};

/// Difference of the logits of two neighbours in the order, for slates drawn from this policy:
/// its order is lexicographic, so its score cannot be a logit.
const LOGIT_STEP: f64 = 0.1;

/// memcell-rl's rules. Cells with status `contradicted` or `expired` **are** eligible here, as
/// they are there; a route that keeps our hard rules sets [`Candidate::mask`] on them.
#[derive(Debug, Clone, Copy, Default)]
pub struct BaselineV0;

impl BaselineV0 {
    /// The `confidence` that memcell-rl's routes report for it.
    pub const CONFIDENCE: f64 = 0.75;
}

impl RecallPolicy for BaselineV0 {
    fn id(&self) -> &'static str {
        "baseline_v0"
    }

    fn version(&self) -> u32 {
        1
    }

    fn order(&self, _ctx: &Context, candidates: &[Candidate]) -> Vec<Scored> {
        let (mut eligible, refused): (Vec<_>, Vec<_>) = candidates
            .iter()
            .enumerate()
            .map(|(index, c)| rule(index, c))
            .partition(|s| s.mode != Mode::Suppress);
        eligible.sort_by(|a, b| {
            let key = |s: &Scored| {
                let c = &candidates[s.index];
                let f = c.features;
                (
                    s.mode == Mode::Constraint,
                    [
                        f.criticality,
                        f.future_utility_estimate,
                        c.score,
                        c.confidence,
                    ],
                )
            };
            let (a, b) = (key(a), key(b));
            b.0.cmp(&a.0).then_with(|| {
                let pairs = b.1.iter().zip(&a.1);
                // As Python compares: -0.0 equals 0.0.
                pairs
                    .map(|(x, y)| x.partial_cmp(y).unwrap_or_else(|| x.total_cmp(y)))
                    .find(|o| o.is_ne())
                    .unwrap_or(std::cmp::Ordering::Equal)
            })
        });
        for (rank, s) in eligible.iter_mut().enumerate() {
            s.logit = -LOGIT_STEP * rank as f64;
        }
        eligible.into_iter().chain(refused).collect()
    }

    /// As likely as the candidate on rank 30.
    fn stop_logit(&self, _ctx: &Context) -> f64 {
        -LOGIT_STEP * 30.0
    }
}

/// memcell-rl's retrieval score, given the Jaccard similarity of the lower-cased word sets of query
/// and content (0 when either is empty):
/// `jaccard + 0.5·confidence + 0.5·criticality + 0.3·utility − 0.5·staleness`.
pub fn baseline_score(jaccard: f64, confidence: f64, features: &PolicyFeatures) -> f64 {
    // Added from the left, so that the last digit is Python's too.
    jaccard + 0.5 * confidence + 0.5 * features.criticality + 0.3 * features.future_utility_estimate
        - 0.5 * features.staleness
}

/// Rules 1 to 8, in their order.
fn rule(index: usize, c: &Candidate) -> Scored {
    let crit = c.features.criticality;
    let (mode, reason) = if c.status == CellStatus::Deleted {
        (Mode::Suppress, "deleted".to_owned())
    } else if c.validity_over {
        (Mode::Suppress, "expired".to_owned())
    } else if c.status == CellStatus::Superseded {
        (Mode::Suppress, "superseded".to_owned())
    } else if c.status == CellStatus::Quarantined {
        let text = "quarantined — must reverify before use";
        (Mode::Reverify, text.to_owned())
    } else if crit >= CRITICAL
        && (c.kind == CellType::Constraint || c.sensitivity >= Sensitivity::High)
    {
        let text = format!("high criticality constraint (criticality={crit:.2})");
        (Mode::Constraint, text)
    } else if matches!(c.kind, CellType::Episode | CellType::Reflection) && crit < CRITICAL {
        let text = "episode/reflection — low criticality, providing background";
        (Mode::Background, text.to_owned())
    } else {
        let text = format!("active {} cell (score={:.3})", c.kind, c.score);
        (Mode::Context, text)
    };
    Scored {
        index,
        score: c.score,
        logit: 0.0,
        mode,
        reason,
    }
}
