//! Integration tests of memrl-recall, in one binary so that linking happens once.

mod embed_golden;
