//! Failures and how they look: `error:` and `hint:` lines for people, one JSON object for
//! programs, and an exit code from the table for both.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use memrl::Code;
use serde_json::json;

use crate::style::Style;

/// Why a command did not do what it was asked to.
pub enum Failure {
    /// The engine refused or failed.
    Engine(memrl::Error),
    /// The command itself refuses: code, message, hint (the code's own when `None`).
    Refused {
        /// The stable code.
        code: Code,
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Standard output was closed by its reader.
    Closed,
}

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Failure>;

impl From<memrl::Error> for Failure {
    fn from(error: memrl::Error) -> Self {
        Self::Engine(error)
    }
}

impl Failure {
    /// A refusal with the hint of its code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self::Refused {
            code,
            message: message.into(),
            hint: None,
        }
    }

    /// A refusal with a hint of its own.
    pub fn hinted(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused {
            code,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// A failed write to standard output.
    pub fn output(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Closed,
            std::io::ErrorKind::StorageFull => {
                Self::new(Code::DiskFull, "standard output: the disk is full")
            }
            _ => Self::new(Code::Io, format!("standard output: {error}")),
        }
    }

    /// A file that could not be read or written.
    pub fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Engine(memrl::Error::Io {
            path: path.display().to_string(),
            source,
        })
    }

    /// A file that was named to be read: one that does not exist is not found, like everything else that is named and does not exist.
    pub fn reading(path: &std::path::Path, source: std::io::Error) -> Self {
        if source.kind() != std::io::ErrorKind::NotFound {
            return Self::io(path, source);
        }
        let message = format!("there is no file {}", path.display());
        Self::hinted(Code::NotFound, message, "check the path")
    }

    /// The same of what the engine said about such a file.
    pub fn of_file(error: memrl::Error) -> Self {
        match error {
            memrl::Error::Io { path, source } => Self::reading(path.as_ref(), source),
            other => other.into(),
        }
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Engine(e) => e.code(),
            Self::Refused { code, .. } => *code,
            Self::Closed => Code::Io,
        }
    }

    /// What is wrong.
    pub fn message(&self) -> String {
        match self {
            Self::Engine(e) => e.to_string(),
            Self::Refused { message, .. } => message.clone(),
            Self::Closed => "standard output was closed".to_owned(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Engine(e) => e.hint().to_owned(),
            Self::Refused {
                hint: Some(hint), ..
            } => hint.clone(),
            Self::Refused { code, .. } => code.info().hint.to_owned(),
            Self::Closed => String::new(),
        }
    }
}

/// Prints a failure to standard error.
pub fn print(code: Code, message: &str, hint: &str, as_json: bool, style: Style) -> ExitCode {
    let info = code.info();
    let text = if as_json {
        let error = json!({"error": {"code": info.code, "message": message, "hint": hint}});
        format!("{error}\n")
    } else {
        format!(
            "{} {message}\n\n{} {hint}\n",
            style.bad("error:"),
            style.hint("hint:")
        )
    };
    // Nobody is left to be told when standard error is closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
    ExitCode::from(info.exit)
}

/// Answers what clap has to say: help and version are answers, the rest is a usage error.
pub fn usage(error: &clap::Error, raw: &[OsString]) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        let shown = std::io::stdout().write_all(error.to_string().as_bytes());
        return match shown.map_err(|e| Failure::output(&e)) {
            Ok(()) | Err(Failure::Closed) => ExitCode::SUCCESS,
            Err(e) => print(e.code(), &e.message(), &e.hint(), false, Style::plain()),
        };
    }
    let rendered = error.to_string();
    let body = rendered.strip_prefix("error: ").unwrap_or(&rendered);
    let body = body
        .split("\n\nFor more information")
        .next()
        .unwrap_or(body)
        .trim_end();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = std::io::stderr().write_all(rendered.as_bytes());
        return ExitCode::from(Code::InvalidInput.info().exit);
    }
    let subcommand = raw
        .iter()
        .skip(1)
        .filter_map(|a| a.to_str())
        .find(|a| crate::args::subcommands().iter().any(|s| s == a));
    let hint = match subcommand {
        Some(name) => format!("`memrl {name} --help` shows its options with examples"),
        None => "`memrl --help` lists the commands".to_owned(),
    };
    let as_json = raw.iter().any(|a| a == "--json");
    print(Code::InvalidInput, body, &hint, as_json, Style::plain())
}
