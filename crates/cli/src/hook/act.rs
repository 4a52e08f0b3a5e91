//! What each event makes a hook do.

use std::path::Path;
use std::process::{Command, Stdio};

use memrl::queue::{self, Entry};
use memrl::switch::{self, Target};
use memrl::{
    Clock, Config, Memory, Options, Project, SessionRequest, SessionSignal, SystemClock, config,
};
use serde_json::json;

use super::Trouble;
use super::events::{Client, Event};
use super::input::Input;
use crate::session::DATABASE;

/// Largest block: Claude Code takes 10,000 characters whole and previews more.
const MAX_BLOCK: usize = 8000;

/// What a hook has to do at its end.
#[derive(Debug, Default)]
pub struct Done {
    /// What goes to standard output.
    pub answer: Option<String>,
    /// Whether sessions wait that somebody should capture.
    pub sweep: bool,
}

type Outcome<T> = Result<T, Trouble>;

/// Does it.
pub fn run(dir: &Path, event: Event, client: Client, input: &Input) -> Outcome<Done> {
    let config = config::resolve(dir, &|name| std::env::var(name).ok(), &[])?.config;
    let session = Target::Session(&input.session);
    if !config.sessions.enabled || switch::is_off(dir, session) {
        return Ok(Done::default());
    }
    let cwd = input.cwd.clone();
    let cwd = cwd.or_else(|| std::env::current_dir().ok());
    let cwd = cwd.ok_or(Trouble::Said("no working directory"))?;
    let project = Project::of_dir(&cwd, config.sessions.worktrees);
    if switch::is_off(dir, Target::Project(&project.id)) {
        return Ok(Done::default());
    }
    let mut done = Done::default();
    // First what cannot wait for a database.
    if matches!(
        event,
        Event::SessionStart | Event::Stop | Event::PreCompact | Event::SessionEnd
    ) {
        enqueue(dir, event, client, input, &config, &cwd)?;
    }
    if event == Event::SessionStart {
        done.sweep = config.sessions.capture && others_wait(dir, &input.session);
    }
    let signal = signal(event, input);
    let asks = asks(event, client, input);
    if (signal.is_none() && !asks) || !dir.join(DATABASE).exists() {
        return Ok(done);
    }
    let memory = Memory::open_with(Options {
        config: Some(config),
        ..Options::new(dir)
    })?;
    // A name from the environment wins over the directory, and only the memory knows names.
    let project = memory.project(None, &cwd)?;
    if switch::is_off(dir, Target::Project(&project.id)) {
        return Ok(Done::default());
    }
    if let Some(signal) = signal {
        memory.session_signal(&input.session, &signal)?;
    }
    if asks {
        let prompt = input.prompt.clone().filter(|_| event == Event::Prompt);
        let context = memory.session_context(&SessionRequest {
            project,
            session: input.session.clone(),
            prompt,
            max_bytes: MAX_BLOCK,
            afresh: input.afresh,
        });
        match context {
            Ok(context) if context.block.is_empty() => {}
            Ok(context) if context.block.len() > MAX_BLOCK => {
                return Err(Trouble::Said("the block is too long"));
            }
            Ok(context) => done.answer = Some(answer(event, client, &context.block)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done)
}

/// Whether the program takes context here, and there is something to ask for.
fn asks(event: Event, client: Client, input: &Input) -> bool {
    match event {
        Event::SessionStart => true,
        // What Cursor would not show must not count as shown.
        Event::Prompt => client != Client::Cursor && input.prompt.as_deref().is_some_and(is_asking),
        _ => false,
    }
}

/// Whether a prompt asks the agent for something; `/clear` and the like ask the program.
fn is_asking(prompt: &str) -> bool {
    let word = prompt.split_whitespace().next().unwrap_or_default();
    match word.strip_prefix('/') {
        // A path is no command.
        Some(rest) => rest.contains('/') || rest.contains('.'),
        None => !word.is_empty(),
    }
}

fn answer(event: Event, client: Client, block: &str) -> String {
    let name = match event {
        Event::Prompt => "UserPromptSubmit",
        _ => "SessionStart",
    };
    let answer = match client {
        Client::Cursor => json!({ "additional_context": block }),
        Client::ClaudeCode | Client::Codex => json!({
            "hookSpecificOutput": { "hookEventName": name, "additionalContext": block }
        }),
    };
    answer.to_string()
}

fn signal(event: Event, input: &Input) -> Option<SessionSignal> {
    match event {
        Event::Tool => input
            .failure
            .as_ref()
            .map(|failed| SessionSignal::ToolFailure {
                tool: failed.tool.clone(),
                call: failed.call.clone(),
                interrupted: failed.interrupted,
            }),
        Event::Stop => {
            // Without a citation there is nothing to hear.
            let text = input.answer.as_ref().filter(|a| a.contains("m:"))?;
            Some(SessionSignal::Answer { text: text.clone() })
        }
        _ => None,
    }
}

/// Notes the session for capture. Chats of Cursor are kept in a form that is not read.
fn enqueue(
    dir: &Path,
    event: Event,
    client: Client,
    input: &Input,
    config: &Config,
    cwd: &Path,
) -> Outcome<()> {
    let Some(transcript) = &input.transcript else {
        return Ok(());
    };
    if client == Client::Cursor || !config.sessions.capture {
        return Ok(());
    }
    queue::put(
        dir,
        &Entry {
            client: client.name().to_owned(),
            session_id: input.session.clone(),
            transcript_path: std::path::absolute(transcript).unwrap_or_else(|_| transcript.clone()),
            cwd: Some(cwd.to_owned()),
            project: std::env::var("MEMRL_PROJECT")
                .ok()
                .filter(|p| !p.trim().is_empty()),
            ended: event == Event::SessionEnd,
            at: SystemClock.now(),
            ..Entry::default()
        },
    )?;
    Ok(())
}

/// Whether other sessions wait: this one has only begun.
fn others_wait(dir: &Path, session: &str) -> bool {
    let waiting = queue::list(dir).unwrap_or_default();
    waiting.iter().any(|w| w.entry.session_id != session)
}

/// Starts a sweep that outlives this process and its terminal, and waits for nothing of it.
pub fn spawn_sweep(dir: &Path) -> Outcome<()> {
    let failed = |_| Trouble::Said("no sweep could be started");
    let exe = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(exe);
    command
        .arg("--data-dir")
        .arg(dir)
        .args(["sweep", "--quiet"])
        // The directory of the session can go away meanwhile.
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    #[cfg(windows)]
    {
        const DETACHED_PROCESS: u32 = 0x0000_0008;
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
        std::os::windows::process::CommandExt::creation_flags(
            &mut command,
            DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP,
        );
    }
    command.spawn().map(|_| ()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_for_the_program_is_no_question() {
        for no in ["", "  ", "/clear", " /compact now", "/plugin:do it", "/"] {
            assert!(!is_asking(no), "{no:?}");
        }
        for yes in [
            "fix it",
            "/etc/hosts is wrong",
            "/readme.md says so",
            "почини вход",
            "🦀",
            "a/b",
        ] {
            assert!(is_asking(yes), "{yes:?}");
        }
    }
}
