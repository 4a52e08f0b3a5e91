//! The index: postings, vectors and search over them.
