//! The `memrl-mcp` binary: `memrl mcp` under the name that editors may already have configured.

use std::process::ExitCode;

fn main() -> ExitCode {
    let raw: Vec<_> = std::env::args_os().collect();
    memrl_cli::run_mcp(&raw)
}
