//! Export of the log for the programs of researchers: Vowpal Wabbit, Open Bandit Pipeline, d3rlpy and
//! TRL. What each file holds, by which reduction and with which limits, is told in `docs/dataset.md`.
//!
//! One pass over the log feeds all files of a format; memory grows with the trajectories that go on,
//! not with the log. (KTO and SFT read all rewards first: eight bytes per decision.)

mod case;
mod d3rlpy;
mod format;
mod npz;
mod obp;
mod reduce;
mod trl;
mod vw;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use memrl_learn::RewardSpec;
use memrl_learn::explore::Trial;
use memrl_store::{DecisionFilter, DecisionRow, Order};
use serde::Serialize;

pub use self::format::{ResearchFile, ResearchFormat};

use self::case::{Bar, Case, Text};
use self::reduce::Reason;
use crate::feedback::merge;
use crate::{
    CellStatus, Clearance, DatasetQuery, DecisionPoint, Error, Memory, Result, Sensitivity,
};

/// What becomes of one decision: the rows that were written of it, or why there are none.
type Taken = std::result::Result<u64, Reason>;

/// Writes one file.
trait Converter {
    /// Takes the next decision, the oldest first.
    fn take(&mut self, case: &Case<'_>, out: &mut dyn Write) -> io::Result<Taken>;

    /// Writes what can only be written when everything is known.
    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let _ = out;
        Ok(())
    }
}

/// What writes a file; temporary files go to `dir`.
fn converter(file: ResearchFile, dir: &Path, plan: &Plan<'_>) -> io::Result<Box<dyn Converter>> {
    let holdout = || vw::Reduction::Holdout(reduce::Holdouts::new(&plan.trials));
    let (schema, trials) = (&plan.schema, &plan.trials);
    Ok(match file {
        ResearchFile::VwFirstDraw => Box::new(vw::Cb(vw::Reduction::FirstDraw)),
        ResearchFile::VwHoldout => Box::new(vw::Cb(holdout())),
        ResearchFile::DsFirstDraw => Box::new(vw::DsJson(vw::Reduction::FirstDraw)),
        ResearchFile::DsHoldout => Box::new(vw::DsJson(holdout())),
        ResearchFile::DsSlates => Box::new(vw::Slates),
        ResearchFile::ObpSlate => Box::new(obp::Slate::create(dir, trials)?),
        ResearchFile::ObpHoldout => Box::new(obp::Holdout::create(dir, schema, trials)?),
        ResearchFile::D3rlpy => Box::new(d3rlpy::Transitions::create(dir, schema)?),
        ResearchFile::TrlPrompt => Box::new(trl::Trl::Prompt),
        ResearchFile::TrlSft => Box::new(trl::Trl::Sft),
        ResearchFile::TrlDpo => Box::new(trl::Trl::Dpo(trl::Pairs::default())),
        ResearchFile::TrlKto => Box::new(trl::Trl::Kto),
    })
}

/// One file that was written.
#[derive(Debug, Clone, Serialize)]
pub struct ResearchReport {
    /// Where it is; its bare name where it went to a stream.
    pub path: PathBuf,
    /// Examples, rows or records in it.
    pub rows: u64,
    /// Decisions that they were made of.
    pub decisions: u64,
    /// How many decisions were left out, by reason.
    pub left_out: BTreeMap<&'static str, u64>,
    /// The feature schema of its arrays, or of most of its examples; empty when no recall decision was found.
    pub feature_schema: String,
    /// The reward spec.
    pub reward: String,
}

/// A file under way.
struct Work<W> {
    file: ResearchFile,
    converter: Box<dyn Converter>,
    out: W,
    report: ResearchReport,
}

impl<W: Write> Work<W> {
    fn take(&mut self, case: &Case<'_>) -> io::Result<()> {
        match self.converter.take(case, &mut self.out)? {
            Ok(rows) => {
                self.report.rows += rows;
                self.report.decisions += 1;
            }
            Err(reason) => *self.report.left_out.entry(reason).or_default() += 1,
        }
        Ok(())
    }
}

/// The reward spec when nobody names one.
const SPEC: &str = "bounded_v1";

/// What all files of an export share.
struct Plan<'a> {
    query: &'a DatasetQuery,
    clearance: Clearance,
    spec: RewardSpec,
    schema: String,
    /// Trials of single cells that were ever run: their cells have coins of their own.
    trials: Vec<Trial>,
    bars: BTreeMap<String, Option<Bar>>,
}

impl Memory {
    /// Writes the log into a directory, in a format that some program of researchers reads; one report
    /// per file. Existing files are replaced only when all new ones are complete.
    ///
    /// Rewards are those of the spec of the query, `bounded_v1` when it names none: programs that read these files learn from them, and
    /// learning is what that one is made for. Memories above the clearance are left out where texts are
    /// written. `progress` is told the number of decisions read.
    pub fn export_research(
        &self,
        dir: &Path,
        format: ResearchFormat,
        query: &DatasetQuery,
        clearance: Clearance,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<ResearchReport>> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
        let plan = self.plan(format.files(), query, clearance)?;
        let mut parts = Parts::default();
        let mut work = Vec::new();
        for &file in format.files() {
            let (temporary, out) = parts.create(dir, file.name())?;
            work.push(
                plan.work(file, dir, dir.join(file.name()), BufWriter::new(out))
                    .map_err(|e| Error::io(&temporary, e))?,
            );
        }
        self.convert(&plan, &mut work, progress)?;
        let mut reports = Vec::new();
        for mut w in work {
            let ended = w.converter.finish(&mut w.out).and_then(|()| w.out.flush());
            ended.map_err(|e| Error::io(&w.report.path, e))?;
            reports.push(w.report);
        }
        parts.keep()?;
        Ok(reports)
    }

    /// Writes one such file to a stream.
    pub fn export_research_file(
        &self,
        file: ResearchFile,
        out: &mut dyn Write,
        query: &DatasetQuery,
        clearance: Clearance,
    ) -> Result<ResearchReport> {
        let plan = self.plan(&[file], query, clearance)?;
        let failed = |e| Error::io(Path::new("output"), e);
        let out = BufWriter::new(out);
        let mut work = [plan
            .work(file, &self.dir, file.name().into(), out)
            .map_err(failed)?];
        self.convert(&plan, &mut work, &mut |_| {})?;
        let [mut w] = work;
        w.converter.finish(&mut w.out).map_err(failed)?;
        w.out.flush().map_err(failed)?;
        Ok(w.report)
    }

    fn plan<'a>(
        &self,
        files: &[ResearchFile],
        query: &'a DatasetQuery,
        clearance: Clearance,
    ) -> Result<Plan<'a>> {
        let spec = self.spec(query.spec.as_deref().unwrap_or(SPEC))?;
        let bars = if files.iter().any(|f| f.has_bars()) {
            self.bars(query, &spec)?
        } else {
            BTreeMap::new()
        };
        Ok(Plan {
            query,
            clearance,
            schema: self.newest_schema(query)?,
            trials: self.trials_run()?,
            spec,
            bars,
        })
    }

    /// The feature schema of the newest recall decision; empty without one.
    fn newest_schema(&self, query: &DatasetQuery) -> Result<String> {
        let filter = DecisionFilter {
            point: Some(DecisionPoint::Recall),
            items: false,
            texts: false,
            order: Order::Newest,
            ..query.filter()
        };
        let mut schema = String::new();
        self.store.for_each_decision(&filter, &mut |row| {
            schema = row.decision.feature_schema;
            if schema.is_empty() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        Ok(schema)
    }

    /// Which reward is good, by kind of task.
    fn bars(
        &self,
        query: &DatasetQuery,
        spec: &RewardSpec,
    ) -> Result<BTreeMap<String, Option<Bar>>> {
        let mut rewards: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let filter = DecisionFilter {
            items: false,
            texts: false,
            ..query.filter()
        };
        self.each(query, filter, &mut |row| {
            if row.decision.point == DecisionPoint::Recall
                && let Some(reward) = reward(&row, spec)
            {
                rewards
                    .entry(row.decision.task_type)
                    .or_default()
                    .push(reward);
            }
            Ok(())
        })?;
        Ok(rewards
            .into_iter()
            .map(|(task, rewards)| (task, Bar::of(rewards)))
            .collect())
    }

    /// Shows the wanted decisions to `visit`, the oldest first, until it fails.
    fn each(
        &self,
        query: &DatasetQuery,
        filter: DecisionFilter,
        visit: &mut dyn FnMut(DecisionRow) -> Result<()>,
    ) -> Result<()> {
        let filter = DecisionFilter {
            reports: true,
            order: Order::Oldest,
            ..filter
        };
        let (mut skip, mut left) = (query.offset, query.limit.unwrap_or(u64::MAX));
        let mut answer = Ok(());
        self.store.for_each_decision(&filter, &mut |row| {
            if skip > 0 {
                skip -= 1;
                return ControlFlow::Continue(());
            }
            if left == 0 {
                return ControlFlow::Break(());
            }
            left -= 1;
            answer = visit(row);
            if answer.is_ok() {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        answer
    }

    fn convert<W: Write>(
        &self,
        plan: &Plan<'_>,
        work: &mut [Work<W>],
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let texts = work.iter().any(|w| w.file.has_texts());
        let filter = DecisionFilter {
            texts,
            ..plan.query.filter()
        };
        let mut read = 0;
        self.each(plan.query, filter, &mut |row| {
            let case = Case {
                reward: reward(&row, &plan.spec),
                texts: if texts {
                    self.texts(&row, plan.clearance)?
                } else {
                    Vec::new()
                },
                bars: &plan.bars,
                row: &row,
            };
            for w in &mut *work {
                w.take(&case).map_err(|e| Error::io(&w.report.path, e))?;
            }
            read += 1;
            if read % 500 == 0 {
                progress(read);
            }
            Ok(())
        })?;
        progress(read);
        Ok(())
    }

    /// What the candidates said when the decision was made; `None` for those that were forgotten, purged,
    /// or are above the clearance by now. What looks like a secret is cut out once more.
    fn texts(&self, row: &DecisionRow, clearance: Clearance) -> Result<Vec<Option<Text>>> {
        let items = &row.decision.items;
        let mut seqs = Vec::new();
        for seq in self
            .store
            .seqs(&items.iter().map(|i| i.cell_id).collect::<Vec<_>>())?
        {
            seqs.extend(seq);
        }
        let mut cells = BTreeMap::new();
        for found in self.store.rows(&seqs)? {
            cells.insert(found.cell.cell_id, found.cell);
        }
        items
            .iter()
            .map(|item| {
                let Some(now) = cells.get(&item.cell_id) else {
                    return Ok(None);
                };
                let hidden = |s: Sensitivity| !clearance.admits(s);
                if now.status == CellStatus::Deleted || hidden(now.sensitivity) {
                    return Ok(None);
                }
                let cell = if now.version == item.version {
                    now.clone()
                } else {
                    let versions = self.store.history(item.cell_id)?;
                    match versions.into_iter().find(|v| v.version == item.version) {
                        Some(v) if !hidden(v.cell.sensitivity) => v.cell,
                        _ => return Ok(None),
                    }
                };
                let text = cell.indexed_text();
                Ok((!cell.content.is_empty()).then(|| Text {
                    kind: cell.kind.as_str(),
                    content: memrl_capture::redact(&text).0.into_owned(),
                }))
            })
            .collect()
    }
}

impl Plan<'_> {
    fn work<W: Write>(
        &self,
        file: ResearchFile,
        dir: &Path,
        path: PathBuf,
        out: W,
    ) -> io::Result<Work<W>> {
        Ok(Work {
            file,
            converter: converter(file, dir, self)?,
            out,
            report: ResearchReport {
                path,
                rows: 0,
                decisions: 0,
                left_out: BTreeMap::new(),
                feature_schema: self.schema.clone(),
                reward: self.spec.name(),
            },
        })
    }
}

/// The reward of a decision; `None` before an outcome that defines it.
fn reward(row: &DecisionRow, spec: &RewardSpec) -> Option<f64> {
    if row.reports.is_empty() {
        return None;
    }
    let value = spec.score(&merge(&row.reports).outcome).ok()?.value;
    value.is_finite().then_some(value)
}

/// Files beside their final names; removed unless they are kept.
#[derive(Default)]
struct Parts {
    files: Vec<(PathBuf, PathBuf)>,
}

impl Parts {
    fn create(&mut self, dir: &Path, name: &str) -> Result<(PathBuf, File)> {
        let path = dir.join(name);
        let temporary = dir.join(format!("{name}.part"));
        let file = File::create(&temporary).map_err(|e| Error::io(&temporary, e))?;
        self.files.push((temporary.clone(), path));
        Ok((temporary, file))
    }

    /// Gives them their names.
    fn keep(&mut self) -> Result<()> {
        for (temporary, path) in std::mem::take(&mut self.files) {
            std::fs::rename(&temporary, &path).map_err(|e| Error::io(&path, e))?;
        }
        Ok(())
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        for (temporary, _) in &self.files {
            // They are of no use to anybody; one that cannot be removed does no harm.
            let _ = std::fs::remove_file(temporary);
        }
    }
}
