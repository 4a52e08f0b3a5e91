//! Measures the embedders: start-up, short sentences per second, one sentence at a time.
//!
//! ```text
//! cargo run --release -p memrl-recall --example embed_speed -- [MODEL_FOLDER]
//! ```

use std::hint::black_box;
use std::time::{Duration, Instant};

use memrl_recall::embed::{BertEmbedder, Embedder, StaticEmbedder};

/// 20 word pieces, the two that frame it included.
const SENTENCE: &str =
    "The user prefers short answers and wants the tests to run before every commit is pushed.";

/// Median of the time that `work` takes, over `rounds` rounds after one to warm up.
fn median(rounds: usize, mut work: impl FnMut()) -> Duration {
    work();
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let table = StaticEmbedder::builtin();
    table.embed(&[SENTENCE])?;
    println!("static: start and first sentence {:?}", start.elapsed());
    let texts: Vec<String> = (0..10_000).map(|i| format!("{SENTENCE} {i}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let each = median(9, || {
        black_box(table.embed(&texts).ok());
    }) / texts.len() as u32;
    println!(
        "static: {each:?} per sentence, {:.0}/s",
        1.0 / each.as_secs_f64()
    );

    let Some(folder) = std::env::args().nth(1) else {
        println!("bert: skipped, no model folder given");
        return Ok(());
    };
    let start = Instant::now();
    let model = BertEmbedder::load(folder.as_ref())?;
    println!("bert: load {:?}", start.elapsed());
    println!("bert: sentence of {} pieces", model.pieces(SENTENCE).len());
    let each = median(51, || {
        black_box(model.embed(&[SENTENCE]).ok());
    });
    println!("bert: {each:?} for one sentence");
    let each = median(5, || {
        black_box(model.embed(&texts[..256]).ok());
    }) / 256;
    println!("bert: {each:?} per sentence in a batch of 256");
    Ok(())
}
