//! Brute-force scan of the vectors.
//!
//! 8-bit codes at the speed of memory; exact, so no recall is lost to an approximate graph and
//! every filter is free.

use super::{eligible::Set, simd, vector::QueryVec, view::View};

/// Records above which a second thread pays for its start.
const THREADS_FROM: usize = 200_000;
/// Records that are multiplied in one go.
const BLOCK: usize = 64;
/// Most threads of one scan; memory is the limit before that.
const MAX_THREADS: usize = 4;

/// Cosine of the query with one record; none without a vector.
pub(super) fn cosine(query: &QueryVec, view: &View<'_>, doc: u32) -> Option<f32> {
    let (scale, codes) = view.codes_of(doc)?;
    Some(simd::dot_wide(&query.codes, codes) as f32 * (query.scale * scale))
}

/// Calls `offer(part, doc, cosine)` for each record of `set` that has a vector, dead ones
/// included; the parts are filled by different threads.
pub(super) fn scan<P: Send>(
    query: &QueryVec,
    view: &View<'_>,
    set: &Set<'_>,
    parts: &mut Vec<P>,
    new_part: impl Fn() -> P,
    offer: impl Fn(&mut P, u32, f32) + Sync,
) {
    let threads = if set.slots() < THREADS_FROM {
        1
    } else {
        std::thread::available_parallelism().map_or(1, |n| n.get().min(MAX_THREADS))
    };
    scan_on(threads, (query, view, set), parts, new_part, offer);
}

fn scan_on<P: Send>(
    threads: usize,
    (query, view, set): (&QueryVec, &View<'_>, &Set<'_>),
    parts: &mut Vec<P>,
    new_part: impl Fn() -> P,
    offer: impl Fn(&mut P, u32, f32) + Sync,
) {
    let slots = set.slots();
    let chunk = slots.div_ceil(threads).max(1);
    let kernel = simd::kernel();
    let work = |part: &mut P, from: usize, to: usize| {
        if let Set::All(_) = set {
            let mut products = [0i32; BLOCK];
            for first in (from..to).step_by(BLOCK) {
                let rows = first..(first + BLOCK).min(to);
                let codes = view.codes.get(rows.start * view.dim..rows.end * view.dim);
                let (Some(codes), Some(scales)) = (codes, view.scales.get(rows.clone())) else {
                    return;
                };
                let products = &mut products[..rows.len()];
                kernel.dot_rows(&query.codes, codes, products);
                for ((doc, &product), &scale) in rows.zip(products.iter()).zip(scales) {
                    if scale > 0.0 {
                        offer(part, doc as u32, product as f32 * (query.scale * scale));
                    }
                }
            }
            return;
        }
        for slot in from..to {
            let doc = set.doc(slot);
            if let Some((scale, codes)) = view.codes_of(doc) {
                let cosine = kernel.dot(&query.codes, codes) as f32 * (query.scale * scale);
                offer(part, doc, cosine);
            }
        }
    };
    let mut new: Vec<(P, usize)> = (0..slots).step_by(chunk).map(|s| (new_part(), s)).collect();
    if let [(only, _)] = &mut new[..] {
        work(only, 0, slots);
    } else {
        std::thread::scope(|scope| {
            for (part, from) in &mut new {
                let work = &work;
                scope.spawn(move || work(part, *from, (*from + chunk).min(slots)));
            }
        });
    }
    parts.extend(new.into_iter().map(|(part, _)| part));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::view::Bits;

    #[test]
    fn any_number_of_threads_offers_every_record_once() {
        let dim = 8;
        let codes: Vec<i8> = (0..100 * dim).map(|i| (i % 251) as i8).collect();
        let scales: Vec<f32> = (0..100)
            .map(|i| if i % 7 == 0 { 0.0 } else { 0.01 })
            .collect();
        let dead = Bits::default();
        let view = View {
            codes: &codes,
            scales: &scales,
            ..View::empty(dim, &dead)
        };
        let query = QueryVec::new(&[0.3; 8], dim).unwrap().unwrap();
        let list: Vec<u32> = (0..100).step_by(3).collect();
        for set in [Set::All(100), Set::Some(list.into()), Set::All(0)] {
            let offered = |threads| {
                let mut parts: Vec<Vec<(u32, u32)>> = Vec::new();
                let offer =
                    |part: &mut Vec<_>, doc, cosine: f32| part.push((doc, cosine.to_bits()));
                scan_on(threads, (&query, &view, &set), &mut parts, Vec::new, offer);
                parts.concat()
            };
            let expected: Vec<(u32, u32)> = (0..set.slots())
                .map(|slot| set.doc(slot))
                .filter_map(|doc| Some((doc, cosine(&query, &view, doc)?.to_bits())))
                .collect();
            for threads in 1..6 {
                assert_eq!(offered(threads), expected, "{threads} threads");
            }
        }
    }
}
