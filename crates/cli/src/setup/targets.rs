//! Which files of which program hold what.

use std::path::PathBuf;

use serde_json::json;

use super::{Edit, Hooks, Program};
use crate::args::{Editor, SetupScope};
use crate::hook::{Client, hooks_of};

/// A file and what has to be in it.
#[derive(Debug)]
pub struct Target {
    /// The file.
    pub path: PathBuf,
    /// What has to be in it.
    pub edit: Edit,
}

/// Where programs keep their settings.
#[derive(Debug)]
pub struct Place {
    /// The home directory.
    pub home: PathBuf,
    /// The directory of the project.
    pub project: PathBuf,
    /// `$CLAUDE_CONFIG_DIR`.
    pub claude: Option<PathBuf>,
    /// `$CODEX_HOME`.
    pub codex: Option<PathBuf>,
}

/// The files of a program that memrl belongs into: the one of the MCP server, the one of the hooks.
pub fn targets(
    client: Editor,
    scope: SetupScope,
    place: &Place,
    program: &Program,
) -> (Option<Target>, Option<Target>) {
    let user = scope == SetupScope::User;
    let target = |path, edit| Some(Target { path, edit });
    match client {
        Editor::ClaudeCode => {
            let dir = place.claude.clone();
            let (servers, settings) = if user {
                let beside = dir.clone().unwrap_or_else(|| place.home.clone());
                let dir = dir.unwrap_or_else(|| place.home.join(".claude"));
                (beside.join(".claude.json"), dir.join("settings.json"))
            } else {
                let settings = place.project.join(".claude/settings.json");
                (place.project.join(".mcp.json"), settings)
            };
            let server = Edit::JsonServer("mcpServers", program.server(true));
            (
                target(servers, server),
                target(settings, hooks(Client::ClaudeCode, program)),
            )
        }
        Editor::Codex => {
            let dir = match (user, &place.codex) {
                (true, Some(dir)) => dir.clone(),
                (true, None) => place.home.join(".codex"),
                (false, _) => place.project.join(".codex"),
            };
            let server = Edit::TomlServer(program.server(false));
            (
                target(dir.join("config.toml"), server),
                target(dir.join("hooks.json"), hooks(Client::Codex, program)),
            )
        }
        Editor::Cursor => {
            let dir = if user { &place.home } else { &place.project };
            let dir = dir.join(".cursor");
            let server = Edit::JsonServer("mcpServers", program.server(true));
            (
                target(dir.join("mcp.json"), server),
                target(dir.join("hooks.json"), hooks(Client::Cursor, program)),
            )
        }
        Editor::Vscode => {
            let server = Edit::JsonServer("servers", program.server(true));
            let file = place.project.join(".vscode/mcp.json");
            (target(file, server), None)
        }
    }
}

/// The hooks of a program, from the one table of events.
fn hooks(client: Client, program: &Program) -> Edit {
    let grouped = client != Client::Cursor;
    let wanted = hooks_of(client).iter().map(|hook| {
        let command = program.hook(hook.event.name(), hook.says_client.then(|| client.name()));
        let mut handler = serde_json::Map::new();
        if grouped {
            handler.insert("type".into(), "command".into());
        }
        handler.insert("command".into(), command.into());
        if let Some(seconds) = hook.timeout {
            handler.insert("timeout".into(), seconds.into());
        }
        if hook.background {
            handler.insert("async".into(), true.into());
        }
        let entry = match (grouped, hook.matcher) {
            (false, _) => handler.into(),
            (true, None) => json!({ "hooks": [handler] }),
            (true, Some(matcher)) => json!({ "matcher": matcher, "hooks": [handler] }),
        };
        (hook.native.to_owned(), entry)
    });
    Edit::Hooks(Hooks {
        grouped,
        version: (client == Client::Cursor).then_some(1),
        wanted: wanted.collect(),
    })
}
