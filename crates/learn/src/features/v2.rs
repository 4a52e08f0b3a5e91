//! The feature schema of recall decisions, `recall-v2`.
//!
//! Three tables, one behind the other: [`v1`] as it is; what else is known of a candidate or of the query; and where the
//! candidate stands among the others of the answer. The first two are functions of one candidate and hold all that the
//! built-in policies read, unrounded by any logarithm, so that a candidate can be made again from its row
//! ([`super::rebuild`]). The third is a function of the first two. None may change under this name.

use std::sync::LazyLock;

use super::v1::{self, flag, log, reciprocal};
use super::{Feature, Formula, formulas, settle};
use crate::{Asks, Beside, Candidate, CellForm, Context};

/// The name and version of the schema.
pub const RECALL_V2: &str = "recall-v2";

/// Something of a neighbour that may not be there; 0 then.
fn beside(b: Option<Beside>, get: fn(Beside) -> f64) -> f64 {
    b.map_or(0.0, get)
}

/// Whether the query asks for this.
fn asks(ctx: &Context, what: Asks) -> f64 {
    flag(ctx.query.asks == what)
}

/// What is known of one candidate, or of the query.
pub(super) static ALONE: &[Formula] = formulas! {
    "likeness", -10.0..=10.0, "similarity on a scale of its own, that does not depend on what else was found", |_, c| c.likeness.unwrap_or(c.score);
    "value_prior", 0.0..=1.0, "the prior of its type's value", |_, c| c.value.prior;
    "value_mass", 0.0..=1e9, "mass of its evidence", |_, c| c.value.mass;
    "coverage", 0.0..=1.0, "lexical score as a share of what a text with every word of the query could reach", |_, c| c.clues.coverage;
    "matched", 0.0..=1.0, "share of the query's words (idf-weighted) that it has", |_, c| c.clues.matched;
    "matched_names", 0.0..=1.0, "share of the query's names (capitals, numbers, identifiers; idf-weighted) that it has", |_, c| c.clues.matched_names;
    "matched_window", 0.0..=1.0, "share of the query's words in it or its neighbours", |_, c| c.clues.matched_window;
    "matched_source", 0.0..=1.0, "share of the query's words in what was found of its source", |_, c| c.clues.matched_source;
    "matched_source_name", 0.0..=1.0, "share of the query's words in the name of its source", |_, c| c.clues.matched_source_name;
    "bm25_source", 0.0..=1.0, "best lexical score in its source, min-max normalised", |_, c| c.clues.bm25_source;
    "dense_source", -1.0..=1.0, "best dense cosine in its source", |_, c| c.clues.dense_source;
    "echo", -1.0..=1.0, "dense cosine with the best five hits but itself", |_, c| c.clues.echo;
    "has_source", 0.0..=1.0, "1 when it stands in a source", |_, c| flag(c.clues.position.is_some());
    "log_position", 0.0..=25.0, "ln(1 + its place in its source)", |_, c| c.clues.position.map_or(0.0, |p| log(p.into()));
    "source_rank", 0.0..=1.0, "1 / (1 + rank of its source among those found); 0 without", |_, c| reciprocal(c.clues.source_rank);
    "rank_in_source", 0.0..=1.0, "1 / (1 + its rank in its source); 0 without", |_, c| reciprocal(c.clues.rank_in_source);
    "log_source_hits", 0.0..=25.0, "ln(1 + cells of its source that were found)", |_, c| log(c.clues.source_hits.into());
    "has_before", 0.0..=1.0, "1 when something stands right before it", |_, c| flag(c.clues.before.is_some());
    "coverage_before", 0.0..=1.0, "`coverage` of what stands before it", |_, c| beside(c.clues.before, |b| b.coverage);
    "dense_before", -1.0..=1.0, "dense cosine of what stands before it", |_, c| beside(c.clues.before, |b| b.dense);
    "asked_before", 0.0..=1.0, "1 when what stands before it asks", |_, c| beside(c.clues.before, |b| flag(b.asks));
    "has_after", 0.0..=1.0, "1 when something stands right behind it", |_, c| flag(c.clues.after.is_some());
    "coverage_after", 0.0..=1.0, "`coverage` of what stands behind it", |_, c| beside(c.clues.after, |b| b.coverage);
    "dense_after", -1.0..=1.0, "dense cosine of what stands behind it", |_, c| beside(c.clues.after, |b| b.dense);
    "asked_after", 0.0..=1.0, "1 when what stands behind it asks", |_, c| beside(c.clues.after, |b| flag(b.asks));
    "time_match", 0.0..=1.0, "1 when it is from a month or year that the query names", |_, c| flag(c.clues.time_match);
    "form_asks", 0.0..=1.0, "1 when it ends by asking", |_, c| flag(c.form.has(CellForm::ASKS));
    "form_number", 0.0..=1.0, "1 when it has a number", |_, c| flag(c.form.has(CellForm::NUMBER));
    "form_time", 0.0..=1.0, "1 when it has a word of time", |_, c| flag(c.form.has(CellForm::TIME));
    "form_name", 0.0..=1.0, "1 when it has a name (a capital inside a sentence)", |_, c| flag(c.form.has(CellForm::NAME));
    "form_first_person", 0.0..=1.0, "1 when somebody speaks of themselves in it", |_, c| flag(c.form.has(CellForm::FIRST_PERSON));
    "form_code", 0.0..=1.0, "1 when it has code, a path or an identifier", |_, c| flag(c.form.has(CellForm::CODE));
    "form_negates", 0.0..=1.0, "1 when it denies something", |_, c| flag(c.form.has(CellForm::NEGATES));
    "query_who", 0.0..=1.0, "1 when the query asks for a person", |x, _| asks(x, Asks::Who);
    "query_what", 0.0..=1.0, "1 when it asks for a thing", |x, _| asks(x, Asks::What);
    "query_which", 0.0..=1.0, "1 when it asks for one of several", |x, _| asks(x, Asks::Which);
    "query_when", 0.0..=1.0, "1 when it asks for a time", |x, _| asks(x, Asks::When);
    "query_where", 0.0..=1.0, "1 when it asks for a place", |x, _| asks(x, Asks::Where);
    "query_why", 0.0..=1.0, "1 when it asks for a reason", |x, _| asks(x, Asks::Why);
    "query_how", 0.0..=1.0, "1 when it asks for a manner", |x, _| asks(x, Asks::How);
    "query_how_many", 0.0..=1.0, "1 when it asks for a number or an amount", |x, _| asks(x, Asks::HowMany);
    "query_yes_no", 0.0..=1.0, "1 when it asks for yes or no", |x, _| asks(x, Asks::YesNo);
    "log_query_words", 0.0..=25.0, "ln(1 + words of the query)", |x, _| log(x.query.words.into());
    "log_query_names", 0.0..=25.0, "ln(1 + names in the query)", |x, _| log(x.query.names.into());
    "query_time", 0.0..=1.0, "1 when the query names a month or a year", |x, _| flag(x.query.time);
    "query_first_person", 0.0..=1.0, "1 when the query is about who asks", |x, _| flag(x.query.first_person);
};

/// The candidates of an answer that may be shown, and what they have in common.
struct Answer<'a> {
    ctx: &'a Context,
    /// Settled, in their order.
    candidates: &'a [Candidate],
    spreads: [Spread; 8],
    speakers: bool,
}

/// Mean, standard deviation and largest of a score over an answer.
#[derive(Clone, Copy)]
struct Spread {
    mean: f64,
    sd: f64,
    best: f64,
}

/// The scores whose place in the answer is a feature, in the order of [`Answer::spreads`].
static SCORES: [fn(&Candidate) -> f64; 8] = [
    |c| c.bm25.unwrap_or(0.0),
    |c| c.dense.unwrap_or(0.0),
    |c| c.bm25_window.unwrap_or(0.0),
    |c| c.dense_window.unwrap_or(0.0),
    |c| c.clues.bm25_source,
    |c| c.clues.dense_source,
    |c| c.clues.matched,
    |c| c.clues.echo,
];

impl<'a> Answer<'a> {
    fn of(ctx: &'a Context, candidates: &'a [Candidate]) -> Self {
        let n = candidates.len().max(1) as f64;
        let spreads = SCORES.map(|score| {
            let mean = candidates.iter().map(score).sum::<f64>() / n;
            let square = |c: &Candidate| (score(c) - mean).powi(2);
            let best = candidates
                .iter()
                .map(score)
                .fold(f64::NEG_INFINITY, f64::max);
            Spread {
                mean,
                sd: (candidates.iter().map(square).sum::<f64>() / n).sqrt(),
                best,
            }
        });
        Self {
            ctx,
            candidates,
            spreads,
            speakers: candidates.iter().any(|c| c.speaker_match),
        }
    }

    /// (x − mean) / sd of the k-th score; 0 where all are equal.
    fn z(&self, k: usize, c: &Candidate) -> f64 {
        let s = &self.spreads[k];
        if s.sd > 1e-6 {
            (SCORES[k](c) - s.mean) / s.sd
        } else {
            0.0
        }
    }

    /// How far the k-th score is below the best.
    fn below(&self, k: usize, c: &Candidate) -> f64 {
        self.spreads[k].best - SCORES[k](c)
    }

    /// ln(1 + rank), a rank behind all where the list does not hold the cell.
    fn log_rank(&self, rank: Option<u32>) -> f64 {
        log(rank.map_or(self.candidates.len() as f64, f64::from))
    }
}

/// A feature of a candidate, by its number, in an answer.
struct Relative {
    feature: Feature,
    get: fn(&Answer<'_>, usize, &Candidate) -> f64,
}

/// Declares the table.
macro_rules! relative {
    ($($name:literal, $low:literal ..= $high:literal, $meaning:literal, $get:expr;)+) => {
        &[$(Relative {
            feature: Feature { name: $name, meaning: $meaning, low: $low, high: $high },
            get: $get,
        }),+]
    };
}

/// 61 / (61 + rank), the damped rank of reciprocal rank fusion (Cormack et al. 2009) with k = 60; 0 without.
fn damped(rank: Option<u32>) -> f64 {
    rank.map_or(0.0, |r| 61.0 / (61.0 + f64::from(r)))
}

/// Both: the query asks for this, and the cell has one of these.
fn both(a: &Answer<'_>, what: Asks, c: &Candidate, bits: u32) -> f64 {
    flag(a.ctx.query.asks == what && c.form.0 & bits != 0)
}

/// Where a candidate stands in the answer, and what only holds of query and cell together.
static RELATIVE: &[Relative] = relative! {
    "z_bm25", -20.0..=20.0, "`bm25` in standard deviations above the mean of the answer", |a, _, c| a.z(0, c);
    "z_dense", -20.0..=20.0, "the same of `dense`", |a, _, c| a.z(1, c);
    "z_bm25_window", -20.0..=20.0, "the same of `bm25_window`", |a, _, c| a.z(2, c);
    "z_dense_window", -20.0..=20.0, "the same of `dense_window`", |a, _, c| a.z(3, c);
    "z_bm25_source", -20.0..=20.0, "the same of `bm25_source`", |a, _, c| a.z(4, c);
    "z_dense_source", -20.0..=20.0, "the same of `dense_source`", |a, _, c| a.z(5, c);
    "z_matched", -20.0..=20.0, "the same of `matched`", |a, _, c| a.z(6, c);
    "z_echo", -20.0..=20.0, "the same of `echo`", |a, _, c| a.z(7, c);
    "dense_below_best", 0.0..=2.0, "how far `dense` is below the best of the answer", |a, _, c| a.below(1, c);
    "matched_below_best", 0.0..=1.0, "how far `matched` is below the best of the answer", |a, _, c| a.below(6, c);
    "score_above_next", 0.0..=20.0, "how far `score` is above that of the next candidate; 0 for the last", |a, i, c| a.candidates.get(i + 1).map_or(0.0, |n| c.score - n.score);
    "log_rank", 0.0..=25.0, "ln(1 + rank before the policy)", |a, _, c| a.log_rank(Some(c.rank));
    "log_bm25_rank", 0.0..=25.0, "ln(1 + rank in the lexical list); behind all when not in it", |a, _, c| a.log_rank(c.bm25_rank);
    "log_dense_rank", 0.0..=25.0, "ln(1 + rank in the dense list); behind all when not in it", |a, _, c| a.log_rank(c.dense_rank);
    "rrf", 0.0..=1.0, "mean of 61 / (61 + rank) over the lexical and the dense list", |_, _, c| damped(c.bm25_rank).midpoint(damped(c.dense_rank));
    "agreement", 0.0..=1.0, "1 / (1 + the worse of the two ranks); 0 when one list does not hold it", |_, _, c| reciprocal(c.bm25_rank.zip(c.dense_rank).map(|(b, d)| b.max(d)));
    "log_pool", 0.0..=25.0, "ln(1 + candidates that may be shown)", |a, _, _| log(a.candidates.len() as f64);
    "best_dense", -1.0..=1.0, "best `dense` of the answer", |a, _, _| a.spreads[1].best;
    "best_matched", 0.0..=1.0, "best `matched` of the answer", |a, _, _| a.spreads[6].best;
    "other_speaker", 0.0..=1.0, "1 when the query names a speaker of the answer, but not this one", |a, _, c| flag(a.speakers && !c.speaker_match);
    "speaks_of_self", 0.0..=1.0, "1 when the query names its speaker, who speaks of themselves", |_, _, c| flag(c.speaker_match && c.form.has(CellForm::FIRST_PERSON));
    "answers_before", 0.0..=1.0, "1 when what stands before it asks and it does not", |_, _, c| flag(c.clues.before.is_some_and(|b| b.asks) && !c.form.has(CellForm::ASKS));
    "other_time", 0.0..=1.0, "1 when the query names a time, but not its", |a, _, c| flag(a.ctx.query.time && !c.clues.time_match);
    "when_time", 0.0..=1.0, "1 when the query asks for a time and it has a word of time", |a, _, c| both(a, Asks::When, c, CellForm::TIME);
    "how_many_number", 0.0..=1.0, "1 when the query asks for a number and it has one", |a, _, c| both(a, Asks::HowMany, c, CellForm::NUMBER);
    "who_name", 0.0..=1.0, "1 when the query asks for a person and it has a name", |a, _, c| both(a, Asks::Who, c, CellForm::NAME);
    "where_name", 0.0..=1.0, "1 when the query asks for a place and it has a name", |a, _, c| both(a, Asks::Where, c, CellForm::NAME);
    "matched_per_token", 0.0..=1.0, "`matched` / ln(2 + tokens of the content): short answers leave room for others", |_, _, c| c.clues.matched / (2.0 + f64::from(c.tokens)).ln();
};

/// The features of `recall-v2`, in their order.
pub fn schema() -> &'static [Feature] {
    static FEATURES: LazyLock<Vec<Feature>> = LazyLock::new(|| {
        let alone = alone().map(|f| f.feature);
        alone.chain(RELATIVE.iter().map(|r| r.feature)).collect()
    });
    &FEATURES
}

/// The features that are functions of one candidate.
pub(super) fn alone() -> impl Iterator<Item = &'static Formula> {
    v1::SCHEMA.iter().chain(ALONE)
}

/// The features of the candidates of one answer, row by row: `candidates.len()` rows as wide as [`schema`], always finite
/// and in range; what is not a number counts as 0. Rows of masked candidates are all 0, and these count for nothing
/// in the rows of others. The candidates are [settled](super::settle()) first; those that are already stay as they are.
pub fn rows(ctx: &Context, candidates: &[Candidate]) -> Vec<f32> {
    let width = schema().len();
    let shown = candidates.iter().filter(|c| c.mask.is_none());
    let settled: Vec<Candidate> = shown.map(settle).collect();
    let answer = Answer::of(ctx, &settled);
    let mut out = Vec::with_capacity(candidates.len() * width);
    let mut next = 0;
    for c in candidates {
        if c.mask.is_some() {
            out.resize(out.len() + width, 0.0);
            continue;
        }
        let c = &settled[next];
        out.extend(alone().map(|f| f.of(ctx, c)));
        out.extend(
            RELATIVE
                .iter()
                .map(|r| r.feature.clip((r.get)(&answer, next, c))),
        );
        next += 1;
    }
    out
}
