//! Times of finding the nearest neighbours of all vectors, which the propagation of values needs.
//!
//! `cargo bench -p memrl-recall --bench neighbours -- [vectors ...]`; without numbers 1,000 and
//! 10,000. Vectors have 256 components around 500 centres; 10 neighbours with a cosine of at least
//! 0.5. Each line gives the best and the median of five runs on one and on two threads, in
//! milliseconds.

use std::{hint::black_box, time::Instant};

use memrl_recall::index::{QVec, nearest_neighbours};

const DIM: usize = 256;
const CENTRES: u64 = 500;

/// `SplitMix64`: the same vectors in every run.
fn random(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 40) as f32 / (1 << 24) as f32 - 0.5
}

fn main() {
    let mut sizes: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1000, 10_000];
    }
    for size in sizes {
        let mut state = 1;
        let vectors: Vec<QVec> = (0..size as u64)
            .map(|i| {
                let mut centre = i % CENTRES;
                let mut component = || random(&mut centre) + 0.7 * random(&mut state);
                QVec::quantise(&(0..DIM).map(|_| component()).collect::<Vec<_>>())
            })
            .collect();
        for threads in [1, 2] {
            let mut times: Vec<f64> = (0..5)
                .map(|_| {
                    let start = Instant::now();
                    black_box(nearest_neighbours(black_box(&vectors), 10, 0.5, threads));
                    start.elapsed().as_secs_f64() * 1e3
                })
                .collect();
            times.sort_by(f64::total_cmp);
            let lists = nearest_neighbours(&vectors, 10, 0.5, threads);
            let found: usize = lists.iter().map(Vec::len).sum();
            let (best, median) = (times[0], times[2]);
            println!(
                "{size} vectors, {threads} threads: best {best:.0}, median {median:.0} ms, {found} neighbours"
            );
        }
    }
}
