//! The arms: one memory each, and how it chooses what is shown.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use memrl::config::ValueConfig;
use memrl::search::embed::{Embedder, StaticEmbedder};
use memrl::{
    CaptureAction, CaptureRequest, CellFeedback, CellId, Config, DecisionId, Hit, ManualClock,
    Memory, Options, Origin, Project, PropagateRequest, RetrieveRequest, Retrieved,
};

use super::super::{Result, RunError};
use crate::experience::Assumptions;
use crate::experience::agent::{Advice, Attempt, attempt};
use crate::experience::rules::{Counts, by_score, memrl_score};
use crate::experience::world::{Remedy, SESSION_DAYS, Task, World, name_of};
use memrl::EpisodeStatus;

/// How many of the most similar episodes the newest ones, or those that did not fail, are taken
/// from.
const NEAR_POOL: u64 = 10;
/// The most that a retrieve gives: what the oracle may choose from.
const WHOLE_POOL: u64 = 50;

/// A memory with learning switched on.
#[derive(Debug, Clone, PartialEq)]
pub struct Learner {
    /// Its settings of values.
    pub values: ValueConfig,
    /// Whether values are propagated every so many tasks.
    pub propagate: bool,
    /// Whether that credits what came before a success, too.
    pub temporal: bool,
}

/// What `MemRL`'s counts are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signals {
    /// Only verdicts, as its code has it: everything shown counts as shown, and as helpful when
    /// somebody calls it that.
    Verdicts,
    /// Also the results of tests, which its code does not use: a green run makes the cited episode
    /// helpful, and all that were shown when none was cited.
    All,
}

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
pub enum Arm {
    /// The policy `utility`.
    Learning(Learner),
    /// The same memory, told the same, with the policy `similarity`: nothing that is learned
    /// changes what is shown.
    Off,
    /// `MemRL`'s rule over twice as many episodes as are shown, the most similar ones by our search
    /// (better than its own); similarity is the cosine of our embedder. Without its cut at 0.5 and
    /// its diversity step.
    Memrl {
        /// Weight of the utility; 0.7 is its own.
        weight: f64,
        /// What its counts are told.
        signals: Signals,
    },
    /// The newest of the ten most similar episodes.
    Recent,
    /// The ten most similar episodes, those that say that they failed last.
    FailedLast,
    /// The best of the 50 most similar episodes by somebody who knows what works: the most that
    /// any order of this memory could do.
    Oracle,
    /// Nothing is shown.
    NoMemory,
}

impl Arm {
    /// Learning with these settings, and propagation.
    pub const fn learning(values: ValueConfig) -> Self {
        Self::Learning(Learner {
            values,
            propagate: true,
            temporal: false,
        })
    }

    /// All arms, learning (with these settings) and learning off first.
    pub fn all(values: &ValueConfig) -> Vec<Self> {
        vec![
            Self::learning(values.clone()),
            Self::Off,
            Self::Learning(Learner {
                values: values.clone(),
                propagate: false,
                temporal: false,
            }),
            Self::Memrl {
                weight: 0.7,
                signals: Signals::Verdicts,
            },
            Self::Memrl {
                weight: 0.7,
                signals: Signals::All,
            },
            Self::Recent,
            Self::FailedLast,
            Self::Oracle,
            Self::NoMemory,
        ]
    }

    /// Its name; other settings give another name.
    pub fn label(&self) -> String {
        match self {
            Self::Learning(learner) => {
                let mut label = "learning".to_owned();
                let (values, default) = (&learner.values, ValueConfig::default());
                if !learner.propagate {
                    label += ", no propagation";
                }
                if learner.temporal {
                    label += ", temporal";
                }
                for (name, own, usual) in [
                    ("w", values.utility_weight, default.utility_weight),
                    ("rate", values.learning_rate, default.learning_rate),
                    ("decay", values.decay_rate, default.decay_rate),
                    (
                        "neighbours",
                        f64::from(values.neighbours),
                        f64::from(default.neighbours),
                    ),
                    (
                        "threshold",
                        values.propagation_threshold,
                        default.propagation_threshold,
                    ),
                ] {
                    if own.total_cmp(&usual).is_ne() {
                        let _ = write!(label, ", {name} {own}");
                    }
                }
                label
            }
            Self::Off => "learning off".to_owned(),
            Self::Memrl { weight, signals } => match signals {
                Signals::Verdicts => format!("MemRL's rule, {weight}"),
                Signals::All => format!("MemRL's rule told results, {weight}"),
            },
            Self::Recent => "newest of the similar".to_owned(),
            Self::FailedLast => "similar, failed last".to_owned(),
            Self::Oracle => "oracle".to_owned(),
            Self::NoMemory => "no memory".to_owned(),
        }
    }

    /// Whether the engine itself chooses, and so learns from what it is told.
    const fn engine(&self) -> bool {
        matches!(self, Self::Learning(_) | Self::Off)
    }

    fn config(&self) -> Config {
        let mut config = Config::default();
        "similarity".clone_into(&mut config.sessions.policy);
        if let Self::Learning(learner) = self {
            config.sessions.policy = memrl::config::SessionConfig::default().policy;
            config.values = learner.values.clone();
        }
        config
    }
}

/// What came of one task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaskResult {
    /// Whether it succeeded.
    pub success: bool,
    /// How likely that was.
    pub probability: f64,
    /// Whether advice that works was shown.
    pub working_shown: bool,
    /// Whether misleading advice stood above it.
    pub misled: bool,
}

/// Runs one arm through a world; the results by task, and the episodes in its memory at the end.
///
/// `dir` is where its memory is put; it is removed afterwards.
pub fn run_arm(
    arm: &Arm,
    world: &World,
    a: &Assumptions,
    seed: u64,
    dir: Option<&Path>,
) -> Result<(Vec<TaskResult>, usize)> {
    let place = match dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    }
    .map_err(|e| RunError::io("temporary directory", e))?;
    let mut results = Vec::with_capacity(world.tasks.len());
    if *arm == Arm::NoMemory {
        for task in &world.tasks {
            let works = world.works(task.family, task.step);
            let plausible = &world.families[task.family].plausible;
            let done = attempt(&[], works, plausible, &task.coins, a);
            results.push(result(&done, &[], works));
        }
        return Ok((results, 0));
    }
    let mut student = Student::new(arm, world, a, seed, place.path())?;
    for task in &world.tasks {
        results.push(student.work(task)?);
    }
    Ok((results, student.advice.len()))
}

fn result(done: &Attempt, shown: &[Advice], works: Remedy) -> TaskResult {
    let helpful = shown.iter().position(|s| s.helps(works));
    let above = &shown[..helpful.unwrap_or(shown.len())];
    TaskResult {
        success: done.success,
        probability: done.probability,
        working_shown: helpful.is_some(),
        misled: above.iter().any(|s| s.misleads(works)),
    }
}

/// An agent with the memory of its arm.
struct Student<'a> {
    arm: &'a Arm,
    world: &'a World,
    a: &'a Assumptions,
    clock: Arc<ManualClock>,
    memory: Memory,
    projects: Vec<Project>,
    /// What each episode says.
    advice: HashMap<CellId, Advice>,
    /// `MemRL`'s counts.
    counts: HashMap<CellId, Counts>,
    embedder: StaticEmbedder,
}

impl<'a> Student<'a> {
    /// An agent whose memory holds the notes.
    fn new(
        arm: &'a Arm,
        world: &'a World,
        a: &'a Assumptions,
        seed: u64,
        dir: &Path,
    ) -> Result<Self> {
        let clock = Arc::new(ManualClock::at(world.start()));
        let memory = Memory::open_with(Options {
            config: Some(arm.config()),
            clock: clock.clone(),
            seed: Some(seed),
            ..Options::new(dir)
        })?;
        let mut student = Self {
            arm,
            world,
            a,
            clock,
            memory,
            projects: (0..a.projects)
                .map(|i| Project::named(&format!("project {i}")))
                .collect(),
            advice: HashMap::new(),
            counts: HashMap::new(),
            embedder: StaticEmbedder::builtin(),
        };
        for (i, note) in world.notes.iter().enumerate() {
            student.capture(note.family, note.remedy, world.note(i))?;
        }
        student.memory.maintain()?;
        Ok(student)
    }

    fn work(&mut self, task: &Task) -> Result<TaskResult> {
        self.clock.set(self.world.time(task.step));
        let works = self.world.works(task.family, task.step);
        let (decision, shown) = self.shown(task, works)?;
        let advice: Vec<Advice> = shown.iter().map(|id| self.advice[id]).collect();
        let plausible = &self.world.families[task.family].plausible;
        let done = attempt(&advice, works, plausible, &task.coins, self.a);
        self.clock.advance_days(SESSION_DAYS);
        self.tell(decision, &shown, &done)?;
        let cited = done.cited.map(|place| shown[place].short());
        let cited: Vec<String> = cited.into_iter().collect();
        let episode = self.world.session(task, done.tried, done.tests, cited);
        self.capture(task.family, done.tried, episode)?;
        if (task.step + 1).is_multiple_of(self.a.propagate_every.max(1)) {
            if let Arm::Learning(Learner {
                propagate: true,
                temporal,
                ..
            }) = self.arm
            {
                let request = PropagateRequest {
                    temporal: *temporal,
                    ..PropagateRequest::default()
                };
                self.memory.propagate(&request)?;
            }
            self.memory.maintain()?;
        }
        Ok(result(&done, &advice, works))
    }

    /// The episodes that the agent sees, best first, and the decision if it was the engine's.
    fn shown(&self, task: &Task, works: Remedy) -> Result<(Option<DecisionId>, Vec<CellId>)> {
        let k = self.a.shown;
        let ids = |hits: &[Hit]| hits.iter().map(|h| h.cell.cell_id).collect::<Vec<_>>();
        if self.arm.engine() {
            let found = self.retrieve(task, k as u64)?;
            return Ok((Some(found.recall.decision_id), ids(&found.hits)));
        }
        let pool = match self.arm {
            Arm::Memrl { .. } => 2 * k as u64,
            Arm::Oracle => WHOLE_POOL,
            _ => NEAR_POOL,
        };
        let hits = self.retrieve(task, pool)?.hits;
        let all = ids(&hits);
        let scores: Vec<f64> = match self.arm {
            Arm::Memrl { weight, .. } => {
                let similarity = self.cosines(&self.world.prompt(task), &hits)?;
                let score = |(id, s): (&CellId, &f64)| {
                    memrl_score(
                        *s,
                        self.counts.get(id).copied().unwrap_or_default(),
                        *weight,
                    )
                };
                all.iter().zip(&similarity).map(score).collect()
            }
            Arm::Recent => hits
                .iter()
                .map(|h| h.cell.occurred_at.map_or(f64::MIN, |t| t.0 as f64))
                .collect(),
            Arm::Oracle => {
                let worth = |id: &CellId| {
                    let advice = self.advice[id];
                    f64::from(u8::from(advice.helps(works)))
                        - f64::from(u8::from(advice.misleads(works)))
                };
                all.iter().map(worth).collect()
            }
            _ => {
                let worth = |id: &CellId| -f64::from(u8::from(self.advice[id].failed));
                all.iter().map(worth).collect()
            }
        };
        let best = by_score(&scores).into_iter().take(k);
        Ok((None, best.map(|place| all[place]).collect()))
    }

    fn retrieve(&self, task: &Task, limit: u64) -> Result<Retrieved> {
        let project = self.world.families[task.family].project;
        let engine = self.arm.engine();
        Ok(self.memory.retrieve(&RetrieveRequest {
            query: self.world.prompt(task),
            project: Some(self.projects[project].clone()),
            only_project: true,
            limit,
            types: Vec::new(),
            // What a bench rule chose of a longer list must not teach the engine.
            trajectory: engine.then(|| name_of(task.step)),
            budget_tokens: None,
            skip_shown: false,
            explore: engine,
        })?)
    }

    fn cosines(&self, query: &str, hits: &[Hit]) -> Result<Vec<f64>> {
        let mut texts = vec![query];
        texts.extend(hits.iter().map(|h| h.cell.content.as_str()));
        let vectors = self
            .embedder
            .embed(&texts)
            .map_err(|e| RunError::Engine(e.into()))?;
        let Some((query, cells)) = vectors.split_first() else {
            return Ok(Vec::new());
        };
        let cosine = |v: &Vec<f32>| f64::from(query.iter().zip(v).map(|(a, b)| a * b).sum::<f32>());
        Ok(cells.iter().map(cosine).collect())
    }

    /// Passes on what the user said; what the session shows is told by its capture.
    fn tell(
        &mut self,
        decision: Option<DecisionId>,
        shown: &[CellId],
        done: &Attempt,
    ) -> Result<()> {
        if let (Some(decision), Some((place, useful))) = (decision, done.verdict) {
            self.memory.judge(&CellFeedback {
                cells: vec![shown[place].to_string()],
                useful: f64::from(u8::from(useful)),
                decision: Some(decision.to_string()),
                trajectory: None,
                correction: None,
                source: "user".to_owned(),
            })?;
        }
        let Arm::Memrl { signals, .. } = self.arm else {
            return Ok(());
        };
        let mut helpful: Vec<usize> = Vec::new();
        if *signals == Signals::All && done.tests == Some(true) {
            match done.cited {
                Some(place) => helpful.push(place),
                None => helpful.extend(0..shown.len()),
            }
        }
        match done.verdict {
            Some((place, true)) if !helpful.contains(&place) => helpful.push(place),
            Some((place, false)) => helpful.retain(|p| *p != place),
            _ => {}
        }
        for (place, id) in shown.iter().enumerate() {
            let counts = self.counts.entry(*id).or_default();
            counts.shown += 1;
            counts.helpful += u32::from(helpful.contains(&place));
        }
        Ok(())
    }

    fn capture(&mut self, family: usize, tried: Remedy, episode: memrl::Episode) -> Result<()> {
        let project = self.world.families[family].project;
        let failed = episode.outcome.status == EpisodeStatus::Failure;
        let captured = self.memory.capture(CaptureRequest {
            episode,
            project: self.projects[project].clone(),
            origin: Origin::Agent,
            decisions: Vec::new(),
            trajectory: None,
        })?;
        if captured.action != CaptureAction::Unchanged {
            let advice = Advice {
                remedy: tried,
                failed,
            };
            self.advice.insert(captured.cell.cell_id, advice);
        }
        Ok(())
    }
}
