//! The demo: conversations become cells, every question is answered by a logged decision under a
//! token budget, and the reward is whether all the evidence was shown.
//!
//! Who may learn what. Every policy has its own copy of the cells (scope `run`), so that outcomes of
//! one policy never teach another. The questions come in one random order, the same for all, and each
//! is asked once: its outcome is reported after its decision. So `utility` is measured on questions
//! whose answers it has not seen, having learnt from the earlier questions about the same
//! conversation ("test, then train"). The report never says which cells were right, only whether
//! all of them were there, as a real task would.
//!
//! It happens on a clock of its own, from a day after the last turn on, a minute per question, and nothing that was measured with a
//! stopwatch is reported as an outcome: the same seed gives the same log, bit for bit, except for the latencies of its decisions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use memrl::{CellId, Config, ManualClock, Memory, Options, Outcome, TokenCounter};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::corpus::{self, Answer, Ask};
use super::{OnProgress, Result, RunError, Stage};
use crate::dataset::{Conversation, Question};
use crate::metrics;
use crate::report::{Column, Estimate, Row, Table, Unit};

/// The file that marks a directory as a demo's, so that it may be replaced.
pub const MARKER: &str = "memrl-demo.json";
/// Days from one question to the next: a minute.
const PAUSE_DAYS: f64 = 1.0 / 1440.0;
/// Draws of each interval.
const RESAMPLES: usize = 2000;

/// What to do.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// A file of conversations; the shipped corpus when `None`.
    pub data: Option<PathBuf>,
    /// The data directory to make. One that an earlier demo made is replaced; any other that is not
    /// empty is refused.
    pub dir: PathBuf,
    /// Token budget of each decision (characters / 4 of the contents).
    pub budget_tokens: u64,
    /// The policies, in the order of the table.
    pub policies: Vec<String>,
    /// Seed of the order of the questions, of the hold-outs and of the intervals.
    pub seed: u64,
    /// Settings of the memory: embedder, pool, exploration. Its token counter is not used.
    pub config: Config,
}

impl DemoOptions {
    /// The shipped corpus in this directory, 512 tokens, all built-in policies.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            data: None,
            dir: dir.into(),
            budget_tokens: 512,
            policies: ["similarity", "utility", "baseline_v0", "none"]
                .map(str::to_owned)
                .to_vec(),
            seed: 1,
            config: Config::default(),
        }
    }
}

/// How one policy did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyResult {
    /// The policy with its version.
    pub policy: String,
    /// Questions asked.
    pub questions: usize,
    /// Mean share of the evidence that was shown.
    pub evidence_recall: Estimate,
    /// Share of the questions with all evidence shown.
    pub success: Estimate,
    /// Mean tokens shown.
    pub tokens: f64,
    /// Median wall-clock milliseconds of a decision with its log row.
    pub p50_ms: f64,
    /// Their 95th percentile.
    pub p95_ms: f64,
    /// Success minus that of the first policy on the same questions; `None` for the first.
    pub gain: Option<Estimate>,
}

/// A decision worth reading about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// For `memrl why`.
    pub decision: String,
    /// What it shows, e.g. `success`.
    pub kind: String,
    /// The question.
    pub question: String,
    /// One line about it.
    pub note: String,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct DemoReport {
    /// The policies, in the order asked for.
    pub policies: Vec<PolicyResult>,
    /// Three decisions: a success, a failure, and a hold-out (or, when nothing was held out, the
    /// question on which two policies differ).
    pub examples: Vec<Example>,
    /// The data directory; give it to `memrl --data-dir`.
    pub dir: PathBuf,
    /// The database with the log.
    pub log: PathBuf,
    /// Conversations.
    pub conversations: usize,
    /// Turns of all conversations.
    pub turns: usize,
    /// Cells written: turns times policies.
    pub cells: u64,
    /// Decisions logged.
    pub decisions: u64,
    /// Token budget.
    pub budget_tokens: u64,
    /// The embedder.
    pub embedder: String,
    /// Probability with which a soft cell of a slate was held out.
    pub epsilon: f64,
    /// Seconds for everything.
    pub seconds: f64,
    /// What the data could not be used for.
    pub warnings: Vec<String>,
}

/// One question asked of one policy.
struct Asked {
    conversation: usize,
    question: String,
    answer: Answer,
    recall: f64,
    all: bool,
    held_out: bool,
}

/// Runs the demo.
pub fn demo(options: &DemoOptions, progress: OnProgress<'_>) -> Result<DemoReport> {
    let start = Instant::now();
    let data = corpus::load(options.data.as_deref())?;
    prepare(&options.dir)?;
    let clock = Arc::new(ManualClock::at(corpus::afterwards(&data)));
    let memory = Memory::open_with(Options {
        clock: clock.clone(),
        config: Some(Config {
            token_counter: TokenCounter::Chars4,
            ..options.config.clone()
        }),
        seed: Some(options.seed),
        ..Options::new(&options.dir)
    })?;
    let cells = remember(&memory, &data, &options.policies, progress)?;
    let asked = ask(&memory, &clock, &data, &cells, options, progress)?;
    let turns: usize = data.iter().map(|c| c.turns.len()).sum();
    let report = DemoReport {
        policies: results(&asked, options.seed),
        examples: examples(&asked),
        dir: options.dir.clone(),
        log: options.dir.join("memrl.db"),
        conversations: data.len(),
        turns,
        cells: (turns * options.policies.len()) as u64,
        decisions: asked.iter().map(|a| a.len() as u64).sum(),
        budget_tokens: options.budget_tokens,
        embedder: memory.embedder_id().to_owned(),
        epsilon: options.config.explore.epsilon,
        seconds: start.elapsed().as_secs_f64(),
        warnings: data
            .iter()
            .flat_map(|c| c.warnings.iter().map(|w| format!("{}: {w}", c.id)))
            .collect(),
    };
    mark(&options.dir, &report)?;
    Ok(report)
}

/// Empties the directory of an earlier demo and marks the new one.
fn prepare(dir: &Path) -> Result<()> {
    let is_demo = dir.join(MARKER).is_file();
    match std::fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().is_some() && !is_demo {
                return Err(RunError::NotADemo(dir.display().to_string()));
            }
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(RunError::at(dir, e)),
    }
    if is_demo {
        std::fs::remove_dir_all(dir).map_err(|e| RunError::at(dir, e))?;
    }
    std::fs::create_dir_all(dir).map_err(|e| RunError::at(dir, e))?;
    // Before anything else, so that a demo that was interrupted can be run again.
    mark(dir, &"running")
}

fn mark(dir: &Path, content: &impl Serialize) -> Result<()> {
    let path = dir.join(MARKER);
    let text = serde_json::to_string_pretty(content).unwrap_or_default();
    std::fs::write(&path, text).map_err(|e| RunError::at(&path, e))
}

/// Cell ids by policy, conversation and turn.
fn remember(
    memory: &Memory,
    data: &[Conversation],
    policies: &[String],
    progress: OnProgress<'_>,
) -> Result<Vec<Vec<Vec<CellId>>>> {
    let turns: u64 = data.iter().map(|c| c.turns.len() as u64).sum();
    let total = turns * policies.len() as u64;
    let name = format!(
        "remembering {turns} turns of {} conversations, one copy per policy",
        data.len()
    );
    let mut stage = Stage::start(progress, name, total);
    let mut cells = Vec::with_capacity(policies.len());
    for (i, policy) in policies.iter().enumerate() {
        let before = turns * i as u64;
        cells.push(corpus::ingest(memory, data, policy, |n| {
            stage.at(before + n, String::new());
        })?);
    }
    memory.maintain()?;
    stage.at(total, String::new());
    Ok(cells)
}

/// Asks every question of every policy, by policy.
fn ask(
    memory: &Memory,
    clock: &ManualClock,
    data: &[Conversation],
    cells: &[Vec<Vec<CellId>>],
    options: &DemoOptions,
    progress: OnProgress<'_>,
) -> Result<Vec<Vec<Asked>>> {
    let mut questions: Vec<(usize, usize, &Question)> = data
        .iter()
        .enumerate()
        .flat_map(|(c, conversation)| {
            corpus::asked(conversation)
                .enumerate()
                .map(move |(q, question)| (c, q, question))
        })
        .collect();
    questions.shuffle(&mut ChaCha8Rng::seed_from_u64(options.seed));
    let total = (questions.len() * options.policies.len()) as u64;
    let name = format!(
        "answering {} questions with {} tokens each, {} policies",
        questions.len(),
        options.budget_tokens,
        options.policies.len()
    );
    let mut stage = Stage::start(progress, name, total);
    let mut asked: Vec<Vec<Asked>> = options.policies.iter().map(|_| Vec::new()).collect();
    let mut done = 0;
    for (c, q, question) in questions {
        clock.advance_days(PAUSE_DAYS);
        for (p, policy) in options.policies.iter().enumerate() {
            let conversation = &data[c];
            let gold: Vec<CellId> = question.evidence.iter().map(|&e| cells[p][c][e]).collect();
            let answer = corpus::decide(
                memory,
                &question.text,
                &Ask {
                    policy,
                    scope: &corpus::scope(&conversation.id, policy),
                    // One task per question; names differ by policy, so that no outcome of one is
                    // credited to decisions of another.
                    trajectory: &format!("{policy}/{}/{q}", conversation.id),
                    budget: options.budget_tokens,
                    explore: true,
                },
            )?;
            let found = gold.iter().filter(|g| answer.selected.contains(g)).count();
            let recall = found as f64 / gold.len() as f64;
            let outcome = Outcome {
                success: Some(f64::from(u8::from(found == gold.len()))),
                tokens_used: Some(answer.tokens.into()),
                metrics: BTreeMap::from([("evidence_recall".to_owned(), recall)]),
                source: "demo".to_owned(),
                is_final: true,
                ..Outcome::default()
            };
            memory.feedback(answer.decision, &outcome)?;
            let held_out = answer.held_out;
            asked[p].push(Asked {
                conversation: c,
                question: question.text.clone(),
                answer,
                recall,
                all: found == gold.len(),
                held_out,
            });
            done += 1;
            if done % 4 == 0 || done == total {
                stage.at(done, score_line(&options.policies, &asked));
            }
        }
    }
    Ok(asked)
}

/// The successes so far: `similarity 71 % · none 0 %`.
fn score_line(policies: &[String], asked: &[Vec<Asked>]) -> String {
    policies
        .iter()
        .zip(asked)
        .map(|(policy, of)| {
            let good = of.iter().filter(|a| a.all).count();
            format!(
                "{policy} {:.0} %",
                100.0 * good as f64 / of.len().max(1) as f64
            )
        })
        .collect::<Vec<_>>()
        .join(" · ")
}

fn results(asked: &[Vec<Asked>], seed: u64) -> Vec<PolicyResult> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut estimate = |values: &[f64], of: &[Asked]| {
        let groups = of.iter().map(|a| a.conversation + 1).max().unwrap_or(0);
        let mut grouped = vec![Vec::new(); groups];
        for (v, a) in values.iter().zip(of) {
            grouped[a.conversation].push(*v);
        }
        Estimate {
            value: metrics::mean(values).unwrap_or_default(),
            by_question: metrics::bootstrap_mean(values, RESAMPLES, &mut rng),
            by_conversation: metrics::bootstrap_mean_of_groups(&grouped, RESAMPLES, &mut rng),
        }
    };
    asked
        .iter()
        .enumerate()
        .map(|(i, of)| {
            let column = |f: fn(&Asked) -> f64| of.iter().map(f).collect::<Vec<f64>>();
            let success = column(|a| f64::from(u8::from(a.all)));
            let millis = column(|a| a.answer.millis);
            let percentile = |p| metrics::percentile(&millis, p).unwrap_or_default();
            PolicyResult {
                policy: of
                    .first()
                    .map_or_else(String::new, |a| a.answer.policy.clone()),
                questions: of.len(),
                evidence_recall: estimate(&column(|a| a.recall), of),
                success: estimate(&success, of),
                tokens: metrics::mean(&column(|a| f64::from(a.answer.tokens))).unwrap_or_default(),
                p50_ms: percentile(50.0),
                p95_ms: percentile(95.0),
                gain: (i > 0).then(|| {
                    let pairs = success.iter().zip(&asked[0]);
                    let gains: Vec<f64> = pairs
                        .map(|(s, first)| s - f64::from(u8::from(first.all)))
                        .collect();
                    estimate(&gains, of)
                }),
            }
        })
        .collect()
}

/// One success, one failure and one hold-out of the first policy that has them.
fn examples(asked: &[Vec<Asked>]) -> Vec<Example> {
    let all = || asked.iter().flatten();
    let example = |kind: &str, a: &Asked, note: String| Example {
        decision: a.answer.decision.to_string(),
        kind: kind.to_owned(),
        question: a.question.clone(),
        note,
    };
    let shown = |a: &Asked| {
        format!(
            "{}: {} cells, {} tokens, {:.0} % of the evidence",
            a.answer.policy,
            a.answer.selected.len(),
            a.answer.tokens,
            100.0 * a.recall
        )
    };
    let mut out = Vec::new();
    out.extend(
        all()
            .find(|a| a.all)
            .map(|a| example("success", a, shown(a))),
    );
    out.extend(
        all()
            .find(|a| !a.all && !a.held_out && !a.answer.selected.is_empty())
            .map(|a| example("failure", a, shown(a))),
    );
    // A hold-out that cost the success is the most telling one.
    let told: Vec<String> = out.iter().map(|e: &Example| e.decision.clone()).collect();
    let new = |a: &&Asked| a.held_out && !told.contains(&a.answer.decision.to_string());
    let held = all().find(|a| new(a) && !a.all).or_else(|| all().find(new));
    if let Some(a) = held {
        let note = format!("{}; a cell of the slate was withheld at random", shown(a));
        out.push(example("hold-out", a, note));
    } else if let [first, rest @ ..] = asked {
        let differs = rest
            .iter()
            .flat_map(|of| first.iter().zip(of))
            .find(|(a, b)| {
                a.all != b.all && !a.answer.selected.is_empty() && !b.answer.selected.is_empty()
            });
        out.extend(differs.map(|(a, b)| {
            let note = format!("{}; {}", shown(a), shown(b));
            example("policies differ", b, note)
        }));
    }
    out
}

impl DemoReport {
    /// The table of the policies.
    pub fn table(&self) -> Table {
        let column = |measure: &str, at: &str, unit| Column {
            measure: measure.to_owned(),
            at: at.to_owned(),
            unit,
        };
        let rows = self.policies.iter().map(|p| Row {
            label: p.policy.clone(),
            n: p.questions,
            values: vec![
                Some(p.evidence_recall),
                Some(p.success),
                p.gain,
                Some(p.tokens.into()),
                Some(p.p50_ms.into()),
                Some(p.p95_ms.into()),
            ],
        });
        Table {
            title: format!(
                "{} turns, budget of {} tokens, embedder {}",
                self.turns, self.budget_tokens, self.embedder
            ),
            columns: vec![
                column("shown", "evidence", Unit::Share),
                column("shown", "all evidence (success)", Unit::Share),
                column("shown", "success against the first", Unit::Share),
                column("tokens", "mean", Unit::Count),
                column("latency", "p50", Unit::Millis),
                column("latency", "p95", Unit::Millis),
            ],
            rows: rows.collect(),
            notes: vec![
                "Brackets are 95 % bootstrap intervals over questions.".to_owned(),
                format!(
                    "Native policies withhold each soft cell with probability {} (see `memrl config`); \
                     baseline_v0 never randomises. Tokens are characters / 4 of the contents.",
                    self.epsilon
                ),
            ],
        }
    }
}
