//! Propagation: the values of all cells at once, from the store to the learner and back.

use std::collections::HashMap;
use std::time::Instant;

use memrl_learn::propagate::{STRENGTH, propagate};
use memrl_learn::trace::{Task, WINDOW_DAYS, temporal};
use memrl_learn::{Graph, PropagationProblem};
use memrl_recall::index::{QVec, nearest_neighbours};
use memrl_store::{CellFilter, CellPrior, PayloadRow};
use serde_json::Value;

use crate::feedback::{accumulator, own_prior};
use crate::{
    CellId, CellStatus, CellType, EpisodeStatus, Memory, OutcomeId, Project, PropagateReport,
    PropagateRequest, Result, Timestamp,
};

/// A change of value below this is not worth counting.
const NOTABLE: f64 = 0.0005;
/// Most cells that are compared with each other: all pairs of them are seconds of work. Of more,
/// those with evidence come first, then the newest.
const MOST_CELLS: usize = 40_000;
/// Cells that lift others and are lifted. What was put away (expired, contradicted, superseded)
/// says nothing about what is still there.
const LIVE: &[CellStatus] = &[CellStatus::Active, CellStatus::Quarantined];
/// Threads that look for neighbours.
const THREADS: usize = 2;

impl Memory {
    /// Spreads what is known about cells to those that are similar. Doing it twice is doing it
    /// once: what is stored is a prior per cell, made anew from the evidence each time.
    pub fn propagate(&self, request: &PropagateRequest) -> Result<PropagateReport> {
        let started = Instant::now();
        let temporal_credits = if request.temporal {
            self.credit_in_time(request)?
        } else {
            0
        };
        let now = self.clock.now();
        let settings = &self.config.values;
        let prior = settings.prior();
        let mut vectors = self.store.vectors_of(self.embedder.id(), &[], LIVE)?;
        let sums: HashMap<i64, _> = self
            .store
            .all_values()?
            .iter()
            .map(|v| (v.seq, accumulator(v)))
            .collect();
        if vectors.len() > MOST_CELLS {
            vectors.sort_by_key(|v| (!sums.contains_key(&v.seq), std::cmp::Reverse(v.seq)));
            vectors.truncate(MOST_CELLS);
            vectors.sort_by_key(|v| v.seq);
        }
        let old: HashMap<i64, _> = self
            .store
            .all_priors()?
            .iter()
            .map(|p| (p.seq, own_prior(p)))
            .collect();
        let evidence: Vec<_> = vectors
            .iter()
            .map(|v| {
                let sum = sums.get(&v.seq).copied().unwrap_or_default();
                sum.at(now, settings.decay_rate)
            })
            .collect();
        let with_evidence = evidence.iter().filter(|e| e.mass > 0.0).count();
        let k = settings.neighbours as usize;
        let threshold = settings.propagation_threshold as f32;
        // Without evidence every value is its prior: no neighbours are needed to know that.
        let graph = if with_evidence == 0 || k == 0 {
            Graph::empty(vectors.len())
        } else {
            let codes: Vec<QVec> = vectors
                .iter()
                .map(|v| QVec::from_bytes(&v.bytes).unwrap_or_default())
                .collect();
            let lists = nearest_neighbours(&codes, k, threshold, THREADS);
            Graph::mutual_knn(&lists, k, threshold, settings.discount_factor)
        };
        let solved = propagate(&PropagationProblem {
            n: &evidence.iter().map(|e| e.mass).collect::<Vec<_>>(),
            s: &evidence.iter().map(|e| e.good).collect::<Vec<_>>(),
            mu: &vectors
                .iter()
                .map(|v| prior.mean_of(v.kind))
                .collect::<Vec<_>>(),
            graph: &graph,
            n0: settings.prior_mass(),
            tau: STRENGTH,
        });
        let mut changed = 0;
        let mut total_change = 0.0;
        let mut priors = Vec::new();
        for (i, v) in vectors.iter().enumerate() {
            let sum = sums.get(&v.seq).copied().unwrap_or_default();
            let before = prior.value_with(v.kind, old.get(&v.seq).copied(), &sum, now);
            let change = (solved.values[i] - before.mean).abs();
            total_change += change;
            changed += usize::from(change > NOTABLE);
            if graph.degree(i) > 0.0 {
                let own = solved.priors[i];
                priors.push(CellPrior {
                    seq: v.seq,
                    mean: own.mean,
                    mass: own.mass,
                    at: now,
                });
            }
        }
        self.store.put_priors(&priors)?;
        Ok(PropagateReport {
            cells: vectors.len(),
            with_evidence,
            edges: graph.edges(),
            iterations: solved.iterations,
            changed,
            total_change,
            temporal_credits,
            elapsed_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        })
    }

    /// Credits the episodes of a project that came shortly before a success. What the episodes
    /// looked at gave before, as far as they would not give it now (a success that is none any
    /// more or was put away, a task that turned up in between), is taken back.
    fn credit_in_time(&self, request: &PropagateRequest) -> Result<usize> {
        let filter = CellFilter {
            scope: request.project.as_ref().map(Project::scope),
            types: vec![CellType::Episode],
            ..CellFilter::default()
        };
        let mut keys = Vec::new();
        let mut by_scope: HashMap<String, Vec<Task>> = HashMap::new();
        for row in self.store.payload_values(&filter, &PLACES)? {
            keys.push(temporal_key(row.cell_id));
            if row.status != CellStatus::Active {
                continue;
            }
            if let Some(task) = task_of(&row) {
                by_scope
                    .entry(row.scope.canonical())
                    .or_default()
                    .push(task);
            }
        }
        let trace = self.config.values.trace();
        let mut pieces = Vec::new();
        for tasks in by_scope.values() {
            for credit in temporal(tasks, WINDOW_DAYS, &trace) {
                pieces.push((
                    temporal_key(credit.success),
                    credit.credited,
                    credit.evidence,
                ));
            }
        }
        self.replace_evidence(&keys, &pieces)?;
        Ok(pieces.len())
    }
}

/// What [`task_of`] reads of an episode.
const PLACES: [&str; 3] = ["timestamp_start", "timestamp_end", "outcome.status"];

/// When an episode was worked on, and whether it was a success; `None` when nobody knows when.
fn task_of(row: &PayloadRow) -> Option<Task> {
    let [start, end, status] = row.values.as_slice() else {
        return None;
    };
    let time = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
    let end = time(end).or(row.occurred_at)?;
    Some(Task {
        cell: row.cell_id,
        start: time(start).unwrap_or(end),
        end,
        success: status.as_str() == Some(EpisodeStatus::Success.as_str()),
    })
}

/// The key of the evidence that a success gives to what came before it: the same every time.
fn temporal_key(success: CellId) -> OutcomeId {
    let hash = blake3::derive_key("memrl 2026 temporal credit", success.bytes());
    OutcomeId::from_bytes(hash.first_chunk().copied().unwrap_or_default())
}
