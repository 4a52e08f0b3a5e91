//! Feature schemas of recall decisions: what a learned policy sees of a candidate.
//!
//! A schema may never change: another set of features, or another formula, is another schema with
//! another name, because logged features and trained weights are read by position. Two exist:
//!
//! - [`RECALL_V1`], in the logs of older databases: of each candidate alone ([`v1`]);
//! - [`RECALL_V2`], which is logged now ([`v2`]): all of `recall-v1`, what rule policies read (so that a candidate
//!   can be made again from its row), what kind of query and text it is, and where the candidate stands in the answer.
//!
//! [`rows`] makes the rows of one answer, [`rebuild`] makes the answer of its rows. Knows numbers only.

mod rebuild;
pub mod v1;
pub mod v2;

use std::sync::LazyLock;

use crate::data::Schema;
use crate::{Candidate, Context};

pub use rebuild::{candidate, context, rebuild, settle};
pub use v1::{RECALL_V1, features, schema, schema_hash};
pub use v2::{RECALL_V2, rows};

/// The schema that is logged now.
pub const RECALL: &str = RECALL_V2;

/// One feature of a schema.
#[derive(Debug, Clone, Copy)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Its smallest value; smaller ones are clipped to it.
    pub low: f32,
    /// Its largest value; larger ones are clipped to it.
    pub high: f32,
}

impl Feature {
    /// A value as it is logged: in range, and finite; what is not a number counts as 0.
    fn clip(&self, x: f64) -> f32 {
        let x = if x.is_nan() { 0.0 } else { x };
        // Adding 0 makes −0 a 0: zeros are not stored.
        (x as f32).clamp(self.low, self.high) + 0.0
    }
}

/// A feature of a candidate alone, with its formula.
struct Formula {
    feature: Feature,
    get: fn(&Context, &Candidate) -> f64,
}

impl Formula {
    fn of(&self, ctx: &Context, c: &Candidate) -> f32 {
        self.feature.clip((self.get)(ctx, c))
    }
}

/// Declares a table of [`Formula`]s.
macro_rules! formulas {
    ($($name:literal, $low:literal ..= $high:literal, $meaning:literal, $get:expr;)+) => {
        &[$(super::Formula {
            feature: super::Feature { name: $name, meaning: $meaning, low: $low, high: $high },
            get: $get,
        }),+]
    };
}
use formulas;

/// The features of the schema of this name, in their order; `None` for another name.
pub fn table(name: &str) -> Option<&'static [Feature]> {
    match name {
        RECALL_V1 => Some(schema()),
        RECALL_V2 => Some(v2::schema()),
        _ => None,
    }
}

/// The schema of this name as data sets and policies name it; `None` for another name.
pub fn schema_of(name: &str) -> Option<&'static Schema> {
    static KNOWN: LazyLock<Vec<Schema>> = LazyLock::new(|| {
        let named = |name| {
            table(name).map(|features| Schema {
                name: str::to_owned(name),
                hash: fingerprint(name, features),
                features: features.iter().map(|f| f.name.to_owned()).collect(),
            })
        };
        [RECALL_V1, RECALL_V2]
            .into_iter()
            .filter_map(named)
            .collect()
    });
    KNOWN.iter().find(|s| s.name == name)
}

/// The first 16 hexadecimal digits of the BLAKE3 hash of the name of a schema and of the names and
/// ranges of its features.
fn fingerprint(name: &str, features: &[Feature]) -> String {
    use std::fmt::Write as _;

    let mut text = format!("{name}\n");
    for f in features {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}\t{}\t{}", f.name, f.low, f.high);
    }
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}
