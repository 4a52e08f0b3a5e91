//! Embedders, lexical and vector search, fusion.
//!
//! **Architecture Invariant:** this crate knows text and vectors. It knows neither databases nor
//! policies nor what a memory cell is; the engine hands it documents and takes hits.

pub mod embed;
pub mod index;
