//! What learned policies are compared with, tuned as hard as they are: on the same training scenes, and by the true expected
//! reward of every choice, which no trainer is told.

use memrl::learn::policy::{Similarity, Utility};
use memrl::learn::{Candidate, Context, RecallPolicy, Scored};
use memrl_types::Mode;

use super::contest::{Part, value};

/// Weights of the learned value that are tried for `utility`.
pub const WEIGHTS: [f64; 7] = [0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0];
/// Shares of the training candidates that a cut-off for `similarity` leaves out.
pub const CUTS: [f64; 8] = [0.0, 0.3, 0.5, 0.65, 0.75, 0.85, 0.9, 0.95];

/// `similarity`, but nothing below a likeness.
pub struct Cut {
    /// The smallest likeness that is shown.
    pub least: f64,
}

fn likeness(c: &Candidate) -> f64 {
    c.likeness.unwrap_or(c.score)
}

impl RecallPolicy for Cut {
    fn id(&self) -> &'static str {
        "similarity-cut"
    }

    fn version(&self) -> u32 {
        1
    }

    fn order(&self, ctx: &Context, candidates: &[Candidate]) -> Vec<Scored> {
        let (shown, mut left): (Vec<_>, Vec<_>) = Similarity
            .order(ctx, candidates)
            .into_iter()
            .partition(|s| likeness(&candidates[s.index]) >= self.least);
        for s in &mut left {
            s.mode = Mode::Suppress;
            "below the cut-off".clone_into(&mut s.reason);
        }
        left.sort_by_key(|s| s.index);
        shown.into_iter().chain(left).collect()
    }
}

/// Reciprocal rank fusion of the lexical and the dense list (Cormack et al. 2009, k = 60): what most hybrid searches do, and what
/// gains on questions are usually told against.
pub struct Rrf;

impl RecallPolicy for Rrf {
    fn id(&self) -> &'static str {
        "rrf"
    }

    fn version(&self) -> u32 {
        1
    }

    fn order(&self, ctx: &Context, candidates: &[Candidate]) -> Vec<Scored> {
        let part = |rank: Option<u32>| rank.map_or(0.0, |r| 1.0 / (61.0 + f64::from(r)));
        let mut fused = candidates.to_vec();
        for c in &mut fused {
            c.score = part(c.bm25_rank) + part(c.dense_rank);
        }
        Similarity.order(ctx, &fused)
    }
}

/// The best of some policies on the training scenes; the first of equals.
fn best<P: RecallPolicy>(
    made: impl Iterator<Item = P>,
    train: &[Part<'_>],
    budgets: &[u64],
) -> Option<P> {
    let mut top: Option<(f64, P)> = None;
    for policy in made {
        let worth = value(&policy, train, budgets);
        if top.as_ref().is_none_or(|(t, _)| worth > *t) {
            top = Some((worth, policy));
        }
    }
    top.map(|(_, policy)| policy)
}

/// `utility` with the weight that is best on the training scenes.
pub fn utility(train: &[Part<'_>], budgets: &[u64]) -> Utility {
    let with = |weight: &f64| Utility {
        weight: *weight,
        ..Utility::default()
    };
    best(WEIGHTS.iter().map(with), train, budgets).unwrap_or_default()
}

/// `similarity` with the cut-off that is best on the training scenes.
pub fn cut(train: &[Part<'_>], budgets: &[u64]) -> Cut {
    let mut all: Vec<f64> = train
        .iter()
        .flat_map(|p| &p.scenes)
        .flat_map(|s| s.candidates.iter().map(likeness))
        .collect();
    all.sort_by(f64::total_cmp);
    let at = |share: &f64| Cut {
        least: match all.get((share * all.len() as f64) as usize) {
            Some(least) if *share > 0.0 => *least,
            _ => f64::NEG_INFINITY,
        },
    };
    best(CUTS.iter().map(at), train, budgets).unwrap_or(Cut {
        least: f64::NEG_INFINITY,
    })
}
