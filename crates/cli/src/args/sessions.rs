//! Options of the commands that tie memrl to coding agents.

use clap::{Args, ValueEnum};

/// A program to set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Editor {
    /// Claude Code
    ClaudeCode,
    /// Codex
    Codex,
    /// Cursor
    Cursor,
    /// Visual Studio Code
    Vscode,
}

/// For whom something is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SetupScope {
    /// For you, in every project
    User,
    /// For this directory; its files are often shared with others
    Project,
}

/// `memrl setup`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl setup claude-code\n  memrl setup cursor --scope project --dry-run\n  \
        memrl setup claude-code --undo\n\n\
        Shows what it would change and asks once. Doing it twice changes nothing the second time; \
        --undo takes out what it put in, and nothing else."
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent option"
)]
pub struct Setup {
    /// The program
    pub client: Editor,
    /// For whom [default: user; project for vscode]
    #[arg(long)]
    pub scope: Option<SetupScope>,
    /// Take out what setup put in
    #[arg(long)]
    pub undo: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Only show the changes
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Leave hooks as they are
    #[arg(long)]
    pub no_hooks: bool,
    /// Leave MCP servers as they are
    #[arg(long, conflicts_with = "no_hooks")]
    pub no_mcp: bool,
}
