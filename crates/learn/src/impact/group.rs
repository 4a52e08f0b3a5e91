//! The impact of groups of cells, and whether outcomes are missing at random.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cells::{Indexed, Verdict};
use super::estimate::{Estimate, clustered};
use super::evalue::{Bet, Gambler, Means, e_bh};
use super::exposure::{Exposure, Exposures};
use super::stats::two_sided;
use super::{ImpactConfig, ImpactError, Traits, TraitsOf};

/// What cells are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// All cells together.
    All,
    /// Their type.
    Type,
    /// Their scope.
    Scope,
    /// Who their content came from.
    Origin,
}

impl By {
    fn name(self, traits: Option<&Traits>) -> String {
        match (self, traits) {
            (Self::All, _) => "all".to_owned(),
            (_, None) => "unknown".to_owned(),
            (Self::Type, Some(t)) => t.kind.to_string(),
            (Self::Scope, Some(t)) => t.scope.clone(),
            (Self::Origin, Some(t)) => t.origin.to_string(),
        }
    }
}

/// The impact of showing a cell of a group, on average over the pairs of a trajectory and a cell of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupImpact {
    /// The group, e.g. `fact`; `unknown` for cells that are gone.
    pub name: String,
    /// Cells in it that some trajectory wanted.
    pub cells: u64,
    /// Units shown, with an outcome.
    pub shown: u64,
    /// Units withheld, with an outcome.
    pub withheld: u64,
    /// The effect of one such cell; `None` before two trajectories had one shown and two had one withheld.
    pub effect: Option<Estimate>,
    /// E-value against "showing a cell of it never helps".
    pub e_helps: f64,
    /// E-value against "showing a cell of it never harms".
    pub e_harms: f64,
    /// By e-BH over all groups and both directions.
    pub verdict: Verdict,
}

/// Whether outcomes are reported as often for units that were shown as for those withheld. If not, those that
/// report are no longer comparable, and effects are not to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Reporting {
    /// Share of the shown units with an outcome.
    pub shown: f64,
    /// Share of the withheld units with an outcome.
    pub withheld: f64,
    /// Two-sided p-value of their difference, clustered by trajectory; 1 where it cannot be told.
    pub p: f64,
}

/// The impact of each group, in the order of their names.
pub fn groups(
    exposures: &Exposures,
    traits: &TraitsOf,
    by: By,
    config: &ImpactConfig,
) -> Result<Vec<GroupImpact>, ImpactError> {
    config.validate()?;
    let indexed = Indexed::of(exposures)?;
    let names: Vec<String> = (indexed.cells.iter())
        .map(|cell| by.name(traits.get(cell)))
        .collect();
    // Units of each group, in the order of their trajectories.
    let mut members: BTreeMap<&str, (u64, Vec<usize>)> = BTreeMap::new();
    for name in &names {
        members.entry(name).or_default().0 += 1;
    }
    let mut order: Vec<usize> = (0..exposures.units.len()).collect();
    order.sort_by_key(|&i| exposures.units[i].trajectory);
    for i in order {
        if exposures.units[i].y.is_some() {
            let name = names[indexed.cell_of[i] as usize].as_str();
            members.entry(name).or_default().1.push(i);
        }
    }
    let scale = config.scale(exposures.metric);
    let sign = exposures.metric.sign();
    let mut made: Vec<GroupImpact> = Vec::new();
    for (name, (cells, units)) in members {
        let with = units
            .iter()
            .map(|&i| (&exposures.units[i], indexed.residuals.values[i]));
        let shown = units.iter().filter(|&&i| exposures.units[i].shown).count() as u64;
        let [e_helps, e_harms] = e_values(units.iter().map(|&i| &exposures.units[i]), sign, scale);
        made.push(GroupImpact {
            name: name.to_owned(),
            cells,
            shown,
            withheld: units.len() as u64 - shown,
            effect: clustered(with, config.confidence).map(|e| e.on(exposures.metric)),
            e_helps,
            e_harms,
            verdict: Verdict::Unknown,
        });
    }
    let flat: Vec<f64> = made.iter().flat_map(|g| [g.e_helps, g.e_harms]).collect();
    let sure = e_bh(&flat, config.false_discovery);
    for (i, group) in made.iter_mut().enumerate() {
        group.verdict = match (sure[2 * i], sure[2 * i + 1]) {
            (true, false) => Verdict::Helps,
            (false, true) => Verdict::Harms,
            _ => Verdict::Unknown,
        };
    }
    Ok(made)
}

/// E-values of a group: a trajectory is one bet, on the mean score of its units.
fn e_values<'a>(units: impl Iterator<Item = &'a Exposure>, sign: f64, scale: f64) -> [f64; 2] {
    let mut gamblers = [Gambler::default(); 2];
    let mut means = Means::new(0.5);
    let mut together: Vec<&Exposure> = Vec::new();
    let mut settle = |together: &mut Vec<&Exposure>| {
        let bets: Vec<Bet> = (together.iter())
            .filter_map(|unit| {
                Some(Bet {
                    y: (unit.y? / scale).clamp(0.0, 1.0),
                    mu: means.centre(unit.p_shown),
                    shown: unit.shown,
                    p_shown: unit.p_shown,
                })
            })
            .collect();
        let n = bets.len().max(1) as f64;
        for (gambler, direction) in gamblers.iter_mut().zip([sign, -sign]) {
            let score = bets.iter().map(|b| b.score(direction, 0.0)).sum::<f64>() / n;
            let worst = bets.iter().map(|b| b.worst(direction, 0.0)).sum::<f64>() / n;
            gambler.stake(score, worst);
        }
        for bet in &bets {
            means.add(bet.shown, bet.y);
        }
        together.clear();
    };
    for unit in units {
        if together
            .last()
            .is_some_and(|last| last.trajectory != unit.trajectory)
        {
            settle(&mut together);
        }
        together.push(unit);
    }
    settle(&mut together);
    [gamblers[0].e(), gamblers[1].e()]
}

/// Compares how often outcomes are reported.
pub(super) fn reporting(exposures: &Exposures) -> Reporting {
    let reported = |unit: &Exposure| f64::from(u8::from(unit.y.is_some()));
    let share = |shown: bool| {
        let (mut n, mut sum) = (0.0, 0.0);
        for unit in exposures.units.iter().filter(|u| u.shown == shown) {
            n += 1.0;
            sum += reported(unit);
        }
        sum / f64::max(n, 1.0)
    };
    let difference = clustered(exposures.units.iter().map(|u| (u, reported(u))), 0.95);
    let z = difference.filter(|d| d.se > 0.0).map(|d| d.effect / d.se);
    Reporting {
        shown: share(true),
        withheld: share(false),
        p: z.map_or(1.0, two_sided),
    }
}
