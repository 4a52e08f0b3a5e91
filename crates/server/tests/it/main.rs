//! The server over real connections: every test starts one on a free port.

mod bad_input;
mod docs;
mod episodes;
mod guard;
mod learning;
mod mcp;
mod memcell;
mod memcell_decide;
mod native;
mod race;
mod schema;
mod server;
mod support;
