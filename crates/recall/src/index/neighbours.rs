//! The nearest neighbours of every vector among all of them.
//!
//! Exact, by comparing all pairs: n²/2 products of 8-bit codes, each made once and used for both
//! sides. In tiles, so that a block of codes is read from the cache and not from memory. Knows
//! vectors by their place in a list.

use std::cmp::Ordering;
use std::sync::atomic::{self, AtomicUsize};

use super::{QVec, simd, vector::MAX_DIM};

/// Vectors in a block: 64 rows of 256 codes are half of a first-level cache.
const BLOCK: usize = 64;

/// For each vector the `k` others with the largest cosine of at least `threshold`, the most similar
/// first, ties by place. Zero vectors, and vectors of another length than the first that is not
/// zero, have no neighbours and are none.
///
/// Takes n² · dim / 2 multiplications on at most `threads` threads; the answer does not depend on
/// their number.
pub fn nearest_neighbours(
    vectors: &[QVec],
    k: usize,
    threshold: f32,
    threads: usize,
) -> Vec<Vec<(u32, f32)>> {
    let mut lists = vec![Vec::new(); vectors.len()];
    let matrix = Matrix::of(vectors);
    if k == 0 || matrix.rows() < 2 {
        return lists;
    }
    let blocks = matrix.rows().div_ceil(BLOCK);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut best = Best::new(matrix.rows(), k, threshold);
        loop {
            let block = next.fetch_add(1, atomic::Ordering::Relaxed);
            if block >= blocks {
                return best;
            }
            compare(&matrix, block, &mut best);
        }
    };
    let parts: Vec<Best> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(blocks))
            .map(|_| scope.spawn(work))
            .collect();
        let first = work();
        let rest = others.into_iter().map(|other| match other.join() {
            Ok(part) => part,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        std::iter::once(first).chain(rest).collect()
    });
    for (row, &place) in matrix.places.iter().enumerate() {
        let found = parts.iter().flat_map(|part| &part.lists[row]);
        let mut found: Vec<(u32, f32)> = found
            .map(|&(other, cosine)| (matrix.places[other as usize], cosine))
            .collect();
        found.sort_unstable_by(|a, b| nearer(*a, *b));
        found.truncate(k);
        lists[place as usize] = found;
    }
    lists
}

/// Which of two neighbours comes first.
fn nearer(a: (u32, f32), b: (u32, f32)) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

/// The vectors that can be compared, behind one another.
struct Matrix {
    dim: usize,
    codes: Vec<i8>,
    scales: Vec<f32>,
    /// Where each row was in the list.
    places: Vec<u32>,
}

impl Matrix {
    fn of(vectors: &[QVec]) -> Self {
        let mut matrix = Self {
            dim: 0,
            codes: Vec::new(),
            scales: Vec::new(),
            places: Vec::new(),
        };
        for (vector, place) in vectors.iter().zip(0_u32..) {
            let length = vector.codes.len();
            if vector.is_zero() || !(1..=MAX_DIM).contains(&length) {
                continue;
            }
            if matrix.dim == 0 {
                matrix.dim = length;
                matrix.codes.reserve(vectors.len() * length);
            }
            if length == matrix.dim {
                matrix.codes.extend_from_slice(&vector.codes);
                matrix.scales.push(vector.scale);
                matrix.places.push(place);
            }
        }
        matrix
    }

    fn rows(&self) -> usize {
        self.scales.len()
    }

    fn block(&self, from: usize, to: usize) -> &[i8] {
        &self.codes[from * self.dim..to * self.dim]
    }
}

/// The neighbours found so far.
struct Best {
    k: usize,
    lists: Vec<Vec<(u32, f32)>>,
    /// The cosine that a new neighbour has to have.
    floor: Vec<f32>,
}

impl Best {
    fn new(rows: usize, k: usize, threshold: f32) -> Self {
        Self {
            k,
            lists: vec![Vec::new(); rows],
            // A threshold that is no number lets nothing pass.
            floor: vec![threshold; rows],
        }
    }

    fn offer(&mut self, row: usize, other: u32, cosine: f32) {
        let list = &mut self.lists[row];
        let new = (other, cosine);
        if list.len() == self.k {
            if list.last().is_some_and(|last| nearer(*last, new).is_le()) {
                return;
            }
            list.pop();
        }
        let at = list.partition_point(|old| nearer(*old, new).is_le());
        list.insert(at, new);
        if list.len() == self.k
            && let Some(last) = list.last()
        {
            self.floor[row] = last.1;
        }
    }
}

/// Compares the rows of a block with those behind them.
fn compare(matrix: &Matrix, block: usize, best: &mut Best) {
    let kernel = simd::kernel();
    let first = block * BLOCK;
    let rows = first..(first + BLOCK).min(matrix.rows());
    let wide: Vec<i16> = matrix
        .block(rows.start, rows.end)
        .iter()
        .map(|&c| i16::from(c))
        .collect();
    let mut products = [0_i32; BLOCK];
    let mut cosines = [0.0_f32; BLOCK];
    for start in (first..matrix.rows()).step_by(BLOCK) {
        let end = (start + BLOCK).min(matrix.rows());
        let columns = matrix.block(start, end);
        let scales = &matrix.scales[start..end];
        for (row, query) in rows.clone().zip(wide.chunks_exact(matrix.dim)) {
            let products = &mut products[..end - start];
            kernel.dot_rows(query, columns, products);
            let scale = matrix.scales[row];
            let own = best.floor[row];
            let floors = &best.floor[start..end];
            // Without branches, because few pairs pass.
            let mut passed = false;
            for (((cosine, product), other), floor) in
                cosines.iter_mut().zip(&*products).zip(scales).zip(floors)
            {
                *cosine = *product as f32 * (scale * other);
                passed |= *cosine >= floor.min(own);
            }
            if !passed {
                continue;
            }
            // In the block itself only what is behind the row: each pair once.
            let skip = (row + 1).saturating_sub(start);
            for (column, &cosine) in (start..end).zip(&cosines).skip(skip) {
                if cosine >= best.floor[row] {
                    best.offer(row, column as u32, cosine);
                }
                if cosine >= best.floor[column] {
                    best.offer(column, row as u32, cosine);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By the definition, from the cosines of all pairs.
    fn one_by_one(vectors: &[QVec], k: usize, threshold: f32) -> Vec<Vec<u32>> {
        let of = |a: usize| {
            let near = |&b: &usize| {
                a != b && !vectors[b].is_zero() && vectors[a].dot(&vectors[b]) >= threshold
            };
            let mut list: Vec<usize> = (0..vectors.len()).filter(near).collect();
            list.sort_by(|&x, &y| {
                let cosine = |b: usize| vectors[a].dot(&vectors[b]);
                cosine(y).total_cmp(&cosine(x)).then(x.cmp(&y))
            });
            list.truncate(k);
            list.into_iter().map(|b| b as u32).collect()
        };
        (0..vectors.len()).map(of).collect()
    }

    proptest! {
        /// Codes of few values, so that ties and repeated vectors are common; one scale, so that
        /// the order of the cosines is that of the products.
        #[test]
        fn the_nearest_are_those_of_comparing_one_by_one(
            codes in prop::collection::vec(prop::collection::vec(-2_i8..=2, 5), 0..200),
            k in 0_usize..8, threshold in -0.5..1.0_f32, zero in any::<prop::sample::Index>(),
        ) {
            let mut vectors: Vec<QVec> =
                codes.into_iter().map(|codes| QVec { scale: 0.25, codes }).collect();
            if !vectors.is_empty() {
                let zero = zero.index(vectors.len());
                vectors[zero].scale = 0.0;
            }
            let found = nearest_neighbours(&vectors, k, threshold, 1);
            let places: Vec<Vec<u32>> =
                found.iter().map(|l| l.iter().map(|(p, _)| *p).collect()).collect();
            let mut expected = one_by_one(&vectors, k, threshold);
            for (vector, list) in vectors.iter().zip(&mut expected) {
                if vector.is_zero() {
                    list.clear();
                }
            }
            prop_assert_eq!(places, expected);
            for threads in 2..5 {
                prop_assert_eq!(&nearest_neighbours(&vectors, k, threshold, threads), &found);
            }
        }
    }

    #[test]
    fn both_sides_of_a_pair_see_the_same_cosine() {
        let vectors: Vec<QVec> = (0..150)
            .map(|i| {
                let component = |j: i32| ((i * 31 + j * 17) % 101 - 20) as f32;
                QVec::quantise(&(0..70).map(component).collect::<Vec<_>>())
            })
            .collect();
        let lists = nearest_neighbours(&vectors, 150, 0.2, 2);
        let mut pairs = 0;
        for (a, list) in lists.iter().enumerate() {
            for (b, cosine) in list {
                assert!(lists[*b as usize].contains(&(a as u32, *cosine)));
                assert!((vectors[a].dot(&vectors[*b as usize]) - cosine).abs() < 1e-6);
                pairs += 1;
            }
        }
        assert!(pairs > 1000);
    }

    #[test]
    fn what_cannot_be_compared_has_no_neighbours() {
        let vector = |codes: &[i8]| QVec {
            scale: 0.01,
            codes: codes.to_vec(),
        };
        let vectors = [
            QVec::default(),
            vector(&[100, 0]),
            vector(&[100, 0, 0]),
            vector(&[100, 0]),
            vector(&[]),
        ];
        let lists = nearest_neighbours(&vectors, 3, 0.5, 2);
        let lengths: Vec<usize> = lists.iter().map(Vec::len).collect();
        assert_eq!(lengths, [0, 1, 0, 1, 0]);
        assert_eq!(lists[3][0].0, 1);
        assert!(
            nearest_neighbours(&vectors, 3, f32::NAN, 2)
                .iter()
                .all(Vec::is_empty)
        );
        assert!(nearest_neighbours(&[], 3, 0.5, 2).is_empty());
    }
}
