//! The probability of a whole trajectory under the mixture that logged it.
//!
//! Arm, the choice to draw, and hold-outs are coins of the trajectory, so its probability is not the product of the
//! `log_joint` of its decisions:
//!
//! ```text
//! μ(trajectory) = Σ_components weight · Π_decisions P(slate | component)
//! ```
//!
//! and in a component with hold-outs each (trajectory, cell) has one coin: it counts once, at the first decision that wanted
//! the cell. Which cells a component wanted is known of the one that acted. Of another one the log has only the probability of what it
//! would have had to drop, so with several decisions the drops of different decisions are taken to be the same cells: that is the
//! *largest* probability that the component can have had, it makes weights smaller and never larger, and
//! [`Logging::is_exact`] tells. Shown cells are known, so nothing is lost where the others would have dropped none.
//!
//! A cell on trial is withheld with a probability of its own. The log has it within the probability of the component that acted: what ε does not
//! account for. It too is one coin for all decisions.

use std::collections::BTreeSet;

use memrl_types::{CellId, Component, ExploreMode};

use crate::data::Logged;

/// What is known of one trajectory so far.
#[derive(Debug, Clone, Default)]
pub struct Logging {
    components: Vec<Part>,
    /// Soft cells that were shown.
    shown: BTreeSet<CellId>,
    /// Soft cells that the hold-out withheld.
    withheld: BTreeSet<CellId>,
    decisions: u32,
    changed: bool,
}

/// One component.
#[derive(Debug, Clone)]
struct Part {
    arm: String,
    mode: ExploreMode,
    weight: f64,
    /// ln Π P(slate | component); −∞ when it is impossible.
    log_p: f64,
    /// The part of `log_p` that cells account for that are not known by name: the least that any decision had.
    rest: f64,
    acted: bool,
}

impl Part {
    fn is(&self, c: &Component) -> bool {
        self.arm == c.arm && self.mode == c.mode && (self.weight - c.weight).abs() < 1e-9
    }

    /// Counts what one decision says of cells that are not known by name. It is one coin each for all decisions, so what counts is
    /// not the sum over decisions but what a single one says; they can only agree, or want different cells.
    fn rest(&mut self, log_p: f64) {
        if log_p.abs() < 1e-9 {
            return;
        }
        let counted = if self.rest == 0.0 {
            log_p
        } else {
            self.rest.min(log_p)
        };
        self.log_p += counted - self.rest;
        self.rest = counted;
    }
}

impl Logging {
    /// Adds the next decision of the trajectory.
    pub fn push(&mut self, decision: &Logged) {
        let own;
        let components = if decision.propensity.components.is_empty() {
            // A log without a mixture: one component that always acted.
            own = [Component {
                arm: decision.arm.clone(),
                mode: decision.mode,
                weight: 1.0,
                log_probability: Some(decision.propensity.log_joint).filter(|p| p.is_finite()),
            }];
            &own[..]
        } else {
            &decision.propensity.components[..]
        };
        if self.decisions == 0 {
            self.components = components.iter().map(|c| part(c, decision)).collect();
        }
        self.decisions += 1;
        let same = self.components.len() == components.len()
            && self.components.iter().zip(components).all(|(p, c)| p.is(c));
        if !same {
            self.changed = true;
            return;
        }
        let (mut kept, mut new_kept, mut withheld, mut new_withheld) = (0_u32, 0_u32, 0_u32, 0_u32);
        for &i in &decision.slate {
            let item = &decision.items[i as usize];
            if !item.critical {
                kept += 1;
                new_kept += u32::from(self.shown.insert(item.cell));
            }
        }
        for item in decision.items.iter().filter(|i| i.held_out) {
            withheld += 1;
            new_withheld += u32::from(self.withheld.insert(item.cell));
        }
        let epsilon = decision.propensity.epsilon;
        let log = |n: u32, log_p: f64| if n == 0 { 0.0 } else { f64::from(n) * log_p };
        let keep = |n| log(n, (-epsilon).ln_1p());
        let drop = |n| log(n, epsilon.ln());
        for (part, component) in self.components.iter_mut().zip(components) {
            let Some(log_p) = component.log_probability else {
                part.log_p = f64::NEG_INFINITY;
                continue;
            };
            if part.mode != ExploreMode::Holdout {
                part.log_p += log_p;
            } else if part.acted && epsilon > 0.0 {
                part.log_p += keep(new_kept) + drop(new_withheld);
                // What ε does not explain is the coin of a cell on trial.
                part.rest(log_p - keep(kept) - drop(withheld));
            } else {
                part.log_p += keep(new_kept);
                part.rest(log_p - keep(kept));
            }
        }
    }

    /// ln of the probability of all that was done; −∞ when the mixture cannot have done it.
    pub fn log_probability(&self) -> f64 {
        log_sum(self.components.iter().map(|p| p.weight.ln() + p.log_p))
    }

    /// ln of the probability given that the trajectory is in this arm, and the arm's share; `None` without such an arm.
    pub fn of_arm(&self, arm: &str) -> Option<(f64, f64)> {
        let parts = || self.components.iter().filter(|p| p.arm == arm);
        let share: f64 = parts().map(|p| p.weight).sum();
        (share > 0.0).then(|| {
            let joint = log_sum(parts().map(|p| p.weight.ln() + p.log_p));
            (joint - share.ln(), share)
        })
    }

    /// ln of the probability given each component, and which of them acted.
    pub fn by_component(&self) -> (Vec<f64>, Option<usize>) {
        let log_p = self.components.iter().map(|p| p.log_p).collect();
        (log_p, self.components.iter().position(|p| p.acted))
    }

    /// The name of each component: arm and mode.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        let name = |p: &Part| format!("{} {}", p.arm, p.mode.as_str());
        self.components.iter().map(name)
    }

    /// Whether the mixture was not the same at all decisions, so that there is no probability of the whole.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Whether the probability is exact, and not the largest that it can be.
    pub fn is_exact(&self) -> bool {
        self.decisions < 2
            || !self
                .components
                .iter()
                .any(|p| !p.acted && p.rest < 0.0 && p.log_p > f64::NEG_INFINITY)
    }
}

fn part(c: &Component, decision: &Logged) -> Part {
    Part {
        arm: c.arm.clone(),
        mode: c.mode,
        weight: c.weight,
        log_p: 0.0,
        rest: 0.0,
        acted: c.arm == decision.arm && c.mode == decision.mode,
    }
}

/// ln Σ exp, −∞ of nothing.
pub(super) fn log_sum(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    top + terms.map(|t| (t - top).exp()).sum::<f64>().ln()
}
