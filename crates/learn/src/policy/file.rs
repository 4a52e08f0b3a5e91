//! Policy files: the weights of a learned policy with a card that says where they come from.
//!
//! The container is safetensors, which every tensor library reads. Its one metadata entry, `memrl`, is JSON:
//!
//! ```text
//! { "format_version": 1, "checksum": blake3 of the card and of all tensors, "card": { ... } }
//! ```
//!
//! | tensor | shape | |
//! |---|---|---|
//! | `standard.mean`, `standard.sd` | inputs | how features are standardised |
//! | `hidden.weight`, `hidden.bias`, `hidden.out` | hidden × inputs, hidden, hidden | W, b, v of [`crate::net`]; none for linear models |
//! | `linear.weight`, `linear.bias` | inputs, 1 | w, c |
//! | `stop` | 1 | the logit of STOP; none where the policy fills the budget |
//! | `trained_on` | trajectories, 64-bit | digests of the trajectories that were trained on, sorted |
//! | `extra.*` | any | what else a trainer wants to keep |
//!
//! This module makes bytes and reads bytes; it may not know where files are.

use std::collections::BTreeMap;

use memrl_types::Timestamp;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::learned::{self, Learned, LearnedError};
use crate::data::{Dataset, Schema};
use crate::net::{Net, Standard};
use crate::train::{Counts, Trained};

/// The format that this version writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;
/// The name of the metadata entry.
const ENTRY: &str = "memrl";
/// A header longer than this is no policy's; safetensors draws the same line.
const LONGEST_HEADER: u64 = 100_000_000;
/// What names of additional tensors start with.
const EXTRA: &str = "extra.";

/// What is known about a policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The name of the policy.
    pub name: String,
    /// Its version; a change of behaviour is a new version.
    pub version: u32,
    /// The trainer, e.g. `credit`.
    pub algo: String,
    /// The decision point, e.g. `recall`.
    pub point: String,
    /// The features that it reads, by position.
    pub schema: Schema,
    /// The log that it was trained on.
    pub data: TrainedOn,
    /// How much of that log said something.
    pub counts: Counts,
    /// Seed of everything random in the training.
    pub seed: u64,
    /// The settings of the training, as the trainer names them.
    pub config: serde_json::Value,
    /// The reward spec that outcomes were read with; `None` where only success counted.
    pub reward: Option<String>,
    /// Named results of the training.
    pub metrics: BTreeMap<String, f64>,
    /// Features by importance, the most important first ([`Trained::importance`]).
    pub importance: Vec<(String, f64)>,
    /// The label of the policy that it was trained to better, e.g. `similarity@1`.
    pub parent: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The log that a policy was trained on: enough to tell whether other data are among it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TrainedOn {
    /// Time of the first decision.
    pub from: Option<Timestamp>,
    /// Time of the last decision.
    pub to: Option<Timestamp>,
    /// Decisions, those kept apart included (they chose the stopping point).
    pub decisions: u64,
    /// Trajectories.
    pub trajectories: u64,
    /// 16 hexadecimal digits that depend on every trajectory and decision.
    pub fingerprint: String,
    /// 64-bit digests of the names of the trajectories, sorted. Kept as a tensor, not in the card's JSON.
    #[serde(skip)]
    pub members: Vec<u64>,
}

/// The digest of a trajectory's name: the first 8 bytes, little endian, of its BLAKE3 hash.
fn digest(trajectory: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(trajectory.as_bytes()).as_bytes()[..8]);
    u64::from_le_bytes(first)
}

impl TrainedOn {
    /// Of a data set: all trajectories that have a decision in it.
    pub fn of(data: &Dataset) -> Self {
        let mut hash = blake3::Hasher::new();
        let mut used = vec![false; data.trajectories.len()];
        for d in &data.decisions {
            hash.update(d.id.bytes());
            if let Some(used) = used.get_mut(d.trajectory as usize) {
                *used = true;
            }
        }
        let mut members: Vec<u64> = (data.trajectories.iter().zip(&used))
            .filter(|(_, used)| **used)
            .map(|(name, _)| digest(name))
            .collect();
        members.sort_unstable();
        members.dedup();
        for m in &members {
            hash.update(&m.to_le_bytes());
        }
        Self {
            from: data.decisions.iter().map(|d| d.at).min(),
            to: data.decisions.iter().map(|d| d.at).max(),
            decisions: data.decisions.len() as u64,
            trajectories: members.len() as u64,
            fingerprint: hash.finalize().to_hex()[..16].to_owned(),
            members,
        }
    }

    /// Whether the trajectory was trained on. Exact but for collisions of 64-bit digests (one in 10¹³ for a million
    /// trajectories).
    pub fn has(&self, trajectory: &str) -> bool {
        self.members.binary_search(&digest(trajectory)).is_ok()
    }

    /// How many of these trajectories were trained on: an evaluation on them would flatter the policy.
    pub fn overlap<'a>(&self, trajectories: impl IntoIterator<Item = &'a str>) -> usize {
        trajectories.into_iter().filter(|t| self.has(t)).count()
    }
}

/// A policy as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyFile {
    /// What is known about it.
    pub card: Card,
    /// How features are standardised.
    pub standard: Standard,
    /// The network.
    pub net: Net,
    /// The logit of STOP; `None`: it fills the budget.
    pub stop: Option<f32>,
    /// What else the trainer keeps (e.g. the posterior of `thompson`), by name.
    pub extra: BTreeMap<String, Vec<f32>>,
}

/// Why bytes are not a usable policy, or a policy cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyFileError {
    /// Bytes are missing at the end.
    #[error("the policy file is truncated: {have} bytes, at least {need} expected")]
    Truncated {
        /// Bytes there are.
        have: u64,
        /// Bytes there must be.
        need: u64,
    },
    /// Something else altogether.
    #[error("this is not a policy file of memrl: {what}")]
    NotAPolicy {
        /// What tells.
        what: String,
    },
    /// Written by a newer version.
    #[error(
        "the policy file has format {found}, and this version of memrl reads formats up to {known}: please update memrl"
    )]
    Newer {
        /// Its format.
        found: u32,
        /// The newest one that is known.
        known: u32,
    },
    /// The card cannot be read or written.
    #[error("the card of the policy is unusable: {what}")]
    Card {
        /// What is wrong with it.
        what: String,
    },
    /// A tensor is missing, of another type, or of a shape that does not fit.
    #[error("tensor {tensor}: {what}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// What is wrong with it.
        what: String,
    },
    /// A weight or a number of the card is infinite or not a number.
    #[error("{place} has a number that is not finite")]
    NonFinite {
        /// Where.
        place: String,
    },
    /// The content was changed after it was written.
    #[error("the policy file is damaged: its checksum does not match")]
    Checksum,
}

/// Only the version, which every later format will have in the same place.
#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

/// The metadata entry of this format.
#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    format_version: u32,
    checksum: String,
    #[serde(borrow)]
    card: &'a RawValue,
}

/// A tensor to be written: shape and little-endian bytes.
struct Raw {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Raw {
    fn floats(shape: Vec<usize>, numbers: &[f32]) -> Self {
        let bytes = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        Self {
            dtype: Dtype::F32,
            shape,
            bytes,
        }
    }
}

/// BLAKE3 of the card and of name, shape and content of each tensor, in the order of their names.
fn checksum<'a>(
    card: &str,
    tensors: impl Iterator<Item = (&'a str, &'a [usize], &'a [u8])>,
) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(&(card.len() as u64).to_le_bytes());
    hash.update(card.as_bytes());
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort_unstable();
    for (name, shape, bytes) in tensors {
        hash.update(&(name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update(&(shape.len() as u64).to_le_bytes());
        for n in shape {
            hash.update(&(*n as u64).to_le_bytes());
        }
        hash.update(bytes);
    }
    hash.finalize().to_hex().to_string()
}

impl PolicyFile {
    /// What a trainer made of `data`. `config` is what it was trained with; the rest of the card is the caller's.
    #[expect(clippy::too_many_arguments, reason = "the fields of a card, once")]
    pub fn of(
        name: impl Into<String>,
        version: u32,
        trained: &Trained,
        data: TrainedOn,
        config: &crate::train::TrainConfig,
        reward: Option<String>,
        parent: Option<String>,
        created_at: Timestamp,
    ) -> Self {
        let card = Card {
            name: name.into(),
            version,
            algo: trained.algo.clone(),
            point: "recall".to_owned(),
            schema: trained.schema.clone(),
            data,
            counts: trained.counts,
            seed: config.seed,
            // Plain numbers; it cannot fail.
            config: serde_json::to_value(config).unwrap_or_default(),
            reward,
            metrics: trained.metrics.clone(),
            importance: trained.importance.clone(),
            parent,
            created_at,
        };
        Self {
            card,
            standard: trained.standard.clone(),
            net: trained.net.clone(),
            stop: trained.stop,
            extra: BTreeMap::new(),
        }
    }

    /// The policy, ready to act; refused when its features are not ones that this program computes.
    pub fn policy(&self) -> Result<Learned, LearnedError> {
        Learned::new(
            self.card.name.clone(),
            self.card.version,
            self.card.schema.clone(),
            self.standard.clone(),
            self.net.clone(),
            self.stop,
        )
    }

    /// What must hold of what is written and of what was read.
    fn check(&self) -> Result<(), PolicyFileError> {
        let non_finite = |place: &str| PolicyFileError::NonFinite {
            place: place.to_owned(),
        };
        let weights = [
            ("standard.mean", self.standard.mean.as_slice()),
            ("standard.sd", &self.standard.sd),
            ("the network", &self.net.params),
            ("stop", self.stop.as_slice()),
        ];
        let extra = self.extra.iter().map(|(k, v)| (k.as_str(), v.as_slice()));
        for (place, numbers) in weights.into_iter().chain(extra) {
            if numbers.iter().any(|x| !x.is_finite()) {
                return Err(non_finite(place));
            }
        }
        let importance = self.card.importance.iter().map(|(k, v)| (k, v));
        for (name, number) in self.card.metrics.iter().chain(importance) {
            if !number.is_finite() {
                return Err(non_finite(&format!("the card's {name}")));
            }
        }
        learned::check(&self.card.schema, &self.standard, &self.net, self.stop).map_err(|what| {
            PolicyFileError::Shape {
                tensor: "weights".to_owned(),
                what,
            }
        })
    }

    /// The tensors, by name.
    fn tensors(&self) -> BTreeMap<String, Raw> {
        let (i, h) = (self.net.inputs(), self.net.hidden());
        let (weight, rest) = self.net.params.split_at(i * h);
        let (bias, rest) = rest.split_at(h);
        let (out, rest) = rest.split_at(h);
        let (linear, c) = rest.split_at(i);
        let mut all = vec![
            ("standard.mean", vec![i], self.standard.mean.as_slice()),
            ("standard.sd", vec![i], &self.standard.sd),
            ("linear.weight", vec![i], linear),
            ("linear.bias", vec![1], c),
        ];
        if h > 0 {
            all.push(("hidden.weight", vec![h, i], weight));
            all.push(("hidden.bias", vec![h], bias));
            all.push(("hidden.out", vec![h], out));
        }
        if let Some(stop) = &self.stop {
            all.push(("stop", vec![1], std::slice::from_ref(stop)));
        }
        let mut tensors: BTreeMap<String, Raw> = all
            .into_iter()
            .map(|(name, shape, numbers)| (name.to_owned(), Raw::floats(shape, numbers)))
            .collect();
        for (name, numbers) in &self.extra {
            let raw = Raw::floats(vec![numbers.len()], numbers);
            tensors.insert(format!("{EXTRA}{name}"), raw);
        }
        let members = &self.card.data.members;
        let raw = Raw {
            dtype: Dtype::U64,
            shape: vec![members.len()],
            bytes: members.iter().flat_map(|m| m.to_le_bytes()).collect(),
        };
        tensors.insert("trained_on".to_owned(), raw);
        tensors
    }

    /// The file. The same policy gives the same bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, PolicyFileError> {
        self.check()?;
        let bad_card = |e: serde_json::Error| PolicyFileError::Card {
            what: e.to_string(),
        };
        let card = serde_json::to_string(&self.card).map_err(bad_card)?;
        let tensors = self.tensors();
        let parts = (tensors.iter())
            .map(|(name, t)| (name.as_str(), t.shape.as_slice(), t.bytes.as_slice()));
        let envelope = Envelope {
            format_version: FORMAT_VERSION,
            checksum: checksum(&card, parts),
            card: serde_json::from_str(&card).map_err(bad_card)?,
        };
        // One entry only: the library writes entries in no particular order.
        let entry = serde_json::to_string(&envelope).map_err(bad_card)?;
        let metadata = std::iter::once((ENTRY.to_owned(), entry)).collect();
        let views = tensors.iter().map(|(name, t)| {
            TensorView::new(t.dtype, t.shape.clone(), &t.bytes).map(|view| (name, view))
        });
        let views: Result<Vec<_>, _> = views.collect();
        views
            .and_then(|views| safetensors::serialize(views, Some(metadata)))
            .map_err(|e| PolicyFileError::Card {
                what: e.to_string(),
            })
    }

    /// Reads a file. Never panics, whatever the bytes are.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PolicyFileError> {
        let entry = entry_of(bytes)?;
        let not_ours = |e: serde_json::Error| PolicyFileError::NotAPolicy {
            what: format!("its entry {ENTRY:?} is not ours: {e}"),
        };
        let version: Version = serde_json::from_str(&entry).map_err(not_ours)?;
        if version.format_version > FORMAT_VERSION {
            return Err(PolicyFileError::Newer {
                found: version.format_version,
                known: FORMAT_VERSION,
            });
        }
        let envelope: Envelope<'_> = serde_json::from_str(&entry).map_err(not_ours)?;
        let tensors = open(bytes)?;
        let card = envelope.card.get();
        let names = tensors.names();
        let views: Vec<_> = (names.iter())
            .filter_map(|name| Some((*name, tensors.tensor(name).ok()?)))
            .collect();
        let parts = views.iter().map(|(name, t)| (*name, t.shape(), t.data()));
        if checksum(card, parts) != envelope.checksum {
            return Err(PolicyFileError::Checksum);
        }
        let mut card: Card = serde_json::from_str(card).map_err(|e| PolicyFileError::Card {
            what: e.to_string(),
        })?;
        let width = card.schema.width();
        let floats = |name: &str, n: Option<usize>| floats(&tensors, name, n);
        let has = |name: &str| names.contains(&name);
        let hidden = if has("hidden.bias") {
            floats("hidden.bias", None)?.len()
        } else {
            0
        };
        let mut params = Vec::new();
        if hidden > 0 {
            params.extend(floats("hidden.weight", Some(hidden.saturating_mul(width)))?);
            params.extend(floats("hidden.bias", Some(hidden))?);
            params.extend(floats("hidden.out", Some(hidden))?);
        }
        params.extend(floats("linear.weight", Some(width))?);
        params.extend(floats("linear.bias", Some(1))?);
        let net =
            Net::from_params(width, hidden, params).ok_or_else(|| shape("network", "size"))?;
        let stop = has("stop").then(|| floats("stop", Some(1))).transpose()?;
        let mut extra = BTreeMap::new();
        for name in &names {
            if let Some(short) = name.strip_prefix(EXTRA) {
                extra.insert(short.to_owned(), floats(name, None)?);
            }
        }
        card.data.members = members(&tensors)?;
        let file = Self {
            standard: Standard {
                mean: floats("standard.mean", Some(width))?,
                sd: floats("standard.sd", Some(width))?,
            },
            card,
            net,
            stop: stop.and_then(|s| s.first().copied()),
            extra,
        };
        file.check()?;
        Ok(file)
    }
}

fn shape(tensor: &str, what: impl Into<String>) -> PolicyFileError {
    PolicyFileError::Shape {
        tensor: tensor.to_owned(),
        what: what.into(),
    }
}

/// Our metadata entry, read without trusting anything about the tensors: a newer format may have other ones.
fn entry_of(bytes: &[u8]) -> Result<String, PolicyFileError> {
    let not_ours = |what: &str| PolicyFileError::NotAPolicy {
        what: what.to_owned(),
    };
    let have = bytes.len() as u64;
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(PolicyFileError::Truncated { have, need: 8 });
    };
    let length = u64::from_le_bytes(*length);
    if length > LONGEST_HEADER || rest.first().is_some_and(|b| *b != b'{') {
        return Err(not_ours("it is not in the safetensors format"));
    }
    let Some(header) = rest.get(..length as usize) else {
        let need = 8 + length;
        return Err(PolicyFileError::Truncated { have, need });
    };
    let header: serde_json::Value =
        serde_json::from_slice(header).map_err(|e| not_ours(&format!("its header: {e}")))?;
    let entry = header.get("__metadata__").and_then(|m| m.get(ENTRY));
    entry
        .and_then(|e| e.as_str())
        .map(str::to_owned)
        .ok_or_else(|| not_ours("its header has no entry \"memrl\""))
}

/// The tensors of a file whose header could be read.
fn open(bytes: &[u8]) -> Result<SafeTensors<'_>, PolicyFileError> {
    use safetensors::SafeTensorError as E;

    SafeTensors::deserialize(bytes).map_err(|e| match e {
        E::MetadataIncompleteBuffer => {
            let have = bytes.len() as u64;
            match expected(bytes) {
                Some(need) if need > have => PolicyFileError::Truncated { have, need },
                _ => PolicyFileError::Checksum,
            }
        }
        e => PolicyFileError::NotAPolicy {
            what: e.to_string(),
        },
    })
}

/// Bytes that a file must have by its header: where the last tensor ends.
fn expected(bytes: &[u8]) -> Option<u64> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = u64::from_le_bytes(*length);
    let header: serde_json::Value = serde_json::from_slice(rest.get(..length as usize)?).ok()?;
    let ends = header.as_object()?.values();
    let last = ends
        .filter_map(|t| t.get("data_offsets")?.get(1)?.as_u64())
        .max()?;
    last.checked_add(8)?.checked_add(length)
}

/// A tensor of floats, with `n` of them where that is known.
fn floats(
    tensors: &SafeTensors<'_>,
    name: &str,
    n: Option<usize>,
) -> Result<Vec<f32>, PolicyFileError> {
    let view = tensors.tensor(name).map_err(|_| shape(name, "missing"))?;
    if view.dtype() != Dtype::F32 {
        return Err(shape(name, format!("is {:?}, not F32", view.dtype())));
    }
    let (chunks, _) = view.data().as_chunks::<4>();
    if let Some(n) = n
        && n != chunks.len()
    {
        return Err(shape(
            name,
            format!("has {} numbers, not {n}", chunks.len()),
        ));
    }
    Ok(chunks.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

/// The digests of the trajectories that were trained on, sorted.
fn members(tensors: &SafeTensors<'_>) -> Result<Vec<u64>, PolicyFileError> {
    let name = "trained_on";
    let view = tensors.tensor(name).map_err(|_| shape(name, "missing"))?;
    if view.dtype() != Dtype::U64 {
        return Err(shape(name, format!("is {:?}, not U64", view.dtype())));
    }
    let (chunks, _) = view.data().as_chunks::<8>();
    let members: Vec<u64> = chunks.iter().map(|b| u64::from_le_bytes(*b)).collect();
    if members.is_sorted() {
        Ok(members)
    } else {
        Err(shape(name, "is not sorted"))
    }
}
