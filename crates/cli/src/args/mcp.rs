//! Options of the MCP server, as a command of `memrl` and as a program of its own.

use clap::{Args, Parser};

use super::Global;

/// `memrl mcp`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  claude mcp add memrl -- memrl mcp\n  \
        memrl mcp --project ~/src/shop\n\n\
        Editors start it; docs/mcp.md says how. It ends with its standard input.")]
pub struct Mcp {
    /// The project of calls that name none: a directory or a name [default: that of the working directory]
    #[arg(long, value_name = "PROJECT")]
    pub project: Option<String>,
}

/// `memrl-mcp`: the same as `memrl mcp`.
#[derive(Debug, Parser)]
#[command(
    name = "memrl-mcp",
    version,
    max_term_width = 100,
    about = "Serve the Model Context Protocol on standard input and output"
)]
pub struct McpCli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// Options of this one.
    #[command(flatten)]
    pub args: Mcp,
}
