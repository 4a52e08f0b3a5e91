//! The two outputs: results on standard output, talk on standard error.

use std::io::{BufWriter, IsTerminal, Stdout, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::args::Global;
use crate::fail::{self, Failure, Result};
use crate::progress::Progress;
use crate::style::Style;
use crate::table::Table;
use crate::text;

/// See the module documentation.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent option"
)]
pub struct Out {
    stdout: BufWriter<Stdout>,
    json: bool,
    quiet: bool,
    progress: bool,
    terminal: bool,
    /// Colours of standard output.
    pub style: Style,
    /// Colours of standard error.
    pub talk: Style,
}

impl Out {
    /// The outputs as the global options want them.
    pub fn new(global: &Global) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let talk_terminal = std::io::stderr().is_terminal();
        let no_progress = std::env::var_os("NO_PROGRESS").is_some_and(|v| !v.is_empty());
        Self {
            stdout: BufWriter::new(std::io::stdout()),
            json: global.json,
            quiet: global.quiet,
            progress: talk_terminal && !global.no_progress && !global.quiet && !no_progress,
            terminal,
            style: Style::new(global.color, terminal),
            talk: Style::new(global.color, talk_terminal),
        }
    }

    /// Whether programs read the output.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person reads the output.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// One line of a result.
    pub fn line(&mut self, line: &str) -> Result<()> {
        writeln!(self.stdout, "{line}").map_err(|e| Failure::output(&e))
    }

    /// Text of a result as it is. On a terminal, control characters are made visible: memories
    /// can come from anywhere, and must not be able to drive the terminal.
    pub fn text(&mut self, raw: &str) -> Result<()> {
        let shown = if self.terminal {
            text::visible(raw)
        } else {
            raw.into()
        };
        self.stdout
            .write_all(shown.as_bytes())
            .map_err(|e| Failure::output(&e))
    }

    /// A table: cut to the width of a terminal, whole everywhere else.
    pub fn table(&mut self, table: &Table) -> Result<()> {
        let width = self.terminal.then(text::terminal_width);
        let rendered = table.render(width, self.style);
        self.stdout
            .write_all(rendered.as_bytes())
            .map_err(|e| Failure::output(&e))
    }

    /// The result as one JSON document: indented for people, one line for programs.
    pub fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let written = if self.terminal {
            serde_json::to_writer_pretty(&mut self.stdout, value)
        } else {
            serde_json::to_writer(&mut self.stdout, value)
        };
        written.map_err(|e| Failure::output(&e.into()))?;
        self.line("")
    }

    /// Hands out standard output for a result that is written piece by piece.
    pub fn writer(&mut self) -> &mut dyn Write {
        &mut self.stdout
    }

    /// Something said beside the result.
    pub fn note(&mut self, message: &str) {
        if !self.quiet && !self.json {
            self.say(message);
        }
    }

    /// Something to act on. Said even when asked to be quiet.
    pub fn warn(&mut self, message: &str) {
        let line = format!("{} {message}", self.talk.warn("warning:"));
        self.say(&line);
    }

    fn say(&mut self, line: &str) {
        // What came before on the other output belongs before it on a terminal, too.
        let _ = self.stdout.flush();
        // Nobody is left to be told when standard error is closed.
        let _ = writeln!(std::io::stderr(), "{line}");
    }

    /// A progress display with this verb; silent where nobody would see it.
    pub fn progress(&self, verb: &str, total: Option<u64>) -> Progress {
        Progress::new(self.progress, verb, total)
    }

    /// As [`Self::progress`], in bytes of a total that is known later.
    #[cfg(feature = "remote")]
    pub fn progress_of_bytes(&self, verb: &str) -> Progress {
        Progress::of_bytes(self.progress, verb)
    }

    /// Writes out what is buffered.
    pub fn flush(&mut self) -> Result<()> {
        self.stdout.flush().map_err(|e| Failure::output(&e))
    }

    /// Prints a failure and gives its exit code.
    pub fn failure(&mut self, failure: &Failure) -> ExitCode {
        let _ = self.stdout.flush();
        let message = text::visible(&failure.message()).into_owned();
        fail::print(
            failure.code(),
            &message,
            &failure.hint(),
            self.json,
            self.talk,
        )
    }
}
