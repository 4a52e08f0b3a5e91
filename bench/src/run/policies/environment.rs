//! Training scenes as an environment of single picks, for on-policy training.
//!
//! A task is a scene; its seed draws the budget. At each step the options are the candidates, and STOP behind them; what is shown or does not
//! fit is not legal. Critical cells are placed before the first pick, as everywhere. The reward of a rollout comes with STOP (or when nothing
//! fits): the expected reward of the slate in the training world. Trainers from logs are not told that much; the table says so.
//!
//! STOP's row is all zeros, so a linear policy gives it one and the same score everywhere: its logit.

use memrl::learn::features::rows;
use memrl::learn::policy::NoMemory;
use memrl::learn::select::Room;
use memrl::learn::train::grpo::{Env, Obs, Outcome};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::contest::{Part, score, slate, with_budget};
use crate::work::log::schema;
use crate::work::{Scene, World};

/// See the module documentation.
pub struct Picks<'a> {
    scenes: Vec<(&'a dyn World, &'a Scene)>,
    budgets: &'a [u64],
    width: usize,
    now: Option<Now<'a>>,
}

/// A rollout under way.
struct Now<'a> {
    world: &'a dyn World,
    scene: Scene,
    rows: Vec<f32>,
    shown: Vec<usize>,
    room: Room,
}

impl<'a> Picks<'a> {
    /// The scenes of these worlds, under these budgets.
    pub fn new(parts: &[Part<'a>], budgets: &'a [u64]) -> Self {
        let of = |p: &Part<'a>| -> Vec<(&'a dyn World, &'a Scene)> {
            p.scenes.iter().map(|s| (p.world, *s)).collect()
        };
        Self {
            scenes: parts.iter().flat_map(of).collect(),
            budgets,
            width: schema().width(),
            now: None,
        }
    }

    /// Number of tasks.
    pub fn len(&self) -> usize {
        self.scenes.len()
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.scenes.is_empty()
    }
}

impl Now<'_> {
    fn see(&self) -> Obs {
        let candidates = &self.scene.candidates;
        let open = |(i, c): (usize, &memrl::learn::Candidate)| {
            c.mask.is_none()
                && !c.is_critical()
                && !self.shown.contains(&i)
                && self.room.fits(c.cost)
        };
        let stop = std::iter::once(true);
        Obs {
            legal: candidates
                .iter()
                .enumerate()
                .map(open)
                .chain(stop)
                .collect(),
            rows: self.rows.clone(),
        }
    }
}

impl Env for Picks<'_> {
    fn width(&self) -> usize {
        self.width
    }

    fn reset(&mut self, task: u64, seed: u64) -> Obs {
        let (world, scene) = self.scenes[task as usize % self.scenes.len()];
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let scene = match self.budgets {
            [] => scene.clone(),
            all => with_budget(scene, all[rng.random_range(0..all.len())]),
        };
        let mut all = rows(&scene.context, &scene.candidates);
        all.resize(all.len() + self.width, 0.0);
        let shown = slate(&NoMemory, &scene);
        let mut room = Room::of(&scene.context);
        for &i in &shown {
            room.take(scene.candidates[i].cost, true);
        }
        let now = Now {
            world,
            rows: all,
            shown,
            room,
            scene,
        };
        let seen = now.see();
        self.now = Some(now);
        seen
    }

    fn step(&mut self, option: usize) -> Outcome {
        let over = Outcome {
            reward: 0.0,
            next: None,
        };
        let Some(now) = &mut self.now else {
            return over;
        };
        if let Some(c) = now.scene.candidates.get(option) {
            now.room.take(c.cost, false);
            now.shown.push(option);
            let next = now.see();
            // STOP is always legal; when it is all that is, it is taken for the policy.
            if next.legal.iter().filter(|l| **l).count() > 1 {
                return Outcome {
                    reward: 0.0,
                    next: Some(next),
                };
            }
        }
        Outcome {
            reward: score(now.world, &now.scene, &now.shown).reward,
            next: None,
        }
    }
}
