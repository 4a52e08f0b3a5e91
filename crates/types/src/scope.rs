//! Scopes: whom and what a memory is about, as a flat JSON object.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A scope: keys such as `user` or `project` with JSON values, kept in sorted order.
///
/// A cell belongs to an asked scope when it has **every** pair of it (the asked scope is a subset
/// of the cell's). The empty scope is the global one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(pub std::collections::BTreeMap<String, Value>);

/// Why a scope cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// A null value would match cells that lack the key, that is: other people's.
    #[error("scope key {0:?} is null")]
    NullValue(String),
    /// An empty scope asks for everybody's cells.
    #[error("the scope is empty")]
    Empty,
    /// `k=v` expected.
    #[error("{0:?} is not of the form key=value")]
    NotAPair(String),
}

impl Scope {
    /// The scope of one pair.
    pub fn of(key: &str, value: &str) -> Self {
        Self(std::iter::once((key.to_owned(), Value::from(value))).collect())
    }

    /// Whether no pair is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a cell with scope `cell` has every pair of this (asked) scope. A null never
    /// matches an absent key.
    pub fn admits(&self, cell: &Self) -> bool {
        self.0.iter().all(|(k, v)| cell.0.get(k) == Some(v))
    }

    /// memcell-rl's rule: as [`Self::admits`], but a null also matches an absent key. Only for
    /// its raw view.
    pub fn admits_like_memcell(&self, cell: &Self) -> bool {
        self.0
            .iter()
            .all(|(k, v)| cell.0.get(k).unwrap_or(&Value::Null) == v)
    }

    /// Checks a scope that native callers ask for: no null values.
    pub fn check_asked(&self) -> Result<(), ScopeError> {
        match self.0.iter().find(|(_, v)| v.is_null()) {
            Some((k, _)) => Err(ScopeError::NullValue(k.clone())),
            None => Ok(()),
        }
    }

    /// Reads `key=value` pairs as the command line has them.
    pub fn from_pairs<S: AsRef<str>>(pairs: &[S]) -> Result<Self, ScopeError> {
        let mut scope = Self::default();
        for pair in pairs {
            match pair.as_ref().split_once('=') {
                Some((k, v)) if !k.is_empty() => {
                    scope.0.insert(k.to_owned(), Value::from(v));
                }
                _ => return Err(ScopeError::NotAPair(pair.as_ref().to_owned())),
            }
        }
        Ok(scope)
    }

    /// One canonical text per scope: compact JSON with sorted keys at every level.
    pub fn canonical(&self) -> String {
        let sorted = Value::Object(self.0.iter().map(|(k, v)| (k.clone(), sort(v))).collect());
        sorted.to_string()
    }
}

impl From<Map<String, Value>> for Scope {
    fn from(map: Map<String, Value>) -> Self {
        Self(map.into_iter().collect())
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.canonical())
    }
}

/// One canonical text per JSON value: compact, with sorted keys at every level.
pub fn canonical_json(value: &Value) -> String {
    sort(value).to_string()
}

fn sort(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            Value::Object(
                entries
                    .into_iter()
                    .map(|(k, v)| (k.clone(), sort(v)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(sort).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(v: Value) -> Scope {
        serde_json::from_value(v).unwrap()
    }

    #[test]
    fn a_scope_admits_only_cells_that_have_all_its_pairs() {
        let asked = scope(serde_json::json!({"user": "ann"}));
        assert!(asked.admits(&scope(serde_json::json!({"user": "ann", "project": "x"}))));
        assert!(!asked.admits(&scope(serde_json::json!({"user": "bob"}))));
        assert!(!asked.admits(&Scope::default()));
    }

    #[test]
    fn null_does_not_match_an_absent_key() {
        let asked = scope(serde_json::json!({"user": null}));
        assert!(!asked.admits(&scope(serde_json::json!({"project": "x"}))));
        assert!(asked.admits_like_memcell(&scope(serde_json::json!({"project": "x"}))));
        assert_eq!(
            asked.check_asked(),
            Err(ScopeError::NullValue("user".into()))
        );
    }

    #[test]
    fn canonical_text_does_not_depend_on_order() {
        let a = scope(serde_json::json!({"b": {"y": 1, "x": 2}, "a": 1}));
        let b = scope(serde_json::json!({"a": 1, "b": {"x": 2, "y": 1}}));
        assert_eq!(a.canonical(), b.canonical());
    }
}
