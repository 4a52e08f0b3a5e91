//! Small problems, enumeration of slates, and a test of goodness of fit.

use memrl_learn::{Candidate, Context};
use memrl_types::{CellId, CellType};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The cell with this number.
pub fn cell_id(n: u64) -> CellId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    CellId::from_random(bytes)
}

/// A fact with this score and cost.
pub fn fact(n: u64, score: f64, cost: u32) -> Candidate {
    let mut c = Candidate::new(cell_id(n), CellType::Fact);
    c.score = score;
    c.cost = cost;
    c.tokens = cost;
    c.rank = n as u32;
    c
}

/// A critical constraint with this cost.
pub fn constraint(n: u64, criticality: f64, cost: u32) -> Candidate {
    let mut c = fact(n, 0.1, cost);
    c.kind = CellType::Constraint;
    c.features.criticality = criticality;
    c
}

/// A random problem of `n` candidates, some critical, some masked, some quarantined, with a budget
/// that is sometimes too small for the constraints.
pub fn problem(seed: u64, n: u64) -> (Context, Vec<Candidate>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let candidates: Vec<_> = (0..n)
        .map(|i| {
            let cost = rng.random_range(0..6);
            let mut c = if rng.random_bool(0.2) {
                constraint(i, rng.random_range(0.5..1.0), cost)
            } else {
                fact(i, rng.random(), cost)
            };
            if rng.random_bool(0.1) {
                c.mask = Some(memrl_types::Mask::Superseded);
            }
            if rng.random_bool(0.1) {
                c.status = memrl_types::CellStatus::Quarantined;
            }
            c.value.mean = rng.random();
            c.value.mass = rng.random_range(0.0..20.0);
            c
        })
        .collect();
    let mut ctx = Context::with_budget(rng.random_range(0..14));
    ctx.overhead_tokens = rng.random_range(0..3);
    (ctx, candidates)
}

/// Every ordered selection of distinct indices below `n`, the empty one included.
pub fn all_slates(n: usize) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    let mut at = 0;
    while at < all.len() {
        let base = all[at].clone();
        for i in (0..n).filter(|i| !base.contains(i)) {
            let mut longer = base.clone();
            longer.push(i);
            all.push(longer);
        }
        at += 1;
    }
    all
}

/// Pearson's χ² of counts against probabilities, with cells of expectation below 5 pooled, and
/// its 99.9 % quantile (Wilson–Hilferty).
pub fn chi_square(counts: &[f64], probabilities: &[f64]) -> (f64, f64) {
    let n: f64 = counts.iter().sum();
    let (mut statistic, mut cells) = (0.0, 0.0);
    let (mut rest_seen, mut rest_expected) = (0.0, 0.0);
    for (seen, p) in counts.iter().zip(probabilities) {
        let expected = n * p;
        if expected < 5.0 {
            rest_seen += seen;
            rest_expected += expected;
        } else {
            statistic += (seen - expected).powi(2) / expected;
            cells += 1.0;
        }
    }
    if rest_expected > 0.0 {
        statistic += (rest_seen - rest_expected).powi(2) / rest_expected.max(1.0);
        cells += 1.0;
    } else if rest_seen > 0.0 {
        statistic = f64::INFINITY;
    }
    let k = f64::max(cells - 1.0, 1.0);
    let cube = 1.0 - 2.0 / (9.0 * k) + 3.090_232 * (2.0 / (9.0 * k)).sqrt();
    (statistic, k * cube.powi(3))
}

/// Whether two numbers agree to a relative (or, near 0, absolute) tolerance.
pub fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * f64::max(1.0, f64::max(a.abs(), b.abs()))
}
