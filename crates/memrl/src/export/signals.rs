//! What was reported about a decision, one row per signal.

use memrl_store::OutcomeRow;

use super::table::Field;
use crate::{CellId, DecisionId, Timestamp};

/// One row of the table `rewards`.
pub(super) struct Signal {
    pub(super) cell: Option<CellId>,
    pub(super) at: Timestamp,
    pub(super) component: String,
    pub(super) value: f64,
    pub(super) text: Option<String>,
    pub(super) source: Option<String>,
    pub(super) is_final: bool,
}

impl Signal {
    /// In the order of the table's columns.
    pub(super) fn fields(self, decision: DecisionId) -> Vec<Field> {
        vec![
            decision.to_string().into(),
            self.cell.map(|c| c.to_string()).into(),
            self.at.into(),
            self.component.into(),
            self.value.into(),
            self.text.into(),
            self.source.into(),
            self.is_final.into(),
        ]
    }
}

/// The signals of one report. Without `texts` the words of a correction are left out.
pub(super) fn of_report(report: &OutcomeRow, texts: bool) -> Vec<Signal> {
    let o = &report.outcome;
    let signal = |component: &str, value: f64, cell: Option<CellId>| Signal {
        cell,
        at: report.at,
        component: component.to_owned(),
        value,
        text: None,
        source: (!o.source.is_empty()).then(|| o.source.clone()),
        is_final: o.is_final,
    };
    let flag = |b: Option<bool>| b.map(|b| f64::from(u8::from(b)));
    let numbers = [
        ("success", o.success),
        ("implied_success", o.implied_success),
        ("unsafe_action", flag(o.unsafe_action)),
        ("stale_memory_error", flag(o.stale_memory_error)),
        ("tokens_used", o.tokens_used.map(|v| v as f64)),
        ("latency_ms", o.latency_ms.map(|v| v as f64)),
    ];
    let mut all: Vec<Signal> = numbers
        .iter()
        .filter_map(|(name, v)| Some(signal(name, (*v)?, None)))
        .collect();
    if let Some(correction) = &o.user_correction {
        let mut said = signal("user_correction", 1.0, None);
        said.text = texts.then(|| correction.clone());
        all.push(said);
    }
    for v in &o.verdicts {
        all.push(signal("verdict", v.useful, Some(v.cell_id)));
        if v.stale {
            all.push(signal("stale", 1.0, Some(v.cell_id)));
        }
    }
    all.extend(o.cited.iter().map(|cell| signal("cited", 1.0, Some(*cell))));
    let metrics = o.metrics.iter();
    all.extend(metrics.map(|(name, value)| signal(&format!("metric:{name}"), *value, None)));
    all
}
