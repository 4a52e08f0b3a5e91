//! The network that scores candidates, with its gradient and its optimiser.
//!
//! ```text
//! score(x) = c + w·x + v·relu(W x + b)          hidden = 0: score(x) = c + w·x
//! ```
//!
//! A linear model with a hidden layer beside it (Cheng et al. 2016, "Wide & Deep Learning", without the
//! embeddings): with few data the linear part carries it, and with no hidden layer the weights can be read.
//! It may not know what the inputs mean.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Standardised inputs are clipped to ± this, so that one outlier moves no score without bound.
const CLIP: f32 = 8.0;

/// Mean and spread of each input, from the training data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standard {
    /// Mean of each input.
    pub mean: Vec<f32>,
    /// Standard deviation of each input; 0 for one that never varied, which then counts as 0.
    pub sd: Vec<f32>,
}

impl Standard {
    /// Leaves the inputs as they are (but for the clipping at ±8).
    pub fn identity(width: usize) -> Self {
        Self {
            mean: vec![0.0; width],
            sd: vec![1.0; width],
        }
    }

    /// Of rows of `width` numbers each.
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a [f32]>, width: usize) -> Self {
        let (mut n, mut mean, mut m2) = (0.0, vec![0.0f64; width], vec![0.0f64; width]);
        for row in rows {
            n += 1.0;
            for ((m, s), x) in mean.iter_mut().zip(&mut m2).zip(row) {
                let x = f64::from(*x);
                let before = x - *m;
                *m += before / n;
                *s += before * (x - *m);
            }
        }
        let sd = |s: &f64| (s / f64::max(n, 1.0)).sqrt() as f32;
        Self {
            mean: mean.iter().map(|m| *m as f32).collect(),
            sd: m2.iter().map(sd).collect(),
        }
    }

    /// Appends the standardised rows to `out`: (x − mean) / sd in [−8, 8], 0 where sd is below 10⁻⁶.
    pub fn apply(&self, rows: &[f32], out: &mut Vec<f32>) {
        for row in rows.chunks_exact(self.mean.len().max(1)) {
            out.extend(row.iter().zip(&self.mean).zip(&self.sd).map(|((x, m), s)| {
                if *s > 1e-6 {
                    ((x - m) / s).clamp(-CLIP, CLIP)
                } else {
                    0.0
                }
            }));
        }
    }
}

/// The network. Its parameters are one vector: W (hidden × inputs), b, v (hidden each), w (inputs), c.
#[derive(Debug, Clone, PartialEq)]
pub struct Net {
    inputs: usize,
    hidden: usize,
    /// All parameters, in the order of the type's documentation.
    pub params: Vec<f32>,
}

/// What [`Net::forward`] keeps for [`Net::backward`].
#[derive(Debug, Clone, Default)]
pub struct Tape {
    /// relu(W x + b), rows × hidden.
    active: Vec<f32>,
    /// One score per row.
    pub scores: Vec<f32>,
}

impl Net {
    /// A linear model of all zeros: every candidate scores 0.
    pub fn linear(inputs: usize) -> Self {
        Self::new(inputs, 0, 0)
    }

    /// A network with `hidden` units; their input weights are drawn uniformly within ±√(6 / inputs) (He et al.
    /// 2015) and everything else is 0, so that it starts as the linear model does.
    pub fn new(inputs: usize, hidden: usize, seed: u64) -> Self {
        let mut net = Self {
            inputs,
            hidden,
            params: vec![0.0; Self::size(inputs, hidden)],
        };
        let bound = (6.0 / inputs.max(1) as f32).sqrt();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for w in &mut net.params[..inputs * hidden] {
            *w = rng.random_range(-bound..=bound);
        }
        // Units that all start without a voice would all stay silent: v gets small numbers.
        let at = inputs * hidden + hidden;
        for v in &mut net.params[at..at + hidden] {
            *v = rng.random_range(-0.01..=0.01);
        }
        net
    }

    /// A network with these parameters; `None` when their number is not that of the shape.
    pub fn from_params(inputs: usize, hidden: usize, params: Vec<f32>) -> Option<Self> {
        (params.len() == Self::size(inputs, hidden)).then_some(Self {
            inputs,
            hidden,
            params,
        })
    }

    /// Number of parameters of a shape.
    pub const fn size(inputs: usize, hidden: usize) -> usize {
        inputs * hidden + 2 * hidden + inputs + 1
    }

    /// Width of a row.
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// Units of the hidden layer; 0: a linear model.
    pub const fn hidden(&self) -> usize {
        self.hidden
    }

    /// The weights of the linear part, one per input.
    pub fn linear_weights(&self) -> &[f32] {
        let at = self.inputs * self.hidden + 2 * self.hidden;
        &self.params[at..at + self.inputs]
    }

    /// The scores of rows (`n × inputs`, row by row), left in `tape.scores`.
    pub fn forward(&self, rows: &[f32], tape: &mut Tape) {
        let (i, h) = (self.inputs, self.hidden);
        let n = rows.len() / i.max(1);
        let (weights, rest) = self.params.split_at(i * h);
        let (b, rest) = rest.split_at(h);
        let (v, rest) = rest.split_at(h);
        let (w, c) = rest.split_at(i);
        tape.scores.clear();
        tape.scores.resize(n, c[0]);
        gemm(rows, (n, i), false, w, (i, 1), false, &mut tape.scores);
        tape.active.clear();
        if h == 0 {
            return;
        }
        for _ in 0..n {
            tape.active.extend_from_slice(b);
        }
        gemm(rows, (n, i), false, weights, (h, i), true, &mut tape.active);
        for a in &mut tape.active {
            *a = a.max(0.0);
        }
        gemm(
            &tape.active,
            (n, h),
            false,
            v,
            (h, 1),
            false,
            &mut tape.scores,
        );
    }

    /// Adds to `grad` the gradient of Σ `d_scores[k]` · score(row k), for the rows that `tape` was made of.
    pub fn backward(&self, rows: &[f32], tape: &mut Tape, d_scores: &[f32], grad: &mut [f32]) {
        let (i, h) = (self.inputs, self.hidden);
        let n = d_scores.len();
        let v = &self.params[i * h + h..i * h + 2 * h];
        let (g_weights, rest) = grad.split_at_mut(i * h);
        let (g_b, rest) = rest.split_at_mut(h);
        let (g_v, rest) = rest.split_at_mut(h);
        let (g_w, g_c) = rest.split_at_mut(i);
        g_c[0] += d_scores.iter().sum::<f32>();
        gemm(d_scores, (n, 1), true, rows, (n, i), false, g_w);
        if h == 0 {
            return;
        }
        gemm(d_scores, (n, 1), true, &tape.active, (n, h), false, g_v);
        // From here on the tape holds the gradient of the hidden layer's inputs.
        for (row, d) in tape.active.chunks_exact_mut(h).zip(d_scores) {
            for ((a, v), g) in row.iter_mut().zip(v).zip(g_b.iter_mut()) {
                *a = if *a > 0.0 { d * v } else { 0.0 };
                *g += *a;
            }
        }
        gemm(&tape.active, (n, h), true, rows, (n, i), false, g_weights);
    }

    /// The scores of rows.
    pub fn scores(&self, rows: &[f32]) -> Vec<f32> {
        let mut tape = Tape::default();
        self.forward(rows, &mut tape);
        tape.scores
    }
}

/// The scores of rows of raw features: standardised, then through the network.
pub fn logits(standard: &Standard, net: &Net, rows: &[f32]) -> Vec<f64> {
    let mut x = Vec::with_capacity(rows.len());
    standard.apply(rows, &mut x);
    net.scores(&x).into_iter().map(f64::from).collect()
}

/// a·b, in eight sums beside each other, so that the compiler may compute them at once.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for (a, b) in a8.iter().zip(b8) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// `out += A B`, with A of shape `a` (transposed first where `a_t`) and B likewise, all row by row.
fn gemm(
    a: &[f32],
    (a_rows, a_cols): (usize, usize),
    a_t: bool,
    b: &[f32],
    (b_rows, b_cols): (usize, usize),
    b_t: bool,
    out: &mut [f32],
) {
    let (m, k, a_rs, a_cs) = if a_t {
        (a_cols, a_rows, 1, a_cols)
    } else {
        (a_rows, a_cols, a_cols, 1)
    };
    let (n, b_rs, b_cs) = if b_t {
        (b_rows, 1, b_cols)
    } else {
        (b_cols, b_cols, 1)
    };
    debug_assert_eq!(k, if b_t { b_cols } else { b_rows });
    assert!(a.len() >= a_rows * a_cols && b.len() >= b_rows * b_cols && out.len() >= m * n);
    // A vector on one side: the library would pad it to eight.
    if n == 1 && !a_t {
        for (row, out) in a.chunks_exact(k.max(1)).zip(out) {
            *out += dot(row, b);
        }
        return;
    }
    if m == 1 && !b_t {
        for (x, row) in a.iter().zip(b.chunks_exact(n.max(1))) {
            for (out, b) in out.iter_mut().zip(row) {
                *out += x * b;
            }
        }
        return;
    }
    // SAFETY: the lengths were checked above, and the strides walk exactly these rows and columns.
    #[expect(unsafe_code, reason = "the one call into the matrix library")]
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.as_ptr(),
            a_rs as isize,
            a_cs as isize,
            b.as_ptr(),
            b_rs as isize,
            b_cs as isize,
            1.0,
            out.as_mut_ptr(),
            n as isize,
            1,
        );
    }
}

/// Adam with decoupled weight decay (Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019), β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// First moments, one per parameter.
    pub m: Vec<f32>,
    /// Second moments, one per parameter.
    pub v: Vec<f32>,
    /// Steps taken.
    pub t: u64,
}

impl Adam {
    /// For this many parameters.
    pub fn new(size: usize) -> Self {
        Self {
            m: vec![0.0; size],
            v: vec![0.0; size],
            t: 0,
        }
    }

    /// One step down the gradient: `params −= rate · (m̂ / (√v̂ + ε) + decay · params)`.
    pub fn step(&mut self, params: &mut [f32], grad: &[f32], rate: f32, decay: f32) {
        self.t += 1;
        let t = i32::try_from(self.t).unwrap_or(i32::MAX);
        let (c1, c2) = (1.0 - 0.9f32.powi(t), 1.0 - 0.999f32.powi(t));
        let moments = self.m.iter_mut().zip(&mut self.v);
        for ((p, g), (m, v)) in params.iter_mut().zip(grad).zip(moments) {
            *m += 0.1 * (g - *m);
            *v += 0.001 * (g * g - *v);
            *p -= rate * ((*m / c1) / ((*v / c2).sqrt() + 1e-8) + decay * *p);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(n: usize, width: usize, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n * width)
            .map(|_| rng.random_range(-1.0..1.0))
            .collect()
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        for hidden in [0, 5] {
            let mut net = Net::new(7, hidden, 1);
            let mut rng = ChaCha8Rng::seed_from_u64(2);
            for p in &mut net.params {
                *p += rng.random_range(-0.5..0.5);
            }
            let x = rows(11, 7, 3);
            let d = rows(11, 1, 4);
            let mut tape = Tape::default();
            let mut grad = vec![0.0; net.params.len()];
            net.forward(&x, &mut tape);
            net.backward(&x, &mut tape, &d, &mut grad);
            let loss = |net: &Net| -> f64 {
                let s = net.scores(&x);
                s.iter()
                    .zip(&d)
                    .map(|(s, d)| f64::from(*s) * f64::from(*d))
                    .sum()
            };
            for (k, g) in grad.iter().enumerate() {
                let mut moved = net.clone();
                moved.params[k] += 1e-3;
                let up = loss(&moved);
                moved.params[k] -= 2e-3;
                let slope = (up - loss(&moved)) / 2e-3;
                assert!(
                    (slope - f64::from(*g)).abs() < 2e-2,
                    "{hidden} {k}: {slope} {g}"
                );
            }
        }
    }

    #[test]
    fn a_linear_model_scores_by_its_weights() {
        let mut net = Net::linear(3);
        net.params.copy_from_slice(&[1.0, -2.0, 0.5, 4.0]);
        assert_eq!(net.scores(&[1.0, 1.0, 2.0, 0.0, 1.0, 0.0]), [4.0, 2.0]);
        assert_eq!(net.linear_weights(), [1.0, -2.0, 0.5]);
    }

    #[test]
    fn standardised_inputs_have_mean_0_and_spread_1_and_what_never_varies_is_0() {
        let data = [1.0f32, 5.0, 3.0, 5.0, 5.0, 5.0];
        let standard = Standard::of(data.chunks_exact(2), 2);
        let mut out = Vec::new();
        standard.apply(&data, &mut out);
        assert!((out[0] + out[2] + out[4]).abs() < 1e-5 && out[1] == 0.0);
        assert!((out[0] * out[0] + out[2] * out[2] + out[4] * out[4] - 3.0).abs() < 1e-4);
        standard.apply(&[1e30, f32::MIN], &mut out);
        assert!(out.iter().all(|x| x.abs() <= CLIP));
    }

    #[test]
    fn the_optimiser_finds_the_bottom_of_a_bowl() {
        let mut adam = Adam::new(2);
        let mut at = [3.0f32, -2.0];
        for _ in 0..3000 {
            let grad = [2.0 * (at[0] - 1.0), 20.0 * (at[1] - 0.5)];
            adam.step(&mut at, &grad, 0.01, 0.0);
        }
        assert!(
            (at[0] - 1.0).abs() < 1e-2 && (at[1] - 0.5).abs() < 1e-2,
            "{at:?}"
        );
    }
}
