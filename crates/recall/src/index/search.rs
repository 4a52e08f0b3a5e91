//! Hybrid search: candidates from both arms and their neighbours, re-scored and fused.

use super::{
    Hit, IndexError, MAX_MASKED, Near, Query, Shares, Verdict, dense,
    eligible::Levels,
    fusion::{self, Scores},
    hash::{IdMap, TermHash},
    lexical::{self, Bm25},
    matches,
    topk::TopK,
    vector::QueryVec,
    view::{View, source_key},
    window,
};

/// Fewest candidates per arm: a smaller pool is cut from these, so that its order does not depend
/// on its size.
const MIN_CANDIDATES: usize = 200;
/// Most candidates per arm.
const MAX_CANDIDATES: usize = 1 << 16;

/// Hits whose vectors say what goes with the answer.
pub const ECHO: usize = 5;

/// A record of one of the views: which view, which record.
pub(super) type Address = (u8, u32);

/// Everything that a query is answered from.
pub(super) struct Search<'a, 'q> {
    pub views: &'a [View<'a>],
    pub levels: Vec<Levels<'a>>,
    pub query: &'a Query<'q>,
    pub vector: Option<QueryVec>,
    /// BM25 by view and slot; empty without terms.
    bm25: Vec<Vec<f32>>,
    /// The words of the query; `None` without any.
    terms: Option<Bm25>,
}

/// A candidate: an address and what the rules say, never [`Verdict::Exclude`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub at: Address,
    pub mask: Option<u8>,
}

/// The best of one arm: admitted ones, and masked ones that take no place among them.
#[derive(Debug)]
struct Arm {
    admitted: TopK<f32, Candidate>,
    masked: TopK<f32, Candidate>,
}

impl Arm {
    fn new(n: usize) -> Self {
        Self {
            admitted: TopK::new(n),
            masked: TopK::new(MAX_MASKED),
        }
    }

    fn merge(parts: Vec<Self>, n: usize) -> Self {
        let mut whole = Self::new(n);
        for part in parts {
            for s in part.admitted.into_sorted() {
                whole.admitted.push(s.score, s.seq, s.item);
            }
            for s in part.masked.into_sorted() {
                whole.masked.push(s.score, s.seq, s.item);
            }
        }
        whole
    }

    /// Admitted candidates best first, then masked ones that would have stood among them.
    fn into_candidates(self) -> (Vec<Candidate>, Vec<Candidate>) {
        let masked = self.masked.into_sorted().into_iter();
        let ranked = masked.filter(|s| self.admitted.wants(s.score, s.seq));
        let masked = ranked.map(|s| s.item).collect();
        let admitted = self.admitted.into_sorted().into_iter().map(|s| s.item);
        (admitted.collect(), masked)
    }
}

/// Answers a query; see [`super::Index::search`].
pub(super) fn search(
    views: &[View<'_>],
    query: &Query<'_>,
    dim: usize,
    statistics: (usize, u64),
    hash: TermHash,
) -> Result<Vec<Hit>, IndexError> {
    let vector = match query.vector {
        Some(v) => QueryVec::new(v, dim)?,
        None => None,
    };
    let levels: Vec<_> = views
        .iter()
        .map(|v| Levels::new(v, query.levels, hash))
        .collect();
    let has_vector = vector.is_some();
    let mut search = Search {
        views,
        levels,
        query,
        vector,
        bm25: Vec::new(),
        terms: None,
    };
    if !has_vector && !lexical::has_words(query.text) {
        return Ok(search.newest());
    }
    let bm25 = Bm25::new(query.text, views, statistics, hash);
    let sets = views.iter().zip(&search.levels);
    search.bm25 = sets.map(|(v, l)| bm25.scores(v, &l.union)).collect();
    search.terms = Some(bm25);
    let candidates = search.candidates();
    Ok(search.hits(&candidates))
}

impl Search<'_, '_> {
    fn pool(&self) -> usize {
        self.query.pool.max(1)
    }

    fn arm_size(&self) -> usize {
        self.pool().clamp(MIN_CANDIDATES, MAX_CANDIDATES)
    }

    /// Offers a record to an arm; asks the caller's rules only when it would be kept.
    fn offer(&self, arm: &mut Arm, at: Address, score: f32) {
        let view = &self.views[usize::from(at.0)];
        let Some(&seq) = view.seqs.get(at.1 as usize) else {
            return;
        };
        let wanted = arm.admitted.wants(score, seq);
        // A masked one below the worst admitted one would not have ranked.
        if !wanted || !view.is_live(at.1) {
            return;
        }
        match self.judge(at) {
            Some(c) if c.mask.is_none() => arm.admitted.push(score, seq, c),
            Some(c) => arm.masked.push(score, seq, c),
            None => {}
        }
    }

    /// What the rules say; none when excluded.
    pub fn judge(&self, at: Address) -> Option<Candidate> {
        let attrs = self.views[usize::from(at.0)].attrs.get(at.1 as usize)?;
        match (self.query.judge)(attrs) {
            Verdict::Admit => Some(Candidate { at, mask: None }),
            Verdict::Mask(reason) => Some(Candidate {
                at,
                mask: Some(reason),
            }),
            Verdict::Exclude => None,
        }
    }

    fn lexical_arm(&self, n: usize) -> Arm {
        let mut arm = Arm::new(n);
        for (v, scores) in self.bm25.iter().enumerate() {
            let set = &self.levels[v].union;
            let mut floor = 0.0;
            for (slot, &score) in scores.iter().enumerate() {
                if score > 0.0 && score >= floor {
                    self.offer(&mut arm, (v as u8, set.doc(slot)), score);
                    floor = arm.admitted.floor().unwrap_or(0.0);
                }
            }
        }
        arm
    }

    fn dense_arm(&self, n: usize) -> Arm {
        let mut parts = Vec::new();
        if let Some(query) = &self.vector {
            for (v, view) in self.views.iter().enumerate() {
                let offer = |arm: &mut Arm, doc: u32, cosine: f32| {
                    if arm.admitted.floor().is_none_or(|f| cosine >= f) {
                        self.offer(arm, (v as u8, doc), cosine);
                    }
                };
                let set = &self.levels[v].union;
                dense::scan(query, view, set, &mut parts, || Arm::new(n), offer);
            }
        }
        Arm::merge(parts, n)
    }

    /// Top n of each arm, and the neighbours of the best quarter of both: a question is often
    /// answered by the turn after the one that repeats its words.
    fn candidates(&self) -> Vec<Candidate> {
        let n = self.arm_size();
        let mut known = std::collections::HashSet::new();
        let mut out: Vec<Candidate> = Vec::new();
        let mut add = |c: Candidate, out: &mut Vec<Candidate>| {
            if known.insert(c.at) {
                out.push(c);
            }
        };
        let mut best = Vec::new();
        for arm in [self.lexical_arm(n), self.dense_arm(n)] {
            let (admitted, masked) = arm.into_candidates();
            best.extend_from_slice(&admitted[..admitted.len().min(n / 4)]);
            for c in admitted.into_iter().chain(masked) {
                add(c, &mut out);
            }
        }
        for c in best {
            for (_, neighbour) in window::neighbours(self, c.at).into_iter().flatten() {
                add(neighbour, &mut out);
            }
        }
        out.sort_by_key(|c| self.seq(c.at));
        out
    }

    pub fn seq(&self, at: Address) -> i64 {
        let view = &self.views[usize::from(at.0)];
        view.seqs.get(at.1 as usize).copied().unwrap_or(i64::MAX)
    }

    /// BM25 of a record of the eligible set.
    pub fn bm25(&self, at: Address) -> f32 {
        let slot = self.levels[usize::from(at.0)].union.slot(at.1);
        let scores = &self.bm25[usize::from(at.0)];
        slot.and_then(|s| scores.get(s)).copied().unwrap_or(0.0)
    }

    /// Cosine of a record with the query; none when either has no vector.
    pub fn cosine(&self, at: Address) -> Option<f32> {
        dense::cosine(self.vector.as_ref()?, &self.views[usize::from(at.0)], at.1)
    }

    /// Scores, fuses, sorts and cuts. The candidates come in the order of `seq`.
    fn hits(&self, candidates: &[Candidate]) -> Vec<Hit> {
        let admitted: Vec<bool> = candidates.iter().map(|c| c.mask.is_none()).collect();
        let mut scores: Vec<Scores> = candidates
            .iter()
            .map(|c| window::scores(self, c.at))
            .collect();
        self.add_sources(candidates, &mut scores);
        self.add_hints(candidates, &mut scores);
        let fused = fusion::fuse(&scores, &admitted, &self.query.params);
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by(|&a, &b| fused.totals[b].total_cmp(&fused.totals[a]).then(a.cmp(&b)));
        let (mut free, mut free_masked) = (self.pool(), MAX_MASKED);
        let (mut out, mut found) = (Vec::new(), Vec::new());
        for i in order {
            let left = if admitted[i] {
                &mut free
            } else {
                &mut free_masked
            };
            if *left == 0 {
                if admitted[i] {
                    break;
                }
                continue;
            }
            *left -= 1;
            if let Some(mut hit) = self.hit(candidates[i]) {
                hit.bm25 = scores[i].bm25;
                hit.coverage = self.coverage(hit.bm25);
                hit.dense = scores[i].dense.unwrap_or(0.0);
                hit.bm25_window = scores[i].bm25_window;
                hit.dense_window = scores[i].dense_window;
                hit.bm25_rank = fused.bm25_rank[i];
                hit.dense_rank = fused.dense_rank[i];
                hit.bm25_source = scores[i].bm25_source;
                hit.dense_source = scores[i].dense_source;
                hit.fused = fused.totals[i];
                found.push(candidates[i]);
                out.push(hit);
            }
        }
        // Masked ones after the last admitted one would not have ranked in a full pool.
        if free == 0 {
            let last = out.iter().rposition(|h| h.mask.is_none());
            out.truncate(last.map_or(0, |l| l + 1));
            found.truncate(out.len());
        }
        self.describe(&found, &mut out);
        out
    }

    /// Adds to the hits what does not order them here, but may teach a policy to order them better.
    fn describe(&self, found: &[Candidate], hits: &mut [Hit]) {
        if let Some(terms) = &self.terms {
            for (hit, shares) in hits.iter_mut().zip(matches::shares(self, terms, found)) {
                hit.shares = shares;
            }
        }
        for (hit, c) in hits.iter_mut().zip(found) {
            let [before, after, ..] = window::neighbours(self, c.at);
            hit.before = before.and_then(|(_, n)| self.near(n.at));
            hit.after = after.and_then(|(_, n)| self.near(n.at));
        }
        self.add_echoes(found, hits);
    }

    fn near(&self, at: Address) -> Option<Near> {
        Some(Near {
            coverage: self.coverage(self.bm25(at)),
            dense: self.cosine(at).unwrap_or(0.0),
            flags: self.attrs(at)?.flags,
        })
    }

    fn coverage(&self, bm25: f32) -> f32 {
        self.terms.as_ref().map_or(0.0, |t| t.coverage(bm25))
    }

    fn add_echoes(&self, found: &[Candidate], hits: &mut [Hit]) {
        let codes = |at: Address| self.views[usize::from(at.0)].codes_of(at.1);
        let admitted = found.iter().filter(|c| c.mask.is_none());
        let best: Vec<(Address, Vec<f32>)> = admitted
            .take(ECHO)
            .filter_map(|c| {
                let (scale, codes) = codes(c.at)?;
                Some((c.at, codes.iter().map(|&c| f32::from(c) * scale).collect()))
            })
            .collect();
        // The sum of all of them but the one at `skip`.
        let sum = |skip: Option<Address>| {
            let mut sum = vec![0.0f32; best.first()?.1.len()];
            for (_, vector) in best.iter().filter(|(at, _)| Some(*at) != skip) {
                for (s, x) in sum.iter_mut().zip(vector) {
                    *s += x;
                }
            }
            QueryVec::new(&sum, sum.len()).ok().flatten()
        };
        let Some(all) = sum(None) else { return };
        for (hit, c) in hits.iter_mut().zip(found) {
            let without = best.iter().any(|(at, _)| *at == c.at);
            let own = without.then(|| sum(Some(c.at)));
            let query = own.as_ref().map_or(Some(&all), Option::as_ref);
            let view = &self.views[usize::from(c.at.0)];
            hit.echo = query
                .and_then(|q| dense::cosine(q, view, c.at.1))
                .unwrap_or(0.0);
        }
    }

    /// The best scores of each source: what a session or a file is about says something about all
    /// of its parts. Only candidates count; a better one of the same source would be one.
    fn add_sources(&self, candidates: &[Candidate], scores: &mut [Scores]) {
        let mut best: IdMap<u64, (f32, f32)> = IdMap::default();
        let key = |c: &Candidate| source_key(self.attrs(c.at)?);
        for (c, s) in candidates.iter().zip(&*scores) {
            if let (Some(source), None) = (key(c), c.mask) {
                let of = best
                    .entry(source)
                    .or_insert((s.bm25_source, s.dense_source));
                *of = (of.0.max(s.bm25_source), of.1.max(s.dense_source));
            }
        }
        for (c, s) in candidates.iter().zip(scores) {
            if let Some(of) = key(c).and_then(|source| best.get(&source)) {
                s.bm25_source = s.bm25_source.max(of.0);
                s.dense_source = s.dense_source.max(of.1);
            }
        }
    }

    fn add_hints(&self, candidates: &[Candidate], scores: &mut [Scores]) {
        for (c, s) in candidates.iter().zip(scores) {
            if let Some(attrs) = self.attrs(c.at) {
                s.hints = self.query.hints.iter().filter(|hint| hint(attrs)).count() as f32;
            }
        }
    }

    pub fn attrs(&self, at: Address) -> Option<&super::Attrs> {
        self.views[usize::from(at.0)].attrs.get(at.1 as usize)
    }

    fn hit(&self, c: Candidate) -> Option<Hit> {
        let v = usize::from(c.at.0);
        Some(Hit {
            attrs: *self.views[v].attrs.get(c.at.1 as usize)?,
            level: self.levels[v].level(c.at.1),
            mask: c.mask,
            bm25: 0.0,
            coverage: 0.0,
            dense: 0.0,
            bm25_window: 0.0,
            dense_window: 0.0,
            bm25_rank: u32::MAX,
            dense_rank: u32::MAX,
            bm25_source: 0.0,
            dense_source: 0.0,
            shares: Shares::default(),
            before: None,
            after: None,
            echo: 0.0,
            fused: 0.0,
        })
    }

    /// The answer to an empty query: newest first, `fused` falling evenly from 1 towards 0.
    fn newest(&self) -> Vec<Hit> {
        let mut admitted = TopK::new(self.pool());
        let mut masked = TopK::new(MAX_MASKED);
        for (v, view) in self.views.iter().enumerate() {
            let set = &self.levels[v].union;
            let ordered = matches!(set, super::eligible::Set::All(_)) && !view.recency.is_empty();
            for i in 0..set.slots() {
                let doc = if ordered {
                    view.recency.get(i).copied()
                } else {
                    Some(set.doc(i))
                };
                let Some(attrs) = doc.and_then(|d| view.attrs.get(d as usize)) else {
                    continue;
                };
                let at = (v as u8, doc.unwrap_or_default());
                if !admitted.wants(attrs.created_at, attrs.seq) {
                    if ordered {
                        break;
                    }
                    continue;
                }
                if view.is_live(at.1)
                    && let Some(c) = self.judge(at)
                {
                    let heap = if c.mask.is_none() {
                        &mut admitted
                    } else {
                        &mut masked
                    };
                    heap.push(attrs.created_at, attrs.seq, c);
                }
            }
        }
        let masked = masked.into_sorted().into_iter();
        let mut all: Vec<_> = masked.filter(|m| admitted.wants(m.score, m.seq)).collect();
        all.extend(admitted.into_sorted());
        all.sort();
        let count = all.len() as f32;
        let mut out: Vec<Hit> = all.iter().filter_map(|s| self.hit(s.item)).collect();
        for (i, hit) in out.iter_mut().enumerate() {
            hit.fused = 1.0 - i as f32 / count;
        }
        out
    }
}
