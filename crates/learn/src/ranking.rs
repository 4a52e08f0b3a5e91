//! A policy's order, put under the hard rules. This is where they win over any policy.
//!
//! It may not know budgets or anything random.

use memrl_types::{CellStatus, Mask, Mode};

use crate::{Candidate, Scored};

/// Reason of a cell that the policy did not rank at all.
pub const NOT_RANKED: &str = "not_ranked";
/// Reason of a critical cell that the policy refused, forgot or would have shown as something else.
pub const CRITICAL: &str = "critical: shown whatever the policy says";

/// Every candidate exactly once: critical constraints, then whatever else may be shown, in the order
/// of the policy; then what is refused, in the order of the candidates.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    all: Vec<Scored>,
    shown: usize,
}

impl Ranking {
    /// Puts `order` under the hard rules, whatever it says:
    ///
    /// - a masked candidate is refused, for the reason of its mask; so is one that is deleted,
    ///   superseded or past its validity, masked or not;
    /// - an active critical cell is shown as a constraint;
    /// - a quarantined cell is shown for checking only, or not at all;
    /// - a candidate that the policy names twice counts where it comes first; one that it does not
    ///   name is refused; indices of no candidate are dropped; scores that are not finite become 0.
    pub fn new(candidates: &[Candidate], order: Vec<Scored>) -> Self {
        let mut seen = vec![false; candidates.len()];
        let mut all: Vec<Scored> = order
            .into_iter()
            .filter(|s| {
                let seen = seen.get_mut(s.index);
                seen.is_some_and(|seen| !std::mem::replace(seen, true))
            })
            .collect();
        let forgotten = seen.iter().enumerate().filter(|(_, seen)| !**seen);
        all.extend(forgotten.map(|(index, _)| Scored {
            index,
            score: 0.0,
            logit: f64::NEG_INFINITY,
            mode: Mode::Suppress,
            reason: NOT_RANKED.to_owned(),
        }));
        for s in &mut all {
            rule(&candidates[s.index], s);
        }
        // Stable: within the groups the order of the policy stays. A quarantined cell is to be checked,
        // not obeyed, so it does not go to the front.
        all.sort_by_key(|s| match s.mode {
            Mode::Constraint if candidates[s.index].is_critical() => (0, 0),
            Mode::Suppress => (2, s.index),
            _ => (1, 0),
        });
        let shown = all.partition_point(|s| s.mode != Mode::Suppress);
        Self { all, shown }
    }

    /// What may be shown, best first.
    pub fn shown(&self) -> &[Scored] {
        &self.all[..self.shown]
    }

    /// What may not, in the order of the candidates.
    pub fn refused(&self) -> &[Scored] {
        &self.all[self.shown..]
    }

    /// Both.
    pub fn all(&self) -> &[Scored] {
        &self.all
    }
}

/// Applies the hard rules to what a policy says about one candidate.
fn rule(c: &Candidate, s: &mut Scored) {
    if !s.score.is_finite() {
        s.score = 0.0;
    }
    if let Some(mask) = c.mask.or_else(|| mask_of(c)) {
        s.mode = Mode::Suppress;
        mask.as_str().clone_into(&mut s.reason);
    } else if c.status == CellStatus::Quarantined {
        if s.mode != Mode::Suppress {
            s.mode = Mode::Reverify;
        }
    } else if c.status == CellStatus::Active && c.is_critical() && s.mode != Mode::Constraint {
        s.mode = Mode::Constraint;
        CRITICAL.clone_into(&mut s.reason);
    }
}

/// What is never shown even where the caller left the mask off: memcell-rl's rules 1 to 3, in their
/// order. (It does show cells with status `contradicted` or `expired`; hence the mask is the caller's.)
fn mask_of(c: &Candidate) -> Option<Mask> {
    if c.status == CellStatus::Deleted {
        Some(Mask::Deleted)
    } else if c.validity_over {
        Some(Mask::Expired)
    } else if c.status == CellStatus::Superseded {
        Some(Mask::Superseded)
    } else {
        None
    }
}
