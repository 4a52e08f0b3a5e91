//! A world whose effects are known: what impact is tested in, and what the tables of `docs/impact.md` are made in.

use memrl_learn::impact::{
    COVARIATES, Exposure, ExposureCounts, Exposures, Metric, Traits, TraitsOf,
};
use memrl_types::{CellId, CellType, Origin};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Every trajectory wants `slate` of the cells, all equally likely, and each is withheld with probability `epsilon`. It succeeds with
/// probability `base + skill · x + Σ effect · (shown − ½)`, kept within [0.02, 0.98], where x is a covariate
/// that is −1 or 1.
#[derive(Debug, Clone)]
pub struct World {
    /// The effect of each cell.
    pub effects: Vec<f64>,
    /// Cells that a trajectory wants.
    pub slate: usize,
    /// Probability of being withheld.
    pub epsilon: f64,
    /// Success without effects.
    pub base: f64,
    /// Half the difference in success between trajectories with x = 1 and with x = −1.
    pub skill: f64,
    /// Decisions, each one a unit for its cells; a trajectory has this many (they share its outcome).
    pub decisions: usize,
}

impl World {
    /// `n` cells without effect, of which a trajectory wants `slate`.
    pub fn idle(n: usize, slate: usize, epsilon: f64) -> Self {
        Self {
            effects: vec![0.0; n],
            slate,
            epsilon,
            base: 0.5,
            skill: 0.0,
            decisions: 1,
        }
    }

    /// The cell with this index.
    pub fn cell(index: usize) -> CellId {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&(index as u64).to_be_bytes());
        CellId::from_bytes(bytes)
    }

    /// What this many trajectories leave in the log.
    pub fn live(&self, trajectories: u32, seed: u64) -> Exposures {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut units = Vec::new();
        for trajectory in 0..trajectories {
            let x = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
            let first = units.len();
            let mut p = self.base + self.skill * x;
            let wanted = rand::seq::index::sample(&mut rng, self.effects.len(), self.slate);
            for cell in wanted {
                let shown = !rng.random_bool(self.epsilon);
                p += self.effects[cell] * (f64::from(u8::from(shown)) - 0.5);
                let mut covariates = [0.0; COVARIATES];
                covariates[1] = x as f32;
                units.push(Exposure {
                    trajectory,
                    cell: Self::cell(cell),
                    shown,
                    p_shown: 1.0 - self.epsilon,
                    on_trial: false,
                    y: None,
                    covariates,
                });
            }
            let y = f64::from(u8::from(rng.random_bool(p.clamp(0.02, 0.98))));
            for unit in &mut units[first..] {
                unit.y = Some(y);
            }
        }
        Exposures {
            metric: Metric::Success,
            counts: ExposureCounts {
                decisions: u64::from(trajectories) * self.decisions as u64,
                trajectories: u64::from(trajectories),
                units: units.len() as u64,
                ..ExposureCounts::default()
            },
            units,
        }
    }

    /// Types and origins of the cells: facts and procedures in turn.
    pub fn traits(&self) -> TraitsOf {
        (0..self.effects.len())
            .map(|i| {
                let traits = Traits {
                    kind: if i % 2 == 0 {
                        CellType::Fact
                    } else {
                        CellType::Procedure
                    },
                    origin: if i % 3 == 0 {
                        Origin::Agent
                    } else {
                        Origin::User
                    },
                    scope: format!("project-{}", i % 4),
                    value: None,
                };
                (Self::cell(i), traits)
            })
            .collect()
    }
}
