//! Sequential latency of a memory server over loopback HTTP, with memcell-rl's requests, so that
//! memrl and memcell-rl are measured by the same driver.
//!
//! Knows the requests of `/v1/cells/*`, not what answers them.

use std::time::{Duration, Instant};

use memrl_types::{NewCell, Scope};
use serde_json::{Value, json};

use crate::cpu;
use crate::http_client::{Client, HttpError, Response, Target};
use crate::metrics;
use crate::report::{Column, Estimate, Row, Table, Unit};
use crate::synth::Synth;

/// The longest that one request may take.
pub const TIMEOUT: Duration = Duration::new(60, 0);

/// The requests, as memcell-rl's API has them.
pub mod request {
    use super::{NewCell, Scope, Value, json};

    /// `POST /v1/cells/write`.
    pub fn write(cell: &NewCell) -> Value {
        json!({
            "type": cell.kind, "scope": cell.scope, "content": cell.content,
            "confidence": cell.confidence, "sensitivity": cell.sensitivity,
            "policy_features": cell.policy_features,
        })
    }

    /// `POST /v1/cells/decide` with k = 10 and a budget of 2,000 tokens.
    pub fn decide(query: &str, scope: &Scope) -> Value {
        json!({"query": query, "scope": scope, "task_type": "bench", "budget_tokens": 2000, "k": 10})
    }

    /// memrl's own `POST /v1/recall` with a budget of 2,000 tokens, in one scope or in all.
    pub fn recall(query: &str, scope: Option<&Scope>) -> Value {
        json!({
            "query": query, "scope": scope.unwrap_or(&Scope::default()),
            "all_scopes": scope.is_none(), "task_type": "bench", "budget_tokens": 2000,
        })
    }

    /// `POST /v1/cells/retrieve`.
    pub fn retrieve(query: &str, scope: &Scope, k: usize) -> Value {
        json!({"query": query, "scope": scope, "k": k})
    }

    /// `POST /v1/cells/feedback`.
    pub fn feedback(decided: &super::Decided, success: bool) -> Value {
        json!({
            "query_id": decided.query_id, "transition_id": decided.transition_id,
            "task_success": success, "tokens_used": 320, "latency_ms": 450,
        })
    }
}

/// What feedback needs to know of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The query's id.
    pub query_id: String,
    /// The transition's id.
    pub transition_id: String,
}

impl Decided {
    /// Reads the response to `decide`; `None` when the ids are missing.
    pub fn read(response: &Response) -> Option<Self> {
        let body = response.json().ok()?;
        Some(Self {
            query_id: body["query_id"].as_str()?.to_owned(),
            transition_id: body["transition_id"].as_str()?.to_owned(),
        })
    }
}

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequential {
    /// How many of the corpus's cells the server is measured with.
    pub cells: u64,
    /// Whether they are there already; otherwise they are written first.
    pub loaded: bool,
    /// Whether memrl's own routes are measured, too.
    pub native: bool,
    /// Measured requests per operation.
    pub requests: usize,
    /// Unmeasured requests before them.
    pub warmup: usize,
    /// The server's process, for its CPU time.
    pub pid: Option<u32>,
}

impl Default for Sequential {
    fn default() -> Self {
        Self {
            cells: 10_000,
            loaded: false,
            native: false,
            requests: 200,
            warmup: 10,
            pid: None,
        }
    }
}

/// What was measured of one operation.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationStats {
    /// Its name.
    pub operation: String,
    /// Wall-clock milliseconds of each successful request.
    pub millis: Vec<f64>,
    /// Requests that failed or were refused.
    pub errors: usize,
    /// The first failure, for the reader.
    pub first_error: Option<String>,
    /// CPU milliseconds of the server over all requests, measured and failed.
    pub cpu_millis: Option<f64>,
}

impl OperationStats {
    /// Nothing measured yet.
    pub fn new(operation: &str) -> Self {
        Self {
            operation: operation.to_owned(),
            millis: Vec::new(),
            errors: 0,
            first_error: None,
            cpu_millis: None,
        }
    }

    /// Sends one request, counts it, and gives its response if it succeeded.
    pub fn time(&mut self, send: impl FnOnce() -> Result<Response, HttpError>) -> Option<Response> {
        let start = Instant::now();
        let result = send();
        let millis = start.elapsed().as_secs_f64() * 1000.0;
        let error = match result {
            Ok(response) if response.is_success() => {
                self.millis.push(millis);
                return Some(response);
            }
            Ok(response) => {
                let body = String::from_utf8_lossy(&response.body);
                format!(
                    "status {}: {}",
                    response.status,
                    body.chars().take(200).collect::<String>()
                )
            }
            Err(e) => e.to_string(),
        };
        self.errors += 1;
        self.first_error.get_or_insert(error);
        None
    }

    /// Adds another client's measurements.
    pub fn merge(&mut self, other: Self) {
        self.millis.extend(other.millis);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    fn row(&self) -> Row {
        let requests = self.millis.len() + self.errors;
        let percentile = |p| metrics::percentile(&self.millis, p).map(Estimate::from);
        Row {
            label: self.operation.clone(),
            n: requests,
            values: vec![
                percentile(50.0),
                percentile(95.0),
                self.cpu_millis
                    .filter(|_| requests > 0)
                    .map(|cpu| Estimate::from(cpu / requests as f64)),
                Some(Estimate::from(self.errors as f64)),
            ],
        }
    }
}

/// The table of these operations: latency p50 and p95, CPU per request, errors.
pub fn table(title: &str, stats: &[OperationStats]) -> Table {
    let column = |measure: &str, at: &str, unit| Column {
        measure: measure.to_owned(),
        at: at.to_owned(),
        unit,
    };
    Table {
        title: title.to_owned(),
        columns: vec![
            column("latency", "p50", Unit::Millis),
            column("latency", "p95", Unit::Millis),
            column("latency", "server CPU", Unit::Millis),
            column("requests", "errors", Unit::Count),
        ],
        rows: stats.iter().map(OperationStats::row).collect(),
        notes: stats
            .iter()
            .filter_map(|s| {
                Some(format!(
                    "First error of {}: {}",
                    s.operation,
                    s.first_error.as_ref()?
                ))
            })
            .collect(),
    }
}

/// Loads the corpus (unless it is there) and measures every operation, one request after the other on one kept-alive
/// connection: write, decide and retrieve in one user's scope (1 % of the cells) and in all,
/// feedback, get, health. Refusals and failures are counted, not fatal.
pub fn sequential(target: &Target, synth: &Synth, plan: &Sequential) -> Vec<OperationStats> {
    let mut client = Client::new(target.clone(), TIMEOUT);
    let mut ids = Vec::new();
    let mut loading = OperationStats::new("load");
    for i in 0..if plan.loaded { 0 } else { plan.cells } {
        let body = request::write(&synth.cell(i));
        let written = loading.time(|| client.post("/v1/cells/write", &body));
        ids.extend(
            written
                .as_ref()
                .and_then(cell_id)
                .filter(|_| ids.len() < plan.requests),
        );
    }

    let mut run = Run { client, plan };
    let everywhere = Scope::default();
    let cells = plan.cells.max(1);
    // Cells spread over the whole corpus, whatever the number of requests.
    let pick = |n: usize| (n as u64).wrapping_mul(7919) % cells;
    let mut all = Vec::new();
    all.push(run.measure("write", |n, c| {
        let response = c.post(
            "/v1/cells/write",
            &request::write(&synth.cell(cells + n as u64)),
        )?;
        ids.extend(cell_id(&response));
        Ok(response)
    }));
    if plan.native {
        for (name, scoped) in [("recall (1 % scope)", true), ("recall (all)", false)] {
            all.push(run.measure(name, |n, c| {
                let scope = Synth::scope(pick(n));
                let scope = if scoped { Some(scope) } else { None };
                c.post(
                    "/v1/recall",
                    &request::recall(&synth.query(pick(n)), scope.as_ref()),
                )
            }));
        }
    }
    let mut decided = Vec::new();
    for (name, scoped) in [("decide (1 % scope)", true), ("decide (all)", false)] {
        all.push(run.measure(name, |n, c| {
            let scope = if scoped {
                Synth::scope(pick(n))
            } else {
                everywhere.clone()
            };
            let response = c.post(
                "/v1/cells/decide",
                &request::decide(&synth.query(pick(n)), &scope),
            )?;
            decided.extend(Decided::read(&response));
            Ok(response)
        }));
    }
    if !decided.is_empty() {
        all.push(run.measure("feedback", |n, c| {
            let body = request::feedback(&decided[n % decided.len()], true);
            c.post("/v1/cells/feedback", &body)
        }));
    }
    for (name, scoped) in [
        ("retrieve k=5 (1 % scope)", true),
        ("retrieve k=5 (all)", false),
    ] {
        all.push(run.measure(name, |n, c| {
            let scope = if scoped {
                Synth::scope(pick(n))
            } else {
                everywhere.clone()
            };
            c.post(
                "/v1/cells/retrieve",
                &request::retrieve(&synth.query(pick(n)), &scope, 5),
            )
        }));
    }
    if !ids.is_empty() {
        all.push(run.measure("get cell", |n, c| {
            c.get(&format!("/v1/cells/{}", ids[n % ids.len()]))
        }));
    }
    all.push(run.measure("health", |_, c| c.get("/health")));
    if !plan.loaded {
        all.insert(0, loading);
    }
    all
}

/// The `cell_id` of a response.
pub fn cell_id(response: &Response) -> Option<String> {
    Some(response.json().ok()?["cell_id"].as_str()?.to_owned())
}

struct Run<'a> {
    client: Client,
    plan: &'a Sequential,
}

impl Run<'_> {
    /// Warm-up, then the measured requests; `send` gets the number of the request.
    fn measure(
        &mut self,
        name: &str,
        mut send: impl FnMut(usize, &mut Client) -> Result<Response, HttpError>,
    ) -> OperationStats {
        let mut stats = OperationStats::new(name);
        let mut unmeasured = OperationStats::new(name);
        let warmup = self.plan.warmup;
        for n in 0..warmup {
            unmeasured.time(|| send(n, &mut self.client));
        }
        let cpu = || self.plan.pid.and_then(cpu::process_millis);
        let before = cpu();
        for n in warmup..warmup + self.plan.requests {
            stats.time(|| send(n, &mut self.client));
        }
        stats.cpu_millis = cpu().zip(before).map(|(after, before)| after - before);
        stats
    }
}
