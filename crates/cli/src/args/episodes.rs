//! Options of the commands on experience: episodes, their values and their projects.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use memrl::{CellType, EpisodeStatus, TaskType};

use super::read;

/// `memrl capture`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl capture --session ~/.claude/projects/-home-ann-web/0f3c2b1a.jsonl\n  \
        memrl capture --prompt \"Fix the login redirect\" --outcome success --file src/auth.rs \\\n    \
        --error \"E0308 mismatched types=>convert the port to u16\" --learning \"Cookies need SameSite\"\n  \
        echo \"Fix the login redirect\" | memrl capture\n\n\
        Secrets are cut out before anything is stored. A session is captured again when it goes on:\n\
        its episode is brought up to date."
)]
pub struct Capture {
    /// The transcript of a session: Claude Code, Codex, or plain text with turns
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prompt", "outcome", "task_type", "tag",
        "file", "error", "learning", "decision"])]
    pub session: Option<PathBuf>,
    /// What was asked for, in words; `-` reads it from stdin
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// How it ended: success, partial or failure [default: partial]
    #[arg(long, value_parser = read::outcome)]
    pub outcome: Option<EpisodeStatus>,
    /// The kind of work, e.g. bugfix, feature, refactor, test, docs [default: told from the words]
    #[arg(long, value_name = "TYPE", value_parser = read::task_type)]
    pub task_type: Option<TaskType>,
    /// A tag; may be repeated [default: told from the words]
    #[arg(long)]
    pub tag: Vec<String>,
    /// A file that was changed; may be repeated
    #[arg(long, value_name = "PATH")]
    pub file: Vec<String>,
    /// An error, and what helped; may be repeated
    #[arg(long, value_name = "MESSAGE=>RESOLUTION", value_parser = read::trouble)]
    pub error: Vec<read::Trouble>,
    /// An insight worth more than this one task; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub learning: Vec<String>,
    /// A decision that was in use and learns from the outcome (an id, or last); may be repeated
    #[arg(long, value_name = "ID")]
    pub decision: Vec<String>,
    /// The project: a directory or a name [default: that of the session, else of this directory]
    #[arg(long, value_name = "P")]
    pub project: Option<String>,
    /// With --session: also store the diff of the working tree, redacted
    #[arg(long, requires = "session", conflicts_with = "prompt")]
    pub diff: bool,
    /// With --session: let a language model read it; sends its redacted text there
    #[arg(long, requires = "session", conflicts_with = "prompt")]
    pub extract_intent: bool,
}

/// How hits are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HitFormat {
    /// A section for each
    Markdown,
    /// As --json
    Json,
    /// The block as it is put into an agent's context
    Block,
}

/// `memrl retrieve`.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Examples:\n  memrl retrieve \"login redirects forever\"\n  \
        memrl retrieve \"flaky upload test\" --limit 5 --only --format block\n  \
        memrl feedback helpful --episodes last\n\n\
        Looks in this project and in others. Nothing that has nothing to do with the query is shown."
)]
pub struct Retrieve {
    /// What the experience is needed for; `-` reads it from stdin
    pub query: String,
    /// At most this many, 1 to 50 [default: sessions.limit]
    #[arg(short, long, value_name = "N", value_parser = read::whole)]
    pub limit: Option<u64>,
    /// The project: a directory or a name [default: that of this directory]
    #[arg(long, value_name = "P")]
    pub project: Option<String>,
    /// Nothing of other projects
    #[arg(long, conflicts_with = "all_projects")]
    pub only: bool,
    /// All projects alike
    #[arg(long, conflicts_with = "project")]
    pub all_projects: bool,
    /// How to print them
    #[arg(long, default_value = "markdown")]
    pub format: HitFormat,
    /// The session or task it belongs to: its decisions share one outcome
    #[arg(long, value_name = "NAME")]
    pub trajectory: Option<String>,
    /// Memories of this type; may be repeated [default: episode]
    #[arg(long = "type", value_name = "TYPE", value_parser = read::kind)]
    pub kind: Vec<CellType>,
}

/// `memrl show`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl show last\n  memrl show 1a2b3c4d\n  memrl show last --type episode"
)]
pub struct Show {
    /// An id, its first characters, a citation such as m:1a2b3c4d, last or latest
    pub id: String,
    /// Only of this type: with last, the last one of it
    #[arg(long = "type", value_name = "TYPE", value_parser = read::kind)]
    pub kind: Option<CellType>,
}

/// `memrl stats`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl stats\n  memrl stats --type episode\n  memrl stats --project web"
)]
pub struct Stats {
    /// How episodes went
    #[arg(long = "type", value_name = "TYPE", value_parser = read::kind)]
    pub kind: Option<CellType>,
    /// How the episodes of a project went: a directory or a name
    #[arg(long, value_name = "P")]
    pub project: Option<String>,
}

/// `memrl status`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  memrl status\n  memrl status --all")]
pub struct Status {
    /// The project: a directory or a name [default: that of this directory]
    #[arg(long, value_name = "P")]
    pub project: Option<String>,
    /// All projects together
    #[arg(long, conflicts_with = "project")]
    pub all: bool,
}

/// `memrl propagate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl propagate\n  memrl propagate --temporal\n\n\
        Doing it twice is the same as doing it once."
)]
pub struct Propagate {
    /// Also credit the episodes that came shortly before a success
    #[arg(long)]
    pub temporal: bool,
    /// With --temporal: credit in this project only
    #[arg(long, value_name = "P")]
    pub project: Option<String>,
}

/// `memrl prune`.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Examples:\n  memrl prune\n  memrl prune --older-than 180 --min-utility 0.45 --execute\n  \
        memrl prune --undo last\n\n\
        What is pruned is old and worth little. It is put away, and can be brought back for 30 days."
)]
pub struct Prune {
    /// Only what was neither shown nor written for more than this many days
    #[arg(
        long,
        value_name = "DAYS",
        default_value_t = 90.0,
        conflicts_with = "undo"
    )]
    pub older_than: f64,
    /// Only what is worth less than this, 0 to 1
    #[arg(long, value_name = "X", default_value_t = 0.4, conflicts_with = "undo")]
    pub min_utility: f64,
    /// Only of this project: a directory or a name
    #[arg(long, value_name = "P", conflicts_with = "undo")]
    pub project: Option<String>,
    /// Memories of this type; may be repeated [default: episode]
    #[arg(long = "type", value_name = "TYPE", value_parser = read::kind, conflicts_with = "undo")]
    pub kind: Vec<CellType>,
    /// Do it; without this it is only said what would be pruned
    #[arg(long, conflicts_with = "undo")]
    pub execute: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Bring back what a prune (or a review) has put away [default: the last one]
    #[arg(long, value_name = "DECISION", num_args = 0..=1, default_missing_value = "last")]
    pub undo: Option<String>,
}

/// What `memrl review` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReviewWhat {
    /// Only look
    Analyze,
    /// Put near-duplicates away behind the best of each group
    Consolidate,
    /// Put away what is old and worth little
    Cleanup,
}

/// `memrl review`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl review\n  memrl review consolidate --project web\n\n\
        What it puts away comes back with `memrl prune --undo`."
)]
pub struct Review {
    /// What to do
    #[arg(value_name = "ACTION", default_value = "analyze")]
    pub action: ReviewWhat,
    /// Only this project: a directory or a name [default: all]
    #[arg(long, value_name = "P")]
    pub project: Option<String>,
}

/// `memrl index`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  memrl index\n  memrl index --reindex\n\n\
        The search index keeps itself up; this makes sure of it now.")]
pub struct Index {
    /// Write the index file anew
    #[arg(long)]
    pub reindex: bool,
}
