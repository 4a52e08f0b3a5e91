//! The engine object: what it is made of and how it is opened.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memrl_learn::RewardSpec;
use memrl_learn::policy::Learned;
use memrl_recall::embed::{EmbedError, Embedder, EmbedderSpec, from_spec};
use memrl_recall::index::QVec;
use memrl_store::{INDEX_STALE, SqliteStore, Store, StoreError, Vector};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::live::{LiveIndex, private_file};
use crate::{
    CellId, Clock, Code, Config, DecisionId, Error, Event, EventId, EventKind, Result, SystemClock,
    config,
};

/// Key of the store's meta value that names the embedder of which no vector is missing; empty
/// when somebody has to look.
const VECTORS_COMPLETE: &str = "vectors_complete";

/// Most cells without a vector that are counted.
const MAX_COUNTED: usize = 1000;

/// What can be found, after [`Memory::reindex`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Indexed {
    /// Cells with a vector of the embedder in use.
    pub vectors: u64,
    /// Those that got theirs just now.
    pub embedded: u64,
    /// Cells that still have none: written meanwhile. Counted up to 1000.
    pub missing: u64,
    /// Whether the index file was written anew.
    pub rewritten: bool,
    /// Size of the index file, in bytes.
    pub index_bytes: u64,
}

/// How an engine is opened. [`Options::new`] gives what [`Memory::open`] uses.
pub struct Options {
    /// The data directory; created when it does not exist.
    pub dir: PathBuf,
    /// The settings; `None` reads `config.toml` and the environment.
    pub config: Option<Config>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Seed of everything random, ids and keys included; `None` takes one from the operating system.
    /// For tests, simulations and replays that start from an empty directory: on an existing one
    /// the same seed gives the same ids again, and those are refused.
    pub seed: Option<u64>,
    /// The embedder; `None` takes the configured one.
    pub embedder: Option<Box<dyn Embedder>>,
}

impl Options {
    /// Everything by default.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            config: None,
            clock: Arc::new(SystemClock),
            seed: None,
            embedder: None,
        }
    }
}

/// The engine. Open one per process and share it; every method takes `&self`.
pub struct Memory {
    pub(crate) dir: PathBuf,
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) live: LiveIndex,
    pub(crate) embedder: Box<dyn Embedder>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Salt of hold-outs and arms: kept with the data, the same in every process.
    pub(crate) salt: u64,
    pub(crate) specs: Vec<RewardSpec>,
    hash_key: [u8; 32],
    /// Held while the memory is open: a restore must not pull the file from under it.
    _presence: File,
    rng: Mutex<ChaCha12Rng>,
    /// Learned policies that were read already, by label.
    learned: Mutex<HashMap<String, Arc<Learned>>>,
}

impl Memory {
    /// Opens (or creates) the memory in a directory, with the settings of its `config.toml` and
    /// of the environment.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(Options::new(dir.as_ref()))
    }

    /// Opens (or creates) a memory.
    pub fn open_with(options: Options) -> Result<Self> {
        let Options {
            dir,
            config,
            clock,
            seed,
            embedder,
        } = options;
        let config = match config {
            Some(config) => config,
            None => config::resolve(&dir, &|name| std::env::var(name).ok(), &[])?.config,
        };
        let embedder = match embedder {
            Some(embedder) => embedder,
            None => configured(&config.embedder)?,
        };
        // Before the file is opened, so that no restore replaces it in between; the store makes
        // a directory that is not there yet, and then there is nothing to replace.
        let early = dir.exists().then(|| presence(&dir, false)).transpose()?;
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&dir)?);
        let mut rng = match seed {
            Some(seed) => ChaCha12Rng::seed_from_u64(seed),
            None => ChaCha12Rng::from_seed(os_random()?),
        };
        let mut fresh = [0u8; 40];
        rng.fill_bytes(&mut fresh);
        // Asking first keeps a recall from the shell out of the writers' queue.
        let kept = match store.meta("secret")? {
            Some(kept) => kept,
            None => store.meta_or_insert("secret", &fresh)?,
        };
        let secret: [u8; 40] = kept
            .try_into()
            .map_err(|_| StoreError::Corrupt("meta value `secret` has another length".into()))?;
        let (salt, key) = secret.split_at(8);
        let salt = u64::from_le_bytes(salt.try_into().unwrap_or_default());
        let hash_key = key.try_into().unwrap_or_default();
        let presence = match early {
            Some(held) => held,
            None => presence(&dir, false)?,
        };
        let index_salt = index_salt(&hash_key);
        let newest = store.change_seq()?;
        let live = LiveIndex::open(
            &dir,
            embedder.id(),
            embedder.dim(),
            config.token_counter,
            index_salt,
            newest,
        )?;
        let mut specs = vec![
            RewardSpec::built_in("memcell_v1")?,
            RewardSpec::built_in("bounded_v1")?,
        ];
        if specs.iter().all(|s| s.name() != config.reward.spec) {
            specs.push(read_spec(&dir, &config.reward.spec)?);
        }
        Ok(Self {
            dir,
            config,
            store,
            live,
            embedder,
            clock,
            salt,
            specs,
            hash_key,
            _presence: presence,
            rng: Mutex::new(rng),
            learned: Mutex::default(),
        })
    }

    /// The settings in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The id of the embedder in use.
    pub fn embedder_id(&self) -> &str {
        self.embedder.id()
    }

    /// Upkeep that no caller should wait for: bounds the write-ahead log, finishes a purge,
    /// forgets what was pruned long ago, embeds what is not embedded yet, and rewrites the index file when much has changed. A
    /// server calls it in the background, a command at its end.
    pub fn maintain(&self) -> Result<()> {
        self.finish_prunes()?;
        self.store.maintain()?;
        let stale = self.store.meta(INDEX_STALE)?.is_some_and(|v| v == b"1");
        if stale || self.live.wants_snapshot(&*self.store)? {
            self.rewrite_index()?;
        } else {
            drop(self.live.level(&*self.store, self.embedder.id())?);
        }
        if self.vectors_may_be_missing()? && self.embed_some(256)?.is_some() {
            self.note_completeness()?;
        }
        // Last, and heard only where the store fails: what is wrong with roles or policies is told by `policy check`, and must not
        // keep the rest from being looked after.
        match self.policy_upkeep() {
            Err(e @ Error::Store(_)) => Err(e),
            _ => Ok(()),
        }
    }

    /// Levels the search index and the vectors now: embeds what has no vector of this embedder,
    /// and with `anew` writes the index file anew. Both keep themselves up otherwise.
    pub fn reindex(&self, anew: bool) -> Result<Indexed> {
        let mut embedded = 0;
        loop {
            match self.embed_missing(1024)? {
                0 => break,
                done => embedded += done,
            }
        }
        self.note_completeness()?;
        self.maintain()?;
        if anew {
            self.rewrite_index()?;
        }
        let stats = self.store.stats()?;
        let own = stats.vectors.iter().find(|(m, _)| m == self.embedder.id());
        let missing = self
            .store
            .vectors_missing(self.embedder.id(), 0, MAX_COUNTED)?;
        Ok(Indexed {
            vectors: own.map_or(0, |(_, n)| *n),
            embedded: embedded as u64,
            missing: missing.len() as u64,
            rewritten: anew,
            index_bytes: self.live.file_bytes(),
        })
    }

    /// Writes the index file anew; then nothing of a purged cell is left in it.
    pub(crate) fn rewrite_index(&self) -> Result<()> {
        let before = self.store.change_seq()?;
        self.live.snapshot(&*self.store, self.embedder.id())?;
        let stale = self.store.meta(INDEX_STALE)?.is_some_and(|v| v == b"1");
        // A purge in between is a change, and its mark stays for the next upkeep.
        if stale && self.store.change_seq()? == before {
            self.store.set_meta(INDEX_STALE, b"0")?;
        }
        Ok(())
    }

    /// After many writes: the same as [`Self::maintain`], until nothing is missing.
    pub(crate) fn after_bulk_write(&self) -> Result<()> {
        if self.vectors_may_be_missing()? {
            while self.embed_some(1024)?.is_some_and(|done| done > 0) {}
            self.note_completeness()?;
        }
        self.maintain()
    }

    /// Looking for cells without a vector goes through all of them; this says whether to look.
    fn vectors_may_be_missing(&self) -> Result<bool> {
        let complete = self.store.meta(VECTORS_COMPLETE)?;
        Ok(complete.as_deref() != Some(self.embedder.id().as_bytes()))
    }

    /// Remembers that no vector is missing, if that is so. Asked again afterwards: a cell may have
    /// been written between the question and the note.
    fn note_completeness(&self) -> Result<()> {
        let missing = || self.store.vectors_missing(self.embedder.id(), 0, 1);
        if missing()?.is_empty() {
            self.store
                .set_meta(VECTORS_COMPLETE, self.embedder.id().as_bytes())?;
            if !missing()?.is_empty() {
                self.store.set_meta(VECTORS_COMPLETE, b"")?;
            }
        }
        Ok(())
    }

    /// After a write: unless it brought the vector of the very embedder that is noted as complete,
    /// somebody has to look.
    pub(crate) fn note_write(&self, with_vectors: bool) -> Result<()> {
        let noted = self.store.meta(VECTORS_COMPLETE)?.unwrap_or_default();
        let kept = with_vectors && noted == self.embedder.id().as_bytes();
        if !kept && !noted.is_empty() {
            self.store.set_meta(VECTORS_COMPLETE, b"")?;
        }
        Ok(())
    }

    /// The same as [`Self::embed_missing`]; `None` when the embedder does not answer. Recalls and
    /// the doctor report that; it must not keep the rest from being looked after.
    fn embed_some(&self, limit: usize) -> Result<Option<usize>> {
        match self.embed_missing(limit) {
            Ok(done) => Ok(Some(done)),
            Err(Error::Embed(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Embeds up to `limit` cells that have no vector of this embedder; how many it did.
    fn embed_missing(&self, limit: usize) -> Result<usize> {
        let mut after = 0;
        let mut done = 0;
        while done < limit {
            let rows = self
                .store
                .vectors_missing(self.embedder.id(), after, limit - done)?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            let texts: Vec<String> = rows.iter().map(|r| r.cell.indexed_text()).collect();
            let vectors = self.embed_all(&texts)?;
            let batch: Vec<_> = rows
                .iter()
                .zip(vectors)
                .map(|(r, v)| (r.seq, r.cell.version, self.stored_vector(&v)))
                .collect();
            let kept = self.store.put_vectors(&batch)?;
            if kept == 0 {
                break;
            }
            done += kept;
        }
        Ok(done)
    }

    pub(crate) fn embed_all(&self, texts: &[String]) -> Result<Vec<Vec<f32>>> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Ok(self.embedder.embed(&texts)?)
    }

    pub(crate) fn stored_vector(&self, vector: &[f32]) -> Vector {
        Vector {
            model: self.embedder.id().to_owned(),
            bytes: QVec::quantise(vector).to_bytes(),
        }
    }

    /// Keyed, so that nobody who finds a hash can test guesses of a content against it.
    pub(crate) fn content_hash(&self, content: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.hash_key, content.as_bytes()).as_bytes()
    }

    /// The key that hashes of contents are made with.
    pub(crate) fn content_key(&self) -> [u8; 32] {
        self.hash_key
    }

    pub(crate) fn new_cell_id(&self) -> CellId {
        CellId::from_random(self.random())
    }

    pub(crate) fn new_decision_id(&self) -> DecisionId {
        DecisionId::from_random(self.random())
    }

    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng().fill_bytes(&mut bytes);
        bytes
    }

    pub(crate) fn learned_cache(&self) -> MutexGuard<'_, HashMap<String, Arc<Learned>>> {
        // Entries are put in whole.
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rng(&self) -> MutexGuard<'_, ChaCha12Rng> {
        // The state of a generator is valid whatever a panicking thread was doing.
        self.rng.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn event(
        &self,
        kind: EventKind,
        cell_ids: Vec<CellId>,
        query_id: Option<DecisionId>,
        payload: serde_json::Value,
    ) -> Event {
        Event {
            event_id: EventId::from_random(self.random()),
            timestamp: self.clock.now(),
            event_type: kind,
            cell_ids,
            query_id,
            payload,
        }
    }

    /// The spec of this name: one in use, a built-in one, or the TOML file of this path.
    pub fn spec(&self, name: &str) -> Result<RewardSpec> {
        match self.specs.iter().find(|s| s.name() == name) {
            Some(spec) => Ok(spec.clone()),
            None => read_spec(&self.dir, name),
        }
    }
}

/// The configured embedder. One that cannot be had now (an endpoint that is down, a folder that is
/// not there) is replaced by one that says so whenever it is asked: everything but vectors works.
fn configured(line: &str) -> Result<Box<dyn Embedder>> {
    match from_spec(&line.parse::<EmbedderSpec>()?) {
        Ok(embedder) => Ok(embedder),
        Err(e) => Ok(Box::new(Unavailable {
            line: line.to_owned(),
            reason: e.to_string(),
        })),
    }
}

/// See [`configured`].
struct Unavailable {
    line: String,
    reason: String,
}

impl Embedder for Unavailable {
    fn id(&self) -> &str {
        &self.line
    }

    fn dim(&self) -> usize {
        0
    }

    fn embed(&self, _: &[&str]) -> std::result::Result<Vec<Vec<f32>>, EmbedError> {
        Err(EmbedError::Format(self.reason.clone()))
    }
}

/// A built-in spec, or one read from a file (relative paths: also below the data directory).
fn read_spec(dir: &Path, name: &str) -> Result<RewardSpec> {
    if !Path::new(name)
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("toml"))
    {
        return Ok(RewardSpec::built_in(name)?);
    }
    let direct = Path::new(name);
    let path = if direct.exists() {
        direct.to_owned()
    } else {
        dir.join(name)
    };
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
    Ok(RewardSpec::parse(&text)?)
}

/// The lock that open memories share and a restore has alone; `Busy` when it cannot be had.
pub(crate) fn presence(dir: &Path, alone: bool) -> Result<File> {
    let path = dir.join("open.lock");
    let file = private_file(&path).map_err(|e| Error::io(&path, e))?;
    let locked = if alone {
        file.try_lock()
    } else {
        file.try_lock_shared()
    };
    match locked {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::Busy.into()),
        Err(std::fs::TryLockError::Error(e)) => Err(Error::io(&path, e)),
    }
}

/// The key of the words in the index file; not the salt of the coins, which is logged.
fn index_salt(key: &[u8; 32]) -> u64 {
    let derived = blake3::derive_key("memrl 2026 words of the search index", key);
    u64::from_le_bytes(derived.first_chunk().copied().unwrap_or_default())
}

fn os_random() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| {
        Error::invalid(
            Code::Internal,
            "seed",
            format!("the system has no randomness: {e}"),
        )
    })?;
    Ok(seed)
}
