//! The search index of a running engine: a mapped file plus what changed since, kept level with
//! the store before every answer.
//!
//! The store is the only truth. The file `index.bin` can be deleted at any time; it holds hashes
//! of words and vectors, no readable text.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use memrl_recall::index::{Attrs, Doc, Index, Pair, QVec, SOURCE_WORD, source_words};
use memrl_store::{CellRow, Changed, Store};
use memrl_types::rules::RuleInput;
use memrl_types::scope::canonical_json;

use crate::recall::form;
use crate::render::{Line, line_cost};
use crate::{Cell, Error, Result, Scope, TokenCounter};

/// Changes read at once while catching up.
const CHUNK: usize = 4096;
/// The pseudo scope pair that critical cells carry, so that they are found whatever the query.
/// No scope of a caller's can have it: scope keys are JSON text and this one starts with NUL.
pub(crate) const CRITICAL_PAIR: (&str, &str) = ("\0critical", "1");
/// The pseudo scope pair of cells that belong to no scope, so that they can be asked for.
pub(crate) const UNSCOPED_PAIR: (&str, &str) = ("\0unscoped", "1");
/// Bit of [`Attrs::flags`]: another cell contradicts this one.
pub(crate) const FLAG_CONTRADICTED: u32 = 1;
/// Bit of [`Attrs::flags`]: the writer gave policy features.
pub(crate) const FLAG_FEATURES: u32 = 2;
/// From this bit of [`Attrs::flags`] on stands the form of the content ([`memrl_learn::CellForm`]).
pub(crate) const FORM_SHIFT: u32 = 2;
/// The upper half of [`Attrs::flags`] is a hash of the speaker's name; 0 for none.
pub(crate) const SPEAKER_SHIFT: u32 = 16;

/// See the module documentation.
pub(crate) struct LiveIndex {
    path: PathBuf,
    model: String,
    dim: usize,
    salt: u64,
    counter: TokenCounter,
    index: RwLock<Index>,
}

impl LiveIndex {
    /// Opens the file, or starts empty when there is none that fits.
    pub(crate) fn open(
        dir: &Path,
        embedder: &str,
        dim: usize,
        counter: TokenCounter,
        salt: u64,
        newest: i64,
    ) -> Result<Self> {
        let path = dir.join("index.bin");
        // Costs of lines depend on the counter, so an index of another counter does not fit.
        // The number is the version of what this module puts into a document.
        let model = format!("{embedder}|{}|3", counter_name(counter));
        let mut live = Self {
            path,
            index: RwLock::new(Index::empty(&model, dim, salt)?),
            model,
            dim,
            salt,
            counter,
        };
        // A file from the future is one of a database that was replaced by an older copy.
        if let Some(index) = live.mapped().filter(|i| i.upto() <= newest) {
            live.index = RwLock::new(index);
        }
        Ok(live)
    }

    /// The file, if there is one and it fits.
    fn mapped(&self) -> Option<Index> {
        Index::open(&self.path)
            .ok()
            .filter(|i| i.model() == self.model && i.dim() == self.dim && i.salt() == self.salt)
    }

    /// The index, level with every write acknowledged so far by any process.
    pub(crate) fn level(
        &self,
        store: &dyn Store,
        embedder: &str,
    ) -> Result<RwLockReadGuard<'_, Index>> {
        let newest = store.change_seq()?;
        {
            let index = self.read();
            if index.upto() >= newest {
                return Ok(index);
            }
        }
        {
            let mut index = self.write();
            self.catch_up(&mut index, store, embedder)?;
        }
        Ok(self.read())
    }

    fn catch_up(&self, index: &mut Index, store: &dyn Store, embedder: &str) -> Result<()> {
        loop {
            let changes = store.changes_since(index.upto(), CHUNK, embedder)?;
            let last = changes.len() < CHUNK;
            for change in changes {
                match change.what {
                    Changed::Upsert { row, vector } => {
                        let vector = vector
                            .and_then(|b| QVec::from_bytes(&b))
                            .filter(|v| v.codes.len() == index.dim());
                        let text = row.cell.indexed_text();
                        index.upsert(&Doc {
                            attrs: attrs(&row, self.counter),
                            text: &text,
                            scope_pairs: pairs_of(&row.cell),
                            vector: vector.as_ref(),
                        })?;
                    }
                    Changed::Removed { seq } => {
                        index.remove(seq);
                    }
                }
                index.set_upto(change.change_seq);
            }
            if last {
                return Ok(());
            }
        }
    }

    /// Whether enough has changed since the file was written to write it again: often enough that
    /// a cold start is quick, seldom enough that the writing is a small share of the work.
    pub(crate) fn wants_snapshot(&self, store: &dyn Store) -> Result<bool> {
        let index = self.read();
        let behind = usize::try_from(store.change_seq()? - index.upto()).unwrap_or(0);
        Ok(index.delta_len() + behind > 2000.max(index.len() / 32))
    }

    /// Writes the file and goes on from it. Made from the last file and the store, beside the
    /// index that answers, so that no recall waits for the writing. A lock file keeps processes
    /// from overwriting a newer file with an older one, and a purge from being undone by a writer
    /// that was behind.
    pub(crate) fn snapshot(&self, store: &dyn Store, embedder: &str) -> Result<()> {
        let lock_path = self.path.with_extension("lock");
        let lock = private_file(&lock_path).map_err(|e| Error::io(&lock_path, e))?;
        lock.lock().map_err(|e| Error::io(&lock_path, e))?;
        let newest = store.change_seq()?;
        let mut next = match self.mapped().filter(|i| i.upto() <= newest) {
            Some(last) => last,
            None => Index::empty(&self.model, self.dim, self.salt)?,
        };
        self.catch_up(&mut next, store, embedder)?;
        next.write_snapshot(&self.path)?;
        let mut fresh = Index::open(&self.path)?;
        // Changes that arrived while the file was written.
        self.catch_up(&mut fresh, store, embedder)?;
        *self.write() = fresh;
        Ok(())
    }

    /// Size of the file, in bytes.
    pub(crate) fn file_bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |m| m.len())
    }

    /// Key of the index: embedder and counter.
    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    /// Locks are taken for reading memory only; a panic elsewhere leaves a usable index.
    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Opens (or creates) an empty file that only its owner may touch.
pub(crate) fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn counter_name(counter: TokenCounter) -> &'static str {
    match counter {
        TokenCounter::Chars4 => "chars4",
        TokenCounter::Careful => "careful",
    }
}

/// The pairs of a scope as the index knows them: key and canonical JSON of the value.
pub(crate) fn scope_pairs(scope: &Scope) -> Vec<Pair> {
    scope
        .0
        .iter()
        .map(|(k, v)| (k.clone(), canonical_json(v)))
        .collect()
}

fn pairs_of(cell: &Cell) -> Vec<Pair> {
    let mut pairs = scope_pairs(&cell.scope);
    let source = cell.source.iter().flat_map(|s| source_words(&s.source));
    pairs.extend(source.map(|word| (SOURCE_WORD.to_owned(), word)));
    if cell.scope.is_empty() {
        pairs.push((UNSCOPED_PAIR.0.to_owned(), UNSCOPED_PAIR.1.to_owned()));
    }
    if rule_input(cell).is_critical() {
        pairs.push((CRITICAL_PAIR.0.to_owned(), CRITICAL_PAIR.1.to_owned()));
    }
    pairs
}

/// What the hard rules look at, of a stored cell.
pub(crate) fn rule_input(cell: &Cell) -> RuleInput {
    RuleInput {
        kind: cell.kind,
        status: cell.status,
        sensitivity: cell.sensitivity,
        valid_from: cell.valid_from,
        valid_until: cell.valid_until,
        criticality: cell.features().criticality,
        contradicted: !cell.contradicted_by.is_empty(),
    }
}

/// The rendered line of a cell.
pub(crate) fn line_of<'a>(cell: &Cell, text: &'a str) -> Line<'a> {
    Line {
        cell_id: cell.cell_id,
        text,
        origin: cell.origin,
        occurred_at: cell.occurred_at,
    }
}

/// A 16-bit hash of a name, never 0: which candidates speak with a name that the query has.
pub(crate) fn name_hash(name: &str) -> u32 {
    let hash = blake3::hash(name.to_lowercase().as_bytes());
    let bytes = hash.as_bytes();
    u32::from(u16::from_le_bytes([bytes[0], bytes[1]])).max(1)
}

fn hash64(text: &str) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(bytes).max(1)
}

fn attrs(row: &CellRow, counter: TokenCounter) -> Attrs {
    let cell = &row.cell;
    let features = cell.features();
    let text = cell.indexed_text();
    let speaker = cell
        .speaker
        .as_deref()
        .and_then(|s| s.split_whitespace().next());
    let mut flags = speaker.map_or(0, name_hash) << SPEAKER_SHIFT;
    if !cell.contradicted_by.is_empty() {
        flags |= FLAG_CONTRADICTED;
    }
    if cell.policy_features.is_some() {
        flags |= FLAG_FEATURES;
    }
    flags |= form::of_cell(&cell.content).0 << FORM_SHIFT;
    Attrs {
        seq: row.seq,
        id: *cell.cell_id.bytes(),
        created_at: cell.created_at.0,
        updated_at: cell.updated_at.0,
        occurred_at: cell.occurred_at.map_or(i64::MIN, |t| t.0),
        valid_from: cell.valid_from.map_or(i64::MIN, |t| t.0),
        valid_until: cell.valid_until.map_or(i64::MAX, |t| t.0),
        confidence: cell.confidence,
        criticality: features.criticality,
        compressibility: features.compressibility,
        staleness: features.staleness,
        future_utility: features.future_utility_estimate,
        source: cell.source.as_ref().map_or(0, |s| hash64(&s.source)),
        scope: hash64(&cell.scope.canonical()),
        flags,
        tokens: line_cost(counter, &line_of(cell, &text)),
        version: cell.version,
        position: cell.source.as_ref().map_or(0, |s| s.position),
        kind: cell.kind.code(),
        status: cell.status.code(),
        sensitivity: cell.sensitivity.code(),
        origin: cell.origin.code(),
        // Characters of the text: what memcell-rl's token rule counts.
        extra: text.chars().count() as u32,
    }
    .sanitised()
}
