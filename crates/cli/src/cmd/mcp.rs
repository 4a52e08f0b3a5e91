//! `memrl mcp`: the Model Context Protocol on standard input and output.

use memrl::{Memory, Options, config};
use memrl_server::mcp::{Home, Place, StdioOptions, serve_stdio};

use crate::args::{Global, Mcp};
use crate::fail::{Failure, Result};
use crate::session;

/// The session that decisions belong to, named by whoever starts us.
const SESSION: [&str; 2] = ["MEMRL_TRAJECTORY", "CLAUDE_SESSION_ID"];

/// Serves until standard input ends. Only answers go to standard output.
pub fn run(global: &Global, args: Mcp) -> Result<u8> {
    let dir = session::data_dir(global)?;
    let cwd = std::env::current_dir().map_err(|e| Failure::io(".".as_ref(), e))?;
    let named = SESSION.iter().filter_map(|name| std::env::var(name).ok());
    let options = StdioOptions {
        place: Place {
            cwd,
            home: args.project.map_or(Home::Directory, Home::Named),
        },
        trajectory: named.map(|t| t.trim().to_owned()).find(|t| !t.is_empty()),
        warm: dir.join(session::DATABASE).exists(),
        // A setting that cannot be read is for the agent to see, not a server that does not start.
        open: Box::new(move || {
            let resolved = config::resolve(&dir, &|name| std::env::var(name).ok(), &[])?;
            Memory::open_with(Options {
                config: Some(resolved.config),
                ..Options::new(&dir)
            })
        }),
    };
    serve_stdio(options, std::io::stdin(), std::io::stdout())
        .map_err(|e| Failure::new(memrl::Code::Internal, e.to_string()))?;
    Ok(0)
}
