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

const NO_VECTOR_ONLY: &str =
    "words and meaning are always searched together here, with weights of the index";
const NO_CLAIMS: &str = "values here come from outcomes, not from how a claim is worded";
const NO_MERGE: &str =
    "near-duplicates are linked at a threshold of the embedder, which cannot be compared";
const NO_DREAM: &str = "there is no nightly run that a model pays for";

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
        Some("it sends sessions to a language model, which no one has agreed to by a default"),
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
        Some("the built-in embedder needs no model; another is chosen with `embedder`"),
    ),
    (
        "embedding.batch_size",
        "32",
        None,
        Some("batches are sized by the embedder"),
    ),
    ("retrieval.default_limit", "3", Some("sessions.limit"), None),
    ("retrieval.mode", "\"hybrid\"", None, Some(NO_VECTOR_ONLY)),
    ("retrieval.rrf_k", "60.0", None, Some(NO_VECTOR_ONLY)),
    (
        "retrieval.hybrid_similarity_weight",
        "0.85",
        None,
        Some(NO_VECTOR_ONLY),
    ),
    (
        "retrieval.hybrid_utility_weight",
        "0.15",
        None,
        Some(NO_VECTOR_ONLY),
    ),
    (
        "retrieval.similarity_weight",
        "0.3",
        None,
        Some("similarity has the weight that values.utility_weight leaves"),
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
    (
        "retrieval.mmr_lambda",
        "0.7",
        None,
        Some("near-duplicates are linked, not thinned out when asked"),
    ),
    (
        "retrieval.recency_weight",
        "0.0",
        None,
        Some("evidence loses weight with its age: values.decay_rate"),
    ),
    (
        "retrieval.recency_halflife_days",
        "30.0",
        None,
        Some("evidence loses weight with its age: values.decay_rate"),
    ),
    ("bellman.gamma", "0.9", Some("values.discount_factor"), None),
    ("bellman.alpha", "0.1", Some("values.learning_rate"), None),
    (
        "bellman.propagate_interval",
        "\"daily\"",
        None,
        Some("values are propagated when they are needed"),
    ),
    (
        "bellman.decay_rate",
        "0.01",
        Some("values.decay_rate"),
        None,
    ),
    (
        "bellman.propagation_threshold",
        "0.5",
        Some("values.propagation_threshold"),
        None,
    ),
    (
        "bellman.max_propagation_depth",
        "2",
        None,
        Some("propagation is solved as a whole and has no depth"),
    ),
    (
        "bellman.temporal_credit_window_hours",
        "1",
        None,
        Some("credit of earlier steps falls with their distance: values.trace_decay"),
    ),
    ("bellman.min_falsifiability", "0.7", None, Some(NO_CLAIMS)),
    (
        "bellman.require_claim_for_propagation",
        "false",
        None,
        Some(NO_CLAIMS),
    ),
    (
        "storage.max_age_days",
        "180",
        None,
        Some("age alone prunes nothing; `memrl prune` takes an age and a utility"),
    ),
    (
        "storage.min_utility_threshold",
        "0.05",
        None,
        Some("`memrl prune` takes a utility when it is run"),
    ),
    (
        "storage.min_retrievals",
        "2",
        None,
        Some("how sure a value is comes from its evidence"),
    ),
    (
        "storage.consolidation_threshold",
        "0.85",
        None,
        Some(NO_MERGE),
    ),
    ("storage.cluster_threshold", "0.85", None, Some(NO_MERGE)),
    (
        "storage.stale_age_days",
        "30",
        None,
        Some("`memrl review` says what is stale and why"),
    ),
    (
        "storage.stale_utility_threshold",
        "0.2",
        None,
        Some("`memrl review` says what is stale and why"),
    ),
    ("dream.stable_threshold_days", "30", None, Some(NO_DREAM)),
    ("dream.default_max_usd", "0.5", None, Some(NO_DREAM)),
    (
        "dream.triage_model",
        "\"claude-haiku-4-5-20251001\"",
        None,
        Some(NO_DREAM),
    ),
    (
        "dream.reflect_model",
        "\"claude-sonnet-4-6\"",
        None,
        Some(NO_DREAM),
    ),
    ("dream.reflect_max_tokens", "1500", None, Some(NO_DREAM)),
];

/// Whether a dotted key is one of those programs': our `config.toml` may be theirs as well.
pub fn is_old_setting(key: &str) -> bool {
    KNOWN.iter().any(|known| known.0 == key)
}

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
            toml::Value::Float(number) => out.push((key, shortest(*number))),
            // A value may be a secret.
            other => out.push((key, crate::redact(&other.to_string()).0.into_owned())),
        }
    }
}

/// A number as it was meant: those programs write 0.3 as 0.30000001192092896.
fn shortest(number: f64) -> String {
    let single = number as f32;
    #[expect(
        clippy::float_cmp,
        reason = "whether no digit is lost is what is asked"
    )]
    let same = f64::from(single) == number;
    if same {
        format!("{single:?}")
    } else {
        format!("{number:?}")
    }
}
