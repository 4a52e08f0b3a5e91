//! The decision points `store`, `compact` and `retain`: what could be done, what is legal, and what a policy sees of it.
//!
//! Each has a table of features like that of [`crate::features`]: name, meaning, range and formula in one place, with a
//! version in its name and a fingerprint. A table may not change: other features, or another formula, are another
//! schema with
//! another name. It may not know texts or stores: only numbers and closed vocabularies.

mod compact;
mod retain;
mod store;

pub use compact::{COMPACT, COMPACT_V1, CompactAction, CompactInput, Role, compact_menu};
pub use retain::{RETAIN, RETAIN_V1, RetainInput, retain_menu};
pub use store::{STORE, STORE_V1, StoreInput, StoreState, StoreTarget, store_menu};

use crate::data::Schema;

/// One feature of a point whose options are described by a `T`.
#[derive(Debug)]
pub struct Feature<T> {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Its smallest value; smaller ones are clipped to it.
    pub low: f32,
    /// Its largest value; larger ones are clipped to it.
    pub high: f32,
    /// The formula.
    get: fn(&T) -> f64,
}

/// Declares a table: `"name", low..=high, "meaning", |input| formula;`
macro_rules! table {
    ($($name:literal, $low:literal ..= $high:literal, $meaning:literal, $get:expr;)+) => {
        &[$($crate::points::Feature { name: $name, meaning: $meaning, low: $low, high: $high, get: $get }),+]
    };
}
use table;

/// The features of `store-v1`, in their order.
pub fn store() -> &'static [Feature<StoreInput>] {
    store::TABLE
}

/// The features of `compact-v1`, in their order.
pub fn compact() -> &'static [Feature<CompactInput>] {
    compact::TABLE
}

/// The features of `retain-v1`, in their order.
pub fn retain() -> &'static [Feature<RetainInput>] {
    retain::TABLE
}

/// The schema of a table. Its fingerprint is the first 16 hexadecimal digits of the BLAKE3 hash of its name and of
/// the names
/// and ranges of its features, as for recall.
pub fn schema<T>(name: &str, table: &[Feature<T>]) -> Schema {
    use std::fmt::Write as _;

    let mut text = format!("{name}\n");
    for f in table {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}\t{}\t{}", f.name, f.low, f.high);
    }
    Schema {
        name: name.to_owned(),
        hash: blake3::hash(text.as_bytes()).to_hex()[..16].to_owned(),
        features: table.iter().map(|f| f.name.to_owned()).collect(),
    }
}

/// Appends the features of one option: always finite and in range. What is not a number counts as 0.
fn push<T>(table: &[Feature<T>], input: &T, out: &mut Vec<f32>) {
    out.extend(table.iter().map(|f| {
        let x = (f.get)(input);
        let x = if x.is_nan() { 0.0 } else { x };
        (x as f32).clamp(f.low, f.high)
    }));
}

/// 1 for true.
fn flag(b: bool) -> f64 {
    f64::from(u8::from(b))
}

/// `ln(1 + x)` for sizes; negative sizes count as 0.
fn log(x: f64) -> f64 {
    x.max(0.0).ln_1p()
}
