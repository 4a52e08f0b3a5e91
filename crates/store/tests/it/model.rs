//! The store against a model: a plain map that does the same in the simplest way.

use std::collections::BTreeMap;

use memrl_store::conformance::fixtures::{NOW, cell, cell_id, hash, insert};
use memrl_store::{
    CellFilter, Change, Changed, InsertCell, Order, SqliteStore, Store, StoreError, UpdateCell,
};
use memrl_types::{Cell, CellStatus, Timestamp};
use proptest::prelude::*;
use tempfile::TempDir;

#[derive(Debug, Clone)]
enum Step {
    Insert {
        n: u64,
        word: u8,
        dedup: bool,
        key: Option<u8>,
    },
    Update {
        n: u64,
        word: u8,
        version: u32,
    },
    Supersede {
        old: u64,
        n: u64,
        word: u8,
    },
    Status {
        n: u64,
        to: u8,
    },
    Forget(u64),
    Purge(u64),
    Touch(u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let n = || 0..6_u64;
    let word = || 0..3_u8;
    prop_oneof![
        4 => (n(), word(), any::<bool>(), prop::option::of(0..2_u8))
            .prop_map(|(n, word, dedup, key)| Step::Insert { n, word, dedup, key }),
        2 => (n(), word(), 1..4_u32).prop_map(|(n, word, version)| Step::Update { n, word, version }),
        2 => (n(), n(), word()).prop_map(|(old, n, word)| Step::Supersede { old, n, word }),
        1 => (n(), 0..6_u8).prop_map(|(n, to)| Step::Status { n, to }),
        1 => n().prop_map(Step::Forget),
        1 => n().prop_map(Step::Purge),
        1 => n().prop_map(Step::Touch),
        1 => Just(Step::Reopen),
    ]
}

/// What a step came to, without the details of errors.
#[derive(Debug, PartialEq)]
enum Answer {
    Is(u64, bool),
    Done,
    Missing,
    Duplicate,
    Mismatch,
    Conflict,
    Superseded,
    Refused,
}

fn answer<T>(result: Result<T, StoreError>, ok: impl FnOnce(T) -> Answer) -> Answer {
    match result {
        Ok(value) => ok(value),
        Err(StoreError::CellNotFound(_)) => Answer::Missing,
        Err(StoreError::DuplicateId(_)) => Answer::Duplicate,
        Err(StoreError::IdempotencyMismatch(_)) => Answer::Mismatch,
        Err(StoreError::Conflict { .. }) => Answer::Conflict,
        Err(StoreError::AlreadySuperseded { .. }) => Answer::Superseded,
        Err(StoreError::WrongStatus { .. } | StoreError::NotLive { .. }) => Answer::Refused,
        Err(other) => panic!("{other}"),
    }
}

#[derive(Debug, Default)]
struct Model {
    cells: BTreeMap<u64, Cell>,
    /// In the order of their row numbers; an id keeps its number through a purge.
    order: Vec<u64>,
    keys: BTreeMap<u8, (u64, String)>,
    versions: BTreeMap<u64, usize>,
}

impl Model {
    fn live(cell: &Cell) -> bool {
        !matches!(cell.status, CellStatus::Deleted | CellStatus::Superseded)
    }

    fn insert(&mut self, n: u64, new: Cell, dedup: bool, key: Option<u8>) -> Answer {
        if let Some((first, content)) = key.and_then(|k| self.keys.get(&k)) {
            return if *content == new.content {
                Answer::Is(*first, false)
            } else {
                Answer::Mismatch
            };
        }
        let content = new.content.clone();
        let twin = self
            .order
            .iter()
            .find(|m| {
                self.cells
                    .get(m)
                    .is_some_and(|c| c.status == CellStatus::Active && c.content == new.content)
            })
            .copied()
            .filter(|_| dedup);
        let answer = match twin {
            Some(twin) => Answer::Is(twin, false),
            None if self.cells.contains_key(&n) => return Answer::Duplicate,
            None => {
                self.cells.insert(n, new);
                if !self.order.contains(&n) {
                    self.order.push(n);
                }
                self.versions.insert(n, 1);
                Answer::Is(n, true)
            }
        };
        if let (Some(key), Answer::Is(at, _)) = (key, &answer) {
            self.keys.insert(key, (*at, content));
        }
        answer
    }

    /// Changes a cell and counts the version.
    fn change(&mut self, n: u64, change: impl FnOnce(&mut Cell)) {
        let cell = self.cells.get_mut(&n).unwrap();
        change(cell);
        cell.version += 1;
        *self.versions.get_mut(&n).unwrap() += 1;
    }

    fn apply(&mut self, step: &Step) -> Answer {
        let missing = |model: &Self, n: &u64| !model.cells.contains_key(n);
        match step {
            Step::Insert {
                n,
                word,
                dedup,
                key,
            } => self.insert(*n, word_cell(*n, *word), *dedup, *key),
            Step::Update { n, .. } | Step::Status { n, .. } | Step::Forget(n)
                if missing(self, n) =>
            {
                Answer::Missing
            }
            Step::Supersede { old, .. } if missing(self, old) => Answer::Missing,
            Step::Update { n, .. } if !Self::live(&self.cells[n]) => Answer::Refused,
            Step::Update { n, version, .. } if self.cells[n].version != *version => {
                Answer::Conflict
            }
            Step::Update { n, word, .. } => {
                self.change(*n, |c| c.content = text(*word));
                Answer::Done
            }
            Step::Supersede { old, n, word } => {
                match self.cells[old].status {
                    CellStatus::Superseded => return Answer::Superseded,
                    CellStatus::Deleted => return Answer::Refused,
                    _ => {}
                }
                let mut new = word_cell(*n, *word);
                new.supersedes = vec![cell_id(*old).to_string()];
                let answer = self.insert(*n, new, false, None);
                if answer == Answer::Is(*n, true) {
                    self.change(*old, |c| c.status = CellStatus::Superseded);
                }
                answer
            }
            Step::Status { n, to } => {
                let to = CellStatus::from_code(*to).unwrap();
                let closed = [CellStatus::Deleted, CellStatus::Superseded];
                let from = self.cells[n].status;
                if from == to {
                    return Answer::Done;
                }
                if closed.contains(&from) || closed.contains(&to) {
                    return Answer::Refused;
                }
                self.change(*n, |c| c.status = to);
                Answer::Done
            }
            Step::Forget(n) => {
                if self.cells[n].status != CellStatus::Deleted {
                    self.change(*n, |c| {
                        c.status = CellStatus::Deleted;
                        c.content = "[deleted]".into();
                    });
                }
                Answer::Done
            }
            Step::Purge(n) => {
                self.cells.remove(n);
                self.keys.retain(|_, (m, _)| m != n);
                self.versions.remove(n);
                Answer::Done
            }
            Step::Touch(n) => {
                if let Some(cell) = self.cells.get_mut(n) {
                    cell.access_count += 1;
                    cell.last_retrieved_at = Some(NOW);
                }
                Answer::Done
            }
            Step::Reopen => Answer::Done,
        }
    }
}

fn text(word: u8) -> String {
    format!("word {word}")
}

fn word_cell(n: u64, word: u8) -> Cell {
    cell(n, &text(word))
}

fn apply(store: &SqliteStore, step: &Step) -> Answer {
    let number = |id| (0..6).find(|n| cell_id(*n) == id).unwrap();
    let done = |()| Answer::Done;
    match step {
        Step::Insert {
            n,
            word,
            dedup,
            key,
        } => {
            let new = InsertCell {
                dedup: *dedup,
                idempotency_key: key.map(|k| format!("key {k}")),
                ..insert(word_cell(*n, *word))
            };
            answer(store.insert(&[new]), |d| {
                Answer::Is(number(d[0].cell_id), d[0].created)
            })
        }
        Step::Update { n, word, version } => {
            // The store keeps what an update may not change, whatever it is told.
            let cell = Cell {
                status: CellStatus::Expired,
                version: 77,
                ..word_cell(*n, *word)
            };
            let current = store.find(cell_id(*n)).unwrap().map(|r| r.cell.supersedes);
            let change = UpdateCell {
                cell: Cell {
                    supersedes: current.unwrap_or_default(),
                    ..cell
                },
                expected_version: *version,
                content_hash: hash(&text(*word)),
                vector: None,
            };
            answer(store.update(&change, &[]).map(drop), done)
        }
        Step::Supersede { old, n, word } => {
            let new = insert(word_cell(*n, *word));
            answer(store.supersede(cell_id(*old), None, &new, NOW, &[]), |d| {
                Answer::Is(number(d.cell_id), d.created)
            })
        }
        Step::Status { n, to } => {
            let to = CellStatus::from_code(*to).unwrap();
            answer(store.set_status(cell_id(*n), to, NOW, &[]).map(drop), done)
        }
        Step::Forget(n) => answer(store.forget(cell_id(*n), NOW, &[]).map(drop), done),
        Step::Purge(n) => answer(store.purge(&[cell_id(*n)]).map(drop), done),
        Step::Touch(n) => {
            let seqs: Vec<_> = store
                .seqs(&[cell_id(*n)])
                .unwrap()
                .into_iter()
                .flatten()
                .collect();
            answer(store.touch(&seqs, NOW), done)
        }
        Step::Reopen => Answer::Done,
    }
}

/// A cache that only ever sees changes.
fn follow(cache: &mut BTreeMap<i64, Cell>, seen: &mut i64, changes: Vec<Change>) {
    for Change { change_seq, what } in changes {
        assert!(change_seq > *seen);
        *seen = change_seq;
        match what {
            Changed::Upsert { row, .. } => drop(cache.insert(row.seq, row.cell)),
            Changed::Removed { seq } => drop(cache.remove(&seq)),
        }
    }
}

/// Access counters are no change, so a cache has them as of the last one.
fn uncounted(cell: &Cell) -> Cell {
    Cell {
        access_count: 0,
        last_retrieved_at: None::<Timestamp>,
        ..cell.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn the_store_does_what_a_map_does(steps in prop::collection::vec(step(), 1..30)) {
        let dir = TempDir::new().unwrap();
        let mut store = SqliteStore::open(dir.path()).unwrap();
        let mut model = Model::default();
        let (mut cache, mut seen) = (BTreeMap::new(), 0);
        for step in steps {
            if matches!(step, Step::Reopen) {
                drop(store);
                store = SqliteStore::open(dir.path()).unwrap();
            }
            prop_assert_eq!(apply(&store, &step), model.apply(&step), "{:?}", step);
            let news = store.changes_since(seen, 1000, "m1").unwrap();
            follow(&mut cache, &mut seen, news);
        }
        let oldest = CellFilter { order: Order::Oldest, ..CellFilter::default() };
        let rows = store.list(&oldest, None, 100).unwrap().rows;
        let listed: BTreeMap<_, _> = rows.iter().map(|r| (r.cell.cell_id, r.cell.clone())).collect();
        let expected: BTreeMap<_, _> = model.cells.values().map(|c| (c.cell_id, c.clone())).collect();
        prop_assert_eq!(&listed, &expected);
        for (n, versions) in &model.versions {
            prop_assert_eq!(store.history(cell_id(*n)).unwrap().len(), *versions);
        }
        let cached: Vec<_> = cache.values().map(uncounted).collect();
        let living: Vec<_> = rows
            .iter()
            .filter(|r| r.cell.status != CellStatus::Deleted)
            .map(|r| uncounted(&r.cell))
            .collect();
        prop_assert_eq!(cached, living);
        prop_assert_eq!(store.integrity().unwrap(), Vec::<String>::new());
    }
}
