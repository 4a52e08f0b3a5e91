//! The rules by which an outcome is attributed to cells, by name.
//!
//! Outcomes are kept raw and evidence is keyed by (outcome, cell), so the rule behind each piece can be told at any time from what is
//! logged: [`primary`] does so for the slate. This is the one table of their names.

use std::collections::{BTreeMap, BTreeSet};

use memrl_types::{CellId, Outcome};
use serde::Serialize;

use crate::value::Signal;

/// How a cell came to its evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Somebody judged the cell.
    Verdict,
    /// The answer cited it.
    Citation,
    /// It was shown, and nobody said which of the cells shown mattered.
    EqualShare,
    /// It was shown by an earlier decision of the trajectory.
    EarlierDecision,
    /// A credited cell was made from it.
    Ancestor,
    /// It records a task that ended shortly before a success began.
    EarlierTask,
}

/// One rule in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleInfo {
    /// The rule.
    pub rule: Rule,
    /// Its name.
    pub name: &'static str,
    /// The mass of the evidence.
    pub mass: &'static str,
    /// What is logged, from which the rule can be told.
    pub logged: &'static str,
}

/// All rules, the ones that count first at the top.
pub const RULES: [RuleInfo; 6] = [
    RuleInfo {
        rule: Rule::Verdict,
        name: "verdict",
        mass: "1; the verdict takes the place of the success",
        logged: "the verdict, in the outcome",
    },
    RuleInfo {
        rule: Rule::Citation,
        name: "citation",
        mass: "trust / cited cells of the slate",
        logged: "the citations, in the outcome",
    },
    RuleInfo {
        rule: Rule::EqualShare,
        name: "equal_share",
        mass: "trust / cells of the slate",
        logged: "the slate, in the decision",
    },
    RuleInfo {
        rule: Rule::EarlierDecision,
        name: "earlier_decision",
        mass: "trust · (γλ)^steps / cells of that slate",
        logged: "trajectory and step, in both decisions",
    },
    RuleInfo {
        rule: Rule::Ancestor,
        name: "ancestor",
        mass: "mass of the credited cell · (γλ)^distance",
        logged: "the links between cells",
    },
    RuleInfo {
        rule: Rule::EarlierTask,
        name: "earlier_task",
        mass: "(γλ)^rank, for successes only",
        logged: "begin and end of both episodes",
    },
];

impl Rule {
    /// Its row of the table.
    pub fn info(self) -> &'static RuleInfo {
        // Every rule has a row; a test walks them.
        RULES.iter().find(|r| r.rule == self).unwrap_or(&RULES[0])
    }

    /// Its name, e.g. `equal_share`.
    pub fn as_str(self) -> &'static str {
        self.info().name
    }
}

/// The rule by which each credited cell of a slate gets its evidence from this outcome: the names behind
/// [`crate::value::credit_signal`], for the same arguments.
pub fn primary(
    outcome: &Outcome,
    slate: &[CellId],
    signal: Option<Signal>,
) -> BTreeMap<CellId, Rule> {
    let slate: BTreeSet<CellId> = slate.iter().copied().collect();
    let mut rules = BTreeMap::new();
    if signal.is_some_and(|s| s.y.is_finite()) {
        for &cell in &slate {
            if outcome.cited.is_empty() {
                rules.insert(cell, Rule::EqualShare);
            } else if outcome.cited.contains(&cell) {
                rules.insert(cell, Rule::Citation);
            }
        }
    }
    for verdict in outcome
        .verdicts
        .iter()
        .filter(|v| slate.contains(&v.cell_id))
    {
        rules.insert(verdict.cell_id, Rule::Verdict);
    }
    rules
}
