//! Questions about conversations and documents as recall decisions: `LoCoMo` and `HotpotQA`.
//!
//! Every question with evidence is one decision and one trajectory; the candidates are those of the engine's own
//! search. A slate succeeds when it shows all gold evidence. The memory is open while the scenes are made, and then no
//! more: a scene is plain numbers.

use std::path::Path;
use std::sync::Arc;

use memrl::search::embed::{EmbedderSpec, from_spec};
use memrl::{
    BudgetCounts, Clearance, Config, ManualClock, Memory, Options, RecallRequest, TokenCounter,
};
use memrl_types::{CellId, Outcome};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Expected, Scene, World};
use crate::run::corpus::{self, Cached};
use crate::run::{OnProgress, Result, RunError, Stage};

/// Candidates of every decision.
const POOL: u64 = 200;

/// How well citations tell what the answer rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Citing {
    /// Probability that shown evidence is cited, in [0, 1].
    pub recall: f64,
    /// Probability that anything else that is shown is cited, in [0, 1].
    pub false_rate: f64,
}

impl Citing {
    /// Exactly the shown evidence.
    pub const EXACT: Self = Self {
        recall: 1.0,
        false_rate: 0.0,
    };
    /// Four fifths of it, and one in twenty of the rest.
    pub const NOISY: Self = Self {
        recall: 0.8,
        false_rate: 0.05,
    };
}

/// What the questions are made of.
#[derive(Debug, Clone)]
pub struct QuestionOptions {
    /// The world's name in tables.
    pub name: String,
    /// The embedder as in the configuration, e.g. `static`.
    pub embedder: String,
    /// Token budget of a decision (characters / 4 of the contents).
    pub budget: u64,
    /// Which shown cells outcomes say were cited; `None`: success alone.
    pub citing: Option<Citing>,
    /// Seed of the engine (the ids of cells).
    pub seed: u64,
}

impl Default for QuestionOptions {
    /// The built-in embedder, 256 tokens, no citations.
    fn default() -> Self {
        Self {
            name: "questions".to_owned(),
            embedder: "static".to_owned(),
            budget: 256,
            citing: None,
            seed: 1,
        }
    }
}

/// See the module documentation.
#[derive(Debug, Clone)]
pub struct Questions {
    name: String,
    scenes: Vec<Scene>,
    citing: Option<Citing>,
}

impl Questions {
    /// Loads a file of conversations (`LoCoMo`'s format, held out by conversation) or of questions (`HotpotQA`'s,
    /// `.jsonl`: pooled, each question held out by itself; `.gz` of either), writes their turns into a memory of their own,
    /// and searches it for every question that has evidence. The demo corpus when `data` is `None`.
    pub fn load(
        data: Option<&Path>,
        options: &QuestionOptions,
        progress: OnProgress<'_>,
    ) -> Result<Self> {
        let data = corpus::load(data)?;
        let spec: EmbedderSpec = options.embedder.parse().map_err(memrl::Error::from)?;
        let embedder = Cached::new(from_spec(&spec).map_err(memrl::Error::from)?);
        let dir = tempfile::tempdir().map_err(|e| RunError::io("temporary directory", e))?;
        // Ages are features, so they may not depend on the day of the run.
        let clock = ManualClock::at(corpus::afterwards(&data));
        let memory = Memory::open_with(Options {
            clock: Arc::new(clock),
            config: Some(Config {
                token_counter: TokenCounter::Chars4,
                ..Config::default()
            }),
            seed: Some(options.seed),
            embedder: Some(Box::new(embedder)),
            ..Options::new(dir.path())
        })?;
        let cells = corpus::ingest(&memory, &data, &options.name, |_| {})?;
        let total: usize = data.iter().map(|c| corpus::asked(c).count()).sum();
        let mut stage = Stage::start(
            progress,
            format!("searching {total} questions"),
            total as u64,
        );
        let mut scenes = Vec::with_capacity(total);
        for (conversation, cells) in data.iter().zip(cells) {
            let scope = corpus::scope(&conversation.id, &options.name);
            for question in corpus::asked(conversation) {
                let number = scenes.len();
                let seen = memory.consider(&RecallRequest {
                    budget_tokens: Some(options.budget),
                    budget_counts: BudgetCounts::Content,
                    limit: Some(POOL),
                    clearance: Some(Clearance::ALL),
                    ..RecallRequest::new(&question.text, scope.clone())
                })?;
                let wanted: Vec<CellId> = question.evidence.iter().map(|&e| cells[e]).collect();
                let gold = seen.candidates.iter().enumerate();
                let gold: Vec<usize> = gold
                    .filter(|(_, c)| c.mask.is_none() && wanted.contains(&c.cell_id))
                    .map(|(i, _)| i)
                    .collect();
                scenes.push(Scene {
                    // Pooled questions share their documents, so each stands for itself.
                    group: if data.len() == 1 {
                        format!("question-{number}")
                    } else {
                        conversation.id.clone()
                    },
                    trajectory: format!("{}/{number}", options.name),
                    context: seen.context,
                    candidates: seen.candidates,
                    reachable: gold.len() == wanted.len(),
                    gold,
                    hidden: number,
                });
                stage.at(number as u64 + 1, String::new());
            }
        }
        Ok(Self {
            name: options.name.clone(),
            scenes,
            citing: options.citing,
        })
    }

    /// The same questions under another budget: candidates do not depend on it.
    #[must_use]
    pub fn with_budget(&self, budget: u64) -> Self {
        let mut other = self.clone();
        for scene in &mut other.scenes {
            scene.context.budget_tokens = budget;
        }
        other
    }

    /// The same questions with other citations.
    #[must_use]
    pub fn with_citing(&self, citing: Option<Citing>) -> Self {
        Self {
            citing,
            ..self.clone()
        }
    }
}

/// Whether a slate shows all evidence.
fn complete(scene: &Scene, slate: &[usize]) -> bool {
    scene.reachable && scene.gold.iter().all(|g| slate.contains(g))
}

fn tokens(scene: &Scene, slate: &[usize]) -> u64 {
    slate
        .iter()
        .map(|&i| u64::from(scene.candidates[i].cost))
        .sum()
}

impl World for Questions {
    fn name(&self) -> &str {
        &self.name
    }

    fn scenes(&self) -> &[Scene] {
        &self.scenes
    }

    /// Success is certain: 1 when all evidence is shown, else 0. Nothing is unsafe or stale.
    fn expected(&self, scene: &Scene, slate: &[usize]) -> Expected {
        Expected {
            success: f64::from(u8::from(complete(scene, slate))),
            tokens: tokens(scene, slate) as f64,
            ..Expected::default()
        }
    }

    fn outcome(&self, scene: &Scene, slate: &[usize], rng: &mut ChaCha8Rng) -> Outcome {
        let mut cited = Vec::new();
        if let Some(citing) = self.citing {
            for i in slate {
                let p = if scene.gold.contains(i) {
                    citing.recall
                } else {
                    citing.false_rate
                };
                if rng.random::<f64>() < p {
                    cited.push(scene.candidates[*i].cell_id);
                }
            }
        }
        Outcome {
            success: Some(self.expected(scene, slate).success),
            unsafe_action: Some(false),
            stale_memory_error: Some(false),
            tokens_used: i64::try_from(tokens(scene, slate)).ok(),
            cited,
            source: "bench".to_owned(),
            is_final: true,
            ..Outcome::default()
        }
    }

    /// Exact: all evidence when it can be reached and fits, else nothing, which costs nothing.
    fn oracle(&self, scene: &Scene) -> Vec<usize> {
        let room = scene
            .context
            .budget_tokens
            .saturating_sub(scene.context.overhead_tokens);
        if scene.reachable && tokens(scene, &scene.gold) <= room {
            scene.gold.clone()
        } else {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use memrl::learn::policy::by_name;
    use memrl::learn::{Ranking, select};
    use rand::SeedableRng;

    use super::*;

    fn demo(budget: u64) -> Questions {
        let options = QuestionOptions {
            budget,
            ..QuestionOptions::default()
        };
        Questions::load(None, &options, &mut |_| {}).unwrap()
    }

    /// Share of the scenes in which what a policy shows succeeds.
    fn success(world: &Questions, policy: &str) -> f64 {
        let policy = by_name(policy).unwrap();
        let scenes = world.scenes();
        let of = |s: &Scene| {
            let order = policy.order(&s.context, &s.candidates);
            let shown = select::greedy(
                &s.context,
                &s.candidates,
                &Ranking::new(&s.candidates, order),
            );
            world.expected(s, &shown.slate).success
        };
        scenes.iter().map(of).sum::<f64>() / scenes.len() as f64
    }

    #[test]
    fn a_slate_succeeds_when_it_shows_all_evidence_and_the_oracle_does_whenever_that_is_possible() {
        let world = demo(256);
        let mut best = 0.0;
        for scene in world.scenes() {
            let oracle = world.oracle(scene);
            let expected = world.expected(scene, &oracle);
            assert!(expected.tokens <= 256.0 && (expected.success > 0.5) != oracle.is_empty());
            if let Some((_, rest)) = scene.gold.split_first() {
                assert!(world.expected(scene, rest).success < 0.5);
            }
            best += expected.success;
        }
        let by_similarity = success(&world, "similarity") * world.scenes().len() as f64;
        assert!(best >= by_similarity && by_similarity > 0.0 && world.scenes().len() > 50);
        assert!(success(&world, "none") < 1e-9);
        assert!(success(&world.with_budget(1024), "similarity") > success(&world, "similarity"));
    }

    #[test]
    fn citations_are_of_what_was_shown_and_as_noisy_as_asked() {
        let world = demo(1024).with_citing(Some(Citing::NOISY));
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (mut hits, mut gold, mut wrong, mut rest) = (0.0, 0.0, 0.0, 0.0);
        for _ in 0..20 {
            for scene in world.scenes() {
                let slate: Vec<usize> = (0..scene.candidates.len()).step_by(2).collect();
                for cited in world.outcome(scene, &slate, &mut rng).cited {
                    let place = scene
                        .candidates
                        .iter()
                        .position(|c| c.cell_id == cited)
                        .unwrap();
                    assert!(slate.contains(&place));
                    if scene.gold.contains(&place) {
                        hits += 1.0;
                    } else {
                        wrong += 1.0;
                    }
                }
                let shown = slate.iter().filter(|i| scene.gold.contains(i)).count() as f64;
                gold += shown;
                rest += slate.len() as f64 - shown;
            }
        }
        assert!((hits / gold - 0.8_f64).abs() < 0.03, "{hits} of {gold}");
        assert!((wrong / rest - 0.05_f64).abs() < 0.005, "{wrong} of {rest}");
        let plain = world.with_citing(None);
        assert!(
            plain
                .outcome(&world.scenes()[0], &[0], &mut rng)
                .cited
                .is_empty()
        );
    }
}
