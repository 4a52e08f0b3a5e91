//! Microbenchmarks of the engine: `cargo bench -p memrl-bench`.
fn main() {}
