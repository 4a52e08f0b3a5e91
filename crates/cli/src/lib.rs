//! The `memrl` command, behind both binaries: parses arguments, calls one method of the engine, prints its answer.
//!
//! Results go to standard output, everything else to standard error; `--json` makes both
//! machine-readable. Exit codes are those of the table in `memrl_types::codes`.
//!
//! **Architecture Invariant:** no decision is made here. What a command can do, a method of
//! `memrl::Memory` does.

mod args;
mod cmd;
mod fail;
mod hook;
mod out;
mod progress;
mod session;
mod setup;
mod style;
mod table;
mod text;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, McpCli};
use crate::fail::Failure;
use crate::out::Out;

/// Runs the command line `raw`, the name of the program first; the exit code.
pub fn run(raw: &[OsString]) -> ExitCode {
    let cli = match Cli::try_parse_from(raw) {
        Ok(cli) => cli,
        Err(error) => {
            let code = fail::usage(&error, raw);
            return if hook::was_meant(raw) {
                ExitCode::SUCCESS
            } else {
                code
            };
        }
    };
    let mut out = Out::new(&cli.global);
    let done = cmd::run(cli, &mut out).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    match done {
        Ok(code) => ExitCode::from(code),
        // The reader of our output has seen enough (`memrl list | head`).
        Err(Failure::Closed) => ExitCode::SUCCESS,
        Err(failure) => out.failure(&failure),
    }
}

/// The same for `memrl-mcp`, which has one command and no name for it.
pub fn run_mcp(raw: &[OsString]) -> ExitCode {
    let cli = match McpCli::try_parse_from(raw) {
        Ok(cli) => cli,
        Err(error) => return fail::usage(&error, raw),
    };
    match cmd::mcp(&cli.global, cli.args) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => Out::new(&cli.global).failure(&failure),
    }
}
