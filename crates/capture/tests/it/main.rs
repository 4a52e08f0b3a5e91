//! Integration tests of memrl-capture, in one binary so that linking happens once.

mod claude;
mod codex;
mod extract;
mod foreign;
mod pieces;
mod redact;
mod robust;
mod secrets;
mod signs;
mod support;
mod text;
