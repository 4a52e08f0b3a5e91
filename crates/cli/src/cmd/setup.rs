//! `memrl setup`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use memrl::Code;
use serde_json::{Value, json};

use crate::args::{Editor, Global, Setup, SetupScope};
use crate::fail::{Failure, Result};
use crate::out::Out;
use crate::setup::{Change, Place, Program, plan, targets, write};
use crate::text;

/// Shows the changes, asks, makes them.
pub fn run(global: &Global, args: &Setup, out: &mut Out) -> Result<u8> {
    let scope = args.scope.unwrap_or(match args.client {
        Editor::Vscode => SetupScope::Project,
        _ => SetupScope::User,
    });
    let program = program(global)?;
    if args.client == Editor::Vscode && scope == SetupScope::User {
        return for_every_window(args, &program, out);
    }
    let (server, hooks) = targets(args.client, scope, &place()?, &program);
    let server = server.filter(|_| !args.no_mcp);
    let hooks = hooks.filter(|_| !args.no_hooks);
    let targets: Vec<_> = server.into_iter().chain(hooks).collect();
    let changes = plan(&targets, args.undo)?;
    if !out.is_json() {
        show(&changes, out)?;
    }
    let write_them = !changes.is_empty() && !args.dry_run;
    if write_them {
        if !args.yes {
            confirm(&changes, out)?;
        }
        write(&changes)?;
    }
    if out.is_json() {
        let changes: Vec<Value> = changes.iter().map(as_json).collect();
        out.json(&json!({
            "client": name(args.client),
            "undo": args.undo,
            "written": write_them,
            "changes": changes,
        }))?;
        return Ok(0);
    }
    if changes.is_empty() {
        out.line(if args.undo {
            "Nothing to do: memrl is not in these settings"
        } else {
            "Nothing to do: everything is in place"
        })?;
    } else if write_them {
        afterwards(args, scope, &program, &changes, out)?;
    }
    Ok(0)
}

/// How memrl is started from the settings that are written.
fn program(global: &Global) -> Result<Program> {
    let chosen = global.data_dir.clone();
    let chosen = chosen.or_else(|| std::env::var_os("MEMRL_DATA_DIR").map(PathBuf::from));
    let chosen = chosen.filter(|d| !d.as_os_str().is_empty());
    let dir = chosen.map(|d| std::path::absolute(&d).map_err(|e| Failure::io(&d, e)));
    Program::running(dir.transpose()?).map_err(|e| Failure::io(Path::new("memrl"), e))
}

fn place() -> Result<Place> {
    let home = std::env::home_dir().filter(|h| !h.as_os_str().is_empty());
    let home = home.ok_or_else(|| {
        Failure::hinted(Code::InvalidInput, "there is no home directory", "set HOME")
    })?;
    let dir = |name| {
        let dir = std::env::var_os(name).map(PathBuf::from);
        dir.filter(|d| !d.as_os_str().is_empty())
    };
    Ok(Place {
        home,
        project: std::env::current_dir().map_err(|e| Failure::io(Path::new("."), e))?,
        claude: dir("CLAUDE_CONFIG_DIR"),
        codex: dir("CODEX_HOME"),
    })
}

/// VS Code keeps its user's servers where only it knows; it has a command for them.
fn for_every_window(args: &Setup, program: &Program, out: &mut Out) -> Result<u8> {
    if args.undo {
        return Err(Failure::hinted(
            Code::InvalidInput,
            "what VS Code keeps for its user is out of reach",
            "run `MCP: List Servers` in VS Code and uninstall memrl there",
        ));
    }
    let mut entry = program.server(false);
    entry.insert("name".into(), "memrl".into());
    let entry = Value::Object(entry).to_string();
    let command = format!("code --add-mcp '{}'", entry.replace('\'', r"'\''"));
    if out.is_json() {
        out.json(&json!({ "client": "vscode", "command": command, "written": false }))?;
    } else {
        out.line(&command)?;
        out.note("Run this once: VS Code keeps its user's servers where only it knows.");
    }
    Ok(0)
}

/// Longest line of a diff on a terminal; files of programs can be one line of megabytes.
const LONGEST: usize = 400;

fn show(changes: &[Change], out: &mut Out) -> Result<()> {
    for change in changes {
        for line in change.diff().lines() {
            let shown = text::visible(line);
            let shown = if out.is_terminal() {
                console::truncate_str(&shown, LONGEST, "…")
            } else {
                shown
            };
            let style = out.style;
            out.line(&match line.as_bytes().first() {
                _ if line.starts_with("+++") || line.starts_with("---") => style.bold(&shown),
                Some(b'+') => style.good(&shown),
                Some(b'-') => style.bad(&shown),
                Some(b'@') => style.hint(&shown),
                _ => shown.into_owned(),
            })?;
        }
    }
    out.flush()
}

fn as_json(change: &Change) -> Value {
    let action = match (&change.before, &change.after) {
        (None, _) => "create",
        (_, None) => "remove",
        _ => "change",
    };
    json!({ "path": change.path, "action": action, "diff": change.diff() })
}

/// Asks on a terminal; elsewhere nobody can answer.
fn confirm(changes: &[Change], out: &Out) -> Result<()> {
    let files = text::count(changes.len() as u64, "file");
    let refusal = || {
        Failure::hinted(
            Code::NotConfirmed,
            format!("changing {files} needs a confirmation"),
            "add --yes, or --dry-run to only see the changes; `--undo` takes them back",
        )
    };
    if out.is_json() || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(refusal());
    }
    let question = format!("\nChange {files}? [y/N] ");
    let _ = std::io::stderr().write_all(question.as_bytes());
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|e| Failure::io(Path::new("stdin"), e))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(refusal()),
    }
}

const fn name(client: Editor) -> &'static str {
    match client {
        Editor::ClaudeCode => "claude-code",
        Editor::Codex => "codex",
        Editor::Cursor => "cursor",
        Editor::Vscode => "vscode",
    }
}

/// What people should know once it is done.
fn afterwards(
    args: &Setup,
    scope: SetupScope,
    program: &Program,
    changes: &[Change],
    out: &mut Out,
) -> Result<()> {
    let files = text::count(changes.len() as u64, "file");
    out.line(&format!("Changed {files}"))?;
    if args.undo {
        return Ok(());
    }
    let client = name(args.client);
    let scope_option = match (args.client, scope) {
        (Editor::Vscode, _) | (_, SetupScope::User) => "",
        _ => " --scope project",
    };
    let undo = format!("memrl setup {client}{scope_option} --undo");
    out.note(match args.client {
        Editor::ClaudeCode => "\nThe next session recalls, and is remembered when it ends.",
        Editor::Codex => {
            "\nThe next session recalls, and is remembered when it ends. Codex runs new hooks only \
             once you have trusted them: it asks, or type /hooks."
        }
        Editor::Cursor => {
            "\nThe next chat starts with what memrl recalls. Cursor takes no context with a prompt \
             and its chats are not read: the agent uses the tools for that."
        }
        Editor::Vscode => "\nThe agent can use the tools of memrl; VS Code has no hooks for it.",
    });
    let (undo, off) = (out.talk.hint(&undo), out.talk.hint("memrl off"));
    out.note(&format!("Take it back: {undo}\nTurn it off here: {off}"));
    if scope == SetupScope::Project && program.command != "memrl" {
        out.warn(&format!(
            "{} is not on the search path as `memrl`, so its place on this machine was written \
             into files that others may share",
            program.command
        ));
    }
    Ok(())
}
