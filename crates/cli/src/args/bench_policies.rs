//! Options of `memrl bench policies` and `memrl bench dataset`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::read;

/// `memrl bench policies`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl bench policies\n  memrl bench policies --data locomo.json.gz --trainer credit --budget 256\n  memrl bench policies --feedback success --feedback noisy --decisions 500 --decisions 2000\n  memrl bench policies --train log/ --test later-log/"
)]
pub struct BenchPolicies {
    /// Test on this workload of the simulator only; may be repeated [default: all four]
    #[arg(long, value_name = "NAME")]
    pub workload: Vec<String>,
    /// Conversations in LoCoMo's format, or questions in HotpotQA's (.jsonl), in the place of the simulator; may be
    /// gzipped
    #[arg(long, value_name = "FILE", conflicts_with_all = ["workload", "scenes"])]
    pub data: Option<PathBuf>,
    /// The embedder that searches them, e.g. static or bert:FOLDER
    #[arg(long, value_name = "SPEC", default_value = "static", requires = "data")]
    pub embedder: String,
    /// A trainer; may be repeated; `rules` alone trains nothing [default: all]
    #[arg(long, value_name = "NAME")]
    pub trainer: Vec<String>,
    /// A token budget; may be repeated [default: 256, 512, 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub budget: Vec<u64>,
    /// Scenes of each simulated world
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=100_000), default_value = "600")]
    pub scenes: u32,
    /// Seeds; in the simulator each makes worlds of its own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000), default_value = "5")]
    pub seeds: u64,
    /// The first seed
    #[arg(long, value_name = "N", value_parser = read::whole, default_value = "1")]
    pub first_seed: u64,
    /// What outcomes tell; may be repeated with --decisions [default: citations]
    #[arg(long, value_enum, value_name = "KIND")]
    pub feedback: Vec<BenchFeedback>,
    /// Learn from this many logged decisions only, and print the share of the supervised gain that is recovered; may be
    /// repeated
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub decisions: Vec<u32>,
    /// Share of the logged trajectories whose slates are drawn
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0.5")]
    pub sampled: f64,
    /// Probability that a cell of the other trajectories' slates is withheld, at most 0.5
    #[arg(long, value_name = "P", value_parser = share, default_value = "0.1")]
    pub epsilon: f64,
    /// Temperature of the draws
    #[arg(long, value_name = "T", default_value = "0.1")]
    pub temperature: f64,
    /// A folder to learn from, as `memrl export --format jsonl` or `memrl bench dataset` wrote it; may be repeated
    #[arg(long, value_name = "DIR", requires = "test", conflicts_with_all = ["data", "workload", "decisions"])]
    pub train: Vec<PathBuf>,
    /// A folder to judge on, by off-policy estimates; may be repeated
    #[arg(long, value_name = "DIR", requires = "train")]
    pub test: Vec<PathBuf>,
    /// Threads; results do not depend on their number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024), default_value = "1")]
    pub threads: u32,
}

/// What outcomes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchFeedback {
    /// Success and flags of the trajectory
    Success,
    /// These, and exactly the shown evidence is cited
    Citations,
    /// These, and citations of 80 % of it and of 5 % of the rest
    Noisy,
    /// Outcomes of other trajectories: nothing can be learned
    Shuffled,
}

/// `memrl bench dataset`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  memrl bench dataset --out memory-decisions\n  python3 scripts/leaderboard.py --data memory-decisions --submission mine.jsonl"
)]
pub struct BenchDataset {
    /// A new or empty directory
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Scenes of each workload
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=100_000), default_value = "500")]
    pub scenes: u32,
    /// Seed of everything random
    #[arg(long, value_name = "N", value_parser = read::whole, default_value = "1")]
    pub seed: u64,
}

/// A share in [0, 1].
fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|s| (0.0..=1.0).contains(s))
        .ok_or_else(|| "expected a number from 0 to 1".to_owned())
}
