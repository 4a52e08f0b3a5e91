//! The sweep: reads the transcripts of the sessions that hooks have noted, and captures them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use super::queue::{self, Entry, Waiting};
use super::switch::{self, Target};
use crate::live::private_file;
use crate::{
    CaptureAction, CaptureFile, Captured, CellId, Code, Episode, Error, Memory, Project,
    PropagateRequest, Result, Timestamp,
};

/// Locked while a sweep runs.
const LOCK: &str = "sweep.lock";
/// Failures after which a session is given up.
const MAX_ATTEMPTS: u32 = 5;
/// Days without a word after which a session that never ended was cut off.
const CUT_OFF_DAYS: f64 = 1.0;
/// Seconds without a write after which the transcript of an ended session is complete.
const SETTLED_SECONDS: u64 = 60;

/// What a sweep did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SweepReport {
    /// Another sweep was running, so this one did nothing.
    pub running_elsewhere: bool,
    /// Capturing is switched off by the settings, so nothing was captured.
    pub capture_is_off: bool,
    /// Sessions with something new.
    pub captured: Vec<Swept>,
    /// Sessions with nothing new.
    pub unchanged: usize,
    /// Sessions that go on waiting: they have not ended, or are being written.
    pub open: usize,
    /// Sessions that will not be captured.
    pub dropped: Vec<Dropped>,
    /// Sessions that could not be captured.
    pub failed: Vec<SweepFailure>,
    /// Cells whose value changed when what was learned was spread to similar ones, with credit for
    /// what came shortly before a success; `None` when nothing was captured.
    pub values_changed: Option<usize>,
}

/// A session that was captured.
#[derive(Debug, Clone, Serialize)]
pub struct Swept {
    /// The program.
    pub client: String,
    /// Its id of the session.
    pub session_id: String,
    /// The episode.
    pub cell_id: CellId,
    /// What happened to it.
    pub action: CaptureAction,
    /// What went less than well.
    pub warnings: Vec<String>,
}

/// A session that was let go.
#[derive(Debug, Clone, Serialize)]
pub struct Dropped {
    /// The program's id of the session.
    pub session_id: String,
    /// Its transcript.
    pub transcript: PathBuf,
    /// Why.
    pub reason: String,
}

/// A session that could not be captured.
#[derive(Debug, Clone, Serialize)]
pub struct SweepFailure {
    /// The program's id of the session.
    pub session_id: String,
    /// Its transcript.
    pub transcript: PathBuf,
    /// Why.
    pub error: String,
    /// How often it has failed.
    pub attempts: u32,
    /// Whether it will not be tried again; its note is in `queue/failed/` then.
    pub gave_up: bool,
}

/// What to do with a note.
enum Verdict {
    Captured(Box<Captured>),
    Unchanged,
    Wait,
    Drop(&'static str),
}

impl Memory {
    /// Captures every session that waits in the queue. One sweep runs at a time, in whichever
    /// process; what it has not dealt with when it is killed still waits for the next one.
    ///
    /// A session that has ended leaves the queue once it is captured; one that has not stays, and
    /// is let go after a day of silence: it was cut off. `now` is the current time.
    pub fn sweep(&self, now: Timestamp) -> Result<SweepReport> {
        let mut report = SweepReport::default();
        let Some(_alone) = self.alone()? else {
            report.running_elsewhere = true;
            return Ok(report);
        };
        let waiting = queue::list(&self.dir)?;
        if !(self.config.sessions.enabled && self.config.sessions.capture) {
            report.capture_is_off = true;
            report.open = waiting.len();
            return Ok(report);
        }
        for note in &waiting {
            match self.sweep_one(&note.entry, now) {
                Ok(verdict) => self.settle(note, verdict, now, &mut report)?,
                Err(error) => self.count_failure(note, &error, &mut report)?,
            }
        }
        if !report.captured.is_empty() {
            // Nobody waits for a sweep, and nobody should have to remember to propagate.
            let request = PropagateRequest {
                temporal: true,
                project: None,
            };
            report.values_changed = Some(self.propagate(&request)?.changed);
        }
        Ok(report)
    }

    /// The lock of sweeps; `None` when another one has it.
    fn alone(&self) -> Result<Option<File>> {
        let path = self.dir.join(LOCK);
        let file = private_file(&path).map_err(|e| Error::io(&path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(e)) => Err(Error::io(&path, e)),
        }
    }

    fn sweep_one(&self, entry: &Entry, now: Timestamp) -> Result<Verdict> {
        let project = self.project_of_entry(entry)?;
        let off = |target| switch::is_off(&self.dir, target);
        let project_off = project
            .as_ref()
            .is_some_and(|p| off(Target::Project(&p.id)));
        if project_off || off(Target::Session(&entry.session_id)) {
            return Ok(Verdict::Drop("memory is switched off for it"));
        }
        let size = match std::fs::metadata(&entry.transcript_path) {
            Ok(meta) => meta.len(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                // A session that has just begun has not written anything yet.
                return Ok(if entry.ended || is_silent(entry, now) {
                    Verdict::Drop("its transcript is gone")
                } else {
                    Verdict::Wait
                });
            }
            Err(e) => return Err(Error::io(&entry.transcript_path, e)),
        };
        if size == entry.read && size > 0 {
            return Ok(Verdict::Unchanged);
        }
        let request = CaptureFile {
            project,
            diff: self.config.sessions.capture_diff,
            extract: self.config.sessions.extract_intent,
        };
        match self.capture_file(&entry.transcript_path, &request) {
            Ok(captured) => Ok(Verdict::Captured(Box::new(captured))),
            // Nobody has asked for anything in it, so far.
            Err(e) if e.code() == Code::EmptyContent => {
                Ok(if entry.ended || is_silent(entry, now) {
                    Verdict::Drop("nothing was asked in it")
                } else {
                    Verdict::Wait
                })
            }
            Err(e) if e.code() == Code::WrongStatus => {
                Ok(Verdict::Drop("its episode was forgotten"))
            }
            Err(e) => Err(e),
        }
    }

    /// The project that a session works in: the one it named, else that of its directory.
    fn project_of_entry(&self, entry: &Entry) -> Result<Option<Project>> {
        let Some(cwd) = &entry.cwd else {
            return Ok(None);
        };
        match &entry.project {
            Some(name) => self.project(Some(name), cwd).map(Some),
            None => Ok(Some(Project::of_dir(cwd, self.config.sessions.worktrees))),
        }
    }

    /// Does with a note what its verdict says.
    fn settle(
        &self,
        note: &Waiting,
        verdict: Verdict,
        now: Timestamp,
        report: &mut SweepReport,
    ) -> Result<()> {
        let entry = &note.entry;
        let read = match verdict {
            Verdict::Drop(reason) => {
                note.remove(&self.dir)?;
                report.dropped.push(Dropped {
                    session_id: entry.session_id.clone(),
                    transcript: entry.transcript_path.clone(),
                    reason: reason.to_owned(),
                });
                return Ok(());
            }
            Verdict::Wait => {
                report.open += 1;
                return Ok(());
            }
            Verdict::Unchanged => {
                report.unchanged += 1;
                entry.read
            }
            Verdict::Captured(captured) => {
                let read = offset(&captured).unwrap_or(entry.read);
                if captured.action == CaptureAction::Unchanged {
                    report.unchanged += 1;
                } else {
                    report.captured.push(Swept {
                        client: entry.client.clone(),
                        session_id: entry.session_id.clone(),
                        cell_id: captured.cell.cell_id,
                        action: captured.action,
                        warnings: captured.warnings,
                    });
                }
                read
            }
        };
        let over = entry.ended && is_complete(&entry.transcript_path, read, now);
        if (over || is_silent(entry, now)) && note.remove(&self.dir)? {
            return Ok(());
        }
        report.open += 1;
        note.update(&self.dir, read, 0, None)
    }

    fn count_failure(&self, note: &Waiting, error: &Error, report: &mut SweepReport) -> Result<()> {
        let attempts = note.entry.attempts + 1;
        let gave_up = attempts >= MAX_ATTEMPTS;
        let text = error.to_string();
        if gave_up {
            note.give_up(&self.dir, attempts, text.clone())?;
        } else {
            note.update(&self.dir, note.entry.read, attempts, Some(text.clone()))?;
        }
        report.failed.push(SweepFailure {
            session_id: note.entry.session_id.clone(),
            transcript: note.entry.transcript_path.clone(),
            error: text,
            attempts,
            gave_up,
        });
        Ok(())
    }
}

/// How far the transcript was read.
fn offset(captured: &Captured) -> Option<u64> {
    let payload = captured.cell.payload.clone()?;
    let episode: Episode = serde_json::from_value(payload).ok()?;
    episode.session.map(|s| s.offset)
}

/// Whether a session and its transcript have been silent for so long that it was cut off.
fn is_silent(entry: &Entry, now: Timestamp) -> bool {
    let written = modified(&entry.transcript_path).unwrap_or(entry.at);
    now.days_since(entry.at.max(written)) > CUT_OFF_DAYS
}

/// Whether nothing more is to come in the transcript of an ended session.
fn is_complete(transcript: &Path, read: u64, now: Timestamp) -> bool {
    let Ok(meta) = std::fs::metadata(transcript) else {
        return true;
    };
    let quiet_days = modified(transcript).map(|at| now.days_since(at));
    meta.len() <= read || quiet_days.is_none_or(|days| days > SETTLED_SECONDS as f64 / 86_400.0)
}

fn modified(path: &Path) -> Option<Timestamp> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok().map(Timestamp)
}
