//! Options of the commands on the memory as a whole.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::read;

/// The format of a file to import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportFormat {
    /// JSON Lines
    Jsonl,
    /// Comma separated, with a header
    Csv,
    /// The database of a memcell-rl server
    Memcell,
    /// A folder of MemRL or Tempera (~/.memrl, ~/.tempera), or one of its episode files
    Memrl,
    /// A file of the MCP server-memory
    ServerMemory,
    /// A Markdown file (CLAUDE.md, AGENTS.md, notes), or a folder of them
    Markdown,
}

/// `memrl import`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  memrl import memories.jsonl --dry-run\n  \
        memrl import notes.csv --scope user=ann\n  memrl import memcell.db\n  \
        memrl import ~/.tempera\n  memrl import server-memory.json\n  \
        memrl import CLAUDE.md --scope project=web\n\n\
        Doing it twice changes nothing the second time. Exits with 1 when records were rejected.")]
pub struct Import {
    /// The file or folder
    pub file: PathBuf,
    /// Its format [default: by its first bytes, then by its name]
    #[arg(long)]
    pub format: Option<ImportFormat>,
    /// The scope of records that have none; may be repeated
    #[arg(long, value_name = "K=V", value_parser = read::pair)]
    pub scope: Vec<(String, String)>,
    /// Only say what would happen
    #[arg(long)]
    pub dry_run: bool,
}

/// `memrl serve`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  memrl serve --host 127.0.0.1 --port 7077")]
pub struct Serve {
    /// Address to bind; any but loopback needs a token [default: server.host]
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<String>,
    /// Port to bind; 0 takes a free one [default: server.port]
    #[arg(long)]
    pub port: Option<u16>,
}

/// `memrl doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl doctor\n  memrl doctor --repair\n  memrl doctor --report > report.json"
)]
pub struct Doctor {
    /// Rebuild the index, embed what is missing, finish a purge
    #[arg(long)]
    pub repair: bool,
    /// Print what a bug report needs as JSON: versions, settings and counts, no content
    #[arg(long)]
    pub report: bool,
}

/// `memrl backup`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  memrl backup\n\n\
        A purge reaches the backups in the data directory, not copies elsewhere.")]
pub struct Backup {
    /// The file [default: backups/TIME.db in the data directory]
    pub file: Option<PathBuf>,
}

/// `memrl restore`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  memrl restore backups/2026-11-20T09-30-00Z.db --force")]
pub struct Restore {
    /// The backup
    pub file: PathBuf,
    /// Set the memory that is there aside
    #[arg(long)]
    pub force: bool,
}

/// `memrl config`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl config\n  memrl config get recall.budget_tokens\n  \
        memrl config set explore.epsilon 0\n\n\
        A flag wins over the environment, that over config.toml, that over the default."
)]
pub struct Config {
    /// What to do; without it all settings are listed.
    #[command(subcommand)]
    pub command: Option<ConfigCommand>,
}

/// What `memrl config` does.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print one value
    Get {
        /// Its dotted name
        key: String,
    },
    /// Write one value into config.toml
    #[command(allow_negative_numbers = true)]
    Set {
        /// Its dotted name
        key: String,
        /// The value; lists are comma separated
        value: String,
    },
    /// Print the path of config.toml
    Path,
}

/// `memrl completions`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  memrl completions zsh > ~/.zfunc/_memrl")]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `memrl man`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  memrl man | man -l -\n  memrl man --out share/man/man1")]
pub struct Man {
    /// Write one page per command into this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
