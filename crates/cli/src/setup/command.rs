//! How other programs start memrl, and how a command of ours is known again.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Entry, NAME};

/// How memrl is started, and on which memory.
#[derive(Debug, Clone)]
pub struct Program {
    /// The command: `memrl`, or the absolute path of the binary.
    pub command: String,
    /// The data directory, when somebody chose one; absolute.
    pub data_dir: Option<PathBuf>,
}

impl Program {
    /// The running binary: by its name where the search path leads to it (that survives updates),
    /// else by its path.
    pub fn running(data_dir: Option<PathBuf>) -> std::io::Result<Self> {
        let exe = std::env::current_exe()?;
        let name = format!("{NAME}{}", std::env::consts::EXE_SUFFIX);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let first = std::env::split_paths(&path)
            .map(|dir| dir.join(&name))
            .find(|file| file.is_file());
        let same = first.is_some_and(|found| match (found.canonicalize(), exe.canonicalize()) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        });
        let command = if same {
            NAME.to_owned()
        } else {
            exe.display().to_string()
        };
        Ok(Self { command, data_dir })
    }

    /// The entry of the MCP server; `typed` says `"type": "stdio"`, which some programs want.
    pub fn server(&self, typed: bool) -> Entry {
        let mut entry = Entry::new();
        if typed {
            entry.insert("type".into(), "stdio".into());
        }
        entry.insert("command".into(), self.command.as_str().into());
        entry.insert("args".into(), json!(["mcp"]));
        if let Some(dir) = &self.data_dir {
            let dir: Value = dir.display().to_string().into();
            entry.insert("env".into(), json!({ "MEMRL_DATA_DIR": dir }));
        }
        entry
    }

    /// The command line of a hook: one word wherever possible, no shell script.
    pub fn hook(&self, event: &str, client: Option<&str>) -> String {
        let mut line = quoted(&self.command);
        if let Some(dir) = &self.data_dir {
            line.push_str(" --data-dir ");
            line.push_str(&quoted(&dir.display().to_string()));
        }
        line.push_str(" hook ");
        line.push_str(event);
        if let Some(client) = client {
            line.push_str(" --client ");
            line.push_str(client);
        }
        line
    }
}

/// A word for the shell that runs hooks.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%=,".contains(c);
    let plain = |c: char| plain(c) || (cfg!(windows) && c == '\\');
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if cfg!(windows) {
        // A name of a file holds no quotes there.
        return format!("\"{word}\"");
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Whether a command line is a hook of ours, whatever path it starts memrl by.
pub fn is_ours(line: &str) -> bool {
    let words = words(line);
    let Some(program) = words.first() else {
        return false;
    };
    let file = program.rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = Path::new(file).file_stem().and_then(|s| s.to_str());
    stem == Some(NAME) && words.iter().any(|w| w == "hook")
}

/// The words of a command line, as far as quotes go.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut inside) = (String::new(), None, false);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match quote {
            Some(q) if c == q => quote = None,
            // A quote that stands for itself; any other backslash is part of a path.
            None if c == '\\' && matches!(rest.peek(), Some('\'' | '"')) => {
                word.extend(rest.next());
            }
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                inside = true;
            }
            None if c.is_whitespace() => {
                if inside || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                inside = false;
            }
            Some(_) | None => word.push(c),
        }
    }
    if inside || !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_hooks_are_known_by_any_path_and_no_others_are() {
        for ours in [
            "memrl hook prompt",
            "/opt/tools/memrl hook stop",
            "'/opt/my tools/memrl' --data-dir '/d e' hook stop --client codex",
            r#""C:\Program Files\memrl.exe" hook prompt"#,
        ] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in [
            "",
            "  ",
            "mem hook prompt",
            "memrl list",
            "echo memrl hook",
            "my-memrl hook x",
            "/a space/memrl hook stop",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_hook_with_odd_paths_is_one_command_and_known_again() {
        for path in ["/a b/memrl", "/it's/memrl", "/данные/memrl", "/plain/memrl"] {
            let program = Program {
                command: path.into(),
                data_dir: Some("/d'a t/a".into()),
            };
            let line = program.hook("stop", Some("codex"));
            assert!(is_ours(&line), "{line}");
            let shell = std::process::Command::new("sh")
                .args(["-c", &format!("printf '%s\\n' {line}")])
                .output()
                .unwrap();
            let words = String::from_utf8(shell.stdout).unwrap();
            let expected = format!("{path}\n--data-dir\n/d'a t/a\nhook\nstop\n--client\ncodex\n");
            assert_eq!(words, expected);
        }
    }
}
