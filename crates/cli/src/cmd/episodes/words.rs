//! Episodes and their values in words.

use memrl::{Cell, Episode, Timestamp, Trouble, ValueView};

use crate::out::Out;
use crate::text;

/// Columns of an intent in a table or a heading on a terminal.
const INTENT: usize = 100;

/// The episode in a cell, if it is one.
pub fn episode(cell: &Cell) -> Option<Episode> {
    serde_json::from_value(cell.payload.clone()?).ok()
}

/// What was wanted, in one line; of a cell that is no episode, what it says. Cut on a terminal.
pub fn intent(cell: &Cell, episode: Option<&Episode>, out: &Out) -> String {
    let wanted = episode.map_or("", |e| e.intent.extracted_intent.as_str());
    let line = text::one_line(if wanted.trim().is_empty() {
        &cell.content
    } else {
        wanted
    });
    if out.is_terminal() {
        console::truncate_str(&line, INTENT, "…").into_owned()
    } else {
        line
    }
}

/// When it was: the day.
pub fn day(cell: &Cell) -> String {
    date(cell.occurred_at.unwrap_or(cell.created_at))
}

/// The day of a time.
pub fn date(time: Timestamp) -> String {
    let whole = time.to_string();
    match whole.split_once('T') {
        Some((day, _)) => day.to_owned(),
        None => whole,
    }
}

/// `0.55`.
pub fn worth(value: &ValueView) -> String {
    format!("{:.2}", value.mean)
}

/// `0.55 (0.31 to 0.79), evidence 2, shown 3 times`.
pub fn value(value: &ValueView) -> String {
    let times = match value.shown {
        0 => "never shown".to_owned(),
        1 => "shown once".to_owned(),
        n => format!("shown {} times", text::grouped(n)),
    };
    let evidence = (value.evidence * 100.0).round() / 100.0;
    format!(
        "{:.2} ({:.2} to {:.2}), evidence {}, {times}",
        value.mean,
        value.low,
        value.high,
        text::number(evidence)
    )
}

/// `E0308 mismatched types → convert the port to u16`.
pub fn trouble(trouble: &Trouble) -> String {
    let message = text::one_line(&trouble.message);
    match &trouble.resolution {
        Some(resolution) => format!("{message} → {}", text::one_line(resolution)),
        None if trouble.resolved => format!("{message} (resolved)"),
        None => format!("{message} (not resolved)"),
    }
}

/// Names in one line.
pub fn joined(names: &[String]) -> String {
    text::one_line(&names.join(", "))
}

/// The id as it is shown: short on a terminal, whole for programs, which may cut nothing.
pub fn id(cell: &Cell, out: &Out) -> String {
    if out.is_terminal() {
        cell.cell_id.short()
    } else {
        cell.cell_id.to_string()
    }
}

/// Prints a name and what it is.
pub fn field(out: &mut Out, name: &str, value: &str) -> crate::fail::Result<()> {
    let name = out.style.dim(&format!("{name:<12}"));
    out.line(&format!("{name}{value}"))
}
