//! The registry: learned policies kept with the data, so that a backup has them and every process
//! finds them.
//!
//! A policy is one file (weights and card, [`PolicyFile`]), never changed once it is there; training
//! again under the same name makes the next version. Knows no evidence.

use std::sync::Arc;

use memrl_learn::features;
use memrl_learn::policy::{Learned, PolicyFile, built_in};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Roles;
use crate::{Code, Error, EventKind, Memory, Result, Timestamp};

/// Where the list of policies is kept.
const LIST: &str = "policies";
/// Longest name of a policy.
const MAX_NAME: usize = 64;

/// A policy of the registry, in the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    label: String,
    algo: String,
    created_at: Timestamp,
    /// Deleted; its number is never used again.
    #[serde(default)]
    gone: bool,
}

/// One policy and what it does now.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyRow {
    /// `name@version`.
    pub label: String,
    /// The trainer that made it; `built_in` for rules.
    pub algo: String,
    /// When it was made; `None` for rules.
    pub created_at: Option<Timestamp>,
    /// Its roles now: `incumbent`, `canary`, `control`, `shadow`; of the settings `default` (of plain recalls),
    /// `sessions` and `canary_policy`.
    pub roles: Vec<String>,
    /// Whether it decides now, in plain recalls or in sessions, but for the shares of trials.
    pub decides: bool,
    /// Why it has its role as incumbent or canary without the proof, or against the advice of the log: the reason that was given.
    pub forced: Option<String>,
}

/// Everything about one policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyView {
    /// The policy and its roles.
    pub row: PolicyRow,
    /// Its card, for learned ones: schema, data, settings, metrics, importance.
    pub card: Option<Value>,
    /// Weights of the standardised features, the largest first, for linear ones.
    pub weights: Vec<(String, f64)>,
    /// Units of its hidden layer; 0 for linear ones and for rules.
    pub hidden: usize,
    /// The logit of STOP; `None`: it fills the budget.
    pub stop: Option<f32>,
    /// What has to be known about it beside its numbers, in words: that its training found no better order than that of the search.
    pub note: Option<String>,
}

/// What two policies have in common.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PolicyDiff {
    /// The first policy.
    pub a: String,
    /// The second policy.
    pub b: String,
    /// Decisions of the log that both were asked about.
    pub decisions: u64,
    /// Share of them in which both would show the same cells in the same order.
    pub same_slate: f64,
    /// Mean Jaccard overlap of the cells that they would show.
    pub overlap: f64,
    /// Mean tokens shown by each.
    pub tokens: (f64, f64),
    /// The logit of STOP of each; `None`: it fills the budget, as every rule does.
    pub stop: (Option<f32>, Option<f32>),
    /// Weights that differ, the most different first: feature, weight in `a`, weight in `b`. For two linear ones of
    /// one schema.
    pub weights: Vec<(String, f64, f64)>,
}

fn key(label: &str) -> String {
    format!("policy/{label}")
}

fn not_found(name: &str) -> Error {
    Error::invalid(
        Code::PolicyNotFound,
        "policy",
        format!("there is no policy {name:?}; `memrl policy list` shows those there are"),
    )
}

/// A name that a learned policy may have.
pub(super) fn check_name(name: &str) -> Result<()> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(letters) {
        let message =
            format!("{name:?} is no name of a policy: 1 to {MAX_NAME} of a-z, 0-9, _ and -");
        return Err(Error::invalid(Code::InvalidInput, "name", message));
    }
    if built_in().iter().any(|p| p.id() == name) {
        let message = format!("{name:?} is the name of a built-in policy");
        return Err(Error::invalid(Code::InvalidInput, "name", message));
    }
    Ok(())
}

fn unreadable(label: &str, e: impl std::fmt::Display) -> Error {
    Error::invalid(Code::BadPolicyFile, "policy", format!("{label}: {e}"))
}

impl Memory {
    fn entries(&self) -> Result<Vec<Entry>> {
        Ok(match self.store.meta(LIST)? {
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|e| Error::format("list of policies", e.to_string()))?,
            None => Vec::new(),
        })
    }

    fn put_entries(&self, entries: &[Entry]) -> Result<()> {
        let bytes = serde_json::to_vec(entries)
            .map_err(|e| Error::format("list of policies", e.to_string()))?;
        Ok(self.store.set_meta(LIST, &bytes)?)
    }

    /// The label of the policy that a name means: as it is with a version, else its newest one.
    pub(crate) fn policy_label(&self, name: &str) -> Result<String> {
        if let Some(p) = built_in()
            .iter()
            .find(|p| p.id() == name || p.label() == name)
        {
            return Ok(p.label());
        }
        let entries = self.entries()?;
        let newest = entries
            .iter()
            .filter_map(|e| {
                let (id, version) = e.label.rsplit_once('@')?;
                (!e.gone && (id == name || e.label == name))
                    .then_some((version.parse::<u32>().ok()?, &e.label))
            })
            .max();
        newest
            .map(|(_, label)| label.clone())
            .ok_or_else(|| not_found(name))
    }

    /// A learned policy of the registry, by name or label.
    pub(crate) fn policy_file(&self, name: &str) -> Result<PolicyFile> {
        let label = self.policy_label(name)?;
        let bytes = self.store.meta(&key(&label))?;
        let bytes = bytes
            .filter(|b| !b.is_empty())
            .ok_or_else(|| not_found(name))?;
        PolicyFile::from_bytes(&bytes).map_err(|e| unreadable(&label, e))
    }

    /// A learned policy, ready to act. Read once per process and version: a version never changes.
    pub(crate) fn learned(&self, name: &str) -> Result<Arc<Learned>> {
        let label = self.policy_label(name)?;
        let known = self.learned_cache().get(&label).cloned();
        if let Some(policy) = known {
            return Ok(policy);
        }
        let policy = self
            .policy_file(&label)?
            .policy()
            .map_err(|e| unreadable(&label, e))?;
        let policy = Arc::new(policy);
        self.learned_cache().insert(label, Arc::clone(&policy));
        Ok(policy)
    }

    /// Keeps a policy as the next version of its name; answers its label. The version in its card is set.
    pub(crate) fn keep_policy(&self, mut file: PolicyFile) -> Result<String> {
        check_name(&file.card.name)?;
        self.change_roles(|_| {
            let mut entries = self.entries()?;
            let newest = entries
                .iter()
                .filter_map(|e| {
                    let (id, version) = e.label.rsplit_once('@')?;
                    (id == file.card.name).then(|| version.parse::<u32>().ok())?
                })
                .max();
            file.card.version = newest.unwrap_or(0) + 1;
            let label = format!("{}@{}", file.card.name, file.card.version);
            let bytes = file.to_bytes().map_err(|e| unreadable(&label, e))?;
            self.store.set_meta(&key(&label), &bytes)?;
            entries.push(Entry {
                label: label.clone(),
                algo: file.card.algo.clone(),
                created_at: file.card.created_at,
                gone: false,
            });
            self.put_entries(&entries)?;
            Ok(label)
        })
    }

    /// All policies, built-in ones first, with their roles.
    pub fn policies(&self) -> Result<Vec<PolicyRow>> {
        let roles = self.roles()?;
        let mut rows: Vec<PolicyRow> = built_in()
            .iter()
            .map(|p| self.row(p.label(), "built_in", None, &roles))
            .collect();
        for e in self.entries()?.into_iter().filter(|e| !e.gone) {
            rows.push(self.row(e.label, &e.algo, Some(e.created_at), &roles));
        }
        Ok(rows)
    }

    fn row(
        &self,
        label: String,
        algo: &str,
        created_at: Option<Timestamp>,
        roles: &Roles,
    ) -> PolicyRow {
        let mut now = Vec::new();
        let mut plays = |role: &str, who: Option<&str>| {
            if who == Some(label.as_str()) {
                now.push(role.to_owned());
            }
        };
        for (role, name) in [
            ("default", &self.config.recall.policy),
            ("sessions", &self.config.sessions.policy),
            ("canary_policy", &self.config.explore.canary_policy),
        ] {
            plays(role, self.policy_label(name).ok().as_deref());
        }
        plays("incumbent", roles.incumbent.as_deref());
        plays("canary", roles.canary.as_ref().map(|c| c.policy.as_str()));
        let control = roles.control.as_ref();
        plays("control", control.and_then(|c| c.policy.as_deref()));
        plays("shadow", roles.shadow.as_deref());
        let forced = |plays: &str, reason: Option<&String>| {
            let so = now.iter().any(|role| role == plays);
            reason.filter(|_| so).cloned()
        };
        let canary = roles.canary.as_ref().and_then(|c| c.forced.as_ref());
        let settled = |role: &String| ["default", "sessions"].contains(&role.as_str());
        let decides = match &roles.incumbent {
            Some(promoted) => *promoted == label,
            None => now.iter().any(settled),
        };
        PolicyRow {
            decides,
            forced: forced("incumbent", roles.forced.as_ref()).or_else(|| forced("canary", canary)),
            label,
            algo: algo.to_owned(),
            created_at,
            roles: now,
        }
    }

    /// Everything about one policy.
    pub fn policy_view(&self, name: &str) -> Result<PolicyView> {
        let label = self.policy_label(name)?;
        let row = self.policies()?.into_iter().find(|r| r.label == label);
        let row = row.ok_or_else(|| not_found(name))?;
        if row.created_at.is_none() {
            return Ok(PolicyView {
                row,
                card: None,
                weights: Vec::new(),
                hidden: 0,
                stop: None,
                note: None,
            });
        }
        let file = self.policy_file(&label)?;
        let mut weights: Vec<(String, f64)> = linear(&file).collect();
        weights.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        Ok(PolicyView {
            row,
            card: serde_json::to_value(&file.card).ok(),
            weights,
            hidden: file.net.hidden(),
            stop: file.stop,
            note: super::train::note(&file.card.algo, &file.card.metrics),
        })
    }

    /// How two policies differ: in their weights, and in what they would have shown to the newest
    /// `limit` decisions of the log.
    pub fn policy_diff(&self, a: &str, b: &str, limit: u64) -> Result<PolicyDiff> {
        let (a, b) = (self.policy_label(a)?, self.policy_label(b)?);
        let slates = self.would_show(&[&a, &b], limit)?;
        let n = slates.len() as f64;
        let mean = |f: &dyn Fn(&[super::Would]) -> f64| {
            slates.iter().map(|s| f(s)).sum::<f64>() / n.max(1.0)
        };
        let jaccard = |s: &[super::Would]| {
            let both = s[0].cells.iter().filter(|c| s[1].cells.contains(c)).count();
            let either = s[0].cells.len() + s[1].cells.len() - both;
            if either == 0 {
                1.0
            } else {
                both as f64 / either as f64
            }
        };
        Ok(PolicyDiff {
            decisions: slates.len() as u64,
            same_slate: mean(&|s| f64::from(u8::from(s[0].cells == s[1].cells))),
            overlap: mean(&jaccard),
            tokens: (mean(&|s| s[0].tokens as f64), mean(&|s| s[1].tokens as f64)),
            stop: (self.stop_of(&a), self.stop_of(&b)),
            weights: self.weights_apart(&a, &b),
            a,
            b,
        })
    }

    fn stop_of(&self, label: &str) -> Option<f32> {
        self.policy_file(label).ok().and_then(|file| file.stop)
    }

    fn weights_apart(&self, a: &str, b: &str) -> Vec<(String, f64, f64)> {
        let (Ok(a), Ok(b)) = (self.policy_file(a), self.policy_file(b)) else {
            return Vec::new();
        };
        if a.card.schema != b.card.schema || a.net.hidden() + b.net.hidden() > 0 {
            return Vec::new();
        }
        let mut apart: Vec<_> = linear(&a)
            .zip(linear(&b))
            .map(|((name, x), (_, y))| (name, x, y))
            .filter(|(_, x, y)| (x - y).abs() > 1e-9)
            .collect();
        apart.sort_by(|p, q| (q.1 - q.2).abs().total_cmp(&(p.1 - p.2).abs()));
        apart
    }

    /// Deletes a learned policy. One that has a role keeps it until the role is given up.
    pub fn policy_delete(&self, name: &str) -> Result<String> {
        let label = self.policy_label(name)?;
        if self.policy_view(&label)?.row.created_at.is_none() {
            let message = format!("{label} is built in");
            return Err(Error::invalid(Code::InvalidInput, "policy", message));
        }
        self.change_roles(|roles| {
            let row = self.row(label.clone(), "", None, roles);
            if !row.roles.is_empty() {
                let end = if row.roles.iter().any(|r| r == "shadow") {
                    "; `memrl policy shadow --off` ends the shadow"
                } else {
                    ""
                };
                let message = format!("{label} is in use as {}{end}", row.roles.join(", "));
                return Err(Error::invalid(Code::Conflict, "policy", message));
            }
            let mut entries = self.entries()?;
            for e in entries.iter_mut().filter(|e| e.label == label) {
                e.gone = true;
            }
            self.put_entries(&entries)?;
            self.store.set_meta(&key(&label), b"")?;
            self.learned_cache().remove(&label);
            Ok(())
        })?;
        self.note_policy("delete", &label, json!({}))?;
        Ok(label)
    }

    /// The bytes of a learned policy's file, to take elsewhere.
    pub fn policy_export(&self, name: &str) -> Result<Vec<u8>> {
        let label = self.policy_label(name)?;
        if built_in().iter().any(|p| p.label() == label) {
            let message = format!("{label} is built in and has no file");
            return Err(Error::invalid(Code::InvalidInput, "policy", message));
        }
        let file = self.policy_file(name)?;
        file.to_bytes().map_err(|e| unreadable(name, e))
    }

    /// Takes a policy from elsewhere into the registry, under its own name or another; answers its
    /// label. What is damaged, of a newer version or made for other features is refused.
    pub fn policy_import(&self, bytes: &[u8], name: Option<&str>) -> Result<String> {
        let mut file = PolicyFile::from_bytes(bytes).map_err(|e| unreadable("file", e))?;
        file.policy().map_err(|e| unreadable("file", e))?;
        if let Some(name) = name {
            name.clone_into(&mut file.card.name);
        }
        let algo = file.card.algo.clone();
        let label = self.keep_policy(file)?;
        self.note_policy("import", &label, json!({"algo": algo}))?;
        Ok(label)
    }

    /// Notes a step in the life of a policy in the log of events.
    pub(crate) fn note_policy(&self, action: &str, policy: &str, details: Value) -> Result<()> {
        let mut payload = json!({"action": action, "policy": policy});
        if let (Some(all), Value::Object(more)) = (payload.as_object_mut(), details) {
            all.extend(more);
        }
        let event = self.event(EventKind::PolicyAction, Vec::new(), None, payload);
        Ok(self.store.append_events(&[event])?)
    }
}

/// Names and weights of the linear part; nothing for networks with a hidden layer.
fn linear(file: &PolicyFile) -> impl Iterator<Item = (String, f64)> + '_ {
    let shown = file.net.hidden() == 0;
    let weights = file.net.linear_weights().iter().map(|w| f64::from(*w));
    let names = file.card.schema.features.iter().cloned();
    names.zip(weights).filter(move |_| shown)
}

/// The schema of the features that decisions are logged with.
pub(crate) fn logged_schema() -> Result<memrl_learn::data::Schema> {
    features::schema_of(features::RECALL)
        .cloned()
        .ok_or_else(|| Error::invalid(Code::Internal, "features", "the logged schema is unknown"))
}
