//! Counters of the process, as Prometheus text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use memrl::store::Stats;

use crate::route::Route;

/// Upper edges of the latency histogram, in seconds.
const EDGES: [f64; 12] = [
    0.000_5, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0,
];

/// What is counted per route.
#[derive(Default)]
struct Seen {
    by_status: BTreeMap<u16, u64>,
    /// How many took at most each edge (not cumulative), and longer than all.
    buckets: [u64; EDGES.len() + 1],
    seconds: f64,
}

/// All counters of one server.
#[derive(Default)]
pub(crate) struct Metrics {
    routes: Mutex<BTreeMap<(&'static str, &'static str), Seen>>,
    in_flight: AtomicI64,
    /// Upkeep that failed in the background.
    pub(crate) maintenance_failures: AtomicU64,
}

/// One request under way.
pub(crate) struct Running<'a>(&'a AtomicI64);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Metrics {
    /// Counts a request as under way until the answer is dropped.
    pub(crate) fn start(&self) -> Running<'_> {
        self.in_flight.fetch_add(1, Relaxed);
        Running(&self.in_flight)
    }

    /// Counts an answered request; requests without a route share one label, so that a scanner
    /// cannot fill the memory with names.
    pub(crate) fn record(&self, route: Option<&Route>, status: u16, took: Duration) {
        let key = route.map_or(("", "unmatched"), |r| (r.method, r.path));
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = routes.entry(key).or_default();
        *seen.by_status.entry(status).or_default() += 1;
        let seconds = took.as_secs_f64();
        seen.seconds += seconds;
        seen.buckets[EDGES.partition_point(|edge| *edge < seconds)] += 1;
    }

    /// Requests answered so far.
    pub(crate) fn answered(&self) -> u64 {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.values().flat_map(|s| s.by_status.values()).sum()
    }

    /// The page, with the numbers of the memory.
    pub(crate) fn page(&self, memory: &Stats) -> String {
        let mut out = String::with_capacity(8192);
        self.requests(&mut out);
        let mut plain = |name: &str, kind: &str, help: &str, value: i128| {
            let _ = writeln!(
                out,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
            );
        };
        let failures = self.maintenance_failures.load(Relaxed);
        plain(
            "memrl_http_requests_in_flight",
            "gauge",
            "Requests under way.",
            self.in_flight.load(Relaxed).into(),
        );
        plain(
            "memrl_maintenance_failures_total",
            "counter",
            "Background upkeep that failed.",
            failures.into(),
        );
        plain(
            "memrl_decisions_total",
            "counter",
            "Decisions in the log.",
            memory.decisions.into(),
        );
        plain(
            "memrl_decision_items_total",
            "counter",
            "Candidates in the log.",
            memory.decision_items.into(),
        );
        plain(
            "memrl_outcomes_total",
            "counter",
            "Reports of outcomes in the log.",
            memory.outcomes.into(),
        );
        plain(
            "memrl_events_total",
            "counter",
            "Events in the log.",
            memory.events.into(),
        );
        plain(
            "memrl_database_bytes",
            "gauge",
            "Size of the database file.",
            memory.database_bytes.into(),
        );
        plain(
            "memrl_wal_bytes",
            "gauge",
            "Size of the write-ahead log.",
            memory.wal_bytes.into(),
        );
        let _ = writeln!(
            out,
            "# HELP memrl_cells Cells by status.\n# TYPE memrl_cells gauge"
        );
        for (status, n) in &memory.cells_by_status {
            let _ = writeln!(out, "memrl_cells{{status=\"{status}\"}} {n}");
        }
        let _ = writeln!(
            out,
            "# HELP memrl_build_info The version.\n# TYPE memrl_build_info gauge\n\
             memrl_build_info{{version=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION")
        );
        out
    }

    fn requests(&self, out: &mut String) {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let name = "memrl_http_requests_total";
        let _ = writeln!(
            out,
            "# HELP {name} Requests answered.\n# TYPE {name} counter"
        );
        for ((method, path), seen) in routes.iter() {
            for (status, n) in &seen.by_status {
                let _ = writeln!(
                    out,
                    "{name}{{method=\"{method}\",route=\"{path}\",status=\"{status}\"}} {n}"
                );
            }
        }
        let name = "memrl_http_request_duration_seconds";
        let _ = writeln!(
            out,
            "# HELP {name} Time to the answer, or to its first byte.\n# TYPE {name} histogram"
        );
        for ((method, path), seen) in routes.iter() {
            let labels = format!("method=\"{method}\",route=\"{path}\"");
            let mut sum = 0;
            for (edge, n) in EDGES.iter().zip(&seen.buckets) {
                sum += n;
                let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{edge}\"}} {sum}");
            }
            sum += seen.buckets[EDGES.len()];
            let _ = writeln!(
                out,
                "{name}_bucket{{{labels},le=\"+Inf\"}} {sum}\n\
                 {name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {sum}",
                seen.seconds
            );
        }
    }
}
