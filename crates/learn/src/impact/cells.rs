//! The impact of every cell of a log.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use memrl_types::CellId;
use serde::Serialize;

use super::estimate::{CellSums, Common, Estimate};
use super::evalue::{Bet, Gambler, Means, e_bh};
use super::exposure::{ExposureCounts, Exposures, Metric};
use super::group::{Reporting, reporting};
use super::outcome::{Residuals, cross_fit};
use super::pool::{Pooled, Row, pool};
use super::power::{Power, units_needed};
use super::{ImpactConfig, ImpactError, TraitsOf};

/// What is known for certain (at the false discovery rate asked for).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Showing it surely helps.
    Helps,
    /// Showing it surely harms.
    Harms,
    /// Not enough is known.
    Unknown,
}

/// The impact of one cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellImpact {
    /// The cell.
    pub cell: CellId,
    /// Trajectories with an outcome that wanted it and were shown it.
    pub shown: u64,
    /// Trajectories with an outcome that wanted it and were not.
    pub withheld: u64,
    /// From its own exposures alone; `None` before some were shown and some withheld.
    pub own: Option<Estimate>,
    /// Partially pooled with all cells: the one to read.
    pub pooled: Estimate,
    /// E-value against "showing it does not help", at least 0.
    pub e_helps: f64,
    /// E-value against "showing it does not harm", at least 0.
    pub e_harms: f64,
    /// By e-BH over all cells and both directions.
    pub verdict: Verdict,
    /// Decisions more, at its rate so far, until its own exposures find the effect of
    /// [`ImpactReport::effect`] with 80 % probability; 0 when there are enough, `None` when no cell like it is withheld.
    pub more_decisions: Option<u64>,
}

/// What the cells have in common.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pooling {
    /// Mean effect over the cells, of a cell like the average one.
    pub mean: Estimate,
    /// Standard deviation of the effects of cells with equal features.
    pub spread: f64,
    /// Features of cells, with what each adds to the effect and its standard deviation.
    pub features: Vec<(String, f64, f64)>,
}

/// The impact of all cells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImpactReport {
    /// The metric.
    pub metric: Metric,
    /// What it is made of.
    pub counts: ExposureCounts,
    /// The cells, the best pooled effect first.
    pub cells: Vec<CellImpact>,
    /// What they have in common; `None` when no cell has an effect of its own.
    pub pooling: Option<Pooling>,
    /// The effect that "more decisions" are counted for.
    pub effect: f64,
    /// Share of the outcome's variance that the outcome model explains.
    pub r_squared: f64,
    /// Whether outcomes are reported as often with as without the cell.
    pub reporting: Reporting,
}

/// Units by the index of their cell.
pub(super) struct Indexed {
    pub cells: Vec<CellId>,
    pub cell_of: Vec<u32>,
    pub residuals: Residuals,
}

impl Indexed {
    /// Checks the numbers, indexes the cells in their order, and cross-fits the outcome model.
    pub fn of(exposures: &Exposures) -> Result<Self, ImpactError> {
        let units = &exposures.units;
        if units.is_empty() {
            return Err(ImpactError::NothingRandomised {
                decisions: exposures.counts.decisions,
            });
        }
        for unit in units {
            let what = if !(unit.p_shown > 0.0 && unit.p_shown < 1.0) {
                format!(
                    "its probability of being shown is {}, not between 0 and 1",
                    unit.p_shown
                )
            } else if unit.y.is_some_and(|y| !y.is_finite()) {
                "its outcome is not a finite number".to_owned()
            } else {
                continue;
            };
            return Err(ImpactError::BadNumber {
                cell: unit.cell,
                what,
            });
        }
        if units.iter().all(|u| u.y.is_none()) {
            return Err(ImpactError::NoOutcomes {
                units: units.len() as u64,
                metric: exposures.metric.as_str(),
            });
        }
        let cells: Vec<CellId> = (units.iter().map(|u| u.cell).collect::<BTreeSet<_>>())
            .into_iter()
            .collect();
        let index: HashMap<CellId, u32> = cells.iter().copied().zip(0..).collect();
        let cell_of: Vec<u32> = units.iter().map(|u| index[&u.cell]).collect();
        let residuals = cross_fit(units, &cell_of, cells.len());
        Ok(Self {
            cells,
            cell_of,
            residuals,
        })
    }

    /// Sums of residuals by cell.
    fn sums(&self, exposures: &Exposures) -> Vec<CellSums> {
        let mut sums = vec![CellSums::default(); self.cells.len()];
        let known = self.cell_of.iter().zip(&self.residuals.values);
        for (unit, (&cell, &r)) in exposures.units.iter().zip(known) {
            if unit.y.is_some() {
                sums[cell as usize].add(unit, r);
            }
        }
        sums
    }
}

/// The impact of every cell in these exposures. Deterministic; the order of the trajectories is that of their indices.
pub fn impact(
    exposures: &Exposures,
    traits: &TraitsOf,
    config: &ImpactConfig,
) -> Result<ImpactReport, ImpactError> {
    config.validate()?;
    let indexed = Indexed::of(exposures)?;
    let sums = indexed.sums(exposures);
    let common = Common::of(&sums);
    let own: Vec<_> = sums.iter().map(|s| s.effect(&common)).collect();
    let design = Design::of(&indexed.cells, traits);
    let rows: Vec<Row> = (own.iter().zip(&design.rows))
        .map(|(own, z)| Row {
            own: *own,
            z: z.clone(),
        })
        .collect();
    let sd = common.shown.max(common.withheld).sqrt();
    let pooled = pool(&rows, sd);
    let e_values = e_values(exposures, &indexed, config);
    let sign = exposures.metric.sign();
    let effect = config.effect.unwrap_or_else(|| default_effect(exposures));
    let flat: Vec<f64> = e_values.iter().flatten().copied().collect();
    let sure = e_bh(&flat, config.false_discovery);
    // A cell that was never on trial is withheld as often as the others are.
    let usual = mean_withholding(&sums);
    let mut cells: Vec<CellImpact> = (0..indexed.cells.len())
        .map(|i| {
            let (mean, spread) = match &pooled {
                Some(p) => p.rows[i],
                // Nothing at all is known: the weak prior.
                None => (0.0, sd),
            };
            let [e_helps, e_harms] = e_values[i];
            CellImpact {
                cell: indexed.cells[i],
                shown: sums[i].shown.n as u64,
                withheld: sums[i].withheld.n as u64,
                own: own[i].map(|(e, se)| {
                    sums[i]
                        .interval(e, se, config.confidence)
                        .on(exposures.metric)
                }),
                pooled: Estimate::normal(mean, spread, config.confidence).on(exposures.metric),
                e_helps,
                e_harms,
                verdict: match (sure[2 * i], sure[2 * i + 1]) {
                    (true, false) => Verdict::Helps,
                    (false, true) => Verdict::Harms,
                    _ => Verdict::Unknown,
                },
                more_decisions: more(&sums[i], &common, usual, effect, exposures.counts.decisions),
            }
        })
        .collect();
    cells.sort_by(|a, b| {
        let best = (sign * b.pooled.effect).total_cmp(&(sign * a.pooled.effect));
        best.then(a.cell.cmp(&b.cell))
    });
    Ok(ImpactReport {
        metric: exposures.metric,
        counts: exposures.counts,
        cells,
        pooling: pooled.map(|p| {
            let mut pooling = design.describe(&p, config.confidence);
            pooling.mean = pooling.mean.on(exposures.metric);
            pooling
        }),
        effect,
        r_squared: indexed.residuals.r_squared,
        reporting: reporting(exposures),
    })
}

/// 0.1, or a tenth of the mean of what has no bound.
fn default_effect(exposures: &Exposures) -> f64 {
    if exposures.metric.is_bounded() {
        return 0.1;
    }
    let known: Vec<f64> = exposures.units.iter().filter_map(|u| u.y).collect();
    let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
    f64::max(0.1 * mean, 1e-9)
}

fn mean_withholding(sums: &[CellSums]) -> f64 {
    let n: f64 = sums.iter().map(CellSums::n).sum();
    let withheld: f64 = sums.iter().map(|s| s.n() * s.p_withheld()).sum();
    withheld / n.max(1.0)
}

/// Decisions that are still missing.
fn more(sums: &CellSums, common: &Common, usual: f64, effect: f64, decisions: u64) -> Option<u64> {
    // A cell without a single outcome has no rate yet; one unit is the most optimistic guess.
    let n = sums.n().max(1.0);
    let p = if sums.n() > 0.0 {
        sums.p_withheld()
    } else {
        usual
    };
    let units = units_needed(&Power::usual(effect), sums.variances(common), p);
    let missing = (units - sums.n()).max(0.0) * decisions.max(1) as f64 / n;
    missing.is_finite().then(|| missing.ceil().min(1e15) as u64)
}

/// E-values of every cell: against "does not help" and against "does not harm".
///
/// Trajectories are taken in the order of their indices. What a unit is centred at comes from earlier trajectories alone.
fn e_values(exposures: &Exposures, indexed: &Indexed, config: &ImpactConfig) -> Vec<[f64; 2]> {
    let scale = config.scale(exposures.metric);
    let sign = exposures.metric.sign();
    let units = &exposures.units;
    let mut order: Vec<u32> = (0..units.len() as u32).collect();
    order.sort_by_key(|&i| units[i as usize].trajectory);
    let mut state: Vec<Option<(Means, [Gambler; 2])>> = vec![None; indexed.cells.len()];
    // The mean of all earlier trajectories, from one unit at one half on.
    let (mut sum, mut n) = (0.5, 1.0);
    for together in
        order.chunk_by(|&a, &b| units[a as usize].trajectory == units[b as usize].trajectory)
    {
        let (mut added, mut count) = (0.0, 0.0);
        for &i in together {
            let unit = &units[i as usize];
            let Some(y) = unit.y.map(|y| (y / scale).clamp(0.0, 1.0)) else {
                continue;
            };
            let cell = indexed.cell_of[i as usize] as usize;
            let start = || (Means::new(sum / n), [Gambler::default(); 2]);
            let (means, gamblers) = state[cell].get_or_insert_with(start);
            let bet = Bet {
                y,
                mu: means.centre(unit.p_shown),
                shown: unit.shown,
                p_shown: unit.p_shown,
            };
            gamblers[0].bet(sign, 0.0, &bet);
            gamblers[1].bet(-sign, 0.0, &bet);
            means.add(unit.shown, y);
            added += y;
            count += 1.0;
        }
        if count > 0.0 {
            sum += added / count;
            n += 1.0;
        }
    }
    (state.iter())
        .map(|s| s.map_or([1.0, 1.0], |(_, g)| [g[0].e(), g[1].e()]))
        .collect()
}

/// Features of cells, for pooling.
struct Design {
    names: Vec<String>,
    rows: Vec<Vec<f64>>,
    mean: Vec<f64>,
}

impl Design {
    fn of(cells: &[CellId], traits: &TraitsOf) -> Self {
        let mut columns: BTreeMap<String, usize> = BTreeMap::new();
        for t in cells.iter().filter_map(|c| traits.get(c)) {
            for name in [format!("type {}", t.kind), format!("origin {}", t.origin)] {
                let next = columns.len() + 2;
                columns.entry(name).or_insert(next);
            }
        }
        let width = columns.len() + 2;
        let rows: Vec<Vec<f64>> = (cells.iter())
            .map(|cell| {
                let mut z = vec![0.0; width];
                z[0] = 1.0;
                if let Some(t) = traits.get(cell) {
                    z[1] = t
                        .value
                        .filter(|v| v.is_finite())
                        .map_or(0.0, |v| 2.0 * v - 1.0);
                    z[columns[&format!("type {}", t.kind)]] = 1.0;
                    z[columns[&format!("origin {}", t.origin)]] = 1.0;
                }
                z
            })
            .collect();
        let mut names = vec![String::new(); width];
        "all cells".clone_into(&mut names[0]);
        "value (2 · value − 1)".clone_into(&mut names[1]);
        for (name, at) in columns {
            names[at] = name;
        }
        let n = rows.len().max(1) as f64;
        let mean = (0..width)
            .map(|k| rows.iter().map(|z| z[k]).sum::<f64>() / n)
            .collect();
        Self { names, rows, mean }
    }

    fn describe(&self, pooled: &Pooled, confidence: f64) -> Pooling {
        let effect: f64 = self.mean.iter().zip(&pooled.b).map(|(z, b)| z * b).sum();
        let sd = pooled.sd_of(&self.mean);
        let features = (self.names.iter().zip(&pooled.b).zip(&pooled.b_sd))
            .map(|((name, b), sd)| (name.clone(), *b, *sd))
            .collect();
        Pooling {
            mean: Estimate::normal(effect, sd, confidence),
            spread: pooled.spread,
            features,
        }
    }
}
