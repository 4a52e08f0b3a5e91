//! "Did this memory help?", asked of the log: of a cell, a type, a scope, an origin, or of memory at all.
//!
//! Reads the log and the cells; the estimates are those of [`memrl_learn::impact`].

use std::collections::HashMap;
use std::ops::ControlFlow;

use memrl_learn::explore::Trial;
use memrl_learn::impact::memory::{MemoryBuilder, MemoryReport};
use memrl_learn::impact::trial::{TrialConfig, TrialReport, TrialTest, TrialVerdict};
use memrl_learn::impact::{
    By, ExposureBuilder, ExposureCounts, Exposures, GroupImpact, ImpactConfig, ImpactReport,
    Metric, Traits, TraitsOf, groups, impact,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::log::LogQuery;
use super::trajectories::PATIENCE_DAYS;
use super::watch::{Progress, Watch, to_the_end};
use super::{CellTrial, Roles};
use crate::{CellId, Code, Error, IdRef, Memory, Result};

/// Probability that a cell on trial is withheld when nobody says how often.
pub const WITHHOLD: f64 = 0.4;
/// Trajectories after which a trial ends, whatever is known then.
pub const MOST: u64 = 2_000;

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImpactOf {
    /// Every cell.
    #[default]
    Cell,
    /// Each type of cells.
    Type,
    /// Each scope.
    Scope,
    /// Each origin.
    Origin,
    /// All cells together: the average effect of showing one.
    All,
    /// Memory at all, from the arm that has none.
    Memory,
}

/// A question about impact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImpactRequest {
    /// Of what. `by` is taken for it, too.
    #[serde(alias = "by")]
    pub of: ImpactOf,
    /// On what: `success`, `stale`, `unsafe`, `tokens`, `latency`.
    pub metric: Metric,
    /// The part of the log.
    pub log: LogQuery,
    /// Confidence of the intervals, in (0, 1).
    pub confidence: f64,
    /// False discovery rate of what is said to help or harm for sure, in (0, 1).
    pub false_discovery: f64,
}

impl Default for ImpactRequest {
    fn default() -> Self {
        let config = ImpactConfig::default();
        Self {
            of: ImpactOf::default(),
            metric: Metric::Success,
            log: LogQuery::default(),
            confidence: config.confidence,
            false_discovery: config.false_discovery,
        }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum ImpactAnswer {
    /// Cell by cell, with what their contents begin with (cells that are gone have no entry).
    Cell {
        /// The estimates.
        report: ImpactReport,
        /// The first words of each cell.
        contents: HashMap<CellId, String>,
    },
    /// Group by group.
    Group {
        /// What they are grouped by.
        by: By,
        /// On what.
        metric: Metric,
        /// The estimates.
        groups: Vec<GroupImpact>,
        /// What they are made of.
        counts: ExposureCounts,
    },
    /// Memory at all.
    Memory {
        /// The estimates.
        report: MemoryReport,
    },
}

/// Where a trial of a cell stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialView {
    /// The trial.
    pub trial: CellTrial,
    /// What it says so far.
    pub report: TrialReport,
    /// Whether it is over, and the cell is withheld no more often than others.
    pub over: bool,
    /// One sentence for people.
    pub summary: String,
}

impl Memory {
    /// What showing memories does to how tasks end, from what was withheld at random.
    pub fn impact(&self, request: &ImpactRequest) -> Result<ImpactAnswer> {
        self.impact_with_progress(request, &mut to_the_end)
    }

    /// The same while somebody watches: `progress` is told the decisions read so far, and may break off ([`Code::Stopped`]).
    pub fn impact_with_progress(
        &self,
        request: &ImpactRequest,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<ImpactAnswer> {
        if request.log.policy.is_some() {
            let message =
                "must not be chosen: the arms that are compared have policies of their own";
            return Err(Error::invalid(Code::InvalidInput, "log.policy", message));
        }
        let config = ImpactConfig {
            confidence: request.confidence,
            false_discovery: request.false_discovery,
            ..ImpactConfig::default()
        };
        if request.of == ImpactOf::Memory {
            let mut builder = MemoryBuilder::default();
            let spec = self.spec("bounded_v1")?;
            let mut watch = Watch::new(progress);
            self.read_log(&request.log, None, &spec, &mut |logged, _| {
                builder.push(&logged);
                watch.next()
            })?;
            watch.whole("impact")?;
            let report = builder.finish(&config)?;
            return Ok(ImpactAnswer::Memory { report });
        }
        let (exposures, _) = self.exposures(request.metric, &request.log, progress)?;
        let traits = self.traits_of(&exposures)?;
        let by = match request.of {
            ImpactOf::Cell | ImpactOf::Memory => {
                let report = impact(&exposures, &traits, &config)?;
                let cells: Vec<CellId> = report.cells.iter().map(|c| c.cell).collect();
                return Ok(ImpactAnswer::Cell {
                    contents: self.first_words(&cells)?,
                    report,
                });
            }
            ImpactOf::Type => By::Type,
            ImpactOf::Scope => By::Scope,
            ImpactOf::Origin => By::Origin,
            ImpactOf::All => By::All,
        };
        Ok(ImpactAnswer::Group {
            by,
            metric: request.metric,
            groups: groups(&exposures, &traits, by, &config)?,
            counts: exposures.counts,
        })
    }

    /// The units of a part of the log, and how many of them are so old that no outcome is awaited any more.
    fn exposures(
        &self,
        metric: Metric,
        query: &LogQuery,
        progress: Progress<'_>,
    ) -> Result<(Exposures, usize)> {
        let trials = self.trials_run()?;
        let mut builder = ExposureBuilder::new(metric, &trials);
        let spec = self.spec("bounded_v1")?;
        let mut watch = Watch::new(progress);
        let settled_before = self.clock.now().plus_days(-PATIENCE_DAYS);
        let mut settled = 0;
        self.read_log(query, None, &spec, &mut |logged, _| {
            builder.push(&logged);
            if logged.at < settled_before {
                settled = builder.units();
            }
            watch.next()
        })?;
        watch.whole("impact")?;
        Ok((builder.finish(), settled))
    }

    /// All trials of cells there ever were: the probabilities in the log are explained by them.
    pub(crate) fn trials_run(&self) -> Result<Vec<Trial>> {
        let roles = self.roles()?;
        let running = roles.trial.iter().map(|t| (t.cell, t.withhold));
        let all = roles.tried_cells.iter().copied().chain(running);
        Ok(all.map(|(cell, p)| Trial { cell, p }).collect())
    }

    /// Type, origin, scope and value of the cells that are still there.
    fn traits_of(&self, exposures: &Exposures) -> Result<TraitsOf> {
        let mut ids: Vec<CellId> = exposures.units.iter().map(|u| u.cell).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut all = TraitsOf::new();
        let now = self.clock.now();
        for chunk in ids.chunks(500) {
            let seqs: Vec<i64> = self.store.seqs(chunk)?.into_iter().flatten().collect();
            let rows = self.store.rows(&seqs)?;
            let kinds: Vec<_> = rows.iter().map(|r| (r.seq, r.cell.kind)).collect();
            let values = self.estimates(&kinds, now)?;
            for row in rows {
                let value = values.get(&row.seq).filter(|v| v.mass > 0.0);
                let traits = Traits {
                    kind: row.cell.kind,
                    origin: row.cell.origin,
                    scope: serde_json::to_string(&row.cell.scope).unwrap_or_default(),
                    value: value.map(|v| v.mean),
                };
                all.insert(row.cell.cell_id, traits);
            }
        }
        Ok(all)
    }

    fn first_words(&self, cells: &[CellId]) -> Result<HashMap<CellId, String>> {
        let mut contents = HashMap::new();
        for chunk in cells.chunks(500) {
            let seqs: Vec<i64> = self.store.seqs(chunk)?.into_iter().flatten().collect();
            for row in self.store.rows(&seqs)? {
                let words: String = row.cell.content.chars().take(80).collect();
                contents.insert(row.cell.cell_id, words);
            }
        }
        Ok(contents)
    }

    /// Starts a trial of one cell: trajectories that want it do without it with probability `withhold`
    /// (0.05 to 0.5; 0.4 when nobody says), until it is known what it does or `most` trajectories wanted it and have their outcome, or
    /// have had none for a day.
    pub fn trial_start(
        &self,
        cell: IdRef<'_>,
        withhold: Option<f64>,
        most: Option<u64>,
    ) -> Result<TrialView> {
        let row = self.cell_row(cell)?;
        let candidate = memrl_learn::Candidate::of(&row.cell, self.clock.now());
        if candidate.is_critical() || candidate.mask.is_some() {
            let message = "it is critical or cannot be shown, so it is never withheld at random";
            return Err(Error::invalid(Code::WrongStatus, "cell", message));
        }
        let withhold = withhold.unwrap_or(WITHHOLD);
        if !(0.05..=0.5).contains(&withhold) {
            let message = format!("is {withhold}; it must lie in [0.05, 0.5]");
            return Err(Error::invalid(Code::InvalidInput, "withhold", message));
        }
        let trial = CellTrial {
            cell: row.cell.cell_id,
            withhold,
            since: self.clock.now(),
            most: most.unwrap_or(MOST).max(1),
        };
        self.change_roles(|roles| {
            if let Some(other) = &roles.trial {
                let message = format!("cell {} is on trial; end that first", other.cell);
                return Err(Error::invalid(Code::Conflict, "cell", message));
            }
            roles.trial = Some(trial.clone());
            Ok(())
        })?;
        self.note_trial("trial_start", &trial)?;
        self.trial_view(&trial, false, &mut to_the_end)
    }

    /// Ends the trial that is on, whatever is known.
    pub fn trial_stop(&self) -> Result<TrialView> {
        let trial = self.change_roles(|roles| {
            let trial = roles.trial.take();
            remember(roles, trial.as_ref());
            Ok(trial)
        })?;
        let Some(trial) = trial else {
            return Err(Error::invalid(
                Code::Conflict,
                "cell",
                "no cell is on trial",
            ));
        };
        self.note_trial("trial_stop", &trial)?;
        self.trial_view(&trial, true, &mut to_the_end)
    }

    /// Where the trial that is on stands; ends it when it has its answer. `None` without one.
    pub fn trial_check(&self) -> Result<Option<TrialView>> {
        self.trial_check_with_progress(&mut to_the_end)
    }

    /// The same while somebody watches: `progress` is told the decisions read so far, and may break off ([`Code::Stopped`]); then the
    /// trial stays as it is.
    pub fn trial_check_with_progress(
        &self,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<TrialView>> {
        let Some(trial) = self.roles()?.trial else {
            return Ok(None);
        };
        let mut view = self.trial_view(&trial, false, progress)?;
        let cell = self.store.find(trial.cell)?;
        let gone = cell.is_none_or(|row| row.cell.status == crate::CellStatus::Deleted);
        if view.report.verdict != TrialVerdict::Running || gone {
            self.change_roles(|roles| {
                if roles.trial.as_ref() == Some(&trial) {
                    roles.trial = None;
                    remember(roles, Some(&trial));
                }
                Ok(())
            })?;
            self.note_trial("trial_end", &trial)?;
            view.over = true;
        }
        Ok(Some(view))
    }

    fn trial_view(
        &self,
        trial: &CellTrial,
        over: bool,
        progress: Progress<'_>,
    ) -> Result<TrialView> {
        let query = LogQuery {
            from: Some(trial.since),
            ..LogQuery::default()
        };
        let (exposures, settled) = self.exposures(Metric::Success, &query, progress)?;
        let config = TrialConfig {
            most: trial.most,
            ..TrialConfig::default()
        };
        let report = TrialTest::run(&exposures, trial.cell, settled, config)?;
        Ok(TrialView {
            summary: sentence(&report, trial, over),
            trial: trial.clone(),
            report,
            over,
        })
    }

    fn note_trial(&self, action: &str, trial: &CellTrial) -> Result<()> {
        let details = json!({"cell": trial.cell, "withhold": trial.withhold});
        self.note_policy(action, "cell_trial", details)
    }
}

/// What was tried must be known for ever: the probabilities in the log are explained by it.
fn remember(roles: &mut Roles, trial: Option<&CellTrial>) {
    if let Some(t) = trial {
        let known = (t.cell, t.withhold);
        if !roles.tried_cells.contains(&known) {
            roles.tried_cells.push(known);
        }
    }
}

fn sentence(report: &TrialReport, trial: &CellTrial, over: bool) -> String {
    let known = report.shown + report.withheld;
    let seen = match report.silent {
        0 => format!("{known} trajectories"),
        silent => format!("{known} trajectories, and {silent} without an outcome"),
    };
    let range = format!(
        "success changes by between {:+.2} and {:+.2} when it is shown",
        report.low, report.high
    );
    match report.verdict {
        TrialVerdict::Helps => format!("it helps: {range} ({seen})"),
        TrialVerdict::Harms => format!("it harms: {range} ({seen})"),
        TrialVerdict::TooSmall => {
            format!("what it does is too small to matter: {range} ({seen})")
        }
        TrialVerdict::Undecided => format!("still not known after {seen}: {range}"),
        TrialVerdict::Running if over => format!("ended before it was known: {range}"),
        TrialVerdict::Running => format!(
            "not known yet: {seen}, of at most {} that want it; {range}",
            trial.most
        ),
    }
}
