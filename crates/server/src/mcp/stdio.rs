//! Standard input and output: one message per line.
//!
//! Three threads. The reader answers what needs no memory itself; the worker does the rest, one
//! request after the other, so that a client that sends a capture and then a retrieve finds what
//! it captured; the caller's thread waits for the end of input, then lets the worker finish what
//! was asked before, and returns. Nothing but answers is written to standard output.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use memrl::Memory;
use serde_json::Value;

use super::Place;
use super::revision::{Revision, of_meta};
use super::service::{self, Caller};
use super::wire::{
    self, INTERNAL_ERROR, INVALID_REQUEST, Id, Incoming, Message, Request, RpcError, answer,
};

/// Longest line, in bytes; longer ones are refused and skipped.
const MAX_LINE: usize = 16 << 20;
/// Longest wait for what was asked before the end of input.
const GRACE: Duration = Duration::from_secs(5);
/// Quiet time after a write before upkeep.
const QUIET: Duration = Duration::from_secs(2);

/// How standard input and output are served.
pub struct StdioOptions {
    /// Where the client works.
    pub place: Place,
    /// The trajectory (session) that decisions belong to; a random one when `None`.
    pub trajectory: Option<String>,
    /// Opens the memory. Called when it is first needed, and again after it failed.
    pub open: Box<dyn Fn() -> memrl::Result<Memory> + Send>,
    /// Open the memory at once, beside the first answers: the first call need not wait for it.
    pub warm: bool,
}

/// Why serving could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StdioError {
    /// The system has no randomness for the name of a session.
    #[error("the system has no randomness: {0}")]
    Random(String),
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// Answers the messages of `input` on `output` until the input ends or nobody reads the output.
///
/// Blocks. Requests that were read are answered first, unless that takes longer than five
/// seconds; what was acknowledged is stored.
pub fn serve_stdio(
    options: StdioOptions,
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
) -> Result<(), StdioError> {
    let StdioOptions {
        place,
        trajectory,
        open,
        warm,
    } = options;
    let trajectory = match trajectory {
        Some(given) => given,
        None => random_trajectory()?,
    };
    let (events, happened) = channel();
    let lines = Lines(Arc::new(Out {
        output: Mutex::new(Some(Box::new(output))),
        asked: Mutex::new(HashMap::new()),
        events: events.clone(),
    }));
    let (jobs, todo) = channel();
    let worker = Worker {
        place,
        open,
        memory: None,
        lines: lines.clone(),
    };
    let start = |name: &str, run: Box<dyn FnOnce() + Send>| {
        let builder = std::thread::Builder::new().name(name.to_owned());
        builder.spawn(run).map(drop).map_err(StdioError::Thread)
    };
    let ended = events.clone();
    let work = move || {
        worker.run(&todo, warm);
        let _ = ended.send(Event::Idle);
    };
    start("memrl-mcp", Box::new(work))?;
    let read = move || {
        read(input, &lines, &jobs, &trajectory);
        // The worker ends when it has done what is queued.
        drop(jobs);
        let _ = events.send(Event::InputEnded);
    };
    start("memrl-mcp-in", Box::new(read))?;
    // Either the client is gone or it asks nothing more.
    let mut last = happened.recv().map_err(|_| RecvTimeoutError::Disconnected);
    while matches!(last, Ok(Event::InputEnded | Event::OutputClosed)) {
        last = happened.recv_timeout(GRACE);
    }
    Ok(())
}

/// A name for the session of this process.
pub(crate) fn random_trajectory() -> Result<String, StdioError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| StdioError::Random(e.to_string()))?;
    Ok(format!("mcp-{:016x}", u64::from_le_bytes(bytes)))
}

/// What the waiting thread is told.
enum Event {
    /// Standard input ended.
    InputEnded,
    /// Nobody reads standard output.
    OutputClosed,
    /// The worker has nothing more to do.
    Idle,
}

/// The output, one line at a time, and which requests are still to be answered.
struct Out {
    output: Mutex<Option<Box<dyn Write + Send>>>,
    /// Requests of the worker: `true` once cancelled.
    asked: Mutex<HashMap<Id, bool>>,
    events: Sender<Event>,
}

#[derive(Clone)]
struct Lines(Arc<Out>);

impl Lines {
    /// Writes a line. After a failure nothing is written any more.
    fn write(&self, mut line: String) {
        line.push('\n');
        let mut output = lock(&self.0.output);
        let written = output
            .as_mut()
            .map(|o| o.write_all(line.as_bytes()).and_then(|()| o.flush()));
        if let Some(Err(error)) = written {
            if error.kind() != std::io::ErrorKind::BrokenPipe {
                eprintln!("memrl: standard output: {error}");
            }
            *output = None;
            let _ = self.0.events.send(Event::OutputClosed);
        }
    }

    fn is_open(&self) -> bool {
        lock(&self.0.output).is_some()
    }

    fn answer(&self, id: Option<&Id>, outcome: Result<Value, RpcError>) {
        self.write(answer(id, outcome));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Each change under these locks is one step: a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Work for the worker.
enum Job {
    One(Caller, Request),
    Batch(Caller, Vec<Message>),
}

/// Reads until the end of input.
fn read(input: impl Read, lines: &Lines, jobs: &Sender<Job>, trajectory: &str) {
    let mut input = BufReader::new(input);
    let mut revision = Revision::NEWEST_INITIALIZED;
    let mut line = Vec::new();
    // Without a reader of the answers there is nothing to ask for.
    while lines.is_open() {
        line.clear();
        match (&mut input)
            .take(MAX_LINE as u64 + 1)
            .read_until(b'\n', &mut line)
        {
            Ok(0) => return,
            Ok(_) => {}
            Err(e) => {
                eprintln!("memrl: standard input: {e}");
                return;
            }
        }
        if line.last() != Some(&b'\n') && line.len() > MAX_LINE {
            let error = format!("the message is longer than {MAX_LINE} bytes");
            lines.answer(None, Err(RpcError::new(INVALID_REQUEST, error)));
            if !skip_line(&mut input) {
                return;
            }
            continue;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let caller = |revision| Caller {
            revision,
            trajectory: Some(trajectory.to_owned()),
        };
        match wire::read(&line) {
            Incoming::One(message) => one(message, lines, jobs, &mut revision, &caller),
            Incoming::Batch(messages) if revision.has_batches() => {
                let _ = jobs.send(Job::Batch(caller(revision), messages));
            }
            Incoming::Batch(_) => lines.answer(None, Err(service::no_batches(revision))),
        }
    }
}

fn one(
    message: Message,
    lines: &Lines,
    jobs: &Sender<Job>,
    agreed: &mut Revision,
    caller: &dyn Fn(Revision) -> Caller,
) {
    let request = match message {
        Message::Request(request) => request,
        Message::Notification { method, params } => {
            if method == "notifications/cancelled"
                && let Some(id) = params.get("requestId")
                && let Some(cancelled) = lock(&lines.0.asked).get_mut(&Id::of(id))
            {
                *cancelled = true;
            }
            return;
        }
        Message::Response => return,
        Message::Broken(id, error) => return lines.answer(id.as_ref(), Err(error)),
    };
    let revision = match of_meta(&request.params) {
        Ok(named) => named.unwrap_or(*agreed),
        Err(error) => return lines.answer(Some(&request.id), Err(error)),
    };
    let caller = caller(revision);
    if let Some(outcome) = service::quick(&caller, &request) {
        if request.method == "initialize"
            && let Ok(result) = &outcome
            && let Some(name) = result["protocolVersion"].as_str()
        {
            *agreed = Revision::initialized(name);
        }
        return lines.answer(Some(&request.id), outcome);
    }
    lock(&lines.0.asked).insert(request.id.clone(), false);
    let _ = jobs.send(Job::One(caller, request));
}

/// Skips the rest of a line; `false` at the end of input.
fn skip_line(input: &mut impl BufRead) -> bool {
    loop {
        let (found, used) = match input.fill_buf() {
            Ok([]) | Err(_) => return false,
            Ok(piece) => match piece.iter().position(|b| *b == b'\n') {
                Some(at) => (true, at + 1),
                None => (false, piece.len()),
            },
        };
        input.consume(used);
        if found {
            return true;
        }
    }
}

/// Does what needs the memory.
struct Worker {
    place: Place,
    open: Box<dyn Fn() -> memrl::Result<Memory> + Send>,
    memory: Option<Arc<Memory>>,
    lines: Lines,
}

impl Worker {
    fn run(mut self, todo: &Receiver<Job>, warm: bool) {
        if warm {
            // Whoever needs the memory is told why it cannot be had.
            self.memory = (self.open)().ok().map(Arc::new);
        }
        let mut wrote = false;
        while self.lines.is_open() {
            let job = if wrote {
                todo.recv_timeout(QUIET)
            } else {
                todo.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match job {
                Ok(job) => wrote |= self.work(job),
                Err(RecvTimeoutError::Timeout) => {
                    self.upkeep();
                    wrote = false;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if wrote {
            self.upkeep();
        }
    }

    /// Answers a job; whether it may have written.
    fn work(&mut self, job: Job) -> bool {
        let (id, writes) = match &job {
            Job::One(_, request) => (Some(request.id.clone()), service::writes(request)),
            Job::Batch(..) => (None, true),
        };
        let lines = self.lines.clone();
        let cancelled = |id: &Id| lock(&lines.0.asked).get(id) == Some(&true);
        if let Some(id) = id.as_ref().filter(|id| cancelled(id)) {
            lock(&lines.0.asked).remove(id);
            return false;
        }
        // A fault in one call must not end the session.
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.answer(job)));
        let answer = done.unwrap_or_else(|_| {
            let error = RpcError::new(INTERNAL_ERROR, "the request met a fault of memrl's");
            answer(id.as_ref(), Err(error))
        });
        let unwanted = id.is_some_and(|id| lock(&lines.0.asked).remove(&id) == Some(true));
        if !unwanted && !answer.is_empty() {
            lines.write(answer);
        }
        writes
    }

    fn answer(&mut self, job: Job) -> String {
        let opened = std::cell::RefCell::new(self.memory.take());
        let open = || -> memrl::Result<Arc<Memory>> {
            let mut opened = opened.borrow_mut();
            if let Some(memory) = &*opened {
                return Ok(Arc::clone(memory));
            }
            let memory = Arc::new((self.open)()?);
            *opened = Some(Arc::clone(&memory));
            Ok(memory)
        };
        let line = match job {
            Job::One(caller, request) => {
                let outcome = service::slow(&self.place, &open, &caller, &request);
                answer(Some(&request.id), outcome)
            }
            Job::Batch(caller, messages) => service::batch(&self.place, &open, &caller, messages),
        };
        self.memory = opened.into_inner();
        line
    }

    fn upkeep(&self) {
        if let Some(memory) = &self.memory
            && let Err(error) = memory.maintain()
        {
            eprintln!("memrl: upkeep failed: {error}");
        }
    }
}
