//! Integer dot products, with the widest instructions that the machine has.
//!
//! Every path adds the same integers, so all give the same result bit for bit. The callers keep
//! vectors at most [`super::MAX_DIM`] long, so that no sum leaves 32 bits: 8192 · 127 · 2047 < 2³¹.

use std::sync::OnceLock;

/// An implementation of the dot product of a 12-bit query with 8-bit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernel {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The best one that this machine has.
pub(super) fn kernel() -> Kernel {
    static BEST: OnceLock<Kernel> = OnceLock::new();
    *BEST.get_or_init(|| *available().last().unwrap_or(&Kernel::Portable))
}

/// All that this machine has, slowest first.
pub(super) fn available() -> Vec<Kernel> {
    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(unused_mut, reason = "nothing to add")
    )]
    let mut out = vec![Kernel::Portable];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") {
            out.push(Kernel::Avx2);
        }
        if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vnni") {
            out.push(Kernel::Avx512);
        }
    }
    out
}

impl Kernel {
    /// Σ query·codes; the common part of slices of different lengths.
    #[inline]
    pub fn dot(self, query: &[i16], codes: &[i8]) -> i32 {
        match self {
            Self::Portable => portable(query, codes),
            // SAFETY: the variant is only made by `available` after the check for AVX2.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::avx2(query, codes) },
            // SAFETY: the variant is only made by `available` after the check for AVX-512 BW and
            // VNNI; BW implies F.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { x86::avx512(query, codes) },
        }
    }
}

impl Kernel {
    /// The dot product of the query with each row of a matrix of its width, into `out`. One call
    /// for many rows lets the compiler put the product into the loop.
    pub fn dot_rows(self, query: &[i16], matrix: &[i8], out: &mut [i32]) {
        if query.is_empty() {
            return out.fill(0);
        }
        match self {
            Self::Portable => {
                for (row, o) in matrix.chunks_exact(query.len()).zip(out) {
                    *o = portable(query, row);
                }
            }
            // SAFETY: the variant is only made by `available` after the check for AVX2.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::avx2_rows(query, matrix, out) },
            // SAFETY: the variant is only made by `available` after the check for AVX-512 BW and
            // VNNI; BW implies F.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { x86::avx512_rows(query, matrix, out) },
        }
    }
}

/// Σ wide·codes with the best kernel.
pub(super) fn dot_wide(wide: &[i16], codes: &[i8]) -> i32 {
    kernel().dot(wide, codes)
}

/// Σ a·b over 8-bit codes; the common part of slices of different lengths.
pub(super) fn dot(a: &[i8], b: &[i8]) -> i32 {
    let products = a.iter().zip(b).map(|(&x, &y)| i32::from(x) * i32::from(y));
    products.sum()
}

fn portable(query: &[i16], codes: &[i8]) -> i32 {
    let products = query.iter().zip(codes);
    products.map(|(&q, &c)| i32::from(q) * i32::from(c)).sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    #[allow(
        clippy::wildcard_imports,
        reason = "the names are those of the processor's manual"
    )]
    use std::arch::x86_64::*;

    use super::portable;

    /// # Safety
    /// The processor must have AVX2. `query` must not be empty.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn avx2_rows(query: &[i16], matrix: &[i8], out: &mut [i32]) {
        for (row, o) in matrix.chunks_exact(query.len()).zip(out) {
            // SAFETY: same requirement as this function's.
            *o = unsafe { avx2(query, row) };
        }
    }

    /// # Safety
    /// The processor must have AVX-512 F, BW and VNNI. `query` must not be empty.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) unsafe fn avx512_rows(query: &[i16], matrix: &[i8], out: &mut [i32]) {
        for (row, o) in matrix.chunks_exact(query.len()).zip(out) {
            // SAFETY: same requirement as this function's.
            *o = unsafe { avx512(query, row) };
        }
    }

    /// # Safety
    /// The processor must have AVX2.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn avx2(query: &[i16], codes: &[i8]) -> i32 {
        let n = query.len().min(codes.len());
        let whole = n / 32 * 32;
        let (mut low, mut high) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        for i in (0..whole).step_by(32) {
            // SAFETY: i + 32 ≤ whole ≤ both lengths; the loads need no alignment.
            let (q0, q1, c0, c1) = unsafe {
                let (q, c) = (query.as_ptr().add(i), codes.as_ptr().add(i));
                (
                    _mm256_loadu_si256(q.cast()),
                    _mm256_loadu_si256(q.add(16).cast()),
                    _mm_loadu_si128(c.cast()),
                    _mm_loadu_si128(c.add(16).cast()),
                )
            };
            low = _mm256_add_epi32(low, _mm256_madd_epi16(q0, _mm256_cvtepi8_epi16(c0)));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(q1, _mm256_cvtepi8_epi16(c1)));
        }
        let sum = _mm256_add_epi32(low, high);
        let mut lanes = [0i32; 8];
        // SAFETY: the array has the 32 bytes that are written; the store needs no alignment.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), sum) };
        lanes.iter().sum::<i32>() + portable(&query[whole..n], &codes[whole..n])
    }

    /// # Safety
    /// The processor must have AVX-512 F, BW and VNNI.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) unsafe fn avx512(query: &[i16], codes: &[i8]) -> i32 {
        let n = query.len().min(codes.len());
        let whole = n / 64 * 64;
        let (mut low, mut high) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        for i in (0..whole).step_by(64) {
            // SAFETY: i + 64 ≤ whole ≤ both lengths; the loads need no alignment.
            let (q0, q1, c0, c1) = unsafe {
                let (q, c) = (query.as_ptr().add(i), codes.as_ptr().add(i));
                (
                    _mm512_loadu_si512(q.cast()),
                    _mm512_loadu_si512(q.add(32).cast()),
                    _mm256_loadu_si256(c.cast()),
                    _mm256_loadu_si256(c.add(32).cast()),
                )
            };
            low = _mm512_dpwssd_epi32(low, q0, _mm512_cvtepi8_epi16(c0));
            high = _mm512_dpwssd_epi32(high, q1, _mm512_cvtepi8_epi16(c1));
        }
        let sum = _mm512_reduce_add_epi32(_mm512_add_epi32(low, high));
        sum + portable(&query[whole..n], &codes[whole..n])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_machine_gives_the_same_product(
            pairs in prop::collection::vec((-2047i16..=2047, -127i8..=127), 0..700),
        ) {
            let (query, codes): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let expected: i64 = query.iter().zip(&codes).map(|(&q, &c)| i64::from(q) * i64::from(c)).sum();
            for kernel in available() {
                prop_assert_eq!(i64::from(kernel.dot(&query, &codes)), expected, "{:?}", kernel);
            }
        }
    }

    #[test]
    fn rows_of_a_matrix_are_multiplied_one_by_one() {
        let query: Vec<i16> = (0..70).map(|i| i * 29 - 1000).collect();
        let matrix: Vec<i8> = (0..70 * 5).map(|i| (i * 37 % 255 - 127) as i8).collect();
        for kernel in available() {
            let mut out = [0; 5];
            kernel.dot_rows(&query, &matrix, &mut out);
            for (row, o) in matrix.chunks(70).zip(out) {
                assert_eq!(o, portable(&query, row), "{kernel:?}");
            }
            kernel.dot_rows(&[], &[], &mut out);
            assert_eq!(out, [0; 5]);
        }
    }

    #[test]
    fn the_longest_vectors_do_not_overflow() {
        let (query, codes) = (
            vec![2047i16; super::super::MAX_DIM],
            vec![-127i8; super::super::MAX_DIM],
        );
        for kernel in available() {
            assert_eq!(kernel.dot(&query, &codes), -2047 * 127 * 8192);
        }
    }
}
