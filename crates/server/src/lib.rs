//! The HTTP server of memrl: every memcell-rl route and body, and memrl's own; and the Model
//! Context Protocol ([`mcp`]), over it and over standard input and output.
//!
//! One table of routes ([`routes`]) is the router, the `OpenAPI` document and the labels of the
//! metrics. A handler is a plain function from a read request to a reply; one adapter
//! ([`router`]) does for all of them what is common: guard, body limit, time limit, worker
//! thread, error shape.
//!
//! **Architecture Invariant:** translation only. Which cells are shown, what is stored and what an
//! outcome is worth is decided by [`memrl::Memory`]; this crate knows JSON and HTTP.

mod app;
mod failure;
mod guard;
mod jobs;
mod lax;
pub mod mcp;
mod memcell;
mod meta;
mod metrics;
mod native;
mod openapi;
mod reply;
mod request;
mod route;
mod serve;
mod stream;
mod token;

pub use app::{App, router};
pub use openapi::document as openapi;
pub use route::routes;
pub use serve::{Banner, ServeError, ServeOptions, TokenOrigin, serve, serve_until};
