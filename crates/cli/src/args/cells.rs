//! Options of the commands on memories.

use std::path::PathBuf;

use clap::Args;
use memrl::{CellStatus, CellType, EpisodeStatus, Origin, Sensitivity, Timestamp};

use super::read;
use super::read::Changed;

/// `memrl add`.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Examples:\n  \
        memrl add --type preference --scope user=ann \"Ann drinks her coffee black.\"\n  \
        git log -1 --format=%B | memrl add --type episode --scope project=web -\n  \
        memrl add --batch memories.jsonl"
)]
pub struct Add {
    /// The text; `-` reads it from stdin
    #[arg(required_unless_present = "batch", conflicts_with = "batch")]
    pub text: Option<String>,
    /// Write every line of a JSON Lines file, all or none; `-` reads stdin
    #[arg(long, value_name = "FILE")]
    pub batch: Option<PathBuf>,
    /// The fields.
    #[command(flatten)]
    pub new: New,
}

/// What a new memory says besides its text.
#[derive(Debug, Args)]
pub struct New {
    /// What kind of thing it remembers, e.g. fact, preference, constraint, episode, procedure
    #[arg(long = "type", value_name = "TYPE", default_value = "fact", value_parser = read::kind)]
    pub kind: CellType,
    /// Whom or what it is about; may be repeated
    #[arg(long, value_name = "K=V", value_parser = read::pair)]
    pub scope: Vec<(String, String)>,
    /// How sure it is, 0 to 1
    #[arg(long, value_name = "X")]
    pub confidence: Option<f64>,
    /// How private it is: low, medium, high or restricted
    #[arg(long, value_name = "LEVEL")]
    pub sensitivity: Option<Sensitivity>,
    /// Whom it comes from: user, agent, tool or import
    #[arg(long)]
    pub origin: Option<Origin>,
    /// Its status; quarantined marks it as doubted from the start
    #[arg(long)]
    pub status: Option<CellStatus>,
    /// Not to be shown before this time (2026-11-20, 2026-11-20T09:30:00+01:00)
    #[arg(long, value_name = "TIME", value_parser = read::time)]
    pub valid_from: Option<Timestamp>,
    /// Not to be shown after this time
    #[arg(long, value_name = "TIME", value_parser = read::time)]
    pub valid_until: Option<Timestamp>,
    /// When it happened or was said
    #[arg(long, value_name = "TIME", value_parser = read::time)]
    pub occurred_at: Option<Timestamp>,
    /// Who said it
    #[arg(long, value_name = "NAME")]
    pub speaker: Option<String>,
    /// The conversation or document it stands in
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Its place there; neighbours lift each other
    #[arg(long, value_name = "N", requires = "source")]
    pub position: Option<u32>,
    /// A free reference; may be repeated
    #[arg(long, value_name = "REF")]
    pub source_ref: Vec<String>,
    /// A key of yours: a second write with the same key returns the first memory
    #[arg(long)]
    pub key: Option<String>,
    /// A memory that contradicts it; may be repeated
    #[arg(long, value_name = "ID")]
    pub contradicted_by: Vec<String>,
    /// How bad it is to miss it; a constraint from 0.7 on is always shown
    #[arg(long, value_name = "X")]
    pub criticality: Option<f64>,
    /// How much shorter it could be made
    #[arg(long, value_name = "X")]
    pub compressibility: Option<f64>,
    /// How outdated it is
    #[arg(long, value_name = "X")]
    pub staleness: Option<f64>,
    /// How useful it will be
    #[arg(long, value_name = "X")]
    pub future_utility: Option<f64>,
    /// A structured part, as JSON
    #[arg(long, value_name = "JSON")]
    pub payload: Option<String>,
    /// The decision during which it was made (an id, or last)
    #[arg(long, value_name = "DECISION")]
    pub during: Option<String>,
}

/// `memrl get`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  memrl get 1a2b3c4d\n  memrl get last --history")]
pub struct Get {
    /// An id, its first characters, a citation such as m:1a2b3c4d, or last
    pub id: String,
    /// Show all states it has had
    #[arg(long)]
    pub history: bool,
}

/// One memory.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  memrl history 1a2b3c4d")]
pub struct Ids {
    /// An id, its first characters, a citation, or last
    pub id: String,
}

/// `memrl list`.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Examples:\n  memrl list --scope user=ann --type preference\n  \
        memrl list --status quarantined --contains staging --limit 10\n  \
        memrl list 20 --type episode --project web --outcome failure\n\n\
        With --type episode, --project, --tag or --outcome: with their values, 10 unless more are asked for."
)]
pub struct List {
    /// How many, as --limit
    #[arg(value_name = "LIMIT", value_parser = read::page, conflicts_with = "limit")]
    pub first: Option<u32>,
    /// Only of this scope; may be repeated, all must fit
    #[arg(long, value_name = "K=V", value_parser = read::pair)]
    pub scope: Vec<(String, String)>,
    /// Only of this type; may be repeated
    #[arg(long = "type", value_name = "TYPE", value_parser = read::kind)]
    pub kind: Vec<CellType>,
    /// Only with this status; may be repeated [default: all but deleted]
    #[arg(long)]
    pub status: Vec<CellStatus>,
    /// Only with this text in it, in any case
    #[arg(long, value_name = "TEXT")]
    pub contains: Option<String>,
    /// Nothing more private than this
    #[arg(long, value_name = "LEVEL")]
    pub clearance: Option<Sensitivity>,
    /// Written at this time or later
    #[arg(long, value_name = "TIME", value_parser = read::time)]
    pub from: Option<Timestamp>,
    /// Written before this time
    #[arg(long, value_name = "TIME", value_parser = read::time)]
    pub to: Option<Timestamp>,
    /// How many, 1 to 1000 [default: 50]
    #[arg(long, value_name = "N", value_parser = read::page)]
    pub limit: Option<u32>,
    /// Where the last page ended
    #[arg(long)]
    pub cursor: Option<String>,
    /// Only of this project: a directory or a name
    #[arg(long, value_name = "P", conflicts_with_all = PLAIN)]
    pub project: Option<String>,
    /// Only episodes with a tag that contains this
    #[arg(long, conflicts_with_all = PLAIN)]
    pub tag: Option<String>,
    /// Only episodes that ended so: success, partial or failure
    #[arg(long, value_parser = read::outcome, conflicts_with_all = PLAIN)]
    pub outcome: Option<EpisodeStatus>,
}

/// What the list of values cannot be narrowed by.
const PLAIN: [&str; 5] = ["scope", "status", "contains", "from", "to"];

/// `memrl update`.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Examples:\n  memrl update 1a2b3c4d --content \"Ann moved to Porto.\" --expected-version 1\n  \
        memrl update 1a2b3c4d --valid-until none"
)]
pub struct Update {
    /// An id, its first characters, a citation, or last
    pub id: String,
    /// The new text; `-` reads it from stdin
    #[arg(long, value_name = "TEXT")]
    pub content: Option<String>,
    /// The new scope
    #[arg(long, value_name = "K=V", value_parser = read::pair)]
    pub scope: Vec<(String, String)>,
    /// How sure it is, 0 to 1
    #[arg(long, value_name = "X")]
    pub confidence: Option<f64>,
    /// How private it is
    #[arg(long, value_name = "LEVEL")]
    pub sensitivity: Option<Sensitivity>,
    /// Not to be shown before this time; none removes it
    #[arg(long, value_name = "TIME", value_parser = read::time_or_none)]
    pub valid_from: Option<Changed>,
    /// Not to be shown after this time; none removes it
    #[arg(long, value_name = "TIME", value_parser = read::time_or_none)]
    pub valid_until: Option<Changed>,
    /// New references
    #[arg(long, value_name = "REF")]
    pub source_ref: Vec<String>,
    /// Memories that contradict it
    #[arg(long, value_name = "ID")]
    pub contradicted_by: Vec<String>,
    /// How bad it is to miss it
    #[arg(long, value_name = "X")]
    pub criticality: Option<f64>,
    /// How much shorter it could be made
    #[arg(long, value_name = "X")]
    pub compressibility: Option<f64>,
    /// How outdated it is
    #[arg(long, value_name = "X")]
    pub staleness: Option<f64>,
    /// How useful it will be
    #[arg(long, value_name = "X")]
    pub future_utility: Option<f64>,
    /// The new structured part, as JSON
    #[arg(long, value_name = "JSON")]
    pub payload: Option<String>,
    /// Refuse when it has another version by now
    #[arg(long, value_name = "N")]
    pub expected_version: Option<u32>,
}

/// `memrl supersede`.
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Example:\n  memrl supersede 1a2b3c4d \"Ann drinks tea now.\""
)]
pub struct Supersede {
    /// The old memory: an id, its first characters, a citation, or last
    pub id: String,
    /// The new text; `-` reads it from stdin
    pub text: String,
    /// How sure it is, 0 to 1 [default: as the old one]
    #[arg(long, value_name = "X")]
    pub confidence: Option<f64>,
    /// Not to be shown after this time [default: as the old one]
    #[arg(long, value_name = "TIME", value_parser = read::time)]
    pub valid_until: Option<Timestamp>,
    /// A free reference; may be repeated
    #[arg(long, value_name = "REF")]
    pub source_ref: Vec<String>,
}

/// `memrl forget`, `quarantine` and `release`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  memrl forget 1a2b3c4d --reason \"asked to\"")]
pub struct Reasoned {
    /// Ids, their first characters, citations, or last
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
    /// Why; goes to the log
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
}

/// `memrl purge`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  memrl purge 1a2b3c4d --yes")]
pub struct Purge {
    /// Ids, their first characters, citations, or last
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}
