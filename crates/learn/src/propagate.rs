//! Values of all cells at once: evidence, priors and neighbours in one linear system.
//!
//! ```text
//! (N + n₀ I + τ L) V = s + n₀ μ        L = D − W, the Laplacian of the graph
//! ```
//!
//! with N the mass of the evidence, s the good part of it, μ the prior means, n₀ the prior's mass.
//! Row by row it says that a value is the mean of what the cell was seen to do, what cells of its
//! type do, and what its neighbours are worth:
//!
//! ```text
//! V_i = (s_i + n₀ μ_i + τ Σ_j w_ij V_j) / (n_i + n₀ + τ d_i)
//! ```
//!
//! This is the posterior mean of a Gaussian field over the graph (Zhu, Ghahramani and Lafferty,
//! ICML 2003, with soft labels), and it has what repeated one-step updates of neighbours lack. The
//! matrix is strictly diagonally dominant with non-positive entries beside the diagonal, so there
//! is exactly one solution; it lies between the smallest and the largest of s/n and μ, hence in
//! [0, 1]; more success anywhere never lowers it anywhere; and solving again changes nothing.
//!
//! It may not know cells, stores or time: the evidence is decayed by the caller.

use crate::graph::Graph;
use crate::value::OwnPrior;

/// How much the neighbours weigh: τ. With the weights of a [`Graph`], all neighbours of a cell
/// together weigh at most τ·γ observations.
pub const STRENGTH: f64 = 1.0;

/// How far a value may be from what its row of the system says.
pub const TOLERANCE: f64 = 1e-10;

/// Iterations after which the solver gives up. It needs six or so: the condition number is at
/// most `1 + 2τγ/n₀` after scaling, whatever the number of cells.
const MAX_ITERATIONS: usize = 1000;

/// What is to be solved. The slices have one entry per cell of the graph.
#[derive(Debug, Clone, Copy)]
pub struct PropagationProblem<'a> {
    /// Mass of the evidence, decayed, at least 0.
    pub n: &'a [f64],
    /// The good part of it, in [0, n].
    pub s: &'a [f64],
    /// Prior mean, in [0, 1].
    pub mu: &'a [f64],
    /// Who is like whom.
    pub graph: &'a Graph,
    /// Mass of the prior, above 0.
    pub n0: f64,
    /// Strength of the neighbours, at least 0.
    pub tau: f64,
}

/// The solution.
#[derive(Debug, Clone, PartialEq)]
pub struct Propagated {
    /// Values, in [0, 1], by cell.
    pub values: Vec<f64>,
    /// What the neighbours make the cell's prior: `m = n₀ + τ d` and
    /// `p = (n₀ μ + τ Σ w V) / m`, so that `V = (s + m p) / (n + m)`. This is what is kept of a
    /// propagation: the value then follows the cell's own evidence from day to day.
    pub priors: Vec<OwnPrior>,
    /// Steps of the solver.
    pub iterations: usize,
    /// The largest difference, over all cells, between what the solver left and what its row says.
    pub residual: f64,
}

/// The most that γτ may be so that one whole success lifts a cell more than any neighbours can
/// lift an untried one, if the cell with the success has no neighbour below its prior.
///
/// The cell is lifted by at least `(1 − μ) / (1 + n₀ + c)` where `c = γτ` bounds the weight of its
/// neighbours, all of them at μ in the worst case; the untried one by at most `c (1 − μ) / (n₀ + c)`,
/// all of its neighbours being at 1. The first is the larger one while `c (n₀ + c) ≤ n₀`: up to
/// 0.908 for `n₀ = 9`.
pub fn largest_discount(n0: f64) -> f64 {
    let n0 = n0.max(0.0);
    (n0 * (n0 + 4.0)).sqrt().midpoint(-n0)
}

/// Solves by conjugate gradients with the diagonal as preconditioner. Deterministic.
///
/// Each value is within `1.1 ·` [`TOLERANCE`] of the exact one (for γτ ≤ n₀/10), because the
/// error is bounded by the largest of the residuals over `n_i + n₀`.
///
/// # Panics
/// When the slices and the graph differ in length, or `n0` is not above 0 or `tau` below 0.
pub fn propagate(problem: &PropagationProblem<'_>) -> Propagated {
    let cells = problem.graph.len();
    let lengths = [problem.n.len(), problem.s.len(), problem.mu.len()];
    assert_eq!(lengths, [cells; 3], "one entry per cell of the graph");
    assert!(problem.n0 > 0.0 && problem.tau >= 0.0, "the prior has mass");
    let system = System::new(problem);
    let mut values = system.unconnected();
    let iterations = system.solve(&mut values);
    let residual = system.residual(&values).fold(0.0, f64::max);
    let priors = system.priors(&values);
    // One more step of Jacobi's method, so that what is kept gives these values to the last bit.
    for ((value, prior), (n, s)) in values.iter_mut().zip(&priors).zip(&system.evidence) {
        *value = ((s + prior.mass * prior.mean) / (n + prior.mass)).clamp(0.0, 1.0);
    }
    Propagated {
        values,
        priors,
        iterations,
        residual,
    }
}

/// The system, with what does not change from step to step.
struct System<'a> {
    problem: &'a PropagationProblem<'a>,
    /// Mass and its good part, put into their ranges.
    evidence: Vec<(f64, f64)>,
    /// `n₀ μ`.
    prior: Vec<f64>,
    /// Masses of the cells' own priors: `n₀ + τ d`.
    mass: Vec<f64>,
    /// The diagonal: `n + n₀ + τ d`.
    diagonal: Vec<f64>,
}

impl<'a> System<'a> {
    fn new(problem: &'a PropagationProblem<'a>) -> Self {
        let evidence: Vec<(f64, f64)> = problem
            .n
            .iter()
            .zip(problem.s)
            .map(|(n, s)| (n.max(0.0), s.clamp(0.0, n.max(0.0))))
            .collect();
        let mass: Vec<f64> = (0..evidence.len())
            .map(|i| problem.n0 + problem.tau * problem.graph.degree(i))
            .collect();
        let diagonal = evidence
            .iter()
            .zip(&mass)
            .map(|((n, _), m)| n + m)
            .collect();
        let prior = problem.mu.iter().map(|mu| problem.n0 * mu.clamp(0.0, 1.0));
        Self {
            problem,
            evidence,
            prior: prior.collect(),
            mass,
            diagonal,
        }
    }

    /// The values without neighbours: where the solver starts.
    fn unconnected(&self) -> Vec<f64> {
        let known = self.evidence.iter().zip(&self.prior);
        known
            .map(|((n, s), prior)| (s + prior) / (n + self.problem.n0))
            .collect()
    }

    /// `τ Σ_j w_ij x_j`.
    fn pull(&self, i: usize, x: &[f64]) -> f64 {
        let terms = self.problem.graph.neighbours(i).map(|(j, w)| w * x[j]);
        self.problem.tau * terms.sum::<f64>()
    }

    /// Right-hand side minus left-hand side of row `i`.
    fn gap(&self, i: usize, x: &[f64]) -> f64 {
        self.evidence[i].1 + self.prior[i] + self.pull(i, x) - self.diagonal[i] * x[i]
    }

    /// How far each value is from what its row says.
    fn residual<'x>(&'x self, x: &'x [f64]) -> impl Iterator<Item = f64> + 'x {
        (0..x.len()).map(|i| (self.gap(i, x) / self.diagonal[i]).abs())
    }

    /// Improves `x` in place; the number of steps.
    fn solve(&self, x: &mut [f64]) -> usize {
        let cells = x.len();
        let mut r: Vec<f64> = (0..cells).map(|i| self.gap(i, x)).collect();
        let scale =
            |r: &[f64]| -> Vec<f64> { r.iter().zip(&self.diagonal).map(|(r, d)| r / d).collect() };
        let mut z = scale(&r);
        let mut direction = z.clone();
        let mut rz = dot(&r, &z);
        let mut image = vec![0.0; cells];
        for step in 0..MAX_ITERATIONS {
            if z.iter().all(|z| z.abs() <= TOLERANCE) {
                return step;
            }
            for (i, image) in image.iter_mut().enumerate() {
                *image = self.diagonal[i] * direction[i] - self.pull(i, &direction);
            }
            let alpha = rz / dot(&direction, &image);
            for i in 0..cells {
                x[i] += alpha * direction[i];
                r[i] -= alpha * image[i];
            }
            z = scale(&r);
            let rz_before = std::mem::replace(&mut rz, dot(&r, &z));
            let beta = rz / rz_before;
            for (direction, z) in direction.iter_mut().zip(&z) {
                *direction = z + beta * *direction;
            }
        }
        MAX_ITERATIONS
    }

    fn priors(&self, values: &[f64]) -> Vec<OwnPrior> {
        (0..values.len())
            .map(|i| {
                let mass = self.mass[i];
                let mean = (self.prior[i] + self.pull(i, values)) / mass;
                OwnPrior {
                    mean: mean.clamp(0.0, 1.0),
                    mass,
                }
            })
            .collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
