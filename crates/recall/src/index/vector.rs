//! Vectors as 8-bit integers with one scale.
//!
//! Knows nothing about texts or documents.

use super::{IndexError, simd};

/// Longest vector that is accepted; keeps every integer dot product inside 32 bits.
pub const MAX_DIM: usize = 8192;

/// A vector of 8-bit codes in [−127, 127]; component i is `scale · codes[i]`.
///
/// A scale of 0 says: no vector (a text without known words).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QVec {
    /// Length of one step, ≥ 0 and finite.
    pub scale: f32,
    /// The codes.
    pub codes: Vec<i8>,
}

impl QVec {
    /// Normalises to unit length and rounds to 8 bits. Zeros or anything that is not finite give
    /// the zero vector.
    pub fn quantise(vector: &[f32]) -> Self {
        let zero = || Self {
            scale: 0.0,
            codes: vec![0; vector.len()],
        };
        let norm = vector
            .iter()
            .map(|&x| f64::from(x).powi(2))
            .sum::<f64>()
            .sqrt();
        let max = vector
            .iter()
            .fold(0.0f64, |m, &x| m.max(f64::from(x).abs()));
        if !norm.is_finite() || norm <= 0.0 {
            return zero();
        }
        let codes: Vec<i8> = vector
            .iter()
            .map(|&x| (f64::from(x) / max * 127.0).round() as i8)
            .collect();
        // The scale makes the *rounded* vector a unit one, so that dot products are cosines.
        let length = codes
            .iter()
            .map(|&c| f64::from(c).powi(2))
            .sum::<f64>()
            .sqrt();
        Self {
            scale: (1.0 / length) as f32,
            codes,
        }
    }

    /// Whether there is no direction.
    pub fn is_zero(&self) -> bool {
        self.scale == 0.0
    }

    /// The components.
    pub fn dequantise(&self) -> Vec<f32> {
        self.codes
            .iter()
            .map(|&c| f32::from(c) * self.scale)
            .collect()
    }

    /// Cosine of two vectors; 0 when the lengths differ or one is zero.
    pub fn dot(&self, other: &Self) -> f32 {
        if self.codes.len() != other.codes.len() {
            return 0.0;
        }
        simd::dot(&self.codes, &other.codes) as f32 * self.scale * other.scale
    }

    /// Little-endian scale, then the codes: 4 + dim bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + self.codes.len());
        out.extend_from_slice(&self.scale.to_le_bytes());
        out.extend_from_slice(bytemuck::cast_slice(&self.codes));
        out
    }

    /// Reads [`Self::to_bytes`]; none for less than four bytes, a scale that is negative or not
    /// finite, or more than [`MAX_DIM`] components.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, codes) = bytes.split_first_chunk::<4>()?;
        let scale = f32::from_le_bytes(*head);
        (scale.is_finite() && scale >= 0.0 && codes.len() <= MAX_DIM).then(|| Self {
            scale,
            codes: bytemuck::cast_slice(codes).to_vec(),
        })
    }
}

/// A query at 12 bits: exact in integer arithmetic against 8-bit codes, and eight times finer than
/// the documents, so that rounding the query costs no recall.
pub(super) struct QueryVec {
    pub scale: f32,
    pub codes: Vec<i16>,
}

impl QueryVec {
    const STEPS: f64 = 2047.0;

    /// None for a query without direction.
    pub fn new(vector: &[f32], dim: usize) -> Result<Option<Self>, IndexError> {
        if vector.len() != dim {
            return Err(IndexError::Dim {
                found: vector.len(),
                expected: dim,
            });
        }
        let norm = vector
            .iter()
            .map(|&x| f64::from(x).powi(2))
            .sum::<f64>()
            .sqrt();
        let max = vector
            .iter()
            .fold(0.0f64, |m, &x| m.max(f64::from(x).abs()));
        if !norm.is_finite() || norm <= 0.0 {
            return Ok(None);
        }
        let codes: Vec<i16> = vector
            .iter()
            .map(|&x| (f64::from(x) / max * Self::STEPS).round() as i16)
            .collect();
        let length = codes
            .iter()
            .map(|&c| f64::from(c).powi(2))
            .sum::<f64>()
            .sqrt();
        Ok(Some(Self {
            scale: (1.0 / length) as f32,
            codes,
        }))
    }
}
