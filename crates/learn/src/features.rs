//! The feature schema of recall decisions, `recall-v1`.

use crate::{Candidate, Context};

/// The name and version of the schema.
pub const RECALL_V1: &str = "recall-v1";

/// One feature of a schema.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Its smallest value.
    pub low: f32,
    /// Its largest value.
    pub high: f32,
}

/// The features of the schema, in their order.
pub fn schema() -> &'static [Feature] {
    unimplemented!()
}

/// A fingerprint of the schema: 16 hexadecimal digits.
pub fn schema_hash() -> String {
    unimplemented!()
}

/// The features of a candidate, one per row of [`schema`], always finite and in range.
pub fn features(ctx: &Context, c: &Candidate) -> Vec<f32> {
    let _ = (ctx, c);
    unimplemented!()
}
