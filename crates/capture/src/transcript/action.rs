//! What a tool call does, whichever client made it.
//!
//! Knows the names of tools and their arguments; no transcript.

use serde_json::Value;

use super::{shell, words};
use crate::redact::redacted;

/// Longest subject of a call that is kept.
const LONGEST_SUBJECT: usize = 600;
/// Longest list of paths of one patch that is kept.
const LONGEST_PATCH: usize = 8_000;

/// The kinds of tools that leave signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Runs a command.
    Shell,
    /// Reads one file.
    Read,
    /// Searches; a file only when its subject is a path.
    Search,
    /// Writes files.
    Edit,
    /// A tool of memrl.
    Ours,
    /// Anything else.
    Other,
}

impl Kind {
    /// The kind of the tool with this name.
    pub(super) fn of(tool: &str) -> Self {
        match tool {
            "Bash" | "shell" | "shell_command" | "local_shell" | "exec_command"
            | "container.exec" | "unified_exec" | "PowerShell" => Self::Shell,
            "Read" | "NotebookRead" | "read_file" | "view_image" => Self::Read,
            "Grep" | "grep_files" => Self::Search,
            "Edit" | "Write" | "MultiEdit" | "NotebookEdit" | "apply_patch" | "write_file" => {
                Self::Edit
            }
            name if name.contains("memrl_") => Self::Ours,
            _ => Self::Other,
        }
    }
}

/// One call of a tool.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Action {
    /// The tool.
    pub tool: String,
    /// The command, the paths (one per line), or what else it was about; shortened.
    pub subject: String,
    /// The same for the same action.
    pub key: String,
}

impl Action {
    /// The call of `tool` with these arguments. They are redacted before anything is made of
    /// them: a secret that was cut in two is not known any more.
    pub(super) fn new(tool: &str, input: &Value) -> Self {
        let text = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
        let path = || {
            let path = ["file_path", "notebook_path", "path", "filePath"]
                .iter()
                .map(|n| text(n))
                .find(|t| !t.is_empty());
            redacted(path.unwrap_or_default())
        };
        match Kind::of(tool) {
            Kind::Shell => {
                let command = command_of(input);
                if command.contains("*** Begin Patch") {
                    return Self::patch(&command);
                }
                let command = redacted(&command);
                Self::with(
                    tool,
                    &words::ends(command.trim(), LONGEST_SUBJECT),
                    &shell::canonical(&command),
                )
            }
            Kind::Edit if tool == "apply_patch" => {
                Self::patch(input.as_str().unwrap_or_else(|| text("input")))
            }
            Kind::Edit | Kind::Read => {
                let path = path();
                Self::with(tool, words::cut(&path, LONGEST_SUBJECT), &path)
            }
            Kind::Search => {
                let key = redacted(&input.to_string());
                let file = path();
                if shell::base(&file).trim_start_matches('.').contains('.') {
                    Self::with(tool, words::cut(&file, LONGEST_SUBJECT), &key)
                } else {
                    let pattern = redacted(text("pattern"));
                    let subject = format!("for {}", words::line(&pattern, 200));
                    Self::with(tool, &subject, &key)
                }
            }
            Kind::Ours | Kind::Other => {
                let key = redacted(&input.to_string());
                Self::with(tool, &words::line(&key, 200), &key)
            }
        }
    }

    /// A patch in the format of `apply_patch`.
    fn patch(patch: &str) -> Self {
        let mut paths = String::new();
        for line in patch.lines() {
            let path = [
                "*** Update File: ",
                "*** Add File: ",
                "*** Delete File: ",
                "*** Move to: ",
            ]
            .iter()
            .find_map(|p| line.trim().strip_prefix(p));
            if let Some(path) = path.map(str::trim)
                && paths.len() + path.len() < LONGEST_PATCH
            {
                if !paths.is_empty() {
                    paths.push('\n');
                }
                paths.push_str(path);
            }
        }
        let paths = redacted(&paths);
        Self::with("apply_patch", &paths, &paths)
    }

    fn with(tool: &str, subject: &str, key: &str) -> Self {
        let tool = redacted(&words::line(&redacted(tool), 80));
        Self {
            // Once more: what is stored must not change when it is redacted again.
            subject: redacted(&subject.replace('\0', "")),
            key: super::hash(format!("{tool}\0{key}").as_bytes()),
            tool,
        }
    }
}

/// The command line in the arguments of a shell tool: a text, or words.
fn command_of(input: &Value) -> String {
    let command = ["command", "cmd", "script"]
        .iter()
        .find_map(|n| input.get(n))
        .unwrap_or(input);
    match command {
        Value::String(text) => text.clone(),
        Value::Array(words) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            match words[..] {
                [sh, flag, script, ..]
                    if ["sh", "bash", "zsh", "fish", "pwsh", "powershell"]
                        .contains(&shell::base(sh))
                        && flag.starts_with('-') =>
                {
                    script.to_owned()
                }
                _ => words
                    .iter()
                    .map(|w| quoted(w))
                    .collect::<Vec<_>>()
                    .join(" "),
            }
        }
        _ => String::new(),
    }
}

/// A word as a shell would want it.
fn quoted(word: &str) -> String {
    let plain = !word.is_empty()
        && word
            .chars()
            .all(|c| c.is_alphanumeric() || "-_./:=+@%,".contains(c));
    if plain || word.contains("*** Begin Patch") {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The path relative to the root where it lies in it, as it is otherwise; always with `/`.
pub(super) fn relative(path: &str, root: &str) -> String {
    let windows = |p: &str| p.contains('\\') && !p.contains('/') || p.get(1..3) == Some(":\\");
    let slashed = |p: &str| {
        if windows(p) || windows(root) {
            p.replace('\\', "/")
        } else {
            p.to_owned()
        }
    };
    let (path, root) = (slashed(path.trim()), slashed(root));
    let root = root.trim_end_matches('/');
    let inside = path
        .strip_prefix(root)
        .filter(|_| !root.is_empty())
        .and_then(|rest| rest.strip_prefix('/'));
    let mut short = inside.unwrap_or(&path);
    while let Some(rest) = short.strip_prefix("./") {
        short = rest;
    }
    words::cut(short, 400).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_relative_to_the_project() {
        assert_eq!(relative("/home/u/p/src/a.rs", "/home/u/p"), "src/a.rs");
        assert_eq!(relative("/home/u/p2/a.rs", "/home/u/p/"), "/home/u/p2/a.rs");
        assert_eq!(relative("./a.rs", ""), "a.rs");
        assert_eq!(relative("C:\\p\\src\\ä.rs", "C:\\p"), "src/ä.rs");
        assert_eq!(relative("/файл.rs", "/"), "/файл.rs");
    }

    #[test]
    fn commands_are_found_in_the_arguments_of_every_client() {
        let subject = |tool: &str, input: Value| Action::new(tool, &input).subject;
        assert_eq!(subject("Bash", json!({"command": "ls -l"})), "ls -l");
        assert_eq!(
            subject("shell", json!({"command": ["bash", "-lc", "cargo test"]})),
            "cargo test"
        );
        assert_eq!(
            subject("shell", json!({"command": ["git", "commit", "-m", "a b"]})),
            "git commit -m 'a b'"
        );
        assert_eq!(
            subject("exec_command", json!({"cmd": "go test"})),
            "go test"
        );
        let patch = "*** Begin Patch\n*** Update File: src/a.rs\n@@\n-x\n+y\n*** Add File: b.rs\n+z\n*** End Patch";
        assert_eq!(subject("apply_patch", json!(patch)), "src/a.rs\nb.rs");
        let by_shell = Action::new("shell", &json!({"command": ["apply_patch", patch]}));
        assert_eq!(
            (by_shell.tool.as_str(), by_shell.subject.as_str()),
            ("apply_patch", "src/a.rs\nb.rs")
        );
        assert_eq!(
            subject("Grep", json!({"pattern": "x", "path": "src/a.rs"})),
            "src/a.rs"
        );
        assert_eq!(
            subject("Grep", json!({"pattern": "x", "path": "src"})),
            "for x"
        );
        assert_eq!(subject("Read", json!(null)), "");
    }
}
