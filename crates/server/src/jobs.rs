//! Work that outlives its request: started by one, asked about and cancelled by others.
//!
//! Knows nothing of what the work is. Jobs live as long as the server: what they made is in the memory, and what was not finished can
//! be gone on with there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use memrl::{Code, Error};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Jobs that are remembered after their end.
const KEPT: usize = 100;

/// How a job is.
#[derive(Debug, Clone, PartialEq)]
enum State {
    Running,
    Done(Value),
    Cancelled,
    Failed {
        code: &'static str,
        message: String,
        hint: &'static str,
    },
}

/// A piece of work in the background.
pub(crate) struct Job {
    id: u64,
    kind: &'static str,
    cancel: AtomicBool,
    progress: Mutex<Value>,
    state: Mutex<State>,
}

/// The value, whatever a thread that panicked was doing: it is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    /// Its number.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Whether somebody wants it to stop.
    pub(crate) fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Says how far it is.
    pub(crate) fn tell(&self, progress: Value) {
        *lock(&self.progress) = progress;
    }

    fn running(&self) -> bool {
        *lock(&self.state) == State::Running
    }

    /// As it is answered.
    pub(crate) fn json(&self) -> Value {
        let (status, result, error) = match &*lock(&self.state) {
            State::Running if self.cancelled() => ("stopping", Value::Null, Value::Null),
            State::Running => ("running", Value::Null, Value::Null),
            State::Done(result) => ("done", result.clone(), Value::Null),
            State::Cancelled => ("cancelled", Value::Null, Value::Null),
            State::Failed {
                code,
                message,
                hint,
            } => (
                "failed",
                Value::Null,
                json!({"code": code, "detail": message, "hint": hint}),
            ),
        };
        json!({
            "job": self.id,
            "kind": self.kind,
            "status": status,
            "progress": *lock(&self.progress),
            "result": result,
            "error": error,
        })
    }
}

/// Why a job was not started.
#[derive(Debug, PartialEq)]
pub(crate) enum NotStarted {
    /// The server is going down.
    Stopping,
    /// Another one of this kind runs.
    Running {
        /// The kind.
        kind: &'static str,
        /// The number of the one that runs.
        job: u64,
    },
    /// The system has no thread for it.
    NoThread(String),
}

impl From<NotStarted> for Failure {
    fn from(why: NotStarted) -> Self {
        match why {
            NotStarted::Stopping => Self::new(Code::Busy, "the server is stopping"),
            NotStarted::Running { kind, job } => {
                let message = format!("job {job} ({kind}) is running, one at a time");
                Self::new(Code::Conflict, message)
                    .hint(format!(
                        "wait until `GET /v1/jobs/{job}` says that it has ended, or stop it: `DELETE /v1/jobs/{job}`"
                    ))
                    .with("job", job)
            }
            NotStarted::NoThread(e) => {
                Self::new(Code::Internal, format!("no thread for a job: {e}"))
            }
        }
    }
}

/// All jobs of a server.
#[derive(Default)]
pub(crate) struct Jobs {
    /// The server is going down: nothing is started any more.
    closed: AtomicBool,
    all: Mutex<BTreeMap<u64, Arc<Job>>>,
}

impl Jobs {
    /// Starts a job on a thread of its own; one of a kind at a time. `work` looks at [`Job::cancelled`] now and then, and
    /// answers `Ok(None)` when it stopped because of it.
    pub(crate) fn start(
        &self,
        kind: &'static str,
        work: impl FnOnce(&Job) -> Result<Option<Value>, Error> + Send + 'static,
    ) -> Result<Arc<Job>, NotStarted> {
        let mut all = lock(&self.all);
        if self.closed.load(Ordering::Relaxed) {
            return Err(NotStarted::Stopping);
        }
        if let Some(other) = all.values().find(|j| j.kind == kind && j.running()) {
            return Err(NotStarted::Running {
                kind,
                job: other.id,
            });
        }
        let id = all.keys().next_back().map_or(1, |last| last + 1);
        let job = Arc::new(Job {
            id,
            kind,
            cancel: AtomicBool::new(false),
            progress: Mutex::new(Value::Null),
            state: Mutex::new(State::Running),
        });
        let theirs = Arc::clone(&job);
        let run = move || {
            // A panic must not leave a job that runs for ever.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&theirs)));
            *lock(&theirs.state) = match outcome {
                Ok(Ok(Some(result))) => State::Done(result),
                Ok(Ok(None)) => State::Cancelled,
                Ok(Err(e)) => State::Failed {
                    code: e.code().info().code,
                    message: e.to_string(),
                    hint: e.hint(),
                },
                Err(_) => State::Failed {
                    code: Code::Internal.info().code,
                    message: "the job panicked".to_owned(),
                    hint: Code::Internal.info().hint,
                },
            };
        };
        std::thread::Builder::new()
            .name(format!("job-{id}"))
            .spawn(run)
            .map_err(|e| NotStarted::NoThread(e.to_string()))?;
        all.insert(id, Arc::clone(&job));
        while all.len() > KEPT {
            let Some(oldest) = all.values().find(|j| !j.running()).map(|j| j.id) else {
                break;
            };
            all.remove(&oldest);
        }
        Ok(job)
    }

    /// A job by its number.
    pub(crate) fn get(&self, id: u64) -> Option<Arc<Job>> {
        lock(&self.all).get(&id).cloned()
    }

    /// All that are remembered, the newest first.
    pub(crate) fn list(&self) -> Vec<Arc<Job>> {
        lock(&self.all).values().rev().cloned().collect()
    }

    /// Asks a job to stop; it does so at its next step. `None`: there is no such job.
    pub(crate) fn cancel(&self, id: u64) -> Option<Arc<Job>> {
        let job = self.get(id)?;
        job.cancel.store(true, Ordering::Relaxed);
        Some(job)
    }

    /// Asks all to stop, and starts none any more: the server is going down.
    pub(crate) fn cancel_all(&self) {
        let all = lock(&self.all);
        self.closed.store(true, Ordering::Relaxed);
        for job in all.values() {
            job.cancel.store(true, Ordering::Relaxed);
        }
    }

    /// Waits until none runs, no longer than `most`.
    pub(crate) fn wait(&self, most: Duration) {
        let started = Instant::now();
        while started.elapsed() < most && lock(&self.all).values().any(|j| j.running()) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(job: &Job) -> Value {
        loop {
            let now = job.json();
            if now["status"] != "running" && now["status"] != "stopping" {
                return now;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_job_tells_how_far_it_is_and_what_it_made() {
        let jobs = Jobs::default();
        let job = jobs
            .start("count", |job| {
                job.tell(json!({"step": 1}));
                Ok(Some(json!(42)))
            })
            .unwrap();
        let end = wait(&job);
        assert_eq!(
            (&end["status"], &end["result"]),
            (&json!("done"), &json!(42))
        );
        assert_eq!(end["progress"]["step"], 1);
        assert_eq!(jobs.list().len(), 1);
    }

    #[test]
    fn a_cancelled_job_stops_and_a_second_of_its_kind_waits_for_that() {
        let jobs = Jobs::default();
        let job = jobs
            .start("train", |job| {
                while !job.cancelled() {
                    std::thread::yield_now();
                }
                Ok(None)
            })
            .unwrap();
        let second = jobs.start("train", |_| Ok(Some(Value::Null)));
        let why = second.err().unwrap();
        assert_eq!(
            why,
            NotStarted::Running {
                kind: "train",
                job: 1
            }
        );
        jobs.cancel(job.id).unwrap();
        assert_eq!(wait(&job)["status"], "cancelled");
        let second = jobs.start("train", |_| Ok(Some(Value::Null))).unwrap();
        assert_eq!(wait(&second)["status"], "done");
        assert!(jobs.cancel(99).is_none());
    }

    #[test]
    fn a_panic_is_a_failure_and_no_job_that_runs_for_ever() {
        let jobs = Jobs::default();
        let job = jobs.start("bad", |_| panic!("on purpose")).unwrap();
        let error = &wait(&job)["error"];
        assert_eq!(error["code"], "internal");
        assert_eq!(error["hint"], Code::Internal.info().hint);
    }
}
