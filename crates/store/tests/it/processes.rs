//! Several processes on one data directory. The children are this test binary again, told by the
//! environment what to do.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use memrl_store::conformance::fixtures::{NOW, cell, cell_id, decision, insert};
use memrl_store::{CellFilter, NewDecision, SqliteStore, Store, StoreError};
use tempfile::TempDir;

const JOB: &str = "MEMRL_STORE_TEST_JOB";
const DIR: &str = "MEMRL_STORE_TEST_DIR";
const NUMBER: &str = "MEMRL_STORE_TEST_NUMBER";

/// A command that runs one of the jobs of [`child`].
pub(crate) fn job(program: &Path, job: &str, dir: &Path, number: u64) -> Command {
    let mut command = Command::new(program);
    command
        .args([
            "--exact",
            "processes::child",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(JOB, job)
        .env(DIR, dir)
        .env(NUMBER, number.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

pub(crate) fn start(name: &str, dir: &Path, number: u64) -> Child {
    let program = std::env::current_exe().unwrap();
    job(&program, name, dir, number).spawn().unwrap()
}

/// What a child says on lines of its own, after a mark that the test harness does not print.
pub(crate) fn said(output: impl Read) -> impl Iterator<Item = String> {
    BufReader::new(output)
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.split_once("> ").map(|(_, said)| said.to_owned()))
}

fn say(what: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n> {what}").unwrap();
    out.flush().unwrap();
}

/// Waits for a line on standard input (or its end).
fn wait_for_the_word() {
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// Not a test by itself: what the child processes of the other tests do. Without a job it checks
/// that none is set by accident.
#[test]
fn child() {
    let Ok(job) = std::env::var(JOB) else {
        assert!(std::env::var(DIR).is_err());
        return;
    };
    let dir = std::env::var(DIR).unwrap();
    let number: u64 = std::env::var(NUMBER).unwrap().parse().unwrap();
    let opened = SqliteStore::open(Path::new(&dir));
    if job == "open" {
        match opened {
            Ok(_) => say("opened"),
            Err(error) => say(error.code()),
        }
        return;
    }
    if job == "read" {
        let answer = SqliteStore::open_read_only(Path::new(&dir))
            .and_then(|store| store.get(cell_id(number)));
        match answer {
            Ok(row) => say(row.cell.cell_id),
            Err(error) => say(error.code()),
        }
        return;
    }
    let store = opened.unwrap();
    match job.as_str() {
        "write_for_ever" => write_for_ever(&store),
        "write_some" => {
            for i in 0..number {
                store
                    .insert(&[insert(cell(i, &"x".repeat(2000)))])
                    .map_or_else(
                        |error| say(format!("failed {}", error.code())),
                        |done| say(done[0].cell_id),
                    );
            }
            say(format!(
                "read {}",
                store
                    .list(&CellFilter::default(), None, 9999)
                    .unwrap()
                    .rows
                    .len()
            ));
        }
        "supersede" => {
            say("ready");
            wait_for_the_word();
            match store.supersede(
                cell_id(1),
                Some(1),
                &insert(cell(100 + number, "new")),
                NOW,
                &[],
            ) {
                Ok(done) => say(format!("won {}", done.cell_id)),
                Err(StoreError::AlreadySuperseded { by, .. }) => say(format!("lost to {by}")),
                Err(other) => say(other),
            }
        }
        "write_mixed" => {
            say("ready");
            wait_for_the_word();
            for i in 0..50 {
                let n = number * 1000 + i;
                let seq = store.insert(&[insert(cell(n, "x"))]).unwrap()[0].seq;
                let logged = decision(n, "shared", &[n]);
                store
                    .append_decision(
                        &NewDecision {
                            decision: &logged,
                            seqs: &[seq],
                        },
                        &[],
                    )
                    .unwrap();
                store.touch(&[1], NOW).unwrap();
                assert_eq!(store.get(cell_id(n)).unwrap().seq, seq);
            }
            say("done");
        }
        "hold_a_snapshot" => {
            let mut held = false;
            let all = memrl_store::DecisionFilter::default();
            store
                .for_each_decision(&all, &mut |_| {
                    if !held {
                        held = true;
                        say("ready");
                        wait_for_the_word();
                    }
                    std::ops::ControlFlow::Continue(())
                })
                .unwrap();
        }
        other => panic!("no such job: {other}"),
    }
}

fn write_for_ever(store: &SqliteStore) {
    for n in 0.. {
        store
            .insert(&[insert(cell(n, &format!("number {n}")))])
            .unwrap();
        let logged = decision(n, "t", &[n]);
        store
            .append_decision(
                &NewDecision {
                    decision: &logged,
                    seqs: &[],
                },
                &[],
            )
            .unwrap();
        say(n);
    }
}

#[test]
fn one_of_n_concurrent_supersedes_wins_among_processes() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    store.insert(&[insert(cell(1, "old"))]).unwrap();
    let answers = run_together("supersede", dir.path(), 4);
    let won: Vec<_> = answers
        .iter()
        .filter_map(|a| a.strip_prefix("won "))
        .collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    let lost = format!("lost to {}", won[0]);
    assert_eq!(
        answers.iter().filter(|a| **a == lost).count(),
        3,
        "{answers:?}"
    );
    assert_eq!(
        store
            .list(&CellFilter::default(), None, 99)
            .unwrap()
            .rows
            .len(),
        2
    );
}

#[test]
fn two_processes_write_without_errors() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    store.insert(&[insert(cell(999_999, "counted"))]).unwrap();
    let answers = run_together("write_mixed", dir.path(), 3);
    assert_eq!(answers, ["done"; 3]);
    let stats = store.stats().unwrap();
    assert_eq!((stats.decisions, stats.cells_by_status[0].1), (150, 151));
    assert_eq!(store.get(cell_id(999_999)).unwrap().cell.access_count, 150);
    let steps: Vec<_> = store
        .trajectory("shared")
        .unwrap()
        .iter()
        .map(|r| r.decision.step)
        .collect();
    assert_eq!(steps, (0..150).collect::<Vec<_>>());
    assert_eq!(store.change_seq().unwrap(), 151);
    assert_eq!(store.integrity().unwrap(), [""; 0]);
}

/// Starts children, gives all of them the word at once, and returns what each said last.
fn run_together(name: &str, dir: &Path, children: u64) -> Vec<String> {
    let mut running: Vec<_> = (0..children)
        .map(|n| {
            let mut child = start(name, dir, n);
            let mut lines = said(child.stdout.take().unwrap());
            assert_eq!(lines.next().as_deref(), Some("ready"));
            (child, lines)
        })
        .collect();
    for (child, _) in &mut running {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    running
        .into_iter()
        .map(|(mut child, lines)| {
            let last = lines.last().unwrap_or_default();
            assert!(child.wait().unwrap().success(), "{last}");
            last
        })
        .collect()
}

#[test]
fn processes_that_start_at_once_make_one_database() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("not/yet/there");
    let children: Vec<_> = (0..4).map(|n| start("open", &data, n)).collect();
    for mut child in children {
        let lines: Vec<_> = said(child.stdout.take().unwrap()).collect();
        assert_eq!(lines, ["opened"]);
        assert!(child.wait().unwrap().success());
    }
    let store = SqliteStore::open(&data).unwrap();
    assert_eq!(store.integrity().unwrap(), [""; 0]);
}
