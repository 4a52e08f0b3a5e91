//! What the store costs: `cargo bench -p memrl-store`. Prints the median wall clock, the slowest of
//! 99 in 100, and the median processor time of the calling thread, which a busy machine does not
//! change much.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use memrl_store::conformance::fixtures::{
    NOW, cell, cell_id, decision, decision_id, insert, outcome, outcome_id, vector,
};
use memrl_store::{DecisionFilter, InsertCell, NewDecision, Order, SqliteStore, Store};

fn measure(name: &str, repetitions: u64, mut work: impl FnMut(u64)) {
    measure_from(name, repetitions, |i| i, |i| work(*i));
}

/// `prepare` is not measured.
fn measure_from<T>(
    name: &str,
    repetitions: u64,
    mut prepare: impl FnMut(u64) -> T,
    mut work: impl FnMut(&T),
) {
    let (mut wall, mut cpu): (Vec<_>, Vec<_>) = (0..repetitions)
        .map(|i| {
            let prepared = prepare(i);
            let (start, cpu) = (Instant::now(), processor_time());
            work(&prepared);
            (start.elapsed(), processor_time().saturating_sub(cpu))
        })
        .unzip();
    wall.sort_unstable();
    cpu.sort_unstable();
    let (median, p99, cpu) = (
        wall[wall.len() / 2],
        wall[wall.len() * 99 / 100],
        cpu[cpu.len() / 2],
    );
    println!("{name:<44} wall {median:>10.2?}  p99 {p99:>10.2?}  processor {cpu:>10.2?}");
}

#[cfg(unix)]
fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

#[cfg(not(unix))]
fn processor_time() -> Duration {
    Duration::ZERO
}

fn new_cell(n: u64) -> InsertCell {
    InsertCell {
        vector: Some(vector(n as u8)),
        ..insert(cell(
            n,
            &format!(
                "cell {n} remembers something of ordinary length, say a hundred letters, like this one does"
            ),
        ))
    }
}

fn main() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = SqliteStore::open(dir.path()).expect("a new store");
    let mut seqs = Vec::new();
    measure("insert one cell, durable", 300, |i| {
        seqs.push(store.insert(&[new_cell(i)]).expect("inserted")[0].seq);
    });
    measure("insert 10,000 cells in one batch", 5, |i| {
        let batch: Vec<_> = (0..10_000)
            .map(|n| new_cell(1_000_000 * (i + 1) + n))
            .collect();
        seqs.extend(
            store
                .insert(&batch)
                .expect("inserted")
                .iter()
                .map(|d| d.seq),
        );
    });
    let at = |i: u64| seqs[(i as usize * 7919) % seqs.len()];
    measure("read 10 cells by row number", 2000, |i| {
        let wanted: Vec<_> = (0..10).map(|j| at(i * 10 + j)).collect();
        black_box(store.rows(&wanted).expect("read"));
    });
    measure("change number", 2000, |_| {
        black_box(store.change_seq().expect("read"));
    });
    measure("follow 10,000 changes", 5, |i| {
        black_box(
            store
                .changes_since(i as i64 * 10_000, 10_000, "m1")
                .expect("read"),
        );
    });
    measure("touch 10 cells", 500, |i| {
        let wanted: Vec<_> = (0..10).map(|j| at(i * 10 + j)).collect();
        store.touch(&wanted, NOW).expect("counted");
    });
    let mut number = 0;
    for size in [10, 200] {
        let cells: Vec<u64> = (0..size).collect();
        let known: Vec<_> = cells.iter().map(|c| at(*c)).collect();
        measure_from(
            &format!("log a decision of {size} items"),
            1000,
            |i| {
                if i % 16 == 0 {
                    store.maintain().expect("maintained");
                }
                number += 1;
                let mut logged = decision(number, &format!("session {}", i / 8), &cells);
                for item in &mut logged.items {
                    item.features = vec![0.5; 24];
                }
                logged
            },
            |decision| {
                let seqs = &known;
                store
                    .append_decision(&NewDecision { decision, seqs }, &[])
                    .expect("logged");
            },
        );
    }
    measure("record an outcome, durable", 300, |i| {
        store
            .append_outcome(outcome_id(i), decision_id(i + 1), NOW, &outcome(1), &[])
            .expect("recorded");
    });
    export(&cells_of_export());
    measure("open and close", 50, |_| {
        black_box(SqliteStore::open(dir.path()).expect("opened"));
    });
    measure("open, read one cell, close", 50, |i| {
        let other = SqliteStore::open(dir.path()).expect("opened");
        black_box(other.rows(&[at(i)]).expect("read"));
    });
    measure("purge one of 50,000 cells", 3, |i| {
        store.purge(&[cell_id(1_000_000 + i)]).expect("purged");
    });
    println!("{:?}", store.stats().expect("numbers"));
}

fn cells_of_export() -> Vec<u64> {
    (0..10).collect()
}

fn export(cells: &[u64]) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = SqliteStore::open(dir.path()).expect("a new store");
    for n in 0..10_000 {
        let mut logged = decision(n, &format!("session {}", n / 8), cells);
        for item in &mut logged.items {
            item.features = vec![0.5; 24];
        }
        store
            .append_decision(
                &NewDecision {
                    decision: &logged,
                    seqs: &[],
                },
                &[],
            )
            .expect("logged");
    }
    for (name, texts) in [("with", true), ("without", false)] {
        let wanted = DecisionFilter {
            order: Order::Oldest,
            texts,
            ..DecisionFilter::default()
        };
        measure(
            &format!("export 10,000 decisions of 10, {name} texts"),
            10,
            |_| {
                let mut items = 0;
                store
                    .for_each_decision(&wanted, &mut |row| {
                        items += row.decision.items.len();
                        ControlFlow::Continue(())
                    })
                    .expect("exported");
                assert_eq!(items, 100_000);
            },
        );
    }
}
