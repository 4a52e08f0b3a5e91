//! The tools' work: arguments to a request of the engine, its answer to structure and text.
//!
//! Translation only: no tool decides anything.

pub(crate) mod capture;
pub(crate) mod feedback;
pub(crate) mod numbers;
pub(crate) mod retrieve;

use memrl::{Cell, Clearance, Code, Memory, Project, Timestamp, ValueView};
use serde_json::{Map, Value, json};

use super::{Home, Place};

/// Most results of a retrieve; larger limits are capped.
const MAX_RESULTS: u64 = 50;

/// One call of a tool: arguments that fit its schema, and where it was made.
pub(crate) struct Call<'a> {
    pub(crate) memory: &'a Memory,
    pub(crate) place: &'a Place,
    /// The trajectory (session) that the call belongs to.
    pub(crate) trajectory: Option<&'a str>,
    pub(crate) arguments: &'a Map<String, Value>,
}

/// Why a tool could not do what it was asked to. Agents read it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Arguments that cannot be used, each named.
    Arguments(Vec<String>),
    /// The engine refused or failed.
    Engine(memrl::Error),
}

impl From<memrl::Error> for Failure {
    fn from(error: memrl::Error) -> Self {
        Self::Engine(error)
    }
}

impl Failure {
    /// One unusable argument.
    fn argument(text: impl Into<String>) -> Self {
        Self::Arguments(vec![text.into()])
    }

    /// The stable code.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Arguments(_) => Code::InvalidInput,
            Self::Engine(e) => e.code(),
        }
    }

    /// What the agent is told: code, message, and what to do about it.
    pub(crate) fn text(&self) -> String {
        let code = self.code();
        match self {
            Self::Arguments(faults) => format!("error ({code}): {}", faults.join("; ")),
            Self::Engine(e) => format!("error ({code}): {e}\nhint: {}", e.hint()),
        }
    }
}

impl Call<'_> {
    /// A text argument; `None` when it was left out.
    fn text(&self, name: &str) -> Option<&str> {
        self.arguments.get(name).and_then(Value::as_str)
    }

    /// A truth value, `false` when it was left out.
    fn flag(&self, name: &str) -> bool {
        self.arguments.get(name) == Some(&Value::Bool(true))
    }

    /// A list of texts, empty when it was left out.
    fn texts(&self, name: &str) -> Vec<String> {
        let items = self.arguments.get(name).and_then(Value::as_array);
        let items = items.into_iter().flatten();
        items.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// A limit, capped.
    fn limit(&self) -> u64 {
        match self.arguments.get("limit").and_then(Value::as_f64) {
            Some(limit) => (limit as u64).min(MAX_RESULTS),
            None => 5,
        }
    }

    /// The project that was named, or the one of the place; `None` means all.
    fn project(&self) -> Result<Option<Project>, Failure> {
        let named = self.text("project");
        if named.is_some_and(|n| n.contains('\0')) {
            return Err(Failure::argument("project: a name has no NUL in it"));
        }
        let named = match (named, &self.place.home) {
            (Some(named), _) => Some(named),
            (None, Home::Named(home)) => Some(home.as_str()),
            (None, Home::Directory) => None,
            (None, Home::Everywhere) => return Ok(None),
        };
        // A name that comes over the network is no directory of this machine.
        if let (Some(name), Home::Everywhere) = (named, &self.place.home) {
            return Ok(Some(self.memory.project_named(name)?));
        }
        Ok(Some(self.memory.project(named, &self.place.cwd)?))
    }

    /// Whether this caller may see a cell.
    fn may_see(&self, cell: &Cell) -> bool {
        may_see(self.memory, cell)
    }
}

/// Whether clients of this protocol may see a cell: as with hooks, nothing above the configured
/// clearance.
pub(crate) fn may_see(memory: &Memory, cell: &Cell) -> bool {
    Clearance(memory.config().recall.clearance).admits(cell.sensitivity)
}

/// A cell that this caller may see; what is above the clearance is not there.
pub(crate) fn seen(memory: &Memory, id: &str) -> Result<Cell, Failure> {
    let id = bare(id);
    if id.is_empty() {
        return Err(Failure::argument("id: an empty id names nothing"));
    }
    let cell = memory.get(id)?;
    if may_see(memory, &cell) {
        return Ok(cell);
    }
    Err(Failure::Engine(memrl::Error::Invalid {
        field: "id".to_owned(),
        message: format!("there is no cell {id}"),
        code: Code::CellNotFound,
    }))
}

/// An id without the dress of a citation: `[m:1a2b3c4d]`, `m:1a2b3c4d`.
fn bare(id: &str) -> &str {
    let id = id.trim();
    let id = id.strip_prefix('[').unwrap_or(id);
    let id = id.strip_suffix(']').unwrap_or(id);
    id.strip_prefix("m:").unwrap_or(id)
}

/// How a cell is cited.
fn cite(cell: &Cell) -> String {
    format!("[m:{}]", cell.cell_id.short())
}

/// When what a cell tells happened.
fn when(cell: &Cell) -> Timestamp {
    cell.occurred_at.unwrap_or(cell.created_at)
}

/// The first `max` characters of a text on one line.
pub(crate) fn first_line(text: &str, max: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= max {
        return line;
    }
    line.chars().take(max).chain(['…']).collect()
}

/// A value for people: mean, interval, what it rests on.
fn value_text(value: &ValueView) -> String {
    format!(
        "value {:.2} ({:.2}–{:.2}, evidence {:.1}, shown {})",
        value.mean, value.low, value.high, value.evidence, value.shown
    )
}

/// Named counts as a list that keeps its order.
fn counts(pairs: &[(String, u64)]) -> Value {
    pairs
        .iter()
        .map(|(name, count)| json!({"name": name, "count": count}))
        .collect()
}
