//! Scores of a document together with its neighbours in the source.
//!
//! What is said before and after belongs to what is said: a document is scored by itself and as
//! the middle of a window of five. Both window scores are weighted sums over the norm of what is
//! summed, so that documents with and without neighbours can be compared.

use super::{
    fusion::Scores,
    search::{Address, Candidate, Search},
    simd,
};

/// Distances of the neighbours, in the order in which their scores are added.
const OFFSETS: [i64; 4] = [-1, 1, -2, 2];

/// The neighbours of a record, by [`OFFSETS`], with their distance. Only records that the query may
/// see and the rules do not exclude count; of several at one place, the last inserted.
pub(super) fn neighbours(search: &Search<'_, '_>, at: Address) -> [Option<(u32, Candidate)>; 4] {
    let mut out = [None; 4];
    let Some(attrs) = search.views[usize::from(at.0)].attrs.get(at.1 as usize) else {
        return out;
    };
    if attrs.source == 0 {
        return out;
    }
    let mut found: [Option<(i64, Candidate)>; 4] = [None; 4];
    let positions = attrs.position.saturating_sub(2)..=attrs.position.saturating_add(2);
    for (v, view) in search.views.iter().enumerate() {
        view.at_places(attrs.source, positions.clone(), |position, doc| {
            let offset = i64::from(position) - i64::from(attrs.position);
            let Some(place) = OFFSETS.iter().position(|&o| o == offset) else {
                return;
            };
            let neighbour = (v as u8, doc);
            let seq = search.seq(neighbour);
            let later = found[place].is_none_or(|(s, _)| seq > s);
            let visible = search.levels[v].union.slot(doc).is_some();
            if later
                && visible
                && let Some(c) = search.judge(neighbour)
            {
                found[place] = Some((seq, c));
            }
        });
    }
    for (place, f) in found.iter().enumerate() {
        out[place] = f.map(|(_, c)| (OFFSETS[place].unsigned_abs() as u32, c));
    }
    out
}

/// All scores of one candidate.
pub(super) fn scores(search: &Search<'_, '_>, at: Address) -> Scores {
    let params = &search.query.params;
    let (bm25, dense) = (search.bm25(at), search.cosine(at));
    let (mut bm25_window, mut squares) = (bm25, 1.0f32);
    // (weight, cosine with the query, scale, codes) of the window's vectors.
    let mut vectors = Vec::with_capacity(5);
    let mut add = |at: Address, weight: f32, cosine: Option<f32>| {
        let codes = search.views[usize::from(at.0)].codes_of(at.1);
        if let (Some(cosine), Some((scale, codes))) = (cosine, codes) {
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
    }
}

/// q · Σ w·v / |Σ w·v|, the norm from exact integer products.
fn cosine_of_sum(vectors: &[(f64, f64, f64, &[i8])]) -> f32 {
    if let [(_, cosine, ..)] = vectors {
        return *cosine as f32;
    }
    let (mut numerator, mut square) = (0.0, 0.0);
    for (i, &(weight, cosine, scale, codes)) in vectors.iter().enumerate() {
        numerator += weight * cosine;
        square += weight * weight;
        for &(other_weight, _, other_scale, other) in &vectors[..i] {
            let product = f64::from(simd::dot(codes, other)) * scale * other_scale;
            square += 2.0 * weight * other_weight * product;
        }
    }
    if square > 1e-9 {
        (numerator / square.sqrt()) as f32
    } else {
        0.0
    }
}
