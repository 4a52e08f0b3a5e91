//! `memrl bench recall`: how much of the evidence the search finds, and how often the recall
//! decision fits all of it into a token budget.
//!
//! The search is measured on the index alone, one way to fuse at a time; the decision through
//! the engine, by logged decisions with randomisation off. Everything is repeated for each
//! embedder. No parameter is chosen here: what is measured is what runs.

use std::path::PathBuf;

use memrl::search::embed::{Embedder, EmbedderSpec, from_spec};
use memrl::search::index::{Attrs, Doc, Fusion, Index, Pair, Params, QVec, Query, Verdict};
use memrl::{CellId, Config, Memory, Options, Outcome, TokenCounter};
use serde::Serialize;

use super::corpus::{self, Ask, Cached};
use super::{OnProgress, Result, RunError, Stage};
use crate::dataset::{Conversation, Question, Turn};
use crate::machine::Machine;
use crate::recall::{Protocol, Ranking, recall_table_with};
use crate::report::{Column, Report, Row, Table, Unit};

/// The depths at which the candidate pool is looked at.
const POOLS: [usize; 2] = [50, 200];

/// What to measure.
#[derive(Debug, Clone)]
pub struct RecallOptions {
    /// Conversations (`LoCoMo`'s format) or questions (`HotpotQA`'s, `.jsonl`); the demo corpus
    /// when `None`.
    pub data: Option<PathBuf>,
    /// Embedders as in the configuration, e.g. `static` or `bert:FOLDER`.
    pub embedders: Vec<String>,
    /// Policies of the decision.
    pub policies: Vec<String>,
    /// Token budgets of the decision (characters / 4 of the contents).
    pub budgets: Vec<u32>,
    /// Seed of the bootstrap and of the engine.
    pub seed: u64,
    /// The command line, for the report.
    pub command: String,
}

impl Default for RecallOptions {
    /// The demo corpus, the built-in embedder, 256, 512 and 1024 tokens.
    fn default() -> Self {
        Self {
            data: None,
            embedders: vec!["static".to_owned()],
            policies: ["similarity", "utility", "baseline_v0"]
                .map(str::to_owned)
                .to_vec(),
            budgets: vec![256, 512, 1024],
            seed: 1,
            command: "memrl bench recall".to_owned(),
        }
    }
}

/// The policy whose order the row `recall` of the search tables is.
const SIMILARITY: &str = "similarity";
/// A budget that everything fits into.
const NO_BUDGET: u64 = 1_000_000_000;

/// The ways to fuse, by name; the last is what recalls use, without what a recall knows of a query
/// besides its words.
fn fusions() -> [(&'static str, Params); 5] {
    let with = |fusion| Params {
        fusion,
        ..Params::default()
    };
    [
        ("lexical", with(Fusion::Lexical)),
        ("dense", with(Fusion::Dense)),
        ("rrf", with(Fusion::Rrf { k: 60.0 })),
        ("convex", with(Fusion::Convex { alpha: 0.6 })),
        ("z-sum", Params::default()),
    ]
}

/// Runs the benchmark.
pub fn bench_recall(options: &RecallOptions, progress: OnProgress<'_>) -> Result<Report> {
    let data = corpus::load(options.data.as_deref())?;
    let mut tables = Vec::new();
    for spec in &options.embedders {
        let parsed: EmbedderSpec = spec.parse().map_err(memrl::Error::from)?;
        let embedder = Cached::new(from_spec(&parsed).map_err(memrl::Error::from)?);
        let dir = tempfile::tempdir().map_err(|e| RunError::io("temporary directory", e))?;
        let memory = Memory::open_with(Options {
            config: Some(Config {
                token_counter: TokenCounter::Chars4,
                ..Config::default()
            }),
            seed: Some(options.seed),
            embedder: Some(Box::new(embedder.clone())),
            ..Options::new(dir.path())
        })?;
        let search = Searcher::new(&data, &embedder, progress)?;
        tables.extend(search_tables(options, &data, &search, &memory, progress)?);
        tables.extend(decision_tables(options, &data, &memory, progress)?);
    }
    Ok(Report {
        benchmark: "Recall".to_owned(),
        machine: Machine::here(),
        command: options.command.clone(),
        tables,
    })
}

/// An index over all conversations, searched one conversation at a time.
struct Searcher<'a> {
    index: Index,
    embedder: &'a Cached,
    /// Number of the first turn of each conversation.
    first: Vec<i64>,
    lengths: Vec<usize>,
}

impl<'a> Searcher<'a> {
    fn new(data: &[Conversation], embedder: &'a Cached, progress: OnProgress<'_>) -> Result<Self> {
        let turns: u64 = data.iter().map(|c| c.turns.len() as u64).sum();
        let name = format!("embedding {turns} turns with {}", embedder.id());
        let mut stage = Stage::start(progress, name, turns);
        let mut index = Index::empty(embedder.id(), embedder.dim(), 1).map_err(engine)?;
        let (mut first, mut next, mut source) = (Vec::new(), 0i64, 0);
        for conversation in data {
            first.push(next);
            let mut session = None;
            for batch in conversation.turns.chunks(32) {
                let texts: Vec<String> = batch.iter().map(Turn::indexed_text).collect();
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                let vectors = embedder.embed(&texts).map_err(memrl::Error::from)?;
                for ((turn, text), vector) in batch.iter().zip(texts).zip(vectors) {
                    if session != Some(&turn.session) {
                        session = Some(&turn.session);
                        source += 1;
                    }
                    let attrs = Attrs {
                        seq: next,
                        source,
                        position: turn.position,
                        ..Attrs::default()
                    };
                    let vector = QVec::quantise(&vector);
                    index
                        .upsert(&Doc {
                            attrs,
                            text,
                            scope_pairs: vec![pair(conversation)],
                            vector: Some(&vector),
                        })
                        .map_err(engine)?;
                    next += 1;
                }
                stage.at(next as u64, String::new());
            }
        }
        let lengths = data.iter().map(|c| c.turns.len()).collect();
        Ok(Self {
            index,
            embedder,
            first,
            lengths,
        })
    }

    /// The turns of conversation `c`, best first, at most `pool`.
    fn search(
        &self,
        c: usize,
        conversation: &Conversation,
        question: &Question,
        params: Params,
        pool: usize,
    ) -> Result<Ranking> {
        let vector = self
            .embedder
            .embed(&[&question.text])
            .map_err(memrl::Error::from)?;
        let hits = self
            .index
            .search(&Query {
                text: &question.text,
                vector: vector.first().map(Vec::as_slice),
                levels: &[vec![pair(conversation)]],
                pool,
                judge: &|_| Verdict::Admit,
                hints: &[],
                params,
            })
            .map_err(engine)?;
        Ok(hits
            .iter()
            .filter_map(|h| {
                let turn = usize::try_from(h.attrs.seq - self.first[c]).ok()?;
                (turn < self.lengths[c]).then_some((turn, f64::from(h.fused)))
            })
            .collect())
    }
}

fn pair(conversation: &Conversation) -> Pair {
    ("conversation".to_owned(), conversation.id.clone())
}

fn engine(e: memrl::search::index::IndexError) -> RunError {
    memrl::Error::from(e).into()
}

/// For each way to fuse, and for a recall without a budget, the table by category; then how often
/// the pool holds everything.
fn search_tables(
    options: &RecallOptions,
    data: &[Conversation],
    search: &Searcher<'_>,
    memory: &Memory,
    progress: OnProgress<'_>,
) -> Result<Vec<Table>> {
    let model = search.embedder.id();
    let mut stage = Stage::start(
        progress,
        format!("searching with {model}"),
        fusions().len() as u64 + 1,
    );
    let protocol = Protocol {
        budgets: options.budgets.clone(),
        seed: options.seed,
        ..Protocol::default()
    };
    let mut tables = Vec::new();
    let mut coverage = pool_table(model);
    for (done, (name, params)) in fusions().into_iter().enumerate() {
        let mut rank = |c: usize, conversation: &Conversation, question: &Question| {
            search.search(c, conversation, question, params, POOLS[1])
        };
        let (mut table, row) = ranked_table(&protocol, data, name, &mut rank)?;
        table.title = format!("Search, {model}, {name}: {}", table.title);
        tables.push(table);
        coverage.rows.push(row);
        stage.at(done as u64 + 1, name.to_owned());
    }
    let cells = corpus::ingest(memory, data, SIMILARITY, |_| {})?;
    let mut number = 0;
    let mut rank = |c: usize, conversation: &Conversation, question: &Question| {
        number += 1;
        let answer = corpus::decide(
            memory,
            &question.text,
            &Ask {
                policy: SIMILARITY,
                scope: &corpus::scope(&conversation.id, SIMILARITY),
                trajectory: &format!("search/{number}"),
                budget: NO_BUDGET,
                explore: false,
            },
        )?;
        Ok(turns_of(&answer.selected, &cells[c]))
    };
    let (mut table, row) = ranked_table(&protocol, data, "recall", &mut rank)?;
    table.title = format!("Search, {model}, recall: {}", table.title);
    tables.push(table);
    coverage.rows.push(row);
    stage.at(fusions().len() as u64 + 1, "recall".to_owned());
    tables.push(coverage);
    Ok(tables)
}

/// The table of a ranking that can fail, and its row of pool coverage.
fn ranked_table(
    protocol: &Protocol,
    data: &[Conversation],
    name: &str,
    rank: &mut dyn FnMut(usize, &Conversation, &Question) -> Result<Ranking>,
) -> Result<(Table, Row)> {
    let mut failed = None;
    let (mut questions, mut complete) = (0usize, [0usize; 2]);
    let table = recall_table_with(protocol, data, &mut |conversation, question| {
        let c = data.iter().position(|d| std::ptr::eq(d, conversation));
        let ranked = rank(c.unwrap_or(0), conversation, question).unwrap_or_else(|e| {
            failed.get_or_insert(e);
            Vec::new()
        });
        questions += 1;
        for (count, depth) in complete.iter_mut().zip(POOLS) {
            let inside = |g: &usize| ranked.iter().take(depth).any(|(t, _)| t == g);
            *count += usize::from(question.evidence.iter().all(inside));
        }
        ranked
    });
    let row = Row {
        label: name.to_owned(),
        n: questions,
        values: complete
            .map(|c| Some((c as f64 / questions.max(1) as f64).into()))
            .to_vec(),
    };
    failed.map_or(Ok((table, row)), Err)
}

/// The turns that these cells are, in order.
fn turns_of(selected: &[CellId], cells: &[CellId]) -> Ranking {
    selected
        .iter()
        .filter_map(|id| Some((cells.iter().position(|c| c == id)?, 0.0)))
        .collect()
}

fn pool_table(embedder: &str) -> Table {
    Table {
        title: format!("Candidate pool, {embedder}"),
        columns: POOLS
            .iter()
            .map(|k| Column {
                measure: "all evidence among the first".to_owned(),
                at: format!("@{k}"),
                unit: Unit::Share,
            })
            .collect(),
        ..Table::default()
    }
}

/// For each policy the table of its decisions.
fn decision_tables(
    options: &RecallOptions,
    data: &[Conversation],
    memory: &Memory,
    progress: OnProgress<'_>,
) -> Result<Vec<Table>> {
    let questions: usize = data.iter().map(|c| corpus::asked(c).count()).sum();
    let mut tables = Vec::new();
    for policy in &options.policies {
        let total = (questions * options.budgets.len()) as u64;
        let name = format!("deciding by {policy} with {}", memory.embedder_id());
        let mut stage = Stage::start(progress, name, total);
        let mut done = 0;
        let mut merged: Option<Table> = None;
        for &budget in &options.budgets {
            let mut step = || {
                done += 1;
                if done % 16 == 0 || done == total {
                    stage.at(done, String::new());
                }
            };
            let table = decide_all(memory, data, policy, budget, options.seed, &mut step)?;
            merged = Some(match merged {
                None => table,
                Some(all) => join(all, table),
            });
        }
        if let Some(mut table) = merged {
            table.title = format!("Decision, {}, {policy}", memory.embedder_id());
            if policy == "utility" {
                table.notes.push(
                    "utility learns: after each decision it is told whether all evidence was shown, \
                     so questions later in the file profit from earlier ones; each budget starts anew."
                        .to_owned(),
                );
            }
            tables.push(table);
        }
    }
    Ok(tables)
}

/// All questions under one budget, by a copy of the cells that nothing else uses.
fn decide_all(
    memory: &Memory,
    data: &[Conversation],
    policy: &str,
    budget: u32,
    seed: u64,
    step: &mut dyn FnMut(),
) -> Result<Table> {
    let run = if policy == corpus::BASELINE {
        policy.to_owned()
    } else {
        format!("{policy}/{budget}")
    };
    let cells = corpus::ingest(memory, data, &run, |_| {})?;
    let protocol = Protocol {
        depths: Vec::new(),
        budgets: vec![budget],
        // What was chosen fits already: every turn is free.
        cost: |_, _| 0,
        seed,
        ..Protocol::default()
    };
    let mut failed = None;
    let mut number = 0;
    let mut ask = |conversation: &Conversation, question: &Question| -> Result<Ranking> {
        number += 1;
        let c = data.iter().position(|d| std::ptr::eq(d, conversation));
        let ids = &cells[c.unwrap_or(0)];
        let answer = corpus::decide(
            memory,
            &question.text,
            &Ask {
                policy,
                scope: &corpus::scope(&conversation.id, &run),
                trajectory: &format!("{run}/{budget}/{number}"),
                budget: budget.into(),
                explore: false,
            },
        )?;
        let ranked = turns_of(&answer.selected, ids);
        if policy == "utility" {
            let all = |e: &usize| ranked.iter().any(|(t, _)| t == e);
            let success = question.evidence.iter().all(all);
            memory.feedback(
                answer.decision,
                &Outcome {
                    success: Some(f64::from(u8::from(success))),
                    source: "bench".to_owned(),
                    is_final: true,
                    ..Outcome::default()
                },
            )?;
        }
        Ok(ranked)
    };
    let mut table = recall_table_with(&protocol, data, &mut |conversation, question| {
        step();
        ask(conversation, question).unwrap_or_else(|e| {
            failed.get_or_insert(e);
            Vec::new()
        })
    });
    table.notes.truncate(1);
    failed.map_or(Ok(table), Err)
}

/// Two tables of the same rows, column by column; columns of the same measure side by side.
fn join(mut a: Table, b: Table) -> Table {
    for (column, i) in b.columns.into_iter().zip(0..) {
        let place = a
            .columns
            .iter()
            .rposition(|c| c.measure == column.measure)
            .map_or(a.columns.len(), |p| p + 1);
        a.columns.insert(place, column);
        for (row, other) in a.rows.iter_mut().zip(&b.rows) {
            row.values
                .insert(place, other.values.get(i).copied().flatten());
        }
    }
    a
}

/// One line per policy and embedder: what the documentation quotes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The table's title.
    pub title: String,
    /// Measure and place with the value over all questions.
    pub values: Vec<(String, f64)>,
}

/// The rows over all questions of every table of a report.
pub fn summaries(report: &Report) -> Vec<Summary> {
    report
        .tables
        .iter()
        .flat_map(|t| {
            t.rows
                .iter()
                .filter(|r| r.label == crate::recall::ALL)
                .map(|r| Summary {
                    title: t.title.clone(),
                    values: t
                        .columns
                        .iter()
                        .zip(&r.values)
                        .filter_map(|(c, v)| {
                            Some((format!("{} {}", c.measure, c.at), v.as_ref()?.value))
                        })
                        .collect(),
                })
        })
        .collect()
}
