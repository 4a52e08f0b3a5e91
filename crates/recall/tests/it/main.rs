//! Integration tests of memrl-recall, in one binary so that linking happens once.

mod embed_golden;
#[cfg(feature = "remote")]
mod embed_remote;
mod index_file;
mod index_mix;
mod index_search;
mod index_support;
