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

/// `memrl hook`.
#[derive(Debug, Args)]
#[command(
    after_help = "Events: session-start, prompt, tool, stop, pre-compact, session-end\n\n\
        Run by coding agents; `memrl setup` enters it into their settings. Reads one JSON object from \
        stdin, always exits with 0, and says what went wrong in hooks.log of the data directory. \
        MEMRL_OFF=1 silences it."
)]
pub struct Hook {
    /// What happened
    pub event: String,
    /// The program that says so: claude-code, codex, cursor [default: claude-code]
    #[arg(long, value_name = "NAME")]
    pub client: Option<String>,
}

/// `memrl sweep`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl sweep\n  memrl sweep --wait --json\n\n\
        Hooks start it by themselves. One runs at a time."
)]
pub struct Sweep {
    /// When a sweep is running already, wait for it to end, then sweep
    #[arg(long)]
    pub wait: bool,
}

/// `memrl off` and `memrl on`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  memrl off\n  memrl off --session 3f0c6a52-8f1e-4c0b-9d55-0a1b2c3d4e5f\n  \
        memrl on --project ~/src/shop\n\nOff means: hooks say nothing and note nothing. What is remembered stays."
)]
pub struct Switch {
    /// The project: a directory, or a name [default: that of this directory]
    #[arg(long, value_name = "DIR", conflicts_with = "session")]
    pub project: Option<String>,
    /// One session, by the program's id of it
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
}
