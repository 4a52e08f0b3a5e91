//! The learning loop: train, evaluate, replay, check rewards; policies and their roles; impact and trials of cells.
//!
//! Translation only. Nothing here reads a file because of a request: reward specs are those in use, by name, and policies come as
//! bodies.

mod impact;
mod policies;
mod training;

pub(crate) use impact::ROUTES as IMPACT;
pub(crate) use policies::ROUTES as POLICIES;
pub(crate) use training::ROUTES as TRAINING;

use memrl::Code;

use crate::failure::Failure;
use crate::request::Req;

/// A field that cannot be used.
fn invalid(field: &str, message: &str) -> Failure {
    Failure::new(Code::InvalidInput, format!("{field}: {message}")).with("field", field)
}

/// A route without parameters: a misspelt one must not be lost silently.
fn no_query(req: &Req) -> Result<(), Failure> {
    req.native_query(&[], |_| ())
}
