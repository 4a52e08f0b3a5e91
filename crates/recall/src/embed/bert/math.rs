//! The arithmetic of a transformer on row-major `f32` slices. Knows nothing of models.

/// A matrix, or a part of the columns of one.
pub(super) struct Rows<'a> {
    /// The numbers, from the first of the first row on.
    pub data: &'a [f32],
    /// Distance between the starts of two rows.
    pub stride: usize,
}

fn fits(len: usize, rows: usize, stride: usize, columns: usize) -> bool {
    rows == 0 || (columns <= stride && (rows - 1) * stride + columns <= len)
}

/// `c = a · bᵀ`, with `a` m×k, `b` n×k and `c` m×n (row stride `c_stride`).
///
/// # Panics
/// When a slice is shorter than its shape says.
pub(super) fn mul_transposed(
    (m, k, n): (usize, usize, usize),
    a: &Rows,
    b: &Rows,
    c: &mut [f32],
    c_stride: usize,
) {
    assert!(fits(a.data.len(), m, a.stride, k), "left factor too short");
    assert!(fits(b.data.len(), n, b.stride, k), "right factor too short");
    assert!(fits(c.len(), m, c_stride, n), "product too short");
    // SAFETY: the asserts above show that every element that the strides address lies inside its
    // slice; `c` is borrowed mutably, so it overlaps neither factor.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.data.as_ptr(),
            a.stride as isize,
            1,
            b.data.as_ptr(),
            1,
            b.stride as isize,
            0.0,
            c.as_mut_ptr(),
            c_stride as isize,
            1,
        );
    }
}

/// `c = a · b`, with `a` m×k, `b` k×n and `c` m×n (row stride `c_stride`).
///
/// # Panics
/// When a slice is shorter than its shape says.
pub(super) fn mul(
    (m, k, n): (usize, usize, usize),
    a: &Rows,
    b: &Rows,
    c: &mut [f32],
    c_stride: usize,
) {
    assert!(fits(a.data.len(), m, a.stride, k), "left factor too short");
    assert!(fits(b.data.len(), k, b.stride, n), "right factor too short");
    assert!(fits(c.len(), m, c_stride, n), "product too short");
    // SAFETY: as in `mul_transposed`.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.data.as_ptr(),
            a.stride as isize,
            1,
            b.data.as_ptr(),
            b.stride as isize,
            1,
            0.0,
            c.as_mut_ptr(),
            c_stride as isize,
            1,
        );
    }
}

/// Adds `bias` to every row of `x`.
pub(super) fn add_bias(x: &mut [f32], bias: &[f32]) {
    for row in x.chunks_exact_mut(bias.len()) {
        for (value, b) in row.iter_mut().zip(bias) {
            *value += b;
        }
    }
}

/// Normalises every row of `x` to mean 0 and variance 1, then scales and shifts it
/// (Ba et al. 2016, eq. 3).
pub(super) fn layer_norm(x: &mut [f32], scale: &[f32], shift: &[f32], eps: f32) {
    let width = scale.len() as f32;
    for row in x.chunks_exact_mut(scale.len()) {
        let mean = sum(row) / width;
        for value in row.iter_mut() {
            *value -= mean;
        }
        let variance = dot(row, row) / width;
        let factor = 1.0 / (variance + eps).sqrt();
        for ((value, s), b) in row.iter_mut().zip(scale).zip(shift) {
            *value = *value * factor * s + b;
        }
    }
}

/// Sum in 8 lanes, so that it vectorises; the order is fixed.
fn sum(x: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let chunks = x.chunks_exact(8);
    let rest: f32 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Dot product in 8 lanes.
fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (xs, ys) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest: f32 = xs
        .remainder()
        .iter()
        .zip(ys.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in xs.zip(ys) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Turns every row of `width` scores, times `scale`, into probabilities.
pub(super) fn softmax(x: &mut [f32], width: usize, scale: f32) {
    for row in x.chunks_exact_mut(width) {
        let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut total = 0.0;
        for value in row.iter_mut() {
            *value = ((*value - max) * scale).exp();
            total += *value;
        }
        for value in row.iter_mut() {
            *value /= total;
        }
    }
}

/// Error function: the rational approximation that Eigen and XLA use; absolute error below 5e-7.
#[inline]
fn erf(x: f32) -> f32 {
    const P: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_5e-5,
        -7.349_906e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const Q: [f32; 5] = [
        -1.456_607_2e-5,
        -2.133_740_5e-4,
        -1.682_827e-3,
        -7.373_329e-3,
        -1.426_473_9e-2,
    ];
    let x = x.clamp(-4.0, 4.0);
    let z = x * x;
    let p = P.iter().fold(0.0, |sum, c| sum * z + c);
    let q = Q.iter().fold(0.0, |sum, c| sum * z + c);
    x * p / q
}

/// Adds `bias` to every row and applies the Gaussian error linear unit x·Φ(x), in its exact form
/// (Hendrycks & Gimpel 2016).
pub(super) fn bias_gelu(x: &mut [f32], bias: &[f32]) {
    for row in x.chunks_exact_mut(bias.len()) {
        for (value, b) in row.iter_mut().zip(bias) {
            let v = *value + b;
            *value = 0.5 * v * (1.0 + erf(v * std::f32::consts::FRAC_1_SQRT_2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f32, b: f32, tolerance: f32) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b}");
    }

    fn equal(a: &[f32], b: &[f32]) {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).for_each(|(a, b)| close(*a, *b, 0.0));
    }

    #[test]
    fn erf_agrees_with_tables() {
        // Abramowitz & Stegun, table 7.1.
        for (x, y) in [
            (0.0, 0.0),
            (0.1, 0.112_462_92),
            (0.5, 0.520_499_9),
            (1.0, 0.842_700_8),
            (2.0, 0.995_322_3),
            (9.0, 1.0),
        ] {
            close(erf(x), y, 5e-7);
            close(erf(-x), -y, 5e-7);
        }
    }

    #[test]
    fn a_product_is_the_sum_of_products() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let b = [1.0, 0.0, 2.0, 0.0, 1.0, 1.0];
        let of = |data| Rows { data, stride: 3 };
        let mut c = [0.0; 4];
        mul_transposed((2, 3, 2), &of(&a), &of(&b), &mut c, 2);
        equal(&c, &[7.0, 5.0, 16.0, 11.0]);
        let right = Rows {
            data: &b,
            stride: 2,
        };
        mul((2, 3, 2), &of(&a), &right, &mut c, 2);
        equal(&c, &[8.0, 3.0, 20.0, 6.0]);
    }

    #[test]
    #[should_panic(expected = "right factor too short")]
    fn a_short_slice_is_refused_before_it_is_read() {
        let rows = Rows {
            data: &[1.0; 4],
            stride: 2,
        };
        mul((2, 2, 3), &rows, &rows, &mut [0.0; 6], 3);
    }

    #[test]
    fn softmax_rows_sum_to_one_even_for_large_scores() {
        let mut x = [1e30, 1e30, 0.0, 1.0, 2.0, 3.0];
        softmax(&mut x, 3, 1.0);
        close(x[0], 0.5, 1e-6);
        close(x[3] + x[4] + x[5], 1.0, 1e-6);
        close(x[5] / x[4], std::f32::consts::E, 1e-5);
    }

    #[test]
    fn normalised_rows_have_mean_zero_and_variance_one() {
        let mut x: Vec<f32> = (0..11).map(|i| (i * i) as f32).collect();
        layer_norm(&mut x, &[1.0; 11], &[0.0; 11], 1e-12);
        close(sum(&x) / 11.0, 0.0, 1e-6);
        close(dot(&x, &x) / 11.0, 1.0, 1e-5);
    }
}
