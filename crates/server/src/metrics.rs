//! Counters of the process, as Prometheus text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

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
    counted: Mutex<Option<Counted>>,
    /// Upkeep that failed in the background.
    pub(crate) maintenance_failures: AtomicU64,
}

/// Numbers of the memory, and until when they are good enough.
struct Counted {
    stats: Stats,
    until: Instant,
}

/// Counting may take this share of one core: numbers are kept for a hundred times what they took.
const COUNTING: u32 = 100;

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

    /// Numbers of the memory. Counting walks whole tables, so a scraper must not make it do that
    /// at will.
    pub(crate) fn counts(
        &self,
        count: impl FnOnce() -> memrl::Result<Stats>,
    ) -> memrl::Result<Stats> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let started = Instant::now();
        if let Some(kept) = counted.as_ref().filter(|c| c.until > started) {
            return Ok(kept.stats.clone());
        }
        let stats = count()?;
        let until = Instant::now() + started.elapsed() * COUNTING;
        *counted = Some(Counted {
            stats: stats.clone(),
            until,
        });
        Ok(stats)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_is_not_repeated_at_will() {
        let metrics = Metrics::default();
        let calls = std::cell::Cell::new(0);
        for _ in 0..5 {
            metrics
                .counts(|| {
                    calls.set(calls.get() + 1);
                    std::thread::sleep(Duration::from_millis(20));
                    Ok(Stats::default())
                })
                .unwrap();
        }
        assert_eq!(calls.get(), 1);
    }

    #[test]
    fn buckets_are_cumulative_and_end_in_infinity() {
        let metrics = Metrics::default();
        for ms in [0, 1, 4, 400, 60_000] {
            metrics.record(None, 404, Duration::from_millis(ms));
        }
        let page = metrics.page(&Stats::default());
        let bucket = |edge: &str| {
            let start = format!(
                "memrl_http_request_duration_seconds_bucket{{method=\"\",route=\"unmatched\",le=\"{edge}\"}} "
            );
            page.lines()
                .find_map(|l| l.strip_prefix(&start))
                .unwrap()
                .to_owned()
        };
        assert_eq!(bucket("0.0005"), "1");
        assert_eq!(bucket("0.001"), "2");
        assert_eq!(bucket("0.005"), "3");
        assert_eq!(bucket("0.5"), "4");
        assert_eq!(bucket("10"), "4");
        assert_eq!(bucket("+Inf"), "5");
    }
}
