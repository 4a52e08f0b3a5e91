//! Settings: one table of keys, four layers (flag, environment, file, default), and which won.

mod learning;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Error, Result, Sensitivity, TokenCounter};

pub use learning::{SessionConfig, ValueConfig, Worktrees};

/// All settings. Every field has a default; unknown keys of a file are reported, not obeyed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Embedder: `static`, `bert:FOLDER`, `openai:MODEL@URL`.
    pub embedder: String,
    /// How tokens are counted.
    pub token_counter: TokenCounter,
    /// Recall.
    pub recall: RecallConfig,
    /// Randomisation.
    pub explore: ExploreSettings,
    /// Rewards.
    pub reward: RewardConfig,
    /// Learned values.
    pub values: ValueConfig,
    /// Coding agents and their sessions.
    pub sessions: SessionConfig,
    /// Limits on input.
    pub limits: Limits,
    /// The HTTP server.
    pub server: ServerConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            embedder: "static".into(),
            token_counter: TokenCounter::default(),
            recall: RecallConfig::default(),
            explore: ExploreSettings::default(),
            reward: RewardConfig::default(),
            values: ValueConfig::default(),
            sessions: SessionConfig::default(),
            limits: Limits::default(),
            server: ServerConfig::default(),
        }
    }
}

/// Settings of recall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecallConfig {
    /// The policy of native recalls.
    pub policy: String,
    /// Token budget when the caller names none.
    pub budget_tokens: u64,
    /// Candidates per decision, 1 to 1000.
    pub pool: u32,
    /// The highest sensitivity shown to callers that name no clearance.
    pub clearance: Sensitivity,
}

impl Default for RecallConfig {
    fn default() -> Self {
        Self {
            policy: "similarity".into(),
            budget_tokens: 2000,
            pool: 200,
            clearance: Sensitivity::Medium,
        }
    }
}

/// Settings of the three randomisations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExploreSettings {
    /// Sticky hold-out: probability that a soft cell of the slate is withheld. 0 turns it off.
    pub epsilon: f64,
    /// Share of trajectories whose slates are sampled (Plackett–Luce). 0 turns it off.
    pub sampled_share: f64,
    /// Temperature of sampled slates, in [0.001, 1000]; scores lie in [0, 1].
    pub temperature: f64,
    /// Share of trajectories that get no memory at all. 0 turns it off.
    pub none_share: f64,
    /// Share of trajectories that another policy serves. 0 turns it off.
    pub canary_share: f64,
    /// That policy.
    pub canary_policy: String,
}

impl Default for ExploreSettings {
    fn default() -> Self {
        Self {
            epsilon: 0.02,
            sampled_share: 0.0,
            temperature: 0.1,
            none_share: 0.0,
            canary_share: 0.0,
            canary_policy: String::new(),
        }
    }
}

/// Settings of rewards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RewardConfig {
    /// The spec whose value is the `reward` of a transition.
    pub spec: String,
}

impl Default for RewardConfig {
    fn default() -> Self {
        Self {
            spec: "memcell_v1".into(),
        }
    }
}

/// Limits on input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Largest content of one cell, in bytes.
    pub max_content_bytes: u64,
    /// Largest query, in bytes.
    pub max_query_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_content_bytes: 1 << 20,
            max_query_bytes: 1 << 20,
        }
    }
}

/// Settings of the HTTP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerConfig {
    /// Address to bind.
    pub host: String,
    /// Port to bind; 0 takes a free one.
    pub port: u16,
    /// Largest request body, in bytes.
    pub max_body_bytes: u64,
    /// Longest time for one request, in milliseconds.
    pub timeout_ms: u64,
    /// Further names that the `Host` and `Origin` headers may carry.
    pub allowed_hosts: Vec<String>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 7077,
            max_body_bytes: 16 << 20,
            timeout_ms: 30_000,
            allowed_hosts: Vec::new(),
        }
    }
}

/// One setting: its dotted name, its environment variable and what it does.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Dotted name, as in the file and for `memrl config`.
    pub name: &'static str,
    /// The environment variable that overrides the file.
    pub env: &'static str,
    /// One line about it.
    pub about: &'static str,
}

macro_rules! keys {
    ($(($name:literal, $env:literal, $about:literal)),+ $(,)?) => {
        /// Every setting there is: parser, documentation and `memrl config` are made from this.
        pub const KEYS: &[Key] = &[$(Key { name: $name, env: $env, about: $about }),+];
    };
}

keys! {
    ("embedder", "MEMRL_EMBEDDER", "static, bert:FOLDER or openai:MODEL@URL"),
    ("token_counter", "MEMRL_TOKEN_COUNTER", "careful or chars4"),
    ("recall.policy", "MEMRL_POLICY", "policy of native recalls"),
    ("recall.budget_tokens", "MEMRL_BUDGET", "token budget when the caller names none"),
    ("recall.pool", "MEMRL_POOL", "candidates per decision, 1 to 1000"),
    ("recall.clearance", "MEMRL_CLEARANCE", "low, medium, high or restricted"),
    ("explore.epsilon", "MEMRL_EPSILON", "probability that a soft cell of a slate is withheld; 0 is off"),
    ("explore.sampled_share", "MEMRL_SAMPLED_SHARE", "share of trajectories with sampled slates; 0 is off"),
    ("explore.temperature", "MEMRL_TEMPERATURE", "temperature of sampled slates"),
    ("explore.none_share", "MEMRL_NONE_SHARE", "share of trajectories shown critical constraints only; 0 is off"),
    ("explore.canary_share", "MEMRL_CANARY_SHARE", "share of trajectories served by the canary policy; 0 is off"),
    ("explore.canary_policy", "MEMRL_CANARY_POLICY", "the canary policy"),
    ("reward.spec", "MEMRL_REWARD_SPEC", "spec of a transition's reward"),
    ("values.decay_rate", "MEMRL_DECAY_RATE", "share of its mass that evidence loses per day"),
    ("values.discount_factor", "MEMRL_DISCOUNT_FACTOR", "what evidence of neighbours, ancestors and earlier steps is worth"),
    ("values.learning_rate", "MEMRL_LEARNING_RATE", "weight of the first whole observation against the prior"),
    ("values.propagation_threshold", "MEMRL_PROPAGATION_THRESHOLD", "least similarity of neighbours"),
    ("values.neighbours", "MEMRL_NEIGHBOURS", "most neighbours of a cell"),
    ("values.trace_decay", "MEMRL_TRACE_DECAY", "lambda of the eligibility traces"),
    ("values.utility_weight", "MEMRL_UTILITY_WEIGHT", "weight of the learned value against similarity, below 1"),
    ("sessions.enabled", "MEMRL_SESSIONS", "whether hooks inject and capture at all"),
    ("sessions.policy", "MEMRL_SESSION_POLICY", "policy of recalls for coding agents"),
    ("sessions.budget_tokens", "MEMRL_SESSION_BUDGET", "token budget of an injected block"),
    ("sessions.limit", "MEMRL_SESSION_LIMIT", "episodes shown when nobody says how many"),
    ("sessions.widen", "MEMRL_WIDEN", "whether hooks look into other projects as well"),
    ("sessions.capture", "MEMRL_CAPTURE", "whether sessions are captured when they end"),
    ("sessions.capture_diff", "MEMRL_CAPTURE_DIFF", "whether the working tree's diff is stored with an episode"),
    ("sessions.extract_intent", "MEMRL_EXTRACT_INTENT", "whether a language model reads captured sessions"),
    ("sessions.worktrees", "MEMRL_WORKTREES", "shared or isolated"),
    ("limits.max_content_bytes", "MEMRL_MAX_CONTENT_BYTES", "largest content of one cell"),
    ("limits.max_query_bytes", "MEMRL_MAX_QUERY_BYTES", "largest query"),
    ("server.host", "MEMRL_HOST", "address to bind; any but loopback needs a token"),
    ("server.port", "MEMRL_PORT", "port to bind; 0 takes a free one"),
    ("server.max_body_bytes", "MEMRL_MAX_BODY_BYTES", "largest request body"),
    ("server.timeout_ms", "MEMRL_TIMEOUT_MS", "longest time for one request"),
    ("server.allowed_hosts", "MEMRL_ALLOWED_HOSTS", "further names for Host and Origin, comma separated"),
}

/// Which layer a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A command-line flag.
    Flag,
    /// An environment variable.
    Environment,
    /// `config.toml`.
    File,
    /// Built in.
    Default,
}

/// Settings with the layer that each came from.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The settings.
    pub config: Config,
    /// For each of [`KEYS`]: the value and its layer.
    pub origins: Vec<(&'static Key, toml::Value, Source)>,
    /// Keys of the file that memrl does not know (an older program's, or misspelt).
    pub unknown: Vec<String>,
    /// The file, whether or not it exists.
    pub file: PathBuf,
}

/// Resolves the settings: flags over environment over file over defaults.
///
/// `env` looks a variable up; `flags` are (dotted name, text) pairs.
pub fn resolve(
    data_dir: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    flags: &[(&str, String)],
) -> Result<Resolved> {
    let file = data_dir.join("config.toml");
    let from_file = read_file(&file)?;
    let defaults = toml::Table::try_from(Config::default())
        .map_err(|e| Error::Config(format!("defaults: {e}")))?;
    let mut merged = toml::Table::new();
    let mut origins = Vec::with_capacity(KEYS.len());
    for key in KEYS {
        let default = lookup(&defaults, key.name)
            .cloned()
            .ok_or_else(|| Error::Config(format!("{} has no default", key.name)))?;
        let flag = flags
            .iter()
            .rev()
            .find(|(name, _)| *name == key.name)
            .map(|(_, v)| v.clone());
        let (value, source) = if let Some(text) = flag {
            (parse_like(&default, &text, key.name)?, Source::Flag)
        } else if let Some(text) = env(key.env) {
            (parse_like(&default, &text, key.env)?, Source::Environment)
        } else if let Some(value) = lookup(&from_file, key.name) {
            (value.clone(), Source::File)
        } else {
            (default, Source::Default)
        };
        insert(&mut merged, key.name, value.clone());
        origins.push((key, value, source));
    }
    let config: Config = merged
        .try_into()
        .map_err(|e| Error::Config(format!("{}: {e}", file.display())))?;
    check(&config)?;
    let unknown = leaves("", &from_file)
        .into_iter()
        .filter(|name| !KEYS.iter().any(|k| k.name == name))
        .collect();
    Ok(Resolved {
        config,
        origins,
        unknown,
        file,
    })
}

/// Writes one setting into the file, keeping the rest of it.
pub fn set(data_dir: &Path, name: &str, text: &str) -> Result<()> {
    let Some(key) = KEYS.iter().find(|k| k.name == name) else {
        return Err(Error::Config(format!(
            "{name} is not a setting; `memrl config` lists them"
        )));
    };
    let defaults = toml::Table::try_from(Config::default())
        .map_err(|e| Error::Config(format!("defaults: {e}")))?;
    let default = lookup(&defaults, key.name)
        .ok_or_else(|| Error::Config(format!("{name} has no default")))?;
    let file = data_dir.join("config.toml");
    let mut table = read_file(&file)?;
    insert(&mut table, name, parse_like(default, text, name)?);
    let probe: Config = table
        .clone()
        .try_into()
        .map_err(|e| Error::Config(format!("{name}: {e}")))?;
    check(&probe)?;
    let out = toml::to_string_pretty(&table).map_err(|e| Error::Config(e.to_string()))?;
    std::fs::create_dir_all(data_dir).map_err(|e| Error::io(data_dir, e))?;
    let temporary = file.with_extension("toml.new");
    std::fs::write(&temporary, out).map_err(|e| Error::io(&temporary, e))?;
    std::fs::rename(&temporary, &file).map_err(|e| Error::io(&file, e))
}

fn read_file(file: &Path) -> Result<toml::Table> {
    match std::fs::read_to_string(file) {
        Ok(text) => text
            .parse::<toml::Table>()
            .map_err(|e| Error::Config(format!("{}: {}", file.display(), e.message()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(toml::Table::new()),
        Err(e) => Err(Error::io(file, e)),
    }
}

/// Ranges that the types do not say.
fn check(config: &Config) -> Result<()> {
    let share = |name: &str, value: f64, top: f64| {
        if value.is_finite() && (0.0..=top).contains(&value) {
            Ok(())
        } else {
            Err(Error::Config(format!(
                "{name} = {value}: must lie in [0, {top}]"
            )))
        }
    };
    share("explore.epsilon", config.explore.epsilon, 0.5)?;
    share("explore.sampled_share", config.explore.sampled_share, 1.0)?;
    share("explore.none_share", config.explore.none_share, 1.0)?;
    share("values.decay_rate", config.values.decay_rate, 0.99)?;
    share("values.discount_factor", config.values.discount_factor, 1.0)?;
    share("values.trace_decay", config.values.trace_decay, 1.0)?;
    share(
        "values.propagation_threshold",
        config.values.propagation_threshold,
        1.0,
    )?;
    share("values.utility_weight", config.values.utility_weight, 0.99)?;
    let rate = config.values.learning_rate;
    if !(rate.is_finite() && rate > 0.0 && rate < 1.0) {
        return Err(Error::Config(format!(
            "values.learning_rate = {rate}: must lie in (0, 1)"
        )));
    }
    if config.values.neighbours > 100 {
        return Err(Error::Config(format!(
            "values.neighbours = {}: must lie in [0, 100]",
            config.values.neighbours
        )));
    }
    share("explore.canary_share", config.explore.canary_share, 1.0)?;
    share(
        "explore.none_share + explore.canary_share",
        config.explore.none_share + config.explore.canary_share,
        1.0,
    )?;
    if !(1..=1000).contains(&config.recall.pool) {
        return Err(Error::Config(format!(
            "recall.pool = {}: must lie in [1, 1000]",
            config.recall.pool
        )));
    }
    let temperature = config.explore.temperature;
    if !(0.001..=1000.0).contains(&temperature) {
        return Err(Error::Config(format!(
            "explore.temperature = {temperature}: must lie in [0.001, 1000]"
        )));
    }
    Ok(())
}

fn lookup<'a>(table: &'a toml::Table, dotted: &str) -> Option<&'a toml::Value> {
    match dotted.split_once('.') {
        Some((head, rest)) => lookup(table.get(head)?.as_table()?, rest),
        None => table.get(dotted).filter(|v| !v.is_table()),
    }
}

fn insert(table: &mut toml::Table, dotted: &str, value: toml::Value) {
    match dotted.split_once('.') {
        Some((head, rest)) => {
            let inner = table
                .entry(head)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if !inner.is_table() {
                *inner = toml::Value::Table(toml::Table::new());
            }
            if let Some(inner) = inner.as_table_mut() {
                insert(inner, rest, value);
            }
        }
        None => {
            table.insert(dotted.to_owned(), value);
        }
    }
}

fn leaves(prefix: &str, table: &toml::Table) -> Vec<String> {
    let mut names = Vec::new();
    for (key, value) in table {
        let name = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match value.as_table() {
            Some(inner) => names.extend(leaves(&name, inner)),
            None => names.push(name),
        }
    }
    names
}

/// Reads a text as the same kind of value as the default.
fn parse_like(default: &toml::Value, text: &str, name: &str) -> Result<toml::Value> {
    let wrong = |kind: &str| Error::Config(format!("{name} = {text:?}: expected {kind}"));
    Ok(match default {
        toml::Value::Integer(_) => {
            toml::Value::Integer(text.trim().parse().map_err(|_| wrong("a whole number"))?)
        }
        toml::Value::Float(_) => {
            toml::Value::Float(text.trim().parse().map_err(|_| wrong("a number"))?)
        }
        toml::Value::Boolean(_) => {
            toml::Value::Boolean(text.trim().parse().map_err(|_| wrong("true or false"))?)
        }
        toml::Value::Array(_) => toml::Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|s| !s.is_empty())
                .map(toml::Value::from)
                .collect(),
        ),
        _ => toml::Value::String(text.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_env(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn every_key_has_a_default_and_every_field_a_key() {
        let defaults = toml::Table::try_from(Config::default()).unwrap();
        let mut fields = leaves("", &defaults);
        let mut keys: Vec<_> = KEYS.iter().map(|k| k.name.to_owned()).collect();
        fields.sort();
        keys.sort();
        assert_eq!(fields, keys);
    }

    #[test]
    fn flags_beat_environment_beats_file_beats_default() {
        let dir = tempfile::tempdir().unwrap();
        let file = "[recall]\nbudget_tokens = 1\npool = 7\npolicy = \"utility\"\n";
        std::fs::write(dir.path().join("config.toml"), file).unwrap();
        let env = |name: &str| match name {
            "MEMRL_BUDGET" => Some("2".to_owned()),
            "MEMRL_POOL" => Some("8".to_owned()),
            _ => None,
        };
        let flags = [("recall.budget_tokens", "3".to_owned())];
        let r = resolve(dir.path(), &env, &flags).unwrap();
        assert_eq!(r.config.recall.budget_tokens, 3);
        assert_eq!(r.config.recall.pool, 8);
        assert_eq!(r.config.recall.policy, "utility");
        assert_eq!(r.config.server.port, 7077);
        let source = |name: &str| r.origins.iter().find(|(k, ..)| k.name == name).unwrap().2;
        assert_eq!(source("recall.budget_tokens"), Source::Flag);
        assert_eq!(source("recall.pool"), Source::Environment);
        assert_eq!(source("recall.policy"), Source::File);
        assert_eq!(source("server.port"), Source::Default);
    }

    #[test]
    fn unknown_keys_are_reported_not_obeyed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("config.toml"),
            "[retrieval]\ndefault_limit = 5\n",
        )
        .unwrap();
        let r = resolve(dir.path(), &no_env, &[]).unwrap();
        assert_eq!(r.unknown, ["retrieval.default_limit"]);
    }

    #[test]
    fn a_wrong_value_names_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let flags = [("explore.epsilon", "0.9".to_owned())];
        let err = resolve(dir.path(), &no_env, &flags).unwrap_err();
        assert!(err.to_string().contains("explore.epsilon"), "{err}");
        assert_eq!(err.code(), crate::Code::InvalidConfig);
    }

    #[test]
    fn a_set_value_is_read_back_and_the_rest_stays() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.toml"), "old_key = 1\n").unwrap();
        set(dir.path(), "explore.epsilon", "0").unwrap();
        let r = resolve(dir.path(), &no_env, &[]).unwrap();
        assert!(r.config.explore.epsilon.abs() < f64::EPSILON);
        assert_eq!(r.unknown, ["old_key"]);
        assert!(set(dir.path(), "nonsense", "1").is_err());
    }
}
