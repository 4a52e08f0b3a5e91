//! Names and scopes: written once, referred to by number.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use memrl_types::Scope;
use rusqlite::{Connection, OptionalExtension, Transaction};
use serde_json::Value;

use crate::{Result, StoreError};

/// The writer's side: numbers of names that are known to be stored. Cleared when a transaction
/// fails. Names are never deleted, so that an entry stays right whatever other processes do.
#[derive(Debug, Default)]
pub(super) struct Interner(HashMap<String, i64>);

/// Distinct names that are remembered; a caller that makes up a new task type for each query
/// must not fill the memory.
const REMEMBERED: usize = 4096;

impl Interner {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The number of a name, which is stored if need be.
    pub(super) fn id(&mut self, tx: &Transaction<'_>, text: &str) -> Result<i64> {
        if let Some(&id) = self.0.get(text) {
            return Ok(id);
        }
        let id = if let Some(id) = find(tx, text)? {
            id
        } else {
            tx.prepare_cached("INSERT INTO strings (text) VALUES (?1)")?
                .execute([text])?;
            tx.last_insert_rowid()
        };
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(text.to_owned(), id);
        Ok(id)
    }
}

/// The number of a name that is stored already.
pub(super) fn find(conn: &Connection, text: &str) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT id FROM strings WHERE text = ?1")?
        .query_row([text], |r| r.get(0))
        .optional()?)
}

/// The reader's side: names and scopes by number. Numbers are never used again, so that an entry
/// stays right.
#[derive(Debug, Default)]
pub(super) struct Names {
    strings: RwLock<HashMap<i64, Arc<str>>>,
    scopes: RwLock<HashMap<i64, Arc<Scope>>>,
}

impl Names {
    /// The name with this number.
    pub(super) fn string(&self, conn: &Connection, id: i64) -> Result<Arc<str>> {
        cached(&self.strings, id, || {
            let text: Option<String> = conn
                .prepare_cached("SELECT text FROM strings WHERE id = ?1")?
                .query_row([id], |r| r.get(0))
                .optional()?;
            text.map(Arc::from)
                .ok_or_else(|| StoreError::Corrupt(format!("name {id} is missing")))
        })
    }

    /// The scope with this number.
    pub(super) fn scope(&self, conn: &Connection, id: i64) -> Result<Arc<Scope>> {
        cached(&self.scopes, id, || {
            let text: Option<String> = conn
                .prepare_cached("SELECT canonical FROM scopes WHERE id = ?1")?
                .query_row([id], |r| r.get(0))
                .optional()?;
            let text = text.ok_or_else(|| StoreError::Corrupt(format!("scope {id} is missing")))?;
            let pairs: BTreeMap<String, Value> = super::cells::from_json(&text)?;
            Ok(Arc::new(Scope(pairs)))
        })
    }
}

fn cached<T: Clone>(
    cache: &RwLock<HashMap<i64, T>>,
    id: i64,
    load: impl FnOnce() -> Result<T>,
) -> Result<T> {
    if let Some(known) = cache
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&id)
    {
        return Ok(known.clone());
    }
    let value = load()?;
    let mut cache = cache.write().unwrap_or_else(PoisonError::into_inner);
    if cache.len() >= REMEMBERED {
        cache.clear();
    }
    cache.insert(id, value.clone());
    Ok(value)
}

/// The number of a scope, which is stored if need be. Not cached: a purge, also one of another
/// process, removes scopes that nothing uses any more.
pub(super) fn scope_id(tx: &Transaction<'_>, scope: &Scope) -> Result<i64> {
    let canonical = scope.canonical();
    let known = tx
        .prepare_cached("SELECT id FROM scopes WHERE canonical = ?1")?
        .query_row([&canonical], |r| r.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    tx.prepare_cached("INSERT INTO scopes (canonical) VALUES (?1)")?
        .execute([&canonical])?;
    let id = tx.last_insert_rowid();
    let mut pair =
        tx.prepare_cached("INSERT INTO scope_pairs (key, value, scope) VALUES (?1, ?2, ?3)")?;
    for (key, value) in &scope.0 {
        pair.execute((key, pair_value(value), id))?;
    }
    Ok(id)
}

/// The text under which the value of a scope pair is looked up.
pub(super) fn pair_value(value: &Value) -> String {
    // The canonical text of a scope sorts the keys of nested objects.
    Scope(std::iter::once((String::new(), value.clone())).collect()).canonical()
}
