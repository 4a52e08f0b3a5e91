//! From a request to candidates: search, hard rules, values.
//!
//! Knows the index and the store; no policy.

use std::collections::{HashMap, HashSet};

use memrl_learn::features::settle;
use memrl_learn::{Beside, Candidate, CellForm, Clues, ScopeLevel};
use memrl_recall::index::{Attrs, Hit, Index, MemcellQuery, Near, Pair, Params, Query, Verdict};
use memrl_types::rules::RuleInput;

use super::named::Named;
use crate::live::{
    CRITICAL_PAIR, FLAG_CONTRADICTED, FORM_SHIFT, SPEAKER_SHIFT, UNSCOPED_PAIR, scope_pairs,
};
use crate::{
    BudgetCounts, CellId, CellStatus, CellType, Clearance, Mask, Memory, Origin, PolicyFeatures,
    RecallRequest, Result, Sensitivity, Timestamp,
};

/// Critical cells that are candidates whatever the query, the most relevant first.
const MAX_CRITICAL: usize = 64;
/// Reason codes of [`Verdict::Mask`].
const MASKS: [Mask; 6] = [
    Mask::Deleted,
    Mask::Expired,
    Mask::Superseded,
    Mask::Contradicted,
    Mask::NotYetValid,
    Mask::AlreadyInContext,
];

/// A candidate with what the log and the answer need of it.
pub(crate) struct Found {
    pub(crate) seq: i64,
    pub(crate) version: u32,
    pub(crate) candidate: Candidate,
}

impl Memory {
    /// Search, hard rules and values: the candidates, best first, and the number of cells.
    pub(super) fn candidates(
        &self,
        request: &RecallRequest,
        vector: Option<&[f32]>,
        masked: &HashSet<CellId>,
        now: Timestamp,
        k: u64,
    ) -> Result<(Vec<Found>, u64)> {
        let clearance = self.clearance(request);
        let judge = |a: &Attrs| judge(a, clearance, &request.types, masked, now);
        let named = Named::of(&request.query);
        let speaks = |a: &Attrs| named.speaker(a.flags >> SPEAKER_SHIFT);
        let tells = |a: &Attrs| !form_of(a.flags).has(CellForm::ASKS);
        let then = |a: &Attrs| named.has_time() && named.time(happened(a));
        let (levels, kinds) = levels_of(request);
        let (hits, critical, cells) = {
            let index = self.live.level(&*self.store, self.embedder.id())?;
            let hits = index.search(&Query {
                text: &request.query,
                vector,
                levels: &levels,
                pool: usize::try_from(k).unwrap_or(1000).min(1000),
                judge: &judge,
                hints: &[&speaks, &tells, &then],
                params: Params::default(),
            })?;
            let critical = critical_cells(&index, &request.query, &levels, &judge);
            (hits, critical, index.len() as u64)
        };
        let hits = if request.relevant_only {
            let by_meaning = vector.is_some() && self.reads(&request.query);
            hits.into_iter()
                .filter(|h| relevant(h, by_meaning))
                .collect()
        } else {
            hits
        };
        let mut found = of_hits(&hits, &kinds, &named, request.budget_counts, now);
        let known: HashSet<i64> = found.iter().map(|f| f.seq).collect();
        for (attrs, level) in critical {
            if !known.contains(&attrs.seq) {
                let mut candidate = candidate_of(&attrs, request.budget_counts, now);
                candidate.likeness = Some(0.0);
                candidate.scope_level = kinds[level].scope_level();
                found.push(Found {
                    seq: attrs.seq,
                    version: attrs.version,
                    candidate,
                });
            }
        }
        for (rank, f) in found.iter_mut().enumerate() {
            f.candidate.rank = rank as u32;
        }
        self.add_values(&mut found, now)?;
        // What is decided on is what is logged, to the last bit.
        for f in &mut found {
            if f.candidate.mask.is_none() {
                f.candidate = settle(&f.candidate);
            }
        }
        Ok((found, cells))
    }

    /// Whether the embedder knows the language of a text, as far as its letters tell. The tables
    /// and models that memrl brings read English: to them all Cyrillic texts are alike.
    fn reads(&self, text: &str) -> bool {
        self.config.embedder.starts_with("openai:") || is_latin(text)
    }

    /// Fills in the learned values.
    pub(crate) fn add_values(&self, found: &mut [Found], now: Timestamp) -> Result<()> {
        let cells: Vec<_> = found.iter().map(|f| (f.seq, f.candidate.kind)).collect();
        let values = self.estimates(&cells, now)?;
        for f in found {
            if let Some(value) = values.get(&f.seq) {
                f.candidate.value = *value;
            }
        }
        Ok(())
    }
}

/// Least sum of cosine and coverage of a document that has something to do with the query. On the
/// development conversations of `LoCoMo` 99 % of the evidence among the first five hits lies above
/// it, and 13 % of questions about other things find anything, 0.3 of a memory on average (a
/// throw-away measurement; the bound was chosen by it).
const RELATED: f32 = 0.4;
/// The same for coverage alone, when there is no vector.
const COVERED: f32 = 0.2;
/// What being of another project costs, in likeness: at equal similarity one's own comes first.
const ELSEWHERE: f64 = 0.05;

/// Whether a document has anything to do with the query; `by_meaning`: whether its vector says
/// anything.
fn relevant(hit: &Hit, by_meaning: bool) -> bool {
    if by_meaning && hit.dense_rank != u32::MAX {
        hit.dense + hit.coverage >= RELATED
    } else {
        hit.coverage >= COVERED
    }
}

/// Whether most letters of a text are Latin.
fn is_latin(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic());
    let (mut latin, mut all) = (0usize, 0usize);
    for letter in letters {
        all += 1;
        // Latin with all its accents ends here.
        latin += usize::from(letter < '\u{250}');
    }
    latin * 2 >= all
}

/// The hard rules and the caller's filters on one document.
fn judge(
    a: &Attrs,
    clearance: Clearance,
    types: &[CellType],
    masked: &HashSet<CellId>,
    now: Timestamp,
) -> Verdict {
    let (Some(kind), Some(status), Some(sensitivity)) = (
        CellType::from_code(a.kind),
        CellStatus::from_code(a.status),
        Sensitivity::from_code(a.sensitivity),
    ) else {
        return Verdict::Exclude;
    };
    if status == CellStatus::Deleted
        || !clearance.admits(sensitivity)
        || !(types.is_empty() || types.contains(&kind))
    {
        return Verdict::Exclude;
    }
    if let Some(mask) = rules_of(a, kind, status, sensitivity).mask(now) {
        return Verdict::Mask(mask as u8);
    }
    if masked.contains(&CellId::from_bytes(a.id)) {
        return Verdict::Mask(Mask::AlreadyInContext as u8);
    }
    Verdict::Admit
}

fn rules_of(a: &Attrs, kind: CellType, status: CellStatus, sensitivity: Sensitivity) -> RuleInput {
    RuleInput {
        kind,
        status,
        sensitivity,
        valid_from: (a.valid_from != i64::MIN).then_some(Timestamp(a.valid_from)),
        valid_until: (a.valid_until != i64::MAX).then_some(Timestamp(a.valid_until)),
        criticality: a.criticality,
        contradicted: a.flags & FLAG_CONTRADICTED != 0,
    }
}

/// The critical cells of each level, most relevant first: candidates whatever the search says.
fn critical_cells(
    index: &Index,
    text: &str,
    levels: &[Vec<Pair>],
    judge: &(dyn Fn(&Attrs) -> Verdict + Sync),
) -> Vec<(Attrs, usize)> {
    let mut all: Vec<(Attrs, usize)> = Vec::new();
    for (level, pairs) in levels.iter().enumerate() {
        let mut scope = pairs.clone();
        scope.push((CRITICAL_PAIR.0.to_owned(), CRITICAL_PAIR.1.to_owned()));
        let found = index.memcell(&MemcellQuery {
            text,
            scope: &scope,
            judge,
            k: MAX_CRITICAL,
        });
        for (attrs, _) in found {
            if all.iter().all(|(a, _)| a.seq != attrs.seq) {
                all.push((attrs, level));
            }
        }
    }
    all.truncate(MAX_CRITICAL);
    all
}

/// What a level of a request's scopes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The asked scope.
    Asked,
    /// One that was named as wider.
    Named,
    /// Cells of no scope.
    Unscoped,
    /// Whatever is left.
    Elsewhere,
}

impl Level {
    fn scope_level(self) -> ScopeLevel {
        match self {
            Self::Asked => ScopeLevel::Asked,
            Self::Named | Self::Elsewhere => ScopeLevel::Wider,
            Self::Unscoped => ScopeLevel::Global,
        }
    }
}

/// The scopes of a request, nearest first: the asked one, the named wider ones, cells of no scope,
/// and everything else. A cell belongs to the first that has it.
fn levels_of(request: &RecallRequest) -> (Vec<Vec<Pair>>, Vec<Level>) {
    let mut levels = vec![scope_pairs(&request.scope)];
    let mut kinds = vec![Level::Asked];
    let (named, everything): (Vec<_>, Vec<_>) =
        request.widen.iter().partition(|scope| !scope.is_empty());
    for scope in named {
        levels.push(scope_pairs(scope));
        kinds.push(Level::Named);
    }
    if request.global {
        let (key, value) = UNSCOPED_PAIR;
        levels.push(vec![(key.to_owned(), value.to_owned())]);
        kinds.push(Level::Unscoped);
    }
    if !everything.is_empty() {
        levels.push(Vec::new());
        kinds.push(Level::Elsewhere);
    }
    (levels, kinds)
}

/// Candidates of search hits, in their order, with scores scaled over the answer.
fn of_hits(
    hits: &[Hit],
    kinds: &[Level],
    named: &Named,
    counts: BudgetCounts,
    now: Timestamp,
) -> Vec<Found> {
    // A masked cell changes nobody's score.
    let admitted = || hits.iter().filter(|h| h.mask.is_none());
    let fused = Range::of(admitted().map(|h| h.fused));
    let bm25 = Range::of(admitted().map(|h| h.bm25));
    let window = Range::of(admitted().map(|h| h.bm25_window));
    let in_source = Range::of(admitted().map(|h| h.bm25_source));
    let mut best: HashMap<u64, f64> = HashMap::new();
    for h in hits.iter().filter(|h| h.attrs.source != 0) {
        let score = fused.scale(h.fused);
        best.entry(h.attrs.source)
            .and_modify(|b| *b = b.max(score))
            .or_insert(score);
    }
    let likeness = likeness(hits);
    hits.iter()
        .zip(likeness)
        .zip(clues(hits))
        .map(|((h, likeness), clues)| {
            let mut c = candidate_of(&h.attrs, counts, now);
            let level = kinds
                .get(usize::from(h.level))
                .copied()
                .unwrap_or(Level::Asked);
            c.scope_level = level.scope_level();
            c.likeness = match level {
                Level::Elsewhere => likeness.map(|l| (l - ELSEWHERE).max(0.0)),
                _ => likeness,
            };
            c.mask = h
                .mask
                .and_then(|m| MASKS.iter().copied().find(|x| *x as u8 == m));
            c.score = fused.scale(h.fused);
            c.bm25 = (h.bm25_rank != u32::MAX || h.bm25 > 0.0).then(|| bm25.scale(h.bm25));
            c.dense = (h.dense_rank != u32::MAX).then(|| f64::from(h.dense));
            c.bm25_window = Some(window.scale(h.bm25_window));
            c.dense_window = Some(f64::from(h.dense_window));
            c.source_score = best.get(&h.attrs.source).copied();
            c.bm25_rank = (h.bm25_rank != u32::MAX).then_some(h.bm25_rank);
            c.dense_rank = (h.dense_rank != u32::MAX).then_some(h.dense_rank);
            c.speaker_match = named.speaker(h.attrs.flags >> SPEAKER_SHIFT);
            c.clues = Clues {
                bm25_source: in_source.scale(h.bm25_source),
                time_match: named.has_time() && named.time(happened(&h.attrs)),
                ..clues
            };
            Found {
                seq: h.attrs.seq,
                version: h.attrs.version,
                candidate: c,
            }
        })
        .collect()
}

/// What each hit says about itself, and about its source among those that were found. A masked hit counts
/// for nothing.
fn clues(hits: &[Hit]) -> Vec<Clues> {
    // Rank and number of hits of each source.
    let mut sources: HashMap<u64, (u32, u32)> = HashMap::new();
    let mut in_source = Vec::with_capacity(hits.len());
    for h in hits {
        let ranks = u32::try_from(sources.len()).unwrap_or(u32::MAX);
        in_source.push((h.attrs.source != 0 && h.mask.is_none()).then(|| {
            let (_, seen) = sources.entry(h.attrs.source).or_insert((ranks, 0));
            *seen += 1;
            *seen - 1
        }));
    }
    let beside = |near: Near| Beside {
        coverage: near.coverage.into(),
        dense: near.dense.into(),
        asks: form_of(near.flags).has(CellForm::ASKS),
    };
    let of_hit = |(h, rank_in_source): (&Hit, Option<u32>)| {
        let source = rank_in_source.and_then(|_| sources.get(&h.attrs.source));
        Clues {
            coverage: h.coverage.into(),
            matched: h.shares.text.into(),
            matched_names: h.shares.names.into(),
            matched_window: h.shares.window.into(),
            matched_source: h.shares.source.into(),
            matched_source_name: h.shares.source_name.into(),
            dense_source: h.dense_source.into(),
            echo: h.echo.into(),
            before: h.before.map(beside),
            after: h.after.map(beside),
            position: (h.attrs.source != 0).then_some(h.attrs.position),
            source_rank: source.map(|s| s.0),
            rank_in_source,
            source_hits: source.map_or(0, |s| s.1),
            ..Clues::default()
        }
    };
    hits.iter().zip(in_source).map(of_hit).collect()
}

/// The form of a content, of the flags that the index keeps.
fn form_of(flags: u32) -> CellForm {
    CellForm(flags >> FORM_SHIFT & CellForm::ALL)
}

/// How alike query and document are, for each hit: the mean of cosine and of BM25 as a share of the
/// best BM25, made to fall with the order of the hits.
///
/// The fused score says who comes first, but its unit is the spread of the answer: between two
/// hits there is always the same distance, however alike they are. Values need a distance that
/// means something.
fn likeness(hits: &[Hit]) -> Vec<Option<f64>> {
    let admitted = || hits.iter().filter(|h| h.mask.is_none());
    let best = admitted().map(|h| h.bm25).fold(0.0, f32::max);
    let dense = admitted().any(|h| h.dense_rank != u32::MAX);
    let raw = |h: &Hit| {
        let words = if best > 0.0 {
            (h.bm25 / best).min(1.0)
        } else {
            0.0
        };
        let meaning = h.dense.clamp(0.0, 1.0);
        f64::from(if dense && best > 0.0 {
            words.midpoint(meaning)
        } else {
            words.max(meaning)
        })
    };
    let mut ceiling = 1.0_f64;
    hits.iter()
        .map(|h| {
            h.mask.is_none().then(|| {
                ceiling = ceiling.min(raw(h));
                ceiling
            })
        })
        .collect()
}

/// When it happened or was said; when it was written if nobody knows.
fn happened(a: &Attrs) -> Timestamp {
    Timestamp(if a.occurred_at == i64::MIN {
        a.created_at
    } else {
        a.occurred_at
    })
}

/// What the index knows about a cell, as a candidate without scores.
fn candidate_of(a: &Attrs, counts: BudgetCounts, now: Timestamp) -> Candidate {
    let kind = CellType::from_code(a.kind).unwrap_or(CellType::Fact);
    let mut c = Candidate::new(CellId::from_bytes(a.id), kind);
    c.status = CellStatus::from_code(a.status).unwrap_or(CellStatus::Active);
    c.sensitivity = Sensitivity::from_code(a.sensitivity).unwrap_or(Sensitivity::Restricted);
    c.origin = Origin::from_code(a.origin).unwrap_or(Origin::Import);
    c.validity_over = a.valid_until < now.0;
    c.tokens = (a.extra / 4).max(1);
    c.cost = match counts {
        BudgetCounts::Rendered => a.tokens,
        BudgetCounts::Content => c.tokens,
    };
    c.age_days = now.days_since(happened(a));
    c.confidence = a.confidence;
    c.form = form_of(a.flags);
    c.clues.position = (a.source != 0).then_some(a.position);
    c.features = PolicyFeatures {
        criticality: a.criticality,
        compressibility: a.compressibility,
        staleness: a.staleness,
        future_utility_estimate: a.future_utility,
    };
    c
}

/// Min-max scaling.
struct Range {
    low: f32,
    span: f32,
}

impl Range {
    fn of(values: impl Iterator<Item = f32>) -> Self {
        let (low, high) = values.fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(v), h.max(v)));
        Self {
            low,
            span: high - low,
        }
    }

    fn scale(&self, value: f32) -> f64 {
        if self.span > 0.0 {
            f64::from((value - self.low) / self.span).clamp(0.0, 1.0)
        } else {
            1.0
        }
    }
}
