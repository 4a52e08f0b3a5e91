//! `memrl hook`.

use crate::args::{Global, Hook};
use crate::fail::Result;
use crate::hook;

/// Never fails: see [`hook::run`].
#[expect(
    clippy::unnecessary_wraps,
    reason = "every command has this shape; that this one cannot fail is its promise"
)]
pub fn run(global: &Global, args: &Hook) -> Result<u8> {
    hook::run(global, args);
    Ok(0)
}
