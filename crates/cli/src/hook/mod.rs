//! `memrl hook`: what runs inside other programs' sessions.
//!
//! One JSON object comes in on standard input; where there is something new to say, one goes out.
//! Whatever goes wrong, the exit code is 0, standard output holds nothing that was not meant for
//! it, and the hook is gone after a fixed time: a memory that blocks or erases a prompt is worse
//! than none. What went wrong is a line in `hooks.log` of the data directory.
//!
//! **Architecture Invariant:** of the content of a session nothing is written but the answer and
//! what the engine logs of its decision: the prompt that it was made for, with its secrets cut
//! out, and the block that was shown. Nothing of it gets into `hooks.log`, and where memory is
//! switched off nothing is written at all.

mod act;
mod events;
mod input;
mod log;

use std::ffi::OsString;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memrl::Code;

pub use events::{Client, hooks_of};

use crate::args::{Global, Hook};
use crate::session;
use events::Event;
use input::Input;

/// What keeps a hook from doing its work, without any content.
#[derive(Debug)]
pub enum Trouble {
    /// An error of the engine, by its code: messages could repeat what was asked.
    Engine(Code),
    /// Anything else.
    Said(&'static str),
}

impl From<memrl::Error> for Trouble {
    fn from(error: memrl::Error) -> Self {
        Self::Engine(error.code())
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Engine(code) => code.fmt(f),
            Self::Said(text) => f.write_str(text),
        }
    }
}

/// How long an answer that is being written may still take once the time is up.
const GRACE: Duration = Duration::from_millis(200);
/// Time for hooks of a name that nobody knows.
const UNKNOWN_LIMIT: Duration = Duration::from_secs(1);

/// Runs a hook. Never fails, and never takes longer than its event may.
pub fn run(global: &Global, args: &Hook) {
    let dir = session::data_dir(global).ok();
    let dir = dir.and_then(|d| std::path::absolute(d).ok());
    let event = Event::named(&args.event);
    let named = args.client.as_deref().and_then(Client::named);
    let named = named.unwrap_or(Client::ClaudeCode);
    let limit = event.map_or(UNKNOWN_LIMIT, |event| event.limit(named));
    let answering = watch(limit, dir.clone(), &args.event);
    // A panic is a line in the log, not a page in somebody's session.
    std::panic::set_hook(Box::new(|_| {}));
    let answer = std::panic::catch_unwind(AssertUnwindSafe(|| {
        // Whoever writes must not find a closed pipe, even where nothing is to be done.
        let input = Input::read(std::io::stdin().lock());
        if switched_off_by_environment() {
            return Ok(act::Done::default());
        }
        let dir = dir.as_deref().ok_or(Trouble::Said("no data directory"))?;
        let event = event.ok_or(Trouble::Said("no event of this name"))?;
        let input = input?;
        // Cursor also runs the hooks that it finds in Claude Code's settings.
        let client = if input.is_cursor {
            Client::Cursor
        } else {
            named
        };
        act::run(dir, event, client, &input)
    }));
    let done = match answer {
        Ok(Ok(done)) => done,
        Ok(Err(trouble)) => {
            note(dir.as_deref(), &args.event, &trouble);
            return;
        }
        Err(_) => {
            note(dir.as_deref(), &args.event, &Trouble::Said("panic"));
            return;
        }
    };
    if let Some(answer) = done.answer {
        answering.store(true, Ordering::SeqCst);
        // Nobody is left to be told when standard output is closed.
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(answer.as_bytes()).and_then(|()| out.flush());
    }
    if let (true, Some(dir)) = (done.sweep, &dir)
        && let Err(trouble) = act::spawn_sweep(dir)
    {
        note(Some(dir), &args.event, &trouble);
    }
}

/// Whether a command line that cannot be parsed was meant as a hook: then its error must not
/// reach the program that runs it, where exit code 2 blocks and erases a prompt.
pub fn was_meant(raw: &[OsString]) -> bool {
    let commands = crate::args::subcommands();
    let mut words = raw.iter().skip(1).filter_map(|a| a.to_str());
    words.find(|a| commands.iter().any(|c| c == a)) == Some("hook")
}

/// `MEMRL_OFF` with anything but nothing, `0` or `false` in it.
fn switched_off_by_environment() -> bool {
    let value = std::env::var_os("MEMRL_OFF").unwrap_or_default();
    !(value.is_empty() || value == "0" || value.eq_ignore_ascii_case("false"))
}

/// Ends the process when the time is up, unless an answer is being written just then.
fn watch(limit: Duration, dir: Option<PathBuf>, event: &str) -> &'static AtomicBool {
    static ANSWERING: AtomicBool = AtomicBool::new(false);
    let event = event.to_owned();
    let watching = move || {
        std::thread::sleep(limit);
        if ANSWERING.load(Ordering::SeqCst) {
            std::thread::sleep(GRACE);
        } else {
            let dir = dir.clone();
            // Where even this blocks (a disk that does not answer), nobody waits for it.
            std::thread::spawn(move || {
                note(dir.as_deref(), &event, &Trouble::Said("took too long"));
            });
            std::thread::sleep(GRACE / 4);
        }
        std::process::exit(0);
    };
    // Without a thread to be had there is no watch, and the hook is as fast as it is.
    let _ = std::thread::Builder::new().spawn(watching);
    &ANSWERING
}

fn note(dir: Option<&Path>, event: &str, trouble: &Trouble) {
    if let Some(dir) = dir {
        log::line(dir, event, &trouble.to_string());
    }
}
