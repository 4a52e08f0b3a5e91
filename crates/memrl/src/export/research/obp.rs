//! Open Bandit Pipeline: bandit feedback as `NumPy` arrays, per slate position and per hold-out coin.
//!
//! Names and meanings follow `obp.dataset` (`synthetic_slate.py`, `base.py`) of version 0.5.

use std::io::{self, Write};
use std::path::Path;

use memrl_learn::explore::Trial;

use super::case::{Case, names_of};
use super::npz::{Kind, Npz};
use super::reduce::{self, Coins, Holdouts, Reason};
use super::{Converter, Taken};
use crate::{Decision, ExploreMode};

/// A number that is the same for equal names: the first 8 bytes of their BLAKE3 hash.
fn hashed(name: &str) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..8]);
    i64::from_le_bytes(first)
}

/// One row per shown memory.
pub(super) struct Slate {
    arrays: Npz,
    slates: i64,
    trials: Vec<Trial>,
}

impl Slate {
    /// `trials` are all that were ever run; temporary files go to `dir`.
    pub(super) fn create(dir: &Path, trials: &[Trial]) -> io::Result<Self> {
        let one = |name, kind| (name, kind, None);
        let arrays = Npz::create(
            dir,
            &[
                one("slate_id", Kind::I64),
                one("action", Kind::I64),
                one("position", Kind::I64),
                one("reward", Kind::F64),
                one("pscore", Kind::F64),
                one("pscore_item_position", Kind::F64),
                one("pscore_cascade", Kind::F64),
                one("pscore_component", Kind::F64),
                one("n_candidates", Kind::I64),
                one("trajectory", Kind::I64),
                one("decision_id", Kind::Id),
                one("memory_id", Kind::Id),
            ],
        )?;
        Ok(Self {
            arrays,
            slates: 0,
            trials: trials.to_vec(),
        })
    }
}

/// What one position of a slate is known of.
struct Position {
    item: usize,
    /// P(this item at this position), where it has an exact form.
    marginal: f64,
    /// P(the slate up to here | the component that acted), for drawn slates.
    cascade: f64,
}

fn positions(d: &Decision, trials: &[Trial]) -> Result<Vec<Position>, Reason> {
    let shown = reduce::slate(d);
    if shown.is_empty() {
        return Err("an empty slate has no position");
    }
    // Marginals are those of the whole mixture, so they are known where it has one component.
    let single = d.propensity.components.len() == 1;
    let drawn = match reduce::drawn(d) {
        Ok(drawn) => Some(drawn),
        Err(reduce::NOT_DRAWN_SLATE | reduce::NO_CHOICE) => None,
        Err(reason) => return Err(reason),
    };
    let all_kept = !d.items.iter().any(|i| i.held_out);
    let coins = Coins::of(d, trials);
    let (mut cascade, mut kept) = (1.0, 1.0);
    let last = shown.len() - 1;
    let list = shown.into_iter().enumerate().map(|(k, (index, item))| {
        let mut marginal = f64::NAN;
        match &drawn {
            Some(drawn) => {
                cascade *= item.p_step.unwrap_or(1.0);
                if single && k <= drawn.placed {
                    marginal = item.p_step.unwrap_or(1.0);
                }
                // The reward belongs to the last position, and so does the STOP that made it the last.
                if k == last {
                    cascade *= drawn.p_stop;
                }
            }
            None if single && d.explore_mode == ExploreMode::Greedy => marginal = 1.0,
            // The freed space of a withheld cell is not refilled: the k-th cell of the wanted slate is at
            // position k iff all soft ones up to it were kept.
            None if single && all_kept => {
                if let Some(coins) = coins {
                    let withheld = if item.critical {
                        0.0
                    } else {
                        coins.withheld(item)
                    };
                    kept *= 1.0 - withheld;
                    marginal = kept;
                }
            }
            None => {}
        }
        Position {
            item: index,
            marginal,
            cascade: if drawn.is_some() { cascade } else { f64::NAN },
        }
    });
    Ok(list.collect())
}

impl Converter for Slate {
    fn take(&mut self, case: &Case<'_>, _: &mut dyn Write) -> io::Result<Taken> {
        let read = || {
            let d = reduce::recall(case.row)?;
            Ok((d, case.reward()?, positions(d, &self.trials)?))
        };
        let (d, reward, positions) = match read() {
            Ok(read) => read,
            Err(reason) => return Ok(Err(reason)),
        };
        let a = &mut self.arrays;
        let component = reduce::component(d).map_or(f64::NAN, f64::exp);
        let candidates = d.items.iter().filter(|i| reduce::is_open(i)).count();
        for (k, position) in positions.iter().enumerate() {
            let is_last = k + 1 == positions.len();
            a.int("slate_id", self.slates)?;
            a.int("action", position.item as i64)?;
            a.int("position", k as i64)?;
            a.float("reward", if is_last { reward } else { 0.0 })?;
            a.float("pscore", d.propensity.log_joint.min(0.0).exp())?;
            a.float("pscore_item_position", position.marginal)?;
            a.float("pscore_cascade", position.cascade)?;
            a.float("pscore_component", component)?;
            a.int("n_candidates", candidates as i64)?;
            a.int("trajectory", hashed(&d.trajectory_id))?;
            a.id("decision_id", &d.decision_id.to_string())?;
            let memory = d.items[position.item].cell_id.to_string();
            a.id("memory_id", &memory)?;
        }
        self.slates += 1;
        Ok(Ok(positions.len() as u64))
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.arrays.finish(out)
    }
}

/// One row per hold-out coin: action 0 withholds the memory, action 1 shows it.
pub(super) struct Holdout {
    arrays: Npz,
    holdouts: Holdouts,
    schema: String,
}

impl Holdout {
    /// For decisions under this feature schema; temporary files go to `dir`.
    pub(super) fn create(dir: &Path, schema: &str, trials: &[Trial]) -> io::Result<Self> {
        let width = names_of(schema).map_or(0, |names| names.len());
        let one = |name, kind| (name, kind, None);
        let arrays = Npz::create(
            dir,
            &[
                ("context", Kind::F32, Some(width)),
                one("action", Kind::I64),
                one("position", Kind::I64),
                one("reward", Kind::F64),
                one("pscore", Kind::F64),
                one("trajectory", Kind::I64),
                one("decision_id", Kind::Id),
                one("memory_id", Kind::Id),
            ],
        )?;
        Ok(Self {
            arrays,
            holdouts: Holdouts::new(trials),
            schema: schema.to_owned(),
        })
    }
}

impl Converter for Holdout {
    fn take(&mut self, case: &Case<'_>, _: &mut dyn Write) -> io::Result<Taken> {
        let tosses = self.holdouts.tosses(case.row);
        let read = || {
            let d = reduce::recall(case.row)?;
            let reward = case.reward()?;
            case.names()?;
            if d.feature_schema != self.schema {
                return Err(reduce::OTHER_SCHEMA);
            }
            Ok((d, reward, tosses?))
        };
        let (d, reward, tosses) = match read() {
            Ok(read) => read,
            Err(reason) => return Ok(Err(reason)),
        };
        let a = &mut self.arrays;
        for toss in &tosses {
            let item = &d.items[toss.index];
            a.row("context", &item.features)?;
            a.int("action", i64::from(toss.shown))?;
            a.int("position", 0)?;
            a.float("reward", reward)?;
            a.float("pscore", toss.p)?;
            a.int("trajectory", hashed(&d.trajectory_id))?;
            a.id("decision_id", &d.decision_id.to_string())?;
            a.id("memory_id", &item.cell_id.to_string())?;
        }
        Ok(Ok(tosses.len() as u64))
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.arrays.finish(out)
    }
}
