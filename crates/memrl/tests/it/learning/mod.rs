//! The learning loop on a real store: what it does with a log whose truth is known.
//!
//! The world: for each of twelve topics there is one procedure that helps and three facts that say as much in other words
//! and do not. The search cannot tell them apart; who they are (their type) can.

mod bad_input;
mod impact;
mod life;
mod replay;
mod train;

use memrl::{CellId, CellType, Config, NewCell, Outcome, RecallRequest};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{Bed, ann, bed_with};

const TOPICS: [&str; 12] = [
    "billing", "deploy", "login", "search", "upload", "invoice", "backup", "cache", "email",
    "payments", "calendar", "printer",
];

pub struct World {
    pub bed: Bed,
    helpful: Vec<CellId>,
    pub rng: ChaCha8Rng,
    /// Success does not depend on what was shown.
    pub deaf: bool,
    /// Most cells that are shown.
    pub most: u64,
    /// Candidates that are considered.
    pub pool: u64,
    /// Share of the tasks about which nobody reports.
    pub silent: f64,
}

/// With drawn slates, so that the log can say something about other policies.
pub fn exploring() -> Config {
    let mut config = Config::default();
    config.explore.sampled_share = 0.6;
    config.explore.temperature = 0.3;
    config
}

impl World {
    pub fn new(config: Config, seed: u64) -> Self {
        let bed = bed_with(config);
        let mut cells = Vec::new();
        for topic in TOPICS {
            for k in 0..4 {
                let kind = if k == 0 {
                    CellType::Procedure
                } else {
                    CellType::Fact
                };
                let word = ["steps", "notes", "story", "report"][k];
                cells.push(NewCell::new(
                    kind,
                    ann(),
                    format!("{word} about the {topic} trouble of the {topic} service"),
                ));
            }
        }
        let written = bed.memory.write_batch(cells).unwrap();
        let helpful = written.iter().step_by(4).map(|w| w.cell.cell_id).collect();
        Self {
            bed,
            helpful,
            rng: ChaCha8Rng::seed_from_u64(seed),
            deaf: false,
            most: 2,
            pool: 12,
            silent: 0.0,
        }
    }

    /// One task: recalls, and reports how it went. Success is likely when the procedure was shown.
    pub fn task(&mut self, trajectory: &str, policy: Option<&str>) -> bool {
        let topic = self.rng.random_range(0..TOPICS.len());
        let mut request = RecallRequest::new(format!("{} trouble", TOPICS[topic]), ann());
        request.trajectory = Some(trajectory.to_owned());
        request.max_cells = Some(self.most);
        request.limit = Some(self.pool);
        request.policy = policy.map(str::to_owned);
        let recall = self.bed.memory.recall(&request).unwrap();
        let shown = recall
            .selected
            .iter()
            .any(|r| r.cell.cell_id == self.helpful[topic]);
        let p = if self.deaf {
            0.5
        } else if shown {
            0.9
        } else {
            0.2
        };
        let success = self.rng.random_bool(p);
        let outcome = Outcome {
            success: Some(f64::from(u8::from(success))),
            ..Outcome::default()
        };
        if !self.rng.random_bool(self.silent) {
            self.bed
                .memory
                .feedback(recall.decision_id, &outcome)
                .unwrap();
        }
        self.bed.clock.advance_days(1.0 / 1440.0);
        shown
    }

    /// Many tasks, each a trajectory of its own; the share that were shown what helps.
    pub fn tasks(&mut self, n: usize, prefix: &str) -> f64 {
        let shown = (0..n)
            .filter(|i| self.task(&format!("{prefix}{i}"), None))
            .count();
        shown as f64 / n as f64
    }
}

/// Never asks to stop.
pub fn on(_: &memrl::learn::train::Progress) -> std::ops::ControlFlow<()> {
    std::ops::ControlFlow::Continue(())
}
