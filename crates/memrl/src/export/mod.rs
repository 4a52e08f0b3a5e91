//! Export of the log as three joined tables (see `docs/dataset.md`), and of cells as JSON Lines.

mod memrl;
#[cfg(feature = "parquet")]
mod parquet;
mod research;
mod signals;
pub mod table;

pub use self::research::{ResearchFile, ResearchFormat, ResearchReport};

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use memrl_store::DecisionRow;
use serde::Serialize;
use serde_json::json;

use self::signals::Signal;
use self::table::{DECISIONS, Field, ITEMS, REWARDS, Sink, TABLES, Table};
use crate::{DatasetQuery, Error, ListRequest, Memory, Result};

/// The format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// JSON Lines.
    Jsonl,
    /// Parquet, Snappy compressed.
    Parquet,
}

/// What an export wrote.
#[derive(Debug, Clone, Serialize)]
pub struct ExportReport {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Decisions.
    pub decisions: u64,
    /// Candidates.
    pub decision_items: u64,
    /// Signals and rewards.
    pub rewards: u64,
}

impl Memory {
    /// Writes the log into a directory as `decisions`, `decision_items` and `rewards`.
    ///
    /// Without `texts` the queries are left out. Existing files are replaced only when all three
    /// new ones are complete.
    pub fn export_log(
        &self,
        dir: &Path,
        format: ExportFormat,
        query: &DatasetQuery,
        texts: bool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<ExportReport> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
        let mut sinks = Sinks {
            decisions: Output::create(dir, DECISIONS, format)?,
            items: Output::create(dir, ITEMS, format)?,
            rewards: Output::create(dir, REWARDS, format)?,
        };
        let mut report = ExportReport {
            files: Vec::new(),
            decisions: 0,
            decision_items: 0,
            rewards: 0,
        };
        let mut failed = None;
        let mut filter = query.filter();
        filter.texts = texts;
        filter.reports = true;
        filter.order = memrl_store::Order::Oldest;
        let (mut skip, mut left) = (query.offset, query.limit.unwrap_or(u64::MAX));
        self.store.for_each_decision(&filter, &mut |row| {
            if skip > 0 {
                skip -= 1;
                return ControlFlow::Continue(());
            }
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            if let Err(e) = self.export_row(&row, texts, &mut sinks, &mut report) {
                failed = Some(e);
                return ControlFlow::Break(());
            }
            if report.decisions.is_multiple_of(500) {
                progress(report.decisions);
            }
            ControlFlow::Continue(())
        })?;
        if let Some(e) = failed {
            return Err(e);
        }
        progress(report.decisions);
        for output in [sinks.decisions, sinks.items, sinks.rewards] {
            report.files.push(output.finish()?);
        }
        Ok(report)
    }

    /// Writes one table of the log (`decisions`, `decision_items` or `rewards`) to a stream as
    /// JSON Lines, the oldest decision first; the number of its rows.
    pub fn export_table(
        &self,
        name: &str,
        out: &mut dyn Write,
        query: &DatasetQuery,
        texts: bool,
    ) -> Result<u64> {
        let Some(table) = TABLES.into_iter().find(|t| t.name == name) else {
            let known = TABLES.map(|t| t.name).join(", ");
            let message = format!("{name:?} is not one of {known}");
            return Err(Error::invalid(crate::Code::InvalidInput, "table", message));
        };
        let mut wanted = Some(Output::stream(table::Jsonl::new(
            table,
            BufWriter::new(out),
        )));
        let mut sink = |t: Table| match wanted.take_if(|_| t.name == name) {
            Some(wanted) => wanted,
            None => Output::stream(Nowhere),
        };
        let mut sinks = Sinks {
            decisions: sink(DECISIONS),
            items: sink(ITEMS),
            rewards: sink(REWARDS),
        };
        let mut report = ExportReport {
            files: Vec::new(),
            decisions: 0,
            decision_items: 0,
            rewards: 0,
        };
        let mut filter = query.filter();
        filter.texts = texts;
        filter.reports = true;
        filter.items = name != REWARDS.name;
        filter.order = memrl_store::Order::Oldest;
        let (mut skip, mut left) = (query.offset, query.limit.unwrap_or(u64::MAX));
        let mut failed = None;
        self.store.for_each_decision(&filter, &mut |row| {
            if skip > 0 {
                skip -= 1;
                return ControlFlow::Continue(());
            }
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            failed = self.export_row(&row, texts, &mut sinks, &mut report).err();
            if failed.is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        if let Some(e) = failed {
            return Err(e);
        }
        let Sinks {
            decisions,
            items,
            rewards,
        } = sinks;
        for output in [decisions, items, rewards] {
            output
                .sink
                .finish()
                .map_err(|e| Error::io(Path::new("output"), e))?;
        }
        Ok(match name {
            "decisions" => report.decisions,
            "decision_items" => report.decision_items,
            _ => report.rewards,
        })
    }

    fn export_row(
        &self,
        row: &DecisionRow,
        texts: bool,
        sinks: &mut Sinks<'_>,
        report: &mut ExportReport,
    ) -> Result<()> {
        sinks.decisions.row(decision_fields(row, texts))?;
        report.decisions += 1;
        for (idx, item) in row.decision.items.iter().enumerate() {
            sinks.items.row(item_fields(row, idx, item))?;
            report.decision_items += 1;
        }
        if row.outcomes == 0 {
            return Ok(());
        }
        let id = row.decision.decision_id;
        let mut signals: Vec<Signal> = row
            .reports
            .iter()
            .flat_map(|r| signals::of_report(r, texts))
            .collect();
        let last = row.reports.last().map_or(row.decision.created_at, |r| r.at);
        let rewards = self.store.rewards_of(id, None)?;
        signals.extend(
            rewards
                .into_iter()
                .filter(|r| r.cell.is_none())
                .map(|r| Signal {
                    cell: None,
                    at: last,
                    component: format!("reward:{}", r.spec),
                    value: r.value,
                    text: None,
                    source: None,
                    is_final: false,
                }),
        );
        for signal in signals {
            sinks.rewards.row(signal.fields(id))?;
            report.rewards += 1;
        }
        Ok(())
    }

    /// Writes cells as JSON Lines, oldest page last; a file that `memrl import` reads back.
    pub fn export_cells(&self, out: &mut dyn Write, request: &ListRequest) -> Result<u64> {
        let mut request = ListRequest {
            limit: Some(1000),
            ..request.clone()
        };
        let mut written = 0;
        loop {
            let page = self.list(&request)?;
            for cell in &page.items {
                serde_json::to_writer(&mut *out, cell)
                    .map_err(|e| Error::io(Path::new("output"), e.into()))?;
                out.write_all(b"\n")
                    .map_err(|e| Error::io(Path::new("output"), e))?;
                written += 1;
            }
            match page.next_cursor {
                Some(cursor) => request.cursor = Some(cursor),
                None => return Ok(written),
            }
        }
    }
}

struct Sinks<'a> {
    decisions: Output<'a>,
    items: Output<'a>,
    rewards: Output<'a>,
}

/// Takes the rows of tables that nobody asked for.
struct Nowhere;

impl Sink for Nowhere {
    fn row(&mut self, _: Vec<Field>) -> std::io::Result<()> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> std::io::Result<()> {
        Ok(())
    }
}

/// A table on its way to disk: written beside its final name, renamed when complete.
struct Output<'a> {
    sink: Box<dyn Sink + 'a>,
    temporary: PathBuf,
    path: PathBuf,
}

impl<'a> Output<'a> {
    /// A table on its way to a stream: nothing to rename.
    fn stream(sink: impl Sink + 'a) -> Self {
        Self {
            sink: Box::new(sink),
            temporary: "output".into(),
            path: "output".into(),
        }
    }

    fn create(dir: &Path, table: Table, format: ExportFormat) -> Result<Self> {
        let extension = match format {
            ExportFormat::Jsonl => "jsonl",
            ExportFormat::Parquet => "parquet",
        };
        let path = dir.join(format!("{}.{extension}", table.name));
        let temporary = path.with_extension(format!("{extension}.part"));
        let file = File::create(&temporary).map_err(|e| Error::io(&temporary, e))?;
        let sink: Box<dyn Sink> = match format {
            ExportFormat::Jsonl => Box::new(table::Jsonl::new(table, BufWriter::new(file))),
            #[cfg(feature = "parquet")]
            ExportFormat::Parquet => Box::new(
                parquet::Parquet::create(table, file).map_err(|e| Error::io(&temporary, e))?,
            ),
            #[cfg(not(feature = "parquet"))]
            ExportFormat::Parquet => {
                let _ = file;
                return Err(Error::invalid(
                    crate::Code::InvalidInput,
                    "format",
                    "this memrl was built without the feature `parquet`",
                ));
            }
        };
        Ok(Self {
            sink,
            temporary,
            path,
        })
    }

    fn row(&mut self, row: Vec<Field>) -> Result<()> {
        self.sink
            .row(row)
            .map_err(|e| Error::io(&self.temporary, e))
    }

    fn finish(self) -> Result<PathBuf> {
        self.sink
            .finish()
            .map_err(|e| Error::io(&self.temporary, e))?;
        std::fs::rename(&self.temporary, &self.path).map_err(|e| Error::io(&self.path, e))?;
        Ok(self.path)
    }
}

fn decision_fields(row: &DecisionRow, texts: bool) -> Vec<Field> {
    let d = &row.decision;
    let (policy, version) = d.policy.split_once('@').unwrap_or((&d.policy, ""));
    let mut state = d.state.clone();
    // Candidates are rows of the second table.
    if let Some(map) = state.as_object_mut() {
        map.remove("candidate_cells");
    }
    vec![
        d.decision_id.to_string().into(),
        d.trajectory_id.as_str().into(),
        d.step.into(),
        d.created_at.into(),
        d.point.as_str().into(),
        policy.into(),
        version.into(),
        d.arm.as_str().into(),
        (&json!(d.arms)).into(),
        d.explore_mode.as_str().into(),
        d.propensity.epsilon.into(),
        d.propensity.log_joint.exp().into(),
        d.propensity.log_joint.into(),
        (&json!(d.propensity.components)).into(),
        d.propensity.seed.to_string().into(),
        d.propensity.salt.to_string().into(),
        d.feature_schema.as_str().into(),
        (texts && !row.erased).then_some(d.query.as_str()).into(),
        d.task_type.as_str().into(),
        (&json!(d.scope)).into(),
        d.budget_tokens.into(),
        d.tokens_used.into(),
        (d.items.len() as u64).into(),
        (d.items.iter().filter(|i| i.selected).count() as u64).into(),
        d.latency_us.into(),
        (&state).into(),
        row.next.map(|n| n.to_string()).into(),
    ]
}

fn item_fields(row: &DecisionRow, idx: usize, item: &crate::Item) -> Vec<Field> {
    vec![
        row.decision.decision_id.to_string().into(),
        (idx as u64).into(),
        item.cell_id.to_string().into(),
        item.version.into(),
        item.position.into(),
        item.selected.into(),
        item.mode.as_str().into(),
        item.reason.as_str().into(),
        item.score.into(),
        item.tokens.into(),
        item.p_include.into(),
        item.p_step.into(),
        item.critical.into(),
        item.held_out.into(),
        item.features.clone().into(),
    ]
}
