//! One decision as the converters see it.

use std::collections::BTreeMap;

use memrl_learn::features;
use memrl_store::DecisionRow;

use super::reduce::{NO_REWARD, OTHER_SCHEMA, Reason, is_open};
use crate::Item;

/// What a candidate says, as far as its reader may know it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Text {
    /// Type of the cell, as `fact`.
    pub(super) kind: &'static str,
    /// What it said when the decision was made.
    pub(super) content: String,
}

/// Above which reward a decision counts as good, for one kind of task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bar {
    /// The median of the rewards.
    pub(super) median: f64,
    /// Whether the median itself counts as good: nothing lies above it.
    pub(super) inclusive: bool,
}

impl Bar {
    /// The bar of these rewards; `None` where they are all equal, or there are none: then nothing
    /// is better than anything.
    pub(super) fn of(mut rewards: Vec<f64>) -> Option<Self> {
        rewards.sort_by(f64::total_cmp);
        let (low, high) = (*rewards.first()?, *rewards.last()?);
        if low >= high {
            return None;
        }
        let half = rewards.len() / 2;
        let median = if rewards.len() % 2 == 1 {
            rewards[half]
        } else {
            f64::midpoint(rewards[half - 1], rewards[half])
        };
        Some(Self {
            median,
            inclusive: median >= high,
        })
    }

    /// Whether a reward is good.
    pub(super) fn is_good(self, reward: f64) -> bool {
        reward > self.median || (self.inclusive && reward >= self.median)
    }
}

/// One decision of the log, with what converters need of it.
pub(super) struct Case<'a> {
    /// As logged.
    pub(super) row: &'a DecisionRow,
    /// Its reward; `None` before an outcome that defines it.
    pub(super) reward: Option<f64>,
    /// What its candidates say, in their order; empty where no converter asked for it.
    pub(super) texts: Vec<Option<Text>>,
    /// The bars of the kinds of tasks; empty where no converter asked for them.
    pub(super) bars: &'a BTreeMap<String, Option<Bar>>,
}

impl Case<'_> {
    /// The reward.
    pub(super) fn reward(&self) -> Result<f64, Reason> {
        self.reward.filter(|r| r.is_finite()).ok_or(NO_REWARD)
    }

    /// The names of the features, all candidates that no rule masked having exactly those.
    pub(super) fn names(&self) -> Result<Vec<&'static str>, Reason> {
        let d = &self.row.decision;
        let names = names_of(&d.feature_schema).ok_or(OTHER_SCHEMA)?;
        let fits = |i: &Item| i.features.len() == names.len();
        if d.items.iter().filter(|i| is_open(i)).all(fits) {
            Ok(names)
        } else {
            Err(OTHER_SCHEMA)
        }
    }
}

/// The names of the features of a schema, in their order; `None` for one that is not known here.
pub(super) fn names_of(schema: &str) -> Option<Vec<&'static str>> {
    let table = features::table(schema)?;
    Some(table.iter().map(|f| f.name).collect())
}

#[cfg(test)]
mod tests {
    use super::super::reduce::tests::{decided, item, row};
    use super::*;

    #[test]
    fn good_is_above_the_median_or_at_it_where_nothing_lies_above() {
        let good = |rewards: &[f64], x: f64| Bar::of(rewards.to_vec()).map(|b| b.is_good(x));
        assert_eq!(good(&[0.0, 1.0, 0.5], 0.5), Some(false));
        assert_eq!(good(&[0.0, 1.0, 0.5], 0.6), Some(true));
        assert_eq!(good(&[0.0, 1.0], 0.5), Some(false), "between the two");
        let mostly = [1.0, 1.0, 1.0, 0.0];
        assert_eq!(
            good(&mostly, 1.0),
            Some(true),
            "as well as possible is good"
        );
        assert_eq!(good(&mostly, 0.0), Some(false));
        assert_eq!(good(&[1.0, 1.0], 1.0), None, "no better and worse");
        assert_eq!(good(&[], 1.0), None);
    }

    #[test]
    fn features_are_named_by_the_schema_of_the_decision_and_by_no_other() {
        let bars = BTreeMap::new();
        let names = |schema: &str, width: usize| {
            let mut d = decided(0, vec![item(1, true)], 0.9);
            d.feature_schema = schema.into();
            d.items[0].features = vec![0.5; width];
            let row = row(d, true);
            let case = Case {
                row: &row,
                reward: None,
                texts: Vec::new(),
                bars: &bars,
            };
            case.names().map(|names| names.len())
        };
        for schema in [features::RECALL_V1, features::RECALL_V2] {
            let width = names_of(schema).unwrap().len();
            assert_eq!(names(schema, width), Ok(width));
            assert_eq!(names(schema, width - 1), Err(OTHER_SCHEMA));
        }
        assert_eq!(names("recall-v999", 1), Err(OTHER_SCHEMA));
    }
}
