//! The MCP server, as clients meet it.

mod client;
mod clients;
mod input;
mod lifecycle;
mod many;
mod revisions;
mod tools;
