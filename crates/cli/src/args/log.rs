//! Options of the commands on decisions and their outcomes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use memrl::{CellType, Clearance, Timestamp};

use super::read;

/// `memrl recall`.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Examples:\n  memrl recall \"How does Ann take her coffee?\" --scope user=ann\n  \
        memrl recall \"deploy checklist\" --scope project=web --budget 500 --trajectory session-7\n\n\
        Without --scope every scope is searched: this is the owner's own command line."
)]
pub struct Recall {
    /// What the memory is needed for; `-` reads it from stdin
    pub query: String,
    /// Only what has this scope; may be repeated, all must fit
    #[arg(long, value_name = "K=V", value_parser = read::pair)]
    pub scope: Vec<(String, String)>,
    /// A further scope to look in, as k=v or k=v,k=v, nearest first; may be repeated
    #[arg(long, value_name = "K=V", requires = "scope")]
    pub widen: Vec<String>,
    /// Token budget of the answer [default: recall.budget_tokens]
    #[arg(long, value_name = "N", value_parser = read::whole)]
    pub budget: Option<u64>,
    /// The policy, e.g. similarity, utility, baseline_v0, none [default: recall.policy]
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// At most this many candidates, 1 to 1000
    #[arg(long, value_name = "N", value_parser = read::whole)]
    pub limit: Option<u64>,
    /// The session or task it belongs to: its decisions share one outcome
    #[arg(long, value_name = "NAME")]
    pub trajectory: Option<String>,
    /// Do not repeat what this trajectory has been shown
    #[arg(long, requires = "trajectory")]
    pub skip_shown: bool,
    /// A memory that the caller has already; may be repeated
    #[arg(long, value_name = "ID")]
    pub have: Vec<String>,
    /// Only of this type; may be repeated
    #[arg(long = "type", value_name = "TYPE", value_parser = read::kind)]
    pub kind: Vec<CellType>,
    /// The kind of task, for the log
    #[arg(long, value_name = "NAME", default_value = "")]
    pub task_type: String,
    /// The most private level to be shown [default: all]
    #[arg(long, value_name = "LEVEL", value_parser = read::clearance)]
    pub clearance: Option<Clearance>,
    /// Randomise nothing in this decision
    #[arg(long)]
    pub no_explore: bool,
    /// Also say what was left out, and why
    #[arg(long)]
    pub show_all: bool,
}

/// `memrl feedback`.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Examples:\n  memrl feedback last --success true --tokens 812\n  \
        memrl feedback last --useful 1a2b3c4d=1 --cited 1a2b3c4d\n  \
        memrl feedback last --success 0 --correction \"She drinks tea now.\" --revise\n  \
        memrl feedback helpful --episodes last\n  \
        memrl feedback helpful --episodes last --trajectory session-7\n  \
        memrl feedback not-helpful --episodes 1a2b3c4d,5e6f7a8b\n\n\
        `last` is the last decision that showed something: of --trajectory, else of no session.\n\
        Reports add up; the same report twice is one; a report that contradicts an earlier one\n\
        is stored and named, and counts only with --revise."
)]
pub struct Feedback {
    /// A decision (its id, or last); with --episodes a verdict: helpful, not-helpful or mixed
    #[arg(value_name = "DECISION|VERDICT")]
    pub about: String,
    /// The memories that the verdict is about: ids, or last for all that were shown last
    #[arg(long, value_name = "ID,ID", value_delimiter = ',', conflicts_with_all = OUTCOME)]
    pub episodes: Vec<String>,
    /// With a verdict: the decision that showed them [default: the last one that did]
    #[arg(long = "decision", value_name = "ID", conflicts_with_all = OUTCOME)]
    pub shown_by: Option<String>,
    /// The session or task whose last decision `last` means [default: the last of no session]
    #[arg(long, value_name = "NAME")]
    pub trajectory: Option<String>,
    /// How well the task went: 0 to 1, true or false
    #[arg(long, value_name = "X", value_parser = read::success)]
    pub success: Option<f64>,
    /// An unsafe action happened (--unsafe=false takes it back, with --revise)
    #[arg(
        long = "unsafe",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub unsafe_action: Option<bool>,
    /// An outdated memory misled
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub stale: Option<bool>,
    /// Tokens spent on the task
    #[arg(long, value_name = "N")]
    pub tokens: Option<i64>,
    /// Time spent on the task, in milliseconds
    #[arg(long, value_name = "N")]
    pub latency_ms: Option<i64>,
    /// What the user said instead
    #[arg(long, value_name = "TEXT")]
    pub correction: Option<String>,
    /// How useful one memory was, 0 to 1; may be repeated
    #[arg(long, value_name = "ID=X", value_parser = read::numbered)]
    pub useful: Vec<(String, f64)>,
    /// A memory that was out of date; may be repeated
    #[arg(long, value_name = "ID")]
    pub outdated: Vec<String>,
    /// A memory that the answer cited; may be repeated
    #[arg(long, value_name = "ID")]
    pub cited: Vec<String>,
    /// Any other number; may be repeated
    #[arg(long, value_name = "NAME=X", value_parser = read::numbered)]
    pub metric: Vec<(String, f64)>,
    /// Who reports, e.g. user, tests
    #[arg(long, value_name = "NAME", default_value = "")]
    pub source: String,
    /// No further report is expected
    #[arg(long = "final")]
    pub is_final: bool,
    /// This corrects earlier reports: where they disagree, this one counts
    #[arg(long)]
    pub revise: bool,
}

/// What is said of a decision, not of single memories.
const OUTCOME: [&str; 11] = [
    "success",
    "unsafe_action",
    "stale",
    "tokens",
    "latency_ms",
    "useful",
    "outdated",
    "cited",
    "metric",
    "is_final",
    "revise",
];

/// `memrl why`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  memrl why last\n  memrl why last --all")]
pub struct Why {
    /// The decision: its id, or last
    #[arg(default_value = "last")]
    pub decision: String,
    /// Every candidate, with its features
    #[arg(long)]
    pub all: bool,
}

/// `memrl reward`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl reward recompute --spec bounded_v1\n  \
        memrl reward check --spec memcell_v1 --against bounded_v1"
)]
pub struct Reward {
    /// What to do.
    #[command(subcommand)]
    pub command: RewardCommand,
}

/// What `memrl reward` does.
#[derive(Debug, Subcommand)]
pub enum RewardCommand {
    /// List the specs in use
    List,
    /// Show the terms of a spec
    Show {
        /// Its name, or the path of a TOML file
        spec: String,
    },
    /// Score the whole log again
    Recompute {
        /// The spec: a name, or the path of a TOML file
        #[arg(long, value_name = "NAME|FILE")]
        spec: String,
    },
    /// Say what drives a spec on this log, and whether that is success
    Check {
        /// The spec: a name, or the path of a TOML file [default: bounded_v1, as in train and evaluate]
        #[arg(value_name = "SPEC", conflicts_with = "spec")]
        name: Option<String>,
        /// The same as SPEC
        #[arg(long, value_name = "NAME|FILE")]
        spec: Option<String>,
        /// Another spec to compare the ranking of policies with; may be repeated [default: the other built-in ones]
        #[arg(long, value_name = "NAME|FILE")]
        against: Vec<String>,
        /// The part of the log.
        #[command(flatten)]
        log: super::LogPart,
    },
}

/// The format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// JSON Lines
    Jsonl,
    /// Parquet
    Parquet,
    /// Vowpal Wabbit, text: first draws and hold-outs as contextual bandits
    VwCb,
    /// Vowpal Wabbit, decision-service JSON: the same, and drawn slates slot by slot
    VwDsjson,
    /// Open Bandit Pipeline: NumPy arrays per slate position and per hold-out
    Obp,
    /// d3rlpy: NumPy arrays, pick by pick, for scripts/to_d3rlpy.py
    D3rlpy,
    /// TRL: prompts
    TrlPrompt,
    /// TRL: prompts with the slates that did well
    TrlSft,
    /// TRL: pairs of slates shown in the same state
    TrlDpo,
    /// TRL: slates labelled by whether they did well
    TrlKto,
}

/// `memrl export`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl export --format parquet --out log/\n  \
        memrl export --format vw-cb --out log/ --from 2026-11-01\n  \
        memrl export --cells --out memories.jsonl\n\n\
        The formats from vw-cb on are made for learning, with the reward of --spec; docs/dataset.md\n\
        tells what each of them holds, and what it leaves out."
)]
pub struct Export {
    /// A directory for the tables of the log, or with --cells a file (`-` for stdout)
    #[arg(long, value_name = "PATH")]
    pub out: PathBuf,
    /// The format of the log
    #[arg(long, default_value = "jsonl", conflicts_with = "cells")]
    pub format: ExportFormat,
    /// Export the memories instead of the log, as JSON Lines that `memrl import` reads
    #[arg(long)]
    pub cells: bool,
    /// Export the episodes as files of MemRL and Tempera below this directory
    #[arg(long, conflicts_with_all = ["cells", "format"])]
    pub episodes: bool,
    /// With --episodes: only of this project (a directory, an id or a name)
    #[arg(long, value_name = "PROJECT", requires = "episodes")]
    pub project: Option<String>,
    /// With --cells: only of this scope
    #[arg(long, value_name = "K=V", value_parser = read::pair, requires = "cells")]
    pub scope: Vec<(String, String)>,
    /// Made or written at this time or later
    #[arg(long, value_name = "TIME", value_parser = read::time)]
    pub from: Option<Timestamp>,
    /// Made or written before this time
    #[arg(long, value_name = "TIME", value_parser = read::time)]
    pub to: Option<Timestamp>,
    /// Only decisions of this policy
    #[arg(long, value_name = "NAME", conflicts_with = "cells")]
    pub policy: Option<String>,
    /// Only decisions of this trajectory
    #[arg(long, value_name = "NAME", conflicts_with = "cells")]
    pub trajectory: Option<String>,
    /// With formats for other programs: the reward spec, by name [default: bounded_v1, as in train and evaluate]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["cells", "episodes"])]
    pub spec: Option<String>,
    /// Leave the queries out
    #[arg(long, conflicts_with = "cells")]
    pub no_text: bool,
}
