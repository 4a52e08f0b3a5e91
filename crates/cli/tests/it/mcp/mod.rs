//! The MCP server, as clients meet it.

mod client;
mod clients;
mod input;
mod lifecycle;
mod revisions;
mod tools;
