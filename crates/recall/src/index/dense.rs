//! Brute-force scan of the vectors.
//!
//! 8-bit codes at the speed of memory; exact, so no recall is lost to an approximate graph and
//! every filter is free.

use super::{eligible::Set, simd, vector::QueryVec, view::View};

/// Records above which a second thread pays for its start.
const THREADS_FROM: usize = 200_000;

/// Cosine of the query with one record; none without a vector.
pub(super) fn cosine(query: &QueryVec, view: &View<'_>, doc: u32) -> Option<f32> {
    let (scale, codes) = view.codes_of(doc)?;
    Some(simd::dot_query(&query.codes, codes) as f32 * (query.scale * scale))
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
    let slots = set.slots();
    let threads = if slots < THREADS_FROM {
        1
    } else {
        std::thread::available_parallelism().map_or(1, |n| n.get().min(4))
    };
    let chunk = slots.div_ceil(threads).max(1);
    let kernel = simd::kernel();
    let work = |part: &mut P, from: usize, to: usize| {
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
