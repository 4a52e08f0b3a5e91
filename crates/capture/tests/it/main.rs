//! Integration tests of memrl-capture, in one binary so that linking happens once.

mod extract;
mod redact;
