//! The command line: commands, options and their help. Values are only read here; whether they
//! make sense is the engine's business.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help that people read"
)]

mod bench;
mod bench_policies;
mod cells;
mod episodes;
mod learning;
mod log;
mod mcp;
mod place;
mod pull;
mod read;
mod sessions;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

pub use bench::{Bench, BenchCommand, BenchExperience, BenchLoad, BenchRecall, BenchScale, Demo};
pub use bench_policies::{BenchDataset, BenchFeedback, BenchPolicies};
pub use cells::{Add, Get, Ids, List, New, Purge, Reasoned, Supersede, Update};
pub use episodes::{
    Capture, HitFormat, Index, Propagate, Prune, Retrieve, Review, ReviewWhat, Show, Stats, Status,
};
pub use learning::{
    Evaluate, Impact, ImpactMetric, ImpactOf, LogPart, Policy, PolicyCommand, Replay, Shadow,
    Train, Trainer,
};
pub use log::{Export, ExportFormat, Feedback, Recall, Reward, RewardCommand, Why};
pub use mcp::{Mcp, McpCli};
pub use place::{
    Backup, Completions, Config, ConfigCommand, Doctor, Import, ImportFormat, Man, Restore, Serve,
};
pub use pull::Pull;
pub use read::Trouble;
pub use sessions::{Editor, Hook, Setup, SetupScope, Sweep, Switch};

/// A local-first memory engine for LLM agents that learns from outcomes what to recall.
#[derive(Debug, Parser)]
#[command(
    name = "memrl",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = false,
    after_help = "Results go to stdout, talk to stderr. Exit codes: 0 ok, 1 failure, 2 usage or input, \
        3 access, 4 not found, 5 conflict, 6 storage, 7 embedder."
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Where the memory is [default: $MEMRL_DATA_DIR, else ~/.memrl]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Print results and errors as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Print results, warnings and errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    /// Show no progress bars
    #[arg(long, global = true)]
    pub no_progress: bool,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a memory
    Init,
    /// See memory decisions being made, explained and rewarded, on conversations
    Demo(Demo),
    /// Write a memory, or many
    Add(Add),
    /// Show one memory
    Get(Get),
    /// Show one memory with what it is worth
    Show(Show),
    /// List memories, the newest first
    List(List),
    /// Change a memory in place; its former state is kept
    Update(Update),
    /// Put a new memory in the place of an old one
    Supersede(Supersede),
    /// Forget memories: the content goes, the trace stays
    Forget(Reasoned),
    /// Destroy memories: no byte of them stays behind
    Purge(Purge),
    /// Doubt memories: they are shown only as "check before use"
    Quarantine(Reasoned),
    /// End the doubt
    Release(Reasoned),
    /// Show all states a memory has had
    History(Ids),
    /// Recall what helps with a query, under a token budget
    Recall(Recall),
    /// Capture what was done: a session of an agent, or an episode told in words
    Capture(Capture),
    /// Find experience that helps with a task
    Retrieve(Retrieve),
    /// Say how it went, so that the next recall is better
    Feedback(Feedback),
    /// Tell the whole story of one decision
    Why(Why),
    /// List, show, check or apply reward specs
    Reward(Reward),
    /// Train a policy on the decision log
    Train(Train),
    /// Say what a policy would earn, from the log
    Evaluate(Evaluate),
    /// List policies, try them, put them in charge, take them back
    Policy(Policy),
    /// Say what showing a memory does: did it help?
    Impact(Impact),
    /// Make the logged decisions again, as they were or under another policy
    Replay(Replay),
    /// Export the decision log, or the memories
    Export(Export),
    /// Import memories: JSON Lines, CSV, Markdown, memcell-rl, MemRL, Tempera, MCP server-memory
    Import(Import),
    /// Count everything; --type episode: how episodes went
    Stats(Stats),
    /// Say how the memory of this project is doing
    Status(Status),
    /// Let values flow between similar memories
    Propagate(Propagate),
    /// Look for stale and for duplicate episodes
    Review(Review),
    /// Put away what is old and worth little; dry unless --execute
    Prune(Prune),
    /// Make sure that everything can be found
    Index(Index),
    /// Serve HTTP, until Ctrl-C
    Serve(Serve),
    /// Serve the Model Context Protocol on standard input and output
    Mcp(Mcp),
    /// Check everything that can be wrong
    Doctor(Doctor),
    /// Copy the whole memory into one file
    Backup(Backup),
    /// Put a backup in place
    Restore(Restore),
    /// Show and change settings
    Config(Config),
    /// Download an embedding model and use it
    Pull(Pull),
    /// Measure quality, speed and what holds under load
    Bench(Bench),
    /// Put memrl into the settings of a coding agent, or take it out
    Setup(Setup),
    /// Turn memory off for a project or a session
    Off(Switch),
    /// Turn memory on again
    On(Switch),
    /// Capture the sessions that wait for it
    Sweep(Sweep),
    /// What coding agents run at events of a session
    Hook(Hook),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page
    Man(Man),
}

/// The names of all commands.
pub fn subcommands() -> Vec<String> {
    Cli::command()
        .get_subcommands()
        .map(|c| c.get_name().to_owned())
        .collect()
}

/// The whole command line, for completions and manual pages.
pub fn whole() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        whole().debug_assert();
    }
}
