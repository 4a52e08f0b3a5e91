//! Scores of a document together with its neighbours in the source.
//!
//! What is said before and after belongs to what is said: a document is scored by itself and as
//! the middle of a window of five. Both window scores are weighted sums over the norm of what is
//! summed, so that documents with and without neighbours can be compared.

use super::{
    fusion::Scores,
    search::{Address, Candidate, Search},
    simd,
    view::{PER_PLACE, source_key},
};

/// Distances of the neighbours, in the order in which their scores are added.
const OFFSETS: [i32; 4] = [-1, 1, -2, 2];

/// The neighbours of a record, by [`OFFSETS`], with their distance. Only records that the query may
/// see and the rules do not exclude count; of several at one place, the last inserted.
pub(super) fn neighbours(search: &Search<'_, '_>, at: Address) -> [Option<(u32, Candidate)>; 4] {
    let mut out = [None; 4];
    let attrs = search.views[usize::from(at.0)].attrs.get(at.1 as usize);
    let Some((attrs, source)) = attrs.and_then(|a| Some((a, source_key(a)?))) else {
        return out;
    };
    let mut here: Vec<(i64, Address)> = Vec::with_capacity(2 * PER_PLACE);
    for (offset, found) in OFFSETS.into_iter().zip(&mut out) {
        let Some(position) = attrs.position.checked_add_signed(offset) else {
            continue;
        };
        here.clear();
        for (v, view) in search.views.iter().enumerate() {
            let near = (v == usize::from(at.0)).then_some(at.1);
            view.newest_at((source, position), near, |doc| {
                let neighbour = (v as u8, doc);
                here.push((search.seq(neighbour), neighbour));
            });
        }
        here.sort_unstable_by(|a, b| b.cmp(a));
        let newest = here.iter().take(PER_PLACE).map(|&(_, neighbour)| neighbour);
        let visible = |n: &Address| search.levels[usize::from(n.0)].union.slot(n.1).is_some();
        let candidate = newest.filter(visible).find_map(|n| search.judge(n));
        *found = candidate.map(|c| (offset.unsigned_abs(), c));
    }
    out
}

/// The scores of one candidate that need nothing of the other candidates.
pub(super) fn scores(search: &Search<'_, '_>, at: Address) -> Scores {
    let params = &search.query.params;
    let (bm25, dense) = (search.bm25(at), search.cosine(at));
    let (mut bm25_window, mut squares) = (bm25, 1.0f32);
    // (weight, cosine with the query, scale, codes) of the window's vectors.
    let mut vectors = Vec::with_capacity(5);
    let mut add = |at: Address, weight: f32, cosine: Option<f32>| {
        let codes = search.views[usize::from(at.0)].codes_of(at.1);
        if let (Some(cosine), Some((scale, codes)), true) = (cosine, codes, weight > 0.0) {
            vectors.push((
                f64::from(weight),
                f64::from(cosine),
                f64::from(scale),
                codes,
            ));
        }
    };
    add(at, 1.0, dense);
    for (distance, neighbour) in neighbours(search, at).into_iter().flatten() {
        let weight = if distance == 1 {
            params.near
        } else {
            params.far
        };
        bm25_window += weight * search.bm25(neighbour.at);
        squares += weight * weight;
        if search.vector.is_some() {
            add(neighbour.at, weight, search.cosine(neighbour.at));
        }
    }
    Scores {
        bm25,
        dense,
        bm25_window: bm25_window / squares.sqrt(),
        dense_window: cosine_of_sum(&vectors),
        bm25_source: bm25,
        dense_source: dense.unwrap_or(0.0),
        hints: 0.0,
    }
}

/// q · Σ w·v / |Σ w·v|, the norm from exact integer products.
fn cosine_of_sum(vectors: &[(f64, f64, f64, &[i8])]) -> f32 {
    if let [(_, cosine, ..)] = vectors {
        return *cosine as f32;
    }
    let (mut numerator, mut square) = (0.0, 0.0);
    let mut wide = Vec::new();
    for (i, &(weight, cosine, scale, codes)) in vectors.iter().enumerate() {
        numerator += weight * cosine;
        square += weight * weight;
        wide.clear();
        wide.extend(codes.iter().map(|&c| i16::from(c)));
        for &(other_weight, _, other_scale, other) in &vectors[..i] {
            let product = f64::from(simd::dot_wide(&wide, other)) * scale * other_scale;
            square += 2.0 * weight * other_weight * product;
        }
    }
    if square > 1e-9 {
        (numerator / square.sqrt()) as f32
    } else {
        0.0
    }
}
