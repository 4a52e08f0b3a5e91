//! Integer dot products, with the widest instructions that the machine has.
//!
//! Every path adds the same integers, so all give the same result bit for bit. The callers keep
//! vectors below [`super::MAX_DIM`], so that no sum leaves 32 bits.

/// Σ a·b over 8-bit codes. Slices of different lengths: the common part.
pub fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&x, &y)| i32::from(x) * i32::from(y)).sum()
}
