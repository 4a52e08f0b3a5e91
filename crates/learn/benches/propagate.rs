//! Times of solving for the values of all cells, on a random graph with eight edges to a cell.
//!
//! `cargo bench -p memrl-learn --bench propagate -- [cells ...]`; without numbers 10,000 and 100,000.
//! Half of the cells have evidence. Each line gives the best and the median of nine runs, in
//! milliseconds.

use std::{hint::black_box, time::Instant};

use memrl_learn::{Graph, PropagationProblem, propagate};
use rand::{Rng, SeedableRng};

fn main() {
    let mut sizes: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000];
    }
    for cells in sizes {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mut edge = || {
            let mut cell = || random.random_range(0..cells as u32);
            (cell(), cell(), random.random_range(0.5..1.0))
        };
        let edges: Vec<(u32, u32, f32)> = (0..cells * 4).map(|_| edge()).collect();
        let graph = Graph::from_edges(cells, edges, 0.9);
        let n: Vec<f64> = (0..cells)
            .map(|i| {
                if i % 2 == 0 {
                    0.0
                } else {
                    random.random_range(0.0..20.0)
                }
            })
            .collect();
        let s: Vec<f64> = n.iter().map(|n| n * random.random::<f64>()).collect();
        let problem = PropagationProblem {
            n: &n,
            s: &s,
            mu: &vec![0.5; cells],
            graph: &graph,
            n0: 9.0,
            tau: 1.0,
        };
        let mut steps = 0;
        let mut times: Vec<f64> = (0..9)
            .map(|_| {
                let start = Instant::now();
                steps = black_box(propagate(black_box(&problem))).iterations;
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let (best, median) = (times[0], times[4]);
        println!("{cells} cells: best {best:.1}, median {median:.1} ms, {steps} steps");
    }
}
