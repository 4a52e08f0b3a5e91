//! What was acknowledged is there, whatever happens to the process or the disk.

use std::process::{Command, Stdio};

use memrl_store::conformance::fixtures::{cell, cell_id, decision, decision_id, insert};
use memrl_store::{CellFilter, NewDecision, SqliteStore, Store};
use tempfile::TempDir;

use crate::processes::{job, said, start};

#[test]
fn acknowledged_writes_survive_kill_9() {
    let dir = TempDir::new().unwrap();
    for round in 0..3 {
        let data = dir.path().join(round.to_string());
        let mut child = start("write_for_ever", &data, 0);
        let mut lines = said(child.stdout.take().unwrap());
        let enough = 40 + 17 * round;
        let first: Vec<_> = lines.by_ref().take(enough).collect();
        assert_eq!(first.len(), enough);
        // SIGKILL, in the middle of whatever it is doing.
        child.kill().unwrap();
        // What it had still said before it died counts as well.
        let last: u64 = lines
            .last()
            .unwrap_or(first[enough - 1].clone())
            .parse()
            .unwrap();
        child.wait().unwrap();
        let store = SqliteStore::open(&data).unwrap();
        for n in 0..=last {
            assert_eq!(
                store.get(cell_id(n)).unwrap().cell.content,
                format!("number {n}")
            );
            assert_eq!(
                store.decision(decision_id(n)).unwrap().decision.step,
                n as u32
            );
        }
        assert_eq!(store.integrity().unwrap(), [""; 0]);
    }
}

/// The limit on the size of files stands in for a disk that is full: writing fails in the middle.
#[cfg(unix)]
#[test]
fn a_full_disk_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let before = SqliteStore::open(&data).unwrap();
    before.insert(&[insert(cell(5000, "from before"))]).unwrap();
    drop(before);
    let program = std::env::current_exe().unwrap();
    let direct = job(&program, "write_some", &data, 400);
    let limited = "trap '' XFSZ; ulimit -f 1000; exec \"$0\" \"$@\"";
    let mut shell = Command::new("sh");
    shell
        .args(["-c", limited])
        .arg(&program)
        .args(direct.get_args());
    shell.envs(direct.get_envs().filter_map(|(k, v)| v.map(|v| (k, v))));
    let mut child = shell
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<_> = said(child.stdout.take().unwrap()).collect();
    assert!(child.wait().unwrap().success(), "{lines:?}");
    let failed = lines.iter().filter(|l| l.starts_with("failed ")).count();
    let read = lines.iter().find_map(|l| l.strip_prefix("read ")).unwrap();
    let written: Vec<_> = lines.iter().filter(|l| l.len() == 36).collect();
    assert!(
        failed > 0 && !written.is_empty(),
        "{failed} failed, {} did not",
        written.len()
    );
    for line in lines.iter().filter(|l| l.starts_with("failed ")) {
        assert!(
            ["failed io", "failed disk_full"].contains(&line.as_str()),
            "{line}"
        );
    }
    // While the disk was full, everything could still be read.
    assert_eq!(read.parse::<usize>().unwrap(), written.len() + 1);
    // And with room again everything acknowledged is there, and nothing else.
    let after = SqliteStore::open(&data).unwrap();
    for id in &written {
        assert_eq!(
            after.get(id.parse().unwrap()).unwrap().cell.content.len(),
            2000
        );
    }
    let all = after.list(&CellFilter::default(), None, 9999).unwrap().rows;
    assert_eq!(all.len(), written.len() + 1);
    assert_eq!(after.integrity().unwrap(), [""; 0]);
    after
        .insert(&[insert(cell(5001, "and on it goes"))])
        .unwrap();
}

#[test]
fn a_decision_waits_for_no_disk_and_yet_survives_the_process() {
    let dir = TempDir::new().unwrap();
    let store = SqliteStore::open(dir.path()).unwrap();
    store
        .append_decision(
            &NewDecision {
                decision: &decision(1, "t", &[1]),
                seqs: &[],
            },
            &[],
        )
        .unwrap();
    // As after a crash: nothing is closed, another process looks.
    let other = SqliteStore::open(dir.path()).unwrap();
    assert_eq!(other.decision(decision_id(1)).unwrap().decision.step, 0);
    std::mem::forget(store);
}
