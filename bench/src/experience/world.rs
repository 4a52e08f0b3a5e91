//! Families of tasks, what works for them, the tasks of a run and the texts of all that.

use memrl_types::{
    Ended, Episode, EpisodeStatus, Intent, Session, TaskType, TestCounts, Timestamp, Touched,
};
use rand::seq::{IndexedRandom, SliceRandom, index};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Assumptions;
use super::words::{COMPONENTS, SYMPTOMS};

/// Components and symptoms that one project has.
const COMPONENTS_PER_PROJECT: usize = 5;
const SYMPTOMS_PER_PROJECT: usize = 4;
/// 1 January 2026, when each run begins.
const START: Timestamp = Timestamp(1_767_225_600_000_000);
/// A session takes a quarter of an hour.
pub const SESSION_DAYS: f64 = 0.01;
/// The notes are six hours apart.
const DAYS_PER_NOTE: f64 = 0.25;
/// The client that the episodes name.
pub const CLIENT: &str = "simulated";

/// Something that one can do: a remedy of a symptom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Remedy {
    /// The symptom.
    pub symptom: usize,
    /// Which of its remedies.
    pub number: usize,
}

/// Tasks that are one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// The project, from 0.
    pub project: usize,
    component: usize,
    symptom: usize,
    /// What sounds plausible.
    pub plausible: Vec<Remedy>,
    works: Remedy,
    later: Option<Remedy>,
}

/// The random numbers of one task, each uniform in [0, 1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coins {
    /// Success if below its probability.
    pub success: f64,
    /// Whether tests ran.
    pub tests: f64,
    /// Whether they were right.
    pub tests_right: f64,
    /// Whether there is a verdict.
    pub verdict: f64,
    /// Whether it is right.
    pub verdict_right: f64,
    /// Whether there is a citation.
    pub citation: f64,
    /// Whether it names the right one.
    pub citation_right: f64,
    /// Which one is named by mistake.
    pub mistaken: f64,
    /// What was tried without advice.
    pub tried: f64,
}

/// One task of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Task {
    /// Its place in the run, from 0.
    pub step: usize,
    /// Its family.
    pub family: usize,
    phrase: usize,
    name: usize,
    wording: usize,
    /// Its random numbers.
    pub coins: Coins,
}

/// An episode from before the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Note {
    /// Its family.
    pub family: usize,
    /// What it advises.
    pub remedy: Remedy,
    phrase: usize,
    name: usize,
    wording: usize,
}

/// Everything that all arms of a seed share.
#[derive(Debug, Clone)]
pub struct World {
    /// The families.
    pub families: Vec<Family>,
    /// What the memory holds at the start.
    pub notes: Vec<Note>,
    /// The tasks, in order.
    pub tasks: Vec<Task>,
    days_per_task: f64,
    change_at: usize,
}

impl World {
    /// The world of a seed.
    ///
    /// # Panics
    /// When a project would have more than 20 families, or there is no project.
    pub fn new(seed: u64, a: &Assumptions) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let families = families(a, &mut rng);
        let mut notes: Vec<Note> = families
            .iter()
            .enumerate()
            .flat_map(|(family, f)| f.plausible.iter().map(move |r| (family, *r)))
            .map(|(family, remedy)| Note {
                family,
                remedy,
                phrase: rng.random_range(0..4),
                name: rng.random_range(0..3),
                wording: rng.random_range(0..2),
            })
            .collect();
        notes.shuffle(&mut rng);
        let tasks = tasks(a, families.len(), &mut rng);
        Self {
            families,
            notes,
            tasks,
            days_per_task: a.days / a.tasks.max(1) as f64,
            change_at: a.tasks / 2,
        }
    }

    /// What works for this family at this step.
    pub fn works(&self, family: usize, step: usize) -> Remedy {
        let f = &self.families[family];
        match f.later {
            Some(later) if step >= self.change_at => later,
            _ => f.works,
        }
    }

    /// Whether the working remedy of this family changes during the run.
    pub fn changes(&self, family: usize) -> bool {
        self.families[family].later.is_some()
    }

    /// When a task begins.
    pub fn time(&self, step: usize) -> Timestamp {
        START.plus_days(1.0 + self.days_per_task * step as f64)
    }

    /// When the run begins: the day before the first task, after all notes.
    pub fn start(&self) -> Timestamp {
        START
    }

    /// What the user asks for.
    pub fn prompt(&self, task: &Task) -> String {
        self.phrase(task.family, task.phrase, task.name)
    }

    fn phrase(&self, family: usize, phrase: usize, name: usize) -> String {
        let f = &self.families[family];
        SYMPTOMS[f.symptom].phrases[phrase].replace("{c}", COMPONENTS[f.component].names[name])
    }

    /// A note as an episode.
    pub fn note(&self, number: usize) -> Episode {
        let note = &self.notes[number];
        let prompt = self.phrase(note.family, note.phrase, note.name);
        let tests = Some(green(number));
        let mut episode = self.episode(note.family, prompt, note.remedy, note.wording, tests);
        let days = (self.notes.len() - number) as f64 * DAYS_PER_NOTE;
        episode.timestamp_start = Some(START.plus_days(-days));
        episode.timestamp_end = Some(START.plus_days(SESSION_DAYS - days));
        episode.session = Some(session(format!("note-{number}"), Vec::new()));
        episode
    }

    /// The session of a task as an episode. `green` is what the test run said, if there was one.
    pub fn session(
        &self,
        task: &Task,
        tried: Remedy,
        said: Option<bool>,
        cited: Vec<String>,
    ) -> Episode {
        let tests = said.map(|good| {
            let all = green(self.notes.len() + task.step);
            if good {
                all
            } else {
                TestCounts {
                    passed: all.passed - 1,
                    failed: 1,
                    skipped: 0,
                }
            }
        });
        let mut episode = self.episode(task.family, self.prompt(task), tried, task.wording, tests);
        let start = self.time(task.step);
        episode.timestamp_start = Some(start);
        episode.timestamp_end = Some(start.plus_days(SESSION_DAYS));
        episode.session = Some(session(name_of(task.step), cited));
        episode
    }

    fn episode(
        &self,
        family: usize,
        prompt: String,
        tried: Remedy,
        wording: usize,
        tests: Option<TestCounts>,
    ) -> Episode {
        let f = &self.families[family];
        let done = SYMPTOMS[tried.symptom].remedies[tried.number][wording];
        let status = match tests {
            Some(t) if t.green() => EpisodeStatus::Success,
            Some(_) => EpisodeStatus::Failure,
            None => EpisodeStatus::Partial,
        };
        let file = format!(
            "{}/{}",
            COMPONENTS[f.component].path, SYMPTOMS[f.symptom].file
        );
        Episode {
            intent: Intent {
                raw_prompt: prompt,
                task_type: TaskType::Bugfix,
                ..Intent::default()
            },
            context: Touched {
                files_modified: vec![file],
                tools_invoked: vec!["Edit".to_owned(), "Bash".to_owned()],
                ..Touched::default()
            },
            outcome: Ended {
                status,
                tests_after: tests,
                ..Ended::default()
            },
            learnings: vec![match status {
                EpisodeStatus::Failure => format!("tried this, it did not help: {done}"),
                _ => done.to_owned(),
            }],
            ..Episode::default()
        }
    }
}

/// The id of a task's session, which is also the trajectory of its decisions.
pub fn name_of(step: usize) -> String {
    format!("task-{step}")
}

/// A suite that grows as the project does.
fn green(age: usize) -> TestCounts {
    TestCounts {
        passed: 100 + u32::try_from(age).unwrap_or(u32::MAX / 2),
        failed: 0,
        skipped: 0,
    }
}

fn session(id: String, cited: Vec<String>) -> Session {
    Session {
        client: CLIENT.to_owned(),
        id,
        cited,
        ..Session::default()
    }
}

fn families(a: &Assumptions, rng: &mut ChaCha8Rng) -> Vec<Family> {
    assert!(a.projects > 0, "a family needs a project");
    let per_project = a.families.div_ceil(a.projects);
    let mut by_project: Vec<Vec<(usize, usize)>> = Vec::new();
    for _ in 0..a.projects {
        let components = index::sample(rng, COMPONENTS.len(), COMPONENTS_PER_PROJECT);
        let symptoms = index::sample(rng, SYMPTOMS.len(), SYMPTOMS_PER_PROJECT);
        let mut pairs: Vec<(usize, usize)> = components
            .iter()
            .flat_map(|c| symptoms.iter().map(move |s| (c, s)))
            .collect();
        pairs.shuffle(rng);
        assert!(
            per_project <= pairs.len(),
            "more families than a project has"
        );
        by_project.push(pairs);
    }
    let mut families: Vec<Family> = (0..a.families)
        .map(|i| {
            let project = i % a.projects;
            let (component, symptom) = by_project[project][i / a.projects];
            let known = SYMPTOMS[symptom].remedies.len();
            let plausible: Vec<Remedy> = index::sample(rng, known, a.remedies.clamp(2, known))
                .iter()
                .map(|number| Remedy { symptom, number })
                .collect();
            let mut two = plausible.choose_multiple(rng, 2).copied();
            let works = two.next().unwrap_or(plausible[0]);
            let later = two.next();
            Family {
                project,
                component,
                symptom,
                plausible,
                works,
                later: later.filter(|_| rng.random_bool(a.changed)),
            }
        })
        .collect();
    // Tasks are drawn by place: which family is the frequent one is chance.
    families.shuffle(rng);
    families
}

fn tasks(a: &Assumptions, families: usize, rng: &mut ChaCha8Rng) -> Vec<Task> {
    let weights: Vec<f64> = (1..=families).map(|r| (r as f64).powf(-a.zipf)).collect();
    let total: f64 = weights.iter().sum();
    (0..a.tasks)
        .map(|step| {
            let mut at = rng.random::<f64>() * total;
            let family = weights
                .iter()
                .position(|w| {
                    at -= w;
                    at < 0.0
                })
                .unwrap_or(families - 1);
            Task {
                step,
                family,
                phrase: rng.random_range(0..4),
                name: rng.random_range(0..3),
                wording: rng.random_range(0..2),
                coins: Coins {
                    success: rng.random(),
                    tests: rng.random(),
                    tests_right: rng.random(),
                    verdict: rng.random(),
                    verdict_right: rng.random(),
                    citation: rng.random(),
                    citation_right: rng.random(),
                    mistaken: rng.random(),
                    tried: rng.random(),
                },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_world_and_another_seed_another_one() {
        let a = Assumptions::default();
        let (one, again, two) = (World::new(1, &a), World::new(1, &a), World::new(2, &a));
        assert_eq!((&one.families, &one.tasks), (&again.families, &again.tasks));
        assert_ne!(one.tasks, two.tasks);
        assert_eq!(
            (one.families.len(), one.notes.len(), one.tasks.len()),
            (40, 160, 600)
        );
    }

    #[test]
    fn one_plausible_remedy_of_each_family_works_and_some_change_in_the_middle() {
        let a = Assumptions::default();
        let world = World::new(3, &a);
        let mut changed = 0;
        for f in 0..world.families.len() {
            let (before, after) = (world.works(f, 0), world.works(f, a.tasks - 1));
            for works in [before, after] {
                assert!(world.families[f].plausible.contains(&works));
            }
            assert_eq!(world.changes(f), before != after);
            assert_eq!(world.works(f, a.tasks / 2 - 1), before);
            changed += usize::from(world.changes(f));
        }
        assert!((4..=20).contains(&changed), "{changed} of 40");
        let pairs: std::collections::BTreeSet<_> = world
            .families
            .iter()
            .map(|f| (f.project, f.component, f.symptom))
            .collect();
        assert_eq!(pairs.len(), 40, "no two families are the same");
    }

    #[test]
    fn the_most_frequent_family_has_the_share_that_zipf_says() {
        let a = Assumptions {
            tasks: 20_000,
            ..Assumptions::default()
        };
        let world = World::new(4, &a);
        let share = |family| {
            let count = world.tasks.iter().filter(|t| t.family == family).count();
            count as f64 / 20_000.0
        };
        // 1 / H(40), H(40) = 4.278543.
        assert!((share(0) - 0.233_724).abs() < 0.012, "{}", share(0));
        assert!((share(1) - 0.116_862).abs() < 0.010, "{}", share(1));
    }

    #[test]
    fn a_note_does_not_say_whether_it_is_right() {
        let world = World::new(5, &Assumptions::default());
        for (i, note) in world.notes.iter().enumerate() {
            let episode = world.note(i);
            assert_eq!(episode.outcome.status, EpisodeStatus::Success);
            assert!(!episode.intent.raw_prompt.contains('{'), "{note:?}");
        }
        let right = world
            .notes
            .iter()
            .filter(|n| n.remedy == world.works(n.family, 0));
        assert_eq!(right.count(), 40);
    }
}
