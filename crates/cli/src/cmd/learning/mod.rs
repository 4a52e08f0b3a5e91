//! The commands of the learning loop: log → train → evaluate → canary → promote → watch → roll back.
//!
//! What is learned, proved or refused is the engine's business; here it is told.

mod check;
mod evaluate;
mod impact;
mod policy;
mod replay;
mod reward;
mod train;

pub use evaluate::run as evaluate;
pub use impact::run as impact;
pub use policy::run as policy;
pub use replay::run as replay;
pub use reward::check as reward_check;
pub use train::run as train;

use memrl::{Code, LogQuery};

use crate::args::LogPart;
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::text;

/// The part of the log that the options name.
pub fn log_query(part: &LogPart) -> LogQuery {
    LogQuery {
        from: part.from,
        before: part.to,
        policy: None,
        limit: part.limit,
    }
}

/// A conflict of roles, with a hint that fits it better than that of its code, which is about memories.
fn roles_hint(failure: Failure, hint: &str) -> Failure {
    match failure.code() {
        Code::Conflict => Failure::hinted(Code::Conflict, failure.message(), hint),
        _ => failure,
    }
}

/// A line of a name and its value.
fn field(out: &mut Out, name: &str, value: &str) -> Result<()> {
    let name = out.style.dim(&format!("{name:<14}"));
    out.line(&format!("{name}{value}"))
}

/// A heading with an empty line before it.
fn heading(out: &mut Out, line: &str) -> Result<()> {
    let line = out.style.bold(line);
    out.line("")?;
    out.line(&line)
}

/// `1 trajectory`, `2 trajectories`.
fn trajectories(n: u64) -> String {
    if n == 1 {
        "1 trajectory".to_owned()
    } else {
        format!("{} trajectories", text::grouped(n))
    }
}

/// Three digits after the point, or none where numbers are large: what an estimate is good for.
fn estimate(value: f64) -> String {
    let shown = if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    };
    // No difference has no sign.
    match shown.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_owned(),
        _ => shown,
    }
}

/// The same with its sign, of a difference.
fn signed(value: f64) -> String {
    let shown = estimate(value);
    if shown.starts_with('-') {
        shown
    } else {
        format!("+{shown}")
    }
}

/// `+0.120 [+0.020, +0.220]`.
fn difference(value: f64, low: f64, high: f64) -> String {
    format!("{} [{}, {}]", signed(value), signed(low), signed(high))
}

/// `0.620 [0.580, 0.660]`.
fn with_interval(value: f64, low: f64, high: f64) -> String {
    format!(
        "{} [{}, {}]",
        estimate(value),
        estimate(low),
        estimate(high)
    )
}

/// `similarity@1 (312 decisions), utility@1 (4 decisions)`.
fn counted(parts: &[(String, u64)]) -> String {
    let parts = parts
        .iter()
        .map(|(name, n)| format!("{} ({})", text::one_line(name), text::count(*n, "decision")));
    parts.collect::<Vec<_>>().join(", ")
}

/// Columns of the longest bar.
const BAR: f64 = 20.0;

/// Features with a number and a bar each; the most that are shown.
fn bars(features: &[(String, f64)], most: usize, out: &mut Out) -> Result<()> {
    let shown = &features[..features.len().min(most)];
    let largest = shown.iter().map(|(_, v)| v.abs()).fold(0.0, f64::max);
    let width = shown.iter().map(|(n, _)| n.chars().count()).max();
    let width = width.unwrap_or(0);
    for (name, value) in shown {
        let columns = if largest > 0.0 {
            (value.abs() / largest * BAR).round() as usize
        } else {
            0
        };
        let bar = "█".repeat(columns);
        let line = format!("  {name:<width$}  {:>8}  {bar}", format!("{value:.4}"));
        out.line(line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_always_has_a_sign_and_nothing_has_none() {
        assert_eq!(signed(0.12), "+0.120");
        assert_eq!(signed(-0.0001), "+0.000");
        assert_eq!(signed(-1234.5), "-1234");
        assert_eq!(estimate(-0.0), "0.000");
        assert_eq!(difference(0.5, -0.1, 1.1), "+0.500 [-0.100, +1.100]");
    }
}
