//! Options of `memrl demo` and `memrl bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::bench_policies::{BenchDataset, BenchPolicies};
use super::read;

/// `memrl demo`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  memrl demo\n  memrl demo --data locomo.json.gz --budget 512")]
pub struct Demo {
    /// Conversations in LoCoMo's format, or questions in HotpotQA's (.jsonl); may be gzipped
    /// [default: a small corpus of our own]
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Where to put the demo's memory; an earlier demo there is replaced [default: demo in the data
    /// directory]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Token budget of each decision
    #[arg(long, value_name = "N", value_parser = read::whole, default_value = "512")]
    pub budget: u64,
    /// A policy to compare; may be repeated [default: similarity, utility, baseline_v0, none]
    #[arg(long, value_name = "NAME")]
    pub policy: Vec<String>,
    /// Seed of everything random
    #[arg(long, value_name = "N", value_parser = read::whole, default_value = "1")]
    pub seed: u64,
}

/// `memrl bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// What to measure.
    #[command(subcommand)]
    pub command: BenchCommand,
}

/// What `memrl bench` measures.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// How much evidence the search finds, and how often all of it fits into a budget
    Recall(BenchRecall),
    /// What commands and requests cost at 10,000 cells and more
    Scale(BenchScale),
    /// Many clients of one server and a second process: nothing may be lost
    Load(BenchLoad),
    /// A simulated agent on repeated tasks: whether its success rises with experience
    Experience(BenchExperience),
    /// What learned policies gain on work that they were not trained on
    Policies(BenchPolicies),
    /// Writes an open data set of simulated decisions with propensities and the truth
    Dataset(BenchDataset),
}

/// `memrl bench recall`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  memrl bench recall --data locomo.json.gz --embedder static --budget 256 --budget 512 --json"
)]
pub struct BenchRecall {
    /// Conversations in LoCoMo's format, or questions in HotpotQA's (.jsonl); may be gzipped
    /// [default: a small corpus of our own]
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// An embedder to measure, e.g. static or bert:FOLDER; may be repeated [default: static]
    #[arg(long, value_name = "SPEC")]
    pub embedder: Vec<String>,
    /// A policy to measure; may be repeated [default: similarity, utility, baseline_v0]
    #[arg(long, value_name = "NAME")]
    pub policy: Vec<String>,
    /// A token budget; may be repeated [default: 256, 512, 1024]
    #[arg(long, value_name = "N", value_parser = read::page)]
    pub budget: Vec<u32>,
    /// Seed of everything random
    #[arg(long, value_name = "N", value_parser = read::whole, default_value = "1")]
    pub seed: u64,
}

/// `memrl bench scale`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  memrl bench scale --cells 10000 --cells 100000 --json")]
pub struct BenchScale {
    /// A number of cells; may be repeated [default: 10000, 100000]
    #[arg(long, value_name = "N", value_parser = read::whole)]
    pub cells: Vec<u64>,
    /// Measured requests per operation
    #[arg(long, value_name = "N", default_value = "200")]
    pub requests: usize,
    /// Measured cold `memrl recall` commands per size
    #[arg(long, value_name = "N", default_value = "20")]
    pub commands: usize,
    /// Transitions to log and export at the first size; 0 leaves it out
    #[arg(long, value_name = "N", value_parser = read::whole, default_value = "10000")]
    pub transitions: u64,
    /// A directory for the data, kept afterwards [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Seed of everything random
    #[arg(long, value_name = "N", value_parser = read::whole, default_value = "1")]
    pub seed: u64,
}

/// `memrl bench load`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  memrl bench load --clients 32 --seconds 60\n\nExits with 1 when something was lost."
)]
pub struct BenchLoad {
    /// Clients, each with a connection of its own
    #[arg(long, value_name = "N", default_value = "32")]
    pub clients: usize,
    /// How long they work
    #[arg(long, value_name = "N", value_parser = read::whole, default_value = "10")]
    pub seconds: u64,
    /// Concurrent retrieves of one cell afterwards
    #[arg(long, value_name = "N", default_value = "160")]
    pub retrieves: usize,
    /// An empty directory for the data, kept afterwards [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Seed of everything random
    #[arg(long, value_name = "N", value_parser = read::whole, default_value = "1")]
    pub seed: u64,
}

/// `memrl bench experience`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl bench experience\n  memrl bench experience --sensitivity --tuning --json"
)]
pub struct BenchExperience {
    /// Seeds; each is a world of its own and one observation
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000), default_value = "10")]
    pub seeds: u64,
    /// The first seed
    #[arg(long, value_name = "N", value_parser = read::whole, default_value = "1")]
    pub first_seed: u64,
    /// Tasks per seed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(5..=100_000), default_value = "600")]
    pub tasks: u32,
    /// Weight of the learned value against similarity, below 1 [default: values.utility_weight's]
    #[arg(long, value_name = "W", value_parser = weight)]
    pub weight: Option<f64>,
    /// Also change the assumptions one at a time; takes many times as long
    #[arg(long)]
    pub sensitivity: bool,
    /// Also compare settings, on the seeds 100 to 104
    #[arg(long)]
    pub tuning: bool,
    /// A directory for the memories while they are needed; one in main memory is faster
    /// [default: the system's temporary directory]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// A weight in [0, 1).
fn weight(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|w| (0.0..1.0).contains(w))
        .ok_or_else(|| "expected a number from 0 to below 1".to_owned())
}
