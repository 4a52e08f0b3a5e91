//! The `memrl` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    let raw: Vec<_> = std::env::args_os().collect();
    memrl_cli::run(&raw)
}
