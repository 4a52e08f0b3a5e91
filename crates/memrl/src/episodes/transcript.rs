//! Capturing a transcript file: where it was read to before, and reading on from there.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};

use memrl_capture::{CaptureError, ReadOptions, is_empty_talk, read_on, transcript::resumes};

use super::extract::extract;
use crate::{
    CaptureAction, CaptureFile, CaptureRequest, Captured, CellStatus, Code, Episode, Error, Memory,
    Origin, Project, Result, Timestamp,
};

/// Longest first line that is looked at to tell files apart.
const MAX_HEAD: u64 = 1 << 20;
/// A transcript that was not written to for this long is finished, in days: a minute.
const SETTLED_DAYS: f64 = 1.0 / 1440.0;
/// Longest diff that is stored, in bytes.
const MAX_DIFF: u64 = 256 << 10;

impl Memory {
    /// Captures the session in a transcript of Claude Code or Codex, or in a plain text of turns.
    /// A file that was captured before is read on from where that ended; one that is still being
    /// written is read up to its last whole line.
    pub fn capture_file(&self, path: &Path, request: &CaptureFile) -> Result<Captured> {
        // Before it is opened: opening a pipe waits for somebody to write.
        let meta = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if !meta.is_file() {
            let message = format!("{} is not a file", path.display());
            return Err(Error::invalid(Code::NotATranscript, "session", message));
        }
        let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
        let head = first_line(&mut file).map_err(|e| Error::io(path, e))?;
        let key = file_key(path);
        let before = self.read_before(&key, &head, meta.len())?;
        if let Some((cell, episode)) = &before {
            let read = episode.session.as_ref().map_or(0, |s| s.offset);
            if read == meta.len() {
                let session = episode.session.as_ref().map(|s| s.id.as_str());
                let (credited, warnings) = self.teach_rest(cell, &[], session)?;
                return Ok(Captured {
                    action: CaptureAction::Unchanged,
                    cell: cell.clone(),
                    similar: Vec::new(),
                    redacted: 0,
                    credited,
                    warnings,
                });
            }
        }
        let before = before.map(|(_, episode)| episode);
        let offset = before
            .as_ref()
            .and_then(|e| e.session.as_ref())
            .map_or(0, |s| s.offset);
        file.seek(SeekFrom::Start(offset))
            .map_err(|e| Error::io(path, e))?;
        let root = request.project.as_ref().and_then(|p| p.root.as_deref());
        let written = meta.modified().ok().and_then(since_epoch);
        // Agents append to JSON Lines; any other file is as it is.
        let finished = path.extension().is_none_or(|e| e != "jsonl")
            || written.is_none_or(|at| self.clock.now().days_since(at) > SETTLED_DAYS);
        let options = ReadOptions {
            root: root.map_or_else(String::new, |r| r.display().to_string()),
            finished,
            ..ReadOptions::default()
        };
        let mut input = BufReader::with_capacity(1 << 18, file);
        let mut episode = read_on(&mut input, before, &options).map_err(|e| match e {
            CaptureError::Io(e) => Error::io(path, e),
            e => {
                let message = format!("{}: {e}", path.display());
                Error::invalid(Code::NotATranscript, "session", message)
            }
        })?;
        if let Some(session) = &mut episode.session {
            // The client's own name of the session is in its file's name; what the lines say can
            // be that of the session which this one continues.
            session.id = key;
        }
        let cites = episode
            .session
            .as_ref()
            .is_some_and(|s| !s.cited.is_empty());
        // What used a memory says at least how useful it was.
        if is_empty_talk(&episode) && !cites {
            let message = format!("{}: nothing was done in this session", path.display());
            return Err(Error::invalid(Code::EmptyContent, "session", message));
        }
        let project = match &request.project {
            Some(project) => project.clone(),
            None => self.project_of(&episode, path)?,
        };
        let mut warnings = Vec::new();
        if request.diff {
            match project.root.as_deref().map(diff_of) {
                Some(Ok(diff)) => episode.diff = (!diff.is_empty()).then_some(diff),
                Some(Err(e)) => warnings.push(format!("no diff: {e}")),
                None => warnings.push("no diff: the project has no directory".to_owned()),
            }
        }
        if request.extract {
            warnings.extend(extract(&mut episode, path));
        }
        let mut captured = self.capture(CaptureRequest {
            trajectory: episode.session.as_ref().map(|s| s.id.clone()),
            episode,
            project,
            origin: Origin::Agent,
            decisions: Vec::new(),
        })?;
        captured.warnings.extend(warnings);
        Ok(captured)
    }

    /// The episode of this file as it was captured before, if reading can go on from there.
    fn read_before(
        &self,
        key: &str,
        head: &[u8],
        len: u64,
    ) -> Result<Option<(crate::Cell, Episode)>> {
        for client in ["claude-code", "codex", "text"] {
            let Some(row) = self.session_row(&format!("{client}:{key}"))? else {
                continue;
            };
            if row.cell.status == CellStatus::Deleted {
                continue;
            }
            let payload = row.cell.payload.clone().unwrap_or_default();
            let Ok(episode) = serde_json::from_value::<Episode>(payload) else {
                continue;
            };
            if resumes(&episode, head, len) {
                return Ok(Some((row.cell, episode)));
            }
        }
        Ok(None)
    }

    /// The project of the directory that the session ran in.
    fn project_of(&self, episode: &Episode, path: &Path) -> Result<Project> {
        let cwd = episode
            .session
            .as_ref()
            .map(|s| s.reading.root.as_str())
            .filter(|c| !c.is_empty());
        match cwd {
            Some(cwd) => Ok(Project::of_dir(
                Path::new(cwd),
                self.config.sessions.worktrees,
            )),
            None => self.project(None, path.parent().unwrap_or(Path::new("."))),
        }
    }
}

/// The name of a session: that of its file where it has a UUID in it, else a hash of the path.
pub(crate) fn file_key(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    if let Some(uuid) = uuid_in(&stem) {
        return uuid;
    }
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    blake3::hash(whole.as_os_str().as_encoded_bytes()).to_hex()[..16].to_owned()
}

/// The last UUID in a text.
fn uuid_in(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let at = (0..=bytes.len().checked_sub(36)?).rev().find(|&i| {
        bytes[i..i + 36].iter().enumerate().all(|(k, b)| match k {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
    })?;
    text.get(at..at + 36).map(str::to_ascii_lowercase)
}

/// A time of the file system, as ours.
fn since_epoch(time: std::time::SystemTime) -> Option<Timestamp> {
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok().map(Timestamp)
}

fn first_line(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(file.by_ref().take(MAX_HEAD)).read_until(b'\n', &mut line)?;
    Ok(line)
}

/// The working tree against the last commit. Nothing that the repository configures is run: its
/// filters, hooks, monitors and external differs are switched off, one by one.
fn diff_of(root: &Path) -> std::io::Result<String> {
    let filters = git(root)
        .args(["config", "--name-only", "--get-regexp", r"^filter\..*"])
        .stderr(Stdio::null())
        .output()?;
    let mut child = git(root);
    for name in String::from_utf8_lossy(&filters.stdout).lines() {
        let off = if name.ends_with(".required") {
            "false"
        } else {
            ""
        };
        child.args(["-c", &format!("{name}={off}")]);
    }
    let mut child = child
        .args([
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.hooksPath=/dev/null",
        ])
        .args(["diff", "HEAD", "--no-ext-diff", "--no-textconv"])
        .args(["--no-color", "--ignore-submodules=all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut diff = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_DIFF).read_to_end(&mut diff)?;
    }
    // A longer diff has more to write than we read.
    let cut = diff.len() as u64 == MAX_DIFF;
    if cut {
        child.kill()?;
    }
    let status = child.wait()?;
    if !status.success() && !cut {
        return Err(std::io::Error::other("git could not compare with a commit"));
    }
    let mut text = String::from_utf8_lossy(&diff).into_owned();
    if cut {
        text.push_str("\n[cut]\n");
    }
    Ok(text)
}

/// Git in a directory, without what the environment says about another one, and without a network.
fn git(root: &Path) -> Command {
    let mut git = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"GIT_") {
            git.env_remove(name);
        }
    }
    git.arg("-C")
        .arg(root)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null());
    git
}
