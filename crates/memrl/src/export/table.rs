//! The three tables of an export, column by column: one schema for JSON Lines, Parquet and
//! `docs/dataset.md`.

use std::io::Write;

use serde_json::Value;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// 64-bit integer.
    Int,
    /// Microseconds since the Unix epoch, UTC.
    Time,
    /// 64-bit float.
    Num,
    /// Boolean.
    Flag,
    /// List of 32-bit floats.
    Floats,
    /// JSON as text.
    Json,
}

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// One line about it: meaning, unit, range.
    pub about: &'static str,
}

/// One table. Every column may be null.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its name, and that of its file.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    /// Nothing.
    Null,
    /// Text, or JSON as text.
    Text(String),
    /// Integer or time.
    Int(i64),
    /// Float; must be finite.
    Num(f64),
    /// Boolean.
    Flag(bool),
    /// Floats.
    Floats(Vec<f32>),
}

impl<T: Into<Field>> From<Option<T>> for Field {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

macro_rules! fields {
    ($($t:ty => |$v:ident| $e:expr),+ $(,)?) => {
        $(impl From<$t> for Field { fn from($v: $t) -> Self { $e } })+
    };
}

fields! {
    String => |v| Self::Text(v),
    &str => |v| Self::Text(v.to_owned()),
    i64 => |v| Self::Int(v),
    u32 => |v| Self::Int(i64::from(v)),
    u64 => |v| Self::Int(i64::try_from(v).unwrap_or(i64::MAX)),
    f64 => |v| if v.is_finite() { Self::Num(v) } else { Self::Null },
    bool => |v| Self::Flag(v),
    Vec<f32> => |v| Self::Floats(v),
    crate::Timestamp => |v| Self::Int(v.0),
    &Value => |v| Self::Text(v.to_string()),
}

macro_rules! columns {
    ($(($name:literal, $kind:ident, $about:literal)),+ $(,)?) => {
        &[$(Column { name: $name, kind: Kind::$kind, about: $about }),+]
    };
}

/// Decisions: one row each.
pub const DECISIONS: Table = Table {
    name: "decisions",
    columns: columns![
        ("decision_id", Text, "UUID; key of the table"),
        (
            "trajectory_id",
            Text,
            "session or task; the unit of randomisation and of intervals"
        ),
        ("step", Int, "place in the trajectory, from 0"),
        ("ts_us", Time, "when the decision was made"),
        ("decision_type", Text, "recall, store, compact or retain"),
        ("policy_id", Text, "policy that acted, without its version"),
        ("policy_version", Text, "its version"),
        ("arm", Text, "arm that the trajectory was assigned to"),
        ("arms", Json, "arms in force: [{name, policy, share}]"),
        (
            "explore_mode",
            Text,
            "greedy, holdout, plackett_luce or none"
        ),
        (
            "epsilon",
            Num,
            "hold-out probability of a soft cell, in [0, 0.5]"
        ),
        (
            "pscore",
            Num,
            "joint probability of the exact ordered slate, in (0, 1]"
        ),
        ("log_pscore", Num, "its natural logarithm"),
        (
            "components",
            Json,
            "mixture: [{arm, mode, weight, log_probability}]"
        ),
        ("seed", Text, "seed of the generator, decimal"),
        ("salt", Text, "salt of the hashed coins, decimal"),
        (
            "feature_schema",
            Text,
            "version of the features of decision_items"
        ),
        (
            "query",
            Text,
            "the query; null when texts are left out or were erased"
        ),
        ("task_type", Text, "the caller's name for the kind of task"),
        ("scope", Json, "asked scope"),
        ("budget_tokens", Int, "token budget"),
        ("tokens_used", Int, "tokens that counted against it"),
        ("n_candidates", Int, "rows in decision_items"),
        ("n_selected", Int, "cells shown"),
        ("latency_us", Int, "time spent, in microseconds"),
        ("state", Json, "everything else that the decision used"),
        (
            "next_decision_id",
            Text,
            "next decision of the trajectory, if there is one yet"
        ),
    ],
};

/// Candidates of decisions: one row each, joined by `decision_id`.
pub const ITEMS: Table = Table {
    name: "decision_items",
    columns: columns![
        ("decision_id", Text, "UUID of the decision"),
        (
            "idx",
            Int,
            "rank before the policy, from 0; key of the table with decision_id"
        ),
        ("memory_id", Text, "UUID of the cell"),
        ("memory_version", Int, "its version at the time"),
        (
            "position",
            Int,
            "place in the slate, from 0; null when not shown"
        ),
        ("selected", Flag, "whether it was shown"),
        (
            "mode",
            Text,
            "context, constraint, background, reverify_before_use or suppress"
        ),
        ("reason", Text, "why"),
        ("score", Num, "the policy's score"),
        ("tokens", Int, "tokens it costs"),
        (
            "p_include",
            Num,
            "marginal probability of being shown, where it has an exact form"
        ),
        (
            "p_step",
            Num,
            "probability at its draw given the prefix, for sampled slates"
        ),
        ("critical", Flag, "exploration had to leave it alone"),
        (
            "held_out",
            Flag,
            "withheld by the sticky hold-out from the slate that the policy wanted"
        ),
        (
            "features",
            Floats,
            "features in the order of the schema; empty when masked"
        ),
    ],
};

/// Outcomes and rewards: one row per signal, joined by `decision_id`.
pub const REWARDS: Table = Table {
    name: "rewards",
    columns: columns![
        ("decision_id", Text, "UUID of the decision"),
        (
            "memory_id",
            Text,
            "UUID of the cell, for signals about one cell; else null"
        ),
        ("ts_us", Time, "when the signal arrived"),
        (
            "component",
            Text,
            "reward:SPEC, or the raw signal: success, implied_success (guessed from the signs of a captured session; counts only while nobody has said `success`), unsafe_action, stale_memory_error, tokens_used, latency_ms, verdict, stale, cited, user_correction, metric:NAME"
        ),
        ("value", Num, "its value"),
        (
            "text",
            Text,
            "the words of a user_correction; null when texts are left out or were erased"
        ),
        ("source", Text, "who reported it; null for computed rewards"),
        ("final", Flag, "the reporter expects no further report"),
    ],
};

/// All tables.
pub const TABLES: [Table; 3] = [DECISIONS, ITEMS, REWARDS];

/// Takes the rows of one table.
pub(super) trait Sink {
    /// One row, in the order of the columns.
    fn row(&mut self, row: Vec<Field>) -> std::io::Result<()>;
    /// Writes what is buffered and closes the file.
    fn finish(self: Box<Self>) -> std::io::Result<()>;
}

/// JSON Lines.
pub(super) struct Jsonl<W: Write> {
    table: Table,
    out: W,
    line: Vec<u8>,
}

impl<W: Write> Jsonl<W> {
    pub(super) fn new(table: Table, out: W) -> Self {
        Self {
            table,
            out,
            line: Vec::new(),
        }
    }

    fn value(out: &mut Vec<u8>, kind: Kind, field: &Field) -> std::io::Result<()> {
        match (kind, field) {
            (_, Field::Null) => out.extend_from_slice(b"null"),
            // JSON columns are nested values here, not text in text.
            (Kind::Json, Field::Text(t)) => out.extend_from_slice(t.as_bytes()),
            (_, Field::Text(t)) => serde_json::to_writer(out, t)?,
            (_, Field::Int(i)) => write!(out, "{i}")?,
            (_, Field::Num(x)) => serde_json::to_writer(out, x)?,
            (_, Field::Flag(b)) => write!(out, "{b}")?,
            (_, Field::Floats(v)) => serde_json::to_writer(out, v)?,
        }
        Ok(())
    }
}

impl<W: Write> Sink for Jsonl<W> {
    fn row(&mut self, row: Vec<Field>) -> std::io::Result<()> {
        self.line.clear();
        for (i, (column, field)) in self.table.columns.iter().zip(&row).enumerate() {
            self.line
                .extend_from_slice(if i == 0 { b"{\"" } else { b",\"" });
            self.line.extend_from_slice(column.name.as_bytes());
            self.line.extend_from_slice(b"\":");
            Self::value(&mut self.line, column.kind, field)?;
        }
        self.line.extend_from_slice(b"}\n");
        self.out.write_all(&self.line)
    }

    fn finish(mut self: Box<Self>) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_every_column() {
        let doc = include_str!("../../../../docs/dataset.md");
        for table in TABLES {
            assert!(doc.contains(&format!("## {}", table.name)));
            for c in table.columns {
                let row = doc
                    .lines()
                    .find(|l| l.starts_with(&format!("| `{}` |", c.name)) && l.contains(c.about));
                assert!(
                    row.is_some(),
                    "{}.{} is not as documented",
                    table.name,
                    c.name
                );
            }
        }
    }
}
