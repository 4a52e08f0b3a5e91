//! Many clients at once against one server, and what must still be true afterwards: every
//! acknowledged write is there, unchanged, and no count was lost.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use memrl_types::{CellType, NewCell, Scope};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::http_client::{Client, HttpError, Target};
use crate::http_load::{self, Decided, OperationStats, TIMEOUT, cell_id, request};
use crate::report::Table;
use crate::synth::Synth;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mixed {
    /// Clients, each with a connection and a thread of its own.
    pub clients: usize,
    /// How long they work.
    pub duration: Duration,
    /// Concurrent retrieves of one cell afterwards.
    pub retrieves: usize,
    /// The seed of the choice of operations.
    pub seed: u64,
}

impl Default for Mixed {
    fn default() -> Self {
        Self {
            clients: 32,
            duration: Duration::from_secs(10),
            retrieves: 160,
            seed: 1,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct MixedResult {
    /// Write, decide and feedback.
    pub operations: Vec<OperationStats>,
    /// How long the clients worked, in seconds.
    pub seconds: f64,
    /// Writes that the server acknowledged.
    pub acknowledged: usize,
    /// Acknowledged writes that could not be read back, or came back with other content.
    pub lost: Vec<String>,
    /// Retrieves of one cell that succeeded and returned it.
    pub retrieved: usize,
    /// The cell's `access_count` after them; must equal `retrieved`.
    pub access_count: Option<u64>,
    /// Retrieves that failed.
    pub retrieve_errors: usize,
}

impl MixedResult {
    /// Requests per second during the mixed part, failed ones included.
    pub fn requests_per_second(&self) -> f64 {
        let requests: usize = self
            .operations
            .iter()
            .map(|o| o.millis.len() + o.errors)
            .sum();
        requests as f64 / self.seconds
    }

    /// Whether everything that must hold held: work was done, no errors, no lost writes, no lost
    /// counts.
    pub fn is_clean(&self) -> bool {
        self.acknowledged > 0
            && self.operations.iter().all(|o| o.errors == 0)
            && self.lost.is_empty()
            && self.retrieve_errors == 0
            && self.access_count == Some(self.retrieved as u64)
    }

    /// The table of the operations' latencies; the notes say what held and what did not.
    pub fn table(&self, plan: &Mixed) -> Table {
        let title = format!("{} clients at once for {:.1} s", plan.clients, self.seconds);
        let mut table = http_load::table(&title, &self.operations);
        table.notes.insert(
            0,
            format!(
                "{:.0} requests/s. {} writes acknowledged, {} of them lost or changed. {} concurrent \
                 retrieves of one cell: {} succeeded, access_count {}.",
                self.requests_per_second(),
                self.acknowledged,
                self.lost.len(),
                plan.retrieves,
                self.retrieved,
                self.access_count.map_or("unknown".to_owned(), |n| n.to_string()),
            ),
        );
        table
            .notes
            .extend(self.lost.iter().take(5).map(|lost| format!("Lost: {lost}")));
        table
    }
}

/// Cells of this driver begin here in the synthetic corpus, so that they are not those of a
/// corpus loaded before.
const FIRST: u64 = 1 << 40;

/// Runs the clients, then reads every acknowledged write back, then counts retrieves.
pub fn mixed(target: &Target, synth: &Synth, plan: &Mixed) -> Result<MixedResult, HttpError> {
    let start = Instant::now();
    let workers = in_parallel(plan.clients, |c| worker(target, synth, plan, c, start));
    let seconds = start.elapsed().as_secs_f64();

    let mut operations: Vec<OperationStats> = ["write", "decide", "feedback"]
        .into_iter()
        .map(OperationStats::new)
        .collect();
    let mut written = Vec::new();
    for worker in workers {
        for (total, one) in operations.iter_mut().zip(worker.operations) {
            total.merge(one);
        }
        written.push(worker.written);
    }
    let lost = in_parallel(plan.clients, |c| read_back(target, synth, &written[c])).concat();
    let counted = count_retrieves(target, plan)?;
    Ok(MixedResult {
        operations,
        seconds,
        acknowledged: written.iter().map(Vec::len).sum(),
        lost,
        retrieved: counted.retrieved,
        access_count: counted.access_count,
        retrieve_errors: counted.errors,
    })
}

struct Worker {
    /// Write, decide, feedback.
    operations: [OperationStats; 3],
    /// Acknowledged id (`None`: the answer had none), and which cell of the corpus it is.
    written: Vec<(Option<String>, u64)>,
}

fn worker(target: &Target, synth: &Synth, plan: &Mixed, number: usize, start: Instant) -> Worker {
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    rng.set_stream(number as u64);
    let mut client = Client::new(target.clone(), TIMEOUT);
    let mut operations = ["write", "decide", "feedback"].map(OperationStats::new);
    let [write, decide, feedback] = &mut operations;
    let mut written = Vec::new();
    let mut pending = Vec::new();
    let mut next = FIRST + number as u64;
    while start.elapsed() < plan.duration {
        match rng.random_range(0..5u8) {
            0 | 1 => {
                let body = request::write(&synth.cell(next));
                if let Some(response) = write.time(|| client.post("/v1/cells/write", &body)) {
                    written.push((cell_id(&response), next));
                }
                next += plan.clients as u64;
            }
            2 if !pending.is_empty() => {
                let decided = pending.swap_remove(rng.random_range(0..pending.len()));
                let body = request::feedback(&decided, rng.random_bool(0.7));
                feedback.time(|| client.post("/v1/cells/feedback", &body));
            }
            _ => {
                let about = FIRST + rng.random_range(0..1000);
                let body = request::decide(&synth.query(about), &Synth::scope(about));
                let response = decide.time(|| client.post("/v1/cells/decide", &body));
                pending.extend(response.as_ref().and_then(Decided::read));
            }
        }
    }
    Worker {
        operations,
        written,
    }
}

/// What is wrong with these acknowledged writes, one line each.
fn read_back(target: &Target, synth: &Synth, written: &[(Option<String>, u64)]) -> Vec<String> {
    let mut client = Client::new(target.clone(), TIMEOUT);
    let mut wrong = Vec::new();
    for (id, index) in written {
        let Some(id) = id else {
            wrong.push(format!("cell {index}: acknowledged without an id"));
            continue;
        };
        let found = client
            .get(&format!("/v1/cells/{id}"))
            .and_then(|response| Ok((response.status, response.json()?)));
        match found {
            Ok((200, body)) if body["content"].as_str() == Some(&synth.cell(*index).content) => {}
            Ok((200, _)) => wrong.push(format!("{id}: other content")),
            Ok((status, _)) => wrong.push(format!("{id}: status {status}")),
            Err(e) => wrong.push(format!("{id}: {e}")),
        }
    }
    wrong
}

struct Counted {
    retrieved: usize,
    errors: usize,
    access_count: Option<u64>,
}

/// Retrieves one fresh cell from all clients at once and reads its count.
fn count_retrieves(target: &Target, plan: &Mixed) -> Result<Counted, HttpError> {
    let mut client = Client::new(target.clone(), TIMEOUT);
    let mut write = |scope: Scope| {
        let cell = NewCell::new(CellType::Fact, scope, "the heron counts every visit");
        let response = client.post("/v1/cells/write", &request::write(&cell))?;
        cell_id(&response)
            .ok_or_else(|| HttpError::Protocol(format!("a write answered {}", response.status)))
    };
    // The first cell's id names a scope that nobody has used, on any server, in any run.
    let scope = Scope::of("bench", &write(Scope::of("bench", "marker"))?);
    let id = write(scope.clone())?;

    let clients = plan.clients.clamp(1, plan.retrieves.max(1));
    let together = Barrier::new(clients);
    let body = request::retrieve("heron visit", &scope, 1);
    let outcomes = in_parallel(clients, |c| {
        let mut client = Client::new(target.clone(), TIMEOUT);
        let mine = plan.retrieves / clients + usize::from(c < plan.retrieves % clients);
        together.wait();
        let got_it = (0..mine).filter(|_| {
            client
                .post("/v1/cells/retrieve", &body)
                .and_then(|r| r.json())
                .is_ok_and(|r| r["cells"][0]["cell_id"].as_str() == Some(&id))
        });
        (got_it.count(), mine)
    });
    let retrieved = outcomes.iter().map(|(got, _)| got).sum();
    let after = client.get(&format!("/v1/cells/{id}"))?.json()?;
    Ok(Counted {
        retrieved,
        errors: plan.retrieves - retrieved,
        access_count: after["access_count"].as_u64(),
    })
}

/// Runs `work(0..n)` on threads of their own and gives the results in order. A panic in one is
/// passed on.
fn in_parallel<T: Send>(n: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let work = &work;
        let handles: Vec<_> = (0..n).map(|i| scope.spawn(move || work(i))).collect();
        handles
            .into_iter()
            .map(|h| {
                h.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}
