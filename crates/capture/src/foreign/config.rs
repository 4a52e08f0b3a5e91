//! The `config.toml` of `MemRL` and Tempera: which of its keys mean something here.

use super::{ForeignError, without_mark};

/// A setting of an old file, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OldSetting {
    /// Its dotted name there.
    pub key: String,
    /// Its value, as TOML.
    pub value: String,
    /// Our name for the same thing, if there is one.
    pub new_key: Option<&'static str>,
    /// Why there is none; or, with a new key, why the user should be asked first.
    pub reason: Option<&'static str>,
    /// Whether the value is the one that those programs write on their own: nobody chose it.
    pub is_default: bool,
}

/// Old key, its default there, our key, a reason.
type Known = (
    &'static str,
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
);

const KNOWN: &[Known] = &[
    (
        "capture.auto_capture",
        "true",
        Some("sessions.capture"),
        None,
    ),
    (
        "capture.extract_intent_llm",
        "true",
        Some("sessions.extract_intent"),
        Some("it sends sessions to a language model, which no one has to agree to by a default"),
    ),
    (
        "capture.capture_diffs",
        "true",
        Some("sessions.capture_diff"),
        Some("it stores patches, and was written there by default"),
    ),
    (
        "embedding.model",
        "\"bge-small-en-v1.5\"",
        None,
        Some("nothing read it; choose an embedder with `embedder` and `memrl pull`"),
    ),
    (
        "embedding.batch_size",
        "32",
        None,
        Some("nothing read it; batches are sized by the embedder"),
    ),
    ("retrieval.default_limit", "3", Some("sessions.limit"), None),
    (
        "retrieval.similarity_weight",
        "0.3",
        None,
        Some("nothing read it; similarity has what values.utility_weight leaves"),
    ),
    (
        "retrieval.utility_weight",
        "0.7",
        Some("values.utility_weight"),
        None,
    ),
    (
        "retrieval.min_similarity",
        "0.5",
        None,
        Some("similarities of another embedder cannot be compared; hits are ranked, not cut off"),
    ),
    ("bellman.gamma", "0.9", Some("values.discount_factor"), None),
    ("bellman.alpha", "0.1", Some("values.learning_rate"), None),
    (
        "bellman.propagate_interval",
        "\"daily\"",
        None,
        Some("nothing read it; values are propagated when they are needed"),
    ),
    (
        "storage.max_age_days",
        "180",
        None,
        Some("nothing read it; `memrl prune --older-than` takes an age"),
    ),
    (
        "storage.min_utility_threshold",
        "0.05",
        None,
        Some("nothing read it; `memrl prune --min-utility` takes a threshold"),
    ),
    (
        "storage.min_retrievals",
        "2",
        None,
        Some("nothing read it; how sure a value is comes from its evidence"),
    ),
];

/// Reads an old settings file: every key in it, in the order of the table and then of the file,
/// with what becomes of it. A key that those programs never had is reported like the others.
pub fn old_settings(text: &str) -> Result<Vec<OldSetting>, ForeignError> {
    let table: toml::Table = without_mark(text)
        .parse()
        .map_err(|e: toml::de::Error| ForeignError::NotSettings(e.message().to_owned()))?;
    let mut flat = Vec::new();
    flatten("", &table, &mut flat);
    let place = |key: &str| KNOWN.iter().position(|k| k.0 == key).unwrap_or(KNOWN.len());
    flat.sort_by_key(|(key, _)| place(key));
    Ok(flat
        .into_iter()
        .map(|(key, value)| match KNOWN.get(place(&key)) {
            Some(&(_, default, new_key, reason)) => OldSetting {
                is_default: value == default,
                key,
                value,
                new_key,
                reason,
            },
            None => OldSetting {
                key,
                value,
                new_key: None,
                reason: Some("no version that is known has this key"),
                is_default: false,
            },
        })
        .collect())
}

fn flatten(prefix: &str, table: &toml::Table, out: &mut Vec<(String, String)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, out),
            // A key may be a secret in disguise.
            other => out.push((key, crate::redact(&other.to_string()).0.into_owned())),
        }
    }
}
