//! The store on SQLite: one file, any number of processes.
//!
//! Writers: one connection that waits for the disk and one that does not, behind one lock of
//! this process; between processes SQLite's own lock decides, asked for at the start of each
//! transaction. Readers: a pool, so that they wait for nobody.

mod backup;
mod cells;
mod changes;
mod copies;
mod count;
mod edit;
mod events;
mod features;
mod forget;
mod header;
mod list;
mod log;
mod log_read;
mod names;
mod open;
mod outcomes;
mod outline;
mod prefix;
mod priors;
mod purge;
mod rewards;
mod schema;
mod shown;
mod texts;
mod upkeep;
mod values;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use memrl_types::{
    CellId, CellStatus, CellType, DecisionId, DecisionPoint, Event, Outcome, OutcomeId, Scope,
    Timestamp,
};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::rows::{
    Appended, CellFilter, CellPrior, CellRow, CellValue, CellVector, Change, Cursor,
    DecisionCounts, DecisionFilter, DecisionRow, EventFilter, Evidence, InsertCell, Inserted,
    Maintained, NewDecision, OutcomeRow, Outline, Page, PayloadRow, PurgeReport, Recorded, Reward,
    Seq, Shown, Stats, UpdateCell, Vector, Version,
};
use crate::{Result, Store, StoreError};
use names::{Interner, Names};
use open::Role;

/// The store in a data directory.
pub struct SqliteStore {
    dir: PathBuf,
    path: PathBuf,
    writers: Option<Mutex<Writers>>,
    upkeep: Option<Mutex<Connection>>,
    readers: Mutex<Vec<Connection>>,
    names: Names,
}

struct Writers {
    full: Connection,
    normal: Connection,
    interner: Interner,
}

/// What an acknowledgement promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// Survives a loss of power.
    Disk,
    /// Survives the death of the process.
    Process,
}

impl SqliteStore {
    /// Opens the store in a data directory; makes directory and database if need be, and brings
    /// an older database to the current schema after copying it into the backup folder.
    pub fn open(dir: &Path) -> Result<Self> {
        let path = open::prepare(dir)?;
        let full = open::connect(&path, Role::Full)?;
        // The header may be older than the log of another process.
        schema::check_version(schema::version(&full)?)?;
        open::ensure_wal(dir, &full)?;
        let normal = open::connect(&path, Role::Normal)?;
        let upkeep = open::connect(&path, Role::Upkeep)?;
        // Should nobody ever call `maintain`.
        upkeep::shorten_log(&upkeep, &path)?;
        Ok(Self {
            dir: dir.to_owned(),
            path,
            writers: Some(Mutex::new(Writers {
                full,
                normal,
                interner: Interner::default(),
            })),
            upkeep: Some(Mutex::new(upkeep)),
            readers: Mutex::default(),
            names: Names::default(),
        })
    }

    /// Opens an existing store without ever writing to it. Writing methods answer
    /// [`StoreError::ReadOnly`]; an older schema is refused, since it cannot be migrated.
    pub fn open_read_only(dir: &Path) -> Result<Self> {
        let path = dir.join(open::DATABASE);
        if !path.exists() {
            return Err(StoreError::Missing(dir.display().to_string()));
        }
        header::look(&path)?;
        let reader = open::connect_read_only(&path)?;
        let version = schema::version(&reader)?;
        schema::check_version(version)?;
        if version < schema::VERSION {
            return Err(StoreError::ReadOnly(format!(
                "a database of schema version {version} has to be migrated to {}, and {}",
                schema::VERSION,
                path.display()
            )));
        }
        Ok(Self {
            dir: dir.to_owned(),
            path,
            writers: None,
            upkeep: None,
            readers: Mutex::new(vec![reader]),
            names: Names::default(),
        })
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn read_only(&self) -> StoreError {
        StoreError::ReadOnly(self.path.display().to_string())
    }

    fn writers(&self) -> Result<MutexGuard<'_, Writers>> {
        let writers = self.writers.as_ref().ok_or_else(|| self.read_only())?;
        Ok(writers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn upkeep(&self) -> Result<MutexGuard<'_, Connection>> {
        let upkeep = self.upkeep.as_ref().ok_or_else(|| self.read_only())?;
        Ok(upkeep.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs one writing transaction; an error leaves nothing behind.
    fn write<T>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Transaction<'_>, &mut Interner) -> Result<T>,
    ) -> Result<T> {
        let mut guard = self.writers()?;
        let Writers {
            full,
            normal,
            interner,
        } = &mut *guard;
        let conn = match durability {
            Durability::Disk => full,
            Durability::Process => normal,
        };
        let done = Transaction::new(conn, TransactionBehavior::Immediate)
            .map_err(StoreError::from)
            .and_then(|tx| {
                let value = work(&tx, interner)?;
                tx.commit()?;
                Ok(value)
            });
        if done.is_err() {
            // Names that the transaction added are gone with it.
            interner.clear();
        }
        done
    }

    /// Runs reads that see one state of the store.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let reader = self.reader()?;
        let snapshot = reader.unchecked_transaction()?;
        let done = work(&snapshot);
        drop(snapshot);
        self.give_back(reader);
        done
    }

    /// Runs a read of one statement, which is a snapshot by itself.
    fn read_one<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let reader = self.reader()?;
        let done = work(&reader);
        self.give_back(reader);
        done
    }

    fn reader(&self) -> Result<Connection> {
        let pooled = self.pool().pop();
        match pooled {
            Some(reader) => Ok(reader),
            None if self.writers.is_none() => open::connect_read_only(&self.path),
            None => open::connect(&self.path, Role::Reader),
        }
    }

    /// A reader whose snapshot would not end is closed instead.
    fn give_back(&self, reader: Connection) {
        if reader.is_autocommit() {
            self.pool().push(reader);
        }
    }

    fn pool(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Store for SqliteStore {
    fn insert(&self, cells: &[InsertCell]) -> Result<Vec<Inserted>> {
        self.write(Durability::Disk, |tx, names| {
            cells
                .iter()
                .map(|c| {
                    let done = edit::insert(tx, names, c)?;
                    if done.created {
                        events::append(tx, c.event.as_slice())?;
                    }
                    Ok(done)
                })
                .collect()
        })
    }

    fn get(&self, id: CellId) -> Result<CellRow> {
        self.read(|c| cells::get(c, &self.names, id))
    }

    fn get_by_prefix(&self, prefix: &str) -> Result<CellRow> {
        self.read(|c| cells::get_by_prefix(c, &self.names, prefix))
    }

    fn rows(&self, seqs: &[Seq]) -> Result<Vec<CellRow>> {
        self.read(|c| cells::rows(c, &self.names, seqs))
    }

    fn seqs(&self, ids: &[CellId]) -> Result<Vec<Option<Seq>>> {
        self.read(|c| ids.iter().map(|id| cells::seq_of(c, *id)).collect())
    }

    fn list(
        &self,
        filter: &CellFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<CellRow>> {
        self.read(|c| list::list(c, &self.names, filter, after, limit))
    }

    fn count_by_payload(
        &self,
        filter: &CellFilter,
        path: &str,
    ) -> Result<Vec<(Option<String>, u64)>> {
        self.read(|c| count::by_payload(c, filter, path))
    }

    fn count_by_payloads(
        &self,
        filter: &CellFilter,
        paths: &[&str],
    ) -> Result<Vec<(Vec<serde_json::Value>, u64)>> {
        self.read(|c| count::by_payloads(c, filter, paths))
    }

    fn payload_values(&self, filter: &CellFilter, paths: &[&str]) -> Result<Vec<PayloadRow>> {
        self.read(|c| count::payload_values(c, &self.names, filter, paths))
    }

    fn outline(&self, filter: &CellFilter) -> Result<Vec<Outline>> {
        self.read(|c| outline::of(c, filter))
    }

    fn scope_values(&self, key: &str) -> Result<Vec<(String, u64)>> {
        self.read(|c| count::scope_values(c, key))
    }

    fn update(&self, change: &UpdateCell, events: &[Event]) -> Result<CellRow> {
        self.write(Durability::Disk, |tx, names| {
            let done = edit::update(tx, names, &self.names, change)?;
            events::append(tx, events)?;
            Ok(done)
        })
    }

    fn supersede(
        &self,
        old: CellId,
        expected_version: Option<u32>,
        new: &InsertCell,
        now: Timestamp,
        events: &[Event],
    ) -> Result<Inserted> {
        self.write(Durability::Disk, |tx, names| {
            let done = edit::supersede(tx, names, &self.names, (old, expected_version), new, now)?;
            if done.created {
                events::append(tx, events)?;
            }
            Ok(done)
        })
    }

    fn set_status(
        &self,
        id: CellId,
        to: CellStatus,
        now: Timestamp,
        events: &[Event],
    ) -> Result<CellRow> {
        self.write(Durability::Disk, |tx, _| {
            let done = edit::set_status(tx, &self.names, id, to, now)?;
            events::append(tx, events)?;
            Ok(done)
        })
    }

    fn forget(&self, id: CellId, now: Timestamp, events: &[Event]) -> Result<CellRow> {
        self.write(Durability::Disk, |tx, _| {
            let done = forget::forget(tx, &self.names, id, now)?;
            events::append(tx, events)?;
            Ok(done)
        })
    }

    fn purge(&self, ids: &[CellId]) -> Result<PurgeReport> {
        self.purge_cells(ids)
    }

    fn history(&self, id: CellId) -> Result<Vec<Version>> {
        self.read(|c| cells::history(c, &self.names, id))
    }

    fn touch(&self, seqs: &[Seq], now: Timestamp) -> Result<()> {
        self.write(Durability::Process, |tx, _| edit::touch(tx, seqs, now))
    }

    fn change_seq(&self) -> Result<i64> {
        self.read_one(changes::change_seq)
    }

    fn changes_since(&self, after: i64, limit: usize, model: &str) -> Result<Vec<Change>> {
        self.read(|c| changes::since(c, &self.names, after, limit, model))
    }

    fn vectors_missing(&self, model: &str, after: Seq, limit: usize) -> Result<Vec<CellRow>> {
        self.read(|c| changes::vectors_missing(c, &self.names, model, after, limit))
    }

    fn vectors_of(
        &self,
        model: &str,
        types: &[CellType],
        statuses: &[CellStatus],
    ) -> Result<Vec<CellVector>> {
        self.read(|c| changes::vectors_of(c, model, types, statuses))
    }

    fn put_vectors(&self, vectors: &[(Seq, u32, Vector)]) -> Result<usize> {
        self.write(Durability::Process, |tx, names| {
            changes::put_vectors(tx, names, vectors)
        })
    }

    fn append_decision(&self, new: &NewDecision<'_>, events: &[Event]) -> Result<Appended> {
        log::check(new)?;
        self.write(Durability::Process, |tx, names| {
            let done = log::append(tx, names, new)?;
            events::append(tx, events)?;
            Ok(done)
        })
    }

    fn decision(&self, id: DecisionId) -> Result<DecisionRow> {
        self.read(|c| log_read::decision(c, &self.names, id))
    }

    fn decisions(
        &self,
        filter: &DecisionFilter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<DecisionRow>> {
        self.read(|c| log_read::page(c, &self.names, filter, after, limit))
    }

    fn for_each_decision(
        &self,
        filter: &DecisionFilter,
        visit: &mut dyn FnMut(DecisionRow) -> ControlFlow<()>,
    ) -> Result<()> {
        self.read(|c| log_read::for_each(c, &self.names, filter, None, visit))
    }

    fn count_decisions(
        &self,
        point: Option<DecisionPoint>,
        scope: Option<&Scope>,
    ) -> Result<DecisionCounts> {
        self.read(|c| count::decisions(c, point, scope))
    }

    fn trajectory(&self, id: &str) -> Result<Vec<DecisionRow>> {
        self.read(|c| log_read::trajectory(c, &self.names, id))
    }

    fn shown_in(&self, trajectory: &str) -> Result<Vec<CellId>> {
        self.read(|c| shown::shown_in(c, trajectory))
    }

    fn last_shown(&self, cell: CellId) -> Result<Option<DecisionId>> {
        self.read(|c| shown::last(c, cell))
    }

    fn decisions_by_prefix(&self, prefix: &str) -> Result<Vec<DecisionId>> {
        self.read(|c| prefix::decisions(c, prefix))
    }

    fn newest(&self, trajectory: Option<&str>, showing: bool) -> Result<Option<DecisionId>> {
        self.read(|c| prefix::newest(c, trajectory, showing))
    }

    fn shown_counts(&self, seqs: &[Seq]) -> Result<Vec<Shown>> {
        self.read(|c| shown::counts(c, seqs))
    }

    fn append_outcome(
        &self,
        id: OutcomeId,
        decision: DecisionId,
        at: Timestamp,
        outcome: &Outcome,
        events: &[Event],
    ) -> Result<Recorded> {
        outcomes::check(outcome)?;
        self.write(Durability::Disk, |tx, _| {
            let done = outcomes::append(tx, id, decision, at, outcome)?;
            if done.created {
                events::append(tx, events)?;
            }
            Ok(done)
        })
    }

    fn outcomes_of(&self, decision: DecisionId) -> Result<Vec<OutcomeRow>> {
        self.read(|c| outcomes::of(c, decision))
    }

    fn put_rewards(&self, rewards: &[Reward]) -> Result<()> {
        self.write(Durability::Process, |tx, names| {
            rewards::put(tx, names, rewards)
        })
    }

    fn rewards_of(&self, decision: DecisionId, spec: Option<&str>) -> Result<Vec<Reward>> {
        self.read(|c| rewards::of(c, decision, spec))
    }

    fn append_events(&self, events: &[Event]) -> Result<()> {
        self.write(Durability::Process, |tx, _| events::append(tx, events))
    }

    fn events(&self, filter: &EventFilter, limit: usize, offset: usize) -> Result<Vec<Event>> {
        self.read(|c| events::list(c, filter, limit, offset))
    }

    fn add_evidence(&self, evidence: &[Evidence], keep: f64) -> Result<()> {
        values::check(evidence, keep)?;
        self.write(Durability::Disk, |tx, _| values::add(tx, evidence, keep))
    }

    fn replace_evidence(
        &self,
        outcomes: &[OutcomeId],
        evidence: &[Evidence],
        keep: f64,
    ) -> Result<Vec<CellValue>> {
        values::check(evidence, keep)?;
        self.write(Durability::Disk, |tx, _| {
            values::replace(tx, outcomes, evidence, keep)
        })
    }

    fn values(&self, seqs: &[Seq]) -> Result<Vec<CellValue>> {
        self.read(|c| values::of(c, seqs))
    }

    fn all_values(&self) -> Result<Vec<CellValue>> {
        self.read(values::all)
    }

    fn evidence_of(&self, seq: Seq) -> Result<Vec<Evidence>> {
        self.read(|c| values::evidence_of(c, seq))
    }

    fn put_priors(&self, priors: &[CellPrior]) -> Result<()> {
        priors::check(priors)?;
        self.write(Durability::Process, |tx, _| priors::put(tx, priors))
    }

    fn priors(&self, seqs: &[Seq]) -> Result<Vec<CellPrior>> {
        self.read(|c| priors::of(c, seqs))
    }

    fn all_priors(&self) -> Result<Vec<CellPrior>> {
        self.read(priors::all)
    }

    fn meta(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.read_one(|c| upkeep::meta(c, key))
    }

    fn set_meta(&self, key: &str, value: &[u8]) -> Result<()> {
        self.write(Durability::Disk, |tx, _| upkeep::set_meta(tx, key, value))
    }

    fn meta_or_insert(&self, key: &str, value: &[u8]) -> Result<Vec<u8>> {
        self.write(Durability::Disk, |tx, _| {
            if let Some(stored) = upkeep::meta(tx, key)? {
                return Ok(stored);
            }
            upkeep::set_meta(tx, key, value)?;
            Ok(value.to_vec())
        })
    }

    fn stats(&self) -> Result<Stats> {
        let stats = self.read(upkeep::stats)?;
        Ok(upkeep::with_sizes(stats, &self.path))
    }

    fn integrity(&self) -> Result<Vec<String>> {
        self.read(upkeep::integrity)
    }

    fn backup_to(&self, path: &Path) -> Result<()> {
        self.read_one(|c| backup::copy(c, path))
    }

    fn maintain(&self) -> Result<Maintained> {
        self.upkeep_now()
    }
}
