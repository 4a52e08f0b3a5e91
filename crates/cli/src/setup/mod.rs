//! Puts memrl into the settings of coding agents, and takes it out again.
//!
//! A plan is made first: every file is read and its new text worked out, so that a file that
//! cannot be understood stops everything before anything is written.
//!
//! **Architecture Invariant:** knows settings files, not the memory. What is not ours stays as it
//! is, byte for byte where the format allows it.

mod command;
mod files;
mod json;
mod plan;
mod targets;
mod toml;

pub use command::Program;
pub use files::write;
pub use plan::{Change, plan};
pub use targets::{Place, targets};

/// Our name in lists of servers.
const NAME: &str = "memrl";

/// What has to be in one file.
#[derive(Debug, Clone)]
pub enum Edit {
    /// An MCP server in JSON, under this key: `mcpServers`, `servers`.
    JsonServer(&'static str, Entry),
    /// An MCP server in TOML, under `mcp_servers`.
    TomlServer(Entry),
    /// Hooks.
    Hooks(Hooks),
}

/// How a server is started: the JSON object of it.
pub type Entry = serde_json::Map<String, serde_json::Value>;

/// Hooks of one program.
#[derive(Debug, Clone)]
pub struct Hooks {
    /// Whether handlers lie in groups with a matcher (Claude Code, Codex) or right below the
    /// event (Cursor).
    pub grouped: bool,
    /// `version` that the file has to have.
    pub version: Option<u32>,
    /// For each event, by the program's name of it, what is added to its list.
    pub wanted: Vec<(String, serde_json::Value)>,
}

impl Edit {
    /// The text with our entries in it as they should be; the same text when they are.
    fn apply(&self, text: &str) -> Result<String, String> {
        let (mark, text) = without_mark(text);
        let done = match self {
            Self::JsonServer(key, entry) => json::put_server(text, key, entry),
            Self::TomlServer(entry) => toml::put_server(text, entry),
            Self::Hooks(hooks) => json::put_hooks(text, hooks),
        }?;
        Ok(format!("{mark}{done}"))
    }

    /// The text without our entries; the same text when it has none. Lists and tables that this
    /// leaves empty go, unless `origin` (the text before our first change) has them.
    fn revert(&self, text: &str, origin: Option<&str>) -> Result<String, String> {
        let (mark, text) = without_mark(text);
        let origin = origin.map(|o| without_mark(o).1);
        let done = match self {
            Self::JsonServer(key, _) => json::take_server(text, key, origin),
            Self::TomlServer(_) => toml::take_server(text, origin),
            Self::Hooks(hooks) => json::take_hooks(text, hooks, origin),
        }?;
        Ok(format!("{mark}{done}"))
    }

    /// The same edit with the entries that the text has now, whoever wrote them and when.
    fn as_in(&self, text: &str) -> Result<Self, String> {
        let (_, text) = without_mark(text);
        Ok(match self {
            Self::JsonServer(key, entry) => Self::JsonServer(
                key,
                json::server(text, key)?.unwrap_or_else(|| entry.clone()),
            ),
            Self::TomlServer(entry) => {
                Self::TomlServer(toml::server(text)?.unwrap_or_else(|| entry.clone()))
            }
            Self::Hooks(hooks) => Self::Hooks(Hooks {
                wanted: json::hooks(text, hooks)?,
                ..hooks.clone()
            }),
        })
    }

    /// The text of a file with nothing but our entries, to put in by hand.
    fn snippet(&self) -> String {
        self.apply("").unwrap_or_default()
    }

    /// Whether nothing is left in the text but what a file of ours would have around our entries.
    fn is_bare(&self, text: &str) -> bool {
        let (_, text) = without_mark(text);
        match self {
            Self::JsonServer(..) | Self::Hooks(_) => json::is_bare(text),
            Self::TomlServer(_) => text.trim().is_empty(),
        }
    }
}

/// A byte order mark, which parsers do not take and which stays.
fn without_mark(text: &str) -> (&str, &str) {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => (&text[..text.len() - rest.len()], rest),
        None => ("", text),
    }
}
