//! Reading a reward spec from TOML, with an answer to every mistake.

use serde::Deserialize;

use super::{
    BUILT_IN,
    spec::{Missing, RewardSpec, Signal, Term, Transform},
};

/// Why a reward spec is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewardSpecError {
    /// Not TOML, an unknown key, a wrong type; the message names line and field.
    #[error("{0}")]
    Toml(String),
    /// A field has a value that makes no sense.
    #[error("{field}: {why}")]
    Field {
        /// Where it is, e.g. `terms[2].weight`; terms are counted from 1.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// No such built-in spec.
    #[error("there is no reward spec {0:?}; built in are: {list}", list = BUILT_IN.join(", "))]
    Unknown(String),
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: String,
    version: u32,
    #[serde(default)]
    description: String,
    #[serde(default)]
    offset: f64,
    #[serde(default)]
    clip: Option<[f64; 2]>,
    #[serde(default)]
    round: Option<u8>,
    terms: Vec<RawTerm>,
}

/// One `[[terms]]` of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTerm {
    signal: String,
    weight: f64,
    #[serde(default)]
    transform: RawTransform,
    #[serde(default)]
    cap: Option<f64>,
    #[serde(default)]
    bounds: Option<[f64; 2]>,
    missing: RawMissing,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum RawTransform {
    #[default]
    Identity,
    Signed,
    Cap,
    Log1p,
}

/// `missing = "undefined"` or a number.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a number or \"undefined\"")]
enum RawMissing {
    Number(f64),
    Word(MissingWord),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum MissingWord {
    Undefined,
}

fn refuse<T>(field: impl Into<String>, why: impl Into<String>) -> Result<T, RewardSpecError> {
    Err(RewardSpecError::Field {
        field: field.into(),
        why: why.into(),
    })
}

fn finite(field: &str, x: f64) -> Result<f64, RewardSpecError> {
    if x.is_finite() {
        Ok(x)
    } else {
        refuse(field, format!("{x} is not a finite number"))
    }
}

fn interval(field: &str, pair: Option<[f64; 2]>) -> Result<Option<(f64, f64)>, RewardSpecError> {
    let Some([low, high]) = pair else {
        return Ok(None);
    };
    finite(field, low)?;
    finite(field, high)?;
    if low > high {
        return refuse(
            field,
            format!("the lower end {low} is above the upper end {high}"),
        );
    }
    Ok(Some((low, high)))
}

impl Raw {
    fn check(self) -> Result<RewardSpec, RewardSpecError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if self.id.is_empty() || !self.id.chars().all(plain) {
            return refuse(
                "id",
                format!("{:?} must be of the letters a-z, 0-9 and _", self.id),
            );
        }
        if self.version == 0 {
            return refuse("version", "versions start at 1");
        }
        if self.terms.is_empty() {
            return refuse("terms", "a reward needs at least one term");
        }
        if self.round.is_some_and(|r| r > 15) {
            return refuse("round", "at most 15 decimals");
        }
        Ok(RewardSpec {
            id: self.id,
            version: self.version,
            description: self.description,
            offset: finite("offset", self.offset)?,
            clip: interval("clip", self.clip)?,
            round: self.round,
            terms: (self.terms.into_iter().enumerate())
                .map(|(i, t)| t.check(&format!("terms[{}]", i + 1)))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl RawTerm {
    fn check(self, at: &str) -> Result<Term, RewardSpecError> {
        let field = |name: &str| format!("{at}.{name}");
        let Some(signal) = Signal::parse(&self.signal) else {
            let why = format!(
                "{:?} is no signal; expected success, unsafe, stale, tokens, latency or metrics.NAME",
                self.signal
            );
            return refuse(field("signal"), why);
        };
        if let Some(cap) = self.cap
            && !(cap.is_finite() && cap > 0.0)
        {
            return refuse(field("cap"), format!("{cap} must be finite and above 0"));
        }
        let transform = match (self.transform, self.cap) {
            (RawTransform::Identity, None) => Transform::Identity,
            (RawTransform::Signed, None) => Transform::Signed,
            (RawTransform::Log1p, None) => Transform::Log1p,
            (RawTransform::Log1p, Some(cap)) => Transform::Log1pCap(cap),
            (RawTransform::Cap, Some(cap)) => Transform::Cap(cap),
            (RawTransform::Cap, None) => return refuse(field("cap"), "transform \"cap\" needs it"),
            (RawTransform::Identity | RawTransform::Signed, Some(_)) => {
                return refuse(
                    field("cap"),
                    "only the transforms \"cap\" and \"log1p\" take it",
                );
            }
        };
        let missing = match self.missing {
            RawMissing::Word(MissingWord::Undefined) => Missing::Undefined,
            RawMissing::Number(x) => Missing::Assume(finite(&field("missing"), x)?),
        };
        Ok(Term {
            signal,
            weight: finite(&field("weight"), self.weight)?,
            transform,
            bounds: interval(&field("bounds"), self.bounds)?,
            missing,
        })
    }
}

impl RewardSpec {
    /// Reads a spec from TOML. Unknown keys, wrong types and numbers that are not finite are
    /// refused with the line or the field.
    pub fn parse(text: &str) -> Result<Self, RewardSpecError> {
        let raw: Raw = toml::from_str(text)
            .map_err(|e| RewardSpecError::Toml(e.to_string().trim().to_owned()))?;
        raw.check()
    }

    /// The built-in spec of this name: `memcell_v1` or `bounded_v1`.
    pub fn built_in(name: &str) -> Result<Self, RewardSpecError> {
        match name {
            "memcell_v1" => Self::parse(include_str!("../../rewards/memcell_v1.toml")),
            "bounded_v1" => Self::parse(include_str!("../../rewards/bounded_v1.toml")),
            _ => Err(RewardSpecError::Unknown(name.to_owned())),
        }
    }
}
