//! Result tables: the same numbers as JSON for programs and as Markdown for readers.
//!
//! Knows nothing about where the numbers come from.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::metrics::Interval;

/// Everything that one run of a benchmark says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The name of the benchmark.
    pub benchmark: String,
    /// Where and with what it ran.
    pub machine: Machine,
    /// The command line that repeats it.
    pub command: String,
    /// The results.
    pub tables: Vec<Table>,
}

/// A table: rows of labelled numbers under named columns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Table {
    /// What the table shows.
    pub title: String,
    /// The columns; each row has one value per column.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Row>,
    /// What a reader has to know to read it right.
    pub notes: Vec<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// What is measured, e.g. `evidence recall`. Neighbours with the same measure form one block
    /// in Markdown.
    pub measure: String,
    /// Where it is measured, e.g. `@10` or `256 tokens`.
    pub at: String,
    /// How to print it.
    pub unit: Unit,
}

/// How a number is printed; the number itself stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A share in [0, 1], printed as a percentage with one decimal.
    Share,
    /// Milliseconds, two decimals.
    Millis,
    /// A count, no decimals.
    Count,
    /// Any other number, three decimals.
    Number,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub label: String,
    /// How many observations it rests on.
    pub n: usize,
    /// One value per column; `None` when there is nothing to measure.
    pub values: Vec<Option<Estimate>>,
}

/// A number with its 95 % intervals, where they exist.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// Its interval when questions are drawn: what another set of questions about the same
    /// conversations might give.
    pub by_question: Option<Interval>,
    /// Its interval when conversations are drawn: what other conversations might give. Wide and
    /// rough with few of them.
    pub by_conversation: Option<Interval>,
}

/// Which interval Markdown shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shown {
    /// None.
    Nothing,
    /// The one by question.
    #[default]
    ByQuestion,
    /// The one by conversation.
    ByConversation,
}

impl From<f64> for Estimate {
    fn from(value: f64) -> Self {
        Self {
            value,
            by_question: None,
            by_conversation: None,
        }
    }
}

impl Unit {
    /// The number as text, in this unit.
    pub fn format(self, value: f64) -> String {
        match self {
            Self::Share => format!("{:.1}", value * 100.0),
            Self::Millis => format!("{value:.2}"),
            Self::Count => format!("{value:.0}"),
            Self::Number => format!("{value:.3}"),
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Share => " %",
            Self::Millis => " ms",
            Self::Count | Self::Number => "",
        }
    }
}

impl Table {
    /// The value of this row and column, by their names.
    pub fn get(&self, row: &str, measure: &str, at: &str) -> Option<&Estimate> {
        let column = self
            .columns
            .iter()
            .position(|c| c.measure == measure && c.at == at)?;
        self.rows
            .iter()
            .find(|r| r.label == row)?
            .values
            .get(column)?
            .as_ref()
    }

    /// The table as Markdown: one block per measure, then the notes.
    pub fn to_markdown(&self, shown: Shown) -> String {
        let mut out = format!("### {}\n", escape(&self.title));
        let mut first = 0;
        while first < self.columns.len() {
            let measure = &self.columns[first].measure;
            let width = self.columns[first..]
                .iter()
                .take_while(|c| c.measure == *measure)
                .count();
            self.block(first..first + width, shown, &mut out);
            first += width;
        }
        for note in &self.notes {
            let _ = write!(out, "\n{}\n", escape(note));
        }
        out
    }

    fn block(&self, range: std::ops::Range<usize>, shown: Shown, out: &mut String) {
        let head = &self.columns[range.start];
        let _ = write!(
            out,
            "\n| {}{} | n |",
            escape(&head.measure),
            head.unit.suffix()
        );
        for column in &self.columns[range.clone()] {
            let _ = write!(out, " {} |", escape(&column.at));
        }
        let _ = write!(out, "\n|---|---:|{}\n", "---:|".repeat(range.len()));
        for row in &self.rows {
            let _ = write!(out, "| {} | {} |", escape(&row.label), row.n);
            for i in range.clone() {
                let unit = self.columns[i].unit;
                let text = row.values.get(i).copied().flatten();
                let _ = write!(
                    out,
                    " {} |",
                    text.map_or("–".to_owned(), |e| e.format(unit, shown))
                );
            }
            out.push('\n');
        }
    }
}

impl Estimate {
    fn format(&self, unit: Unit, shown: Shown) -> String {
        let interval = match shown {
            Shown::Nothing => None,
            Shown::ByQuestion => self.by_question,
            Shown::ByConversation => self.by_conversation,
        };
        let value = unit.format(self.value);
        match interval {
            Some(i) => format!("{value} [{}, {}]", unit.format(i.low), unit.format(i.high)),
            None => value,
        }
    }
}

impl Report {
    /// The report as Markdown: header, then every table.
    pub fn to_markdown(&self, shown: Shown) -> String {
        let mut out = format!("## {}\n\n", escape(&self.benchmark));
        if !self.command.is_empty() {
            let _ = writeln!(out, "`{}`\n", self.command.replace('`', "'"));
        }
        let _ = writeln!(out, "{}\n", escape(&self.machine.to_string()));
        for table in &self.tables {
            let _ = writeln!(out, "{}", table.to_markdown(shown));
        }
        out
    }
}

/// Keeps text from ending a table cell or a line.
fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let column = |measure: &str, at: &str, unit| Column {
            measure: measure.into(),
            at: at.into(),
            unit,
        };
        Table {
            title: "a|b".into(),
            columns: vec![
                column("recall", "@1", Unit::Share),
                column("recall", "@5", Unit::Share),
                column("latency", "p50", Unit::Millis),
            ],
            rows: vec![Row {
                label: "all".into(),
                n: 3,
                values: vec![
                    Some(Estimate {
                        by_question: Some(Interval {
                            low: 0.25,
                            high: 0.75,
                        }),
                        ..Estimate::from(0.5)
                    }),
                    None,
                    Some(1.0.into()),
                ],
            }],
            notes: vec!["n = questions".into()],
        }
    }

    #[test]
    fn markdown_has_one_block_per_measure() {
        assert_eq!(
            table().to_markdown(Shown::ByQuestion),
            "### a\\|b\n\n| recall % | n | @1 | @5 |\n|---|---:|---:|---:|\n| all | 3 | 50.0 [25.0, 75.0] | – |\n\n\
             | latency ms | n | p50 |\n|---|---:|---:|\n| all | 3 | 1.00 |\n\nn = questions\n"
        );
    }

    #[test]
    fn json_gives_back_the_same_table() {
        let json = serde_json::to_string(&table()).unwrap();
        assert_eq!(serde_json::from_str::<Table>(&json).unwrap(), table());
    }

    #[test]
    fn a_report_says_where_and_how_it_was_made() {
        let report = Report {
            benchmark: "recall".into(),
            machine: Machine::default(),
            command: "memrl bench recall".into(),
            tables: vec![table()],
        };
        let text = report.to_markdown(Shown::Nothing);
        let head = "## recall\n\n`memrl bench recall`\n\nunknown (), ";
        assert!(text.starts_with(head), "{text}");
        assert!(text.contains("| all | 3 | 50.0 | – |"), "{text}");
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    }

    #[test]
    fn values_are_found_by_name() {
        assert!((table().get("all", "recall", "@1").unwrap().value - 0.5).abs() < 1e-12);
        assert_eq!(table().get("all", "recall", "@5"), None);
        assert_eq!(table().get("none", "recall", "@1"), None);
    }
}
